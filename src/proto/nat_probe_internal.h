/* SPDX-License-Identifier: BSD-3-Clause */
/* Between nat_probe.c, which sends and receives, and nat_verdict.c, which judges. */
#ifndef PROTO_NAT_PROBE_INTERNAL_H
#define PROTO_NAT_PROBE_INTERNAL_H

#include "proto/nat_probe.h"

/*
 * The address of one of the server's endpoints. Returns false when it is not known, or is the same
 * as one before it: a server with one address has two endpoints.
 */
bool nat_verdict_endpoint(const struct nat_report *report, enum nat_endpoint endpoint,
                          struct stun_address *out);

/*
 * Whether an answer from `endpoint` to a request that went to the primary one must reach the socket
 * of the mapping tests: it has sent to both, and has one mapping for both.
 */
bool nat_verdict_can_control(const struct nat_report *report, enum nat_endpoint endpoint);

/* Judges what there is and fills the report; sets `finished` when no more can be learnt. */
void nat_verdict_judge(struct nat_probe *probe, struct monotime now);

#endif
