/* SPDX-License-Identifier: BSD-3-Clause */
/* Ed25519 (RFC 8032) with raw keys. */
#ifndef WIRE_ED25519_H
#define WIRE_ED25519_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ED25519_KEY_SIZE 32 /* private and public */
#define ED25519_SIGNATURE_SIZE 64

/* Both return false when the cryptographic library fails. */
bool ed25519_public_key(const uint8_t private_key[ED25519_KEY_SIZE], uint8_t out[ED25519_KEY_SIZE]);
bool ed25519_sign(const uint8_t private_key[ED25519_KEY_SIZE], const void *bytes, size_t size,
                  uint8_t out[ED25519_SIGNATURE_SIZE]);
/* Whether the signature is one of the public key's over the bytes. */
bool ed25519_verify(const uint8_t public_key[ED25519_KEY_SIZE],
                    const uint8_t signature[ED25519_SIGNATURE_SIZE], const void *bytes,
                    size_t size);

#endif
