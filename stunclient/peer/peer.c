/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/peer.h"

#include "base/address.h"
#include "net/clock.h"
#include "stunclient/peer/peer_internal.h"
#include "stunclient/random.h"

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t peer_since_began_us(const struct peer *peer)
{
    return monotime_difference_us(clock_now(), peer->setup.report->began);
}

const char *peer_name(const struct peer *peer)
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
    if (ice_selected(peer->agent, &pair) &&
        (!peer->carried || peer_is_same_way(&pair, &report->pair))) {
        report->pair = pair;
    }
    report->lost = peer->carried && peer->silent && report->failure.status != EXIT_OK;
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

void peer_finish(struct peer *peer)
{
    if (!peer->over) {
        note_figures(peer);
        peer->over = true;
    }
}

void peer_fail(struct peer *peer, enum exit_status status, const char *text)
{
    struct failure *failure = &peer->setup.report->failure;
    if (failure->status == EXIT_OK) {
        failure_set(failure, status, "%s", text);
    }
}

bool peer_forwards_alone(const struct peer *peer)
{
    return peer->setup.caller && peer->setup.options->call.forward_count > 0;
}

void peer_abort(struct peer *peer, enum exit_status status, const char *text, const char *advice)
{
    struct failure *failure = &peer->setup.report->failure;
    if (peer->over) {
        return;
    }
    if (failure->status == EXIT_OK) {
        peer_fail(peer, status, text);
        failure_advise(failure, "%s", advice);
    }
    if (peer->session != NULL) {
        data_session_abort(peer->session, clock_now(), text);
    }
    peer_finish(peer);
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

void peer_hang_up(struct peer *peer)
{
    if (peer->done) { /* goodbyes are under way until the owner's deadline, and it ended well */
        return;
    }
    peer->setup.report->farewell = "interrupted";
    if (peer->over || !peer->ready) {
        peer_abort(peer, EXIT_NO_CONNECTION, "interrupted before a connection came about", "");
        return;
    }
    peer->closing = true;
    if (peer_forwards_alone(peer)) {
        data_session_close(peer->session, clock_now());
    } else {
        peer_fail(peer, EXIT_DEGRADED, "the call was interrupted");
        data_session_hang_up(peer->session, clock_now(), "it was interrupted");
    }
    peer_settle(peer);
}

void peer_take_bye(struct peer *peer)
{
    if (!peer->over && peer->session != NULL) {
        data_session_peer_left(peer->session, clock_now());
        peer_settle(peer);
    }
}

void peer_cut_off(struct peer *peer)
{
    if (!peer->over && !peer->done && peer->session != NULL) {
        data_session_abort(peer->session, clock_now(), "it was interrupted");
    }
    peer_finish(peer);
}

void peer_leave(struct peer *peer, struct monotime now, struct outbox *outbox)
{
    ice_agent_close(peer->agent, now, outbox);
}

void peer_settle(struct peer *peer)
{
    if (peer->busy > 0) {
        return;
    }
    peer->busy++;
    bool more = true;
    while (more) {
        more = peer_take_path_events(peer);
        more = peer_take_session_events(peer) || more;
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

void peer_input(struct peer *peer, struct monotime now, const struct flow *flow,
                struct packet *packet, struct outbox *outbox)
{
    struct packet data;
    peer->busy++;
    if (ice_input(peer->agent, now, flow, packet, &data, outbox) == ICE_INPUT_DATA) {
        peer_take_data(peer, now, &data);
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
        peer_end_without_way(peer);
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

/* ---- servers ------------------------------------------------------------------------------- */

void peer_informed(struct peer *peer)
{
    ice_remote_informed(peer->agent, clock_now(), shell_outbox(peer->setup.shell));
    peer_settle(peer);
}

void peer_expected(struct peer *peer)
{
    ice_remote_expected(peer->agent, clock_now(), shell_outbox(peer->setup.shell));
    peer_settle(peer);
}

static void use_stun(struct peer *peer, const struct server_list *list)
{
    if (!peer->has_stun) {
        peer->has_stun = true;
        servers_add(peer->servers, list, SERVERS_STUN);
    }
}

void peer_use_servers(struct peer *peer, const struct server_list *list)
{
    servers_add(peer->servers, list, SERVERS_RELAY_QUICK);
    use_stun(peer, list);
    servers_add(peer->servers, list, SERVERS_RELAY);
    servers_complete(peer->servers);
    peer_settle(peer);
}

void peer_renew_servers(struct peer *peer, const struct server_list *list)
{
    servers_renew(peer->servers, list);
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
        trace_ice(peer->setup.trace, clock_now(), &event, peer_name(peer), "");
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
    peer_add_sockets(peer);
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
    negotiation_init(&peer->negotiation, setup->caller);
    peer->agent = new_agent(setup);
    const struct servers_setup servers = {.shell = setup->shell,
                                          .options = setup->options,
                                          .agent = peer->agent,
                                          .complain = peer_tell,
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
        (setup->caller && !peer_make_session(peer, DATA_ROLE_SERVER)) ||
        !open_sockets(peer, failure)) {
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
