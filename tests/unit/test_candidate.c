/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "wire/candidate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parses a copy of exactly that size, so that a sanitizer sees a read behind it. */
static const char *parse(struct ice_candidate *out, const char *text, size_t size)
{
    char *copy = malloc(size == 0 ? 1 : size);

    assert_non_null(copy);
    memcpy(copy, text, size);
    const char *problem = candidate_parse(out, copy, size);
    free(copy);
    return problem;
}

static struct ice_candidate good(const char *text)
{
    struct ice_candidate candidate;
    const char *problem = parse(&candidate, text, strlen(text));

    if (problem != NULL) {
        fail_msg("%s: %s", text, problem);
    }
    return candidate;
}

static void assert_address(const struct stun_address *address, const char *expected)
{
    char text[ADDRESS_TEXT_SIZE];

    assert_string_equal(address_format(address, text), expected);
}

static void test_chromium(void **state)
{
    struct ice_candidate c =
        good("candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 0.0.0.0 "
             "rport 0 generation 0 ufrag EsAw network-cost 999");

    (void)state;
    assert_int_equal(c.type, ICE_SERVER_REFLEXIVE);
    assert_int_equal(c.transport, ICE_UDP);
    assert_int_equal(c.component, 1);
    assert_int_equal(c.priority, 1677729535);
    assert_string_equal(c.foundation, "842163049");
    assert_address(&c.address, "203.0.113.7:46154");
    assert_address(&c.related, "0.0.0.0:0");
    assert_string_equal(c.ufrag, "EsAw");
    assert_string_equal(c.name, "");

    c = good(
        "candidate:3885250869 1 udp 2113937151 78f1b2e3-0d8e-4a4e-8f3c-2f6d1a9b7c55.local 46154 "
        "typ host generation 0 ufrag EsAw network-cost 999");
    assert_int_equal(c.address.family, STUN_FAMILY_NONE);
    assert_int_equal(c.address.port, 46154);
    assert_string_equal(c.name, "78f1b2e3-0d8e-4a4e-8f3c-2f6d1a9b7c55.local");

    c = good("candidate:1518280447 1 tcp 1518280447 192.0.2.17 9 typ host tcptype active "
             "generation 0 ufrag EsAw network-id 1");
    assert_int_equal(c.transport, ICE_TCP_ACTIVE);
    assert_int_equal(c.type, ICE_HOST);
}

static void test_others(void **state)
{
    (void)state;
    /* Firefox */
    struct ice_candidate c = good("candidate:0 1 UDP 2122252543 192.0.2.9 52815 typ host");
    assert_address(&c.address, "192.0.2.9:52815");
    assert_string_equal(c.foundation, "0");
    assert_int_equal(c.related.family, STUN_FAMILY_NONE);
    c = good("a=candidate:6 1 TCP 2105524479 192.0.2.9 9 typ host tcptype active\r\n");
    assert_int_equal(c.transport, ICE_TCP_ACTIVE);
    /* aioice: the foundation is a hash of 32 characters */
    c = good("candidate:6815297761af8b2b0f5f4d9b4f9c0b33 1 udp 1694498815 198.51.100.4 50137 typ "
             "srflx raddr 10.0.0.5 rport 50137\n");
    assert_int_equal(strlen(c.foundation), 32);
    assert_address(&c.related, "10.0.0.5:50137");
    /* pion and libnice, IPv6, relay */
    c = good("candidate:2159186437 1 udp 16777215 2001:db8::7:1 60000 typ relay raddr "
             "2001:db8:1::2 rport 5000");
    assert_int_equal(c.type, ICE_RELAYED);
    assert_address(&c.address, "[2001:db8::7:1]:60000");
    assert_address(&c.related, "[2001:db8:1::2]:5000");
    c = good("candidate:1 2 tcp 1 192.0.2.1 443 typ prflx tcptype so raddr hidden.local rport 9");
    assert_int_equal(c.transport, ICE_TCP_SO);
    assert_int_equal(c.component, 2);
    assert_int_equal(c.related.family, STUN_FAMILY_NONE);
    assert_int_equal(c.related.port, 0);
    assert_int_equal(good("candidate:1 1 tcp 9 192.0.2.1 0 typ host tcptype passive").transport,
                     ICE_TCP_PASSIVE);
}

static void test_wrong(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"", "begin"},
        {"candidate", "begin"},
        {"candidate:", "foundation"},
        {"candidate:a_b 1 udp 1 192.0.2.1 1 typ host", "foundation"},
        {"candidate:123456789012345678901234567890123 1 udp 1 192.0.2.1 1 typ host", "foundation"},
        {"candidate:1 0 udp 1 192.0.2.1 1 typ host", "component"},
        {"candidate:1 257 udp 1 192.0.2.1 1 typ host", "component"},
        {"candidate:1 1 dccp 1 192.0.2.1 1 typ host", "transport"},
        {"candidate:1 1 udp 0 192.0.2.1 1 typ host", "priority"},
        {"candidate:1 1 udp 2147483648 192.0.2.1 1 typ host", "priority"},
        {"candidate:1 1 udp -1 192.0.2.1 1 typ host", "priority"},
        {"candidate:1 1 udp 1 192.0.2.256 1 typ host", "address"},
        {"candidate:1 1 udp 1 192.0.2 1 typ host", "address"},
        {"candidate:1 1 udp 1 [2001:db8::1] 1 typ host", "address"},
        {"candidate:1 1 udp 1 fe80::1%eth0 1 typ host", "address"},
        {"candidate:1 1 udp 1 a..local 1 typ host", "address"},
        {"candidate:1 1 udp 1 a;reboot.local 1 typ host", "address"},
        {"candidate:1 1 udp 1 192.0.2.1 0 typ host", "port"},
        {"candidate:1 1 udp 1 192.0.2.1 65536 typ host", "port"},
        {"candidate:1 1 udp 1 192.0.2.1 1", "typ"},
        {"candidate:1 1 udp 1 192.0.2.1 1 type host", "typ"},
        {"candidate:1 1 udp 1 192.0.2.1 1 typ hosts", "type"},
        {"candidate:1 1 udp 1 192.0.2.1 1 typ srflx raddr 192.0.2.1", "rport"},
        {"candidate:1 1 udp 1 192.0.2.1 1 typ srflx raddr 192.0.2.x!", "raddr"},
        {"candidate:1 1 udp 1 192.0.2.1 1 typ srflx raddr 192.0.2.1 rport 70000", "rport"},
        {"candidate:1 1 udp 1 192.0.2.1 1 typ host generation", "value"},
        {"candidate:1 1 udp 1 192.0.2.1 1 typ host ufrag abc", "ufrag"},
        {"candidate:1 1 tcp 1 192.0.2.1 1 typ host", "tcptype"},
        {"candidate:1 1 tcp 1 192.0.2.1 1 typ host tcptype both", "tcptype"},
        {"candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=x", "control"},
        {"a=a=candidate:1 1 udp 1 192.0.2.1 1 typ host", "begin"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ice_candidate candidate, before;
        memset(&candidate, 0x5A, sizeof candidate);
        memcpy(&before, &candidate, sizeof before);
        const char *problem = parse(&candidate, cases[i].text, strlen(cases[i].text));
        if (problem == NULL || strstr(problem, cases[i].problem) == NULL) {
            fail_msg("%s: %s", cases[i].text, problem != NULL ? problem : "taken");
        }
        assert_memory_equal(&candidate, &before, sizeof before);
    }
    struct ice_candidate candidate;
    assert_non_null(parse(&candidate, "candidate:1\0 1 udp 1 192.0.2.1 1 typ host", 41));
}

static void test_too_long(void **state)
{
    char text[4096];
    struct ice_candidate candidate;
    int size = snprintf(text, sizeof text, "candidate:1 1 udp 1 192.0.2.1 1 typ host x ");

    (void)state;
    memset(text + size, 'y', sizeof text - (size_t)size);
    assert_non_null(parse(&candidate, text, sizeof text));
    assert_null(parse(&candidate, text, 2000));
    /* a name of 254 characters has no room */
    size = snprintf(text, sizeof text, "candidate:1 1 udp 1 ");
    for (size_t i = 0; i < 254; i++) {
        text[(size_t)size + i] = i % 50 == 49 ? '.' : 'n';
    }
    snprintf(text + size + 254, sizeof text - 300, " 1 typ host");
    assert_non_null(parse(&candidate, text, strlen(text)));
    memmove(text + size, text + size + 1, strlen(text + size));
    assert_null(parse(&candidate, text, strlen(text)));
    assert_int_equal(strlen(candidate.name), 253);
}

static void test_round_trip(void **state)
{
    static const char *const texts[] = {
        "candidate:1 1 udp 2122260223 192.0.2.1 54321 typ host",
        "candidate:a+/9 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.1.2.3 rport 500",
        "candidate:2 256 udp 2147483647 2001:db8::1 1 typ relay raddr :: rport 0 ufrag a+/9",
        "candidate:3 1 tcp 1 name.local 9 typ host tcptype active",
        "candidate:3 1 tcp 1 192.0.2.1 9 typ prflx raddr 192.0.2.2 rport 9 tcptype passive",
        "candidate:3 1 tcp 1 192.0.2.1 9 typ host tcptype so",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char written[ICE_CANDIDATE_TEXT_SIZE];
        struct ice_candidate candidate = good(texts[i]);
        assert_int_equal(candidate_format(&candidate, written), strlen(texts[i]));
        assert_string_equal(written, texts[i]);
    }
}

/* The largest of everything has room. */
static void test_largest(void **state)
{
    struct ice_candidate c = {.type = ICE_PEER_REFLEXIVE,
                              .transport = ICE_TCP_PASSIVE,
                              .component = 256,
                              .priority = 2147483647};
    char text[ICE_CANDIDATE_TEXT_SIZE];

    (void)state;
    memset(c.foundation, 'f', sizeof c.foundation - 1);
    memset(c.name, 'n', 253);
    for (size_t i = 50; i < 253; i += 51) {
        c.name[i] = '.';
    }
    memset(c.ufrag, 'u', sizeof c.ufrag - 1);
    c.address.port = 65535;
    c.related = (struct stun_address){STUN_FAMILY_IPV6, 65535, {0x20, 1}};
    memset(c.related.ip, 0x77, sizeof c.related.ip);
    size_t size = candidate_format(&c, text);
    assert_in_range(size, 600, ICE_CANDIDATE_TEXT_SIZE - 1);
    struct ice_candidate again = good(text);
    assert_memory_equal(&again.related, &c.related, sizeof c.related);
    assert_string_equal(again.name, c.name);
    assert_string_equal(again.ufrag, c.ufrag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chromium),   cmocka_unit_test(test_others),
        cmocka_unit_test(test_wrong),      cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_largest),
    };
    return cmocka_run_group_tests_name("candidate", tests, NULL, NULL);
}
