/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP errors, out of the error queue of a socket (ip(7), IP_RECVERR). */
#include "net/socket_address.h"
#include "net/udp_socket.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#define CONTROL_SIZE 512

/* What a router would have said where our own link is too small. */
static struct stun_icmp too_big(const struct stun_address *peer, uint32_t mtu)
{
    if (peer->family == STUN_FAMILY_IPV4) {
        return (struct stun_icmp){ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu};
    }
    return (struct stun_icmp){ICMP6_PACKET_TOO_BIG, 0, mtu};
}

static bool carries_mtu(const struct sock_extended_err *error)
{
    return error->ee_origin == SO_EE_ORIGIN_ICMP6
               ? error->ee_type == ICMP6_PACKET_TOO_BIG
               : error->ee_type == ICMP_DEST_UNREACH && error->ee_code == ICMP_FRAG_NEEDED;
}

static bool translate(const struct sock_extended_err *error, const struct stun_address *peer,
                      struct stun_icmp *icmp)
{
    switch (error->ee_origin) {
    case SO_EE_ORIGIN_LOCAL:
        *icmp = too_big(peer, error->ee_info);
        return error->ee_errno == EMSGSIZE;
    case SO_EE_ORIGIN_ICMP:
    case SO_EE_ORIGIN_ICMP6:
        *icmp = (struct stun_icmp){error->ee_type, error->ee_code,
                                   carries_mtu(error) ? error->ee_info : 0};
        return true;
    default:
        return false;
    }
}

int udp_socket_read_icmp(int descriptor, struct stun_address *peer, struct stun_icmp *icmp)
{
    union socket_address name = {0};
    uint8_t payload[64]; /* the datagram itself, of which nothing is wanted */
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
    struct iovec vector = {payload, sizeof payload};
    struct msghdr header = {
        .msg_name = &name,
        .msg_namelen = sizeof name,
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof control,
    };

    if (recvmsg(descriptor, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
        return -errno;
    }
    *peer = socket_address_read(&name.any);
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&header); item; item = CMSG_NXTHDR(&header, item)) {
        if ((item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_RECVERR) ||
            (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_RECVERR)) {
            struct sock_extended_err error;
            memcpy(&error, CMSG_DATA(item), sizeof error);
            return peer->family != STUN_FAMILY_NONE && translate(&error, peer, icmp);
        }
    }
    return 0;
}
