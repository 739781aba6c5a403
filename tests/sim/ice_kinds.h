/* SPDX-License-Identifier: BSD-3-Clause */
/* The kinds of boxes that simulations put between hosts and network. */
#ifndef SIM_ICE_KINDS_H
#define SIM_ICE_KINDS_H

#include "tests/sim/ice_box.h"

/* Which row and column of the matrix a kind belongs to. */
enum box_class {
    CLASS_OPEN, /* open, or endpoint-independent filtering */
    CLASS_ADDRESS,
    CLASS_ADDRESS_AND_PORT,
    CLASS_SEQUENTIAL,
    CLASS_RANDOM,
    CLASS_BLOCKED,
    CLASS_COUNT,
};

struct ice_kind {
    struct box_kind box;
    enum box_class class_of;
    bool is_open; /* no box at all */
};

#define KIND_COUNT 11
extern const struct ice_kind ice_kinds[KIND_COUNT];
/* Whether two classes get a direct path by plain ICE (the matrix' D cells). */
bool ice_is_direct(enum box_class a, enum box_class b);
const struct box_kind *ice_kind_named(const char *name);

#endif
