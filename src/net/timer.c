/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/timer.h"

#include <errno.h>
#include <event2/event.h>

void timer_arm(struct event *timer, struct monotime now, struct monotime due)
{
    if (monotime_is_never(due)) {
        (void)event_del(timer);
    } else {
        (void)timer_arm_us(timer,
                           monotime_reached(now, due) ? 0 : monotime_difference_us(due, now));
    }
}

int timer_arm_us(struct event *timer, int64_t us)
{
    const struct timeval wait = {us / MONOTIME_SECOND, us % MONOTIME_SECOND};

    return event_add(timer, &wait) == 0 ? 0 : -ENOMEM;
}
