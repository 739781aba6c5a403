/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The processor's time-stamp counter, where it can be read from user space (cycles_x86.c), or
 * nothing (cycles_absent.c). It ticks at a fixed rate, near the nominal clock.
 */
#ifndef BENCH_CYCLES_H
#define BENCH_CYCLES_H

#include <stdbool.h>
#include <stdint.h>

bool cycles_available(void);
uint64_t cycles_now(void); /* 0 where it is not available */

#endif
