/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/ops/notify.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>
#include <time.h>

void notify_ready(const char *status)
{
    sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

/* MONOTONIC_USEC lets the manager tell this reload's READY from an earlier one (sd_notify(3)). */
void notify_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t microseconds = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, microseconds);
}

void notify_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}
