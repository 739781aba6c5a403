/* SPDX-License-Identifier: BSD-3-Clause */
/* What happened in the machine, as log lines for an operator. */
#ifndef OPS_EVENTS_H
#define OPS_EVENTS_H

#include "base/log.h"
#include "turnserver/ops/counters.h"

/* Writes the line of one event. Safe from any thread. */
void event_log(struct log *log, unsigned worker, const struct turn_event *event);
/* Writes all counters in one line. */
void counters_log(struct log *log, const struct worker_counters *counters);

#endif
