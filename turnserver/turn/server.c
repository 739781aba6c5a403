/* SPDX-License-Identifier: BSD-3-Clause */
/* The way of a packet from a client: first byte, parse, authentication, method. */
#include "turnserver/turn/turn_internal.h"

#include <stdlib.h>
#include <string.h>

struct method {
    uint16_t number;
    bool authenticated; /* TURN; Binding is for everybody */
    void (*handle)(struct turn_request *request);
};

/* Requests. A method that is not here is not answered (RFC 8489 §6.3). */
static const struct method methods[] = {
    {STUN_BINDING, false, binding_handle},
    {STUN_ALLOCATE, true, allocate_handle},
    {STUN_REFRESH, true, refresh_handle},
    {STUN_CREATE_PERMISSION, true, permission_handle},
    {STUN_CHANNEL_BIND, true, channel_handle},
    {STUN_CONNECT, true, connect_handle},
    {STUN_CONNECTION_BIND, true, connection_bind_handle},
};

static const struct method *method_find(uint16_t number)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (methods[i].number == number) {
            return &methods[i];
        }
    }
    return NULL;
}

/* ---- what handlers ask ----------------------------------------------------------------------- */

bool request_refuse_unknown(struct turn_request *request, const uint16_t *known, size_t count)
{
    static const uint16_t everywhere[] = {
        STUN_USERNAME,
        STUN_USERHASH,
        STUN_REALM,
        STUN_NONCE,
        STUN_MESSAGE_INTEGRITY,
        STUN_MESSAGE_INTEGRITY_SHA256,
        STUN_PASSWORD_ALGORITHM,
        STUN_ERROR_CODE,
        STUN_UNKNOWN_ATTRIBUTES,
        STUN_MAPPED_ADDRESS,
        STUN_XOR_MAPPED_ADDRESS,
    };
    static const uint16_t token[] = {STUN_ACCESS_TOKEN};
    uint16_t all[32];
    uint16_t unknown[STUN_UNKNOWN_MAX];
    size_t everywhere_count = sizeof everywhere / sizeof everywhere[0];
    size_t unknown_count;

    memcpy(all, everywhere, sizeof everywhere);
    memcpy(all + everywhere_count, known, count * sizeof *known);
    if (request->identity != NULL && request->identity->brought_token) {
        memcpy(all + everywhere_count + count++, token, sizeof token);
    }
    unknown_count = stun_view_list_unknown(request->view, all, everywhere_count + count, unknown);
    if (unknown_count > 0) {
        reply_unknown(request, unknown, unknown_count);
    }
    return unknown_count > 0;
}

bool request_owns_allocation(struct turn_request *request)
{
    if (request->allocation == NULL) {
        reply_error(request, 437, "Allocation Mismatch: there is no allocation on this 5-tuple");
        return false;
    }
    if (strcmp(request->allocation->account->name, request->identity->user) != 0) {
        reply_error(request, 441, "Wrong Credentials: the allocation belongs to another user");
        return false;
    }
    return true;
}

/* ---- input ----------------------------------------------------------------------------------- */

/* Keeps the request until its user has been looked up. */
static void park(struct turn_request *request, uint64_t lookup)
{
    struct turn_server *server = request->server;
    enum parking_result result =
        lookup == 0 ? PARKING_REFUSED
                    : parking_put(&server->parking, request->now, request->flow, lookup,
                                  request->view->bytes, request->view->size);

    server->counters.requests_parked += result == PARKING_TAKEN;
    server->counters.dropped_parking += result == PARKING_REFUSED;
}

static void handle_authenticated(struct turn_request *request, const struct method *method)
{
    struct turn_server *server = request->server;
    const struct allocation *allocation = request->allocation;
    const struct auth_owner owner = {
        .name = allocation != NULL ? allocation->account->name : NULL,
        .session = allocation != NULL ? allocation->session : NULL,
    };
    struct auth_answer answer;

    auth_check(server->setup.auth, request->now, request->flow, request->view,
               allocation != NULL ? &owner : NULL, &answer);
    switch (answer.outcome) {
    case AUTH_ACCEPTED:
        request->identity = &answer.identity;
        method->handle(request);
        break;
    case AUTH_REFUSED:
        reply_challenge(request, answer.code);
        break;
    case AUTH_PENDING:
        park(request, answer.lookup);
        break;
    }
}

static void input_request(struct turn_request *request)
{
    const struct method *method = method_find(request->view->method);

    if (method == NULL) {
        request->server->counters.dropped_unexpected++;
    } else if (!method->authenticated) {
        method->handle(request);
    } else if (!request->server->policy->relay_enabled) {
        reply_error(request, 400, "Bad Request: this server does not relay");
    } else {
        request->allocation = allocation_of_flow(request->server, request->flow);
        handle_authenticated(request, method);
    }
}

static void input_indication(struct turn_request *request)
{
    struct turn_server *server = request->server;

    if (request->view->method != STUN_SEND) {
        /* A Binding indication keeps a NAT's binding alive: nothing to do (RFC 8489 §2). */
        server->counters.dropped_unexpected += request->view->method != STUN_BINDING;
        return;
    }
    request->allocation = allocation_of_flow(server, request->flow);
    if (request->allocation == NULL) {
        server->counters.dropped_no_allocation++;
        return;
    }
    if (request->allocation->tcp) {
        server->counters.dropped_unexpected++; /* RFC 6062 §5: its peers are not sent datagrams */
        return;
    }
    send_handle(request);
}

/* RFC 3489 clients ("classic") may be served with Binding; nothing else is for them. */
static bool message_is_sound(const struct turn_request *request, const struct stun_view *view)
{
    int fingerprint = stun_view_check_fingerprint(view);

    if (view->classic && (!request->server->policy->classic_stun || view->method != STUN_BINDING ||
                          view->message_class != STUN_REQUEST)) {
        return false;
    }
    return fingerprint == STUN_OK || fingerprint == STUN_ERROR_ABSENT;
}

static void input_message(struct turn_request *request)
{
    switch (request->view->message_class) {
    case STUN_REQUEST:
        input_request(request);
        break;
    case STUN_INDICATION:
        input_indication(request);
        break;
    default: /* an answer: we have asked nothing */
        request->server->counters.dropped_unexpected++;
    }
}

static void input_stun(struct turn_request *request)
{
    struct stun_view view;

    request->view = &view;
    if (stun_view_parse(&view, request->packet->bytes, request->packet->size) == STUN_OK &&
        message_is_sound(request, &view)) {
        input_message(request);
    } else {
        request->server->counters.dropped_malformed++;
    }
    request->view = NULL; /* it dies here */
}

void turn_server_input(struct turn_server *server, struct monotime now, const struct flow *flow,
                       struct packet *packet, struct outbox *outbox)
{
    if (packet->size > 0 && stun_is_channel(packet->bytes[0])) {
        relay_channel_data(server, now, flow, packet, outbox);
    } else if (packet->size > 0 && stun_first_byte(packet->bytes[0]) == STUN_PROTOCOL_STUN) {
        struct turn_request request = {
            .server = server, .now = now, .flow = flow, .packet = packet, .outbox = outbox};
        input_stun(&request);
    } else {
        server->counters.dropped_malformed++;
    }
}

bool turn_server_admit_stranger(struct turn_server *server, struct monotime now,
                                const struct stun_address *source)
{
    uint32_t per_second = server->policy->unauthenticated_per_source;
    bool admitted = per_second == 0 || source_limit_take(server->sources, now, source, per_second);

    server->counters.dropped_rate_limited += !admitted;
    return admitted;
}

void turn_server_resume(struct turn_server *server, struct monotime now, struct parked *parked,
                        enum turn_move_status status, struct outbox *outbox)
{
    const struct packet packet = {.bytes = parked->bytes, .size = (uint32_t)parked->size};
    struct turn_request request = {.server = server,
                                   .now = now,
                                   .flow = &parked->flow,
                                   .packet = &packet,
                                   .outbox = outbox,
                                   .move_status = status};

    input_stun(&request);
    free(parked);
}

void turn_server_answer(struct turn_server *server, struct monotime now,
                        const struct auth_finding *finding, struct outbox *outbox)
{
    struct parked *parked;

    auth_answer_lookup(server->setup.auth, now, finding);
    while ((parked = parking_take(&server->parking, finding->id)) != NULL) {
        turn_server_resume(server, now, parked, TURN_MOVE_NOT_ASKED, outbox);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

uint64_t turn_server_random(struct turn_server *server)
{
    return server->setup.random(server->setup.random_context);
}

uint32_t request_lifetime(const struct turn_request *request, uint32_t wanted_s)
{
    uint32_t lifetime_s = turn_policy_lifetime(request->server->policy, wanted_s);
    uint32_t max_s = request->identity->lifetime_max_s;

    return lifetime_s < max_s ? lifetime_s : max_s;
}

uint32_t turn_policy_lifetime(const struct turn_policy *policy, uint32_t wanted_s)
{
    uint32_t lifetime_s =
        wanted_s > policy->lifetime_default_s ? wanted_s : policy->lifetime_default_s;

    return lifetime_s < policy->lifetime_max_s ? lifetime_s : policy->lifetime_max_s;
}

static bool server_make_tables(struct turn_server *server)
{
    struct siphash_key key;

    key.words[0] = turn_server_random(server);
    key.words[1] = turn_server_random(server);
    account_table_init(&server->accounts, &key, &server->setup.bandwidth);
    allocation_table_init(&server->allocations, &key);
    mobility_table_init(&server->tickets, &key);
    tcp_table_init(&server->tcp, &key);
    server->sources = server->setup.strangers != NULL
                          ? server->setup.strangers
                          : source_limit_new(turn_server_random(server));
    server->icmp = source_limit_new(turn_server_random(server));
    server->reservations = server->setup.reservations;
    if (server->reservations == NULL) {
        server->reservations = reservation_table_new();
        server->reservations_are_ours = true;
    }
    return event_queue_init(&server->events) && server->sources != NULL && server->icmp != NULL &&
           server->reservations != NULL;
}

struct turn_server *turn_server_new(const struct turn_setup *setup)
{
    struct turn_server *server = calloc(1, sizeof *server);

    if (server == NULL) {
        return NULL;
    }
    server->setup = *setup;
    server->policy = setup->policy;
    server->indication_id[0] = turn_server_random(server);
    if (!server_make_tables(server)) {
        turn_server_free(server);
        return NULL;
    }
    return server;
}

void turn_server_free(struct turn_server *server)
{
    if (server == NULL) {
        return;
    }
    while (turn_server_shut_down(server, (struct monotime){0})) {
    }
    parking_clear(&server->parking);
    event_queue_free(&server->events, &server->accounts);
    allocation_table_clear(&server->allocations);
    hash_map_clear(&server->tickets);
    tcp_table_clear(&server->tcp);
    account_table_clear(&server->accounts);
    if (server->setup.strangers == NULL) {
        source_limit_free(server->sources);
    }
    source_limit_free(server->icmp);
    if (server->reservations_are_ours) {
        reservation_table_free(server->reservations);
    }
    free(server);
}

const struct turn_policy *turn_server_policy(const struct turn_server *server)
{
    return server->policy;
}

void turn_server_set_policy(struct turn_server *server, const struct turn_policy *policy)
{
    server->policy = policy;
    server->allocations.policy_generation++;
}

void turn_server_flow_closed(struct turn_server *server, struct monotime now,
                             const struct flow *flow)
{
    struct allocation *allocation = allocation_of_flow(server, flow);

    parking_forget_flow(&server->parking, flow);
    if (allocation != NULL && allocation->mobility != NULL && server->policy->mobility) {
        allocation_detach(server, allocation);
    } else if (allocation != NULL) {
        allocation_end(server, now, allocation, TURN_END_DISCONNECTED);
    }
}

bool turn_server_shut_down(struct turn_server *server, struct monotime now)
{
    struct hash_cursor cursor;
    struct hash_node *node = hash_map_first(&server->allocations.by_flow, &cursor);
    size_t ended = 0;

    for (; node != NULL && ended < EVENTS_MAX; ended++) {
        allocation_end(server, now, container_of(node, struct allocation, by_flow),
                       TURN_END_SHUTDOWN);
        node = hash_map_next(&server->allocations.by_flow, &cursor);
    }
    if (node != NULL) {
        return true;
    }
    /* Only detached ones are left, which have tickets. */
    node = hash_map_first(&server->tickets, &cursor);
    for (; node != NULL && ended < EVENTS_MAX; ended++) {
        allocation_end(server, now, container_of(node, struct mobility, by_ticket)->allocation,
                       TURN_END_SHUTDOWN);
        node = hash_map_next(&server->tickets, &cursor);
    }
    return node != NULL;
}

/* ---- time, events, counters ------------------------------------------------------------------ */

void turn_server_tick(struct turn_server *server, struct monotime now, struct outbox *outbox)
{
    /* What is on its way must leave while its relayed port is still there. */
    if (outbox->count > 0) {
        outbox->flush(outbox, outbox->context);
    }
    server->counters.dropped_parking += parking_expire(&server->parking, now);
    allocation_table_expire(server, now);
    tcp_table_expire(server, now, outbox);
}

struct monotime turn_server_due(const struct turn_server *server)
{
    struct monotime due = monotime_earlier(timer_wheel_due(&server->allocations.timers),
                                           parking_due(&server->parking));

    return monotime_earlier(due, tcp_table_due(server));
}

bool turn_server_event(struct turn_server *server, struct turn_event *event)
{
    return event_queue_take(&server->events, &server->accounts, event);
}

const struct turn_counters *turn_server_counters(const struct turn_server *server)
{
    return &server->counters;
}
