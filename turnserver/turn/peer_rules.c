/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/peer_rules.h"

#include "base/address.h"
#include "base/address_set.h"
#include "turnserver/turn/special_ranges.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct peer_rules {
    struct address_set always, deny, allow, own, relays, special;
    struct stun_address *endpoints; /* protected, canonical, sorted; wildcards: family none */
    size_t endpoint_count;
};

/* ---- building -------------------------------------------------------------------------------- */

static int add_table(struct address_set *set, const struct special_range *table, size_t count)
{
    int status = 0;

    for (size_t i = 0; i < count && status == 0; i++) {
        struct address_range range;
        bool parsed = address_range_parse(&range, table[i].range);
        assert(parsed);
        status = parsed ? address_set_add(set, &range) : -EINVAL;
    }
    return status;
}

struct peer_rules *peer_rules_new(void)
{
    struct peer_rules *rules = calloc(1, sizeof *rules);

    if (rules == NULL) {
        return NULL;
    }
    if (add_table(&rules->always, special_ranges_always, special_ranges_always_count) != 0 ||
        add_table(&rules->special, special_ranges_default, special_ranges_default_count) != 0) {
        peer_rules_free(rules);
        return NULL;
    }
    return rules;
}

void peer_rules_free(struct peer_rules *rules)
{
    if (rules == NULL) {
        return;
    }
    address_set_clear(&rules->always);
    address_set_clear(&rules->deny);
    address_set_clear(&rules->allow);
    address_set_clear(&rules->own);
    address_set_clear(&rules->relays);
    address_set_clear(&rules->special);
    free(rules->endpoints);
    free(rules);
}

/* Whether an IPv6 address is judged as an IPv4 address. */
static bool carries_ipv4(const struct stun_address *address)
{
    return address_canonical(address).family != address->family;
}

/* Whether a range is a part of the IPv4-mapped addresses, but not all of them. */
static bool is_part_of_mapped(const struct address_range *range)
{
    struct address_range mapped;
    bool parsed = address_range_parse(&mapped, "::ffff:0:0/96");
    assert(parsed);
    (void)parsed;
    bool begins_inside = address_compare(&range->first, &mapped.first) >= 0;
    bool ends_inside = address_compare(&range->last, &mapped.last) <= 0;
    bool whole =
        address_equal(&range->first, &mapped.first) && address_equal(&range->last, &mapped.last);
    return range->first.family == STUN_FAMILY_IPV6 && begins_inside && ends_inside && !whole;
}

int peer_rules_add_deny(struct peer_rules *rules, const char *text)
{
    struct address_range range;

    if (!address_range_parse(&range, text) || is_part_of_mapped(&range)) {
        return -EINVAL;
    }
    return address_set_add(&rules->deny, &range);
}

int peer_rules_add_allow(struct peer_rules *rules, const char *text)
{
    struct address_range range;

    if (!address_range_parse(&range, text) || carries_ipv4(&range.first) ||
        carries_ipv4(&range.last)) {
        return -EINVAL;
    }
    return address_set_add(&rules->allow, &range);
}

static int add_one(struct address_set *set, const struct stun_address *address)
{
    struct stun_address one = address_canonical(address);

    one.port = 0;
    if (one.family == STUN_FAMILY_NONE) {
        return -EINVAL;
    }
    return address_set_add(set, &(struct address_range){one, one});
}

int peer_rules_add_own(struct peer_rules *rules, const struct stun_address *address)
{
    return add_one(&rules->own, address);
}

int peer_rules_add_relay(struct peer_rules *rules, const struct stun_address *address)
{
    int status = add_one(&rules->own, address);

    return status != 0 ? status : add_one(&rules->relays, address);
}

static int compare_endpoints(const void *a, const void *b)
{
    return address_compare(a, b);
}

int peer_rules_add_protected(struct peer_rules *rules, const struct stun_address *endpoint)
{
    struct stun_address canonical = address_canonical(endpoint);

    if (canonical.family == STUN_FAMILY_NONE) {
        return -EINVAL;
    }
    if (address_is_unspecified(&canonical)) {
        canonical.family = STUN_FAMILY_NONE;
    }
    struct stun_address *endpoints =
        reallocarray(rules->endpoints, rules->endpoint_count + 1, sizeof *endpoints);
    if (endpoints == NULL) {
        return -ENOMEM;
    }
    endpoints[rules->endpoint_count++] = canonical;
    rules->endpoints = endpoints;
    qsort(endpoints, rules->endpoint_count, sizeof *endpoints, compare_endpoints);
    return 0;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static bool has_endpoint(const struct peer_rules *rules, const struct stun_address *endpoint)
{
    return rules->endpoint_count > 0 && bsearch(endpoint, rules->endpoints, rules->endpoint_count,
                                                sizeof *endpoint, compare_endpoints) != NULL;
}

static bool is_protected(const struct peer_rules *rules, const struct stun_address *peer)
{
    const struct stun_address wildcard = {.family = STUN_FAMILY_NONE, .port = peer->port};

    if (has_endpoint(rules, peer)) {
        return true;
    }
    return has_endpoint(rules, &wildcard) &&
           (address_is_loopback(peer) || address_set_contains(&rules->own, peer));
}

/* The verdict on an address, whatever the port. */
static enum peer_verdict check_ip(const struct peer_rules *rules,
                                  const struct stun_address *canonical)
{
    bool special = address_set_contains(&rules->special, canonical);

    if (address_set_contains(&rules->allow, canonical)) {
        return PEER_ALLOWED;
    }
    if (address_set_contains(&rules->relays, canonical) ||
        (!special && address_set_contains(&rules->own, canonical))) {
        return PEER_OWN;
    }
    return special ? PEER_REFUSED_SPECIAL : PEER_ALLOWED;
}

enum peer_verdict peer_rules_check(const struct peer_rules *rules, const struct stun_address *peer)
{
    struct stun_address canonical = address_canonical(peer);
    enum peer_verdict verdict;

    if (canonical.family == STUN_FAMILY_NONE || address_set_contains(&rules->always, &canonical)) {
        return PEER_REFUSED_ALWAYS;
    }
    /* An entry such as 64:ff9b::/96 means what is written that way. */
    if (address_set_contains(&rules->deny, &canonical) ||
        address_set_contains(&rules->deny, peer)) {
        return PEER_REFUSED_DENIED;
    }
    verdict = check_ip(rules, &canonical);
    return peer_verdict_permits(verdict) && is_protected(rules, &canonical) ? PEER_PROTECTED
                                                                            : verdict;
}

/* ---- words ----------------------------------------------------------------------------------- */

const char *peer_verdict_text(enum peer_verdict verdict)
{
    switch (verdict) {
    case PEER_ALLOWED:
        return "allowed";
    case PEER_OWN:
        return "an address of this server, where only relayed ports receive datagrams";
    case PEER_PROTECTED:
        return "a port where this server listens: a relay never sends there";
    case PEER_REFUSED_ALWAYS:
        return "not an address of one host, or a tunnel: refused whatever peers.allow says";
    case PEER_REFUSED_DENIED:
        return "refused by peers.deny";
    case PEER_REFUSED_SPECIAL:
        return "a private or special-purpose address: normal for a browser, which offers its "
               "local addresses too; peers.allow makes exceptions";
    }
    return "unknown";
}

static const char *find_text(const struct special_range *table, size_t count,
                             const struct stun_address *ip)
{
    for (size_t i = 0; i < count; i++) {
        struct address_range range;
        if (address_range_parse(&range, table[i].range) && address_compare(&range.first, ip) <= 0 &&
            address_compare(ip, &range.last) <= 0) {
            return table[i].what;
        }
    }
    return NULL;
}

const char *peer_address_text(const struct stun_address *peer)
{
    struct stun_address ip = address_canonical(peer);

    ip.port = 0;
    const char *text = find_text(special_ranges_always, special_ranges_always_count, &ip);
    if (text == NULL) {
        text = find_text(special_ranges_default, special_ranges_default_count, &ip);
    }
    return text != NULL ? text : "an ordinary address";
}
