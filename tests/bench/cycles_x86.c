/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/cycles.h"

#include <x86intrin.h>

bool cycles_available(void)
{
    return true;
}

uint64_t cycles_now(void)
{
    return __rdtsc();
}
