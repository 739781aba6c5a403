/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens to calls: networks of other shapes than the matrix', and what breaks on the way.
 *
 *     SEEDS=500 tests/sim/sim_ice_scenarios     so many of each; without it, twelve
 */
#include "base/address.h"
#include "tests/sim/ice_kinds.h"
#include "tests/sim/ice_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SECOND MONOTIME_SECOND
#define LONG_MS 120000

static uint64_t seeds = 12;

static struct world *begin(uint64_t seed, const char *alice, const char *bob)
{
    struct world *world = world_new(seed);

    if (alice != NULL) {
        world_put_box(world, 0, ice_kind_named(alice), LONG_MS);
    }
    if (bob != NULL) {
        world_put_box(world, 1, ice_kind_named(bob), LONG_MS);
    }
    world->hosts[0].calls = true;
    return world;
}

static void call(struct world *world)
{
    world_start(world);
    world_run_us(world, 3 * SECOND);
    world_call(world, 0);
    world_run_us(world, 8 * SECOND);
}

static void assert_path(const struct world *world, uint64_t seed, enum world_path path)
{
    if (world_path(world) != path) {
        fail_msg("seed %" PRIu64 ": path %d where %d should be", seed, (int)world_path(world),
                 (int)path);
    }
}

static void stop(struct world *world)
{
    world->hosts[0].sends_data = world->hosts[1].sends_data = false;
    world_run_us(world, SECOND);
}

static void assert_nothing_missing(struct world *world, uint64_t seed)
{
    stop(world);
    if (world_missing(world, 0) + world_missing(world, 1) > 0) {
        fail_msg("seed %" PRIu64 ": %u and %u data are missing", seed, world_missing(world, 0),
                 world_missing(world, 1));
    }
}

/* ---- shapes ------------------------------------------------------------------------------------
 */

/*
 * A home router behind a carrier's, on either side or both. (A carrier's router whose own INPUT
 * takes packets would be too much: the first opener does not get as far, for it must not reach the
 * peer's.)
 */
static void test_double_nat(void **state)
{
    static const char *const kinds[][2] = {{"apdf", "naive"},
                                           {"masquerade", "naive"},
                                           {"apdf", "firewall"},
                                           {"adf", "masquerade"},
                                           {"masquerade", "eif"}};

    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
            bool both = seed % 3 == 0;
            struct world *world = begin(seed, kinds[i][0], both ? kinds[i][0] : "naive");
            world_put_box(world, 0, ice_kind_named(kinds[i][1]), LONG_MS);
            if (both) {
                world_put_box(world, 1, ice_kind_named(kinds[i][1]), LONG_MS);
            }
            call(world);
            assert_path(world, seed, PATH_DIRECT);
            assert_nothing_missing(world, seed);
            world_free(world);
        }
    }
}

/* Two homes behind one carrier: direct where it turns packets back, else by the relay. */
static void test_hairpin(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        const char *outer = seed % 2 == 0 ? "apdf" : "masquerade";
        struct world *world = world_new(seed);
        world->hosts[0].calls = true;
        world_share_box(world, ice_kind_named(outer), ice_kind_named("apdf"), LONG_MS);
        call(world);
        assert_path(world, seed, seed % 2 == 0 ? PATH_DIRECT : PATH_RELAY);
        assert_nothing_missing(world, seed);
        world_free(world);
    }
}

static void test_one_lan(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct ice_pair_report report;
        struct world *world = world_new(seed);
        world->hosts[0].calls = true;
        world_share_box(world, ice_kind_named(seed % 2 == 0 ? "naive" : "random"), NULL, LONG_MS);
        call(world);
        assert_path(world, seed, PATH_DIRECT);
        assert_true(ice_selected(world->hosts[0].agent, &report));
        assert_int_equal(report.local.type, ICE_HOST);
        assert_true(report.remote.type == ICE_HOST || report.remote.type == ICE_PEER_REFLEXIVE);
        assert_nothing_missing(world, seed);
        world_free(world);
    }
}

/* IPv6 goes through firewalls where IPv4 has no way. */
static void test_ipv6(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct ice_pair_report report;
        struct world *world = begin(seed, "random", "random");
        world_add_ipv6(world);
        call(world);
        assert_path(world, seed, PATH_DIRECT);
        assert_true(ice_selected(world->hosts[0].agent, &report));
        assert_int_equal(report.local.address.family, STUN_FAMILY_IPV6);
        assert_nothing_missing(world, seed);
        world_free(world);
    }
}

/* Our relay gives IPv6 addresses to who asks by IPv6: with UDP between the peers cut they meet
 * there or at the IPv4 ones. */
static void test_ipv6_relay(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = begin(seed, "apdf", "apdf");
        world_add_ipv6(world);
        world->peers_are_cut = true;
        call(world);
        assert_path(world, seed, PATH_RELAY);
        assert_nothing_missing(world, seed);
        world_free(world);
    }
}

static void test_lite(void **state)
{
    static const char *const kinds[] = {NULL, "eif", "apdf", "naive", "random"};

    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = begin(seed, kinds[seed % 5], NULL);
        world->hosts[1].setup.lite = true;
        world->hosts[0].calls = seed % 2 == 0;
        world->hosts[1].calls = seed % 2 == 1;
        world_start(world);
        world_run_us(world, 3 * SECOND);
        world_call(world, seed % 2 == 0 ? 0 : 1);
        world_run_us(world, 60 * SECOND);
        assert_path(world, seed, PATH_DIRECT);
        assert_int_equal(ice_agent_role(world->hosts[0].agent), ICE_CONTROLLING);
        assert_int_equal(world->hosts[1].candidates[ICE_RELAYED], 0);
        assert_nothing_missing(world, seed);
        world_free(world);
    }
}

/* ---- policy and servers ------------------------------------------------------------------------
 */

static void test_relay_only(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = begin(seed, NULL, "eif");
        world->hosts[0].setup.relay = ICE_RELAY_ONLY;
        call(world);
        assert_path(world, seed, PATH_RELAY);
        assert_int_equal(world->hosts[0].candidates[ICE_HOST], 0);
        assert_int_equal(world->hosts[0].candidates[ICE_SERVER_REFLEXIVE], 0);
        assert_int_equal(world->hosts[0].candidates[ICE_RELAYED], 2);
        assert_true(address_is_unspecified(&world->hosts[0].last_candidate.related));
        assert_int_equal(world->hosts[0].last_candidate.related.port, 0);
        assert_nothing_missing(world, seed);
        world_free(world);
    }
}

/* A server that refuses says why, and the call is made without it. */
static void test_relay_refuses(void **state)
{
    struct world *world = begin(1, "apdf", "apdf");

    (void)state;
    world->wrong_password = true;
    call(world);
    assert_path(world, 1, PATH_DIRECT);
    assert_int_equal(world->hosts[0].server_failures, 2);
    assert_string_equal(world->hosts[0].server_failure,
                        "name or password refused (401 Unauthenticated)");
    assert_true(world->hosts[0].gathered.us < world->called.us);
    world_free(world);
}

/* A server that has no channels: indications carry the data. */
static void test_no_channels(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = begin(seed, "random", "random");
        world->shell->policy.channels_per_allocation = 0;
        call(world);
        assert_path(world, seed, PATH_RELAY);
        world_run_us(world, 320 * SECOND); /* past what a permission lives */
        assert_path(world, seed, PATH_RELAY);
        assert_int_equal(world->hosts[0].failures + world->hosts[1].failures, 0);
        assert_nothing_missing(world, seed);
        world_free(world);
    }
}

/* Who never answers costs nobody else time, and is given up. */
static void test_dead_server(void **state)
{
    struct world *world = begin(2, "apdf", "apdf");

    (void)state;
    world->has_dead_server = true;
    world_start(world);
    struct monotime began = world->now;
    world_run_us(world, SECOND);
    assert_int_equal(world->hosts[0].candidates[ICE_SERVER_REFLEXIVE], 1);
    assert_int_equal(world->hosts[0].candidates[ICE_RELAYED], 2);
    assert_true(monotime_is_never(world->hosts[0].gathered));
    world_gather(world, 20 * SECOND);
    assert_in_range(world->hosts[0].gathered.us - began.us, 9 * SECOND, 10 * SECOND);
    assert_int_equal(world->hosts[0].server_failures, 1);
    assert_string_equal(world->hosts[0].server_failure, "no answer");
    world_free(world);
}

/* Nobody has a server: host candidates alone, and gathering ends at once. */
static void test_all_servers_dead(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = begin(seed, NULL, "apdf");
        world->server_is_dead = true;
        world_start(world);
        world_call(world, 0);
        world_run_us(world, 30 * SECOND);
        assert_path(world, seed, PATH_DIRECT);
        assert_int_equal(world->hosts[0].server_failures, 3);
        world_free(world);
    }
}

/* ---- roles -------------------------------------------------------------------------------------
 */

static void test_role_conflict(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4 * seeds; seed++) {
        struct world *world = begin(seed, "apdf", seed % 3 == 0 ? "naive" : NULL);
        world->jitter_us = seed % 2 == 0 ? 20000 : 0;
        for (int i = 0; i < 2; i++) {
            world->hosts[i].keeps_role = true;
            world->hosts[i].setup.role = seed % 4 < 2 ? ICE_CONTROLLING : ICE_CONTROLLED;
        }
        call(world);
        assert_path(world, seed, PATH_DIRECT);
        assert_true(ice_agent_role(world->hosts[0].agent) != ice_agent_role(world->hosts[1].agent));
        assert_nothing_missing(world, seed);
        world_free(world);
    }
}

/* ---- time and trouble --------------------------------------------------------------------------
 */

/* Mappings that end after 30 s of silence: before the call, and in a call without data. */
static void test_short_mappings(void **state)
{
    static const char *const kinds[] = {"eif", "apdf", "naive", "firewall"};

    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = world_new(seed);
        world->hosts[0].calls = true;
        world_put_box(world, 0, ice_kind_named(kinds[seed % 4]), 30000);
        world_put_box(world, 1, ice_kind_named(kinds[seed / 4 % 4]), 30000);
        world_start(world);
        world_run_us(world, 600 * SECOND);
        world_call(world, 0);
        world_run_us(world, 8 * SECOND);
        assert_path(world, seed, PATH_DIRECT);
        world->hosts[0].sends_data = world->hosts[1].sends_data = false;
        world_run_us(world, 900 * SECOND);
        assert_path(world, seed, PATH_DIRECT);
        world->hosts[0].sends_data = world->hosts[1].sends_data = true;
        world->hosts[0].data_due = world->hosts[1].data_due = world->now;
        world_run_us(world, SECOND);
        assert_int_equal(world->hosts[0].failures + world->hosts[1].failures, 0);
        assert_nothing_missing(world, seed);
        world_free(world);
    }
}

/* The way between the two dies: the relay takes over. */
static void test_path_dies(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = begin(seed, "apdf", "firewall");
        call(world);
        assert_path(world, seed, PATH_DIRECT);
        world->peers_are_cut = true;
        struct monotime cut = world->now;
        world_run_us(world, 40 * SECOND);
        assert_path(world, seed, PATH_RELAY);
        assert_true(world->hosts[0].selected.us - cut.us < 15 * SECOND);
        assert_int_equal(world->hosts[0].failures + world->hosts[1].failures, 0);
        world_free(world);
    }
}

/* All ways die: consent ends after 30 s, and with it what is sent; and it is told once. */
static void test_everything_dies(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = begin(seed, "apdf", "apdf");
        call(world);
        world->peers_are_cut = world->server_is_dead = true;
        struct monotime cut = world->now;
        unsigned selections[] = {world->hosts[0].selections, world->hosts[1].selections};
        world_run_us(world, 60 * SECOND);
        for (int i = 0; i < 2; i++) {
            const struct world_host *host = &world->hosts[i];
            assert_int_equal(host->failures, 1);
            assert_int_equal(host->silences, 1);
            /* Nothing is told of ways that are as dead; one may have been heard a moment later. */
            assert_in_range(host->selections - selections[i], 0, 1);
            assert_in_range(host->failed.us - cut.us, 20 * SECOND, 45 * SECOND);
            assert_true(host->disconnected.us < host->failed.us);
            assert_true(host->disconnected.us - cut.us < 10 * SECOND);
        }
        uint32_t sent = world->hosts[0].data_sent;
        world->hosts[0].sends_data = true;
        world->hosts[0].data_due = world->now;
        world_run_us(world, SECOND);
        assert_int_equal(world->hosts[0].data_sent, sent);
        world_free(world);
    }
}

/* The server dies in a call that does not need it, and comes back. */
static void test_server_dies(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = begin(seed, "apdf", "naive");
        call(world);
        assert_path(world, seed, PATH_DIRECT);
        world->server_is_dead = true;
        world_lose_connections(world);
        world_run_us(world, 200 * SECOND);
        assert_path(world, seed, PATH_DIRECT);
        assert_int_equal(world->hosts[0].failures + world->hosts[1].failures, 0);
        assert_nothing_missing(world, seed);
        world_free(world);
    }
}

/* UDP to the server dies under a relayed call: the connections carry it. */
static void test_relay_dies(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = begin(seed, "random", "random");
        call(world);
        assert_path(world, seed, PATH_RELAY);
        world->udp_to_server_is_dead = true;
        world_run_us(world, 40 * SECOND);
        assert_path(world, seed, PATH_RELAY);
        assert_int_equal(world->hosts[0].failures + world->hosts[1].failures, 0);
        uint32_t received = world->hosts[0].data_received;
        world_run_us(world, 2 * SECOND);
        assert_true(world->hosts[0].data_received > received + 30);
        world_free(world);
    }
}

/* Connections to the relay are lost: others are made, with other addresses. */
static void test_connections_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = begin(seed, "blocked", "blocked");
        call(world);
        assert_path(world, seed, PATH_RELAY);
        assert_int_equal(world->hosts[0].candidates[ICE_RELAYED], 1);
        world_lose_connections(world);
        world_run_us(world, 20 * SECOND);
        assert_int_equal(world->hosts[0].candidates[ICE_RELAYED], 2);
        assert_path(world, seed, PATH_RELAY);
        uint32_t received = world->hosts[0].data_received;
        world_run_us(world, 2 * SECOND);
        assert_true(world->hosts[0].data_received > received + 30);
        world_free(world);
    }
}

/* Four hours over a relay whose credentials are good for ten minutes. */
static void hold_for_hours(struct world *world, bool renews, bool loses)
{
    stop(world);
    for (int64_t at = 450; at <= 4 * 3600L; at += 450) {
        world_run_us(world, 450 * SECOND);
        for (int i = 0; i < 2 && renews; i++) {
            world_use_relays(world, i);
            world_settle(world, i);
        }
        if (loses && at % 3600 == 0) {
            world_lose_connections(world);
            world_run_us(world, 20 * SECOND);
            stop(world);
        }
    }
}

/*
 * An allocation is refreshed by the name that made it, which the server takes from its owner past
 * its expiry (another name would be a stranger's: 441). What has to be allocated anew needs new
 * credentials.
 */
static void test_credentials_expire(void **state)
{
    static const struct {
        const char *kind;
        bool renews, loses;
        enum world_path path;
    } cases[] = {
        {"random", true, false, PATH_RELAY},
        {"random", false, false, PATH_RELAY},
        {"blocked", true, true, PATH_RELAY},
        {"blocked", false, true, PATH_NONE},
    };

    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        bool renews = cases[seed % 4].renews, loses = cases[seed % 4].loses;
        struct world *world = begin(seed, cases[seed % 4].kind, cases[seed % 4].kind);
        world_limit_credentials(world, 600);
        call(world);
        assert_path(world, seed, PATH_RELAY);
        hold_for_hours(world, renews, loses);
        assert_path(world, seed, cases[seed % 4].path);
        if (cases[seed % 4].path == PATH_RELAY) {
            assert_int_equal(world->hosts[0].failures + world->hosts[1].failures, 0);
            uint32_t received = world->hosts[0].data_received;
            world->hosts[0].data_due = world->hosts[1].data_due = world->now;
            world->hosts[0].sends_data = world->hosts[1].sends_data = true;
            world_run_us(world, 10 * SECOND);
            stop(world);
            assert_true(world->hosts[0].data_received >= received + 190);
        }
        world_free(world);
    }
}

/* A socket goes: what stood on it ends, and the other family has the call. */
static void test_socket_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct ice_pair_report report;
        struct world *world = begin(seed, "apdf", "apdf");
        world_add_ipv6(world);
        call(world);
        assert_true(ice_selected(world->hosts[0].agent, &report));
        size_t used = report.local.address.family == STUN_FAMILY_IPV6;
        world_lose_socket(world, 0, used);
        world_run_us(world, 20 * SECOND);
        assert_true(ice_selected(world->hosts[0].agent, &report));
        assert_int_equal(report.local.address.family == STUN_FAMILY_IPV6, !used);
        assert_path(world, seed, PATH_DIRECT);
        assert_int_equal(world->hosts[0].failures, 0);
        world_free(world);
    }
}

static void test_restart(void **state)
{
    static const char *const kinds[] = {"apdf", "naive", "random", "blocked"};

    (void)state;
    for (uint64_t seed = 0; seed < 2 * seeds; seed++) {
        const char *kind = kinds[seed % 4];
        struct world *world = begin(seed, kind, "apdf");
        char ufrag[2][ICE_UFRAG_SIZE];
        call(world);
        enum world_path before = world_path(world);
        for (int i = 0; i < 2; i++) {
            strcpy(ufrag[i], ice_local_ufrag(world->hosts[i].agent));
        }
        world_restart(world, (int)(seed / 4 % 2));
        world_run_us(world, 10 * SECOND);
        assert_path(world, seed, before);
        for (int i = 0; i < 2; i++) {
            assert_string_not_equal(ufrag[i], ice_local_ufrag(world->hosts[i].agent));
            assert_int_equal(world->hosts[i].failures, 0);
        }
        world_run_us(world, 60 * SECOND);
        assert_path(world, seed, before);
        assert_nothing_missing(world, seed);
        world_free(world);
    }
}

/* Whether each has what the other says of itself. */
static void assert_agreement(const struct world *world, uint64_t seed)
{
    for (int i = 0; i < 2; i++) {
        const char *believed = world->hosts[i].negotiation.ufrag;
        const char *true_one = ice_local_ufrag(world->hosts[1 - i].agent);
        if (strcmp(believed, true_one) != 0 || world->hosts[i].negotiation.offering) {
            fail_msg("seed %" PRIu64 ": host %d believes %s, the other says %s", seed, i, believed,
                     true_one);
        }
    }
}

/* From either side or both, again and again, over a service that takes its time. */
static unsigned restart_at_random(struct world *world)
{
    unsigned restarts = 0;
    for (int i = 0; i < 5; i++) {
        uint64_t who = world_random(world) % 3;
        bool first = world_random(world) % 2 == 0;
        if (who != 1) {
            restarts += world_restart(world, first);
        }
        world_run_us(world, (int64_t)(world_random(world) % (300 * MONOTIME_MILLISECOND)));
        if (who != 0) {
            restarts += world_restart(world, !first);
        }
        world_run_us(world, (int64_t)(world_random(world) % (4 * SECOND)));
    }
    return restarts;
}

/*
 * Nothing is lost where the network loses nothing, whoever restarts and however often; in weather a
 * way is found all the same. A lite side cannot be behind a NAT.
 */
static void test_restart_by_both(void **state)
{
    static const char *const kinds[] = {"apdf", "naive", "random", "blocked", NULL};
    unsigned restarts = 0, collisions = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 5 * seeds; seed++) {
        const char *kind = kinds[seed % 5];
        bool lite = kind == NULL, storm = seed / 5 % 2 == 1;
        struct world *world = begin(seed, kind, lite ? NULL : "apdf");
        world->hosts[1].setup.lite = lite;
        call(world);
        enum world_path before = world_path(world);
        world->signal_jitter_us = 100 * MONOTIME_MILLISECOND;
        if (storm) {
            world->jitter_us = 40000;
            world->loss_percent = 10;
            world->duplicate_percent = 10;
        }
        restarts += restart_at_random(world);
        world_run_us(world, 15 * SECOND);
        assert_agreement(world, seed);
        assert_path(world, seed, before);
        for (int i = 0; i < 2; i++) {
            collisions += world->hosts[i].collisions;
            assert_int_equal(world->hosts[i].failures, 0);
        }
        assert_int_equal(world->hosts[1].collisions, 0); /* the callee yields */
        if (storm) {
            world->loss_percent = world->duplicate_percent = 0;
            uint32_t received = world->hosts[0].data_received + world->hosts[1].data_received;
            world_run_us(world, 2 * SECOND);
            assert_true(world->hosts[0].data_received + world->hosts[1].data_received >
                        received + 60);
        } else {
            assert_nothing_missing(world, seed);
        }
        world_free(world);
    }
    assert_true(restarts > 10 * seeds);
    assert_true(collisions > seeds);
    print_message("# %u restarts, %u of them crossing\n", restarts, collisions);
}

/* After everything has died and come back, a restart helps. */
static void test_restart_after_failure(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct world *world = begin(seed, "apdf", "apdf");
        call(world);
        world->peers_are_cut = world->server_is_dead = true;
        world_run_us(world, 60 * SECOND);
        assert_int_equal(world->hosts[0].failures, 1);
        world->peers_are_cut = world->server_is_dead = false;
        world_restart(world, (int)(seed % 2));
        world_run_us(world, 20 * SECOND);
        assert_path(world, seed, PATH_DIRECT);
        world_free(world);
    }
}

/*
 * 30% loss, reordering and duplicates: a path is found all the same, and stays. Where all questions
 * to a server were lost in the first ten seconds, it is the relay's.
 */
static void test_heavy_weather(void **state)
{
    static const char *const kinds[] = {"apdf", "naive", "firewall", "blocked"};
    unsigned by_relay = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 2 * seeds; seed++) {
        const char *kind = kinds[seed % 4];
        struct world *world = begin(seed, kind, "apdf");
        world->loss_percent = 30;
        world->duplicate_percent = 10;
        world->jitter_us = 40000;
        world_start(world);
        world_run_us(world, 5 * SECOND);
        world_call(world, 0);
        world_run_us(world, 60 * SECOND);
        if (strcmp(kind, "blocked") == 0 || world_path(world) == PATH_NONE) {
            assert_path(world, seed, PATH_RELAY);
        } else {
            by_relay += world_path(world) == PATH_RELAY;
        }
        assert_int_equal(world->hosts[0].failures + world->hosts[1].failures, 0);
        world_free(world);
    }
    assert_in_range(by_relay, 0, seeds / 50);
}

/* Nobody can reach anybody: both say so, and not before RFC 8863's time. */
static void test_hopeless(void **state)
{
    struct world *world = begin(3, "blocked", "apdf");

    (void)state;
    world->uses_tcp = world->uses_udp = false;
    call(world);
    assert_path(world, 3, PATH_NONE);
    assert_int_equal(world->hosts[0].failures, 0);
    world_run_us(world, 60 * SECOND);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(world->hosts[i].failures, 1);
        assert_in_range(world->hosts[i].failed.us - world->called.us, 39 * SECOND, 50 * SECOND);
    }
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_double_nat),
        cmocka_unit_test(test_hairpin),
        cmocka_unit_test(test_one_lan),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_ipv6_relay),
        cmocka_unit_test(test_lite),
        cmocka_unit_test(test_relay_only),
        cmocka_unit_test(test_relay_refuses),
        cmocka_unit_test(test_no_channels),
        cmocka_unit_test(test_dead_server),
        cmocka_unit_test(test_all_servers_dead),
        cmocka_unit_test(test_role_conflict),
        cmocka_unit_test(test_short_mappings),
        cmocka_unit_test(test_path_dies),
        cmocka_unit_test(test_everything_dies),
        cmocka_unit_test(test_server_dies),
        cmocka_unit_test(test_relay_dies),
        cmocka_unit_test(test_connections_lost),
        cmocka_unit_test(test_credentials_expire),
        cmocka_unit_test(test_socket_lost),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_restart_by_both),
        cmocka_unit_test(test_restart_after_failure),
        cmocka_unit_test(test_heavy_weather),
        cmocka_unit_test(test_hopeless),
    };
    if (getenv("SEEDS") != NULL) {
        seeds = strtoull(getenv("SEEDS"), NULL, 10);
    }
    return cmocka_run_group_tests_name("ice_scenarios", tests, NULL, NULL);
}
