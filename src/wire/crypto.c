/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Digests, keys and HMACs by OpenSSL's EVP_MD: algorithms are fetched and contexts made once.
 *
 * HMAC (RFC 2104) is written out here, since it is twice as fast as EVP_MAC where a key is used
 * again, as it is when an answer follows its request: the two digests that have taken in the key
 * are kept, and copied for each message.
 */
#include "wire/wire_internal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 64 /* of SHA-1 and of SHA-256 */

/* HMAC with one digest, ready for messages under `key`. */
struct hmac {
    EVP_MD *md;
    EVP_MD_CTX *inner, *outer; /* have taken in the padded key */
    struct stun_key key;
    bool keyed;
};

struct stun_crypto {
    struct hmac hmac[2]; /* by enum wire_mac */
    EVP_MD_CTX *work;
    EVP_MD *md5; /* NULL where the library has none (FIPS) */
};

/* ---- contexts -------------------------------------------------------------------------------- */

static bool hmac_open(struct hmac *hmac, const char *digest)
{
    hmac->md = EVP_MD_fetch(NULL, digest, NULL);
    hmac->inner = EVP_MD_CTX_new();
    hmac->outer = EVP_MD_CTX_new();
    return hmac->md != NULL && hmac->inner != NULL && hmac->outer != NULL;
}

static void hmac_close(struct hmac *hmac)
{
    EVP_MD_free(hmac->md);
    EVP_MD_CTX_free(hmac->inner);
    EVP_MD_CTX_free(hmac->outer);
}

struct stun_crypto *stun_crypto_new(void)
{
    struct stun_crypto *crypto = calloc(1, sizeof *crypto);

    if (crypto == NULL)
        return NULL;
    crypto->work = EVP_MD_CTX_new();
    ERR_set_mark(); /* a missing MD5 is no error that TLS code of this thread should find later */
    crypto->md5 = EVP_MD_fetch(NULL, OSSL_DIGEST_NAME_MD5, NULL);
    ERR_pop_to_mark();
    if (crypto->work == NULL || !hmac_open(&crypto->hmac[WIRE_HMAC_SHA1], OSSL_DIGEST_NAME_SHA1) ||
        !hmac_open(&crypto->hmac[WIRE_HMAC_SHA256], OSSL_DIGEST_NAME_SHA2_256)) {
        stun_crypto_free(crypto);
        return NULL;
    }
    return crypto;
}

void stun_crypto_free(struct stun_crypto *crypto)
{
    if (crypto == NULL)
        return;
    hmac_close(&crypto->hmac[WIRE_HMAC_SHA1]);
    hmac_close(&crypto->hmac[WIRE_HMAC_SHA256]);
    EVP_MD_CTX_free(crypto->work);
    EVP_MD_free(crypto->md5);
    OPENSSL_cleanse(crypto, sizeof *crypto);
    free(crypto);
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* The digest of some strings with colons between them. */
static int digest_joined(struct stun_crypto *crypto, const EVP_MD *md, const char *const *strings,
                         size_t count, uint8_t *out, unsigned *size)
{
    bool ok = md != NULL && EVP_DigestInit_ex2(crypto->work, md, NULL) == 1;

    for (size_t i = 0; ok && i < count; i++)
        ok = (i == 0 || EVP_DigestUpdate(crypto->work, ":", 1) == 1) &&
             EVP_DigestUpdate(crypto->work, strings[i], strlen(strings[i])) == 1;
    return ok && EVP_DigestFinal_ex(crypto->work, out, size) == 1 ? STUN_OK : STUN_ERROR_CRYPTO;
}

int stun_key_short_term(struct stun_key *key, const char *password, size_t size)
{
    if (size > sizeof key->bytes)
        return STUN_ERROR_VALUE;
    key->size = (uint16_t)size;
    memcpy(key->bytes, password, size);
    return STUN_OK;
}

int stun_key_long_term(struct stun_crypto *crypto, struct stun_key *key,
                       enum stun_password_algorithm algorithm, const char *user, const char *realm,
                       const char *password)
{
    const char *const strings[] = {user, realm, password};
    unsigned size = 0;

    if (algorithm != STUN_PASSWORD_MD5 && algorithm != STUN_PASSWORD_SHA256)
        return STUN_ERROR_VALUE;
    const EVP_MD *md =
        algorithm == STUN_PASSWORD_MD5 ? crypto->md5 : crypto->hmac[WIRE_HMAC_SHA256].md;
    int status = digest_joined(crypto, md, strings, 3, key->bytes, &size);
    if (status == STUN_OK)
        key->size = (uint16_t)size;
    return status;
}

int stun_userhash(struct stun_crypto *crypto, const char *user, const char *realm,
                  uint8_t out[STUN_SHA256_SIZE])
{
    const char *const strings[] = {user, realm};
    unsigned size = 0;

    return digest_joined(crypto, crypto->hmac[WIRE_HMAC_SHA256].md, strings, 2, out, &size);
}

/* ---- HMAC ------------------------------------------------------------------------------------ */

static bool is_keyed_with(const struct hmac *hmac, const struct stun_key *key)
{
    return hmac->keyed && hmac->key.size == key->size &&
           CRYPTO_memcmp(hmac->key.bytes, key->bytes, key->size) == 0;
}

/* Starts a digest with the key block XORed with `mask`. */
static bool take_in(EVP_MD_CTX *context, const EVP_MD *md, const uint8_t block[BLOCK_SIZE],
                    uint8_t mask)
{
    uint8_t padded[BLOCK_SIZE];

    for (size_t i = 0; i < BLOCK_SIZE; i++)
        padded[i] = block[i] ^ mask;
    bool ok = EVP_DigestInit_ex2(context, md, NULL) == 1 &&
              EVP_DigestUpdate(context, padded, sizeof padded) == 1;
    OPENSSL_cleanse(padded, sizeof padded);
    return ok;
}

static bool set_key(struct stun_crypto *crypto, struct hmac *hmac, const struct stun_key *key)
{
    uint8_t block[BLOCK_SIZE] = {0};
    bool ok = true;

    hmac->keyed = false;
    if (key->size <= BLOCK_SIZE)
        memcpy(block, key->bytes, key->size);
    else
        ok = EVP_DigestInit_ex2(crypto->work, hmac->md, NULL) == 1 &&
             EVP_DigestUpdate(crypto->work, key->bytes, key->size) == 1 &&
             EVP_DigestFinal_ex(crypto->work, block, NULL) == 1;
    ok = ok && take_in(hmac->inner, hmac->md, block, 0x36) &&
         take_in(hmac->outer, hmac->md, block, 0x5C);
    OPENSSL_cleanse(block, sizeof block);
    if (ok) {
        hmac->key.size = key->size;
        memcpy(hmac->key.bytes, key->bytes, key->size);
        hmac->keyed = true;
    }
    return ok;
}

int wire_hmac(struct stun_crypto *crypto, enum wire_mac which, const struct stun_key *key,
              const uint8_t *header, const uint8_t *body, size_t body_size, uint8_t *out)
{
    struct hmac *hmac = &crypto->hmac[which];
    EVP_MD_CTX *work = crypto->work;
    unsigned size = 0;

    if (!is_keyed_with(hmac, key) && !set_key(crypto, hmac, key))
        return STUN_ERROR_CRYPTO;
    if (EVP_MD_CTX_copy_ex(work, hmac->inner) != 1 ||
        EVP_DigestUpdate(work, header, STUN_HEADER_SIZE) != 1 ||
        EVP_DigestUpdate(work, body, body_size) != 1 || EVP_DigestFinal_ex(work, out, &size) != 1 ||
        EVP_MD_CTX_copy_ex(work, hmac->outer) != 1 || EVP_DigestUpdate(work, out, size) != 1 ||
        EVP_DigestFinal_ex(work, out, &size) != 1)
        return STUN_ERROR_CRYPTO;
    return STUN_OK;
}
