/* SPDX-License-Identifier: BSD-3-Clause */
#undef NDEBUG
#include "tests/sim/ice_world_internal.h"

#include "base/address.h"

#include <assert.h>
#include <string.h>

#define INNER_DELAY_US 200                            /* within a site */
#define RELIABLE_LOSS_US (200 * MONOTIME_MILLISECOND) /* what a lost segment costs */

/* ---- who is where ------------------------------------------------------------------------------
 */

static bool host_has(const struct world_host *host, const struct stun_address *ip)
{
    for (size_t i = 0; i < host->socket_count; i++) {
        if (address_equal_ip(&host->sockets[i].address, ip)) {
            return true;
        }
    }
    return false;
}

/* Whether the host is behind the box, however far. */
static bool is_behind(const struct world *world, int host, int box)
{
    int network = world->hosts[host].network;

    while (network != 0) {
        if (network - 1 == box) {
            return true;
        }
        network = world->parents[network - 1];
    }
    return false;
}

/* Whether a packet for this address, seen in the network that the box is in, is the box's. */
static bool box_takes(const struct world *world, int index, const struct stun_address *ip)
{
    const struct box *box = &world->boxes[index];
    bool translates = box->kind->translates && ip->family == STUN_FAMILY_IPV4;

    if (translates) {
        return address_equal_ip(&box->address, ip);
    }
    for (int host = 0; host < 2; host++) {
        if (is_behind(world, host, index) && host_has(&world->hosts[host], ip)) {
            return true;
        }
    }
    return false;
}

bool world_is_server(const struct stun_address *ip)
{
    struct stun_address ipv4 = world_address(SERVER_IPV4), ipv6 = world_address(SERVER_IPV6);

    return address_equal_ip(ip, &ipv4) || address_equal_ip(ip, &ipv6);
}

struct place world_find_place(const struct world *world, int network, const struct stun_address *ip)
{
    for (int host = 0; host < 2; host++) {
        if (world->hosts[host].network == network && host_has(&world->hosts[host], ip)) {
            return (struct place){PLACE_HOST, host};
        }
    }
    for (int box = 0; box < WORLD_BOXES_MAX; box++) {
        if (world->box_is_used[box] && world->parents[box] == network &&
            box_takes(world, box, ip)) {
            return (struct place){PLACE_BOX, box};
        }
    }
    if (network == 0 && world_is_server(ip)) {
        return (struct place){PLACE_SERVER, 0};
    }
    return (struct place){PLACE_NONE, 0};
}

/* Delay from the middle to whoever has this public address. */
static int64_t delay_to(const struct world *world, struct place place)
{
    if (place.type == PLACE_SERVER) {
        return world->server_delay_us;
    }
    if (place.type == PLACE_HOST) {
        return world->hosts[place.index].delay_us;
    }
    return world->hosts[is_behind(world, 0, place.index) ? 0 : 1].delay_us;
}

int64_t world_server_rtt_us(const struct world *world, int host)
{
    return 2 * (world->hosts[host].delay_us + world->server_delay_us);
}

int64_t world_peer_rtt_us(const struct world *world)
{
    return 2 * (world->hosts[0].delay_us + world->hosts[1].delay_us);
}

/* ---- datagrams ---------------------------------------------------------------------------------
 */

static void put_packet(struct world *world, int network, const struct stun_address *from,
                       const struct stun_address *to, int hops, int64_t delay_us,
                       const uint8_t *bytes, uint32_t size)
{
    struct world_event *event =
        world_add_event(world, WORLD_PACKET, monotime_add_us(world->now, delay_us));

    event->network = network;
    event->from = *from;
    event->to = *to;
    event->hops = hops;
    world_give_bytes(event, bytes, size);
}

/* Over the middle: delay, loss, duplicates; `from_delay` is the sender's way to it. */
static void cross(struct world *world, const struct stun_address *from,
                  const struct stun_address *to, struct place place, int hops, int64_t from_delay,
                  const uint8_t *bytes, uint32_t size)
{
    unsigned copies = world_percent(world, world->duplicate_percent) ? 2 : 1;

    world->packets++;
    for (unsigned i = 0; i < copies; i++) {
        int64_t delay_us = from_delay + delay_to(world, place);
        if (world_percent(world, world->loss_percent)) {
            world->lost++;
            continue;
        }
        if (world->jitter_us > 0) {
            delay_us += world_between(world, 0, world->jitter_us);
        }
        put_packet(world, 0, from, to, hops, delay_us, bytes, size);
    }
}

/* From network 0, where `from` is what the world sees. */
static void send_in_middle(struct world *world, const struct stun_address *from,
                           const struct stun_address *to, int hops, int64_t from_delay,
                           const uint8_t *bytes, uint32_t size)
{
    struct place place = world_find_place(world, 0, to);
    struct place source = world_find_place(world, 0, from);

    if (place.type == PLACE_NONE) {
        return;
    }
    bool same = place.type == source.type && place.index == source.index;
    if (same && place.type == PLACE_BOX) { /* it comes back at once (hairpin) */
        put_packet(world, 0, from, to, hops, INNER_DELAY_US, bytes, size);
        return;
    }
    if (place.type != PLACE_SERVER && source.type != PLACE_SERVER) {
        if (hops <= world->routers || world->peers_are_cut) {
            return;
        }
        world->openers_crossed += hops < 16;
        hops -= world->routers;
    }
    cross(world, from, to, place, hops, from_delay, bytes, size);
}

/* Out of the host's network, through box after box, until somebody there has the address. */
void world_send_from_host(struct world *world, int index, const struct stun_address *socket,
                          const struct stun_address *to, int hops, const uint8_t *bytes,
                          uint32_t size)
{
    struct stun_address from = *socket;
    int network = world->hosts[index].network;

    while (network != 0) {
        if (world_find_place(world, network, to).type != PLACE_NONE) {
            put_packet(world, network, &from, to, hops, INNER_DELAY_US, bytes, size);
            return;
        }
        struct box *box = &world->boxes[network - 1];
        bool turns_back = box->kind->translates && address_equal_ip(&box->address, to);
        if (--hops <= 0 || (turns_back && !box->kind->hairpin) ||
            !box_out(box, world->now, &from, to)) {
            return;
        }
        network = world->parents[network - 1];
    }
    send_in_middle(world, &from, to, hops, world->hosts[index].delay_us, bytes, size);
}

/* ---- the server --------------------------------------------------------------------------------
 */

void world_put_frame(struct world *world, enum world_event_type type, int connection,
                     const uint8_t *bytes, uint32_t size)
{
    struct world_connection *c = &world->connections[connection];
    bool to_host = type == WORLD_TO_HOST;
    int64_t delay_us = world->hosts[c->host].delay_us + world->server_delay_us;

    if (world_percent(world, world->loss_percent)) {
        delay_us += RELIABLE_LOSS_US;
    }
    struct monotime when = monotime_add_us(world->now, delay_us);
    when = monotime_before(when, c->last[to_host]) ? c->last[to_host] : when;
    c->last[to_host] = when;
    struct world_event *event = world_add_event(world, type, when);
    event->connection = connection;
    event->request = c->request;
    world_give_bytes(event, bytes, size);
}

void world_server_catches_up(struct world *world)
{
    shell_advance_us(world->shell, monotime_difference_us(world->now, world->shell->now));
}

void world_server_sends(struct world *world)
{
    const struct shell_sent *sent;

    while ((sent = shell_take(world->shell)) != NULL) {
        uint32_t via = sent->flow.via;
        if (via > SHELL_VIA_LISTENER && via < SHELL_VIA_RELAY) {
            world_put_frame(world, WORLD_TO_HOST, (int)via - 2, sent->bytes, sent->size);
            continue;
        }
        const struct stun_address *from =
            via >= SHELL_VIA_RELAY ? &world->shell->relayed[via] : &sent->flow.local;
        if (world_is_server(&sent->flow.remote)) { /* to another relayed port of its own */
            put_packet(world, 0, from, &sent->flow.remote, WORLD_HOPS, 1, sent->bytes, sent->size);
        } else {
            send_in_middle(world, from, &sent->flow.remote, WORLD_HOPS, world->server_delay_us,
                           sent->bytes, sent->size);
        }
    }
    shell_clear(world->shell);
}

static void serve(struct world *world, const struct world_event *event)
{
    /* Between two relayed ports of its own no datagram leaves it. */
    bool inside = world_is_server(&event->from);
    if (world->server_is_dead || (world->udp_to_server_is_dead && !inside)) {
        return;
    }
    world_server_catches_up(world);
    if (event->to.port == 3478) {
        struct flow flow = {
            .via = SHELL_VIA_LISTENER,
            .transport = TRANSPORT_UDP,
            .remote = event->from,
            .local = event->to,
        };
        shell_input(world->shell, &flow, event->bytes, event->size);
    } else {
        shell_relayed(world->shell, &event->to, &event->from, event->bytes, event->size);
    }
    world_server_sends(world);
}

struct flow world_server_flow(const struct world_connection *connection)
{
    return (struct flow){
        .via = connection->server_via,
        .transport = connection->transport,
        .remote = connection->address,
        .local = world_address(SERVER_IPV4),
    };
}

/* ---- arrivals ----------------------------------------------------------------------------------
 */

static void arrive_at_host(struct world *world, int index, const struct world_event *event,
                           const struct stun_address *to)
{
    struct world_host *host = &world->hosts[index];

    for (size_t i = 0; i < host->socket_count; i++) {
        if (address_equal(&host->sockets[i].address, to) && !host->sockets[i].closed) {
            struct flow flow = {
                .via = world_via(index, i),
                .transport = TRANSPORT_UDP,
                .remote = event->from,
                .local = *to,
            };
            if (event->type == WORLD_UNREACHABLE) {
                ice_unreachable(host->agent, world->now, flow.via, &event->from, &world->outbox);
                world_settle(world, index);
            } else {
                world_give(world, index, &flow, event->bytes, event->size);
            }
        }
    }
}

static void refuse(struct world *world, const struct world_event *event)
{
    if (!world->icmp || event->type == WORLD_UNREACHABLE) {
        return;
    }
    struct place place = world_find_place(world, 0, &event->from);
    if (place.type == PLACE_NONE || place.type == PLACE_SERVER) {
        return;
    }
    struct world_event *back = world_add_event(
        world, WORLD_UNREACHABLE, monotime_add_us(world->now, world_peer_rtt_us(world) / 2));
    back->from = event->to;
    back->to = event->from;
    back->hops = WORLD_HOPS;
}

/* Into a network: to a host in it, or through the box that has the address. */
static void arrive(struct world *world, const struct world_event *event)
{
    struct stun_address to = event->to;
    int network = event->network, hops = event->hops;

    for (;;) {
        struct place place = world_find_place(world, network, &to);
        if (place.type == PLACE_SERVER) {
            serve(world, event);
        } else if (place.type == PLACE_HOST) {
            arrive_at_host(world, place.index, event, &to);
        }
        if (place.type != PLACE_BOX) {
            return;
        }
        enum box_verdict verdict =
            box_in(&world->boxes[place.index], world->now, &event->from, &to);
        if (verdict == BOX_REFUSES) {
            refuse(world, event);
        }
        if (verdict != BOX_PASSES || --hops <= 0) {
            return;
        }
        network = place.index + 1;
    }
}

static void arrive_frame(struct world *world, const struct world_event *event)
{
    struct world_connection *connection = &world->connections[event->connection];

    if (!connection->open || connection->request != event->request || world->server_is_dead) {
        return;
    }
    if (event->type == WORLD_TO_HOST) {
        struct flow flow = {
            .via = VIA_CONNECTION + (uint32_t)event->connection,
            .transport = connection->transport,
            .remote = world_address(SERVER_IPV4),
            .local = connection->address,
        };
        world_give(world, connection->host, &flow, event->bytes, event->size);
        return;
    }
    struct flow flow = world_server_flow(connection);
    world_server_catches_up(world);
    shell_input(world->shell, &flow, event->bytes, event->size);
    world_server_sends(world);
}

void world_happen(struct world *world, const struct world_event *event)
{
    switch (event->type) {
    case WORLD_PACKET:
    case WORLD_UNREACHABLE:
        arrive(world, event);
        break;
    case WORLD_TO_SERVER:
    case WORLD_TO_HOST:
        arrive_frame(world, event);
        break;
    case WORLD_CONNECTED:
        world_connection_made(world, event);
        break;
    default:
        world_signal(world, event);
        break;
    }
}
