/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/turn_model.h"

#include <string.h>

#define SECOND MONOTIME_SECOND

void model_init(struct model *model, size_t permissions_max, size_t channels_max)
{
    *model = (struct model){.permissions_max = permissions_max, .channels_max = channels_max};
}

const char *model_user_name(unsigned user)
{
    return user == 0 ? "alice" : "bob";
}

const char *model_kind_name(enum model_kind kind)
{
    static const char *const names[] = {"Allocate",    "Refresh",        "CreatePermission",
                                        "ChannelBind", "Binding",        "Send",
                                        "ChannelData", "peer's datagram"};

    return names[kind];
}

/* Allocations end at the first tenth of a second that is not before their time. */
static bool has_allocation(const struct model_client *client, int64_t now)
{
    int64_t ends = (client->expires_us + SECOND / 10 - 1) / (SECOND / 10) * (SECOND / 10);

    return client->allocated && now < ends;
}

size_t model_allocations(const struct model *model, struct monotime now)
{
    size_t count = 0;

    for (size_t i = 0; i < MODEL_CLIENTS; i++) {
        count += has_allocation(&model->clients[i], now.us);
    }
    return count;
}

/* ---- peers ----------------------------------------------------------------------------------- */

static bool is_private(const struct stun_address *peer)
{
    return peer->family == STUN_FAMILY_IPV4 && peer->ip[0] == 10;
}

static bool is_ours(const struct stun_address *peer)
{
    return peer->family == STUN_FAMILY_IPV4 && peer->ip[0] == 192;
}

static bool may_receive(const struct model *model, const struct stun_address *peer, int64_t now)
{
    if (!is_ours(peer)) {
        return true;
    }
    for (size_t i = 0; i < MODEL_CLIENTS; i++) {
        if (has_allocation(&model->clients[i], now) &&
            address_equal(&model->clients[i].relayed, peer)) {
            return true;
        }
    }
    return false;
}

static int code_for_peer(const struct stun_address *peer)
{
    return peer->family == STUN_FAMILY_IPV6 ? 443 : is_private(peer) ? 403 : 0;
}

/* ---- permissions and channels ---------------------------------------------------------------- */

static void forget_expired(struct model_client *client, int64_t now)
{
    size_t kept = 0;

    for (size_t i = 0; i < client->permission_count; i++) {
        if (now < client->permissions[i].expires_us) {
            client->permissions[kept++] = client->permissions[i];
        }
    }
    client->permission_count = kept;
    kept = 0;
    for (size_t i = 0; i < client->channel_count; i++) {
        if (now < client->channels[i].expires_us) {
            client->channels[kept++] = client->channels[i];
        }
    }
    client->channel_count = kept;
}

static struct model_permission *permission_of(struct model_client *client,
                                              const struct stun_address *peer)
{
    for (size_t i = 0; i < client->permission_count; i++) {
        if (address_equal_ip(&client->permissions[i].peer, peer)) {
            return &client->permissions[i];
        }
    }
    return NULL;
}

static struct model_channel *channel_of_number(struct model_client *client, uint16_t number)
{
    for (size_t i = 0; i < client->channel_count; i++) {
        if (client->channels[i].number == number) {
            return &client->channels[i];
        }
    }
    return NULL;
}

static struct model_channel *channel_of_peer(struct model_client *client,
                                             const struct stun_address *peer)
{
    for (size_t i = 0; i < client->channel_count; i++) {
        if (address_equal(&client->channels[i].peer, peer)) {
            return &client->channels[i];
        }
    }
    return NULL;
}

static void permit(struct model_client *client, const struct stun_address *peer, int64_t now)
{
    struct model_permission *permission = permission_of(client, peer);

    if (permission == NULL) {
        permission = &client->permissions[client->permission_count++];
        permission->peer = *peer;
    }
    permission->expires_us = now + 300 * SECOND;
}

/* ---- requests -------------------------------------------------------------------------------- */

static int arrive_allocate(struct model_client *client, const struct model_message *message,
                           int64_t now)
{
    bool again =
        client->allocated && client->owner == message->user &&
        memcmp(client->allocate_id, message->transaction_id, sizeof client->allocate_id) == 0;

    if (client->allocated) {
        return again ? 0 : 437;
    }
    if (message->fault == FAULT_MISSING) {
        return 400;
    }
    client->allocated = true;
    client->owner = message->user;
    client->relayed = (struct stun_address){0};
    client->expires_us = now + 600 * SECOND;
    client->permission_count = 0;
    client->channel_count = 0;
    memcpy(client->allocate_id, message->transaction_id, sizeof client->allocate_id);
    return 0;
}

static int arrive_refresh(struct model_client *client, const struct model_message *message,
                          int64_t now)
{
    uint32_t wanted_s = message->has_lifetime ? message->lifetime_s : 600;

    if (wanted_s == 0 && !client->allocated && client->deleted_us > 0 &&
        now < client->deleted_us + 40 * SECOND &&
        memcmp(client->deleted_id, message->transaction_id, sizeof client->deleted_id) == 0) {
        return 0;
    }
    if (!client->allocated) {
        return 437;
    }
    if (client->owner != message->user) {
        return 441;
    }
    if (wanted_s == 0) {
        client->allocated = false;
        client->deleted_us = now;
        memcpy(client->deleted_id, message->transaction_id, sizeof client->deleted_id);
        return 0;
    }
    wanted_s = wanted_s < 600 ? 600 : wanted_s > 3600 ? 3600 : wanted_s;
    client->expires_us = now + (int64_t)wanted_s * SECOND;
    return 0;
}

static int arrive_create_permission(struct model *model, struct model_client *client,
                                    const struct model_message *message, int64_t now)
{
    size_t fresh = 0;

    if (message->fault == FAULT_MISSING) {
        return 400;
    }
    for (size_t i = 0; i < message->peer_count; i++) {
        int code = code_for_peer(&message->peers[i]);

        if (code != 0) {
            return code;
        }
        fresh += permission_of(client, &message->peers[i]) == NULL;
    }
    if (fresh > 0 && client->permission_count + fresh > model->permissions_max) {
        return 508;
    }
    for (size_t i = 0; i < message->peer_count; i++) {
        permit(client, &message->peers[i], now);
    }
    return 0;
}

static int arrive_channel_bind(struct model *model, struct model_client *client,
                               const struct model_message *message, int64_t now)
{
    const struct stun_address *peer = &message->peers[0];
    struct model_channel *channel = channel_of_number(client, message->channel);
    int code = code_for_peer(peer);

    if (message->fault == FAULT_MISSING || message->channel < 0x4000 || message->channel > 0x4FFF) {
        return 400;
    }
    if (code != 0) {
        return code;
    }
    if (channel != channel_of_peer(client, peer)) {
        return 400;
    }
    if (permission_of(client, peer) == NULL && client->permission_count == model->permissions_max) {
        return 508;
    }
    if (channel == NULL) {
        if (client->channel_count == model->channels_max) {
            return 508;
        }
        channel = &client->channels[client->channel_count++];
        *channel = (struct model_channel){.number = message->channel, .peer = *peer};
    }
    channel->expires_us = now + 600 * SECOND;
    permit(client, peer, now);
    return 0;
}

static int arrive_request(struct model *model, struct model_client *client,
                          const struct model_message *message, int64_t now)
{
    if (message->kind != KIND_BINDING) {
        if (!message->credentials || message->fault == FAULT_PASSWORD) {
            return 401;
        }
    }
    if (message->fault == FAULT_UNKNOWN) {
        return 420;
    }
    switch (message->kind) {
    case KIND_BINDING:
        return 0;
    case KIND_ALLOCATE:
        return arrive_allocate(client, message, now);
    case KIND_REFRESH:
        return arrive_refresh(client, message, now);
    default:
        break;
    }
    if (!client->allocated) {
        return 437;
    }
    if (client->owner != message->user) {
        return 441;
    }
    return message->kind == KIND_CREATE_PERMISSION
               ? arrive_create_permission(model, client, message, now)
               : arrive_channel_bind(model, client, message, now);
}

/* ---- data ------------------------------------------------------------------------------------ */

static void forward(struct model *model, const struct model_client *client,
                    const struct stun_address *peer, int64_t now, struct model_outcome *outcome)
{
    if (may_receive(model, peer, now)) {
        outcome->type = OUTCOME_FORWARD;
        outcome->from = client->relayed;
        outcome->to = *peer;
    }
}

static void arrive_from_peer(struct model *model, const struct model_message *message, int64_t now,
                             struct model_outcome *outcome)
{
    const struct stun_address *peer = &message->peers[0];

    for (size_t i = 0; i < MODEL_CLIENTS; i++) {
        struct model_client *client = &model->clients[i];
        bool stream = client->flow.transport != TRANSPORT_UDP;
        bool channel;

        forget_expired(client, now);
        if (!client->allocated || !address_equal(&client->relayed, &message->relayed) ||
            permission_of(client, peer) == NULL) {
            continue;
        }
        channel = channel_of_peer(client, peer) != NULL;
        outcome->type = OUTCOME_FORWARD;
        outcome->from = client->flow.local;
        outcome->to = client->flow.remote;
        outcome->framing = channel ? 4 : 20 + 12 + 4;
        outcome->padding = channel && !stream ? 0 : -message->payload_size & 3;
    }
}

static void arrive_data(struct model *model, struct model_client *client,
                        const struct model_message *message, int64_t now,
                        struct model_outcome *outcome)
{
    const struct model_channel *channel = channel_of_number(client, message->channel);

    if (!client->allocated || message->fault == FAULT_MISSING) {
        return;
    }
    if (message->kind == KIND_CHANNEL_DATA && channel != NULL) {
        forward(model, client, &channel->peer, now, outcome);
    }
    if (message->kind == KIND_SEND && message->fault != FAULT_UNKNOWN &&
        permission_of(client, &message->peers[0]) != NULL) {
        forward(model, client, &message->peers[0], now, outcome);
    }
}

void model_arrive(struct model *model, struct monotime now, const struct model_message *message,
                  struct model_outcome *outcome)
{
    struct model_client *client = &model->clients[message->client];

    *outcome = (struct model_outcome){.type = OUTCOME_NOTHING};
    for (size_t i = 0; i < MODEL_CLIENTS; i++) {
        model->clients[i].allocated = has_allocation(&model->clients[i], now.us);
    }
    forget_expired(client, now.us);
    switch (message->kind) {
    case KIND_PEER_DATAGRAM:
        arrive_from_peer(model, message, now.us, outcome);
        break;
    case KIND_SEND:
    case KIND_CHANNEL_DATA:
        arrive_data(model, client, message, now.us, outcome);
        break;
    default:
        outcome->type = OUTCOME_ANSWER;
        outcome->code = arrive_request(model, client, message, now.us);
        break;
    }
}

bool model_learn_relayed(struct model *model, unsigned client, const struct stun_address *relayed)
{
    struct stun_address *known = &model->clients[client].relayed;

    for (unsigned i = 0; i < MODEL_CLIENTS; i++) {
        if (i != client && model->clients[i].allocated &&
            address_equal(&model->clients[i].relayed, relayed)) {
            return false;
        }
    }
    if (known->family == STUN_FAMILY_NONE) {
        *known = *relayed;
    }
    return address_equal(known, relayed);
}
