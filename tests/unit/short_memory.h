/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that runs out when a test says so. The linker gives every malloc, calloc, realloc and free
 * of what is linked statically to the functions behind this (SHORT_MEMORY_LINK); libraries of
 * the system keep theirs.
 */
#ifndef TESTS_UNIT_SHORT_MEMORY_H
#define TESTS_UNIT_SHORT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

struct short_memory {
    bool armed;
    unsigned allowed; /* while armed: so many succeed, all later ones fail */
    unsigned refused;
    size_t live; /* bytes; only differences mean something, since strdup is not seen */
};

extern struct short_memory memory;

#endif
