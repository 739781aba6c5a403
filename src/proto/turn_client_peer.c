/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/turn_client_internal.h"

#include "base/address.h"

#include <errno.h>
#include <stdlib.h>

static struct turn_peer *find_peer(const struct turn_client *client,
                                   const struct stun_address *address)
{
    for (size_t i = 0; i < client->peer_count; i++) {
        if (address_equal(&client->peers[i].address, address)) {
            return &client->peers[i];
        }
    }
    return NULL;
}

static int add_peer(struct turn_client *client, const struct stun_address *address,
                    struct turn_peer **out)
{
    if (client->peer_count == TURN_CLIENT_PEERS_MAX) {
        return -ENOSPC;
    }
    if (client->peer_count == client->peer_capacity) {
        size_t capacity = client->peer_capacity == 0 ? 4 : 2 * client->peer_capacity;
        struct turn_peer *peers = realloc(client->peers, capacity * sizeof *peers);
        if (peers == NULL) {
            return -ENOMEM;
        }
        client->peers = peers;
        client->peer_capacity = capacity;
    }
    *out = &client->peers[client->peer_count++];
    **out = (struct turn_peer){.address = *address, .expires = {INT64_MIN}};
    return 0;
}

static bool is_permitted(const struct turn_peer *peer, struct monotime now)
{
    return monotime_before(now, peer->expires);
}

static void add_peer_event(struct turn_client *client, enum turn_client_event_type type,
                           const struct turn_peer *peer, const struct turn_outcome *outcome,
                           int64_t took_us)
{
    struct turn_client_event *event = turn_client_add_event(client, type, outcome);
    event->peer = peer->address;
    event->took_us = took_us;
}

static int ask(struct turn_client *client, struct monotime now, const struct stun_address *address,
               bool channel, struct outbox *outbox)
{
    struct turn_peer *peer = find_peer(client, address);
    if (peer == NULL) {
        int status = add_peer(client, address, &peer);
        if (status != 0) {
            return status;
        }
    }
    if (is_permitted(peer, now) && (!channel || peer->bound)) {
        /* It may have been forgotten and still be there: it is only to be kept again. */
        peer->kept = true;
        add_peer_event(client, channel ? TURN_CLIENT_BOUND : TURN_CLIENT_PERMITTED, peer, NULL, 0);
        turn_client_settle(client);
        return 0;
    }
    peer->kept = true;
    peer->wants_channel = peer->wants_channel || channel;
    peer->due = now;
    if (client->state == CLIENT_ALLOCATED) {
        turn_peer_tick(client, now, outbox);
    }
    turn_client_settle(client);
    return 0;
}

int turn_client_permit(struct turn_client *client, struct monotime now,
                       const struct stun_address *peer, struct outbox *outbox)
{
    return ask(client, now, peer, false, outbox);
}

int turn_client_bind(struct turn_client *client, struct monotime now,
                     const struct stun_address *peer, struct outbox *outbox)
{
    return ask(client, now, peer, true, outbox);
}

void turn_client_forget(struct turn_client *client, struct monotime now,
                        const struct stun_address *address)
{
    struct turn_peer *peer = find_peer(client, address);
    (void)now;
    if (peer != NULL) {
        peer->kept = false;
        turn_client_settle(client);
    }
}

/* ---- look-up --------------------------------------------------------------------------------- */

bool turn_peer_permits(const struct turn_client *client, struct monotime now,
                       const struct stun_address *address)
{
    for (size_t i = 0; i < client->peer_count; i++) {
        const struct turn_peer *peer = &client->peers[i];
        if ((peer->asking || is_permitted(peer, now)) &&
            address_equal_ip(&peer->address, address)) {
            return true;
        }
    }
    return false;
}

const struct turn_peer *turn_peer_find_bound(const struct turn_client *client, struct monotime now,
                                             const struct stun_address *address)
{
    const struct turn_peer *peer = find_peer(client, address);
    return peer != NULL && peer->bound && is_permitted(peer, now) ? peer : NULL;
}

/* ---- time ------------------------------------------------------------------------------------ */

void turn_peer_tick(struct turn_client *client, struct monotime now, struct outbox *outbox)
{
    for (size_t i = 0; i < client->peer_count && !client->moving; i++) {
        struct turn_peer *peer = &client->peers[i];
        if (!peer->kept || peer->asking || !monotime_reached(now, peer->due)) {
            continue;
        }
        enum turn_request_kind kind = peer->wants_channel ? REQUEST_BIND : REQUEST_PERMIT;
        if (turn_request_begin(client, now, kind, i, outbox)) {
            peer->asking = true;
        } else if (client->request_count < REQUESTS_MAX) {
            peer->due = monotime_add_seconds(now, 1); /* no memory, or it does not fit */
        } else {
            return; /* the end of a request comes back here */
        }
    }
}

struct monotime turn_peer_due(const struct turn_client *client)
{
    struct monotime due = MONOTIME_NEVER;
    if (client->request_count >= REQUESTS_MAX || client->moving) {
        return due;
    }
    for (size_t i = 0; i < client->peer_count; i++) {
        if (client->peers[i].kept && !client->peers[i].asking) {
            due = monotime_earlier(due, client->peers[i].due);
        }
    }
    return due;
}

void turn_peer_restart(struct turn_client *client, struct monotime now)
{
    for (size_t i = 0; i < client->peer_count; i++) {
        if (client->peers[i].asking) {
            client->peers[i].asking = false;
            client->peers[i].due = now;
        }
    }
}

/* ---- outcomes -------------------------------------------------------------------------------- */

static void peer_failed(struct turn_client *client, struct monotime now, struct turn_peer *peer,
                        const struct turn_request *request, const struct turn_outcome *outcome)
{
    /* A refresh that nobody answers is tried again as long as the permission lives. */
    bool passing =
        outcome->failure == TURN_CLIENT_TIMEOUT || outcome->failure == TURN_CLIENT_UNPROVEN;
    if (passing && is_permitted(peer, now)) {
        peer->due = monotime_add_seconds(now, 1);
        return;
    }
    /* A channel that was refused leaves the permission that there was. */
    if (request->kind == REQUEST_BIND && !peer->bound && is_permitted(peer, now)) {
        peer->wants_channel = false;
    } else {
        peer->kept = false;
        peer->bound = false;
        peer->expires = now;
    }
    add_peer_event(client, TURN_CLIENT_PEER_FAILED, peer, outcome,
                   monotime_difference_us(now, request->started));
}

/* Refreshed a minute before the permission ends; ChannelBind refreshes both (RFC 8656 §12). */
static void peer_granted(struct turn_client *client, struct monotime now, struct turn_peer *peer,
                         const struct turn_request *request, bool channel)
{
    bool is_new = !is_permitted(peer, now) || (channel && !peer->bound);
    peer->expires = monotime_add_seconds(now, PERMISSION_LIFETIME_S);
    peer->due = monotime_add_seconds(now, PERMISSION_LIFETIME_S - REFRESH_MARGIN_S);
    peer->bound = peer->bound || channel;
    if (is_new) {
        add_peer_event(client, channel ? TURN_CLIENT_BOUND : TURN_CLIENT_PERMITTED, peer, NULL,
                       monotime_difference_us(now, request->started));
    }
    if (peer->wants_channel && !peer->bound) {
        peer->due = now;
    }
}

static void ended(struct turn_client *client, struct monotime now,
                  const struct turn_request *request, const struct turn_outcome *outcome,
                  bool channel, struct outbox *outbox)
{
    struct turn_peer *peer = &client->peers[request->peer];
    peer->asking = false;
    if (outcome->failure == TURN_CLIENT_NONE) {
        peer_granted(client, now, peer, request, channel);
    } else {
        peer_failed(client, now, peer, request, outcome);
    }
    if (client->state == CLIENT_ALLOCATED) {
        turn_peer_tick(client, now, outbox);
    }
}

void turn_peer_permit_ended(struct turn_client *client, struct monotime now,
                            const struct turn_request *request, const struct turn_outcome *outcome,
                            struct outbox *outbox)
{
    ended(client, now, request, outcome, false, outbox);
}

void turn_peer_bind_ended(struct turn_client *client, struct monotime now,
                          const struct turn_request *request, const struct turn_outcome *outcome,
                          struct outbox *outbox)
{
    ended(client, now, request, outcome, true, outbox);
}
