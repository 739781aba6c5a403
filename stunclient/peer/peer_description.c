/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/address.h"
#include "net/clock.h"
#include "stunclient/peer/peer_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void sign(const struct peer *peer, struct session_description *local)
{
    char other[FINGERPRINT_TEXT_SIZE] = "";
    if (peer->setup.key == NULL) {
        return;
    }
    if (!peer->setup.caller) {
        session_fingerprint_format(&peer->remote.fingerprints[0], other, sizeof other);
    }
    const struct host_key_claim claim = {
        .type = peer->setup.caller ? "offer" : "answer",
        .fingerprint = identity_fingerprint(peer->setup.identity),
        .other = other,
    };
    if (!host_key_sign(peer->setup.key, &claim, local->identity)) {
        local->identity[0] = '\0';
    }
}

static enum session_setup our_setup(const struct peer *peer)
{
    if (peer->setup.caller) {
        return SESSION_SETUP_ACTPASS;
    }
    return peer->remote.setup == SESSION_SETUP_ACTIVE ? SESSION_SETUP_PASSIVE
                                                      : SESSION_SETUP_ACTIVE;
}

size_t peer_describe(struct peer *peer, char *sdp, size_t capacity)
{
    struct session_description *local = &peer->local;
    const char *fingerprint = identity_fingerprint(peer->setup.identity);
    peer_settle(peer);
    local->session_version++;
    snprintf(local->ufrag, sizeof local->ufrag, "%s", ice_local_ufrag(peer->agent));
    snprintf(local->password, sizeof local->password, "%s", ice_local_password(peer->agent));
    local->fingerprint_count =
        session_fingerprint_parse(&local->fingerprints[0], fingerprint, strlen(fingerprint)) ? 1
                                                                                             : 0;
    local->setup = our_setup(peer);
    if (!peer->setup.caller) {
        snprintf(local->mid, sizeof local->mid, "%s", peer->remote.mid);
        local->section_index = peer->remote.section_index;
    }
    sign(peer, local);
    peer->described = true;
    return session_description_format(local, peer->setup.caller ? NULL : &peer->remote, sdp,
                                      capacity);
}

/* Judges who the peer is. With a signature, only the certificate that is signed counts. */
static const char *take_identity(struct peer *peer, const char *type)
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
            .type = type,
            .fingerprint = fingerprint,
            .other = peer->setup.caller ? identity_fingerprint(peer->setup.identity) : "",
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
static const char *begin(struct peer *peer, const char *type)
{
    bool client = peer->setup.caller ? peer->remote.setup == SESSION_SETUP_PASSIVE
                                     : peer->remote.setup != SESSION_SETUP_ACTIVE;
    const char *problem = take_identity(peer, type);
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
    peer->remote_known = true;
    return peer_make_channels(peer) ? NULL : "no channel can be opened";
}

static void take_candidates(struct peer *peer)
{
    struct outbox *outbox = shell_outbox(peer->setup.shell);
    for (size_t i = 0; i < peer->remote.candidate_count; i++) {
        const struct ice_candidate *candidate = &peer->remote.candidates[i];
        if (candidate->address.family != STUN_FAMILY_NONE) {
            ice_remote_candidate(peer->agent, clock_now(), candidate, outbox);
        }
    }
    if (peer->remote.end_of_candidates) {
        ice_remote_end_of_candidates(peer->agent, clock_now());
    }
}

const char *peer_take_description(struct peer *peer, const char *type, const char *sdp)
{
    struct session_description *remote = calloc(1, sizeof *remote);
    struct outbox *outbox = shell_outbox(peer->setup.shell);
    const char *problem =
        remote == NULL ? "memory is out" : session_description_parse(remote, sdp, strlen(sdp));
    peer->busy++;
    if (problem == NULL && !peer->remote_known) {
        peer->remote = *remote;
        problem = begin(peer, type);
    } else if (problem == NULL) { /* the certificate stays that of the first description */
        if (!peer->setup.caller && strcmp(peer->remote.ufrag, remote->ufrag) != 0) {
            peer_restart(peer);
        }
        peer->remote = *remote;
    }
    if (problem == NULL &&
        ice_remote_credentials(peer->agent, clock_now(), remote->ufrag, remote->password,
                               remote->ice_lite, outbox) != 0) {
        problem = "its ICE credentials cannot be used";
    }
    if (problem == NULL) {
        take_candidates(peer);
    }
    free(remote);
    peer->busy--;
    peer_settle(peer);
    return problem;
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
    ice_remote_candidate(peer->agent, clock_now(), &candidate, outbox);
    peer_settle(peer);
}
