/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a rendezvous service is, as people write it. */
#include "machine_test.h"

#include "proto/message_uri.h"

static struct message_uri uri;

static void good(const char *text, const char *name, uint16_t port, const char *authority)
{
    const char *problem = message_uri_parse(&uri, text);
    if (problem != NULL) {
        fail_msg("%s %s", text, problem);
    }
    assert_string_equal(uri.host.name, name);
    assert_int_equal(uri.host.port, port);
    assert_string_equal(uri.authority, authority);
}

static void good_uris(void **state)
{
    (void)state;
    good("tcp://198.51.100.10:8080", "198.51.100.10", 8080, "198.51.100.10");
    assert_true(!uri.secure && !uri.websocket && uri.host.is_ip);
    good("tcp://example.org", "example.org", 8080, "example.org");
    good("TLS://example.org/", "example.org", 8443, "example.org");
    assert_true(uri.secure && !uri.websocket);
    good("ws://example.org:80/a/b?c=d", "example.org", 80, "example.org");
    assert_string_equal(uri.path, "/a/b?c=d");
    assert_true(!uri.secure && uri.websocket);
    good("wss://[2001:db8::1]:8443", "2001:db8::1", 8443, "[2001:db8::1]:8443");
    assert_string_equal(uri.path, "/");
    assert_true(uri.secure && uri.websocket);
    good("wss://[::1]", "::1", 443, "[::1]");
}

static void bad_uris(void **state)
{
    static const char *const bad[] = {
        "",
        "example.org",
        "http://example.org",
        "tcp:example.org",
        "tcp://",
        "tcp://:80",
        "tcp://example.org/path",
        "ws://example.org/a b",
        "ws://example.org/#a",
        "ws://example.org?a",
        "ws://example.org:0",
        "ws://example.org:65536",
        "wss://alice@example.org",
        "ws://[::1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (message_uri_parse(&uri, bad[i]) == NULL) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    char text[600] = "ws://example.org/";
    memset(text + strlen(text), 'a', 300);
    assert_non_null(message_uri_parse(&uri, text));
    memset(text + 5, 'a', 500);
    assert_non_null(message_uri_parse(&uri, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_uris),
        cmocka_unit_test(bad_uris),
    };
    return cmocka_run_group_tests_name("message_uri", tests, NULL, NULL);
}
