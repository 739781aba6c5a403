/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Peer rules as somebody wrote them: lines of "d" (deny) or "a" (allow) and an entry. What an entry
 * says must be what holds at both its ends, in every way that an address can be written.
 */
#include "tests/fuzz/fuzz.h"

#include "base/address.h"
#include "base/address_set.h"
#include "turnserver/turn/peer_rules.h"

#include <string.h>

#define LINE_MAX_SIZE 128
#define LINES_MAX 32

/* An IPv4 address behind 96 bits of an IPv6 one. */
static struct stun_address carry(const struct stun_address *ipv4, const uint8_t prefix[12])
{
    struct stun_address carried = {.family = STUN_FAMILY_IPV6, .port = ipv4->port};

    memcpy(carried.ip, prefix, 12);
    memcpy(carried.ip + 12, ipv4->ip, 4);
    return carried;
}

/* Whatever the rules are, an address and what carries it fare alike, unless deny tells them apart.
 */
static void check_address(const struct peer_rules *rules, const struct stun_address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xFF, 0x9B};
    enum peer_verdict verdict = peer_rules_check(rules, address);

    REQUIRE(peer_verdict_text(verdict) != NULL && peer_address_text(address) != NULL);
    if (address->family == STUN_FAMILY_IPV4) {
        const struct stun_address carried[] = {carry(address, mapped), carry(address, nat64)};
        for (size_t i = 0; i < 2; i++) {
            enum peer_verdict other = peer_rules_check(rules, &carried[i]);
            REQUIRE(other == verdict || (other == PEER_REFUSED_DENIED && verdict != other &&
                                         verdict != PEER_REFUSED_ALWAYS));
        }
    }
}

static void check_ends(const struct peer_rules *rules, const char *entry, bool deny)
{
    struct address_range range;

    REQUIRE(address_range_parse(&range, entry));
    REQUIRE(address_compare(&range.first, &range.last) <= 0);
    const struct stun_address ends[] = {range.first, range.last};
    for (size_t i = 0; i < 2; i++) {
        enum peer_verdict verdict = peer_rules_check(rules, &ends[i]);
        if (deny) {
            REQUIRE(verdict == PEER_REFUSED_DENIED || verdict == PEER_REFUSED_ALWAYS);
        } else {
            REQUIRE(verdict == PEER_ALLOWED || verdict == PEER_REFUSED_DENIED ||
                    verdict == PEER_REFUSED_ALWAYS);
        }
        check_address(rules, &ends[i]);
    }
}

static void apply(struct peer_rules *rules, const char *line)
{
    bool deny = line[0] == 'd';

    if (line[0] != 'd' && line[0] != 'a') {
        return;
    }
    int status =
        deny ? peer_rules_add_deny(rules, line + 1) : peer_rules_add_allow(rules, line + 1);
    if (status == 0) {
        check_ends(rules, line + 1, deny);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct peer_rules *rules = peer_rules_new();
    char line[LINE_MAX_SIZE];
    size_t lines = 0;

    REQUIRE(rules != NULL);
    while (size > 0 && lines++ < LINES_MAX) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t used = end != NULL ? (size_t)(end - data) : size;
        size_t kept = used < sizeof line ? used : sizeof line - 1;
        memcpy(line, data, kept);
        line[kept] = '\0';
        apply(rules, line);
        used += end != NULL;
        data += used;
        size -= used;
    }
    if (size >= 16) {
        struct stun_address ipv6 = {.family = STUN_FAMILY_IPV6};
        struct stun_address ipv4 = {.family = STUN_FAMILY_IPV4};
        memcpy(ipv6.ip, data, 16);
        memcpy(ipv4.ip, data, 4);
        check_address(rules, &ipv6);
        check_address(rules, &ipv4);
    }
    peer_rules_free(rules);
    return 0;
}
