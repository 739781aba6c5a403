/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/address.h"
#include "net/clock.h"
#include "stunclient/peer/peer_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void sign(const struct peer *peer, bool offer, struct session_description *local)
{
    char other[FINGERPRINT_TEXT_SIZE] = "";
    if (peer->setup.key == NULL) {
        return;
    }
    if (!offer) {
        session_fingerprint_format(&peer->remote.fingerprints[0], other, sizeof other);
    }
    const struct host_key_claim claim = {
        .type = offer ? "offer" : "answer",
        .fingerprint = identity_fingerprint(peer->setup.identity),
        .other = other,
    };
    if (!host_key_sign(peer->setup.key, &claim, local->identity)) {
        local->identity[0] = '\0';
    }
}

static enum session_setup our_setup(const struct peer *peer, bool offer)
{
    if (offer) {
        return SESSION_SETUP_ACTPASS;
    }
    return peer->dtls_client ? SESSION_SETUP_ACTIVE : SESSION_SETUP_PASSIVE;
}

size_t peer_describe(struct peer *peer, bool offer, char *sdp, size_t capacity)
{
    struct session_description *local = &peer->local;
    const char *fingerprint = identity_fingerprint(peer->setup.identity);
    peer_settle(peer);
    peer->retells = false;
    local->session_version++;
    snprintf(local->ufrag, sizeof local->ufrag, "%s", ice_local_ufrag(peer->agent));
    snprintf(local->password, sizeof local->password, "%s", ice_local_password(peer->agent));
    local->fingerprint_count =
        session_fingerprint_parse(&local->fingerprints[0], fingerprint, strlen(fingerprint)) ? 1
                                                                                             : 0;
    local->setup = our_setup(peer, offer);
    if (peer->mirrors) {
        snprintf(local->mid, sizeof local->mid, "%s", peer->remote.mid);
        local->section_index = peer->remote.section_index;
    }
    sign(peer, offer, local);
    peer->described = true;
    if (offer) {
        negotiation_offer(&peer->negotiation, clock_now());
    }
    return session_description_format(local, peer->mirrors ? &peer->remote : NULL, sdp, capacity);
}

/* Judges who the peer is. With a signature, only the certificate that is signed counts. */
static const char *take_identity(struct peer *peer, bool is_offer)
{
    struct report *report = peer->setup.report;
    struct session_description *remote = &peer->remote;
    char fingerprint[FINGERPRINT_TEXT_SIZE] = "";
    struct failure failure;
    const char *shown = NULL;
    const char *problem = NULL;
    if (remote->fingerprint_count == 0) {
        return "its description names no certificate (a=fingerprint)";
    }
    if (remote->identity[0] != '\0') {
        session_fingerprint_format(&remote->fingerprints[0], fingerprint, sizeof fingerprint);
        const struct host_key_claim claim = {
            .type = is_offer ? "offer" : "answer",
            .fingerprint = fingerprint,
            .other = is_offer ? "" : identity_fingerprint(peer->setup.identity),
        };
        problem = host_key_verify(remote->identity, &claim, report->peer_key);
        remote->fingerprint_count = 1;
        shown = report->peer_key;
    }
    if (problem != NULL) {
        peer_abort(peer, EXIT_IDENTITY, "the signature in the peer's description is not good",
                   "Somebody on the way has changed it, the rendezvous service included.");
        return problem;
    }
    if (!peer->setup.user.judge(peer->setup.user.context, shown, &failure)) {
        peer_abort(peer, failure.status, failure.text, failure.advice);
        return "it is not who it was before";
    }
    return NULL;
}

static bool tell_session(struct peer *peer)
{
    char texts[SESSION_FINGERPRINTS_MAX][FINGERPRINT_TEXT_SIZE];
    struct data_remote remote = {.fingerprint_count = peer->remote.fingerprint_count,
                                 .sctp_port = peer->remote.sctp_port,
                                 .max_message_size = peer->remote.max_message_size};
    for (size_t i = 0; i < remote.fingerprint_count; i++) {
        session_fingerprint_format(&peer->remote.fingerprints[i], texts[i], sizeof texts[i]);
        remote.fingerprints[i] = texts[i];
    }
    return data_session_set_remote(peer->session, clock_now(), &remote) == 0;
}

/* What the first description decides: roles, the session, the channels. */
static const char *begin(struct peer *peer, bool is_offer)
{
    bool client = is_offer ? peer->remote.setup != SESSION_SETUP_ACTIVE
                           : peer->remote.setup == SESSION_SETUP_PASSIVE;
    const char *problem = take_identity(peer, is_offer);
    peer->dtls_client = client;
    if (problem != NULL) {
        return problem;
    }
    if ((peer->session == NULL || client) &&
        !peer_make_session(peer, client ? DATA_ROLE_CLIENT : DATA_ROLE_SERVER)) {
        return "memory is out";
    }
    if (!tell_session(peer)) {
        return "its certificate is named in a way that is too weak or not known";
    }
    return peer_make_channels(peer) ? NULL : "no channel can be opened";
}

static void add_remote(struct peer *peer, const struct ice_candidate *candidate,
                       struct outbox *outbox)
{
    struct report *report = peer->setup.report;
    report->peer_told_more = report->peer_told_more || candidate->type != ICE_RELAYED;
    report_note_candidate(report, candidate);
    ice_remote_candidate(peer->agent, clock_now(), candidate, outbox);
}

static void take_candidates(struct peer *peer)
{
    struct outbox *outbox = shell_outbox(peer->setup.shell);
    for (size_t i = 0; i < peer->remote.candidate_count; i++) {
        const struct ice_candidate *candidate = &peer->remote.candidates[i];
        if (candidate->address.family != STUN_FAMILY_NONE) {
            add_remote(peer, candidate, outbox);
        }
    }
    if (peer->remote.end_of_candidates) {
        ice_remote_end_of_candidates(peer->agent, clock_now());
    }
}

/* A later description; the certificate stays that of the first. An answer has fewer words about
 * sections than the offer that they must be like from now on. */
static void take_anew(struct peer *peer, bool is_offer, struct session_description *remote)
{
    const struct session_description *old = &peer->remote;
    memcpy(remote->fingerprints, old->fingerprints, sizeof remote->fingerprints);
    remote->fingerprint_count = old->fingerprint_count;
    if (!is_offer && peer->mirrors) {
        memcpy(remote->sections, old->sections, sizeof remote->sections);
        memcpy(remote->mid, old->mid, sizeof remote->mid);
        remote->section_count = old->section_count;
        remote->section_index = old->section_index;
        remote->bundled = old->bundled;
    }
    peer->remote = *remote;
}

static const char *take(struct peer *peer, bool is_offer, enum negotiation_verdict verdict,
                        struct session_description *remote)
{
    struct outbox *outbox = shell_outbox(peer->setup.shell);
    const char *problem = NULL;
    if (verdict == NEGOTIATION_FIRST) {
        peer->remote = *remote;
        peer->mirrors = is_offer;
        problem = begin(peer, is_offer);
    } else {
        take_anew(peer, is_offer, remote);
        peer->mirrors = peer->mirrors || is_offer;
    }
    if (problem == NULL && verdict == NEGOTIATION_RESTART) {
        peer->restarted = clock_now();
        peer_restart(peer);
    }
    if (problem == NULL &&
        ice_remote_credentials(peer->agent, clock_now(), remote->ufrag, remote->password,
                               remote->ice_lite, outbox) != 0) {
        problem = "its ICE credentials cannot be used";
    }
    if (problem == NULL) {
        take_candidates(peer);
    }
    return problem;
}

enum peer_taking peer_take_description(struct peer *peer, bool is_offer, const char *sdp,
                                       const char **why)
{
    static const char *const words[] = {
        [NEGOTIATION_COLLIDE] = "both sides offered at once, and ours counts",
        [NEGOTIATION_STRAY] = "it answers no offer of ours",
        [NEGOTIATION_REFUSE] = "it names another certificate than the one that the call has",
    };
    struct session_description *remote = calloc(1, sizeof *remote);
    enum negotiation_verdict verdict = NEGOTIATION_REFUSE;
    *why = remote == NULL ? "memory is out" : session_description_parse(remote, sdp, strlen(sdp));
    if (*why == NULL) {
        verdict = negotiation_take(&peer->negotiation, clock_now(), is_offer, remote);
        *why = verdict >= NEGOTIATION_COLLIDE ? words[verdict] : NULL;
    }
    if (*why == NULL) {
        peer->busy++;
        *why = take(peer, is_offer, verdict, remote);
        peer->busy--;
    }
    free(remote);
    peer_settle(peer);
    if (*why == NULL) {
        return PEER_TAKES;
    }
    return verdict == NEGOTIATION_COLLIDE || verdict == NEGOTIATION_STRAY ? PEER_IGNORES
                                                                          : PEER_REFUSES;
}

void peer_take_refusal(struct peer *peer)
{
    if (negotiation_refused(&peer->negotiation)) {
        trace_say(peer->setup.trace, clock_now(), "refused", "%s does not take our offer",
                  peer_name(peer));
    }
}

bool peer_is_met(const struct peer *peer)
{
    return peer->negotiation.established;
}

void peer_take_candidate(struct peer *peer, const struct signal_candidate *signal)
{
    struct ice_candidate candidate;
    const char *text = signal->candidate;
    char address[ADDRESS_TEXT_SIZE];
    struct outbox *outbox = shell_outbox(peer->setup.shell);
    if (text == NULL || text[0] == '\0') {
        ice_remote_end_of_candidates(peer->agent, clock_now());
        peer_settle(peer);
        return;
    }
    const char *problem = candidate_parse(&candidate, text, strlen(text));
    if (problem != NULL || candidate.address.family == STUN_FAMILY_NONE) {
        /* A browser hides its own addresses behind names of mDNS; its checks show them. */
        trace_say(peer->setup.trace, clock_now(), "skipped", "a candidate of %s is not used: it %s",
                  peer_name(peer), problem != NULL ? problem : "has a name in place of an address");
        return;
    }
    trace_say(peer->setup.trace, clock_now(), "remote", "%s may be reached at %s (%s)",
              peer_name(peer), address_format(&candidate.address, address),
              candidate_type_text(candidate.type));
    if (candidate.ufrag[0] == '\0' && signal->username_fragment != NULL) {
        snprintf(candidate.ufrag, sizeof candidate.ufrag, "%s", signal->username_fragment);
    }
    add_remote(peer, &candidate, outbox);
    peer_settle(peer);
}
