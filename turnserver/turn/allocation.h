/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An allocation, and the table of all that a worker has: found by the client's flow and by the
 * relayed port's handle, ended by a timer.
 */
#ifndef TURN_ALLOCATION_H
#define TURN_ALLOCATION_H

#include "base/hash_map.h"
#include "base/timer_wheel.h"
#include "turnserver/turn/account.h"
#include "turnserver/turn/channel_table.h"
#include "turnserver/turn/permission_table.h"
#include "turnserver/turn/turn.h"

struct allocation {
    struct hash_node by_flow, by_via;
    struct timer_node timer; /* expiry, or the end of the reservation if that is sooner */
    struct account *account;
    struct flow flow;            /* to the client */
    struct stun_address relayed; /* what peers see */
    uint32_t via;                /* the relayed port */
    struct monotime created, expires;
    struct monotime reservation_expires; /* while there is a reservation */
    uint64_t reservation;                /* token, or RESERVATION_TOKEN_NONE */
    uint64_t sent_bytes, sent_packets;
    uint64_t received_bytes, received_packets;
    uint32_t first_lifetime_s;  /* what Allocate was answered: a repeated one is answered alike */
    uint32_t policy_generation; /* the one that the verdicts in the tables are of */
    uint8_t transaction_id[STUN_TRANSACTION_ID_SIZE]; /* of Allocate */
    uint8_t refusals_reported;                        /* a bit for each enum peer_verdict */
    struct permission_table permissions;
    struct channel_table channels;
};

struct allocation_table {
    struct hash_map by_flow, by_via;
    struct timer_wheel timers;
    uint32_t policy_generation; /* counts the policies that the server was given */
};

void allocation_table_init(struct allocation_table *table, const struct siphash_key *key);
/* All allocations have ended. */
void allocation_table_clear(struct allocation_table *table);

/* What an allocation begins with. */
struct allocation_begin {
    struct account *account; /* the reference is handed over */
    const struct flow *flow;
    struct stun_address relayed; /* taken from the pool */
    uint32_t via;                /* open */
    uint32_t lifetime_s;
    uint64_t reservation;          /* token, or RESERVATION_TOKEN_NONE */
    const uint8_t *transaction_id; /* copied */
};

/* Returns NULL when memory is out: the caller then still has all that it would have handed over. */
struct allocation *allocation_new(struct turn_server *server, struct monotime now,
                                  const struct allocation_begin *begin);
/* Gives back quota, port and memory, and reports it. */
void allocation_end(struct turn_server *server, struct monotime now, struct allocation *allocation,
                    enum turn_end_reason reason);
/* From now on it lives for `lifetime_s`. */
void allocation_prolong(struct turn_server *server, struct monotime now,
                        struct allocation *allocation, uint32_t lifetime_s);

/* NULL when there is none. The verdicts in its tables are those of the policy that holds now. */
struct allocation *allocation_of_flow(struct turn_server *server, const struct flow *flow);
struct allocation *allocation_of_via(struct turn_server *server, uint32_t via);
/* Keyed, so that it says nothing to others. */
uint64_t allocation_flow_hash(const struct turn_server *server, const struct flow *flow);

/* Runs the timers that are due. */
void allocation_table_expire(struct turn_server *server, struct monotime now);

/* Queues `event` with the allocation's user and addresses. */
void allocation_report(struct turn_server *server, const struct allocation *allocation,
                       const struct turn_event *event);

#endif
