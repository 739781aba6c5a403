/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client of one TURN allocation (RFC 8656), on one UDP flow or one connection. No socket, no
 * clock: packets and time in, packets and events out. A program may hold as many as it likes.
 *
 *   turn_client.c           life of the allocation: allocate, refresh, delete, keepalive
 *   turn_client_request.c   requests under way: signing, sending again, errors
 *   turn_client_peer.c      permissions and channels
 *   turn_client_relay.c     data in and out
 *   turn_client_tcp.c       connections to peers and from them (RFC 6062)
 *   turn_client_move.c      from one flow to another (RFC 8016)
 *
 * After any call the shell sends the outbox, drains the events, and arms one timer for due.
 */
#ifndef PROTO_TURN_CLIENT_H
#define PROTO_TURN_CLIENT_H

#include "base/monotime.h"
#include "base/outbox.h"
#include "proto/stun_transaction.h"

#include <postern/stun.h>

struct turn_client;
struct long_term_challenge; /* proto/long_term.h */

struct turn_client_setup {
    struct stun_crypto *crypto; /* borrowed */
    uint64_t (*random)(void *context);
    void *random_context;
    struct flow flow;     /* our handle, the transport, the server (remote) and our own address */
    const char *user;     /* copied; NULL: no credentials, a challenge ends the attempt */
    const char *password; /* copied */
    /* Copied: what the server's challenge will say (long_term_foretell), or NULL when unknown. */
    const struct long_term_challenge *challenge;
    const char
        *software; /* SOFTWARE of our requests: a string that outlives the machine, or NULL */
    struct stun_timing timing;
    uint32_t timeout_ms;   /* a request is given up after this long; 0: only RFC 8489's times */
    uint32_t lifetime_s;   /* LIFETIME asked for; 0: the server's choice */
    uint32_t keepalive_ms; /* a Binding indication after so much silence of ours; 0: none */
    uint8_t family;     /* REQUESTED-ADDRESS-FAMILY, or STUN_FAMILY_NONE for the server's choice */
    bool tcp;           /* a relay of TCP (RFC 6062); `flow` is a stream then */
    bool dual;          /* an IPv6 relay beside the IPv4 one; `family` is NONE then */
    bool mobile;        /* ask for a ticket (RFC 8016): turn_client_move needs one */
    bool dont_fragment; /* DONT-FRAGMENT on what is sent to peers */
    /* An OAuth token (RFC 7635) in place of the password, and its session key; both are copied.
     * `user` is then the id of the token's key (kid). NULL: none. */
    const uint8_t *token, *token_key;
    uint16_t token_size, token_key_size;
};

/* `setup` is copied. Returns NULL when memory is out or the credentials cannot be used. */
struct turn_client *turn_client_new(const struct turn_client_setup *setup);
/* Frees without a word to the server (turn_client_delete says it). NULL is allowed. */
void turn_client_free(struct turn_client *client);

/* ---- what one asks of it --------------------------------------------------------------------- */

/* Begins to allocate. An event TURN_CLIENT_ALLOCATED or TURN_CLIENT_FAILED follows. Once only. */
void turn_client_allocate(struct turn_client *client, struct monotime now, struct outbox *outbox);
/*
 * Asks for a permission for `peer` (its port plays no role for the server), and keeps it alive.
 * An event TURN_CLIENT_PERMITTED or TURN_CLIENT_PEER_FAILED with this very address follows. What is
 * asked before the allocation is there waits for it. Returns 0, -ENOSPC when too many peers are
 * known, -ENOMEM.
 */
int turn_client_permit(struct turn_client *client, struct monotime now,
                       const struct stun_address *peer, struct outbox *outbox);
/* The same with a channel, which holds a permission too: TURN_CLIENT_BOUND follows. When it is
 * refused, a permission that was there before stays. */
int turn_client_bind(struct turn_client *client, struct monotime now,
                     const struct stun_address *peer, struct outbox *outbox);
/* No longer refreshes what `peer` has; it ends by itself at the server. */
void turn_client_forget(struct turn_client *client, struct monotime now,
                        const struct stun_address *peer);
/*
 * Sends a datagram to `peer`: framed in place, as ChannelData when a channel is bound, else as a
 * Send indication. TURN_CLIENT_HEADROOM and TURN_CLIENT_TAILROOM always do; with a channel four
 * bytes before the data are enough. The first data need not wait for the answer that permits them:
 * they follow the request, and are lost with it. `packet` stays borrowed until the outbox is sent.
 * Returns 0, -ENOTCONN without an allocation, -EACCES when no permission for `peer` is there or
 * asked for, -EMSGSIZE, -ENOBUFS when head- or tailroom is missing.
 */
int turn_client_send(struct turn_client *client, struct monotime now,
                     const struct stun_address *peer, struct packet *packet, struct outbox *outbox);
/* Whether turn_client_send has an allocation and a permission for `peer`, or one under way. */
bool turn_client_may_send(const struct turn_client *client, struct monotime now,
                          const struct stun_address *peer);
/*
 * RFC 6062. connect asks an allocation that relays TCP for a connection to `peer`, one at a time:
 * TURN_CLIENT_CONNECTED or TURN_CLIENT_PEER_FAILED follows. join makes a client that allocates
 * nothing, on a connection of its own, the data connection of that id: TURN_CLIENT_JOINED or
 * TURN_CLIENT_FAILED follows, and from the former on its bytes are the peer's. Before join it may
 * take over what its allocation's client knows of realm, nonce and key, so that its first request
 * is signed: coturn closes a data connection that it would have to challenge.
 */
void turn_client_connect(struct turn_client *client, struct monotime now,
                         const struct stun_address *peer, struct outbox *outbox);
void turn_client_know(struct turn_client *client, const struct turn_client *allocated);
void turn_client_join(struct turn_client *client, struct monotime now, uint32_t connection_id,
                      struct outbox *outbox);
/*
 * RFC 8016: takes the allocation to another flow, with all that belongs to it. From now on nothing
 * is sent to or taken from the old one. TURN_CLIENT_MOVED follows, or TURN_CLIENT_ENDED when the
 * server refuses. Returns 0, -ENOTCONN without an allocation, -EPERM when the server gave no
 * ticket, -ENOMEM.
 */
int turn_client_move(struct turn_client *client, struct monotime now, const struct flow *flow,
                     struct outbox *outbox);
/* Ends the allocation at the server. TURN_CLIENT_ENDED follows. */
void turn_client_delete(struct turn_client *client, struct monotime now, struct outbox *outbox);

#define TURN_CLIENT_HEADROOM 56 /* a Send indication with an IPv6 peer */
#define TURN_CLIENT_TAILROOM 4  /* padding on a stream */
#define TURN_CLIENT_PEERS_MAX 256

/* ---- what happens to it ---------------------------------------------------------------------- */

enum turn_client_input {
    TURN_CLIENT_NOT_OURS, /* another flow, or nothing that a TURN server sends us */
    TURN_CLIENT_HANDLED,
    TURN_CLIENT_DATA, /* `data` is filled: a peer's datagram */
};

struct turn_client_data {
    struct stun_address peer;
    struct packet packet; /* what the peer sent; inside the packet that was given */
};

/* A datagram from `flow`, or one frame of its stream. `packet` is lent. */
enum turn_client_input turn_client_input(struct turn_client *client, struct monotime now,
                                         const struct flow *flow, struct packet *packet,
                                         struct turn_client_data *data, struct outbox *outbox);
/* The connection is gone, or the datagram socket reported that nobody listens (error: -errno). */
void turn_client_flow_closed(struct turn_client *client, struct monotime now);
void turn_client_tick(struct turn_client *client, struct monotime now, struct outbox *outbox);
struct monotime turn_client_due(const struct turn_client *client);

enum turn_client_event_type {
    TURN_CLIENT_ALLOCATED,
    TURN_CLIENT_FAILED,      /* no allocation: see failure */
    TURN_CLIENT_REDIRECTED,  /* 300: try `address` (ALTERNATE-SERVER, RFC 8489 §10) instead */
    TURN_CLIENT_PERMITTED,   /* `peer` */
    TURN_CLIENT_BOUND,       /* `peer` */
    TURN_CLIENT_PEER_FAILED, /* `peer`: see failure; also when a refresh of it fails */
    TURN_CLIENT_PEER_ICMP,   /* the relayed port got an ICMP error from `peer` (RFC 8656 §18.13) */
    TURN_CLIENT_CONNECTED,   /* to `peer`, as `connection_id` */
    TURN_CLIENT_ATTEMPT,     /* `peer` has connected to the relay, as `connection_id` */
    TURN_CLIENT_JOINED,      /* this connection has left STUN behind */
    TURN_CLIENT_REFRESHED,
    TURN_CLIENT_MOVED,
    TURN_CLIENT_ENDED, /* deleted (failure NONE), or lost: see failure */
};

enum turn_client_failure {
    TURN_CLIENT_NONE = 0,
    TURN_CLIENT_TIMEOUT,         /* no answer */
    TURN_CLIENT_UNAUTHENTICATED, /* name or password refused, or asked for and not given */
    TURN_CLIENT_WEAKENED,        /* the challenge was changed on its way (bid-down) */
    TURN_CLIENT_UNPROVEN,        /* answers came, but none proved to know the password; `code` of
                                    the last one */
    TURN_CLIENT_MISMATCH,        /* 437: this 5-tuple has, or no longer has, an allocation */
    TURN_CLIENT_FORBIDDEN,       /* 403 */
    TURN_CLIENT_FAMILY,          /* 440, 443: an address family the server has not, or not here */
    TURN_CLIENT_QUOTA,           /* 486: this user has too many allocations */
    TURN_CLIENT_CAPACITY,        /* 508: the server has no port left */
    TURN_CLIENT_REFUSED,         /* any other error: see code */
    TURN_CLIENT_BROKEN,          /* an answer that cannot be understood */
    TURN_CLIENT_EXPIRED,         /* could not be refreshed in time */
    TURN_CLIENT_DISCONNECTED,
};

#define TURN_CLIENT_REASON_SIZE 128
#define TURN_CLIENT_DOMAIN_SIZE 256

struct turn_client_event {
    enum turn_client_event_type type;
    enum turn_client_failure failure;
    uint16_t code;                        /* STUN error code, or 0 */
    char reason[TURN_CLIENT_REASON_SIZE]; /* the server's words, printable ASCII; may be empty */
    struct stun_address peer;
    struct stun_address relayed; /* ALLOCATED */
    struct stun_address second;  /* ALLOCATED, of a dual one: the other relay; or family NONE */
    uint16_t second_code;        /* ALLOCATED: why there is no second; 0: not told */
    struct stun_address mapped;  /* ALLOCATED */
    struct stun_address address; /* REDIRECTED */
    char
        domain[TURN_CLIENT_DOMAIN_SIZE]; /* REDIRECTED: whose certificate to expect; may be empty */
    uint32_t lifetime_s;                 /* ALLOCATED, REFRESHED */
    uint32_t connection_id;              /* CONNECTED, ATTEMPT */
    int64_t took_us; /* from the first sending to the last answer, challenge included */
    uint8_t icmp_type, icmp_code; /* PEER_ICMP */
};

/* Takes the oldest event; false when there is none. Bounded: the oldest are dropped. */
bool turn_client_event(struct turn_client *client, struct turn_client_event *event);

struct turn_client_counters {
    uint64_t sent_packets, sent_bytes, received_packets, received_bytes; /* payload */
    uint64_t requests, retransmissions, dropped;
};

const struct turn_client_counters *turn_client_counters(const struct turn_client *client);
/* The server's SOFTWARE, printable ASCII, or "" as long as it has not told. */
const char *turn_client_software(const struct turn_client *client);
/* How requests are signed; all false before the challenge. */
struct turn_client_signing {
    bool is_signed;
    bool sha256;      /* MESSAGE-INTEGRITY-SHA256, RFC 8489 §14.6 */
    bool hidden_name; /* USERHASH in place of USERNAME */
    bool token;       /* RFC 7635 */
};

struct turn_client_signing turn_client_signing(const struct turn_client *client);
/* The words for a failure: what happened, for the middle of a sentence. */
const char *turn_client_failure_text(enum turn_client_failure failure);

#endif
