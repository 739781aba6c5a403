/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/machine_test.h"
#include "tests/unit/seeded.h"
#include "turnserver/turn/channel_table.h"

#define BOUND 300

static struct channel *add(struct channel_table *table, int64_t now_ms, uint16_t number,
                           const struct stun_address *peer, int64_t expires_ms)
{
    struct channel *channel;

    assert_true(channel_table_make_room(table, at_ms(now_ms), BOUND));
    channel = channel_table_add(table, at_ms(now_ms), number, peer);
    channel->expires = at_ms(expires_ms);
    return channel;
}

static void finds_by_number_and_by_peer(void **state)
{
    struct channel_table table;
    struct stun_address peer = test_address("198.51.100.7:1000");
    struct stun_address other = test_address("198.51.100.7:1001");

    (void)state;
    channel_table_init(&table);
    add(&table, 0, 0x4001, &peer, 1000);
    assert_int_equal(channel_table_find_peer(&table, at_ms(999), &peer)->number, 0x4001);
    assert_true(address_equal(&channel_table_find_number(&table, at_ms(999), 0x4001)->peer, &peer));
    assert_null(channel_table_find_number(&table, at_ms(0), 0x4000));
    assert_null(channel_table_find_number(&table, at_ms(0), 0x4002));
    assert_null(channel_table_find_peer(&table, at_ms(0), &other));
    channel_table_clear(&table);
}

static void expires_and_can_be_bound_anew(void **state)
{
    struct channel_table table;
    struct stun_address peer = test_address("198.51.100.7:1000");
    struct stun_address other = test_address("198.51.100.8:1000");

    (void)state;
    channel_table_init(&table);
    add(&table, 0, 0x4001, &peer, 1000);
    assert_null(channel_table_find_number(&table, at_ms(1000), 0x4001));
    assert_null(channel_table_find_peer(&table, at_ms(1000), &peer));
    add(&table, 1000, 0x4001, &other, 2000); /* the number, for another peer */
    add(&table, 1000, 0x4002, &peer, 2000);  /* the peer, with another number */
    assert_int_equal(table.count, 2);
    assert_int_equal(channel_table_find_peer(&table, at_ms(1500), &other)->number, 0x4001);
    assert_int_equal(channel_table_find_peer(&table, at_ms(1500), &peer)->number, 0x4002);
    channel_table_clear(&table);
}

static void the_bound_counts_the_living(void **state)
{
    struct channel_table table;
    struct stun_address peer = test_address("198.51.100.7:1000");

    (void)state;
    channel_table_init(&table);
    for (uint16_t i = 0; i < 4; i++) {
        assert_true(channel_table_make_room(&table, at_ms(0), 4));
        peer.port = (uint16_t)(1000 + i);
        channel_table_add(&table, at_ms(0), (uint16_t)(0x4000 + i), &peer)->expires =
            at_ms(i == 2 ? 100 : 200);
    }
    assert_false(channel_table_make_room(&table, at_ms(99), 4));
    assert_true(channel_table_make_room(&table, at_ms(100), 4));
    assert_int_equal(table.count, 3);
    channel_table_clear(&table);
}

/* Against an array: the same answers, whatever happens in whatever order. */
static void agrees_with_a_plain_array(void **state)
{
    static struct {
        struct stun_address peer;
        int64_t expires_ms;
    } plain[BOUND];
    struct channel_table table;
    uint64_t seed = 4711;

    (void)state;
    channel_table_init(&table);
    for (int64_t now = 1; now < 20000; now++) {
        uint16_t slot = (uint16_t)seeded_below(&seed, BOUND);
        uint16_t number = (uint16_t)(0x4000 + slot);
        struct stun_address peer = test_address("198.51.100.7:1000");
        struct channel *by_number = channel_table_find_number(&table, at_ms(now), number);

        peer.port = (uint16_t)(seeded_below(&seed, 1000) + 1);
        assert_int_equal(by_number != NULL, plain[slot].expires_ms > now);
        if (by_number != NULL) {
            assert_true(address_equal(&by_number->peer, &plain[slot].peer));
            assert_ptr_equal(channel_table_find_peer(&table, at_ms(now), &plain[slot].peer),
                             by_number);
        } else if (channel_table_find_peer(&table, at_ms(now), &peer) == NULL) {
            plain[slot].peer = peer;
            plain[slot].expires_ms = now + 1 + (int64_t)seeded_below(&seed, 2000);
            add(&table, now, number, &peer, plain[slot].expires_ms);
        }
    }
    channel_table_clear(&table);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_number_and_by_peer),
        cmocka_unit_test(expires_and_can_be_bound_anew),
        cmocka_unit_test(the_bound_counts_the_living),
        cmocka_unit_test(agrees_with_a_plain_array),
    };

    return cmocka_run_group_tests_name("turn channel table", tests, NULL, NULL);
}
