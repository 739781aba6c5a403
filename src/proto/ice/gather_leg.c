/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/ice/gather_internal.h"

#include "base/address.h"

#include <stdio.h>
#include <string.h>

struct flow leg_flow(const struct ice_agent *agent, const struct ice_leg *leg)
{
    struct flow flow = {
        .via = leg->via,
        .transport = leg->server->transport,
        .remote = leg->address,
        .local = leg->local,
    };

    if (leg->socket != ICE_NONE) {
        flow.via = agent->bases[leg->socket].via;
        flow.local = agent->bases[leg->socket].address;
    }
    return flow;
}

/* ---- connections -------------------------------------------------------------------------------
 */

static void connect_to_server(struct ice_agent *agent, struct monotime now, struct ice_leg *leg)
{
    struct ice_event_entry *entry = ice_event_add(agent, ICE_CONNECT);

    leg->request = ++agent->gather->next_request;
    leg->state = LEG_CONNECTING;
    leg->connected = false;
    leg->due = monotime_add_ms(now, GATHER_CONNECT_PATIENCE_MS);
    entry->request = leg->request;
    entry->number = leg->server->number;
    entry->transport = leg->server->transport;
    entry->address = leg->address;
}

void leg_disconnect(struct ice_agent *agent, struct ice_leg *leg)
{
    if (leg->request != 0) {
        ice_event_add(agent, ICE_DISCONNECT)->request = leg->request;
        leg->request = 0;
    }
    leg->connected = false;
}

/* ---- STUN --------------------------------------------------------------------------------------
 */

static int build_binding(const struct ice_agent *agent, enum stun_class message_class,
                         const uint8_t *id, uint8_t *bytes, size_t capacity)
{
    struct stun_builder builder;

    stun_builder_begin(&builder, bytes, capacity, message_class, STUN_BINDING, id);
    if (agent->setup.software != NULL && message_class == STUN_REQUEST) {
        stun_builder_put_string(&builder, STUN_SOFTWARE, agent->setup.software);
    }
    stun_builder_put_fingerprint(&builder);
    return stun_builder_finish(&builder);
}

static void ask_binding(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                        struct outbox *outbox)
{
    struct stun_transaction *binding = &leg->binding;
    struct flow flow = leg_flow(agent, leg);

    stun_new_id(binding->id, agent->setup.random, agent->setup.random_context);
    int size =
        build_binding(agent, STUN_REQUEST, binding->id, binding->request, sizeof binding->request);
    if (size < 0) {
        gather_leg_ended(agent, now, leg, "the question could not be written");
        return;
    }
    leg->state = LEG_ASKING;
    stun_transaction_start(binding, now, &stun_timing_default, &flow, (uint16_t)size,
                           monotime_add_ms(now, GATHER_PATIENCE_MS), outbox);
}

/* The mapping of this socket must outlive the time until a pair of it has checks of its own. */
static bool needs_keepalive(const struct ice_agent *agent, const struct ice_leg *leg)
{
    int selected = agent->selected;

    return leg->state == LEG_DONE && leg->socket != ICE_NONE && leg->relay.client == NULL &&
           !agent->gather->closing &&
           !(selected != ICE_NONE && agent->pairs[selected].base == leg->socket);
}

static void send_keepalive(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                           struct outbox *outbox)
{
    uint8_t id[STUN_TRANSACTION_ID_SIZE];
    struct flow flow = leg_flow(agent, leg);
    uint8_t *bytes = outbox_reserve(outbox, 64);

    stun_new_id(id, agent->setup.random, agent->setup.random_context);
    int size = build_binding(agent, STUN_INDICATION, id, bytes, 64);
    if (size > 0) {
        outbox_add(outbox, &flow, bytes, (uint32_t)size);
    }
    leg->due = monotime_add_ms(now, GATHER_KEEPALIVE_MS);
}

static void binding_refused(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                            const struct stun_view *view, struct outbox *outbox)
{
    struct stun_address alternate;
    char why[160];
    uint16_t code = 0;

    stun_view_error(view, &code, NULL, NULL);
    if (code == 300 && stun_view_address(view, STUN_ALTERNATE_SERVER, &alternate) == STUN_OK &&
        leg_redirect(agent, now, leg, &alternate, outbox)) {
        return;
    }
    snprintf(why, sizeof why, "it refuses Binding (%u %s)", code, stun_error_reason(code));
    gather_leg_ended(agent, now, leg, why);
}

bool leg_input(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
               const struct stun_view *view, struct outbox *outbox)
{
    struct stun_address mapped;

    if (leg->state != LEG_ASKING || !stun_transaction_matches(&leg->binding, view)) {
        return false;
    }
    stun_transaction_answered(&leg->binding);
    if (view->message_class == STUN_ERROR) {
        binding_refused(agent, now, leg, view, outbox);
    } else if (stun_view_xor_address(view, STUN_XOR_MAPPED_ADDRESS, &mapped) == STUN_OK ||
               stun_view_address(view, STUN_MAPPED_ADDRESS, &mapped) == STUN_OK) {
        gather_leg_found(agent, now, leg, &mapped, outbox);
        gather_check_gathered(agent);
    } else {
        gather_leg_ended(agent, now, leg, "its answer has no address in it");
    }
    return true;
}

/* ---- both --------------------------------------------------------------------------------------
 */

static bool is_for_turn(const struct ice_agent *agent, const struct ice_leg *leg)
{
    return leg->server->turn && agent->setup.relay != ICE_RELAY_NEVER;
}

void leg_start(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
               struct outbox *outbox)
{
    leg->due = MONOTIME_NEVER;
    if (leg->socket == ICE_NONE) {
        connect_to_server(agent, now, leg);
    } else if (is_for_turn(agent, leg)) {
        leg->state = LEG_ASKING;
        relay_start(agent, now, leg, outbox);
    } else {
        ask_binding(agent, now, leg, outbox);
    }
}

static bool may_follow(const struct ice_leg *leg, const struct stun_address *address)
{
    bool multicast =
        address->family == STUN_FAMILY_IPV4 ? address->ip[0] >= 224 : address->ip[0] == 0xFF;

    /* RFC 8489 §10: one that leads back is a loop; a server far away has no say about our own
     * host. */
    return address->port != 0 && !address_is_unspecified(address) && !multicast &&
           !address_equal(address, &leg->address) &&
           address_is_loopback(address) == address_is_loopback(&leg->address) &&
           (leg->socket == ICE_NONE || address->family == leg->address.family);
}

bool leg_redirect(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                  const struct stun_address *address, struct outbox *outbox)
{
    if (leg->redirected || agent->gather->closing || !may_follow(leg, address)) {
        return false;
    }
    leg->redirected = true;
    leg->address = *address;
    leg_disconnect(agent, leg);
    leg_start(agent, now, leg, outbox);
    return true;
}

static void tick_binding(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                         struct outbox *outbox)
{
    stun_transaction_tick(&leg->binding, now, outbox);
    if (leg->binding.state == STUN_TRANSACTION_TIMED_OUT) {
        gather_leg_ended(agent, now, leg, "it gave no answer");
    }
}

void leg_tick(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
              struct outbox *outbox)
{
    bool is_due = monotime_reached(now, leg->due);

    if (leg->state == LEG_WAITING && is_due) {
        leg_start(agent, now, leg, outbox);
    } else if (leg->state == LEG_CONNECTING && is_due) {
        gather_leg_failed(agent, now, leg, "no connection to it could be made in time");
    } else if (leg->relay.client != NULL && leg->state != LEG_FAILED) {
        turn_client_tick(leg->relay.client, now, outbox);
        relay_drain(agent, now, leg, outbox);
    } else if (leg->state == LEG_ASKING) {
        tick_binding(agent, now, leg, outbox);
    } else if (is_due && needs_keepalive(agent, leg)) {
        send_keepalive(agent, now, leg, outbox);
    } else if (is_due && leg->state == LEG_DONE) {
        leg->due = monotime_add_ms(now, GATHER_KEEPALIVE_MS);
    }
}

struct monotime leg_due(const struct ice_leg *leg)
{
    switch (leg->state) {
    case LEG_WAITING:
    case LEG_CONNECTING:
        return leg->due;
    case LEG_ASKING:
        return leg->relay.client != NULL ? turn_client_due(leg->relay.client)
                                         : stun_transaction_due(&leg->binding);
    case LEG_DONE:
        return leg->relay.client != NULL ? turn_client_due(leg->relay.client) : leg->due;
    default:
        return MONOTIME_NEVER;
    }
}
