/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/turn_client_internal.h"

#include "base/address.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static bool take_credentials(struct turn_client *client, const struct turn_client_setup *setup)
{
    const char *password = setup->token == NULL ? setup->password : "";
    if (long_term_init(&client->credentials, setup->crypto, setup->user, password) != 0 ||
        (setup->token != NULL &&
         long_term_use_token(&client->credentials, setup->token, setup->token_size,
                             setup->token_key, setup->token_key_size) != 0)) {
        return false;
    }
    if (setup->challenge != NULL) {
        /* One that cannot be used is as good as none. */
        (void)long_term_foretell(&client->credentials, setup->challenge);
    }
    return true;
}

struct turn_client *turn_client_new(const struct turn_client_setup *setup)
{
    struct turn_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return NULL;
    }
    client->setup = *setup;
    client->setup.user = NULL;
    client->setup.password = NULL;
    client->setup.token = client->setup.token_key = NULL;
    client->setup.challenge = NULL;
    client->due = MONOTIME_NEVER;
    client->has_credentials =
        setup->user != NULL && (setup->password != NULL || setup->token != NULL);
    if (client->has_credentials && !take_credentials(client, setup)) {
        free(client);
        return NULL;
    }
    return client;
}

void turn_client_free(struct turn_client *client)
{
    if (client == NULL) {
        return;
    }
    turn_request_cancel_all(client);
    long_term_wipe(&client->credentials);
    free(client->peers);
    free(client);
}

/* ---- events ---------------------------------------------------------------------------------- */

struct turn_client_event *turn_client_add_event(struct turn_client *client,
                                                enum turn_client_event_type type,
                                                const struct turn_outcome *outcome)
{
    if (client->event_count == EVENTS_MAX) {
        client->event_first = (client->event_first + 1) % EVENTS_MAX;
        client->event_count--;
    }
    size_t at = (client->event_first + client->event_count++) % EVENTS_MAX;
    struct turn_client_event *event = &client->events[at];
    *event = (struct turn_client_event){.type = type};
    if (outcome != NULL) {
        event->failure = outcome->failure;
        event->code = outcome->code;
        memcpy(event->reason, outcome->reason, sizeof event->reason);
    }
    return event;
}

bool turn_client_event(struct turn_client *client, struct turn_client_event *event)
{
    if (client->event_count == 0) {
        return false;
    }
    *event = client->events[client->event_first];
    client->event_first = (client->event_first + 1) % EVENTS_MAX;
    client->event_count--;
    return true;
}

const struct turn_client_counters *turn_client_counters(const struct turn_client *client)
{
    return &client->counters;
}

const char *turn_client_software(const struct turn_client *client)
{
    return client->software;
}

struct turn_client_signing turn_client_signing(const struct turn_client *client)
{
    const struct long_term *credentials = &client->credentials;
    struct turn_client_signing signing = {.is_signed = credentials->challenged};
    if (signing.is_signed) {
        signing.sha256 = long_term_uses_sha256(credentials);
        signing.hidden_name = credentials->anonymous;
        signing.token = credentials->token_size != 0;
    }
    return signing;
}

const char *turn_client_failure_text(enum turn_client_failure failure)
{
    static const char *const texts[] = {
        [TURN_CLIENT_NONE] = "nothing failed",
        [TURN_CLIENT_TIMEOUT] = "no answer",
        [TURN_CLIENT_UNAUTHENTICATED] = "name or password refused",
        [TURN_CLIENT_WEAKENED] = "somebody on the way weakened the server's challenge",
        [TURN_CLIENT_UNPROVEN] = "no answer proved to know the password",
        [TURN_CLIENT_MISMATCH] = "the server knows another allocation, or none, on this flow",
        [TURN_CLIENT_FORBIDDEN] = "forbidden",
        [TURN_CLIENT_FAMILY] = "address family not supported, or not that of the allocation",
        [TURN_CLIENT_QUOTA] = "this user's quota of allocations is used up",
        [TURN_CLIENT_CAPACITY] = "the server has no relayed port left",
        [TURN_CLIENT_REFUSED] = "refused by the server",
        [TURN_CLIENT_BROKEN] = "the server's answer cannot be understood",
        [TURN_CLIENT_EXPIRED] = "the allocation could not be refreshed in time",
        [TURN_CLIENT_DISCONNECTED] = "the connection to the server ended",
    };
    return texts[failure];
}

/* ---- time ------------------------------------------------------------------------------------ */

static struct monotime keepalive_due(const struct turn_client *client)
{
    if (client->setup.keepalive_ms == 0 || stun_flow_is_reliable(&client->setup.flow)) {
        return MONOTIME_NEVER;
    }
    return monotime_add_ms(client->last_sent, client->setup.keepalive_ms);
}

void turn_client_settle(struct turn_client *client)
{
    struct monotime due = turn_request_due(client);
    if (client->state == CLIENT_ALLOCATED) {
        due = monotime_earlier(due, client->refresh_due);
        due = monotime_earlier(due, client->expires);
        due = monotime_earlier(due, keepalive_due(client));
        due = monotime_earlier(due, turn_peer_due(client));
    }
    client->due = due;
}

struct monotime turn_client_due(const struct turn_client *client)
{
    return client->due;
}

void turn_client_sent(struct turn_client *client, struct monotime now)
{
    client->last_sent = now;
}

static void send_keepalive(struct turn_client *client, struct monotime now, struct outbox *outbox)
{
    uint8_t id[STUN_TRANSACTION_ID_SIZE];
    struct stun_builder builder;
    uint8_t *bytes = outbox_reserve(outbox, STUN_HEADER_SIZE);
    stun_new_id(id, client->setup.random, client->setup.random_context);
    stun_builder_begin(&builder, bytes, STUN_HEADER_SIZE, STUN_INDICATION, STUN_BINDING, id);
    int size = stun_builder_finish(&builder);
    if (size > 0) {
        outbox_add(outbox, &client->setup.flow, bytes, (uint32_t)size);
    }
    turn_client_sent(client, now);
}

void turn_client_tick(struct turn_client *client, struct monotime now, struct outbox *outbox)
{
    turn_request_tick(client, now, outbox);
    if (client->state == CLIENT_ALLOCATED && monotime_reached(now, client->expires)) {
        turn_client_end(client, &(struct turn_outcome){.failure = TURN_CLIENT_EXPIRED}, now, now);
    }
    if (client->state == CLIENT_ALLOCATED) {
        if (monotime_reached(now, client->refresh_due)) {
            bool begun = turn_request_begin(client, now, REQUEST_REFRESH, 0, outbox);
            client->refresh_due = begun ? MONOTIME_NEVER : monotime_add_seconds(now, 1);
        }
        turn_peer_tick(client, now, outbox);
        if (monotime_reached(now, keepalive_due(client))) {
            send_keepalive(client, now, outbox);
        }
    }
    turn_client_settle(client);
}

/* ---- life of the allocation ------------------------------------------------------------------ */

void turn_client_allocate(struct turn_client *client, struct monotime now, struct outbox *outbox)
{
    if (client->state != CLIENT_IDLE) {
        return;
    }
    client->state = CLIENT_ALLOCATING;
    if (!turn_request_begin(client, now, REQUEST_ALLOCATE, 0, outbox)) {
        client->state = CLIENT_ENDED;
        turn_client_add_event(client, TURN_CLIENT_FAILED,
                              &(struct turn_outcome){.failure = TURN_CLIENT_BROKEN});
    }
    turn_client_settle(client);
}

void turn_client_delete(struct turn_client *client, struct monotime now, struct outbox *outbox)
{
    if (client->state != CLIENT_ALLOCATED && client->state != CLIENT_ALLOCATING) {
        return;
    }
    turn_request_cancel_all(client);
    client->state = CLIENT_DELETING;
    if (!turn_request_begin(client, now, REQUEST_DELETE, 0, outbox)) {
        turn_client_end(client, &(struct turn_outcome){.failure = TURN_CLIENT_BROKEN}, now, now);
    }
    turn_client_settle(client);
}

void turn_client_end(struct turn_client *client, const struct turn_outcome *outcome,
                     struct monotime started, struct monotime now)
{
    if (client->state == CLIENT_IDLE || client->state == CLIENT_ENDED) {
        return;
    }
    enum turn_client_event_type type =
        client->state == CLIENT_ALLOCATING ? TURN_CLIENT_FAILED : TURN_CLIENT_ENDED;
    client->state = CLIENT_ENDED;
    struct turn_client_event *event = turn_client_add_event(client, type, outcome);
    event->took_us = monotime_difference_us(now, started);
}

void turn_client_flow_closed(struct turn_client *client, struct monotime now)
{
    turn_request_cancel_all(client);
    turn_client_end(client, &(struct turn_outcome){.failure = TURN_CLIENT_DISCONNECTED}, now, now);
    turn_client_settle(client);
}

uint32_t turn_client_take_lifetime(struct turn_client *client, struct monotime now,
                                   const struct stun_view *response)
{
    uint32_t lifetime_s = 600; /* RFC 8656 §3.2 */
    stun_view_u32(response, STUN_LIFETIME, &lifetime_s);
    uint32_t margin_s = lifetime_s >= 2 * REFRESH_MARGIN_S ? REFRESH_MARGIN_S : lifetime_s / 2;
    client->refresh_due = monotime_add_seconds(now, lifetime_s - margin_s);
    client->expires = monotime_add_seconds(now, lifetime_s);
    return lifetime_s;
}

static void redirected(struct turn_client *client, struct monotime now,
                       const struct turn_request *request, const struct turn_outcome *outcome,
                       const struct stun_address *alternate)
{
    client->state = CLIENT_ENDED;
    struct turn_client_event *event =
        turn_client_add_event(client, TURN_CLIENT_REDIRECTED, outcome);
    event->address = *alternate;
    const struct stun_attribute_view *domain =
        stun_view_find(outcome->response, STUN_ALTERNATE_DOMAIN);
    if (domain != NULL) {
        text_copy_printable(event->domain, sizeof event->domain, domain->value, domain->size);
    }
    event->took_us = monotime_difference_us(now, request->started);
}

/* The relay of the other family, of a dual allocation; or why there is none (RFC 8656 §8.2). */
static void take_second(const struct stun_view *response, struct turn_client_event *event)
{
    const char *reason;
    size_t size;
    uint8_t family;
    for (size_t i = 0; i < response->attribute_count; i++) {
        struct stun_address address;
        if (response->attributes[i].type == STUN_XOR_RELAYED_ADDRESS &&
            stun_view_xor_address_of(response, &response->attributes[i], &address) == STUN_OK &&
            address.family != event->relayed.family) {
            event->second = address;
        }
    }
    if (event->second.family == STUN_FAMILY_NONE) {
        (void)stun_view_address_error(response, &family, &event->second_code, &reason, &size);
    }
}

void turn_client_allocate_ended(struct turn_client *client, struct monotime now,
                                const struct turn_request *request,
                                const struct turn_outcome *outcome, struct outbox *outbox)
{
    struct stun_address relayed;
    struct stun_address mapped = {0};
    const struct stun_view *response = outcome->response;
    if (outcome->code == 300 && response != NULL &&
        stun_view_address(response, STUN_ALTERNATE_SERVER, &relayed) == STUN_OK) {
        redirected(client, now, request, outcome, &relayed);
        return;
    }
    if (outcome->failure != TURN_CLIENT_NONE || response == NULL) {
        turn_client_end(client, outcome, request->started, now);
        return;
    }
    if (stun_view_xor_address(response, STUN_XOR_RELAYED_ADDRESS, &relayed) != STUN_OK) {
        turn_client_end(client, &(struct turn_outcome){.failure = TURN_CLIENT_BROKEN},
                        request->started, now);
        return;
    }
    stun_view_xor_address(response, STUN_XOR_MAPPED_ADDRESS, &mapped);
    client->state = CLIENT_ALLOCATED;
    struct turn_client_event *event = turn_client_add_event(client, TURN_CLIENT_ALLOCATED, outcome);
    event->relayed = relayed;
    event->mapped = mapped;
    take_second(response, event);
    turn_move_take_ticket(client, response);
    event->lifetime_s = turn_client_take_lifetime(client, now, response);
    event->took_us = monotime_difference_us(now, request->started);
    turn_peer_tick(client, now, outbox);
}

/* Worth another try as long as the allocation lives: nobody answered, or a server's own trouble. */
static bool is_passing(const struct turn_outcome *outcome)
{
    return outcome->failure == TURN_CLIENT_TIMEOUT || outcome->failure == TURN_CLIENT_UNPROVEN ||
           outcome->code >= 500;
}

void turn_client_refresh_ended(struct turn_client *client, struct monotime now,
                               const struct turn_request *request,
                               const struct turn_outcome *outcome, struct outbox *outbox)
{
    (void)outbox;
    if (outcome->failure == TURN_CLIENT_NONE) {
        struct turn_client_event *event =
            turn_client_add_event(client, TURN_CLIENT_REFRESHED, outcome);
        event->lifetime_s = turn_client_take_lifetime(client, now, outcome->response);
        event->took_us = monotime_difference_us(now, request->started);
    } else if (is_passing(outcome)) {
        client->refresh_due = monotime_add_seconds(now, 1);
    } else {
        turn_client_end(client, outcome, request->started, now);
    }
}

void turn_client_delete_ended(struct turn_client *client, struct monotime now,
                              const struct turn_request *request,
                              const struct turn_outcome *outcome, struct outbox *outbox)
{
    (void)outbox;
    /* 437: it is gone already, which is what was asked for. */
    bool gone = outcome->failure == TURN_CLIENT_MISMATCH;
    turn_client_end(client, gone ? &(struct turn_outcome){0} : outcome, request->started, now);
}

/* ---- input ----------------------------------------------------------------------------------- */

/* On a stream the connection says who it is; a datagram must come from the server itself. */
static bool is_our_flow(const struct turn_client *client, const struct flow *flow)
{
    return flow->via == client->setup.flow.via &&
           (stun_flow_is_reliable(&client->setup.flow) ||
            address_equal(&flow->remote, &client->setup.flow.remote));
}

static enum turn_client_input input_stun(struct turn_client *client, struct monotime now,
                                         struct packet *packet, struct turn_client_data *data,
                                         struct outbox *outbox)
{
    struct stun_view view;
    if (stun_view_parse(&view, packet->bytes, packet->size) != STUN_OK) {
        client->counters.dropped++;
        return TURN_CLIENT_NOT_OURS;
    }
    if (view.message_class == STUN_INDICATION && view.method == STUN_DATA) {
        return turn_relay_indication(client, now, &view, packet, data);
    }
    if (view.message_class == STUN_INDICATION && view.method == STUN_CONNECTION_ATTEMPT) {
        return turn_tcp_attempt(client, &view);
    }
    if (!turn_request_input(client, now, &view, outbox)) {
        client->counters.dropped++;
        return TURN_CLIENT_NOT_OURS;
    }
    turn_client_settle(client);
    return TURN_CLIENT_HANDLED;
}

enum turn_client_input turn_client_input(struct turn_client *client, struct monotime now,
                                         const struct flow *flow, struct packet *packet,
                                         struct turn_client_data *data, struct outbox *outbox)
{
    if (packet->size == 0 || !is_our_flow(client, flow)) {
        return TURN_CLIENT_NOT_OURS;
    }
    switch (stun_first_byte(packet->bytes[0])) {
    case STUN_PROTOCOL_CHANNEL:
        return turn_relay_channel(client, now, packet, data);
    case STUN_PROTOCOL_STUN:
        return input_stun(client, now, packet, data, outbox);
    default:
        client->counters.dropped++;
        return TURN_CLIENT_NOT_OURS;
    }
}
