/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/wire_internal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

struct stun_crypto {
    EVP_MAC_CTX *mac[2]; /* by enum wire_mac */
    EVP_MD_CTX *digest;
    EVP_MD *md5; /* NULL where the library has none (FIPS) */
    EVP_MD *sha256;
};

/* ---- contexts -------------------------------------------------------------------------------- */

static EVP_MAC_CTX *mac_new(EVP_MAC *hmac, const char *digest)
{
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(hmac);

    if (context != NULL && EVP_MAC_CTX_set_params(context, parameters) != 1) {
        EVP_MAC_CTX_free(context);
        context = NULL;
    }
    return context;
}

struct stun_crypto *stun_crypto_new(void)
{
    struct stun_crypto *crypto = calloc(1, sizeof *crypto);
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);

    if (crypto == NULL || hmac == NULL)
        goto fail;
    crypto->mac[WIRE_HMAC_SHA1] = mac_new(hmac, OSSL_DIGEST_NAME_SHA1);
    crypto->mac[WIRE_HMAC_SHA256] = mac_new(hmac, OSSL_DIGEST_NAME_SHA2_256);
    crypto->digest = EVP_MD_CTX_new();
    crypto->md5 = EVP_MD_fetch(NULL, OSSL_DIGEST_NAME_MD5, NULL);
    crypto->sha256 = EVP_MD_fetch(NULL, OSSL_DIGEST_NAME_SHA2_256, NULL);
    if (crypto->mac[WIRE_HMAC_SHA1] == NULL || crypto->mac[WIRE_HMAC_SHA256] == NULL ||
        crypto->digest == NULL || crypto->sha256 == NULL)
        goto fail;
    EVP_MAC_free(hmac);
    return crypto;
fail:
    EVP_MAC_free(hmac);
    stun_crypto_free(crypto);
    return NULL;
}

void stun_crypto_free(struct stun_crypto *crypto)
{
    if (crypto == NULL)
        return;
    EVP_MAC_CTX_free(crypto->mac[WIRE_HMAC_SHA1]);
    EVP_MAC_CTX_free(crypto->mac[WIRE_HMAC_SHA256]);
    EVP_MD_CTX_free(crypto->digest);
    EVP_MD_free(crypto->md5);
    EVP_MD_free(crypto->sha256);
    free(crypto);
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* The digest of some strings with colons between them. */
static int digest_joined(struct stun_crypto *crypto, const EVP_MD *md, const char *const *strings,
                         size_t count, uint8_t *out, unsigned *size)
{
    if (md == NULL || EVP_DigestInit_ex2(crypto->digest, md, NULL) != 1)
        return STUN_ERROR_CRYPTO;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && EVP_DigestUpdate(crypto->digest, ":", 1) != 1)
            return STUN_ERROR_CRYPTO;
        if (EVP_DigestUpdate(crypto->digest, strings[i], strlen(strings[i])) != 1)
            return STUN_ERROR_CRYPTO;
    }
    return EVP_DigestFinal_ex(crypto->digest, out, size) == 1 ? STUN_OK : STUN_ERROR_CRYPTO;
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
    const EVP_MD *md = algorithm == STUN_PASSWORD_MD5 ? crypto->md5 : crypto->sha256;
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

    return digest_joined(crypto, crypto->sha256, strings, 2, out, &size);
}

/* ---- HMAC ------------------------------------------------------------------------------------ */

int wire_hmac(struct stun_crypto *crypto, enum wire_mac which, const struct stun_key *key,
              const uint8_t *header, const uint8_t *body, size_t body_size, uint8_t *out)
{
    EVP_MAC_CTX *context = crypto->mac[which];
    size_t size = which == WIRE_HMAC_SHA1 ? STUN_SHA1_SIZE : STUN_SHA256_SIZE;

    if (EVP_MAC_init(context, key->bytes, key->size, NULL) != 1 ||
        EVP_MAC_update(context, header, STUN_HEADER_SIZE) != 1 ||
        EVP_MAC_update(context, body, body_size) != 1 ||
        EVP_MAC_final(context, out, &size, size) != 1)
        return STUN_ERROR_CRYPTO;
    return STUN_OK;
}
