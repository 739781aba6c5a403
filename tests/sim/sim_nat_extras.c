/* SPDX-License-Identifier: BSD-3-Clause */
/* Hairpinning, and how long mappings live, in the simulated network. */
#include "proto/nat_hairpin.h"
#include "proto/nat_lifetime.h"
#include "tests/sim/nat_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct world world;
static struct stun_address sockets[NAT_LIFETIME_SOCKETS];

static void name_sockets(void)
{
    for (size_t i = 0; i < NAT_LIFETIME_SOCKETS; i++) {
        uint16_t port = (uint16_t)(32768 + 1000 * i + world_random(&world) % 1000);
        sockets[i] = (struct stun_address){STUN_FAMILY_IPV4, port, {10, 0, 0, 2}};
    }
}

/* ---- hairpinning ----------------------------------------------------------------------------- */

static struct nat_hairpin hairpin;

static bool hairpin_input(void *machine, struct monotime now, const struct flow *flow,
                          const struct packet *packet, struct outbox *outbox)
{
    return nat_hairpin_input(machine, now, flow, packet, outbox);
}

static void hairpin_tick(void *machine, struct monotime now, struct outbox *outbox)
{
    nat_hairpin_tick(machine, now, outbox);
}

static struct monotime hairpin_due(void *machine)
{
    return nat_hairpin_due(machine);
}

static bool hairpin_finished(void *machine)
{
    return nat_hairpin_finished(machine);
}

static enum nat_hairpin_verdict run_hairpin(void)
{
    name_sockets();
    struct nat_hairpin_setup setup = {
        .random = world_random,
        .random_context = &world,
        .server = world.primary,
        .local = {sockets[0], sockets[1]},
        .stable = world.nat.mapping == WORLD_ENDPOINT_INDEPENDENT,
        .give_up = {3 * MONOTIME_SECOND},
    };
    world.client = (struct world_client){
        &hairpin, hairpin_input, hairpin_tick, hairpin_due, hairpin_finished, sockets, 2};
    nat_hairpin_init(&hairpin, &setup);
    nat_hairpin_start(&hairpin, world.now, &world.outbox);
    assert_true(world_run(&world, (struct monotime){4 * MONOTIME_SECOND}));
    return nat_hairpin_verdict(&hairpin);
}

static void hairpinning_is_seen_through_every_filter(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        world_init(&world, i);
        world.loss_percent = i % 3 * 5;
        world.nat.filtering = (enum world_dependence)(i / 3 % 3);
        world.nat.hairpin = i % 2 == 0;
        assert_int_equal(run_hairpin(), i % 2 == 0 ? NAT_HAIRPIN_YES : NAT_HAIRPIN_NO);
    }
}

static void hairpinning_is_unknown_where_the_mapping_varies(void **state)
{
    (void)state;
    world_init(&world, 1);
    world.nat.mapping = WORLD_ADDRESS_AND_PORT_DEPENDENT;
    world.nat.filtering = WORLD_ADDRESS_AND_PORT_DEPENDENT;
    world.nat.hairpin = true;
    assert_int_equal(run_hairpin(), NAT_HAIRPIN_UNKNOWN);
}

static void hairpinning_without_nat_or_server(void **state)
{
    (void)state;
    world_init(&world, 1);
    world.nat.translates = false;
    assert_int_equal(run_hairpin(), NAT_HAIRPIN_NOT_NEEDED);
    world_init(&world, 1);
    world.server.dead = true;
    assert_int_equal(run_hairpin(), NAT_HAIRPIN_UNKNOWN);
    assert_int_equal(world.now.us, 3 * MONOTIME_SECOND);
}

/* ---- lifetime -------------------------------------------------------------------------------- */

static struct nat_lifetime lifetime;

static bool lifetime_input(void *machine, struct monotime now, const struct flow *flow,
                           const struct packet *packet, struct outbox *outbox)
{
    return nat_lifetime_input(machine, now, flow, packet, outbox);
}

static void lifetime_tick(void *machine, struct monotime now, struct outbox *outbox)
{
    nat_lifetime_tick(machine, now, outbox);
}

static struct monotime lifetime_due(void *machine)
{
    return nat_lifetime_due(machine);
}

static bool lifetime_finished(void *machine)
{
    return nat_lifetime_finished(machine);
}

static const struct nat_lifetime_result *run_lifetime(uint32_t max_s)
{
    struct nat_lifetime_setup setup = {
        .random = world_random, .random_context = &world, .server = world.primary, .max_s = max_s};
    name_sockets();
    world.client =
        (struct world_client){&lifetime,         lifetime_input, lifetime_tick,       lifetime_due,
                              lifetime_finished, sockets,        NAT_LIFETIME_SOCKETS};
    nat_lifetime_init(&lifetime, &setup);
    nat_lifetime_start(&lifetime, world.now, &world.outbox);
    assert_true(world_run(&world, (struct monotime){10 * max_s * MONOTIME_SECOND}));
    return nat_lifetime_result(&lifetime);
}

static void lifetimes_are_found(void **state)
{
    static const int64_t lifetimes_ms[] = {2500, 10000, 20000, 30000, 59000, 119000};
    (void)state;
    for (size_t i = 0; i < sizeof lifetimes_ms / sizeof lifetimes_ms[0]; i++) {
        for (uint64_t seed = 0; seed < 60; seed++) {
            world_init(&world, seed);
            world.loss_percent = seed % 2 * 5;
            world.nat.filtering = (enum world_dependence)(seed % 3);
            world.nat.inbound_refreshes = seed % 5 == 0;
            world.nat.lifetime_ms = lifetimes_ms[i];
            const struct nat_lifetime_result *result = run_lifetime(120);
            assert_int_equal(result->doubt, NAT_CERTAIN);
            /* An answer to the making may refresh it, a round trip later. */
            assert_true(result->at_least_us <= lifetimes_ms[i] * 1000 + 50000);
            assert_true(result->at_most_us >= lifetimes_ms[i] * 1000 - 50000);
            assert_true(result->at_most_us - result->at_least_us <= 6 * MONOTIME_SECOND);
            assert_true(world.now.us < 6 * lifetimes_ms[i] * 1000 + 20 * MONOTIME_SECOND);
        }
    }
}

static void what_outlives_the_test_has_no_upper_bound(void **state)
{
    (void)state;
    world_init(&world, 4);
    world.nat.lifetime_ms = 300000;
    const struct nat_lifetime_result *result = run_lifetime(60);
    assert_int_equal(result->doubt, NAT_CERTAIN);
    assert_int_equal(result->at_least_us, 60 * MONOTIME_SECOND);
    assert_int_equal(result->at_most_us, 0);
    assert_true(world.now.us < 63 * MONOTIME_SECOND);
}

static void servers_without_response_port_leave_it_unknown(void **state)
{
    (void)state;
    world_init(&world, 4);
    world.server.no_response_port = true;
    assert_int_equal(run_lifetime(60)->doubt, NAT_CHANGE_REFUSED);
    world_init(&world, 4);
    world.server.dead = true;
    assert_int_equal(run_lifetime(60)->doubt, NAT_LOSS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hairpinning_is_seen_through_every_filter),
        cmocka_unit_test(hairpinning_is_unknown_where_the_mapping_varies),
        cmocka_unit_test(hairpinning_without_nat_or_server),
        cmocka_unit_test(lifetimes_are_found),
        cmocka_unit_test(what_outlives_the_test_has_no_upper_bound),
        cmocka_unit_test(servers_without_response_port_leave_it_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
