/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/timer_wheel.h"
#include "seeded.h"

#include <string.h>

#define TIMERS 500

static struct timer_wheel wheel;
static struct timer_node timers[TIMERS];

static struct monotime at(int64_t us)
{
    return (struct monotime){us};
}

static void begin(int64_t granularity_us, int64_t now)
{
    memset(timers, 0, sizeof timers);
    timer_wheel_init(&wheel, granularity_us, at(now));
}

static void test_empty(void **state)
{
    (void)state;
    begin(1000, 0);
    assert_int_equal(timer_wheel_due(&wheel).us, INT64_MAX);
    assert_null(timer_wheel_expire(&wheel, at(INT64_MAX - 1)));
    assert_false(timer_node_is_set(&timers[0]));
    timer_wheel_cancel(&wheel, &timers[0]);
}

static void test_never_early_and_in_order(void **state)
{
    (void)state;
    begin(1000, 5000000);
    timer_wheel_set(&wheel, &timers[0], at(5003001));
    timer_wheel_set(&wheel, &timers[1], at(5001000));
    timer_wheel_set(&wheel, &timers[2], at(5003999));
    timer_wheel_set(&wheel, &timers[3], at(9000000000));
    assert_int_equal(timer_wheel_due(&wheel).us, 5001000);
    assert_null(timer_wheel_expire(&wheel, at(5000999)));
    assert_ptr_equal(timer_wheel_expire(&wheel, at(5001000)), &timers[1]);
    assert_false(timer_node_is_set(&timers[1]));
    assert_null(timer_wheel_expire(&wheel, at(5003999)));
    assert_int_equal(timer_wheel_due(&wheel).us, 5004000);
    assert_ptr_equal(timer_wheel_expire(&wheel, at(5004000)), &timers[0]);
    assert_ptr_equal(timer_wheel_expire(&wheel, at(5004000)), &timers[2]);
    assert_null(timer_wheel_expire(&wheel, at(5004000)));
    assert_true(timer_node_is_set(&timers[3]));
    assert_null(timer_wheel_expire(&wheel, at(8999999999)));
    assert_ptr_equal(timer_wheel_expire(&wheel, at(9000000000)), &timers[3]);
}

static void test_past_comes_at_once(void **state)
{
    (void)state;
    begin(1000, 5000000);
    timer_wheel_set(&wheel, &timers[0], at(-7));
    timer_wheel_set(&wheel, &timers[1], at(5000000));
    assert_true(timer_wheel_due(&wheel).us <= 5000000);
    assert_ptr_equal(timer_wheel_expire(&wheel, at(5000000)), &timers[0]);
    assert_ptr_equal(timer_wheel_expire(&wheel, at(5000000)), &timers[1]);
    assert_null(timer_wheel_expire(&wheel, at(5000000)));
    timer_wheel_set(&wheel, &timers[0], at(1));
    timer_wheel_cancel(&wheel, &timers[0]);
    assert_null(timer_wheel_expire(&wheel, at(5000000)));
}

static void test_moves_and_cancels(void **state)
{
    (void)state;
    begin(1000, 0);
    timer_wheel_set(&wheel, &timers[0], at(10000));
    timer_wheel_set(&wheel, &timers[0], at(600000000));
    assert_null(timer_wheel_expire(&wheel, at(10000)));
    timer_wheel_set(&wheel, &timers[0], at(20000));
    assert_int_equal(timer_wheel_due(&wheel).us, 20000);
    timer_wheel_cancel(&wheel, &timers[0]);
    assert_false(timer_node_is_set(&timers[0]));
    assert_int_equal(timer_wheel_due(&wheel).us, INT64_MAX);
    assert_null(timer_wheel_expire(&wheel, at(600000000)));
}

static void test_never(void **state)
{
    (void)state;
    begin(1, 0);
    timer_wheel_set(&wheel, &timers[0], MONOTIME_NEVER);
    assert_null(timer_wheel_expire(&wheel, at(INT64_MAX - 1)));
    assert_null(timer_wheel_expire(&wheel, MONOTIME_NEVER));
    assert_true(timer_node_is_set(&timers[0]));
}

static void test_set_in_the_loop(void **state)
{
    int seen = 0;
    struct timer_node *node;

    (void)state;
    begin(1000, 0);
    timer_wheel_set(&wheel, &timers[0], at(1000));
    timer_wheel_set(&wheel, &timers[1], at(50000));
    /* Each time a periodic timer runs late by much, its next turns come in the same loop. */
    while ((node = timer_wheel_expire(&wheel, at(50000))) != NULL) {
        seen++;
        if (node == &timers[0]) {
            assert_true(timer_node_is_set(&timers[1]) || seen > 50);
            timer_wheel_set(&wheel, &timers[0], monotime_add_us(timers[0].due, 1000));
        }
    }
    assert_int_equal(seen, 51);
    assert_int_equal(timers[0].due.us, 51000);
}

/* A loop that sleeps exactly until `due` must come to an end, and soon. */
static void test_due_makes_progress(void **state)
{
    static const int64_t far[] = {1,          63000,         64000,          65000,
                                  4096000,    600000000,     3600000000,     86400000000,
                                  7776000000, 7776000001000, 31536000000000, 315360000000000};

    (void)state;
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        struct monotime now = at(123456789);
        begin(1000, now.us);
        timer_wheel_set(&wheel, &timers[0], monotime_add_us(now, far[i]));
        int wakes = 0;
        while (timer_wheel_expire(&wheel, now) == NULL) {
            struct monotime due = timer_wheel_due(&wheel);
            assert_true(monotime_before(now, due));
            now = due;
            wakes++;
            assert_in_range(wakes, 1, TIMER_WHEEL_LEVELS);
        }
        assert_in_range(now.us - 123456789 - far[i], 0, 999);
    }
}

struct model {
    struct monotime now;
    uint64_t seed;
    int64_t granularity;
};

static int64_t ticks(const struct model *model, int64_t us)
{
    return (us + model->granularity - 1) / model->granularity;
}

static void expire_like_model(const struct model *model)
{
    struct timer_node *node;
    int64_t last = 0;

    while ((node = timer_wheel_expire(&wheel, model->now)) != NULL) {
        assert_true(monotime_reached(model->now, node->due));
        assert_true(ticks(model, node->due.us) >= last);
        last = ticks(model, node->due.us);
    }
    int64_t first = INT64_MAX;
    for (int i = 0; i < TIMERS; i++) {
        if (timer_node_is_set(&timers[i])) {
            assert_true(ticks(model, timers[i].due.us) * model->granularity > model->now.us);
            first = timers[i].due.us < first ? timers[i].due.us : first;
        }
    }
    struct monotime due = timer_wheel_due(&wheel);
    assert_true(monotime_before(model->now, due));
    assert_true(first == INT64_MAX ? monotime_is_never(due)
                                   : due.us <= ticks(model, first) * model->granularity);
}

static void run_model(struct model model)
{
    begin(model.granularity, model.now.us);
    for (int step = 0; step < 20000; step++) {
        struct timer_node *node = &timers[seeded_below(&model.seed, TIMERS)];
        int64_t reach = INT64_C(1) << seeded_below(&model.seed, 42);
        switch (seeded_below(&model.seed, 8)) {
        case 0:
            timer_wheel_cancel(&wheel, node);
            assert_false(timer_node_is_set(node));
            break;
        case 1:
            model.now = monotime_add_us(model.now, (int64_t)seeded_below(&model.seed, reach) >> 10);
            expire_like_model(&model);
            break;
        case 2:
            model.now =
                monotime_is_never(timer_wheel_due(&wheel)) ? model.now : timer_wheel_due(&wheel);
            expire_like_model(&model);
            break;
        default:
            timer_wheel_set(
                &wheel, node,
                monotime_add_us(model.now, (int64_t)seeded_below(&model.seed, reach) + 1));
        }
    }
}

static void test_against_model(void **state)
{
    (void)state;
    run_model((struct model){at(0), 1, 1000});
    run_model((struct model){at(987654321987), 2, 1});
    run_model((struct model){at(63 * 64 * 1000), 3, 10000});
    run_model((struct model){at((INT64_C(1) << 36) - 5), 4, 7});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_never_early_and_in_order),
        cmocka_unit_test(test_past_comes_at_once),
        cmocka_unit_test(test_moves_and_cancels),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_set_in_the_loop),
        cmocka_unit_test(test_due_makes_progress),
        cmocka_unit_test(test_against_model),
    };

    return cmocka_run_group_tests_name("base/timer_wheel", tests, NULL, NULL);
}
