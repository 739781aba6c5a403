/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/ops/events.h"

static const char *end_reason(enum turn_end_reason reason)
{
    switch (reason) {
    case TURN_END_DELETED:
        return "the client gave it back";
    case TURN_END_EXPIRED:
        return "the client did not refresh it";
    case TURN_END_DISCONNECTED:
        return "the client's connection ended";
    case TURN_END_SHUTDOWN:
        return "the server stops";
    }
    return "unknown";
}

static void log_ended(struct log *log, unsigned worker, const struct turn_event *event)
{
    log_event(log, LOG_INFO, "allocation ended", log_string("user", event->user),
              log_address("client", &event->client), log_address("relayed", &event->relayed),
              log_string("reason", end_reason(event->end_reason)),
              log_duration("duration_s", (int64_t)event->duration_us),
              log_u64("sent_bytes", event->sent_bytes),
              log_u64("sent_packets", event->sent_packets),
              log_u64("received_bytes", event->received_bytes),
              log_u64("received_packets", event->received_packets), log_u64("worker", worker));
}

void event_log(struct log *log, unsigned worker, const struct turn_event *event)
{
    switch (event->type) {
    case TURN_ALLOCATED:
        log_event(log, LOG_INFO, "allocation made", log_string("user", event->user),
                  log_address("client", &event->client), log_address("relayed", &event->relayed),
                  log_u64("lifetime_s", event->lifetime_s), log_u64("worker", worker));
        return;
    case TURN_REFRESHED:
        log_event(log, LOG_DEBUG, "allocation refreshed", log_string("user", event->user),
                  log_address("client", &event->client), log_address("relayed", &event->relayed),
                  log_u64("lifetime_s", event->lifetime_s), log_u64("worker", worker));
        return;
    case TURN_ENDED:
        log_ended(log, worker, event);
        return;
    case TURN_PEER_REFUSED:
        log_event(log, LOG_INFO, "peer refused", log_string("user", event->user),
                  log_address("client", &event->client), log_address("peer", &event->peer),
                  log_string("reason", peer_verdict_text(event->verdict)),
                  log_u64("worker", worker));
        return;
    case TURN_QUOTA_REACHED:
        log_event(log, LOG_WARNING, "allocation refused: the user's quota is reached",
                  log_string("user", event->user), log_address("client", &event->client),
                  log_string("key", "quotas.user.allocations"), log_u64("worker", worker));
        return;
    }
}

void counters_log(struct log *log, const struct turn_counters *counters)
{
    log_event(log, LOG_INFO, "counters", log_u64("binding_requests", counters->binding_requests),
              log_u64("allocations_now", counters->allocations_now),
              log_u64("allocations_made", counters->allocations_made),
              log_u64("relayed_to_peer_packets", counters->relayed_to_peer_packets),
              log_u64("relayed_to_peer_bytes", counters->relayed_to_peer_bytes),
              log_u64("relayed_to_client_packets", counters->relayed_to_client_packets),
              log_u64("relayed_to_client_bytes", counters->relayed_to_client_bytes),
              log_u64("challenges", counters->challenges), log_u64("refused", counters->refused),
              log_u64("dropped_malformed", counters->dropped_malformed),
              log_u64("dropped_unexpected", counters->dropped_unexpected),
              log_u64("dropped_rate_limited", counters->dropped_rate_limited),
              log_u64("dropped_no_allocation", counters->dropped_no_allocation),
              log_u64("dropped_no_permission", counters->dropped_no_permission),
              log_u64("dropped_peer_rule", counters->dropped_peer_rule),
              log_u64("requests_parked", counters->requests_parked),
              log_u64("dropped_parking", counters->dropped_parking),
              log_u64("events_lost", counters->events_lost));
}
