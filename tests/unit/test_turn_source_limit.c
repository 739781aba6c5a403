/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/source_limit.h"
#include "tests/unit/machine_test.h"
#include "tests/unit/seeded.h"

#include <pthread.h>

static unsigned take_many(struct source_limit *limit, int64_t now_ms,
                          const struct stun_address *source, uint32_t rate, unsigned tries)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < tries; i++) {
        taken += source_limit_take(limit, at_ms(now_ms), source, rate);
    }
    return taken;
}

static void a_second_full_then_the_rate(void **state)
{
    struct source_limit *limit = source_limit_new(1);
    struct stun_address source = test_address("198.51.100.7:1000");
    unsigned taken = 0;

    (void)state;
    assert_int_equal(take_many(limit, 5000, &source, 10, 100), 10);
    for (int64_t now = 5001; now <= 15000; now++) {
        taken += source_limit_take(limit, at_ms(now), &source, 10);
    }
    assert_int_equal(taken, 100);
    assert_int_equal(take_many(limit, 60000, &source, 10, 100), 10);
    source_limit_free(limit);
}

static void ports_share_and_addresses_do_not(void **state)
{
    struct source_limit *limit = source_limit_new(1);
    struct stun_address a = test_address("198.51.100.7:1000");
    struct stun_address a_again = test_address("198.51.100.7:2000");
    struct stun_address b = test_address("198.51.100.8:1000");

    (void)state;
    assert_int_equal(take_many(limit, 5000, &a, 3, 10), 3);
    assert_int_equal(take_many(limit, 5000, &a_again, 3, 10), 0);
    assert_int_equal(take_many(limit, 5000, &b, 3, 10), 3);
    source_limit_free(limit);
}

static void a_slash_64_is_one_source(void **state)
{
    struct source_limit *limit = source_limit_new(1);
    struct stun_address a = test_address("[2001:db8:0:1::1]:1");
    struct stun_address same = test_address("[2001:db8:0:1:ffff::9]:1");
    struct stun_address other = test_address("[2001:db8:0:2::1]:1");

    (void)state;
    assert_int_equal(take_many(limit, 5000, &a, 3, 10), 3);
    assert_int_equal(take_many(limit, 5000, &same, 3, 10), 0);
    assert_int_equal(take_many(limit, 5000, &other, 3, 10), 3);
    source_limit_free(limit);
}

/* A greedy source stays limited while made-up ones pour in, and a modest one is still served. */
static void a_flood_washes_nobody_out(void **state)
{
    struct source_limit *limit = source_limit_new(99);
    struct stun_address greedy = test_address("198.51.100.7:1000");
    struct stun_address modest = test_address("198.51.100.8:1000");
    uint64_t seed = 7;
    unsigned greedy_taken = 0, modest_taken = 0;

    (void)state;
    for (int64_t now = 0; now < 10000; now++) {
        for (unsigned i = 0; i < 20; i++) {
            struct stun_address flood = {.family = STUN_FAMILY_IPV4, .port = 9};

            for (size_t byte = 0; byte < 4; byte++) {
                flood.ip[byte] = (uint8_t)seeded_next(&seed);
            }
            source_limit_take(limit, at_ms(now), &flood, 5);
        }
        greedy_taken += take_many(limit, now, &greedy, 5, 5);
        if (now % 500 == 0) {
            modest_taken += source_limit_take(limit, at_ms(now), &modest, 5);
        }
    }
    assert_in_range(greedy_taken, 50, 60);
    assert_int_equal(modest_taken, 20);
    source_limit_free(limit);
}

/* Several threads that draw for one source get no more than it may have. */
struct drawer {
    struct source_limit *limit;
    unsigned taken;
};

static void *draw_many(void *context)
{
    struct drawer *drawer = context;
    struct stun_address source = test_address("198.51.100.7:1000");

    drawer->taken = take_many(drawer->limit, 5000, &source, 1000, 50000);
    return NULL;
}

static void threads_share_a_source(void **state)
{
    struct source_limit *limit = source_limit_new(5);
    struct drawer drawers[4];
    pthread_t threads[4];
    struct stun_address source = test_address("198.51.100.7:1000");
    unsigned taken = take_many(limit, 5000, &source, 1000, 1); /* it has a place from now on */

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        drawers[i] = (struct drawer){limit, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, draw_many, &drawers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        taken += drawers[i].taken;
    }
    assert_int_equal(taken, 1000);
    source_limit_free(limit);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_full_then_the_rate),
        cmocka_unit_test(ports_share_and_addresses_do_not),
        cmocka_unit_test(a_slash_64_is_one_source),
        cmocka_unit_test(a_flood_washes_nobody_out),
        cmocka_unit_test(threads_share_a_source),
    };

    return cmocka_run_group_tests_name("turn source limit", tests, NULL, NULL);
}
