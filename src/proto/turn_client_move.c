/* SPDX-License-Identifier: BSD-3-Clause */
/* RFC 8016: a Refresh with the ticket, sent from another flow, brings the allocation there. */
#include "proto/turn_client_internal.h"

#include <errno.h>
#include <string.h>

void turn_move_take_ticket(struct turn_client *client, const struct stun_view *response)
{
    const struct stun_attribute_view *ticket = stun_view_find(response, STUN_MOBILITY_TICKET);
    client->ticket_size = 0;
    if (ticket != NULL && ticket->size <= sizeof client->ticket) {
        memcpy(client->ticket, ticket->value, ticket->size);
        client->ticket_size = ticket->size;
    }
}

int turn_client_move(struct turn_client *client, struct monotime now, const struct flow *flow,
                     struct outbox *outbox)
{
    if (client->state != CLIENT_ALLOCATED) {
        return -ENOTCONN;
    }
    if (client->ticket_size == 0) {
        return -EPERM;
    }
    turn_request_cancel_all(client);
    turn_peer_restart(client, now);
    client->setup.flow = *flow;
    client->refresh_due = MONOTIME_NEVER;
    if (!turn_request_begin(client, now, REQUEST_MOVE, 0, outbox)) {
        return -ENOMEM;
    }
    client->moving = true;
    turn_client_settle(client);
    return 0;
}

void turn_move_ended(struct turn_client *client, struct monotime now,
                     const struct turn_request *request, const struct turn_outcome *outcome,
                     struct outbox *outbox)
{
    client->moving = false;
    if (outcome->failure != TURN_CLIENT_NONE) {
        turn_client_end(client, outcome, request->started, now);
        return;
    }
    turn_move_take_ticket(client, outcome->response);
    struct turn_client_event *event = turn_client_add_event(client, TURN_CLIENT_MOVED, outcome);
    event->lifetime_s = turn_client_take_lifetime(client, now, outcome->response);
    event->took_us = monotime_difference_us(now, request->started);
    turn_peer_tick(client, now, outbox);
}
