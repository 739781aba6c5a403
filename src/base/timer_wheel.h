/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many timers: a hierarchical wheel after Varghese and Lauck (1987). Setting, moving and cancelling
 * take constant time and no memory; a timer is a struct timer_node in the struct that it is for.
 * Time is virtual.
 *
 *     timer_wheel_set(&wheel, &allocation->timer, due);
 *     …
 *     while ((node = timer_wheel_expire(&wheel, now)) != NULL) {
 *         allocation = container_of(node, struct allocation, timer);
 *
 * Time is cut into ticks of `granularity`. A timer never runs early, and less than a tick late.
 */
#ifndef BASE_TIMER_WHEEL_H
#define BASE_TIMER_WHEEL_H

#include "base/container.h"
#include "base/monotime.h"

/* 2^48 ticks: for ticks of a microsecond nine years. What is due later never runs. */
#define TIMER_WHEEL_LEVELS 8
#define TIMER_WHEEL_SLOTS 64

struct timer_link {
    struct timer_link *next, *previous;
};

/* A zeroed node is not set. A node that is set must stay where it is. */
struct timer_node {
    struct timer_link link;
    struct monotime due;
};

struct timer_wheel {
    int64_t granularity_us;
    uint64_t tick;                         /* all ticks up to this one have been expired */
    uint64_t occupied[TIMER_WHEEL_LEVELS]; /* a bit a slot */
    struct timer_link expired;             /* due, and not yet given out; in order */
    struct timer_link slots[TIMER_WHEEL_LEVELS][TIMER_WHEEL_SLOTS];
};

/* `granularity_us` at least 1; `now` not negative. The wheel must stay where it is. */
void timer_wheel_init(struct timer_wheel *wheel, int64_t granularity_us, struct monotime now);

/* Sets or moves a timer. What is due already comes out of the next timer_wheel_expire. */
void timer_wheel_set(struct timer_wheel *wheel, struct timer_node *node, struct monotime due);
/* Does nothing to a node that is not set. */
void timer_wheel_cancel(struct timer_wheel *wheel, struct timer_node *node);
bool timer_node_is_set(const struct timer_node *node);

/*
 * When timer_wheel_expire should be called next, or MONOTIME_NEVER. For timers that are far away it
 * may be sooner than the first of them is due; no timer is due before it.
 */
struct monotime timer_wheel_due(const struct timer_wheel *wheel);

/*
 * Takes out the next timer that is due at `now`, earlier ticks first and within a tick in the order
 * of setting; NULL when there is none. Between two calls timers may be set and cancelled; one that
 * is set to a time that has been reached comes out of the same loop.
 */
struct timer_node *timer_wheel_expire(struct timer_wheel *wheel, struct monotime now);

#endif
