/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/clock.h"

#include <time.h>

struct monotime clock_now(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (struct monotime){now.tv_sec * MONOTIME_SECOND + now.tv_nsec / 1000};
}

int64_t clock_unix_seconds(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}
