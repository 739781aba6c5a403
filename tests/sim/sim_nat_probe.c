/* SPDX-License-Identifier: BSD-3-Clause */
/* Every kind of NAT, with and without loss, against good servers and bad ones. */
#include "proto/nat_probe.h"
#include "tests/sim/nat_world.h"

#include "base/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static struct world world;
static struct nat_probe probe;
static struct stun_address sockets[NAT_PROBE_SOCKETS];

static bool input(void *machine, struct monotime now, const struct flow *flow,
                  const struct packet *packet, struct outbox *outbox)
{
    return nat_probe_input(machine, now, flow, packet, outbox);
}

static void tick(void *machine, struct monotime now, struct outbox *outbox)
{
    nat_probe_tick(machine, now, outbox);
}

static struct monotime due(void *machine)
{
    return nat_probe_due(machine);
}

static bool finished(void *machine)
{
    return nat_probe_finished(machine);
}

static const struct nat_report *run_for(int64_t seconds)
{
    struct nat_probe_setup setup = {.random = world_random,
                                    .random_context = &world,
                                    .server = world.primary,
                                    .mapping = true,
                                    .filtering = true,
                                    .give_up = {seconds * MONOTIME_SECOND}};
    for (size_t i = 0; i < NAT_PROBE_SOCKETS; i++) {
        uint16_t port = (uint16_t)(32768 + world_random(&world) % 28000);
        sockets[i] = (struct stun_address){STUN_FAMILY_IPV4, port, {10, 0, 0, 2}};
        setup.local[i] = sockets[i];
    }
    world.client =
        (struct world_client){&probe, input, tick, due, finished, sockets, NAT_PROBE_SOCKETS};
    nat_probe_init(&probe, &setup);
    nat_probe_start(&probe, world.now, &world.outbox);
    assert_true(world_run(&world, (struct monotime){(seconds + 1) * MONOTIME_SECOND}));
    assert_int_equal(nat_probe_due(&probe).us, MONOTIME_NEVER.us);
    return nat_probe_report(&probe);
}

static const enum nat_mapping mapping_of[] = {
    [WORLD_ENDPOINT_INDEPENDENT] = NAT_MAPPING_ENDPOINT_INDEPENDENT,
    [WORLD_ADDRESS_DEPENDENT] = NAT_MAPPING_ADDRESS_DEPENDENT,
    [WORLD_ADDRESS_AND_PORT_DEPENDENT] = NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT,
};
static const enum nat_filtering filtering_of[] = {
    [WORLD_ENDPOINT_INDEPENDENT] = NAT_FILTERING_ENDPOINT_INDEPENDENT,
    [WORLD_ADDRESS_DEPENDENT] = NAT_FILTERING_ADDRESS_DEPENDENT,
    [WORLD_ADDRESS_AND_PORT_DEPENDENT] = NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT,
};

#define FIRST WORLD_ENDPOINT_INDEPENDENT
#define LAST WORLD_ADDRESS_AND_PORT_DEPENDENT

static const struct nat_report *run_type(uint64_t seed, int mapping, int filtering, unsigned loss,
                                         int64_t seconds)
{
    world_init(&world, seed);
    world.loss_percent = loss;
    world.nat.mapping = (enum world_dependence)mapping;
    world.nat.filtering = (enum world_dependence)filtering;
    return run_for(seconds);
}

static void every_type_is_known_within_three_seconds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        for (int mapping = FIRST; mapping <= (int)LAST; mapping++) {
            for (int filtering = FIRST; filtering <= (int)LAST; filtering++) {
                const struct nat_report *report = run_type(seed, mapping, filtering, 0, 5);
                assert_int_equal(report->mapping, mapping_of[mapping]);
                assert_int_equal(report->filtering, filtering_of[filtering]);
                assert_int_equal(report->mapping_doubt, NAT_CERTAIN);
                assert_int_equal(report->filtering_doubt, NAT_CERTAIN);
                assert_true(world.now.us < 3 * MONOTIME_SECOND);
                assert_in_range(report->rtt_us, 20000, 40000);
                assert_int_equal(report->sent, report->answered);
            }
        }
    }
}

/* Under loss a result may be unknown, never wrong; and mostly it is known. */
static void loss_never_makes_a_result_wrong(void **state)
{
    static const unsigned losses[] = {5, 10, 20, 30};
    (void)state;
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        unsigned runs = 0;
        unsigned known = 0;
        for (uint64_t seed = 1; seed <= 2000; seed++) {
            int mapping = (int)(seed % 3);
            int filtering = (int)(seed / 3 % 3);
            const struct nat_report *report = run_type(seed, mapping, filtering, losses[i], 10);
            if (report->mapping != NAT_MAPPING_UNKNOWN) {
                assert_int_equal(report->mapping, mapping_of[mapping]);
            }
            if (report->filtering != NAT_FILTERING_UNKNOWN) {
                assert_int_equal(report->filtering, filtering_of[filtering]);
            } else {
                assert_int_equal(report->filtering_doubt, NAT_LOSS);
            }
            runs += 2;
            known += report->mapping != NAT_MAPPING_UNKNOWN;
            known += report->filtering != NAT_FILTERING_UNKNOWN;
        }
        print_message("# %u%% loss a crossing: %u of %u known\n", losses[i], known, runs);
        assert_true(losses[i] > 10 || known * 1000 >= runs * 998);
    }
}

static void a_firewall_does_not_map_but_filters(void **state)
{
    (void)state;
    for (int filtering = FIRST; filtering <= (int)LAST; filtering++) {
        world_init(&world, 7);
        world.nat.translates = false;
        world.nat.filtering = (enum world_dependence)filtering;
        const struct nat_report *report = run_for(5);
        assert_int_equal(report->mapping, NAT_MAPPING_NONE);
        assert_int_equal(report->filtering, filtering_of[filtering]);
        assert_int_equal(report->ports, NAT_PORTS_PRESERVED);
    }
}

static void ports_are_told_apart(void **state)
{
    (void)state;
    for (int mapping = FIRST; mapping <= (int)LAST; mapping++) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
            world_init(&world, seed);
            world.nat.mapping = (enum world_dependence)mapping;
            assert_int_equal(run_for(5)->ports, NAT_PORTS_CHANGED);
            for (int delta = -3; delta <= 5; delta += 4) {
                world_init(&world, seed);
                world.nat.mapping = (enum world_dependence)mapping;
                world.nat.ports = WORLD_PORTS_SEQUENTIAL;
                world.nat.port_delta = delta;
                const struct nat_report *report = run_for(5);
                assert_int_equal(report->ports, NAT_PORTS_SEQUENTIAL);
                assert_int_equal(report->port_delta, delta);
            }
        }
    }
    world_init(&world, 1);
    world.nat.ports = WORLD_PORTS_PRESERVED;
    assert_int_equal(run_for(5)->ports, NAT_PORTS_PRESERVED);
}

static void blocked_is_no_answer_at_all(void **state)
{
    (void)state;
    world_init(&world, 3);
    world.nat.blocks = true;
    const struct nat_report *report = run_for(5);
    assert_int_equal(report->mapping, NAT_MAPPING_BLOCKED);
    assert_int_equal(report->filtering, NAT_FILTERING_BLOCKED);
    assert_int_equal(report->rtt_us, -1);
    assert_int_equal(world.now.us, 5 * MONOTIME_SECOND);
    assert_true(world.sent < 110);
}

static void expect_doubt(int mapping, enum nat_doubt mapping_doubt, enum nat_doubt filtering_doubt)
{
    const struct nat_report *report = run_for(10);
    if (mapping_doubt != NAT_CERTAIN) {
        assert_int_equal(report->mapping, NAT_MAPPING_UNKNOWN);
    } else {
        assert_int_equal(report->mapping, mapping_of[mapping]);
    }
    assert_int_equal(report->mapping_doubt, mapping_doubt);
    assert_int_equal(report->filtering, NAT_FILTERING_UNKNOWN);
    assert_int_equal(report->filtering_doubt, filtering_doubt);
}

static void begin(int mapping, int filtering)
{
    world_init(&world, 11);
    world.nat.mapping = (enum world_dependence)mapping;
    world.nat.filtering = (enum world_dependence)filtering;
}

static void a_server_that_cannot_tell_leaves_it_unknown(void **state)
{
    (void)state;
    for (int mapping = FIRST; mapping <= (int)LAST; mapping++) {
        for (int filtering = FIRST; filtering <= (int)LAST; filtering++) {
            begin(mapping, filtering);
            world.server.no_other_address = true;
            expect_doubt(mapping, NAT_NO_OTHER_ADDRESS, NAT_NO_OTHER_ADDRESS);
            assert_true(world.now.us < MONOTIME_SECOND);
        }
    }
}

static void a_silent_other_address_leaves_it_unknown(void **state)
{
    (void)state;
    for (int filtering = WORLD_ADDRESS_DEPENDENT; filtering <= (int)LAST; filtering++) {
        begin(WORLD_ENDPOINT_INDEPENDENT, filtering);
        world.server.other_silent = true;
        expect_doubt(0, NAT_OTHER_ADDRESS_SILENT, NAT_OTHER_ADDRESS_SILENT);
    }
    /* One address is enough to see that the port matters. */
    begin(WORLD_ADDRESS_AND_PORT_DEPENDENT, WORLD_ADDRESS_AND_PORT_DEPENDENT);
    world.server.other_silent = true;
    expect_doubt(WORLD_ADDRESS_AND_PORT_DEPENDENT, NAT_CERTAIN, NAT_OTHER_ADDRESS_SILENT);
}

static void a_server_that_ignores_changes_is_noticed(void **state)
{
    (void)state;
    for (int mapping = FIRST; mapping <= (int)LAST; mapping++) {
        for (int filtering = FIRST; filtering <= (int)LAST; filtering++) {
            begin(mapping, filtering);
            world.server.ignores_change = true;
            expect_doubt(mapping, NAT_CERTAIN, NAT_CHANGE_IGNORED);
            begin(mapping, filtering);
            world.server.refuses_change = true;
            expect_doubt(mapping, NAT_CERTAIN, NAT_CHANGE_REFUSED);
        }
    }
}

static void a_server_that_is_silent_to_changes_is_noticed(void **state)
{
    (void)state;
    for (int mapping = FIRST; mapping <= (int)WORLD_ADDRESS_DEPENDENT; mapping++) {
        for (int filtering = FIRST; filtering <= (int)LAST; filtering++) {
            begin(mapping, filtering);
            world.server.no_change = true;
            expect_doubt(mapping, NAT_CERTAIN, NAT_CHANGE_SILENT);
        }
    }
}

static void one_address_with_two_ports_tells_a_part(void **state)
{
    (void)state;
    begin(WORLD_ENDPOINT_INDEPENDENT, WORLD_ADDRESS_DEPENDENT);
    world.server.one_address = true;
    expect_doubt(0, NAT_OTHER_ADDRESS_WRONG, NAT_OTHER_ADDRESS_WRONG);
    begin(WORLD_ADDRESS_AND_PORT_DEPENDENT, WORLD_ADDRESS_AND_PORT_DEPENDENT);
    world.server.one_address = true;
    const struct nat_report *report = run_for(5);
    assert_int_equal(report->mapping, NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT);
    assert_int_equal(report->filtering, NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT);
}

static void an_error_ends_it(void **state)
{
    (void)state;
    begin(0, 0);
    world.server.refuses = true;
    const struct nat_report *report = run_for(5);
    assert_int_equal(report->error_code, 500);
    assert_int_equal(report->mapping, NAT_MAPPING_UNKNOWN);
    assert_true(world.now.us < MONOTIME_SECOND);
}

static void strangers_are_not_believed(void **state)
{
    (void)state;
    begin(WORLD_ENDPOINT_INDEPENDENT, WORLD_ENDPOINT_INDEPENDENT);
    struct nat_probe_setup setup = {.random = world_random,
                                    .random_context = &world,
                                    .server = world.primary,
                                    .mapping = true,
                                    .give_up = {5 * MONOTIME_SECOND}};
    nat_probe_init(&probe, &setup);
    nat_probe_start(&probe, world.now, &world.outbox);
    assert_int_equal(world.outbox.count, 1);
    struct stun_view request;
    struct stun_builder builder;
    uint8_t bytes[128];
    const struct outbox_entry *entry = &world.outbox.entries[0];
    assert_int_equal(stun_view_parse(&request, entry->bytes, entry->size), STUN_OK);
    stun_builder_begin_answer(&builder, bytes, sizeof bytes, STUN_SUCCESS, &request);
    stun_builder_put_xor_address(&builder, STUN_XOR_MAPPED_ADDRESS, &world.outside);
    struct packet packet = {.bytes = bytes, .size = (uint32_t)stun_builder_finish(&builder)};
    struct flow flow = {.remote = world.other};
    nat_probe_input(&probe, world.now, &flow, &packet, &world.outbox);
    assert_int_equal(nat_probe_report(&probe)->mapped[0].family, STUN_FAMILY_NONE);
    flow.remote = world.primary;
    bytes[10] ^= 1;
    assert_false(nat_probe_input(&probe, world.now, &flow, &packet, &world.outbox));
    bytes[10] ^= 1;
    flow.via = 1;
    assert_false(nat_probe_input(&probe, world.now, &flow, &packet, &world.outbox));
    flow.via = 0;
    assert_true(nat_probe_input(&probe, world.now, &flow, &packet, &world.outbox));
    assert_true(nat_probe_finished(&probe));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_known_within_three_seconds),
        cmocka_unit_test(loss_never_makes_a_result_wrong),
        cmocka_unit_test(a_firewall_does_not_map_but_filters),
        cmocka_unit_test(ports_are_told_apart),
        cmocka_unit_test(blocked_is_no_answer_at_all),
        cmocka_unit_test(a_server_that_cannot_tell_leaves_it_unknown),
        cmocka_unit_test(a_silent_other_address_leaves_it_unknown),
        cmocka_unit_test(a_server_that_ignores_changes_is_noticed),
        cmocka_unit_test(a_server_that_is_silent_to_changes_is_noticed),
        cmocka_unit_test(one_address_with_two_ports_tells_a_part),
        cmocka_unit_test(an_error_ends_it),
        cmocka_unit_test(strangers_are_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
