/* SPDX-License-Identifier: BSD-3-Clause */
/* stunclient nat: how the NAT maps and filters, and what that means (RFC 5780). */
#include "base/address.h"
#include "net/clock.h"
#include "stunclient/locate.h"
#include "stunclient/nat_run.h"
#include "stunclient/nat_words.h"
#include "stunclient/reach.h"
#include "stunclient/verbs.h"

#include <stdio.h>
#include <string.h>

struct nat {
    struct resolver_result found;
    struct reach_result reached;
    struct nat_findings findings;
    struct monotime started;
    bool reached_at_all;
    bool tcp_tried, tcp_answers; /* after silence over UDP */
    struct failure failure;
};

/* ---- measuring ------------------------------------------------------------------------------- */

/* Silence; a refusal would mean that UDP does get through. */
static void judge_blocked(struct nat *nat)
{
    for (size_t i = 0; i < nat->reached.attempt_count; i++) {
        enum reach_outcome outcome = nat->reached.attempts[i].outcome;
        if (outcome != REACH_SILENT && outcome != REACH_WAITING) {
            return;
        }
    }
    nat->findings.report.mapping = NAT_MAPPING_BLOCKED;
    nat->findings.report.filtering = NAT_FILTERING_BLOCKED;
    nat->findings.report.mapping_doubt = NAT_CERTAIN;
    nat->findings.report.filtering_doubt = NAT_CERTAIN;
}

/* What is kept of the time to find out whether the server is there at all. */
static int64_t tcp_share_us(const struct options *options)
{
    int64_t share_us = options->timeout_ms * MONOTIME_MILLISECOND * 3 / 10;
    return share_us < 3 * MONOTIME_SECOND / 2 ? share_us : 3 * MONOTIME_SECOND / 2;
}

/* Nothing over UDP, but an answer over TCP: then it is UDP that is blocked. */
static void try_tcp(struct nat *nat, struct shell *shell, const struct options *options,
                    const struct output *output, struct monotime deadline)
{
    struct options by_tcp = *options;
    struct reach_result result;
    struct failure ignored;
    by_tcp.protocol = PROTOCOL_TCP;
    nat->tcp_tried = true;
    nat->tcp_answers = reach(shell, &by_tcp, output, &nat->found, deadline, &result, &ignored);
    if (nat->tcp_answers) {
        failure_set(&nat->failure, EXIT_NO_REPLY,
                    "UDP is blocked: the server answers over TCP, but not over UDP");
        failure_advise(&nat->failure, "Ask whoever runs the firewall, or use a relay (TURN) over "
                                      "TCP.");
    }
}

static void judge(struct nat *nat, const struct options *options)
{
    const struct nat_report *report = &nat->findings.report;
    bool mapping = options->mode != MODE_FILTERING;
    bool filtering = options->mode != MODE_BEHAVIOR;
    const char *unknown = NULL;
    enum nat_doubt doubt = NAT_CERTAIN;
    if (mapping && report->mapping == NAT_MAPPING_UNKNOWN) {
        unknown = filtering && report->filtering == NAT_FILTERING_UNKNOWN ? "mapping and filtering"
                                                                          : "mapping";
        doubt = report->mapping_doubt;
    } else if (filtering && report->filtering == NAT_FILTERING_UNKNOWN) {
        unknown = "filtering";
        doubt = report->filtering_doubt;
    }
    if (report->mapping == NAT_MAPPING_BLOCKED) {
        failure_set(&nat->failure, EXIT_NO_REPLY, "the server answered once, and then no more");
        failure_advise(&nat->failure, "It may limit how often it answers; try again.");
    } else if (unknown != NULL) {
        failure_set(&nat->failure, EXIT_INCONCLUSIVE, "%s unknown: %s", unknown,
                    nat_doubt_text(doubt));
        failure_advise(&nat->failure, doubt == NAT_LOSS
                                          ? "Try again with a longer --timeout."
                                          : "Try another server: one with two addresses that "
                                            "follows RFC 5780.");
    }
}

static void measure(struct nat *nat, struct shell *shell, const struct options *options,
                    const struct output *output, struct monotime deadline)
{
    char address[ADDRESS_TEXT_SIZE];
    if (!locate(shell, options, output, deadline, &nat->found, &nat->failure)) {
        return;
    }
    struct monotime udp_limit = {deadline.us - tcp_share_us(options)};
    if (!reach(shell, options, output, &nat->found, udp_limit, &nat->reached, &nat->failure)) {
        judge_blocked(nat);
        if (nat->findings.report.mapping == NAT_MAPPING_BLOCKED) {
            try_tcp(nat, shell, options, output, deadline);
        }
        return;
    }
    nat->reached_at_all = true;
    if (nat->reached.code != 0) {
        failure_set(&nat->failure, EXIT_REFUSED, "%s answered with error %u %s",
                    address_format(&nat->reached.server, address), nat->reached.code,
                    nat->reached.reason);
        failure_advise(&nat->failure, "The server does not serve Binding requests to us.");
        return;
    }
    if (nat_run(shell, options, output, &nat->reached.server, deadline, &nat->findings,
                &nat->failure)) {
        judge(nat, options);
    }
}

/* ---- words ----------------------------------------------------------------------------------- */

static enum output_style style_of(bool good, bool bad)
{
    return good ? STYLE_GOOD : bad ? STYLE_BAD : STYLE_WARN;
}

static void print_mapping(const struct output *output, const struct nat_report *report)
{
    if (report->mapping == NAT_MAPPING_UNKNOWN) {
        output_row(output, "mapping", STYLE_WARN, "unknown: %s",
                   nat_doubt_text(report->mapping_doubt));
        return;
    }
    output_row(output, "mapping",
               style_of(report->mapping == NAT_MAPPING_NONE ||
                            report->mapping == NAT_MAPPING_ENDPOINT_INDEPENDENT,
                        report->mapping == NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT),
               "%s%s", nat_mapping_word(report->mapping),
               report->mapping == NAT_MAPPING_NONE ? " (no translation)" : "");
}

static void print_filtering(const struct output *output, const struct nat_report *report)
{
    if (report->filtering == NAT_FILTERING_UNKNOWN) {
        output_row(output, "filtering", STYLE_WARN, "unknown: %s",
                   nat_doubt_text(report->filtering_doubt));
        return;
    }
    output_row(output, "filtering",
               style_of(report->filtering != NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT, false), "%s",
               nat_filtering_word(report->filtering));
}

static void print_ports(const struct output *output, const struct nat_report *report)
{
    switch (report->ports) {
    case NAT_PORTS_PRESERVED:
        output_row(output, "ports", STYLE_PLAIN, "preserved");
        break;
    case NAT_PORTS_SEQUENTIAL:
        output_row(output, "ports", STYLE_PLAIN, "sequential, %+d each", report->port_delta);
        break;
    case NAT_PORTS_CHANGED:
        output_row(output, "ports", STYLE_PLAIN, "changed, no pattern seen");
        break;
    default:
        break;
    }
    if (report->several_addresses) {
        output_row(output, "addresses", STYLE_WARN, "several: sockets appear with different ones");
    }
}

static void print_hairpin(const struct output *output, const struct nat_findings *findings)
{
    static const char *const texts[] = {
        [NAT_HAIRPIN_UNKNOWN] = "unknown",
        [NAT_HAIRPIN_NOT_NEEDED] = "not needed: no translation",
        [NAT_HAIRPIN_YES] = "yes",
        [NAT_HAIRPIN_NO] = "no: hosts behind this NAT reach each other only by local addresses",
    };
    if (findings->hairpin_measured) {
        output_row(output, "hairpinning", STYLE_PLAIN, "%s", texts[findings->hairpin]);
    }
}

static void print_lifetime(const struct output *output, const struct nat_findings *findings)
{
    const struct nat_lifetime_result *lifetime = &findings->lifetime;
    if (!findings->lifetime_measured) {
        return;
    }
    if (lifetime->doubt != NAT_CERTAIN) {
        output_row(output, "mapping lifetime", STYLE_WARN, "unknown: %s",
                   nat_doubt_text(lifetime->doubt));
    } else if (lifetime->at_most_us == 0) {
        output_row(output, "mapping lifetime", STYLE_PLAIN, "more than %.0f s",
                   (double)lifetime->at_least_us / MONOTIME_SECOND);
    } else {
        output_row(output, "mapping lifetime", STYLE_PLAIN, "%.1f to %.1f s without traffic",
                   (double)lifetime->at_least_us / MONOTIME_SECOND,
                   (double)lifetime->at_most_us / MONOTIME_SECOND);
    }
}

static void print_words(const struct output *output, const struct nat *nat)
{
    const struct nat_report *report = &nat->findings.report;
    const char *type = nat_type_word(report);
    const char *verdict = nat_verdict_text(report);
    char address[ADDRESS_TEXT_SIZE];
    output_row(output, "mapped address", STYLE_STRONG, "%s",
               address_format(&report->mapped[NAT_PRIMARY], address));
    output_row(output, "local address", STYLE_PLAIN, "%s", address_format(&report->local, address));
    if (report->mapping_doubt != NAT_NOT_MEASURED) {
        print_mapping(output, report);
    }
    if (report->filtering_doubt != NAT_NOT_MEASURED) {
        print_filtering(output, report);
    }
    if (type != NULL) {
        output_row(output, "also known as", STYLE_PLAIN, "%s", type);
    }
    print_ports(output, report);
    print_hairpin(output, &nat->findings);
    print_lifetime(output, &nat->findings);
    output_row(output, "round trip", STYLE_PLAIN, "%.3f ms", (double)report->rtt_us / 1000);
    if (report->sent > report->answered) {
        output_row(output, "lost", STYLE_WARN, "%u of %u", report->sent - report->answered,
                   report->sent);
    }
    output_row(output, "server", STYLE_PLAIN, "%s", address_format(&report->server, address));
    if (verdict != NULL) {
        output_paragraph(output, verdict);
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_mapped(struct json_writer *json, const struct nat_report *report)
{
    static const char *const keys[] = {
        [NAT_PRIMARY] = "primary",
        [NAT_OTHER_ADDRESS] = "other_address",
        [NAT_OTHER_PORT] = "other_port",
        [NAT_OTHER_ADDRESS_AND_PORT] = "other_address_and_port",
    };
    json_put_key(json, "mapped_addresses");
    json_begin_object(json);
    for (size_t i = 0; i < NAT_ENDPOINTS; i++) {
        json_member_address(json, keys[i], &report->mapped[i]);
    }
    json_end_object(json);
}

static void put_behind_nat(struct json_writer *json, const struct nat_report *report)
{
    if (report->mapped[NAT_PRIMARY].family == STUN_FAMILY_NONE) {
        json_member_null(json, "behind_nat");
    } else {
        json_member_bool(json, "behind_nat",
                         !address_equal(&report->mapped[NAT_PRIMARY], &report->local));
    }
}

static void put_behavior(struct json_writer *json, const struct nat *nat)
{
    const struct nat_report *report = &nat->findings.report;
    json_member_string(json, "mapping", nat_mapping_word(report->mapping));
    json_member_string(json, "mapping_doubt", nat_doubt_word(report->mapping_doubt));
    json_member_string(json, "filtering", nat_filtering_word(report->filtering));
    json_member_string(json, "filtering_doubt", nat_doubt_word(report->filtering_doubt));
    json_member_string(json, "type", nat_type_word(report));
    json_member_string(json, "ports", nat_ports_word(report->ports));
    if (report->ports == NAT_PORTS_SEQUENTIAL) {
        json_member_i64(json, "port_delta", report->port_delta);
    } else {
        json_member_null(json, "port_delta");
    }
    json_member_bool(json, "several_addresses", report->several_addresses);
    json_member_string(json, "hairpin",
                       nat->findings.hairpin_measured ? nat_hairpin_word(nat->findings.hairpin)
                                                      : NULL);
}

static void put_lifetime(struct json_writer *json, const struct nat_findings *findings)
{
    const struct nat_lifetime_result *lifetime = &findings->lifetime;
    json_put_key(json, "lifetime");
    if (!findings->lifetime_measured) {
        json_put_null(json);
        return;
    }
    json_begin_object(json);
    json_member_string(json, "doubt", nat_doubt_word(lifetime->doubt));
    json_member_real(json, "at_least_s", (double)lifetime->at_least_us / MONOTIME_SECOND, 1);
    if (lifetime->at_most_us == 0) {
        json_member_null(json, "at_most_s");
    } else {
        json_member_real(json, "at_most_s", (double)lifetime->at_most_us / MONOTIME_SECOND, 1);
    }
    json_end_object(json);
}

static void print_json(const struct options *options, const struct nat *nat)
{
    const struct nat_report *report = &nat->findings.report;
    struct output_object object;
    struct json_writer *json = &object.json;
    output_object_begin(&object, "nat", options->target, nat->failure.status, &nat->failure);
    json_member_address(json, "server_address", &nat->reached.server);
    json_member_address(json, "other_address", &report->other);
    json_member_string(json, "software", report->software[0] == '\0' ? NULL : report->software);
    json_member_address(json, "local_address", &report->local);
    put_mapped(json, report);
    put_behind_nat(json, report);
    put_behavior(json, nat);
    put_lifetime(json, &nat->findings);
    if (nat->tcp_tried) {
        json_member_bool(json, "tcp_answers", nat->tcp_answers);
    } else {
        json_member_null(json, "tcp_answers");
    }
    output_member_ms(json, "rtt_ms", report->rtt_us);
    json_member_u64(json, "requests_sent", report->sent);
    json_member_u64(json, "requests_answered", report->answered);
    json_member_string(json, "verdict", nat_verdict_text(report));
    output_member_ms(json, "took_ms", monotime_difference_us(clock_now(), nat->started));
    output_object_end(&object);
}

enum exit_status cmd_nat(const struct options *options)
{
    struct nat nat = {.started = clock_now()};
    struct output output;
    struct monotime deadline = monotime_add_ms(nat.started, options->timeout_ms);
    struct shell *shell = shell_new();
    output_init(&output, options);
    nat.findings.report.rtt_us = -1;
    nat.findings.report.mapping_doubt = NAT_NOT_MEASURED;
    nat.findings.report.filtering_doubt = NAT_NOT_MEASURED;
    if (shell == NULL) {
        failure_set(&nat.failure, EXIT_NO_REPLY, "the system has no memory or descriptors left");
    } else {
        measure(&nat, shell, options, &output, deadline);
    }
    shell_free(shell);
    if (options->json) {
        print_json(options, &nat);
        return nat.failure.status;
    }
    if (nat.reached_at_all && nat.findings.report.rtt_us >= 0) {
        print_words(&output, &nat);
    }
    if (nat.failure.status != EXIT_OK) {
        output_failure(&output, &nat.failure);
    }
    return nat.failure.status;
}
