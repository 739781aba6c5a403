/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/machine_test.h"
#include "turnserver/turn/permission_table.h"

static struct stun_address peer_number(unsigned number)
{
    struct stun_address peer = {.family = STUN_FAMILY_IPV4, .port = 1};

    peer.ip[0] = 198;
    peer.ip[2] = (uint8_t)(number * 37 >> 8);
    peer.ip[3] = (uint8_t)(number * 37);
    return peer;
}

static void finds_by_ip_whatever_the_port(void **state)
{
    struct permission_table table;
    struct stun_address peer = test_address("198.51.100.7:1000");
    struct stun_address other_port = test_address("198.51.100.7:2000");
    struct stun_address other_ip = test_address("198.51.100.8:1000");

    (void)state;
    permission_table_init(&table);
    assert_true(permission_table_make_room(&table, at_ms(0), 1, 10));
    permission_table_set(&table, &peer, PEER_OWN, at_ms(300000));
    assert_non_null(permission_table_find(&table, at_ms(1), &other_port));
    assert_int_equal(permission_table_find(&table, at_ms(1), &peer)->verdict, PEER_OWN);
    assert_null(permission_table_find(&table, at_ms(1), &other_ip));
    permission_table_clear(&table);
}

static void families_do_not_mix(void **state)
{
    struct permission_table table;
    struct stun_address four = test_address("1.2.3.4:1");
    struct stun_address six = test_address("[102:304::]:1");

    (void)state;
    permission_table_init(&table);
    permission_table_set(&table, &four, PEER_ALLOWED, at_ms(1000));
    assert_null(permission_table_find(&table, at_ms(0), &six));
    permission_table_set(&table, &six, PEER_ALLOWED, at_ms(1000));
    assert_int_equal(table.count, 2);
    permission_table_clear(&table);
}

static void expires_to_the_microsecond(void **state)
{
    struct permission_table table;
    struct stun_address peer = test_address("198.51.100.7:1000");

    (void)state;
    permission_table_init(&table);
    permission_table_set(&table, &peer, PEER_ALLOWED, at_ms(300000));
    assert_non_null(permission_table_find(&table, (struct monotime){299999999}, &peer));
    assert_null(permission_table_find(&table, at_ms(300000), &peer));
    permission_table_set(&table, &peer, PEER_ALLOWED, at_ms(600000));
    assert_non_null(permission_table_find(&table, at_ms(300000), &peer));
    assert_int_equal(table.count, 1);
    permission_table_clear(&table);
}

static void grows_and_finds_every_one(void **state)
{
    struct permission_table table;

    (void)state;
    permission_table_init(&table);
    for (unsigned i = 0; i < 200; i++) {
        struct stun_address peer = peer_number(i);

        assert_true(permission_table_make_room(&table, at_ms(0), 1, 200));
        permission_table_set(&table, &peer, PEER_ALLOWED, at_ms(1000 + i));
    }
    assert_false(permission_table_make_room(&table, at_ms(0), 1, 200));
    for (unsigned i = 0; i < 200; i++) {
        struct stun_address peer = peer_number(i);

        assert_int_equal(permission_table_find(&table, at_ms(0), &peer)->expires.us,
                         at_ms(1000 + i).us);
    }
    permission_table_clear(&table);
    assert_int_equal(table.count, 0);
}

static void expired_ones_make_room(void **state)
{
    struct permission_table table;
    struct stun_address peer;

    (void)state;
    permission_table_init(&table);
    for (unsigned i = 0; i < 8; i++) {
        peer = peer_number(i);
        assert_true(permission_table_make_room(&table, at_ms(0), 1, 8));
        permission_table_set(&table, &peer, PEER_ALLOWED, at_ms(i < 5 ? 100 : 200));
    }
    assert_false(permission_table_make_room(&table, at_ms(99), 1, 8));
    assert_true(permission_table_make_room(&table, at_ms(100), 5, 8));
    assert_int_equal(table.count, 3);
    assert_false(permission_table_make_room(&table, at_ms(100), 6, 8));
    peer = peer_number(7);
    assert_non_null(permission_table_find(&table, at_ms(100), &peer));
    permission_table_clear(&table);
}

static void a_bound_below_the_inline_room_holds(void **state)
{
    struct permission_table table;
    struct stun_address peer = peer_number(0);

    (void)state;
    permission_table_init(&table);
    assert_false(permission_table_make_room(&table, at_ms(0), 2, 1));
    assert_true(permission_table_make_room(&table, at_ms(0), 1, 1));
    permission_table_set(&table, &peer, PEER_ALLOWED, at_ms(100));
    assert_false(permission_table_make_room(&table, at_ms(0), 1, 1));
    assert_true(permission_table_make_room(&table, at_ms(0), 0, 1));
    permission_table_clear(&table);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_ip_whatever_the_port),
        cmocka_unit_test(families_do_not_mix),
        cmocka_unit_test(expires_to_the_microsecond),
        cmocka_unit_test(grows_and_finds_every_one),
        cmocka_unit_test(expired_ones_make_room),
        cmocka_unit_test(a_bound_below_the_inline_room_holds),
    };

    return cmocka_run_group_tests_name("turn permission table", tests, NULL, NULL);
}
