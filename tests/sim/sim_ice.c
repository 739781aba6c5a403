/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two agents through every pair of kinds of NATs, with either as the caller, over many seeds:
 *
 *     SEEDS=5000 tests/sim/sim_ice              so many calls; without it, each cell 34 times
 *     SEED=1234 tests/sim/sim_ice               that call alone, told in full
 *
 * Of every four calls of a cell one has a clean network and the bounds of time, one has delay that
 * varies, one has loss and duplicates besides, and one begins with nothing gathered.
 */
#undef NDEBUG
#include "tests/sim/ice_call.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const weather_names[] = {"clear", "jitter", "storm", "cold"};

struct tally {
    unsigned calls, direct;
    int64_t slowest_us; /* to the first data of the caller, clear calls */
};
static struct tally tallies[KIND_COUNT][KIND_COUNT];

static void count(const struct call *call)
{
    size_t a = (size_t)(call->kinds[0] - ice_kinds), b = (size_t)(call->kinds[1] - ice_kinds);
    struct tally *tally = &tallies[a][b];

    tally->calls++;
    tally->direct += call->path == PATH_DIRECT;
    if (call->weather == WEATHER_CLEAR && call->first_data_us > tally->slowest_us) {
        tally->slowest_us = call->first_data_us;
    }
}

/* What the caller waited beyond 2S + P for its first data, in calls that end direct. */
static struct excess {
    int64_t *us;
    size_t count, capacity;
} excesses[WEATHER_COUNT];

static void note_excess(const struct call *call)
{
    struct excess *excess = &excesses[call->weather];

    if (call->path != PATH_DIRECT) {
        return;
    }
    if (excess->count == excess->capacity) {
        excess->capacity = 2 * excess->capacity + 64;
        excess->us = realloc(excess->us, excess->capacity * sizeof *excess->us);
        assert(excess->us != NULL);
    }
    excess->us[excess->count++] = call->excess_us;
}

static int compare_us(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void tell_excesses(void)
{
    for (size_t i = 0; i < WEATHER_COUNT; i++) {
        struct excess *excess = &excesses[i];
        if (excess->count > 0) {
            size_t middle = excess->count / 2, late = excess->count * 9 / 10;
            qsort(excess->us, excess->count, sizeof *excess->us, compare_us);
            printf("# %-6s first data beyond 2S + P, ms: median %.1f, 90%% %.1f, most %.1f\n",
                   weather_names[i], (double)excess->us[middle] / 1e3,
                   (double)excess->us[late] / 1e3, (double)excess->us[excess->count - 1] / 1e3);
        }
        free(excess->us);
        *excess = (struct excess){0};
    }
}

static bool try(uint64_t seed, bool tells, unsigned *unlucky)
{
    struct call call = call_of_seed(seed);

    call.tells = tells;
    const char *problem = call_run(&call);
    count(&call);
    note_excess(&call);
    *unlucky += call.unlucky;
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
    uint64_t seeds = seeds_text != NULL ? strtoull(seeds_text, NULL, 10) : 17 * CALL_CELLS;
    unsigned bad = 0, unlucky = 0;

    if (seed_text != NULL) {
        bool good = try(strtoull(seed_text, NULL, 10), true, &unlucky);
        printf("1..1\n%s 1 - one call\n", good ? "ok" : "not ok");
        return good ? 0 : 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..1\n");
    for (uint64_t seed = 0; seed < seeds && bad < 20; seed++) {
        bad += !try(seed, false, &unlucky);
    }
    tell_matrix();
    tell_excesses();
    bool good = bad == 0 && unlucky <= 1 + seeds / 2000;
    printf("# %u cold calls by the relay for bad luck\n", unlucky);
    printf("%s 1 - %" PRIu64 " calls through %d cells\n", good ? "ok" : "not ok", seeds,
           CALL_CELLS / 2);
    return good ? 0 : 1;
}
