/* SPDX-License-Identifier: BSD-3-Clause */
/* The key of a host, what it signs, and the keys of peers as they were first seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stunclient/peer/host_key.h"
#include "stunclient/peer/known_peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Key and signature were made by another program (Python's cryptography), of the private key whose
 * bytes are 1 to 32. */
#define PRIVATE_TEXT "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"
#define PUBLIC_TEXT "ebVWLo_mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ"
#define SIGNATURE_TEXT \
    "T_YvyYXhlHNsGFJp-ZZNbJO2QIRpOglUvbTHqFh2ZXjDduj5K4_ZjTID2IIoBfjF_0yHlMzYlE_AhgYANV7cBQ"
#define OURS "sha-256 AA:BB"
#define THEIRS "sha-256 CC:DD"

static char folder[64];
static char path[128];
static struct failure failure;

static const struct host_key_claim answer = {
    .type = "answer", .fingerprint = OURS, .other = THEIRS};

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/postern-key-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/below/key", folder);
    return 0;
}

static int tear_down(void **state)
{
    char below[128];
    (void)state;
    snprintf(below, sizeof below, "%s/below", folder);
    unlink(path);
    rmdir(below);
    return rmdir(folder);
}

static void write_file(const char *text, mode_t mode)
{
    char below[128];
    snprintf(below, sizeof below, "%s/below", folder);
    mkdir(below, 0700);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void load_known(struct host_key *key)
{
    write_file("postern ed25519 private key 1\n" PRIVATE_TEXT "\n", 0600);
    assert_true(host_key_load(key, path, &failure));
}

static void makes_a_key_once(void **state)
{
    struct host_key one;
    struct host_key other;
    struct stat status;
    (void)state;
    assert_true(host_key_load(&one, path, &failure));
    assert_true(host_key_load(&other, path, &failure));
    assert_memory_equal(&one, &other, sizeof one);
    assert_int_equal(strlen(one.public_text), 43);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void agrees_with_another_program(void **state)
{
    struct host_key key;
    char identity[HOST_KEY_IDENTITY_SIZE];
    char public_text[HOST_KEY_TEXT_SIZE];
    (void)state;
    load_known(&key);
    assert_string_equal(key.public_text, PUBLIC_TEXT);
    assert_true(host_key_sign(&key, &answer, identity));
    assert_string_equal(identity, "ed25519 " PUBLIC_TEXT " " SIGNATURE_TEXT);
    assert_null(host_key_verify(identity, &answer, public_text));
    assert_string_equal(public_text, PUBLIC_TEXT);
}

static void refuses_what_is_not_signed(void **state)
{
    const struct host_key_claim others[] = {
        {"offer", OURS, THEIRS},
        {"answer", THEIRS, OURS},
        {"answer", OURS, ""},
        {"answer", OURS, OURS},
    };
    static const char *const texts[] = {
        "",
        "ed25519",
        "ed25519 ",
        "rsa " PUBLIC_TEXT " " SIGNATURE_TEXT,
        "ed25519 " PUBLIC_TEXT,
        "ed25519 " PUBLIC_TEXT " ",
        "ed25519 " PUBLIC_TEXT " " SIGNATURE_TEXT "A",
        "ed25519 " SIGNATURE_TEXT " " PUBLIC_TEXT,
        "ed25519  " PUBLIC_TEXT " " SIGNATURE_TEXT,
    };
    char public_text[HOST_KEY_TEXT_SIZE] = "";
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_non_null(
            host_key_verify("ed25519 " PUBLIC_TEXT " " SIGNATURE_TEXT, &others[i], public_text));
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_non_null(host_key_verify(texts[i], &answer, public_text));
    }
    assert_string_equal(public_text, "");
}

static void refuses_a_key_that_others_can_read(void **state)
{
    struct host_key key;
    (void)state;
    write_file("postern ed25519 private key 1\n" PRIVATE_TEXT "\n", 0640);
    assert_false(host_key_load(&key, path, &failure));
    assert_non_null(strstr(failure.text, "can be read by others"));
}

static void refuses_a_file_without_key(void **state)
{
    struct host_key key;
    (void)state;
    write_file("postern ed25519 private key 1\nAQID\n", 0600);
    assert_false(host_key_load(&key, path, &failure));
    assert_non_null(strstr(failure.text, "holds no key"));
}

static void pins_on_first_use(void **state)
{
    (void)state;
    assert_int_equal(known_peers_check(path, "h:8080", "bob", NULL, &failure), KNOWN_PEER_UNKNOWN);
    assert_int_equal(known_peers_check(path, "h:8080", "bob", "KEY", &failure), KNOWN_PEER_NEW);
    assert_int_equal(known_peers_check(path, "h:8080", "bob", "KEY", &failure), KNOWN_PEER_SAME);
    assert_int_equal(known_peers_check(path, "h:8080", "bo", "KEY2", &failure), KNOWN_PEER_NEW);
    assert_int_equal(known_peers_check(path, "h:8081", "bob", "KEY2", &failure), KNOWN_PEER_NEW);
    failure.status = EXIT_OK;
    assert_int_equal(known_peers_check(path, "h:8080", "bob", "KEY2", &failure),
                     KNOWN_PEER_CHANGED);
    assert_int_equal(failure.status, EXIT_IDENTITY);
    assert_non_null(strstr(failure.advice, "stunclient key --trust bob=KEY2"));
    assert_int_equal(known_peers_check(path, "h:8080", "bob", NULL, &failure),
                     KNOWN_PEER_WITHDRAWN);
    assert_int_equal(known_peers_check(path, "h:8080", "bob", "KEY", &failure), KNOWN_PEER_SAME);
}

static void names_cannot_forge_lines(void **state)
{
    (void)state;
    assert_int_equal(
        known_peers_check(path, "h:1", "eve ed25519 K\nh:1 bob ed25519 EVIL", "KEY", &failure),
        KNOWN_PEER_NEW);
    assert_int_equal(known_peers_check(path, "h:1", "bob", "GOOD", &failure), KNOWN_PEER_NEW);
    assert_int_equal(
        known_peers_check(path, "h:1", "eve ed25519 K\nh:1 bob ed25519 EVIL", "KEY", &failure),
        KNOWN_PEER_SAME);
}

/* One account, several hosts; and a key that has been replaced. */
static void has_several_keys(void **state)
{
    (void)state;
    assert_int_equal(known_peers_check(path, "h:1", "bob", "ONE", &failure), KNOWN_PEER_NEW);
    assert_int_equal(known_peers_check(path, "h:1", "eve", "EVE", &failure), KNOWN_PEER_NEW);
    assert_int_equal(known_peers_check(path, "h:1", "bob", "TWO", &failure), KNOWN_PEER_CHANGED);
    assert_int_equal(known_peers_add(path, "h:1", "bob", "TWO"), 0);
    assert_int_equal(known_peers_add(path, "h:1", "bob", "TWO"), 0);
    assert_int_equal(known_peers_add(path, "h:2", "bob", "SIX"), 0);
    assert_int_equal(known_peers_check(path, "h:1", "bob", "ONE", &failure), KNOWN_PEER_SAME);
    assert_int_equal(known_peers_check(path, "h:1", "bob", "TWO", &failure), KNOWN_PEER_SAME);
    assert_int_equal(known_peers_check(path, "h:1", "bob", "SIX", &failure), KNOWN_PEER_CHANGED);
    assert_int_equal(known_peers_forget(path, "h:1", "bob"), 2);
    assert_int_equal(known_peers_forget(path, "h:1", "bob"), 0);
    assert_int_equal(known_peers_check(path, "h:1", "eve", "EVE", &failure), KNOWN_PEER_SAME);
    assert_int_equal(known_peers_check(path, "h:2", "bob", "SIX", &failure), KNOWN_PEER_SAME);
    assert_int_equal(known_peers_check(path, "h:1", "bob", "NEW", &failure), KNOWN_PEER_NEW);
    assert_int_equal(known_peers_forget(path, NULL, "bob"), 2);
    assert_int_equal(known_peers_forget("/tmp/none/known", NULL, "bob"), 0);
}

static void names_are_typed_as_they_are_told(void **state)
{
    char name[KNOWN_PEER_NAME_SIZE];
    (void)state;
    known_peers_read_name(name, "m%C3%BCller 100%");
    assert_string_equal(name, "m\xC3\xBCller 100%");
    assert_int_equal(known_peers_check(path, "h:1", name, "ONE", &failure), KNOWN_PEER_NEW);
    assert_int_equal(known_peers_check(path, "h:1", name, "TWO", &failure), KNOWN_PEER_CHANGED);
    assert_non_null(strstr(failure.advice, "--trust m%C3%BCller%20100%25=TWO"));
    known_peers_read_name(name, "m%C3%BCller%20100%25");
    assert_int_equal(known_peers_forget(path, NULL, name), 1);
}

static void goes_on_without_a_file(void **state)
{
    (void)state;
    assert_int_equal(known_peers_check("/proc/none/known", "h:1", "bob", "KEY", &failure),
                     KNOWN_PEER_UNSAVED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(makes_a_key_once),           TEST(agrees_with_another_program),
        TEST(refuses_what_is_not_signed), TEST(refuses_a_key_that_others_can_read),
        TEST(refuses_a_file_without_key), TEST(pins_on_first_use),
        TEST(names_cannot_forge_lines),   TEST(goes_on_without_a_file),
        TEST(has_several_keys),           TEST(names_are_typed_as_they_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
