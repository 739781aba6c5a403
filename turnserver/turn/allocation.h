/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An allocation, and the table of all that a worker has: found by the client's flow and by the
 * handle of a relayed port, ended by a timer. A dual allocation (RFC 8656 §7.2) has a port of each
 * family, which may end one by one.
 */
#ifndef TURN_ALLOCATION_H
#define TURN_ALLOCATION_H

#include "base/hash_map.h"
#include "base/timer_wheel.h"
#include "turnserver/turn/account.h"
#include "turnserver/turn/channel_table.h"
#include "turnserver/turn/permission_table.h"
#include "turnserver/turn/turn.h"

/* A relayed address of an allocation. */
struct relay_port {
    struct hash_node by_via;
    struct allocation *allocation;
    struct monotime expires;
    struct stun_address relayed; /* what peers see; kept when the port is closed */
    uint32_t via;
    bool open;
    bool tcp;                    /* it listens for TCP */
    struct shared_port *shared;  /* others have it too (shared_port.h), or NULL */
    struct shared_claim *claims; /* in that case: whose IPs are ours */
    uint32_t claim_count;
};

struct allocation {
    struct hash_node by_flow;
    struct timer_node timer; /* expiry, or the end of the reservation if that is sooner */
    struct account *account;
    struct auth_session *session;       /* of the token that was brought last, or NULL */
    struct flow flow;                   /* to the client */
    struct relay_port port;             /* the only one, or the one for IPv4 */
    struct relay_port *second;          /* the one for IPv6 of a dual allocation, or NULL */
    struct mobility *mobility;          /* mobility.h, or NULL */
    struct tcp_connection *connections; /* to peers, of one that relays TCP */
    uint32_t connection_count;
    bool tcp;
    struct monotime created;
    struct monotime reservation_expires; /* while there is a reservation */
    uint64_t reservation;                /* token, or RESERVATION_TOKEN_NONE */
    uint64_t sent_bytes, sent_packets;
    uint64_t received_bytes, received_packets;
    uint32_t first_lifetime_s;  /* what Allocate was answered: a repeated one is answered alike */
    uint32_t policy_generation; /* the one that the verdicts in the tables are of */
    uint8_t transaction_id[STUN_TRANSACTION_ID_SIZE]; /* of Allocate */
    uint8_t refusals_reported; /* a bit for each enum peer_verdict, and one */
    bool bandwidth_reported;
    bool attached;          /* `flow` leads to the client, and finds the allocation */
    uint8_t refused_family; /* ADDRESS-ERROR-CODE of Allocate's answer; STUN_FAMILY_NONE: none */
    uint16_t refused_code;
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

/* A port that was taken from the pool and opened. */
struct relay_opened {
    struct stun_address relayed;
    uint32_t via;
    bool tcp; /* it listens for TCP, instead of being a UDP port */
    struct shared_port *shared;
};

/* Opens opened->relayed, as opened->tcp says. Returns 0 and fills in the via, or -errno. */
int relay_open(struct turn_server *server, struct relay_opened *opened);
/* Closes what relay_open has opened, and gives it back to the pool. */
void relay_close(struct turn_server *server, const struct relay_opened *opened);

/* What an allocation begins with. */
struct allocation_begin {
    struct account *account; /* the reference is handed over */
    const struct flow *flow;
    const struct relay_opened *ports; /* one, or one for each family with IPv4 first */
    size_t port_count;
    uint32_t lifetime_s;
    uint64_t reservation;          /* token, or RESERVATION_TOKEN_NONE */
    const uint8_t *transaction_id; /* copied */
};

/* Returns NULL when memory is out: the caller then still has all that it would have handed over. */
struct allocation *allocation_new(struct turn_server *server, struct monotime now,
                                  const struct allocation_begin *begin);
/* Keeps what a token gave its holder, for requests without one; does nothing for who came without.
 */
void allocation_keep_session(struct allocation *allocation, const struct auth_identity *identity);
/* Gives back quota, port and memory, and reports it. */
void allocation_end(struct turn_server *server, struct monotime now, struct allocation *allocation,
                    enum turn_end_reason reason);
/* Nothing reaches the client, nor comes from it, until it is attached again. */
void allocation_detach(struct turn_server *server, struct allocation *allocation);
/* Its client is at `flow`, which has no allocation. */
void allocation_attach(struct turn_server *server, struct allocation *allocation,
                       const struct flow *flow);
void allocation_set_timer(struct turn_server *server, struct allocation *allocation);
/* Of one that is in no table any more and has neither ports nor a reservation. */
void allocation_free_memory(struct allocation *allocation);
/* Gives the reserved port back, unless somebody has fetched it; `user` is charged for it no more.
 */
void allocation_end_reservation(struct turn_server *server, struct allocation *allocation,
                                const char *user);
/* Tells the quota what `user`, as quotas have it, does not hold any more. */
void account_give_back(struct turn_server *server, const char *user, struct turn_holding holding);

/* The open port of that family, or NULL. */
struct relay_port *allocation_port(struct allocation *allocation, uint8_t family);
/* Whether a second port is open. */
bool allocation_is_dual(const struct allocation *allocation);
/* From now on the ports of `family` (STUN_FAMILY_NONE: all) live for `lifetime_s`. */
void allocation_prolong(struct turn_server *server, struct monotime now,
                        struct allocation *allocation, uint8_t family, uint32_t lifetime_s);
/* Closes one port of a dual allocation, which then is no longer dual. */
void allocation_close_port(struct turn_server *server, struct monotime now,
                           struct allocation *allocation, struct relay_port *port);

/* NULL when there is none. The verdicts in its tables are those of the policy that holds now. */
struct allocation *allocation_of_flow(struct turn_server *server, const struct flow *flow);
struct relay_port *allocation_port_of_via(struct turn_server *server, uint32_t via);
/* The same where others may share the port: the one that hears `peer`. */
struct relay_port *allocation_port_hearing(struct turn_server *server, uint32_t via,
                                           const struct stun_address *peer);
/* Keyed, so that it says nothing to others. */
uint64_t allocation_flow_hash(const struct turn_server *server, const struct flow *flow);

/* Runs the timers that are due. */
void allocation_table_expire(struct turn_server *server, struct monotime now);

/* Queues `event` with the allocation's user and addresses. */
void allocation_report(struct turn_server *server, const struct allocation *allocation,
                       const struct turn_event *event);

#endif
