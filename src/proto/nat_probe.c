/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/nat_probe.h"

#include "base/address.h"
#include "base/text.h"
#include "proto/nat_probe_internal.h"
#include "proto/stun_transaction.h"

#include <string.h>

#define ID_TEST_SIZE (STUN_TRANSACTION_ID_SIZE - 1)
#define REQUEST_SIZE_MAX 256

void nat_probe_init(struct nat_probe *probe, const struct nat_probe_setup *setup)
{
    *probe = (struct nat_probe){.setup = *setup};
    probe->report.server = setup->server;
    probe->report.local = setup->local[NAT_SOCKET_MAPPING];
    probe->report.rtt_us = -1;
    probe->report.mapping_doubt = NAT_NOT_MEASURED;
    probe->report.filtering_doubt = NAT_NOT_MEASURED;
}

/* ---- sending --------------------------------------------------------------------------------- */

static void send_attempt(struct nat_probe *probe, struct nat_test *test, struct monotime now,
                         struct outbox *outbox)
{
    struct stun_builder builder;
    struct flow flow = {.via = test->socket,
                        .transport = TRANSPORT_UDP,
                        .remote = test->destination,
                        .local = probe->setup.local[test->socket]};
    uint8_t *bytes = outbox_reserve(outbox, REQUEST_SIZE_MAX);
    test->id[ID_TEST_SIZE] = test->attempts;
    stun_builder_begin(&builder, bytes, REQUEST_SIZE_MAX, STUN_REQUEST, STUN_BINDING, test->id);
    if (probe->setup.software != NULL) {
        stun_builder_put_string(&builder, STUN_SOFTWARE, probe->setup.software);
    }
    if (test->change != 0) {
        stun_builder_put_u32(&builder, STUN_CHANGE_REQUEST, test->change);
    }
    int size = stun_builder_finish(&builder);
    if (size > 0) {
        outbox_add(outbox, &flow, bytes, (uint32_t)size);
    }
    test->sent[test->attempts++] = now;
}

/* 150 ms twice, 200 ms twice, and so on up to 500: lost packets cost little, and silence after
 * eight attempts is known in two seconds. */
static int64_t interval_ms(unsigned attempts)
{
    int64_t interval = 150 + 50 * (int64_t)((attempts - 1) / 2);
    return interval < 500 ? interval : 500;
}

static void attempt(struct nat_probe *probe, struct nat_test *test, struct monotime now,
                    struct outbox *outbox)
{
    if (test->attempts == NAT_ATTEMPTS_MAX) {
        test->active = false;
        return;
    }
    send_attempt(probe, test, now, outbox);
    test->due = monotime_add_ms(now, interval_ms(test->attempts));
}

static void start_test(struct nat_probe *probe, enum nat_test_name name,
                       enum nat_probe_socket socket, uint8_t change,
                       const struct stun_address *destination, struct monotime now,
                       struct outbox *outbox)
{
    struct nat_test *test = &probe->tests[name];
    if (test->attempts > 0) {
        return;
    }
    stun_new_id(test->id, probe->setup.random, probe->setup.random_context);
    test->active = true;
    test->socket = (uint8_t)socket;
    test->change = change;
    test->destination = *destination;
    attempt(probe, test, now, outbox);
}

/* The ordinary requests stand first: what they open, no answer from elsewhere may open. */
void nat_probe_start(struct nat_probe *probe, struct monotime now, struct outbox *outbox)
{
    const struct stun_address *server = &probe->setup.server;
    start_test(probe, NAT_TEST_MAPPING, NAT_SOCKET_MAPPING, 0, server, now, outbox);
    if (!probe->setup.filtering) {
        return;
    }
    start_test(probe, NAT_TEST_FILTER_BOTH_PLAIN, NAT_SOCKET_FILTER_BOTH, 0, server, now, outbox);
    start_test(probe, NAT_TEST_FILTER_BOTH, NAT_SOCKET_FILTER_BOTH,
               STUN_CHANGE_IP | STUN_CHANGE_PORT, server, now, outbox);
    start_test(probe, NAT_TEST_FILTER_PORT_PLAIN, NAT_SOCKET_FILTER_PORT, 0, server, now, outbox);
    start_test(probe, NAT_TEST_FILTER_PORT, NAT_SOCKET_FILTER_PORT, STUN_CHANGE_PORT, server, now,
               outbox);
}

static void start_mapping_tests(struct nat_probe *probe, struct monotime now, struct outbox *outbox)
{
    struct stun_address endpoint;
    for (unsigned i = NAT_OTHER_ADDRESS; i < NAT_ENDPOINTS; i++) {
        if (nat_verdict_endpoint(&probe->report, (enum nat_endpoint)i, &endpoint)) {
            start_test(probe, (enum nat_test_name)(NAT_TEST_MAPPING + i), NAT_SOCKET_MAPPING, 0,
                       &endpoint, now, outbox);
        }
    }
}

static void start_controls(struct nat_probe *probe, struct monotime now, struct outbox *outbox)
{
    const struct stun_address *server = &probe->setup.server;
    if (!probe->setup.filtering) {
        return;
    }
    if (nat_verdict_can_control(&probe->report, NAT_OTHER_ADDRESS_AND_PORT)) {
        start_test(probe, NAT_TEST_CONTROL_BOTH, NAT_SOCKET_MAPPING,
                   STUN_CHANGE_IP | STUN_CHANGE_PORT, server, now, outbox);
    }
    if (nat_verdict_can_control(&probe->report, NAT_OTHER_PORT)) {
        start_test(probe, NAT_TEST_CONTROL_PORT, NAT_SOCKET_MAPPING, STUN_CHANGE_PORT, server, now,
                   outbox);
    }
}

/* ---- receiving ------------------------------------------------------------------------------- */

static struct nat_test *find_test(struct nat_probe *probe, const struct flow *flow,
                                  const struct stun_view *view)
{
    for (size_t i = 0; i < NAT_TESTS; i++) {
        struct nat_test *test = &probe->tests[i];
        if (test->attempts > 0 && test->socket == flow->via &&
            memcmp(view->transaction_id, test->id, ID_TEST_SIZE) == 0 &&
            view->transaction_id[ID_TEST_SIZE] < test->attempts) {
            return test;
        }
    }
    return NULL;
}

static int view_mapped(const struct stun_view *view, struct stun_address *mapped)
{
    int status = stun_view_xor_address(view, STUN_XOR_MAPPED_ADDRESS, mapped);
    return status == STUN_OK ? status : stun_view_address(view, STUN_MAPPED_ADDRESS, mapped);
}

/* What the primary endpoint tells about its server. CHANGED-ADDRESS is what RFC 3489 called it. */
static void learn_server(struct nat_report *report, const struct stun_view *view)
{
    const struct stun_attribute_view *software = stun_view_find(view, STUN_SOFTWARE);
    if (software != NULL) {
        text_copy_printable(report->software, sizeof report->software, software->value,
                            software->size);
    }
    if (report->other.family == STUN_FAMILY_NONE &&
        stun_view_address(view, STUN_OTHER_ADDRESS, &report->other) != STUN_OK) {
        stun_view_address(view, STUN_CHANGED_ADDRESS, &report->other);
    }
}

static void plain_answer(struct nat_probe *probe, struct nat_test *test, struct monotime now,
                         const struct flow *flow, const struct stun_view *view)
{
    struct nat_report *report = &probe->report;
    unsigned number = view->transaction_id[ID_TEST_SIZE];
    struct stun_address mapped;
    if (!address_equal(&flow->remote, &test->destination) ||
        view_mapped(view, &mapped) != STUN_OK) {
        return;
    }
    int64_t rtt_us = monotime_difference_us(now, test->sent[number]);
    if (report->rtt_us < 0 || rtt_us < report->rtt_us) {
        report->rtt_us = rtt_us;
    }
    if (test->answered == 0) {
        test->mapped = mapped;
        test->origin = flow->remote;
    }
    test->answered |= UINT32_C(1) << number;
    size_t endpoint = (size_t)(test - probe->tests) - NAT_TEST_MAPPING;
    if (endpoint < NAT_ENDPOINTS) {
        report->mapped[endpoint] = test->mapped;
        test->active = false;
    }
    if (address_equal(&flow->remote, &probe->setup.server)) {
        learn_server(report, view);
    }
}

/* An answer from where the request went to is the wrong one; a better one may still come. */
static void changed_answer(struct nat_test *test, const struct flow *flow,
                           const struct stun_view *view)
{
    if (test->answered == 0 || address_equal(&test->origin, &test->destination)) {
        test->origin = flow->remote;
    }
    test->answered |= UINT32_C(1) << view->transaction_id[ID_TEST_SIZE];
    test->active = false;
}

static void refused(struct nat_probe *probe, struct nat_test *test, const struct stun_view *view)
{
    test->refused = true;
    test->active = false;
    if (test == &probe->tests[NAT_TEST_MAPPING]) {
        probe->report.error_code = 500;
        stun_view_error(view, &probe->report.error_code, NULL, NULL);
    }
}

/* What the answers so far allow to begin, and to conclude. */
static void advance(struct nat_probe *probe, struct monotime now, struct outbox *outbox)
{
    start_mapping_tests(probe, now, outbox);
    start_controls(probe, now, outbox);
    nat_verdict_judge(probe, now);
}

bool nat_probe_input(struct nat_probe *probe, struct monotime now, const struct flow *flow,
                     const struct packet *packet, struct outbox *outbox)
{
    struct stun_view view;
    if (stun_view_parse(&view, packet->bytes, packet->size) != STUN_OK || view.classic ||
        view.method != STUN_BINDING ||
        (view.message_class != STUN_SUCCESS && view.message_class != STUN_ERROR)) {
        return false;
    }
    struct nat_test *test = find_test(probe, flow, &view);
    if (test == NULL) {
        return false;
    }
    if (probe->finished) {
        return true;
    }
    if (view.message_class == STUN_ERROR) {
        refused(probe, test, &view);
    } else if (test->change == 0) {
        plain_answer(probe, test, now, flow, &view);
    } else {
        changed_answer(test, flow, &view);
    }
    advance(probe, now, outbox);
    return true;
}

/* ---- time ------------------------------------------------------------------------------------ */

void nat_probe_tick(struct nat_probe *probe, struct monotime now, struct outbox *outbox)
{
    if (probe->finished) {
        return;
    }
    nat_verdict_judge(probe, now);
    for (size_t i = 0; i < NAT_TESTS && !probe->finished; i++) {
        struct nat_test *test = &probe->tests[i];
        if (test->active && monotime_reached(now, test->due)) {
            attempt(probe, test, now, outbox);
        }
    }
}

struct monotime nat_probe_due(const struct nat_probe *probe)
{
    struct monotime due = probe->setup.give_up;
    if (probe->finished) {
        return MONOTIME_NEVER;
    }
    for (size_t i = 0; i < NAT_TESTS; i++) {
        if (probe->tests[i].active) {
            due = monotime_earlier(due, probe->tests[i].due);
        }
    }
    return due;
}

bool nat_probe_finished(const struct nat_probe *probe)
{
    return probe->finished;
}

const struct nat_report *nat_probe_report(const struct nat_probe *probe)
{
    return &probe->report;
}
