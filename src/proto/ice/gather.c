/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/ice/gather_internal.h"

#include "base/address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ice_gather *ice_gather_new(void)
{
    struct ice_gather *gather = calloc(1, sizeof *gather);

    if (gather != NULL) {
        gather->poke = MONOTIME_NEVER;
        gather->close_end = MONOTIME_NEVER;
    }
    return gather;
}

void ice_gather_free(struct ice_gather *gather)
{
    if (gather == NULL) {
        return;
    }
    while (gather->legs != NULL) {
        struct ice_leg *leg = gather->legs;
        gather->legs = leg->next;
        relay_free(&leg->relay);
        free(leg);
    }
    for (size_t i = 0; i < gather->server_count; i++) {
        gather_free_server(&gather->servers[i]);
    }
    free(gather);
}

/* ---- what is still under way -------------------------------------------------------------------
 */

static bool is_under_way(const struct ice_leg *leg)
{
    return leg->state == LEG_WAITING || leg->state == LEG_CONNECTING || leg->state == LEG_ASKING;
}

void gather_note_pending(struct ice_agent *agent, int socket)
{
    bool pending = false, answered = false;

    for (const struct ice_leg *leg = agent->gather->legs; leg != NULL; leg = leg->next) {
        if (leg->socket == socket) {
            pending = pending || (leg->retries == 0 && is_under_way(leg));
            answered = answered || leg->state == LEG_DONE;
        }
    }
    agent->bases[socket].reflexive_pending = pending && !answered;
}

void gather_check_gathered(struct ice_agent *agent)
{
    struct ice_gather *gather = agent->gather;

    if (!gather->complete || gather->told_gathered || gather->closing) {
        return;
    }
    for (const struct ice_leg *leg = gather->legs; leg != NULL; leg = leg->next) {
        if (leg->retries == 0 && is_under_way(leg)) {
            return;
        }
    }
    gather->told_gathered = true;
    agent->gathering_ended = true;
    ice_event_add(agent, ICE_GATHERED);
}

static void tell_failure(struct ice_agent *agent, struct gather_server *server, const char *why)
{
    struct ice_event_entry *entry = ice_event_add(agent, ICE_SERVER_FAILED);

    server->told = true;
    entry->number = server->number;
    entry->address = server->address;
    entry->transport = server->transport;
    snprintf(entry->failure_text, sizeof entry->failure_text, "%s", why);
}

void gather_tell_server(struct ice_agent *agent, struct gather_server *server, const char *why)
{
    for (const struct ice_leg *leg = agent->gather->legs; leg != NULL; leg = leg->next) {
        bool hopeful = leg->state == LEG_DONE || (leg->retries == 0 && is_under_way(leg));
        if (leg->server == server && hopeful) {
            return;
        }
    }
    if (!server->told && !agent->gather->closing) {
        tell_failure(agent, server, why);
    }
}

/* ---- what legs report --------------------------------------------------------------------------
 */

static bool is_reflexive_of(const struct stun_address *mapped, const struct stun_address *base)
{
    return mapped->family == base->family && mapped->port != 0 && !address_is_unspecified(mapped);
}

void gather_leg_found(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                      const struct stun_address *mapped, struct outbox *outbox)
{
    leg->found = leg->found.us == 0 ? now : leg->found;
    leg->state = LEG_DONE;
    leg->server->told = false;
    leg->due = monotime_add_ms(now, GATHER_KEEPALIVE_MS);
    if (leg->socket != ICE_NONE) {
        const struct stun_address *base = &agent->bases[leg->socket].address;
        struct ice_local_source source = {
            .type = ICE_SERVER_REFLEXIVE,
            .address = *mapped,
            .related = *base,
            .server = leg->address,
            .server_transport = leg->server->transport,
        };
        gather_note_pending(agent, leg->socket);
        if (is_reflexive_of(mapped, base)) {
            (void)ice_local_add(agent, now, leg->socket, &source, outbox);
        }
        ice_checklist_review_openers(agent, now);
    }
}

void gather_leg_ended(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                      const char *why)
{
    leg->state = LEG_FAILED;
    leg->due = MONOTIME_NEVER;
    stun_transaction_cancel(&leg->binding);
    leg_disconnect(agent, leg);
    if (leg->socket != ICE_NONE) {
        gather_note_pending(agent, leg->socket);
        ice_checklist_review_openers(agent, now);
    }
    gather_tell_server(agent, leg->server, why);
    gather_check_gathered(agent);
}

void gather_leg_failed(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                       const char *why)
{
    if (leg->retries > 0) {
        gather_leg_lost(agent, now, leg, why);
    } else {
        gather_leg_ended(agent, now, leg, why);
    }
}

void gather_leg_lost(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                     const char *why)
{
    bool socket_is_there = leg->socket == ICE_NONE || agent->bases[leg->socket].in_use;

    if (leg->found.us != 0 && monotime_reached(now, monotime_add_ms(leg->found, GATHER_STOOD_MS))) {
        leg->retries = 0;
    }
    leg->found.us = 0;
    gather_leg_ended(agent, now, leg, why);
    if (leg->retries < GATHER_RETRIES_MAX && socket_is_there && !agent->gather->closing) {
        leg->state = LEG_WAITING;
        leg->redirected = false;
        leg->address = leg->server->address;
        leg->due = monotime_add_seconds(now, (int64_t)1 << (2 * leg->retries));
        leg->retries++;
    }
}

/* ---- packets -----------------------------------------------------------------------------------
 */

static bool is_from(const struct ice_agent *agent, const struct ice_leg *leg,
                    const struct flow *flow)
{
    if (leg->socket == ICE_NONE) {
        return leg->connected && leg->via == flow->via && flow->transport != TRANSPORT_UDP;
    }
    return flow->transport == TRANSPORT_UDP && agent->bases[leg->socket].in_use &&
           agent->bases[leg->socket].via == flow->via &&
           address_equal(&leg->address, &flow->remote);
}

static enum ice_input relay_input(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                                  const struct flow *flow, struct packet *packet,
                                  struct packet *data, struct outbox *outbox, bool *taken)
{
    struct turn_client_data from_peer;

    switch (turn_client_input(leg->relay.client, now, flow, packet, &from_peer, outbox)) {
    case TURN_CLIENT_HANDLED:
        *taken = true;
        relay_drain(agent, now, leg, outbox);
        return ICE_INPUT_HANDLED;
    case TURN_CLIENT_DATA:
        *taken = true;
        if (leg->relay.base == ICE_NONE) {
            return ICE_INPUT_HANDLED;
        }
        return ice_arrived(agent, now, leg->relay.base, &from_peer.peer, &from_peer.packet, data,
                           outbox);
    default:
        return ICE_INPUT_NOT_OURS;
    }
}

static bool binding_input(struct ice_agent *agent, struct monotime now, const struct flow *flow,
                          const struct packet *packet, struct outbox *outbox)
{
    struct stun_view view;

    if (packet->size < STUN_HEADER_SIZE ||
        stun_first_byte(packet->bytes[0]) != STUN_PROTOCOL_STUN ||
        stun_view_parse(&view, packet->bytes, packet->size) != STUN_OK ||
        view.method != STUN_BINDING || view.message_class == STUN_REQUEST) {
        return false;
    }
    for (struct ice_leg *leg = agent->gather->legs; leg != NULL; leg = leg->next) {
        if (is_from(agent, leg, flow) && leg_input(agent, now, leg, &view, outbox)) {
            return true;
        }
    }
    return false;
}

enum ice_input ice_gather_input(struct ice_agent *agent, struct monotime now,
                                const struct flow *flow, struct packet *packet, struct packet *data,
                                struct outbox *outbox, bool *taken)
{
    *taken = false;
    if (packet->size == 0) {
        return ICE_INPUT_NOT_OURS;
    }
    if (binding_input(agent, now, flow, packet, outbox)) {
        *taken = true;
        return ICE_INPUT_HANDLED;
    }
    for (struct ice_leg *leg = agent->gather->legs; leg != NULL; leg = leg->next) {
        if (leg->relay.client == NULL || !is_from(agent, leg, flow)) {
            continue;
        }
        enum ice_input result = relay_input(agent, now, leg, flow, packet, data, outbox, taken);
        if (*taken) {
            return result;
        }
    }
    return ICE_INPUT_NOT_OURS;
}

/* ---- time, and the end -------------------------------------------------------------------------
 */

/* Nobody holds anything for us any more, or says so. */
static void check_closed(struct ice_agent *agent, struct monotime now)
{
    struct ice_gather *gather = agent->gather;
    bool late = monotime_reached(now, gather->close_end);

    if (!gather->closing || gather->told_closed) {
        return;
    }
    for (const struct ice_leg *leg = gather->legs; leg != NULL && !late; leg = leg->next) {
        if (leg->state != LEG_FAILED) {
            return;
        }
    }
    gather->told_closed = true;
    for (struct ice_leg *leg = gather->legs; leg != NULL; leg = leg->next) {
        leg->state = LEG_FAILED;
        leg_disconnect(agent, leg);
    }
    ice_event_add(agent, ICE_CLOSED);
}

void ice_gather_close(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    struct ice_gather *gather = agent->gather;

    if (gather->closing) {
        return;
    }
    gather->closing = true;
    gather->close_end = monotime_add_ms(now, GATHER_CLOSE_MS);
    for (struct ice_leg *leg = gather->legs; leg != NULL; leg = leg->next) {
        bool holds =
            leg->relay.client != NULL && (leg->state == LEG_ASKING || leg->state == LEG_DONE);
        if (holds) {
            turn_client_delete(leg->relay.client, now, outbox);
            relay_drain(agent, now, leg, outbox);
        } else if (leg->state != LEG_FAILED) {
            gather_leg_ended(agent, now, leg, "");
        }
    }
    check_closed(agent, now);
}

void ice_gather_tick(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    struct ice_gather *gather = agent->gather;

    gather->poke = MONOTIME_NEVER;
    for (struct ice_leg *leg = gather->legs; leg != NULL; leg = leg->next) {
        leg_tick(agent, now, leg, outbox);
    }
    check_closed(agent, now);
}

struct monotime ice_gather_due(const struct ice_agent *agent)
{
    const struct ice_gather *gather = agent->gather;
    struct monotime due = gather->poke;

    if (gather->told_closed) {
        return MONOTIME_NEVER;
    }
    if (gather->closing) {
        due = monotime_earlier(due, gather->close_end);
    }
    for (const struct ice_leg *leg = gather->legs; leg != NULL; leg = leg->next) {
        due = monotime_earlier(due, leg_due(leg));
    }
    return due;
}
