/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/nat_world.h"

#include "base/address.h"

#include <assert.h>
#include <string.h>

static struct stun_address ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    return (struct stun_address){.family = STUN_FAMILY_IPV4, .port = port, .ip = {a, b, c, d}};
}

uint64_t world_random(void *context)
{
    struct world *world = context;
    uint64_t z = (world->seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* ---- the wire -------------------------------------------------------------------------------- */

static bool is_lost(struct world *world)
{
    return world_random(world) % 100 < world->loss_percent;
}

static void put_packet(struct world *world, bool to_client, const struct stun_address *from,
                       const struct stun_address *to, const uint8_t *bytes, uint32_t size)
{
    uint64_t spread = (uint64_t)(world->delay_max_us - world->delay_min_us) + 1;
    assert(world->packet_count < WORLD_PACKETS_MAX && size <= WORLD_PACKET_SIZE_MAX);
    if (is_lost(world)) {
        return;
    }
    struct world_packet *packet = &world->packets[world->packet_count++];
    int64_t delay_us = world->delay_min_us + (int64_t)(world_random(world) % spread);
    packet->when = monotime_add_us(world->now, delay_us);
    packet->order = world->order++;
    packet->to_client = to_client;
    packet->from = *from;
    packet->to = *to;
    packet->size = size;
    memcpy(packet->bytes, bytes, size);
}

static struct world_packet take_first(struct world *world)
{
    size_t first = 0;
    for (size_t i = 1; i < world->packet_count; i++) {
        const struct world_packet *a = &world->packets[i];
        const struct world_packet *b = &world->packets[first];
        if (a->when.us < b->when.us || (a->when.us == b->when.us && a->order < b->order)) {
            first = i;
        }
    }
    struct world_packet packet = world->packets[first];
    world->packets[first] = world->packets[--world->packet_count];
    return packet;
}

static struct monotime first_arrival(const struct world *world)
{
    struct monotime first = MONOTIME_NEVER;
    for (size_t i = 0; i < world->packet_count; i++) {
        first = monotime_earlier(first, world->packets[i].when);
    }
    return first;
}

/* ---- the NAT --------------------------------------------------------------------------------- */

static bool is_alive(const struct world *world, const struct world_mapping *mapping)
{
    return world->nat.lifetime_ms == 0 ||
           monotime_before(world->now, monotime_add_ms(mapping->used, world->nat.lifetime_ms));
}

/* What of the remote address matters. */
static struct stun_address part(enum world_dependence dependence, const struct stun_address *remote)
{
    struct stun_address key = *remote;
    if (dependence == WORLD_ENDPOINT_INDEPENDENT) {
        return (struct stun_address){0};
    }
    if (dependence == WORLD_ADDRESS_DEPENDENT) {
        key.port = 0;
    }
    return key;
}

static bool port_is_taken(const struct world *world, uint16_t port)
{
    for (size_t i = 0; i < world->mapping_count; i++) {
        if (world->mappings[i].outside.port == port && is_alive(world, &world->mappings[i])) {
            return true;
        }
    }
    return false;
}

static uint16_t choose_port(struct world *world, const struct stun_address *inside)
{
    uint16_t port = inside->port;
    if (!world->nat.translates) {
        return port;
    }
    if (world->nat.ports == WORLD_PORTS_SEQUENTIAL) {
        world->next_port = (uint16_t)(world->next_port + world->nat.port_delta);
        return world->next_port;
    }
    while (world->nat.ports == WORLD_PORTS_RANDOM || port_is_taken(world, port)) {
        port = (uint16_t)(1024 + world_random(world) % 64512);
        if (!port_is_taken(world, port)) {
            break;
        }
    }
    return port;
}

static struct world_mapping *find_mapping(struct world *world, const struct stun_address *inside,
                                          const struct stun_address *key)
{
    for (size_t i = 0; i < world->mapping_count; i++) {
        struct world_mapping *mapping = &world->mappings[i];
        if (address_equal(&mapping->inside, inside) && address_equal(&mapping->key, key) &&
            is_alive(world, mapping)) {
            return mapping;
        }
    }
    return NULL;
}

/* A packet goes out: its mapping, made when there is none. */
static struct world_mapping *map_out(struct world *world, const struct stun_address *inside,
                                     const struct stun_address *remote)
{
    struct stun_address key = part(world->nat.mapping, remote);
    if (!world->nat.translates) {
        key = (struct stun_address){0};
    }
    struct world_mapping *mapping = find_mapping(world, inside, &key);
    if (mapping == NULL) {
        assert(world->mapping_count < WORLD_MAPPINGS_MAX);
        uint16_t port = choose_port(world, inside);
        mapping = &world->mappings[world->mapping_count++];
        *mapping = (struct world_mapping){.inside = *inside, .key = key};
        mapping->outside = world->nat.translates ? world->outside : *inside;
        mapping->outside.port = port;
    }
    mapping->used = world->now;
    assert(mapping->remote_count < WORLD_REMOTES_MAX);
    bool known = false;
    for (size_t i = 0; i < mapping->remote_count; i++) {
        known = known || address_equal(&mapping->remotes[i], remote);
    }
    if (!known) {
        mapping->remotes[mapping->remote_count++] = *remote;
    }
    return mapping;
}

static bool passes(const struct world *world, const struct world_mapping *mapping,
                   const struct stun_address *remote)
{
    struct stun_address wanted = part(world->nat.filtering, remote);
    for (size_t i = 0; i < mapping->remote_count; i++) {
        struct stun_address sent = part(world->nat.filtering, &mapping->remotes[i]);
        if (address_equal(&sent, &wanted)) {
            return true;
        }
    }
    return false;
}

static struct world_mapping *map_in(struct world *world, const struct stun_address *outside,
                                    const struct stun_address *remote)
{
    for (size_t i = 0; i < world->mapping_count; i++) {
        struct world_mapping *mapping = &world->mappings[i];
        if (address_equal(&mapping->outside, outside) && is_alive(world, mapping) &&
            passes(world, mapping, remote)) {
            return mapping;
        }
    }
    return NULL;
}

/* ---- the server ------------------------------------------------------------------------------ */

struct endpoint {
    bool other_ip, other_port;
};

static struct stun_address server_address(const struct world *world, struct endpoint endpoint)
{
    struct stun_address address =
        endpoint.other_ip && !world->server.one_address ? world->other : world->primary;
    address.port = endpoint.other_port ? world->other.port : world->primary.port;
    return address;
}

static bool find_endpoint(const struct world *world, const struct stun_address *address,
                          struct endpoint *out)
{
    for (unsigned i = 0; i < 4; i++) {
        struct endpoint endpoint = {(i & 2) != 0, (i & 1) != 0};
        struct stun_address candidate = server_address(world, endpoint);
        if (address_equal(&candidate, address)) {
            *out = endpoint;
            return !(world->server.other_silent && endpoint.other_ip);
        }
    }
    return false;
}

static void put_success(const struct world *world, struct stun_builder *builder,
                        const struct world_packet *packet, struct endpoint at,
                        const struct stun_address *source)
{
    struct stun_address other =
        server_address(world, (struct endpoint){!at.other_ip, !at.other_port});
    stun_builder_put_xor_address(builder, STUN_XOR_MAPPED_ADDRESS, &packet->from);
    stun_builder_put_address(builder, STUN_RESPONSE_ORIGIN, source);
    if (!world->server.no_other_address) {
        stun_builder_put_address(builder, STUN_OTHER_ADDRESS, &other);
    }
    stun_builder_put_string(builder, STUN_SOFTWARE, "simulated");
}

static void serve(struct world *world, const struct world_packet *packet)
{
    struct endpoint at;
    struct stun_view request;
    struct stun_builder builder;
    uint8_t bytes[WORLD_PACKET_SIZE_MAX];
    uint32_t change = 0;
    struct stun_address target = packet->from;
    if (world->server.dead || !find_endpoint(world, &packet->to, &at) ||
        stun_view_parse(&request, packet->bytes, packet->size) != STUN_OK ||
        request.message_class != STUN_REQUEST) {
        return;
    }
    stun_view_u32(&request, STUN_CHANGE_REQUEST, &change);
    bool wants_port = stun_view_u16(&request, STUN_RESPONSE_PORT, &target.port) == STUN_OK;
    uint16_t error = 0;
    if (world->server.refuses) {
        error = 500;
    } else if ((change != 0 && world->server.refuses_change) ||
               (wants_port && world->server.no_response_port)) {
        error = 420;
    }
    if (change != 0 && world->server.no_change) {
        return;
    }
    struct endpoint from = at;
    if (error == 0 && !world->server.ignores_change) {
        from.other_ip ^= (change & STUN_CHANGE_IP) != 0;
        from.other_port ^= (change & STUN_CHANGE_PORT) != 0;
    }
    struct stun_address source = server_address(world, from);
    stun_builder_begin_answer(&builder, bytes, sizeof bytes, error == 0 ? STUN_SUCCESS : STUN_ERROR,
                              &request);
    if (error == 0) {
        put_success(world, &builder, packet, at, &source);
    } else {
        stun_builder_put_error(&builder, error, NULL);
        target = packet->from;
    }
    int size = stun_builder_finish(&builder);
    assert(size > 0);
    put_packet(world, true, &source, &target, bytes, (uint32_t)size);
}

/* ---- the client ------------------------------------------------------------------------------ */

static void give_to_client(struct world *world, const struct stun_address *inside,
                           const struct stun_address *from, const uint8_t *bytes, uint32_t size)
{
    uint8_t copy[WORLD_PACKET_SIZE_MAX];
    struct packet packet = {.bytes = copy, .size = size};
    memcpy(copy, bytes, size);
    for (uint32_t via = 0; via < world->client.socket_count; via++) {
        if (address_equal(&world->client.sockets[via], inside)) {
            struct flow flow = {.via = via, .remote = *from, .local = *inside};
            world->client.input(world->client.machine, world->now, &flow, &packet, &world->outbox);
        }
    }
}

static void arrive(struct world *world, const struct world_packet *packet)
{
    if (!packet->to_client) {
        serve(world, packet);
        return;
    }
    struct world_mapping *mapping = map_in(world, &packet->to, &packet->from);
    if (mapping != NULL) {
        if (world->nat.inbound_refreshes) {
            mapping->used = world->now;
        }
        give_to_client(world, &mapping->inside, &packet->from, packet->bytes, packet->size);
    }
}

static void client_sends(struct outbox *outbox, void *context)
{
    struct world *world = context;
    for (size_t i = 0; i < outbox->count; i++) {
        const struct outbox_entry *entry = &outbox->entries[i];
        const struct stun_address *inside = &world->client.sockets[entry->flow.via];
        world->sent++;
        if (world->nat.blocks || is_lost(world)) {
            continue;
        }
        struct stun_address from = map_out(world, inside, &entry->flow.remote)->outside;
        if (!address_equal_ip(&entry->flow.remote, &world->outside)) {
            put_packet(world, false, &from, &entry->flow.remote, entry->bytes, entry->size);
        } else if (world->nat.hairpin) {
            put_packet(world, true, &from, &entry->flow.remote, entry->bytes, entry->size);
        }
    }
    outbox_clear(outbox);
}

/* ---- running --------------------------------------------------------------------------------- */

void world_init(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->delay_min_us = 10000;
    world->delay_max_us = 20000;
    world->nat.translates = true;
    world->nat.port_delta = 1;
    world->nat.inbound_refreshes = true;
    world->primary = ipv4(192, 0, 2, 1, 3478);
    world->other = ipv4(192, 0, 2, 2, 3479);
    world->outside = ipv4(198, 51, 100, 7, 0);
    world->next_port = 40000;
    outbox_init(&world->outbox, client_sends, world);
}

bool world_run(struct world *world, struct monotime end)
{
    const struct world_client *client = &world->client;
    client_sends(&world->outbox, world);
    while (!client->finished(client->machine)) {
        struct monotime arrival = first_arrival(world);
        struct monotime due = client->due(client->machine);
        struct monotime next = monotime_earlier(arrival, due);
        if (monotime_before(end, next)) {
            world->now = end;
            return false;
        }
        assert(!monotime_before(next, world->now));
        world->now = next;
        if (arrival.us == next.us) {
            struct world_packet packet = take_first(world);
            arrive(world, &packet);
        } else {
            client->tick(client->machine, world->now, &world->outbox);
        }
        client_sends(&world->outbox, world);
    }
    return true;
}
