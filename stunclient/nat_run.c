/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/nat_run.h"

#include "net/clock.h"
#include "stunclient/random.h"

#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define HAIRPIN_LIMIT_MS 3000

/* What is common to the machines: sockets that they know by number, and who they are. */
struct run {
    struct shell *shell;
    const struct output *output;
    uint32_t vias[NAT_LIFETIME_SOCKETS];
    struct stun_address locals[NAT_LIFETIME_SOCKETS];
    size_t count;

    struct nat_probe probe;
    struct nat_hairpin hairpin;
    struct nat_lifetime lifetime;
    int64_t told_us; /* of the lifetime's progress */
};

/* ---- sockets --------------------------------------------------------------------------------- */

static void close_sockets(struct run *run)
{
    while (run->count > 0) {
        shell_close(run->shell, run->vias[--run->count]);
    }
}

/* Machines number their sockets from 0; the shell's are opened for one machine at a time, so that
 * both numbers agree. */
static bool open_sockets(struct run *run, const struct options *options,
                         const struct stun_address *server, size_t count, struct failure *failure)
{
    for (run->count = 0; run->count < count;) {
        size_t i = run->count;
        struct stun_address local = options->local;
        local.family = server->family;
        if (i > 0) {
            local.port = 0;
        }
        int status = shell_open_udp(run->shell, &local, &run->vias[i]);
        if (status == 0) {
            run->count++;
            assert(run->vias[i] == i);
            status = shell_local(run->shell, run->vias[i], server, &run->locals[i]);
        }
        if (status != 0) {
            failure_set(failure, EXIT_NO_REPLY, "no socket can be opened: %s", strerror(-status));
            failure_advise(failure, "Check --localaddr and --localport.");
            close_sockets(run);
            return false;
        }
    }
    return true;
}

static bool interrupted(struct failure *failure)
{
    failure_set(failure, EXIT_INCONCLUSIVE, "interrupted");
    return false;
}

/* ---- mapping and filtering ------------------------------------------------------------------- */

static void probe_input(void *context, struct monotime now, const struct flow *flow,
                        struct packet *packet, struct outbox *outbox)
{
    nat_probe_input(context, now, flow, packet, outbox);
}

static void probe_tick(void *context, struct monotime now, struct outbox *outbox)
{
    nat_probe_tick(context, now, outbox);
}

static struct monotime probe_due(void *context)
{
    return nat_probe_due(context);
}

static bool probe_finished(void *context)
{
    return nat_probe_finished(context);
}

static bool run_probe(struct run *run, const struct options *options,
                      const struct stun_address *server, struct monotime deadline,
                      struct nat_findings *findings, struct failure *failure)
{
    const struct shell_user user = {.context = &run->probe,
                                    .input = probe_input,
                                    .tick = probe_tick,
                                    .due = probe_due,
                                    .finished = probe_finished};
    struct nat_probe_setup setup = {.random = random_bits,
                                    .server = *server,
                                    .mapping = options->mode != MODE_FILTERING,
                                    .filtering = options->mode != MODE_BEHAVIOR,
                                    .give_up = deadline,
                                    .software = PACKAGE_STRING};
    if (!open_sockets(run, options, server, NAT_PROBE_SOCKETS, failure)) {
        return false;
    }
    memcpy(setup.local, run->locals, sizeof setup.local);
    nat_probe_init(&run->probe, &setup);
    nat_probe_start(&run->probe, clock_now(), shell_outbox(run->shell));
    /* The machine ends at the deadline by itself; the loop's limit is only a second fence. */
    bool whole = shell_run(run->shell, &user, monotime_add_ms(deadline, 100));
    findings->report = *nat_probe_report(&run->probe);
    close_sockets(run);
    return whole ? true : interrupted(failure);
}

/* ---- hairpinning ----------------------------------------------------------------------------- */

static void hairpin_input(void *context, struct monotime now, const struct flow *flow,
                          struct packet *packet, struct outbox *outbox)
{
    nat_hairpin_input(context, now, flow, packet, outbox);
}

static void hairpin_tick(void *context, struct monotime now, struct outbox *outbox)
{
    nat_hairpin_tick(context, now, outbox);
}

static struct monotime hairpin_due(void *context)
{
    return nat_hairpin_due(context);
}

static bool hairpin_finished(void *context)
{
    return nat_hairpin_finished(context);
}

static bool run_hairpin(struct run *run, const struct options *options,
                        const struct stun_address *server, struct nat_findings *findings,
                        struct failure *failure)
{
    const struct shell_user user = {.context = &run->hairpin,
                                    .input = hairpin_input,
                                    .tick = hairpin_tick,
                                    .due = hairpin_due,
                                    .finished = hairpin_finished};
    struct monotime limit = monotime_add_ms(clock_now(), HAIRPIN_LIMIT_MS);
    struct nat_hairpin_setup setup = {.random = random_bits,
                                      .server = *server,
                                      .stable = findings->report.mapping ==
                                                NAT_MAPPING_ENDPOINT_INDEPENDENT,
                                      .give_up = limit};
    if (!open_sockets(run, options, server, 2, failure)) {
        return false;
    }
    memcpy(setup.local, run->locals, sizeof setup.local);
    nat_hairpin_init(&run->hairpin, &setup);
    nat_hairpin_start(&run->hairpin, clock_now(), shell_outbox(run->shell));
    bool whole = shell_run(run->shell, &user, monotime_add_ms(limit, 100));
    findings->hairpin_measured = true;
    findings->hairpin = nat_hairpin_verdict(&run->hairpin);
    close_sockets(run);
    return whole ? true : interrupted(failure);
}

/* ---- lifetime -------------------------------------------------------------------------------- */

/* People wait for minutes: they are told what is known whenever that changes. */
static void tell_progress(struct run *run)
{
    const struct nat_lifetime_result *result = nat_lifetime_result(&run->lifetime);
    int64_t known_us = result->at_most_us != 0 ? -result->at_most_us : result->at_least_us;
    if (run->output->json || known_us == run->told_us) {
        return;
    }
    run->told_us = known_us;
    if (result->at_most_us != 0) {
        fprintf(stderr, "idle mappings live between %.1f and %.1f s; looking closer\n",
                (double)result->at_least_us / MONOTIME_SECOND,
                (double)result->at_most_us / MONOTIME_SECOND);
    } else {
        fprintf(stderr, "idle mappings live at least %.1f s\n",
                (double)result->at_least_us / MONOTIME_SECOND);
    }
}

static void lifetime_input(void *context, struct monotime now, const struct flow *flow,
                           struct packet *packet, struct outbox *outbox)
{
    struct run *run = context;
    nat_lifetime_input(&run->lifetime, now, flow, packet, outbox);
    tell_progress(run);
}

static void lifetime_tick(void *context, struct monotime now, struct outbox *outbox)
{
    struct run *run = context;
    nat_lifetime_tick(&run->lifetime, now, outbox);
    tell_progress(run);
}

static struct monotime lifetime_due(void *context)
{
    return nat_lifetime_due(&((struct run *)context)->lifetime);
}

static bool lifetime_finished(void *context)
{
    return nat_lifetime_finished(&((struct run *)context)->lifetime);
}

/* Each of the few rounds takes no longer than the oldest age, and a little. */
static struct monotime lifetime_limit(uint32_t max_s)
{
    return monotime_add_seconds(clock_now(), 6 * (int64_t)max_s + 30);
}

static bool run_lifetime(struct run *run, const struct options *options,
                         const struct stun_address *server, struct nat_findings *findings,
                         struct failure *failure)
{
    const struct shell_user user = {.context = run,
                                    .input = lifetime_input,
                                    .tick = lifetime_tick,
                                    .due = lifetime_due,
                                    .finished = lifetime_finished};
    struct nat_lifetime_setup setup = {
        .random = random_bits, .server = *server, .max_s = options->lifetime_max_s};
    if (!open_sockets(run, options, server, NAT_LIFETIME_SOCKETS, failure)) {
        return false;
    }
    nat_lifetime_init(&run->lifetime, &setup);
    nat_lifetime_start(&run->lifetime, clock_now(), shell_outbox(run->shell));
    bool whole = shell_run(run->shell, &user, lifetime_limit(options->lifetime_max_s));
    findings->lifetime_measured = true;
    findings->lifetime = *nat_lifetime_result(&run->lifetime);
    close_sockets(run);
    return whole ? true : interrupted(failure);
}

bool nat_run(struct shell *shell, const struct options *options, const struct output *output,
             const struct stun_address *server, struct monotime deadline,
             struct nat_findings *findings, struct failure *failure)
{
    struct run run = {.shell = shell, .output = output};
    return run_probe(&run, options, server, deadline, findings, failure) &&
           (!options->hairpin || run_hairpin(&run, options, server, findings, failure)) &&
           (options->lifetime_max_s == 0 || run_lifetime(&run, options, server, findings, failure));
}
