/* SPDX-License-Identifier: BSD-3-Clause */
/* The client's credentials: challenges, stale nonces, bid-down, and which answers are believed. */
#include "machine_test.h"

#include "proto/long_term.h"

#include <errno.h>

#define PLAIN_NONCE "f//499k954d6OL34oL9FSTvy64sA"
/* The features' 24 bits in base64: bit 0 "AAAB", bit 1 "AAAC" as in RFC 8489 B.1 (erratum 6290). */
#define ALGORITHMS_NONCE "obMatJos2AAABsomething"
#define ANONYMOUS_NONCE "obMatJos2AAACsomething"

static struct stun_crypto *crypto;
static struct long_term client;
static uint8_t bytes[2048];
static const uint8_t id[STUN_TRANSACTION_ID_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const uint8_t both_algorithms[] = {0, 2, 0, 0, 0, 1, 0, 0};
static const uint8_t md5_algorithm[] = {0, 1, 0, 0};
static const uint8_t strange_algorithm[] = {0, 9, 0, 3, 'a', 'b', 'c', 0};

struct challenge {
    uint16_t code;
    const char *realm, *nonce;
    const uint8_t *algorithms;
    size_t algorithms_size;
};

static int set_up(void **state)
{
    (void)state;
    crypto = stun_crypto_new();
    assert_non_null(crypto);
    assert_int_equal(long_term_init(&client, crypto, "alice", "secret"), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stun_crypto_free(crypto);
    return 0;
}

static void parse(struct stun_view *view, int size)
{
    assert_true(size > 0);
    assert_int_equal(stun_view_parse(view, bytes, (size_t)size), STUN_OK);
}

static enum long_term_verdict challenge(const struct challenge *what, bool was_signed)
{
    struct stun_builder builder;
    struct stun_view view;
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_ERROR, STUN_ALLOCATE, id);
    stun_builder_put_error(&builder, what->code, NULL);
    if (what->realm != NULL) {
        stun_builder_put_string(&builder, STUN_REALM, what->realm);
    }
    if (what->nonce != NULL) {
        stun_builder_put_string(&builder, STUN_NONCE, what->nonce);
    }
    if (what->algorithms != NULL) {
        stun_builder_put_bytes(&builder, STUN_PASSWORD_ALGORITHMS, what->algorithms,
                               what->algorithms_size);
    }
    parse(&view, stun_builder_finish(&builder));
    return long_term_judge(&client, &view, was_signed, false);
}

/* A request of ours, as the server reads it. */
static bool signed_request(struct stun_view *view)
{
    struct stun_builder builder;
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_REQUEST, STUN_ALLOCATE, id);
    bool is_signed = long_term_sign(&client, &builder);
    parse(view, stun_builder_finish(&builder));
    return is_signed;
}

enum proof {
    NO_PROOF,
    GOOD_PROOF,
    BAD_PROOF,
    GOOD_PROOF_SHA256
};

static enum long_term_verdict answer(enum stun_class message_class, uint16_t code, enum proof proof,
                                     const char *nonce, bool reliable)
{
    struct stun_builder builder;
    struct stun_view view;
    struct stun_key wrong = {.size = 4, .bytes = "nope"};
    stun_builder_begin(&builder, bytes, sizeof bytes, message_class, STUN_ALLOCATE, id);
    if (message_class == STUN_ERROR) {
        stun_builder_put_error(&builder, code, NULL);
    }
    if (nonce != NULL) {
        stun_builder_put_string(&builder, STUN_NONCE, nonce);
    }
    if (proof == GOOD_PROOF || proof == BAD_PROOF) {
        stun_builder_put_integrity(&builder, crypto, proof == GOOD_PROOF ? &client.key : &wrong);
    } else if (proof == GOOD_PROOF_SHA256) {
        stun_builder_put_integrity_sha256(&builder, crypto, &client.key);
    }
    parse(&view, stun_builder_finish(&builder));
    return long_term_judge(&client, &view, true, reliable);
}

static const struct challenge plain = {401, "example.org", PLAIN_NONCE, NULL, 0};
static const struct challenge modern = {401, "example.org", ALGORITHMS_NONCE, both_algorithms,
                                        sizeof both_algorithms};

static void the_first_request_is_not_signed(void **state)
{
    struct stun_view view;
    (void)state;
    assert_false(signed_request(&view));
    assert_int_equal(view.attribute_count, 0);
}

static void a_challenge_is_answered_with_md5(void **state)
{
    struct stun_view view;
    struct stun_key key;
    (void)state;
    assert_int_equal(challenge(&plain, false), LONG_TERM_RETRY);
    assert_true(signed_request(&view));
    assert_non_null(stun_view_find(&view, STUN_USERNAME));
    assert_memory_equal(stun_view_find(&view, STUN_USERNAME)->value, "alice", 5);
    assert_memory_equal(stun_view_find(&view, STUN_NONCE)->value, PLAIN_NONCE, strlen(PLAIN_NONCE));
    assert_false(stun_view_has(&view, STUN_PASSWORD_ALGORITHM));
    stun_key_long_term(crypto, &key, STUN_PASSWORD_MD5, "alice", "example.org", "secret");
    assert_int_equal(stun_view_check_integrity(&view, crypto, &key), STUN_OK);
}

static void sha256_is_used_when_offered(void **state)
{
    struct stun_view view;
    struct stun_key key;
    const struct stun_attribute_view *attribute;
    (void)state;
    assert_int_equal(challenge(&modern, false), LONG_TERM_RETRY);
    assert_true(signed_request(&view));
    attribute = stun_view_find(&view, STUN_PASSWORD_ALGORITHMS);
    assert_non_null(attribute);
    assert_int_equal(attribute->size, sizeof both_algorithms);
    assert_memory_equal(attribute->value, both_algorithms, sizeof both_algorithms);
    attribute = stun_view_find(&view, STUN_PASSWORD_ALGORITHM);
    assert_non_null(attribute);
    assert_memory_equal(attribute->value, "\0\2\0\0", 4);
    assert_false(stun_view_has(&view, STUN_MESSAGE_INTEGRITY));
    stun_key_long_term(crypto, &key, STUN_PASSWORD_SHA256, "alice", "example.org", "secret");
    assert_int_equal(stun_view_check_integrity_sha256(&view, crypto, &key), STUN_OK);
}

static void the_servers_first_known_algorithm_is_taken(void **state)
{
    static const uint8_t list[] = {0, 9, 0, 3, 'a', 'b', 'c', 0, 0, 1, 0, 0, 0, 2, 0, 0};
    const struct challenge offer = {401, "r", ALGORITHMS_NONCE, list, sizeof list};
    (void)state;
    assert_int_equal(challenge(&offer, false), LONG_TERM_RETRY);
    assert_int_equal(client.algorithm, STUN_PASSWORD_MD5);
    const struct challenge unknown = {401, "r", ALGORITHMS_NONCE, strange_algorithm,
                                      sizeof strange_algorithm};
    assert_int_equal(challenge(&unknown, false), LONG_TERM_UNUSABLE);
}

static void a_username_is_hashed_when_the_server_can(void **state)
{
    const struct challenge offer = {401, "example.org", ANONYMOUS_NONCE, NULL, 0};
    struct stun_view view;
    uint8_t hash[STUN_SHA256_SIZE];
    (void)state;
    assert_int_equal(challenge(&offer, false), LONG_TERM_RETRY);
    assert_true(signed_request(&view));
    assert_false(stun_view_has(&view, STUN_USERNAME));
    assert_non_null(stun_view_find(&view, STUN_USERHASH));
    stun_userhash(crypto, "alice", "example.org", hash);
    assert_memory_equal(stun_view_find(&view, STUN_USERHASH)->value, hash, sizeof hash);
}

static void a_weakened_challenge_is_refused(void **state)
{
    const struct challenge stripped = {401, "example.org", ALGORITHMS_NONCE, NULL, 0};
    const struct challenge stripped_stale = {438, "example.org", ALGORITHMS_NONCE, NULL, 0};
    (void)state;
    assert_int_equal(challenge(&stripped, false), LONG_TERM_WEAKENED);
    assert_int_equal(challenge(&stripped_stale, true), LONG_TERM_WEAKENED);
}

static void a_second_challenge_means_refused(void **state)
{
    const struct challenge other_realm = {401, "example.net", PLAIN_NONCE, NULL, 0};
    (void)state;
    assert_int_equal(challenge(&plain, false), LONG_TERM_RETRY);
    /* Another request that was under way unsigned is no second attempt. */
    assert_int_equal(challenge(&plain, false), LONG_TERM_RETRY);
    assert_int_equal(challenge(&plain, true), LONG_TERM_REFUSED);
    assert_int_equal(challenge(&other_realm, true), LONG_TERM_RETRY);
}

static void a_stale_nonce_is_replaced(void **state)
{
    const struct challenge stale = {438, "example.org", "another", NULL, 0};
    const struct challenge nonce_only = {438, NULL, "a third", NULL, 0};
    const struct challenge nothing = {438, NULL, NULL, NULL, 0};
    (void)state;
    assert_int_equal(challenge(&plain, false), LONG_TERM_RETRY);
    assert_int_equal(challenge(&stale, true), LONG_TERM_RETRY);
    assert_int_equal(client.nonce_size, strlen("another"));
    assert_memory_equal(client.nonce, "another", 7);
    assert_int_equal(challenge(&nonce_only, true), LONG_TERM_RETRY);
    assert_memory_equal(client.nonce, "a third", 7);
    assert_int_equal(challenge(&nothing, true), LONG_TERM_UNUSABLE);
}

static void a_challenge_without_realm_or_nonce_is_unusable(void **state)
{
    const struct challenge no_realm = {401, NULL, PLAIN_NONCE, NULL, 0};
    const struct challenge no_nonce = {401, "example.org", NULL, NULL, 0};
    const struct challenge no_list = {401, "example.org", "n", md5_algorithm, 0};
    (void)state;
    assert_int_equal(challenge(&no_realm, false), LONG_TERM_UNUSABLE);
    assert_int_equal(challenge(&no_nonce, false), LONG_TERM_UNUSABLE);
    assert_int_equal(challenge(&no_list, false), LONG_TERM_UNUSABLE);
    struct stun_view view;
    assert_false(signed_request(&view));
}

static void only_proven_answers_are_believed(void **state)
{
    (void)state;
    assert_int_equal(challenge(&plain, false), LONG_TERM_RETRY);
    assert_int_equal(answer(STUN_SUCCESS, 0, GOOD_PROOF, NULL, false), LONG_TERM_ACCEPTED);
    assert_int_equal(answer(STUN_ERROR, 486, GOOD_PROOF, NULL, false), LONG_TERM_ACCEPTED);
    assert_int_equal(client.discarded, 0);
    assert_int_equal(answer(STUN_SUCCESS, 0, BAD_PROOF, NULL, false), LONG_TERM_DISCARD);
    assert_int_equal(answer(STUN_SUCCESS, 0, NO_PROOF, NULL, false), LONG_TERM_DISCARD);
    assert_int_equal(answer(STUN_ERROR, 400, NO_PROOF, NULL, false), LONG_TERM_DISCARD);
    assert_int_equal(client.discarded, 3);
    assert_int_equal(client.discarded_code, 400);
    assert_int_equal(answer(STUN_SUCCESS, 0, BAD_PROOF, NULL, true), LONG_TERM_VIOLATED);
    /* A nonce that promises algorithms, without the list: ignored (RFC 8489 §9.2.5). */
    assert_int_equal(answer(STUN_SUCCESS, 0, GOOD_PROOF, ALGORITHMS_NONCE, false),
                     LONG_TERM_DISCARD);
}

static void only_sha256_proves_once_algorithms_are_known(void **state)
{
    (void)state;
    assert_int_equal(challenge(&modern, false), LONG_TERM_RETRY);
    assert_int_equal(answer(STUN_SUCCESS, 0, GOOD_PROOF_SHA256, NULL, false), LONG_TERM_ACCEPTED);
    assert_int_equal(answer(STUN_SUCCESS, 0, GOOD_PROOF, NULL, false), LONG_TERM_DISCARD);
}

static void names_that_do_not_fit_are_refused(void **state)
{
    static char long_name[STUN_USERNAME_SIZE_MAX + 2];
    static char long_password[LONG_TERM_PASSWORD_SIZE_MAX + 2];
    struct long_term other;
    (void)state;
    memset(long_name, 'a', sizeof long_name - 1);
    memset(long_password, 'a', sizeof long_password - 1);
    assert_true(long_term_init(&other, crypto, "", "secret") < 0);
    assert_true(long_term_init(&other, crypto, long_name, "secret") < 0);
    assert_true(long_term_init(&other, crypto, "alice", long_password) < 0);
}

static const struct long_term_challenge known = {
    "example.org", ALGORITHMS_NONCE, {STUN_PASSWORD_SHA256, STUN_PASSWORD_MD5}, 2};

static void a_challenge_may_be_known_beforehand(void **state)
{
    struct stun_view view;
    struct stun_key key;
    (void)state;
    assert_int_equal(long_term_foretell(&client, &known), 0);
    assert_true(signed_request(&view));
    const struct stun_attribute_view *list = stun_view_find(&view, STUN_PASSWORD_ALGORITHMS);
    assert_int_equal(list->size, sizeof both_algorithms);
    assert_memory_equal(list->value, both_algorithms, sizeof both_algorithms);
    assert_int_equal(
        stun_key_long_term(crypto, &key, STUN_PASSWORD_SHA256, "alice", "example.org", "secret"),
        STUN_OK);
    assert_int_equal(stun_view_check_integrity_sha256(&view, crypto, &key), STUN_OK);
    assert_int_equal(answer(STUN_SUCCESS, 0, GOOD_PROOF_SHA256, NULL, false), LONG_TERM_ACCEPTED);
    /* From now on it is as any other. */
    assert_int_equal(challenge(&modern, true), LONG_TERM_REFUSED);
}

static void a_foretold_challenge_that_is_wrong_costs_one_answer(void **state)
{
    static const struct challenge stale = {438, "example.org", ALGORITHMS_NONCE, both_algorithms,
                                           sizeof both_algorithms};
    struct stun_view view;
    (void)state;
    /* Another client's nonce, or a stale one. */
    assert_int_equal(long_term_foretell(&client, &known), 0);
    assert_int_equal(challenge(&stale, true), LONG_TERM_RETRY);
    assert_true(signed_request(&view));
    assert_int_equal(challenge(&modern, true), LONG_TERM_REFUSED);
    /* 401, though the realm is the one that we had: it may be the nonce. */
    assert_int_equal(long_term_foretell(&client, &known), 0);
    assert_int_equal(challenge(&modern, true), LONG_TERM_RETRY);
    assert_int_equal(challenge(&modern, true), LONG_TERM_REFUSED);
    /* A server that does not know how we have signed cannot prove its answer. */
    assert_int_equal(long_term_foretell(&client, &known), 0);
    assert_int_equal(answer(STUN_ERROR, 420, NO_PROOF, NULL, false), LONG_TERM_RETRY);
    assert_false(signed_request(&view));
    assert_int_equal(challenge(&plain, false), LONG_TERM_RETRY);
    assert_true(signed_request(&view));
    assert_false(stun_view_has(&view, STUN_PASSWORD_ALGORITHM));
    /* A success is believed by its proof alone. */
    assert_int_equal(long_term_foretell(&client, &known), 0);
    assert_int_equal(answer(STUN_SUCCESS, 0, BAD_PROOF, NULL, false), LONG_TERM_DISCARD);
}

static void a_foretold_challenge_must_be_whole(void **state)
{
    const struct long_term_challenge weakened = {"example.org", ALGORITHMS_NONCE, {0}, 0};
    const struct long_term_challenge strange = {"example.org", ALGORITHMS_NONCE, {9}, 1};
    const struct long_term_challenge empty = {"example.org", "", {0}, 0};
    const struct long_term_challenge old = {"example.org", PLAIN_NONCE, {0}, 0};
    struct stun_view view;
    (void)state;
    assert_int_equal(long_term_foretell(&client, &weakened), -EINVAL);
    assert_int_equal(long_term_foretell(&client, &strange), -EINVAL);
    assert_int_equal(long_term_foretell(&client, &empty), -EINVAL);
    assert_false(signed_request(&view));
    assert_int_equal(long_term_foretell(&client, &old), 0);
    assert_true(signed_request(&view));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_request_is_not_signed),
        TEST(a_challenge_is_answered_with_md5),
        TEST(sha256_is_used_when_offered),
        TEST(the_servers_first_known_algorithm_is_taken),
        TEST(a_username_is_hashed_when_the_server_can),
        TEST(a_weakened_challenge_is_refused),
        TEST(a_second_challenge_means_refused),
        TEST(a_stale_nonce_is_replaced),
        TEST(a_challenge_without_realm_or_nonce_is_unusable),
        TEST(only_proven_answers_are_believed),
        TEST(only_sha256_proves_once_algorithms_are_known),
        TEST(names_that_do_not_fit_are_refused),
        TEST(a_challenge_may_be_known_beforehand),
        TEST(a_foretold_challenge_that_is_wrong_costs_one_answer),
        TEST(a_foretold_challenge_must_be_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
