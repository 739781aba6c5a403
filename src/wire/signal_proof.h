/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a hello proves. The text under the HMAC or signature is these, each followed by a zero byte:
 *
 *     postern-rendezvous-1, method, nonce, realm, user, name, resume
 *
 * with the names of methods as they are written ("SHA-256"), an absent name or resume as empty, and
 * for Ed25519 `pub` in the place of `user`. The proof of a password is
 *
 *     base64url(HMAC-SHA256(key, text)),  key = SHA-256(user:realm:password), or MD5 of the same
 *
 * without padding: the same keys that TURN has (RFC 8489 §9.2.2). A signature is Ed25519 (RFC 8032)
 * of the text, base64url too.
 */
#ifndef WIRE_SIGNAL_PROOF_H
#define WIRE_SIGNAL_PROOF_H

#include "wire/ed25519.h"
#include "wire/signal.h"

#include <postern/stun.h>

#define SIGNAL_PROOF_SIZE 32
#define SIGNAL_PROOF_TEXT_SIZE 44 /* base64url of it and a zero */
#define SIGNAL_PUBLIC_KEY_TEXT_SIZE 44
#define SIGNAL_SIGNATURE_TEXT_SIZE 87

/* Room for the text of the longest names. */
#define SIGNAL_PROVED_SIZE_MAX 1280

struct signal_claim {
    enum signal_method method;
    const char *nonce, *realm;
    const char *user;   /* or pub */
    const char *name;   /* NULL: none */
    const char *resume; /* NULL: none */
};

/* Writes the text that is proved. Returns its size, or 0 when it does not fit. */
size_t signal_proved_text(const struct signal_claim *claim, uint8_t *out, size_t capacity);

/* Client: the `proof` of a password's key (stun_key_long_term). Returns false when a text is too
 * long or the cryptographic library fails. */
bool signal_proof_make(const struct signal_claim *claim, const struct stun_key *key,
                       char out[SIGNAL_PROOF_TEXT_SIZE]);
/* Client: `pub` of a raw private key, and `sig`, for which claim->user is pub. */
bool signal_public_key(const uint8_t private_key[ED25519_KEY_SIZE],
                       char out[SIGNAL_PUBLIC_KEY_TEXT_SIZE]);
bool signal_sign(const struct signal_claim *claim, const uint8_t private_key[ED25519_KEY_SIZE],
                 char out[SIGNAL_SIGNATURE_TEXT_SIZE]);

#endif
