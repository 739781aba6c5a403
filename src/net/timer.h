/* SPDX-License-Identifier: BSD-3-Clause */
/* Arms libevent's timers by monotonic time. */
#ifndef NET_TIMER_H
#define NET_TIMER_H

#include "base/monotime.h"

struct event;

/* Arms `timer` for `due`, wherever it stood before: at once when that is reached, not at all for
 * MONOTIME_NEVER. */
void timer_arm(struct event *timer, struct monotime now, struct monotime due);
/* In `us` microseconds. Returns 0, or -ENOMEM. */
int timer_arm_us(struct event *timer, int64_t us);

#endif
