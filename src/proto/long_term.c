/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/long_term.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

/* RFC 8489 §9.2: "obMatJos2" and four characters of base64: 24 bits of security features. */
#define COOKIE "obMatJos2"
#define COOKIE_SIZE 13
/* Bits 0 and 1, counted from the right: erratum 6290 of RFC 8489 §18.1. */
#define FEATURE_PASSWORD_ALGORITHMS 0x1u
#define FEATURE_USERNAME_ANONYMITY 0x2u

int long_term_init(struct long_term *credentials, struct stun_crypto *crypto, const char *user,
                   const char *password)
{
    size_t user_size = strlen(user);
    size_t password_size = strlen(password);
    if (user_size == 0 || user_size > STUN_USERNAME_SIZE_MAX ||
        password_size > LONG_TERM_PASSWORD_SIZE_MAX) {
        return -EINVAL;
    }
    *credentials = (struct long_term){.crypto = crypto};
    memcpy(credentials->user, user, user_size + 1);
    memcpy(credentials->password, password, password_size + 1);
    return 0;
}

int long_term_use_token(struct long_term *credentials, const uint8_t *token, size_t token_size,
                        const uint8_t *key, size_t key_size)
{
    if (token_size == 0 || token_size > sizeof credentials->token || key_size == 0 ||
        key_size > sizeof credentials->key.bytes) {
        return -EINVAL;
    }
    memcpy(credentials->token, token, token_size);
    memcpy(credentials->key.bytes, key, key_size);
    credentials->token_size = (uint16_t)token_size;
    credentials->key.size = (uint16_t)key_size;
    return 0;
}

void long_term_wipe(struct long_term *credentials)
{
    OPENSSL_cleanse(credentials, sizeof *credentials);
}

static bool has_token(const struct long_term *credentials)
{
    return credentials->token_size != 0;
}

/* Of a token the algorithm belongs to the key (RFC 7635): there are no PASSWORD-ALGORITHMS. */
bool long_term_uses_sha256(const struct long_term *credentials)
{
    return has_token(credentials) ? credentials->key.size > STUN_SHA1_SIZE
                                  : credentials->algorithms_size != 0;
}

static void sign_with_token(const struct long_term *credentials, struct stun_builder *builder)
{
    stun_builder_put_bytes(builder, STUN_ACCESS_TOKEN, credentials->token, credentials->token_size);
    if (long_term_uses_sha256(credentials)) {
        stun_builder_put_integrity_sha256(builder, credentials->crypto, &credentials->key);
    } else {
        stun_builder_put_integrity(builder, credentials->crypto, &credentials->key);
    }
}

bool long_term_sign(const struct long_term *credentials, struct stun_builder *builder)
{
    if (!credentials->challenged) {
        return false;
    }
    if (credentials->anonymous) {
        stun_builder_put_bytes(builder, STUN_USERHASH, credentials->userhash,
                               sizeof credentials->userhash);
    } else {
        stun_builder_put_string(builder, STUN_USERNAME, credentials->user);
    }
    stun_builder_put_string(builder, STUN_REALM, credentials->realm);
    stun_builder_put_bytes(builder, STUN_NONCE, credentials->nonce, credentials->nonce_size);
    if (has_token(credentials)) {
        sign_with_token(credentials, builder);
        return true;
    }
    if (credentials->algorithms_size == 0) {
        stun_builder_put_integrity(builder, credentials->crypto, &credentials->key);
        return true;
    }
    const uint8_t algorithm[4] = {0, (uint8_t)credentials->algorithm, 0, 0};
    stun_builder_put_bytes(builder, STUN_PASSWORD_ALGORITHMS, credentials->algorithms,
                           credentials->algorithms_size);
    stun_builder_put_bytes(builder, STUN_PASSWORD_ALGORITHM, algorithm, sizeof algorithm);
    stun_builder_put_integrity_sha256(builder, credentials->crypto, &credentials->key);
    return true;
}

static int base64_value(uint8_t character)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = character == 0 ? NULL : strchr(alphabet, character);
    return found == NULL ? -1 : (int)(found - alphabet);
}

/* The 24 feature bits of a nonce cookie; 0 for a nonce without cookie. */
static uint32_t security_features(const uint8_t *nonce, size_t size)
{
    uint32_t features = 0;
    if (size < COOKIE_SIZE || memcmp(nonce, COOKIE, strlen(COOKIE)) != 0) {
        return 0;
    }
    for (size_t i = strlen(COOKIE); i < COOKIE_SIZE; i++) {
        int value = base64_value(nonce[i]);
        if (value < 0) {
            return 0;
        }
        features = (features << 6) | (uint32_t)value;
    }
    return features;
}

static bool has_feature(const uint8_t *nonce, size_t size, uint32_t feature)
{
    return (security_features(nonce, size) & feature) != 0;
}

static bool is_weakened(const struct stun_view *response)
{
    const struct stun_attribute_view *nonce = stun_view_find(response, STUN_NONCE);
    return nonce != NULL && has_feature(nonce->value, nonce->size, FEATURE_PASSWORD_ALGORITHMS) &&
           !stun_view_has(response, STUN_PASSWORD_ALGORITHMS);
}

/* The first algorithm of the list that we know, or 0 (RFC 8489 §14.11). */
static unsigned choose_algorithm(const uint8_t *list, size_t size)
{
    size_t at = 0;
    while (at + 4 <= size) {
        unsigned algorithm = ((unsigned)list[at] << 8) | list[at + 1];
        size_t parameters = ((size_t)list[at + 2] << 8) | list[at + 3];
        if ((algorithm == STUN_PASSWORD_MD5 || algorithm == STUN_PASSWORD_SHA256) &&
            parameters == 0) {
            return algorithm;
        }
        at += 4 + ((parameters + 3) & ~(size_t)3);
    }
    return 0;
}

/* `size` 0: there is no list. */
static bool set_algorithms(struct long_term *credentials, const uint8_t *list, size_t size)
{
    credentials->algorithms_size = 0;
    credentials->algorithm = STUN_PASSWORD_MD5;
    if (size == 0) {
        return true;
    }
    unsigned algorithm = choose_algorithm(list, size);
    if (algorithm == 0 || size > sizeof credentials->algorithms) {
        return false;
    }
    memcpy(credentials->algorithms, list, size);
    credentials->algorithms_size = (uint16_t)size;
    credentials->algorithm = (enum stun_password_algorithm)algorithm;
    return true;
}

static bool set_nonce(struct long_term *credentials, const uint8_t *nonce, size_t size)
{
    if (size == 0 || size > sizeof credentials->nonce) {
        return false;
    }
    memcpy(credentials->nonce, nonce, size);
    credentials->nonce_size = (uint16_t)size;
    credentials->anonymous =
        !has_token(credentials) && has_feature(nonce, size, FEATURE_USERNAME_ANONYMITY);
    return true;
}

static bool set_realm(struct long_term *credentials, const uint8_t *realm, size_t size)
{
    if (size > LONG_TERM_TEXT_SIZE_MAX || memchr(realm, 0, size) != NULL) {
        return false;
    }
    memcpy(credentials->realm, realm, size);
    credentials->realm[size] = '\0';
    return true;
}

static bool take_algorithms(struct long_term *credentials, const struct stun_view *response)
{
    const struct stun_attribute_view *list = stun_view_find(response, STUN_PASSWORD_ALGORITHMS);
    if (list != NULL && list->size == 0) {
        return false;
    }
    return set_algorithms(credentials, list != NULL ? list->value : NULL,
                          list != NULL ? list->size : 0);
}

static bool take_nonce(struct long_term *credentials, const struct stun_view *response)
{
    const struct stun_attribute_view *nonce = stun_view_find(response, STUN_NONCE);
    return nonce != NULL && set_nonce(credentials, nonce->value, nonce->size);
}

static bool take_realm(struct long_term *credentials, const struct stun_view *response)
{
    const struct stun_attribute_view *realm = stun_view_find(response, STUN_REALM);
    return realm != NULL && set_realm(credentials, realm->value, realm->size);
}

static bool make_keys(struct long_term *credentials)
{
    return has_token(credentials) ||
           (stun_key_long_term(credentials->crypto, &credentials->key, credentials->algorithm,
                               credentials->user, credentials->realm,
                               credentials->password) == STUN_OK &&
            stun_userhash(credentials->crypto, credentials->user, credentials->realm,
                          credentials->userhash) == STUN_OK);
}

static enum long_term_verdict take_challenge(struct long_term *credentials,
                                             const struct stun_view *response)
{
    bool usable = take_realm(credentials, response) && take_nonce(credentials, response) &&
                  take_algorithms(credentials, response) && make_keys(credentials);
    credentials->challenged = usable;
    credentials->foretold = false;
    return usable ? LONG_TERM_RETRY : LONG_TERM_UNUSABLE;
}

int long_term_foretell(struct long_term *credentials, const struct long_term_challenge *challenge)
{
    const uint8_t *nonce = (const uint8_t *)challenge->nonce;
    size_t nonce_size = strlen(challenge->nonce);
    uint8_t list[4 * LONG_TERM_ALGORITHMS_MAX] = {0};
    bool weakened = challenge->algorithm_count == 0 &&
                    has_feature(nonce, nonce_size, FEATURE_PASSWORD_ALGORITHMS);
    if (weakened || challenge->algorithm_count > LONG_TERM_ALGORITHMS_MAX) {
        return -EINVAL;
    }
    for (size_t i = 0; i < challenge->algorithm_count; i++) {
        list[4 * i] = (uint8_t)(challenge->algorithms[i] >> 8);
        list[4 * i + 1] = (uint8_t)challenge->algorithms[i];
    }
    credentials->foretold = credentials->challenged =
        set_realm(credentials, (const uint8_t *)challenge->realm, strlen(challenge->realm)) &&
        set_nonce(credentials, nonce, nonce_size) &&
        set_algorithms(credentials, list, 4 * challenge->algorithm_count) && make_keys(credentials);
    return credentials->challenged ? 0 : -EINVAL;
}

static bool same_realm(const struct long_term *credentials, const struct stun_view *response)
{
    const struct stun_attribute_view *realm = stun_view_find(response, STUN_REALM);
    return realm != NULL && realm->size == strlen(credentials->realm) &&
           memcmp(realm->value, credentials->realm, realm->size) == 0;
}

/* A nonce alone may be new in 438; RFC 5389 servers leave out nothing, RFC 8489 ones neither. */
static enum long_term_verdict judge_challenge(struct long_term *credentials,
                                              const struct stun_view *response, uint16_t code,
                                              bool was_signed)
{
    if (is_weakened(response)) {
        return LONG_TERM_WEAKENED;
    }
    if (code == 438 && credentials->challenged && !stun_view_has(response, STUN_REALM)) {
        return take_nonce(credentials, response) ? LONG_TERM_RETRY : LONG_TERM_UNUSABLE;
    }
    if (code == 401 && was_signed && !credentials->foretold && same_realm(credentials, response)) {
        return LONG_TERM_REFUSED;
    }
    return take_challenge(credentials, response);
}

static bool is_authentic(const struct long_term *credentials, const struct stun_view *response)
{
    if (long_term_uses_sha256(credentials)) {
        return stun_view_check_integrity_sha256(response, credentials->crypto, &credentials->key) ==
               STUN_OK;
    }
    return stun_view_check_integrity(response, credentials->crypto, &credentials->key) == STUN_OK;
}

enum long_term_verdict long_term_judge(struct long_term *credentials,
                                       const struct stun_view *response, bool was_signed,
                                       bool reliable)
{
    uint16_t code = 0;
    if (response->message_class == STUN_ERROR &&
        stun_view_error(response, &code, NULL, NULL) != STUN_OK) {
        return LONG_TERM_DISCARD;
    }
    if (code == 401 || code == 438) {
        return judge_challenge(credentials, response, code, was_signed);
    }
    if (!was_signed) {
        return LONG_TERM_ACCEPTED;
    }
    if (!is_weakened(response) && is_authentic(credentials, response)) {
        credentials->foretold = false;
        return LONG_TERM_ACCEPTED;
    }
    if (credentials->foretold && response->message_class == STUN_ERROR) {
        /* It may not even know how we have signed: from the beginning, then. */
        credentials->foretold = credentials->challenged = false;
        return LONG_TERM_RETRY;
    }
    credentials->discarded++;
    credentials->discarded_code = code;
    return reliable ? LONG_TERM_VIOLATED : LONG_TERM_DISCARD;
}
