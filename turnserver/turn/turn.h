/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The STUN and TURN server machine of one worker: packets and time in, packets and events out. It
 * has no socket, clock or thread.
 *
 *   server            the way of a packet: first byte, authentication, method table
 *   reply             the one place that writes answers and errors
 *   binding           Binding, RFC 8489 and 5780
 *   allocate, refresh, permission, channel, send: a method each
 *   relay             both directions of the data path
 *   connect, connection_bind: the methods of RFC 6062
 *   tcp_connection    connections between relays and peers
 *   deferred          requests that are answered later
 *   icmp              what the way to a peer says, on its way to the client
 *   allocation        an allocation's life, and the table of all
 *   permission_table, channel_table: whom an allocation may hear and reach
 *   shared_port       few ports for many allocations
 *   redirect          to another server
 *   mobility          tickets, and clients who change their address
 *   handover          an allocation that changes its worker
 *   account           a user's name, kept once
 *   reservation       ports that EVEN-PORT has set aside, for all workers
 *   event_queue       what happened, on its way out
 *
 * Methods are a table in server.c; a new one is a file and a line.
 */
#ifndef TURN_TURN_H
#define TURN_TURN_H

#include "base/monotime.h"
#include "base/outbox.h"
#include "turnserver/auth/auth.h"
#include "turnserver/turn/bandwidth.h"
#include "turnserver/turn/peer_rules.h"
#include "turnserver/turn/port_pool.h"

#include <postern/stun.h>
#include <string.h>

/* ---- what a machine is given ----------------------------------------------------------------- */

/* Another server that clients are sent to (RFC 8489 §10). */
struct turn_alternate {
    struct stun_address address;
    char domain[256]; /* the name in its certificate, or "" */
};

/* The limits and rules that the machine obeys: immutable, swapped whole on reload. */
struct turn_policy {
    const struct peer_rules *peers;
    uint32_t lifetime_default_s;         /* 600, RFC 8656 §3.2 */
    uint32_t lifetime_max_s;             /* 3600 */
    uint32_t permission_lifetime_s;      /* 300: RFC 8656 §9 fixes it */
    uint32_t channel_lifetime_s;         /* 600: RFC 8656 §12 fixes it */
    uint32_t unauthenticated_per_source; /* answers a second, 0: no limit */
    uint32_t permissions_per_allocation; /* bound of the table */
    uint32_t channels_per_allocation;
    uint64_t bandwidth_account; /* relayed bytes a second, both ways together, 0: no limit */
    uint64_t bandwidth_total;   /* of all accounts and workers together */
    uint32_t tcp_connections_per_allocation; /* to peers; 0: no relaying of TCP (442) */
    uint32_t allocations_max;                /* of this worker, 0: no limit but memory */
    bool relay_enabled;                      /* false: STUN only; TURN methods get 400 */
    bool rfc5766_channels;                   /* channel numbers up to 0x7FFF, not just to 0x4FFF */
    bool mobility;                           /* RFC 8016; false: 405 */
    bool relay_family_of_client; /* no REQUESTED-ADDRESS-FAMILY: the client's, not IPv4 */
    bool classic_stun;           /* RFC 3489 clients get a Binding answer */
    bool redirect_always;        /* to an alternate: every new allocation, or just those for which
                                  * there is no room here */
    const struct turn_alternate *alternates;
    size_t alternate_count;
    const char *software; /* SOFTWARE of our answers, or NULL for none */
};

/*
 * How relayed ports come and go. open binds exactly `relayed` and returns 0 with a `via`, or -errno
 * (-EADDRINUSE: the machine tries another port). close first sends what the outbox holds; when it
 * returns the port is free for every worker, and the machine then gives it back to the pool.
 */
struct turn_ports {
    void *context;
    int (*open)(void *context, const struct stun_address *relayed, uint32_t *via);
    void (*close)(void *context, uint32_t via);
};

/*
 * How an opened port goes from one worker to another; all three get the context of turn_ports. give
 * returns a handle, with which the port has left the worker; take consumes the handle in any case
 * and returns 0 with a `via`, or -errno; discard closes it. All NULL: nothing is handed over.
 */
struct turn_passing {
    int (*give)(void *context, uint32_t via);
    int (*take)(void *context, const struct stun_address *relayed, int handle, uint32_t *via);
    void (*discard)(void *context, int handle);
};

/*
 * Relaying of TCP (RFC 6062). A relayed address that listens has a `via` as a port has, and none
 * that a port could have. A connection to a peer is known by the `id` that the machine gave it;
 * until it is joined nothing is read from it. All may be NULL: no relaying of TCP.
 */
struct turn_tcp_bytes {
    uint64_t to_peer, to_client;
};

struct turn_tcp_ports {
    void *context;
    /* As turn_ports.open, and close; peers come by turn_server_tcp_accepted. */
    int (*listen)(void *context, const struct stun_address *relayed, uint32_t *via);
    void (*unlisten)(void *context, uint32_t via);
    /* Begins to connect from `relayed`; turn_server_tcp_connected tells the end, later. Returns 0
     * or -errno. */
    int (*connect)(void *context, uint32_t id, const struct stun_address *relayed,
                   const struct stun_address *peer);
    /* Ends an attempt or a connection, which the worker `holder` has; nothing is told of it any
     * more. Fills in what it carried, as far as that is known here. An id that is not there is
     * ignored. */
    void (*close)(void *context, uint32_t id, uint32_t holder, struct turn_tcp_bytes *bytes);
    /* Joins it with a client's connection, whose account (as quotas name it) is charged, once the
     * outbox has been sent; turn_server_tcp_ended tells the worker whose number the id carries of
     * the end. Returns 0 or -errno. */
    int (*join)(void *context, uint32_t id, const struct flow *client, const char *account);
    /* Asks the worker whose number the id carries for its connection (turn_server_tcp_claim there);
     * turn_server_tcp_claimed tells the answer. Returns false when there is no such worker. */
    bool (*claim)(void *context, uint32_t number, uint32_t id, const char *user);
};

/* What somebody holds, or may hold: of a limit 0 means none. Ports that allocations share are not
 * counted; one that EVEN-PORT has set aside is, for as long as its reservation. */
struct turn_holding {
    uint32_t allocations, ports;
};

/* How many allocations and ports an account holds, over all workers. reserve returns NULL, or the
 * key of the limit that is reached, which lives for ever: 486, or 508 for quotas.total. `user` is a
 * time-limited name without its expiry. Both may be NULL: no quota. */
struct turn_quota {
    void *context;
    const char *(*reserve)(void *context, const char *user, struct turn_holding holding);
    void (*release)(void *context, const char *user, struct turn_holding holding);
};

/* What all accounts of a realm beside the first may have together; 0: no limit. */
struct turn_realm_limit {
    const char *name;
    struct turn_holding holding;
    uint64_t bandwidth; /* bytes a second */
};

/* The realm of an account with the backslash before it; NULL for the first realm. */
static inline const char *turn_account_realm(const char *user)
{
    return strrchr(user, '\\');
}

/*
 * The buckets that workers share: one for each account that holds something, whose name is as
 * quotas have it; one for each realm but the first, named "\\realm", which knows its own limit; and
 * one for all. acquire returns NULL when memory is out: then there is no limit. All NULL: no
 * bandwidth is counted.
 */
struct turn_bandwidth {
    void *context;
    struct bandwidth *(*acquire)(void *context, const char *user);
    void (*release)(void *context, struct bandwidth *bandwidth);
    struct bandwidth *total;
};

#define TURN_NAT_GROUPS 2 /* one for each address family */

/* RFC 5780: the four listening endpoints that belong together, and the `via` of each. */
struct turn_nat_behavior {
    bool enabled;
    struct stun_address address[2]; /* primary and alternate IP; port: primary */
    uint16_t port[2];               /* primary and alternate port */
    uint32_t via[2][2];             /* [address][port] */
};

struct reservation_table;
struct source_limit;

struct turn_setup {
    const struct turn_policy *policy;       /* borrowed; see turn_server_set_policy */
    struct auth *auth;                      /* borrowed */
    struct stun_crypto *crypto;             /* borrowed */
    struct port_pool *pool;                 /* borrowed, shared with other workers */
    struct reservation_table *reservations; /* borrowed, shared like the pool; NULL: our own */
    struct source_limit *strangers;         /* the same, of answers to unauthenticated sources */
    struct turn_ports ports;
    struct turn_passing passing;
    struct turn_tcp_ports tcp;
    struct turn_quota quota;
    struct turn_bandwidth bandwidth;
    struct turn_nat_behavior nat_behavior[TURN_NAT_GROUPS];
    uint64_t (*random)(void *context); /* 64 unpredictable bits; simulations give a seeded one */
    void *random_context;
    uint32_t worker;       /* below 256: this worker's number, in ids that others may carry to us */
    uint32_t shared_ports; /* of each family that this worker opens for all its allocations to
                            * share; 0: an allocation has ports of its own */
    uint32_t worker_count; /* others that may have what a client asks for; 0: nobody */
};

/* ---- the machine ----------------------------------------------------------------------------- */

struct turn_server;

/* `setup` is copied. Returns NULL when memory is out. */
struct turn_server *turn_server_new(const struct turn_setup *setup);
/* Ends every allocation without a word to clients; closes their ports. */
void turn_server_free(struct turn_server *server);
/* The one that holds. */
const struct turn_policy *turn_server_policy(const struct turn_server *server);
/* From now on `policy` holds; the old one is not used after the call. */
void turn_server_set_policy(struct turn_server *server, const struct turn_policy *policy);

/*
 * A datagram from a listener, or one frame of a stream. `packet` is lent until the outbox has been
 * sent; its bytes may be changed.
 */
void turn_server_input(struct turn_server *server, struct monotime now, const struct flow *flow,
                       struct packet *packet, struct outbox *outbox);
/* A datagram from `peer` arrived at the relayed port `via`. */
void turn_server_relayed(struct turn_server *server, struct monotime now, uint32_t via,
                         const struct stun_address *peer, struct packet *packet,
                         struct outbox *outbox);
/* A datagram that left the relayed port `via` for `peer` did not get there: an ICMP message says
 * why. The client hears of it (RFC 8656 §11.5) if it may hear the peer. */
void turn_server_icmp(struct turn_server *server, struct monotime now, uint32_t via,
                      const struct stun_address *peer, const struct stun_icmp *icmp,
                      struct outbox *outbox);
/* A peer has connected to a relayed address. Returns false when it is to be closed, else true and
 * its id. */
bool turn_server_tcp_accepted(struct turn_server *server, struct monotime now, uint32_t via,
                              const struct stun_address *peer, uint32_t *id, struct outbox *outbox);
/* How a Connect went: `status` 0, or -errno and the id is forgotten already. */
void turn_server_tcp_connected(struct turn_server *server, struct monotime now, uint32_t id,
                               int status, struct outbox *outbox);
/*
 * The worker `holder` wants the connection for a client of that name, to join it. Returns 0, and
 * the connection is that worker's until turn_server_tcp_ended, or the error code for its client.
 */
uint16_t turn_server_tcp_claim(struct turn_server *server, struct monotime now, uint32_t id,
                               const char *user, uint32_t holder);
/* The answer to a claim of ours. Returns whether the connection was joined; it is not ours if not.
 */
bool turn_server_tcp_claimed(struct turn_server *server, struct monotime now, uint32_t number,
                             uint16_t code, struct outbox *outbox);
/* A connection that was joined has ended. */
void turn_server_tcp_ended(struct turn_server *server, struct monotime now, uint32_t id,
                           const struct turn_tcp_bytes *bytes);
/* What a question of auth_next_question was answered; requests that waited for it go on. */
void turn_server_answer(struct turn_server *server, struct monotime now,
                        const struct auth_finding *finding, struct outbox *outbox);
/* ---- mobility between workers (RFC 8016) ------------------------------------------------------
 */

#define TURN_TICKET_SIZE 32 /* characters of base64url */

/* A client here has a ticket of the worker `from`. */
struct turn_move {
    uint64_t id; /* for turn_server_take_over */
    uint32_t from;
    uint8_t ticket[TURN_TICKET_SIZE];
    char user[AUTH_USER_SIZE]; /* who asks */
};

enum turn_move_status {
    TURN_MOVE_NOT_ASKED, /* of a request: nobody has been asked yet */
    TURN_MOVE_DONE,
    TURN_MOVE_UNKNOWN,
    TURN_MOVE_NOT_OWNER,
};

struct turn_handover; /* an allocation on its way */

/* The oldest question for another worker, if there is one. An answer may fail to come. */
bool turn_server_next_move(struct turn_server *server, struct turn_move *move);
/* At the other worker. Sets `handover` when, and only when, it returns TURN_MOVE_DONE. */
enum turn_move_status turn_server_give_away(struct turn_server *server,
                                            const struct turn_move *move,
                                            struct turn_handover **handover, struct outbox *outbox);
/* What came of the question `id` (0: a handover that could not be sent, and comes back). The
 * handover becomes this server's. */
void turn_server_take_over(struct turn_server *server, struct monotime now, uint64_t id,
                           enum turn_move_status status, struct turn_handover *handover,
                           struct outbox *outbox);
/* For one that arrives nowhere because the process ends. NULL is allowed. */
void turn_handover_free(struct turn_handover *handover, const struct turn_passing *passing,
                        void *context);

/*
 * The connection of a stream flow has ended: its allocation ends too (RFC 8656 §7), unless it is
 * mobile: then it waits for its client until it expires. The outbox has been sent before, since it
 * may hold datagrams that leave from the allocation's port.
 */
void turn_server_flow_closed(struct turn_server *server, struct monotime now,
                             const struct flow *flow);
/*
 * Ends allocations, a queue full of events at most, so that these can be drained. Returns whether
 * there are more.
 */
bool turn_server_shut_down(struct turn_server *server, struct monotime now);
void turn_server_tick(struct turn_server *server, struct monotime now, struct outbox *outbox);
/*
 * Whether a source that has not shown who it is may have an answer that is not the machine's own,
 * such as a HelloVerifyRequest. It counts in policy->unauthenticated_per_source.
 */
bool turn_server_admit_stranger(struct turn_server *server, struct monotime now,
                                const struct stun_address *source);
struct monotime turn_server_due(const struct turn_server *server);

enum turn_event_type {
    TURN_ALLOCATED,
    TURN_REFRESHED,
    TURN_ENDED,        /* deleted, expired, or its connection closed */
    TURN_PEER_REFUSED, /* 403; reported once a peer address class and allocation */
    TURN_QUOTA_REACHED,
    TURN_PEER_AMBIGUOUS,    /* 508: another allocation has this peer on the same shared port */
    TURN_BANDWIDTH_REACHED, /* packets are dropped; reported once an allocation */
    TURN_MOVED,             /* its client came back from another address */
    TURN_LEFT, /* to another worker, which reports TURN_MOVED; not to be counted as an end */
    TURN_PEER_CONNECTED, /* over TCP, and joined with the client's data connection */
    TURN_PEER_DISCONNECTED,
};

enum turn_end_reason {
    TURN_END_DELETED,
    TURN_END_EXPIRED,
    TURN_END_DISCONNECTED,
    TURN_END_SHUTDOWN,
};

/* What happened, for log, metrics and mirrors. Strings are valid until the next call. */
struct turn_event {
    enum turn_event_type type;
    const char *user;
    struct stun_address client;
    uint32_t via;      /* of the client's flow */
    uint8_t transport; /* of the client's flow: enum outbox_transport */
    struct stun_address relayed;
    struct stun_address relayed_second; /* IPv6, of a dual allocation; else STUN_FAMILY_NONE */
    struct stun_address previous; /* TURN_MOVED: the client before; STUN_FAMILY_NONE: not here */
    uint32_t previous_via;
    uint8_t previous_transport;
    struct stun_address peer;        /* TURN_PEER_… */
    enum peer_verdict verdict;       /* TURN_PEER_REFUSED */
    const char *limit;               /* TURN_QUOTA_REACHED: the key; lives for ever */
    enum turn_end_reason end_reason; /* TURN_ENDED */
    uint32_t lifetime_s;
    uint64_t sent_bytes, sent_packets;         /* client to peer, TURN_ENDED */
    uint64_t received_bytes, received_packets; /* peer to client, TURN_ENDED */
    uint64_t duration_us;                      /* TURN_ENDED */
};

/* Takes the oldest event. Returns false when there is none. Bounded: the oldest are dropped. */
bool turn_server_event(struct turn_server *server, struct turn_event *event);

struct turn_counters {
    uint64_t binding_requests, allocations_made, allocations_now;
    uint64_t allocations_moved; /* to another address of their client */
    uint64_t relayed_to_peer_packets, relayed_to_peer_bytes;
    uint64_t relayed_to_client_packets, relayed_to_client_bytes;
    uint64_t redirected;            /* to an alternate server */
    uint64_t challenges, refused;   /* 401/438, and every other error answered */
    uint64_t dropped_malformed;     /* neither STUN nor ChannelData, or broken */
    uint64_t dropped_unexpected;    /* answers, and methods that we do not serve */
    uint64_t dropped_rate_limited;  /* unauthenticated: above the source's limit, or larger
                                     * than an answer to a stranger may be */
    uint64_t dropped_no_allocation; /* ChannelData or Send from a stranger */
    uint64_t dropped_no_permission; /* either direction */
    uint64_t dropped_peer_rule;     /* own or protected endpoint */
    uint64_t dropped_hop_limit;     /* either direction, at the end of their way (TTL) */
    uint64_t dropped_bandwidth;     /* either direction, above an account's or the total's */
    uint64_t icmp_told;             /* errors of the way to a peer that a client heard of */
    uint64_t icmp_dropped;          /* above the rate, or of no interest to anybody */
    uint64_t requests_parked;       /* waited for a look-up of their user */
    uint64_t dropped_parking;       /* should have, but found no room or no answer in time */
    uint64_t tcp_connections_now;   /* to peers */
    uint64_t tcp_connections_made;  /* joined with a client's */
    uint64_t tcp_connect_failures;  /* 447 */
    uint64_t tcp_refused;           /* above an allocation's bound */
    uint64_t tcp_unbound;           /* closed since no client came for it */
    uint64_t events_lost;
};

const struct turn_counters *turn_server_counters(const struct turn_server *server);

#endif
