/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SipHash (Aumasson and Bernstein, 2012): a hash whose collisions cannot be found without the key.
 * For hash tables whose keys come from the network; not for authentication.
 */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* 128 unpredictable bits; a simulation gives seeded ones. */
struct siphash_key {
    uint64_t words[2];
};

/* SipHash-1-3, the variant for tables. */
uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t size);
/* SipHash-c-d: 2 and 4 is what the authors recommend as a MAC. */
uint64_t siphash_rounds(const struct siphash_key *key, const void *bytes, size_t size, unsigned c,
                        unsigned d);

#endif
