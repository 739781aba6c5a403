/* SPDX-License-Identifier: BSD-3-Clause */
/* UDP sockets: opened, bound and set up as STUN and TURN need them; never blocking. */
#ifndef NET_UDP_SOCKET_H
#define NET_UDP_SOCKET_H

#include <postern/address.h>
#include <postern/stun.h>
#include <stdbool.h>

struct udp_socket_options {
    bool reuse_port;    /* others may bind the same port: the kernel spreads the load */
    bool packet_info;   /* messages say at which address they arrived (IP_PKTINFO) */
    bool dont_fragment; /* false: large datagrams are fragmented rather than refused */
    bool icmp_errors;   /* what the way says is kept, see udp_socket_read_icmp */
    bool ip_fields;     /* messages say their hop limit and traffic class (IP_TTL, IP_TOS, …) */
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
/* Whether datagrams that are too large for the way are fragmented from now on; when not, they have
 * the DF bit. Returns 0 or -errno. */
int udp_socket_set_fragmentation(int descriptor, uint8_t family, bool allowed);
/* What the IP header of datagrams says from now on, where a datagram says nothing else: TTL or hop
 * limit (0: the system's default), DSCP and ECN. Returns 0 or -errno. */
int udp_socket_set_ip_fields(int descriptor, uint8_t family, uint8_t hop_limit,
                             uint8_t traffic_class);
/*
 * Takes the oldest ICMP error of a socket that has `icmp_errors`: what it says, and to whom the
 * datagram went. A datagram that is larger than this host's own link and must not be fragmented
 * counts as "packet too big" with that link's MTU. Returns 1, 0 for an error of another origin
 * (taken as well), -EAGAIN when there is none.
 */
int udp_socket_read_icmp(int descriptor, struct stun_address *peer, struct stun_icmp *icmp);
/* Where a socket of any kind is bound, and to whom it is connected. Return 0 or -errno. */
int socket_local_address(int descriptor, struct stun_address *out);
int socket_remote_address(int descriptor, struct stun_address *out);

#endif
