/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tick number is read in digits of six bits. A timer stands at the level of the highest digit in
 * which its tick differs from the wheel's, in the slot of its own digit there. As it is later, that
 * digit is larger than the wheel's: slots never wrap around, and every timer of a lower level is
 * due before any of a higher one.
 */
#include "base/timer_wheel.h"

#include <assert.h>

#define DIGIT_BITS 6
#define DIGIT_MASK (TIMER_WHEEL_SLOTS - 1)
#define TICK_MAX ((UINT64_C(1) << (DIGIT_BITS * TIMER_WHEEL_LEVELS)) - 1)

/* ---- lists --------------------------------------------------------------------------------------
 */

static void list_init(struct timer_link *list)
{
    list->next = list->previous = list;
}

static bool list_is_empty(const struct timer_link *list)
{
    return list->next == list;
}

static void list_append(struct timer_link *list, struct timer_link *link)
{
    link->previous = list->previous;
    link->next = list;
    list->previous->next = link;
    list->previous = link;
}

static void list_remove(struct timer_link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->next = link->previous = NULL;
}

static struct timer_node *list_first(struct timer_link *list)
{
    return container_of(list->next, struct timer_node, link);
}

/* ---- ticks --------------------------------------------------------------------------------------
 */

/* The first tick that does not lie before `due`. */
static uint64_t tick_of_due(const struct timer_wheel *wheel, struct monotime due)
{
    uint64_t granularity = (uint64_t)wheel->granularity_us;
    uint64_t us = due.us < 0 ? 0 : (uint64_t)due.us;
    uint64_t tick = us / granularity + (us % granularity != 0);

    return tick > TICK_MAX ? TICK_MAX : tick;
}

static uint64_t tick_of_now(const struct timer_wheel *wheel, struct monotime now)
{
    uint64_t tick = now.us < 0 ? 0 : (uint64_t)now.us / (uint64_t)wheel->granularity_us;

    /* The last tick never comes: "never" stands there. */
    return tick >= TICK_MAX ? TICK_MAX - 1 : tick;
}

static struct monotime time_of_tick(const struct timer_wheel *wheel, uint64_t tick)
{
    uint64_t last = (uint64_t)INT64_MAX / (uint64_t)wheel->granularity_us;

    return tick >= TICK_MAX || tick > last
               ? MONOTIME_NEVER
               : (struct monotime){(int64_t)tick * wheel->granularity_us};
}

/* ---- slots --------------------------------------------------------------------------------------
 */

struct position {
    unsigned level, slot;
};

/* The earliest slot that is occupied. Returns false when all are empty. */
static bool find_earliest(const struct timer_wheel *wheel, struct position *out)
{
    for (unsigned level = 0; level < TIMER_WHEEL_LEVELS; level++) {
        if (wheel->occupied[level] != 0) {
            *out = (struct position){level, (unsigned)__builtin_ctzll(wheel->occupied[level])};
            return true;
        }
    }
    return false;
}

/* The first tick of a slot: the wheel's, with this digit, and zero below. */
static uint64_t first_tick(const struct timer_wheel *wheel, struct position position)
{
    unsigned shift = DIGIT_BITS * position.level;
    uint64_t above = wheel->tick >> shift >> DIGIT_BITS << DIGIT_BITS << shift;

    return above | (uint64_t)position.slot << shift;
}

static void place(struct timer_wheel *wheel, struct timer_node *node)
{
    uint64_t tick = tick_of_due(wheel, node->due);

    if (tick <= wheel->tick) {
        list_append(&wheel->expired, &node->link);
        return;
    }
    unsigned level = (63u - (unsigned)__builtin_clzll(tick ^ wheel->tick)) / DIGIT_BITS;
    unsigned slot = tick >> (DIGIT_BITS * level) & DIGIT_MASK;
    list_append(&wheel->slots[level][slot], &node->link);
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

/* Moves the wheel to a slot's first tick and its timers to where they belong from there. */
static void open_slot(struct timer_wheel *wheel, struct position position)
{
    struct timer_link *slot = &wheel->slots[position.level][position.slot];
    struct timer_link timers;

    wheel->tick = first_tick(wheel, position);
    wheel->occupied[position.level] &= ~(UINT64_C(1) << position.slot);
    /* Timers move to lower levels only, so none comes back into this slot. */
    timers = *slot;
    timers.next->previous = &timers;
    timers.previous->next = &timers;
    list_init(slot);
    while (!list_is_empty(&timers)) {
        struct timer_node *node = list_first(&timers);
        list_remove(&node->link);
        place(wheel, node);
    }
}

/* ---- what the header says -----------------------------------------------------------------------
 */

void timer_wheel_init(struct timer_wheel *wheel, int64_t granularity_us, struct monotime now)
{
    assert(granularity_us >= 1);
    wheel->granularity_us = granularity_us;
    wheel->tick = tick_of_now(wheel, now);
    list_init(&wheel->expired);
    for (unsigned level = 0; level < TIMER_WHEEL_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (unsigned slot = 0; slot < TIMER_WHEEL_SLOTS; slot++) {
            list_init(&wheel->slots[level][slot]);
        }
    }
}

bool timer_node_is_set(const struct timer_node *node)
{
    return node->link.next != NULL;
}

void timer_wheel_set(struct timer_wheel *wheel, struct timer_node *node, struct monotime due)
{
    timer_wheel_cancel(wheel, node);
    node->due = due;
    place(wheel, node);
}

void timer_wheel_cancel(struct timer_wheel *wheel, struct timer_node *node)
{
    struct timer_link *next = node->link.next, *previous = node->link.previous;

    if (next == NULL) {
        return;
    }
    list_remove(&node->link);
    /* Alone in its list: both neighbours were the list's head, which may be a slot. */
    struct timer_link *slots = &wheel->slots[0][0];
    if (next == previous && next >= slots &&
        next < slots + (size_t)TIMER_WHEEL_LEVELS * TIMER_WHEEL_SLOTS) {
        size_t index = (size_t)(next - slots);
        wheel->occupied[index / TIMER_WHEEL_SLOTS] &= ~(UINT64_C(1) << index % TIMER_WHEEL_SLOTS);
    }
}

struct monotime timer_wheel_due(const struct timer_wheel *wheel)
{
    struct position earliest;

    if (!list_is_empty(&wheel->expired)) {
        return time_of_tick(wheel, wheel->tick);
    }
    return find_earliest(wheel, &earliest) ? time_of_tick(wheel, first_tick(wheel, earliest))
                                           : MONOTIME_NEVER;
}

struct timer_node *timer_wheel_expire(struct timer_wheel *wheel, struct monotime now)
{
    uint64_t target = tick_of_now(wheel, now);
    struct position earliest;

    while (list_is_empty(&wheel->expired) && find_earliest(wheel, &earliest) &&
           first_tick(wheel, earliest) <= target) {
        open_slot(wheel, earliest);
    }
    if (list_is_empty(&wheel->expired)) {
        wheel->tick = target > wheel->tick ? target : wheel->tick;
        return NULL;
    }
    struct timer_node *node = list_first(&wheel->expired);
    list_remove(&node->link);
    return node;
}
