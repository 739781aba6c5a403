/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ports of a socket datapath. A slot never moves, since the event loop points into it; its
 * number and a generation make the `via` by which the machine knows it, so that a stale via finds
 * nothing even when the slot serves another port by now.
 */
#ifndef DATAPATH_SOCKET_SLOTS_H
#define DATAPATH_SOCKET_SLOTS_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <postern/address.h>
#include <stdbool.h>
#include <stdint.h>

#define SOCKET_SLOTS_CHUNK 64u
#define SOCKET_SLOTS_CHUNKS_MAX 16384u /* a million ports a worker */

/* What the IP header of a datagram says, as in struct outbox_entry. */
struct ip_fields {
    uint8_t hop_limit;
    uint8_t traffic_class;
};

struct socket_slot {
    struct datapath *datapath;
    struct event readable;
    struct stun_address local;
    uint32_t via;      /* 0 while the slot is free */
    uint32_t last_via; /* of a free slot: what it was */
    int descriptor;
    bool listening;
    bool wildcard;    /* local IP unspecified: packet information says where a datagram arrived */
    bool has_control; /* datagrams come with that, or with fields of their IP header */
    bool bursts;      /* several datagrams waited at a relayed port when it was last asked */
    uint8_t turns;    /* how often it was asked, modulo 256 */
    uint16_t unfragmented_port; /* where the last datagram went that must not be fragmented */
    struct ip_fields fields; /* what datagrams of a relayed port say if nothing is said of them */
    struct ip_fields last;   /* what the last one had to say */
    /* Entries of the outbox that is being sent, chained by index; -1: none. */
    int16_t first_entry, last_entry;
    struct socket_slot *next; /* in the list of free slots */
};

struct socket_slots {
    struct socket_slot **chunks;
    uint32_t chunk_count, used; /* slots below `used` have been handed out at least once */
    struct socket_slot *free_first, *free_last; /* the longest free one is taken first */
};

static inline bool ip_fields_equal(struct ip_fields a, struct ip_fields b)
{
    return a.hop_limit == b.hop_limit && a.traffic_class == b.traffic_class;
}

void socket_slots_init(struct socket_slots *slots);
/* Frees the memory; descriptors and events are the caller's. */
void socket_slots_free(struct socket_slots *slots);
/* Returns a slot with a `via` of its own and everything else zero, or NULL when memory or numbers
 * are out. */
struct socket_slot *socket_slots_take(struct socket_slots *slots);
void socket_slots_give_back(struct socket_slots *slots, struct socket_slot *slot);
/* The slot that a via names; NULL when it is gone. */
struct socket_slot *socket_slots_find(const struct socket_slots *slots, uint32_t via);
/* The slot with a number below slots->used; its via is 0 when it is free. */
struct socket_slot *socket_slots_at(const struct socket_slots *slots, uint32_t number);

#endif
