/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time as the machines see it: microseconds since some fixed moment, never going back. It is a
 * struct so that it cannot be mixed with seconds, milliseconds or the time of day. Nothing here
 * reads a clock; net/clock.h does.
 */
#ifndef BASE_MONOTIME_H
#define BASE_MONOTIME_H

#include <stdbool.h>
#include <stdint.h>

struct monotime {
    int64_t us;
};

#define MONOTIME_SECOND INT64_C(1000000)
#define MONOTIME_MILLISECOND INT64_C(1000)

/* Later than any moment: "no timer". */
#define MONOTIME_NEVER ((struct monotime){INT64_MAX})

static inline bool monotime_is_never(struct monotime time)
{
    return time.us == INT64_MAX;
}

/* NEVER stays NEVER. */
static inline struct monotime monotime_add_us(struct monotime time, int64_t us)
{
    bool past_the_end = us > 0 && time.us > INT64_MAX - us;
    return past_the_end ? MONOTIME_NEVER : (struct monotime){time.us + us};
}

static inline struct monotime monotime_add_ms(struct monotime time, int64_t ms)
{
    return monotime_add_us(time, ms * MONOTIME_MILLISECOND);
}

static inline struct monotime monotime_add_seconds(struct monotime time, int64_t seconds)
{
    return monotime_add_us(time, seconds * MONOTIME_SECOND);
}

/* a - b in microseconds. */
static inline int64_t monotime_difference_us(struct monotime a, struct monotime b)
{
    return a.us - b.us;
}

static inline bool monotime_before(struct monotime a, struct monotime b)
{
    return a.us < b.us;
}

/* Whether a timer that is due at `due` must run at `now`. */
static inline bool monotime_reached(struct monotime now, struct monotime due)
{
    return now.us >= due.us;
}

static inline struct monotime monotime_earlier(struct monotime a, struct monotime b)
{
    return a.us < b.us ? a : b;
}

#endif
