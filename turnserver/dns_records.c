/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/dns_records.h"

#include "base/address.h"
#include "turnserver/config_certificate.h"
#include "turnserver/config_host.h"

#include <ctype.h>
#include <string.h>

#define LABEL_SIZE_MAX 63
/* What stands before it at most: "turn._turns._udp.", and a dot after it. */
#define DOMAIN_SIZE_MAX (253 - 18)
#define PRIORITY_STEP 10

/* ---- names ------------------------------------------------------------------------------------
 */

static bool is_label(const char *label, size_t size)
{
    if (size == 0 || size > LABEL_SIZE_MAX || label[0] == '-' || label[size - 1] == '-')
        return false;
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)label[i]) && label[i] != '-')
            return false;
    return true;
}

bool dns_records_is_domain(const char *domain)
{
    size_t size = strcspn(domain, ".");
    if (strlen(domain) > DOMAIN_SIZE_MAX)
        return false;
    while (is_label(domain, size) && domain[size] == '.') {
        domain += size + 1;
        size = strcspn(domain, ".");
    }
    return is_label(domain, size) && domain[size] == '\0';
}

/* ---- where a service is -----------------------------------------------------------------------
 */

/* One port of one transport, and the addresses at which it is. */
struct endpoint {
    uint16_t port;
    uint64_t addresses; /* bits */
};

struct transport {
    const char *label;   /* _udp or _tcp */
    const char *stun;    /* the services' labels … */
    const char *turn;    /* … */
    const char *naptr;   /* … and RFC 5928's tag */
    unsigned preference; /* of the NAPTR: what costs least comes first */
    size_t endpoint_count;
    struct endpoint endpoints[CONFIG_LISTENERS_MAX];
};

/* An address set bit by bit has a host's name: turn, turn2, … */
struct zone {
    const char *domain;
    const struct peer_rules *rules; /* the default ones */
    FILE *stream;
    struct stun_address addresses[CONFIG_LISTENERS_MAX];
    size_t address_count;
    uint64_t hosts[CONFIG_LISTENERS_MAX];
    size_t host_count;
    struct transport transports[4];
};

_Static_assert(CONFIG_LISTENERS_MAX <= 64, "an address has a bit");

/* Of a wildcard the address that packets leave from. False when there is none. */
static bool listener_address(const struct config_listener *listener, struct stun_address *out)
{
    *out = listener->address;
    return !address_is_unspecified(out) || config_host_outward(out->family, out);
}

static uint64_t address_bit(struct zone *zone, const struct stun_address *address)
{
    size_t i = 0;
    while (i < zone->address_count && !address_equal_ip(&zone->addresses[i], address))
        i++;
    if (i == zone->address_count)
        zone->addresses[zone->address_count++] = *address;
    return UINT64_C(1) << i;
}

static void add_endpoint(struct transport *transport, uint16_t port, uint64_t address)
{
    size_t i = 0;
    while (i < transport->endpoint_count && transport->endpoints[i].port != port)
        i++;
    if (i == transport->endpoint_count)
        transport->endpoints[transport->endpoint_count++].port = port;
    transport->endpoints[i].addresses |= address;
}

static void collect(struct zone *zone, const struct config_boot *boot)
{
    for (size_t i = 0; i < boot->listener_count; i++) {
        const struct config_listener *listener = &boot->listeners[i];
        const bool serves[] = {listener->udp, listener->dtls, listener->tcp, listener->tls};
        struct stun_address address;
        if (!listener_address(listener, &address))
            continue;
        uint64_t bit = address_bit(zone, &address);
        for (size_t j = 0; j < 4; j++)
            if (serves[j])
                add_endpoint(&zone->transports[j], listener->address.port, bit);
    }
}

/* Services at the same addresses have the same host. */
static size_t host_number(struct zone *zone, uint64_t addresses)
{
    size_t i = 0;
    while (i < zone->host_count && zone->hosts[i] != addresses)
        i++;
    if (i == zone->host_count)
        zone->hosts[zone->host_count++] = addresses;
    return i;
}

static void name_hosts(struct zone *zone)
{
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < zone->transports[i].endpoint_count; j++)
            (void)host_number(zone, zone->transports[i].endpoints[j].addresses);
}

static const char *host_name(size_t number, char text[16])
{
    snprintf(text, 16, number == 0 ? "turn" : "turn%zu", number + 1);
    return text;
}

/* ---- records ----------------------------------------------------------------------------------
 */

/* Whether anybody may send there: not an address of a special purpose. */
static bool is_public(const struct zone *zone, const struct stun_address *address)
{
    return peer_rules_check(zone->rules, address) == PEER_ALLOWED;
}

static void print_address(const struct zone *zone, const char *host,
                          const struct stun_address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    fprintf(zone->stream, "%s.%s. IN %s %s", host, zone->domain,
            address->family == STUN_FAMILY_IPV4 ? "A" : "AAAA", address_format_ip(address, text));
    if (!is_public(zone, address))
        fprintf(zone->stream, " ; %s: write the public one that leads here",
                peer_address_text(address));
    fprintf(zone->stream, "\n");
}

static void print_hosts(struct zone *zone)
{
    char host[16];
    for (size_t i = 0; i < zone->host_count; i++)
        for (size_t j = 0; j < zone->address_count; j++)
            if ((zone->hosts[i] >> j & 1) != 0)
                print_address(zone, host_name(i, host), &zone->addresses[j]);
}

/* Listeners in the order of the file: a later port is for those who cannot reach the earlier. */
static void print_services(struct zone *zone, const char *owner, const struct transport *transport)
{
    char host[16];
    for (size_t i = 0; i < transport->endpoint_count; i++) {
        const struct endpoint *endpoint = &transport->endpoints[i];
        fprintf(zone->stream, "%s.%s.%s. IN SRV %zu 0 %u %s.%s.\n", owner, transport->label,
                zone->domain, i * PRIORITY_STEP, endpoint->port,
                host_name(host_number(zone, endpoint->addresses), host), zone->domain);
    }
}

static void print_stun(struct zone *zone, bool nat_behavior)
{
    fprintf(zone->stream, "\n; STUN: RFC 8489, section 8.1%s\n",
            nat_behavior ? "; NAT behavior: RFC 5780, section 7.1" : "");
    for (size_t i = 0; i < 4; i++)
        print_services(zone, zone->transports[i].stun, &zone->transports[i]);
    if (nat_behavior)
        print_services(zone, "_stun-behavior", &zone->transports[0]);
}

static void print_turn(struct zone *zone)
{
    fprintf(zone->stream, "\n; TURN: RFC 5928, and RFC 8155, section 4\n");
    for (size_t i = 0; i < 4; i++) {
        const struct transport *transport = &zone->transports[i];
        if (transport->endpoint_count > 0)
            fprintf(zone->stream, "%s. IN NAPTR 100 %u \"S\" \"RELAY:%s\" \"\" %s.%s.%s.\n",
                    zone->domain, transport->preference, transport->naptr, transport->turn,
                    transport->label, zone->domain);
    }
    for (size_t i = 0; i < 4; i++)
        print_services(zone, zone->transports[i].turn, &zone->transports[i]);
}

static void print_discovery(struct zone *zone)
{
    fprintf(zone->stream, "\n; TURN for everybody in this network: RFC 8155, section 5 (DNS-SD)\n");
    for (size_t i = 0; i < 4; i++) {
        const struct transport *transport = &zone->transports[i];
        char instance[32];
        if (transport->endpoint_count == 0)
            continue;
        snprintf(instance, sizeof(instance), "turn.%s", transport->turn);
        fprintf(zone->stream, "%s.%s.%s. IN PTR %s.%s.%s.\n", transport->turn, transport->label,
                zone->domain, instance, transport->label, zone->domain);
        print_services(zone, instance, transport);
        fprintf(zone->stream, "%s.%s.%s. IN TXT \"\"\n", instance, transport->label, zone->domain);
    }
}

/* Clients check a certificate for the name that they were given (RFC 8489 §6.2.3). */
static void print_certificate(const struct zone *zone, const struct config *config)
{
    const struct config_policy *policy = config->policy;
    bool secure = zone->transports[1].endpoint_count + zone->transports[3].endpoint_count > 0;
    bool named = false;
    for (size_t i = 0; i < policy->certificate_count; i++)
        named = named || config_certificate_names(policy->certificates[i], zone->domain);
    if (secure && policy->certificate_count > 0 && !named)
        fprintf(zone->stream,
                "; The certificate in tls does not name %s%s: clients of turns:%s will\n"
                "; refuse it.\n",
                zone->domain, policy->certificate_count > 1 ? ", nor do the others" : "",
                zone->domain);
}

bool dns_records_print(const struct config *config, const char *domain, FILE *stream)
{
    struct peer_rules *rules = peer_rules_new();
    if (!rules)
        return false;
    struct zone zone = {
        .domain = domain,
        .rules = rules,
        .stream = stream,
        .transports = {{"_udp", "_stun", "_turn", "turn.udp", 10, 0, {{0}}},
                       {"_udp", "_stuns", "_turns", "turn.dtls", 20, 0, {{0}}},
                       {"_tcp", "_stun", "_turn", "turn.tcp", 30, 0, {{0}}},
                       {"_tcp", "_stuns", "_turns", "turn.tls", 40, 0, {{0}}}},
    };
    collect(&zone, &config->boot);
    name_hosts(&zone);
    fprintf(stream, "; The records by which clients of %s find this server.\n", domain);
    print_certificate(&zone, config);
    fprintf(stream, "$TTL 3600\n");
    print_hosts(&zone);
    print_stun(&zone, config->boot.alternate_count > 0);
    if (config->policy->turn.relay_enabled) {
        print_turn(&zone);
        print_discovery(&zone);
    }
    peer_rules_free(rules);
    return true;
}
