/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/shell_datagram.h"

#include "net/socket_address.h"
#include "net/udp_socket.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
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

/* A message of sendmmsg and all that it points to. */
struct outgoing {
    union socket_address address;
    struct iovec piece;
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))];
};

static void put_hop_limit(struct msghdr *message, struct outgoing *out,
                          const struct outbox_entry *entry)
{
    bool is_ipv6 = entry->flow.remote.family == STUN_FAMILY_IPV6;
    int hops = entry->hop_limit;
    if (hops == 0) {
        return;
    }
    memset(out->control, 0, sizeof out->control);
    message->msg_control = out->control;
    message->msg_controllen = sizeof out->control;
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    control->cmsg_level = is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
    control->cmsg_type = is_ipv6 ? IPV6_HOPLIMIT : IP_TTL;
    control->cmsg_len = CMSG_LEN(sizeof hops);
    memcpy(CMSG_DATA(control), &hops, sizeof hops);
}

static void put_entry(struct mmsghdr *message, struct outgoing *out,
                      const struct outbox_entry *entry)
{
    socklen_t size = socket_address_write(&out->address, &entry->flow.remote);
    union {
        const uint8_t *lent;
        void *base;
    } bytes = {.lent = entry->bytes}; /* sendmmsg only reads */
    out->piece = (struct iovec){bytes.base, entry->size};
    *message = (struct mmsghdr){.msg_hdr = {.msg_name = &out->address,
                                            .msg_namelen = size,
                                            .msg_iov = &out->piece,
                                            .msg_iovlen = 1}};
    put_hop_limit(&message->msg_hdr, out, entry);
}

static void wait_for_room(int descriptor)
{
    struct pollfd wait = {.fd = descriptor, .events = POLLOUT};
    (void)poll(&wait, 1, 2);
}

/* Sends one by one until one has failed twice: the first error may belong to an earlier datagram,
 * which the error queue tells of. Returns how many are done with, at least 1. */
static size_t send_some(int descriptor, struct mmsghdr *messages, size_t count, int *errors)
{
    for (int attempt = 0;; attempt++) {
        int sent = sendmmsg(descriptor, messages, (unsigned)count, MSG_NOSIGNAL);
        if (sent > 0) {
            for (int i = 0; i < sent; i++) {
                errors[i] = 0;
            }
            return (size_t)sent;
        }
        if (errno == EINTR) {
            continue;
        }
        if (attempt > 0) {
            errors[0] = -errno;
            return 1;
        }
        if (errno == EAGAIN) {
            wait_for_room(descriptor);
        }
    }
}

void datagram_send_entries(int descriptor, const struct outbox_entry *entries, size_t count,
                           int *errors)
{
    struct mmsghdr messages[DATAGRAM_BATCH];
    struct outgoing out[DATAGRAM_BATCH];
    while (count > 0) {
        size_t part = count < DATAGRAM_BATCH ? count : DATAGRAM_BATCH;
        for (size_t i = 0; i < part; i++) {
            put_entry(&messages[i], &out[i], &entries[i]);
        }
        size_t done = send_some(descriptor, messages, part, errors);
        entries += done;
        errors += done;
        count -= done;
    }
}

int datagram_receive_batch(int descriptor, struct datagram_batch *batch)
{
    struct mmsghdr messages[DATAGRAM_BATCH];
    union socket_address addresses[DATAGRAM_BATCH];
    struct iovec pieces[DATAGRAM_BATCH];
    int count;
    for (size_t i = 0; i < DATAGRAM_BATCH; i++) {
        pieces[i] = (struct iovec){batch->buffers[i].bytes + PACKET_HEADROOM, DATAGRAM_SIZE_MAX};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &addresses[i],
                                                   .msg_namelen = sizeof addresses[i],
                                                   .msg_iov = &pieces[i],
                                                   .msg_iovlen = 1}};
    }
    do {
        count = recvmmsg(descriptor, messages, DATAGRAM_BATCH, MSG_DONTWAIT, NULL);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return errno == EAGAIN ? 0 : -errno;
    }
    for (int i = 0; i < count; i++) {
        batch->remotes[i] = socket_address_read(&addresses[i].any);
        batch->packets[i] = (struct packet){.bytes = batch->buffers[i].bytes + PACKET_HEADROOM,
                                            .size = messages[i].msg_len,
                                            .headroom = PACKET_HEADROOM,
                                            .tailroom = PACKET_TAILROOM};
    }
    return count;
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
