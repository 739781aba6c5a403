/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/datapath/packet_ring.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

/* Not a multiple of the page size: neighbours then begin in different sets of the cache. */
#define SLOT_SIZE (((PACKET_HEADROOM + PACKET_SIZE_MAX + PACKET_TAILROOM + 63) / 64) * 64 + 128)
#define RING_SIZE ((size_t)SLOT_SIZE * PACKET_RING_SLOTS)
/* Datagrams up to this size leave no page behind that a small one would not touch soon. */
#define HUGE_SIZE 4096

static uint8_t *slot_bytes(struct packet_ring *ring, unsigned slot)
{
    return ring->memory + (size_t)SLOT_SIZE * slot + PACKET_HEADROOM;
}

bool packet_ring_init(struct packet_ring *ring)
{
    void *memory =
        mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *ring = (struct packet_ring){.memory = memory == MAP_FAILED ? NULL : memory};
    if (!ring->memory) {
        return false;
    }
    /* Transparent huge pages would make all of it resident at the first datagram. */
    (void)madvise(memory, RING_SIZE, MADV_NOHUGEPAGE);
    for (unsigned i = 0; i < PACKET_RING_SLOTS; i++) {
        ring->vectors[i] = (struct iovec){slot_bytes(ring, i), PACKET_SIZE_MAX};
        struct msghdr *header = &ring->messages[i].msg_hdr;
        header->msg_name = &ring->names[i];
        header->msg_iov = &ring->vectors[i];
        header->msg_iovlen = 1;
    }
    return true;
}

void packet_ring_free(struct packet_ring *ring)
{
    if (ring->memory) {
        munmap(ring->memory, RING_SIZE);
        ring->memory = NULL;
    }
}

/* The message of a slot, ready to receive. */
static struct msghdr *open_message(struct packet_ring *ring, unsigned slot, bool with_control)
{
    struct msghdr *header = &ring->messages[slot].msg_hdr;
    header->msg_namelen = sizeof(struct sockaddr_in6);
    header->msg_control = with_control ? ring->controls[slot] : NULL;
    header->msg_controllen = with_control ? PACKET_CONTROL_SIZE : 0;
    return header;
}

/* One datagram: recvmsg has less to copy than recvmmsg, and recvfrom less than that. */
static int receive_single(struct packet_ring *ring, int descriptor, bool with_control)
{
    unsigned slot = ring->used;
    socklen_t name_size = sizeof(struct sockaddr_in6);
    ssize_t size = with_control ? recvmsg(descriptor, open_message(ring, slot, true), MSG_DONTWAIT)
                                : recvfrom(descriptor, slot_bytes(ring, slot), PACKET_SIZE_MAX,
                                           MSG_DONTWAIT, &ring->names[slot].any, &name_size);
    if (size < 0) {
        return -errno;
    }
    ring->messages[slot].msg_len = (unsigned)size;
    ring->used++;
    return 1;
}

int packet_ring_receive(struct packet_ring *ring, int descriptor, unsigned count, bool with_control)
{
    assert(count >= 1 && ring->used + count <= PACKET_RING_SLOTS);
    if (count == 1) {
        return receive_single(ring, descriptor, with_control);
    }
    for (unsigned i = 0; i < count; i++) {
        open_message(ring, ring->used + i, with_control);
    }
    int received = recvmmsg(descriptor, ring->messages + ring->used, count, MSG_DONTWAIT, NULL);
    if (received < 0) {
        return -errno;
    }
    ring->used += (unsigned)received;
    return received;
}

struct packet packet_ring_packet(struct packet_ring *ring, unsigned slot)
{
    uint32_t size = ring->messages[slot].msg_len;
    if (size > HUGE_SIZE) {
        ring->huge_seen = true;
    }
    return (struct packet){
        .bytes = slot_bytes(ring, slot),
        .size = size,
        .headroom = PACKET_HEADROOM,
        .tailroom = PACKET_TAILROOM,
    };
}

void packet_ring_reset(struct packet_ring *ring)
{
    ring->used = 0;
}

void packet_ring_trim(struct packet_ring *ring)
{
    if (ring->huge_seen && ring->used == 0) {
        (void)madvise(ring->memory, RING_SIZE, MADV_DONTNEED);
        ring->huge_seen = false;
    }
}
