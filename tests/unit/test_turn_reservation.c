/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/machine_test.h"
#include "turnserver/turn/reservation.h"

#include <pthread.h>
#include <stdatomic.h>

static void a_token_fetches_once(void **state)
{
    struct reservation_table *table = reservation_table_new();
    struct stun_address relayed = test_address("192.0.2.1:50001");
    struct stun_address out = {0};
    uint64_t token = reservation_put(table, 0x1234, &relayed);

    (void)state;
    assert_int_not_equal(token, RESERVATION_TOKEN_NONE);
    assert_false(reservation_take(table, token ^ 1024, &out));
    assert_false(reservation_take(table, RESERVATION_TOKEN_NONE, &out));
    assert_false(reservation_take(table, 1, &out));
    assert_true(reservation_take(table, token, &out));
    assert_true(address_equal(&out, &relayed));
    assert_false(reservation_take(table, token, &out));
    reservation_table_free(table);
}

static void a_full_table_says_so(void **state)
{
    struct reservation_table *table = reservation_table_new();
    struct stun_address relayed = test_address("192.0.2.1:50001");
    struct stun_address out;
    uint64_t tokens[2000];
    uint64_t seed = 3;
    size_t count = 0;

    (void)state;
    for (unsigned i = 0; i < 20000 && count < 2000; i++) {
        tokens[count] = reservation_put(table, test_random(&seed), &relayed);
        count += tokens[count] != RESERVATION_TOKEN_NONE;
    }
    assert_int_equal(count, 1024);
    assert_int_equal(reservation_put(table, 5, &relayed), RESERVATION_TOKEN_NONE);
    for (size_t i = 0; i < count; i++) {
        assert_true(reservation_take(table, tokens[i], &out));
    }
    assert_int_not_equal(reservation_put(table, 5, &relayed), RESERVATION_TOKEN_NONE);
    reservation_table_free(table);
}

struct race {
    struct reservation_table *table;
    uint64_t tokens[512];
    atomic_uint taken;
};

static void *take_all(void *context)
{
    struct race *race = context;
    struct stun_address out;

    for (size_t i = 0; i < 512; i++) {
        if (reservation_take(race->table, race->tokens[i], &out)) {
            atomic_fetch_add(&race->taken, 1);
        }
    }
    return NULL;
}

static void two_workers_never_get_the_same_port(void **state)
{
    static struct race race;
    struct stun_address relayed = test_address("192.0.2.1:50001");
    uint64_t seed = 11;
    pthread_t threads[3];

    (void)state;
    race.table = reservation_table_new();
    for (size_t i = 0; i < 512; i++) {
        do {
            race.tokens[i] = reservation_put(race.table, test_random(&seed), &relayed);
        } while (race.tokens[i] == RESERVATION_TOKEN_NONE);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_all, &race), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&race.taken), 512);
    reservation_table_free(race.table);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_fetches_once),
        cmocka_unit_test(a_full_table_says_so),
        cmocka_unit_test(two_workers_never_get_the_same_port),
    };

    return cmocka_run_group_tests_name("turn reservation", tests, NULL, NULL);
}
