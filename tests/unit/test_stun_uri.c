/* SPDX-License-Identifier: BSD-3-Clause */
/* URIs of RFC 7064 and RFC 7065, and hosts as people write them. */
#include "machine_test.h"

#include "proto/stun_uri.h"

static struct stun_uri uri;
static struct stun_host host;

static void good(const char *text, const char *name, uint16_t port, bool turn, bool secure,
                 enum stun_uri_transport transport)
{
    const char *problem = stun_uri_parse(&uri, text);
    assert_null(problem);
    assert_true(stun_uri_has_scheme(text));
    assert_string_equal(uri.host.name, name);
    assert_int_equal(uri.host.port, port);
    assert_int_equal(uri.turn, turn);
    assert_int_equal(uri.secure, secure);
    assert_int_equal(uri.transport, transport);
}

/* The examples of RFC 7064 §3.4 and RFC 7065 §3.4 (appendix), and more. */
static void good_uris(void **state)
{
    (void)state;
    good("stun:example.org", "example.org", 0, false, false, STUN_URI_TRANSPORT_NONE);
    good("stuns:example.org", "example.org", 0, false, true, STUN_URI_TRANSPORT_NONE);
    good("stun:example.org:8000", "example.org", 8000, false, false, STUN_URI_TRANSPORT_NONE);
    good("turn:example.org", "example.org", 0, true, false, STUN_URI_TRANSPORT_NONE);
    good("turns:example.org", "example.org", 0, true, true, STUN_URI_TRANSPORT_NONE);
    good("turn:example.org:8000", "example.org", 8000, true, false, STUN_URI_TRANSPORT_NONE);
    good("turn:example.org?transport=udp", "example.org", 0, true, false, STUN_URI_UDP);
    good("turn:example.org:1?transport=TCP", "example.org", 1, true, false, STUN_URI_TCP);
    good("turns:example.org?transport=tcp", "example.org", 0, true, true, STUN_URI_TCP);
    good("STUN:Example.ORG.", "Example.ORG", 0, false, false, STUN_URI_TRANSPORT_NONE);
    good("stun:192.0.2.1:65535", "192.0.2.1", 65535, false, false, STUN_URI_TRANSPORT_NONE);
    assert_true(uri.host.is_ip);
    good("turn:[2001:db8::1]:3478?transport=udp", "2001:db8::1", 3478, true, false, STUN_URI_UDP);
    assert_true(uri.host.is_ip);
    assert_int_equal(uri.host.address.family, STUN_FAMILY_IPV6);
    good("stun:[::1]", "::1", 0, false, false, STUN_URI_TRANSPORT_NONE);
    good("stun:xn--bcher-kva.example", "xn--bcher-kva.example", 0, false, false,
         STUN_URI_TRANSPORT_NONE);
    good("stun:_x.3com", "_x.3com", 0, false, false, STUN_URI_TRANSPORT_NONE);
}

static void bad_uris(void **state)
{
    static const char *const bad[] = {
        "",
        "stun",
        "stun:",
        "stun::3478",
        "stun://example.org",
        "http://example.org",
        " stun:example.org",
        "stun:example.org ",
        "stun:alice@example.org",
        "stun:alice:secret@example.org",
        "stun:example.org/",
        "stun:example.org?transport=udp",
        "stun:example.org#x",
        "turn:example.org?",
        "turn:example.org?transport=",
        "turn:example.org?transport=sctp",
        "turn:example.org?transport=udp&x=1",
        "turn:example.org?transport=udp?transport=tcp",
        "turn:example.org?x=udp",
        "stun:example.org:",
        "stun:example.org:0",
        "stun:example.org:65536",
        "stun:example.org:+1",
        "stun:example.org:03478",
        "stun:example.org:3478:3478",
        "stun:2001:db8::1",
        "stun:[2001:db8::1",
        "stun:[]",
        "stun:[192.0.2.1]",
        "stun:[2001:db8::1]3478",
        "stun:[fe80::1%25eth0]",
        "stun:[v1.x]",
        "stun:exa mple.org",
        "stun:ex%61mple.org",
        "stun:.example.org",
        "stun:example..org",
        "stun:.",
        "stun:192.0.2.256",
        "stun:192.0.2",
        "stun:0x7f.1",
        "stun:1",
        "stun:b\303\274cher.example",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (stun_uri_parse(&uri, bad[i]) == NULL) {
            fail_msg("accepted \"%s\"", bad[i]);
        }
    }
}

static void long_names(void **state)
{
    char text[400] = "stun:";
    (void)state;
    for (size_t i = 5; i < 5 + 253; i++) {
        text[i] = (i - 5) % 64 == 63 ? '.' : 'a';
    }
    assert_null(stun_uri_parse(&uri, text));
    assert_int_equal(strlen(uri.host.name), 253);
    text[5 + 253] = 'a';
    assert_non_null(stun_uri_parse(&uri, text));
    memset(text + 5, 'a', 64);
    text[5 + 63] = '\0';
    assert_null(stun_uri_parse(&uri, text));
    text[5 + 63] = 'a';
    text[5 + 64] = '\0';
    assert_non_null(stun_uri_parse(&uri, text));
}

static void hosts_of_a_command_line(void **state)
{
    (void)state;
    assert_null(stun_host_parse(&host, "example.org"));
    assert_false(host.is_ip);
    assert_null(stun_host_parse(&host, "localhost:19302"));
    assert_int_equal(host.port, 19302);
    assert_null(stun_host_parse(&host, "2001:db8::1"));
    assert_true(host.is_ip);
    assert_int_equal(host.port, 0);
    assert_null(stun_host_parse(&host, "[2001:db8::1]:7"));
    assert_int_equal(host.port, 7);
    assert_null(stun_host_parse(&host, "127.0.0.1:7"));
    assert_true(host.is_ip);
    assert_non_null(stun_host_parse(&host, "example.org:x"));
    assert_non_null(stun_host_parse(&host, ""));
    assert_non_null(stun_host_parse(&host, "-x y"));
    assert_false(stun_uri_has_scheme("example.org:3478"));
    assert_false(stun_uri_has_scheme("stun.example.org"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_uris),
        cmocka_unit_test(bad_uris),
        cmocka_unit_test(long_names),
        cmocka_unit_test(hosts_of_a_command_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
