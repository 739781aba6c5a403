/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/ice_call.h"

#include "base/address.h"
#include "tests/unit/seeded.h"

#include <stdio.h>

#define SLACK_US (50 * MONOTIME_MILLISECOND)

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
    world->foretells = (seeded_next(&world->seed) & 1) != 0;
    world->foretells_to_others = (seeded_next(&world->seed) & 7) == 0;
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

static const char *check_path(struct call *call, const struct world *world)
{
    bool direct = ice_is_direct(call->kinds[0]->class_of, call->kinds[1]->class_of);
    enum world_path path = world_path(world);

    if (path == PATH_NONE) {
        return "the two have no path, or not the same";
    }
    if (direct && path != PATH_DIRECT && call->weather == WEATHER_COLD &&
        world->boxes[0].poisoned + world->boxes[1].poisoned > 0) {
        call->unlucky = true;
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
static const char *check_time(struct call *call, const struct world *world)
{
    const struct world_host *caller = &world->hosts[call->caller];
    int64_t told_us = world_server_rtt_us(world, 0) + world_server_rtt_us(world, 1);
    int64_t took_us = monotime_difference_us(caller->first_sent, world->called);
    bool direct = ice_is_direct(call->kinds[0]->class_of, call->kinds[1]->class_of);

    if (call->weather != WEATHER_CLEAR) {
        return NULL;
    }
    if (direct && took_us > told_us + world_peer_rtt_us(world) + SLACK_US) {
        return "the first data left later than 2S + P + 50 ms";
    }
    int64_t heard_us =
        monotime_difference_us(world->hosts[1 - call->caller].connected, world->called);
    if (direct && heard_us > told_us + world_peer_rtt_us(world) * 3 / 2 + SLACK_US) {
        return "the callee had no path of its own 2S + 1.5 P + 50 ms after the call";
    }
    int64_t relay_us = 2 * world_server_rtt_us(world, 0) + 2 * world_server_rtt_us(world, 1);
    if (!direct && took_us > told_us + relay_us + SLACK_US) {
        return "the first data left later than 2S + 2 round trips by the relay + 50 ms";
    }
    return NULL;
}

static const char *check_data(struct call *call, const struct world *world)
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

static const char *check_roles(struct call *call, const struct world *world)
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
    if (monotime_is_never(world->hosts[0].closed) || monotime_is_never(world->hosts[1].closed)) {
        return "an agent did not close";
    }
    return world->loss_percent == 0 && world->shell->open_count != 0
               ? "an allocation was left at the server"
               : NULL;
}

const char *call_run(struct call *call)
{
    static const char *(*const checks[])(struct call *, const struct world *) = {
        check_path, check_time, check_data, check_roles};
    struct world *world = world_new(call->seed);
    const char *problem = NULL;

    world->tells = call->tells;
    set_weather(world, call->weather);
    for (int i = 0; i < 2; i++) {
        if (!call->kinds[i]->is_open) {
            world_put_box(world, i, &call->kinds[i]->box, 120000);
        }
    }
    world->hosts[call->caller].calls = true;
    world->hosts[1 - call->caller].begins_late = call->weather == WEATHER_COLD;
    bool warm = call->weather != WEATHER_COLD || (call->seed / CALL_CELLS & 4) != 0;
    if (call->plant != NULL) {
        call->plant(world);
    }
    world_start(world);
    if (warm) {
        world_run_us(world, 3 * MONOTIME_SECOND); /* they were registered before */
    }
    world_call(world, call->caller);
    world_run_us(world, (call->weather == WEATHER_STORM ? 20 : 8) * MONOTIME_SECOND);
    stop_data(world);
    for (size_t i = 0; i < sizeof checks / sizeof checks[0] && problem == NULL; i++) {
        problem = checks[i](call, world);
    }
    call->path = world_path(world);
    call->first_data_us =
        monotime_difference_us(world->hosts[call->caller].first_sent, world->called);
    call->excess_us = call->first_data_us - world_server_rtt_us(world, 0) -
                      world_server_rtt_us(world, 1) - world_peer_rtt_us(world);
    if (call->tells) {
        tell_all(world);
    }
    if (problem == NULL) {
        problem = close_both(world);
    }
    world_free(world);
    return problem;
}

struct call call_of_seed(uint64_t seed)
{
    uint64_t cell = seed % CALL_CELLS;

    return (struct call){
        .seed = seed,
        .kinds = {&ice_kinds[cell / 2 % KIND_COUNT], &ice_kinds[cell / 2 / KIND_COUNT]},
        .caller = (int)(cell % 2),
        .weather = (enum weather)(seed / CALL_CELLS % WEATHER_COUNT),
    };
}
