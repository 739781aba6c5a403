/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/turn_test_internal.h"

#include <stdlib.h>

#define LATE_MIN_US (MONOTIME_SECOND / 2) /* how long the last packet may take */

static void count_round_trip(struct turn_test *test, int64_t rtt_us)
{
    struct turn_echo *echo = &test->echo;
    echo->rtt_min_us = echo->returned == 0 || rtt_us < echo->rtt_min_us ? rtt_us : echo->rtt_min_us;
    echo->rtt_max_us = rtt_us > echo->rtt_max_us ? rtt_us : echo->rtt_max_us;
    echo->rtt_sum_us += rtt_us;
    if (test->last_rtt_us >= 0) {
        echo->jitter_sum_us += llabs(rtt_us - test->last_rtt_us);
    }
    test->last_rtt_us = rtt_us;
}

void test_echo_returned(struct turn_test *test, struct monotime now, const struct packet *packet,
                        uint32_t number)
{
    struct turn_echo *echo = &test->echo;
    if (!test_packet_is_intact(packet, number, test->setup.size)) {
        echo->corrupted++;
        return;
    }
    if (test->returned[number]) {
        echo->duplicates++;
        return;
    }
    test->returned[number] = 1;
    echo->reordered += echo->returned > 0 && number < test->highest;
    test->highest = number > test->highest ? number : test->highest;
    count_round_trip(test, monotime_difference_us(now, test->sent_at[number]));
    echo->returned++;
}

void test_echo_due(struct turn_test *test, struct monotime now, struct outbox *outbox)
{
    struct turn_echo *echo = &test->echo;
    if (echo->sent == test->setup.count) {
        test_end_step(test, now, outbox);
        return;
    }
    while (echo->sent < test->setup.count && monotime_reached(now, test->due) &&
           test_send(test, now, KIND_ECHO, echo->sent, test->setup.size, outbox)) {
        test->sent_at[echo->sent++] = now;
        test->due = monotime_add_ms(test->due, test->setup.interval_ms);
    }
    if (echo->sent == test->setup.count) {
        int64_t late_us = 4 * echo->rtt_max_us > LATE_MIN_US ? 4 * echo->rtt_max_us : LATE_MIN_US;
        test->due = monotime_add_us(now, late_us);
    }
}
