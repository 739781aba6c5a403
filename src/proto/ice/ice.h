/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An ICE agent (RFC 8445, full and lite; trickle RFC 8838) for one data stream of one component, as
 * a data channel needs it. No socket, no clock: packets and time in, packets and events out.
 *
 *   agent            the agent's life, its descriptions, the way of a packet
 *   candidate_table  bases, local and remote candidates: priorities, foundations, pruning
 *   gather           server-reflexive and relayed candidates from several servers side by side;
 *                    gather_server: servers and sockets, gather_leg: one server asked from one
 *   relay            a TURN client as a way to send, and what arrives by it
 *   pair, checklist  pairs, their order and states
 *   check, check_in  connectivity checks out and in, triggered checks, role conflict
 *   opener           first packets that shall open our own firewall and not reach the peer's
 *   knock            a first check to a relay that may not let us in yet, said again soon
 *   nomination       who chooses, when, and what is selected
 *   consent          RFC 7675
 *   old_session      what goes on from before a restart
 *   lite             what a lite agent does of all this
 *   event            what the shell is told
 *
 * Nothing waits for gathering to be complete: local candidates come out as events as they are
 * found, remote ones go in as they arrive, before or after the remote credentials.
 *
 * After any call the shell sends the outbox, drains the events, and arms one timer for due.
 */
#ifndef PROTO_ICE_ICE_H
#define PROTO_ICE_ICE_H

#include "base/monotime.h"
#include "base/outbox.h"
#include "proto/long_term.h"
#include "proto/stun_transaction.h"
#include "wire/candidate.h"

#include <postern/stun.h>

struct ice_agent;

enum ice_role {
    ICE_CONTROLLED = 0,
    ICE_CONTROLLING,
};

enum ice_relay_policy {
    ICE_RELAY_ALLOWED = 0,
    ICE_RELAY_ONLY, /* only relayed candidates are used and shown, related addresses hidden */
    ICE_RELAY_NEVER,
};

struct ice_setup {
    struct stun_crypto *crypto; /* borrowed */
    uint64_t (*random)(void *context);
    void *random_context;
    enum ice_role role; /* at first: 487 and a lite peer change it */
    bool lite;          /* host candidates only, controlled unless the peer is lite too */
    enum ice_relay_policy relay;
    uint32_t pace_ms;    /* Ta, RFC 8445 §14.2; 0: 50. 5..1000; with fewer than 50 only if the peer
                            agrees to it or is ours */
    uint32_t failed_ms;  /* patience before ICE_FAILED, counted as RFC 8863 says; 0: 39500 */
    uint32_t consent_ms; /* RFC 7675: 0: 30000 */
    uint32_t upgrade_ms; /* controlling: how long better pairs may still come after the first has
                            been nominated; 0: 10000 */
    uint8_t opener_hops; /* hop limit of openers; 0: the first is 2, and they rise to the fifth;
                            255: none */
    const char *software; /* SOFTWARE of our checks: a string that outlives the agent, or NULL */
};

/* `setup` is copied. Returns NULL when memory is out. */
struct ice_agent *ice_agent_new(const struct ice_setup *setup);
void ice_agent_free(struct ice_agent *agent); /* says nothing to anyone; NULL is allowed */
/* Ends what servers hold for us (Refresh 0) and sends no more checks. ICE_CLOSED follows. */
void ice_agent_close(struct ice_agent *agent, struct monotime now, struct outbox *outbox);

/* ---- credentials ------------------------------------------------------------------------------
 */

const char *ice_local_ufrag(const struct ice_agent *agent);
const char *ice_local_password(const struct ice_agent *agent);
/*
 * What the peer's description says. Checks that arrived before are answered already (RFC 8445
 * §7.3), and now get their triggered checks. New credentials while others are there: the peer has
 * restarted. Returns 0, -EINVAL when they are too short or too long, -ENOMEM.
 */
int ice_remote_credentials(struct ice_agent *agent, struct monotime now, const char *ufrag,
                           const char *password, bool lite, struct outbox *outbox);
/*
 * One candidate of the peer. With another ufrag than the current one it is dropped; a name must be
 * resolved by the shell before. Returns 0, -ENOSPC when there are too many, -EINVAL.
 */
int ice_remote_candidate(struct ice_agent *agent, struct monotime now,
                         const struct ice_candidate *candidate, struct outbox *outbox);
void ice_remote_end_of_candidates(struct ice_agent *agent, struct monotime now);
/* The peer is known to have got our description and candidates so far (its answer, or any word that
 * it sent after them, has come): openers end earlier. */
void ice_remote_informed(struct ice_agent *agent, struct monotime now, struct outbox *outbox);
/*
 * Our answer is on its way to the peer, from the service, which has just said so: about now the
 * peer's first packets open its firewall. What we sent before may have been too early, and is sent
 * once more.
 */
void ice_remote_expected(struct ice_agent *agent, struct monotime now, struct outbox *outbox);
/*
 * RFC 8445 §9: new credentials of our own; what is selected goes on until the new session has
 * something. The caller describes itself anew. Returns 0 or -ENOMEM.
 */
int ice_agent_restart(struct ice_agent *agent, struct monotime now, struct outbox *outbox);

/* ---- gathering ---------------------------------------------------------------------------------
 */

/*
 * A UDP socket of the shell: `via`, bound to `local`, never an unspecified IP. `preference` orders
 * interfaces (higher is better, 0..65535; RFC 8421 order over families is the agent's). Returns 0
 * or -ENOSPC.
 */
int ice_add_socket(struct ice_agent *agent, struct monotime now, uint32_t via,
                   const struct stun_address *local, uint16_t preference, struct outbox *outbox);
/* It is gone, or never came to be: what stood on it fails, nothing else does. */
void ice_socket_lost(struct ice_agent *agent, struct monotime now, uint32_t via,
                     struct outbox *outbox);

struct ice_server {
    struct stun_address address; /* resolved; a name with several addresses is several servers */
    uint8_t transport;           /* enum outbox_transport: to the server */
    bool turn;                   /* else STUN only */
    const char *user, *password; /* copied; of TURN */
    /* Copied: the challenge of its TURN, when it is known beforehand: the first request is signed
     * then, which saves a round trip. NULL: not known. */
    const struct long_term_challenge *challenge;
    uint32_t number; /* the caller's, for events */
};
/*
 * Asks it from every socket of its family (UDP, within a cap per leg), or by one connection
 * (others): ICE_CONNECT asks the shell for that. The same server again has new credentials from now
 * on, and is asked once more where it had failed. Returns 0, -ENOSPC, -ENOMEM.
 */
int ice_add_server(struct ice_agent *agent, struct monotime now, const struct ice_server *server,
                   struct outbox *outbox);
/* The connection that ICE_CONNECT with this `request` asked for stands, as `via`. */
void ice_server_connected(struct ice_agent *agent, struct monotime now, uint32_t request,
                          uint32_t via, const struct stun_address *local, struct outbox *outbox);
/* It could not be made, or is lost. */
void ice_server_lost(struct ice_agent *agent, struct monotime now, uint32_t request,
                     struct outbox *outbox);
/* No more sockets and servers will be added: ICE_GATHERED comes once all have answered or failed.
 */
void ice_gathering_complete(struct ice_agent *agent, struct monotime now);

/* ---- packets ------------------------------------------------------------------------------------
 */

enum ice_input {
    ICE_INPUT_NOT_OURS, /* neither STUN nor of a way that the agent knows */
    ICE_INPUT_HANDLED,
    ICE_INPUT_DATA, /* the peer's: `data` is inside the packet that was given */
};

/*
 * A datagram, or a frame of a connection to a server. `packet` is lent. Data come from a pair that
 * has been proved (RFC 8445 §12: any valid local candidate), else they are dropped and counted.
 */
enum ice_input ice_input(struct ice_agent *agent, struct monotime now, const struct flow *flow,
                         struct packet *packet, struct packet *data, struct outbox *outbox);
/*
 * Sends by the selected pair; before there is one, by the best valid one (RFC 8445 §12.1).
 * ICE_HEADROOM and ICE_TAILROOM always do. Returns 0, -ENOTCONN, -EMSGSIZE, -ENOBUFS.
 */
int ice_send(struct ice_agent *agent, struct monotime now, struct packet *packet,
             struct outbox *outbox);
#define ICE_HEADROOM 56
#define ICE_TAILROOM 4

/* The socket `via` was told by ICMP that `remote` cannot be reached. */
void ice_unreachable(struct ice_agent *agent, struct monotime now, uint32_t via,
                     const struct stun_address *remote, struct outbox *outbox);
void ice_tick(struct ice_agent *agent, struct monotime now, struct outbox *outbox);
struct monotime ice_due(const struct ice_agent *agent);

/* ---- events ---------------------------------------------------------------------------------- */

enum ice_event_type {
    ICE_LOCAL_CANDIDATE, /* `candidate`: tell the peer */
    ICE_GATHERED,        /* end of local candidates: tell the peer */
    ICE_CONNECT,         /* open a connection: `request`, `transport`, `address`, `number` */
    ICE_DISCONNECT,      /* `request`: the connection is of no more use */
    ICE_SERVER_FAILED,   /* `number`, `address`, `failure_text`; the others go on */
    ICE_CONNECTED,       /* data can flow: the first valid pair; `pair` */
    ICE_SELECTED,        /* the pair in use has changed, or has been nominated; `pair` */
    ICE_CARRIED,         /* data have come in by another pair than before; `pair` */
    ICE_ROLE_CHANGED,    /* by 487 or a lite peer */
    ICE_DISCONNECTED,    /* nothing heard for a while, or the pair in use was taken away;
                            ICE_CONNECTED or ICE_FAILED follows; `pair` may be empty */
    ICE_FAILED,          /* no pair works, or consent has expired; restart may help */
    ICE_CLOSED,
    /* What a trace tells; nobody must act on these. */
    ICE_TRACE_OPENER,      /* `pair`: an opener was sent, `hops`: its hop limit; 0: the first full
                              check, which may open our firewall and be discarded at the peer's */
    ICE_TRACE_CHECK,       /* `pair`: the first full check was sent */
    ICE_TRACE_HEARD,       /* `pair`: the first check of the peer came in by it */
    ICE_TRACE_VALID,       /* `pair`: a check of ours was answered; `pair.rtt_us` */
    ICE_TRACE_PAIR_FAILED, /* `pair`; `failure_text` when the relay refuses to send there */
};

struct ice_pair_report {
    struct ice_candidate local, remote; /* local.type tells the path: ICE_RELAYED is the relay */
    uint8_t server_transport;           /* of a relayed local one: enum outbox_transport */
    int64_t rtt_us;                     /* -1: not measured */
    bool nominated;
};

struct ice_event {
    enum ice_event_type type;
    struct ice_candidate candidate;
    struct ice_pair_report pair;
    uint32_t request, number;
    uint8_t transport;
    uint8_t hops;
    struct stun_address address;
    char failure_text[160];
};

/* Takes the oldest event; false when there is none. Events that somebody must act on are never
 * dropped, traces are when too many wait. */
bool ice_event(struct ice_agent *agent, struct ice_event *event);

enum ice_role ice_agent_role(const struct ice_agent *agent);
/* The pair in use. False when there is none. */
bool ice_selected(const struct ice_agent *agent, struct ice_pair_report *out);

struct ice_counters {
    uint64_t checks_sent, checks_received, checks_answered, openers_sent, retransmissions;
    uint64_t refused;        /* checks with a wrong name or integrity */
    uint64_t role_conflicts; /* both ways */
    uint64_t dropped_data;   /* from nowhere that was proved */
    uint64_t sent_packets, sent_bytes, received_packets, received_bytes;
};
const struct ice_counters *ice_agent_counters(const struct ice_agent *agent);

#endif
