/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/address_race.h"

#include <string.h>

#define PATIENCE_MS 5000

static const struct monotime start = {1000000};

/* "666444": six of each such family; the last byte tells which one it is. */
static size_t make(struct stun_address out[], const char *families)
{
    size_t count = strlen(families);
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct stun_address){.family =
                                           families[i] == '6' ? STUN_FAMILY_IPV6 : STUN_FAMILY_IPV4,
                                       .port = 80,
                                       .ip = {(uint8_t)i}};
    }
    return count;
}

static struct address_race begin(const char *families)
{
    struct address_race race;
    struct stun_address addresses[40];
    size_t count = make(addresses, families);
    address_race_begin(&race, start, addresses, count, PATIENCE_MS);
    return race;
}

static struct monotime at(int64_t ms)
{
    return monotime_add_ms(start, ms);
}

static void assert_begins(struct address_race *race, int64_t ms, size_t expected)
{
    size_t place = 99;
    assert_true(address_race_next(race, at(ms), &place));
    assert_int_equal(place, expected);
}

static void assert_waits(struct address_race *race, int64_t ms)
{
    size_t place;
    assert_false(address_race_next(race, at(ms), &place));
}

static void test_families_take_turns(void **state)
{
    static const struct {
        const char *families;
        uint8_t order[8];
    } rows[] = {
        {"66644", {0, 3, 1, 4, 2}},
        {"44466", {0, 3, 1, 4, 2}},
        {"6464", {0, 1, 2, 3}},
        {"444", {0, 1, 2}},
        {"6", {0}},
        {"466", {0, 1, 2}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address_race race = begin(rows[i].families);
        assert_int_equal(race.count, strlen(rows[i].families));
        for (size_t j = 0; j < race.count; j++) {
            assert_int_equal(race.addresses[j].ip[0], rows[i].order[j]);
        }
    }
}

/* A black hole holds the next one up for a quarter of a second, not for its whole patience. */
static void test_head_start(void **state)
{
    struct address_race race = begin("64");
    (void)state;
    assert_int_equal(address_race_due(&race).us, start.us);
    assert_begins(&race, 0, 0);
    assert_waits(&race, 0);
    assert_waits(&race, 249);
    assert_int_equal(address_race_due(&race).us, at(250).us);
    assert_begins(&race, 250, 1);
    assert_waits(&race, 300);
    assert_int_equal(address_race_due(&race).us, at(PATIENCE_MS).us);
    address_race_won(&race, 1);
    assert_true(monotime_is_never(address_race_due(&race)));
    assert_waits(&race, 10000);
    assert_false(address_race_is_lost(&race));
}

static void test_failure_starts_the_next(void **state)
{
    struct address_race race = begin("644");
    (void)state;
    assert_begins(&race, 0, 0);
    address_race_failed(&race, at(10), 0);
    assert_int_equal(address_race_due(&race).us, at(10).us);
    assert_begins(&race, 10, 1);
    assert_waits(&race, 259);
    assert_begins(&race, 260, 2);
    address_race_failed(&race, at(300), 1);
    assert_false(address_race_is_lost(&race));
    address_race_failed(&race, at(301), 2);
    assert_true(address_race_is_lost(&race));
    assert_true(monotime_is_never(address_race_due(&race)));
}

static void test_patience(void **state)
{
    struct address_race race = begin("64");
    size_t place;
    (void)state;
    assert_begins(&race, 0, 0);
    assert_begins(&race, 250, 1);
    assert_false(address_race_expired(&race, at(PATIENCE_MS - 1), &place));
    assert_true(address_race_expired(&race, at(PATIENCE_MS), &place));
    assert_int_equal(place, 0);
    assert_false(address_race_expired(&race, at(PATIENCE_MS), &place));
    assert_int_equal(address_race_due(&race).us, at(PATIENCE_MS + 250).us);
    assert_true(address_race_expired(&race, at(PATIENCE_MS + 250), &place));
    assert_int_equal(place, 1);
    assert_true(address_race_is_lost(&race));
}

/* What has won turns out to be of no use: the others have their chance, but for those that failed.
 */
static void test_resume(void **state)
{
    struct address_race race = begin("6464");
    (void)state;
    assert_begins(&race, 0, 0);
    address_race_failed(&race, at(1), 0);
    assert_begins(&race, 1, 1);
    assert_begins(&race, 251, 2);
    address_race_won(&race, 1);
    address_race_resume(&race, at(300), 1);
    assert_int_equal(address_race_due(&race).us, at(300).us);
    assert_begins(&race, 300, 2);
    assert_waits(&race, 300);
    assert_begins(&race, 550, 3);
    address_race_won(&race, 2);
    address_race_resume(&race, at(600), 2);
    assert_begins(&race, 600, 3);
    address_race_failed(&race, at(601), 3);
    assert_true(address_race_is_lost(&race));
}

static void test_bounds(void **state)
{
    struct address_race race = begin("4444444444444444444444444444444444");
    (void)state;
    assert_int_equal(race.count, ADDRESS_RACE_MAX);
    race = begin("");
    assert_waits(&race, 0);
    assert_true(address_race_is_lost(&race));
    assert_true(monotime_is_never(address_race_due(&race)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families_take_turns),
        cmocka_unit_test(test_head_start),
        cmocka_unit_test(test_failure_starts_the_next),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
