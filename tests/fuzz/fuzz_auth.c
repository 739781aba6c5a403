/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Authentication fed by strangers. The first byte chooses: a whole message, a nonce, or a user name
 * that signs with the password that the secret gives it.
 */
#include "tests/fuzz/fuzz.h"

#include "turnserver/auth/auth.h"
#include "turnserver/auth/nonce.h"
#include "turnserver/auth/opaque_string.h"
#include "turnserver/auth/rest.h"

#include <string.h>

#define REALM "example.org"
#define SECRET "s3cret"
#define WALL_SECONDS INT64_C(1699999000)

static const struct monotime now = {1000 * MONOTIME_SECOND};
static const struct flow flow = {
    .remote = {.family = STUN_FAMILY_IPV4, .port = 40000, .ip = {192, 0, 2, 7}},
};
static uint8_t nonce_key[NONCE_KEY_SIZE];
static struct stun_crypto *crypto;
static struct auth *auth;
static struct auth_digests digests;

static void set_up(void)
{
    for (size_t i = 0; i < sizeof nonce_key; i++) {
        nonce_key[i] = (uint8_t)i;
    }
    crypto = stun_crypto_new();
    struct auth_policy *policy = auth_policy_new(REALM, 600);
    REQUIRE(crypto != NULL && policy != NULL && auth_digests_open(&digests));
    REQUIRE(auth_policy_add_user(policy, "alice", "secret") == 0);
    REQUIRE(auth_policy_add_secret(policy, SECRET) == 0);
    auth = auth_new(policy, nonce_key, crypto);
    REQUIRE(auth != NULL);
    auth_set_wall_clock(auth, now, WALL_SECONDS);
}

static void check_answer(const struct auth_answer *answer)
{
    const struct auth_identity *identity = &answer->identity;
    size_t size = strnlen(identity->user, sizeof identity->user);

    if (answer->outcome == AUTH_ACCEPTED) {
        REQUIRE(answer->code == 0 && opaque_string_is_valid(identity->user, size));
        REQUIRE(identity->account_offset < size);
        REQUIRE(identity->key.size == 16 || identity->key.size == 32);
    } else {
        REQUIRE(answer->code == 400 || answer->code == 401 || answer->code == 438);
        REQUIRE(size == 0 && identity->key.size == 0);
    }
}

static bool judge(const uint8_t *bytes, size_t size, struct auth_answer *answer)
{
    struct stun_view view;

    if (stun_view_parse(&view, bytes, size) != STUN_OK) {
        return false;
    }
    auth_check(auth, now, &flow, &view, NULL, answer);
    check_answer(answer);
    return true;
}

static void fuzz_nonce(const uint8_t *data, size_t size)
{
    struct nonce_claims claims;
    char again[NONCE_SIZE];

    nonce_features(data, size);
    if (nonce_read(&digests, nonce_key, 1000, 600, &flow.remote, data, size, &claims) !=
        NONCE_FOREIGN) {
        REQUIRE(nonce_write(&digests, nonce_key, &claims, &flow.remote, again));
        REQUIRE(size == NONCE_SIZE && memcmp(again, data, size) == 0);
    }
}

/* Whether the server must let in a name that signs with the secret's password. */
static bool is_welcome(const char *name, size_t size)
{
    struct rest_name rest;

    return opaque_string_is_valid(name, size) && rest_name_parse(&rest, name) &&
           rest.expiry > WALL_SECONDS;
}

static void fuzz_name(const uint8_t *data, size_t size)
{
    char name[STUN_USERNAME_SIZE_MAX + 1] = {0};
    const struct nonce_claims claims = {.seconds = 1000, .features = 0};
    char nonce[NONCE_SIZE], password[REST_PASSWORD_SIZE];
    uint8_t bytes[1024];
    struct stun_builder builder;
    struct stun_key key;
    struct auth_answer answer;

    size = size < sizeof name ? size : sizeof name - 1;
    memcpy(name, data, size);
    REQUIRE(nonce_write(&digests, nonce_key, &claims, &flow.remote, nonce));
    REQUIRE(rest_password(&digests, AUTH_HMAC_SHA1, SECRET, name, password));
    REQUIRE(stun_key_long_term(crypto, &key, STUN_PASSWORD_MD5, name, REALM, password) == STUN_OK);
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_REQUEST, STUN_ALLOCATE,
                       (const uint8_t *)"abcdefghijkl");
    stun_builder_put_bytes(&builder, STUN_USERNAME, name, size);
    stun_builder_put_string(&builder, STUN_REALM, REALM);
    stun_builder_put_bytes(&builder, STUN_NONCE, nonce, sizeof nonce);
    stun_builder_put_integrity(&builder, crypto, &key);
    int built = stun_builder_finish(&builder);
    REQUIRE(built > 0 && judge(bytes, (size_t)built, &answer));
    REQUIRE((answer.outcome == AUTH_ACCEPTED) == is_welcome(name, size));
}

static void fuzz_prepare(const uint8_t *data, size_t size)
{
    char text[256] = {0};

    memcpy(text, data, size < sizeof text ? size : sizeof text - 1);
    char *prepared = opaque_string_prepare(text);
    REQUIRE((prepared != NULL) == opaque_string_is_valid(text, strlen(text)));
    if (prepared != NULL) {
        char *again = opaque_string_prepare(prepared);
        REQUIRE(again != NULL && strcmp(prepared, again) == 0);
        free(again);
    }
    free(prepared);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct auth_answer answer;

    if (auth == NULL) {
        set_up();
    }
    if (size == 0) {
        return 0;
    }
    switch (data[0]) {
    case 'm':
        judge(data + 1, size - 1, &answer);
        break;
    case 'n':
        fuzz_nonce(data + 1, size - 1);
        break;
    case 'u':
        fuzz_name(data + 1, size - 1);
        fuzz_prepare(data + 1, size - 1);
        break;
    default:
        break;
    }
    return 0;
}
