/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/turn_client_internal.h"

#include "base/address.h"

#include <errno.h>
#include <string.h>

#define ATTRIBUTE_HEADER_SIZE 4
#define DATA_SIZE_MAX 65507u /* what fits into one UDP datagram */

static void count_sent(struct turn_client *client, struct monotime now, uint32_t size)
{
    client->counters.sent_packets++;
    client->counters.sent_bytes += size;
    turn_client_sent(client, now);
}

/* Zero bytes up to a multiple of four. The caller has seen to it that there is tailroom. */
static uint32_t pad(uint8_t *bytes, uint32_t size)
{
    uint32_t padding = (4 - (size & 3)) & 3;
    memset(bytes + size, 0, padding);
    return padding;
}

static void send_channel(struct turn_client *client, uint16_t channel, const struct packet *packet,
                         struct outbox *outbox)
{
    uint8_t *header = packet->bytes - STUN_CHANNEL_HEADER_SIZE;
    uint32_t padding =
        stun_flow_is_reliable(&client->setup.flow) ? pad(packet->bytes, packet->size) : 0;
    stun_channel_write(header, channel, (uint16_t)packet->size);
    outbox_add(outbox, &client->setup.flow, header,
               STUN_CHANNEL_HEADER_SIZE + packet->size + padding);
}

/*
 * Header, XOR-PEER-ADDRESS, DONT-FRAGMENT and the head of DATA are built aside and put in front of
 * the data, which does not move.
 */
static int send_indication(struct turn_client *client, const struct stun_address *peer,
                           const struct packet *packet, struct outbox *outbox)
{
    uint8_t id[STUN_TRANSACTION_ID_SIZE];
    struct stun_builder builder;
    uint8_t head[TURN_CLIENT_HEADROOM];
    stun_new_id(id, client->setup.random, client->setup.random_context);
    stun_builder_begin(&builder, head, sizeof head - ATTRIBUTE_HEADER_SIZE, STUN_INDICATION,
                       STUN_SEND, id);
    stun_builder_put_xor_address(&builder, STUN_XOR_PEER_ADDRESS, peer);
    if (client->setup.dont_fragment) {
        stun_builder_put_flag(&builder, STUN_DONT_FRAGMENT);
    }
    int built = stun_builder_finish(&builder);
    if (built < 0) {
        return -EINVAL;
    }
    uint32_t head_size = (uint32_t)built + ATTRIBUTE_HEADER_SIZE;
    uint32_t body_size = packet->size + pad(packet->bytes, packet->size);
    uint32_t length = head_size - STUN_HEADER_SIZE + body_size;
    const uint8_t data_header[ATTRIBUTE_HEADER_SIZE] = {
        STUN_DATA_VALUE >> 8, STUN_DATA_VALUE & 0xff, (uint8_t)(packet->size >> 8),
        (uint8_t)packet->size};
    head[2] = (uint8_t)(length >> 8);
    head[3] = (uint8_t)length;
    memcpy(head + built, data_header, sizeof data_header);
    memcpy(packet->bytes - head_size, head, head_size);
    outbox_add(outbox, &client->setup.flow, packet->bytes - head_size, head_size + body_size);
    return 0;
}

static bool has_room(const struct turn_client *client, const struct packet *packet, bool channel)
{
    uint32_t padding =
        channel && !stun_flow_is_reliable(&client->setup.flow) ? 0 : (4 - (packet->size & 3)) & 3;
    return packet->headroom >= (channel ? STUN_CHANNEL_HEADER_SIZE : TURN_CLIENT_HEADROOM) &&
           packet->tailroom >= padding;
}

int turn_client_send(struct turn_client *client, struct monotime now,
                     const struct stun_address *address, struct packet *packet,
                     struct outbox *outbox)
{
    int status = 0;
    if (client->state != CLIENT_ALLOCATED) {
        return -ENOTCONN;
    }
    if (packet->size > DATA_SIZE_MAX - TURN_CLIENT_HEADROOM) {
        return -EMSGSIZE;
    }
    const struct turn_peer *peer = turn_peer_find_bound(client, now, address);
    if (peer == NULL && !turn_peer_permits(client, now, address)) {
        return -EACCES;
    }
    if (!has_room(client, packet, peer != NULL)) {
        return -ENOBUFS;
    }
    if (peer != NULL) {
        send_channel(client, (uint16_t)(STUN_CHANNEL_MIN + (peer - client->peers)), packet, outbox);
    } else {
        status = send_indication(client, address, packet, outbox);
    }
    count_sent(client, now, packet->size);
    return status;
}

bool turn_client_may_send(const struct turn_client *client, struct monotime now,
                          const struct stun_address *peer)
{
    return client->state == CLIENT_ALLOCATED && turn_peer_permits(client, now, peer);
}

/* ---- what peers send ------------------------------------------------------------------------- */

/* `data` lies inside `packet`; what is around it becomes room. */
static enum turn_client_input deliver(struct turn_client *client, const struct packet *packet,
                                      const uint8_t *data, uint32_t size,
                                      struct turn_client_data *out)
{
    uint32_t before = (uint32_t)(data - packet->bytes);
    out->packet = (struct packet){
        .bytes = packet->bytes + before,
        .size = size,
        .headroom = (uint16_t)(packet->headroom + before),
        .tailroom = (uint16_t)(packet->tailroom + (packet->size - before - size)),
    };
    client->counters.received_packets++;
    client->counters.received_bytes += size;
    return TURN_CLIENT_DATA;
}

static enum turn_client_input drop(struct turn_client *client)
{
    client->counters.dropped++;
    return TURN_CLIENT_HANDLED;
}

enum turn_client_input turn_relay_channel(struct turn_client *client, struct monotime now,
                                          const struct packet *packet,
                                          struct turn_client_data *data)
{
    struct stun_channel_view view;
    (void)now;
    if (client->state != CLIENT_ALLOCATED ||
        stun_channel_parse(&view, packet->bytes, packet->size) != STUN_OK) {
        return drop(client);
    }
    size_t index = (size_t)view.channel - STUN_CHANNEL_MIN;
    /* The first data may overtake the answer to ChannelBind. */
    if (index >= client->peer_count || !client->peers[index].wants_channel) {
        return drop(client);
    }
    data->peer = client->peers[index].address;
    return deliver(client, packet, view.data, view.size, data);
}

/* ICMP: two reserved bytes, type, code, four bytes of error data (RFC 8656 §18.13). */
static enum turn_client_input icmp(struct turn_client *client, const struct stun_address *peer,
                                   const struct stun_attribute_view *attribute)
{
    if (attribute == NULL || attribute->size < 8) {
        return drop(client);
    }
    struct turn_client_event *event = turn_client_add_event(client, TURN_CLIENT_PEER_ICMP, NULL);
    event->peer = *peer;
    event->icmp_type = attribute->value[2];
    event->icmp_code = attribute->value[3];
    return TURN_CLIENT_HANDLED;
}

enum turn_client_input turn_relay_indication(struct turn_client *client, struct monotime now,
                                             const struct stun_view *view,
                                             const struct packet *packet,
                                             struct turn_client_data *data)
{
    struct stun_address peer;
    const struct stun_attribute_view *value = stun_view_find(view, STUN_DATA_VALUE);
    if (client->state != CLIENT_ALLOCATED ||
        stun_view_xor_address(view, STUN_XOR_PEER_ADDRESS, &peer) != STUN_OK ||
        !turn_peer_permits(client, now, &peer)) { /* RFC 8656 §11.4 */
        return drop(client);
    }
    if (value == NULL) {
        return icmp(client, &peer, stun_view_find(view, STUN_ICMP));
    }
    data->peer = peer;
    return deliver(client, packet, value->value, value->size, data);
}
