/* SPDX-License-Identifier: BSD-3-Clause */
/* Time-limited names. */
#include "auth_test.h"

#include "turnserver/auth/rest.h"

/* ---- names ------------------------------------------------------------------------------------
 */

static void test_reads_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t expiry;
        const char *account;
    } good[] = {
        {"1700000000:bob", 1700000000, "bob"},
        {"1700000000", 1700000000, "1700000000"},
        {"1700000000:", 1700000000, "1700000000:"},
        {"1700000000:a:b", 1700000000, "a:b"},
        {"1700000000:1800000000", 1700000000, "1800000000"},
        {"0:x", 0, "x"},
        {"9223372036854775807:x", INT64_MAX, "x"},
    };

    for (size_t i = 0; i < COUNT(good); i++) {
        struct rest_name name;
        assert_true(rest_name_parse(&name, good[i].name));
        assert_int_equal(name.expiry, good[i].expiry);
        assert_string_equal(good[i].name + name.account_offset, good[i].account);
    }
}

static void test_refuses_other_names(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        ":",
        ":bob",
        "bob",
        "bob:1700000000",
        "-1:bob",
        "+1700000000:bob",
        " 1700000000:bob",
        "1700000000 :bob",
        "1700000000x:bob",
        "1.7e9:bob",
        "0x7fffffff:bob",
        "01700000000:bob",
        "9223372036854775808:bob",
        "18446744073709551616:bob",
        "99999999999999999999999999999999999999:bob",
    };

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct rest_name name;
        assert_false(rest_name_parse(&name, bad[i]));
    }
}

/* As Python's hmac and base64 have it; the first one is what `openssl dgst -hmac` says too. */
static void test_passwords(void **state)
{
    (void)state;
    struct auth_digests digests;
    char password[REST_PASSWORD_SIZE];

    assert_true(auth_digests_open(&digests));
    assert_true(rest_password(&digests, AUTH_HMAC_SHA1, "s3cret", "1700000000:bob", password));
    assert_string_equal(password, "iqOUFv+P824wi/aW3liW77QZa80=");
    assert_true(rest_password(&digests, AUTH_HMAC_SHA256, "s3cret", "1700000000:bob", password));
    assert_string_equal(password, "gkdeD2Ic7YX4QWdkq6b7e351ctbXXUy15xspWJflr7c=");
    assert_int_equal(digests.count, 2);
    auth_digests_close(&digests);
}

/* ---- bytes that our codec did not make --------------------------------------------------------
 */

/* Allocate from 1700000000:bob, whose challenge was given by a server that has secrets. */
#define BOB_REQUEST                                                 \
    "000300742112a442 000102030405060708090a0b"                     \
    "0006000e 313730303030303030303a626f62 0000"                    \
    "0014000b 6578616d706c652e6f726700"                             \
    "00150031 6f624d61744a6f7332 41414142 41414141412b696351414144" \
    " 334e75456c506748714b486d6e68696f6b4f637734614437 000000"      \
    "00080014"

static const char sha1_request[] = BOB_REQUEST "5f497685cbbb372ed0526c646017425ac68d8f29";
static const char sha256_request[] = BOB_REQUEST "dadec122f8797acf8120cf138351e7a28c2b51f0";

static uint16_t judge_hex(struct auth_test *test, int64_t at, const char *hex, const char *owner,
                          struct auth_answer *answer)
{
    uint8_t bytes[512];
    size_t size = from_hex(hex, bytes, sizeof bytes);

    return judge_bytes(test, at, CLIENT, bytes, size, owner, answer);
}

static void test_either_hmac_opens(void **state)
{
    (void)state;
    struct auth_test test;
    struct auth_answer answer;

    auth_test_open(&test, "s3cret", NULL);
    assert_int_equal(judge_hex(&test, 1000, sha1_request, NULL, &answer), 0);
    assert_string_equal(answer.identity.user, "1700000000:bob");
    assert_string_equal(answer.identity.user + answer.identity.account_offset, "bob");
    assert_int_equal(judge_hex(&test, 1000, sha256_request, NULL, &answer), 0);
    assert_string_equal(answer.identity.user, "1700000000:bob");
    auth_test_close(&test);
}

static void test_any_of_several_secrets_opens(void **state)
{
    (void)state;
    struct auth_test test;
    struct auth_answer answer;

    auth_test_open(&test, "new", "s3cret");
    assert_int_equal(judge_hex(&test, 1000, sha1_request, NULL, &answer), 0);
    assert_int_equal(judge_hex(&test, 1000, sha256_request, NULL, &answer), 0);
    auth_test_close(&test);
    auth_test_open(&test, "new", "older");
    assert_int_equal(judge_hex(&test, 1000, sha1_request, NULL, &answer), 401);
    assert_int_equal(judge_hex(&test, 1000, sha256_request, NULL, &answer), 401);
    auth_test_close(&test);
    auth_test_open(&test, NULL, NULL);
    assert_int_equal(judge_hex(&test, 1000, sha1_request, NULL, &answer), 401);
    auth_test_close(&test);
}

/* ---- expiry -----------------------------------------------------------------------------------
 */

static uint16_t judge_name(struct auth_test *test, int64_t at, const char *name, const char *owner,
                           bool new_client)
{
    struct auth_digests digests;
    char password[REST_PASSWORD_SIZE];
    uint8_t bytes[1024];
    struct auth_answer answer;

    assert_true(auth_digests_open(&digests));
    assert_true(rest_password(&digests, AUTH_HMAC_SHA1, "s3cret", name, password));
    auth_digests_close(&digests);
    struct challenge challenge = ask_challenge(test, at, CLIENT);
    struct request request = new_client ? new_request(&challenge, name, password)
                                        : old_request(&challenge, name, password);
    size_t size = build_request(test->crypto, &request, bytes, sizeof bytes);
    return judge_bytes(test, at, CLIENT, bytes, size, owner, &answer);
}

/* WALL_SECONDS is 1699999000 at second 1000, so 1700000000 is at second 2000. */
static void test_ends_at_its_expiry(void **state)
{
    (void)state;
    struct auth_test test;

    auth_test_open(&test, "s3cret", NULL);
    for (int new_client = 0; new_client <= 1; new_client++) {
        assert_int_equal(judge_name(&test, 1999, "1700000000:bob", NULL, new_client), 0);
        assert_int_equal(judge_name(&test, 2000, "1700000000:bob", NULL, new_client), 401);
        assert_int_equal(judge_name(&test, 1999, "1700000000", NULL, new_client), 0);
        assert_int_equal(judge_name(&test, 2000, "1700000000", NULL, new_client), 401);
        assert_int_equal(judge_name(&test, 2000, "9223372036854775807:bob", NULL, new_client), 0);
        assert_int_equal(judge_name(&test, 2000, "0:bob", NULL, new_client), 401);
        assert_int_equal(judge_name(&test, 2000, "bob", NULL, new_client), 401);
        assert_int_equal(judge_name(&test, 2000, "9223372036854775808:bob", NULL, new_client), 401);
    }
    auth_test_close(&test);
}

static void test_owner_goes_on_after_expiry(void **state)
{
    (void)state;
    struct auth_test test;
    struct auth_answer answer;

    auth_test_open(&test, "s3cret", NULL);
    assert_int_equal(judge_name(&test, 9000, "1700000000:bob", "1700000000:bob", false), 0);
    assert_int_equal(judge_name(&test, 9000, "1700000000:bob", "1700000001:bob", false), 401);
    assert_int_equal(judge_name(&test, 9000, "1700000000:bob", "alice", false), 401);
    assert_int_equal(judge_name(&test, 9000, "1700000000:bob", "", false), 401);
    /* What has not expired is nobody's business but the machine's. */
    assert_int_equal(judge_name(&test, 1500, "1700000000:bob", "alice", false), 0);
    /* An owner must still prove who it is. */
    assert_int_equal(judge_hex(&test, 1500, sha1_request, "1700000000:bob", &answer), 0);
    auth_test_close(&test);
    auth_test_open(&test, "another", NULL);
    assert_int_equal(judge_hex(&test, 1500, sha1_request, "1700000000:bob", &answer), 401);
    auth_test_close(&test);
}

static void test_nothing_holds_without_a_clock(void **state)
{
    (void)state;
    struct auth_test test;

    auth_test_open(&test, "s3cret", NULL);
    struct auth *blind = auth_new(test.policy, test_nonce_key, test.crypto);
    assert_non_null(blind);
    auth_free(test.auth);
    test.auth = blind;
    assert_int_equal(judge_name(&test, 1000, "9223372036854775807:bob", NULL, false), 401);
    auth_set_wall_clock(test.auth, seconds(1000), WALL_SECONDS);
    assert_int_equal(judge_name(&test, 1000, "9223372036854775807:bob", NULL, false), 0);
    /* The time of day may be put right, back and forth. */
    assert_int_equal(judge_name(&test, 1000, "1700000000:bob", NULL, false), 0);
    auth_set_wall_clock(test.auth, seconds(1000), 1800000000);
    assert_int_equal(judge_name(&test, 1000, "1700000000:bob", NULL, false), 401);
    auth_set_wall_clock(test.auth, seconds(1000), 1600000000);
    assert_int_equal(judge_name(&test, 1000, "1700000000:bob", NULL, false), 0);
    auth_test_close(&test);
}

/* ---- beside users -----------------------------------------------------------------------------
 */

static void test_stored_user_wins(void **state)
{
    (void)state;
    struct auth_test test;
    uint8_t bytes[1024];
    struct auth_answer answer;

    auth_test_open(&test, "s3cret", NULL);
    assert_int_equal(judge_name(&test, 1000, "1700000000:bob", NULL, false), 0);
    assert_int_equal(auth_policy_add_user(test.policy, "1700000000:bob", "stored"), 0);
    assert_int_equal(judge_name(&test, 1000, "1700000000:bob", NULL, false), 401);

    struct challenge challenge = ask_challenge(&test, 5000, CLIENT);
    struct request request = old_request(&challenge, "1700000000:bob", "stored");
    size_t size = build_request(test.crypto, &request, bytes, sizeof bytes);
    assert_int_equal(judge_bytes(&test, 5000, CLIENT, bytes, size, NULL, &answer), 0);
    assert_int_equal(answer.identity.account_offset, 0);
    auth_test_close(&test);
}

static void test_secret_alone_is_enough(void **state)
{
    (void)state;
    struct auth_test test;

    auth_test_open(&test, NULL, NULL);
    struct auth_policy *policy = auth_policy_new(REALM, NONCE_LIFETIME);
    assert_int_equal(auth_policy_add_secret(policy, "s3cret"), 0);
    assert_false(auth_policy_is_empty(policy));
    auth_set_policy(test.auth, policy);
    assert_int_equal(judge_name(&test, 1000, "1700000000:bob", NULL, false), 0);
    assert_int_equal(judge_name(&test, 1000, "1700000000:bob", NULL, true), 0);
    assert_int_equal(judge_name(&test, 1000, "alice", NULL, false), 401);
    auth_policy_free(policy);
    auth_test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_names),
        cmocka_unit_test(test_refuses_other_names),
        cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_either_hmac_opens),
        cmocka_unit_test(test_any_of_several_secrets_opens),
        cmocka_unit_test(test_ends_at_its_expiry),
        cmocka_unit_test(test_owner_goes_on_after_expiry),
        cmocka_unit_test(test_nothing_holds_without_a_clock),
        cmocka_unit_test(test_stored_user_wins),
        cmocka_unit_test(test_secret_alone_is_enough),
    };

    return cmocka_run_group_tests_name("auth/rest", tests, NULL, NULL);
}
