/* SPDX-License-Identifier: BSD-3-Clause */
/* The UDP sockets of a call: one for each address that this host may be reached by. */
#ifndef STUNCLIENT_PEER_SOCKETS_H
#define STUNCLIENT_PEER_SOCKETS_H

#include "stunclient/options.h"
#include "stunclient/shell.h"

#define SOCKETS_MAX 16

struct peer_socket {
    uint32_t via;
    struct stun_address local;
    uint16_t preference; /* as ICE wants it: the first interface has the highest */
};

/*
 * Opens them on the interfaces that the options name, or on all that are up; loopback only when
 * named or with `loopback`; link-local addresses never, since they say nothing to the peer. What
 * cannot be opened, and addresses of the `count` that are there, are left out. Returns how many
 * there are now.
 */
size_t sockets_open(struct shell *shell, const struct options *options, bool loopback,
                    struct peer_socket out[SOCKETS_MAX], size_t count);

#endif
