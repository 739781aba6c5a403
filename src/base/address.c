/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/address.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

size_t address_ip_size(const struct stun_address *address)
{
    switch (address->family) {
    case STUN_FAMILY_IPV4:
        return 4;
    case STUN_FAMILY_IPV6:
        return 16;
    default:
        return 0;
    }
}

bool address_equal_ip(const struct stun_address *a, const struct stun_address *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, address_ip_size(a)) == 0;
}

bool address_equal(const struct stun_address *a, const struct stun_address *b)
{
    return a->port == b->port && address_equal_ip(a, b);
}

int address_compare(const struct stun_address *a, const struct stun_address *b)
{
    if (a->family != b->family) {
        return a->family < b->family ? -1 : 1;
    }
    int order = memcmp(a->ip, b->ip, address_ip_size(a));
    return order != 0 ? order : (int)a->port - (int)b->port;
}

bool address_is_unspecified(const struct stun_address *address)
{
    static const uint8_t zero[16];

    return address->family != STUN_FAMILY_NONE &&
           memcmp(address->ip, zero, address_ip_size(address)) == 0;
}

bool address_is_loopback(const struct stun_address *address)
{
    static const uint8_t one[16] = {[15] = 1};

    if (address->family == STUN_FAMILY_IPV4) {
        return address->ip[0] == 127;
    }
    return address->family == STUN_FAMILY_IPV6 && memcmp(address->ip, one, sizeof one) == 0;
}

/* ---- text ---------------------------------------------------------------------------------------
 */

/* Reads the IP in the `size` bytes of `text`, without brackets. */
static bool parse_bare_ip(struct stun_address *out, const char *text, size_t size)
{
    char copy[INET6_ADDRSTRLEN];
    struct stun_address address = {0};

    if (size == 0 || size >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (inet_pton(AF_INET, copy, address.ip) == 1) {
        address.family = STUN_FAMILY_IPV4;
    } else if (inet_pton(AF_INET6, copy, address.ip) == 1) {
        address.family = STUN_FAMILY_IPV6;
    } else {
        return false;
    }
    *out = address;
    return true;
}

static bool parse_bracketed_ip(struct stun_address *out, const char *text, size_t size)
{
    return size > 2 && text[0] == '[' && text[size - 1] == ']' && memchr(text, ':', size) != NULL &&
           parse_bare_ip(out, text + 1, size - 2);
}

bool address_parse_ip(struct stun_address *out, const char *text)
{
    size_t size = strlen(text);

    return parse_bracketed_ip(out, text, size) || parse_bare_ip(out, text, size);
}

bool address_parse(struct stun_address *out, const char *text)
{
    struct stun_address address;
    uint64_t port = 0;

    const char *colon = strrchr(text, ':');
    if (colon == NULL || !text_parse_u64(colon + 1, strlen(colon + 1), UINT16_MAX, &port)) {
        return false;
    }
    size_t size = (size_t)(colon - text);
    if (!parse_bracketed_ip(&address, text, size) &&
        (memchr(text, ':', size) != NULL || !parse_bare_ip(&address, text, size))) {
        return false;
    }
    address.port = (uint16_t)port;
    *out = address;
    return true;
}

const char *address_format_ip(const struct stun_address *address, char *text)
{
    int family = address->family == STUN_FAMILY_IPV4 ? AF_INET : AF_INET6;

    if (address_ip_size(address) == 0 ||
        inet_ntop(family, address->ip, text, ADDRESS_TEXT_SIZE) == NULL) {
        memcpy(text, "none", sizeof "none");
    }
    return text;
}

const char *address_format(const struct stun_address *address, char *text)
{
    char ip[ADDRESS_TEXT_SIZE];

    address_format_ip(address, ip);
    if (address->family == STUN_FAMILY_IPV6) {
        snprintf(text, ADDRESS_TEXT_SIZE, "[%.45s]:%u", ip, (unsigned)address->port);
    } else if (address->family == STUN_FAMILY_IPV4) {
        snprintf(text, ADDRESS_TEXT_SIZE, "%.15s:%u", ip, (unsigned)address->port);
    } else {
        memcpy(text, "none", sizeof "none");
    }
    return text;
}

/* ---- canonical form -----------------------------------------------------------------------------
 */

/* Whether an IPv6 address carries an IPv4 address in its last four bytes. */
static bool carries_ipv4(const uint8_t *ip)
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF}; /* RFC 4291 §2.5.5.2 */
    static const uint8_t nat64[12] = {0x00, 0x64, 0xFF, 0x9B};    /* RFC 6052 §2.1 */
    static const uint8_t compatible[15] = {0};                    /* RFC 4291 §2.5.5.1 */

    if (memcmp(ip, mapped, 12) == 0 || memcmp(ip, nat64, 12) == 0) {
        return true;
    }
    bool unspecified_or_loopback = memcmp(ip, compatible, 15) == 0 && ip[15] <= 1;
    return memcmp(ip, compatible, 12) == 0 && !unspecified_or_loopback;
}

struct stun_address address_canonical(const struct stun_address *address)
{
    struct stun_address canonical = *address;

    if (address->family == STUN_FAMILY_IPV6 && carries_ipv4(address->ip)) {
        canonical = (struct stun_address){.family = STUN_FAMILY_IPV4, .port = address->port};
        memcpy(canonical.ip, address->ip + 12, 4);
    }
    return canonical;
}
