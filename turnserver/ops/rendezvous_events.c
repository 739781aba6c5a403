/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/ops/rendezvous_events.h"

#include "base/address.h"
#include "net/clock.h"

#include <string.h>

static const char *transport(const struct rendezvous_event *event)
{
    if (event->websocket)
        return event->encrypted ? "wss" : "ws";
    return event->encrypted ? "tls" : "tcp";
}

static const char *code_name(const struct rendezvous_event *event)
{
    return event->code < SIGNAL_CODE_COUNT ? signal_code_name(event->code) : "the client went";
}

static void log_session(struct log *log, enum log_level level, const char *text,
                        const struct rendezvous_event *event)
{
    log_event(log, level, text, log_string("name", event->name),
              log_string("account", event->account), log_address("client", &event->remote),
              log_string("transport", transport(event)));
}

static void log_call(struct log *log, const char *text, const struct rendezvous_event *event)
{
    log_event(log, LOG_INFO, text, log_string("call", event->call), log_string("from", event->name),
              log_string("to", event->peer));
}

/* Who may be refused as often as they like is told of once in a while: an account, or a stranger's
 * address. */
static void log_refused(struct log *log, const struct rendezvous_event *event)
{
    char ip[ADDRESS_TEXT_SIZE];
    const char *about = event->account[0] ? event->account : address_format_ip(&event->remote, ip);
    uint64_t repeated;

    if (log_is_news(log, clock_now(), code_name(event), about, strlen(about), &repeated))
        log_event(log, LOG_INFO, "rendezvous refused", log_string("name", event->name),
                  log_string("account", event->account), log_string("to", event->peer),
                  log_address("client", &event->remote), log_string("reason", code_name(event)),
                  log_repeated(repeated));
}

void rendezvous_event_log(struct log *log, const struct rendezvous_event *event)
{
    switch (event->type) {
    case RENDEZVOUS_REGISTERED:
        log_session(log, LOG_INFO, "registered", event);
        return;
    case RENDEZVOUS_RESUMED:
        log_session(log, LOG_INFO, "resumed", event);
        return;
    case RENDEZVOUS_DETACHED:
        log_session(log, LOG_DEBUG, "connection broke, the session waits", event);
        return;
    case RENDEZVOUS_ENDED:
        log_event(log, LOG_INFO, "session ended", log_string("name", event->name),
                  log_string("account", event->account), log_address("client", &event->remote),
                  log_string("reason", code_name(event)),
                  log_duration("duration_s", (int64_t)event->duration_us));
        return;
    case RENDEZVOUS_REFUSED:
        log_refused(log, event);
        return;
    case RENDEZVOUS_CALLED:
        log_call(log, "call", event);
        return;
    case RENDEZVOUS_ANSWERED:
        log_call(log, "call answered", event);
        return;
    case RENDEZVOUS_CALL_ENDED:
        log_event(log, LOG_INFO, "call ended", log_string("call", event->call),
                  log_string("from", event->name), log_string("to", event->peer),
                  log_string("reason", event->reason),
                  log_duration("duration_s", (int64_t)event->duration_us));
        return;
    case RENDEZVOUS_REPORTED:
        log_event(log, LOG_INFO, "call reported", log_string("call", event->call),
                  log_string("by", event->name), log_string("path", event->path),
                  log_i64("ms", (int64_t)event->ms), log_i64("rtt_ms", (int64_t)event->rtt));
        return;
    }
}

void rendezvous_counters_log(struct log *log, const struct rendezvous_service_counters *counters)
{
    const struct rendezvous_counters *machine = &counters->machine;
    const struct acceptor_counters *streams = &counters->streams;
    log_event(
        log, LOG_INFO, "counters of rendezvous", log_u64("sessions_now", machine->sessions_now),
        log_u64("calls_now", machine->calls_now), log_u64("registered", machine->registered),
        log_u64("resumed", machine->resumed), log_u64("calls", machine->calls),
        log_u64("answered", machine->answered), log_u64("messages_in", machine->messages_in),
        log_u64("messages_out", machine->messages_out),
        log_u64("bad_messages", machine->bad_messages),
        log_u64("unauthorized", machine->unauthorized),
        log_u64("rate_limited", machine->rate_limited), log_u64("queue_full", machine->queue_full),
        log_u64("unavailable", machine->unavailable), log_u64("timed_out", machine->timed_out),
        log_u64("events_lost", machine->events_lost), log_u64("broken", counters->broken),
        log_u64("http_requests", counters->http), log_u64("connections_now", streams->open),
        log_u64("connections_made", streams->accepted),
        log_u64("connections_refused", streams->refused_total + streams->refused_source),
        log_u64("opening_failed", streams->ended_opening),
        log_u64("opening_timed_out", streams->timed_out),
        log_u64("accept_failures", streams->accept_failures));
}
