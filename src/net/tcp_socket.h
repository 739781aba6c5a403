/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP sockets, never blocking, without Nagle's delay. Each returns 0 or -errno. */
#ifndef NET_TCP_SOCKET_H
#define NET_TCP_SOCKET_H

#include <postern/address.h>
#include <stdbool.h>

/* Listens on `address`; IPv6 sockets never take IPv4. */
int tcp_socket_listen(int *descriptor, const struct stun_address *address, bool reuse_port);
/* -EAGAIN: no connection waits. -EMFILE: the system has no room for one more; it waits on, and the
 * socket stays readable. Any other error: the connection was gone before it was ours (accept(2),
 * "Error handling"). The descriptor has all it needs. */
int tcp_socket_accept(int listening, int *descriptor, struct stun_address *remote,
                      struct stun_address *local);
/* Begins to connect; the connection stands, or has failed, when the socket becomes writable.
 * `local` (may be NULL) says from where. */
int tcp_socket_connect(int *descriptor, const struct stun_address *remote,
                       const struct stun_address *local);
/* The same from an address and port at which tcp_socket_listen listens too, with `reuse_port`. */
int tcp_socket_connect_shared(int *descriptor, const struct stun_address *remote,
                              const struct stun_address *local);
/* Lets the kernel find out within two minutes that the other end is gone. */
void tcp_socket_keep_alive(int descriptor);

#endif
