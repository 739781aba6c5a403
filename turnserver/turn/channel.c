/* SPDX-License-Identifier: BSD-3-Clause */
/* ChannelBind: RFC 8656 §12.2. A channel brings a permission for its peer along. */
#include "turnserver/turn/turn_internal.h"

#include "base/address.h"

struct channel_wish {
    uint16_t number;
    struct stun_address peer;
    enum peer_verdict verdict;
};

static bool refuse_tcp(struct turn_request *request)
{
    if (request->allocation->tcp) {
        reply_error(request, 403, "Forbidden: an allocation that relays TCP has no channels");
    }
    return request->allocation->tcp;
}

static bool read_wish(struct turn_request *request, struct channel_wish *wish)
{
    const struct stun_view *view = request->view;

    if (stun_view_u16(view, STUN_CHANNEL_NUMBER, &wish->number) != STUN_OK) {
        reply_error(request, 400, "Bad Request: CHANNEL-NUMBER is missing or malformed");
        return false;
    }
    uint16_t max =
        request->server->policy->rfc5766_channels ? STUN_CHANNEL_RFC5766_MAX : STUN_CHANNEL_MAX;
    if (wish->number < STUN_CHANNEL_MIN || wish->number > max) {
        reply_error(request, 400, "Bad Request: the channel number is out of range");
        return false;
    }
    if (stun_view_xor_address(view, STUN_XOR_PEER_ADDRESS, &wish->peer) != STUN_OK ||
        wish->peer.port == 0) {
        reply_error(request, 400, "Bad Request: XOR-PEER-ADDRESS is missing or malformed");
        return false;
    }
    return request_may_permit(request, &wish->peer, &wish->verdict);
}

/*
 * The channel to set: the one that binds number and peer already, or a new one. Answers 400 when
 * either is bound to something else, 508 when there is no room; returns NULL then.
 */
static struct channel *channel_for(struct turn_request *request, const struct channel_wish *wish)
{
    struct permission_table *permissions = &request->allocation->permissions;
    struct channel_table *table = &request->allocation->channels;
    const struct turn_policy *policy = request->server->policy;
    struct channel *channel = channel_table_find_number(table, request->now, wish->number);

    if (channel != NULL && !address_equal(&channel->peer, &wish->peer)) {
        reply_error(request, 400, "Bad Request: the channel is bound to another peer");
        return NULL;
    }
    if (channel == NULL && channel_table_find_peer(table, request->now, &wish->peer) != NULL) {
        reply_error(request, 400, "Bad Request: the peer is bound to another channel");
        return NULL;
    }
    if (!permission_table_make_room(permissions, request->now,
                                    permission_table_find(permissions, request->now, &wish->peer) ==
                                        NULL,
                                    policy->permissions_per_allocation)) {
        reply_error(request, 508, "Insufficient Capacity: too many permissions");
        return NULL;
    }
    if (channel == NULL) {
        if (!channel_table_make_room(table, request->now, policy->channels_per_allocation)) {
            reply_error(request, 508, "Insufficient Capacity: too many channels");
            return NULL;
        }
        channel = channel_table_add(table, request->now, wish->number, &wish->peer);
    }
    return channel;
}

void channel_handle(struct turn_request *request)
{
    static const uint16_t known[] = {STUN_CHANNEL_NUMBER, STUN_XOR_PEER_ADDRESS};
    const struct turn_policy *policy = request->server->policy;
    struct channel_wish wish;
    struct channel *channel;

    if (request_refuse_unknown(request, known, 2) || !request_owns_allocation(request) ||
        refuse_tcp(request) || !read_wish(request, &wish)) {
        return;
    }
    request_tidy_claims(request);
    if (!request_claim(request, &wish.peer)) {
        return;
    }
    channel = channel_for(request, &wish);
    if (channel == NULL) {
        return;
    }
    channel->verdict = (uint8_t)wish.verdict;
    channel->expires = monotime_add_seconds(request->now, policy->channel_lifetime_s);
    permission_table_set(&request->allocation->permissions, &wish.peer, wish.verdict,
                         monotime_add_seconds(request->now, policy->permission_lifetime_s));
    reply_success(request);
}
