/* SPDX-License-Identifier: BSD-3-Clause */
/* UDP sockets: opened, bound and set up as STUN and TURN need them; never blocking. */
#ifndef NET_UDP_SOCKET_H
#define NET_UDP_SOCKET_H

#include <postern/address.h>
#include <stdbool.h>

struct udp_socket_options {
    bool reuse_port;    /* others may bind the same port: the kernel spreads the load */
    bool packet_info;   /* messages say at which address they arrived (IP_PKTINFO) */
    bool dont_fragment; /* false: large datagrams are fragmented rather than refused */
    int receive_buffer; /* bytes asked for; 0: the system's default */
    int send_buffer;
};

/*
 * Opens a socket on `address`: an unspecified IP means all of that family (IPv6 sockets never take
 * IPv4), port 0 a free one. Returns 0 and sets `descriptor`, or -errno. Buffer sizes are asked for,
 * not demanded.
 */
int udp_socket_open(int *descriptor, const struct stun_address *address,
                    const struct udp_socket_options *options);
/* Where a socket of any kind is bound, and to whom it is connected. Return 0 or -errno. */
int socket_local_address(int descriptor, struct stun_address *out);
int socket_remote_address(int descriptor, struct stun_address *out);

#endif
