/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_CONTAINER_H
#define BASE_CONTAINER_H

#include <stddef.h>

/* The struct `type` whose `member` is at `pointer`: from a node to its owner. */
#define container_of(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
