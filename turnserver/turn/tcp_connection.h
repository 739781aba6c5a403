/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections between relays and peers over TCP (RFC 6062), and the table of all that a worker's
 * allocations have. A connection begins with Connect or with a peer that is accepted, waits for the
 * client's data connection, and is joined with it, perhaps in another worker:
 *
 *   Connect ─► CONNECTING ─► WAITING ─► JOINED      peer accepted ─► WAITING ─► JOINED
 *
 * Its id is what the client knows as CONNECTION-ID: 24 random bits, and the worker's number, by
 * which the ConnectionBind finds its way from whichever worker it arrives at.
 */
#ifndef TURN_TCP_CONNECTION_H
#define TURN_TCP_CONNECTION_H

#include "base/hash_map.h"
#include "base/timer_wheel.h"
#include "turnserver/turn/turn.h"

#define TCP_WORKER_MASK 0xFFu /* of an id */

struct allocation;
struct deferred;
struct turn_request;

enum tcp_state {
    TCP_CONNECTING, /* `request` is answered when the attempt ends */
    TCP_WAITING,    /* for ConnectionBind */
    TCP_JOINED,
};

struct tcp_connection {
    struct hash_node by_id;
    struct timer_node timer; /* of CONNECTING and WAITING */
    struct allocation *allocation;
    struct tcp_connection *next, **link; /* allocation->connections */
    struct deferred *request;            /* Connect, while CONNECTING */
    struct stun_address peer;
    struct monotime created;
    uint32_t id;
    uint32_t holder; /* the worker that has its socket */
    enum tcp_state state;
};

/* A ConnectionBind whose id belongs to another worker, which has been asked. */
struct tcp_claim {
    struct tcp_claim *next;
    struct deferred *request;
    struct monotime ends;
    uint32_t number, id;
};

struct tcp_table {
    struct hash_map by_id;
    struct timer_wheel timers;
    struct tcp_claim *claims;   /* oldest first */
    uint32_t policy_generation; /* the one by which all peers were judged */
    uint32_t claim_count, claim_number;
};

void tcp_table_init(struct tcp_table *table, const struct siphash_key *key);
/* All allocations have ended. */
void tcp_table_clear(struct tcp_table *table);
/* Runs what is due: attempts that take too long, connections that nobody binds; and after a change
 * of policy, ends those to which it would not connect any more. */
void tcp_table_expire(struct turn_server *server, struct monotime now, struct outbox *outbox);
struct monotime tcp_table_due(const struct turn_server *server);

/*
 * A connection of that allocation, under an id that is not in use, in `state`. Returns NULL when
 * the allocation has as many as the policy allows, or memory is out.
 */
struct tcp_connection *tcp_connection_new(struct turn_server *server, struct monotime now,
                                          struct allocation *allocation,
                                          const struct stun_address *peer, enum tcp_state state);
/* The one with that peer, or NULL. */
struct tcp_connection *tcp_connection_with(const struct allocation *allocation,
                                           const struct stun_address *peer);
struct tcp_connection *tcp_connection_find(struct turn_server *server, uint32_t id);
/* Closes its socket, wherever that is, and forgets it. */
void tcp_connection_close(struct turn_server *server, struct monotime now,
                          struct tcp_connection *connection);
/* Closes all of an allocation that are of `family` (STUN_FAMILY_NONE: of either). */
void tcp_connection_close_all(struct turn_server *server, struct monotime now,
                              struct allocation *allocation, uint8_t family);

#endif
