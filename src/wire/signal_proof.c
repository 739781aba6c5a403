/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/signal_proof.h"

#include "base/base64.h"
#include "base/text.h"

#include <openssl/evp.h>

static const char label[] = "postern-rendezvous-1";

size_t signal_proved_text(const struct signal_claim *claim, uint8_t *out, size_t capacity)
{
    const char *const texts[] = {
        label,         signal_method_name(claim->method),
        claim->nonce,  claim->realm,
        claim->user,   claim->name,
        claim->resume,
    };

    return text_put_terminated(out, capacity, texts, sizeof texts / sizeof texts[0]);
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

bool signal_public_key(const uint8_t private_key[ED25519_KEY_SIZE],
                       char out[SIGNAL_PUBLIC_KEY_TEXT_SIZE])
{
    uint8_t public_key[ED25519_KEY_SIZE];

    if (!ed25519_public_key(private_key, public_key)) {
        return false;
    }
    base64_encode(public_key, sizeof public_key, out);
    return true;
}

bool signal_sign(const struct signal_claim *claim, const uint8_t private_key[ED25519_KEY_SIZE],
                 char out[SIGNAL_SIGNATURE_TEXT_SIZE])
{
    uint8_t text[SIGNAL_PROVED_SIZE_MAX];
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    size_t size = signal_proved_text(claim, text, sizeof text);

    if (size == 0 || !ed25519_sign(private_key, text, size, signature)) {
        return false;
    }
    base64_encode(signature, sizeof signature, out);
    return true;
}
