/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who a peer is in DTLS: a key and a self-signed certificate, made at start, known to the other
 * peer by the fingerprint in the session description (RFC 8122 §5).
 */
#ifndef STUNCLIENT_PEER_IDENTITY_H
#define STUNCLIENT_PEER_IDENTITY_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "sha-512 " and 64 bytes as "AB:", zero included. */
#define FINGERPRINT_TEXT_SIZE 200
#define FINGERPRINT_MAX 64

struct identity;

/* An ECDSA key on P-256 and a certificate for 30 days. NULL when OpenSSL fails. */
struct identity *identity_new(void);
void identity_free(struct identity *identity); /* NULL is allowed */
/* The value of a=fingerprint: "sha-256 4A:AD:…". */
const char *identity_fingerprint(const struct identity *identity);
/* Gives a DTLS context certificate and key. */
bool identity_use(const struct identity *identity, SSL_CTX *context);

/* ---- fingerprints ---------------------------------------------------------------------------- */

struct fingerprint {
    const char *hash; /* "sha-256", "sha-384" or "sha-512" */
    uint8_t size;
    uint8_t bytes[FINGERPRINT_MAX];
};

/* Reads the value of a=fingerprint, all of `size` bytes. Returns false for anything else, and for
 * hash functions that are too weak or not known. */
bool fingerprint_parse(struct fingerprint *fingerprint, const char *text, size_t size);
/* Of a certificate, by one of the hash functions above. */
bool fingerprint_of(struct fingerprint *fingerprint, const X509 *certificate, const char *hash);
/* Whether both are the same, in constant time. */
bool fingerprint_equal(const struct fingerprint *a, const struct fingerprint *b);
/* Writes the value of a=fingerprint and returns `text` (FINGERPRINT_TEXT_SIZE bytes). */
const char *fingerprint_text(const struct fingerprint *fingerprint, char *text);

#endif
