/* SPDX-License-Identifier: BSD-3-Clause */
#undef NDEBUG
#include "tests/sim/ice_world_internal.h"

#include "base/address.h"
#include "tests/unit/seeded.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

uint64_t world_random(void *context)
{
    return seeded_next(&((struct world *)context)->seed);
}

struct stun_address world_address(const char *text)
{
    struct stun_address address;
    bool ok = address_parse(&address, text);

    assert(ok);
    return address;
}

int64_t world_between(struct world *world, int64_t low, int64_t high)
{
    return low + (int64_t)seeded_below(&world->seed, (uint64_t)(high - low + 1));
}

bool world_percent(struct world *world, unsigned value)
{
    return value > 0 && seeded_below(&world->seed, 100) < value;
}

/* ---- events, the earliest first ----------------------------------------------------------------
 */

static bool is_earlier(const struct world_event *a, const struct world_event *b)
{
    return a->when.us < b->when.us || (a->when.us == b->when.us && a->order < b->order);
}

static void swap_events(struct world *world, size_t a, size_t b)
{
    struct world_event *event = world->events[a];

    world->events[a] = world->events[b];
    world->events[b] = event;
}

struct world_event *world_add_event(struct world *world, enum world_event_type type,
                                    struct monotime when)
{
    struct world_event *event = calloc(1, sizeof *event);

    assert(event != NULL && world->event_count < WORLD_EVENTS_MAX);
    event->type = type;
    event->when = when;
    event->order = world->order++;
    size_t at = world->event_count++;
    world->events[at] = event;
    while (at > 0 && is_earlier(world->events[at], world->events[(at - 1) / 2])) {
        swap_events(world, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
    return event;
}

struct world_event *world_take_event(struct world *world)
{
    struct world_event *first = world->events[0];
    size_t at = 0;

    world->events[0] = world->events[--world->event_count];
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
            if (child < world->event_count &&
                is_earlier(world->events[child], world->events[least])) {
                least = child;
            }
        }
        if (least == at) {
            return first;
        }
        swap_events(world, at, least);
        at = least;
    }
}

void world_free_event(struct world_event *event)
{
    free(event->bytes);
    free(event);
}

void world_give_bytes(struct world_event *event, const uint8_t *bytes, uint32_t size)
{
    event->bytes = malloc(size + 1);
    assert(event->bytes != NULL);
    memcpy(event->bytes, bytes, size);
    event->size = size;
}
