/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * On which link an IPv6 neighbour was heard last: a link-local address (fe80::/10) alone does not
 * say where to send. A few are remembered; who is not heard for long may be forgotten, and is known
 * again with the next datagram.
 */
#ifndef DATAPATH_LINK_SCOPES_H
#define DATAPATH_LINK_SCOPES_H

#include "net/socket_address.h"

#include <string.h>

#define LINK_SCOPES 256 /* a power of two */

struct link_scopes {
    struct {
        struct in6_addr ip;
        uint32_t scope; /* an interface's index; 0: nobody */
    } places[LINK_SCOPES];
};

static inline bool link_scopes_concern(const union socket_address *name)
{
    return name->any.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&name->v6.sin6_addr);
}

static inline unsigned link_scopes_place(const struct in6_addr *ip)
{
    unsigned sum = 0;
    for (unsigned i = 8; i < 16; i++) {
        sum = sum * 31 + ip->s6_addr[i];
    }
    return sum % LINK_SCOPES;
}

/* `name` is where a datagram came from. */
static inline void link_scopes_learn(struct link_scopes *scopes, const union socket_address *name)
{
    if (link_scopes_concern(name)) {
        unsigned place = link_scopes_place(&name->v6.sin6_addr);
        scopes->places[place].ip = name->v6.sin6_addr;
        scopes->places[place].scope = name->v6.sin6_scope_id;
    }
}

/* `name` is where a datagram goes. */
static inline void link_scopes_apply(const struct link_scopes *scopes, union socket_address *name)
{
    if (link_scopes_concern(name)) {
        unsigned place = link_scopes_place(&name->v6.sin6_addr);
        if (memcmp(&scopes->places[place].ip, &name->v6.sin6_addr, 16) == 0) {
            name->v6.sin6_scope_id = scopes->places[place].scope;
        }
    }
}

#endif
