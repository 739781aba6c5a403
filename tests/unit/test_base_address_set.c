/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/address_set.h"

#include <stdio.h>
#include <string.h>

static struct stun_address ip(const char *text)
{
    struct stun_address address = {0};

    assert_true(address_parse_ip(&address, text));
    return address;
}

static void add(struct address_set *set, const char *text)
{
    struct address_range range;

    assert_true(address_range_parse(&range, text));
    assert_int_equal(address_set_add(set, &range), 0);
}

static bool contains(const struct address_set *set, const char *text)
{
    struct stun_address address = ip(text);

    address.port = 3478; /* must not matter */
    return address_set_contains(set, &address);
}

static void test_reads_ranges(void **state)
{
    (void)state;
    static const char *const good[][3] = {
        {"192.0.2.1", "192.0.2.1", "192.0.2.1"},
        {"192.0.2.0/24", "192.0.2.0", "192.0.2.255"},
        {"192.0.2.1/32", "192.0.2.1", "192.0.2.1"},
        {"0.0.0.0/0", "0.0.0.0", "255.255.255.255"},
        {"172.16.0.0/12", "172.16.0.0", "172.31.255.255"},
        {"10.0.0.5-10.0.1.2", "10.0.0.5", "10.0.1.2"},
        {"10.0.0.5-10.0.0.5", "10.0.0.5", "10.0.0.5"},
        {"2001:db8::/33", "2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"},
        {"::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"::1/128", "::1", "::1"},
        {"2001:db8::5-2001:db8:1::", "2001:db8::5", "2001:db8:1::"},
        {"[2001:db8::1]", "2001:db8::1", "2001:db8::1"},
    };

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct address_range range;
        struct stun_address first = ip(good[i][1]);
        struct stun_address last = ip(good[i][2]);
        assert_true(address_range_parse(&range, good[i][0]));
        assert_true(address_equal(&range.first, &first));
        assert_true(address_equal(&range.last, &last));
    }
}

static void test_refuses_what_is_no_range(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "/",
        "-",
        "/24",
        "192.0.2.1/",
        "192.0.2.1/24", /* host bits */
        "192.0.2.0/33",
        "192.0.2.0/-1",
        "192.0.2.0/+8",
        "192.0.2.0/08",
        "192.0.2.0/24 ",
        "192.0.2.0/24/24",
        "192.0.2.0/4294967320",
        "2001:db8::/129",
        "2001:db8::1/64",
        "192.0.2.9-192.0.2.5",
        "192.0.2.9-",
        "-192.0.2.9",
        "192.0.2.9 - 192.0.2.10",
        "192.0.2.1-2001:db8::1",
        "192.0.2.1-192.0.2.2-192.0.2.3",
        "192.0.2.0/24-192.0.3.0/24",
        "fe80::1%eth0",
        "example.org",
        "192.0.2",
        "1111111111111111111111111111111111111111111111111111111111111111111111111111",
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct address_range range = {.first = {.port = 7}};
        assert_false(address_range_parse(&range, bad[i]));
        assert_int_equal(range.first.port, 7);
    }
}

static void test_contains_ends_and_inside(void **state)
{
    (void)state;
    struct address_set set = {0};

    assert_false(contains(&set, "192.0.2.1"));
    add(&set, "192.0.2.16/28");
    add(&set, "10.0.0.0/8");
    add(&set, "2001:db8::5-2001:db8::1:3"); /* not aligned */
    add(&set, "192.0.2.255");
    assert_true(contains(&set, "192.0.2.16"));
    assert_true(contains(&set, "192.0.2.31"));
    assert_false(contains(&set, "192.0.2.15"));
    assert_false(contains(&set, "192.0.2.32"));
    assert_true(contains(&set, "10.255.255.255"));
    assert_false(contains(&set, "11.0.0.0"));
    assert_false(contains(&set, "9.255.255.255"));
    assert_true(contains(&set, "192.0.2.255"));
    assert_false(contains(&set, "192.0.3.0"));
    assert_true(contains(&set, "2001:db8::5"));
    assert_true(contains(&set, "2001:db8::ffff"));
    assert_true(contains(&set, "2001:db8::1:3"));
    assert_false(contains(&set, "2001:db8::4"));
    assert_false(contains(&set, "2001:db8::1:4"));
    /* The same leading bytes in the other family are someone else. */
    assert_false(contains(&set, "a00:1::"));
    address_set_clear(&set);
}

static void test_merges_what_overlaps(void **state)
{
    (void)state;
    struct address_set set = {0};

    add(&set, "10.0.0.10-10.0.0.20");
    add(&set, "10.0.0.30-10.0.0.40");
    add(&set, "10.0.0.50-10.0.0.60");
    assert_int_equal(set.count, 3);
    add(&set, "10.0.0.12-10.0.0.18"); /* inside */
    assert_int_equal(set.count, 3);
    add(&set, "10.0.0.15-10.0.0.35"); /* joins two */
    assert_int_equal(set.count, 2);
    assert_true(contains(&set, "10.0.0.25"));
    assert_true(contains(&set, "10.0.0.10"));
    assert_true(contains(&set, "10.0.0.40"));
    assert_false(contains(&set, "10.0.0.45"));
    add(&set, "10.0.0.0/24"); /* swallows all */
    assert_int_equal(set.count, 1);
    assert_true(contains(&set, "10.0.0.255"));
    assert_false(contains(&set, "10.0.1.0"));
    address_set_clear(&set);
    assert_int_equal(set.count, 0);
}

/* Against a plain table of 256 addresses. */
static void test_agrees_with_a_table(void **state)
{
    (void)state;
    uint32_t random = 1;

    for (unsigned round = 0; round < 200; round++) {
        struct address_set set = {0};
        bool expected[256] = {false};
        for (unsigned i = 0; i < 12; i++) {
            random = random * 1664525u + 1013904223u;
            unsigned first = random >> 24;
            unsigned last = first + (random >> 16 & 0xFF) % 24;
            last = last > 255 ? 255 : last;
            char text[64];
            snprintf(text, sizeof text, "198.51.100.%u-198.51.100.%u", first, last);
            add(&set, text);
            memset(expected + first, true, last - first + 1);
            for (unsigned host = 0; host < 256; host++) {
                struct stun_address address = ip("198.51.100.0");
                address.ip[3] = (uint8_t)host;
                assert_int_equal(address_set_contains(&set, &address), expected[host]);
            }
        }
        address_set_clear(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_ranges),
        cmocka_unit_test(test_refuses_what_is_no_range),
        cmocka_unit_test(test_contains_ends_and_inside),
        cmocka_unit_test(test_merges_what_overlaps),
        cmocka_unit_test(test_agrees_with_a_table),
    };

    return cmocka_run_group_tests_name("base/address_set", tests, NULL, NULL);
}
