/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/token_bucket.h"

static struct monotime at(int64_t us)
{
    return (struct monotime){us};
}

static void test_burst_then_rate(void **state)
{
    const struct token_rate rate = {.per_second = 10, .burst = 5};
    struct token_bucket bucket = {0};
    int64_t start = 3600 * MONOTIME_SECOND;

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_true(token_bucket_take(&bucket, &rate, at(start), 1));
    }
    assert_false(token_bucket_take(&bucket, &rate, at(start), 1));
    assert_false(token_bucket_take(&bucket, &rate, at(start + 99999), 1));
    assert_true(token_bucket_take(&bucket, &rate, at(start + 100000), 1));
    assert_false(token_bucket_take(&bucket, &rate, at(start + 100000), 1));
    /* An hour later it holds the burst and no more. */
    assert_true(token_bucket_take(&bucket, &rate, at(start * 2), 5));
    assert_false(token_bucket_take(&bucket, &rate, at(start * 2), 1));
}

static void test_keeps_the_rate_over_time(void **state)
{
    const struct token_rate rate = {.per_second = 3, .burst = 1};
    struct token_bucket bucket = {0};
    int taken = 0;

    (void)state;
    for (int64_t us = MONOTIME_SECOND; us < 101 * MONOTIME_SECOND; us += 777) {
        taken += token_bucket_take(&bucket, &rate, at(us), 1) ? 1 : 0;
    }
    /* What comes late by a step is lost only once the bucket is full: within one percent. */
    assert_in_range(taken, 297, 301);
}

static void test_no_limit(void **state)
{
    const struct token_rate rate = {0};
    struct token_bucket bucket = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_true(token_bucket_take(&bucket, &rate, at(1), 1000000));
    }
    assert_int_equal(token_bucket_ready(&bucket, &rate, at(7), 5).us, 7);
}

static void test_large_numbers(void **state)
{
    const struct token_rate rate = {.per_second = TOKEN_RATE_MAX, .burst = TOKEN_RATE_MAX};
    struct token_bucket bucket = {0};

    (void)state;
    assert_true(token_bucket_take(&bucket, &rate, at(INT64_MAX / 2), TOKEN_RATE_MAX));
    assert_false(token_bucket_take(&bucket, &rate, at(INT64_MAX / 2), 1));
    assert_true(token_bucket_take(&bucket, &rate, at(INT64_MAX), TOKEN_RATE_MAX));
    assert_false(token_bucket_take(&bucket, &rate, at(INT64_MAX), UINT64_MAX));
}

static void test_ready(void **state)
{
    const struct token_rate rate = {.per_second = 1000, .burst = 2000};
    struct token_bucket bucket = {0};
    struct monotime now = at(10 * MONOTIME_SECOND);

    (void)state;
    assert_int_equal(token_bucket_ready(&bucket, &rate, now, 2000).us, now.us);
    assert_int_equal(token_bucket_ready(&bucket, &rate, now, 2001).us, INT64_MAX);
    assert_true(token_bucket_take(&bucket, &rate, now, 2000));
    struct monotime ready = token_bucket_ready(&bucket, &rate, now, 500);
    assert_int_equal(ready.us, now.us + MONOTIME_SECOND / 2);
    assert_false(token_bucket_take(&bucket, &rate, at(ready.us - 1), 500));
    assert_true(token_bucket_take(&bucket, &rate, ready, 500));
}

static void test_time_that_goes_back_gives_nothing(void **state)
{
    const struct token_rate rate = {.per_second = 1, .burst = 1};
    struct token_bucket bucket = {0};

    (void)state;
    assert_true(token_bucket_take(&bucket, &rate, at(5 * MONOTIME_SECOND), 1));
    assert_false(token_bucket_take(&bucket, &rate, at(0), 1));
    assert_false(token_bucket_take(&bucket, &rate, at(5 * MONOTIME_SECOND), 1));
    assert_true(token_bucket_take(&bucket, &rate, at(6 * MONOTIME_SECOND), 1));
}

static void test_a_lower_rate_holds_at_once(void **state)
{
    const struct token_rate high = {.per_second = 100, .burst = 100};
    const struct token_rate low = {.per_second = 1, .burst = 1};
    struct token_bucket bucket = {0};

    (void)state;
    assert_true(token_bucket_take(&bucket, &high, at(MONOTIME_SECOND), 1));
    assert_true(token_bucket_take(&bucket, &low, at(MONOTIME_SECOND), 1));
    assert_false(token_bucket_take(&bucket, &low, at(MONOTIME_SECOND), 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_then_rate),
        cmocka_unit_test(test_keeps_the_rate_over_time),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_large_numbers),
        cmocka_unit_test(test_ready),
        cmocka_unit_test(test_time_that_goes_back_gives_nothing),
        cmocka_unit_test(test_a_lower_rate_holds_at_once),
    };

    return cmocka_run_group_tests_name("base/token_bucket", tests, NULL, NULL);
}
