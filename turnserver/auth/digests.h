/* SPDX-License-Identifier: BSD-3-Clause */
/* The HMACs that authentication computes itself, counted. One thread at a time. */
#ifndef AUTH_DIGESTS_H
#define AUTH_DIGESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum auth_hmac {
    AUTH_HMAC_SHA1,   /* 20 bytes */
    AUTH_HMAC_SHA256, /* 32 bytes */
    AUTH_HMAC_COUNT,
};
#define AUTH_HMAC_SIZE_MAX 32

struct evp_mac_ctx_st;

struct auth_digests {
    struct evp_mac_ctx_st *contexts[AUTH_HMAC_COUNT];
    uint64_t count; /* of digest operations; callers add those that they do elsewhere */
};

/* Returns false when memory or the cryptographic library fails; close in either case. */
bool auth_digests_open(struct auth_digests *digests);
void auth_digests_close(struct auth_digests *digests);

/* Returns the size of the HMAC in `out`, or 0 when the cryptographic library fails. */
size_t auth_digests_hmac(struct auth_digests *digests, enum auth_hmac which, const void *key,
                         size_t key_size, const void *data, size_t size,
                         uint8_t out[AUTH_HMAC_SIZE_MAX]);

#endif
