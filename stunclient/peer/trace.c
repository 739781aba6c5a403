/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/trace.h"

#include "base/address.h"
#include "base/json_writer.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_SIZE 768

void trace_init(struct trace *trace, const struct output *output, bool on, struct monotime now)
{
    *trace = (struct trace){.output = output, .on = on, .start = now};
}

static void print_json(double ms, const char *event, const char *text)
{
    struct text_buffer buffer;
    struct json_writer json;
    text_buffer_init_growing(&buffer);
    json_init(&json, &buffer);
    json_begin_object(&json);
    json_member_real(&json, "ms", ms, 3);
    json_member_string(&json, "event", event);
    json_member_string(&json, "text", text);
    json_end_object(&json);
    json_print(&json, stderr);
    text_buffer_free(&buffer);
}

void trace_say(const struct trace *trace, struct monotime now, const char *event,
               const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list arguments;
    if (!trace->on) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    double ms = (double)monotime_difference_us(now, trace->start) / 1000;
    if (trace->output->json) {
        print_json(ms, event, text);
    } else {
        fprintf(stderr, "%9.1f ms  %s\n", ms, text);
    }
}

static void say_candidate(const struct trace *trace, struct monotime now,
                          const struct ice_candidate *candidate)
{
    char address[ADDRESS_TEXT_SIZE];
    char related[ADDRESS_TEXT_SIZE];
    address_format(&candidate->address, address);
    switch (candidate->type) {
    case ICE_HOST:
        trace_say(trace, now, "candidate", "this host can be reached at %s, in its own network",
                  address);
        break;
    case ICE_SERVER_REFLEXIVE:
    case ICE_PEER_REFLEXIVE:
        trace_say(trace, now, "candidate", "the world sees %s as %s",
                  candidate->related.family == STUN_FAMILY_NONE
                      ? "us"
                      : address_format(&candidate->related, related),
                  address);
        break;
    case ICE_RELAYED:
        trace_say(trace, now, "candidate", "a relay takes what is sent to %s", address);
        break;
    }
}

static void say_opener(const struct trace *trace, struct monotime now, unsigned hops,
                       const char *remote, const char *peer)
{
    char limit[32] = "";
    if (hops > 0) {
        snprintf(limit, sizeof limit, ", for %u hops", hops);
    }
    trace_say(trace, now, "opener",
              "opener to %s sent%s: it opens our own firewall for %s, and is expected to be "
              "discarded on its way",
              remote, limit, peer);
}

static void say_pair(const struct trace *trace, struct monotime now, const struct ice_event *event,
                     const char *peer)
{
    const struct ice_pair_report *pair = &event->pair;
    bool relayed = pair->local.type == ICE_RELAYED;
    char local[ADDRESS_TEXT_SIZE];
    char remote[ADDRESS_TEXT_SIZE];
    address_format(&pair->local.address, local);
    address_format(&pair->remote.address, remote);
    switch (event->type) {
    case ICE_TRACE_OPENER:
        say_opener(trace, now, event->hops, remote, peer);
        break;
    case ICE_TRACE_CHECK:
        trace_say(trace, now, "check", "check to %s sent, from %s%s", remote,
                  relayed ? "the relay's " : "", local);
        break;
    case ICE_TRACE_HEARD:
        trace_say(trace, now, "heard", "%s's check from %s has come in%s", peer, remote,
                  relayed ? ", by the relay" : ", through the hole");
        break;
    case ICE_TRACE_VALID:
        trace_say(trace, now, "valid", "%s answers from %s, %.1f ms there and back%s", peer, remote,
                  (double)pair->rtt_us / 1000, relayed ? ", by the relay" : "");
        break;
    case ICE_TRACE_PAIR_FAILED:
        if (event->failure_text[0] != '\0') {
            trace_say(trace, now, "refused", "the relay does not send from %s to %s: %s", local,
                      remote, event->failure_text);
            break;
        }
        trace_say(trace, now, "failed", "no answer from %s to %s%s", remote,
                  relayed ? "the relay's " : "", local);
        break;
    default:
        break;
    }
}

void trace_ice(const struct trace *trace, struct monotime now, const struct ice_event *event,
               const char *peer, const char *server)
{
    switch (event->type) {
    case ICE_LOCAL_CANDIDATE:
        say_candidate(trace, now, &event->candidate);
        break;
    case ICE_SERVER_FAILED:
        trace_say(trace, now, "server", "%s does not serve: %s", server, event->failure_text);
        break;
    case ICE_ROLE_CHANGED:
        trace_say(trace, now, "role", "both sides wanted the same role: ours has changed");
        break;
    case ICE_DISCONNECTED:
        trace_say(trace, now, "silent", "nothing is heard from %s", peer);
        break;
    case ICE_FAILED:
        trace_say(trace, now, "failed", "no way to %s works", peer);
        break;
    default:
        say_pair(trace, now, event, peer);
        break;
    }
}
