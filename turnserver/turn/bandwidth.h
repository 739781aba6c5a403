/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much an account, or the whole server, may relay a second: a token bucket in one number, which
 * all workers of a process change without a lock. The number is the time at which the bucket is
 * full again, in nanoseconds; one that has passed, such as 0, means a full bucket.
 */
#ifndef TURN_BANDWIDTH_H
#define TURN_BANDWIDTH_H

#include "base/monotime.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BANDWIDTH_MAX UINT64_C(125000000000) /* bytes a second */
#define BANDWIDTH_BURST_NS INT64_C(1000000000)

struct bandwidth {
    _Atomic int64_t full_at_ns;
    _Atomic uint64_t bytes_per_second; /* of a realm's; others are told their limit each time */
};

/*
 * Takes `size` bytes at `bytes_per_second` (0: no limit). What fits into a second may go at once,
 * and any datagram when the bucket is full. Returns false, and takes nothing, when it must not go.
 */
static inline bool bandwidth_take(struct bandwidth *bandwidth, struct monotime now, uint32_t size,
                                  uint64_t bytes_per_second)
{
    int64_t now_ns = now.us * 1000;
    int64_t full_at;
    int64_t from;
    int64_t after;

    if (bandwidth == NULL || bytes_per_second == 0) {
        return true;
    }
    full_at = atomic_load_explicit(&bandwidth->full_at_ns, memory_order_relaxed);
    do {
        from = full_at > now_ns ? full_at : now_ns;
        after = from + (int64_t)(size * UINT64_C(1000000000) / bytes_per_second);
        if (after > now_ns + BANDWIDTH_BURST_NS && from > now_ns) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&bandwidth->full_at_ns, &full_at, after,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* The limit that it knows itself; 0: none, also of no bucket. */
static inline uint64_t bandwidth_own_limit(struct bandwidth *bandwidth)
{
    return bandwidth != NULL
               ? atomic_load_explicit(&bandwidth->bytes_per_second, memory_order_relaxed)
               : 0;
}

/* Takes `size` bytes in any case. Returns for how many microseconds no more should be taken. */
static inline int64_t bandwidth_charge(struct bandwidth *bandwidth, struct monotime now,
                                       uint32_t size, uint64_t bytes_per_second)
{
    int64_t now_ns = now.us * 1000;
    int64_t full_at;
    int64_t after;

    if (bandwidth == NULL || bytes_per_second == 0) {
        return 0;
    }
    full_at = atomic_load_explicit(&bandwidth->full_at_ns, memory_order_relaxed);
    do {
        after = (full_at > now_ns ? full_at : now_ns) +
                (int64_t)(size * UINT64_C(1000000000) / bytes_per_second);
    } while (!atomic_compare_exchange_weak_explicit(&bandwidth->full_at_ns, &full_at, after,
                                                    memory_order_relaxed, memory_order_relaxed));
    after -= now_ns + BANDWIDTH_BURST_NS;
    return after > 0 ? after / 1000 + 1 : 0;
}

#endif
