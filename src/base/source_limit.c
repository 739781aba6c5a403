/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/source_limit.h"

#include <stdlib.h>

#define SOURCE_WAYS 4
#define SOURCE_SETS 4096 /* a power of two */

/*
 * A token bucket in one number (the "generic cell rate algorithm"): the time at which the bucket is
 * full again. A time that has passed, such as 0, says the same as no entry at all.
 */
struct source {
    uint64_t key; /* IPv4 address or IPv6 /64, and the family */
    int64_t full_at_us;
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

    for (size_t way = 0; way < SOURCE_WAYS; way++) {
        if (set->ways[way].key == key) {
            return &set->ways[way];
        }
        if (set->ways[way].full_at_us < pick->full_at_us) {
            pick = &set->ways[way];
        }
    }
    pick->key = key;
    pick->full_at_us = 0;
    return pick;
}

bool source_limit_take(struct source_limit *limit, struct monotime now,
                       const struct stun_address *source, uint32_t per_second)
{
    uint64_t key = source_key(source);
    struct source *entry = source_set_pick(source_limit_set(limit, key), key);
    int64_t step = MONOTIME_SECOND / per_second;
    int64_t full_at = entry->full_at_us < now.us ? now.us : entry->full_at_us;

    if (full_at + step > now.us + MONOTIME_SECOND) {
        return false;
    }
    entry->full_at_us = full_at + step;
    return true;
}
