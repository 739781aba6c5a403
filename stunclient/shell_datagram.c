/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/shell_datagram.h"

#include "net/socket_address.h"
#include "net/udp_socket.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

int datagram_report_errors(int descriptor, uint8_t family)
{
    int on = 1;
    int status = family == STUN_FAMILY_IPV6
                     ? setsockopt(descriptor, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on)
                     : setsockopt(descriptor, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    return status == 0 ? 0 : -errno;
}

int datagram_send(int descriptor, const struct stun_address *remote, const uint8_t *bytes,
                  size_t size)
{
    union socket_address address;
    socklen_t address_size = socket_address_write(&address, remote);
    ssize_t sent;
    do {
        sent = sendto(descriptor, bytes, size, MSG_NOSIGNAL, &address.any, address_size);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

int datagram_receive(int descriptor, struct datagram_buffer *buffer, struct stun_address *remote,
                     struct packet *packet)
{
    union socket_address address;
    socklen_t address_size = sizeof address;
    uint8_t *bytes = buffer->bytes + PACKET_HEADROOM;
    ssize_t size;
    do {
        size = recvfrom(descriptor, bytes, DATAGRAM_SIZE_MAX, 0, &address.any, &address_size);
    } while (size < 0 && errno == EINTR);
    if (size < 0) {
        return -errno;
    }
    *remote = socket_address_read(&address.any);
    *packet = (struct packet){.bytes = bytes,
                              .size = (uint32_t)size,
                              .headroom = PACKET_HEADROOM,
                              .tailroom = PACKET_TAILROOM};
    return 0;
}

static const struct sock_extended_err *find_error(struct msghdr *message)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL;
         control = CMSG_NXTHDR(message, control)) {
        if ((control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_RECVERR) ||
            (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_RECVERR)) {
            return (const struct sock_extended_err *)(const void *)CMSG_DATA(control);
        }
    }
    return NULL;
}

int datagram_drain_errors(int descriptor,
                          void (*report)(void *context, const struct stun_address *remote,
                                         int error),
                          void *context)
{
    int count = 0;
    for (;;) {
        union socket_address address;
        uint8_t bytes[64];
        _Alignas(struct cmsghdr) uint8_t control[512];
        struct iovec piece = {bytes, sizeof bytes};
        struct msghdr message = {.msg_name = &address,
                                 .msg_namelen = sizeof address,
                                 .msg_iov = &piece,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        if (recvmsg(descriptor, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
            if (errno == EINTR) {
                continue;
            }
            return count;
        }
        const struct sock_extended_err *error = find_error(&message);
        struct stun_address remote = socket_address_read(&address.any);
        count++;
        if (error != NULL && error->ee_errno != 0) {
            report(context, &remote, (int)error->ee_errno);
        }
    }
}

int datagram_source(const struct stun_address *remote, struct stun_address *out)
{
    union socket_address address;
    socklen_t size = socket_address_write(&address, remote);
    int family = remote->family == STUN_FAMILY_IPV6 ? AF_INET6 : AF_INET;
    int descriptor = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int status;
    *out = (struct stun_address){.family = remote->family};
    if (descriptor < 0) {
        return -errno;
    }
    status = connect(descriptor, &address.any, size) == 0 ? socket_local_address(descriptor, out)
                                                          : -errno;
    close(descriptor);
    return status;
}
