/* SPDX-License-Identifier: BSD-3-Clause */
/* RFC 6062: Connect, ConnectionAttempt, ConnectionBind. */
#include "proto/turn_client_internal.h"

void turn_client_connect(struct turn_client *client, struct monotime now,
                         const struct stun_address *peer, struct outbox *outbox)
{
    static const struct turn_outcome failed = {.failure = TURN_CLIENT_BROKEN};
    client->connect_peer = *peer;
    if (client->state != CLIENT_ALLOCATED ||
        !turn_request_begin(client, now, REQUEST_CONNECT, 0, outbox)) {
        turn_client_add_event(client, TURN_CLIENT_PEER_FAILED, &failed)->peer = *peer;
    }
    turn_client_settle(client);
}

void turn_tcp_connect_ended(struct turn_client *client, struct monotime now,
                            const struct turn_request *request, const struct turn_outcome *outcome,
                            struct outbox *outbox)
{
    static const struct turn_outcome broken = {.failure = TURN_CLIENT_BROKEN};
    struct turn_client_event *event;
    uint32_t id = 0;
    (void)outbox;
    if (outcome->failure != TURN_CLIENT_NONE) {
        event = turn_client_add_event(client, TURN_CLIENT_PEER_FAILED, outcome);
    } else if (stun_view_u32(outcome->response, STUN_CONNECTION_ID, &id) != STUN_OK) {
        event = turn_client_add_event(client, TURN_CLIENT_PEER_FAILED, &broken);
    } else {
        event = turn_client_add_event(client, TURN_CLIENT_CONNECTED, outcome);
    }
    event->peer = client->connect_peer;
    event->connection_id = id;
    event->took_us = monotime_difference_us(now, request->started);
}

enum turn_client_input turn_tcp_attempt(struct turn_client *client, const struct stun_view *view)
{
    struct stun_address peer;
    uint32_t id;
    if (client->state != CLIENT_ALLOCATED ||
        stun_view_u32(view, STUN_CONNECTION_ID, &id) != STUN_OK ||
        stun_view_xor_address(view, STUN_XOR_PEER_ADDRESS, &peer) != STUN_OK) {
        client->counters.dropped++;
        return TURN_CLIENT_NOT_OURS;
    }
    struct turn_client_event *event =
        turn_client_add_event(client, TURN_CLIENT_ATTEMPT, &(struct turn_outcome){0});
    event->peer = peer;
    event->connection_id = id;
    return TURN_CLIENT_HANDLED;
}

void turn_client_know(struct turn_client *client, const struct turn_client *allocated)
{
    if (client->state == CLIENT_IDLE && client->has_credentials && allocated->has_credentials) {
        client->credentials = allocated->credentials;
    }
}

void turn_client_join(struct turn_client *client, struct monotime now, uint32_t connection_id,
                      struct outbox *outbox)
{
    if (client->state != CLIENT_IDLE) {
        return;
    }
    client->connection_id = connection_id;
    client->state = CLIENT_ALLOCATING; /* so that its end is a failure */
    if (!turn_request_begin(client, now, REQUEST_JOIN, 0, outbox)) {
        turn_client_end(client, &(struct turn_outcome){.failure = TURN_CLIENT_BROKEN}, now, now);
    }
    turn_client_settle(client);
}

void turn_tcp_join_ended(struct turn_client *client, struct monotime now,
                         const struct turn_request *request, const struct turn_outcome *outcome,
                         struct outbox *outbox)
{
    (void)outbox;
    if (outcome->failure != TURN_CLIENT_NONE) {
        turn_client_end(client, outcome, request->started, now);
        return;
    }
    client->state = CLIENT_ENDED;
    turn_client_add_event(client, TURN_CLIENT_JOINED, outcome)->took_us =
        monotime_difference_us(now, request->started);
}
