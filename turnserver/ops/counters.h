/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything that a worker counts. Every field is a number of 64 bits. */
#ifndef OPS_COUNTERS_H
#define OPS_COUNTERS_H

#include "net/acceptor.h"
#include "net/associations.h"
#include "turnserver/datapath/datapath.h"
#include "turnserver/turn/turn.h"

struct worker_counters {
    struct turn_counters turn;
    struct datapath_counters datapath;
    struct acceptor_counters streams;
    struct associations_counters associations;
};

#endif
