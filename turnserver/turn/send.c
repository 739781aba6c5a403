/* SPDX-License-Identifier: BSD-3-Clause */
/* Send indications: RFC 8656 §11.2. */
#include "turnserver/turn/turn_internal.h"

void send_handle(struct turn_request *request)
{
    static const uint16_t known[] = {STUN_XOR_PEER_ADDRESS, STUN_DATA_VALUE, STUN_MESSAGE_INTEGRITY,
                                     STUN_MESSAGE_INTEGRITY_SHA256, STUN_DONT_FRAGMENT};
    struct turn_server *server = request->server;
    const struct stun_view *view = request->view;
    const struct stun_attribute_view *data = stun_view_find(view, STUN_DATA_VALUE);
    uint16_t unknown[STUN_UNKNOWN_MAX];
    struct stun_address peer;

    if (data == NULL || stun_view_xor_address(view, STUN_XOR_PEER_ADDRESS, &peer) != STUN_OK ||
        stun_view_list_unknown(view, known, sizeof known / sizeof known[0], unknown) > 0) {
        server->counters.dropped_malformed++;
        return;
    }
    if (permission_table_find(&request->allocation->permissions, request->now, &peer) == NULL) {
        server->counters.dropped_no_permission++;
        return;
    }
    /* A permission is for an IP; some ports of it may be ours. So the rules are asked again. */
    if (relay_may_send(server, peer_rules_check(server->policy->peers, &peer), &peer)) {
        relay_to_peer(server, request->now, request->allocation, &peer,
                      &(struct relay_datagram){data->value, data->size,
                                               stun_view_has(view, STUN_DONT_FRAGMENT),
                                               request->packet},
                      request->outbox);
    }
}
