/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/turn_test.h"

static int bind_channel(struct bench *bench, uint16_t number, const char *text)
{
    struct stun_address peer = test_address(text);

    return client_bind(&bench->alice, number, &peer);
}

static void numbers_have_a_range(void **state)
{
    static const struct {
        uint16_t number;
        int code;
        int code_rfc5766;
    } cases[] = {{0, 400, 400},    {0x3FFF, 400, 400}, {0x4000, 0, 0},     {0x4FFF, 0, 0},
                 {0x5000, 400, 0}, {0x7FFF, 400, 0},   {0x8000, 400, 400}, {0xFFFF, 400, 400}};
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        peer.port++;
        bench->shell->policy.rfc5766_channels = false;
        assert_int_equal(client_bind(&bench->alice, cases[i].number, &peer), cases[i].code);
        bench->shell->policy.rfc5766_channels = true;
        assert_int_equal(client_bind(&bench->alice, cases[i].number, &peer), cases[i].code_rfc5766);
    }
}

static void number_and_peer_belong_together(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(bind_channel(bench, 0x4000, "203.0.113.5:7000"), 0);
    assert_int_equal(bind_channel(bench, 0x4000, "203.0.113.5:7000"), 0);
    assert_int_equal(bind_channel(bench, 0x4000, "203.0.113.5:7001"), 400);
    assert_int_equal(bind_channel(bench, 0x4001, "203.0.113.5:7000"), 400);
    assert_int_equal(bind_channel(bench, 0x4001, "203.0.113.5:7001"), 0);
}

static void a_channel_lasts_600_seconds(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(bind_channel(bench, 0x4000, "203.0.113.5:7000"), 0);
    assert_int_equal(client_refresh(&bench->alice, 3600), 0);
    shell_clear(bench->shell);
    shell_advance_ms(bench->shell, 599999);
    client_send_channel(&bench->alice, 0x4000, "x", 1);
    assert_non_null(shell_take(bench->shell));
    shell_advance_ms(bench->shell, 1);
    client_send_channel(&bench->alice, 0x4000, "x", 1);
    assert_null(shell_take(bench->shell));
    assert_int_equal(turn_server_counters(bench->shell->server)->dropped_no_permission, 1);
    /* both are free again */
    assert_int_equal(bind_channel(bench, 0x4000, "203.0.113.5:7001"), 0);
    assert_int_equal(bind_channel(bench, 0x4001, "203.0.113.5:7000"), 0);
}

static void a_refresh_prolongs_channel_and_permission(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct stun_address relayed;

    assert_int_equal(client_allocate(&bench->alice, &relayed), 0);
    assert_int_equal(client_refresh(&bench->alice, 3600), 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(bind_channel(bench, 0x4000, "203.0.113.5:7000"), 0);
        shell_clear(bench->shell);
        shell_advance_ms(bench->shell, 299000);
        shell_relayed(bench->shell, &relayed, &peer, "x", 1);
        assert_int_equal(shell_take(bench->shell)->bytes[0], 0x40);
    }
    /* the permission ends sooner than the channel: what comes in is dropped, out still goes */
    shell_advance_ms(bench->shell, 1000);
    shell_relayed(bench->shell, &relayed, &peer, "x", 1);
    assert_null(shell_take(bench->shell));
    client_send_channel(&bench->alice, 0x4000, "x", 1);
    assert_non_null(shell_take(bench->shell));
    /* and comes back as ChannelData once there is a permission */
    assert_int_equal(client_permit(&bench->alice, &peer), 0);
    shell_relayed(bench->shell, &relayed, &peer, "x", 1);
    assert_int_equal(shell_take(bench->shell)->bytes[0], 0x40);
}

static void a_channel_brings_its_permission(void **state)
{
    struct bench *bench = *state;
    struct stun_address other_port = test_address("203.0.113.5:9");
    struct stun_address relayed;

    assert_int_equal(client_allocate(&bench->alice, &relayed), 0);
    assert_int_equal(bind_channel(bench, 0x4000, "203.0.113.5:7000"), 0);
    shell_relayed(bench->shell, &relayed, &other_port, "x", 1);
    assert_int_equal(shell_take(bench->shell)->bytes[1], 0x17); /* a Data indication */
}

static void refusals(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct shell_client mallory;

    assert_int_equal(bind_channel(bench, 0x4000, "203.0.113.5:7000"), 437);
    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(bind_channel(bench, 0x4000, "10.0.0.1:7000"), 403);
    assert_int_equal(bind_channel(bench, 0x4000, "[2001:db8:1::1]:7000"), 443);
    assert_int_equal(bind_channel(bench, 0x4000, "203.0.113.5:0"), 400);
    client_init(&mallory, bench->shell, &bench->alice.flow, "bob", "secret");
    assert_int_equal(client_bind(&mallory, 0x4000, &peer), 441);
    client_send_channel(&bench->alice, 0x4000, "x", 1);
    assert_null(shell_take(bench->shell));
}

static void malformed_is_400_and_unknown_420(void **state)
{
    struct bench *bench = *state;
    struct shell_client *alice = &bench->alice;
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct stun_view answer;

    assert_int_equal(client_allocate(alice, NULL), 0);
    client_begin(alice, STUN_CHANNEL_BIND);
    stun_builder_put_u16_reserved(&alice->builder, STUN_CHANNEL_NUMBER, 0x4000);
    assert_int_equal(client_ask(alice, &answer), 400);
    client_begin(alice, STUN_CHANNEL_BIND);
    stun_builder_put_xor_address(&alice->builder, STUN_XOR_PEER_ADDRESS, &peer);
    assert_int_equal(client_ask(alice, &answer), 400);
    for (size_t size = 0; size < 12; size++) {
        client_begin(alice, STUN_CHANNEL_BIND);
        stun_builder_put_u16_reserved(&alice->builder, STUN_CHANNEL_NUMBER, 0x4000);
        stun_builder_put_bytes(&alice->builder, STUN_XOR_PEER_ADDRESS,
                               "\0\1\x3a\x4a\xea\x12\xd5\x47\0\0\0", size);
        assert_int_equal(client_ask(alice, &answer), size == 8 ? 0 : 400);
    }
    for (size_t size = 0; size < 9; size++) {
        if (size != 2 && size != 4) {
            client_begin(alice, STUN_CHANNEL_BIND);
            stun_builder_put_bytes(&alice->builder, STUN_CHANNEL_NUMBER, "\x40\0\0\0\0\0\0\0\0",
                                   size);
            stun_builder_put_xor_address(&alice->builder, STUN_XOR_PEER_ADDRESS, &peer);
            assert_int_equal(client_ask(alice, &answer), 400);
        }
    }
    client_begin(alice, STUN_CHANNEL_BIND);
    stun_builder_put_flag(&alice->builder, STUN_DONT_FRAGMENT);
    assert_int_equal(client_ask(alice, &answer), 420);
}

static void the_table_is_bounded(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");

    bench->shell->policy.channels_per_allocation = 5;
    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    for (uint16_t i = 0; i < 5; i++) {
        peer.port++;
        assert_int_equal(client_bind(&bench->alice, (uint16_t)(0x4000 + i), &peer), 0);
    }
    assert_int_equal(client_bind(&bench->alice, 0x4004, &peer), 0);
    peer.port++;
    assert_int_equal(client_bind(&bench->alice, 0x4005, &peer), 508);
    assert_int_equal(client_refresh(&bench->alice, 3600), 0);
    shell_advance_ms(bench->shell, 600000);
    assert_int_equal(client_bind(&bench->alice, 0x4005, &peer), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_BENCH(numbers_have_a_range),
        WITH_BENCH(number_and_peer_belong_together),
        WITH_BENCH(a_channel_lasts_600_seconds),
        WITH_BENCH(a_refresh_prolongs_channel_and_permission),
        WITH_BENCH(a_channel_brings_its_permission),
        WITH_BENCH(refusals),
        WITH_BENCH(malformed_is_400_and_unknown_420),
        WITH_BENCH(the_table_is_bounded),
    };

    return cmocka_run_group_tests_name("turn channel", tests, NULL, NULL);
}
