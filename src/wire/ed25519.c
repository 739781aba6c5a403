/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/ed25519.h"

#include <openssl/evp.h>

bool ed25519_public_key(const uint8_t private_key[ED25519_KEY_SIZE], uint8_t out[ED25519_KEY_SIZE])
{
    EVP_PKEY *key =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, ED25519_KEY_SIZE);
    size_t size = ED25519_KEY_SIZE;
    bool made = key != NULL && EVP_PKEY_get_raw_public_key(key, out, &size) == 1;

    EVP_PKEY_free(key);
    return made;
}

bool ed25519_sign(const uint8_t private_key[ED25519_KEY_SIZE], const void *bytes, size_t size,
                  uint8_t out[ED25519_SIGNATURE_SIZE])
{
    EVP_PKEY *key =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, ED25519_KEY_SIZE);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t written = ED25519_SIGNATURE_SIZE;
    bool made = key != NULL && context != NULL &&
                EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestSign(context, out, &written, bytes, size) == 1;

    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return made;
}

bool ed25519_verify(const uint8_t public_key[ED25519_KEY_SIZE],
                    const uint8_t signature[ED25519_SIGNATURE_SIZE], const void *bytes, size_t size)
{
    EVP_PKEY *key =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, ED25519_KEY_SIZE);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = key != NULL && context != NULL &&
                EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestVerify(context, signature, ED25519_SIGNATURE_SIZE, bytes, size) == 1;

    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return good;
}
