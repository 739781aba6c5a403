/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stunclient's test of a relay against our own server machine, with delay, reordering and loss
 * between them: two programs, no socket, no clock.
 */
#include "stunclient/turn_test.h"
#include "tests/sim/turn_shell.h"
#include "tests/unit/seeded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define PACKETS_MAX 256
#define PACKET_SIZE_MAX 1500

enum direction {
    TO_SERVER,
    TO_CLIENT,
    TO_RELAY, /* between two relayed ports: no loss, no delay to speak of */
};

struct packet_under_way {
    struct monotime when;
    enum direction direction;
    uint32_t side; /* TO_SERVER, TO_CLIENT */
    struct stun_address from, to;
    size_t size;
    uint8_t bytes[PACKET_SIZE_MAX];
};

static struct world {
    struct shell *shell;
    struct turn_test *test;
    struct stun_crypto *crypto;
    struct outbox outbox;
    struct flow server_flows[TURN_TEST_FLOWS]; /* as the server sees ours */
    uint64_t seed;
    unsigned loss_percent;
    struct packet_under_way packets[PACKETS_MAX];
    size_t count;
    unsigned lost;
} world;

static uint64_t world_random(void *context)
{
    (void)context;
    return seeded_next(&world.seed);
}

static void put(enum direction direction, uint32_t side, const struct stun_address *from,
                const struct stun_address *to, const uint8_t *bytes, size_t size)
{
    assert_true(world.count < PACKETS_MAX && size <= PACKET_SIZE_MAX);
    if (direction != TO_RELAY && seeded_below(&world.seed, 100) < world.loss_percent) {
        world.lost++;
        return;
    }
    int64_t delay_us = direction == TO_RELAY ? 1 : 5000 + (int64_t)seeded_below(&world.seed, 25000);
    struct packet_under_way *packet = &world.packets[world.count++];
    packet->when = monotime_add_us(world.shell->now, delay_us);
    packet->direction = direction;
    packet->side = side;
    packet->from = *from;
    packet->to = *to;
    packet->size = size;
    memcpy(packet->bytes, bytes, size);
}

static void client_sends(struct outbox *outbox, void *context)
{
    static const struct stun_address nowhere;
    (void)context;
    for (size_t i = 0; i < outbox->count; i++) {
        const struct outbox_entry *entry = &outbox->entries[i];
        put(TO_SERVER, entry->flow.via, &nowhere, &nowhere, entry->bytes, entry->size);
    }
    outbox_clear(outbox);
}

static void server_sends(void)
{
    const struct shell_sent *sent;
    while ((sent = shell_take(world.shell)) != NULL) {
        if (sent->flow.via >= SHELL_VIA_RELAY) {
            put(TO_RELAY, 0, &world.shell->relayed[sent->flow.via], &sent->flow.remote, sent->bytes,
                sent->size);
            continue;
        }
        uint32_t side = 0;
        while (!address_equal(&sent->flow.remote, &world.server_flows[side].remote)) {
            side++;
        }
        put(TO_CLIENT, side, &world.server_flows[side].local, &sent->flow.remote, sent->bytes,
            sent->size);
    }
    shell_clear(world.shell);
}

static void arrive(size_t at)
{
    static uint8_t room[64 + PACKET_SIZE_MAX + 64];
    struct packet_under_way packet = world.packets[at];
    world.packets[at] = world.packets[--world.count];
    if (packet.direction == TO_SERVER) {
        shell_input(world.shell, &world.server_flows[packet.side], packet.bytes, packet.size);
        server_sends();
    } else if (packet.direction == TO_RELAY) {
        shell_relayed(world.shell, &packet.to, &packet.from, packet.bytes, packet.size);
        server_sends();
    } else {
        struct flow flow = {.via = packet.side, .remote = packet.from, .local = packet.to};
        struct packet given = {
            .bytes = room + 64, .size = (uint32_t)packet.size, .headroom = 64, .tailroom = 64};
        memcpy(given.bytes, packet.bytes, packet.size);
        turn_test_input(world.test, world.shell->now, &flow, &given, &world.outbox);
        client_sends(&world.outbox, NULL);
    }
}

static size_t first_arrival(void)
{
    size_t first = 0;
    for (size_t i = 1; i < world.count; i++) {
        first = monotime_before(world.packets[i].when, world.packets[first].when) ? i : first;
    }
    return first;
}

static void run(int64_t seconds)
{
    struct monotime end = monotime_add_seconds(world.shell->now, seconds);
    turn_test_start(world.test, world.shell->now, &world.outbox);
    client_sends(&world.outbox, NULL);
    while (!turn_test_finished(world.test)) {
        size_t first = first_arrival();
        struct monotime arrival = world.count > 0 ? world.packets[first].when : MONOTIME_NEVER;
        struct monotime next = monotime_earlier(arrival, turn_test_due(world.test));
        assert_true(monotime_before(next, end));
        shell_advance_us(world.shell, monotime_difference_us(next, world.shell->now));
        server_sends();
        if (arrival.us == next.us) {
            arrive(first);
        } else {
            turn_test_tick(world.test, world.shell->now, &world.outbox);
            client_sends(&world.outbox, NULL);
        }
    }
}

/* `wishes` says what is asked for: dual, mobile, user, password. */
static void begin_with(uint64_t seed, unsigned loss_percent, uint32_t count,
                       const struct turn_client_setup *wishes)
{
    static const char *const us[TURN_TEST_FLOWS] = {"203.0.113.50:40000", "203.0.113.50:40001",
                                                    NULL, NULL, "203.0.113.51:40000"};
    memset(&world, 0, sizeof world);
    world.seed = seed;
    world.loss_percent = loss_percent;
    world.crypto = stun_crypto_new();
    world.shell = shell_new(seed);
    shell_start(world.shell, NULL);
    outbox_init(&world.outbox, client_sends, NULL);
    struct turn_test_setup setup = {
        .client = *wishes,
        .count = count,
        .size = 200,
        .interval_ms = 10,
    };
    setup.client.crypto = world.crypto;
    setup.client.random = world_random;
    setup.client.timing = stun_timing_default;
    setup.client.timeout_ms = 30000;
    for (uint32_t side = 0; side < TURN_TEST_FLOWS; side++) {
        if (us[side] == NULL) {
            continue;
        }
        world.server_flows[side] = shell_flow_udp(us[side]);
        setup.flows[side] = (struct flow){.via = side,
                                          .remote = world.server_flows[side].local,
                                          .local = world.server_flows[side].remote};
    }
    world.test = turn_test_new(&setup);
    assert_non_null(world.test);
}

static void begin(uint64_t seed, unsigned loss_percent, uint32_t count, const char *password)
{
    begin_with(seed, loss_percent, count,
               &(struct turn_client_setup){.user = "alice", .password = password});
}

static void end(void)
{
    turn_test_free(world.test);
    stun_crypto_free(world.crypto);
    shell_free(world.shell);
}

static void a_good_way_loses_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        begin(seed, 0, 100, "secret");
        run(60);
        for (unsigned i = 0; i < TURN_STEPS; i++) {
            assert_int_equal(turn_test_step(world.test, (enum turn_step_name)i)->state,
                             i == STEP_CONNECT || i == STEP_SECOND || i == STEP_MOVE ? STEP_UNTRIED
                                                                                     : STEP_OK);
        }
        const struct turn_echo *echo = turn_test_echo(world.test);
        assert_int_equal(echo->sent, 100);
        assert_int_equal(echo->arrived, 100);
        assert_int_equal(echo->returned, 100);
        assert_int_equal(echo->duplicates + echo->corrupted, 0);
        assert_true(echo->reordered > 0); /* 10 ms apart, up to 25 ms of jitter a way */
        assert_true(echo->rtt_min_us >= 20000 && echo->rtt_max_us <= 121000);
        assert_int_equal(turn_server_counters(world.shell->server)->allocations_now, 0);
        end();
    }
}

/* Requests get through by being sent again; what is lost of the data is counted, not more. */
static void loss_is_counted_and_survived(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        begin(seed, (unsigned)(seed % 3 + 1) * 5, 100, "secret");
        run(120);
        const struct turn_echo *echo = turn_test_echo(world.test);
        assert_int_equal(turn_test_step(world.test, STEP_CHANNEL)->state, STEP_OK);
        assert_int_equal(turn_test_step(world.test, STEP_ECHO)->state, STEP_OK);
        assert_int_equal(echo->sent, 100);
        assert_true(echo->returned < 100 && echo->returned > 30);
        assert_true(echo->arrived >= echo->returned);
        assert_true(100 - echo->returned <= world.lost);
        assert_int_equal(echo->duplicates + echo->corrupted, 0);
        if (turn_test_step(world.test, STEP_DELETE)->state == STEP_OK) {
            assert_int_equal(turn_server_counters(world.shell->server)->allocations_now, 0);
        }
        end();
    }
}

/* Two families and a move, with loss: every step ends well, or its loss is what ends it. */
static void two_families_and_a_move(void **state)
{
    const struct turn_client_setup wishes = {
        .user = "alice", .password = "secret", .dual = true, .mobile = true};
    struct stun_address private_peers[TURN_TEST_PRIVATE_MAX];
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        begin_with(seed, (unsigned)(seed % 4) * 4, 20, &wishes);
        run(200);
        assert_int_equal(turn_test_step(world.test, STEP_SECOND)->state, STEP_OK);
        assert_int_equal(turn_test_step(world.test, STEP_MOVE)->state, STEP_OK);
        assert_int_equal(turn_test_step(world.test, STEP_PRIVATE)->state, STEP_OK);
        for (unsigned side = 0; side < 2; side++) {
            const struct turn_test_side *at = turn_test_side(world.test, side);
            assert_int_equal(at->relayed.family, STUN_FAMILY_IPV4);
            assert_int_equal(at->second.family, STUN_FAMILY_IPV6);
        }
        assert_int_equal(turn_test_private(world.test, private_peers), 0);
        assert_true(turn_server_counters(world.shell->server)->allocations_moved >= 1);
        if (turn_test_step(world.test, STEP_DELETE)->state == STEP_OK) {
            assert_int_equal(turn_server_counters(world.shell->server)->allocations_now, 0);
        }
        end();
    }
}

static void a_wrong_password_fails_the_first_step(void **state)
{
    (void)state;
    begin(3, 0, 10, "wrong");
    run(60);
    const struct turn_step *step = turn_test_step(world.test, STEP_ALLOCATE);
    assert_int_equal(step->state, STEP_FAILED);
    assert_int_equal(step->event.failure, TURN_CLIENT_UNAUTHENTICATED);
    assert_int_equal(turn_test_step(world.test, STEP_DELETE)->state, STEP_UNTRIED);
    end();
}

static void a_quota_of_one_leaves_nothing_behind(void **state)
{
    (void)state;
    begin(3, 0, 10, "secret");
    world.shell->quota = 1;
    run(60);
    const struct turn_step *step = turn_test_step(world.test, STEP_ALLOCATE);
    assert_int_equal(step->state, STEP_FAILED);
    assert_int_equal(step->event.failure, TURN_CLIENT_QUOTA);
    assert_int_equal(turn_server_counters(world.shell->server)->allocations_now, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_way_loses_nothing),
        cmocka_unit_test(loss_is_counted_and_survived),
        cmocka_unit_test(two_families_and_a_move),
        cmocka_unit_test(a_wrong_password_fails_the_first_step),
        cmocka_unit_test(a_quota_of_one_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
