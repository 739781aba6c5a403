/* SPDX-License-Identifier: BSD-3-Clause */
/* Connect: RFC 6062 §5.2. Its answer comes when the connection to the peer stands, or does not. */
#include "turnserver/turn/deferred.h"
#include "turnserver/turn/tcp_connection.h"
#include "turnserver/turn/turn_internal.h"

#include "base/address.h"

static bool refuse(struct turn_request *request, uint16_t code, const char *reason)
{
    reply_error(request, code, reason);
    return false;
}

/*
 * Of our own addresses only a port at which another relay listens may be connected to, and none of
 * those on which this server serves.
 */
static bool is_reachable(struct turn_request *request, const struct stun_address *peer,
                         enum peer_verdict verdict)
{
    const struct stun_address canonical = address_canonical(peer);
    const struct relay_port *port = allocation_port(request->allocation, peer->family);
    bool reachable = verdict == PEER_ALLOWED;

    if (verdict == PEER_OWN) {
        reachable = port_pool_is_listening(request->server->setup.pool, &canonical);
    }
    if (!reachable || address_equal(&canonical, &port->relayed)) {
        request->server->counters.dropped_peer_rule++;
        return refuse(request, 403, "Forbidden IP: no relay listens at this address of the server");
    }
    return true;
}

static bool read_peer(struct turn_request *request, struct stun_address *peer)
{
    enum peer_verdict verdict;

    if (stun_view_xor_address(request->view, STUN_XOR_PEER_ADDRESS, peer) != STUN_OK ||
        peer->port == 0) {
        return refuse(request, 400, "Bad Request: XOR-PEER-ADDRESS is missing or malformed");
    }
    return request_may_permit(request, peer, &verdict) && is_reachable(request, peer, verdict);
}

void connect_handle(struct turn_request *request)
{
    static const uint16_t known[] = {STUN_XOR_PEER_ADDRESS};
    struct turn_server *server = request->server;
    struct tcp_connection *connection;
    struct stun_address peer;
    const struct relay_port *port;
    int status;

    if (request_refuse_unknown(request, known, 1) || !request_owns_allocation(request)) {
        return;
    }
    if (!request->allocation->tcp) {
        reply_error(request, 437, "Allocation Mismatch: the allocation does not relay TCP");
        return;
    }
    if (!read_peer(request, &peer)) {
        return;
    }
    if (tcp_connection_with(request->allocation, &peer) != NULL) {
        reply_error(request, 446, NULL);
        return;
    }
    connection =
        tcp_connection_new(server, request->now, request->allocation, &peer, TCP_CONNECTING);
    if (connection == NULL) {
        server->counters.tcp_refused++;
        reply_error(request, 508, "Insufficient Capacity: too many connections to peers");
        return;
    }
    port = allocation_port(request->allocation, peer.family);
    connection->request = deferred_new(request);
    status = connection->request == NULL
                 ? -1
                 : server->setup.tcp.connect(server->setup.tcp.context, connection->id,
                                             &port->relayed, &peer);
    if (status != 0) {
        server->counters.tcp_connect_failures++;
        reply_error(request, 447, NULL);
        tcp_connection_close(server, request->now, connection);
    }
}
