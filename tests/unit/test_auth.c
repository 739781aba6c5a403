/* SPDX-License-Identifier: BSD-3-Clause */
/* Long-term credentials, RFC 8489 §9.2. */
#include "auth_test.h"

#include "../vectors/stun_messages.h"

#include <errno.h>

/* ---- bytes that our codec did not make --------------------------------------------------------
 */

/*
 * Made with another implementation of SHA-1, SHA-256, MD5, HMAC and base64 (Python's), for the
 * nonce key 00 01 … 1f, the client 192.0.2.7:40000, and a challenge of second 1000.
 */
#define ALLOCATE_HEADER(length) "0003" length "2112a442 000102030405060708090a0b"
#define EXAMPLE_ORG "0014000b 6578616d706c652e6f726700"
#define ALICE "00060005 616c696365000000"
#define NONCE_1000                                                  \
    "00150031 6f624d61744a6f7332 41414144 41414141412b696351414144" \
    " 617772595a7a6a44626f38487858666c33306d4a32475837 000000"

static const char rfc5389_request[] = ALLOCATE_HEADER("007c") /* */
    "00190004 11000000"                                       /* REQUESTED-TRANSPORT */
    ALICE EXAMPLE_ORG NONCE_1000                              /* */
    "00080014 7110131a969e8e60f879693f8244027dfc92f14f"       /* MESSAGE-INTEGRITY */
    "80280004 0f5f5f09";                                      /* FINGERPRINT */

static const char rfc8489_request[] = ALLOCATE_HEADER("00ac") /* */
    "00190004 11000000"                                       /* REQUESTED-TRANSPORT */
    "001e0020 435b7933096a304d3c734cfb833ec9075bd47ab1c0160321aed31c06a8c7009e" /* USERHASH */
    EXAMPLE_ORG NONCE_1000                                                      /* */
    "80020008 0002000000010000" /* PASSWORD-ALGORITHMS */
    "001d0004 00020000"         /* PASSWORD-ALGORITHM */
    "001c0020 6983b1aaf0f2b0de5cebdc237ab66d546f0d2b92a9631faaa76871c040daa13e";

static uint16_t judge_hex(struct auth_test *test, int64_t at, const char *client, const char *hex,
                          const char *owner, struct auth_answer *answer)
{
    uint8_t bytes[512];
    size_t size = from_hex(hex, bytes, sizeof bytes);

    return judge_bytes(test, at, client, bytes, size, owner, answer);
}

static void test_accepts_an_old_client_byte_for_byte(void **state)
{
    (void)state;
    struct auth_test test;
    struct auth_answer answer;
    uint8_t key[16];

    auth_test_open(&test, NULL, NULL);
    assert_int_equal(judge_hex(&test, 1000, CLIENT, rfc5389_request, NULL, &answer), 0);
    assert_string_equal(answer.identity.user, "alice");
    assert_int_equal(answer.identity.account_offset, 0);
    assert_false(answer.identity.sha256);
    /* MD5 of "alice:example.org:secret". */
    from_hex("543e1aec5d3614f0 3141652d6ada51b2", key, sizeof key);
    assert_int_equal(answer.identity.key.size, sizeof key);
    assert_memory_equal(answer.identity.key.bytes, key, sizeof key);
    auth_test_close(&test);
}

static void test_accepts_a_new_client_byte_for_byte(void **state)
{
    (void)state;
    struct auth_test test;
    struct auth_answer answer;
    uint8_t key[32];

    auth_test_open(&test, NULL, NULL);
    assert_int_equal(judge_hex(&test, 1000, CLIENT, rfc8489_request, NULL, &answer), 0);
    assert_string_equal(answer.identity.user, "alice");
    assert_true(answer.identity.sha256);
    /* SHA-256 of the same. */
    from_hex("d1659fff7a501be1 5962adc35514ca6a 5868905695f2dd10 93741f931e000a1f", key,
             sizeof key);
    assert_int_equal(answer.identity.key.size, sizeof key);
    assert_memory_equal(answer.identity.key.bytes, key, sizeof key);
    auth_test_close(&test);
}

/* One changed bit anywhere that the integrity covers is refused. */
static void test_refuses_every_changed_byte(void **state)
{
    (void)state;
    struct auth_test test;
    struct auth_answer answer;
    uint8_t bytes[512];
    struct stun_view view;
    size_t size = from_hex(rfc5389_request, bytes, sizeof bytes);

    auth_test_open(&test, NULL, NULL);
    for (size_t i = 8; i < size - 8; i++) {
        bytes[i] ^= 0x40;
        if (stun_view_parse(&view, bytes, size) == STUN_OK) {
            assert_int_not_equal(judge_bytes(&test, 1000, CLIENT, bytes, size, NULL, &answer), 0);
        }
        bytes[i] ^= 0x40;
    }
    assert_int_equal(judge_bytes(&test, 1000, CLIENT, bytes, size, NULL, &answer), 0);
    auth_test_close(&test);
}

/* The published messages have nonces of another server, so the answer to the right user is 438. */
static void test_published_vectors(void **state)
{
    (void)state;
    struct auth_test test;
    struct auth_answer answer;

    auth_test_open(&test, NULL, NULL);
    for (unsigned i = 0; i < 2; i++) {
        uint16_t expected = i == 0 ? 401 : 438;
        assert_int_equal(judge_bytes(&test, 1000, CLIENT, vector_request_long_term,
                                     sizeof vector_request_long_term, NULL, &answer),
                         expected);
        assert_int_equal(judge_bytes(&test, 1000, CLIENT, vector_request_sha256,
                                     sizeof vector_request_sha256, NULL, &answer),
                         expected);
        if (i == 0) {
            assert_int_equal(auth_policy_add_user(test.policy, VECTOR_LONG_TERM_USERNAME,
                                                  VECTOR_LONG_TERM_PASSWORD),
                             0);
        }
    }
    /* Short-term: no REALM, no NONCE. */
    assert_int_equal(
        judge_bytes(&test, 1000, CLIENT, vector_request, sizeof vector_request, NULL, &answer),
        400);
    auth_test_close(&test);
}

/* ---- the order of the checks ------------------------------------------------------------------
 */

static void test_challenge(void **state)
{
    (void)state;
    struct auth_test test;

    auth_test_open(&test, NULL, NULL);
    struct challenge challenge = ask_challenge(&test, 1000, CLIENT);
    assert_string_equal(challenge.realm, REALM);
    assert_memory_equal(challenge.nonce, "obMatJos2AAAD", 13);
    assert_memory_equal(challenge.algorithms, "\0\2\0\0\0\1\0\0", 8);
    assert_int_equal(challenge.algorithms_size, 8);
    for (size_t i = 0; i < challenge.nonce_size; i++) {
        assert_true(strchr("\"\\", challenge.nonce[i]) == NULL);
        assert_in_range(challenge.nonce[i], '!', '~');
    }
    assert_true(challenge.nonce_size < 128);
    auth_test_close(&test);
}

static void test_no_integrity_is_401(void **state)
{
    (void)state;
    struct auth_test test;

    auth_test_open(&test, NULL, NULL);
    struct challenge challenge = ask_challenge(&test, 1000, CLIENT);
    struct request request = old_request(&challenge, "alice", "secret");
    request.integrity = false;
    assert_int_equal(judge(&test, 1000, &request), 401);
    assert_int_equal(judge(&test, 1000, &(struct request){0}), 401);
    auth_test_close(&test);
}

static void test_missing_attributes_are_400(void **state)
{
    (void)state;
    struct auth_test test;

    auth_test_open(&test, NULL, NULL);
    struct challenge challenge = ask_challenge(&test, 1000, CLIENT);
    struct request whole = old_request(&challenge, "alice", "secret");
    struct request request = whole;
    assert_int_equal(judge(&test, 1000, &request), 0);
    request.name = NULL;
    request.key_name = "alice";
    assert_int_equal(judge(&test, 1000, &request), 400);
    request = whole;
    request.realm = NULL;
    assert_int_equal(judge(&test, 1000, &request), 400);
    request = whole;
    request.nonce = NULL;
    assert_int_equal(judge(&test, 1000, &request), 400);
    auth_test_close(&test);
}

static void test_wrong_credentials_are_401(void **state)
{
    (void)state;
    struct auth_test test;

    auth_test_open(&test, NULL, NULL);
    struct challenge challenge = ask_challenge(&test, 1000, CLIENT);
    struct request request = old_request(&challenge, "alice", "Secret");
    assert_int_equal(judge(&test, 1000, &request), 401);
    request = old_request(&challenge, "bob", "secret");
    assert_int_equal(judge(&test, 1000, &request), 401);
    request = old_request(&challenge, "alice", "secret");
    request.realm = "example.com";
    assert_int_equal(judge(&test, 1000, &request), 401);
    request.realm = "example.or";
    assert_int_equal(judge(&test, 1000, &request), 401);
    /* A key of zeros is what an unknown user is compared with; it must not open. */
    request = old_request(&challenge, "bob", "x");
    uint8_t bytes[512];
    struct stun_builder builder;
    struct stun_key zeros = {.size = 16};
    struct auth_answer answer;
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_REQUEST, STUN_ALLOCATE,
                       (const uint8_t *)"abcdefghijkl");
    stun_builder_put_string(&builder, STUN_USERNAME, "bob");
    stun_builder_put_string(&builder, STUN_REALM, REALM);
    stun_builder_put_bytes(&builder, STUN_NONCE, challenge.nonce, challenge.nonce_size);
    stun_builder_put_integrity(&builder, test.crypto, &zeros);
    int size = stun_builder_finish(&builder);
    assert_true(size > 0);
    assert_int_equal(judge_bytes(&test, 1000, CLIENT, bytes, (size_t)size, NULL, &answer), 401);
    auth_test_close(&test);
}

static void test_wrong_password_comes_before_stale_nonce(void **state)
{
    (void)state;
    struct auth_test test;

    auth_test_open(&test, NULL, NULL);
    struct challenge challenge = ask_challenge(&test, 1000, CLIENT);
    struct request right = old_request(&challenge, "alice", "secret");
    struct request wrong = old_request(&challenge, "alice", "wrong");
    assert_int_equal(judge(&test, 1000 + NONCE_LIFETIME, &right), 0);
    assert_int_equal(judge(&test, 1000 + NONCE_LIFETIME + 1, &right), 438);
    assert_int_equal(judge(&test, 1000 + NONCE_LIFETIME + 1, &wrong), 401);
    auth_test_close(&test);
}

static void test_nonce_of_another_client_is_438(void **state)
{
    (void)state;
    struct auth_test test;
    struct auth_answer answer;

    auth_test_open(&test, NULL, NULL);
    assert_int_equal(judge_hex(&test, 1000, "192.0.2.8:40000", rfc5389_request, NULL, &answer),
                     438);
    assert_int_equal(judge_hex(&test, 1000, "[2001:db8::1]:40000", rfc5389_request, NULL, &answer),
                     438);
    /* The same host from another port, and as a dual-stack socket sees it. */
    assert_int_equal(judge_hex(&test, 1000, "192.0.2.7:5", rfc5389_request, NULL, &answer), 0);
    assert_int_equal(
        judge_hex(&test, 1000, "[::ffff:192.0.2.7]:40000", rfc5389_request, NULL, &answer), 0);
    auth_test_close(&test);
}

/* ---- password algorithms ----------------------------------------------------------------------
 */

static void test_either_algorithm_can_be_chosen(void **state)
{
    (void)state;
    struct auth_test test;

    auth_test_open(&test, NULL, NULL);
    struct challenge challenge = ask_challenge(&test, 1000, CLIENT);
    struct request request = new_request(&challenge, "alice", "secret");
    assert_int_equal(judge(&test, 1000, &request), 0);
    request.algorithm = STUN_PASSWORD_MD5;
    assert_int_equal(judge(&test, 1000, &request), 0);
    /* Both integrities: the stronger one is checked. */
    request.integrity = true;
    assert_int_equal(judge(&test, 1000, &request), 0);
    auth_test_close(&test);
}

static void test_changed_offers_are_400(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } changed[] = {
        {"\0\1\0\0", 4},                  /* SHA-256 taken out */
        {"\0\2\0\0", 4},                  /* MD5 taken out */
        {"\0\1\0\0\0\2\0\0", 8},          /* turned around */
        {"\0\2\0\0\0\1\0\0\0\3\0\0", 12}, /* one more */
        {"\0\2\0\4abcd\0\1\0\0", 12},     /* with parameters */
        {"\0\2\0\0\0\1\0\4", 8},          /* broken */
        {"", 0},
    };
    struct auth_test test;

    auth_test_open(&test, NULL, NULL);
    struct challenge challenge = ask_challenge(&test, 1000, CLIENT);
    for (size_t i = 0; i < COUNT(changed); i++) {
        struct request request = new_request(&challenge, "alice", "secret");
        request.algorithms = (const uint8_t *)changed[i].bytes;
        request.algorithms_size = changed[i].size;
        assert_int_equal(judge(&test, 1000, &request), 400);
        request.algorithm = STUN_PASSWORD_MD5;
        assert_int_equal(judge(&test, 1000, &request), 400);
    }
    /* One of the two attributes alone; an algorithm that was not offered. */
    struct request request = new_request(&challenge, "alice", "secret");
    request.algorithms = NULL;
    assert_int_equal(judge(&test, 1000, &request), 400);
    request = new_request(&challenge, "alice", "secret");
    request.algorithm = 0;
    assert_int_equal(judge(&test, 1000, &request), 400);
    request.algorithm = 3;
    assert_int_equal(judge(&test, 1000, &request), 400);
    auth_test_close(&test);
}

/* A nonce whose features somebody cleared is not our nonce any more. */
static void test_cleared_features_are_438(void **state)
{
    (void)state;
    struct auth_test test;

    auth_test_open(&test, NULL, NULL);
    struct challenge challenge = ask_challenge(&test, 1000, CLIENT);
    memcpy(challenge.nonce + 9, "AAAA", 4);
    struct request request = old_request(&challenge, "alice", "secret");
    assert_int_equal(judge(&test, 1000, &request), 438);
    auth_test_close(&test);
}

/* Whoever was challenged before a reload answers what that challenge offered. */
static void test_offer_is_remembered_by_the_nonce(void **state)
{
    (void)state;
    struct auth_test test;
    uint8_t key[16] = {1};

    auth_test_open(&test, NULL, NULL);
    struct challenge before = ask_challenge(&test, 1000, CLIENT);
    struct request request = new_request(&before, "alice", "secret");

    assert_int_equal(auth_policy_add_user_key(test.policy, "bob", STUN_PASSWORD_MD5, key, 16), 0);
    struct challenge after = ask_challenge(&test, 1000, CLIENT);
    assert_int_equal(after.algorithms_size, 4);
    assert_memory_equal(after.algorithms, "\0\1\0\0", 4);
    assert_int_equal(judge(&test, 1000, &request), 0);
    /* The old offer with the new nonce is a changed offer. */
    request.nonce = after.nonce;
    assert_int_equal(judge(&test, 1000, &request), 400);
    auth_test_close(&test);
}

static void test_keys_of_one_algorithm(void **state)
{
    (void)state;
    struct auth_test test;
    struct stun_key key;

    auth_test_open(&test, NULL, NULL);
    assert_int_equal(stun_key_long_term(test.crypto, &key, STUN_PASSWORD_MD5, "bob", REALM, "pw"),
                     STUN_OK);
    assert_int_equal(
        auth_policy_add_user_key(test.policy, "bob", STUN_PASSWORD_MD5, key.bytes, key.size), 0);
    struct challenge challenge = ask_challenge(&test, 1000, CLIENT);
    struct request request = old_request(&challenge, "bob", "pw");
    assert_int_equal(judge(&test, 1000, &request), 0);
    request = new_request(&challenge, "bob", "pw");
    request.algorithm = STUN_PASSWORD_MD5;
    assert_int_equal(judge(&test, 1000, &request), 0);

    /* With the other key too, SHA-256 comes back. */
    assert_int_equal(
        stun_key_long_term(test.crypto, &key, STUN_PASSWORD_SHA256, "bob", REALM, "pw"), STUN_OK);
    assert_int_equal(
        auth_policy_add_user_key(test.policy, "bob", STUN_PASSWORD_SHA256, key.bytes, key.size), 0);
    challenge = ask_challenge(&test, 1000, CLIENT);
    request = new_request(&challenge, "bob", "pw");
    assert_int_equal(judge(&test, 1000, &request), 0);
    auth_test_close(&test);
}

/* ---- names ------------------------------------------------------------------------------------
 */

static void test_userhash(void **state)
{
    (void)state;
    struct auth_test test;
    uint8_t userhash[STUN_SHA256_SIZE];

    auth_test_open(&test, "s3cret", NULL);
    struct challenge challenge = ask_challenge(&test, 1000, CLIENT);
    /* Time-limited names cannot be hidden, so challenges do not ask for it; it works all the same.
     */
    assert_memory_equal(challenge.nonce, "obMatJos2AAAB", 13);
    struct request request = new_request(&challenge, NULL, "secret");
    assert_int_equal(stun_userhash(test.crypto, "alice", REALM, userhash), STUN_OK);
    request.userhash = userhash;
    request.key_name = "alice";
    assert_int_equal(judge(&test, 1000, &request), 0);
    request.password = "wrong";
    assert_int_equal(judge(&test, 1000, &request), 401);
    userhash[31] ^= 1;
    request.password = "secret";
    assert_int_equal(judge(&test, 1000, &request), 401);

    auth_policy_set_username_anonymity(test.policy, true);
    challenge = ask_challenge(&test, 1000, CLIENT);
    assert_memory_equal(challenge.nonce, "obMatJos2AAAD", 13);
    auth_test_close(&test);
}

static void test_hostile_names_are_unknown(void **state)
{
    (void)state;
    static char long_name[600];
    static const struct {
        const char *bytes;
        size_t size;
    } names[] = {
        {"alice\0", 6},           {"alice\0bob", 9}, {"\0alice", 6},   {"\0", 1},
        {"alice\n", 6},           {"%n%n%s", 6},     {"\"alice\"", 7}, {"Alice", 5},
        {"alice\x7f", 6},         {"\xc0\xaf", 2},   {"\xff", 1},      {"\xed\xa0\x80", 3},
        {"alice\xe2\x80\xae", 8}, {long_name, 513},  {long_name, 514}, {long_name, 600},
    };
    struct auth_test test;

    memset(long_name, 'x', sizeof long_name);
    auth_test_open(&test, "s3cret", NULL);
    struct challenge challenge = ask_challenge(&test, 1000, CLIENT);
    for (size_t i = 0; i < COUNT(names); i++) {
        struct request request = old_request(&challenge, names[i].bytes, "secret");
        request.name_size = names[i].size;
        request.key_name = "alice";
        assert_int_equal(judge(&test, 1000, &request), 401);
    }
    auth_test_close(&test);
}

static void test_longest_name(void **state)
{
    (void)state;
    char name[STUN_USERNAME_SIZE_MAX + 2];
    struct auth_test test;

    memset(name, 'x', sizeof name);
    name[STUN_USERNAME_SIZE_MAX + 1] = '\0';
    auth_test_open(&test, NULL, NULL);
    assert_int_equal(auth_policy_add_user(test.policy, name, "secret"), -EINVAL);
    name[STUN_USERNAME_SIZE_MAX] = '\0';
    assert_int_equal(auth_policy_add_user(test.policy, name, "secret"), 0);
    struct challenge challenge = ask_challenge(&test, 1000, CLIENT);
    struct request request = old_request(&challenge, name, "secret");
    assert_int_equal(judge(&test, 1000, &request), 0);
    auth_test_close(&test);
}

static void test_empty_name_is_unknown(void **state)
{
    (void)state;
    struct auth_test test;
    struct auth_answer answer;
    uint8_t bytes[512];
    struct stun_builder builder;
    struct stun_key key;

    auth_test_open(&test, "s3cret", NULL);
    struct challenge challenge = ask_challenge(&test, 1000, CLIENT);
    assert_int_equal(stun_key_long_term(test.crypto, &key, STUN_PASSWORD_MD5, "", REALM, "secret"),
                     STUN_OK);
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_REQUEST, STUN_ALLOCATE,
                       (const uint8_t *)"abcdefghijkl");
    stun_builder_put_bytes(&builder, STUN_USERNAME, "", 0);
    stun_builder_put_string(&builder, STUN_REALM, REALM);
    stun_builder_put_bytes(&builder, STUN_NONCE, challenge.nonce, challenge.nonce_size);
    stun_builder_put_integrity(&builder, test.crypto, &key);
    int size = stun_builder_finish(&builder);
    assert_true(size > 0);
    assert_int_equal(judge_bytes(&test, 1000, CLIENT, bytes, (size_t)size, NULL, &answer), 401);
    auth_test_close(&test);
}

/* ---- alike to who asks ------------------------------------------------------------------------
 */

static uint64_t cost_of(struct auth_test *test, const struct request *request, uint16_t code)
{
    uint64_t before = auth_digest_count(test->auth);

    assert_int_equal(judge(test, 1000, request), code);
    return auth_digest_count(test->auth) - before;
}

static void expect_equal_costs(struct auth_test *test)
{
    static const char *const names[] = {
        "alice",
        "bob",
        "",
        "1699999999:bob",
        "1600000000:bob",
        "1700000000",
        "99999999999999999999",
        "%n",
        "alice\n",
        "x:y",
    };
    struct challenge challenge = ask_challenge(test, 1000, CLIENT);
    uint8_t userhash[STUN_SHA256_SIZE] = {0};
    struct request hidden = new_request(&challenge, NULL, "wrong");
    struct request realm = old_request(&challenge, "alice", "secret");

    hidden.userhash = userhash;
    hidden.key_name = "alice";
    uint64_t expected = cost_of(test, &hidden, 401);
    assert_true(expected >= 2);
    assert_int_equal(stun_userhash(test->crypto, "alice", REALM, userhash), STUN_OK);
    assert_int_equal(cost_of(test, &hidden, 401), expected);
    realm.realm = "elsewhere";
    assert_int_equal(cost_of(test, &realm, 401), expected);
    for (size_t i = 0; i < COUNT(names); i++) {
        struct request old = old_request(&challenge, names[i], "wrong");
        struct request new = new_request(&challenge, names[i], "wrong");
        assert_int_equal(cost_of(test, &old, 401), expected);
        assert_int_equal(cost_of(test, &new, 401), expected);
    }
}

static void test_refusals_cost_the_same(void **state)
{
    (void)state;
    struct auth_test test;

    auth_test_open(&test, NULL, NULL);
    expect_equal_costs(&test);
    auth_test_close(&test);
    auth_test_open(&test, "s3cret", NULL);
    expect_equal_costs(&test);
    auth_test_close(&test);
    auth_test_open(&test, "s3cret", "older");
    expect_equal_costs(&test);
    auth_test_close(&test);
}

static void test_no_users_at_all(void **state)
{
    (void)state;
    struct auth_test test;

    auth_test_open(&test, NULL, NULL);
    struct auth_policy *empty = auth_policy_new(REALM, NONCE_LIFETIME);
    assert_true(auth_policy_is_empty(empty));
    assert_false(auth_policy_is_empty(test.policy));
    struct challenge challenge = ask_challenge(&test, 1000, CLIENT);
    struct request request = old_request(&challenge, "alice", "secret");
    assert_int_equal(judge(&test, 1000, &request), 0);
    auth_set_policy(test.auth, empty);
    assert_int_equal(judge(&test, 1000, &request), 401);
    auth_policy_free(empty);
    auth_test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts_an_old_client_byte_for_byte),
        cmocka_unit_test(test_accepts_a_new_client_byte_for_byte),
        cmocka_unit_test(test_refuses_every_changed_byte),
        cmocka_unit_test(test_published_vectors),
        cmocka_unit_test(test_challenge),
        cmocka_unit_test(test_no_integrity_is_401),
        cmocka_unit_test(test_missing_attributes_are_400),
        cmocka_unit_test(test_wrong_credentials_are_401),
        cmocka_unit_test(test_wrong_password_comes_before_stale_nonce),
        cmocka_unit_test(test_nonce_of_another_client_is_438),
        cmocka_unit_test(test_either_algorithm_can_be_chosen),
        cmocka_unit_test(test_changed_offers_are_400),
        cmocka_unit_test(test_cleared_features_are_438),
        cmocka_unit_test(test_offer_is_remembered_by_the_nonce),
        cmocka_unit_test(test_keys_of_one_algorithm),
        cmocka_unit_test(test_userhash),
        cmocka_unit_test(test_hostile_names_are_unknown),
        cmocka_unit_test(test_longest_name),
        cmocka_unit_test(test_empty_name_is_unknown),
        cmocka_unit_test(test_refusals_cost_the_same),
        cmocka_unit_test(test_no_users_at_all),
    };

    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
