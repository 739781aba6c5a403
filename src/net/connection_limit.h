/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many connections there may be, in all and from one source. One of these serves all workers of
 * a process; it locks, since a connection begins and ends far from the data path. A source is an
 * IPv4 address or an IPv6 /64, which is what one host can have for nothing.
 */
#ifndef NET_CONNECTION_LIMIT_H
#define NET_CONNECTION_LIMIT_H

#include "base/siphash.h"

#include <postern/address.h>
#include <stdbool.h>

struct connection_limit;

/* `max` and `per_source`: 0 for no limit. Returns NULL when memory is out. */
struct connection_limit *connection_limit_new(uint32_t max, uint32_t per_source,
                                              const struct siphash_key *key);
/* NULL is allowed. */
void connection_limit_free(struct connection_limit *limit);

enum connection_verdict {
    CONNECTION_ALLOWED,
    CONNECTION_REFUSED_TOTAL,
    CONNECTION_REFUSED_SOURCE,
};

/* Counts a connection from `source` unless it is refused. Whoever was allowed gives it back. A
 * source of family NONE, one that is not known yet, counts in all only. */
enum connection_verdict connection_limit_take(struct connection_limit *limit,
                                              const struct stun_address *source);
/* Counts one of `from` as one of `to` from now on, unless that is refused: then nothing changes. */
enum connection_verdict connection_limit_move(struct connection_limit *limit,
                                              const struct stun_address *from,
                                              const struct stun_address *to);
void connection_limit_give_back(struct connection_limit *limit, const struct stun_address *source);
/* New bounds; connections that stand are left alone. */
void connection_limit_set(struct connection_limit *limit, uint32_t max, uint32_t per_source);

#endif
