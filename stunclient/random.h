/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUNCLIENT_RANDOM_H
#define STUNCLIENT_RANDOM_H

#include <stdint.h>

/* 64 unpredictable bits, in the form that machines take. Ends the program without them. */
uint64_t random_bits(void *context);

#endif
