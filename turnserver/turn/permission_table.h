/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The peers that an allocation may hear and reach: an IP address each (RFC 8656 §9). A permission
 * expires by comparing times; the memory of an expired one is used again when room is needed. The
 * first few stand in the allocation itself.
 */
#ifndef TURN_PERMISSION_TABLE_H
#define TURN_PERMISSION_TABLE_H

#include "base/monotime.h"
#include "turnserver/turn/peer_rules.h"

#define PERMISSIONS_INLINE 4

struct permission {
    struct monotime expires;
    uint8_t ip[16];
    uint8_t family;
    uint8_t verdict; /* enum peer_verdict, as of the policy that the allocation has seen */
};

/* Sorted by IP. A table must not be moved once it is in use. */
struct permission_table {
    struct permission *entries; /* first[], or memory of our own */
    uint16_t count, capacity;
    struct permission first[PERMISSIONS_INLINE];
};

void permission_table_init(struct permission_table *table);
void permission_table_clear(struct permission_table *table);

/* The permission for the peer's IP that lives at `now`, or NULL. Valid until the next set. */
struct permission *permission_table_find(struct permission_table *table, struct monotime now,
                                         const struct stun_address *peer);
/*
 * Makes sure that `more` permissions can be added, so that setting them cannot fail. `bound` is the
 * number of permissions that may live. Returns false when there would be more, or memory is out.
 */
bool permission_table_make_room(struct permission_table *table, struct monotime now, size_t more,
                                size_t bound);
/* Adds or refreshes. For one that is not there yet, permission_table_make_room has been called. */
void permission_table_set(struct permission_table *table, const struct stun_address *peer,
                          enum peer_verdict verdict, struct monotime expires);

#endif
