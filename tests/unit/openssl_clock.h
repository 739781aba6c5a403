/* SPDX-License-Identifier: BSD-3-Clause */
/* OpenSSL and usrsctp read the clock by gettimeofday, which is defined here before the system's. */
#ifndef TESTS_UNIT_OPENSSL_CLOCK_H
#define TESTS_UNIT_OPENSSL_CLOCK_H

#include "base/monotime.h"

#include <sys/time.h>

static struct monotime virtual_now = {1000 * MONOTIME_SECOND};

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict time,
                                                        void *restrict zone)
{
    (void)zone;
    *time = (struct timeval){virtual_now.us / MONOTIME_SECOND, virtual_now.us % MONOTIME_SECOND};
    return 0;
}

#endif
