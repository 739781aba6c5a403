/* SPDX-License-Identifier: BSD-3-Clause */
/* The story of a call on standard error, as it happens, with times: in words, or JSON lines. */
#ifndef STUNCLIENT_PEER_TRACE_H
#define STUNCLIENT_PEER_TRACE_H

#include "proto/ice/ice.h"
#include "stunclient/output.h"

struct trace {
    const struct output *output;
    bool on;
    struct monotime start; /* what times count from */
};

void trace_init(struct trace *trace, const struct output *output, bool on, struct monotime now);
/* `event`: a word for programs. */
void trace_say(const struct trace *trace, struct monotime now, const char *event,
               const char *format, ...) __attribute__((format(printf, 4, 5)));
/* What an event of the ICE agent means; `peer` is the other party's name, `server` that of the
 * server that ICE_SERVER_FAILED is about, else not used. */
void trace_ice(const struct trace *trace, struct monotime now, const struct ice_event *event,
               const char *peer, const char *server);

#endif
