/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data_pair.h"

#include <errno.h>

static const struct network good = {.delay_us = 10 * MONOTIME_MILLISECOND, .seed = 1};
static const struct network bad = {.delay_us = 10 * MONOTIME_MILLISECOND,
                                   .jitter_us = 20 * MONOTIME_MILLISECOND,
                                   .loss_percent = 30,
                                   .double_percent = 20,
                                   .seed = 7};

static uint8_t pattern[DATA_MESSAGE_MAX + 1];

static void fill_pattern(void)
{
    for (size_t i = 0; i < sizeof pattern; i++) {
        pattern[i] = (uint8_t)(i * 131 + (i >> 8));
    }
}

/* ---- opening --------------------------------------------------------------------------------- */

static void test_open(void **state)
{
    struct data_pair *pair = pair_new(&good);
    struct monotime begin = virtual_now;
    uint16_t id = 99;

    (void)state;
    assert_int_equal(data_channel_open(pair->a.session, virtual_now,
                                       &(struct data_channel_open){.label = "pipe",
                                                                   .protocol = "postern"},
                                       &id),
                     0);
    assert_int_equal(id, 0);
    assert_int_equal(
        data_channel_send(pair->a.session, virtual_now, id, DATA_TEXT, "early", 5), -EAGAIN);
    pair_connect(pair);
    PAIR_UNTIL(pair, 5, pair->a.seen.writable > 0);
    assert_int_equal(
        data_channel_send(pair->a.session, virtual_now, id, DATA_TEXT, "early", 5), 0);
    PAIR_UNTIL(pair, 5, pair->b.seen.messages > 0);
    print_message("# first data after %lld ms, round trip 20 ms\n",
                  (long long)(virtual_now.us - begin.us) / 1000);
    assert_true(pair->b.seen.verified);
    assert_true(pair->b.seen.ready);
    assert_int_equal(pair->b.seen.opened, 1);
    assert_true(pair->b.seen.by_peer);
    assert_string_equal(pair->b.seen.label, "pipe");
    assert_string_equal(pair->b.seen.protocol, "postern");
    assert_int_equal(pair->b.seen.last_kind, DATA_TEXT);
    assert_int_equal(pair->b.seen.last_size, 5);
    PAIR_UNTIL(pair, 5, pair->a.seen.opened == 1);
    assert_false(pair->a.seen.by_peer);
    assert_true(pair->a.largest <= DATA_DATAGRAM_MAX);
    assert_true(pair->b.largest <= DATA_DATAGRAM_MAX);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
    };

    (void)bad;
    fill_pattern();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
