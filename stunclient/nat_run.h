/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs the machines that look at a NAT, with the sockets that they need. */
#ifndef STUNCLIENT_NAT_RUN_H
#define STUNCLIENT_NAT_RUN_H

#include "proto/nat_hairpin.h"
#include "proto/nat_lifetime.h"
#include "proto/nat_probe.h"
#include "stunclient/output.h"
#include "stunclient/shell.h"

struct nat_findings {
    struct nat_report report;
    bool hairpin_measured;
    enum nat_hairpin_verdict hairpin;
    bool lifetime_measured;
    struct nat_lifetime_result lifetime;
};

/*
 * Measures mapping and filtering by `deadline`, and after that what else the options ask for.
 * Returns false with the failure filled when no socket could be opened or a signal came.
 */
bool nat_run(struct shell *shell, const struct options *options, const struct output *output,
             const struct stun_address *server, struct monotime deadline,
             struct nat_findings *findings, struct failure *failure);

#endif
