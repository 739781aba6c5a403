/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that leave through one socket in as few system calls as can be: sendmmsg, and within it
 * UDP segmentation offload (UDP_SEGMENT) for neighbours of one size to one destination.
 */
#ifndef DATAPATH_SOCKET_BATCH_H
#define DATAPATH_SOCKET_BATCH_H

#include "net/socket_address.h"
#include "turnserver/datapath/datapath.h"
#include "turnserver/datapath/link_scopes.h"
#include "turnserver/datapath/socket_slots.h"

#define SOCKET_BATCH_CONTROL_SIZE 136 /* packet information, IP fields and a segment size */

struct socket_batch {
    struct datapath_counters *counters;
    bool segmentation; /* the kernel takes UDP_SEGMENT */
    struct link_scopes scopes;
    unsigned message_count, entry_count;
    const struct outbox_entry *previous; /* the newest message's first datagram */
    struct mmsghdr messages[OUTBOX_ENTRIES_MAX];
    struct iovec vectors[OUTBOX_ENTRIES_MAX];
    union socket_address names[OUTBOX_ENTRIES_MAX];
    _Alignas(struct cmsghdr) uint8_t controls[OUTBOX_ENTRIES_MAX][SOCKET_BATCH_CONTROL_SIZE];
};

void socket_batch_init(struct socket_batch *batch, struct datapath_counters *counters);
/* Appends a datagram that leaves through the slot's socket; at most OUTBOX_ENTRIES_MAX between two
 * calls of send. Where the slot is a wildcard it leaves from flow.local's IP. */
void socket_batch_add(struct socket_batch *batch, const struct outbox_entry *entry,
                      const struct socket_slot *slot);
/* Sends everything through the socket and empties the batch. A datagram that cannot be sent is
 * counted and left out. */
void socket_batch_send(struct socket_batch *batch, int descriptor);

#endif
