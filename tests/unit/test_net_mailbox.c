/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/mailbox.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>

#define SENDERS 4
#define MESSAGES 5000

static struct event_base *base;
static struct mailbox *mailbox;
static struct {
    size_t count;
    uint64_t last[SENDERS];
    void *pointer;
    bool answer; /* send another message from inside receive */
} seen;

static void receive(const struct mailbox_message *message, void *context)
{
    assert_ptr_equal(context, &seen);
    assert_in_range(message->type, 0, SENDERS - 1);
    assert_true(message->number > seen.last[message->type]);
    seen.last[message->type] = message->number;
    seen.pointer = message->pointer;
    seen.count++;
    if (seen.answer && seen.count < 100) {
        assert_int_equal(mailbox_send(mailbox, &(struct mailbox_message){0, seen.count + 1, NULL}),
                         0);
    }
}

static void begin(size_t capacity)
{
    memset(&seen, 0, sizeof seen);
    base = event_base_new();
    assert_non_null(base);
    assert_int_equal(mailbox_new(&mailbox, base, capacity, receive, &seen), 0);
}

static void end(void)
{
    mailbox_free(mailbox);
    event_base_free(base);
    libevent_global_shutdown();
}

static void test_in_order_and_bounded(void **state)
{
    int thing = 0;

    (void)state;
    begin(3);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(mailbox_send(mailbox, &(struct mailbox_message){0, i, &thing}), 0);
    }
    assert_int_equal(mailbox_send(mailbox, &(struct mailbox_message){0, 4, &thing}), -EAGAIN);
    assert_int_equal(seen.count, 0);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(seen.count, 3);
    assert_ptr_equal(seen.pointer, &thing);
    assert_int_equal(mailbox_send(mailbox, &(struct mailbox_message){0, 4, NULL}), 0);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(seen.count, 4);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(seen.count, 4);
    end();
}

static void test_sends_from_receive_do_not_hold_the_loop(void **state)
{
    (void)state;
    begin(1);
    seen.answer = true;
    assert_int_equal(mailbox_send(mailbox, &(struct mailbox_message){0, 1, NULL}), 0);
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_int_equal(seen.count, 1);
    for (int i = 0; i < 150; i++) {
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    }
    assert_int_equal(seen.count, 100);
    end();
}

static void test_what_waits_is_given_at_the_end(void **state)
{
    (void)state;
    begin(5);
    assert_int_equal(mailbox_send(mailbox, &(struct mailbox_message){1, 1, NULL}), 0);
    assert_int_equal(mailbox_send(mailbox, &(struct mailbox_message){1, 2, NULL}), 0);
    end();
    assert_int_equal(seen.count, 2);
    mailbox_free(NULL);
}

static void *send_many(void *argument)
{
    uint32_t type = *(const uint32_t *)argument;

    for (uint64_t i = 1; i <= MESSAGES; i++) {
        while (mailbox_send(mailbox, &(struct mailbox_message){type, i, NULL}) == -EAGAIN) {
            sched_yield();
        }
    }
    return NULL;
}

static void test_many_senders(void **state)
{
    pthread_t threads[SENDERS];
    uint32_t types[SENDERS];

    (void)state;
    begin(16);
    for (uint32_t i = 0; i < SENDERS; i++) {
        types[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, send_many, &types[i]), 0);
    }
    /* It blocks until there is a message: one that did not wake it would hang here. */
    while (seen.count < (size_t)SENDERS * MESSAGES) {
        event_base_loop(base, EVLOOP_ONCE);
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(seen.last[i], MESSAGES);
    }
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order_and_bounded),
        cmocka_unit_test(test_sends_from_receive_do_not_hold_the_loop),
        cmocka_unit_test(test_what_waits_is_given_at_the_end),
        cmocka_unit_test(test_many_senders),
    };

    return cmocka_run_group_tests_name("net/mailbox", tests, NULL, NULL);
}
