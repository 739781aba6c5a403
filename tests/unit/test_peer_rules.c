/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "turnserver/turn/peer_rules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static enum peer_verdict check_port(const struct peer_rules *rules, const char *text, uint16_t port)
{
    struct stun_address address = {0};

    if (!address_parse_ip(&address, text)) {
        fail_msg("not an address: %s", text);
    }
    address.port = port;
    return peer_rules_check(rules, &address);
}

static enum peer_verdict check(const struct peer_rules *rules, const char *text)
{
    return check_port(rules, text, 9);
}

static void add_own(struct peer_rules *rules, const char *text)
{
    struct stun_address address = {0};

    assert_true(address_parse_ip(&address, text));
    assert_int_equal(peer_rules_add_own(rules, &address), 0);
}

static void add_relay(struct peer_rules *rules, const char *text)
{
    struct stun_address address = {0};

    assert_true(address_parse_ip(&address, text));
    assert_int_equal(peer_rules_add_relay(rules, &address), 0);
}

static void add_protected(struct peer_rules *rules, const char *text)
{
    struct stun_address endpoint = {0};

    assert_true(address_parse(&endpoint, text));
    assert_int_equal(peer_rules_add_protected(rules, &endpoint), 0);
}

static void expect_all(const struct peer_rules *rules, const char *const *addresses, size_t count,
                       enum peer_verdict verdict)
{
    for (size_t i = 0; i < count; i++) {
        enum peer_verdict got = check(rules, addresses[i]);
        if (got != verdict) {
            fail_msg("%s: %s, expected %s", addresses[i], peer_verdict_text(got),
                     peer_verdict_text(verdict));
        }
    }
}

#define EXPECT_ALL(rules, table, verdict) \
    expect_all(rules, table, sizeof(table) / sizeof(table)[0], verdict)

/* First and last address of every range that must be refused without a word of configuration. */
static const char *const special[] = {
    "0.0.0.1",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "127.0.0.0",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.255",
    "192.0.2.0",
    "192.0.2.255",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.0",
    "192.88.99.255",
    "192.168.0.0",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.0",
    "198.51.100.255",
    "203.0.113.0",
    "203.0.113.255",
    "240.0.0.0",
    "255.255.255.254",
    "::1",
    "64:ff9b:1::",
    "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
    "100::",
    "100::ffff:ffff:ffff:ffff",
    "2001:2::",
    "2001:2:0:ffff:ffff:ffff:ffff:ffff",
    "2001:10::",
    "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:20::",
    "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:1::1",
    "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db8::",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    "2620:4f:8000::1",
    "3fff::",
    "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
    "5f00::",
    "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fc00::",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe80::",
    "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fec0::",
    "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "200::1",
    "1fff:ffff::",
    "4000::",
    "::ffff:0:127.0.0.1",
    "::ffff:0:8.8.8.8",
};

static const char *const ordinary[] = {
    "1.0.0.0",         "9.255.255.255",   "11.0.0.0",        "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0",       "169.253.255.255", "169.255.0.0",    "172.15.255.255",
    "172.32.0.0",      "191.255.255.255", "192.0.1.0",       "192.0.3.0",      "192.88.98.255",
    "192.88.100.0",    "192.167.255.255", "192.169.0.0",     "198.17.255.255", "198.20.0.0",
    "198.51.99.255",   "198.51.101.0",    "203.0.112.255",   "203.0.114.0",    "223.255.255.255",
    "2000::1",         "2001:200::",      "2001:db7:ffff::", "2001:db9::",     "2003::1",
    "2a00:1450::1",    "3ffe:ffff::1",    "3fff:1000::",
};

static const char *const always[] = {
    "0.0.0.0",
    "::",
    "224.0.0.0",
    "239.255.255.255",
    "255.255.255.255",
    "ff00::",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2002::",
    "2002:808:808::1", /* 6to4 of 8.8.8.8 */
    "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001::",
    "2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
};

static void test_default_list(void **state)
{
    (void)state;
    struct peer_rules *rules = peer_rules_new();

    EXPECT_ALL(rules, special, PEER_REFUSED_SPECIAL);
    EXPECT_ALL(rules, ordinary, PEER_ALLOWED);
    EXPECT_ALL(rules, always, PEER_REFUSED_ALWAYS);
    peer_rules_free(rules);
    peer_rules_free(NULL);
}

/* Each IPv4 address of a table as each IPv6 form that carries one. */
static void expect_carried(const struct peer_rules *rules, const char *const *addresses,
                           size_t count, enum peer_verdict verdict)
{
    static const char *const prefixes[] = {"::ffff:", "::", "64:ff9b::"};

    for (size_t i = 0; i < count; i++) {
        /* ::0.0.0.0 and ::0.0.0.1 are the unspecified and the loopback address of IPv6 itself. */
        bool has_own_meaning = strncmp(addresses[i], "0.0.0.", 6) == 0;
        for (size_t j = 0; j < 3 && strchr(addresses[i], ':') == NULL; j++) {
            char text[64];
            snprintf(text, sizeof text, "%s%s", prefixes[j], addresses[i]);
            if (!(has_own_meaning && j == 1) && check(rules, text) != verdict) {
                fail_msg("%s: not %s", text, peer_verdict_text(verdict));
            }
        }
    }
}

static void test_ipv4_inside_ipv6_is_judged_as_ipv4(void **state)
{
    (void)state;
    struct peer_rules *rules = peer_rules_new();

    expect_carried(rules, special, sizeof special / sizeof special[0], PEER_REFUSED_SPECIAL);
    expect_carried(rules, ordinary, sizeof ordinary / sizeof ordinary[0], PEER_ALLOWED);
    expect_carried(rules, always, sizeof always / sizeof always[0], PEER_REFUSED_ALWAYS);
    peer_rules_free(rules);
}

static void test_allow_makes_exceptions_from_the_default_list_only(void **state)
{
    (void)state;
    struct peer_rules *rules = peer_rules_new();

    assert_int_equal(peer_rules_add_allow(rules, "0.0.0.0/0"), 0);
    assert_int_equal(peer_rules_add_allow(rules, "::/0"), 0);
    EXPECT_ALL(rules, special, PEER_ALLOWED);
    EXPECT_ALL(rules, ordinary, PEER_ALLOWED);
    EXPECT_ALL(rules, always, PEER_REFUSED_ALWAYS);
    expect_carried(rules, always, sizeof always / sizeof always[0], PEER_REFUSED_ALWAYS);

    assert_int_equal(peer_rules_add_deny(rules, "10.1.0.0/16"), 0);
    assert_int_equal(check(rules, "10.1.2.3"), PEER_REFUSED_DENIED);
    assert_int_equal(check(rules, "::ffff:10.1.2.3"), PEER_REFUSED_DENIED);
    assert_int_equal(check(rules, "64:ff9b::10.1.2.3"), PEER_REFUSED_DENIED);
    assert_int_equal(check(rules, "10.2.2.3"), PEER_ALLOWED);
    peer_rules_free(rules);
}

/* Allowing all of IPv6 says nothing about IPv4 behind NAT64. */
static void test_allowing_ipv6_allows_no_ipv4(void **state)
{
    (void)state;
    struct peer_rules *rules = peer_rules_new();

    assert_int_equal(peer_rules_add_allow(rules, "::/0"), 0);
    assert_int_equal(check(rules, "fe80::1"), PEER_ALLOWED);
    assert_int_equal(check(rules, "10.0.0.1"), PEER_REFUSED_SPECIAL);
    assert_int_equal(check(rules, "::ffff:10.0.0.1"), PEER_REFUSED_SPECIAL);
    assert_int_equal(check(rules, "::10.0.0.1"), PEER_REFUSED_SPECIAL);
    assert_int_equal(check(rules, "64:ff9b::10.0.0.1"), PEER_REFUSED_SPECIAL);
    peer_rules_free(rules);
}

static void test_ranges_need_no_alignment(void **state)
{
    (void)state;
    struct peer_rules *rules = peer_rules_new();

    assert_int_equal(peer_rules_add_allow(rules, "fd00::5-fd00::1:2"), 0);
    assert_int_equal(peer_rules_add_deny(rules, "2a00::7-2a00:0:0:1::3"), 0);
    assert_int_equal(peer_rules_add_deny(rules, "8.8.8.7-8.8.9.1"), 0);
    assert_int_equal(check(rules, "fd00::4"), PEER_REFUSED_SPECIAL);
    assert_int_equal(check(rules, "fd00::5"), PEER_ALLOWED);
    assert_int_equal(check(rules, "fd00::1:2"), PEER_ALLOWED);
    assert_int_equal(check(rules, "fd00::1:3"), PEER_REFUSED_SPECIAL);
    assert_int_equal(check(rules, "2a00::6"), PEER_ALLOWED);
    assert_int_equal(check(rules, "2a00::7"), PEER_REFUSED_DENIED);
    assert_int_equal(check(rules, "2a00:0:0:1::3"), PEER_REFUSED_DENIED);
    assert_int_equal(check(rules, "2a00:0:0:1::4"), PEER_ALLOWED);
    assert_int_equal(check(rules, "8.8.8.6"), PEER_ALLOWED);
    assert_int_equal(check(rules, "8.8.8.255"), PEER_REFUSED_DENIED);
    assert_int_equal(check(rules, "8.8.9.2"), PEER_ALLOWED);
    peer_rules_free(rules);
}

static void test_entries_among_ipv4_carriers(void **state)
{
    (void)state;
    struct peer_rules *rules = peer_rules_new();

    assert_int_equal(peer_rules_add_allow(rules, "::ffff:10.0.0.0/104"), -EINVAL);
    assert_int_equal(peer_rules_add_allow(rules, "::ffff:0:0/96"), -EINVAL);
    assert_int_equal(peer_rules_add_allow(rules, "64:ff9b::/96"), -EINVAL);
    assert_int_equal(peer_rules_add_allow(rules, "::/96"), -EINVAL);
    assert_int_equal(peer_rules_add_allow(rules, "::1/128"), 0);
    assert_int_equal(peer_rules_add_deny(rules, "::ffff:10.0.0.0/104"), -EINVAL);
    assert_int_equal(peer_rules_add_deny(rules, "::ffff:8.8.8.8"), -EINVAL);

    assert_int_equal(peer_rules_add_deny(rules, "::ffff:0.0.0.0-::ffff:255.255.255.255"), 0);
    assert_int_equal(peer_rules_add_deny(rules, "64:ff9b::/96"), 0);
    assert_int_equal(check(rules, "::ffff:8.8.8.8"), PEER_REFUSED_DENIED);
    assert_int_equal(check(rules, "64:ff9b::8.8.8.8"), PEER_REFUSED_DENIED);
    assert_int_equal(check(rules, "::8.8.8.8"), PEER_ALLOWED);
    assert_int_equal(check(rules, "8.8.8.8"), PEER_ALLOWED);
    peer_rules_free(rules);
}

static void test_refuses_bad_texts(void **state)
{
    (void)state;
    struct peer_rules *rules = peer_rules_new();
    static const char *const bad[] = {
        "",           "10.0.0.1/8",        "10.0.0.0/33", "localhost",
        "10.0.0.9-8", "10.0.0.9-10.0.0.8", "10.0.0.0/8 ", "::1-10.0.0.1"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(peer_rules_add_allow(rules, bad[i]), -EINVAL);
        assert_int_equal(peer_rules_add_deny(rules, bad[i]), -EINVAL);
    }
    assert_int_equal(peer_rules_add_own(rules, &(struct stun_address){0}), -EINVAL);
    assert_int_equal(peer_rules_add_protected(rules, &(struct stun_address){0}), -EINVAL);
    assert_int_equal(peer_rules_check(rules, &(struct stun_address){0}), PEER_REFUSED_ALWAYS);
    peer_rules_free(rules);
}

static void test_own_addresses(void **state)
{
    (void)state;
    struct peer_rules *rules = peer_rules_new();

    add_relay(rules, "10.0.0.1");
    add_relay(rules, "::ffff:10.0.0.2"); /* as a dual-stack socket reports it */
    add_own(rules, "2a00::1");
    add_relay(rules, "127.0.0.1");
    /* No relay stands there, so no peer does. */
    add_own(rules, "172.17.0.1");
    add_own(rules, "::1");
    assert_int_equal(check(rules, "172.17.0.1"), PEER_REFUSED_SPECIAL);
    assert_int_equal(check(rules, "::1"), PEER_REFUSED_SPECIAL);
    assert_int_equal(check(rules, "10.0.0.1"), PEER_OWN);
    assert_int_equal(check(rules, "10.0.0.2"), PEER_OWN);
    assert_int_equal(check(rules, "::ffff:10.0.0.1"), PEER_OWN);
    assert_int_equal(check(rules, "64:ff9b::10.0.0.1"), PEER_OWN);
    assert_int_equal(check(rules, "2a00::1"), PEER_OWN);
    assert_int_equal(check(rules, "127.0.0.1"), PEER_OWN);
    assert_int_equal(check(rules, "127.0.0.2"), PEER_REFUSED_SPECIAL);
    assert_int_equal(check(rules, "10.0.0.3"), PEER_REFUSED_SPECIAL);
    assert_int_equal(check(rules, "2a00::2"), PEER_ALLOWED);

    assert_int_equal(peer_rules_add_deny(rules, "10.0.0.2"), 0);
    assert_int_equal(check(rules, "10.0.0.2"), PEER_REFUSED_DENIED);
    assert_int_equal(peer_rules_add_allow(rules, "127.0.0.0/8"), 0);
    assert_int_equal(check(rules, "127.0.0.1"), PEER_ALLOWED);
    peer_rules_free(rules);
}

static void test_protected_endpoints(void **state)
{
    (void)state;
    struct peer_rules *rules = peer_rules_new();

    add_relay(rules, "10.0.0.1");
    add_protected(rules, "10.0.0.1:3478");
    add_protected(rules, "[::ffff:10.0.0.1]:5349");
    add_protected(rules, "11.9.9.9:6379"); /* databases elsewhere */
    add_protected(rules, "10.9.9.9:6379");
    assert_int_equal(check_port(rules, "10.0.0.1", 3478), PEER_PROTECTED);
    assert_int_equal(check_port(rules, "10.0.0.1", 5349), PEER_PROTECTED);
    assert_int_equal(check_port(rules, "::ffff:10.0.0.1", 3478), PEER_PROTECTED);
    assert_int_equal(check_port(rules, "10.0.0.1", 3479), PEER_OWN);
    assert_int_equal(check_port(rules, "11.9.9.9", 6379), PEER_PROTECTED);
    assert_int_equal(check_port(rules, "11.9.9.9", 6380), PEER_ALLOWED);
    assert_int_equal(check_port(rules, "10.9.9.9", 6379), PEER_REFUSED_SPECIAL);

    /* Allowed or not, a listener gets nothing; denied is denied. */
    assert_int_equal(peer_rules_add_allow(rules, "10.0.0.0/8"), 0);
    assert_int_equal(check_port(rules, "10.0.0.1", 3478), PEER_PROTECTED);
    assert_int_equal(check_port(rules, "10.0.0.1", 3479), PEER_ALLOWED);
    assert_int_equal(peer_rules_add_deny(rules, "10.0.0.1"), 0);
    assert_int_equal(check_port(rules, "10.0.0.1", 3478), PEER_REFUSED_DENIED);
    peer_rules_free(rules);
}

static void test_wildcard_endpoints(void **state)
{
    (void)state;
    static const char *const wildcards[] = {"0.0.0.0:3478", "[::]:3478"};

    for (unsigned i = 0; i < 2; i++) {
        struct peer_rules *rules = peer_rules_new();
        add_relay(rules, "10.0.0.1");
        add_own(rules, "2a00::1");
        add_protected(rules, wildcards[i]);
        add_protected(rules, "10.0.0.1:80");
        assert_int_equal(peer_rules_add_allow(rules, "127.0.0.0/8"), 0);
        assert_int_equal(peer_rules_add_allow(rules, "::1"), 0);
        assert_int_equal(check_port(rules, "10.0.0.1", 3478), PEER_PROTECTED);
        assert_int_equal(check_port(rules, "10.0.0.1", 80), PEER_PROTECTED);
        assert_int_equal(check_port(rules, "2a00::1", 3478), PEER_PROTECTED);
        assert_int_equal(check_port(rules, "127.0.0.1", 3478), PEER_PROTECTED);
        assert_int_equal(check_port(rules, "127.8.9.10", 3478), PEER_PROTECTED);
        assert_int_equal(check_port(rules, "::ffff:127.8.9.10", 3478), PEER_PROTECTED);
        assert_int_equal(check_port(rules, "::1", 3478), PEER_PROTECTED);
        assert_int_equal(check_port(rules, "127.0.0.1", 3479), PEER_ALLOWED);
        assert_int_equal(check_port(rules, "2a00::1", 3479), PEER_OWN);
        assert_int_equal(check_port(rules, "2a00::2", 3478), PEER_ALLOWED);
        assert_int_equal(check_port(rules, "10.0.0.2", 3478), PEER_REFUSED_SPECIAL);
        peer_rules_free(rules);
    }
}

static void test_explains_itself(void **state)
{
    (void)state;
    static const char *const words[][2] = {
        {"10.1.2.3", "a private address"},
        {"::ffff:10.1.2.3", "a private address"},
        {"169.254.169.254", "a link-local address"},
        {"fd00::1", "a private address"},
        {"2001:0:1::1", "a Teredo address"},
        {"2001:2::1", "a benchmarking address"},
        {"4000::1", "an address outside the global range"},
        {"8.8.8.8", "an ordinary address"},
        {"2a00::1", "an ordinary address"},
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct stun_address address = {0};
        assert_true(address_parse_ip(&address, words[i][0]));
        address.port = 1234;
        assert_string_equal(peer_address_text(&address), words[i][1]);
    }
    for (int verdict = PEER_ALLOWED; verdict <= PEER_REFUSED_SPECIAL; verdict++) {
        assert_true(strlen(peer_verdict_text((enum peer_verdict)verdict)) > 0);
        assert_int_equal(peer_verdict_permits((enum peer_verdict)verdict),
                         verdict < PEER_REFUSED_ALWAYS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_list),
        cmocka_unit_test(test_ipv4_inside_ipv6_is_judged_as_ipv4),
        cmocka_unit_test(test_allow_makes_exceptions_from_the_default_list_only),
        cmocka_unit_test(test_allowing_ipv6_allows_no_ipv4),
        cmocka_unit_test(test_ranges_need_no_alignment),
        cmocka_unit_test(test_entries_among_ipv4_carriers),
        cmocka_unit_test(test_refuses_bad_texts),
        cmocka_unit_test(test_own_addresses),
        cmocka_unit_test(test_protected_endpoints),
        cmocka_unit_test(test_wildcard_endpoints),
        cmocka_unit_test(test_explains_itself),
    };

    return cmocka_run_group_tests_name("turn/peer_rules", tests, NULL, NULL);
}
