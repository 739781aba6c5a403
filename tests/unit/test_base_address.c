/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"

#include <string.h>

static struct stun_address ip(const char *text)
{
    struct stun_address address = {0};

    assert_true(address_parse_ip(&address, text));
    return address;
}

static void test_reads_ip(void **state)
{
    (void)state;
    struct stun_address address = ip("192.0.2.1");
    assert_int_equal(address.family, STUN_FAMILY_IPV4);
    assert_int_equal(address.port, 0);
    assert_memory_equal(address.ip, "\300\0\2\1\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    address = ip("2001:db8::1");
    assert_int_equal(address.family, STUN_FAMILY_IPV6);
    assert_memory_equal(address.ip, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    struct stun_address bracketed = ip("[2001:db8::1]");
    assert_true(address_equal(&address, &bracketed));
}

static void test_refuses_what_is_no_ip(void **state)
{
    static const char *const bad[] = {
        "",          "1.2.3",      "1.2.3.4.5",
        "256.1.1.1", "1.2.3.4 ",   " 1.2.3.4",
        "01.2.3.4",  "[1.2.3.4]",  "[::1",
        "::1]",      "[]",         "fe80::1%eth0",
        "localhost", "1.2.3.4:80", "[::1]:80",
        ":::",       "12345::",    "1111:2222:3333:4444:5555:6666:7777:8888:9999:1111",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct stun_address address = {.port = 7};
        assert_false(address_parse_ip(&address, bad[i]));
        assert_int_equal(address.port, 7);
    }
}

static void test_reads_and_writes_with_port(void **state)
{
    static const char *const same[] = {
        "192.0.2.1:3478",
        "255.255.255.255:65535",
        "0.0.0.0:0",
        "[::]:0",
        "[2001:db8::1]:3478",
        "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
        "[::ffff:192.0.2.1]:1",
    };
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        struct stun_address address, again;
        assert_true(address_parse(&address, same[i]));
        address_format(&address, text);
        assert_true(address_parse(&again, text));
        assert_true(address_equal(&address, &again));
        if (strstr(same[i], "ffff:ffff") == NULL) {
            assert_string_equal(text, same[i]);
        }
    }
}

static void test_refuses_bad_ports(void **state)
{
    static const char *const bad[] = {
        "192.0.2.1",       "192.0.2.1:",
        "192.0.2.1:65536", "192.0.2.1:+1",
        "192.0.2.1:-1",    "192.0.2.1: 1",
        "192.0.2.1:1 ",    "192.0.2.1:0x1",
        "192.0.2.1:01",    "2001:db8::1:80",
        "[::1]80",         "[::1]",
        "[]:80",           ":80",
        "[192.0.2.1]:80",  "[::1]:99999999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct stun_address address;
        assert_false(address_parse(&address, bad[i]));
    }
}

static void test_writes_no_address(void **state)
{
    char text[ADDRESS_TEXT_SIZE];
    struct stun_address address = {0};

    (void)state;
    assert_string_equal(address_format(&address, text), "none");
    assert_string_equal(address_format_ip(&address, text), "none");
    address = ip("2001:db8::1");
    assert_string_equal(address_format_ip(&address, text), "2001:db8::1");
}

static void test_compares(void **state)
{
    static const char *const rising[] = {
        "1.2.3.4:5",   "1.2.3.4:6", "1.2.3.5:0", "10.0.0.0:0",
        "255.0.0.0:0", "[::]:1",    "[::1]:0",   "[2000::]:0",
    };

    (void)state;
    for (size_t i = 0; i < sizeof rising / sizeof rising[0]; i++) {
        for (size_t j = 0; j < sizeof rising / sizeof rising[0]; j++) {
            struct stun_address a, b;
            assert_true(address_parse(&a, rising[i]) && address_parse(&b, rising[j]));
            int order = address_compare(&a, &b);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
            assert_int_equal(address_equal(&a, &b), i == j);
        }
    }
    struct stun_address a = ip("1.2.3.4"), b = ip("1.2.3.4");
    b.port = 9;
    assert_true(address_equal_ip(&a, &b));
    assert_false(address_equal(&a, &b));
}

static void test_knows_loopback_and_unspecified(void **state)
{
    (void)state;
    struct stun_address v4 = ip("127.255.0.1"), v6 = ip("::1"), any4 = ip("0.0.0.0"),
                        any6 = ip("::"), other4 = ip("128.0.0.1"), other6 = ip("::2"), none = {0};
    assert_true(address_is_loopback(&v4) && address_is_loopback(&v6));
    assert_false(address_is_loopback(&any4) || address_is_loopback(&any6));
    assert_false(address_is_loopback(&other4) || address_is_loopback(&other6));
    assert_true(address_is_unspecified(&any4) && address_is_unspecified(&any6));
    assert_false(address_is_unspecified(&other4) || address_is_unspecified(&v6));
    assert_false(address_is_loopback(&none) || address_is_unspecified(&none));
}

static void test_canonical_form(void **state)
{
    static const char *const pairs[][2] = {
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::ffff:0.0.0.0", "0.0.0.0"},
        {"::ffff:0.0.0.1", "0.0.0.1"},
        {"::192.0.2.1", "192.0.2.1"},
        {"::0.0.0.2", "0.0.0.2"},
        {"::0.0.1.0", "0.0.1.0"},
        {"::1.0.0.1", "1.0.0.1"},
        {"64:ff9b::10.0.0.1", "10.0.0.1"},
        {"64:ff9b::", "0.0.0.0"},
        {"::", "::"},
        {"::1", "::1"},
        {"64:ff9b:1::10.0.0.1", "64:ff9b:1::a00:1"},
        {"64:ff9b::1:10.0.0.1", "64:ff9b::1:a00:1"},
        {"2002:a00:1::", "2002:a00:1::"},
        {"::1:ffff:192.0.2.1", "::1:ffff:c000:201"},
        {"::ffff:0:192.0.2.1", "::ffff:0:c000:201"},
        {"192.0.2.1", "192.0.2.1"},
    };
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct stun_address address = ip(pairs[i][0]), expected = ip(pairs[i][1]);
        address.port = expected.port = 3478;
        struct stun_address canonical = address_canonical(&address);
        assert_true(memcmp(&canonical.ip, &expected.ip, 16) == 0);
        assert_string_equal(address_format_ip(&canonical, text), pairs[i][1]);
        assert_int_equal(canonical.port, 3478);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_ip),
        cmocka_unit_test(test_refuses_what_is_no_ip),
        cmocka_unit_test(test_reads_and_writes_with_port),
        cmocka_unit_test(test_refuses_bad_ports),
        cmocka_unit_test(test_writes_no_address),
        cmocka_unit_test(test_compares),
        cmocka_unit_test(test_knows_loopback_and_unspecified),
        cmocka_unit_test(test_canonical_form),
    };

    return cmocka_run_group_tests_name("base/address", tests, NULL, NULL);
}
