/* SPDX-License-Identifier: BSD-3-Clause */
/* The client's transaction: when it sends again, when it ends, what it takes for its answer. */
#include "machine_test.h"

#include "proto/stun_transaction.h"

static struct wire wire;
static uint64_t seed;

static void start(struct stun_transaction *transaction, enum outbox_transport transport,
                  struct monotime now, struct monotime give_up)
{
    struct flow flow = {.transport = (uint8_t)transport, .remote = test_address("192.0.2.1:3478")};
    struct stun_builder builder;
    *transaction = (struct stun_transaction){0};
    wire_init(&wire);
    stun_new_id(transaction->id, test_random, &seed);
    stun_builder_begin(&builder, transaction->request, sizeof transaction->request, STUN_REQUEST,
                       STUN_BINDING, transaction->id);
    int size = stun_builder_finish(&builder);
    stun_transaction_start(transaction, now, &stun_timing_default, &flow, (uint16_t)size, give_up,
                           &wire.outbox);
}

/* Runs until nothing is due; writes the moments of sending in ms. Returns how many. */
static size_t run(struct stun_transaction *transaction, int64_t *moments, int64_t *end)
{
    size_t count = 0;
    struct monotime now = {0};
    for (size_t i = wire_take(&wire); i > 0; i--) {
        moments[count++] = 0;
    }
    while (transaction->state == STUN_TRANSACTION_WAITING) {
        now = stun_transaction_due(transaction);
        stun_transaction_tick(transaction, now, &wire.outbox);
        for (size_t i = wire_take(&wire); i > 0; i--) {
            moments[count++] = now.us / MONOTIME_MILLISECOND;
        }
    }
    *end = now.us / MONOTIME_MILLISECOND;
    return count;
}

/* RFC 8489 §6.2.1 gives these moments as its example. */
static void sends_at_the_moments_of_the_rfc(void **state)
{
    static const int64_t expected[] = {0, 500, 1500, 3500, 7500, 15500, 31500};
    struct stun_transaction transaction;
    int64_t moments[16];
    int64_t end;
    (void)state;
    start(&transaction, TRANSPORT_UDP, at_ms(0), MONOTIME_NEVER);
    assert_int_equal(run(&transaction, moments, &end), 7);
    assert_memory_equal(moments, expected, sizeof expected);
    assert_int_equal(end, 39500);
    assert_int_equal(transaction.state, STUN_TRANSACTION_TIMED_OUT);
    assert_int_equal(stun_transaction_due(&transaction).us, MONOTIME_NEVER.us);
}

static void sends_once_on_a_stream(void **state)
{
    struct stun_transaction transaction;
    int64_t moments[16];
    int64_t end;
    (void)state;
    start(&transaction, TRANSPORT_TCP, at_ms(0), MONOTIME_NEVER);
    assert_int_equal(run(&transaction, moments, &end), 1);
    assert_int_equal(end, 39500);
}

static void ends_when_the_owner_gives_up(void **state)
{
    struct stun_transaction transaction;
    int64_t moments[16];
    int64_t end;
    (void)state;
    start(&transaction, TRANSPORT_UDP, at_ms(0), at_ms(1000));
    assert_int_equal(run(&transaction, moments, &end), 2);
    assert_int_equal(end, 1000);
    start(&transaction, TRANSPORT_TLS, at_ms(0), at_ms(1000));
    assert_int_equal(run(&transaction, moments, &end), 1);
    assert_int_equal(end, 1000);
}

static void sends_nothing_early_and_the_same_bytes_again(void **state)
{
    struct stun_transaction transaction;
    uint8_t first[STUN_HEADER_SIZE];
    (void)state;
    start(&transaction, TRANSPORT_UDP, at_ms(0), MONOTIME_NEVER);
    assert_int_equal(wire_take(&wire), 1);
    memcpy(first, wire.sent[0].bytes, sizeof first);
    stun_transaction_tick(&transaction, at_ms(499), &wire.outbox);
    assert_int_equal(wire_take(&wire), 0);
    stun_transaction_tick(&transaction, at_ms(500), &wire.outbox);
    assert_int_equal(wire_take(&wire), 1);
    assert_int_equal(wire.sent[0].size, sizeof first);
    assert_memory_equal(wire.sent[0].bytes, first, sizeof first);
}

static bool matches(const struct stun_transaction *transaction, enum stun_class message_class,
                    uint16_t method, const uint8_t *id)
{
    uint8_t bytes[STUN_HEADER_SIZE];
    struct stun_builder builder;
    struct stun_view view;
    stun_builder_begin(&builder, bytes, sizeof bytes, message_class, method, id);
    assert_int_equal(stun_builder_finish(&builder), STUN_HEADER_SIZE);
    assert_int_equal(stun_view_parse(&view, bytes, sizeof bytes), STUN_OK);
    return stun_transaction_matches(transaction, &view);
}

static void takes_only_its_own_answer(void **state)
{
    struct stun_transaction transaction;
    (void)state;
    start(&transaction, TRANSPORT_UDP, at_ms(0), MONOTIME_NEVER);
    assert_true(matches(&transaction, STUN_SUCCESS, STUN_BINDING, transaction.id));
    assert_true(matches(&transaction, STUN_ERROR, STUN_BINDING, transaction.id));
    assert_false(matches(&transaction, STUN_REQUEST, STUN_BINDING, transaction.id));
    assert_false(matches(&transaction, STUN_INDICATION, STUN_BINDING, transaction.id));
    assert_false(matches(&transaction, STUN_SUCCESS, STUN_ALLOCATE, transaction.id));
    uint8_t other[STUN_TRANSACTION_ID_SIZE];
    memcpy(other, transaction.id, sizeof other);
    other[11] ^= 1;
    assert_false(matches(&transaction, STUN_SUCCESS, STUN_BINDING, other));
    stun_transaction_answered(&transaction);
    assert_false(matches(&transaction, STUN_SUCCESS, STUN_BINDING, transaction.id));
}

static void knows_the_round_trip_only_after_one_sending(void **state)
{
    struct stun_transaction transaction;
    (void)state;
    start(&transaction, TRANSPORT_UDP, at_ms(100), MONOTIME_NEVER);
    assert_int_equal(stun_transaction_rtt_us(&transaction, at_ms(130)), 30000);
    stun_transaction_tick(&transaction, at_ms(600), &wire.outbox);
    assert_int_equal(stun_transaction_rtt_us(&transaction, at_ms(601)), -1);
}

static void ids_differ(void **state)
{
    struct stun_transaction a = {0};
    struct stun_transaction b = {0};
    (void)state;
    stun_new_id(a.id, test_random, &seed);
    stun_new_id(b.id, test_random, &seed);
    assert_memory_not_equal(a.id, b.id, sizeof a.id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_at_the_moments_of_the_rfc),
        cmocka_unit_test(sends_once_on_a_stream),
        cmocka_unit_test(ends_when_the_owner_gives_up),
        cmocka_unit_test(sends_nothing_early_and_the_same_bytes_again),
        cmocka_unit_test(takes_only_its_own_answer),
        cmocka_unit_test(knows_the_round_trip_only_after_one_sending),
        cmocka_unit_test(ids_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
