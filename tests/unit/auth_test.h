/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of authentication share: a server that knows alice, and clients who ask it. */
#ifndef UNIT_AUTH_TEST_H
#define UNIT_AUTH_TEST_H

#include "stun_test.h"

#include "base/address.h"
#include "turnserver/auth/auth.h"

#define REALM "example.org"
#define NONCE_LIFETIME 600
#define NOW_SECONDS 1000
#define WALL_SECONDS INT64_C(1699999000) /* at NOW_SECONDS */

static const uint8_t test_nonce_key[AUTH_NONCE_KEY_SIZE] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
};

struct auth_test {
    struct auth_policy *policy;
    struct stun_crypto *crypto;
    struct auth *auth;
};

static inline struct monotime seconds(int64_t value)
{
    return (struct monotime){value * MONOTIME_SECOND};
}

/* A server with the user alice/secret and with up to two REST secrets; NULL: none. */
static inline void auth_test_open(struct auth_test *test, const char *secret, const char *second)
{
    test->policy = auth_policy_new(REALM, NONCE_LIFETIME);
    test->crypto = stun_crypto_new();
    assert_non_null(test->policy);
    assert_non_null(test->crypto);
    assert_int_equal(auth_policy_add_user(test->policy, "alice", "secret"), 0);
    if (secret != NULL) {
        assert_int_equal(auth_policy_add_secret(test->policy, secret), 0);
    }
    if (second != NULL) {
        assert_int_equal(auth_policy_add_secret(test->policy, second), 0);
    }
    test->auth = auth_new(test->policy, test_nonce_key, test->crypto);
    assert_non_null(test->auth);
    auth_set_wall_clock(test->auth, seconds(NOW_SECONDS), WALL_SECONDS);
}

static inline void auth_test_close(struct auth_test *test)
{
    auth_free(test->auth);
    stun_crypto_free(test->crypto);
    auth_policy_free(test->policy);
}

static inline struct flow flow_from(const char *remote)
{
    struct flow flow = {.via = 1, .transport = TRANSPORT_UDP};

    assert_true(address_parse(&flow.remote, remote));
    assert_true(address_parse(&flow.local, "192.0.2.1:3478"));
    return flow;
}

#define CLIENT "192.0.2.7:40000"

/* What a challenge says. */
struct challenge {
    char realm[AUTH_REALM_SIZE_MAX];
    uint8_t nonce[128];
    size_t nonce_size;
    uint8_t algorithms[64];
    size_t algorithms_size;
};

static inline struct challenge ask_challenge(struct auth_test *test, int64_t at, const char *client)
{
    struct challenge challenge = {0};
    struct flow flow = flow_from(client);
    uint8_t bytes[512];
    struct stun_builder builder;
    struct stun_view view;

    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_ERROR, STUN_ALLOCATE,
                       (const uint8_t *)"abcdefghijkl");
    stun_builder_put_error(&builder, 401, NULL);
    auth_put_challenge(test->auth, seconds(at), &flow, &(struct stun_view){0}, &builder);
    int size = stun_builder_finish(&builder);
    assert_true(size > 0);
    assert_int_equal(stun_view_parse(&view, bytes, (size_t)size), STUN_OK);

    const struct stun_attribute_view *realm = stun_view_find(&view, STUN_REALM);
    const struct stun_attribute_view *nonce = stun_view_find(&view, STUN_NONCE);
    const struct stun_attribute_view *algorithms = stun_view_find(&view, STUN_PASSWORD_ALGORITHMS);
    assert_non_null(realm);
    assert_non_null(nonce);
    assert_non_null(algorithms);
    memcpy(challenge.realm, realm->value, realm->size);
    memcpy(challenge.nonce, nonce->value, nonce->size);
    challenge.nonce_size = nonce->size;
    memcpy(challenge.algorithms, algorithms->value, algorithms->size);
    challenge.algorithms_size = algorithms->size;
    return challenge;
}

/* A request to be made. What is NULL or zero is left out; `password` signs it. */
struct request {
    const char *name;
    size_t name_size; /* 0: up to the zero */
    const uint8_t *userhash;
    const char *realm;
    const uint8_t *nonce;
    size_t nonce_size;
    const uint8_t *algorithms; /* PASSWORD-ALGORITHMS */
    size_t algorithms_size;
    uint16_t algorithm;   /* PASSWORD-ALGORITHM; the key is an MD5 one when it is 0 */
    const char *key_name; /* the name that the key is made of; NULL: `name` */
    const char *password;
    bool integrity, integrity_sha256;
};

/* A request of a client of RFC 5389 that answers `challenge`. */
static inline struct request old_request(const struct challenge *challenge, const char *name,
                                         const char *password)
{
    return (struct request){
        .name = name,
        .realm = challenge->realm,
        .nonce = challenge->nonce,
        .nonce_size = challenge->nonce_size,
        .password = password,
        .integrity = true,
    };
}

/* The same of a client of RFC 8489. */
static inline struct request new_request(const struct challenge *challenge, const char *name,
                                         const char *password)
{
    struct request request = old_request(challenge, name, password);

    request.algorithms = challenge->algorithms;
    request.algorithms_size = challenge->algorithms_size;
    request.algorithm = STUN_PASSWORD_SHA256;
    request.integrity = false;
    request.integrity_sha256 = true;
    return request;
}

static inline size_t build_request(struct stun_crypto *crypto, const struct request *request,
                                   uint8_t *bytes, size_t capacity)
{
    struct stun_builder builder;
    struct stun_key key;

    stun_builder_begin(&builder, bytes, capacity, STUN_REQUEST, STUN_ALLOCATE,
                       (const uint8_t *)"abcdefghijkl");
    if (request->name != NULL) {
        stun_builder_put_bytes(&builder, STUN_USERNAME, request->name,
                               request->name_size > 0 ? request->name_size : strlen(request->name));
    }
    if (request->userhash != NULL) {
        stun_builder_put_bytes(&builder, STUN_USERHASH, request->userhash, STUN_SHA256_SIZE);
    }
    if (request->realm != NULL) {
        stun_builder_put_string(&builder, STUN_REALM, request->realm);
    }
    if (request->nonce != NULL) {
        stun_builder_put_bytes(&builder, STUN_NONCE, request->nonce, request->nonce_size);
    }
    if (request->algorithms != NULL) {
        stun_builder_put_bytes(&builder, STUN_PASSWORD_ALGORITHMS, request->algorithms,
                               request->algorithms_size);
    }
    if (request->algorithm != 0) {
        stun_builder_put_password_algorithm(&builder, request->algorithm);
    }
    if (request->integrity || request->integrity_sha256) {
        const char *name = request->key_name != NULL ? request->key_name : request->name;
        enum stun_password_algorithm algorithm =
            request->algorithm == STUN_PASSWORD_SHA256 ? STUN_PASSWORD_SHA256 : STUN_PASSWORD_MD5;
        assert_int_equal(stun_key_long_term(crypto, &key, algorithm, name != NULL ? name : "",
                                            REALM, request->password),
                         STUN_OK);
    }
    if (request->integrity) {
        stun_builder_put_integrity(&builder, crypto, &key);
    }
    if (request->integrity_sha256) {
        stun_builder_put_integrity_sha256(&builder, crypto, &key);
    }
    int size = stun_builder_finish(&builder);
    assert_true(size > 0);
    return (size_t)size;
}

/* Asks the server at a time, from an address; returns 0 when it accepts, or the code. */
static inline uint16_t judge_bytes(struct auth_test *test, int64_t at, const char *client,
                                   const uint8_t *bytes, size_t size, const char *owner,
                                   struct auth_answer *answer)
{
    struct flow flow = flow_from(client);
    struct stun_view view;
    uint8_t *exact = exact_copy(bytes, size);

    assert_int_equal(stun_view_parse(&view, exact, size), STUN_OK);
    memset(answer, 0xAA, sizeof *answer);
    auth_check(test->auth, seconds(at), &flow, &view,
               owner != NULL ? &(struct auth_owner){.name = owner} : NULL, answer);
    free(exact);
    if (answer->outcome == AUTH_ACCEPTED) {
        assert_int_equal(answer->code, 0);
        return 0;
    }
    assert_int_equal(answer->outcome, AUTH_REFUSED);
    assert_int_equal(answer->identity.user[0], 0);
    assert_int_equal(answer->identity.key.size, 0);
    return answer->code;
}

static inline uint16_t judge(struct auth_test *test, int64_t at, const struct request *request)
{
    uint8_t bytes[2048];
    struct auth_answer answer;
    size_t size = build_request(test->crypto, request, bytes, sizeof bytes);

    return judge_bytes(test, at, CLIENT, bytes, size, NULL, &answer);
}

#endif
