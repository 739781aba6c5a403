/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/config_host.h"

#include "base/address.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool from_sockaddr(const struct sockaddr *from, struct stun_address *out)
{
    *out = (struct stun_address){0};
    if (from && from->sa_family == AF_INET) {
        out->family = STUN_FAMILY_IPV4;
        memcpy(out->ip, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
        return true;
    }
    if (from && from->sa_family == AF_INET6) {
        out->family = STUN_FAMILY_IPV6;
        memcpy(out->ip, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
        return true;
    }
    return false;
}

size_t config_host_addresses(struct stun_address *out, size_t max)
{
    struct ifaddrs *list = NULL;
    size_t count = 0;
    if (getifaddrs(&list) < 0)
        return 0;
    for (const struct ifaddrs *entry = list; entry; entry = entry->ifa_next) {
        struct stun_address address;
        if (!(entry->ifa_flags & IFF_UP) || !from_sockaddr(entry->ifa_addr, &address))
            continue;
        if (count < max)
            out[count] = address;
        count++;
    }
    freeifaddrs(list);
    return count;
}

#define ADDRESSES_MAX 1024

static size_t all_addresses(struct stun_address *out)
{
    size_t count = config_host_addresses(out, ADDRESSES_MAX);
    return count < ADDRESSES_MAX ? count : ADDRESSES_MAX;
}

bool config_host_has(const struct stun_address *address)
{
    struct stun_address addresses[ADDRESSES_MAX];
    size_t count = all_addresses(addresses);
    if (address->family == STUN_FAMILY_IPV4 && address_is_loopback(address))
        return true;
    for (size_t i = 0; i < count; i++)
        if (address_equal_ip(&addresses[i], address))
            return true;
    return false;
}

bool config_host_has_family(uint8_t family)
{
    struct stun_address addresses[ADDRESSES_MAX];
    size_t count = all_addresses(addresses);
    for (size_t i = 0; i < count; i++)
        if (addresses[i].family == family)
            return true;
    return false;
}

static bool is_link_local(const struct stun_address *address)
{
    if (address->family == STUN_FAMILY_IPV4)
        return address->ip[0] == 169 && address->ip[1] == 254;
    return address->ip[0] == 0xfe && (address->ip[1] & 0xc0) == 0x80;
}

/* Connecting a datagram socket sends nothing, but asks the routing table for a source address. The
 * targets are documentation addresses, which only a default route leads to. */
static bool ask_routes(uint8_t family, struct stun_address *out)
{
    struct sockaddr_in target4 = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct sockaddr_in6 target6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    target4.sin_addr.s_addr = htonl(0xC6336401);       /* 198.51.100.1 */
    memcpy(&target6.sin6_addr, "\x20\x01\x0d\xb8", 4); /* 2001:db8::1 */
    target6.sin6_addr.s6_addr[15] = 1;
    bool four = family == STUN_FAMILY_IPV4;
    const struct sockaddr *target =
        four ? (const struct sockaddr *)&target4 : (const struct sockaddr *)&target6;
    socklen_t size = four ? sizeof(target4) : sizeof(target6);
    int descriptor = socket(target->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return false;
    struct sockaddr_storage local = {0};
    socklen_t local_size = sizeof(local);
    bool found = connect(descriptor, target, size) == 0 &&
                 getsockname(descriptor, (struct sockaddr *)&local, &local_size) == 0 &&
                 from_sockaddr((const struct sockaddr *)&local, out) &&
                 !address_is_unspecified(out);
    close(descriptor);
    return found;
}

bool config_host_outward(uint8_t family, struct stun_address *out)
{
    if (ask_routes(family, out))
        return true;
    struct stun_address addresses[ADDRESSES_MAX];
    size_t count = all_addresses(addresses);
    for (int loopback = 0; loopback < 2; loopback++)
        for (size_t i = 0; i < count; i++) {
            bool wanted = addresses[i].family == family && !is_link_local(&addresses[i]) &&
                          address_is_loopback(&addresses[i]) == (loopback == 1);
            if (!wanted)
                continue;
            *out = addresses[i];
            return true;
        }
    return false;
}
