/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Allocations that can follow their client to another address: RFC 8016. A ticket is the number of
 * the worker that gave it and random bytes, which only its holder knows and only the owner of the
 * allocation can use. It is good for one move; each answer to it holds the next one.
 *
 * While nobody is at hand, an allocation is detached: its connection has ended, or it has just come
 * from another worker (handover.c).
 */
#ifndef TURN_MOBILITY_H
#define TURN_MOBILITY_H

#include "turnserver/turn/allocation.h"

/* What a mobile allocation has beside the others. */
struct mobility {
    struct hash_node by_ticket;
    struct allocation *allocation;
    uint8_t ticket[TURN_TICKET_SIZE];
    uint8_t used[TURN_TICKET_SIZE];                   /* the one before, … */
    uint8_t transaction_id[STUN_TRANSACTION_ID_SIZE]; /* … and the request that used it */
};

struct turn_request;

void mobility_table_init(struct hash_map *tickets, const struct siphash_key *key);

/* Makes it mobile. When memory is out it stays as it is. */
void mobility_begin(struct turn_server *server, struct allocation *allocation);
void mobility_end(struct turn_server *server, struct allocation *allocation);

/* The allocation of a ticket of TURN_TICKET_SIZE bytes, or NULL. */
struct mobility *mobility_find(struct turn_server *server, const uint8_t *ticket);

enum mobility_outcome {
    MOBILITY_ANSWERED, /* refused, or it waits for another worker */
    MOBILITY_REPEATED, /* this request has moved it already: answer it alike */
    MOBILITY_MOVED,    /* the request's allocation is set, on its flow, with a new ticket */
};

/* A Refresh has a ticket. RFC 8016 §3.2.2. */
enum mobility_outcome mobility_refresh(struct turn_request *request,
                                       const struct stun_attribute_view *ticket);

/* Allocations of other workers that were asked for and not yet fetched by turn_server_next_move. */
#define MOVES_MAX 32

struct move_queue {
    struct turn_move entries[MOVES_MAX];
    size_t first, count;
    uint64_t asked; /* so many were ever asked for */
};

#endif
