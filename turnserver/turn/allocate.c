/* SPDX-License-Identifier: BSD-3-Clause */
/* Allocate: RFC 8656 §7.2. */
#include "turnserver/turn/shared_port.h"
#include "turnserver/turn/turn_internal.h"

#include <errno.h>
#include <string.h>

#define EVEN_PORT_RESERVE 0x80 /* the R bit of EVEN-PORT */
/* Ports that other programs of the host hold: so many are tried before the client hears 508. */
#define PORT_TRIES 16

/* ---- what is wished -------------------------------------------------------------------------- */

struct allocate_wish {
    bool tcp; /* to peers */
    uint8_t family;
    bool dual; /* both families; `family` is IPv4 */
    bool mobile;
    enum port_parity parity;
    struct stun_address arrived; /* where the client came to */
    uint64_t token;              /* of a reservation, or RESERVATION_TOKEN_NONE */
    uint32_t lifetime_s;
};

static bool wish_refuse(struct turn_request *request, uint16_t code, const char *reason)
{
    reply_error(request, code, reason);
    return false;
}

/* RFC 6062 §5.1. */
static bool read_tcp(struct turn_request *request)
{
    const struct stun_view *view = request->view;
    uint8_t transport = request->flow->transport;

    if (transport != TRANSPORT_TCP && transport != TRANSPORT_TLS) {
        return wish_refuse(request, 400, "Bad Request: to relay TCP, come over TCP or TLS");
    }
    if (stun_view_has(view, STUN_EVEN_PORT) || stun_view_has(view, STUN_RESERVATION_TOKEN) ||
        stun_view_has(view, STUN_DONT_FRAGMENT)) {
        return wish_refuse(
            request, 400,
            "Bad Request: EVEN-PORT, RESERVATION-TOKEN and DONT-FRAGMENT are for UDP");
    }
    return true;
}

static bool read_transport(struct turn_request *request, struct allocate_wish *wish)
{
    const struct turn_server *server = request->server;
    uint8_t transport;

    if (stun_view_u8(request->view, STUN_REQUESTED_TRANSPORT, &transport) != STUN_OK) {
        return wish_refuse(request, 400,
                           "Bad Request: REQUESTED-TRANSPORT is missing or malformed");
    }
    wish->tcp = transport == STUN_TRANSPORT_TCP && server->setup.tcp.listen != NULL &&
                server->setup.shared_ports == 0 &&
                server->policy->tcp_connections_per_allocation > 0;
    if (wish->tcp) {
        return read_tcp(request);
    }
    if (transport != STUN_TRANSPORT_UDP) {
        return wish_refuse(request, 442, NULL);
    }
    return true;
}

/* Whether there is a relay of any family that the wish names. */
static bool wish_has_relay(const struct turn_request *request, const struct allocate_wish *wish)
{
    const struct port_pool *pool = request->server->setup.pool;

    return wish->token != RESERVATION_TOKEN_NONE || port_pool_has_family(pool, wish->family) ||
           (wish->dual && port_pool_has_family(pool, STUN_FAMILY_IPV6));
}

/* ADDITIONAL-ADDRESS-FAMILY has one value, IPv6, and stands without the three that it is at odds
 * with. */
static bool read_additional_family(struct turn_request *request, struct allocate_wish *wish)
{
    const struct stun_view *view = request->view;
    uint8_t family = STUN_FAMILY_NONE;
    int status = stun_view_u8(view, STUN_ADDITIONAL_ADDRESS_FAMILY, &family);

    if (status == STUN_ERROR_ABSENT) {
        return true;
    }
    if (status != STUN_OK || family != STUN_FAMILY_IPV6) {
        return wish_refuse(request, 400, "Bad Request: ADDITIONAL-ADDRESS-FAMILY must be IPv6");
    }
    if (stun_view_has(view, STUN_REQUESTED_ADDRESS_FAMILY) ||
        stun_view_has(view, STUN_RESERVATION_TOKEN) || wish->parity == PORT_EVEN_PAIR) {
        return wish_refuse(request, 400,
                           "Bad Request: ADDITIONAL-ADDRESS-FAMILY goes without "
                           "REQUESTED-ADDRESS-FAMILY, RESERVATION-TOKEN and a reserved pair");
    }
    wish->dual = true;
    wish->family = STUN_FAMILY_IPV4;
    return true;
}

static bool read_family(struct turn_request *request, struct allocate_wish *wish)
{
    bool of_client = request->server->policy->relay_family_of_client;
    int status;

    wish->family = of_client ? request->flow->remote.family : STUN_FAMILY_IPV4;
    status = stun_view_u8(request->view, STUN_REQUESTED_ADDRESS_FAMILY, &wish->family);
    if (status == STUN_ERROR_VALUE) {
        return wish_refuse(request, 400, "Bad Request: REQUESTED-ADDRESS-FAMILY is malformed");
    }
    if (!read_additional_family(request, wish)) {
        return false;
    }
    return wish_has_relay(request, wish) || wish_refuse(request, 440, NULL);
}

/* EVEN-PORT and RESERVATION-TOKEN, which exclude one another. */
static bool read_reservation(struct turn_request *request, struct allocate_wish *wish)
{
    const struct stun_view *view = request->view;
    uint8_t even;
    int has_even = stun_view_u8(view, STUN_EVEN_PORT, &even);
    int has_token = stun_view_u64(view, STUN_RESERVATION_TOKEN, &wish->token);

    if (has_even == STUN_ERROR_VALUE || has_token == STUN_ERROR_VALUE) {
        return wish_refuse(request, 400, NULL);
    }
    if (has_token == STUN_OK &&
        (has_even == STUN_OK || stun_view_has(view, STUN_REQUESTED_ADDRESS_FAMILY))) {
        return wish_refuse(request, 400, "Bad Request: RESERVATION-TOKEN stands alone");
    }
    if (has_token == STUN_OK && wish->token == RESERVATION_TOKEN_NONE) {
        return wish_refuse(request, 508, "Insufficient Capacity: no such reservation");
    }
    if (has_even == STUN_OK && request->server->setup.shared_ports > 0) {
        return wish_refuse(request, 508, "Insufficient Capacity: ports are shared here");
    }
    if (has_even == STUN_OK) {
        wish->parity = even & EVEN_PORT_RESERVE ? PORT_EVEN_PAIR : PORT_EVEN;
    }
    return true;
}

static bool read_lifetime(struct turn_request *request, struct allocate_wish *wish)
{
    const struct turn_policy *policy = request->server->policy;
    uint32_t wanted_s = policy->lifetime_default_s;

    if (stun_view_u32(request->view, STUN_LIFETIME, &wanted_s) == STUN_ERROR_VALUE) {
        return wish_refuse(request, 400, "Bad Request: LIFETIME is malformed");
    }
    wish->lifetime_s = request_lifetime(request, wanted_s);
    return true;
}

/* RFC 8016 §3.1.2. */
static bool read_mobility(struct turn_request *request, struct allocate_wish *wish)
{
    const struct stun_attribute_view *ticket = stun_view_find(request->view, STUN_MOBILITY_TICKET);

    /* Connections to peers do not move: what moves is a port (RFC 8016 §3). */
    if (ticket != NULL && (!request->server->policy->mobility || wish->tcp)) {
        return wish_refuse(request, 405, NULL);
    }
    if (ticket != NULL && ticket->size != 0) {
        return wish_refuse(request, 400, "Bad Request: MOBILITY-TICKET must be empty here");
    }
    wish->mobile = ticket != NULL;
    return true;
}

/* ---- a port ---------------------------------------------------------------------------------- */

static void pool_give_back(struct turn_server *server, const struct stun_address *relayed,
                           enum port_parity parity)
{
    struct stun_address second = *relayed;

    port_pool_give_back(server->setup.pool, relayed);
    if (parity == PORT_EVEN_PAIR) {
        second.port++;
        port_pool_give_back(server->setup.pool, &second);
    }
}

/* Ports that turn out to be taken stay out of the pool until the end, so that none is tried twice.
 */
static bool port_open_any(struct turn_server *server, const struct allocate_wish *wish,
                          uint8_t family, struct relay_opened *port)
{
    struct stun_address taken[PORT_TRIES];
    size_t taken_count = 0;
    int status = -EADDRINUSE;

    while (status == -EADDRINUSE && taken_count < PORT_TRIES &&
           port_pool_take(server->setup.pool, family, wish->parity, &wish->arrived,
                          turn_server_random(server), &port->relayed)) {
        status = relay_open(server, port);
        if (status != 0) {
            taken[taken_count++] = port->relayed;
        }
    }
    while (taken_count > 0) {
        pool_give_back(server, &taken[--taken_count], wish->parity);
    }
    return status == 0;
}

static bool port_open_reserved(struct turn_server *server, uint64_t token,
                               struct relay_opened *port)
{
    if (!reservation_take(server->reservations, token, &port->relayed)) {
        return false;
    }
    if (relay_open(server, port) != 0) {
        port_pool_give_back(server->setup.pool, &port->relayed);
        return false;
    }
    return true;
}

/* ---- an allocation --------------------------------------------------------------------------- */

static void reply_allocated(struct turn_request *request, const struct allocation *allocation)
{
    struct stun_builder builder;

    reply_begin(request, &builder, STUN_SUCCESS);
    stun_builder_put_xor_address(&builder, STUN_XOR_RELAYED_ADDRESS, &allocation->port.relayed);
    if (allocation->second != NULL) {
        stun_builder_put_xor_address(&builder, STUN_XOR_RELAYED_ADDRESS,
                                     &allocation->second->relayed);
    }
    stun_builder_put_xor_address(&builder, STUN_XOR_MAPPED_ADDRESS, &request->flow->remote);
    stun_builder_put_u32(&builder, STUN_LIFETIME, allocation->first_lifetime_s);
    if (allocation->reservation != RESERVATION_TOKEN_NONE) {
        stun_builder_put_u64(&builder, STUN_RESERVATION_TOKEN, allocation->reservation);
    }
    if (allocation->mobility != NULL) {
        stun_builder_put_bytes(&builder, STUN_MOBILITY_TICKET, allocation->mobility->ticket,
                               TURN_TICKET_SIZE);
    }
    if (allocation->refused_family != STUN_FAMILY_NONE) {
        stun_builder_put_address_error(&builder, allocation->refused_family,
                                       allocation->refused_code, NULL);
    }
    reply_send(request, &builder);
}

/* Sets the higher port of a pair aside. Returns false, with that port given back, when it cannot.
 */
static bool reserve_second(struct turn_server *server, const struct stun_address *relayed,
                           uint64_t *token)
{
    struct stun_address second = *relayed;

    second.port++;
    *token = reservation_put(server->reservations, turn_server_random(server), &second);
    if (*token == RESERVATION_TOKEN_NONE) {
        port_pool_give_back(server->setup.pool, &second);
        return false;
    }
    return true;
}

static void forget_second(struct turn_server *server, uint64_t token)
{
    struct stun_address second;

    if (token != RESERVATION_TOKEN_NONE && reservation_take(server->reservations, token, &second)) {
        port_pool_give_back(server->setup.pool, &second);
    }
}

/* What became of the wish for ports. */
struct allocate_ports {
    struct relay_opened opened[2];
    size_t count;
    uint8_t refused_family; /* of two, the one that could not be had, and why */
    uint16_t refused_code;
};

/* Opens as many as this worker may, then lets them be shared. */
static bool port_open_shared(struct turn_server *server, const struct allocate_wish *wish,
                             uint8_t family, struct relay_opened *opened)
{
    if (shared_port_count(server, family) >= server->setup.shared_ports ||
        !port_open_any(server, wish, family, opened)) {
        return shared_port_join(server, family, opened);
    }
    if (!shared_port_add(server, opened)) {
        relay_close(server, opened);
        return false;
    }
    return true;
}

static bool port_open(struct turn_server *server, const struct allocate_wish *wish, uint8_t family,
                      struct relay_opened *opened)
{
    return server->setup.shared_ports > 0 ? port_open_shared(server, wish, family, opened)
                                          : port_open_any(server, wish, family, opened);
}

static void ports_open_family(struct turn_server *server, const struct allocate_wish *wish,
                              uint8_t family, struct allocate_ports *ports)
{
    if (port_open(server, wish, family, &ports->opened[ports->count])) {
        ports->count++;
        return;
    }
    ports->refused_family = family;
    ports->refused_code = port_pool_has_family(server->setup.pool, family) ? 508 : 440;
}

/* Returns false when there is no port at all. */
static bool ports_open(struct turn_server *server, const struct allocate_wish *wish,
                       struct allocate_ports *ports)
{
    *ports = (struct allocate_ports){.opened = {{.tcp = wish->tcp}, {.tcp = wish->tcp}}};
    if (wish->token != RESERVATION_TOKEN_NONE) {
        ports->count = port_open_reserved(server, wish->token, &ports->opened[0]);
    } else {
        ports_open_family(server, wish, wish->family, ports);
    }
    if (wish->dual) {
        ports_open_family(server, wish, STUN_FAMILY_IPV6, ports);
    }
    return ports->count > 0;
}

static void ports_close(struct turn_server *server, const struct allocate_ports *ports)
{
    for (size_t i = 0; i < ports->count; i++) {
        relay_close(server, &ports->opened[i]);
    }
}

/* Opens ports and makes the allocation; undoes all of it and returns NULL when it cannot. */
static struct allocation *allocate(struct turn_request *request, const struct allocate_wish *wish,
                                   struct account *account)
{
    struct turn_server *server = request->server;
    struct allocation *allocation = NULL;
    struct allocate_ports ports;
    uint64_t reservation = RESERVATION_TOKEN_NONE;

    if (!ports_open(server, wish, &ports)) {
        return NULL;
    }
    if (wish->parity != PORT_EVEN_PAIR ||
        reserve_second(server, &ports.opened[0].relayed, &reservation)) {
        allocation =
            allocation_new(server, request->now,
                           &(struct allocation_begin){account, request->flow, ports.opened,
                                                      ports.count, wish->lifetime_s, reservation,
                                                      request->view->transaction_id});
    }
    if (allocation == NULL) {
        forget_second(server, reservation);
        ports_close(server, &ports);
        return NULL;
    }
    allocation->refused_family = ports.refused_family;
    allocation->refused_code = ports.refused_code;
    if (wish->mobile) {
        mobility_begin(server, allocation);
    }
    return allocation;
}

/* What the user is charged at most. */
static struct turn_holding holding_of_wish(const struct turn_server *server,
                                           const struct allocate_wish *wish)
{
    uint32_t ports = wish->dual || wish->parity == PORT_EVEN_PAIR ? 2 : 1;

    return (struct turn_holding){1, server->setup.shared_ports > 0 ? 0 : ports};
}

/* Another server may have room, but not what was reserved here. */
static void refuse_capacity(struct turn_request *request, const struct allocate_wish *wish,
                            const char *reason)
{
    if (wish->token != RESERVATION_TOKEN_NONE || !request_redirect(request)) {
        reply_error(request, 508, reason);
    }
}

/* RFC 8656 §19: 486 is for "this username", 508 for the server, whoever asks. */
static bool limit_is_of_server(const char *key)
{
    static const char total[] = "quotas.total.";

    return strncmp(key, total, sizeof total - 1) == 0;
}

/* Takes what the user is charged. When that is above a limit: reports it, and answers 486, or what
 * a full server does. */
static bool quota_reserve(struct turn_request *request, const struct allocate_wish *wish,
                          struct account *account, struct turn_holding holding)
{
    struct turn_server *server = request->server;
    struct turn_event reached = {
        .type = TURN_QUOTA_REACHED,
        .client = request->flow->remote,
        .via = request->flow->via,
        .transport = request->flow->transport,
    };

    if (server->setup.quota.reserve == NULL) {
        return true;
    }
    reached.limit = server->setup.quota.reserve(server->setup.quota.context,
                                                account_quota_name(account), holding);
    if (reached.limit == NULL) {
        return true;
    }
    server->counters.events_lost +=
        !event_queue_add(&server->events, &server->accounts, &reached, account);
    if (limit_is_of_server(reached.limit)) {
        refuse_capacity(request, wish, "Insufficient Capacity: the server is full");
    } else {
        reply_error(request, 486, NULL);
    }
    return false;
}

static void allocate_for(struct turn_request *request, const struct allocate_wish *wish,
                         struct account *account)
{
    struct turn_server *server = request->server;
    struct turn_holding holding = holding_of_wish(server, wish);
    struct allocation *allocation;

    if (!quota_reserve(request, wish, account, holding)) {
        account_release(&server->accounts, account);
        return;
    }
    allocation = allocate(request, wish, account);
    if (allocation == NULL) {
        account_give_back(server, account_quota_name(account), holding);
        account_release(&server->accounts, account);
        refuse_capacity(request, wish,
                        wish->token != RESERVATION_TOKEN_NONE
                            ? "Insufficient Capacity: no such reservation"
                            : "Insufficient Capacity: no relayed port is free");
        return;
    }
    if (wish->dual && !allocation_is_dual(allocation) && holding.ports > 0) {
        account_give_back(server, account_quota_name(account), (struct turn_holding){0, 1});
    }
    allocation_keep_session(allocation, request->identity);
    allocation_report(server, allocation,
                      &(struct turn_event){.type = TURN_ALLOCATED, .lifetime_s = wish->lifetime_s});
    reply_allocated(request, allocation);
}

/* A repeated request is answered like the first (RFC 8656 §7.2); any other finds a mismatch. */
static void allocate_again(struct turn_request *request)
{
    const struct allocation *allocation = request->allocation;

    if (memcmp(allocation->transaction_id, request->view->transaction_id,
               STUN_TRANSACTION_ID_SIZE) == 0 &&
        strcmp(allocation->account->name, request->identity->user) == 0) {
        reply_allocated(request, allocation);
    } else {
        reply_error(request, 437, "Allocation Mismatch: there is an allocation on this 5-tuple");
    }
}

void allocate_handle(struct turn_request *request)
{
    static const uint16_t known[] = {
        STUN_REQUESTED_TRANSPORT, STUN_LIFETIME,          STUN_REQUESTED_ADDRESS_FAMILY,
        STUN_EVEN_PORT,           STUN_RESERVATION_TOKEN, STUN_ADDITIONAL_ADDRESS_FAMILY,
        STUN_DONT_FRAGMENT};
    struct turn_server *server = request->server;
    struct allocate_wish wish = {.parity = PORT_ANY, .arrived = request->flow->local};
    struct account *account;

    if (request_refuse_unknown(request, known, sizeof known / sizeof known[0])) {
        return;
    }
    if (request->allocation != NULL) {
        allocate_again(request);
        return;
    }
    if (!read_transport(request, &wish) || !read_reservation(request, &wish) ||
        !read_family(request, &wish) || !read_lifetime(request, &wish) ||
        !read_mobility(request, &wish)) {
        return;
    }
    if (server->policy->redirect_always && wish.token == RESERVATION_TOKEN_NONE &&
        request_redirect(request)) {
        return;
    }
    if (server->policy->allocations_max > 0 &&
        server->counters.allocations_now >= server->policy->allocations_max) {
        refuse_capacity(request, &wish, "Insufficient Capacity: the server is full");
        return;
    }
    account =
        account_get(&server->accounts, request->identity->user, request->identity->account_offset);
    if (account == NULL) {
        reply_error(request, 508, NULL);
        return;
    }
    allocate_for(request, &wish, account);
}
