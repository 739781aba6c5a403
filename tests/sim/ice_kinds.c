/* SPDX-License-Identifier: BSD-3-Clause */
#undef NDEBUG
#include "tests/sim/ice_kinds.h"

#include <assert.h>
#include <string.h>

#define EI BOX_ENDPOINT_INDEPENDENT
#define AD BOX_ADDRESS_DEPENDENT
#define APD BOX_ADDRESS_AND_PORT_DEPENDENT

const struct ice_kind ice_kinds[KIND_COUNT] = {
    {.is_open = true, .box = {.name = "open"}, .class_of = CLASS_OPEN},
    {{.name = "eif", .translates = true, .mapping = EI, .filtering = EI, .hairpin = true},
     CLASS_OPEN,
     false},
    {{.name = "adf", .translates = true, .mapping = EI, .filtering = AD, .hairpin = true},
     CLASS_ADDRESS,
     false},
    {{.name = "apdf", .translates = true, .mapping = EI, .filtering = APD, .hairpin = true},
     CLASS_ADDRESS_AND_PORT,
     false},
    {{.name = "firewall", .mapping = APD, .filtering = APD}, CLASS_ADDRESS_AND_PORT, false},
    {{.name = "masquerade",
      .translates = true,
      .mapping = APD,
      .filtering = APD,
      .ports = BOX_PORTS_PRESERVED},
     CLASS_ADDRESS_AND_PORT,
     false},
    {{.name = "naive",
      .translates = true,
      .mapping = APD,
      .filtering = APD,
      .ports = BOX_PORTS_PRESERVED,
      .input_accepts = true},
     CLASS_ADDRESS_AND_PORT,
     false},
    {{.name = "preserving",
      .translates = true,
      .mapping = EI,
      .filtering = APD,
      .ports = BOX_PORTS_PRESERVED,
      .input_accepts = true},
     CLASS_ADDRESS_AND_PORT,
     false},
    {{.name = "sequential",
      .translates = true,
      .mapping = APD,
      .filtering = APD,
      .ports = BOX_PORTS_SEQUENTIAL},
     CLASS_SEQUENTIAL,
     false},
    {{.name = "random", .translates = true, .mapping = APD, .filtering = APD}, CLASS_RANDOM, false},
    {{.name = "blocked", .translates = true, .blocks_udp = true}, CLASS_BLOCKED, false},
};

bool ice_is_direct(enum box_class a, enum box_class b)
{
    static const bool direct[CLASS_COUNT][CLASS_COUNT] = {
        [CLASS_OPEN] = {true, true, true, true, true, false},
        [CLASS_ADDRESS] = {true, true, true, true, true, false},
        [CLASS_ADDRESS_AND_PORT] = {true, true, true, false, false, false},
        [CLASS_SEQUENTIAL] = {true, true, false, false, false, false},
        [CLASS_RANDOM] = {true, true, false, false, false, false},
    };

    return direct[a][b];
}

const struct box_kind *ice_kind_named(const char *name)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (strcmp(ice_kinds[i].box.name, name) == 0) {
            return &ice_kinds[i].box;
        }
    }
    assert(!"no such kind");
    return NULL;
}
