/* SPDX-License-Identifier: BSD-3-Clause */
/* Proofs, bearer tokens, signatures, and the credentials that a server makes by itself. */
#include "auth_test.h"

#include <openssl/evp.h>

static const uint8_t proved[] = "some text with a nonce in it";

/* What the proof of a password is found to be: 0, or the code. */
static uint16_t prove_as(struct auth_test *test, const char *user, const char *realm,
                         enum stun_password_algorithm algorithm, const char *password,
                         struct auth_answer *answer)
{
    struct auth_proof proof = {
        .realm = realm,
        .user = user,
        .algorithm = algorithm,
        .text = proved,
        .size = sizeof proved,
    };
    struct stun_key key;
    size_t size = 0;

    assert_int_equal(stun_key_long_term(test->crypto, &key, algorithm, user, realm, password),
                     STUN_OK);
    assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key.bytes, key.size, proved,
                              sizeof proved, proof.hmac, sizeof proof.hmac, &size));
    memset(answer, 0xAA, sizeof *answer);
    auth_check_proof(test->auth, seconds(NOW_SECONDS), &proof, answer);
    if (answer->outcome == AUTH_ACCEPTED) {
        return answer->code;
    }
    assert_int_equal(answer->outcome, AUTH_REFUSED);
    assert_int_equal(answer->identity.user[0], 0);
    return answer->code;
}

static void test_proofs(void **state)
{
    struct auth_test test;
    struct auth_answer answer;

    (void)state;
    auth_test_open(&test, "s3cret", NULL);
    for (int algorithm = STUN_PASSWORD_MD5; algorithm <= STUN_PASSWORD_SHA256; algorithm++) {
        assert_int_equal(prove_as(&test, "alice", REALM, algorithm, "secret", &answer), 0);
        assert_string_equal(answer.identity.user, "alice");
        assert_int_equal(answer.identity.account_offset, 0);
        assert_int_equal(prove_as(&test, "alice", REALM, algorithm, "Secret", &answer), 401);
        assert_int_equal(prove_as(&test, "bob", REALM, algorithm, "secret", &answer), 401);
        assert_int_equal(prove_as(&test, "alice", "example.net", algorithm, "secret", &answer),
                         401);
    }
    assert_int_equal(prove_as(&test, "", REALM, STUN_PASSWORD_MD5, "secret", &answer), 401);
    assert_int_equal(prove_as(&test, "a\nb", REALM, STUN_PASSWORD_MD5, "secret", &answer), 401);
    /* A time-limited name; its password as Python has it. */
    assert_int_equal(prove_as(&test, "1700000000:bob", REALM, STUN_PASSWORD_SHA256,
                              "iqOUFv+P824wi/aW3liW77QZa80=", &answer),
                     0);
    assert_string_equal(answer.identity.user + answer.identity.account_offset, "bob");
    auth_test_close(&test);
}

static void test_refusals_cost_the_same(void **state)
{
    struct auth_test test;
    struct auth_answer answer;
    uint64_t costs[4];
    static const char *const users[] = {"alice", "bob", "1:bob", "a\nb"};

    (void)state;
    auth_test_open(&test, "s3cret", NULL);
    for (size_t i = 0; i < COUNT(users); i++) {
        uint64_t before = auth_digest_count(test.auth);
        assert_int_equal(prove_as(&test, users[i], REALM, STUN_PASSWORD_SHA256, "x", &answer), 401);
        costs[i] = auth_digest_count(test.auth) - before;
        assert_int_equal(costs[i], costs[0]);
    }
    auth_test_close(&test);
}

/* MACs as Python's hmac and base64 have them. */
static void test_bearer_tokens(void **state)
{
    static const struct {
        const char *token;
        uint16_t code;
    } rows[] = {
        {"1700000000:bob:Lt-2g5URMBFBMJox8N5SAu7Oqnopkrdd8dzXSvkSUDA", 0},
        {"1700000001:bob:Lt-2g5URMBFBMJox8N5SAu7Oqnopkrdd8dzXSvkSUDA", 401},
        {"1700000000:Bob:Lt-2g5URMBFBMJox8N5SAu7Oqnopkrdd8dzXSvkSUDA", 401},
        {"1699999000:bob:8h7WTK1jyE__t_50vS0UKVHJEWrCalxEpyX6_Lg55JI", 401}, /* expires now */
        {"bob:JHXWNhr2GS1sRMe0QZSqSY19ugMZI9RKm07bvwMI1RA",
         401}, /* made with the secret, but without expiry */
        {"1700000000:cZmzLn11lZt2RTOiC5hoWc9Vz1j3EJB6sDcF2efWMzY", 401}, /* and without account */
        {"1700000000:bob:", 401},
        {"", 401},
        {":", 401},
        {"::", 401},
    };
    struct auth_test test;
    struct auth_answer answer;

    (void)state;
    auth_test_open(&test, "other", "s3cret");
    for (size_t i = 0; i < COUNT(rows); i++) {
        memset(&answer, 0xAA, sizeof answer);
        auth_check_bearer(test.auth, seconds(NOW_SECONDS), REALM, rows[i].token, &answer);
        assert_int_equal(answer.outcome, rows[i].code == 0 ? AUTH_ACCEPTED : AUTH_REFUSED);
        assert_int_equal(answer.code, rows[i].code);
    }
    auth_check_bearer(test.auth, seconds(NOW_SECONDS), REALM, rows[0].token, &answer);
    assert_string_equal(answer.identity.user, "1700000000:bob");
    assert_string_equal(answer.identity.user + answer.identity.account_offset, "bob");
    auth_check_bearer(test.auth, seconds(NOW_SECONDS), "example.net", rows[0].token, &answer);
    assert_int_equal(answer.outcome, AUTH_REFUSED);
    assert_true(auth_methods(test.auth, REALM).tokens);
    auth_test_close(&test);

    auth_test_open(&test, NULL, NULL);
    auth_check_bearer(test.auth, seconds(NOW_SECONDS), REALM, rows[0].token, &answer);
    assert_int_equal(answer.outcome, AUTH_REFUSED);
    assert_false(auth_methods(test.auth, REALM).tokens);
    auth_test_close(&test);
}

/* Our own names open the relay's door, with and without a secret of the operator's. */
static void test_issued(void **state)
{
    struct auth_issued issued;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct auth_test test;
        auth_test_open(&test, i == 0 ? "s3cret" : NULL, NULL);
        struct challenge challenge = ask_challenge(&test, NOW_SECONDS, CLIENT);

        assert_false(auth_issue(test.auth, seconds(NOW_SECONDS), REALM, "bob", 60, &issued));
        auth_policy_issue_credentials(test.policy);
        assert_true(auth_issue(test.auth, seconds(NOW_SECONDS), REALM, "bob", 60, &issued));
        assert_string_equal(issued.name, "1699999060:bob");
        struct request request = old_request(&challenge, issued.name, issued.password);
        assert_int_equal(judge(&test, NOW_SECONDS, &request), 0);
        assert_int_equal(judge(&test, NOW_SECONDS + 59, &request), 0);
        assert_int_equal(judge(&test, NOW_SECONDS + 60, &request), 401);
        request = new_request(&challenge, issued.name, issued.password);
        assert_int_equal(judge(&test, NOW_SECONDS, &request), 0);
        request = old_request(&challenge, "1699999061:bob", issued.password);
        assert_int_equal(judge(&test, NOW_SECONDS, &request), 401);

        assert_false(auth_issue(test.auth, seconds(NOW_SECONDS), "x", "bob", 60, &issued));
        assert_false(auth_issue(test.auth, seconds(NOW_SECONDS), REALM, "", 60, &issued));
        assert_false(auth_issue(test.auth, seconds(NOW_SECONDS), REALM, "b\nb", 60, &issued));
        auth_test_close(&test);
    }
}

/* Another server, or the same one later, does not take what this one issued. */
static void test_issued_is_this_servers(void **state)
{
    uint8_t other_key[AUTH_NONCE_KEY_SIZE] = {9};
    struct auth_test test, other;
    struct auth_issued issued;

    (void)state;
    auth_test_open(&test, NULL, NULL);
    auth_test_open(&other, NULL, NULL);
    auth_policy_issue_credentials(test.policy);
    auth_policy_issue_credentials(other.policy);
    auth_free(other.auth);
    other.auth = auth_new(other.policy, other_key, other.crypto);
    assert_non_null(other.auth);
    auth_set_wall_clock(other.auth, seconds(NOW_SECONDS), WALL_SECONDS);
    assert_true(auth_issue(test.auth, seconds(NOW_SECONDS), REALM, "bob", 60, &issued));
    struct challenge challenge = ask_challenge(&other, NOW_SECONDS, CLIENT);
    struct request request = old_request(&challenge, issued.name, issued.password);
    assert_int_equal(judge(&other, NOW_SECONDS, &request), 401);
    auth_test_close(&test);
    auth_test_close(&other);
}

static void test_realms(void **state)
{
    struct auth_test test;
    struct stun_address local = {0};
    struct auth_policy *other = auth_policy_new("example.net", 600);

    (void)state;
    auth_test_open(&test, NULL, NULL);
    assert_int_equal(auth_policy_add_user(other, "alice", "else"), 0);
    assert_int_equal(auth_policy_add_origin(other, "https://example.net"), 0);
    assert_int_equal(auth_policy_add_realm(test.policy, other), 0);
    assert_string_equal(auth_choose_realm(test.auth, NULL, &local), REALM);
    assert_string_equal(auth_choose_realm(test.auth, "https://example.net", &local), "example.net");
    assert_string_equal(auth_choose_realm(test.auth, "https://example.ne", &local), REALM);
    assert_int_equal(auth_realm_kind(test.auth, REALM), AUTH_REALM_FIRST);
    assert_int_equal(auth_realm_kind(test.auth, "example.net"), AUTH_REALM_OTHER);
    assert_int_equal(auth_realm_kind(test.auth, "x"), AUTH_REALM_UNKNOWN);

    struct auth_answer answer;
    assert_int_equal(prove_as(&test, "alice", "example.net", STUN_PASSWORD_SHA256, "else", &answer),
                     0);
    assert_string_equal(answer.identity.user, "alice\\example.net");
    assert_int_equal(
        prove_as(&test, "alice", "example.net", STUN_PASSWORD_SHA256, "secret", &answer), 401);
    auth_test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proofs),
        cmocka_unit_test(test_refusals_cost_the_same),
        cmocka_unit_test(test_bearer_tokens),
        cmocka_unit_test(test_issued),
        cmocka_unit_test(test_issued_is_this_servers),
        cmocka_unit_test(test_realms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
