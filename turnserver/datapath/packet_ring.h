/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory for received datagrams: slots in a ring, each with room for the largest datagram and for
 * headers around it. Slots are handed out in order and come back all at once, when the outbox that
 * borrows them has been sent. A page of a slot that no datagram reached is never touched, so it is
 * address space but not memory.
 */
#ifndef DATAPATH_PACKET_RING_H
#define DATAPATH_PACKET_RING_H

#include "base/outbox.h"
#include "net/socket_address.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define PACKET_RING_SLOTS 64
#define PACKET_SIZE_MAX 65535

/* Room for one IP_PKTINFO or IPV6_PKTINFO, hop limit and traffic class. */
#define PACKET_CONTROL_SIZE 104

struct packet_ring {
    uint8_t *memory;
    unsigned used;                              /* slots lent; the next one to use */
    bool huge_seen;                             /* since the last trim */
    struct mmsghdr messages[PACKET_RING_SLOTS]; /* message i receives into slot i */
    struct iovec vectors[PACKET_RING_SLOTS];
    union socket_address names[PACKET_RING_SLOTS];
    _Alignas(struct cmsghdr) uint8_t controls[PACKET_RING_SLOTS][PACKET_CONTROL_SIZE];
};

/* Returns false when memory is out. */
bool packet_ring_init(struct packet_ring *ring);
void packet_ring_free(struct packet_ring *ring);

/*
 * Receives up to `count` datagrams (at least 1, no more than are free) into the next slots; source
 * addresses stand in `names`, control messages in `messages`. Returns how many, or -errno.
 */
int packet_ring_receive(struct packet_ring *ring, int descriptor, unsigned count,
                        bool with_control);
/* The datagram in a slot that packet_ring_receive filled. */
struct packet packet_ring_packet(struct packet_ring *ring, unsigned slot);
/* Takes all slots back. */
void packet_ring_reset(struct packet_ring *ring);
/* Gives pages that huge datagrams touched back to the system; every slot must be free. */
void packet_ring_trim(struct packet_ring *ring);

#endif
