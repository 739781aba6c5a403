/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/locate.h"

#include "base/address.h"
#include "net/clock.h"
#include "proto/relay_service.h"
#include "stunclient/verbs.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

struct wait {
    struct event_base *base;
    struct resolver_result *found;
    bool done;
};

static void on_done(const struct resolver_result *result, void *context)
{
    struct wait *wait = context;
    *wait->found = *result;
    wait->done = true;
    event_base_loopbreak(wait->base);
}

/* The shell's user while a name is looked up: it only waits. */
static void ignore_input(void *context, struct monotime now, const struct flow *flow,
                         struct packet *packet, struct outbox *outbox)
{
    (void)context;
    (void)now;
    (void)flow;
    (void)packet;
    (void)outbox;
}

static void ignore_time(void *context, struct monotime now, struct outbox *outbox)
{
    (void)context;
    (void)now;
    (void)outbox;
}

static struct monotime never(void *context)
{
    (void)context;
    return MONOTIME_NEVER;
}

static bool is_done(void *context)
{
    const struct wait *wait = context;
    return wait->done;
}

struct resolver *locate_resolver(struct event_base *base, const struct options *options)
{
    struct stun_host dns;
    if (options->dns == NULL || stun_host_parse(&dns, options->dns) != NULL) {
        return resolver_new(base, NULL);
    }
    dns.address.port = dns.port == 0 ? 53 : dns.port;
    return resolver_new(base, &dns.address);
}

static bool resolve(struct shell *shell, const struct options *options,
                    const struct resolver_request *request, struct monotime deadline,
                    struct resolver_result *found)
{
    struct resolver *resolver = locate_resolver(shell_base(shell), options);
    struct wait wait = {.base = shell_base(shell), .found = found};
    const struct shell_user user = {.context = &wait,
                                    .input = ignore_input,
                                    .tick = ignore_time,
                                    .due = never,
                                    .finished = is_done};
    if (resolver == NULL || resolver_start(resolver, request, on_done, &wait) != 0) {
        snprintf(found->problem, sizeof found->problem, "cannot be looked up: no memory");
    } else if (!shell_run(shell, &user, deadline)) {
        snprintf(found->problem, sizeof found->problem, "was not looked up: interrupted");
    } else if (!wait.done) {
        snprintf(found->problem, sizeof found->problem, "has no address that DNS told in time");
    }
    resolver_free(resolver);
    return found->count > 0;
}

static void tell(const struct output *output, const struct options *options,
                 const struct resolver_result *found)
{
    char text[ADDRESS_TEXT_SIZE];
    for (size_t i = 0; i < found->count; i++) {
        output_tell(output, 1, "%s: %s%s", options->uri.host.name,
                    address_format(&found->addresses[i], text), found->by_srv ? " (SRV)" : "");
    }
}

static bool is_secure(const struct options *options)
{
    return options->protocol == PROTOCOL_TLS || options->protocol == PROTOCOL_DTLS;
}

/* RFC 8489 §8.1, RFC 8656 §3.1; NAT tests have a service of their own (RFC 5780 §5.1). */
static const char *first_service(const struct options *options)
{
    bool secure = is_secure(options);
    if (options->verb->bit == VERB_NAT && !options->is_uri) {
        return "stun-behavior";
    }
    if (options->uri.turn) {
        return secure ? "turns" : "turn";
    }
    return secure ? "stuns" : "stun";
}

static uint32_t left_ms(struct monotime deadline)
{
    int64_t left_us = monotime_difference_us(deadline, clock_now());
    return left_us <= 0 ? 1 : (uint32_t)(left_us / MONOTIME_MILLISECOND) + 1;
}

/* By the service of NAT tests, and where that is not in DNS by that of STUN. */
static bool resolve_services(struct shell *shell, const struct options *options,
                             struct resolver_request *request, struct monotime deadline,
                             struct resolver_result *found)
{
    bool has_found = resolve(shell, options, request, deadline, found);
    if (strcmp(request->service, "stun-behavior") == 0 && request->port == 0 && has_found &&
        !found->by_srv && resolver_knows_srv()) {
        *found = (struct resolver_result){0};
        request->service = "stun";
        request->timeout_ms = left_ms(deadline);
        has_found = resolve(shell, options, request, deadline, found);
    }
    return has_found;
}

bool locate(struct shell *shell, const struct options *options, const struct output *output,
            struct monotime deadline, struct resolver_result *found, struct failure *failure)
{
    const struct stun_host *host = &options->uri.host;
    struct resolver_request request = {
        .host = host->name,
        .service = first_service(options),
        .protocol = options_transport(options) == TRANSPORT_TCP ? "tcp" : "udp",
        .port = host->port,
        .default_port = is_secure(options) ? STUN_TLS_PORT : STUN_PORT,
        .family = options->family,
        .timeout_ms = left_ms(deadline),
    };
    *found = (struct resolver_result){0};
    if (host->is_ip) {
        found->count = 1;
        found->addresses[0] = host->address;
        found->addresses[0].port = host->port != 0 ? host->port : request.default_port;
        return true;
    }
    if (!resolver_knows_srv()) {
        output_tell(output, 1, "SRV records are not looked up: built without c-ares");
    }
    if (resolve_services(shell, options, &request, deadline, found)) {
        tell(output, options, found);
        return true;
    }
    failure_set(failure, EXIT_NAME, "%s %s", host->name, found->problem);
    failure_advise(failure, "Check the name; an IP address works without DNS.");
    return false;
}

/* ---- NAPTR (RFC 5928) ------------------------------------------------------------------------ */

#define NAPTR_LIMIT_MS 1000 /* what a DNS server that is silent about it may cost */
#define NAPTR_DEPTH_MAX 3   /* records without a flag lead to another name's records */

static enum client_protocol protocol_of(enum relay_transport transport)
{
    switch (transport) {
    case RELAY_TCP:
        return PROTOCOL_TCP;
    case RELAY_TLS:
        return PROTOCOL_TLS;
    case RELAY_DTLS:
        return PROTOCOL_DTLS;
    default:
        return PROTOCOL_UDP;
    }
}

/* What the record's replacement is: the name of SRV records, or of a host at the usual port. */
static bool follow_record(struct shell *shell, const struct options *options,
                          const struct resolver_naptr *record, enum client_protocol protocol,
                          struct monotime deadline, struct resolver_result *found)
{
    bool secure = protocol == PROTOCOL_TLS || protocol == PROTOCOL_DTLS;
    const struct resolver_request request = {
        .host = record->replacement,
        .srv_name = record->flag == 'S' ? record->replacement : NULL,
        .default_port = secure ? STUN_TLS_PORT : STUN_PORT,
        .family = options->family,
        .timeout_ms = left_ms(deadline),
    };
    *found = (struct resolver_result){0};
    return resolve(shell, options, &request, deadline, found);
}

/* Returns whether one led to addresses; else the name to look on at, or "" when there is none. */
static bool follow_records(struct shell *shell, const struct options *options,
                           const struct resolver_result *records, struct monotime deadline,
                           struct resolver_result *found, enum client_protocol *protocol,
                           char next[RESOLVER_REPLACEMENT_SIZE])
{
    unsigned wanted = options->uri.secure ? RELAY_TLS | RELAY_DTLS
                                          : RELAY_UDP | RELAY_TCP | RELAY_TLS | RELAY_DTLS;
    if (options->tcp_relay) {
        wanted &= RELAY_TCP | RELAY_TLS;
    }
    next[0] = '\0';
    for (size_t i = 0; i < records->naptr_count; i++) {
        const struct resolver_naptr *record = &records->naptrs[i];
        enum relay_transport transport = relay_service_choose(record->service, wanted);
        if (transport == RELAY_NONE) {
            continue;
        }
        if (record->flag == 0) {
            memcpy(next, record->replacement, RESOLVER_REPLACEMENT_SIZE);
            return false;
        }
        enum client_protocol told = protocol_of(transport);
        if ((record->flag == 'S' || record->flag == 'A') &&
            follow_record(shell, options, record, told, deadline, found)) {
            *protocol = told;
            return true;
        }
    }
    return false;
}

bool locate_relay(struct shell *shell, const struct options *options, const struct output *output,
                  struct monotime deadline, struct resolver_result *found,
                  enum client_protocol *protocol)
{
    const struct stun_host *host = &options->uri.host;
    char name[RESOLVER_REPLACEMENT_SIZE];
    if (host->is_ip || host->port != 0 || !options->protocol_open || !resolver_knows_srv()) {
        return false;
    }
    snprintf(name, sizeof name, "%s", host->name);
    for (unsigned depth = 0; depth < NAPTR_DEPTH_MAX && name[0] != '\0'; depth++) {
        struct resolver_result records = {0};
        struct monotime limit = monotime_add_ms(clock_now(), NAPTR_LIMIT_MS);
        limit = monotime_earlier(limit, deadline);
        const struct resolver_request request = {
            .host = name, .naptr = true, .timeout_ms = left_ms(limit)};
        resolve(shell, options, &request, deadline, &records);
        if (follow_records(shell, options, &records, deadline, found, protocol, name)) {
            tell(output, options, found);
            return true;
        }
    }
    return false;
}
