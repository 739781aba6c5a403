/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The key by which peers know this host: Ed25519 (RFC 8032), in ~/.config/postern/key. A session
 * description carries the line
 *
 *     a=postern-identity:ed25519 PUB SIG
 *
 * (both base64url without padding), whose signature says that the DTLS certificate belongs to the
 * key. Signed are these texts, each with a zero byte behind it:
 *
 *     postern-identity-1, "offer" or "answer", our fingerprint, in an answer that of the offer
 */
#ifndef STUNCLIENT_PEER_HOST_KEY_H
#define STUNCLIENT_PEER_HOST_KEY_H

#include "stunclient/failure.h"
#include "wire/ed25519.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_KEY_TEXT_SIZE 44 /* base64url and a zero */
#define HOST_KEY_IDENTITY_SIZE 192

struct host_key {
    uint8_t private_key[ED25519_KEY_SIZE];
    char public_text[HOST_KEY_TEXT_SIZE];
};

/* Where it is when no option says so. False: the environment does not tell. */
bool host_key_path(char *path, size_t size);
/* Reads the key from `path`, or makes it and writes it there. False with the failure filled. */
bool host_key_load(struct host_key *key, const char *path, struct failure *failure);
void host_key_wipe(struct host_key *key);

struct host_key_claim {
    const char *type;        /* "offer" or "answer" */
    const char *fingerprint; /* of who signs */
    const char *other;       /* of the offer, in an answer; "" in an offer */
};

/* Writes the value of the line. Returns false when OpenSSL fails. */
bool host_key_sign(const struct host_key *key, const struct host_key_claim *claim,
                   char out[HOST_KEY_IDENTITY_SIZE]);
/*
 * Checks the value of a line. Returns NULL and sets `public_text` (HOST_KEY_TEXT_SIZE bytes), or
 * says what is wrong with it: the end of a sentence.
 */
const char *host_key_verify(const char *identity, const struct host_key_claim *claim,
                            char *public_text);

#endif
