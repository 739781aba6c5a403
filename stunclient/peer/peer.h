/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One call with one peer: sockets, ICE, DTLS and SCTP, data channels, and what they carry. These
 * files alone know the neighbours and wire them:
 *
 *     socket → shell → ICE → data session → channels → joint → standard output
 *
 * and back.
 *
 *   peer              life, the shell's events, the end
 *   peer_path         ICE: candidates, the way that is used, another one when it is gone
 *   peer_session      DTLS, SCTP, channels
 *   peer_description  what is told to the peer and by it, and who it is
 *
 * How descriptions and candidates reach the peer is its owner's affair.
 */
#ifndef STUNCLIENT_PEER_PEER_H
#define STUNCLIENT_PEER_PEER_H

#include "stunclient/peer/identity.h"
#include "stunclient/peer/report.h"
#include "stunclient/peer/servers.h"
#include "stunclient/peer/trace.h"

struct peer;

struct peer_user {
    void *context;
    /* To be told to the peer; only after peer_describe. */
    void (*candidate)(void *context, const struct signal_candidate *candidate);
    /* A new offer (RFC 8445 §9) to be told, since the way to the peer does not work any more. */
    void (*offer)(void *context, const char *sdp);
    /* Whether anything can be told to the peer: the service still knows the call. */
    bool (*can_tell)(void *context);
    /* Nothing is heard from the peer: the service may be out of reach as well. */
    void (*trouble)(void *context);
    /* The peer shows this key (NULL: none). False with the failure filled: nothing to do with it.
     */
    bool (*judge)(void *context, const char *public_text, struct failure *failure);
    bool (*take_pipe)(void *context);
    /* Data can flow: the set-up is over. */
    void (*ready)(void *context);
};

struct peer_setup {
    struct shell *shell;
    const struct options *options;
    struct stun_crypto *crypto;
    const struct identity *identity; /* the certificate */
    const struct host_key *key;      /* signs it; NULL: nothing does */
    struct trace *trace;
    struct report *report; /* filled while the call goes */
    bool caller;
    bool spare;    /* there is no call yet: see peer_prepare */
    bool loopback; /* loopback is as good as any other interface */
    struct peer_user user;
};

/* Opens the sockets. NULL with the failure filled. */
struct peer *peer_new(const struct peer_setup *setup, struct failure *failure);
void peer_free(struct peer *peer); /* NULL is allowed */

/* ---- what is told to the peer and by it --------------------------------------------------------
 */

/* Writes an offer, or our answer to the offer that was taken. Further candidates come one by one.
 * Returns the bytes, or 0 when it does not fit. */
size_t peer_describe(struct peer *peer, bool offer, char *sdp, size_t capacity);

enum peer_taking {
    PEER_TAKES,   /* an offer is to be answered now */
    PEER_IGNORES, /* it is not meant for now (proto/negotiation.h) */
    PEER_REFUSES, /* it cannot be used; before the first one was taken: the call cannot be */
};
/* The peer's offer or answer; again: its ICE restarts, or it just describes itself once more. With
 * other than PEER_TAKES, `*why` is a whole sentence. */
enum peer_taking peer_take_description(struct peer *peer, bool is_offer, const char *sdp,
                                       const char **why);
/* The peer does not take our offer. */
void peer_take_refusal(struct peer *peer);
/* Whether a description of the peer was taken. */
bool peer_is_met(const struct peer *peer);
/* Looks for a way anew, as after a change of the network: an ICE restart. */
void peer_look_again(struct peer *peer);
void peer_take_candidate(struct peer *peer, const struct signal_candidate *candidate);
/* STUN and TURN servers to use. Once. */
void peer_use_servers(struct peer *peer, const struct server_list *list);
/* The service has told their credentials anew. */
void peer_renew_servers(struct peer *peer, const struct server_list *list);
/* Only the STUN servers of the list, before there is a call: so the addresses that the world sees
 * are known when it comes. Nothing is told to a trace until the peer is adopted. */
void peer_prepare(struct peer *peer, const struct server_list *list);
void peer_adopt(struct peer *peer);
/* The peer has got what we told it so far. */
void peer_informed(struct peer *peer);
/* The service is passing our answer on: the peer is about to send. */
void peer_expected(struct peer *peer);

/* ---- the shell's events ------------------------------------------------------------------------
 */

bool peer_owns(const struct peer *peer, uint32_t via);
void peer_input(struct peer *peer, struct monotime now, const struct flow *flow,
                struct packet *packet, struct outbox *outbox);
void peer_connected(struct peer *peer, struct monotime now, uint32_t via, struct outbox *outbox);
void peer_failed(struct peer *peer, struct monotime now, uint32_t via,
                 const struct stun_address *remote, const char *text, struct outbox *outbox);
void peer_tick(struct peer *peer, struct monotime now, struct outbox *outbox);
struct monotime peer_due(struct peer *peer);
/* Handles what the machines have to say. */
void peer_settle(struct peer *peer);

/* ---- the end -----------------------------------------------------------------------------------
 */

/* Ends it for a reason: nothing is delivered any more. */
void peer_abort(struct peer *peer, enum exit_status status, const char *text, const char *advice);
/* It is over; the report says how. The sockets are still open. */
bool peer_is_over(const struct peer *peer);
bool peer_is_ready(const struct peer *peer);
/* Ends it amid of it: what we sent so far arrives, and the peer hears why. It is over then, or at
 * the deadline of the owner. A call of forwards alone (-L) has no other end, so that one is in
 * order. */
void peer_hang_up(struct peer *peer);
/* The service says that the peer has left the call: it will not answer our last goodbye, if that is
 * all that we wait for. */
void peer_take_bye(struct peer *peer);
/* That has taken too long. */
void peer_cut_off(struct peer *peer);
/* Gives back what servers hold for us; then it is gone. */
void peer_leave(struct peer *peer, struct monotime now, struct outbox *outbox);
bool peer_is_gone(const struct peer *peer);

#endif
