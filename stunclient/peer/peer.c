/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/peer.h"

#include "base/address.h"
#include "net/clock.h"
#include "stunclient/peer/channels.h"
#include "stunclient/peer/data_channel.h"
#include "stunclient/peer/sockets.h"
#include "stunclient/random.h"
#include "wire/session_description.h"

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The peer's DTLS may come before a check of ours is answered. We could not answer it then, and
 * DTLS would say it again much later; so it waits for a path. */
#define EARLY_MAX 6
#define EARLY_SIZE 1500

/* How long a call that stood waits for another way, and the least time between two attempts. */
#define REPAIR_MS 60000
#define RESTART_PAUSE_MS 5000

struct early_datagram {
    size_t size;
    uint8_t bytes[EARLY_SIZE];
};

struct peer {
    struct peer_setup setup;
    struct ice_agent *agent;
    struct data_session *session;
    struct channels *channels;
    struct servers *servers;
    struct peer_socket sockets[SOCKETS_MAX];
    size_t socket_count;

    struct session_description local, remote;
    bool has_stun;             /* STUN servers were given to the agent */
    bool described;            /* our description is out: candidates follow one by one */
    bool remote_known;         /* the peer's has come */
    bool has_path, ready;      /* a pair is valid; the association stands */
    bool closing;              /* data_session_close was called */
    bool over, gone;           /* gone: the agent has nothing to say any more */
    bool cut;                  /* the peer closed before our input had ended */
    struct monotime repair_by; /* there is no way, and the call ends then; NEVER: there is one */
    struct monotime restarted; /* the last time; us 0: never */
    struct early_datagram early[EARLY_MAX];
    size_t early_count;
    unsigned busy; /* inside of a machine: events wait */
};

static int64_t since_began_us(const struct peer *peer)
{
    return monotime_difference_us(clock_now(), peer->setup.report->began);
}

static const char *name_of(const struct peer *peer)
{
    return peer->setup.report->peer[0] != '\0' ? peer->setup.report->peer : "the peer";
}

/* ---- the end --------------------------------------------------------------------------------- */

static void note_figures(struct peer *peer)
{
    struct report *report = peer->setup.report;
    struct ice_pair_report pair;
    report->counters = *ice_agent_counters(peer->agent);
    struct data_figures figures = {0};
    if (ice_selected(peer->agent, &pair)) {
        report->pair = pair;
    }
    if (peer->session != NULL) {
        data_session_figures(peer->session, &figures);
    }
    if (report->pair.rtt_us <= 0 && figures.rtt_us > 0) {
        report->pair.rtt_us = figures.rtt_us;
    }
    if (peer->channels != NULL) {
        channels_bytes(peer->channels, &report->bytes_sent, &report->bytes_received);
    }
}

static void finish(struct peer *peer)
{
    if (!peer->over) {
        note_figures(peer);
        peer->over = true;
    }
}

void peer_abort(struct peer *peer, enum exit_status status, const char *text, const char *advice)
{
    struct failure *failure = &peer->setup.report->failure;
    if (peer->over) {
        return;
    }
    if (failure->status == EXIT_OK) {
        failure_set(failure, status, "%s", text);
        failure_advise(failure, "%s", advice);
    }
    if (peer->session != NULL) {
        data_session_abort(peer->session, clock_now());
    }
    finish(peer);
}

static void on_channels_ended(void *context, enum channels_end end, const char *problem)
{
    struct peer *peer = context;
    if (end == CHANNELS_END_BROKEN) {
        peer_abort(peer, EXIT_DEGRADED, problem, "");
        return;
    }
    peer->cut = end == CHANNELS_END_CUT;
    if (!peer->closing) {
        peer->closing = true;
        data_session_close(peer->session, clock_now());
    }
}

/* The session has ended in order. */
static void on_session_closed(struct peer *peer)
{
    struct failure *failure = &peer->setup.report->failure;
    peer->closing = true;
    channels_closed(peer->channels);
    if (failure->status == EXIT_OK && peer->cut && !channels_input_ended(peer->channels) &&
        (peer->setup.options->call.forward_count == 0 || !peer->setup.caller)) {
        failure_set(failure, EXIT_DEGRADED,
                    "%s ended the call before our input had ended; some of it may be lost",
                    name_of(peer));
    }
    finish(peer);
}

bool peer_is_over(const struct peer *peer)
{
    return peer->over;
}

bool peer_is_ready(const struct peer *peer)
{
    return peer->ready;
}

bool peer_is_gone(const struct peer *peer)
{
    return peer->gone;
}

void peer_hang_up(struct peer *peer, enum exit_status status, const char *text)
{
    struct failure *failure = &peer->setup.report->failure;
    if (peer->over || !peer->ready) {
        peer_abort(peer, status, text, "");
        return;
    }
    if (failure->status == EXIT_OK) {
        failure_set(failure, status, "%s", text);
    }
    peer->closing = true;
    data_session_close(peer->session, clock_now());
    peer_settle(peer);
}

void peer_leave(struct peer *peer, struct monotime now, struct outbox *outbox)
{
    ice_agent_close(peer->agent, now, outbox);
}

/* ---- the data session ------------------------------------------------------------------------ */

/* From the session to the network. Bytes are lent, so they are copied; ICE frames them in place. */
static void send_datagram(void *context, const uint8_t *bytes, size_t size)
{
    struct peer *peer = context;
    struct outbox *outbox = shell_outbox(peer->setup.shell);
    if (size + ICE_HEADROOM + ICE_TAILROOM > OUTBOX_RESERVE_MAX) {
        return;
    }
    uint8_t *room = outbox_reserve(outbox, (uint32_t)(ICE_HEADROOM + size + ICE_TAILROOM));
    struct packet packet = {.bytes = room + ICE_HEADROOM,
                            .size = (uint32_t)size,
                            .headroom = ICE_HEADROOM,
                            .tailroom = ICE_TAILROOM};
    memcpy(packet.bytes, bytes, size);
    (void)ice_send(peer->agent, clock_now(), &packet, outbox);
}

static bool make_session(struct peer *peer, enum data_role role)
{
    struct ice_pair_report pair;
    bool measured = ice_selected(peer->agent, &pair) && pair.rtt_us > 0;
    const struct data_session_setup setup = {
        .role = role,
        .identity = peer->setup.identity,
        .send = send_datagram,
        .context = peer,
        .rtt_us = measured ? (uint32_t)pair.rtt_us : 0,
    };
    data_session_free(peer->session);
    peer->session = data_session_new(&setup);
    if (peer->session != NULL && peer->has_path) {
        data_session_start(peer->session, clock_now());
    }
    return peer->session != NULL;
}

static void on_first_data(void *context)
{
    struct peer *peer = context;
    struct report *report = peer->setup.report;
    report->first_data_us = since_began_us(peer);
    trace_say(peer->setup.trace, clock_now(), "data", "first data, %.1f ms after the call",
              (double)report->first_data_us / 1000);
}

static void tell(void *context, const char *text)
{
    struct peer *peer = context;
    if (peer->setup.spare) {
        return;
    }
    trace_say(peer->setup.trace, clock_now(), "note", "%s", text);
}

static void settle_shell(void *context)
{
    struct peer *peer = context;
    peer_settle(peer);
    shell_settle(peer->setup.shell);
}

static bool take_pipe(void *context)
{
    struct peer *peer = context;
    return peer->setup.user.take_pipe(peer->setup.user.context);
}

static bool make_channels(struct peer *peer)
{
    const struct channels_setup setup = {
        .base = shell_base(peer->setup.shell),
        .options = peer->setup.options,
        .session = peer->session,
        .caller = peer->setup.caller,
        .message_max = peer->remote.max_message_size,
        .user = {.context = peer,
                 .ended = on_channels_ended,
                 .first_data = on_first_data,
                 .tell = tell,
                 .settle = settle_shell,
                 .take_pipe = take_pipe},
    };
    struct failure failure;
    peer->channels = channels_new(&setup, &failure);
    if (peer->channels == NULL) {
        peer_abort(peer, failure.status, failure.text, failure.advice);
    }
    return peer->channels != NULL;
}

static void on_session_ready(struct peer *peer)
{
    struct report *report = peer->setup.report;
    report->ready_us = since_began_us(peer);
    peer->ready = true;
    trace_say(peer->setup.trace, clock_now(), "ready", "the data channel stands");
    peer->setup.user.ready(peer->setup.user.context);
}

static void on_session_failed(struct peer *peer, const char *text)
{
    enum exit_status status = peer->ready ? EXIT_DEGRADED : EXIT_NO_CONNECTION;
    finish(peer);
    if (peer->setup.report->failure.status == EXIT_OK) {
        failure_set(&peer->setup.report->failure, status, "%s", text);
    }
}

static void handle_data_event(struct peer *peer, const struct data_event *event)
{
    switch (event->type) {
    case DATA_EVENT_VERIFIED:
        peer->setup.report->secured_us = since_began_us(peer);
        trace_say(peer->setup.trace, clock_now(), "secured",
                  "DTLS stands, with the certificate that %s's description names", name_of(peer));
        break;
    case DATA_EVENT_READY:
        on_session_ready(peer);
        channels_event(peer->channels, event);
        break;
    case DATA_EVENT_CLOSED:
        on_session_closed(peer);
        break;
    case DATA_EVENT_FAILED:
        on_session_failed(peer, event->text);
        break;
    default:
        channels_event(peer->channels, event);
        break;
    }
}

/* Whether there was something. */
static bool take_data_events(struct peer *peer)
{
    struct data_event event;
    bool some = false;
    while (!peer->over && peer->session != NULL && peer->channels != NULL &&
           data_session_event(peer->session, &event)) {
        some = true;
        handle_data_event(peer, &event);
    }
    return some;
}

/* ---- ICE ------------------------------------------------------------------------------------- */

static void tell_candidate(struct peer *peer, const struct ice_candidate *candidate)
{
    char text[ICE_CANDIDATE_TEXT_SIZE] = "";
    const struct signal_candidate signal = {
        .candidate = text,
        .sdp_mid = peer->local.mid,
        .username_fragment = ice_local_ufrag(peer->agent),
        .sdp_mline_index = peer->local.section_index,
    };
    if (candidate != NULL) {
        candidate_format(candidate, text);
    }
    peer->setup.user.candidate(peer->setup.user.context, &signal);
}

static void on_candidate(struct peer *peer, const struct ice_candidate *candidate)
{
    if (peer->local.candidate_count < SESSION_CANDIDATES_MAX) {
        peer->local.candidates[peer->local.candidate_count++] = *candidate;
    }
    if (peer->described) {
        tell_candidate(peer, candidate);
    }
}

static void on_gathered(struct peer *peer)
{
    peer->local.end_of_candidates = true;
    if (peer->described) {
        tell_candidate(peer, NULL);
    }
}

static void take_early(struct peer *peer);

static void on_path(struct peer *peer, const struct ice_event *event)
{
    struct report *report = peer->setup.report;
    if (!peer->has_path) {
        peer->has_path = true;
        report->valid_us = since_began_us(peer);
        report->first = event->pair;
        trace_say(peer->setup.trace, clock_now(), "path",
                  "a way to %s works, %.1f ms after the call", name_of(peer),
                  (double)report->valid_us / 1000);
    }
    peer->repair_by = MONOTIME_NEVER;
    report->pair = event->pair;
    report->has_pair = true;
    if (peer->session != NULL) {
        data_session_start(peer->session, clock_now());
        take_early(peer);
    }
}

static void on_selected(struct peer *peer, const struct ice_event *event)
{
    struct report *report = peer->setup.report;
    char remote[ADDRESS_TEXT_SIZE];
    bool same = report->has_pair &&
                address_equal(&report->pair.local.address, &event->pair.local.address) &&
                address_equal(&report->pair.remote.address, &event->pair.remote.address);
    on_path(peer, event);
    if (same && report->changes > 0) {
        return;
    }
    report->changes++;
    trace_say(peer->setup.trace, clock_now(), "selected",
              "%s to %s (%s) from now on, %.1f ms after the call", report_path(report),
              address_format(&event->pair.remote.address, remote),
              candidate_type_text(event->pair.remote.type), (double)since_began_us(peer) / 1000);
}

static bool take_ice_events(struct peer *peer);

static void add_sockets(struct peer *peer)
{
    struct outbox *outbox = shell_outbox(peer->setup.shell);
    size_t before = peer->socket_count;
    peer->socket_count = sockets_open(peer->setup.shell, peer->setup.options, peer->setup.loopback,
                                      peer->sockets, before);
    for (size_t i = before; i < peer->socket_count; i++) {
        const struct peer_socket *socket = &peer->sockets[i];
        ice_add_socket(peer->agent, clock_now(), socket->via, &socket->local, socket->preference,
                       outbox);
    }
}

/* Begins a new session of ICE, whose candidates are collected until it is described. */
static void restart(struct peer *peer)
{
    peer->described = false;
    peer->local.candidate_count = 0;
    peer->local.end_of_candidates = false;
    ice_agent_restart(peer->agent, clock_now(), shell_outbox(peer->setup.shell));
}

static void offer_anew(struct peer *peer)
{
    char sdp[SIGNAL_SDP_MAX + 1];
    struct monotime now = clock_now();
    if (!peer->setup.caller ||
        (peer->restarted.us != 0 &&
         !monotime_reached(now, monotime_add_ms(peer->restarted, RESTART_PAUSE_MS)))) {
        return;
    }
    peer->restarted = now;
    trace_say(peer->setup.trace, now, "restart", "another way to %s is looked for", name_of(peer));
    restart(peer);
    while (take_ice_events(peer)) {
    }
    if (peer_describe(peer, sdp, sizeof sdp) > 0) {
        peer->setup.user.offer(peer->setup.user.context, sdp);
    }
}

/* The way that was used is silent, or gone for good. Either side may have another network now. */
static void repair(struct peer *peer)
{
    if (!peer->ready || peer->closing) {
        return;
    }
    if (peer->repair_by.us == MONOTIME_NEVER.us) {
        peer->repair_by = monotime_add_ms(clock_now(), REPAIR_MS);
    }
    peer->setup.user.trouble(peer->setup.user.context);
    add_sockets(peer);
    offer_anew(peer);
}

static void end_without_way(struct peer *peer)
{
    peer_abort(peer, EXIT_DEGRADED, "the way to the peer is gone, and no other works",
               "The network of one side has changed, or the peer has vanished: call again.");
}

static void on_ice_failed(struct peer *peer)
{
    if (peer->ready && !peer->closing) {
        repair(peer);
    } else if (peer->ready) {
        end_without_way(peer);
    } else {
        peer_abort(peer, EXIT_NO_CONNECTION,
                   peer->remote_known ? "no way to the peer works, direct or by a relay"
                                      : "the peer did not answer",
                   peer->setup.options->call.no_relay
                       ? "Without --no-relay a relay could carry the call."
                       : "`stunclient nat` tells what this side's NAT does; --trace tells what "
                         "was tried.");
    }
}

static void handle_ice_event(struct peer *peer, struct monotime now, const struct ice_event *event)
{
    struct outbox *outbox = shell_outbox(peer->setup.shell);
    if (!peer->setup.spare) {
        trace_ice(peer->setup.trace, now, event, name_of(peer));
    }
    switch (event->type) {
    case ICE_LOCAL_CANDIDATE:
        on_candidate(peer, &event->candidate);
        break;
    case ICE_GATHERED:
        on_gathered(peer);
        break;
    case ICE_CONNECT:
        servers_connect(peer->servers, now, event, outbox);
        break;
    case ICE_DISCONNECT:
        servers_disconnect(peer->servers, event->request);
        break;
    case ICE_CONNECTED:
        on_path(peer, event);
        break;
    case ICE_SELECTED:
        on_selected(peer, event);
        break;
    case ICE_TRACE_PAIR_FAILED:
        peer->setup.report->pairs_failed +=
            event->pair.local.type != ICE_RELAYED && event->pair.remote.type != ICE_RELAYED;
        break;
    case ICE_DISCONNECTED:
        repair(peer);
        break;
    case ICE_FAILED:
        on_ice_failed(peer);
        break;
    default:
        break;
    }
}

/* Whether there was something. */
static bool take_ice_events(struct peer *peer)
{
    struct ice_event event;
    bool some = false;
    while (ice_event(peer->agent, &event)) {
        some = true;
        peer->gone = peer->gone || event.type == ICE_CLOSED;
        if (!peer->over) {
            handle_ice_event(peer, clock_now(), &event);
        }
    }
    return some;
}

void peer_settle(struct peer *peer)
{
    if (peer->busy > 0) {
        return;
    }
    peer->busy++;
    bool more = true;
    while (more) {
        more = take_ice_events(peer);
        more = take_data_events(peer) || more;
    }
    peer->busy--;
}

/* ---- the shell's events ---------------------------------------------------------------------- */

static bool owns_socket(const struct peer *peer, uint32_t via)
{
    for (size_t i = 0; i < peer->socket_count; i++) {
        if (peer->sockets[i].via == via) {
            return true;
        }
    }
    return false;
}

bool peer_owns(const struct peer *peer, uint32_t via)
{
    return owns_socket(peer, via) || servers_owns(peer->servers, via);
}

static void take_data(struct peer *peer, struct monotime now, const struct packet *data)
{
    if (peer->has_path && peer->session != NULL) {
        data_session_input(peer->session, now, data->bytes, data->size);
    } else if (peer->early_count < EARLY_MAX && data->size <= EARLY_SIZE) {
        struct early_datagram *early = &peer->early[peer->early_count++];
        early->size = data->size;
        memcpy(early->bytes, data->bytes, data->size);
    }
}

/* Once there are a path and a session. */
static void take_early(struct peer *peer)
{
    for (size_t i = 0; i < peer->early_count; i++) {
        data_session_input(peer->session, clock_now(), peer->early[i].bytes, peer->early[i].size);
    }
    peer->early_count = 0;
}

void peer_input(struct peer *peer, struct monotime now, const struct flow *flow,
                struct packet *packet, struct outbox *outbox)
{
    struct packet data;
    peer->busy++;
    if (ice_input(peer->agent, now, flow, packet, &data, outbox) == ICE_INPUT_DATA) {
        take_data(peer, now, &data);
    }
    peer->busy--;
    peer_settle(peer);
}

void peer_connected(struct peer *peer, struct monotime now, uint32_t via, struct outbox *outbox)
{
    peer->busy++;
    servers_connected(peer->servers, now, via, outbox);
    peer->busy--;
    peer_settle(peer);
}

void peer_failed(struct peer *peer, struct monotime now, uint32_t via,
                 const struct stun_address *remote, const char *text, struct outbox *outbox)
{
    peer->busy++;
    if (!servers_lost(peer->servers, now, via, text, outbox)) {
        ice_unreachable(peer->agent, now, via, remote, outbox);
    }
    peer->busy--;
    peer_settle(peer);
}

void peer_tick(struct peer *peer, struct monotime now, struct outbox *outbox)
{
    peer->busy++;
    ice_tick(peer->agent, now, outbox);
    if (peer->session != NULL && !peer->over) {
        data_session_tick(peer->session, now);
    }
    if (!peer->over && monotime_reached(now, peer->repair_by)) {
        end_without_way(peer);
    }
    peer->busy--;
    peer_settle(peer);
}

struct monotime peer_due(struct peer *peer)
{
    struct monotime due = ice_due(peer->agent);
    if (peer->session != NULL && !peer->over) {
        due = monotime_earlier(due, data_session_due(peer->session));
        due = monotime_earlier(due, peer->repair_by);
    }
    return due;
}

/* ---- descriptions ---------------------------------------------------------------------------- */

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
        !make_session(peer, client ? DATA_ROLE_CLIENT : DATA_ROLE_SERVER)) {
        return "memory is out";
    }
    if (!tell_session(peer)) {
        return "its certificate is named in a way that is too weak or not known";
    }
    peer->remote_known = true;
    return make_channels(peer) ? NULL : "no channel can be opened";
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
            restart(peer);
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
                  name_of(peer), problem != NULL ? problem : "has a name in place of an address");
        return;
    }
    trace_say(peer->setup.trace, clock_now(), "remote", "%s may be reached at %s (%s)",
              name_of(peer), address_format(&candidate.address, address),
              candidate_type_text(candidate.type));
    if (candidate.ufrag[0] == '\0' && signal->username_fragment != NULL) {
        snprintf(candidate.ufrag, sizeof candidate.ufrag, "%s", signal->username_fragment);
    }
    ice_remote_candidate(peer->agent, clock_now(), &candidate, outbox);
    peer_settle(peer);
}

void peer_informed(struct peer *peer)
{
    ice_remote_informed(peer->agent, clock_now(), shell_outbox(peer->setup.shell));
    peer_settle(peer);
}

static void use_stun(struct peer *peer, const struct server_list *list)
{
    if (!peer->has_stun) {
        peer->has_stun = true;
        servers_add(peer->servers, list, false);
    }
}

void peer_use_servers(struct peer *peer, const struct server_list *list)
{
    use_stun(peer, list);
    servers_add(peer->servers, list, true);
    servers_complete(peer->servers);
    peer_settle(peer);
}

void peer_prepare(struct peer *peer, const struct server_list *list)
{
    use_stun(peer, list);
    peer_settle(peer);
}

void peer_adopt(struct peer *peer)
{
    peer->setup.spare = false;
    for (size_t i = 0; i < peer->local.candidate_count; i++) {
        const struct ice_event event = {.type = ICE_LOCAL_CANDIDATE,
                                        .candidate = peer->local.candidates[i]};
        trace_ice(peer->setup.trace, clock_now(), &event, name_of(peer));
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct ice_agent *new_agent(const struct peer_setup *setup)
{
    const struct call_options *call = &setup->options->call;
    const struct ice_setup ice = {
        .crypto = setup->crypto,
        .random = random_bits,
        .role = setup->caller ? ICE_CONTROLLING : ICE_CONTROLLED,
        .lite = call->lite,
        .relay = call->relay_only ? ICE_RELAY_ONLY
                 : call->no_relay ? ICE_RELAY_NEVER
                                  : ICE_RELAY_ALLOWED,
        .software = PACKAGE_STRING,
    };
    return ice_agent_new(&ice);
}

static bool open_sockets(struct peer *peer, struct failure *failure)
{
    add_sockets(peer);
    if (peer->socket_count == 0) {
        failure_set(failure, EXIT_NO_CONNECTION, "this host has no address to be reached by");
        failure_advise(failure, "Bring a network interface up, or look at --iface and --family.");
    }
    return peer->socket_count > 0;
}

struct peer *peer_new(const struct peer_setup *setup, struct failure *failure)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        failure_set(failure, EXIT_NO_CONNECTION, "memory is out");
        return NULL;
    }
    peer->setup = *setup;
    peer->repair_by = MONOTIME_NEVER;
    peer->agent = new_agent(setup);
    const struct servers_setup servers = {.shell = setup->shell,
                                          .options = setup->options,
                                          .agent = peer->agent,
                                          .complain = tell,
                                          .context = peer};
    peer->servers = servers_new(&servers);
    peer->local = (struct session_description){
        .session_id = random_bits(NULL) >> 2,
        .ice_lite = setup->options->call.lite,
        .trickle = true,
        .mid = "0",
        .sctp_port = DATA_SCTP_PORT,
        .max_message_size = DATA_MESSAGE_MAX,
    };
    failure_set(failure, EXIT_NO_CONNECTION, "memory is out");
    if (peer->agent == NULL || peer->servers == NULL ||
        (setup->caller && !make_session(peer, DATA_ROLE_SERVER)) || !open_sockets(peer, failure)) {
        peer_free(peer);
        return NULL;
    }
    failure_set(failure, EXIT_OK, "%s", "");
    peer_settle(peer);
    return peer;
}

void peer_free(struct peer *peer)
{
    if (peer == NULL) {
        return;
    }
    channels_free(peer->channels);
    data_session_free(peer->session);
    servers_free(peer->servers);
    ice_agent_free(peer->agent);
    for (size_t i = 0; i < peer->socket_count; i++) {
        shell_close(peer->setup.shell, peer->sockets[i].via);
    }
    free(peer);
}
