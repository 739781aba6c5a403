/* SPDX-License-Identifier: BSD-3-Clause */
/* stunclient query: one Binding. */
#include "base/address.h"
#include "net/clock.h"
#include "stunclient/locate.h"
#include "stunclient/reach.h"
#include "stunclient/secure.h"
#include "stunclient/verbs.h"

struct query {
    struct resolver_result found;
    struct reach_result result;
    struct secure *secure; /* NULL: no TLS */
    struct failure failure;
};

static bool has_mapped(const struct query *query)
{
    return query->result.mapped.family != STUN_FAMILY_NONE && query->result.code == 0;
}

static bool is_behind_nat(const struct query *query)
{
    return !address_equal(&query->result.mapped, &query->result.local);
}

/* An answer that is no answer to the question. */
static void judge(struct query *query)
{
    struct failure *failure = &query->failure;
    char address[ADDRESS_TEXT_SIZE];
    address_format(&query->result.server, address);
    if (query->result.code != 0) {
        failure_set(failure, EXIT_REFUSED, "%s answered with error %u %s", address,
                    query->result.code, query->result.reason);
        failure_advise(failure, "The server is there, but does not serve Binding requests to us.");
    } else if (!has_mapped(query)) {
        failure_set(failure, EXIT_INCONCLUSIVE, "%s answered without a mapped address", address);
        failure_advise(failure, "It does not follow RFC 8489; try another server.");
    }
}

/* ---- words ----------------------------------------------------------------------------------- */

static void print_rtt(const struct output *output, const struct reach_result *result)
{
    if (result->rtt_us >= 0) {
        output_row(output, "round trip", STYLE_PLAIN, "%.3f ms", (double)result->rtt_us / 1000);
    } else {
        output_row(output, "round trip", STYLE_WARN, "unknown: the request was sent %u times",
                   result->requests_sent);
    }
}

static void print_words(const struct output *output, const struct options *options,
                        const struct query *query)
{
    const struct reach_result *result = &query->result;
    char address[ADDRESS_TEXT_SIZE];
    output_row(output, "mapped address", STYLE_STRONG, "%s",
               address_format(&result->mapped, address));
    output_row(output, "local address", STYLE_PLAIN, "%s", address_format(&result->local, address));
    if (is_behind_nat(query)) {
        output_row(output, "behind a NAT", STYLE_WARN, "yes");
    } else {
        output_row(output, "behind a NAT", STYLE_GOOD, "no");
    }
    print_rtt(output, result);
    output_row(output, "server", STYLE_PLAIN, "%s over %s",
               address_format(&result->server, address), options_protocol_text(options));
    if (result->software[0] != '\0') {
        output_row(output, "software", STYLE_PLAIN, "%s", result->software);
    }
    secure_print(secure_findings(query->secure), output);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_attempts(struct json_writer *json, const struct reach_result *result)
{
    json_put_key(json, "tried");
    json_begin_array(json);
    for (size_t i = 0; i < result->attempt_count; i++) {
        json_begin_object(json);
        json_member_address(json, "address", &result->attempts[i].remote);
        json_member_string(json, "outcome", reach_outcome_name(result->attempts[i].outcome));
        json_end_object(json);
    }
    json_end_array(json);
}

static void print_json(const struct options *options, const struct query *query)
{
    const struct reach_result *result = &query->result;
    const struct stun_address none = {0};
    struct output_object object;
    struct json_writer *json = &object.json;
    output_object_begin(&object, "query", options->target, query->failure.status, &query->failure);
    json_member_string(json, "protocol", options_protocol_name(options));
    json_member_address(json, "server_address", &result->server);
    json_member_string(json, "software", result->software[0] == '\0' ? NULL : result->software);
    json_member_address(json, "mapped_address", has_mapped(query) ? &result->mapped : &none);
    json_member_address(json, "local_address", &result->local);
    if (has_mapped(query)) {
        json_member_bool(json, "behind_nat", is_behind_nat(query));
    } else {
        json_member_null(json, "behind_nat");
    }
    output_member_ms(json, "rtt_ms", result->rtt_us);
    json_member_u64(json, "requests_sent", result->requests_sent);
    if (result->code == 0) {
        json_member_null(json, "stun_error");
    } else {
        json_member_u64(json, "stun_error", result->code);
    }
    put_attempts(json, result);
    secure_put_json(secure_findings(query->secure), json);
    output_object_end(&object);
}

static void ask(struct query *query, struct shell *shell, const struct options *options,
                const struct output *output, struct monotime deadline)
{
    shell_use_tls(shell, query->secure);
    if (locate(shell, options, output, deadline, &query->found, &query->failure) &&
        reach(shell, options, output, &query->found, deadline, &query->result, &query->failure)) {
        judge(query);
    }
}

enum exit_status cmd_query(const struct options *options)
{
    struct query query = {.result.rtt_us = -1};
    struct output output;
    struct monotime deadline = monotime_add_ms(clock_now(), options->timeout_ms);
    struct shell *shell = shell_new();
    output_init(&output, options);
    if (shell == NULL) {
        failure_set(&query.failure, EXIT_NO_REPLY, "the system has no memory or descriptors left");
    } else if (secure_new(&query.secure, options, &query.failure)) {
        ask(&query, shell, options, &output, deadline);
    }
    shell_free(shell);
    if (options->json) {
        print_json(options, &query);
    } else if (query.failure.status == EXIT_OK) {
        print_words(&output, options, &query);
    } else {
        output_failure(&output, &query.failure);
    }
    secure_free(query.secure);
    return query.failure.status;
}
