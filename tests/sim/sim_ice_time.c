/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many round trips a call takes that only a relay can carry, on a network that takes its time
 * and programs that take none: so the numbers are exact, and a round trip more fails.
 *
 * Both hosts are behind symmetric NATs. The callee waits with its reflexive address known and
 * without a relay, the caller begins with its call, as stunclient does. T is the round trip between
 * a host and the server, where TURN and the rendezvous are. From the call on,
 *
 *   told = T/2 + T/2 and back        the call, and its answer
 *   T(caller)                        from its permission for the callee, by way of the server …
 *   (T(caller) + T(callee)) / 2      … until an answer to the callee's check has come back
 *
 * and then the callee may send. It could not be less: the caller knows whom to permit when the
 * answer comes. The caller has a check of its own answered a little later, by whichever relay is
 * nearer to its owner: T(nearer) + T(caller) + T(callee) after the answer came.
 *
 *     SEEDS=1000 tests/sim/sim_ice_time        so many of each; without it, fifty
 */
#include "tests/sim/ice_kinds.h"
#include "tests/sim/ice_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>

#define LONG_MS 120000
#define KNOCK_US (5 * MONOTIME_MILLISECOND) /* the first check came before the permission */
#define NONCE_US (3601 * MONOTIME_SECOND)   /* limits.nonce_lifetime is an hour */

static uint64_t seeds = 50;

static struct world *begin(uint64_t seed, const char *callee)
{
    struct world *world = world_new(seed);

    world_put_box(world, 0, ice_kind_named("random"), LONG_MS);
    world_put_box(world, 1, ice_kind_named(callee), LONG_MS);
    world->hosts[0].calls = world->hosts[0].begins_late = true;
    world->hosts[1].asks_late = true;
    world->uses_tcp = false;
    world->foretells = true;
    world->tells = getenv("TELLS") != NULL;
    return world;
}

struct times {
    int64_t told, caller, callee; /* of world_server_rtt_us */
    int64_t caller_path, callee_path;
};

static struct times measure(struct world *world)
{
    world_start(world);
    world_run_us(world, 3 * MONOTIME_SECOND);
    world_call_at_once(world, 0);
    world_run_us(world, 3 * MONOTIME_SECOND);
    assert_int_equal(world_path(world), PATH_RELAY);
    const struct times times = {
        .told = world_server_rtt_us(world, 0) + world_server_rtt_us(world, 1),
        .caller = world_server_rtt_us(world, 0),
        .callee = world_server_rtt_us(world, 1),
        .caller_path = monotime_difference_us(world->hosts[0].connected, world->called),
        .callee_path = monotime_difference_us(world->hosts[1].connected, world->called),
    };
    world_free(world);
    return times;
}

static void expect(uint64_t seed, const char *who, int64_t took, int64_t expected)
{
    if (took < expected || took > expected + KNOCK_US) {
        fail_msg("seed %" PRIu64 ": the %s had a way after %" PRId64 " us, where %" PRId64
                 " are to be expected",
                 seed, who, took, expected);
    }
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* `caller_more`, `callee_more`: what a relay takes longer to get than T of its owner. */
static void expect_symmetric(uint64_t seed, const struct times *times, int64_t caller_more,
                             int64_t callee_more)
{
    int64_t both = times->caller + times->callee;
    int64_t by_own = times->caller + caller_more, by_other = times->callee + callee_more;

    expect(seed, "callee", times->callee_path,
           times->told + least(by_own + both / 2, by_other + both * 3 / 2));
    expect(seed, "caller", times->caller_path, times->told + least(by_own, by_other) + both);
}

/* ---- what is known beforehand ------------------------------------------------------------------
 */

static void a_challenge_that_is_known(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct times times = measure(begin(seed, "random"));
        expect_symmetric(seed, &times, 0, 0);
    }
}

/* Servers whose rendezvous is somebody else's. */
static void a_challenge_that_must_be_asked_for(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = begin(seed, "random");
        world->foretells = false;
        struct times times = measure(world);
        expect_symmetric(seed, &times, times.caller, times.callee);
    }
}

/* It costs what not knowing it costs, and no call. */
static void a_challenge_that_is_not_ours(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = begin(seed, "random");
        world->foretells_to_others = true;
        struct times times = measure(world);
        expect_symmetric(seed, &times, times.caller, times.callee);
    }
}

/* The same for one that was known an hour ago. */
static void a_challenge_that_is_stale(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = begin(seed, "random");
        world->foretold_us = NONCE_US;
        struct times times = measure(world);
        expect_symmetric(seed, &times, times.caller, times.callee);
    }
}

/* ---- others than two symmetric NATs ------------------------------------------------------------
 */

/* Whose NAT keeps its port is found by the caller's first check. */
static void a_callee_whose_port_is_known(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct times times = measure(begin(seed, "apdf"));
        int64_t both = times.caller + times.callee;
        expect(seed, "caller", times.caller_path, times.told + both);
        expect(seed, "callee", times.callee_path, times.told + times.caller + both / 2);
    }
}

/* A relay by TCP takes a round trip more: that of the connection. */
static void a_relay_by_tcp(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = begin(seed, "random");
        world->uses_udp = false;
        world->uses_tcp = true;
        struct times times = measure(world);
        /* The callee's is over TLS, which takes two. */
        expect_symmetric(seed, &times, times.caller, 2 * times.callee);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_challenge_that_is_known),
        cmocka_unit_test(a_challenge_that_must_be_asked_for),
        cmocka_unit_test(a_challenge_that_is_not_ours),
        cmocka_unit_test(a_challenge_that_is_stale),
        cmocka_unit_test(a_callee_whose_port_is_known),
        cmocka_unit_test(a_relay_by_tcp),
    };
    const char *text = getenv("SEEDS");

    if (text != NULL) {
        seeds = strtoull(text, NULL, 10);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
