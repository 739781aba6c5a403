/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/address.h"
#include "proto/nat_probe_internal.h"

#include <math.h>
#include <stdlib.h>

/* Silence is believed when it is this unlikely that only loss made it. */
#define SILENCE_BY_LOSS_MAX 1e-5
#define SILENT_ATTEMPTS_MIN 8
/* A server's fault is claimed less easily than a NAT's refusal, which is the common case. */
#define FAULT_ATTEMPTS_MIN 10
#define GRACE_MIN_US (300 * MONOTIME_MILLISECOND)
#define SEQUENTIAL_SPAN_MAX 64 /* ports between the first and the last of a few mappings */

/* ---- endpoints ------------------------------------------------------------------------------- */

static bool is_known(const struct stun_address *address)
{
    return address->family != STUN_FAMILY_NONE;
}

static bool other_is_usable(const struct nat_report *report)
{
    return report->other.family == report->server.family && report->other.port != 0 &&
           !address_is_unspecified(&report->other) &&
           !address_equal(&report->other, &report->server);
}

static bool other_ip_differs(const struct nat_report *report)
{
    return !address_equal_ip(&report->other, &report->server);
}

static bool other_port_differs(const struct nat_report *report)
{
    return report->other.port != report->server.port;
}

bool nat_verdict_endpoint(const struct nat_report *report, enum nat_endpoint endpoint,
                          struct stun_address *out)
{
    bool other_ip = endpoint == NAT_OTHER_ADDRESS || endpoint == NAT_OTHER_ADDRESS_AND_PORT;
    bool other_port = endpoint == NAT_OTHER_PORT || endpoint == NAT_OTHER_ADDRESS_AND_PORT;
    if (endpoint != NAT_PRIMARY &&
        (!other_is_usable(report) || (other_ip && !other_ip_differs(report)) ||
         (other_port && !other_port_differs(report)))) {
        return false;
    }
    *out = other_ip ? report->other : report->server;
    out->port = other_port ? report->other.port : report->server.port;
    return true;
}

static bool same_mapping(const struct nat_report *report, enum nat_endpoint a, enum nat_endpoint b)
{
    return is_known(&report->mapped[a]) && is_known(&report->mapped[b]) &&
           address_equal(&report->mapped[a], &report->mapped[b]);
}

static bool other_mapping(const struct nat_report *report, enum nat_endpoint a, enum nat_endpoint b)
{
    return is_known(&report->mapped[a]) && is_known(&report->mapped[b]) &&
           !address_equal(&report->mapped[a], &report->mapped[b]);
}

bool nat_verdict_can_control(const struct nat_report *report, enum nat_endpoint endpoint)
{
    return same_mapping(report, NAT_PRIMARY, endpoint);
}

/* ---- loss and silence ------------------------------------------------------------------------ */

/* How long an answer may take before its attempt counts as lost. */
static int64_t grace_us(const struct nat_probe *probe)
{
    int64_t by_rtt = 2 * probe->report.rtt_us + 100 * MONOTIME_MILLISECOND;
    return by_rtt > GRACE_MIN_US ? by_rtt : GRACE_MIN_US;
}

static unsigned count_aged(const struct nat_probe *probe, const struct nat_test *test,
                           struct monotime now)
{
    unsigned aged = 0;
    while (aged < test->attempts &&
           monotime_difference_us(now, test->sent[aged]) >= grace_us(probe)) {
        aged++;
    }
    return aged;
}

/*
 * An upper bound for the share of round trips that fail (Wilson's score), from the ordinary
 * requests to endpoints that did answer at all. A wider one as soon as any was lost: losses come
 * together.
 */
static double loss_bound(unsigned sent, unsigned answered)
{
    if (sent == 0) {
        return 1;
    }
    double share = (double)(sent - answered) / sent;
    double z = sent == answered ? 1 : 2;
    double by_count = z * z / sent;
    double spread = z * sqrt(share * (1 - share) / sent + by_count / (4.0 * sent));
    return (share + by_count / 2 + spread) / (1 + by_count);
}

static double estimate_loss(struct nat_probe *probe, struct monotime now)
{
    unsigned sent = 0;
    unsigned answered = 0;
    for (size_t i = 0; i < NAT_TESTS; i++) {
        const struct nat_test *test = &probe->tests[i];
        if (test->change != 0 || test->answered == 0) {
            continue;
        }
        unsigned aged = count_aged(probe, test, now);
        for (unsigned number = 0; number < test->attempts; number++) {
            bool was_answered = (test->answered >> number & 1) != 0;
            sent += number < aged || was_answered;
            answered += was_answered;
        }
    }
    probe->report.sent = sent;
    probe->report.answered = answered;
    return loss_bound(sent, answered);
}

/* Whether the silence after this test's requests says more than that packets get lost. */
static bool is_silent(struct nat_probe *probe, const struct nat_test *test, unsigned attempts_min,
                      struct monotime now)
{
    unsigned aged = count_aged(probe, test, now);
    double by_loss = 1;
    double loss = estimate_loss(probe, now);
    for (unsigned i = 0; i < aged; i++) {
        by_loss *= loss;
    }
    return test->answered == 0 && aged >= attempts_min && by_loss <= SILENCE_BY_LOSS_MAX;
}

/* ---- mapping --------------------------------------------------------------------------------- */

/* What the answers say, whether all are there or not (RFC 5780 §4.3). */
static enum nat_mapping classify(const struct nat_report *report, enum nat_doubt *doubt)
{
    *doubt = NAT_CERTAIN;
    if (address_equal(&report->mapped[NAT_PRIMARY], &report->local)) {
        return NAT_MAPPING_NONE;
    }
    if (!is_known(&report->other)) {
        *doubt = NAT_NO_OTHER_ADDRESS;
        return NAT_MAPPING_UNKNOWN;
    }
    bool port_matters = other_mapping(report, NAT_PRIMARY, NAT_OTHER_PORT) ||
                        other_mapping(report, NAT_OTHER_ADDRESS, NAT_OTHER_ADDRESS_AND_PORT);
    bool port_is_free = same_mapping(report, NAT_PRIMARY, NAT_OTHER_PORT) ||
                        same_mapping(report, NAT_OTHER_ADDRESS, NAT_OTHER_ADDRESS_AND_PORT);
    bool address_matters = other_mapping(report, NAT_PRIMARY, NAT_OTHER_ADDRESS) ||
                           other_mapping(report, NAT_OTHER_PORT, NAT_OTHER_ADDRESS_AND_PORT);
    bool all_free = same_mapping(report, NAT_PRIMARY, NAT_OTHER_ADDRESS_AND_PORT);
    if ((port_matters && (port_is_free || all_free)) || (address_matters && all_free)) {
        *doubt = NAT_INCONSISTENT;
        return NAT_MAPPING_UNKNOWN;
    }
    if (port_matters) {
        return NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT;
    }
    if (all_free) {
        return NAT_MAPPING_ENDPOINT_INDEPENDENT;
    }
    if (port_is_free && address_matters) {
        return NAT_MAPPING_ADDRESS_DEPENDENT;
    }
    bool whole = other_is_usable(report) && other_ip_differs(report) && other_port_differs(report);
    *doubt = whole ? NAT_OTHER_ADDRESS_SILENT : NAT_OTHER_ADDRESS_WRONG;
    return NAT_MAPPING_UNKNOWN;
}

/* Whether nothing more will come: each endpoint has answered, or is silent. */
static bool mapping_is_settled(struct nat_probe *probe, struct monotime now)
{
    for (size_t i = NAT_TEST_MAPPING; i < NAT_TEST_MAPPING + NAT_ENDPOINTS; i++) {
        const struct nat_test *test = &probe->tests[i];
        if (test->attempts > 0 && test->answered == 0 && !test->refused &&
            !is_silent(probe, test, FAULT_ATTEMPTS_MIN, now)) {
            return false;
        }
    }
    return is_known(&probe->report.mapped[NAT_PRIMARY]) || probe->tests[NAT_TEST_MAPPING].refused;
}

/* ---- filtering ------------------------------------------------------------------------------- */

enum outcome {
    PENDING,
    PASSED,  /* the answer came, from where it should */
    STOPPED, /* it was sent and did not come through */
    DOUBTED, /* we cannot know: see doubt */
};

struct filter_test {
    enum nat_test_name test, plain, control;
    enum nat_endpoint endpoint; /* where the answer comes from */
};

static const struct filter_test filter_both = {
    NAT_TEST_FILTER_BOTH,
    NAT_TEST_FILTER_BOTH_PLAIN,
    NAT_TEST_CONTROL_BOTH,
    NAT_OTHER_ADDRESS_AND_PORT,
};

static const struct filter_test filter_port = {
    NAT_TEST_FILTER_PORT,
    NAT_TEST_FILTER_PORT_PLAIN,
    NAT_TEST_CONTROL_PORT,
    NAT_OTHER_PORT,
};

static enum outcome doubted(enum nat_doubt *doubt, enum nat_doubt why)
{
    *doubt = why;
    return DOUBTED;
}

/* What came back to a request with CHANGE-REQUEST; PENDING as long as nothing did. */
static enum outcome judge_answer(const struct nat_test *test, const struct stun_address *expected,
                                 enum nat_doubt *doubt)
{
    if (test->answered != 0) {
        return address_equal(&test->origin, expected) ? PASSED : doubted(doubt, NAT_CHANGE_IGNORED);
    }
    return test->refused ? doubted(doubt, NAT_CHANGE_REFUSED) : PENDING;
}

/* Whether the server does send such answers, as far as that can be seen. */
static enum outcome judge_control(struct nat_probe *probe, const struct filter_test *filter,
                                  const struct stun_address *expected, struct monotime now,
                                  enum nat_doubt *doubt)
{
    const struct nat_test *reach = &probe->tests[NAT_TEST_MAPPING + filter->endpoint];
    const struct nat_test *control = &probe->tests[filter->control];
    if (reach->answered == 0) {
        return is_silent(probe, reach, FAULT_ATTEMPTS_MIN, now) || reach->refused
                   ? doubted(doubt, NAT_OTHER_ADDRESS_SILENT)
                   : PENDING;
    }
    if (!nat_verdict_can_control(&probe->report, filter->endpoint)) {
        return PASSED; /* another mapping: no socket of ours can check it */
    }
    enum outcome outcome = judge_answer(control, expected, doubt);
    return outcome == PENDING && is_silent(probe, control, FAULT_ATTEMPTS_MIN, now)
               ? doubted(doubt, NAT_CHANGE_SILENT)
               : outcome;
}

static enum outcome judge_filter(struct nat_probe *probe, const struct filter_test *filter,
                                 struct monotime now, enum nat_doubt *doubt)
{
    const struct nat_test *test = &probe->tests[filter->test];
    struct stun_address expected;
    if (!is_known(&probe->report.mapped[NAT_PRIMARY])) {
        return PENDING;
    }
    if (!is_known(&probe->report.other)) {
        return doubted(doubt, NAT_NO_OTHER_ADDRESS);
    }
    if (!nat_verdict_endpoint(&probe->report, filter->endpoint, &expected)) {
        return doubted(doubt, NAT_OTHER_ADDRESS_WRONG);
    }
    enum outcome outcome = judge_answer(test, &expected, doubt);
    if (outcome != PENDING) {
        return outcome;
    }
    if (probe->tests[filter->plain].answered == 0 ||
        !is_silent(probe, test, SILENT_ATTEMPTS_MIN, now)) {
        return PENDING;
    }
    outcome = judge_control(probe, filter, &expected, now, doubt);
    return outcome == PASSED ? STOPPED : outcome;
}

/* RFC 5780 §4.4. Returns false as long as more may be learnt. */
static bool judge_filtering(struct nat_probe *probe, struct monotime now)
{
    struct nat_report *report = &probe->report;
    enum nat_doubt doubt_both = NAT_CERTAIN;
    enum nat_doubt doubt_port = NAT_CERTAIN;
    enum outcome both = judge_filter(probe, &filter_both, now, &doubt_both);
    enum outcome port = judge_filter(probe, &filter_port, now, &doubt_port);
    bool one_ip = both == DOUBTED && is_known(&report->other) && !other_ip_differs(report);
    report->filtering = NAT_FILTERING_UNKNOWN;
    report->filtering_doubt = NAT_LOSS;
    if (both == PASSED) {
        report->filtering = NAT_FILTERING_ENDPOINT_INDEPENDENT;
    } else if (both == STOPPED && port == PASSED) {
        report->filtering = NAT_FILTERING_ADDRESS_DEPENDENT;
    } else if ((both == STOPPED || one_ip) && port == STOPPED) {
        report->filtering = NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT;
    } else if (both == DOUBTED && !(one_ip && port == PENDING)) {
        report->filtering_doubt = doubt_both;
        return true;
    } else if (both == STOPPED && port == DOUBTED) {
        report->filtering_doubt = doubt_port;
        return true;
    } else {
        return false;
    }
    report->filtering_doubt = NAT_CERTAIN;
    return true;
}

/* ---- ports ----------------------------------------------------------------------------------- */

struct port_sample {
    struct monotime sent;
    uint16_t inside, outside;
};

/* The mappings that were made, in the order of their making; at most one a plain test. */
static size_t collect_ports(struct nat_probe *probe, struct port_sample *samples)
{
    static const enum nat_test_name order[] = {
        NAT_TEST_MAPPING + NAT_PRIMARY,    NAT_TEST_FILTER_BOTH_PLAIN,
        NAT_TEST_FILTER_PORT_PLAIN,        NAT_TEST_MAPPING + NAT_OTHER_ADDRESS,
        NAT_TEST_MAPPING + NAT_OTHER_PORT, NAT_TEST_MAPPING + NAT_OTHER_ADDRESS_AND_PORT,
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        const struct nat_test *test = &probe->tests[order[i]];
        bool known = test->answered == 0;
        for (size_t j = 0; j < i && !known; j++) {
            const struct nat_test *before = &probe->tests[order[j]];
            known = before->answered != 0 && before->socket == test->socket &&
                    address_equal(&before->mapped, &test->mapped);
        }
        if (!known) {
            samples[count++] = (struct port_sample){
                test->sent[0], probe->setup.local[test->socket].port, test->mapped.port};
        }
    }
    return count;
}

/* The mean step from one to the next, or 0 when they do not follow each other closely. */
static int sequential_delta(const struct port_sample *samples, size_t count)
{
    int sign = 0;
    if (count < 3) {
        return 0;
    }
    for (size_t i = 1; i < count; i++) {
        int step = samples[i].outside - samples[i - 1].outside;
        if (step == 0 || (sign != 0 && (step > 0) != (sign > 0))) {
            return 0;
        }
        sign = step > 0 ? 1 : -1;
    }
    int span = samples[count - 1].outside - samples[0].outside;
    int steps = (int)count - 1;
    return abs(span) > SEQUENTIAL_SPAN_MAX ? 0 : (span + sign * steps / 2) / steps;
}

static void judge_ports(struct nat_probe *probe)
{
    struct port_sample samples[NAT_TESTS];
    struct nat_report *report = &probe->report;
    size_t count = collect_ports(probe, samples);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        kept += samples[i].inside == samples[i].outside;
    }
    report->port_delta = 0;
    if (count == 0) {
        report->ports = NAT_PORTS_UNKNOWN;
    } else if (kept == count) {
        report->ports = NAT_PORTS_PRESERVED;
    } else if (kept == 0 && (report->port_delta = sequential_delta(samples, count)) != 0) {
        report->ports = NAT_PORTS_SEQUENTIAL;
    } else {
        report->ports = NAT_PORTS_CHANGED;
    }
}

static void judge_addresses(struct nat_probe *probe)
{
    const struct stun_address *first = &probe->report.mapped[NAT_PRIMARY];
    probe->report.several_addresses = false;
    for (size_t i = 0; i < NAT_TESTS; i++) {
        const struct nat_test *test = &probe->tests[i];
        if (test->change == 0 && test->answered != 0 && is_known(first) &&
            !address_equal_ip(&test->mapped, first)) {
            probe->report.several_addresses = true;
        }
    }
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Time is up and the primary endpoint never answered. */
static void judge_blocked(struct nat_probe *probe)
{
    struct nat_report *report = &probe->report;
    report->mapping = NAT_MAPPING_BLOCKED;
    report->filtering = NAT_FILTERING_BLOCKED;
    report->mapping_doubt = NAT_CERTAIN;
    report->filtering_doubt = NAT_CERTAIN;
}

static bool anything_answered(const struct nat_probe *probe)
{
    for (size_t i = 0; i < NAT_TESTS; i++) {
        if (probe->tests[i].answered != 0 || probe->tests[i].refused) {
            return true;
        }
    }
    return false;
}

void nat_verdict_judge(struct nat_probe *probe, struct monotime now)
{
    struct nat_report *report = &probe->report;
    bool time_is_up = monotime_reached(now, probe->setup.give_up);
    bool settled = mapping_is_settled(probe, now);
    if (probe->finished) {
        return;
    }
    estimate_loss(probe, now);
    report->mapping = classify(report, &report->mapping_doubt);
    bool filtered = !probe->setup.filtering || judge_filtering(probe, now);
    if (!probe->setup.mapping) {
        report->mapping = NAT_MAPPING_UNKNOWN;
        report->mapping_doubt = NAT_NOT_MEASURED;
    }
    judge_ports(probe);
    judge_addresses(probe);
    if (time_is_up && !anything_answered(probe)) {
        judge_blocked(probe);
    }
    probe->finished = time_is_up || (settled && filtered) || report->error_code != 0;
}
