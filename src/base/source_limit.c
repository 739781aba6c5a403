/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/source_limit.h"

#include <stdatomic.h>
#include <stdlib.h>

#define SOURCE_WAYS 4
#define SOURCE_SETS 4096 /* a power of two */

/*
 * A token bucket in one number (the "generic cell rate algorithm"): the time at which the bucket is
 * full again. A time that has passed, such as 0, says the same as no entry at all. Threads change
 * entries without a lock: at worst one that loses its place at that very moment is counted for the
 * other.
 */
struct source {
    _Atomic uint64_t key; /* IPv4 address or IPv6 /64, and the family */
    _Atomic int64_t full_at_us;
};

/* One cache line: a source can only be at one of these places. */
struct source_set {
    struct source ways[SOURCE_WAYS];
};

struct source_limit {
    uint64_t seed;
    struct source_set sets[SOURCE_SETS];
};

struct source_limit *source_limit_new(uint64_t seed)
{
    /* Zeroed pages take no memory before they are used. */
    struct source_limit *limit = calloc(1, sizeof *limit);

    if (limit != NULL) {
        limit->seed = seed | 1;
    }
    return limit;
}

void source_limit_free(struct source_limit *limit)
{
    free(limit);
}

/* IPv4 addresses go where no /64 is in use: 240::/4 of the IPv6 space has never been assigned. */
static uint64_t source_key(const struct stun_address *source)
{
    uint64_t key = 0;
    size_t size = source->family == STUN_FAMILY_IPV4 ? 4 : 8;

    for (size_t i = 0; i < size; i++) {
        key = key << 8 | source->ip[i];
    }
    return size == 4 ? key | UINT64_C(0xF0) << 56 : key;
}

static struct source_set *source_limit_set(struct source_limit *limit, uint64_t key)
{
    uint64_t mixed = (key ^ limit->seed) * UINT64_C(0x9E3779B97F4A7C15);

    mixed = (mixed ^ mixed >> 32) * limit->seed;
    return &limit->sets[(mixed ^ mixed >> 29) % SOURCE_SETS];
}

/* The entry of this source, or of whoever has least to forget. */
static struct source *source_set_pick(struct source_set *set, uint64_t key)
{
    struct source *pick = &set->ways[0];
    int64_t least = INT64_MAX;

    for (size_t way = 0; way < SOURCE_WAYS; way++) {
        struct source *one = &set->ways[way];
        int64_t full_at = atomic_load_explicit(&one->full_at_us, memory_order_relaxed);
        if (atomic_load_explicit(&one->key, memory_order_relaxed) == key) {
            return one;
        }
        if (full_at < least) {
            pick = one;
            least = full_at;
        }
    }
    atomic_store_explicit(&pick->key, key, memory_order_relaxed);
    atomic_store_explicit(&pick->full_at_us, 0, memory_order_relaxed);
    return pick;
}

bool source_limit_take(struct source_limit *limit, struct monotime now,
                       const struct stun_address *source, uint32_t per_second)
{
    uint64_t key = source_key(source);
    struct source *entry = source_set_pick(source_limit_set(limit, key), key);
    int64_t step = MONOTIME_SECOND / per_second;
    int64_t seen = atomic_load_explicit(&entry->full_at_us, memory_order_relaxed);
    int64_t full_at;

    do {
        full_at = seen < now.us ? now.us : seen;
        if (full_at + step > now.us + MONOTIME_SECOND) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&entry->full_at_us, &seen, full_at + step,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}
