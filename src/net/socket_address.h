/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses as the kernel and as STUN writes them; inline, since a packet may need it. */
#ifndef NET_SOCKET_ADDRESS_H
#define NET_SOCKET_ADDRESS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <postern/address.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage storage;
};

/* Writes the kernel's form and returns its size; 0 for no address. */
static inline socklen_t socket_address_write(union socket_address *out,
                                             const struct stun_address *address)
{
    if (address->family == STUN_FAMILY_IPV4) {
        out->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(address->port)};
        memcpy(&out->v4.sin_addr, address->ip, 4);
        return sizeof out->v4;
    }
    if (address->family == STUN_FAMILY_IPV6) {
        out->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(address->port)};
        memcpy(&out->v6.sin6_addr, address->ip, 16);
        return sizeof out->v6;
    }
    return 0;
}

/*
 * Reads the kernel's form. An IPv4-mapped address becomes the IPv4 address that it is; any family
 * but IPv4 and IPv6 gives STUN_FAMILY_NONE. A scope is lost: link-local addresses need it
 * elsewhere.
 */
static inline struct stun_address socket_address_read(const struct sockaddr *any)
{
    struct stun_address address = {0};

    if (any->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)any;
        address.family = STUN_FAMILY_IPV4;
        address.port = ntohs(v4->sin_port);
        memcpy(address.ip, &v4->sin_addr, 4);
    } else if (any->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)any;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
        address.family = mapped ? STUN_FAMILY_IPV4 : STUN_FAMILY_IPV6;
        address.port = ntohs(v6->sin6_port);
        memcpy(address.ip, v6->sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
    }
    return address;
}

#endif
