/* SPDX-License-Identifier: BSD-3-Clause */
/* Heads of HTTP/1.1: what RFC 9112 allows, and what a strict reader refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/http_head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The client's opening in RFC 6455 §1.2, as Chromium would spell it. */
#define OPENING                                                                          \
    "GET /chat?a=b?c HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"     \
    "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" \
    "Origin: http://example.com\r\nSec-WebSocket-Version:\t13 \t\r\nX-Empty:\r\n"        \
    "Cookie: a=1\r\ncookie: b=2\r\n\r\n"

static struct http_head head;
static char buffer[HTTP_HEAD_SIZE_MAX + 16];

static int request(const char *text)
{
    strcpy(buffer, text);
    return http_head_parse_request(&head, buffer, strlen(text));
}

static int response(const char *text)
{
    strcpy(buffer, text);
    return http_head_parse_response(&head, buffer, strlen(text));
}

static void opening_of_websocket(void **state)
{
    (void)state;
    assert_int_equal(request(OPENING), 0);
    assert_string_equal(head.method, "GET");
    assert_string_equal(head.path, "/chat");
    assert_string_equal(head.query, "a=b?c");
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.field_count, 9);
    assert_string_equal(http_head_field(&head, "sec-websocket-version"), "13");
    assert_string_equal(http_head_field(&head, "X-Empty"), "");
    assert_null(http_head_field(&head, "Nobody"));
    assert_null(http_head_field(&head, "Cookie")); /* twice */
    assert_int_equal(http_head_field_count(&head, "Cookie"), 2);
    assert_true(http_head_has_token(&head, "connection", "upgrade"));
    assert_true(http_head_has_token(&head, "Connection", "Keep-Alive"));
    assert_false(http_head_has_token(&head, "Connection", "keep"));
    assert_false(http_head_has_token(&head, "Connection", "grade"));
}

static void size_is_known_when_whole(void **state)
{
    (void)state;
    size_t whole = strlen(OPENING);
    for (size_t size = 0; size < whole; size++) {
        assert_int_equal(http_head_size(OPENING, size), 0);
    }
    assert_int_equal(http_head_size(OPENING "more", whole + 4), (int)whole);
    assert_int_equal(http_head_size("GET / HTTP/1.1\r\nA: \x01", 20), -EPROTO);
    assert_int_equal(http_head_size("GET /\0", 6), -EPROTO);
    memset(buffer, 'a', sizeof buffer);
    assert_int_equal(http_head_size(buffer, HTTP_HEAD_SIZE_MAX - 1), 0);
    assert_int_equal(http_head_size(buffer, HTTP_HEAD_SIZE_MAX), -EMSGSIZE);
}

static void bad_requests(void **state)
{
    static const char *const bad[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "GET / HTTP/1.10\r\n\r\n",
        "GET / http/1.1\r\n\r\n",
        "GET http://example.org/ HTTP/1.1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\n\r\n",
        "G(T / HTTP/1.1\r\n\r\n",
        " / HTTP/1.1\r\n\r\n",
        "GET /\x7f HTTP/1.1\r\n\r\n",
        "GET /\xc3\xa4 HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\n\r\n\r\n",
        "GET / HTTP/1.1\r\nA: 1\n\r\n",
        "GET / HTTP/1.1\r\nA: 1\rB: 2\r\n\r\n",
        "GET / HTTP/1.1\r\n folded: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nA: 1\r\n\tB\r\n\r\n",
        "GET / HTTP/1.1\r\nA : 1\r\n\r\n",
        "GET / HTTP/1.1\r\n: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nA\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\nmore\r\n\r\n",
        "GET / HTTP/1.1\r\nA: 1\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (request(bad[i]) != -EPROTO) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    assert_int_equal(request("GET / HTTP/2.0\r\n\r\n"), -EPROTONOSUPPORT);
    assert_int_equal(request("GET / HTTP/1.2\r\n\r\n"), -EPROTONOSUPPORT);
}

static void fields_are_bounded(void **state)
{
    char text[HTTP_HEAD_SIZE_MAX] = "GET / HTTP/1.0\r\n";
    (void)state;
    for (int i = 0; i < HTTP_HEAD_FIELDS_MAX; i++) {
        strcat(text, "A: 1\r\n");
    }
    size_t size = strlen(text);
    strcat(text, "\r\n");
    assert_int_equal(request(text), 0);
    assert_int_equal(head.field_count, HTTP_HEAD_FIELDS_MAX);
    assert_int_equal(head.minor, 0);
    assert_null(head.query);
    strcpy(text + size, "A: 1\r\n\r\n");
    assert_int_equal(request(text), -EMSGSIZE);
}

static void responses(void **state)
{
    (void)state;
    assert_int_equal(response("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"), 0);
    assert_int_equal(head.status, 101);
    assert_string_equal(http_head_field(&head, "Upgrade"), "websocket");
    assert_int_equal(response("HTTP/1.0 404\r\n\r\n"), 0);
    assert_int_equal(head.status, 404);
    assert_int_equal(response("HTTP/1.1 99 x\r\n\r\n"), -EPROTO);
    assert_int_equal(response("HTTP/1.1 1010 x\r\n\r\n"), -EPROTO);
    assert_int_equal(response("HTTP/1.1 600 x\r\n\r\n"), -EPROTO);
    assert_int_equal(response("HTTP/1.1\r\n\r\n"), -EPROTO);
    assert_int_equal(response("HTTP/2.0 200 x\r\n\r\n"), -EPROTONOSUPPORT);
    assert_int_equal(response("{\"type\":1}\r\n\r\n"), -EPROTO);
}

static void bearer(void **state)
{
    (void)state;
    assert_int_equal(request("GET /turn HTTP/1.1\r\nAuthorization: bearer  s3cret\r\n\r\n"), 0);
    assert_string_equal(http_head_bearer(&head), "s3cret");
    assert_int_equal(request("GET /turn HTTP/1.1\r\nAuthorization: Basic czp4\r\n\r\n"), 0);
    assert_null(http_head_bearer(&head));
    assert_int_equal(request("GET /turn HTTP/1.1\r\n\r\n"), 0);
    assert_null(http_head_bearer(&head));
    assert_string_equal(http_status_text(426), "Upgrade Required");
    assert_string_equal(http_status_text(299), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_of_websocket),
        cmocka_unit_test(size_is_known_when_whole),
        cmocka_unit_test(bad_requests),
        cmocka_unit_test(fields_are_bounded),
        cmocka_unit_test(responses),
        cmocka_unit_test(bearer),
    };
    return cmocka_run_group_tests_name("http_head", tests, NULL, NULL);
}
