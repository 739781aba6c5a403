/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a fuzz target needs. A target defines LLVMFuzzerTestOneInput and nothing else; it is linked
 * with libFuzzer (configure --enable-fuzzing) or with replay_main.c, which replays its corpus.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that holds for every input: otherwise the input is a finding. */
#define REQUIRE(condition)                                                          \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

#endif
