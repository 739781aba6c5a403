/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/signal_proof.h"

#include "base/base64.h"

#include <openssl/evp.h>
#include <string.h>

static const char label[] = "postern-rendezvous-1";

size_t signal_proved_text(const struct signal_claim *claim, uint8_t *out, size_t capacity)
{
    const char *const texts[] = {
        label,         signal_method_name(claim->method),
        claim->nonce,  claim->realm,
        claim->user,   claim->name,
        claim->resume,
    };
    size_t written = 0;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *text = texts[i] != NULL ? texts[i] : "";
        size_t size = strlen(text) + 1;
        if (size > capacity - written) {
            return 0;
        }
        memcpy(out + written, text, size);
        written += size;
    }
    return written;
}

bool signal_proof_make(const struct signal_claim *claim, const struct stun_key *key,
                       char out[SIGNAL_PROOF_TEXT_SIZE])
{
    uint8_t text[SIGNAL_PROVED_SIZE_MAX];
    uint8_t hmac[SIGNAL_PROOF_SIZE];
    size_t size = signal_proved_text(claim, text, sizeof text);
    size_t written = 0;

    if (size == 0 || EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key->bytes, key->size, text,
                               size, hmac, sizeof hmac, &written) == NULL) {
        return false;
    }
    base64_encode(hmac, sizeof hmac, out);
    return true;
}

bool signal_public_key(const uint8_t private_key[32], char out[SIGNAL_PUBLIC_KEY_TEXT_SIZE])
{
    uint8_t raw[SIGNAL_PUBLIC_KEY_SIZE];
    size_t size = sizeof raw;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, 32);
    bool made = key != NULL && EVP_PKEY_get_raw_public_key(key, raw, &size) == 1;

    if (made) {
        base64_encode(raw, sizeof raw, out);
    }
    EVP_PKEY_free(key);
    return made;
}

bool signal_sign(const struct signal_claim *claim, const uint8_t private_key[32],
                 char out[SIGNAL_SIGNATURE_TEXT_SIZE])
{
    uint8_t text[SIGNAL_PROVED_SIZE_MAX];
    uint8_t signature[SIGNAL_SIGNATURE_SIZE];
    size_t size = signal_proved_text(claim, text, sizeof text), written = sizeof signature;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, 32);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool made = size > 0 && key != NULL && context != NULL &&
                EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestSign(context, signature, &written, text, size) == 1;

    if (made) {
        base64_encode(signature, sizeof signature, out);
    }
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return made;
}
