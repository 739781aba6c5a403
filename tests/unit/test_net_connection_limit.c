/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "net/connection_limit.h"

#include <pthread.h>
#include <string.h>

static const struct siphash_key key = {{3, 4}};

static enum connection_verdict take(struct connection_limit *limit, const char *source)
{
    struct stun_address address = {0};

    assert_true(address_parse_ip(&address, source));
    address.port = 4000;
    return connection_limit_take(limit, &address);
}

static void give_back(struct connection_limit *limit, const char *source)
{
    struct stun_address address = {0};

    assert_true(address_parse_ip(&address, source));
    address.port = 5000;
    connection_limit_give_back(limit, &address);
}

static void test_total(void **state)
{
    struct connection_limit *limit = connection_limit_new(3, 0, &key);

    (void)state;
    assert_int_equal(take(limit, "192.0.2.1"), CONNECTION_ALLOWED);
    assert_int_equal(take(limit, "192.0.2.1"), CONNECTION_ALLOWED);
    assert_int_equal(take(limit, "2001:db8::1"), CONNECTION_ALLOWED);
    assert_int_equal(take(limit, "192.0.2.9"), CONNECTION_REFUSED_TOTAL);
    give_back(limit, "192.0.2.1");
    assert_int_equal(take(limit, "192.0.2.9"), CONNECTION_ALLOWED);
    assert_int_equal(take(limit, "192.0.2.9"), CONNECTION_REFUSED_TOTAL);
    connection_limit_free(limit);
}

static void test_per_source(void **state)
{
    struct connection_limit *limit = connection_limit_new(0, 2, &key);

    (void)state;
    assert_int_equal(take(limit, "192.0.2.1"), CONNECTION_ALLOWED);
    assert_int_equal(take(limit, "::ffff:192.0.2.1"), CONNECTION_ALLOWED);
    assert_int_equal(take(limit, "192.0.2.1"), CONNECTION_REFUSED_SOURCE);
    assert_int_equal(take(limit, "192.0.2.2"), CONNECTION_ALLOWED);
    give_back(limit, "192.0.2.1");
    assert_int_equal(take(limit, "192.0.2.1"), CONNECTION_ALLOWED);
    assert_int_equal(take(limit, "192.0.2.1"), CONNECTION_REFUSED_SOURCE);
    /* Giving back what was never taken changes nothing. */
    give_back(limit, "198.51.100.7");
    assert_int_equal(take(limit, "192.0.2.1"), CONNECTION_REFUSED_SOURCE);
    connection_limit_free(limit);
}

static void test_an_ipv6_source_is_its_64(void **state)
{
    struct connection_limit *limit = connection_limit_new(0, 2, &key);

    (void)state;
    assert_int_equal(take(limit, "2001:db8:0:1::1"), CONNECTION_ALLOWED);
    assert_int_equal(take(limit, "2001:db8:0:1:ffff::2"), CONNECTION_ALLOWED);
    assert_int_equal(take(limit, "2001:db8:0:1:2:3:4:5"), CONNECTION_REFUSED_SOURCE);
    assert_int_equal(take(limit, "2001:db8:0:2::1"), CONNECTION_ALLOWED);
    connection_limit_free(limit);
}

static void test_new_bounds(void **state)
{
    struct connection_limit *limit = connection_limit_new(1, 1, &key);

    (void)state;
    assert_int_equal(take(limit, "192.0.2.1"), CONNECTION_ALLOWED);
    assert_int_equal(take(limit, "192.0.2.2"), CONNECTION_REFUSED_TOTAL);
    connection_limit_set(limit, 0, 2);
    assert_int_equal(take(limit, "192.0.2.2"), CONNECTION_ALLOWED);
    assert_int_equal(take(limit, "192.0.2.1"), CONNECTION_ALLOWED);
    assert_int_equal(take(limit, "192.0.2.1"), CONNECTION_REFUSED_SOURCE);
    connection_limit_free(limit);
    connection_limit_free(NULL);
}

#define THREADS 4
#define TURNS 5000

static void *take_and_give_back(void *argument)
{
    struct connection_limit *limit = argument;
    struct stun_address address = {.family = STUN_FAMILY_IPV4};
    size_t allowed = 0;

    for (unsigned i = 0; i < TURNS; i++) {
        address.ip[3] = (uint8_t)(i % 7);
        if (connection_limit_take(limit, &address) == CONNECTION_ALLOWED) {
            allowed++;
            connection_limit_give_back(limit, &address);
        }
    }
    return allowed > 0 ? limit : NULL;
}

static void test_threads_lose_no_count(void **state)
{
    struct connection_limit *limit = connection_limit_new(3, 2, &key);
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give_back, limit), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, limit);
    }
    assert_int_equal(take(limit, "192.0.2.1"), CONNECTION_ALLOWED);
    assert_int_equal(take(limit, "192.0.2.1"), CONNECTION_ALLOWED);
    assert_int_equal(take(limit, "192.0.2.1"), CONNECTION_REFUSED_SOURCE);
    assert_int_equal(take(limit, "192.0.2.2"), CONNECTION_ALLOWED);
    assert_int_equal(take(limit, "192.0.2.3"), CONNECTION_REFUSED_TOTAL);
    connection_limit_free(limit);
}

/* Behind a proxy: counted in all until the source is known, then as the source's. */
static void test_sources_told_later(void **state)
{
    const struct stun_address nobody = {0};
    const struct stun_address one = {.family = STUN_FAMILY_IPV4, .ip = {192, 0, 2, 1}};
    const struct stun_address other = {.family = STUN_FAMILY_IPV4, .ip = {192, 0, 2, 2}};
    struct connection_limit *limit = connection_limit_new(4, 2, &key);

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(connection_limit_take(limit, &nobody), CONNECTION_ALLOWED);
    }
    assert_int_equal(connection_limit_take(limit, &nobody), CONNECTION_REFUSED_TOTAL);
    assert_int_equal(connection_limit_move(limit, &nobody, &one), CONNECTION_ALLOWED);
    assert_int_equal(connection_limit_move(limit, &nobody, &one), CONNECTION_ALLOWED);
    assert_int_equal(connection_limit_move(limit, &nobody, &one), CONNECTION_REFUSED_SOURCE);
    assert_int_equal(connection_limit_move(limit, &nobody, &other), CONNECTION_ALLOWED);
    assert_int_equal(connection_limit_take(limit, &other), CONNECTION_REFUSED_TOTAL);
    connection_limit_give_back(limit, &one);
    assert_int_equal(connection_limit_move(limit, &nobody, &one), CONNECTION_ALLOWED);
    connection_limit_give_back(limit, &nobody); /* none is left: changes nothing */
    assert_int_equal(connection_limit_take(limit, &other), CONNECTION_ALLOWED);
    assert_int_equal(connection_limit_take(limit, &other), CONNECTION_REFUSED_TOTAL);
    connection_limit_free(limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_total),
        cmocka_unit_test(test_per_source),
        cmocka_unit_test(test_an_ipv6_source_is_its_64),
        cmocka_unit_test(test_new_bounds),
        cmocka_unit_test(test_sources_told_later),
        cmocka_unit_test(test_threads_lose_no_count),
    };

    return cmocka_run_group_tests_name("net/connection_limit", tests, NULL, NULL);
}
