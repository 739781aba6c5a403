/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/sockets.h"

#include "base/address.h"
#include "net/socket_address.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

static bool is_link_local(const struct stun_address *address)
{
    bool ipv6 = address->family == STUN_FAMILY_IPV6;
    return ipv6 ? address->ip[0] == 0xFE && (address->ip[1] & 0xC0) == 0x80
                : address->ip[0] == 169 && address->ip[1] == 254;
}

/* The interface's place among those that were named, or -1. */
static int named_place(const struct call_options *call, const char *name)
{
    for (unsigned i = 0; i < call->interface_count; i++) {
        if (strcmp(call->interfaces[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static bool is_wanted(const struct options *options, const struct ifaddrs *entry, bool loopback,
                      struct stun_address *address)
{
    bool named = named_place(&options->call, entry->ifa_name) >= 0;
    if (entry->ifa_addr == NULL || (entry->ifa_flags & IFF_UP) == 0 ||
        (options->call.interface_count > 0 && !named)) {
        return false;
    }
    *address = socket_address_read(entry->ifa_addr);
    if (address->family == STUN_FAMILY_NONE || is_link_local(address) ||
        (options->family != STUN_FAMILY_NONE && options->family != address->family)) {
        return false;
    }
    return (entry->ifa_flags & IFF_LOOPBACK) == 0 || named || loopback;
}

static bool is_known(const struct peer_socket *sockets, size_t count,
                     const struct stun_address *address)
{
    for (size_t i = 0; i < count; i++) {
        if (address_equal_ip(&sockets[i].local, address)) {
            return true;
        }
    }
    return false;
}

static bool open_socket(struct shell *shell, const struct options *options, struct peer_socket *out,
                        const struct stun_address *address)
{
    struct stun_address local = *address;
    local.port = options->local.port;
    if (shell_open_udp(shell, &local, &out->via) != 0) {
        return false;
    }
    return shell_local(shell, out->via, &local, &out->local) == 0;
}

size_t sockets_open(struct shell *shell, const struct options *options, bool loopback,
                    struct peer_socket out[SOCKETS_MAX], size_t count)
{
    struct ifaddrs *list = NULL;
    struct stun_address address;
    if (getifaddrs(&list) != 0) {
        return count;
    }
    for (const struct ifaddrs *entry = list; entry != NULL && count < SOCKETS_MAX;
         entry = entry->ifa_next) {
        if (!is_wanted(options, entry, loopback, &address) || is_known(out, count, &address) ||
            !open_socket(shell, options, &out[count], &address)) {
            continue;
        }
        int place = named_place(&options->call, entry->ifa_name);
        place = place < 0 ? (int)count : place;
        out[count++].preference = (uint16_t)(UINT16_MAX - place);
    }
    freeifaddrs(list);
    return count;
}
