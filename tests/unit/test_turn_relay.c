/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/turn_test.h"

static const struct stun_attribute_view *data_of(const struct shell_sent *sent,
                                                 struct stun_view *view)
{
    assert_non_null(sent);
    assert_int_equal(stun_view_parse(view, sent->bytes, sent->size), STUN_OK);
    assert_int_equal(view->message_class, STUN_INDICATION);
    assert_int_equal(view->method, STUN_DATA);
    return stun_view_find(view, STUN_DATA_VALUE);
}

static void data_of_every_size_arrives_whole(void **state)
{
    static uint8_t bytes[65507];
    static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 1200, 1472, 9000, 65000, 65507};
    struct bench *bench = *state;
    struct stun_address with = test_address("203.0.113.5:7000");
    struct stun_address without = test_address("203.0.113.6:7000");
    struct stun_address relayed, peer;
    struct stun_channel_view channel;
    struct stun_view view;

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 31);
    }
    assert_int_equal(client_allocate(&bench->alice, &relayed), 0);
    assert_int_equal(client_bind(&bench->alice, 0x4abc, &with), 0);
    assert_int_equal(client_permit(&bench->alice, &without), 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const struct shell_sent *sent;
        const struct stun_attribute_view *data;

        shell_relayed(bench->shell, &relayed, &with, bytes, sizes[i]);
        sent = shell_take(bench->shell);
        assert_non_null(sent);
        assert_int_equal(sent->size, sizes[i] + 4);
        assert_int_equal(stun_channel_parse(&channel, sent->bytes, sent->size), STUN_OK);
        assert_int_equal(channel.channel, 0x4abc);
        assert_int_equal(channel.size, sizes[i]);
        assert_memory_equal(channel.data, bytes, sizes[i]);

        shell_relayed(bench->shell, &relayed, &without, bytes, sizes[i]);
        sent = shell_take(bench->shell);
        if (sizes[i] == 65507) { /* does not fit the length field of a message */
            assert_null(sent);
            continue;
        }
        data = data_of(sent, &view);
        assert_int_equal(data->size, sizes[i]);
        assert_memory_equal(data->value, bytes, sizes[i]);
        for (size_t pad = sizes[i]; pad % 4 != 0; pad++) {
            assert_int_equal(data->value[pad], 0);
        }
        assert_int_equal(stun_view_xor_address(&view, STUN_XOR_PEER_ADDRESS, &peer), STUN_OK);
        assert_true(address_equal(&peer, &without));
        shell_clear(bench->shell);
    }
}

static void ipv6_peers(void **state)
{
    struct bench *bench = *state;
    struct shell_client *alice = &bench->alice;
    struct stun_address peer = test_address("[2001:db8:1::5]:7000");
    struct stun_address relayed, read;
    struct stun_view view;

    client_begin(alice, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&alice->builder, STUN_REQUESTED_TRANSPORT, 17);
    stun_builder_put_u8_reserved(&alice->builder, STUN_REQUESTED_ADDRESS_FAMILY, 2);
    assert_int_equal(client_ask(alice, &view), 0);
    assert_int_equal(stun_view_xor_address(&view, STUN_XOR_RELAYED_ADDRESS, &relayed), STUN_OK);
    assert_int_equal(client_permit(alice, &peer), 0);
    shell_clear(bench->shell);
    client_send_indication(alice, &peer, "out", 3);
    assert_true(address_equal(&shell_take(bench->shell)->flow.remote, &peer));
    shell_relayed(bench->shell, &relayed, &peer, "in", 2);
    assert_int_equal(data_of(shell_take(bench->shell), &view)->size, 2);
    assert_int_equal(stun_view_xor_address(&view, STUN_XOR_PEER_ADDRESS, &read), STUN_OK);
    assert_true(address_equal(&read, &peer));
}

/* RFC 8656 §15: one hop less, and the same traffic class, both ways; spent ones go no further. */
static void ip_fields_go_on(void **state)
{
    struct bench *bench = *state;
    struct shell *shell = bench->shell;
    struct stun_address peer = test_address("203.0.113.5:7000");
    const struct turn_counters *counters = turn_server_counters(shell->server);
    struct stun_address relayed;

    assert_int_equal(client_allocate(&bench->alice, &relayed), 0);
    assert_int_equal(client_bind(&bench->alice, 0x4001, &peer), 0);
    for (unsigned way = 0; way < 3; way++) {
        for (unsigned i = 0; i < 4; i++) {
            static const uint8_t hops[] = {0, 1, 2, 255};

            shell_clear(shell);
            shell->hop_limit = hops[i];
            shell->traffic_class = 0xBA;
            if (way == 0) {
                client_send_channel(&bench->alice, 0x4001, "out", 3);
            } else if (way == 1) {
                client_send_indication(&bench->alice, &peer, "out", 3);
            } else {
                shell_relayed(shell, &relayed, &peer, "in", 2);
            }
            const struct shell_sent *sent = shell_take(shell);
            if (hops[i] == 1) {
                assert_null(sent);
                continue;
            }
            assert_non_null(sent);
            assert_int_equal(sent->hop_limit, hops[i] == 0 ? 0 : hops[i] - 1);
            assert_int_equal(sent->traffic_class, 0xBA);
        }
    }
    assert_int_equal(counters->dropped_hop_limit, 3);
    /* What the server says itself is nobody's packet. */
    shell->hop_limit = 20;
    shell_clear(shell);
    assert_int_equal(client_refresh(&bench->alice, 600), 0);
}

static void strangers_do_not_come_through(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct stun_address stranger = test_address("203.0.113.6:7000");
    struct stun_address relayed;
    const struct turn_counters *counters = turn_server_counters(bench->shell->server);

    assert_int_equal(client_allocate(&bench->alice, &relayed), 0);
    assert_int_equal(client_permit(&bench->alice, &peer), 0);
    shell_clear(bench->shell);
    shell_relayed(bench->shell, &relayed, &stranger, "x", 1);
    assert_null(shell_take(bench->shell));
    assert_int_equal(counters->dropped_no_permission, 1);
    client_send_channel(&bench->bob, 0x4000, "x", 1);
    client_send_indication(&bench->bob, &peer, "x", 1);
    assert_int_equal(counters->dropped_no_allocation, 2);
    assert_null(shell_take(bench->shell));
    turn_server_relayed(bench->shell->server, bench->shell->now, 4242, &peer,
                        &(struct packet){.bytes = (uint8_t[]){1}, .size = 1}, bench->shell->outbox);
    assert_int_equal(counters->dropped_no_allocation, 3);
}

static void a_stream_pads_channel_data(void **state)
{
    struct bench *bench = *state;
    struct flow flow = shell_flow_tcp("198.51.100.9:40000", 5);
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct stun_address relayed;
    struct shell_client client;

    client_init(&client, bench->shell, &flow, "alice", "secret");
    assert_int_equal(client_allocate(&client, &relayed), 0);
    assert_int_equal(client_bind(&client, 0x4001, &peer), 0);
    shell_clear(bench->shell);
    for (size_t size = 0; size < 9; size++) {
        const struct shell_sent *sent;

        shell_relayed(bench->shell, &relayed, &peer, "12345678", size);
        sent = shell_take(bench->shell);
        assert_int_equal(sent->flow.via, 5);
        assert_int_equal(sent->size, 4 + (size + 3) / 4 * 4);
        assert_int_equal(sent->bytes[3], size);
        assert_memory_equal(sent->bytes + 4, "12345678", size);
        assert_memory_equal(sent->bytes + 4 + size, "\0\0\0", sent->size - 4 - size);
        /* and the padding that a client puts behind its own does not leave */
        client_send_channel(&client, 0x4001, "12345678", size);
        sent = shell_take(bench->shell);
        assert_int_equal(sent->size, size);
    }
}

/* A shell that leaves too little room gets no overrun, but a drop. */
static void without_headroom_nothing_is_written(void **state)
{
    struct bench *bench = *state;
    struct stun_address with = test_address("203.0.113.5:7000");
    struct stun_address without = test_address("203.0.113.6:7000");
    struct stun_address relayed;
    const struct turn_counters *counters = turn_server_counters(bench->shell->server);
    uint8_t bytes[100];
    uint32_t via = 0;

    assert_int_equal(client_allocate(&bench->alice, &relayed), 0);
    assert_int_equal(client_bind(&bench->alice, 0x4001, &with), 0);
    assert_int_equal(client_permit(&bench->alice, &without), 0);
    shell_clear(bench->shell);
    while (!address_equal(&bench->shell->relayed[via], &relayed)) {
        via++;
    }
    for (uint16_t headroom = 0; headroom <= 36; headroom++) {
        for (unsigned has_channel = 0; has_channel < 2; has_channel++) {
            struct packet packet = {
                .bytes = bytes + 40, .size = 5, .headroom = headroom, .tailroom = headroom % 5};
            uint64_t dropped = counters->dropped_malformed;
            bool enough = has_channel ? headroom >= 4 : headroom >= 36 && headroom % 5 >= 3;

            memset(bytes, 0xEE, sizeof bytes);
            turn_server_relayed(bench->shell->server, bench->shell->now, via,
                                has_channel ? &with : &without, &packet, bench->shell->outbox);
            assert_int_equal(counters->dropped_malformed, dropped + !enough);
            assert_int_equal(bytes[40 - headroom - 1], 0xEE);
            bench->shell->outbox->flush(bench->shell->outbox, bench->shell);
        }
    }
}

static void broken_channel_data_is_dropped(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {{"\x40", 1},
                 {"\x40\x00\x00", 3},
                 {"\x40\x00\x00\x05"
                  "1234",
                  8},
                 {"\x40\x00\xff\xff", 4},
                 {"\x4f\xff\x00\x01", 4}};
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(client_bind(&bench->alice, 0x4000, &peer), 0);
    shell_clear(bench->shell);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        shell_input(bench->shell, &bench->alice.flow, cases[i].bytes, cases[i].size);
        assert_int_equal(turn_server_counters(bench->shell->server)->dropped_malformed, i + 1);
    }
    assert_null(shell_take(bench->shell));
}

static void broken_send_indications_are_dropped(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    const struct turn_counters *counters = turn_server_counters(bench->shell->server);

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(client_permit(&bench->alice, &peer), 0);
    shell_clear(bench->shell);
    for (unsigned i = 0; i < 5; i++) {
        struct stun_builder builder;
        uint8_t bytes[128];

        stun_builder_begin(&builder, bytes, sizeof bytes, STUN_INDICATION, STUN_SEND,
                           bench->alice.transaction_id);
        if (i == 1 || i >= 3) {
            stun_builder_put_xor_address(&builder, STUN_XOR_PEER_ADDRESS, &peer);
        }
        if (i == 2 || i >= 3) {
            stun_builder_put_bytes(&builder, STUN_DATA_VALUE, "x", 1);
        }
        if (i == 3) { /* not understood: the whole indication is discarded */
            stun_builder_put_flag(&builder, STUN_PRIORITY);
        }
        if (i == 4) { /* need not be understood */
            stun_builder_put_flag(&builder, 0x9abc);
        }
        shell_input(bench->shell, &bench->alice.flow, bytes, builder.size);
        assert_int_equal(counters->dropped_malformed, i < 4 ? i + 1 : 4);
    }
    assert_int_equal(shell_pending(bench->shell), 1);
}

static void two_relays_talk_through_one_server(void **state)
{
    struct bench *bench = *state;
    struct stun_address a, b;
    const struct shell_sent *sent;
    struct stun_view view;

    assert_int_equal(client_allocate(&bench->alice, &a), 0);
    assert_int_equal(client_allocate(&bench->bob, &b), 0);
    assert_int_equal(client_bind(&bench->alice, 0x4000, &b), 0);
    assert_int_equal(client_permit(&bench->bob, &a), 0);
    client_send_channel(&bench->alice, 0x4000, "hello", 5);
    sent = shell_take(bench->shell);
    assert_true(address_equal(&sent->flow.local, &a));
    assert_true(address_equal(&sent->flow.remote, &b));
    shell_relayed(bench->shell, &b, &a, sent->bytes, sent->size);
    sent = shell_take(bench->shell);
    assert_true(address_equal(&sent->flow.remote, &bench->bob.flow.remote));
    assert_int_equal(data_of(sent, &view)->size, 5);
    /* when bob is gone, nothing goes to his port, nor to any other of ours */
    assert_int_equal(client_refresh(&bench->bob, 0), 0);
    client_send_channel(&bench->alice, 0x4000, "hello", 5);
    assert_null(shell_take(bench->shell));
    assert_int_equal(turn_server_counters(bench->shell->server)->dropped_peer_rule, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_BENCH(data_of_every_size_arrives_whole),
        WITH_BENCH(ipv6_peers),
        WITH_BENCH(ip_fields_go_on),
        WITH_BENCH(strangers_do_not_come_through),
        WITH_BENCH(a_stream_pads_channel_data),
        WITH_BENCH(without_headroom_nothing_is_written),
        WITH_BENCH(broken_channel_data_is_dropped),
        WITH_BENCH(broken_send_indications_are_dropped),
        WITH_BENCH(two_relays_talk_through_one_server),
    };

    return cmocka_run_group_tests_name("turn relay", tests, NULL, NULL);
}
