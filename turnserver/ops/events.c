/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/ops/events.h"

#include "net/clock.h"

#include <string.h>

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

static void log_made(struct log *log, unsigned worker, const struct turn_event *event)
{
    if (event->relayed_second.family == STUN_FAMILY_NONE) {
        log_event(log, LOG_INFO, "allocation made", log_string("user", event->user),
                  log_address("client", &event->client), log_address("relayed", &event->relayed),
                  log_u64("lifetime_s", event->lifetime_s), log_u64("worker", worker));
    } else {
        log_event(log, LOG_INFO, "allocation made", log_string("user", event->user),
                  log_address("client", &event->client), log_address("relayed", &event->relayed),
                  log_address("relayed_ipv6", &event->relayed_second),
                  log_u64("lifetime_s", event->lifetime_s), log_u64("worker", worker));
    }
}

/* A user may bring these about as often as they like, each time in a new allocation: of each reason
 * the first is told, then how many came since. */
static bool is_news(struct log *log, const struct turn_event *event, const char *reason,
                    uint64_t *repeated)
{
    return log_is_news(log, clock_now(), reason, event->user, strlen(event->user), repeated);
}

static void log_peer_refused(struct log *log, unsigned worker, const struct turn_event *event)
{
    const char *reason = peer_verdict_text(event->verdict);
    uint64_t repeated;

    if (is_news(log, event, reason, &repeated)) {
        log_event(log, LOG_INFO, "peer refused", log_string("user", event->user),
                  log_address("client", &event->client), log_address("peer", &event->peer),
                  log_string("reason", reason), log_u64("worker", worker), log_repeated(repeated));
    }
}

static void log_peer_ambiguous(struct log *log, unsigned worker, const struct turn_event *event)
{
    uint64_t repeated;

    if (is_news(log, event, "ambiguous", &repeated)) {
        log_event(
            log, LOG_WARNING,
            "peer refused: another client on the same relayed port has this address as a peer "
            "(relay.shared_ports; more relayed ports make this rarer)",
            log_string("user", event->user), log_address("client", &event->client),
            log_address("relayed", &event->relayed), log_address("peer", &event->peer),
            log_u64("worker", worker), log_repeated(repeated));
    }
}

static void log_limit_reached(struct log *log, unsigned worker, const struct turn_event *event,
                              const char *message, const char *key)
{
    uint64_t repeated;

    if (is_news(log, event, key, &repeated)) {
        log_event(log, LOG_WARNING, message, log_string("user", event->user),
                  log_address("client", &event->client), log_string("key", key),
                  log_u64("worker", worker), log_repeated(repeated));
    }
}

static void log_peer(struct log *log, unsigned worker, const struct turn_event *event)
{
    switch (event->type) {
    case TURN_PEER_REFUSED:
        log_peer_refused(log, worker, event);
        return;
    case TURN_PEER_CONNECTED:
        log_event(log, LOG_DEBUG, "peer connected", log_string("user", event->user),
                  log_address("client", &event->client), log_address("relayed", &event->relayed),
                  log_address("peer", &event->peer), log_u64("worker", worker));
        return;
    case TURN_PEER_DISCONNECTED:
        log_event(log, LOG_DEBUG, "peer disconnected", log_string("user", event->user),
                  log_address("client", &event->client), log_address("peer", &event->peer),
                  log_duration("duration_s", (int64_t)event->duration_us),
                  log_u64("sent_bytes", event->sent_bytes),
                  log_u64("received_bytes", event->received_bytes), log_u64("worker", worker));
        return;
    case TURN_PEER_AMBIGUOUS:
        log_peer_ambiguous(log, worker, event);
        return;
    default:
        return;
    }
}

void event_log(struct log *log, unsigned worker, const struct turn_event *event)
{
    switch (event->type) {
    case TURN_ALLOCATED:
        log_made(log, worker, event);
        return;
    case TURN_REFRESHED:
        log_event(log, LOG_DEBUG, "allocation refreshed", log_string("user", event->user),
                  log_address("client", &event->client), log_address("relayed", &event->relayed),
                  log_u64("lifetime_s", event->lifetime_s), log_u64("worker", worker));
        return;
    case TURN_MOVED:
        log_event(log, LOG_INFO, "allocation moved", log_string("user", event->user),
                  log_address("client", &event->client), log_address("relayed", &event->relayed),
                  log_u64("worker", worker));
        return;
    case TURN_LEFT:
        log_event(log, LOG_DEBUG, "allocation left for another worker",
                  log_string("user", event->user), log_address("relayed", &event->relayed),
                  log_u64("worker", worker));
        return;
    case TURN_ENDED:
        log_ended(log, worker, event);
        return;
    case TURN_PEER_REFUSED:
    case TURN_PEER_CONNECTED:
    case TURN_PEER_DISCONNECTED:
    case TURN_PEER_AMBIGUOUS:
        log_peer(log, worker, event);
        return;
    case TURN_BANDWIDTH_REACHED:
        log_limit_reached(log, worker, event, "packets dropped: the bandwidth quota is reached",
                          "quotas.user, realms[] or quotas.total: bandwidth");
        return;
    case TURN_QUOTA_REACHED:
        log_limit_reached(log, worker, event, "allocation refused: a quota is reached",
                          event->limit);
        return;
    }
}

static void log_associations(struct log *log, const struct associations_counters *dtls)
{
    log_event(log, LOG_INFO, "counters of DTLS", log_u64("now", dtls->open),
              log_u64("opened", dtls->opened), log_u64("resumed", dtls->resumed),
              log_u64("replaced", dtls->replaced), log_u64("challenges", dtls->challenged),
              log_u64("refused", dtls->refused), log_u64("timed_out", dtls->timed_out),
              log_u64("displaced", dtls->displaced), log_u64("failed", dtls->failed),
              log_u64("dropped_unknown", dtls->dropped_unknown),
              log_u64("dropped_plain", dtls->dropped_plain));
}

void counters_log(struct log *log, const struct worker_counters *counters)
{
    const struct turn_counters *turn = &counters->turn;
    const struct datapath_counters *datapath = &counters->datapath;
    const struct acceptor_counters *streams = &counters->streams;
    log_event(log, LOG_INFO, "counters", log_u64("binding_requests", turn->binding_requests),
              log_u64("allocations_now", turn->allocations_now),
              log_u64("allocations_made", turn->allocations_made),
              log_u64("allocations_moved", turn->allocations_moved),
              log_u64("redirected", turn->redirected),

              log_u64("relayed_to_peer_packets", turn->relayed_to_peer_packets),
              log_u64("relayed_to_peer_bytes", turn->relayed_to_peer_bytes),
              log_u64("relayed_to_client_packets", turn->relayed_to_client_packets),
              log_u64("relayed_to_client_bytes", turn->relayed_to_client_bytes),
              log_u64("challenges", turn->challenges), log_u64("refused", turn->refused),
              log_u64("dropped_malformed", turn->dropped_malformed),
              log_u64("dropped_unexpected", turn->dropped_unexpected),
              log_u64("dropped_rate_limited", turn->dropped_rate_limited),
              log_u64("dropped_no_allocation", turn->dropped_no_allocation),
              log_u64("dropped_no_permission", turn->dropped_no_permission),
              log_u64("dropped_peer_rule", turn->dropped_peer_rule),
              log_u64("requests_parked", turn->requests_parked),
              log_u64("dropped_parking", turn->dropped_parking),
              log_u64("dropped_bandwidth", turn->dropped_bandwidth),
              log_u64("dropped_hop_limit", turn->dropped_hop_limit),
              log_u64("icmp_told", turn->icmp_told), log_u64("icmp_dropped", turn->icmp_dropped),
              log_u64("events_lost", turn->events_lost),
              log_u64("tcp_peers_now", turn->tcp_connections_now),
              log_u64("tcp_peers_joined", turn->tcp_connections_made),
              log_u64("tcp_connect_failures", turn->tcp_connect_failures),
              log_u64("tcp_peers_refused", turn->tcp_refused),
              log_u64("tcp_peers_unbound", turn->tcp_unbound),
              log_u64("datagrams_received", datapath->received_packets),
              log_u64("datagrams_sent", datapath->sent_packets),
              log_u64("dropped_send_buffer_full", datapath->dropped_full),
              log_u64("dropped_unreachable", datapath->dropped_unreachable),
              log_u64("dropped_port_closed", datapath->dropped_closed),
              log_u64("connections_now", streams->open),
              log_u64("connections_made", streams->accepted),
              log_u64("connections_refused", streams->refused_total + streams->refused_source),
              log_u64("connections_timed_out", streams->timed_out),
              log_u64("connections_broken", streams->ended_broken),
              log_u64("connections_tls_failed", streams->ended_tls),
              log_u64("connections_opening_failed", streams->ended_opening),
              log_u64("connections_tunneled", streams->tunneled),
              log_u64("accept_failures", streams->accept_failures),
              log_u64("dropped_slow_readers", streams->dropped_frames));
    log_associations(log, &counters->associations);
}
