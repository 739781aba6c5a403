/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket datapath over loopback: an echo server and relayed ports in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "net/socket_address.h"
#include "turnserver/datapath/datapath.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRIVALS_MAX 512

struct arrival {
    uint32_t via;
    struct stun_address remote, local;
    uint32_t size;
    uint8_t first_byte;
    uint8_t hop_limit, traffic_class;
};

/* The user of the datapath: notes what arrives and, if told so, echoes it. */
struct rig {
    struct event_base *base;
    struct datapath *datapath;
    struct outbox outbox;
    struct arrival arrivals[ARRIVALS_MAX];
    unsigned count;
    bool echo;
    uint32_t close_at_arrival; /* a via, or 0 */
    unsigned icmp_count;
    uint32_t icmp_via;
    struct stun_address icmp_peer;
    struct stun_icmp icmp;
};

static const struct datapath_operations *const operations = &datapath_socket;

static void send_outbox(struct outbox *outbox, void *context)
{
    struct rig *rig = context;
    operations->send(rig->datapath, outbox->entries, outbox->count);
    outbox_clear(outbox);
}

static void on_flush(void *context)
{
    struct rig *rig = context;
    send_outbox(&rig->outbox, rig);
}

static void note(struct rig *rig, const struct flow *flow, const struct packet *packet)
{
    assert_true(rig->count < ARRIVALS_MAX);
    assert_true(packet->headroom >= PACKET_HEADROOM && packet->tailroom >= PACKET_TAILROOM);
    rig->arrivals[rig->count++] = (struct arrival){flow->via,
                                                   flow->remote,
                                                   flow->local,
                                                   packet->size,
                                                   packet->size > 0 ? packet->bytes[0] : 0,
                                                   packet->hop_limit,
                                                   packet->traffic_class};
    if (rig->echo) {
        outbox_add(&rig->outbox, flow, packet->bytes, packet->size);
    }
    if (rig->close_at_arrival) {
        operations->close(rig->datapath, rig->close_at_arrival);
    }
}

static void on_arrived(void *context, const struct flow *flow, struct packet *packet)
{
    note(context, flow, packet);
}

static void on_relayed(void *context, uint32_t via, const struct stun_address *peer,
                       struct packet *packet)
{
    note(context, &(struct flow){.via = via, .remote = *peer}, packet);
}

static void on_icmp(void *context, uint32_t via, const struct stun_address *peer,
                    const struct stun_icmp *icmp)
{
    struct rig *rig = context;
    rig->icmp_count++;
    rig->icmp_via = via;
    rig->icmp_peer = *peer;
    rig->icmp = *icmp;
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    rig->base = event_base_new();
    outbox_init(&rig->outbox, send_outbox, rig);
    struct datapath_user user = {rig, on_arrived, on_relayed, on_flush, on_icmp, true};
    rig->datapath = operations->create(rig->base, &user);
    *state = rig;
    return rig->datapath ? 0 : -1;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    operations->destroy(rig->datapath);
    event_base_free(rig->base);
    free(rig);
    return 0;
}

/* Runs the loop until so many packets have arrived, or nothing comes for two seconds. */
static void run_until(struct rig *rig, unsigned count)
{
    struct timeval patience = {2, 0};
    while (rig->count < count) {
        unsigned before = rig->count;
        event_base_loopexit(rig->base, &patience);
        event_base_loop(rig->base, EVLOOP_ONCE);
        on_flush(rig);
        operations->reclaim(rig->datapath);
        if (rig->count == before) {
            break;
        }
    }
    assert_int_equal(rig->count, count);
}

/* ---- the other end --------------------------------------------------------------------------- */

static struct stun_address address_of(const char *ip, uint16_t port)
{
    struct stun_address address;
    assert_true(address_parse_ip(&address, ip));
    address.port = port;
    return address;
}

static int bound_socket(const char *ip, struct stun_address *address)
{
    struct stun_address any = address_of(ip, 0);
    union socket_address name;
    socklen_t size = socket_address_write(&name, &any);
    int descriptor = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(descriptor >= 0);
    int buffer = 4 << 20;
    (void)setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    assert_int_equal(bind(descriptor, &name.any, size), 0);
    size = sizeof name;
    assert_int_equal(getsockname(descriptor, &name.any, &size), 0);
    *address = socket_address_read(&name.any);
    return descriptor;
}

static uint16_t free_port(const char *ip)
{
    struct stun_address address;
    close(bound_socket(ip, &address));
    return address.port;
}

static void send_from(int descriptor, const struct stun_address *to, const void *bytes, size_t size)
{
    union socket_address name;
    socklen_t name_size = socket_address_write(&name, to);
    assert_int_equal(sendto(descriptor, bytes, size, 0, &name.any, name_size), (ssize_t)size);
}

/* Receives one datagram; its size, or -1 when nothing comes. */
static ssize_t receive_at(int descriptor, void *bytes, size_t size, struct stun_address *from)
{
    struct pollfd wanted = {.fd = descriptor, .events = POLLIN};
    if (poll(&wanted, 1, 20000) != 1) {
        return -1;
    }
    union socket_address name = {0};
    socklen_t name_size = sizeof name;
    ssize_t received = recvfrom(descriptor, bytes, size, 0, &name.any, &name_size);
    *from = socket_address_read(&name.any);
    return received;
}

static void assert_silent(int descriptor)
{
    uint8_t byte;
    assert_int_equal(recv(descriptor, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void echo_through(struct rig *rig, const char *listen_ip, const char *to_ip)
{
    struct stun_address client, from;
    int descriptor = bound_socket(to_ip, &client);
    struct stun_address listener = address_of(listen_ip, free_port(to_ip));
    struct stun_address to = address_of(to_ip, listener.port);
    uint32_t via = 0;
    assert_int_equal(operations->open_listener(rig->datapath, &listener, &via), 0);
    assert_int_equal(operations->start(rig->datapath), 0);
    rig->echo = true;
    send_from(descriptor, &to, "abc", 3);
    run_until(rig, 1);
    assert_int_equal(rig->arrivals[0].via, via);
    assert_true(address_equal(&rig->arrivals[0].remote, &client));
    assert_true(address_equal(&rig->arrivals[0].local, &to));
    char bytes[8];
    assert_int_equal(receive_at(descriptor, bytes, sizeof bytes, &from), 3);
    assert_true(address_equal(&from, &to));
    close(descriptor);
}

static void test_echoes_ipv4(void **state)
{
    echo_through(*state, "127.0.0.1", "127.0.0.1");
}

static void test_echoes_ipv6(void **state)
{
    echo_through(*state, "::1", "::1");
}

static void test_wildcard_answers_from_where_it_was_asked(void **state)
{
    echo_through(*state, "0.0.0.0", "127.0.0.2");
}

static void test_wildcard_ipv6(void **state)
{
    echo_through(*state, "::", "::1");
}

static void test_largest_datagram(void **state)
{
    struct rig *rig = *state;
    static uint8_t bytes[65507], answer[65535];
    struct stun_address client, from;
    int descriptor = bound_socket("127.0.0.1", &client);
    struct stun_address listener = address_of("127.0.0.1", free_port("127.0.0.1"));
    uint32_t via;
    assert_int_equal(operations->open_listener(rig->datapath, &listener, &via), 0);
    assert_int_equal(operations->start(rig->datapath), 0);
    rig->echo = true;
    bytes[0] = 7;
    bytes[sizeof bytes - 1] = 9;
    send_from(descriptor, &listener, bytes, sizeof bytes);
    run_until(rig, 1);
    operations->trim(rig->datapath);
    assert_int_equal(receive_at(descriptor, answer, sizeof answer, &from), sizeof bytes);
    assert_memory_equal(bytes, answer, sizeof bytes);
    send_from(descriptor, &listener, bytes, 3); /* the memory is still good */
    run_until(rig, 2);
    assert_int_equal(receive_at(descriptor, answer, sizeof answer, &from), 3);
    close(descriptor);
}

static uint32_t open_relayed(struct rig *rig, struct stun_address *relayed)
{
    *relayed = address_of("127.0.0.1", free_port("127.0.0.1"));
    uint32_t via = 0;
    assert_int_equal(operations->open_relayed(rig->datapath, relayed, &via), 0);
    return via;
}

static struct outbox_entry entry_for(uint32_t via, const struct stun_address *to, const char *bytes,
                                     size_t size)
{
    return (struct outbox_entry){.flow = {.via = via, .remote = *to},
                                 .bytes = (const uint8_t *)bytes,
                                 .size = (uint32_t)size};
}

static void test_relayed_port_is_taken_once(void **state)
{
    struct rig *rig = *state;
    struct stun_address relayed;
    uint32_t first = open_relayed(rig, &relayed);
    uint32_t second = 0;
    assert_int_equal(operations->open_relayed(rig->datapath, &relayed, &second), -EADDRINUSE);
    operations->close(rig->datapath, first);
    assert_int_equal(operations->open_relayed(rig->datapath, &relayed, &second), 0);
    assert_int_not_equal(first, second);
}

/* More datagrams than a batch of the kernel takes, to two destinations, in runs of one size. */
static void test_sends_runs_in_order(void **state)
{
    struct rig *rig = *state;
    struct stun_address relayed, first, second, from;
    uint32_t via = open_relayed(rig, &relayed);
    int sockets[2] = {bound_socket("127.0.0.1", &first), bound_socket("127.0.0.1", &second)};
    struct outbox_entry entries[OUTBOX_ENTRIES_MAX];
    char bytes[OUTBOX_ENTRIES_MAX][40];
    for (int i = 0; i < OUTBOX_ENTRIES_MAX; i++) {
        memset(bytes[i], i, sizeof bytes[i]);
        size_t size = i % 10 == 9 ? 20 : 40; /* a shorter one ends a run */
        entries[i] = entry_for(via, i < 100 ? &first : &second, bytes[i], size);
    }
    operations->send(rig->datapath, entries, OUTBOX_ENTRIES_MAX);
    for (int i = 0; i < OUTBOX_ENTRIES_MAX; i++) {
        char received[64];
        ssize_t size = receive_at(sockets[i < 100 ? 0 : 1], received, sizeof received, &from);
        assert_int_equal(size, i % 10 == 9 ? 20 : 40);
        assert_memory_equal(received, bytes[i], (size_t)size);
        assert_true(address_equal(&from, &relayed));
    }
    assert_int_equal(operations->counters(rig->datapath)->sent_packets, OUTBOX_ENTRIES_MAX);
    assert_true(operations->counters(rig->datapath)->send_calls < 5);
    close(sockets[0]);
    close(sockets[1]);
}

/* Reads one datagram's hop limit and traffic class at a socket that was told to say them. */
static void read_fields(int descriptor, bool ipv4, int *hop_limit, int *traffic_class)
{
    _Alignas(struct cmsghdr) uint8_t control[128];
    char byte;
    struct iovec vector = {&byte, 1};
    struct msghdr header = {.msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control};
    assert_int_equal(recvmsg(descriptor, &header, 0), 1);
    for (struct cmsghdr *one = CMSG_FIRSTHDR(&header); one; one = CMSG_NXTHDR(&header, one)) {
        if (one->cmsg_type == (ipv4 ? IP_TTL : IPV6_HOPLIMIT)) {
            memcpy(hop_limit, CMSG_DATA(one), sizeof *hop_limit);
        } else if (ipv4) {
            *traffic_class = *CMSG_DATA(one);
        } else {
            memcpy(traffic_class, CMSG_DATA(one), sizeof *traffic_class);
        }
    }
}

static void set_number(int descriptor, int level, int name, int value)
{
    assert_int_equal(setsockopt(descriptor, level, name, &value, sizeof value), 0);
}

/* In rows of equals, alternating, and back to the system's own (hop limit 0). */
static const struct {
    uint8_t hop_limit, traffic_class;
} fields_sent[] = {{33, 0}, {33, 0},    {33, 0},    {0, 0},  {0, 0x28}, {44, 0x28},
                   {33, 0}, {44, 0x28}, {44, 0x28}, {44, 0}, {44, 3},   {33, 0},
                   {33, 0}, {0, 0},     {0, 0},     {255, 0}};
#define FIELDS_SENT (sizeof fields_sent / sizeof fields_sent[0])

static void send_with_fields(struct rig *rig, uint32_t via, const struct stun_address *peer,
                             bool alone)
{
    struct outbox_entry entries[FIELDS_SENT];
    for (unsigned i = 0; i < FIELDS_SENT; i++) {
        entries[i] = entry_for(via, peer, "y", 1);
        entries[i].hop_limit = fields_sent[i].hop_limit;
        entries[i].traffic_class = fields_sent[i].traffic_class;
        if (alone) {
            operations->send(rig->datapath, &entries[i], 1);
        }
    }
    if (!alone) {
        operations->send(rig->datapath, entries, FIELDS_SENT);
    }
}

static void expect_fields(int descriptor, bool ipv4)
{
    for (unsigned i = 0; i < FIELDS_SENT; i++) {
        int hop_limit = 0, traffic_class = -1;
        int expected = fields_sent[i].hop_limit;
        read_fields(descriptor, ipv4, &hop_limit, &traffic_class);
        assert_int_equal(hop_limit, expected > 0 ? expected : 64);
        assert_int_equal(traffic_class, fields_sent[i].traffic_class);
    }
}

static void test_ip_fields_come_and_go(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    struct rig *rig = *state;
    for (unsigned i = 0; i < 2; i++) {
        bool ipv4 = i == 0;
        int level = ipv4 ? IPPROTO_IP : IPPROTO_IPV6;
        struct stun_address relayed = address_of(hosts[i], free_port(hosts[i])), peer;
        int descriptor = bound_socket(hosts[i], &peer);
        uint32_t via;
        assert_int_equal(operations->open_relayed(rig->datapath, &relayed, &via), 0);
        set_number(descriptor, level, ipv4 ? IP_TTL : IPV6_UNICAST_HOPS, 77);
        set_number(descriptor, level, ipv4 ? IP_TOS : IPV6_TCLASS, 0xBA);
        set_number(descriptor, level, ipv4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, 1);
        set_number(descriptor, level, ipv4 ? IP_RECVTOS : IPV6_RECVTCLASS, 1);
        send_from(descriptor, &relayed, "x", 1);
        run_until(rig, i + 1);
        assert_int_equal(rig->arrivals[i].hop_limit, 77);
        assert_int_equal(rig->arrivals[i].traffic_class, 0xBA);

        for (unsigned alone = 0; alone < 2; alone++) {
            send_with_fields(rig, via, &peer, alone);
            expect_fields(descriptor, ipv4);
        }
        /* What the socket says by itself is not the business of who takes it over. */
        struct outbox_entry entry = entry_for(via, &peer, "z", 1);
        entry.hop_limit = 33;
        for (unsigned j = 0; j < 3; j++) {
            operations->send(rig->datapath, &entry, 1);
        }
        int handle = operations->release(rig->datapath, via);
        assert_int_equal(operations->adopt(rig->datapath, &relayed, handle, &via), 0);
        entry = entry_for(via, &peer, "z", 1);
        operations->send(rig->datapath, &entry, 1);
        for (unsigned j = 0; j < 4; j++) {
            int hop_limit = 0, traffic_class = -1;
            read_fields(descriptor, ipv4, &hop_limit, &traffic_class);
            assert_int_equal(hop_limit, j < 3 ? 33 : 64);
        }
        close(descriptor);
    }
}

/* Destinations that the kernel refuses, between good ones: every good one arrives. */
static void test_a_refused_datagram_harms_no_other(void **state)
{
    struct rig *rig = *state;
    static char huge[70000];
    struct stun_address relayed, good, from;
    uint32_t via = open_relayed(rig, &relayed);
    int descriptor = bound_socket("127.0.0.1", &good);
    struct stun_address no_port = good, no_route = address_of("255.255.255.255", 9);
    struct stun_address closed = address_of("127.0.0.1", free_port("127.0.0.1"));
    no_port.port = 0;
    const struct outbox_entry entries[] = {
        entry_for(via, &good, "a", 1),       entry_for(via, &no_port, "x", 1),
        entry_for(via, &good, "b", 1),       entry_for(via, &good, huge, 70000),
        entry_for(via, &no_route, "y", 1),   entry_for(via, &good, "c", 1),
        entry_for(via, &closed, "z", 1),     entry_for(via, &closed, "z", 1),
        entry_for(0x7654321, &good, "!", 1), entry_for(via, &good, "d", 1),
    };
    for (int round = 0; round < 3; round++) {
        operations->send(rig->datapath, entries, sizeof entries / sizeof entries[0]);
        for (const char *expected = "abcd"; *expected; expected++) {
            char byte = 0;
            assert_int_equal(receive_at(descriptor, &byte, 1, &from), 1);
            assert_int_equal(byte, *expected);
        }
    }
    const struct datapath_counters *counters = operations->counters(rig->datapath);
    assert_int_equal(counters->dropped_closed, 3);
    assert_int_equal(counters->dropped_unreachable, 9);
    assert_int_equal(counters->sent_packets, 18);
    /* And the port still receives. */
    send_from(descriptor, &relayed, "e", 1);
    run_until(rig, 1);
    close(descriptor);
}

static void test_icmp_errors_are_handed_up(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    struct rig *rig = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct stun_address relayed = address_of(hosts[i], free_port(hosts[i]));
        struct stun_address closed = address_of(hosts[i], free_port(hosts[i]));
        struct timeval patience = {2, 0};
        uint32_t via;
        assert_int_equal(operations->open_relayed(rig->datapath, &relayed, &via), 0);
        struct outbox_entry entry = entry_for(via, &closed, "x", 1);
        rig->icmp_count = 0;
        operations->send(rig->datapath, &entry, 1);
        event_base_loopexit(rig->base, &patience);
        event_base_loop(rig->base, EVLOOP_ONCE);
        assert_int_equal(rig->icmp_count, 1);
        assert_int_equal(rig->icmp_via, via);
        assert_true(address_equal(&rig->icmp_peer, &closed));
        assert_int_equal(rig->icmp.type, i == 0 ? 3 : 1);
        assert_int_equal(rig->icmp.code, i == 0 ? 3 : 4); /* port unreachable */
        assert_int_equal(rig->icmp.data, 0);
        /* It was taken: the port is quiet, and still works. */
        assert_int_equal(event_base_loop(rig->base, EVLOOP_NONBLOCK), 0);
        assert_int_equal(rig->icmp_count, 1);
        operations->close(rig->datapath, via);
    }
}

static void test_closed_port_sends_no_more(void **state)
{
    struct rig *rig = *state;
    struct stun_address relayed, peer, from;
    uint32_t via = open_relayed(rig, &relayed);
    int descriptor = bound_socket("127.0.0.1", &peer);
    struct outbox_entry entry = entry_for(via, &peer, "last", 4);
    operations->send(rig->datapath, &entry, 1);
    operations->close(rig->datapath, via);
    operations->close(rig->datapath, via); /* twice is once */
    char bytes[8];
    assert_int_equal(receive_at(descriptor, bytes, sizeof bytes, &from), 4);
    operations->send(rig->datapath, &entry, 1);
    assert_silent(descriptor);
    assert_int_equal(operations->counters(rig->datapath)->dropped_closed, 1);
    close(descriptor);
}

static void test_nothing_arrives_after_close(void **state)
{
    struct rig *rig = *state;
    struct stun_address relayed, peer;
    uint32_t via = open_relayed(rig, &relayed);
    int descriptor = bound_socket("127.0.0.1", &peer);
    for (int i = 0; i < 5; i++) {
        send_from(descriptor, &relayed, "x", 1);
    }
    rig->close_at_arrival = via; /* in the middle of the batch */
    run_until(rig, 1);
    event_base_loop(rig->base, EVLOOP_NONBLOCK);
    assert_int_equal(rig->count, 1);
    /* Closed means free, in the very turn that closed it. */
    assert_int_equal(operations->open_relayed(rig->datapath, &relayed, &via), 0);
    close(descriptor);
}

/* More ready sockets than the ring has slots: the outbox is sent on the way, nothing is mixed up.
 */
static void test_ring_goes_round(void **state)
{
    struct rig *rig = *state;
    enum {
        PORTS = 100,
        EACH = 3
    };
    struct stun_address relayed[PORTS], peer, from;
    int descriptor = bound_socket("127.0.0.1", &peer);
    rig->echo = true;
    for (int i = 0; i < PORTS; i++) {
        open_relayed(rig, &relayed[i]);
        for (int j = 0; j < EACH; j++) {
            uint8_t bytes[2] = {(uint8_t)i, (uint8_t)j};
            send_from(descriptor, &relayed[i], bytes, sizeof bytes);
        }
    }
    run_until(rig, PORTS * EACH);
    unsigned seen[PORTS] = {0};
    for (int i = 0; i < PORTS * EACH; i++) {
        uint8_t bytes[4];
        assert_int_equal(receive_at(descriptor, bytes, sizeof bytes, &from), 2);
        assert_true(address_equal(&from, &relayed[bytes[0]]));
        assert_int_equal(bytes[1], seen[bytes[0]]++);
    }
    close(descriptor);
}

#define RIG_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_echoes_ipv4),
        RIG_TEST(test_echoes_ipv6),
        RIG_TEST(test_wildcard_answers_from_where_it_was_asked),
        RIG_TEST(test_wildcard_ipv6),
        RIG_TEST(test_largest_datagram),
        RIG_TEST(test_relayed_port_is_taken_once),
        RIG_TEST(test_sends_runs_in_order),
        RIG_TEST(test_ip_fields_come_and_go),
        RIG_TEST(test_a_refused_datagram_harms_no_other),
        RIG_TEST(test_icmp_errors_are_handed_up),
        RIG_TEST(test_closed_port_sends_no_more),
        RIG_TEST(test_nothing_arrives_after_close),
        RIG_TEST(test_ring_goes_round),
    };
    return cmocka_run_group_tests_name("datapath_socket", tests, NULL, NULL);
}
