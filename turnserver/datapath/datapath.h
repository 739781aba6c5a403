/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How packets enter and leave a worker: one table of functions, several implementations.
 *
 *   socket       a kernel socket for each port, read and written in batches   (socket.c)
 *
 * Above this folder a port is known by its `via` alone, never by a descriptor. The top bit of a via
 * is never set here: it marks connections (streams.h) and DTLS associations (net/associations.h).
 */
#ifndef DATAPATH_DATAPATH_H
#define DATAPATH_DATAPATH_H

#include "base/outbox.h"

#include <postern/stun.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct datapath;
struct event_base;

#define DATAPATH_VIA_LIMIT 0x80000000u /* every via of a datapath is below */

/*
 * Whom a datapath serves. A packet that is handed up stays lent until the outbox has been sent: the
 * datapath asks for that by `flush` when it needs the memory again, and its user says so by
 * `reclaim` when the outbox was sent for another reason.
 */
struct datapath_user {
    void *context;
    /* A datagram at a listening port. */
    void (*arrived)(void *context, const struct flow *flow, struct packet *packet);
    /* A datagram from `peer` at a relayed port. */
    void (*relayed)(void *context, uint32_t via, const struct stun_address *peer,
                    struct packet *packet);
    /* Send the outbox now. */
    void (*flush)(void *context);
    /* A datagram that left a relayed port for `peer` did not get there; NULL: not wanted. */
    void (*icmp)(void *context, uint32_t via, const struct stun_address *peer,
                 const struct stun_icmp *icmp);
    bool ip_fields; /* packets say the hop limit and the traffic class that they came with */
};

struct datapath_counters {
    uint64_t received_packets;
    uint64_t receive_calls;
    uint64_t sent_packets;
    uint64_t send_calls;
    uint64_t dropped_closed;      /* to send through a port that is gone */
    uint64_t dropped_full;        /* the kernel's buffer was full: EAGAIN, ENOBUFS, ENOMEM */
    uint64_t dropped_unreachable; /* refused, no route, too big, not permitted */
    uint64_t receive_errors;
};

struct datapath_operations {
    const char *name;

    /* `user` is copied. Returns NULL when memory is out. */
    struct datapath *(*create)(struct event_base *base, const struct datapath_user *user);
    /* Closes every port. Nothing may be lent. NULL is allowed. */
    void (*destroy)(struct datapath *datapath);

    /*
     * Opens a listening port, which other workers share (SO_REUSEPORT). The IP may be unspecified:
     * then each flow says where its packet arrived, and answers leave from there. Nothing arrives
     * before `start`. Returns 0 and fills `via`, or -errno.
     */
    int (*open_listener)(struct datapath *datapath, const struct stun_address *address,
                         uint32_t *via);
    /* Opens exactly this port for one allocation. Returns 0 and fills `via`, or -errno: -EADDRINUSE
     * when someone has it, -EMFILE or -ENFILE when no descriptor is left. */
    int (*open_relayed)(struct datapath *datapath, const struct stun_address *relayed,
                        uint32_t *via);
    /*
     * How a relayed port goes from one worker's datapath to another's: release returns a handle and
     * forgets the port, whose pending entries have been sent; adopt consumes the handle in any
     * case, and returns 0 with a `via` or -errno; discard closes it. Not to be called from
     * `relayed`.
     */
    int (*release)(struct datapath *datapath, uint32_t via);
    int (*adopt)(struct datapath *datapath, const struct stun_address *relayed, int handle,
                 uint32_t *via);
    void (*discard)(int handle);
    /* The port is closed when this returns, so that whoever hears of it may open the same. What
     * stood in the outbox for it has been sent before. */
    void (*close)(struct datapath *datapath, uint32_t via);

    /* Lets listening ports receive. Returns 0 or -errno. */
    int (*start)(struct datapath *datapath);
    /* Sends; entries of one via keep their order. What cannot be sent is counted and dropped, and
     * harms neither its port nor the other entries. */
    void (*send)(struct datapath *datapath, const struct outbox_entry *entries, size_t count);
    /* Every packet that was lent has been given back. Not to be called from `arrived`, `relayed`
     * or `flush`. */
    void (*reclaim)(struct datapath *datapath);
    /* Gives memory that only huge datagrams needed back to the system. Now and then. */
    void (*trim)(struct datapath *datapath);

    const struct datapath_counters *(*counters)(const struct datapath *datapath);
};

extern const struct datapath_operations datapath_socket;

#endif
