/* SPDX-License-Identifier: BSD-3-Clause */
/* The clocks of the system. Machines are told the time; only shells ask for it. */
#ifndef NET_CLOCK_H
#define NET_CLOCK_H

#include "base/monotime.h"

/* Never goes back, and counts the time that the host was suspended: lifetimes at the other end went
 * on meanwhile (CLOCK_BOOTTIME). */
struct monotime clock_now(void);
/* The time of day: seconds since 1970. */
int64_t clock_unix_seconds(void);

#endif
