/* SPDX-License-Identifier: BSD-3-Clause */
/* One call between two hosts behind boxes of two kinds, and what must hold of it. */
#ifndef SIM_ICE_CALL_H
#define SIM_ICE_CALL_H

#include "tests/sim/ice_kinds.h"
#include "tests/sim/ice_world.h"

#define CALL_CELLS (KIND_COUNT * KIND_COUNT * 2)

enum weather {
    WEATHER_CLEAR,  /* a clean network, and the bounds of time */
    WEATHER_JITTER, /* delay that varies */
    WEATHER_STORM,  /* loss and duplicates besides */
    WEATHER_COLD,   /* the callee has gathered nothing before, nor has every other caller */
    WEATHER_COUNT,
};

struct call {
    uint64_t seed;
    const struct ice_kind *kinds[2];
    int caller;
    enum weather weather;
    bool tells; /* prints what happens */
    /* Changes the world before it starts: a planted fault. May be NULL. */
    void (*plant)(struct world *world);
    /* Results. */
    enum world_path path;
    int64_t first_data_us; /* from the call to the first data that the caller sent */
    int64_t excess_us;     /* how much more that was than 2S + P */
    /* A cold call whose answer crossed a candidate on its way: the caller took the peer to know the
     * candidate, and its first check met a naive router before the peer had opened it. */
    bool unlucky;
};

/* The call that a seed stands for. */
struct call call_of_seed(uint64_t seed);
/* Makes it. Returns NULL, or what was wrong. */
const char *call_run(struct call *call);

#endif
