/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/turn_client_internal.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- what each kind carries ------------------------------------------------------------------ */

static void put_allocate(const struct turn_client *client, const struct turn_request *request,
                         struct stun_builder *builder)
{
    (void)request;
    stun_builder_put_u8_reserved(builder, STUN_REQUESTED_TRANSPORT,
                                 client->setup.tcp ? STUN_TRANSPORT_TCP : STUN_TRANSPORT_UDP);
    if (client->setup.lifetime_s != 0) {
        stun_builder_put_u32(builder, STUN_LIFETIME, client->setup.lifetime_s);
    }
    if (client->setup.dual) {
        stun_builder_put_u8_reserved(builder, STUN_ADDITIONAL_ADDRESS_FAMILY, STUN_FAMILY_IPV6);
    } else if (client->setup.family != STUN_FAMILY_NONE) {
        stun_builder_put_u8_reserved(builder, STUN_REQUESTED_ADDRESS_FAMILY, client->setup.family);
    }
    if (client->setup.dont_fragment) {
        stun_builder_put_flag(builder, STUN_DONT_FRAGMENT);
    }
    if (client->setup.mobile) {
        stun_builder_put_flag(builder, STUN_MOBILITY_TICKET);
    }
}

static void put_refresh(const struct turn_client *client, const struct turn_request *request,
                        struct stun_builder *builder)
{
    (void)request;
    if (client->setup.lifetime_s != 0) {
        stun_builder_put_u32(builder, STUN_LIFETIME, client->setup.lifetime_s);
    }
}

static void put_move(const struct turn_client *client, const struct turn_request *request,
                     struct stun_builder *builder)
{
    put_refresh(client, request, builder);
    stun_builder_put_bytes(builder, STUN_MOBILITY_TICKET, client->ticket, client->ticket_size);
}

static void put_delete(const struct turn_client *client, const struct turn_request *request,
                       struct stun_builder *builder)
{
    (void)client;
    (void)request;
    stun_builder_put_u32(builder, STUN_LIFETIME, 0);
}

static void put_permit(const struct turn_client *client, const struct turn_request *request,
                       struct stun_builder *builder)
{
    stun_builder_put_xor_address(builder, STUN_XOR_PEER_ADDRESS,
                                 &client->peers[request->peer].address);
}

static void put_bind(const struct turn_client *client, const struct turn_request *request,
                     struct stun_builder *builder)
{
    stun_builder_put_u16_reserved(builder, STUN_CHANNEL_NUMBER,
                                  (uint16_t)(STUN_CHANNEL_MIN + request->peer));
    put_permit(client, request, builder);
}

static void put_connect(const struct turn_client *client, const struct turn_request *request,
                        struct stun_builder *builder)
{
    (void)request;
    stun_builder_put_xor_address(builder, STUN_XOR_PEER_ADDRESS, &client->connect_peer);
}

static void put_join(const struct turn_client *client, const struct turn_request *request,
                     struct stun_builder *builder)
{
    (void)request;
    stun_builder_put_u32(builder, STUN_CONNECTION_ID, client->connection_id);
}

static const struct request_kind {
    uint16_t method;
    void (*put)(const struct turn_client *client, const struct turn_request *request,
                struct stun_builder *builder);
    void (*ended)(struct turn_client *client, struct monotime now,
                  const struct turn_request *request, const struct turn_outcome *outcome,
                  struct outbox *outbox);
} kinds[] = {
    [REQUEST_ALLOCATE] = {STUN_ALLOCATE, put_allocate, turn_client_allocate_ended},
    [REQUEST_REFRESH] = {STUN_REFRESH, put_refresh, turn_client_refresh_ended},
    [REQUEST_DELETE] = {STUN_REFRESH, put_delete, turn_client_delete_ended},
    [REQUEST_PERMIT] = {STUN_CREATE_PERMISSION, put_permit, turn_peer_permit_ended},
    [REQUEST_BIND] = {STUN_CHANNEL_BIND, put_bind, turn_peer_bind_ended},
    [REQUEST_CONNECT] = {STUN_CONNECT, put_connect, turn_tcp_connect_ended},
    [REQUEST_JOIN] = {STUN_CONNECTION_BIND, put_join, turn_tcp_join_ended},
    [REQUEST_MOVE] = {STUN_REFRESH, put_move, turn_move_ended},
};

/* ---- sending --------------------------------------------------------------------------------- */

/* Builds the request with a new id and sends it. Returns false when it does not fit. */
static bool send_request(struct turn_client *client, struct turn_request *request,
                         struct monotime now, struct outbox *outbox)
{
    struct stun_transaction *transaction = &request->transaction;
    struct stun_builder builder;
    stun_new_id(transaction->id, client->setup.random, client->setup.random_context);
    stun_builder_begin(&builder, transaction->request, sizeof transaction->request, STUN_REQUEST,
                       kinds[request->kind].method, transaction->id);
    if (client->setup.software != NULL) {
        stun_builder_put_string(&builder, STUN_SOFTWARE, client->setup.software);
    }
    kinds[request->kind].put(client, request, &builder);
    request->was_signed = client->has_credentials && long_term_sign(&client->credentials, &builder);
    int size = stun_builder_finish(&builder);
    if (size < 0) {
        return false;
    }
    stun_transaction_start(transaction, now, &client->setup.timing, &client->setup.flow,
                           (uint16_t)size, request->give_up, outbox);
    client->counters.requests++;
    turn_client_sent(client, now);
    return true;
}

bool turn_request_begin(struct turn_client *client, struct monotime now,
                        enum turn_request_kind kind, size_t peer, struct outbox *outbox)
{
    struct turn_request *request;
    if (client->request_count >= REQUESTS_MAX || (request = calloc(1, sizeof *request)) == NULL) {
        return false;
    }
    request->kind = kind;
    request->peer = peer;
    request->started = now;
    request->give_up = client->setup.timeout_ms == 0
                           ? MONOTIME_NEVER
                           : monotime_add_ms(now, client->setup.timeout_ms);
    if (!send_request(client, request, now, outbox)) {
        free(request);
        return false;
    }
    request->next = client->requests;
    client->requests = request;
    client->request_count++;
    return true;
}

/* ---- ending ---------------------------------------------------------------------------------- */

static void unlink_request(struct turn_client *client, struct turn_request *request)
{
    struct turn_request **link = &client->requests;
    while (*link != request) {
        link = &(*link)->next;
    }
    *link = request->next;
    client->request_count--;
}

static void end_request(struct turn_client *client, struct monotime now,
                        struct turn_request *request, const struct turn_outcome *outcome,
                        struct outbox *outbox)
{
    unlink_request(client, request);
    client->counters.retransmissions += request->transaction.requests_sent - 1u;
    kinds[request->kind].ended(client, now, request, outcome, outbox);
    free(request);
    if (client->state == CLIENT_ENDED) {
        turn_request_cancel_all(client);
    }
}

void turn_request_cancel_all(struct turn_client *client)
{
    while (client->requests != NULL) {
        struct turn_request *request = client->requests;
        unlink_request(client, request);
        free(request);
    }
}

static enum turn_client_failure failure_of_code(uint16_t code)
{
    switch (code) {
    case 401:
        return TURN_CLIENT_UNAUTHENTICATED;
    case 403:
        return TURN_CLIENT_FORBIDDEN;
    case 437:
        return TURN_CLIENT_MISMATCH;
    case 440:
    case 443:
        return TURN_CLIENT_FAMILY;
    case 486:
        return TURN_CLIENT_QUOTA;
    case 508:
        return TURN_CLIENT_CAPACITY;
    default:
        return TURN_CLIENT_REFUSED;
    }
}

static struct turn_outcome outcome_of(const struct stun_view *response)
{
    struct turn_outcome outcome = {.response = response};
    const char *reason;
    size_t size;
    if (response->message_class == STUN_ERROR) {
        outcome.failure = TURN_CLIENT_BROKEN;
        if (stun_view_error(response, &outcome.code, &reason, &size) == STUN_OK) {
            outcome.failure = failure_of_code(outcome.code);
            text_copy_printable(outcome.reason, sizeof outcome.reason, reason, size);
        }
    }
    return outcome;
}

/* ---- input and time -------------------------------------------------------------------------- */

static enum long_term_verdict judge(struct turn_client *client, const struct turn_request *request,
                                    const struct stun_view *response)
{
    uint16_t code = 0;
    bool reliable = stun_flow_is_reliable(&client->setup.flow);
    if (client->has_credentials) {
        return long_term_judge(&client->credentials, response, request->was_signed, reliable);
    }
    if (response->message_class == STUN_ERROR &&
        stun_view_error(response, &code, NULL, NULL) != STUN_OK) {
        return LONG_TERM_DISCARD;
    }
    return LONG_TERM_ACCEPTED;
}

static void remember_software(struct turn_client *client, const struct stun_view *response)
{
    const struct stun_attribute_view *software = stun_view_find(response, STUN_SOFTWARE);
    if (software != NULL) {
        text_copy_printable(client->software, sizeof client->software, software->value,
                            software->size);
    }
}

/* The server has sent a challenge: once more, signed. */
static void retry(struct turn_client *client, struct monotime now, struct turn_request *request,
                  const struct stun_view *response, struct outbox *outbox)
{
    if (++request->challenges <= CHALLENGES_MAX && send_request(client, request, now, outbox)) {
        return;
    }
    struct turn_outcome outcome = outcome_of(response);
    outcome.failure = TURN_CLIENT_UNAUTHENTICATED;
    end_request(client, now, request, &outcome, outbox);
}

static void respond(struct turn_client *client, struct monotime now, struct turn_request *request,
                    const struct stun_view *response, struct outbox *outbox)
{
    static const enum turn_client_failure failures[] = {
        [LONG_TERM_REFUSED] = TURN_CLIENT_UNAUTHENTICATED,
        [LONG_TERM_WEAKENED] = TURN_CLIENT_WEAKENED,
        [LONG_TERM_UNUSABLE] = TURN_CLIENT_BROKEN,
        [LONG_TERM_VIOLATED] = TURN_CLIENT_UNPROVEN,
    };
    enum long_term_verdict verdict = judge(client, request, response);
    if (verdict == LONG_TERM_DISCARD) {
        return;
    }
    remember_software(client, response);
    stun_transaction_answered(&request->transaction);
    if (verdict == LONG_TERM_RETRY) {
        retry(client, now, request, response, outbox);
        return;
    }
    struct turn_outcome outcome = outcome_of(response);
    if (verdict != LONG_TERM_ACCEPTED) {
        outcome.failure = failures[verdict];
    }
    end_request(client, now, request, &outcome, outbox);
}

bool turn_request_input(struct turn_client *client, struct monotime now,
                        const struct stun_view *response, struct outbox *outbox)
{
    struct turn_request *request = client->requests;
    while (request != NULL && !stun_transaction_matches(&request->transaction, response)) {
        request = request->next;
    }
    if (request == NULL) {
        return false;
    }
    respond(client, now, request, response, outbox);
    return true;
}

static void timed_out(struct turn_client *client, struct monotime now, struct turn_request *request,
                      struct outbox *outbox)
{
    struct turn_outcome outcome = {.failure = TURN_CLIENT_TIMEOUT};
    if (request->was_signed && client->credentials.discarded > 0) {
        outcome.failure = TURN_CLIENT_UNPROVEN; /* RFC 8489 §9.2.5 */
        outcome.code = client->credentials.discarded_code;
    }
    end_request(client, now, request, &outcome, outbox);
}

void turn_request_tick(struct turn_client *client, struct monotime now, struct outbox *outbox)
{
    struct turn_request *request = client->requests;
    while (request != NULL) {
        struct turn_request *next = request->next;
        uint8_t sent = request->transaction.requests_sent;
        stun_transaction_tick(&request->transaction, now, outbox);
        if (request->transaction.requests_sent != sent) {
            turn_client_sent(client, now);
        }
        if (request->transaction.state == STUN_TRANSACTION_TIMED_OUT) {
            timed_out(client, now, request, outbox);
            /* What ended may have begun or cancelled others: look at all of them again. */
            next = client->requests;
        }
        request = next;
    }
}

struct monotime turn_request_due(const struct turn_client *client)
{
    struct monotime due = MONOTIME_NEVER;
    for (const struct turn_request *request = client->requests; request != NULL;
         request = request->next) {
        due = monotime_earlier(due, stun_transaction_due(&request->transaction));
    }
    return due;
}
