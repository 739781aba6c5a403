/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Binding: RFC 8489, and RFC 5780 where the datagram came to one of the four endpoints that belong
 * together. An answer goes to the address that the request came from: RESPONSE-PORT changes the
 * port only, PADDING is as long as the request's own, and the two do not go together.
 */
#include "turnserver/turn/turn_internal.h"

#include "base/address.h"

/* Which of the four endpoints of a group: indexes into struct turn_nat_behavior. */
struct endpoint {
    const struct turn_nat_behavior *group; /* NULL: none */
    unsigned address, port;
};

static const uint16_t behavior_known[] = {STUN_CHANGE_REQUEST, STUN_RESPONSE_PORT, STUN_PADDING};
#define BEHAVIOR_KNOWN (sizeof behavior_known / sizeof behavior_known[0])

/* What is left for padding when everything else stands in the answer. */
#define PADDING_SIZE_MAX (OUTBOX_RESERVE_MAX - 512)

static bool endpoint_find_in(const struct turn_nat_behavior *behavior, const struct flow *flow,
                             struct endpoint *endpoint)
{
    if (!behavior->enabled || flow->transport != TRANSPORT_UDP) {
        return false;
    }
    for (unsigned address = 0; address < 2; address++) {
        for (unsigned port = 0; port < 2; port++) {
            if (behavior->via[address][port] == flow->via) {
                *endpoint = (struct endpoint){behavior, address, port};
                return behavior->address[address].family == flow->remote.family;
            }
        }
    }
    return false;
}

static bool endpoint_find(const struct turn_server *server, const struct flow *flow,
                          struct endpoint *endpoint)
{
    bool found = false;

    for (size_t i = 0; !found && i < TURN_NAT_GROUPS; i++) {
        found = endpoint_find_in(&server->setup.nat_behavior[i], flow, endpoint);
    }
    return found;
}

static struct stun_address endpoint_address(struct endpoint endpoint)
{
    struct stun_address address = endpoint.group->address[endpoint.address];

    address.port = endpoint.group->port[endpoint.port];
    return address;
}

/*
 * What the client asked for: its own address; `origin`, from which the answer leaves; and the other
 * endpoint that there is, or NULL. An RFC 3489 client hears the same in its own words (§11.2).
 */
static void put_addresses(const struct turn_request *request, struct stun_builder *builder,
                          const struct stun_address *origin, const struct stun_address *other)
{
    bool classic = request->view->classic;

    if (classic) {
        stun_builder_put_address(builder, STUN_MAPPED_ADDRESS, &request->flow->remote);
    } else {
        stun_builder_put_xor_address(builder, STUN_XOR_MAPPED_ADDRESS, &request->flow->remote);
    }
    if (classic || other != NULL) {
        stun_builder_put_address(builder, classic ? STUN_SOURCE_ADDRESS : STUN_RESPONSE_ORIGIN,
                                 origin);
    }
    if (other != NULL) {
        stun_builder_put_address(builder, classic ? STUN_CHANGED_ADDRESS : STUN_OTHER_ADDRESS,
                                 other);
    }
}

static void binding_answer(struct turn_request *request)
{
    struct stun_builder builder;

    reply_begin(request, &builder, STUN_SUCCESS);
    put_addresses(request, &builder, &request->flow->local, NULL);
    reply_send(request, &builder);
}

/* What a request asks of RFC 5780. */
struct behavior_wish {
    uint32_t change;
    uint16_t response_port; /* 0: the request's own */
    size_t padding;
};

static int behavior_wish_read(const struct stun_view *view, struct behavior_wish *wish)
{
    const struct stun_attribute_view *padding = stun_view_find(view, STUN_PADDING);
    int change = stun_view_u32(view, STUN_CHANGE_REQUEST, &wish->change);
    int port = stun_view_u16(view, STUN_RESPONSE_PORT, &wish->response_port);

    if (change == STUN_ERROR_VALUE || port == STUN_ERROR_VALUE) {
        return STUN_ERROR_VALUE;
    }
    if (port == STUN_OK && (padding != NULL || wish->response_port == 0)) {
        return STUN_ERROR_VALUE;
    }
    if (padding != NULL) {
        wish->padding = padding->size < PADDING_SIZE_MAX ? padding->size : PADDING_SIZE_MAX;
    }
    return STUN_OK;
}

static void put_padding(struct stun_builder *builder, size_t size)
{
    static const uint8_t zeros[PADDING_SIZE_MAX];

    if (size > 0) {
        stun_builder_put_bytes(builder, STUN_PADDING, zeros, size);
    }
}

/* RFC 5780 §6.1. */
static void binding_answer_behavior(struct turn_request *request, struct endpoint here)
{
    struct endpoint other = {here.group, 1 - here.address, 1 - here.port};
    struct endpoint from = here;
    struct behavior_wish wish = {0};
    struct stun_address origin, other_address;
    struct flow flow = *request->flow;
    struct stun_builder builder;

    if (behavior_wish_read(request->view, &wish) != STUN_OK) {
        reply_error(request, 400, NULL);
        return;
    }
    from.address = wish.change & STUN_CHANGE_IP ? other.address : here.address;
    from.port = wish.change & STUN_CHANGE_PORT ? other.port : here.port;
    origin = endpoint_address(from);
    other_address = endpoint_address(other);
    flow.via = here.group->via[from.address][from.port];
    flow.local = origin;
    flow.remote.port = wish.response_port != 0 ? wish.response_port : flow.remote.port;

    reply_begin(request, &builder, STUN_SUCCESS);
    put_addresses(request, &builder, &origin, &other_address);
    put_padding(&builder, wish.padding);
    reply_send_to(request, &builder, &flow);
}

/* RFC 3489 clients knew CHANGE-REQUEST from the start, and say with it that they wish no change. */
static bool is_classic_without_change(const struct stun_view *view)
{
    uint32_t change = 0;

    return view->classic && stun_view_u32(view, STUN_CHANGE_REQUEST, &change) == STUN_OK &&
           (change & (STUN_CHANGE_IP | STUN_CHANGE_PORT)) == 0;
}

void binding_handle(struct turn_request *request)
{
    struct endpoint here = {0};
    bool behavior = endpoint_find(request->server, request->flow, &here);
    size_t known = is_classic_without_change(request->view) ? 1 : 0; /* CHANGE-REQUEST */

    if (request_refuse_unknown(request, behavior_known, behavior ? BEHAVIOR_KNOWN : known)) {
        return;
    }
    request->server->counters.binding_requests++;
    if (behavior) {
        binding_answer_behavior(request, here);
    } else {
        binding_answer(request);
    }
}
