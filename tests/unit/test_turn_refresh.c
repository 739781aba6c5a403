/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/turn_test.h"

#include <stdio.h>

static uint64_t allocations(const struct bench *bench)
{
    return turn_server_counters(bench->shell->server)->allocations_now;
}

/* The name lives until the next call. */
static struct turn_event last_event(struct bench *bench)
{
    static char user[64];
    struct turn_event event, last = {0};

    while (turn_server_event(bench->shell->server, &event)) {
        last = event;
        snprintf(user, sizeof user, "%s", event.user);
        last.user = user;
    }
    return last;
}

static void an_allocation_ends_with_its_lifetime(void **state)
{
    struct bench *bench = *state;
    struct turn_event event;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    shell_advance_ms(bench->shell, 599000);
    assert_int_equal(allocations(bench), 1);
    shell_advance_ms(bench->shell, 1200);
    assert_int_equal(allocations(bench), 0);
    assert_int_equal(bench->shell->open_count, 0);
    event = last_event(bench);
    assert_int_equal(event.type, TURN_ENDED);
    assert_int_equal(event.end_reason, TURN_END_EXPIRED);
    assert_in_range(event.duration_us, 600 * MONOTIME_SECOND, 601 * MONOTIME_SECOND);
    assert_int_equal(client_refresh(&bench->alice, 600), 437);
}

static void refresh_prolongs(void **state)
{
    struct bench *bench = *state;
    struct stun_view answer;
    uint32_t lifetime_s;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    for (unsigned i = 0; i < 10; i++) {
        shell_advance_ms(bench->shell, 500000);
        client_begin(&bench->alice, STUN_REFRESH);
        assert_int_equal(client_ask(&bench->alice, &answer), 0);
        assert_int_equal(stun_view_u32(&answer, STUN_LIFETIME, &lifetime_s), STUN_OK);
        assert_int_equal(lifetime_s, 600);
    }
    assert_int_equal(last_event(bench).type, TURN_REFRESHED);
    assert_int_equal(allocations(bench), 1);
    /* it can end sooner as well, but not sooner than the default */
    assert_int_equal(client_refresh(&bench->alice, 3600), 0);
    assert_int_equal(client_refresh(&bench->alice, 1), 0);
    shell_advance_ms(bench->shell, 600200);
    assert_int_equal(allocations(bench), 0);
}

static void zero_deletes_and_counts_are_told(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct stun_address relayed;
    struct turn_event event;

    assert_int_equal(client_allocate(&bench->alice, &relayed), 0);
    assert_int_equal(client_permit(&bench->alice, &peer), 0);
    client_send_indication(&bench->alice, &peer, "12345", 5);
    shell_relayed(bench->shell, &relayed, &peer, "123", 3);
    shell_relayed(bench->shell, &relayed, &peer, "1234", 4);
    shell_advance_ms(bench->shell, 2000);
    shell_clear(bench->shell);
    assert_int_equal(client_refresh(&bench->alice, 0), 0);
    assert_false(port_pool_is_live(bench->shell->pool, &relayed));
    event = last_event(bench);
    assert_int_equal(event.type, TURN_ENDED);
    assert_int_equal(event.end_reason, TURN_END_DELETED);
    assert_string_equal(event.user, "alice");
    assert_int_equal(event.sent_packets, 1);
    assert_int_equal(event.sent_bytes, 5);
    assert_int_equal(event.received_packets, 2);
    assert_int_equal(event.received_bytes, 7);
    assert_int_equal(event.duration_us, 2 * MONOTIME_SECOND);
    assert_true(address_equal(&event.relayed, &relayed));
}

static void a_repeated_deletion_is_answered_alike(void **state)
{
    struct bench *bench = *state;
    struct shell_client other;
    const struct shell_sent *first, *second;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    shell_clear(bench->shell);
    assert_int_equal(client_refresh(&bench->alice, 0), 0);
    shell_advance_ms(bench->shell, 39000);
    client_repeat(&bench->alice);
    first = &bench->shell->sent[0];
    second = shell_take(bench->shell);
    assert_non_null(second);
    assert_int_equal(first->size, second->size);
    assert_memory_equal(first->bytes, second->bytes, first->size);
    /* not from another flow, not with another transaction id, not for ever */
    client_init(&other, bench->shell, &bench->bob.flow, "alice", "secret");
    assert_int_equal(client_refresh(&other, 0), 437);
    assert_int_equal(client_refresh(&bench->alice, 0), 437);
    shell_advance_ms(bench->shell, 2000);
    shell_clear(bench->shell);
    client_repeat(&bench->alice);
    assert_int_equal(shell_take(bench->shell)->bytes[1], 0x14); /* an error */
}

static void family_mismatch_is_443(void **state)
{
    static const struct {
        uint8_t family;
        int code;
    } cases[] = {{STUN_FAMILY_IPV6, 443}, {3, 443}, {STUN_FAMILY_IPV4, 0}};
    struct bench *bench = *state;
    struct stun_view answer;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        client_begin(&bench->alice, STUN_REFRESH);
        stun_builder_put_u8_reserved(&bench->alice.builder, STUN_REQUESTED_ADDRESS_FAMILY,
                                     cases[i].family);
        assert_int_equal(client_ask(&bench->alice, &answer), cases[i].code);
    }
}

static void only_the_owner_refreshes(void **state)
{
    struct bench *bench = *state;
    struct shell_client mallory;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    client_init(&mallory, bench->shell, &bench->alice.flow, "bob", "secret");
    assert_int_equal(client_refresh(&mallory, 0), 441);
    assert_int_equal(client_refresh(&mallory, 600), 441);
    assert_int_equal(allocations(bench), 1);
    assert_int_equal(client_refresh(&bench->bob, 0), 437);
}

static void malformed_or_unknown_is_refused(void **state)
{
    struct bench *bench = *state;
    struct stun_view answer;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    for (size_t size = 0; size < 9; size++) {
        client_begin(&bench->alice, STUN_REFRESH);
        stun_builder_put_bytes(&bench->alice.builder, STUN_LIFETIME, "\0\0\0\0\0\0\0\0\0", size);
        if (size != 4) {
            assert_int_equal(client_ask(&bench->alice, &answer), 400);
        }
    }
    client_begin(&bench->alice, STUN_REFRESH);
    stun_builder_put_u32(&bench->alice.builder, STUN_LIFETIME, 0);
    stun_builder_put_u8(&bench->alice.builder, STUN_EVEN_PORT, 0);
    assert_int_equal(client_ask(&bench->alice, &answer), 420);
    assert_int_equal(allocations(bench), 1);
}

/* What a client put into the same batch as the deletion still leaves from its port. */
static void data_before_a_deletion_leaves_before_it(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct stun_builder builder;
    uint8_t data[] = "\x40\x00\x00\x02hi", headroom[512];
    struct packet packet = {.bytes = data, .size = 6};
    struct packet refresh = {.bytes = headroom, .size = 0};

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(client_bind(&bench->alice, 0x4000, &peer), 0);
    shell_clear(bench->shell);
    stun_builder_begin(&builder, headroom, sizeof headroom, STUN_REQUEST, STUN_REFRESH,
                       bench->alice.transaction_id);
    stun_builder_put_u32(&builder, STUN_LIFETIME, 0);
    stun_builder_put_string(&builder, STUN_USERNAME, "alice");
    stun_builder_put_string(&builder, STUN_REALM, SHELL_REALM);
    stun_builder_put_bytes(&builder, STUN_NONCE, bench->alice.nonce, bench->alice.nonce_size);
    stun_builder_put_integrity(&builder, bench->shell->crypto, &bench->alice.key);
    refresh.size = (uint32_t)stun_builder_finish(&builder);
    turn_server_input(bench->shell->server, bench->shell->now, &bench->alice.flow, &packet,
                      bench->shell->outbox);
    turn_server_input(bench->shell->server, bench->shell->now, &bench->alice.flow, &refresh,
                      bench->shell->outbox);
    assert_int_equal(shell_pending(bench->shell), 1);
    assert_true(address_equal(&shell_take(bench->shell)->flow.remote, &peer));
    assert_int_equal(bench->shell->open_count, 0);
    shell_advance_ms(bench->shell, 0);
    bench->shell->outbox->flush(bench->shell->outbox, bench->shell);
    assert_int_equal(shell_pending(bench->shell), 1);
}

/* The same when time ends it. */
static void data_before_an_expiry_leaves_before_it(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    uint8_t data[] = "\x40\x00\x00\x02hi";
    struct packet packet = {.bytes = data, .size = 6};

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(client_bind(&bench->alice, 0x4000, &peer), 0);
    shell_advance_ms(bench->shell, 599999);
    shell_clear(bench->shell);
    turn_server_input(bench->shell->server, bench->shell->now, &bench->alice.flow, &packet,
                      bench->shell->outbox);
    bench->shell->now = monotime_add_seconds(bench->shell->now, 1);
    turn_server_tick(bench->shell->server, bench->shell->now, bench->shell->outbox);
    assert_int_equal(shell_pending(bench->shell), 1);
    assert_int_equal(bench->shell->open_count, 0);
}

static void a_closed_connection_ends_its_allocation(void **state)
{
    struct bench *bench = *state;
    struct flow flow = shell_flow_tcp("198.51.100.9:40000", 5);
    struct shell_client client;

    client_init(&client, bench->shell, &flow, "alice", "secret");
    assert_int_equal(client_allocate(&client, NULL), 0);
    assert_int_equal(client_allocate(&bench->alice, NULL), 0); /* the same address over UDP */
    assert_int_equal(allocations(bench), 2);
    turn_server_flow_closed(bench->shell->server, bench->shell->now, &flow);
    assert_int_equal(allocations(bench), 1);
    assert_int_equal(last_event(bench).end_reason, TURN_END_DISCONNECTED);
    turn_server_flow_closed(bench->shell->server, bench->shell->now, &flow);
    assert_int_equal(client_refresh(&bench->alice, 0), 0);
}

static void shutting_down_ends_all_and_tells(void **state)
{
    struct bench *bench = *state;
    struct flow flow = shell_flow_udp("198.51.100.9:1");
    struct turn_event event;
    size_t ended = 0;
    bool more = true;

    for (unsigned i = 0; i < 600; i++) {
        struct shell_client client;

        flow.remote.port = (uint16_t)(1000 + i);
        client_init(&client, bench->shell, &flow, "alice", "secret");
        assert_int_equal(client_allocate(&client, NULL), 0);
    }
    last_event(bench);
    while (more) {
        more = turn_server_shut_down(bench->shell->server, bench->shell->now);
        while (turn_server_event(bench->shell->server, &event)) {
            assert_int_equal(event.end_reason, TURN_END_SHUTDOWN);
            ended++;
        }
    }
    assert_int_equal(ended, 600);
    assert_int_equal(bench->shell->open_count, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_BENCH(an_allocation_ends_with_its_lifetime),
        WITH_BENCH(refresh_prolongs),
        WITH_BENCH(zero_deletes_and_counts_are_told),
        WITH_BENCH(a_repeated_deletion_is_answered_alike),
        WITH_BENCH(family_mismatch_is_443),
        WITH_BENCH(only_the_owner_refreshes),
        WITH_BENCH(malformed_or_unknown_is_refused),
        WITH_BENCH(data_before_a_deletion_leaves_before_it),
        WITH_BENCH(data_before_an_expiry_leaves_before_it),
        WITH_BENCH(a_closed_connection_ends_its_allocation),
        WITH_BENCH(shutting_down_ends_all_and_tells),
    };

    return cmocka_run_group_tests_name("turn refresh", tests, NULL, NULL);
}
