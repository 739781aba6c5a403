/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/port_pool.h"

#include "base/address.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64u
#define EVEN_BITS UINT64_C(0x5555555555555555)

/*
 * A set bit is a port that is taken. Words begin at multiples of 64, so an even port and the next
 * one share a word; bits that lie outside min..max are taken for ever.
 */
struct port_pool {
    uint16_t min, max;
    uint32_t word_base; /* the port of the first word's bit 0 */
    size_t words_per_address;
    size_t count;
    struct stun_address *addresses;
    _Atomic uint64_t *words;     /* words_per_address of them for each address … */
    _Atomic uint64_t *listening; /* … and as many: which of the taken ones listen for TCP */
};

struct place {
    _Atomic uint64_t *word, *listening;
    unsigned bit;
};

/* Where the state of a port is kept; false when the port is not of this pool. */
static bool find_place(const struct port_pool *pool, const struct stun_address *address,
                       struct place *place)
{
    if (address->port < pool->min || address->port > pool->max) {
        return false;
    }
    for (size_t i = 0; i < pool->count; i++) {
        if (address_equal_ip(&pool->addresses[i], address)) {
            uint32_t offset = address->port - pool->word_base;
            size_t number = i * pool->words_per_address + offset / WORD_BITS;
            place->word = &pool->words[number];
            place->listening = &pool->listening[number];
            place->bit = offset % WORD_BITS;
            return true;
        }
    }
    return false;
}

static void close_bits_outside(struct port_pool *pool, _Atomic uint64_t *words)
{
    uint32_t below = pool->min - pool->word_base;
    uint32_t last = (pool->max - pool->word_base) % WORD_BITS;
    atomic_fetch_or(&words[0], (UINT64_C(1) << below) - 1);
    if (last != WORD_BITS - 1) {
        atomic_fetch_or(&words[pool->words_per_address - 1], ~UINT64_C(0) << (last + 1));
    }
}

struct port_pool *port_pool_new(const struct stun_address *addresses, size_t count, uint16_t min,
                                uint16_t max)
{
    assert(min >= 1 && min <= max);
    struct port_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return NULL;
    }
    pool->min = min;
    pool->max = max;
    pool->word_base = min - min % WORD_BITS;
    pool->words_per_address = (max - pool->word_base) / WORD_BITS + 1;
    pool->count = count;
    /* One more than needed: a pool without addresses is not out of memory. */
    pool->addresses = calloc(count + 1, sizeof(*pool->addresses));
    pool->words = calloc(count * pool->words_per_address + 1, sizeof(*pool->words));
    pool->listening = calloc(count * pool->words_per_address + 1, sizeof(*pool->listening));
    if (pool->addresses == NULL || pool->words == NULL || pool->listening == NULL) {
        port_pool_free(pool);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        pool->addresses[i] = addresses[i];
        pool->addresses[i].port = 0;
        close_bits_outside(pool, &pool->words[i * pool->words_per_address]);
    }
    return pool;
}

void port_pool_free(struct port_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    free(pool->addresses);
    free((void *)pool->words);
    free((void *)pool->listening);
    free(pool);
}

/* The bits at which a take of this parity may begin. */
static uint64_t candidates_of(uint64_t taken, enum port_parity parity)
{
    uint64_t unused = ~taken;
    switch (parity) {
    case PORT_EVEN:
        return unused & EVEN_BITS;
    case PORT_EVEN_PAIR:
        return unused & (unused >> 1) & EVEN_BITS;
    case PORT_ANY:
        break;
    }
    return unused;
}

/* Takes the lowest bit inside `window`, or returns false. */
static bool take_in_word(_Atomic uint64_t *word, enum port_parity parity, uint64_t window,
                         unsigned *bit)
{
    uint64_t claim = parity == PORT_EVEN_PAIR ? 3 : 1;
    uint64_t taken = atomic_load_explicit(word, memory_order_relaxed);
    for (;;) {
        uint64_t candidates = candidates_of(taken, parity) & window;
        if (candidates == 0) {
            return false;
        }
        *bit = (unsigned)__builtin_ctzll(candidates);
        if (atomic_compare_exchange_weak(word, &taken, taken | claim << *bit)) {
            return true;
        }
    }
}

/* Searches one address's ports once around, from the one that is `start` above min. */
static bool take_on_address(struct port_pool *pool, size_t address, enum port_parity parity,
                            uint32_t start, uint16_t *port)
{
    _Atomic uint64_t *words = &pool->words[address * pool->words_per_address];
    uint32_t offset = pool->min - pool->word_base + start;
    uint64_t from_start = ~UINT64_C(0) << offset % WORD_BITS;
    size_t first = offset / WORD_BITS;

    /* The first word is seen twice: its upper part at the beginning, its lower part at the end. */
    for (size_t i = 0; i <= pool->words_per_address; i++) {
        size_t index = (first + i) % pool->words_per_address;
        uint64_t window = ~UINT64_C(0);
        if (i == 0) {
            window = from_start;
        } else if (i == pool->words_per_address) {
            window = ~from_start;
        }
        unsigned bit = 0;
        if (take_in_word(&words[index], parity, window, &bit)) {
            *port = (uint16_t)(pool->word_base + index * WORD_BITS + bit);
            return true;
        }
    }
    return false;
}

static size_t count_family(const struct port_pool *pool, uint8_t family)
{
    size_t found = 0;
    for (size_t i = 0; i < pool->count; i++) {
        found += pool->addresses[i].family == family;
    }
    return found;
}

/* The index of the family's address number `number`, which must be there. */
static size_t nth_of_family(const struct port_pool *pool, uint8_t family, size_t number)
{
    size_t i = 0;
    for (;; i++) {
        if (pool->addresses[i].family == family && number-- == 0) {
            return i;
        }
    }
}

/* Which of the family's addresses has this IP; false when none has. */
static bool find_in_family(const struct port_pool *pool, uint8_t family,
                           const struct stun_address *ip, size_t *number)
{
    *number = 0;
    for (size_t i = 0; ip != NULL && ip->family == family && i < pool->count; i++) {
        if (address_equal_ip(&pool->addresses[i], ip)) {
            return true;
        }
        *number += pool->addresses[i].family == family;
    }
    return false;
}

bool port_pool_take(struct port_pool *pool, uint8_t family, enum port_parity parity,
                    const struct stun_address *preferred, uint64_t random, struct stun_address *out)
{
    size_t in_family = count_family(pool, family);
    uint32_t ports = (uint32_t)pool->max - pool->min + 1;
    /* Two halves of the random bits, each scaled to its range (multiply, then drop the fraction).
     */
    uint32_t start = (uint32_t)((random & UINT32_MAX) * ports >> 32);
    size_t first = 0;

    if (!find_in_family(pool, family, preferred, &first)) {
        first = (size_t)((random >> 32) * in_family >> 32);
    }
    for (size_t i = 0; i < in_family; i++) {
        size_t address = nth_of_family(pool, family, (first + i) % in_family);
        uint16_t port = 0;
        if (take_on_address(pool, address, parity, start, &port)) {
            *out = pool->addresses[address];
            out->port = port;
            return true;
        }
    }
    return false;
}

void port_pool_give_back(struct port_pool *pool, const struct stun_address *relayed)
{
    struct place place;
    bool found = find_place(pool, relayed, &place);
    assert(found);
    if (!found) {
        return;
    }
    uint64_t bit = UINT64_C(1) << place.bit;
    uint64_t before = atomic_fetch_and(place.word, ~bit);
    assert((before & bit) != 0);
    (void)before;
}

void port_pool_set_listening(struct port_pool *pool, const struct stun_address *relayed,
                             bool listening)
{
    struct place place;
    if (!find_place(pool, relayed, &place)) {
        return;
    }
    uint64_t bit = UINT64_C(1) << place.bit;
    if (listening) {
        atomic_fetch_or(place.listening, bit);
    } else {
        atomic_fetch_and(place.listening, ~bit);
    }
}

static bool is_set(const _Atomic uint64_t *word, unsigned bit)
{
    return (atomic_load_explicit(word, memory_order_acquire) >> bit & 1) != 0;
}

bool port_pool_is_listening(const struct port_pool *pool, const struct stun_address *address)
{
    struct place place;
    return find_place(pool, address, &place) && is_set(place.listening, place.bit);
}

bool port_pool_is_live(const struct port_pool *pool, const struct stun_address *address)
{
    struct place place;
    return find_place(pool, address, &place) && is_set(place.word, place.bit) &&
           !is_set(place.listening, place.bit);
}

bool port_pool_has_family(const struct port_pool *pool, uint8_t family)
{
    return count_family(pool, family) > 0;
}
