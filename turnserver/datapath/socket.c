/* SPDX-License-Identifier: BSD-3-Clause */
/* The datapath with a kernel socket for each port. */
#include "turnserver/datapath/datapath.h"

#include "base/address.h"
#include "net/socket_address.h"
#include "net/udp_socket.h"
#include "turnserver/datapath/packet_ring.h"
#include "turnserver/datapath/socket_batch.h"
#include "turnserver/datapath/socket_slots.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/* What one socket may bring before the others have their turn. */
#define LISTENER_BATCHES 8 /* of PACKET_RING_SLOTS datagrams */
#define RELAYED_TURN 16u
#define ICMP_TURN 8u
#define TURNS_A_PROBE 4u /* how often a relayed port is asked for a second datagram */
/* A listener serves many clients; the kernel caps this at net.core.rmem_max. */
#define LISTENER_BUFFER_SIZE (4 << 20)

struct datapath {
    struct event_base *base;
    struct datapath_user user;
    struct datapath_counters counters;
    struct socket_slots slots;
    struct packet_ring ring;
    struct socket_batch batch;
};

/* ---- life ------------------------------------------------------------------------------------ */

static void close_slot(struct datapath *datapath, struct socket_slot *slot)
{
    event_del(&slot->readable);
    close(slot->descriptor);
    socket_slots_give_back(&datapath->slots, slot);
}

static void socket_reclaim(struct datapath *datapath)
{
    packet_ring_reset(&datapath->ring);
}

static void socket_destroy(struct datapath *datapath)
{
    if (!datapath) {
        return;
    }
    for (uint32_t i = 0; i < datapath->slots.used; i++) {
        struct socket_slot *slot = socket_slots_at(&datapath->slots, i);
        if (slot->via != 0) {
            close_slot(datapath, slot);
        }
    }
    socket_slots_free(&datapath->slots);
    packet_ring_free(&datapath->ring);
    free(datapath);
}

static struct datapath *socket_create(struct event_base *base, const struct datapath_user *user)
{
    struct datapath *datapath = calloc(1, sizeof *datapath);
    if (!datapath) {
        return NULL;
    }
    datapath->base = base;
    datapath->user = *user;
    socket_slots_init(&datapath->slots);
    socket_batch_init(&datapath->batch, &datapath->counters);
    if (!packet_ring_init(&datapath->ring)) {
        free(datapath);
        return NULL;
    }
    return datapath;
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* What stands beside a datagram: where it arrived (`local` is left as it is where that is not told)
 * and what its IP header says. */
static void read_control(struct msghdr *header, struct stun_address *local, struct packet *packet)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control;
         control = CMSG_NXTHDR(header, control)) {
        bool ipv4 = control->cmsg_level == IPPROTO_IP;
        const uint8_t *data = CMSG_DATA(control);
        int number = 0;
        if (control->cmsg_len >= CMSG_LEN(sizeof number)) {
            memcpy(&number, data, sizeof number);
        }
        if (control->cmsg_type == (ipv4 ? IP_PKTINFO : IPV6_PKTINFO)) {
            memcpy(local->ip,
                   data + (ipv4 ? offsetof(struct in_pktinfo, ipi_spec_dst)
                                : offsetof(struct in6_pktinfo, ipi6_addr)),
                   ipv4 ? 4 : 16);
        } else if (control->cmsg_type == (ipv4 ? IP_TTL : IPV6_HOPLIMIT)) {
            packet->hop_limit = (uint8_t)number;
        } else if (control->cmsg_type == (ipv4 ? IP_TOS : IPV6_TCLASS)) {
            packet->traffic_class = ipv4 ? *data : (uint8_t)number;
        }
    }
}

static void hand_up(struct datapath *datapath, struct socket_slot *slot, unsigned index)
{
    struct packet packet = packet_ring_packet(&datapath->ring, index);
    struct stun_address remote = socket_address_read(&datapath->ring.names[index].any);
    struct stun_address local = slot->local;
    link_scopes_learn(&datapath->batch.scopes, &datapath->ring.names[index]);
    if (slot->has_control) {
        read_control(&datapath->ring.messages[index].msg_hdr, &local, &packet);
    }
    if (!slot->listening) {
        datapath->user.relayed(datapath->user.context, slot->via, &remote, &packet);
        return;
    }
    struct flow flow = {
        .via = slot->via, .transport = TRANSPORT_UDP, .remote = remote, .local = local};
    datapath->user.arrived(datapath->user.context, &flow, &packet);
}

/* Between two datagrams, never while one is being handed up. */
static void flush_and_reclaim(struct datapath *datapath)
{
    datapath->user.flush(datapath->user.context);
    socket_reclaim(datapath);
}

/* Slots for one turn of a socket; asks for the outbox to be sent when few are left. */
static unsigned make_room(struct datapath *datapath, unsigned turn)
{
    if (PACKET_RING_SLOTS - datapath->ring.used < RELAYED_TURN) {
        flush_and_reclaim(datapath);
    }
    unsigned room = PACKET_RING_SLOTS - datapath->ring.used;
    return room < turn ? room : turn;
}

/* Receives and hands up. Returns how many came, or -errno. */
static int read_socket(struct datapath *datapath, struct socket_slot *slot, unsigned turn)
{
    unsigned room = make_room(datapath, turn);
    unsigned first = datapath->ring.used;
    int count = packet_ring_receive(&datapath->ring, slot->descriptor, room, slot->has_control);
    datapath->counters.receive_calls++;
    if (count < 0) {
        /* A pending ICMP error, say: it was taken by this call and the socket goes on. */
        datapath->counters.receive_errors += count != -EAGAIN && count != -EINTR;
        return count;
    }
    datapath->counters.received_packets += (unsigned)count;
    uint32_t via = slot->via;
    for (unsigned i = 0; i < (unsigned)count && slot->via == via; i++) {
        hand_up(datapath, slot, first + i);
    }
    return count;
}

/*
 * While one batch is answered the next one arrives, so a listener is asked again before the loop
 * is: with little traffic a turn of the loop costs more than the call.
 */
static void on_listener_readable(evutil_socket_t descriptor, short what, void *argument)
{
    (void)descriptor;
    (void)what;
    struct socket_slot *slot = argument;
    struct datapath *datapath = slot->datapath;
    for (int i = 0; i < LISTENER_BATCHES && read_socket(datapath, slot, PACKET_RING_SLOTS) > 0;
         i++) {
        flush_and_reclaim(datapath);
    }
}

/* Without this the loop would find the socket readable again and again. */
static void read_icmp(struct datapath *datapath, struct socket_slot *slot)
{
    struct stun_address peer;
    struct stun_icmp icmp;
    uint32_t via = slot->via;
    int status = 0;
    for (unsigned i = 0; i < ICMP_TURN && status >= 0 && slot->via == via; i++) {
        status = udp_socket_read_icmp(slot->descriptor, &peer, &icmp);
        if (status > 0 && peer.port == 0) { /* of our own link IPv4 does not tell the port */
            peer.port = slot->unfragmented_port;
        }
        if (status > 0 && datapath->user.icmp) {
            datapath->user.icmp(datapath->user.context, via, &peer, &icmp);
        }
    }
}

/*
 * Most often one datagram waits at a relayed port, and the loop wakes us again where there are
 * more. To ask for another that is not there costs as much as all that is ours on its way, so that
 * is done now and then. Where there is a second, there are more: then the port is asked for several
 * at once until but one comes.
 */
static void on_relayed_readable(evutil_socket_t descriptor, short what, void *argument)
{
    (void)descriptor;
    (void)what;
    struct socket_slot *slot = argument;
    struct datapath *datapath = slot->datapath;
    uint32_t via = slot->via;
    bool bursts = slot->bursts;
    int count = read_socket(datapath, slot, bursts ? RELAYED_TURN : 1);
    if (count < 0 && slot->via == via) {
        read_icmp(datapath, slot); /* that is what it was woken for */
    } else if (bursts) {
        slot->bursts = count > 1;
    } else if (slot->via == via && slot->turns++ % TURNS_A_PROBE == 0) {
        slot->bursts = read_socket(datapath, slot, RELAYED_TURN) > 0;
    }
}

/* ---- ports ----------------------------------------------------------------------------------- */

static int open_socket(struct socket_slot *slot)
{
    const struct udp_socket_options options = {
        .reuse_port = slot->listening,
        .packet_info = slot->wildcard,
        .icmp_errors = !slot->listening,
        .ip_fields = slot->datapath->user.ip_fields,
        .receive_buffer = slot->listening ? LISTENER_BUFFER_SIZE : 0,
    };
    return udp_socket_open(&slot->descriptor, &slot->local, &options);
}

/* Lets the event loop watch a slot whose socket is open. */
static int watch_port(struct datapath *datapath, struct socket_slot *slot)
{
    if (event_assign(&slot->readable, datapath->base, slot->descriptor, EV_READ | EV_PERSIST,
                     slot->listening ? on_listener_readable : on_relayed_readable, slot) != 0) {
        return -EINVAL;
    }
    return slot->listening || event_add(&slot->readable, NULL) == 0 ? 0 : -ENOMEM;
}

/* Opens a port, or takes one over that is open: `descriptor` is negative or its socket. */
static int open_port(struct datapath *datapath, const struct stun_address *address, bool listening,
                     int descriptor, uint32_t *via)
{
    struct socket_slot *slot = socket_slots_take(&datapath->slots);
    if (!slot) {
        if (descriptor >= 0) {
            close(descriptor);
        }
        return -ENOMEM;
    }
    slot->datapath = datapath;
    slot->local = *address;
    slot->listening = listening;
    slot->wildcard = listening && address_is_unspecified(address);
    slot->has_control = slot->wildcard || datapath->user.ip_fields;
    slot->descriptor = descriptor;
    int status = descriptor >= 0 ? 0 : open_socket(slot);
    if (status == 0) {
        status = watch_port(datapath, slot);
    }
    if (status != 0) {
        if (slot->descriptor >= 0) {
            close(slot->descriptor);
        }
        socket_slots_give_back(&datapath->slots, slot);
        return status;
    }
    *via = slot->via;
    return 0;
}

static int socket_open_listener(struct datapath *datapath, const struct stun_address *address,
                                uint32_t *via)
{
    return open_port(datapath, address, true, -1, via);
}

static int socket_open_relayed(struct datapath *datapath, const struct stun_address *relayed,
                               uint32_t *via)
{
    return open_port(datapath, relayed, false, -1, via);
}

static int socket_release(struct datapath *datapath, uint32_t via)
{
    struct socket_slot *slot = socket_slots_find(&datapath->slots, via);
    if (!slot) {
        return -EBADF;
    }
    int descriptor = slot->descriptor;
    event_del(&slot->readable);
    if (!ip_fields_equal(slot->fields, (struct ip_fields){0})) {
        (void)udp_socket_set_ip_fields(descriptor, slot->local.family, 0, 0);
    }
    socket_slots_give_back(&datapath->slots, slot);
    return descriptor;
}

static int socket_adopt(struct datapath *datapath, const struct stun_address *relayed, int handle,
                        uint32_t *via)
{
    return handle < 0 ? -EBADF : open_port(datapath, relayed, false, handle, via);
}

static void socket_discard(int handle)
{
    if (handle >= 0) {
        close(handle);
    }
}

static void socket_close(struct datapath *datapath, uint32_t via)
{
    struct socket_slot *slot = socket_slots_find(&datapath->slots, via);
    if (slot) {
        close_slot(datapath, slot);
    }
}

static int socket_start(struct datapath *datapath)
{
    for (uint32_t i = 0; i < datapath->slots.used; i++) {
        struct socket_slot *slot = socket_slots_at(&datapath->slots, i);
        if (slot->via != 0 && slot->listening && event_add(&slot->readable, NULL) != 0) {
            return -ENOMEM;
        }
    }
    return 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Chains entries by port, in order; `ports` gets each port once. Returns how many ports. */
static unsigned chain_entries(struct datapath *datapath, const struct outbox_entry *entries,
                              size_t count, int16_t *next, struct socket_slot **ports)
{
    unsigned port_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct socket_slot *slot = socket_slots_find(&datapath->slots, entries[i].flow.via);
        if (!slot) {
            datapath->counters.dropped_closed++;
            continue;
        }
        next[i] = -1;
        if (slot->first_entry < 0) {
            slot->first_entry = (int16_t)i;
            ports[port_count++] = slot;
        } else {
            next[slot->last_entry] = (int16_t)i;
        }
        slot->last_entry = (int16_t)i;
    }
    return port_count;
}

/*
 * Datagrams that must not be fragmented are few, so the socket is told before each run of them and
 * again after it. Where that fails they leave like all others.
 */
static void send_run(struct datapath *datapath, const struct socket_slot *slot, bool unfragmented)
{
    if (unfragmented) {
        (void)udp_socket_set_fragmentation(slot->descriptor, slot->local.family, false);
    }
    socket_batch_send(&datapath->batch, slot->descriptor);
    if (unfragmented) {
        (void)udp_socket_set_fragmentation(slot->descriptor, slot->local.family, true);
    }
}

/*
 * The hop limit and the traffic class of a flow hardly ever change, and what a socket says by
 * itself costs nothing. So the second datagram in a row that wants the same has its relayed port
 * say so; where flows share a port and differ, each datagram brings its own. "The system's default"
 * has no number to bring. A listening port answers for the server, and keeps the defaults.
 */
static bool should_settle(struct socket_slot *slot, const struct outbox_entry *entry)
{
    struct ip_fields wanted = {entry->hop_limit, entry->traffic_class};
    bool repeated = ip_fields_equal(wanted, slot->last);
    slot->last = wanted;
    return !slot->listening && !ip_fields_equal(wanted, slot->fields) &&
           (repeated || wanted.hop_limit == 0);
}

static void settle_ip_fields(struct socket_slot *slot)
{
    if (udp_socket_set_ip_fields(slot->descriptor, slot->local.family, slot->last.hop_limit,
                                 slot->last.traffic_class) == 0) {
        slot->fields = slot->last;
    }
}

static void socket_send(struct datapath *datapath, const struct outbox_entry *entries, size_t count)
{
    int16_t next[OUTBOX_ENTRIES_MAX];
    struct socket_slot *ports[OUTBOX_ENTRIES_MAX];
    unsigned port_count = chain_entries(datapath, entries, count, next, ports);
    for (unsigned i = 0; i < port_count; i++) {
        struct socket_slot *slot = ports[i];
        bool unfragmented = entries[slot->first_entry].unfragmented;
        for (int16_t entry = slot->first_entry; entry >= 0; entry = next[entry]) {
            if (entries[entry].unfragmented != unfragmented) {
                send_run(datapath, slot, unfragmented);
                unfragmented = entries[entry].unfragmented;
            }
            if (unfragmented) {
                slot->unfragmented_port = entries[entry].flow.remote.port;
            }
            if (should_settle(slot, &entries[entry])) {
                send_run(datapath, slot, unfragmented);
                settle_ip_fields(slot);
            }
            socket_batch_add(&datapath->batch, &entries[entry], slot);
        }
        send_run(datapath, slot, unfragmented);
        slot->first_entry = slot->last_entry = -1;
    }
}

static void socket_trim(struct datapath *datapath)
{
    packet_ring_trim(&datapath->ring);
}

static const struct datapath_counters *socket_counters(const struct datapath *datapath)
{
    return &datapath->counters;
}

const struct datapath_operations datapath_socket = {
    .name = "socket",
    .create = socket_create,
    .destroy = socket_destroy,
    .open_listener = socket_open_listener,
    .open_relayed = socket_open_relayed,
    .release = socket_release,
    .adopt = socket_adopt,
    .discard = socket_discard,
    .close = socket_close,
    .start = socket_start,
    .send = socket_send,
    .reclaim = socket_reclaim,
    .trim = socket_trim,
    .counters = socket_counters,
};
