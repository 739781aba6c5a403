/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/shell_datagram.h"

#include "base/address.h"
#include "net/socket_address.h"
#include "net/udp_socket.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>
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

/* ---- sending in batches ----------------------------------------------------------------------
 * Neighbours of one size to one destination travel as one message that the kernel cuts (UDP
 * segmentation offload): a data channel sends many. */

#define SEND_BATCH 48
/* Larger datagrams may exceed the path's MTU: they are fragmented, which segmentation cannot. */
#define SEGMENT_SIZE_MAX 1400

/* A message of sendmmsg and what it points to. */
struct outgoing {
    union socket_address address;
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))];
};

struct sending {
    const struct outbox_entry *entries;
    size_t entry_count;
    struct mmsghdr messages[SEND_BATCH];
    size_t message_count;
    struct outgoing out[SEND_BATCH];
    struct iovec pieces[SEND_BATCH]; /* one an entry */
};

static void put_control(struct msghdr *message, struct outgoing *out, int level, int type,
                        const void *value, size_t size)
{
    memset(out->control, 0, sizeof out->control);
    message->msg_control = out->control;
    message->msg_controllen = CMSG_SPACE(size);
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(control), value, size);
}

static void put_hop_limit(struct msghdr *message, struct outgoing *out,
                          const struct outbox_entry *entry)
{
    bool is_ipv6 = entry->flow.remote.family == STUN_FAMILY_IPV6;
    int hops = entry->hop_limit;
    if (hops > 0) {
        put_control(message, out, is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
                    is_ipv6 ? IPV6_HOPLIMIT : IP_TTL, &hops, sizeof hops);
    }
}

/* Whether the entry may be one more segment of the newest message, whose first is `first`. */
static bool can_join(const struct msghdr *message, const struct outbox_entry *first,
                     const struct outbox_entry *entry)
{
    const struct iovec *last = &message->msg_iov[message->msg_iovlen - 1];
    return entry->size > 0 && entry->size <= first->size && last->iov_len == first->size &&
           first->size <= SEGMENT_SIZE_MAX && entry->hop_limit == 0 && first->hop_limit == 0 &&
           address_equal(&first->flow.remote, &entry->flow.remote);
}

static void put_entry(struct sending *sending, const struct outbox_entry *entry)
{
    struct outgoing *out = &sending->out[sending->message_count];
    struct mmsghdr *message = &sending->messages[sending->message_count++];
    *message = (struct mmsghdr){
        .msg_hdr = {.msg_name = &out->address,
                    .msg_namelen = socket_address_write(&out->address, &entry->flow.remote),
                    .msg_iov = &sending->pieces[entry - sending->entries],
                    .msg_iovlen = 1}};
    put_hop_limit(&message->msg_hdr, out, entry);
}

static void put_entries(struct sending *sending, const struct outbox_entry *entries, size_t count)
{
    const struct outbox_entry *first = NULL;
    sending->entries = entries;
    sending->entry_count = count < SEND_BATCH ? count : SEND_BATCH;
    sending->message_count = 0;
    for (size_t i = 0; i < sending->entry_count; i++) {
        union {
            const uint8_t *lent;
            void *base;
        } bytes = {.lent = entries[i].bytes}; /* sendmmsg only reads */
        struct msghdr *newest =
            first != NULL ? &sending->messages[sending->message_count - 1].msg_hdr : NULL;
        sending->pieces[i] = (struct iovec){bytes.base, entries[i].size};
        if (newest != NULL && can_join(newest, first, &entries[i])) {
            newest->msg_iovlen++;
        } else {
            first = &entries[i];
            put_entry(sending, first);
        }
    }
    for (size_t i = 0; i < sending->message_count; i++) {
        struct msghdr *message = &sending->messages[i].msg_hdr;
        uint16_t size = (uint16_t)message->msg_iov->iov_len;
        if (message->msg_iovlen > 1) {
            put_control(message, &sending->out[i], SOL_UDP, UDP_SEGMENT, &size, sizeof size);
        }
    }
}

static void wait_for_room(int descriptor)
{
    struct pollfd wait = {.fd = descriptor, .events = POLLOUT};
    (void)poll(&wait, 1, 2);
}

/* Twice when it must be: the first error may belong to an earlier datagram, which the error queue
 * tells of. */
static int send_message(int descriptor, const struct msghdr *message)
{
    for (int attempt = 0;; attempt++) {
        if (sendmsg(descriptor, message, MSG_NOSIGNAL) >= 0) {
            return 0;
        }
        if (errno == EINTR) {
            continue;
        }
        if (attempt > 0) {
            return -errno;
        }
        if (errno == EAGAIN) {
            wait_for_room(descriptor);
        }
    }
}

/* A message that was not taken: its datagrams one by one, so that none of them harms the others. */
static void send_apart(int descriptor, const struct msghdr *message, int *errors)
{
    struct msghdr single = *message;
    single.msg_iovlen = 1;
    if (message->msg_iovlen > 1) {
        single.msg_control = NULL;
        single.msg_controllen = 0;
    }
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        single.msg_iov = &message->msg_iov[i];
        errors[i] = send_message(descriptor, &single);
    }
}

static void send_all(struct sending *sending, int descriptor, int *errors)
{
    for (size_t done = 0; done < sending->message_count;) {
        int sent = sendmmsg(descriptor, sending->messages + done,
                            (unsigned)(sending->message_count - done), MSG_NOSIGNAL);
        if (sent <= 0) {
            if (errno == EAGAIN) {
                wait_for_room(descriptor);
            }
            const struct msghdr *message = &sending->messages[done++].msg_hdr;
            send_apart(descriptor, message, errors + (message->msg_iov - sending->pieces));
        }
        done += sent > 0 ? (size_t)sent : 0;
    }
}

void datagram_send_entries(int descriptor, const struct outbox_entry *entries, size_t count,
                           int *errors)
{
    struct sending sending;
    memset(errors, 0, count * sizeof *errors);
    while (count > 0) {
        put_entries(&sending, entries, count);
        send_all(&sending, descriptor, errors);
        entries += sending.entry_count;
        errors += sending.entry_count;
        count -= sending.entry_count;
    }
}

/* ---- receiving ------------------------------------------------------------------------------- */

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
