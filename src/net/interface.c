/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/interface.h"

#include "net/socket_address.h"

#include <ifaddrs.h>
#include <net/if.h>

static bool is_link_local(const struct stun_address *address)
{
    return address->family == STUN_FAMILY_IPV6 && address->ip[0] == 0xFE &&
           (address->ip[1] & 0xC0) == 0x80;
}

static bool find_first(const struct ifaddrs *list, const char *name, uint8_t family,
                       struct stun_address *out)
{
    for (const struct ifaddrs *entry = list; entry != NULL; entry = entry->ifa_next) {
        if (entry->ifa_addr == NULL || strcmp(entry->ifa_name, name) != 0) {
            continue;
        }
        struct stun_address address = socket_address_read(entry->ifa_addr);
        if (address.family == family && !is_link_local(&address)) {
            *out = address;
            return true;
        }
    }
    return false;
}

bool interface_find_address(const char *name, uint8_t family, struct stun_address *out)
{
    struct ifaddrs *list = NULL;
    bool found;

    if (getifaddrs(&list) != 0) {
        return false;
    }
    if (family != STUN_FAMILY_NONE) {
        found = find_first(list, name, family, out);
    } else {
        found = find_first(list, name, STUN_FAMILY_IPV4, out) ||
                find_first(list, name, STUN_FAMILY_IPV6, out);
    }
    freeifaddrs(list);
    return found;
}

bool interface_exists(const char *name)
{
    return if_nametoindex(name) != 0;
}
