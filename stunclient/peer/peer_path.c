/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/address.h"
#include "net/clock.h"
#include "stunclient/peer/peer_internal.h"

#include <stdio.h>
#include <string.h>

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

static void on_path(struct peer *peer, const struct ice_event *event)
{
    struct report *report = peer->setup.report;
    if (!peer->has_path) {
        peer->has_path = true;
        report->valid_us = peer_since_began_us(peer);
        report->first = event->pair;
        trace_say(peer->setup.trace, clock_now(), "path",
                  "a way to %s works, %.1f ms after the call", peer_name(peer),
                  (double)report->valid_us / 1000);
    }
    if (!monotime_is_never(peer->repair_by)) {
        trace_say(peer->setup.trace, clock_now(), "back", "%s is heard again, after %.1f s",
                  peer_name(peer),
                  (double)monotime_difference_us(clock_now(), peer->lost) / MONOTIME_SECOND);
    }
    peer->repair_by = MONOTIME_NEVER;
    if (!peer->carried) {
        report->pair = event->pair;
        report->has_pair = true;
    }
    if (peer->session != NULL) {
        data_session_start(peer->session, clock_now());
        peer_take_early(peer);
    }
}

/* Where it is sent from; the address that a NAT gives it may be known later. */
static const struct stun_address *base_of(const struct ice_candidate *local)
{
    bool mapped = local->type == ICE_SERVER_REFLEXIVE || local->type == ICE_PEER_REFLEXIVE;
    return mapped && local->related.family != STUN_FAMILY_NONE ? &local->related : &local->address;
}

bool peer_is_same_way(const struct ice_pair_report *one, const struct ice_pair_report *other)
{
    return address_equal(base_of(&one->local), base_of(&other->local)) &&
           address_equal(&one->remote.address, &other->remote.address);
}

static void on_selected(struct peer *peer, const struct ice_event *event)
{
    char remote[ADDRESS_TEXT_SIZE];
    bool same = peer->told_use && peer_is_same_way(&peer->use, &event->pair);
    on_path(peer, event);
    if (same) {
        return;
    }
    peer->told_use = true;
    peer->use = event->pair;
    trace_say(peer->setup.trace, clock_now(), "selected",
              "%s to %s (%s) from now on, %.1f ms after the call", report_pair_path(&event->pair),
              address_format(&event->pair.remote.address, remote),
              candidate_type_text(event->pair.remote.type),
              (double)peer_since_began_us(peer) / 1000);
}

/* What a way is worth is told by what came by it: pairs that are only chosen may lead nowhere. */
static void on_carried(struct peer *peer, const struct ice_event *event)
{
    peer->carried = true;
    report_note_carrier(peer->setup.report, &event->pair);
}

void peer_add_sockets(struct peer *peer)
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

void peer_restart(struct peer *peer)
{
    peer->described = false;
    peer->local.candidate_count = 0;
    peer->local.end_of_candidates = false;
    while (peer_take_path_events(peer)) {
    }
    peer->retells = true;
    peer->local.candidate_count = 0;
    ice_agent_restart(peer->agent, clock_now(), shell_outbox(peer->setup.shell));
}

/* Either side may: where both do, one offer counts (proto/negotiation.h). */
static void offer_anew(struct peer *peer)
{
    char sdp[SIGNAL_SDP_MAX + 1];
    struct monotime now = clock_now();
    if (!negotiation_may_offer(&peer->negotiation, now) ||
        !peer->setup.user.can_tell(peer->setup.user.context)) {
        return;
    }
    if (peer->restarted.us == 0 || monotime_is_never(peer->repair_by) ||
        monotime_before(peer->restarted, peer->lost)) {
        trace_say(peer->setup.trace, now, "restart", "another way to %s is looked for",
                  peer_name(peer));
    }
    peer->restarted = now;
    peer_restart(peer);
    while (peer_take_path_events(peer)) {
    }
    if (peer_describe(peer, true, sdp, sizeof sdp) > 0) {
        peer->setup.user.offer(peer->setup.user.context, sdp);
    }
}

static bool has_restarted_lately(const struct peer *peer)
{
    return peer->restarted.us != 0 &&
           !monotime_reached(clock_now(), monotime_add_ms(peer->restarted, RESTART_PAUSE_MS));
}

void peer_look_again(struct peer *peer)
{
    if (peer->ready && !peer->closing && !peer->over) {
        peer->setup.user.trouble(peer->setup.user.context);
        peer_add_sockets(peer);
        offer_anew(peer);
        peer_settle(peer);
    }
}

/* The way that was used is silent, or gone for good. Either side may have another network now. */
static void repair(struct peer *peer)
{
    if (!peer->ready || peer->closing) {
        return;
    }
    if (monotime_is_never(peer->repair_by)) {
        peer->lost = clock_now();
        peer->repair_by = monotime_add_ms(clock_now(), REPAIR_MS);
    }
    peer->setup.user.trouble(peer->setup.user.context);
    peer_add_sockets(peer);
    if (!has_restarted_lately(peer)) {
        offer_anew(peer);
    }
}

void peer_end_without_way(struct peer *peer)
{
    if (peer->done) { /* only goodbyes were still under way */
        peer_finish(peer);
        return;
    }
    trace_say(peer->setup.trace, clock_now(), "gone", "no way to %s was found, and the call ends",
              peer_name(peer));
    peer_abort(peer, EXIT_DEGRADED, "the way to the peer is gone, and no other works",
               "The network of one side has changed, or the peer has vanished: call again.");
}

static void end_before_it_stood(struct peer *peer)
{
    const struct call_options *call = &peer->setup.options->call;
    bool relay_failed = peer->relay_problem[0] != '\0' && !call->no_relay;
    char text[FAILURE_TEXT_SIZE];
    snprintf(text, sizeof text, "%s%s%s%s",
             !peer_is_met(peer) ? "the peer did not answer"
             : call->no_relay   ? "no direct way to the peer works"
             : call->relay_only ? "no way to the peer by a relay works"
                                : "no way to the peer works, direct or by a relay",
             relay_failed ? " (" : "", relay_failed ? peer->relay_problem : "",
             relay_failed ? ")" : "");
    peer->setup.report->farewell = peer_is_met(peer) ? "no-way" : "no-answer";
    peer_abort(peer, EXIT_NO_CONNECTION, text,
               call->no_relay ? "Without --no-relay a relay could carry the call."
               : relay_failed ? "`stunclient turn` tests a relay step by step; to which peers one "
                                "sends its operator decides (peers in turnserver.conf)."
                              : "`stunclient nat` tells what this side's NAT does; --trace tells "
                                "what was tried.");
}

static void on_ice_failed(struct peer *peer)
{
    if (peer->ready && !peer->closing) {
        repair(peer);
    } else if (peer->ready) {
        peer_end_without_way(peer);
    } else {
        end_before_it_stood(peer);
    }
}

static void note_refusal(struct peer *peer, const struct ice_event *event)
{
    char remote[ADDRESS_TEXT_SIZE];
    snprintf(peer->relay_problem, sizeof peer->relay_problem, "our relay does not send to %s: %s",
             address_format(&event->pair.remote.address, remote), event->failure_text);
}

static void note_server(struct peer *peer, const struct ice_event *event)
{
    const char *name = servers_name(peer->servers, event->number);
    if (strncmp(name, "turn", 4) == 0 && peer->relay_problem[0] == '\0') {
        snprintf(peer->relay_problem, sizeof peer->relay_problem, "%s does not serve: %s", name,
                 event->failure_text);
    }
}

/* A trace tells once that the way is lost, once that another is looked for, and once the end. */
static bool is_known_already(const struct peer *peer, const struct ice_event *event)
{
    bool lost = peer->ready && !monotime_is_never(peer->repair_by);
    return (event->type == ICE_LOCAL_CANDIDATE && peer->retells) ||
           ((event->type == ICE_DISCONNECTED || event->type == ICE_FAILED) && lost);
}

static void handle_ice_event(struct peer *peer, struct monotime now, const struct ice_event *event)
{
    struct outbox *outbox = shell_outbox(peer->setup.shell);
    if (!peer->setup.spare && !is_known_already(peer, event)) {
        trace_ice(peer->setup.trace, now, event, peer_name(peer),
                  servers_name(peer->servers, event->number));
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
    case ICE_CARRIED:
        on_carried(peer, event);
        break;
    case ICE_TRACE_PAIR_FAILED:
        peer->setup.report->pairs_failed +=
            event->pair.local.type != ICE_RELAYED && event->pair.remote.type != ICE_RELAYED;
        if (event->failure_text[0] != '\0') {
            note_refusal(peer, event);
        }
        break;
    case ICE_SERVER_FAILED:
        note_server(peer, event);
        break;
    case ICE_DISCONNECTED:
        peer->silent = true;
        repair(peer);
        break;
    case ICE_FAILED:
        on_ice_failed(peer);
        break;
    default:
        break;
    }
}

bool peer_take_path_events(struct peer *peer)
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
