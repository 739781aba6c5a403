/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The channels of an allocation: a number and a peer each, bound to one another (RFC 8656 §12).
 * They are found by either in logarithmic time. A channel expires by comparing times; the memory of
 * an expired one is used again when room is needed.
 */
#ifndef TURN_CHANNEL_TABLE_H
#define TURN_CHANNEL_TABLE_H

#include "base/monotime.h"
#include "turnserver/turn/peer_rules.h"

#define CHANNELS_INLINE 2

struct channel {
    struct monotime expires;
    struct stun_address peer;
    uint16_t number;
    uint8_t verdict; /* enum peer_verdict, as of the policy that the allocation has seen */
};

/* A table must not be moved once it is in use. */
struct channel_table {
    struct channel *entries; /* first[], or memory of our own; in no order */
    uint16_t *by_number;     /* places in entries, sorted */
    uint16_t *by_peer;
    uint16_t count, capacity;
    uint16_t first_by_number[CHANNELS_INLINE], first_by_peer[CHANNELS_INLINE];
    struct channel first[CHANNELS_INLINE];
};

void channel_table_init(struct channel_table *table);
void channel_table_clear(struct channel_table *table);

/* The channel that lives at `now`, or NULL. Valid until the next add or make_room. */
struct channel *channel_table_find_number(const struct channel_table *table, struct monotime now,
                                          uint16_t number);
struct channel *channel_table_find_peer(const struct channel_table *table, struct monotime now,
                                        const struct stun_address *peer);
/*
 * Makes room for one more. `bound` is the number of channels that may live. Returns false when
 * there would be more, or memory is out.
 */
bool channel_table_make_room(struct channel_table *table, struct monotime now, size_t bound);
/*
 * Adds a channel whose number and peer are both not bound at `now`; channel_table_make_room has
 * been called at the same time. The caller fills in verdict and expiry.
 */
struct channel *channel_table_add(struct channel_table *table, struct monotime now, uint16_t number,
                                  const struct stun_address *peer);

#endif
