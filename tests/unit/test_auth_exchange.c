/* SPDX-License-Identifier: BSD-3-Clause */
/* The client's side of long-term credentials and the server's, message by message. */
#include "auth_test.h"

#include "proto/long_term.h"

#define TRANSACTION_ID ((const uint8_t *)"abcdefghijkl")

struct exchange {
    struct auth_test server;
    struct long_term client;
    struct auth_answer answer; /* the server's last judgement */
    bool was_signed;
};

static void exchange_open(struct exchange *exchange, const char *secret, const char *password)
{
    auth_test_open(&exchange->server, secret, NULL);
    assert_int_equal(long_term_init(&exchange->client, exchange->server.crypto, "alice", password),
                     0);
}

static void exchange_close(struct exchange *exchange)
{
    long_term_wipe(&exchange->client);
    auth_test_close(&exchange->server);
}

/* The client asks. Returns 0 when the server accepts, or the code. */
static uint16_t ask(struct exchange *exchange, int64_t at, uint8_t *bytes, size_t capacity)
{
    struct stun_builder builder;

    stun_builder_begin(&builder, bytes, capacity, STUN_REQUEST, STUN_ALLOCATE, TRANSACTION_ID);
    exchange->was_signed = long_term_sign(&exchange->client, &builder);
    int size = stun_builder_finish(&builder);
    assert_true(size > 0);
    return judge_bytes(&exchange->server, at, CLIENT, bytes, (size_t)size, NULL, &exchange->answer);
}

/* The server answers as the machine does, and the client judges. */
static enum long_term_verdict answer(struct exchange *exchange, int64_t at, uint16_t code)
{
    const struct auth_identity *identity = &exchange->answer.identity;
    struct flow flow = flow_from(CLIENT);
    uint8_t bytes[512];
    struct stun_builder builder;
    struct stun_view view;

    stun_builder_begin(&builder, bytes, sizeof bytes, code == 0 ? STUN_SUCCESS : STUN_ERROR,
                       STUN_ALLOCATE, TRANSACTION_ID);
    if (code != 0) {
        stun_builder_put_error(&builder, code, NULL);
        auth_put_challenge(exchange->server.auth, seconds(at), &flow, &(struct stun_view){0},
                           &builder);
    } else if (identity->sha256) {
        stun_builder_put_integrity_sha256(&builder, exchange->server.crypto, &identity->key);
    } else {
        stun_builder_put_integrity(&builder, exchange->server.crypto, &identity->key);
    }
    int size = stun_builder_finish(&builder);
    assert_true(size > 0);
    assert_int_equal(stun_view_parse(&view, bytes, (size_t)size), STUN_OK);
    return long_term_judge(&exchange->client, &view, exchange->was_signed, false);
}

static void expect_whole_exchange(const char *secret, bool anonymous)
{
    struct exchange exchange;
    uint8_t bytes[1024];

    exchange_open(&exchange, secret, "secret");
    assert_int_equal(ask(&exchange, 1000, bytes, sizeof bytes), 401);
    assert_int_equal(answer(&exchange, 1000, 401), LONG_TERM_RETRY);
    assert_int_equal(exchange.client.anonymous, anonymous);
    assert_int_equal(ask(&exchange, 1000, bytes, sizeof bytes), 0);
    assert_string_equal(exchange.answer.identity.user, "alice");
    assert_true(exchange.answer.identity.sha256);
    assert_int_equal(answer(&exchange, 1000, 0), LONG_TERM_ACCEPTED);

    /* Later the nonce is stale, once. */
    assert_int_equal(ask(&exchange, 2000, bytes, sizeof bytes), 438);
    assert_int_equal(answer(&exchange, 2000, 438), LONG_TERM_RETRY);
    assert_int_equal(ask(&exchange, 2000, bytes, sizeof bytes), 0);
    assert_int_equal(answer(&exchange, 2000, 0), LONG_TERM_ACCEPTED);
    exchange_close(&exchange);
}

static void test_with_userhash(void **state)
{
    (void)state;
    expect_whole_exchange(NULL, true);
}

static void test_with_username(void **state)
{
    (void)state;
    expect_whole_exchange("s3cret", false);
}

static void test_with_users_who_have_md5_keys_only(void **state)
{
    (void)state;
    struct exchange exchange;
    uint8_t bytes[1024];
    uint8_t key[16] = {1};

    exchange_open(&exchange, NULL, "secret");
    assert_int_equal(
        auth_policy_add_user_key(exchange.server.policy, "bob", STUN_PASSWORD_MD5, key, 16), 0);
    assert_int_equal(ask(&exchange, 1000, bytes, sizeof bytes), 401);
    assert_int_equal(answer(&exchange, 1000, 401), LONG_TERM_RETRY);
    assert_int_equal(exchange.client.algorithm, STUN_PASSWORD_MD5);
    assert_int_equal(ask(&exchange, 1000, bytes, sizeof bytes), 0);
    assert_int_equal(answer(&exchange, 1000, 0), LONG_TERM_ACCEPTED);
    exchange_close(&exchange);
}

static void test_wrong_password_ends(void **state)
{
    (void)state;
    struct exchange exchange;
    uint8_t bytes[1024];

    exchange_open(&exchange, NULL, "wrong");
    assert_int_equal(ask(&exchange, 1000, bytes, sizeof bytes), 401);
    assert_int_equal(answer(&exchange, 1000, 401), LONG_TERM_RETRY);
    assert_int_equal(ask(&exchange, 1000, bytes, sizeof bytes), 401);
    assert_int_equal(answer(&exchange, 1000, 401), LONG_TERM_REFUSED);
    exchange_close(&exchange);
}

/* Who was told the challenge beforehand is let in at once, from any port of that host. */
static void test_foretold(void **state)
{
    (void)state;
    struct exchange exchange;
    struct auth_challenge challenge;
    struct stun_address client = flow_from(CLIENT).remote;
    uint8_t bytes[1024];

    client.port ^= 1;
    exchange_open(&exchange, NULL, "secret");
    struct auth *auth = exchange.server.auth;
    assert_false(auth_make_challenge(auth, seconds(1000), "elsewhere", &client, &challenge));
    assert_true(
        auth_make_challenge(auth, seconds(1000), auth_first_realm(auth), &client, &challenge));
    struct long_term_challenge known = {.realm = challenge.realm,
                                        .nonce = challenge.nonce,
                                        .algorithm_count = challenge.algorithm_count};
    memcpy(known.algorithms, challenge.algorithms, sizeof challenge.algorithms);
    assert_int_equal(long_term_foretell(&exchange.client, &known), 0);
    assert_int_equal(ask(&exchange, 1000, bytes, sizeof bytes), 0);
    assert_int_equal(answer(&exchange, 1000, 0), LONG_TERM_ACCEPTED);

    /* Another host's does not fit, and is replaced by one that does. */
    client.ip[3] ^= 1;
    assert_true(auth_make_challenge(auth, seconds(1000), challenge.realm, &client, &challenge));
    known.nonce = challenge.nonce;
    assert_int_equal(long_term_foretell(&exchange.client, &known), 0);
    assert_int_equal(ask(&exchange, 1000, bytes, sizeof bytes), 438);
    assert_int_equal(answer(&exchange, 1000, 438), LONG_TERM_RETRY);
    assert_int_equal(ask(&exchange, 1000, bytes, sizeof bytes), 0);
    exchange_close(&exchange);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_with_userhash),
        cmocka_unit_test(test_with_username),
        cmocka_unit_test(test_with_users_who_have_md5_keys_only),
        cmocka_unit_test(test_wrong_password_ends),
        cmocka_unit_test(test_foretold),
    };

    return cmocka_run_group_tests_name("auth exchange", tests, NULL, NULL);
}
