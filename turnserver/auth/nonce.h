/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nonces without memory: a nonce says itself when and to whom it was given, and an HMAC proves it.
 *
 *   "obMatJos2"  4 characters  12 characters                            24 characters
 *   cookie       features      seconds (5 bytes), port (2), algorithms  HMAC-SHA256, 18 bytes of it
 *
 * all in base64 (RFC 8489 §9.2). The HMAC also covers the client's IP address: the nonce holds for
 * every port and transport of that host. The port is in it because two ports must not be given the
 * same nonce (RFC 8489 §9.2.4). Time is seconds of the monotonic clock, one for all workers.
 */
#ifndef AUTH_NONCE_H
#define AUTH_NONCE_H

#include "base/monotime.h"
#include "turnserver/auth/digests.h"

#include <postern/address.h>

#define NONCE_SIZE 49
#define NONCE_KEY_SIZE 32

/* STUN security features: bit 0 is the rightmost, as erratum 6290 of RFC 8489 §18.1 has it. */
#define NONCE_FEATURE_PASSWORD_ALGORITHMS 0x1u
#define NONCE_FEATURE_USERNAME_ANONYMITY 0x2u

/* What a nonce says, and what the HMAC proves. */
struct nonce_claims {
    int64_t seconds; /* when it was given; 40 bits of it are written */
    uint16_t port;
    uint8_t algorithms; /* which PASSWORD-ALGORITHMS went with it; the caller's bits */
    uint32_t features;  /* 24 bits */
};

/* Writes NONCE_SIZE characters, without a zero. Returns false when the cryptographic library fails.
 */
bool nonce_write(struct auth_digests *digests, const uint8_t key[NONCE_KEY_SIZE],
                 const struct nonce_claims *claims, const struct stun_address *client,
                 char out[NONCE_SIZE]);

enum nonce_state {
    NONCE_FOREIGN, /* not ours, another client's, or changed on the way; no claims */
    NONCE_STALE,   /* ours, but too old */
    NONCE_FRESH,
};

/* Judges the value of a NONCE. `claims` is filled unless the nonce is foreign. */
enum nonce_state nonce_read(struct auth_digests *digests, const uint8_t key[NONCE_KEY_SIZE],
                            int64_t now_seconds, unsigned lifetime_seconds,
                            const struct stun_address *client, const uint8_t *nonce, size_t size,
                            struct nonce_claims *claims);

/* The security features that a nonce announces, ours or not: 0 without cookie. */
uint32_t nonce_features(const uint8_t *nonce, size_t size);

#endif
