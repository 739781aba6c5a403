/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request that was accepted and is answered later: what its answer needs is kept, the key for its
 * integrity among it.
 */
#ifndef TURN_DEFERRED_H
#define TURN_DEFERRED_H

#include "turnserver/turn/turn_internal.h"

#define DEFERRED_SIZE_MAX 2048 /* bytes of a request that can be kept */

struct deferred {
    struct flow flow;
    struct auth_identity identity;
    uint32_t size;
    uint8_t bytes[];
};

/* Returns NULL when the request is too long or memory is out. */
struct deferred *deferred_new(const struct turn_request *request);
/* Leaves no key behind in memory. NULL is allowed. */
void deferred_free(struct deferred *deferred);
/* Sets `request` and `view` up as they were, but for `now`, the outbox and the allocation. */
void deferred_resume(const struct deferred *deferred, struct turn_server *server,
                     struct monotime now, struct outbox *outbox, struct turn_request *request,
                     struct stun_view *view);

#endif
