/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/datapath/socket_batch.h"

#include "base/address.h"

#include <assert.h>
#include <errno.h>
#include <netinet/udp.h>

/* The kernel's UDP_MAX_SEGMENTS was 64 until Linux 6.9. */
#define SEGMENTS_MAX 64u
/* Larger datagrams may exceed the path's MTU: they are fragmented, which segmentation cannot. */
#define SEGMENT_SIZE_MAX 1400u
#define SEGMENTED_SIZE_MAX 65000u

void socket_batch_init(struct socket_batch *batch, struct datapath_counters *counters)
{
    batch->counters = counters;
    batch->segmentation = true;
    batch->message_count = batch->entry_count = 0;
}

/* ---- control messages ------------------------------------------------------------------------ */

static void put_control(struct msghdr *header, int level, int type, const void *value, size_t size)
{
    struct cmsghdr *control =
        (struct cmsghdr *)((uint8_t *)header->msg_control + header->msg_controllen);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(control), value, size);
    header->msg_controllen += CMSG_SPACE(size);
}

static void put_source(struct msghdr *header, const struct stun_address *local)
{
    if (local->family == STUN_FAMILY_IPV4) {
        struct in_pktinfo information = {0};
        memcpy(&information.ipi_spec_dst, local->ip, 4);
        put_control(header, IPPROTO_IP, IP_PKTINFO, &information, sizeof information);
    } else {
        struct in6_pktinfo information = {0};
        memcpy(&information.ipi6_addr, local->ip, 16);
        put_control(header, IPPROTO_IPV6, IPV6_PKTINFO, &information, sizeof information);
    }
}

/* Of the IP header: only what differs from what the socket says by itself. */
static void put_ip_fields(struct msghdr *header, const struct outbox_entry *entry,
                          const struct ip_fields *fields)
{
    bool ipv4 = entry->flow.remote.family == STUN_FAMILY_IPV4;
    int level = ipv4 ? IPPROTO_IP : IPPROTO_IPV6;
    int hop_limit = entry->hop_limit;
    int traffic_class = entry->traffic_class;

    if (hop_limit > 0 && hop_limit != fields->hop_limit) {
        put_control(header, level, ipv4 ? IP_TTL : IPV6_HOPLIMIT, &hop_limit, sizeof hop_limit);
    }
    if (traffic_class != fields->traffic_class) {
        put_control(header, level, ipv4 ? IP_TOS : IPV6_TCLASS, &traffic_class,
                    sizeof traffic_class);
    }
}

_Static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int)) +
                       CMSG_SPACE(sizeof(uint16_t)) <=
                   SOCKET_BATCH_CONTROL_SIZE,
               "all control messages fit");

/* ---- filling --------------------------------------------------------------------------------- */

/* Whether the datagram may travel as one more segment of the newest message. */
static bool can_join(const struct socket_batch *batch, const struct outbox_entry *previous,
                     const struct outbox_entry *entry)
{
    if (!batch->segmentation || !previous) {
        return false;
    }
    const struct msghdr *header = &batch->messages[batch->message_count - 1].msg_hdr;
    size_t segment = header->msg_iov[0].iov_len;
    size_t last = header->msg_iov[header->msg_iovlen - 1].iov_len;
    return entry->size <= segment && entry->size > 0 && segment <= SEGMENT_SIZE_MAX &&
           last == segment && header->msg_iovlen < SEGMENTS_MAX &&
           segment * (header->msg_iovlen + 1) <= SEGMENTED_SIZE_MAX &&
           address_equal(&previous->flow.remote, &entry->flow.remote) &&
           previous->hop_limit == entry->hop_limit &&
           previous->traffic_class == entry->traffic_class &&
           address_equal(&previous->flow.local, &entry->flow.local);
}

void socket_batch_add(struct socket_batch *batch, const struct outbox_entry *entry,
                      const struct socket_slot *slot)
{
    unsigned index = batch->entry_count++;
    assert(index < OUTBOX_ENTRIES_MAX);
    batch->vectors[index] = (struct iovec){(void *)entry->bytes, entry->size};
    if (can_join(batch, batch->previous, entry)) {
        batch->messages[batch->message_count - 1].msg_hdr.msg_iovlen++;
        return;
    }
    batch->previous = entry;
    unsigned number = batch->message_count++;
    struct msghdr *header = &batch->messages[number].msg_hdr;
    *header = (struct msghdr){
        .msg_name = &batch->names[number],
        .msg_namelen = socket_address_write(&batch->names[number], &entry->flow.remote),
        .msg_iov = &batch->vectors[index],
        .msg_iovlen = 1,
        .msg_control = batch->controls[number],
    };
    link_scopes_apply(&batch->scopes, &batch->names[number]);
    if (slot->wildcard) {
        put_source(header, &entry->flow.local);
    }
    put_ip_fields(header, entry, &slot->fields);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* The kernel has no room now; to try again at once would be in vain. */
static bool is_full(int error)
{
    return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

static void count_failure(struct datapath_counters *counters, int error)
{
    if (is_full(error)) {
        counters->dropped_full++;
    } else {
        counters->dropped_unreachable++;
    }
}

/* An ICMP error of an earlier datagram is told to the next call: that call's datagram did not go.
 */
static bool may_be_earlier_error(int error)
{
    return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
           error == EHOSTDOWN || error == ENOPROTOOPT || error == EINTR;
}

/* A message of one datagram. Without control messages sendto has less to copy than sendmsg. */
static ssize_t send_single(int descriptor, const struct msghdr *header)
{
    if (header->msg_controllen > 0) {
        return sendmsg(descriptor, header, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return sendto(descriptor, header->msg_iov->iov_base, header->msg_iov->iov_len,
                  MSG_DONTWAIT | MSG_NOSIGNAL, header->msg_name, header->msg_namelen);
}

static void send_one(struct socket_batch *batch, int descriptor, const struct msghdr *header)
{
    int error = 0;
    for (int attempt = 0; attempt < 2; attempt++) {
        batch->counters->send_calls++;
        if (send_single(descriptor, header) >= 0) {
            batch->counters->sent_packets++;
            return;
        }
        error = errno;
        if (!may_be_earlier_error(error)) {
            break;
        }
    }
    count_failure(batch->counters, error);
}

static size_t without_segment_size(const struct msghdr *header)
{
    return header->msg_controllen - CMSG_SPACE(sizeof(uint16_t));
}

/* A message that was not taken: sends its datagrams one by one, so that one of them cannot harm the
 * others. */
static void send_apart(struct socket_batch *batch, int descriptor, const struct msghdr *header)
{
    struct msghdr single = *header;
    single.msg_iovlen = 1;
    if (header->msg_iovlen > 1) {
        single.msg_controllen = without_segment_size(header);
    }
    for (size_t i = 0; i < header->msg_iovlen; i++) {
        single.msg_iov = &header->msg_iov[i];
        send_one(batch, descriptor, &single);
    }
}

/* These say that the kernel or the device cannot segment at all, not that one datagram is bad. */
static bool segmentation_is_absent(int error)
{
    return error == EIO || error == ENOPROTOOPT || error == EOPNOTSUPP;
}

static void put_segment_sizes(struct socket_batch *batch)
{
    for (unsigned i = 0; i < batch->message_count; i++) {
        struct msghdr *header = &batch->messages[i].msg_hdr;
        if (header->msg_iovlen > 1) {
            uint16_t size = (uint16_t)header->msg_iov[0].iov_len;
            put_control(header, SOL_UDP, UDP_SEGMENT, &size, sizeof size);
        }
        if (header->msg_controllen == 0) {
            header->msg_control = NULL;
        }
    }
}

/* Sends the messages from `first` on. Returns how many of them are done with, at least 1. */
static unsigned send_some(struct socket_batch *batch, int descriptor, unsigned first)
{
    struct mmsghdr *messages = batch->messages + first;
    int sent =
        sendmmsg(descriptor, messages, batch->message_count - first, MSG_DONTWAIT | MSG_NOSIGNAL);
    batch->counters->send_calls++;
    for (int i = 0; i < sent; i++) {
        batch->counters->sent_packets += messages[i].msg_hdr.msg_iovlen;
    }
    if (sent > 0) {
        return (unsigned)sent;
    }
    if (is_full(errno)) {
        batch->counters->dropped_full += messages[0].msg_hdr.msg_iovlen;
    } else {
        batch->segmentation = batch->segmentation && !segmentation_is_absent(errno);
        send_apart(batch, descriptor, &messages[0].msg_hdr);
    }
    return 1;
}

void socket_batch_send(struct socket_batch *batch, int descriptor)
{
    put_segment_sizes(batch);
    if (batch->entry_count == 1) {
        send_one(batch, descriptor, &batch->messages[0].msg_hdr);
    } else {
        for (unsigned done = 0; done < batch->message_count;) {
            done += send_some(batch, descriptor, done);
        }
    }
    batch->message_count = batch->entry_count = 0;
    batch->previous = NULL;
}
