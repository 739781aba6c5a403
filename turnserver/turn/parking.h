/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests that wait for a look-up: copies, few, and not for long. Only a request whose nonce was
 * ours gets here, so nobody fills the place in somebody else's name; and one address gets a part of
 * it only. A request that finds no room is dropped: over UDP the client sends it again.
 */
#ifndef TURN_PARKING_H
#define TURN_PARKING_H

#include "base/monotime.h"
#include "base/outbox.h"

#include <stdbool.h>

#define PARKING_PLACES 256
#define PARKING_PLACES_PER_SOURCE 64
#define PARKING_SIZE_MAX 2048 /* bytes of a request */
#define PARKING_SECONDS 6     /* longer than a look-up may take */

struct parked {
    struct parked *next;
    uint64_t lookup;
    struct monotime ends;
    struct flow flow;
    uint32_t size;
    uint8_t bytes[];
};

/* In the order of their arrival. Empty when all its bytes are zero. */
struct parking {
    struct parked *first, **last;
    size_t count;
};

enum parking_result {
    PARKING_TAKEN,
    PARKING_REPEATED, /* the same request waits already */
    PARKING_REFUSED,  /* no room, too large, or memory is out */
};

enum parking_result parking_put(struct parking *parking, struct monotime now,
                                const struct flow *flow, uint64_t lookup, const uint8_t *bytes,
                                size_t size);
/* Takes out the oldest that waits for `lookup`, to be freed with free; or NULL. */
struct parked *parking_take(struct parking *parking, uint64_t lookup);
/* The flow has ended: nothing of it may be given again, since its `via` may be another's soon. */
void parking_forget_flow(struct parking *parking, const struct flow *flow);
/* Drops what has waited too long. Returns how many that were. */
size_t parking_expire(struct parking *parking, struct monotime now);
/* When to call parking_expire. */
struct monotime parking_due(const struct parking *parking);
void parking_clear(struct parking *parking);

#endif
