/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "turnserver/datapath/socket_slots.h"

static void test_finds_what_was_taken(void **state)
{
    (void)state;
    struct socket_slots slots;
    socket_slots_init(&slots);
    struct socket_slot *taken[1000];
    for (unsigned i = 0; i < 1000; i++) {
        taken[i] = socket_slots_take(&slots);
        assert_non_null(taken[i]);
        assert_true(taken[i]->via != 0 && taken[i]->via < 0x80000000u);
    }
    for (unsigned i = 0; i < 1000; i++) {
        assert_ptr_equal(socket_slots_find(&slots, taken[i]->via), taken[i]);
    }
    assert_null(socket_slots_find(&slots, 0));
    assert_null(socket_slots_find(&slots, 0x7FFFFFFF));
    assert_null(socket_slots_find(&slots, 0xFFFFFFFF));
    socket_slots_free(&slots);
}

static void test_stale_via_finds_nothing(void **state)
{
    (void)state;
    struct socket_slots slots;
    socket_slots_init(&slots);
    struct socket_slot *slot = socket_slots_take(&slots);
    uint32_t stale = slot->via;
    socket_slots_give_back(&slots, slot);
    assert_null(socket_slots_find(&slots, stale));
    for (unsigned i = 0; i < 2000; i++) { /* just short of the generation's round */
        struct socket_slot *again = socket_slots_take(&slots);
        assert_ptr_equal(again, slot);
        assert_true(again->via != stale);
        assert_true(again->via != 0 && again->via < 0x80000000u);
        socket_slots_give_back(&slots, again);
    }
    socket_slots_free(&slots);
}

static void test_takes_the_longest_free_slot(void **state)
{
    (void)state;
    struct socket_slots slots;
    socket_slots_init(&slots);
    struct socket_slot *first = socket_slots_take(&slots);
    struct socket_slot *second = socket_slots_take(&slots);
    socket_slots_give_back(&slots, second);
    socket_slots_give_back(&slots, first);
    assert_ptr_equal(socket_slots_take(&slots), second);
    assert_ptr_equal(socket_slots_take(&slots), first);
    assert_int_equal(slots.used, 2);
    socket_slots_free(&slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_was_taken),
        cmocka_unit_test(test_stale_via_finds_nothing),
        cmocka_unit_test(test_takes_the_longest_free_slot),
    };
    return cmocka_run_group_tests_name("datapath_slots", tests, NULL, NULL);
}
