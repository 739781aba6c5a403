/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two agents through every pair of kinds of NATs, with either as the caller, over many seeds:
 *
 *     SEEDS=5000 tests/sim/sim_ice              so many calls; without it, each cell eight times
 *     SEED=1234 tests/sim/sim_ice               that call alone, told in full
 *
 * Of every four calls of a cell one has a clean network and the bounds of time, one has delay that
 * varies, one has loss and duplicates besides, and one begins with nothing gathered.
 */
#include "base/address.h"
#include "tests/sim/ice_kinds.h"
#include "tests/sim/ice_world.h"
#include "tests/unit/seeded.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELLS (KIND_COUNT * KIND_COUNT * 2)
#define SLACK_US (50 * MONOTIME_MILLISECOND)

enum weather {
    WEATHER_CLEAR,
    WEATHER_JITTER,
    WEATHER_STORM,
    WEATHER_COLD,
    WEATHER_COUNT,
};
static const char *const weather_names[] = {"clear", "jitter", "storm", "cold"};

struct tally {
    unsigned calls, direct, relay;
    int64_t slowest_us, total_us; /* to the first data of the caller, clear calls */
    unsigned timed;
};
static struct tally tallies[KIND_COUNT][KIND_COUNT];
static bool telling;
/* Cold calls whose answer crossed a candidate on its way: the caller took the peer to know the
 * candidate, and its first check met a naive router before the peer had opened it. */
static unsigned unlucky;

static void set_weather(struct world *world, enum weather weather)
{
    world->icmp = (seeded_next(&world->seed) & 1) != 0;
    if (weather == WEATHER_JITTER || weather == WEATHER_STORM) {
        world->jitter_us = 15000;
    }
    if (weather == WEATHER_STORM) {
        world->loss_percent = 1 + (unsigned)seeded_below(&world->seed, 10);
        world->duplicate_percent = 5;
    }
    world->has_dead_server = (seeded_next(&world->seed) & 3) == 0;
}

static void tell_all(const struct world *world)
{
    for (int i = 0; i < 2; i++) {
        struct ice_pair_report report;
        char local[ADDRESS_TEXT_SIZE], remote[ADDRESS_TEXT_SIZE];
        const struct world_host *host = &world->hosts[i];
        printf("# %s: connected after %.1f ms, %u selections, %u data sent, %u missing\n",
               host->name, (double)(host->connected.us - world->called.us) / 1000, host->selections,
               host->data_sent, world_missing(world, i));
        if (ice_selected(host->agent, &report)) {
            printf("#   %s %s -> %s %s%s\n", candidate_type_text(report.local.type),
                   address_format(&report.local.address, local),
                   candidate_type_text(report.remote.type),
                   address_format(&report.remote.address, remote),
                   report.nominated ? ", nominated" : "");
        }
    }
    printf("# S %.1f and %.1f ms, P %.1f ms, %d routers, called at %.3f\n",
           (double)world_server_rtt_us(world, 0) / 1000,
           (double)world_server_rtt_us(world, 1) / 1000, (double)world_peer_rtt_us(world) / 1000,
           world->routers, (double)world->called.us / 1e6);
}

/* ---- what must hold ----------------------------------------------------------------------------
 */

struct call {
    uint64_t seed;
    const struct ice_kind *kinds[2];
    int caller;
    enum weather weather;
};

static const char *check_path(const struct call *call, const struct world *world)
{
    bool direct = ice_is_direct(call->kinds[0]->class_of, call->kinds[1]->class_of);
    enum world_path path = world_path(world);

    if (path == PATH_NONE) {
        return "the two have no path, or not the same";
    }
    if (direct && path != PATH_DIRECT && call->weather == WEATHER_COLD &&
        world->boxes[0].poisoned + world->boxes[1].poisoned > 0) {
        unlucky++;
        return NULL;
    }
    if (direct && path != PATH_DIRECT) {
        return "no direct path where there is one";
    }
    if (!direct && path != PATH_RELAY) {
        return "a direct path where there is none";
    }
    return NULL;
}

/* S is what both pay for a word by way of the server; P the peers' round trip. */
static const char *check_time(const struct call *call, const struct world *world)
{
    const struct world_host *caller = &world->hosts[call->caller];
    int64_t told_us = world_server_rtt_us(world, 0) + world_server_rtt_us(world, 1);
    int64_t took_us = monotime_difference_us(caller->first_sent, world->called);
    /* Who is behind a symmetric NAT must be heard first, and does not know that: its openers take
     * time, in which the relay carries the data. */
    bool direct = ice_is_direct(call->kinds[0]->class_of, call->kinds[1]->class_of) &&
                  call->kinds[0]->class_of < CLASS_SEQUENTIAL &&
                  call->kinds[1]->class_of < CLASS_SEQUENTIAL;

    if (call->weather != WEATHER_CLEAR) {
        return NULL;
    }
    if (direct && took_us > told_us + world_peer_rtt_us(world) + SLACK_US) {
        return "the first data left later than 2S + P + 50 ms";
    }
    int64_t relay_us = 2 * world_server_rtt_us(world, 0) + 2 * world_server_rtt_us(world, 1);
    if (!direct && took_us > told_us + relay_us + SLACK_US) {
        return "the first data left later than 2S + 2 round trips by the relay + 50 ms";
    }
    return NULL;
}

static const char *check_data(const struct call *call, const struct world *world)
{
    if (world->hosts[0].data_received == 0 || world->hosts[1].data_received == 0) {
        return "one of the two got no data";
    }
    if (call->weather == WEATHER_STORM) {
        return NULL;
    }
    if (world_missing(world, 0) != 0 || world_missing(world, 1) != 0) {
        return "data were lost though the network lost nothing";
    }
    return NULL;
}

static const char *check_roles(const struct call *call, const struct world *world)
{
    struct ice_pair_report report;

    for (int i = 0; i < 2; i++) {
        if (!ice_selected(world->hosts[i].agent, &report) || !report.nominated) {
            return "what is in use was not nominated";
        }
        if (ice_agent_role(world->hosts[i].agent) !=
            (i == call->caller ? ICE_CONTROLLING : ICE_CONTROLLED)) {
            return "roles were changed without need";
        }
        if (world->hosts[i].failures > 0) {
            return "an agent said that it failed";
        }
    }
    return NULL;
}

/* ---- one call ----------------------------------------------------------------------------------
 */

static void stop_data(struct world *world)
{
    world->hosts[0].sends_data = world->hosts[1].sends_data = false;
    world_run_us(world, MONOTIME_SECOND);
}

static const char *close_both(struct world *world)
{
    for (int i = 0; i < 2; i++) {
        ice_agent_close(world->hosts[i].agent, world->now, &world->outbox);
        world_settle(world, i);
    }
    world_run_us(world, 3 * MONOTIME_SECOND);
    if (world->hosts[0].closed.us == INT64_MAX || world->hosts[1].closed.us == INT64_MAX) {
        return "an agent did not close";
    }
    return world->loss_percent == 0 && world->shell->open_count != 0
               ? "an allocation was left at the server"
               : NULL;
}

static void count(const struct call *call, const struct world *world)
{
    size_t a = (size_t)(call->kinds[0] - ice_kinds), b = (size_t)(call->kinds[1] - ice_kinds);
    struct tally *tally = &tallies[a][b];
    int64_t took_us = monotime_difference_us(world->hosts[call->caller].first_sent, world->called);

    tally->calls++;
    tally->direct += world_path(world) == PATH_DIRECT;
    tally->relay += world_path(world) == PATH_RELAY;
    if (call->weather == WEATHER_CLEAR) {
        tally->timed++;
        tally->total_us += took_us;
        tally->slowest_us = took_us > tally->slowest_us ? took_us : tally->slowest_us;
    }
}

static const char *run(const struct call *call)
{
    static const char *(*const checks[])(const struct call *, const struct world *) = {
        check_path, check_time, check_data, check_roles};
    struct world *world = world_new(call->seed);
    const char *problem = NULL;

    world->tells = telling;
    set_weather(world, call->weather);
    for (int i = 0; i < 2; i++) {
        if (!call->kinds[i]->is_open) {
            world_put_box(world, i, &call->kinds[i]->box, 120000);
        }
    }
    world->hosts[call->caller].calls = true;
    world_start(world);
    if (call->weather != WEATHER_COLD) {
        world_run_us(world, 3 * MONOTIME_SECOND); /* they were registered before */
    }
    world_call(world, call->caller);
    world_run_us(world, (call->weather == WEATHER_STORM ? 20 : 8) * MONOTIME_SECOND);
    stop_data(world);
    for (size_t i = 0; i < sizeof checks / sizeof checks[0] && problem == NULL; i++) {
        problem = checks[i](call, world);
    }
    count(call, world);
    if (telling || problem != NULL) {
        tell_all(world);
    }
    if (problem == NULL) {
        problem = close_both(world);
    }
    world_free(world);
    return problem;
}

static struct call make_call(uint64_t seed)
{
    uint64_t cell = seed % CELLS;

    return (struct call){
        .seed = seed,
        .kinds = {&ice_kinds[cell / 2 % KIND_COUNT], &ice_kinds[cell / 2 / KIND_COUNT]},
        .caller = (int)(cell % 2),
        .weather = (enum weather)(seed / CELLS % WEATHER_COUNT),
    };
}

static bool try(uint64_t seed)
{
    struct call call = make_call(seed);
    const char *problem = run(&call);

    if (problem != NULL) {
        printf("# SEED=%" PRIu64 ": %s and %s, %s calls, %s: %s\n", seed, call.kinds[0]->box.name,
               call.kinds[1]->box.name, call.caller == 0 ? "the first" : "the second",
               weather_names[call.weather], problem);
    }
    return problem == NULL;
}

static void tell_matrix(void)
{
    printf("# direct/calls, slowest ms to the caller's first data in a clear network:\n");
    for (size_t a = 0; a < KIND_COUNT; a++) {
        printf("# %-10s", ice_kinds[a].box.name);
        for (size_t b = 0; b < KIND_COUNT; b++) {
            const struct tally *tally = &tallies[a][b];
            printf(" %3u/%-3u%4" PRId64, tally->direct, tally->calls, tally->slowest_us / 1000);
        }
        printf("\n");
    }
}

int main(void)
{
    const char *seeds_text = getenv("SEEDS"), *seed_text = getenv("SEED");
    uint64_t seeds = seeds_text != NULL ? strtoull(seeds_text, NULL, 10) : 4 * CELLS;
    unsigned bad = 0;

    if (seed_text != NULL) {
        telling = true;
        bool good = try(strtoull(seed_text, NULL, 10));
        printf("1..1\n%s 1 - one call\n", good ? "ok" : "not ok");
        return good ? 0 : 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..1\n");
    for (uint64_t seed = 0; seed < seeds && bad < 20; seed++) {
        bad += !try(seed);
    }
    tell_matrix();
    bool good = bad == 0 && unlucky <= 1 + seeds / 2000;
    printf("# %u cold calls by the relay for bad luck\n", unlucky);
    printf("%s 1 - %" PRIu64 " calls through %d cells\n", good ? "ok" : "not ok", seeds, CELLS / 2);
    return good ? 0 : 1;
}
