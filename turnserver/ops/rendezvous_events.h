/* SPDX-License-Identifier: BSD-3-Clause */
/* What happened in the rendezvous service, as log lines for an operator. */
#ifndef OPS_RENDEZVOUS_EVENTS_H
#define OPS_RENDEZVOUS_EVENTS_H

#include "base/log.h"
#include "net/acceptor.h"
#include "turnserver/rendezvous/rendezvous.h"

/* Everything that the service counts. */
struct rendezvous_service_counters {
    struct rendezvous_counters machine;
    struct acceptor_counters streams;
    uint64_t broken; /* connections that spoke neither JSON nor HTTP, or too long */
    uint64_t http;   /* requests that were answered, good or bad */
};

void rendezvous_event_log(struct log *log, const struct rendezvous_event *event);
void rendezvous_counters_log(struct log *log, const struct rendezvous_service_counters *counters);

#endif
