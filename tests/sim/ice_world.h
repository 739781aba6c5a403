/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two ICE agents, the pipe of a rendezvous between them, and our own TURN server, in a network of
 * NATs and firewalls on virtual time, with delay, loss, reordering and duplicates.
 *
 *                       network 0 (routers, hop limits)
 *        box 0 ──────────────┼──────────────── box 1        server 192.0.2.1, 2001:db8::1
 *      (box 2)               │                (box 3)       UDP and TCP 3478
 *       Alice 0                                 Bob 1
 *
 * A box stands between the network that it is in (`parent`) and the one behind it, which has the
 * number of the box plus one.
 */
#ifndef SIM_ICE_WORLD_H
#define SIM_ICE_WORLD_H

#include "proto/ice/ice.h"
#include "proto/negotiation.h"
#include "tests/sim/ice_box.h"
#include "tests/sim/turn_shell.h"

#define WORLD_BOXES_MAX 4
#define WORLD_SOCKETS_MAX 4
#define WORLD_CONNECTIONS_MAX 8
#define WORLD_EVENTS_MAX 4096
#define WORLD_SECRET "s3cret"
#define WORLD_DATA_MAX 8192 /* datagrams of the application a side */
#define WORLD_HOPS 64       /* what the system gives a packet */

struct world_socket {
    struct stun_address address;
    bool closed;
};

struct world_host {
    const char *name;
    struct ice_agent *agent;
    struct ice_setup setup;
    int network;
    struct world_socket sockets[WORLD_SOCKETS_MAX]; /* by via */
    size_t socket_count;
    int64_t delay_us; /* to the middle of the network, one way */
    bool calls;
    bool begins_late; /* its agent is made when a description comes: it did not know of a call */
    bool asks_late;   /* for a relay only when a description comes; for STUN before */
    bool keeps_role;  /* setup.role is the test's; else who calls is controlling */
    bool described;   /* our description of this session was sent */
    struct negotiation negotiation;
    unsigned collisions; /* offers of the other side that ours came in the way of */
    /* Candidates of this session, which descriptions have in them. */
    struct ice_candidate known[64];
    size_t known_count;
    bool ended, ended_told;

    struct monotime connected, selected, failed, closed, disconnected, gathered; /* or NEVER */
    struct monotime first_sent, first_received;                                  /* or NEVER */
    unsigned selections, failures, silences, server_failures, role_changes;
    unsigned candidates[4]; /* by type: how many were told */
    struct ice_candidate last_candidate;
    char server_failure[160];
    bool was_relay; /* a relayed pair was in use */

    bool sends_data;
    struct monotime data_due;
    uint32_t data_sent; /* sequence numbers below were sent */
    uint32_t data_received, data_twice;
    uint8_t data_seen[WORLD_DATA_MAX];
};

struct world_connection {
    bool open;
    int host;
    uint32_t request;
    uint8_t transport;
    uint32_t server_via;
    struct stun_address address; /* ours, as the server sees it */
    struct monotime last[2];     /* nothing overtakes on a connection: to server, to host */
};

enum world_event_type {
    WORLD_PACKET,      /* a datagram in the middle of the network, or of an inner one */
    WORLD_TO_SERVER,   /* a frame on a connection */
    WORLD_TO_HOST,     /* the same the other way */
    WORLD_CONNECTED,   /* a connection is made */
    WORLD_UNREACHABLE, /* an ICMP message on its way back */
    WORLD_OFFER,       /* by the rendezvous, as all that follows */
    WORLD_ANSWER,
    WORLD_CANDIDATE,
    WORLD_END_OF_CANDIDATES,
    WORLD_ANSWER_TOLD, /* to who answered: the service passes the answer on */
};

struct world_event {
    struct monotime when;
    uint64_t order;
    enum world_event_type type;
    int network, host, connection;
    uint32_t request; /* of the connection: an event of an older one is void */
    struct stun_address from, to;
    int hops;
    struct ice_candidate candidate;
    char ufrag[ICE_UFRAG_SIZE], password[ICE_PASSWORD_SIZE];
    bool lite;
    uint32_t size;
    uint8_t *bytes; /* ours */
};

struct world {
    uint64_t seed;
    struct monotime now;
    int64_t jitter_us;
    int64_t signal_jitter_us;      /* of what goes by the rendezvous, which keeps its order */
    struct monotime signal_due[2]; /* when the last word to a host comes */
    unsigned loss_percent, duplicate_percent; /* of each crossing of the middle */
    int routers;                              /* between the outermost boxes */
    int64_t server_delay_us;
    bool server_is_dead, udp_to_server_is_dead;
    bool peers_are_cut;             /* no datagram crosses the middle between the hosts */
    bool ignores_hop_limit;         /* a planted fault: openers go with full TTL */
    bool drops_triggered;           /* a planted fault: checks that answer a check are not sent */
    struct stun_address heard_from; /* whose packet is being dealt with */
    bool icmp;                      /* refusing routers say so */
    bool tcp_fails;                 /* connections to the server are refused */
    bool uses_tcp, uses_udp;        /* of the server for TURN */
    bool wrong_password;            /* of the TURN user */
    int64_t credentials_s; /* its name is good for so long, from when a host was told; 0: always */
    bool has_dead_server;  /* one more server, who never answers */
    bool foretells;        /* hosts know beforehand what the challenge of TURN will say … */
    bool foretells_to_others; /* … to another client, that is: in vain */
    int64_t foretold_us;      /* … and how long ago that was made */

    struct stun_crypto *crypto;
    struct shell *shell;
    struct outbox outbox;
    struct world_host hosts[2];
    struct box boxes[WORLD_BOXES_MAX];
    int parents[WORLD_BOXES_MAX];
    bool box_is_used[WORLD_BOXES_MAX];
    struct world_connection connections[WORLD_CONNECTIONS_MAX];
    struct world_event *events[WORLD_EVENTS_MAX]; /* a heap */
    size_t event_count;
    uint64_t order;
    struct monotime called;
    /* Called after each step of a host's agent: where a test plants a fault. */
    void (*spoil)(struct world *world, int host);
    void *spoil_context;
    uint64_t openers_crossed; /* packets with a low hop limit that reached the other side */
    uint64_t packets, lost;
    bool tells; /* prints what agents say, for people */
};

/* ---- building ----------------------------------------------------------------------------------
 */

/* A world of two hosts at 198.51.100.10 and 203.0.113.10, all delays from the seed, no loss. */
struct world *world_new(uint64_t seed);
void world_free(struct world *world);
/* Puts a box between network 0 and the host, or behind the box that the host is behind already. */
void world_put_box(struct world *world, int host, const struct box_kind *kind, int64_t lifetime_ms);
/* Both hosts behind one box, in one network; or `apart`: each behind a box of its own in it. */
void world_share_box(struct world *world, const struct box_kind *outer,
                     const struct box_kind *inner, int64_t lifetime_ms);
void world_add_ipv6(struct world *world);
/* From now on TURN credentials are good for so long only from when a host is told: at its start,
 * and by world_use_relays. */
void world_limit_credentials(struct world *world, int64_t seconds);
/* Tells the host of the relays, and their credentials: for the first time, or anew. */
void world_use_relays(struct world *world, int host);
/* Makes agents and sockets, and begins to gather. */
void world_start(struct world *world);

/* ---- running -----------------------------------------------------------------------------------
 */

void world_run_us(struct world *world, int64_t us);
/* Runs until both have gathered, or `us` have passed. */
void world_gather(struct world *world, int64_t us);
/* `caller` sends its description now. */
void world_call(struct world *world, int caller);
/* The same at the moment when its agent begins, as stunclient does: hosts[caller].begins_late. */
void world_call_at_once(struct world *world, int caller);
/* New credentials at `host`, told to the other, who follows. False: an offer is on its way. */
bool world_restart(struct world *world, int host);
/* A socket, or all connections to the server, are gone. */
void world_lose_socket(struct world *world, int host, size_t socket);
void world_lose_connections(struct world *world);
/* Sends and drains what calling an agent by hand has left. */
void world_settle(struct world *world, int host);

/* ---- looking -----------------------------------------------------------------------------------
 */

enum world_path {
    PATH_NONE,
    PATH_DIRECT,
    PATH_RELAY,
};
/* What both have selected; PATH_NONE when there is nothing, or the two ends do not fit. */
enum world_path world_path(const struct world *world);
/* Datagrams that `host` sent and the other has not got. */
unsigned world_missing(const struct world *world, int host);
/* Round trips: of host and server, and of the two hosts. */
int64_t world_server_rtt_us(const struct world *world, int host);
int64_t world_peer_rtt_us(const struct world *world);
uint64_t world_random(void *world);

#endif
