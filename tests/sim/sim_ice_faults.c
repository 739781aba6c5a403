/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults that are planted on purpose, which the simulation must find: it would be worth nothing if
 * it did not. Nothing of them is in the agent; the test changes its state from outside after each
 * step, or what becomes of its packets.
 */
#include "proto/ice/ice_internal.h"
#include "tests/sim/ice_call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define CALLS 60

static const struct ice_kind *kind_named(const char *name)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (strcmp(ice_kinds[i].box.name, name) == 0) {
            return &ice_kinds[i];
        }
    }
    fail();
    return NULL;
}

/* Of so many calls in a clean network, how many end in a complaint; `why` is the first. */
static unsigned complaints(const char *alice, const char *bob, void (*plant)(struct world *world),
                           const char **why)
{
    unsigned count = 0;

    *why = "";
    for (uint64_t seed = 1; seed <= CALLS; seed++) {
        struct call call = {
            .seed = seed,
            .kinds = {kind_named(alice), kind_named(bob)},
            .caller = (int)(seed % 2),
            .weather = WEATHER_CLEAR,
            .plant = plant,
        };
        const char *problem = call_run(&call);
        if (problem != NULL && count++ == 0) {
            *why = problem;
        }
    }
    return count;
}

/* ---- openers with the system's hop limit -------------------------------------------------------
 */

static void plant_full_hops(struct world *world)
{
    world->ignores_hop_limit = true;
}

static void test_openers_reach_the_peer(void **state)
{
    const char *why;

    (void)state;
    assert_int_equal(complaints("naive", "naive", NULL, &why), 0);
    assert_true(complaints("naive", "naive", plant_full_hops, &why) > CALLS / 2);
    assert_string_equal(why, "no direct path where there is one");
}

/* ---- triggered checks that are not made --------------------------------------------------------
 */

/* Without a relay, that it may not hide how long the direct way takes. */
static void plant_no_relay(struct world *world)
{
    world->uses_udp = world->uses_tcp = false;
}

static void plant_no_triggers(struct world *world)
{
    plant_no_relay(world);
    world->drops_triggered = true;
}

static void test_no_triggered_checks(void **state)
{
    const char *why;

    (void)state;
    assert_int_equal(complaints("random", "adf", plant_no_relay, &why), 0);
    assert_true(complaints("random", "adf", plant_no_triggers, &why) > CALLS / 2);
    assert_string_equal(why, "the first data left later than 2S + P + 50 ms");
}

/* ---- a role that is kept after 487 -------------------------------------------------------------
 */

static void keep_role(struct world *world, int host)
{
    world->hosts[host].agent->role = world->hosts[host].setup.role;
}

/* Whether two that both begin as controlling end with one role each, and a nominated pair. */
static bool solves_conflict(uint64_t seed, bool spoilt)
{
    struct ice_pair_report report[2];
    struct world *world = world_new(seed);

    world->spoil = spoilt ? keep_role : NULL;
    world->hosts[0].calls = true;
    for (int i = 0; i < 2; i++) {
        world->hosts[i].keeps_role = true;
        world->hosts[i].setup.role = ICE_CONTROLLING;
    }
    world_start(world);
    world_run_us(world, MONOTIME_SECOND);
    world_call(world, 0);
    world_run_us(world, 10 * MONOTIME_SECOND);
    bool solved = world_path(world) == PATH_DIRECT &&
                  ice_agent_role(world->hosts[0].agent) != ice_agent_role(world->hosts[1].agent) &&
                  ice_selected(world->hosts[0].agent, &report[0]) && report[0].nominated &&
                  ice_selected(world->hosts[1].agent, &report[1]) && report[1].nominated;
    world_free(world);
    return solved;
}

static void test_kept_role(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < CALLS / 4; seed++) {
        assert_true(solves_conflict(seed, false));
        assert_false(solves_conflict(seed, true));
    }
}

/* ---- consent that never ends -------------------------------------------------------------------
 */

static void renew_consent(struct world *world, int host)
{
    struct ice_agent *agent = world->hosts[host].agent;

    if (agent->selected != ICE_NONE) {
        agent->pairs[agent->selected].answered = world->now;
        agent->pairs[agent->selected].heard_at = world->now;
    }
}

/* Whether an agent whose peer and server are cut off says that it has failed. */
static bool notices_the_end(bool spoilt)
{
    struct world *world = world_new(5);
    bool noticed;

    world->spoil = spoilt ? renew_consent : NULL;
    world->hosts[0].calls = true;
    world_start(world);
    world_run_us(world, MONOTIME_SECOND);
    world_call(world, 0);
    world_run_us(world, 5 * MONOTIME_SECOND);
    assert_int_equal(world_path(world), PATH_DIRECT);
    world->peers_are_cut = world->server_is_dead = true;
    world_run_us(world, 60 * MONOTIME_SECOND);
    noticed = world->hosts[0].failures > 0 && world->hosts[1].failures > 0;
    world_free(world);
    return noticed;
}

static void test_endless_consent(void **state)
{
    (void)state;
    assert_true(notices_the_end(false));
    assert_false(notices_the_end(true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openers_reach_the_peer),
        cmocka_unit_test(test_no_triggered_checks),
        cmocka_unit_test(test_kept_role),
        cmocka_unit_test(test_endless_consent),
    };
    return cmocka_run_group_tests_name("ice_faults", tests, NULL, NULL);
}
