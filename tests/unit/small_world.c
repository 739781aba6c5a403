/* SPDX-License-Identifier: BSD-3-Clause */
#include "small_world.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- network --------------------------------------------------------------------------------- */

static void put_packet(struct small_world *world, const struct world_packet *packet)
{
    assert_true(world->packet_count < WORLD_PACKETS);
    world->packets[world->packet_count] = *packet;
    world->packets[world->packet_count].order = world->order++;
    world->packet_count++;
}

static void flush(struct outbox *outbox, void *context)
{
    struct world_side *side = context;
    struct small_world *world = side->world;
    for (size_t i = 0; i < outbox->count; i++) {
        const struct outbox_entry *entry = &outbox->entries[i];
        struct world_packet packet = {
            .when = monotime_add_us(world->now, world->delay_us),
            .sender = (int)(side - world->sides),
            .to = entry->flow.remote,
            .hops = entry->hop_limit,
            .size = entry->size,
        };
        assert_true(entry->flow.via < side->socket_count);
        assert_true(entry->size <= sizeof packet.bytes);
        packet.from = side->sockets[entry->flow.via];
        memcpy(packet.bytes, entry->bytes, entry->size);
        world->sent[packet.sender]++;
        bool lost = test_random(&world->seed) % 100 < world->loss_percent;
        if (!lost && !side->down[entry->flow.via] &&
            (world->route == NULL || world->route(world, &packet))) {
            put_packet(world, &packet);
        }
    }
    outbox_clear(outbox);
}

static void keep_event(struct small_world *world, struct world_side *side,
                       const struct ice_event *event)
{
    assert_true(side->event_count < WORLD_EVENTS);
    side->event_times[side->event_count] = world->now;
    side->events[side->event_count++] = *event;
    if (event->type == ICE_LOCAL_CANDIDATE) {
        assert_true(side->candidate_count < WORLD_CANDIDATES);
        side->candidates[side->candidate_count++] = event->candidate;
    }
}

void world_settle(struct small_world *world, int index)
{
    struct world_side *side = &world->sides[index];
    struct ice_event event;
    flush(&side->outbox, side);
    while (ice_event(side->agent, &event)) {
        keep_event(world, side, &event);
    }
}

static bool find_socket(const struct world_side *side, const struct stun_address *address,
                        uint32_t *via)
{
    for (uint32_t i = 0; i < side->socket_count; i++) {
        if (address_equal(&side->sockets[i], address) && !side->down[i]) {
            *via = i;
            return true;
        }
    }
    return false;
}

static void deliver(struct small_world *world, const struct world_packet *packet)
{
    for (int i = 0; i < 2; i++) {
        struct world_side *side = &world->sides[i];
        struct flow flow = {.remote = packet->from, .local = packet->to};
        uint8_t room[WORLD_ROOM + WORLD_PACKET_SIZE + WORLD_ROOM];
        struct packet lent = {.bytes = room + WORLD_ROOM,
                              .size = packet->size,
                              .headroom = WORLD_ROOM,
                              .tailroom = WORLD_ROOM};
        struct packet data = {0};
        if (side->agent == NULL || !find_socket(side, &packet->to, &flow.via)) {
            continue;
        }
        memcpy(lent.bytes, packet->bytes, packet->size);
        if (ice_input(side->agent, world->now, &flow, &lent, &data, &side->outbox) ==
            ICE_INPUT_DATA) {
            side->data_received++;
            snprintf(side->last_data, sizeof side->last_data, "%.*s", (int)data.size,
                     (const char *)data.bytes);
        }
        world_settle(world, i);
    }
}

static int next_packet(const struct small_world *world)
{
    int next = -1;
    for (size_t i = 0; i < world->packet_count; i++) {
        const struct world_packet *packet = &world->packets[i];
        if (next < 0 || packet->when.us < world->packets[next].when.us ||
            (packet->when.us == world->packets[next].when.us &&
             packet->order < world->packets[next].order)) {
            next = (int)i;
        }
    }
    return next;
}

static void take_packet(struct small_world *world, int index)
{
    static struct world_packet packet;
    packet = world->packets[index];
    world->packets[index] = world->packets[--world->packet_count];
    deliver(world, &packet);
}

static struct monotime side_due(const struct small_world *world, int side)
{
    return world->sides[side].agent == NULL ? MONOTIME_NEVER : ice_due(world->sides[side].agent);
}

/* One step, not past `end`. */
static bool step(struct small_world *world, struct monotime end)
{
    int packet = next_packet(world);
    struct monotime due = monotime_earlier(side_due(world, 0), side_due(world, 1));
    struct monotime next = packet < 0 ? due : monotime_earlier(due, world->packets[packet].when);
    if (monotime_before(end, next)) {
        world->now = end;
        return false;
    }
    world->now = monotime_before(next, world->now) ? world->now : next;
    if (packet >= 0 && !monotime_before(due, world->packets[packet].when)) {
        take_packet(world, packet);
        return true;
    }
    for (int i = 0; i < 2; i++) {
        if (monotime_reached(world->now, side_due(world, i))) {
            ice_tick(world->sides[i].agent, world->now, &world->sides[i].outbox);
            world_settle(world, i);
            assert_true(monotime_before(world->now, side_due(world, i)));
        }
    }
    return true;
}

void world_run_ms(struct small_world *world, int64_t ms)
{
    struct monotime end = monotime_add_ms(world->now, ms);
    while (step(world, end)) {
    }
}

bool world_run_until(struct small_world *world, int side, enum ice_event_type type, unsigned nth,
                     int64_t ms)
{
    struct monotime end = monotime_add_ms(world->now, ms);
    while (world_count(world, side, type) < nth && step(world, end)) {
    }
    return world_count(world, side, type) >= nth;
}

void world_inject(struct small_world *world, int sender, const struct stun_address *from,
                  const struct stun_address *to, const uint8_t *bytes, size_t size)
{
    struct world_packet packet = {
        .when = monotime_add_us(world->now, world->delay_us),
        .sender = sender,
        .from = *from,
        .to = *to,
        .size = (uint32_t)size,
    };
    memcpy(packet.bytes, bytes, size);
    put_packet(world, &packet);
}

/* ---- agents ---------------------------------------------------------------------------------- */

struct ice_setup world_setup(struct small_world *world, int side)
{
    return (struct ice_setup){
        .crypto = world->crypto,
        .random = test_random,
        .random_context = &world->seed,
        .role = side == 0 ? ICE_CONTROLLING : ICE_CONTROLLED,
    };
}

void world_init(struct small_world *world)
{
    memset(world, 0, sizeof *world);
    world->now = at_ms(1000);
    world->seed = 1;
    world->delay_us = 10 * MONOTIME_MILLISECOND;
    world->crypto = stun_crypto_new();
    assert_non_null(world->crypto);
    for (int i = 0; i < 2; i++) {
        world->sides[i].world = world;
        outbox_init(&world->sides[i].outbox, flush, &world->sides[i]);
    }
}

void world_free(struct small_world *world)
{
    ice_agent_free(world->sides[0].agent);
    ice_agent_free(world->sides[1].agent);
    stun_crypto_free(world->crypto);
}

void world_make(struct small_world *world, int side, const struct ice_setup *setup)
{
    world->sides[side].agent = ice_agent_new(setup);
    assert_non_null(world->sides[side].agent);
}

void world_add_socket(struct small_world *world, int index, const char *address,
                      uint16_t preference)
{
    struct world_side *side = &world->sides[index];
    uint32_t via = (uint32_t)side->socket_count;
    assert_true(via < WORLD_SOCKETS);
    side->sockets[via] = test_address(address);
    side->socket_count++;
    assert_int_equal(0, ice_add_socket(side->agent, world->now, via, &side->sockets[via],
                                       preference, &side->outbox));
    world_settle(world, index);
}

void world_pair(struct small_world *world)
{
    world_init(world);
    for (int i = 0; i < 2; i++) {
        struct ice_setup setup = world_setup(world, i);
        world_make(world, i, &setup);
    }
    world_add_socket(world, 0, "192.0.2.1:1000", 100);
    world_add_socket(world, 1, "192.0.2.2:2000", 100);
}

void world_tell_credentials(struct small_world *world, int from, bool lite)
{
    const struct ice_agent *teller = world->sides[from].agent;
    struct world_side *side = &world->sides[1 - from];
    assert_int_equal(0, ice_remote_credentials(side->agent, world->now, ice_local_ufrag(teller),
                                               ice_local_password(teller), lite, &side->outbox));
    world_settle(world, 1 - from);
}

void world_tell_candidates(struct small_world *world, int from)
{
    const struct world_side *teller = &world->sides[from];
    struct world_side *side = &world->sides[1 - from];
    for (size_t i = 0; i < teller->candidate_count; i++) {
        assert_int_equal(0, ice_remote_candidate(side->agent, world->now, &teller->candidates[i],
                                                 &side->outbox));
    }
    world_settle(world, 1 - from);
}

void world_tell(struct small_world *world, int from)
{
    world_tell_credentials(world, from, false);
    world_tell_candidates(world, from);
}

/* ---- what came of it ------------------------------------------------------------------------- */

unsigned world_count(const struct small_world *world, int side, enum ice_event_type type)
{
    unsigned count = 0;
    for (size_t i = 0; i < world->sides[side].event_count; i++) {
        count += world->sides[side].events[i].type == type;
    }
    return count;
}

const struct ice_event *world_last(const struct small_world *world, int side,
                                   enum ice_event_type type)
{
    const struct ice_event *last = NULL;
    for (size_t i = 0; i < world->sides[side].event_count; i++) {
        if (world->sides[side].events[i].type == type) {
            last = &world->sides[side].events[i];
        }
    }
    assert_non_null(last);
    return last;
}

int world_send(struct small_world *world, int index, const char *text)
{
    struct world_side *side = &world->sides[index];
    uint8_t room[ICE_HEADROOM + 64 + ICE_TAILROOM];
    uint32_t size = (uint32_t)strlen(text);
    struct packet packet = {.bytes = room + ICE_HEADROOM,
                            .size = size,
                            .headroom = ICE_HEADROOM,
                            .tailroom = ICE_TAILROOM};
    assert_true(size <= 64);
    memcpy(packet.bytes, text, size);
    int status = ice_send(side->agent, world->now, &packet, &side->outbox);
    world_settle(world, index);
    return status;
}

void world_assert_data(struct small_world *world)
{
    for (int i = 0; i < 2; i++) {
        struct world_side *peer = &world->sides[1 - i];
        unsigned before = peer->data_received;
        char text[32];
        snprintf(text, sizeof text, "data %d at %lld", i, (long long)world->now.us);
        assert_int_equal(0, world_send(world, i, text));
        world_run_ms(world, world->delay_us / MONOTIME_MILLISECOND + 1);
        assert_int_equal(before + 1, peer->data_received);
        assert_string_equal(text, peer->last_data);
    }
}
