/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/siphash.h"

#include <string.h>

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void run_rounds(struct state *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        s->v0 += s->v1;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

static inline uint64_t little_endian(const uint8_t *bytes, size_t size)
{
    uint64_t word = 0;

    for (size_t i = 0; i < size; i++) {
        word |= (uint64_t)bytes[i] << (8 * i);
    }
    return word;
}

static inline uint64_t hash(const struct siphash_key *key, const uint8_t *bytes, size_t size,
                            unsigned c, unsigned d)
{
    struct state s = {
        .v0 = key->words[0] ^ UINT64_C(0x736f6d6570736575),
        .v1 = key->words[1] ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key->words[0] ^ UINT64_C(0x6c7967656e657261),
        .v3 = key->words[1] ^ UINT64_C(0x7465646279746573),
    };
    size_t whole = size & ~(size_t)7;

    for (size_t i = 0; i <= whole; i += 8) {
        uint64_t word = i < whole ? little_endian(bytes + i, 8)
                                  : little_endian(bytes + i, size - whole) | (uint64_t)size << 56;
        s.v3 ^= word;
        run_rounds(&s, c);
        s.v0 ^= word;
    }
    s.v2 ^= 0xFF;
    run_rounds(&s, d);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t size)
{
    return hash(key, bytes, size, 1, 3);
}

uint64_t siphash_rounds(const struct siphash_key *key, const void *bytes, size_t size, unsigned c,
                        unsigned d)
{
    return hash(key, bytes, size, c, d);
}
