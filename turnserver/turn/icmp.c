/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors on the way to a peer, told to the client in a Data indication (RFC 8656 §11.5,
 * §18.13). Anybody on the way can make them, so a client hears a few a second and no more.
 */
#include "turnserver/turn/turn_internal.h"

#define ICMP_PER_SECOND 20 /* and client */
#define ICMP_INDICATION_SIZE_MAX 64

/* Unreachable, too big, time exceeded. */
static bool icmp_is_told(uint8_t family, uint8_t type)
{
    return family == STUN_FAMILY_IPV4 ? type == 3 || type == 11 : type >= 1 && type <= 3;
}

static bool client_may_hear(struct turn_server *server, struct monotime now,
                            struct allocation *allocation, const struct stun_address *peer)
{
    return permission_table_find(&allocation->permissions, now, peer) != NULL &&
           source_limit_take(server->icmp, now, &allocation->flow.remote, ICMP_PER_SECOND);
}

void turn_server_icmp(struct turn_server *server, struct monotime now, uint32_t via,
                      const struct stun_address *peer, const struct stun_icmp *icmp,
                      struct outbox *outbox)
{
    const struct relay_port *port = allocation_port_hearing(server, via, peer);
    uint8_t transaction_id[STUN_TRANSACTION_ID_SIZE];
    struct stun_builder builder;
    uint8_t *bytes;
    int size;

    if (port == NULL || !port->allocation->attached || !icmp_is_told(peer->family, icmp->type) ||
        !client_may_hear(server, now, port->allocation, peer)) {
        server->counters.icmp_dropped++;
        return;
    }
    bytes = outbox_reserve(outbox, ICMP_INDICATION_SIZE_MAX);
    relay_indication_id(server, transaction_id);
    stun_builder_begin(&builder, bytes, ICMP_INDICATION_SIZE_MAX, STUN_INDICATION, STUN_DATA,
                       transaction_id);
    stun_builder_put_xor_address(&builder, STUN_XOR_PEER_ADDRESS, peer);
    stun_builder_put_icmp(&builder, icmp);
    size = stun_builder_finish(&builder);
    if (size > 0) {
        server->counters.icmp_told++;
        outbox_add(outbox, &port->allocation->flow, bytes, (uint32_t)size);
    }
}
