/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data path, both ways. Nothing is copied: what the client sends leaves from where it stands in
 * the packet, and what a peer sends is framed in the headroom in front of it. The verdict about a
 * channel's peer is kept in the channel; only whether a port of ours is live is asked each time.
 */
#include "turnserver/turn/turn_internal.h"

#include "base/address.h"

#include <string.h>

#define DATA_HEADER_SIZE_MAX (STUN_HEADER_SIZE + 24 + 4) /* XOR-PEER-ADDRESS of IPv6, DATA */

/* ---- client to peer -------------------------------------------------------------------------- */

bool relay_may_send(struct turn_server *server, enum peer_verdict verdict,
                    const struct stun_address *peer)
{
    struct stun_address canonical;
    bool may = verdict == PEER_ALLOWED;

    if (verdict == PEER_OWN) {
        canonical = address_canonical(peer);
        may = port_pool_is_live(server->setup.pool, &canonical);
    }
    may = may && peer->port != 0;
    server->counters.dropped_peer_rule += !may;
    return may;
}

/* Whether so much more may be relayed now; counts and reports it when not. */
static bool relay_has_bandwidth(struct turn_server *server, struct monotime now,
                                struct allocation *allocation, uint32_t size)
{
    const struct turn_policy *policy = server->policy;
    const struct account *account = allocation->account;

    if (bandwidth_take(account->bandwidth, now, size, policy->bandwidth_account) &&
        bandwidth_take(account->realm_bandwidth, now, size,
                       bandwidth_own_limit(account->realm_bandwidth)) &&
        bandwidth_take(server->setup.bandwidth.total, now, size, policy->bandwidth_total)) {
        return true;
    }
    server->counters.dropped_bandwidth++;
    if (!allocation->bandwidth_reported) {
        allocation->bandwidth_reported = true;
        allocation_report(server, allocation, &(struct turn_event){.type = TURN_BANDWIDTH_REACHED});
    }
    return false;
}

/*
 * The IP header goes on as RFC 8656 §15 prefers: one hop less, and the same DSCP and ECN. What did
 * not come as a datagram leaves with the system's defaults, which is the alternate behavior.
 */
static void relay_forward(struct outbox_entry *entry, const struct packet *packet,
                          struct outbox *outbox)
{
    entry->hop_limit = packet->hop_limit > 0 ? packet->hop_limit - 1 : 0;
    entry->traffic_class = packet->traffic_class;
    outbox_add_entry(outbox, entry);
}

/* Whether it has come to the end of its way, as a router would say; counted then. */
static bool relay_is_spent(struct turn_server *server, const struct packet *packet)
{
    server->counters.dropped_hop_limit += packet->hop_limit == 1;
    return packet->hop_limit == 1;
}

void relay_to_peer(struct turn_server *server, struct monotime now, struct allocation *allocation,
                   const struct stun_address *peer, const struct relay_datagram *datagram,
                   struct outbox *outbox)
{
    const struct relay_port *port = allocation_port(allocation, peer->family);
    struct flow flow;

    if (port == NULL) { /* deleted since the permission was given */
        server->counters.dropped_no_permission++;
        return;
    }
    if (relay_is_spent(server, datagram->packet) ||
        !relay_has_bandwidth(server, now, allocation, datagram->size)) {
        return;
    }
    flow = (struct flow){port->via, TRANSPORT_UDP, *peer, port->relayed};
    allocation->sent_packets++;
    allocation->sent_bytes += datagram->size;
    server->counters.relayed_to_peer_packets++;
    server->counters.relayed_to_peer_bytes += datagram->size;
    relay_forward(
        &(struct outbox_entry){flow, datagram->bytes, datagram->size, datagram->unfragmented, 0, 0},
        datagram->packet, outbox);
}

/* RFC 8656 §12.6. */
void relay_channel_data(struct turn_server *server, struct monotime now, const struct flow *flow,
                        const struct packet *packet, struct outbox *outbox)
{
    struct stun_channel_view view;
    struct allocation *allocation;
    const struct channel *channel;

    if (stun_channel_parse(&view, packet->bytes, packet->size) != STUN_OK) {
        server->counters.dropped_malformed++;
        return;
    }
    allocation = allocation_of_flow(server, flow);
    if (allocation == NULL) {
        server->counters.dropped_no_allocation++;
        return;
    }
    channel = channel_table_find_number(&allocation->channels, now, view.channel);
    if (channel == NULL) {
        server->counters.dropped_no_permission++;
        return;
    }
    if (relay_may_send(server, channel->verdict, &channel->peer)) {
        relay_to_peer(server, now, allocation, &channel->peer,
                      &(struct relay_datagram){view.data, view.size, false, packet}, outbox);
    }
}

/* ---- peer to client -------------------------------------------------------------------------- */

/*
 * Zeroes after the data, up to a multiple of four: a STUN attribute always has them, ChannelData on
 * a stream. Returns false when there is no room.
 */
static bool frame_pad(struct packet *packet, uint32_t data_size)
{
    uint32_t padding = -data_size & 3;

    if (packet->tailroom < padding) {
        return false;
    }
    memset(packet->bytes + packet->size, 0, padding);
    packet->size += padding;
    packet->tailroom = (uint16_t)(packet->tailroom - padding);
    return true;
}

static bool frame_open(struct packet *packet, uint32_t header_size)
{
    if (packet->headroom < header_size) {
        return false;
    }
    packet->bytes -= header_size;
    packet->size += header_size;
    packet->headroom = (uint16_t)(packet->headroom - header_size);
    return true;
}

/* RFC 8656 §12.7; §12.5 for the padding. */
static bool frame_channel_data(struct packet *packet, uint16_t number, bool stream)
{
    uint32_t size = packet->size;

    if (size > UINT16_MAX || !frame_open(packet, STUN_CHANNEL_HEADER_SIZE)) {
        return false;
    }
    stun_channel_write(packet->bytes, number, (uint16_t)size);
    return !stream || frame_pad(packet, size);
}

static void put_u16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

void relay_indication_id(struct turn_server *server, uint8_t id[STUN_TRANSACTION_ID_SIZE])
{
    server->indication_id[1]++;
    memcpy(id, &server->indication_id[0], 8);
    memcpy(id + 8, &server->indication_id[1], 4);
}

/*
 * A Data indication around the datagram (RFC 8656 §11.3). The builder writes what stands before the
 * data; DATA's own header and the message's length are put here, since the data must stay in place.
 */
static bool frame_data_indication(struct turn_server *server, struct packet *packet,
                                  const struct stun_address *peer)
{
    uint8_t header[DATA_HEADER_SIZE_MAX];
    uint8_t transaction_id[STUN_TRANSACTION_ID_SIZE];
    struct stun_builder builder;
    uint32_t size = packet->size;
    int header_size;

    relay_indication_id(server, transaction_id);
    stun_builder_begin(&builder, header, sizeof header, STUN_INDICATION, STUN_DATA, transaction_id);
    stun_builder_put_xor_address(&builder, STUN_XOR_PEER_ADDRESS, peer);
    stun_builder_put_flag(&builder, STUN_DATA_VALUE);
    header_size = stun_builder_finish(&builder);
    if (header_size < 0 || size > UINT16_MAX - DATA_HEADER_SIZE_MAX ||
        !frame_open(packet, (uint32_t)header_size) || !frame_pad(packet, size)) {
        return false;
    }
    put_u16(header + header_size - 2, size);
    put_u16(header + 2, packet->size - STUN_HEADER_SIZE);
    memcpy(packet->bytes, header, (size_t)header_size);
    return true;
}

static bool frame_for_client(struct turn_server *server, struct monotime now,
                             struct allocation *allocation, const struct stun_address *peer,
                             struct packet *packet)
{
    const struct channel *channel = channel_table_find_peer(&allocation->channels, now, peer);
    uint8_t transport = allocation->flow.transport;

    if (channel == NULL) {
        return frame_data_indication(server, packet, peer);
    }
    return frame_channel_data(packet, channel->number,
                              transport == TRANSPORT_TCP || transport == TRANSPORT_TLS);
}

void turn_server_relayed(struct turn_server *server, struct monotime now, uint32_t via,
                         const struct stun_address *peer, struct packet *packet,
                         struct outbox *outbox)
{
    const struct relay_port *port = allocation_port_hearing(server, via, peer);
    struct allocation *allocation;
    const struct permission *permission;
    uint32_t size = packet->size;

    if (port == NULL || !port->allocation->attached) {
        server->counters.dropped_no_allocation++;
        return;
    }
    allocation = port->allocation;
    permission = permission_table_find(&allocation->permissions, now, peer);
    if (permission == NULL || permission->verdict >= PEER_REFUSED_ALWAYS) {
        server->counters.dropped_no_permission++;
        return;
    }
    if (relay_is_spent(server, packet) || !relay_has_bandwidth(server, now, allocation, size)) {
        return;
    }
    if (!frame_for_client(server, now, allocation, peer, packet)) {
        server->counters.dropped_malformed++;
        return;
    }
    allocation->received_packets++;
    allocation->received_bytes += size;
    server->counters.relayed_to_client_packets++;
    server->counters.relayed_to_client_bytes += size;
    relay_forward(
        &(struct outbox_entry){allocation->flow, packet->bytes, packet->size, false, 0, 0}, packet,
        outbox);
}
