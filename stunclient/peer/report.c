/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/report.h"

#include "base/address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void report_init(struct report *report, bool caller)
{
    *report = (struct report){.caller = caller, .peer_key_is = "none", .farewell = "failed"};
    report->registered_us = report->valid_us = report->secured_us = -1;
    report->ready_us = report->first_data_us = -1;
}

static bool is_relayed(const struct ice_pair_report *pair)
{
    return pair->local.type == ICE_RELAYED || pair->remote.type == ICE_RELAYED;
}

const char *report_pair_path(const struct ice_pair_report *pair)
{
    return is_relayed(pair) ? "relay" : "direct";
}

const char *report_path(const struct report *report)
{
    return report->has_pair ? report_pair_path(&report->pair) : NULL;
}

void report_note_carrier(struct report *report, const struct ice_pair_report *pair)
{
    report->was_direct = report->was_direct || (report->has_pair && !is_relayed(&report->pair));
    report->pair = *pair;
    report->has_pair = true;
}

static void learn_type(struct ice_pair_report *pair, const struct ice_candidate *candidate)
{
    if (pair->remote.type == ICE_PEER_REFLEXIVE &&
        address_equal(&pair->remote.address, &candidate->address)) {
        pair->remote.type = candidate->type;
    }
}

void report_note_candidate(struct report *report, const struct ice_candidate *candidate)
{
    learn_type(&report->pair, candidate);
    learn_type(&report->first, candidate);
}

static const char *transport_name(uint8_t transport)
{
    static const char *const names[] = {[TRANSPORT_UDP] = "udp",
                                        [TRANSPORT_TCP] = "tcp",
                                        [TRANSPORT_TLS] = "tls",
                                        [TRANSPORT_DTLS] = "dtls"};
    return names[transport];
}

/* ---- words ----------------------------------------------------------------------------------- */

static const char *why_direct(const struct report *report)
{
    return is_relayed(&report->first) ? "first by a relay, then a direct way was found"
                                      : "checks passed both ways";
}

static const char *why_relayed(const struct report *report)
{
    if (report->was_direct) {
        return "a direct way was lost, and a relay took its place";
    }
    if (report->relay_only) {
        return "only relays were to be used at this end";
    }
    if (!report->peer_told_more) {
        return "the peer told of no address but relays";
    }
    return report->pairs_failed > 0 ? "none of the direct ways that were tried was answered"
                                    : "no direct way was answered as quickly";
}

static void describe_why(const struct report *report, char *out, size_t size)
{
    snprintf(out, size, "%s%s",
             is_relayed(&report->pair) ? why_relayed(report) : why_direct(report),
             report->lost ? ", until nothing came by it any more" : "");
}

static void print_words(const struct report *report)
{
    char local[ADDRESS_TEXT_SIZE];
    char remote[ADDRESS_TEXT_SIZE];
    char why[160];
    const struct ice_pair_report *pair = &report->pair;
    if (!report->has_pair) {
        return;
    }
    describe_why(report, why, sizeof why);
    fprintf(stderr, "stunclient: %s, from %s (%s%s%s) to %s (%s): %s\n", report_path(report),
            address_format(&pair->local.address, local), candidate_type_text(pair->local.type),
            pair->local.type == ICE_RELAYED ? " over " : "",
            pair->local.type == ICE_RELAYED ? transport_name(pair->server_transport) : "",
            address_format(&pair->remote.address, remote), candidate_type_text(pair->remote.type),
            why);
    if (report->first_data_us >= 0) {
        fprintf(stderr, "stunclient: first data after %.1f ms, ",
                (double)report->first_data_us / 1000);
        if (pair->rtt_us >= 0) {
            fprintf(stderr, "round trip %.1f ms, ", (double)pair->rtt_us / 1000);
        }
        fprintf(stderr, "%llu bytes sent, %llu received\n", (unsigned long long)report->bytes_sent,
                (unsigned long long)report->bytes_received);
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_candidate(struct json_writer *json, const char *key,
                          const struct ice_candidate *candidate, const char *server_transport)
{
    json_put_key(json, key);
    json_begin_object(json);
    json_member_string(json, "type", candidate_type_text(candidate->type));
    json_member_string(json, "transport", "udp");
    json_member_string(json, "relay_transport", server_transport);
    json_member_address(json, "address", &candidate->address);
    json_end_object(json);
}

static void put_pair(struct json_writer *json, const struct report *report)
{
    char why[160];
    if (!report->has_pair) {
        json_member_null(json, "why");
        json_member_null(json, "local");
        json_member_null(json, "remote");
        return;
    }
    const struct ice_pair_report *pair = &report->pair;
    bool by_server = pair->local.type == ICE_RELAYED;
    describe_why(report, why, sizeof why);
    json_member_string(json, "why", why);
    put_candidate(json, "local", &pair->local,
                  by_server ? transport_name(pair->server_transport) : NULL);
    put_candidate(json, "remote", &pair->remote, NULL);
}

static void put_object(struct json_writer *json, const struct report *report)
{
    bool failed = report->failure.status != EXIT_OK;
    json_begin_object(json);
    json_member_string(json, "schema", "postern.stunclient.call/1");
    json_member_i64(json, "exit_status", (int64_t)report->failure.status);
    output_put_failure(json, &report->failure);
    json_member_string(json, "server", report->server);
    json_member_string(json, "role", report->caller ? "caller" : "callee");
    json_member_string(json, "name", report->name[0] == '\0' ? NULL : report->name);
    json_member_string(json, "peer", report->peer[0] == '\0' ? NULL : report->peer);
    json_member_string(json, "peer_key", report->peer_key[0] == '\0' ? NULL : report->peer_key);
    json_member_string(json, "peer_key_is", report->peer_key_is);
    json_member_string(json, "path", report_path(report));
    put_pair(json, report);
    output_member_ms(json, "ms_registered", report->registered_us);
    output_member_ms(json, "ms_to_path", report->valid_us);
    output_member_ms(json, "ms_to_dtls", report->secured_us);
    output_member_ms(json, "ms_to_sctp", report->ready_us);
    output_member_ms(json, "ms_to_first_data", report->first_data_us);
    output_member_ms(json, "rtt_ms", report->has_pair ? report->pair.rtt_us : -1);
    json_member_u64(json, "bytes_sent", report->bytes_sent);
    json_member_u64(json, "bytes_received", report->bytes_received);
    json_member_u64(json, "checks_sent", report->counters.checks_sent);
    json_member_u64(json, "checks_received", report->counters.checks_received);
    json_member_u64(json, "openers_sent", report->counters.openers_sent);
    json_member_string(json, "reason", failed ? report->failure.text : NULL);
    json_end_object(json);
}

static int print_object(const struct report *report, FILE *file)
{
    struct text_buffer buffer;
    struct json_writer json;
    text_buffer_init_growing(&buffer);
    json_init(&json, &buffer);
    put_object(&json, report);
    int status = json_print(&json, file);
    text_buffer_free(&buffer);
    return status;
}

void report_print(const struct report *report, const struct output *output)
{
    if (output->json) {
        print_object(report, stderr);
        return;
    }
    print_words(report);
    if (report->failure.status != EXIT_OK) {
        output_failure(output, &report->failure);
    }
}

int report_write(const struct report *report, const char *path)
{
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        return -errno;
    }
    int status = print_object(report, file);
    if (fclose(file) != 0 && status == 0) {
        status = -errno;
    }
    return status;
}
