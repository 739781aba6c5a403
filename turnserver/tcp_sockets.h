/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sockets of relayed TCP addresses: those that listen, attempts to connect, and connections to
 * peers until they are joined with a client's. From the latter nothing is read, so what a peer
 * sends early waits in the kernel.
 */
#ifndef TURNSERVER_TCP_SOCKETS_H
#define TURNSERVER_TCP_SOCKETS_H

#include <postern/address.h>
#include <stdbool.h>

struct event_base;
struct tcp_sockets;

#define TCP_SOCKETS_VIA 0xC0000000u /* the two top bits of every via here */

struct tcp_sockets_user {
    void *context;
    /* A peer has connected to `via`. Returns false when it is to be closed, else its id. */
    bool (*accepted)(void *context, uint32_t via, const struct stun_address *peer, uint32_t *id);
    /* How an attempt ended: 0, or -errno and it is forgotten. */
    void (*connected)(void *context, uint32_t id, int status);
};

/* `user` is copied. Returns NULL when memory is out. */
struct tcp_sockets *tcp_sockets_new(struct event_base *base, const struct tcp_sockets_user *user);
void tcp_sockets_free(struct tcp_sockets *sockets); /* closes all; NULL is allowed */

/* Each returns 0 or -errno. */
int tcp_sockets_listen(struct tcp_sockets *sockets, const struct stun_address *relayed,
                       uint32_t *via);
int tcp_sockets_connect(struct tcp_sockets *sockets, uint32_t id, const struct stun_address *from,
                        const struct stun_address *to);
/* Keeps a connected socket under that id; closes it when it fails. */
int tcp_sockets_keep(struct tcp_sockets *sockets, uint32_t id, int descriptor);

void tcp_sockets_unlisten(struct tcp_sockets *sockets, uint32_t via);
/* Gives the socket of a connection to the caller; -1 when there is none, or an attempt only. */
int tcp_sockets_take(struct tcp_sockets *sockets, uint32_t id);
/* Closes a connection or an attempt. Returns false when there is none. */
bool tcp_sockets_close(struct tcp_sockets *sockets, uint32_t id);

#endif
