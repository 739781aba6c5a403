/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/outbox.h"

#include <string.h>

static struct outbox outbox;
static struct {
    size_t flushes, entries, bytes;
    uint32_t next; /* the number that the next entry must carry */
} sent;

/* Each entry of these tests begins with its number. */
static void send_all(struct outbox *from, void *context)
{
    assert_ptr_equal(context, &sent);
    sent.flushes++;
    for (size_t i = 0; i < from->count; i++) {
        uint32_t number;
        memcpy(&number, from->entries[i].bytes, sizeof number);
        assert_int_equal(number, sent.next++);
        assert_int_equal(from->entries[i].flow.via, number);
        sent.entries++;
        sent.bytes += from->entries[i].size;
    }
    outbox_clear(from);
}

static int set_up(void **state)
{
    (void)state;
    memset(&sent, 0, sizeof sent);
    outbox_init(&outbox, send_all, &sent);
    return 0;
}

static void add(const uint8_t *bytes, uint32_t size, uint32_t number)
{
    outbox_add(&outbox, &(struct flow){.via = number}, bytes, size);
}

static uint8_t *reserve_numbered(uint32_t size, uint32_t number)
{
    uint8_t *bytes = outbox_reserve(&outbox, size);

    assert_int_equal((uintptr_t)(bytes - outbox.arena) % 8, 0);
    memset(bytes, 0xEE, size);
    memcpy(bytes, &number, sizeof number);
    return bytes;
}

static void test_keeps_order_and_loses_nothing(void **state)
{
    (void)state;
    /* More than fit in entries and in the arena, of sizes that leave odd ends. */
    for (uint32_t number = 0; number < 1000; number++) {
        uint32_t size = 4 + number * 37 % (OUTBOX_RESERVE_MAX - 4);
        add(reserve_numbered(size, number), size, number);
    }
    send_all(&outbox, &sent);
    assert_int_equal(sent.entries, 1000);
    assert_true(sent.flushes > 10);
}

static void test_what_is_not_added_is_reused(void **state)
{
    (void)state;
    uint8_t *bytes = outbox_reserve(&outbox, 100);
    assert_ptr_equal(outbox_reserve(&outbox, 100), bytes);
    memset(bytes, 0, 4);
    add(bytes, 20, 0);
    /* Only what was used of it is taken. */
    assert_ptr_equal(outbox_reserve(&outbox, 100), bytes + 24);
}

static void test_borrows_other_bytes(void **state)
{
    uint32_t numbers[OUTBOX_ENTRIES_MAX + 1];

    (void)state;
    for (uint32_t i = 0; i <= OUTBOX_ENTRIES_MAX; i++) {
        numbers[i] = i;
        add((const uint8_t *)&numbers[i], sizeof numbers[i], i);
    }
    assert_int_equal(sent.flushes, 1);
    assert_int_equal(sent.entries, OUTBOX_ENTRIES_MAX);
    assert_int_equal(outbox.count, 1);
    assert_int_equal(outbox.arena_used, 0);
}

/* A message is built, then others go before it and make the outbox flush: it must not be lost. */
static void test_a_reservation_survives_a_flush(void **state)
{
    uint32_t numbers[OUTBOX_ENTRIES_MAX];

    (void)state;
    add(reserve_numbered(40, 0), 40, 0);
    uint8_t *bytes = reserve_numbered(48, OUTBOX_ENTRIES_MAX);
    for (uint32_t i = 1; i < OUTBOX_ENTRIES_MAX; i++) {
        numbers[i] = i;
        add((const uint8_t *)&numbers[i], sizeof numbers[i], i);
    }
    add(bytes, 48, OUTBOX_ENTRIES_MAX);
    assert_int_equal(sent.flushes, 1);
    uint8_t *next = reserve_numbered(48, OUTBOX_ENTRIES_MAX + 1);
    assert_true(next >= bytes + 48);
    add(next, 48, OUTBOX_ENTRIES_MAX + 1);
    send_all(&outbox, &sent);
    assert_int_equal(sent.entries, OUTBOX_ENTRIES_MAX + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_keeps_order_and_loses_nothing, set_up),
        cmocka_unit_test_setup(test_what_is_not_added_is_reused, set_up),
        cmocka_unit_test_setup(test_borrows_other_bytes, set_up),
        cmocka_unit_test_setup(test_a_reservation_survives_a_flush, set_up),
    };

    return cmocka_run_group_tests_name("base/outbox", tests, NULL, NULL);
}
