/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "turnserver/turn/port_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct stun_address ip(const char *text)
{
    struct stun_address address = {0};

    assert_true(address_parse_ip(&address, text));
    return address;
}

static struct port_pool *pool_of(const char *text, uint16_t min, uint16_t max)
{
    struct stun_address address = ip(text);
    struct port_pool *pool = port_pool_new(&address, 1, min, max);
    assert_non_null(pool);
    return pool;
}

/* A repeatable stream of numbers (splitmix64). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t mixed = *state += UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ mixed >> 31;
}

static struct stun_address at_port(struct stun_address address, uint32_t port)
{
    address.port = (uint16_t)port;
    return address;
}

static unsigned count_live(const struct port_pool *pool, struct stun_address address)
{
    unsigned live = 0;

    for (uint32_t port = 0; port <= UINT16_MAX; port++) {
        struct stun_address place = at_port(address, port);
        live += port_pool_is_live(pool, &place);
    }
    return live;
}

static void take_all(uint16_t min, uint16_t max)
{
    struct port_pool *pool = pool_of("192.0.2.1", min, max);
    bool seen[UINT16_MAX + 1] = {false};
    uint64_t random = min;
    unsigned ports = (unsigned)max - min + 1;
    struct stun_address relayed = {0};

    for (unsigned i = 0; i < ports; i++) {
        assert_true(
            port_pool_take(pool, STUN_FAMILY_IPV4, PORT_ANY, NULL, next_random(&random), &relayed));
        assert_in_range(relayed.port, min, max);
        assert_false(seen[relayed.port]);
        seen[relayed.port] = true;
    }
    assert_int_equal(count_live(pool, relayed), ports);
    assert_false(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_ANY, NULL, 0, &relayed));
    port_pool_free(pool);
}

static void test_gives_each_port_once_until_none_is_left(void **state)
{
    (void)state;
    take_all(1, 65535);
    take_all(49152, 65535);
    take_all(1000, 1000);
    take_all(65535, 65535);
    take_all(1, 1);
    take_all(63, 64);
    take_all(63, 65);
    take_all(64, 127);
    take_all(60, 200);
}

static void test_keeps_parity(void **state)
{
    (void)state;
    struct port_pool *pool = pool_of("192.0.2.1", 1001, 1064);
    struct stun_address relayed;
    uint64_t random = 7;

    for (unsigned i = 0; i < 32; i++) {
        assert_true(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_EVEN, NULL, next_random(&random),
                                   &relayed));
        assert_int_equal(relayed.port % 2, 0);
    }
    assert_false(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_EVEN, NULL, 0, &relayed));
    assert_true(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_ANY, NULL, 0, &relayed));
    assert_int_equal(relayed.port, 1001);
    port_pool_free(pool);
}

static void test_pairs_need_both_ports(void **state)
{
    (void)state;
    /* Pairs are 1000+1001 and 1002+1003; 1004 has no partner inside the range. */
    struct port_pool *pool = pool_of("192.0.2.1", 999, 1004);
    struct stun_address relayed;
    struct stun_address odd = ip("192.0.2.1");
    uint64_t random = 3;
    unsigned sum = 0;

    for (unsigned i = 0; i < 2; i++) {
        assert_true(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_EVEN_PAIR, NULL,
                                   next_random(&random), &relayed));
        assert_int_equal(relayed.port % 2, 0);
        odd.port = relayed.port + 1;
        assert_true(port_pool_is_live(pool, &relayed));
        assert_true(port_pool_is_live(pool, &odd));
        sum += relayed.port;
    }
    assert_int_equal(sum, 1000 + 1002);
    assert_false(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_EVEN_PAIR, NULL, 0, &relayed));

    /* Half a pair given back is not a pair. */
    odd.port = 1001;
    port_pool_give_back(pool, &odd);
    assert_false(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_EVEN_PAIR, NULL, 0, &relayed));
    odd.port = 1000;
    port_pool_give_back(pool, &odd);
    assert_true(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_EVEN_PAIR, NULL, 0, &relayed));
    assert_int_equal(relayed.port, 1000);
    port_pool_free(pool);
}

static void test_leaks_no_port_in_20000_cycles(void **state)
{
    (void)state;
    struct port_pool *pool = pool_of("2001:db8::1", 50000, 50099);
    struct stun_address held[10];
    bool pair[10] = {false};
    unsigned count = 0;
    uint64_t random = 11;

    for (unsigned cycle = 0; cycle < 20000; cycle++) {
        if (count == 10) {
            struct stun_address first = held[0];
            struct stun_address second = first;
            second.port++;
            port_pool_give_back(pool, &first);
            if (pair[0]) {
                port_pool_give_back(pool, &second);
            }
            count--;
            held[0] = held[count];
            pair[0] = pair[count];
        }
        enum port_parity parity = (enum port_parity)(cycle % 3);
        pair[count] = parity == PORT_EVEN_PAIR;
        assert_true(port_pool_take(pool, STUN_FAMILY_IPV6, parity, NULL, next_random(&random),
                                   &held[count]));
        count++;
    }
    while (count-- > 0) {
        struct stun_address second = held[count];
        second.port++;
        port_pool_give_back(pool, &held[count]);
        if (pair[count]) {
            port_pool_give_back(pool, &second);
        }
    }
    assert_int_equal(count_live(pool, ip("2001:db8::1")), 0);
    port_pool_free(pool);
}

static void test_begins_anywhere(void **state)
{
    (void)state;
    struct port_pool *pool = pool_of("192.0.2.1", 49152, 65535);
    unsigned quarters[4] = {0};
    uint64_t random = 5;
    struct stun_address relayed;

    /* The ends of the random number's range are the ends of the port range. */
    assert_true(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_ANY, NULL, 0, &relayed));
    assert_int_equal(relayed.port, 49152);
    assert_true(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_ANY, NULL, UINT64_MAX, &relayed));
    assert_int_equal(relayed.port, 65535);
    assert_true(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_ANY, NULL, UINT64_MAX, &relayed));
    assert_int_equal(relayed.port, 49153);

    for (unsigned i = 0; i < 4000; i++) {
        assert_true(
            port_pool_take(pool, STUN_FAMILY_IPV4, PORT_ANY, NULL, next_random(&random), &relayed));
        quarters[(relayed.port - 49152) / 4096]++;
        port_pool_give_back(pool, &relayed);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_in_range(quarters[i], 850, 1150);
    }
    port_pool_free(pool);
}

static void test_spreads_over_addresses_of_a_family(void **state)
{
    (void)state;
    const struct stun_address addresses[] = {ip("192.0.2.1"), ip("2001:db8::1"), ip("192.0.2.2"),
                                             ip("192.0.2.3")};
    struct port_pool *pool = port_pool_new(addresses, 4, 1000, 1999);
    unsigned taken[4] = {0};
    uint64_t random = 13;
    struct stun_address relayed;

    for (unsigned i = 0; i < 900; i++) {
        assert_true(
            port_pool_take(pool, STUN_FAMILY_IPV4, PORT_ANY, NULL, next_random(&random), &relayed));
        assert_int_equal(relayed.family, STUN_FAMILY_IPV4);
        taken[relayed.ip[3]]++;
    }
    for (unsigned i = 1; i <= 3; i++) {
        assert_in_range(taken[i], 240, 360);
    }
    /* A full address does not stop the others. */
    for (unsigned i = 900; i < 3000; i++) {
        assert_true(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_ANY, NULL, 0, &relayed));
    }
    assert_false(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_ANY, NULL, 0, &relayed));
    assert_true(port_pool_take(pool, STUN_FAMILY_IPV6, PORT_ANY, NULL, 0, &relayed));
    port_pool_free(pool);
}

static void test_prefers_the_address_of_arrival(void **state)
{
    (void)state;
    const struct stun_address addresses[] = {ip("192.0.2.1"), ip("2001:db8::1"), ip("192.0.2.2"),
                                             ip("192.0.2.3")};
    const struct stun_address stranger = ip("198.51.100.1");
    struct port_pool *pool = port_pool_new(addresses, 4, 1000, 1099);
    unsigned taken[4] = {0};
    uint64_t random = 17;
    struct stun_address relayed;

    for (unsigned i = 0; i < 100; i++) {
        assert_true(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_ANY, &addresses[2],
                                   next_random(&random), &relayed));
        assert_true(address_equal_ip(&relayed, &addresses[2]));
    }
    /* When it is full, or not of the pool, or of the other family, the others serve. */
    for (unsigned i = 0; i < 150; i++) {
        const struct stun_address *const wishes[] = {&addresses[2], &stranger, &addresses[1]};
        assert_true(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_ANY, wishes[i % 3],
                                   next_random(&random), &relayed));
        taken[relayed.ip[3]]++;
    }
    assert_true(taken[1] > 20 && taken[3] > 20 && taken[2] == 0);
    assert_true(port_pool_take(pool, STUN_FAMILY_IPV6, PORT_ANY, &addresses[2],
                               next_random(&random), &relayed));
    assert_true(address_equal_ip(&relayed, &addresses[1]));
    port_pool_free(pool);
}

static void test_knows_its_families(void **state)
{
    (void)state;
    struct port_pool *pool = pool_of("192.0.2.1", 1000, 1001);
    struct stun_address relayed;

    assert_true(port_pool_has_family(pool, STUN_FAMILY_IPV4));
    assert_false(port_pool_has_family(pool, STUN_FAMILY_IPV6));
    assert_false(port_pool_take(pool, STUN_FAMILY_IPV6, PORT_ANY, NULL, 0, &relayed));
    port_pool_free(pool);

    pool = port_pool_new(NULL, 0, 1000, 1001);
    assert_non_null(pool);
    assert_false(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_ANY, NULL, 0, &relayed));
    port_pool_free(pool);
    port_pool_free(NULL);
}

static void test_what_listens_is_no_udp_port(void **state)
{
    (void)state;
    struct port_pool *pool = pool_of("192.0.2.1", 1000, 1100);
    struct stun_address relayed;
    struct stun_address outside = ip("192.0.2.2");

    assert_true(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_ANY, NULL, 0, &relayed));
    assert_false(port_pool_is_listening(pool, &relayed));
    port_pool_set_listening(pool, &relayed, true);
    assert_true(port_pool_is_listening(pool, &relayed));
    assert_false(port_pool_is_live(pool, &relayed));
    outside.port = relayed.port;
    assert_false(port_pool_is_listening(pool, &outside));
    port_pool_set_listening(pool, &relayed, false);
    assert_false(port_pool_is_listening(pool, &relayed));
    port_pool_give_back(pool, &relayed);
    port_pool_free(pool);
}

static void test_live_is_only_what_is_held(void **state)
{
    (void)state;
    struct port_pool *pool = pool_of("192.0.2.1", 1000, 1100);
    struct stun_address relayed;
    struct stun_address stranger = ip("192.0.2.2");
    struct stun_address outside = ip("192.0.2.1");

    assert_true(port_pool_take(pool, STUN_FAMILY_IPV4, PORT_ANY, NULL, 0, &relayed));
    stranger.port = relayed.port;
    assert_true(port_pool_is_live(pool, &relayed));
    assert_false(port_pool_is_live(pool, &stranger));
    /* 999 and 1101 share words with ports of the pool, and their bits are set. */
    for (unsigned i = 0; i < 4; i++) {
        outside.port = (uint16_t[]){999, 1101, 0, 65535}[i];
        assert_false(port_pool_is_live(pool, &outside));
    }
    port_pool_give_back(pool, &relayed);
    assert_false(port_pool_is_live(pool, &relayed));
    port_pool_free(pool);
}

/* ---- two threads ------------------------------------------------------------------------------
 */

struct hammer {
    struct port_pool *pool;
    _Atomic int *owners; /* of each port: nobody, or one thread */
    int name;
    int collisions;
};

static void *hammer(void *argument)
{
    struct hammer *own = argument;
    uint64_t random = (uint64_t)own->name;

    for (unsigned i = 0; i < 50000; i++) {
        struct stun_address relayed;
        enum port_parity parity = i % 2 ? PORT_ANY : PORT_EVEN_PAIR;
        if (!port_pool_take(own->pool, STUN_FAMILY_IPV4, parity, NULL, next_random(&random),
                            &relayed)) {
            continue;
        }
        unsigned held = parity == PORT_EVEN_PAIR ? 2 : 1;
        for (unsigned j = 0; j < held; j++) {
            own->collisions += atomic_exchange(&own->owners[relayed.port + j], own->name) != 0;
        }
        for (unsigned j = 0; j < held; j++) {
            struct stun_address one = relayed;
            one.port = (uint16_t)(relayed.port + j);
            own->collisions += atomic_exchange(&own->owners[one.port], 0) != own->name;
            port_pool_give_back(own->pool, &one);
        }
    }
    return NULL;
}

static void test_two_threads_never_hold_one_port(void **state)
{
    (void)state;
    struct port_pool *pool = pool_of("192.0.2.1", 1000, 1007);
    _Atomic int *owners = calloc(UINT16_MAX + 1, sizeof(*owners));
    struct hammer hammers[2] = {{pool, owners, 1, 0}, {pool, owners, 2, 0}};
    pthread_t threads[2];

    assert_non_null(owners);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &hammers[i]), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(hammers[i].collisions, 0);
    }
    assert_int_equal(count_live(pool, ip("192.0.2.1")), 0);
    free((void *)owners);
    port_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gives_each_port_once_until_none_is_left),
        cmocka_unit_test(test_keeps_parity),
        cmocka_unit_test(test_pairs_need_both_ports),
        cmocka_unit_test(test_leaks_no_port_in_20000_cycles),
        cmocka_unit_test(test_begins_anywhere),
        cmocka_unit_test(test_spreads_over_addresses_of_a_family),
        cmocka_unit_test(test_prefers_the_address_of_arrival),
        cmocka_unit_test(test_knows_its_families),
        cmocka_unit_test(test_live_is_only_what_is_held),
        cmocka_unit_test(test_what_listens_is_no_udp_port),
        cmocka_unit_test(test_two_threads_never_hold_one_port),
    };

    return cmocka_run_group_tests_name("turn/port_pool", tests, NULL, NULL);
}
