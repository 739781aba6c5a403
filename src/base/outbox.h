/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a machine wants to be sent. A machine appends entries; the shell sends them in order and
 * empties the outbox. Entries borrow their bytes until then: bytes of a packet that the shell lent
 * to the machine, or bytes from the outbox's own arena (outbox_reserve).
 *
 * An outbox never grows. When it is full it calls the shell's `flush`, which must send everything
 * and call outbox_clear; so nothing is lost and nothing is unbounded.
 */
#ifndef BASE_OUTBOX_H
#define BASE_OUTBOX_H

#include <postern/address.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum outbox_transport {
    TRANSPORT_UDP = 0,
    TRANSPORT_TCP,
    TRANSPORT_TLS,
    TRANSPORT_DTLS,
};

/*
 * The way between us and someone: which port of ours, and who is at the other end. A machine knows
 * a port by `via`, a number that the shell gave it, never by a descriptor. Two packets belong to
 * one client (one 5-tuple) when via, remote and local are equal.
 */
struct flow {
    uint32_t via;      /* the shell's handle: a listener's socket, a connection, a relayed port */
    uint8_t transport; /* enum outbox_transport */
    struct stun_address remote;
    struct stun_address local; /* where the packet arrived; a reply leaves from there */
};

struct outbox_entry {
    struct flow flow;
    const uint8_t *bytes; /* borrowed until sent */
    uint32_t size;
    bool unfragmented; /* over UDP: dropped where it does not fit, and an ICMP message says so */
    uint8_t hop_limit; /* over UDP: TTL of IPv4, hop limit of IPv6; 0: the system's */
    uint8_t traffic_class; /* over UDP: DSCP and ECN as in the IP header; 0: best effort */
};

struct outbox;
typedef void outbox_flush(struct outbox *outbox, void *context);

#define OUTBOX_ENTRIES_MAX 128
#define OUTBOX_ARENA_SIZE 65536
/* The largest reservation that always succeeds: a message without a 64 KiB attribute. */
#define OUTBOX_RESERVE_MAX 4096

struct outbox {
    struct outbox_entry entries[OUTBOX_ENTRIES_MAX];
    size_t count;
    size_t arena_used;
    outbox_flush *flush;
    void *context;
    uint8_t arena[OUTBOX_ARENA_SIZE];
};

/* `flush` is called with `context`; it must leave the outbox empty (outbox_clear). */
void outbox_init(struct outbox *outbox, outbox_flush *flush, void *context);

/* Appends an entry; `bytes` stay borrowed until the entry is sent. Flushes first when full. */
void outbox_add(struct outbox *outbox, const struct flow *flow, const uint8_t *bytes,
                uint32_t size);
/* The same for a datagram that shall get no further than `hop_limit` hops; 0: no such limit. */
void outbox_add_hops(struct outbox *outbox, const struct flow *flow, const uint8_t *bytes,
                     uint32_t size, uint8_t hop_limit);

/* Appends a copy of `entry`, whatever it says. Flushes first when full. */
void outbox_add_entry(struct outbox *outbox, const struct outbox_entry *entry);

/*
 * Returns `size` bytes (at most OUTBOX_RESERVE_MAX) of the arena for a message about to be built;
 * flushes first when the arena is full. The bytes are kept only once outbox_add has been called
 * with them: the next reservation may hand them out again otherwise.
 */
uint8_t *outbox_reserve(struct outbox *outbox, uint32_t size);

/* Forgets all entries and the arena. */
void outbox_clear(struct outbox *outbox);

/*
 * A packet that the shell lends to a machine for the length of one call and until the outbox has
 * been sent. The machine may write into the headroom and the tailroom around it: a ChannelData
 * header or a Data indication is framed in place.
 */
struct packet {
    uint8_t *bytes;
    uint32_t size;
    uint16_t headroom; /* writable bytes before `bytes` */
    uint16_t tailroom; /* writable bytes after `bytes + size` */
    /* Of the IP header that it came with, as far as the shell knows: */
    uint8_t hop_limit; /* 0: not known */
    uint8_t traffic_class;
};

/* What a datapath leaves free around a received datagram. */
#define PACKET_HEADROOM 64
#define PACKET_TAILROOM 64

#endif
