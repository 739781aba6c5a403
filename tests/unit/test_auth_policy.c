/* SPDX-License-Identifier: BSD-3-Clause */
/* Policies, the user table, and what names and passwords can be. */
#include "stun_test.h"

#include "base/normal_form.h"
#include "turnserver/auth/opaque_string.h"
#include "turnserver/auth/policy.h"

#include <errno.h>
#include <stdio.h>

/* ---- OpaqueString ------------------------------------------------------------------------------
 */

static void test_prepares_strings(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"alice", "alice"},
        {"two words", "two words"},
        {" ", " "},
        {"%n\"':\\", "%n\"':\\"},
        {"\xe3\x83\x9e\xe3\x83\x88", "\xe3\x83\x9e\xe3\x83\x88"},
        {"no\xc2\xa0"
         "break",
         "no break"},          /* U+00A0 */
        {"\xe1\x9a\x80", " "}, /* U+1680 */
        {"a\xe2\x80\x80"
         "b\xe2\x80\x8a",
         "a b "},                           /* U+2000, U+200A */
        {"\xe2\x80\xaf\xe2\x81\x9f", "  "}, /* U+202F, U+205F */
        {"\xe3\x80\x80x", " x"},            /* U+3000 */
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    };

    for (size_t i = 0; i < COUNT(table); i++) {
        char *prepared = opaque_string_prepare(table[i][0]);
        assert_non_null(prepared);
        assert_string_equal(prepared, table[i][1]);
        free(prepared);
    }
}

/* e and a combining acute accent are one letter, whoever typed it; a ring made of Angstrom's sign.
 */
static void test_normal_form(void **state)
{
    (void)state;
    char *prepared = opaque_string_prepare("caf"
                                           "e\xcc\x81 \xe2\x84\xab");

    assert_non_null(prepared);
    assert_string_equal(prepared, normal_form_present() ? "caf\xc3\xa9 \xc3\x85"
                                                        : "caf"
                                                          "e\xcc\x81 \xe2\x84\xab");
    free(prepared);
}

static void test_refuses_strings(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "line\nbreak",
        "tab\t",
        "\x7f",
        "\xc2\x85",      /* U+0085, a C1 control */
        "\xe2\x80\xae!", /* right-to-left override */
        "\x80",
        "\xc0\x80",         /* overlong */
        "\xed\xa0\x80",     /* a surrogate */
        "\xf4\x90\x80\x80", /* past U+10FFFF */
        "caf\xe9",          /* ISO 8859-1 */
        "cut\xe3\x83",
    };

    for (size_t i = 0; i < COUNT(bad); i++) {
        errno = 0;
        assert_null(opaque_string_prepare(bad[i]));
        assert_int_equal(errno, EINVAL);
        assert_false(opaque_string_is_valid(bad[i], strlen(bad[i])));
    }
    assert_false(opaque_string_is_valid("a\0b", 3));
}

/* ---- policies ----------------------------------------------------------------------------------
 */

static void test_realms(void **state)
{
    (void)state;
    char realm[AUTH_REALM_SIZE_MAX + 1];
    static const char *const bad[] = {"", "a\"b", "a\\b", "a\nb", "caf\xc3\xa9", "a\x7f"};

    for (size_t i = 0; i < COUNT(bad); i++) {
        errno = 0;
        assert_null(auth_policy_new(bad[i], 600));
        assert_int_equal(errno, EINVAL);
    }
    assert_null(auth_policy_new("example.org", 0));
    assert_null(auth_policy_new("example.org", 86401));
    memset(realm, 'r', sizeof realm);
    realm[AUTH_REALM_SIZE_MAX] = '\0';
    assert_null(auth_policy_new(realm, 600));
    realm[AUTH_REALM_SIZE_MAX - 1] = '\0';
    struct auth_policy *policy = auth_policy_new(realm, 600);
    assert_non_null(policy);
    assert_string_equal(auth_policy_realm(policy), realm);
    assert_true(auth_policy_is_empty(policy));
    auth_policy_free(policy);
    auth_policy_free(NULL);
}

static void test_users_and_keys(void **state)
{
    (void)state;
    struct auth_policy *policy = auth_policy_new("example.org", 600);
    const uint8_t key[33] = {1};

    assert_int_equal(auth_policy_add_user(policy, "alice", "secret"), 0);
    assert_int_equal(auth_policy_add_user(policy, "alice", "other"), -EEXIST);
    assert_int_equal(auth_policy_add_user(policy, "", "secret"), -EINVAL);
    assert_int_equal(auth_policy_add_user(policy, "bob", ""), -EINVAL);
    assert_int_equal(auth_policy_add_user(policy, "b\nob", "secret"), -EINVAL);
    assert_int_equal(auth_policy_add_user(policy, "bob", "sec\nret"), -EINVAL);
    assert_int_equal(auth_policy_add_user_key(policy, "alice", STUN_PASSWORD_MD5, key, 16),
                     -EEXIST);
    assert_int_equal(auth_policy_add_user_key(policy, "bob", STUN_PASSWORD_MD5, key, 15), -EINVAL);
    assert_int_equal(auth_policy_add_user_key(policy, "bob", STUN_PASSWORD_MD5, key, 32), -EINVAL);
    assert_int_equal(auth_policy_add_user_key(policy, "bob", STUN_PASSWORD_SHA256, key, 16),
                     -EINVAL);
    assert_int_equal(
        auth_policy_add_user_key(policy, "bob", (enum stun_password_algorithm)3, key, 16), -EINVAL);
    assert_int_equal(policy->users.count, 1);
    assert_int_equal(policy_algorithms(policy), POLICY_MD5 | POLICY_SHA256);

    assert_int_equal(auth_policy_add_user_key(policy, "bob", STUN_PASSWORD_SHA256, key, 32), 0);
    assert_int_equal(policy_algorithms(policy), POLICY_SHA256);
    assert_int_equal(auth_policy_add_user_key(policy, "bob", STUN_PASSWORD_SHA256, key, 32),
                     -EEXIST);
    assert_int_equal(auth_policy_add_user_key(policy, "bob", STUN_PASSWORD_MD5, key, 16), 0);
    assert_int_equal(policy_algorithms(policy), POLICY_MD5 | POLICY_SHA256);
    assert_int_equal(auth_policy_add_user(policy, "bob", "secret"), -EEXIST);

    /* Nothing in common: offer both. */
    assert_int_equal(auth_policy_add_user_key(policy, "carol", STUN_PASSWORD_MD5, key, 16), 0);
    assert_int_equal(policy_algorithms(policy), POLICY_MD5);
    assert_int_equal(auth_policy_add_user_key(policy, "dave", STUN_PASSWORD_SHA256, key, 32), 0);
    assert_int_equal(policy_algorithms(policy), POLICY_MD5 | POLICY_SHA256);
    auth_policy_free(policy);
}

static void test_secrets(void **state)
{
    (void)state;
    struct auth_policy *policy = auth_policy_new("example.org", 600);

    assert_int_equal(auth_policy_add_secret(policy, ""), -EINVAL);
    assert_true(auth_policy_is_empty(policy));
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(auth_policy_add_secret(policy, "any bytes \xff\n"), 0);
    }
    assert_false(auth_policy_is_empty(policy));
    auth_policy_free(policy);
}

static void test_username_anonymity(void **state)
{
    (void)state;
    struct auth_policy *policy = auth_policy_new("example.org", 600);

    assert_false(policy_username_anonymity(policy));
    assert_int_equal(auth_policy_add_user(policy, "alice", "secret"), 0);
    assert_true(policy_username_anonymity(policy));
    assert_int_equal(auth_policy_add_secret(policy, "s3cret"), 0);
    assert_false(policy_username_anonymity(policy));
    auth_policy_set_username_anonymity(policy, true);
    assert_true(policy_username_anonymity(policy));
    auth_policy_set_username_anonymity(policy, false);
    assert_false(policy_username_anonymity(policy));
    auth_policy_free(policy);
}

/* ---- the table ---------------------------------------------------------------------------------
 */

static void test_finds_each_of_many_users(void **state)
{
    (void)state;
    struct auth_policy *policy = auth_policy_new("example.org", 600);
    uint8_t userhash[STUN_SHA256_SIZE];
    char name[32];

    assert_null(user_table_find(&policy->users, "user 1"));
    assert_null(user_table_find_userhash(&policy->users, userhash));
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "user %u", i);
        assert_int_equal(auth_policy_add_user(policy, name, name), 0);
    }
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "user %u", i);
        const struct user *user = user_table_find(&policy->users, name);
        assert_non_null(user);
        assert_string_equal(user->name, name);
        assert_int_equal(stun_userhash(policy->crypto, name, "example.org", userhash), STUN_OK);
        assert_ptr_equal(user_table_find_userhash(&policy->users, userhash), user);
        userhash[31] ^= 1;
        assert_null(user_table_find_userhash(&policy->users, userhash));
    }
    assert_null(user_table_find(&policy->users, "user 5000"));
    assert_null(user_table_find(&policy->users, "user"));
    assert_null(user_table_find(&policy->users, ""));
    auth_policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prepares_strings),   cmocka_unit_test(test_normal_form),
        cmocka_unit_test(test_refuses_strings),    cmocka_unit_test(test_realms),
        cmocka_unit_test(test_users_and_keys),     cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_username_anonymity), cmocka_unit_test(test_finds_each_of_many_users),
    };

    return cmocka_run_group_tests_name("auth/policy", tests, NULL, NULL);
}
