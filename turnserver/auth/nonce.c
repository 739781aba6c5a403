/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/auth/nonce.h"

#include "base/address.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define COOKIE_SIZE 9 /* without the features */
#define FEATURES_SIZE 3
#define CLAIMS_SIZE 9
#define HMAC_SIZE 18
#define BODY_SIZE (FEATURES_SIZE + CLAIMS_SIZE + HMAC_SIZE)

/* RFC 8489 §9.2 */
static const uint8_t cookie[COOKIE_SIZE] = {'o', 'b', 'M', 'a', 't', 'J', 'o', 's', '2'};

/* A worker's time stands still while it handles a batch: a nonce from another worker may be from a
 * moment that has not come yet here. */
#define SKEW_SECONDS 10

_Static_assert(BODY_SIZE % 3 == 0 && COOKIE_SIZE + BODY_SIZE / 3 * 4 == NONCE_SIZE,
               "base64 without padding fills the nonce");

/* Writes `size` low bytes of `value`, most significant first. */
static void put_number(uint8_t *bytes, size_t size, uint64_t value)
{
    for (size_t i = size; i-- > 0; value >>= 8) {
        bytes[i] = (uint8_t)value;
    }
}

static uint64_t get_number(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static void put_claims(uint8_t *bytes, const struct nonce_claims *claims)
{
    put_number(bytes, 3, claims->features);
    put_number(bytes + 3, 5, (uint64_t)claims->seconds);
    put_number(bytes + 8, 2, claims->port);
    put_number(bytes + 10, 2, claims->algorithms);
}

static void get_claims(const uint8_t *bytes, struct nonce_claims *claims)
{
    claims->features = (uint32_t)get_number(bytes, 3);
    claims->seconds = (int64_t)get_number(bytes + 3, 5);
    claims->port = (uint16_t)get_number(bytes + 8, 2);
    claims->algorithms = (uint8_t)get_number(bytes + 10, 2);
}

bool nonce_write(struct auth_digests *digests, const uint8_t key[NONCE_KEY_SIZE],
                 const struct nonce_claims *claims, const struct stun_address *client,
                 char out[NONCE_SIZE])
{
    static const char label[] = "postern nonce 1";
    const struct stun_address ip = address_canonical(client);
    uint8_t covered[sizeof label + FEATURES_SIZE + CLAIMS_SIZE + 1 + sizeof ip.ip];
    uint8_t body[FEATURES_SIZE + CLAIMS_SIZE + AUTH_HMAC_SIZE_MAX];
    unsigned char text[NONCE_SIZE - COOKIE_SIZE + 1];

    put_claims(body, claims);
    memcpy(covered, label, sizeof label);
    memcpy(covered + sizeof label, body, FEATURES_SIZE + CLAIMS_SIZE);
    covered[sizeof label + FEATURES_SIZE + CLAIMS_SIZE] = ip.family;
    memcpy(covered + sizeof covered - sizeof ip.ip, ip.ip, sizeof ip.ip);
    if (auth_digests_hmac(digests, AUTH_HMAC_SHA256, key, NONCE_KEY_SIZE, covered, sizeof covered,
                          body + FEATURES_SIZE + CLAIMS_SIZE) < HMAC_SIZE) {
        return false;
    }
    EVP_EncodeBlock(text, body, BODY_SIZE);
    memcpy(out, cookie, COOKIE_SIZE);
    memcpy(out + COOKIE_SIZE, text, NONCE_SIZE - COOKIE_SIZE);
    return true;
}

/* Decodes the first `size` bytes (a multiple of three) behind the cookie; false without one. */
static bool decode(const uint8_t *nonce, size_t nonce_size, uint8_t *out, size_t size)
{
    size_t characters = size / 3 * 4;

    return nonce_size >= COOKIE_SIZE + characters && memcmp(nonce, cookie, COOKIE_SIZE) == 0 &&
           EVP_DecodeBlock(out, nonce + COOKIE_SIZE, (int)characters) == (int)size;
}

enum nonce_state nonce_read(struct auth_digests *digests, const uint8_t key[NONCE_KEY_SIZE],
                            int64_t now_seconds, unsigned lifetime_seconds,
                            const struct stun_address *client, const uint8_t *nonce, size_t size,
                            struct nonce_claims *claims)
{
    uint8_t said[FEATURES_SIZE + CLAIMS_SIZE];
    char expected[NONCE_SIZE];

    if (size != NONCE_SIZE || !decode(nonce, size, said, sizeof said)) {
        return NONCE_FOREIGN;
    }
    /* The whole text must be what we would write: base64 has more than one way to write a byte. */
    get_claims(said, claims);
    if (!nonce_write(digests, key, claims, client, expected) ||
        CRYPTO_memcmp(expected, nonce, NONCE_SIZE) != 0) {
        return NONCE_FOREIGN;
    }
    int64_t age = now_seconds - claims->seconds;
    return age >= -SKEW_SECONDS && age <= lifetime_seconds ? NONCE_FRESH : NONCE_STALE;
}

uint32_t nonce_features(const uint8_t *nonce, size_t size)
{
    uint8_t features[FEATURES_SIZE];

    return decode(nonce, size, features, sizeof features)
               ? (uint32_t)get_number(features, sizeof features)
               : 0;
}
