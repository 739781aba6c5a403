/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How often a source that has not shown who it is gets an answer: so many a second, by IPv4 address
 * or IPv6 /64 (a host commonly has a whole /64). The table has a fixed size. When a new source
 * needs a place, the one with the least to forget loses its own: a source that keeps to the limit
 * loses nothing, and a flood of made-up sources cannot wash a greedy one out of the table. Several
 * threads may share one.
 */
#ifndef BASE_SOURCE_LIMIT_H
#define BASE_SOURCE_LIMIT_H

#include "base/monotime.h"

#include <postern/address.h>
#include <stdbool.h>

struct source_limit;

/* `seed`: unpredictable, so that nobody can aim at places. Returns NULL when memory is out. */
struct source_limit *source_limit_new(uint64_t seed);
void source_limit_free(struct source_limit *limit); /* NULL is allowed */

/*
 * Whether `source` may be answered at `now`, and if so counts the answer. `per_second` is at least
 * 1; a source that was silent for a second may have as many at once.
 */
bool source_limit_take(struct source_limit *limit, struct monotime now,
                       const struct stun_address *source, uint32_t per_second);

#endif
