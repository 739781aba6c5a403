/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which descriptions of a peer are taken in one call, in the states of JSEP (RFC 9429 §3.2). Either
 * side may offer at any time. Where both do at once, the caller's offer counts: the callee is the
 * polite one (W3C WebRTC §10.7) and answers it as though it had not offered. No socket, no clock.
 *
 * The association of DTLS lives as long as the call, so no later description may name another
 * certificate than the first: what somebody on the way puts in its place is refused, and the call
 * goes on.
 */
#ifndef PROTO_NEGOTIATION_H
#define PROTO_NEGOTIATION_H

#include "base/monotime.h"
#include "wire/session_description.h"

/* An offer that nobody has answered for so long stands in nobody's way any more. */
#define NEGOTIATION_PATIENCE_MS 15000

struct negotiation {
    bool polite;
    bool offering;    /* our offer is not answered yet */
    bool ours;        /* the last offer that counts is ours: answers are for us */
    bool established; /* a description of the peer was taken */
    struct monotime offered;
    char ufrag[ICE_UFRAG_SIZE], password[ICE_PASSWORD_SIZE]; /* the peer's */
    struct session_fingerprint fingerprints[SESSION_FINGERPRINTS_MAX];
    size_t fingerprint_count;
};

enum negotiation_verdict {
    NEGOTIATION_FIRST,   /* take it: it decides who the peer is */
    NEGOTIATION_RESTART, /* take it, and answer with new ICE credentials of our own */
    NEGOTIATION_TAKE,    /* take it; an offer is answered with the credentials that we have */
    NEGOTIATION_COLLIDE, /* both offered at once, and ours counts: the peer answers it */
    NEGOTIATION_STRAY,   /* an answer to no offer of ours */
    NEGOTIATION_REFUSE,  /* it names another certificate */
};

void negotiation_init(struct negotiation *negotiation, bool caller);
/* Whether a new offer of ours makes sense now: there was a first one, and none is on its way. */
bool negotiation_may_offer(const struct negotiation *negotiation, struct monotime now);
/* Our offer goes out. */
void negotiation_offer(struct negotiation *negotiation, struct monotime now);
/*
 * A sound description of the peer has come. What is refused, collides or is stray changes nothing;
 * but a refused answer ends the wait for one.
 */
enum negotiation_verdict negotiation_take(struct negotiation *negotiation, struct monotime now,
                                          bool is_offer, const struct session_description *remote);
/* The peer does not take our offer ("rollback"). Returns whether there was one. */
bool negotiation_refused(struct negotiation *negotiation);

#endif
