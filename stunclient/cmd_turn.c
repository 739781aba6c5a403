/* SPDX-License-Identifier: BSD-3-Clause */
/* stunclient turn: a relay, step by step. */
#include "base/address.h"
#include "net/clock.h"
#include "stunclient/locate.h"
#include "stunclient/random.h"
#include "stunclient/reach.h"
#include "stunclient/turn_findings.h"
#include "stunclient/verbs.h"

#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REACH_LIMIT_MS 2000  /* a server may answer Allocate and not Binding */
#define GOODBYE_LIMIT_MS 500 /* to delete the allocations after a signal */

/* The run of the machine; the shell's user. */
struct relay_run {
    struct shell *shell;
    const struct output *output;
    struct turn_test *test;
    struct flow flows[TURN_TEST_FLOWS]; /* those that the test wants */
    unsigned flow_count;
    unsigned connected; /* streams that stand */
    bool started;
    bool insecure;     /* it was TLS that failed */
    char trouble[256]; /* what the network said */
};

/* ---- the shell's user ------------------------------------------------------------------------ */

static void start(struct relay_run *run, struct monotime now, struct outbox *outbox)
{
    run->started = true;
    turn_test_start(run->test, now, outbox);
}

static void input(void *context, struct monotime now, const struct flow *flow,
                  struct packet *packet, struct outbox *outbox)
{
    struct relay_run *run = context;
    turn_test_input(run->test, now, flow, packet, outbox);
}

static void connected(void *context, struct monotime now, uint32_t via, struct outbox *outbox)
{
    struct relay_run *run = context;
    (void)via;
    if (++run->connected == run->flow_count) {
        start(run, now, outbox);
    }
}

/* A datagram's passing trouble (no buffer, no route for a moment) is no reason to end. */
static bool is_final(const struct relay_run *run, int error)
{
    return run->flows[0].transport == TRANSPORT_TCP || error == ECONNREFUSED ||
           error == ENETUNREACH || error == EHOSTUNREACH || error == EACCES || error == EPERM ||
           error == EPROTO || error == ECONNRESET;
}

static void failed(void *context, struct monotime now, uint32_t via,
                   const struct stun_address *remote, int error, const char *text,
                   struct outbox *outbox)
{
    struct relay_run *run = context;
    (void)remote;
    if (!is_final(run, error)) {
        output_tell(run->output, 1, "a packet was not sent: %s", text);
        return;
    }
    snprintf(run->trouble, sizeof run->trouble, "%s", text);
    run->insecure = run->insecure || error == EPROTO;
    if (!run->started) {
        start(run, now, outbox); /* so that the first step fails, and not none */
    }
    turn_test_flow_closed(run->test, now, via, outbox);
}

static void tick(void *context, struct monotime now, struct outbox *outbox)
{
    struct relay_run *run = context;
    turn_test_tick(run->test, now, outbox);
}

static struct monotime due(void *context)
{
    const struct relay_run *run = context;
    return turn_test_due(run->test);
}

static bool finished(void *context)
{
    const struct relay_run *run = context;
    return turn_test_finished(run->test);
}

/* ---- setting up ------------------------------------------------------------------------------ */

/* Two, two more for relays of TCP, and one to move to. */
static bool is_wanted(const struct options *options, unsigned flow)
{
    return flow < 2 || (flow < 4 ? options->tcp_relay : options->mobility);
}

static bool open_flow(struct relay_run *run, const struct options *options,
                      const struct stun_address *server, unsigned side, struct failure *failure)
{
    struct flow *flow = &run->flows[side];
    struct stun_address local = options->local;
    char address[ADDRESS_TEXT_SIZE];
    local.family = server->family;
    if (side > 0) {
        local.port = 0;
    }
    flow->transport = options_transport(options);
    flow->remote = *server;
    int status = shell_open(run->shell, options_transport(options), server, &local, &flow->via);
    if (status == 0) {
        status = shell_local(run->shell, flow->via, server, &flow->local);
    }
    if (status != 0) {
        failure_set(failure, EXIT_NO_REPLY, "%s cannot be reached: %s",
                    address_format(server, address), strerror(-status));
        failure_advise(failure, "Check this host's network and the options --localaddr and "
                                "--localport.");
    }
    return status == 0;
}

static void leave_framing(void *context, uint32_t via)
{
    shell_leave_framing(context, via);
}

static struct turn_test *new_test(const struct relay_run *run, const struct options *options,
                                  const struct credentials *credentials, struct stun_crypto *crypto)
{
    const bool has_token = credentials->token_size > 0;
    struct turn_test_setup setup = {
        .client = {.crypto = crypto,
                   .random = random_bits,
                   .user = credentials->given ? credentials->user : NULL,
                   .password = credentials->given ? credentials->password : NULL,
                   .software = PACKAGE_STRING,
                   .timing = stun_timing_default,
                   .timeout_ms = options->timeout_ms,
                   .family = options->relay_family,
                   .tcp = options->tcp_relay,
                   .dual = options->dual_stack,
                   .mobile = options->mobility,
                   .token = has_token ? credentials->token : NULL,
                   .token_key = credentials->token_key,
                   .token_size = credentials->token_size,
                   .token_key_size = credentials->token_key_size},
        .leave_framing = leave_framing,
        .context = run->shell,
        .count = options->count,
        .size = options->size,
        .interval_ms = options->interval_ms,
    };
    setup.client.timing.rto_ms = options->rto_ms;
    memcpy(setup.flows, run->flows, sizeof setup.flows);
    return turn_test_new(&setup);
}

/* The first of several addresses that answers; a single one is not asked. */
static void choose_server(struct shell *shell, const struct options *options,
                          const struct output *output, const struct resolver_result *found,
                          struct stun_address *server)
{
    struct monotime limit = monotime_add_ms(clock_now(), REACH_LIMIT_MS);
    struct reach_result reached;
    struct failure ignored;
    *server = found->addresses[0];
    if (found->count > 1 && reach(shell, options, output, found, limit, &reached, &ignored)) {
        *server = reached.server;
    }
}

/* By the deadline; the echo's own time, which the user chose, comes on top. */
static void run_test(struct relay_run *run, const struct options *options, struct monotime deadline)
{
    const struct shell_user user = {run, input, connected, failed, tick, due, finished};
    int64_t echo_ms = (int64_t)options->count * options->interval_ms;
    struct outbox *outbox = shell_outbox(run->shell);
    if (options->protocol == PROTOCOL_UDP) {
        start(run, clock_now(), outbox);
    }
    if (!shell_run(run->shell, &user, monotime_add_ms(deadline, echo_ms))) {
        snprintf(run->trouble, sizeof run->trouble, "interrupted");
    }
    if (!turn_test_finished(run->test)) {
        if (!run->started) {
            start(run, clock_now(), outbox);
            outbox_clear(outbox);
        }
        turn_test_stop(run->test, clock_now(), outbox);
        shell_run(run->shell, &user, monotime_add_ms(clock_now(), GOODBYE_LIMIT_MS));
    }
}

/* What a run needs, and keeps for the next one. */
struct kit {
    struct shell *shell;
    struct stun_crypto *crypto;
    struct secure *secure; /* NULL: no TLS */
    const struct credentials *credentials;
    const struct output *output;
    struct monotime deadline;
};

static bool open_flows(struct relay_run *run, const struct options *options,
                       struct turn_findings *findings)
{
    for (unsigned flow = 0; flow < TURN_TEST_FLOWS; flow++) {
        if (is_wanted(options, flow)) {
            if (!open_flow(run, options, &findings->server, flow, &findings->failure)) {
                return false;
            }
            run->flow_count++;
        }
    }
    return true;
}

static void close_flows(struct relay_run *run, const struct options *options)
{
    for (unsigned flow = 0; flow < TURN_TEST_FLOWS; flow++) {
        if (is_wanted(options, flow)) {
            shell_close(run->shell, run->flows[flow].via);
        }
    }
}

/* Tests the server at findings->server. */
static bool test_server(struct turn_findings *findings, const struct kit *kit,
                        const struct options *options)
{
    struct relay_run run = {.shell = kit->shell, .output = kit->output};
    if (!open_flows(&run, options, findings)) {
        return false;
    }
    run.test = new_test(&run, options, kit->credentials, kit->crypto);
    if (run.test == NULL) {
        failure_set(&findings->failure, EXIT_USAGE, "the credentials cannot be used");
        return false;
    }
    run_test(&run, options, kit->deadline);
    turn_findings_take(findings, run.test, options, run.trouble);
    if (run.insecure) {
        char address[ADDRESS_TEXT_SIZE];
        secure_explain(&findings->failure, options_protocol_text(options),
                       address_format(&findings->server, address), run.trouble);
    }
    turn_test_free(run.test);
    close_flows(&run, options);
    return true;
}

/*
 * Goes where the server sends us (RFC 8489 §10), once, and not back to itself. The certificate
 * there must be for ALTERNATE-DOMAIN when that was told (§14.16), else for the same name as here.
 */
static void follow(struct turn_findings *findings, const struct kit *kit,
                   const struct options *options)
{
    struct stun_address alternate;
    const char *domain;
    char text[ADDRESS_TEXT_SIZE];
    if (!turn_findings_redirect(findings, &alternate, &domain) ||
        address_equal(&alternate, &findings->server)) {
        return;
    }
    output_tell(kit->output, 1, "sent to %s %s", address_format(&alternate, text), domain);
    secure_expect(kit->secure, domain);
    const struct turn_findings fresh = {
        .has_credentials = findings->has_credentials,
        .secure = findings->secure,
        .by_naptr = findings->by_naptr,
        .server = alternate,
        .redirected_from = findings->server,
    };
    *findings = fresh;
    test_server(findings, kit, options);
}

static bool use_tls(struct turn_findings *findings, struct kit *kit, const struct options *options)
{
    if (!secure_new(&kit->secure, options, &findings->failure)) {
        return false;
    }
    shell_use_tls(kit->shell, kit->secure);
    findings->secure = secure_findings(kit->secure);
    return true;
}

/* DNS may say the transport where the user has not: then `options` are changed. */
static void test_name(struct turn_findings *findings, struct kit *kit, struct options *options)
{
    struct resolver_result found;
    if (locate_relay(kit->shell, options, kit->output, kit->deadline, &found, &options->protocol)) {
        findings->by_naptr = true;
    }
    if (!use_tls(findings, kit, options)) {
        return;
    }
    if (findings->by_naptr ||
        locate(kit->shell, options, kit->output, kit->deadline, &found, &findings->failure)) {
        choose_server(kit->shell, options, kit->output, &found, &findings->server);
        if (test_server(findings, kit, options)) {
            follow(findings, kit, options);
        }
    }
}

/* Returns whether the options go together; if not, the failure is filled. */
static bool check_options(const struct options *options, struct failure *failure)
{
    bool stream = options->protocol == PROTOCOL_TCP || options->protocol == PROTOCOL_TLS;
    if (options->tcp_relay && !stream) {
        failure_set(failure, EXIT_USAGE,
                    "a relay of TCP (--tcp-relay) needs a client over TCP or TLS");
        failure_advise(failure, "Add --protocol tcp, or --protocol tls.");
        return false;
    }
    if (options->tcp_relay && (options->mobility || options->dual_stack)) {
        failure_set(failure, EXIT_USAGE, "%s is for relays of UDP, and not for --tcp-relay",
                    options->mobility ? "--mobility" : "--dual-stack");
        failure_advise(failure, "Test them one after the other.");
        return false;
    }
    if (options->dual_stack && options->relay_family != STUN_FAMILY_NONE) {
        failure_set(failure, EXIT_USAGE,
                    "--dual-stack asks for both families, --relay-family for "
                    "one");
        failure_advise(failure, "Leave one of them out.");
        return false;
    }
    return true;
}

enum exit_status cmd_turn(const struct options *given)
{
    struct options own = *given; /* its pointers stay the other's */
    struct options *options = &own;
    struct turn_findings findings = {0};
    struct credentials credentials;
    struct output output;
    struct kit kit = {
        .credentials = &credentials,
        .output = &output,
        .deadline = monotime_add_ms(clock_now(), options->timeout_ms),
    };
    output_init(&output, options);
    if (!check_options(options, &findings.failure) ||
        !credentials_load(&credentials, options, NULL, clock_unix_seconds(), &findings.failure)) {
        return output_fail(&output, "turn", options->target, &findings.failure);
    }
    findings.has_credentials = credentials.given;
    kit.shell = shell_new();
    kit.crypto = stun_crypto_new();
    if (kit.shell == NULL || kit.crypto == NULL) {
        failure_set(&findings.failure, EXIT_NO_REPLY,
                    "the system has no memory or descriptors left");
    } else {
        test_name(&findings, &kit, options);
    }
    turn_findings_print(&findings, options, &output);
    stun_crypto_free(kit.crypto);
    shell_free(kit.shell);
    secure_free(kit.secure);
    credentials_wipe(&credentials);
    return findings.failure.status;
}
