/* SPDX-License-Identifier: BSD-3-Clause */
/* Self-contained OAuth tokens, RFC 7635. */
#include "auth_test.h"

#include "turnserver/auth/policy.h"

#include <errno.h>
#include <openssl/evp.h>

/* ---- bytes that our codec did not make --------------------------------------------------------
 */

/* RFC 7635, appendix A.1. */
#define SAMPLE_SERVER "blackdow.carleon.gov"
#define SAMPLE_KEY "HGkj32KJGiuy098sdfaqbNjOiaz71923"
#define SAMPLE_SESSION_KEY "ZksjpweoixXmvn67534m"
#define SAMPLE_ISSUED INT64_C(1410984813)
static const char sample[] =
    "000c 68346a336b326c326e346235 617ef134a3d5e44e9a19cc7dc104b0c03d03b2a5"
    "51d8fdf5cd3b6dca6f10cfb77e5b 2ddec84d293a5c50499359f0c2e26f76";

/* By tests/lib/oauth_token.py: AES-128, key 0123456789abcdef, a session key 00 01 … 1f, issued at
 * 1699998000 for 600 seconds. */
static const char short_key_sample[] =
    "000c 6162636465666768696a6b6c"
    "e5f27cb451a65da05f37bc33fc35d304041afcf62ae8274792ebd561484c54ac02015f915be0387885f5085f2d8e8a"
    "b08b9d60f93af12282b5ba20a73241";

static void fill_key(struct token_key *key, enum token_algorithm algorithm, const char *id,
                     const char *bytes)
{
    *key =
        (struct token_key){.algorithm = algorithm, .not_before = INT64_MIN, .not_after = INT64_MAX};
    strcpy(key->id, id);
    memcpy(key->bytes, bytes, token_key_size(algorithm));
}

static bool open_bytes(struct access_token *token, const struct token_key *key, const char *server,
                       const uint8_t *bytes, size_t size)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t *exact = exact_copy(bytes, size);
    bool opened = token_open(token, context, key, server, exact, size);

    free(exact);
    EVP_CIPHER_CTX_free(context);
    return opened;
}

static void test_sample_of_the_rfc(void **state)
{
    (void)state;
    uint8_t bytes[TOKEN_SIZE_MAX];
    size_t size = from_hex(sample, bytes, sizeof bytes);
    struct token_key key;
    struct access_token token;

    fill_key(&key, TOKEN_A256GCM, "x", SAMPLE_KEY);
    assert_true(open_bytes(&token, &key, SAMPLE_SERVER, bytes, size));
    assert_int_equal(token.key_size, 20);
    assert_memory_equal(token.key, SAMPLE_SESSION_KEY, 20);
    assert_int_equal(token.lifetime_s, 3600);
    assert_int_equal(token.issued, SAMPLE_ISSUED);
    assert_int_equal(token_end(&token), SAMPLE_ISSUED + 3605);
    assert_true(token_is_timely(&token, SAMPLE_ISSUED + 3604));
    assert_false(token_is_timely(&token, SAMPLE_ISSUED + 3605));
    assert_true(token_is_timely(&token, SAMPLE_ISSUED - 3604));
    assert_false(token_is_timely(&token, SAMPLE_ISSUED - 3605));
    assert_false(open_bytes(&token, &key, "blackdow.carleon.go", bytes, size));
    key.bytes[31] ^= 1;
    assert_false(open_bytes(&token, &key, SAMPLE_SERVER, bytes, size));
}

static void test_short_key(void **state)
{
    (void)state;
    uint8_t bytes[TOKEN_SIZE_MAX];
    size_t size = from_hex(short_key_sample, bytes, sizeof bytes);
    struct token_key key;
    struct access_token token;

    fill_key(&key, TOKEN_A128GCM, "x", "0123456789abcdef");
    assert_true(open_bytes(&token, &key, "turn.example.org", bytes, size));
    assert_int_equal(token.key_size, 32);
    for (size_t i = 0; i < 32; i++) {
        assert_int_equal(token.key[i], i);
    }
    key.algorithm = TOKEN_A256GCM;
    assert_false(open_bytes(&token, &key, "turn.example.org", bytes, size));
}

static void test_refuses_every_changed_bit_and_length(void **state)
{
    (void)state;
    uint8_t bytes[TOKEN_SIZE_MAX + 64] = {0};
    size_t size = from_hex(sample, bytes, sizeof bytes);
    struct token_key key;
    struct access_token token;
    static const struct access_token nothing;

    fill_key(&key, TOKEN_A256GCM, "x", SAMPLE_KEY);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(open_bytes(&token, &key, SAMPLE_SERVER, bytes, size));
        assert_memory_equal(&token, &nothing, sizeof token);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t length = 0; length < sizeof bytes; length++) {
        assert_int_equal(open_bytes(&token, &key, SAMPLE_SERVER, bytes, length), length == size);
    }
}

/* ---- requests ---------------------------------------------------------------------------------
 */

#define ISSUED INT64_C(1699998500) /* 500 seconds before WALL_SECONDS */
#define SERVER "turn.example.org"
#define KEY "an AES key of 256 bits, 32 bytes"
#define SESSION_KEY "20 bytes of a key..."

/* An authorization server, by OpenSSL's encryption. */
static size_t make_token(uint8_t *out, int64_t issued, uint32_t lifetime_s)
{
    uint8_t plain[2 + 20 + 8 + 4] = {0, 20};
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int written;

    memcpy(plain + 2, SESSION_KEY, 20);
    for (int i = 0; i < 6; i++) {
        plain[22 + i] = (uint8_t)(issued >> (40 - 8 * i));
    }
    for (int i = 0; i < 4; i++) {
        plain[30 + i] = (uint8_t)(lifetime_s >> (24 - 8 * i));
    }
    memcpy(out, "\0\x0cnonce nonce ", 14);
    EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, (const uint8_t *)KEY, out + 2);
    EVP_EncryptUpdate(context, NULL, &written, (const uint8_t *)SERVER, strlen(SERVER));
    EVP_EncryptUpdate(context, out + 14, &written, plain, sizeof plain);
    EVP_EncryptFinal_ex(context, out + 14 + sizeof plain, &written);
    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, out + 14 + sizeof plain);
    EVP_CIPHER_CTX_free(context);
    return 14 + sizeof plain + 16;
}

struct token_test {
    struct auth_test base;
    struct challenge challenge;
    struct token_key key;
    uint8_t token[TOKEN_SIZE_MAX];
    size_t token_size;
};

static void open_test(struct token_test *test)
{
    *test = (struct token_test){0};
    auth_test_open(&test->base, NULL, NULL);
    fill_key(&test->key, TOKEN_A256GCM, "north", KEY);
    test->key.not_before = WALL_SECONDS - 1000;
    test->key.not_after = WALL_SECONDS + 1000;
    assert_int_equal(auth_policy_set_oauth(test->base.policy, SERVER), 0);
    assert_int_equal(auth_policy_add_token_key(test->base.policy, &test->key), 0);
    assert_int_equal(auth_policy_add_token_key(test->base.policy, &test->key), -EEXIST);
    test->challenge = ask_challenge(&test->base, NOW_SECONDS, CLIENT);
    test->token_size = make_token(test->token, ISSUED, 3600);
}

struct question {
    const char *name, *session_key;
    bool token, sha256;
    const struct auth_owner *owner;
    int64_t at;
};

static uint16_t ask(struct token_test *test, const struct question *question,
                    struct auth_answer *answer)
{
    struct stun_builder builder;
    struct stun_view view;
    struct stun_key key = {.size = 20};
    struct flow flow = flow_from(CLIENT);
    uint8_t bytes[512];

    memcpy(key.bytes, question->session_key, 20);
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_REQUEST, STUN_ALLOCATE,
                       (const uint8_t *)"abcdefghijkl");
    stun_builder_put_string(&builder, STUN_USERNAME, question->name);
    stun_builder_put_string(&builder, STUN_REALM, REALM);
    stun_builder_put_bytes(&builder, STUN_NONCE, test->challenge.nonce, test->challenge.nonce_size);
    if (question->token) {
        stun_builder_put_bytes(&builder, STUN_ACCESS_TOKEN, test->token, test->token_size);
    }
    if (question->sha256) {
        stun_builder_put_integrity_sha256(&builder, test->base.crypto, &key);
    } else {
        stun_builder_put_integrity(&builder, test->base.crypto, &key);
    }
    int size = stun_builder_finish(&builder);
    assert_true(size > 0);
    assert_int_equal(stun_view_parse(&view, bytes, (size_t)size), STUN_OK);
    auth_check(test->base.auth, seconds(question->at != 0 ? question->at : NOW_SECONDS), &flow,
               &view, question->owner, answer);
    return answer->outcome == AUTH_ACCEPTED  ? 0
           : answer->outcome == AUTH_PENDING ? 1
                                             : answer->code;
}

static void test_lets_a_holder_in(void **state)
{
    (void)state;
    struct token_test test;
    struct auth_answer answer;

    open_test(&test);
    for (int sha256 = 0; sha256 < 2; sha256++) {
        struct question question = {"north", SESSION_KEY, true, sha256 != 0, NULL, 0};
        assert_int_equal(ask(&test, &question, &answer), 0);
        assert_string_equal(answer.identity.user, "oauth:north");
        assert_string_equal(answer.identity.user + answer.identity.account_offset, "");
        assert_true(answer.identity.brought_token);
        assert_int_equal(answer.identity.sha256, sha256);
        assert_int_equal(answer.identity.session.ends, ISSUED + 3605);
        assert_int_equal(answer.identity.lifetime_max_s, 3600 + 5 - 500);
        assert_int_equal(answer.identity.key.size, 20);
        assert_memory_equal(answer.identity.key.bytes, SESSION_KEY, 20);
    }
    auth_test_close(&test.base);
}

/* Whatever is wrong, the answer and its digests are the same. */
static void test_refuses_alike(void **state)
{
    (void)state;
    struct token_test test;
    struct auth_answer answer;
    struct question wrong_key = {"north", "another key of 20 by", true, false, NULL, 0};
    struct question unknown = {"south", SESSION_KEY, true, false, NULL, 0};
    struct question user = {"alice", SESSION_KEY, true, false, NULL, 0};
    struct question good = {"north", SESSION_KEY, true, false, NULL, 0};
    enum {
        QUESTIONS = 6
    };
    const struct question *const all[QUESTIONS] = {&wrong_key, &unknown, &user,
                                                   &good,      &good,    &good};

    open_test(&test);
    for (size_t i = 0; i < QUESTIONS; i++) {
        if (i == 3) {
            test.token[30] ^= 1;
        } else if (i == 4) {
            test.token_size = make_token(test.token, ISSUED, 400); /* expired */
        } else if (i == 5) {
            test.token_size = 3;
        }
        uint64_t before = auth_digest_count(test.base.auth);
        assert_int_equal(ask(&test, all[i], &answer), 401);
        assert_int_equal(auth_digest_count(test.base.auth) - before, 3);
        assert_int_equal(answer.identity.key.size, 0);
        assert_int_equal(answer.identity.session.key_size, 0);
    }
    auth_test_close(&test.base);
}

static void test_keys_have_their_time(void **state)
{
    (void)state;
    struct token_test test;
    struct auth_answer answer;
    struct question question = {"north", SESSION_KEY, true, false, NULL, NOW_SECONDS};

    open_test(&test);
    for (int64_t shift = -1001; shift <= 1001; shift += 143) {
        auth_set_wall_clock(test.base.auth, seconds(NOW_SECONDS), WALL_SECONDS + shift);
        test.token_size = make_token(test.token, WALL_SECONDS + shift, 600);
        bool inside = shift >= -1000 && shift <= 1000;
        assert_int_equal(ask(&test, &question, &answer), inside ? 0 : 401);
    }
    auth_test_close(&test.base);
}

/* An allocation that a token was brought for goes on without one until that token ends, and with
 * another. */
static void test_sessions(void **state)
{
    (void)state;
    struct token_test test;
    struct auth_answer answer, later;
    struct question with = {"north", SESSION_KEY, true, false, NULL, 0};
    struct question without = {"north", SESSION_KEY, false, false, NULL, 0};

    open_test(&test);
    assert_int_equal(ask(&test, &without, &later), 401); /* nobody's allocation */
    assert_int_equal(ask(&test, &with, &answer), 0);
    struct auth_owner owner = {.name = "oauth:south", .session = &answer.identity.session};
    with.owner = without.owner = &owner;
    assert_int_equal(ask(&test, &without, &later), 0);
    assert_string_equal(later.identity.user, "oauth:south");
    assert_false(later.identity.brought_token);
    assert_int_equal(later.identity.session.key_size, 0);
    assert_int_equal(later.identity.lifetime_max_s, 3105);
    assert_int_equal(ask(&test, &with, &later), 0);
    assert_string_equal(later.identity.user, "oauth:south"); /* whose it is does not change */
    without.session_key = "another key of 20 by";
    assert_int_equal(ask(&test, &without, &later), 401);
    without.session_key = SESSION_KEY;
    auth_set_wall_clock(test.base.auth, seconds(NOW_SECONDS), answer.identity.session.ends - 1);
    assert_int_equal(ask(&test, &without, &later), 0);
    auth_set_wall_clock(test.base.auth, seconds(NOW_SECONDS), answer.identity.session.ends);
    assert_int_equal(ask(&test, &without, &later), 401);
    auth_test_close(&test.base);
}

static void test_stale_nonce(void **state)
{
    (void)state;
    struct token_test test;
    struct auth_answer answer;
    struct question question = {"north", SESSION_KEY, true, false, NULL, NOW_SECONDS};

    open_test(&test);
    test.challenge.nonce[20] ^= 1;
    assert_int_equal(ask(&test, &question, &answer), 438);
    question.session_key = "another key of 20 by";
    assert_int_equal(ask(&test, &question, &answer), 401);
    auth_test_close(&test.base);
}

static void test_reads_keys(void **state)
{
    (void)state;
    struct token_key key = {.algorithm = TOKEN_A128GCM};
    char text[TOKEN_KEY_TEXT_MAX + 8];

    assert_true(token_key_read(&key, "MDEyMzQ1Njc4OWFiY2RlZg=="));
    assert_memory_equal(key.bytes, "0123456789abcdef", 16);
    assert_true(token_key_read(&key, "MDEyMzQ1Njc4OWFiY2RlZgo=")); /* a newline more */
    key.algorithm = TOKEN_A256GCM;
    assert_false(token_key_read(&key, "MDEyMzQ1Njc4OWFiY2RlZg=="));
    assert_false(token_key_read(&key, ""));
    assert_false(token_key_read(&key, "no base64"));
    memset(text, 'A', sizeof text);
    text[TOKEN_KEY_TEXT_MAX] = '\0';
    assert_true(token_key_read(&key, text));
    memset(text, 'A', sizeof text);
    text[sizeof text - 4] = '\0';
    assert_false(token_key_read(&key, text));
}

/* A key that the policy does not have is asked for, once, and only of those whose nonce is ours. */
static void test_asks_for_keys(void **state)
{
    (void)state;
    const struct auth_source_traits traits = {.md5 = true, .token_keys = true, .lifetime_s = 10};
    struct question north = {"north", SESSION_KEY, true, false, NULL, 0};
    struct question elsewhere = {"east", SESSION_KEY, true, false, NULL, 0};
    struct token_test test;
    struct auth_answer answer;
    struct auth_question question;

    open_test(&test);
    auth_policy_set_source(test.base.policy, &traits);
    assert_int_equal(ask(&test, &north, &answer), 0);
    test.challenge.nonce[20] ^= 1;
    assert_int_equal(ask(&test, &elsewhere, &answer), 438);
    test.challenge.nonce[20] ^= 1;
    assert_false(auth_next_question(test.base.auth, &question));
    for (unsigned found = 0; found < 2; found++) {
        elsewhere.name = found ? "west" : "east";
        assert_int_equal(ask(&test, &elsewhere, &answer), 1);
        assert_true(auth_next_question(test.base.auth, &question));
        assert_int_equal(question.kind, AUTH_QUESTION_TOKEN_KEY);
        assert_string_equal(question.name, elsewhere.name);
        assert_string_equal(question.realm, REALM);
        struct auth_finding *finding = auth_finding_new(question.id);
        finding->status = found ? AUTH_FOUND : AUTH_ABSENT;
        finding->token_key = *policy_find_token_key(test.base.policy, "north");
        auth_answer_lookup(test.base.auth, seconds(NOW_SECONDS), finding);
        auth_finding_free(finding);
        assert_int_equal(ask(&test, &elsewhere, &answer), found ? 0 : 401);
        assert_false(auth_next_question(test.base.auth, &question));
    }
    assert_string_equal(answer.identity.user, "oauth:west");
    auth_test_close(&test.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample_of_the_rfc),
        cmocka_unit_test(test_reads_keys),
        cmocka_unit_test(test_asks_for_keys),
        cmocka_unit_test(test_short_key),
        cmocka_unit_test(test_refuses_every_changed_bit_and_length),
        cmocka_unit_test(test_lets_a_holder_in),
        cmocka_unit_test(test_refuses_alike),
        cmocka_unit_test(test_keys_have_their_time),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_stale_nonce),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
