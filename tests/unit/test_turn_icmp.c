/* SPDX-License-Identifier: BSD-3-Clause */
/* DONT-FRAGMENT, and ICMP errors on the way to a peer (RFC 8656 §11.5, §18.13). */
#include "tests/unit/raw_message.h"
#include "tests/unit/turn_test.h"

static const struct stun_icmp port_unreachable = {3, 3, 0};

static void send_unfragmented(struct bench *bench, const struct stun_address *peer)
{
    uint8_t bytes[128];
    struct stun_builder builder;
    uint8_t id[STUN_TRANSACTION_ID_SIZE] = {9};

    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_INDICATION, STUN_SEND, id);
    stun_builder_put_xor_address(&builder, STUN_XOR_PEER_ADDRESS, peer);
    stun_builder_put_flag(&builder, STUN_DONT_FRAGMENT);
    stun_builder_put_bytes(&builder, STUN_DATA_VALUE, "whole", 5);
    shell_input(bench->shell, &bench->alice.flow, bytes, (size_t)stun_builder_finish(&builder));
}

static void dont_fragment_marks_its_datagram_alone(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct stun_view answer;

    client_begin(&bench->alice, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&bench->alice.builder, STUN_REQUESTED_TRANSPORT, 17);
    stun_builder_put_flag(&bench->alice.builder, STUN_DONT_FRAGMENT);
    assert_int_equal(client_ask(&bench->alice, &answer), 0);
    assert_int_equal(client_bind(&bench->alice, 0x4000, &peer), 0);
    shell_clear(bench->shell);
    send_unfragmented(bench, &peer);
    client_send_indication(&bench->alice, &peer, "any", 3);
    client_send_channel(&bench->alice, 0x4000, "any", 3);
    assert_int_equal(shell_pending(bench->shell), 3);
    assert_true(shell_take(bench->shell)->unfragmented);
    assert_false(shell_take(bench->shell)->unfragmented);
    assert_false(shell_take(bench->shell)->unfragmented);
}

static struct stun_address allocate(struct bench *bench, const struct stun_address *permitted)
{
    struct stun_address relayed;

    assert_int_equal(client_allocate(&bench->alice, &relayed), 0);
    assert_int_equal(client_permit(&bench->alice, permitted), 0);
    shell_clear(bench->shell);
    return relayed;
}

/* All of its bytes but the transaction id. */
static void the_client_hears_in_these_bytes(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct stun_address relayed = allocate(bench, &peer);
    struct raw expected = {.size = 0};
    const struct shell_sent *sent;

    /* 203.0.113.5 is cb007105, port 7000 is 1b58; XORed with the cookie */
    raw_hex(&expected, "0012 0008 0001 3a4a ea12d547"
                       /* type 3 in seven bits, code 4 in nine, MTU 1400 */
                       "8004 0008 0000 0604 00000578");
    shell_icmp(bench->shell, &relayed, &peer, &(struct stun_icmp){3, 4, 1400});
    sent = shell_take(bench->shell);
    assert_non_null(sent);
    assert_true(address_equal(&sent->flow.remote, &bench->alice.flow.remote));
    assert_int_equal(sent->size, 20 + expected.size);
    assert_memory_equal(sent->bytes, ((uint8_t[]){0, 0x17, 0, 24, 0x21, 0x12, 0xa4, 0x42}), 8);
    assert_memory_equal(sent->bytes + 20, expected.bytes, expected.size);
    assert_int_equal(turn_server_counters(bench->shell->server)->icmp_told, 1);
}

static void only_of_peers_that_it_may_hear(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct stun_address other = test_address("203.0.113.6:7000");
    struct stun_address relayed = allocate(bench, &peer);

    shell_icmp(bench->shell, &relayed, &other, &port_unreachable);
    assert_int_equal(shell_pending(bench->shell), 0);
    peer.port = 1; /* a permission is for an IP */
    shell_icmp(bench->shell, &relayed, &peer, &port_unreachable);
    assert_int_equal(shell_pending(bench->shell), 1);
    shell_clear(bench->shell);
    shell_advance_ms(bench->shell, 300000);
    shell_icmp(bench->shell, &relayed, &peer, &port_unreachable);
    assert_int_equal(client_refresh(&bench->alice, 0), 0);
    shell_clear(bench->shell);
    shell_icmp(bench->shell, &relayed, &peer, &port_unreachable);
    assert_int_equal(shell_pending(bench->shell), 0);
    assert_int_equal(turn_server_counters(bench->shell->server)->icmp_dropped, 3);
}

static void only_of_types_that_matter(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct stun_address relayed = allocate(bench, &peer);
    size_t told = 0;

    for (unsigned type = 0; type < 256; type++) {
        shell_icmp(bench->shell, &relayed, &peer, &(struct stun_icmp){(uint8_t)type, 0, 0});
        told += shell_pending(bench->shell);
        shell_clear(bench->shell);
        shell_advance_ms(bench->shell, 100);
    }
    assert_int_equal(told, 2);
}

static void a_few_a_second(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct stun_address relayed = allocate(bench, &peer);

    for (unsigned i = 0; i < 1000; i++) {
        shell_icmp(bench->shell, &relayed, &peer, &port_unreachable);
    }
    assert_int_equal(shell_pending(bench->shell), 20);
    shell_advance_ms(bench->shell, 500);
    for (unsigned i = 0; i < 1000; i++) {
        shell_icmp(bench->shell, &relayed, &peer, &port_unreachable);
    }
    assert_int_equal(shell_pending(bench->shell), 30);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_BENCH(dont_fragment_marks_its_datagram_alone),
        WITH_BENCH(the_client_hears_in_these_bytes),
        WITH_BENCH(only_of_peers_that_it_may_hear),
        WITH_BENCH(only_of_types_that_matter),
        WITH_BENCH(a_few_a_second),
    };

    return cmocka_run_group_tests_name("ICMP and DONT-FRAGMENT", tests, NULL, NULL);
}
