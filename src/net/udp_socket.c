/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/udp_socket.h"

#include "net/socket_address.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

static int set_option(int descriptor, int level, int name, int value)
{
    return setsockopt(descriptor, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

/* What must hold before the socket is bound. */
static int set_family_options(int descriptor, uint8_t family,
                              const struct udp_socket_options *options)
{
    int status = 0;
    int info = options->packet_info;

    if (family == STUN_FAMILY_IPV4) {
        int discovery = options->dont_fragment ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;
        status = set_option(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, discovery);
        if (status == 0 && options->icmp_errors) {
            status = set_option(descriptor, IPPROTO_IP, IP_RECVERR, 1);
        }
        if (status == 0 && options->ip_fields) {
            status = set_option(descriptor, IPPROTO_IP, IP_RECVTTL, 1);
            status = status != 0 ? status : set_option(descriptor, IPPROTO_IP, IP_RECVTOS, 1);
        }
        return status != 0 ? status : set_option(descriptor, IPPROTO_IP, IP_PKTINFO, info);
    }
    int discovery = options->dont_fragment ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_DONT;
    status = set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (status == 0) {
        status = set_option(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, discovery);
    }
    if (status == 0 && options->icmp_errors) {
        status = set_option(descriptor, IPPROTO_IPV6, IPV6_RECVERR, 1);
    }
    if (status == 0 && options->ip_fields) {
        status = set_option(descriptor, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
        status = status != 0 ? status : set_option(descriptor, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    }
    return status != 0 ? status : set_option(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, info);
}

int udp_socket_set_fragmentation(int descriptor, uint8_t family, bool allowed)
{
    if (family == STUN_FAMILY_IPV4) {
        return set_option(descriptor, IPPROTO_IP, IP_MTU_DISCOVER,
                          allowed ? IP_PMTUDISC_DONT : IP_PMTUDISC_DO);
    }
    return set_option(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
                      allowed ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_DO);
}

int udp_socket_set_ip_fields(int descriptor, uint8_t family, uint8_t hop_limit,
                             uint8_t traffic_class)
{
    bool ipv4 = family == STUN_FAMILY_IPV4;
    int level = ipv4 ? IPPROTO_IP : IPPROTO_IPV6;
    int status = set_option(descriptor, level, ipv4 ? IP_TTL : IPV6_UNICAST_HOPS,
                            hop_limit > 0 ? hop_limit : -1);
    return status != 0 ? status
                       : set_option(descriptor, level, ipv4 ? IP_TOS : IPV6_TCLASS, traffic_class);
}

static int set_up(int descriptor, const struct stun_address *address,
                  const struct udp_socket_options *options)
{
    union socket_address name;
    int status = set_family_options(descriptor, address->family, options);

    if (status == 0 && options->reuse_port) {
        status = set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (status != 0) {
        return status;
    }
    if (options->receive_buffer > 0) {
        (void)set_option(descriptor, SOL_SOCKET, SO_RCVBUF, options->receive_buffer);
    }
    if (options->send_buffer > 0) {
        (void)set_option(descriptor, SOL_SOCKET, SO_SNDBUF, options->send_buffer);
    }
    socklen_t size = socket_address_write(&name, address);
    return bind(descriptor, &name.any, size) < 0 ? -errno : 0;
}

int udp_socket_open(int *descriptor, const struct stun_address *address,
                    const struct udp_socket_options *options)
{
    int family = address->family == STUN_FAMILY_IPV4 ? AF_INET : AF_INET6;

    if (address->family == STUN_FAMILY_NONE) {
        return -EAFNOSUPPORT;
    }
    int opened = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (opened < 0) {
        return -errno;
    }
    int status = set_up(opened, address, options);
    if (status != 0) {
        close(opened);
        return status;
    }
    *descriptor = opened;
    return 0;
}

int socket_local_address(int descriptor, struct stun_address *out)
{
    union socket_address name = {0};
    socklen_t size = sizeof name;

    if (getsockname(descriptor, &name.any, &size) < 0) {
        return -errno;
    }
    *out = socket_address_read(&name.any);
    return 0;
}

int socket_remote_address(int descriptor, struct stun_address *out)
{
    union socket_address name = {0};
    socklen_t size = sizeof name;

    if (getpeername(descriptor, &name.any, &size) < 0) {
        return -errno;
    }
    *out = socket_address_read(&name.any);
    return 0;
}
