/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses as the kernel and as STUN writes them; inline, since every packet needs two. */
#ifndef DATAPATH_SOCKET_NAME_H
#define DATAPATH_SOCKET_NAME_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <postern/address.h>
#include <string.h>
#include <sys/socket.h>

union socket_name {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Writes the kernel's form and returns its size. */
static inline socklen_t socket_name_from_address(union socket_name *name,
                                                 const struct stun_address *address)
{
    if (address->family == STUN_FAMILY_IPV4) {
        name->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(address->port)};
        memcpy(&name->v4.sin_addr, address->ip, 4);
        return sizeof name->v4;
    }
    name->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(address->port)};
    memcpy(&name->v6.sin6_addr, address->ip, 16);
    return sizeof name->v6;
}

/* Any other family than IPv4 and IPv6 gives STUN_FAMILY_NONE. */
static inline struct stun_address socket_name_to_address(const union socket_name *name)
{
    struct stun_address address = {0};
    if (name->any.sa_family == AF_INET) {
        address.family = STUN_FAMILY_IPV4;
        address.port = ntohs(name->v4.sin_port);
        memcpy(address.ip, &name->v4.sin_addr, 4);
    } else if (name->any.sa_family == AF_INET6) {
        address.family = STUN_FAMILY_IPV6;
        address.port = ntohs(name->v6.sin6_port);
        memcpy(address.ip, &name->v6.sin6_addr, 16);
    }
    return address;
}

#endif
