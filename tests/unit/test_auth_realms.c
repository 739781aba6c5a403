/* SPDX-License-Identifier: BSD-3-Clause */
/* Several realms on one server. */
#include "auth_test.h"

#include "turnserver/auth/policy.h"
#include "turnserver/auth/rest.h"

#include <errno.h>

#define OTHER "example.net"

struct realms_test {
    struct auth_test base; /* alice/secret in REALM */
    struct auth_policy *other;
};

static void open_test(struct realms_test *test)
{
    struct stun_address listener;

    auth_test_open(&test->base, NULL, NULL);
    test->other = auth_policy_new(OTHER, NONCE_LIFETIME);
    assert_non_null(test->other);
    assert_int_equal(auth_policy_add_user(test->other, "alice", "another word"), 0);
    assert_int_equal(auth_policy_add_secret(test->other, "a secret of its own"), 0);
    assert_int_equal(auth_policy_add_origin(test->other, "https://example.net"), 0);
    assert_true(address_parse(&listener, "0.0.0.0:5349"));
    assert_int_equal(auth_policy_add_listener(test->other, &listener), 0);
    assert_int_equal(auth_policy_add_server_name(test->other, "turn.example.net"), 0);
    assert_int_equal(auth_policy_add_server_name(test->other, "*.example.net"), 0);
    assert_int_equal(auth_policy_add_realm(test->base.policy, test->other), 0);
    assert_int_equal(auth_policy_add_realm(test->base.policy, test->other), -EEXIST);
}

static const char *chosen_by(struct realms_test *test, const char *origin, const char *server_name,
                             const char *local)
{
    struct stun_attribute_view attribute = {.type = STUN_ORIGIN};
    struct stun_address address;

    assert_true(address_parse(&address, local));
    attribute.value = (const uint8_t *)origin;
    attribute.size = (uint16_t)(origin != NULL ? strlen(origin) : 0);
    return policy_choose_realm(test->base.policy, origin != NULL ? &attribute : NULL, server_name,
                               &address)
        ->realm;
}

static const char *chosen(struct realms_test *test, const char *origin, const char *local)
{
    return chosen_by(test, origin, NULL, local);
}

static void test_chooses_by_origin_and_listener(void **state)
{
    (void)state;
    struct realms_test test;

    open_test(&test);
    assert_string_equal(chosen(&test, NULL, "192.0.2.1:3478"), REALM);
    assert_string_equal(chosen(&test, "https://example.net", "192.0.2.1:3478"), OTHER);
    assert_string_equal(chosen(&test, "https://example.net.evil", "192.0.2.1:3478"), REALM);
    assert_string_equal(chosen(&test, "https://example.ne", "192.0.2.1:3478"), REALM);
    assert_string_equal(chosen(&test, "", "192.0.2.1:3478"), REALM);
    assert_string_equal(chosen(&test, NULL, "192.0.2.1:5349"), OTHER);
    assert_string_equal(chosen(&test, NULL, "[2001:db8::1]:5349"), REALM);
    auth_test_close(&test.base);
}

/* A request for a realm; returns the code, or 0 with `user` filled. */
static uint16_t ask(struct realms_test *test, const char *realm, const char *name,
                    const char *password, const char *owner, char *user)
{
    struct challenge challenge = ask_challenge(&test->base, NOW_SECONDS, CLIENT);
    struct flow flow = flow_from(CLIENT);
    struct auth_owner holder = {.name = owner};
    struct stun_builder builder;
    struct stun_key key;
    struct stun_view view;
    struct auth_answer answer;
    uint8_t bytes[1024];

    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_REQUEST, STUN_ALLOCATE,
                       (const uint8_t *)"abcdefghijkl");
    stun_builder_put_string(&builder, STUN_USERNAME, name);
    stun_builder_put_string(&builder, STUN_REALM, realm);
    stun_builder_put_bytes(&builder, STUN_NONCE, challenge.nonce, challenge.nonce_size);
    assert_int_equal(
        stun_key_long_term(test->base.crypto, &key, STUN_PASSWORD_MD5, name, realm, password),
        STUN_OK);
    stun_builder_put_integrity(&builder, test->base.crypto, &key);
    int size = stun_builder_finish(&builder);
    assert_true(size > 0);
    assert_int_equal(stun_view_parse(&view, bytes, (size_t)size), STUN_OK);
    auth_check(test->base.auth, seconds(NOW_SECONDS), &flow, &view, owner != NULL ? &holder : NULL,
               &answer);
    strcpy(user, answer.identity.user + answer.identity.account_offset);
    return answer.outcome == AUTH_ACCEPTED ? 0 : answer.code;
}

static void test_chooses_by_server_name(void **state)
{
    (void)state;
    static const char at[] = "192.0.2.1:443";
    struct realms_test test;

    open_test(&test);
    assert_string_equal(chosen_by(&test, NULL, "turn.example.net", at), OTHER);
    assert_string_equal(chosen_by(&test, NULL, "TURN2.Example.Net", at), OTHER);
    assert_string_equal(chosen_by(&test, NULL, "turn.example.org", at), REALM);
    assert_string_equal(chosen_by(&test, NULL, "example.net", at), REALM);
    assert_string_equal(chosen_by(&test, NULL, "", at), REALM);
    /* ORIGIN comes before it, the listener after it. */
    assert_string_equal(chosen_by(&test, "https://example.net", "turn.example.org", at), OTHER);
    assert_string_equal(chosen_by(&test, NULL, "turn.example.org", "192.0.2.1:5349"), OTHER);
    auth_test_close(&test.base);
}

static void test_keeps_realms_apart(void **state)
{
    (void)state;
    struct realms_test test;
    struct auth_digests digests;
    char user[AUTH_USER_SIZE], password[REST_PASSWORD_SIZE], expired[REST_PASSWORD_SIZE];

    open_test(&test);
    assert_int_equal(ask(&test, REALM, "alice", "secret", NULL, user), 0);
    assert_string_equal(user, "alice");
    assert_int_equal(ask(&test, OTHER, "alice", "another word", NULL, user), 0);
    assert_string_equal(user, "alice\\" OTHER);
    assert_int_equal(ask(&test, OTHER, "alice", "secret", NULL, user), 401);
    assert_int_equal(ask(&test, REALM, "alice", "another word", NULL, user), 401);
    assert_int_equal(ask(&test, "example.com", "alice", "secret", NULL, user), 401);
    assert_true(auth_digests_open(&digests));
    assert_true(
        rest_password(&digests, AUTH_HMAC_SHA1, "a secret of its own", "1700000000:eve", password));
    assert_true(
        rest_password(&digests, AUTH_HMAC_SHA1, "a secret of its own", "1600000000:eve", expired));
    auth_digests_close(&digests);
    assert_int_equal(ask(&test, OTHER, "1700000000:eve", password, NULL, user), 0);
    assert_string_equal(user, "eve\\" OTHER); /* whom quotas count */
    assert_int_equal(ask(&test, REALM, "1700000000:eve", password, NULL, user), 401);
    /* Who holds an allocation goes on after the expiry, in the same realm only. */
    assert_int_equal(ask(&test, OTHER, "1600000000:eve", expired, NULL, user), 401);
    assert_int_equal(ask(&test, OTHER, "1600000000:eve", expired, "1600000000:eve\\" OTHER, user),
                     0);
    assert_int_equal(ask(&test, OTHER, "1600000000:eve", expired, "1600000000:eve", user), 401);
    auth_test_close(&test.base);
}

/* No name of the first realm passes for one of another. */
static void test_names_cannot_be_taken(void **state)
{
    (void)state;
    struct realms_test test;
    char user[AUTH_USER_SIZE];

    open_test(&test);
    assert_int_equal(auth_policy_add_user(test.base.policy, "alice\\" OTHER, "secret"), 0);
    assert_int_equal(auth_policy_add_user(test.base.policy, "alice\\elsewhere", "secret"), 0);
    assert_int_equal(ask(&test, REALM, "alice\\" OTHER, "secret", NULL, user), 401);
    assert_int_equal(ask(&test, REALM, "alice\\elsewhere", "secret", NULL, user), 0);
    auth_test_close(&test.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chooses_by_origin_and_listener),
        cmocka_unit_test(test_chooses_by_server_name),
        cmocka_unit_test(test_keeps_realms_apart),
        cmocka_unit_test(test_names_cannot_be_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
