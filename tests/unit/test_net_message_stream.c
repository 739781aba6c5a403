/* SPDX-License-Identifier: BSD-3-Clause */
/* A message stream against bytes at the other end of a socket pair, and two of them against each
 * other. Frames of WebSocket are written by hand here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/message_stream.h"
#include "net/tls_context.h"
#include "wire/http_head.h"

#include "certificate.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPENING                                                                            \
    "GET / HTTP/1.1\r\nHost: server.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://good.test\r\n"         \
    "Sec-WebSocket-Version: 13\r\n\r\n"
#define OPENED                                                                          \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

/* What an end has seen. */
struct seen {
    struct message_stream *stream;
    char messages[1 << 18]; /* each ended by '|' */
    size_t size;
    unsigned opened, closed, unreadable, drained, requests;
    enum message_stream_end end;
    char text[256];
    bool free_in_message, echo, finish_in_message;
    char path[64], origin[64];
};

static struct event_base *base;
static struct seen server, client;
static int descriptor; /* the other end, where it is bytes */

/* ---- callbacks ---------------------------------------------------------------------------------
 */

static void saw_opened(struct message_stream *stream, void *context)
{
    struct seen *seen = context;
    (void)stream;
    seen->opened++;
}

static void saw_message(struct message_stream *stream, const char *text, size_t size, void *context)
{
    struct seen *seen = context;
    assert_true(seen->size + size + 1 < sizeof seen->messages);
    memcpy(seen->messages + seen->size, text, size);
    seen->size += size;
    seen->messages[seen->size++] = '|';
    seen->messages[seen->size] = '\0';
    if (seen->echo) {
        assert_int_equal(message_stream_send(stream, text, size), 0);
    }
    if (seen->finish_in_message) {
        message_stream_finish(stream, 5);
    }
    if (seen->free_in_message) {
        message_stream_free(stream);
        seen->stream = NULL;
    }
}

static void saw_closed(struct message_stream *stream, enum message_stream_end end, void *context)
{
    struct seen *seen = context;
    seen->closed++;
    seen->end = end;
    snprintf(seen->text, sizeof seen->text, "%s", message_stream_end_text(stream));
    message_stream_free(stream);
    seen->stream = NULL;
}

static void saw_unreadable(struct message_stream *stream, enum message_stream_end end,
                           void *context)
{
    struct seen *seen = context;
    (void)end;
    seen->unreadable++;
    assert_int_equal(message_stream_send(stream, "sorry", 5), 0);
}

static void saw_drained(struct message_stream *stream, void *context)
{
    struct seen *seen = context;
    (void)stream;
    seen->drained++;
}

static bool saw_origin(struct message_stream *stream, const char *origin, void *context)
{
    struct seen *seen = context;
    (void)stream;
    snprintf(seen->origin, sizeof seen->origin, "%s", origin != NULL ? origin : "(none)");
    return origin == NULL || strcmp(origin, "https://good.test") == 0;
}

static bool saw_request(struct message_stream *stream, const struct http_head *head, void *context)
{
    struct seen *seen = context;
    seen->requests++;
    snprintf(seen->path, sizeof seen->path, "%s", head->path);
    if (strcmp(head->path, "/turn") != 0) {
        return false;
    }
    message_stream_answer(stream, 200, "X-Test: yes\r\n", "application/json", "{}", 2);
    return true;
}

static const struct message_stream_user user = {
    .opened = saw_opened,
    .message = saw_message,
    .unreadable = saw_unreadable,
    .drained = saw_drained,
    .closed = saw_closed,
    .origin = saw_origin,
    .request = saw_request,
};

/* ---- the world ---------------------------------------------------------------------------------
 */

static int set_up(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    memset(&server, 0, sizeof server);
    memset(&client, 0, sizeof client);
    base = event_base_new();
    descriptor = -1;
    return base == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    message_stream_free(server.stream);
    message_stream_free(client.stream);
    if (descriptor >= 0) {
        close(descriptor);
    }
    event_base_free(base);
    libevent_global_shutdown();
    return 0;
}

static void run(void)
{
    for (int i = 0; i < 8; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
}

static void make_pair(int ends[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
}

static void open_server(const struct message_stream_setup *limits)
{
    struct message_stream_setup setup = limits != NULL ? *limits : (struct message_stream_setup){0};
    int ends[2];
    make_pair(ends);
    descriptor = ends[1];
    setup.user = &user;
    setup.context = &server;
    server.stream = message_stream_accept(base, ends[0], NULL, &setup);
    assert_non_null(server.stream);
}

static void write_bytes(const void *bytes, size_t size)
{
    assert_int_equal(write(descriptor, bytes, size), (ssize_t)size);
    run();
}

static void write_text(const char *text)
{
    write_bytes(text, strlen(text));
}

/* What the other end has got so far; "EOF" behind it when no more comes. */
static const char *read_text(size_t *size)
{
    static char text[1 << 17];
    ssize_t part;
    size_t all = 0;
    while ((part = read(descriptor, text + all, sizeof text - 4 - all)) > 0) {
        all += (size_t)part;
        run();
    }
    if (part == 0) {
        memcpy(text + all, "EOF", 3);
        all += 3;
    }
    text[all] = '\0';
    if (size != NULL) {
        *size = all;
    }
    return text;
}

/* A frame of a client, masked. Returns its size. */
static size_t make_frame(uint8_t *out, unsigned first, const void *payload, size_t size)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t at = 0;
    out[at++] = (uint8_t)first;
    if (size < 126) {
        out[at++] = (uint8_t)(0x80 | size);
    } else {
        out[at++] = 0x80 | 126;
        out[at++] = (uint8_t)(size >> 8);
        out[at++] = (uint8_t)size;
    }
    memcpy(out + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < size; i++) {
        out[at++] = ((const uint8_t *)payload)[i] ^ mask[i % 4];
    }
    return at;
}

static void write_frame(unsigned first, const char *payload)
{
    uint8_t frame[70000];
    write_bytes(frame, make_frame(frame, first, payload, strlen(payload)));
}

static void open_websocket(void)
{
    open_server(NULL);
    server.opened = 0;
    write_text(OPENING);
    assert_string_equal(read_text(NULL), OPENED);
    assert_int_equal(server.opened, 1);
    assert_int_equal(message_stream_framing(server.stream), MESSAGE_FRAMING_WEBSOCKET);
}

/* ---- lines --------------------------------------------------------------------------------------
 */

static void lines_however_cut(void **state)
{
    const char *text = "{\"a\":1}\n{\"b\":2}\r\n\n{\"c\":3}\n";
    (void)state;
    open_server(NULL);
    assert_int_equal(message_stream_send(server.stream, "x", 1), -ENOTCONN);
    write_text(text);
    assert_string_equal(server.messages, "{\"a\":1}|{\"b\":2}|{\"c\":3}|");
    assert_int_equal(server.opened, 1);
    server.size = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        write_bytes(text + i, 1);
    }
    assert_string_equal(server.messages, "{\"a\":1}|{\"b\":2}|{\"c\":3}|");
    assert_int_equal(message_stream_send(server.stream, "{\"d\":4}", 7), 0);
    run();
    assert_string_equal(read_text(NULL), "{\"d\":4}\n");
    assert_int_equal(message_stream_waiting(server.stream), 0);
    close(descriptor);
    descriptor = -1;
    run();
    assert_int_equal(server.closed, 1);
    assert_int_equal(server.end, MESSAGE_END_PEER);
}

static void a_line_of_the_largest_size(void **state)
{
    static char line[MESSAGE_SIZE_MAX + 2];
    (void)state;
    memset(line, 'a', sizeof line);
    line[0] = '{';
    open_server(NULL);
    write_bytes(line, MESSAGE_SIZE_MAX);
    write_text("\r\n");
    assert_int_equal(server.size, MESSAGE_SIZE_MAX + 1);
    write_bytes(line, MESSAGE_SIZE_MAX + 1);
    assert_int_equal(server.unreadable, 0); /* the last byte might be CR */
    write_text("a");
    assert_int_equal(server.unreadable, 1);
    assert_string_equal(read_text(NULL), "sorry\nEOF");
    close(descriptor);
    descriptor = -1;
    run();
    assert_int_equal(server.end, MESSAGE_END_TOO_LONG);
    assert_int_equal(server.size, MESSAGE_SIZE_MAX + 1);
}

static void a_whole_line_that_is_too_long(void **state)
{
    static char line[MESSAGE_SIZE_MAX + 2];
    (void)state;
    memset(line, 'a', sizeof line);
    line[0] = '{';
    line[MESSAGE_SIZE_MAX + 1] = '\n';
    open_server(NULL);
    write_bytes(line, sizeof line);
    assert_int_equal(server.unreadable, 1);
    assert_int_equal(server.size, 0);
}

static void neither_json_nor_http(void **state)
{
    static const char *const bad[] = {"\n",           " {",       "[]\n",
                                      "\x16\x03\x01", "\x80\x01", "\xef\xbb\xbf{"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        open_server(NULL);
        write_text(bad[i]);
        assert_int_equal(server.closed, i + 1);
        assert_int_equal(server.end, MESSAGE_END_BROKEN);
        assert_string_equal(read_text(NULL), "EOF");
        close(descriptor);
    }
    descriptor = -1;
}

static void who_does_not_read_is_ended(void **state)
{
    static char line[4096];
    (void)state;
    open_server(&(struct message_stream_setup){.output_size_max = 20000});
    write_text("{}\n");
    memset(line, 'a', sizeof line);
    int status = 0;
    for (int i = 0; i < 1000 && status == 0; i++) {
        status = message_stream_send(server.stream, line, sizeof line);
        if (status == 0) {
            assert_true(message_stream_waiting(server.stream) <= 20001);
            run();
        }
    }
    assert_int_equal(status, -ENOBUFS);
    assert_int_equal(message_stream_send(server.stream, "x", 1), -EPIPE);
    assert_int_equal(server.closed, 0); /* from the loop only */
    run();
    assert_int_equal(server.end, MESSAGE_END_STUCK);
}

static void told_when_all_is_sent(void **state)
{
    static char line[4096];
    (void)state;
    open_server(&(struct message_stream_setup){.output_size_max = 1 << 20});
    write_text("{}\n");
    memset(line, 'a', sizeof line);
    size_t sent = 0;
    while (message_stream_waiting(server.stream) == 0) {
        assert_int_equal(message_stream_send(server.stream, line, sizeof line), 0);
        sent += sizeof line + 1;
    }
    for (int i = 0; i < 10; i++) {
        assert_int_equal(message_stream_send(server.stream, line, sizeof line), 0);
        sent += sizeof line + 1;
    }
    assert_int_equal(server.drained, 0);
    size_t all = 0;
    for (ssize_t size; (size = read(descriptor, line, sizeof line)) > 0; run()) {
        all += (size_t)size;
    }
    assert_int_equal(all, sent);
    assert_int_equal(server.drained, 1);
    assert_int_equal(message_stream_waiting(server.stream), 0);
    /* And in order again afterwards. */
    assert_int_equal(message_stream_send(server.stream, "{}", 2), 0);
    assert_string_equal(read_text(NULL), "{}\n");
}

/* An answer that had to wait still goes to who has said that it sends no more. */
static void a_reader_that_has_closed_its_side(void **state)
{
    static char line[16384];
    (void)state;
    open_server(&(struct message_stream_setup){.output_size_max = 1 << 20});
    server.echo = true;
    memset(line, 'a', sizeof line);
    line[0] = '{';
    line[sizeof line - 1] = '\n';
    size_t sent = 0;
    while (sent == 0 || message_stream_waiting(server.stream) == 0) {
        write_bytes(line, sizeof line);
        sent += sizeof line;
    }
    assert_int_equal(shutdown(descriptor, SHUT_WR), 0);
    run();
    assert_int_equal(server.closed, 0);
    size_t all = 0;
    for (ssize_t size; (size = read(descriptor, line, sizeof line)) > 0; run()) {
        all += (size_t)size;
    }
    assert_int_equal(all, sent);
    assert_int_equal(server.closed, 1);
    assert_int_equal(server.end, MESSAGE_END_PEER);
}

static void freed_in_a_callback(void **state)
{
    (void)state;
    open_server(NULL);
    server.free_in_message = true;
    write_text("{}\n{}\n{}\n");
    assert_string_equal(server.messages, "{}|");
    assert_int_equal(server.closed, 0);
    assert_string_equal(read_text(NULL), "EOF");
    close(descriptor);
    open_websocket();
    server.size = 0;
    write_frame(0x81, "{}");
    assert_string_equal(server.messages, "{}|");
}

static void who_says_nothing_is_ended(void **state)
{
    static const char *const beginnings[] = {"", "G", "GET / HTTP/1.1\r\n"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        open_server(&(struct message_stream_setup){.opening_seconds = 1});
        write_text(beginnings[i]);
        while (server.closed == i) {
            event_base_loop(base, EVLOOP_ONCE);
        }
        assert_int_equal(server.end, MESSAGE_END_TIMEOUT);
        close(descriptor);
    }
    descriptor = -1;
}

/* ---- HTTP ---------------------------------------------------------------------------------------
 */

static void expect_answer(const char *request, const char *status)
{
    unsigned closed = server.closed;
    open_server(NULL);
    write_text(request);
    const char *answer = read_text(NULL);
    if (strncmp(answer + 9, status, 3) != 0 || strcmp(answer + strlen(answer) - 3, "EOF") != 0) {
        fail_msg("%s was answered %s", request, answer);
    }
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    assert_int_equal(server.opened, 0);
    close(descriptor);
    descriptor = -1;
    run();
    assert_int_equal(server.closed, closed + 1);
    assert_int_equal(server.end, MESSAGE_END_ANSWERED);
}

#define HOST "Host: server.test\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

static void requests_are_answered_in_order(void **state)
{
    static char long_head[HTTP_HEAD_SIZE_MAX + 100];
    (void)state;
    expect_answer("GET /turn?a HTTP/1.1\r\n" HOST "\r\n", "200");
    assert_string_equal(server.path, "/turn");
    expect_answer("GET /nothing HTTP/1.1\r\n" HOST "\r\n", "404");
    expect_answer("GET / HTTP/1.1\r\n" HOST "\r\n", "426");
    expect_answer("GET / HTTP/1.0\r\n\r\n", "426");
    expect_answer("POST / HTTP/1.1\r\n" HOST "Content-Length: 15\r\n\r\n{\"type\":\"open\"}",
                  "405");
    expect_answer("GET / HTTP/1.1\r\n\r\n", "400");
    expect_answer("GET / HTTP/1.1\r\n" HOST HOST "\r\n", "400");
    expect_answer("nonsense\r\n\r\n", "400");
    expect_answer("G\x01", "400");
    expect_answer("GET / HTTP/2.0\r\n\r\n", "505");
    snprintf(long_head, sizeof long_head, "GET / HTTP/1.1\r\n%08192d", 0);
    expect_answer(long_head, "431");
}

static void bad_openings_of_websocket(void **state)
{
    (void)state;
    expect_answer("GET /x HTTP/1.1\r\n" HOST UPGRADE KEY VERSION "\r\n", "404");
    expect_answer("POST / HTTP/1.1\r\n" HOST UPGRADE KEY VERSION "\r\n", "405");
    expect_answer("GET / HTTP/1.1\r\n" HOST UPGRADE KEY "\r\n", "426");
    expect_answer("GET / HTTP/1.1\r\n" HOST UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", "426");
    expect_answer("GET / HTTP/1.1\r\n" HOST UPGRADE VERSION "\r\n", "400");
    expect_answer("GET / HTTP/1.1\r\n" HOST UPGRADE KEY KEY VERSION "\r\n", "400");
    expect_answer("GET / HTTP/1.1\r\n" HOST UPGRADE VERSION "Sec-WebSocket-Key: aGFsbG8=\r\n\r\n",
                  "400");
    expect_answer("GET / HTTP/1.1\r\n" HOST UPGRADE VERSION
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n\r\n",
                  "400");
    expect_answer("GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n" KEY VERSION "\r\n", "400");
    expect_answer("GET / HTTP/1.0\r\n" HOST UPGRADE KEY VERSION "\r\n", "400");
    expect_answer("GET / HTTP/1.1\r\n" HOST UPGRADE KEY VERSION "Origin: https://evil.test\r\n\r\n",
                  "403");
    assert_string_equal(server.origin, "https://evil.test");
    expect_answer("GET / HTTP/1.1\r\n" HOST UPGRADE KEY VERSION "Origin: null\r\n\r\n", "403");
}

/* ---- WebSocket ----------------------------------------------------------------------------------
 */

static void frames_however_cut(void **state)
{
    uint8_t bytes[1024];
    size_t size = 0;
    char longer[301];
    (void)state;
    memset(longer, 'b', 300);
    longer[300] = '\0';
    open_websocket();
    assert_string_equal(server.origin, "https://good.test");
    size += make_frame(bytes + size, 0x81, "one", 3);
    size += make_frame(bytes + size, 0x01, "tw", 2);
    size += make_frame(bytes + size, 0x89, "ping", 4); /* between fragments (RFC 6455 §5.4) */
    size += make_frame(bytes + size, 0x00, "", 0);
    size += make_frame(bytes + size, 0x80, "o", 1);
    size += make_frame(bytes + size, 0x81, longer, 300);
    write_bytes(bytes, size);
    assert_memory_equal(server.messages, "one|two|bbb", 11);
    assert_int_equal(server.size, 4 + 4 + 301);
    assert_string_equal(read_text(NULL), "\x8a\x04ping");
    server.size = 0;
    for (size_t i = 0; i < size; i++) {
        write_bytes(bytes + i, 1);
    }
    assert_memory_equal(server.messages, "one|two|bbb", 11);
    assert_int_equal(server.size, 4 + 4 + 301);
    assert_string_equal(read_text(NULL), "\x8a\x04ping");
    assert_int_equal(message_stream_send(server.stream, longer, 300), 0);
    run();
    const char *sent = read_text(&size);
    assert_int_equal(size, 304);
    assert_memory_equal(sent, "\x81\x7e\x01\x2c", 4);
    assert_memory_equal(sent + 4, longer, 300);
}

static void frames_right_behind_the_opening(void **state)
{
    uint8_t bytes[1024];
    size_t size = strlen(OPENING);
    (void)state;
    memcpy(bytes, OPENING, size);
    size += make_frame(bytes + size, 0x81, "now", 3);
    open_server(NULL);
    server.echo = true;
    write_bytes(bytes, size);
    assert_string_equal(server.messages, "now|");
    assert_string_equal(read_text(NULL), OPENED "\x81\x03now");
}

static void expect_close(const char *frame, enum message_stream_end end)
{
    unsigned closed = server.closed;
    size_t all;
    const char *bytes = read_text(&all);
    size_t size = 2 + (size_t)frame[1];
    if (memcmp(bytes, frame, size) != 0 || all != size + 3 || memcmp(bytes + size, "EOF", 3) != 0) {
        fail_msg("%02x %02x %02x %02x", bytes[0] & 0xff, bytes[1] & 0xff, bytes[2] & 0xff,
                 bytes[3] & 0xff);
    }
    close(descriptor);
    descriptor = -1;
    run();
    assert_int_equal(server.closed, closed + 1);
    assert_int_equal(server.end, end);
}

static void closed_in_order(void **state)
{
    (void)state;
    open_websocket();
    write_frame(0x88, "\x03\xe9");
    expect_close("\x88\x02\x03\xe9", MESSAGE_END_PEER); /* echoed */
    open_websocket();
    assert_int_equal(message_stream_send(server.stream, "bye", 3), 0);
    message_stream_finish(server.stream, 5);
    run();
    assert_int_equal(message_stream_send(server.stream, "x", 1), -EPIPE);
    const char *bytes = read_text(NULL);
    assert_memory_equal(bytes,
                        "\x81\x03"
                        "bye\x88\x02\x03\xe8"
                        "EOF",
                        12);
    write_frame(0x88, "\x03\xe8");
    close(descriptor);
    descriptor = -1;
    run();
    assert_int_equal(server.end, MESSAGE_END_FINISHED);
}

static void answered_and_closed_in_a_callback(void **state)
{
    (void)state;
    open_websocket();
    server.echo = server.finish_in_message = true;
    write_frame(0x81, "quit");
    const char *bytes = read_text(NULL);
    assert_memory_equal(bytes, "\x81\x04quit\x88\x02\x03\xe8", 10);
    assert_string_equal(bytes + 10, "EOF");
    close(descriptor);
    run();
    open_websocket();
    server.echo = false;
    write_frame(0x81, "quit");
    assert_memory_equal(read_text(NULL), "\x88\x02\x03\xe8", 4);
}

static void frames_against_the_rules(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *close;
    } bad[] = {
        {"\x81\x03one", 5, "\x88\x02\x03\xea"},              /* not masked: 1002 */
        {"\xc1\x80\1\2\3\4", 6, "\x88\x02\x03\xea"},         /* RSV1 */
        {"\x83\x80\1\2\3\4", 6, "\x88\x02\x03\xea"},         /* an opcode that is not */
        {"\x80\x80\1\2\3\4", 6, "\x88\x02\x03\xea"},         /* continues nothing */
        {"\x09\x80\1\2\3\4", 6, "\x88\x00"},                 /* a Ping in fragments */
        {"\x89\xfe\x00\x7e\1\2\3\4", 8, "\x88\x00"},         /* a long Ping */
        {"\x81\xfe\x00\x05\1\2\3\4", 8, "\x88\x00"},         /* a length not at its shortest */
        {"\x88\x81\1\2\3\4x", 7, "\x88\x00"},                /* a Close of one byte */
        {"\x81\x82\0\0\0\0\xc3\x28", 8, "\x88\x02\x03\xef"}, /* not UTF-8: 1007 */
        {"\x82\x81\0\0\0\0x", 7, "\x88\x02\x03\xeb"},        /* binary: 1003 */
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        open_websocket();
        write_bytes(bad[i].bytes, bad[i].size);
        expect_close(bad[i].close, i == 7 ? MESSAGE_END_PEER : MESSAGE_END_BROKEN);
        assert_int_equal(server.size, 0);
    }
}

static void a_message_too_long_for_websocket(void **state)
{
    static uint8_t bytes[MESSAGE_SIZE_MAX + 16];
    static char text[MESSAGE_SIZE_MAX + 1];
    (void)state;
    memset(text, 'a', sizeof text);
    open_websocket();
    write_bytes(bytes, make_frame(bytes, 0x81, text, MESSAGE_SIZE_MAX));
    assert_int_equal(server.size, MESSAGE_SIZE_MAX + 1);
    write_bytes(bytes, make_frame(bytes, 0x81, text, MESSAGE_SIZE_MAX + 1));
    expect_close("\x88\x02\x03\xf1", MESSAGE_END_TOO_LONG); /* 1009 */
    open_websocket();
    write_bytes(bytes, make_frame(bytes, 0x01, text, 10000));
    write_bytes(bytes, make_frame(bytes, 0x80, text, 10000));
    expect_close("\x88\x02\x03\xf1", MESSAGE_END_TOO_LONG);
    assert_int_equal(server.size, MESSAGE_SIZE_MAX + 1);
}

/* ---- both ends of ours --------------------------------------------------------------------------
 */

static void connect_both(enum message_framing framing, SSL *server_ssl, SSL *client_ssl)
{
    const struct message_stream_setup setup = {.user = &user, .context = &server};
    const struct message_stream_setup client_setup = {
        .user = &user, .context = &client, .opening_seconds = 10};
    const struct message_stream_target target = {.framing = framing, .authority = "server.test"};
    int ends[2];
    make_pair(ends);
    server.stream = message_stream_accept(base, ends[0], server_ssl, &setup);
    client.stream = message_stream_connect(base, ends[1], client_ssl, &target, &client_setup);
    assert_non_null(server.stream);
    assert_non_null(client.stream);
    for (int i = 0; i < 20; i++) {
        run();
    }
}

static void talk(void)
{
    static char text[MESSAGE_SIZE_MAX];
    assert_int_equal(client.opened, 1);
    server.echo = true;
    assert_int_equal(message_stream_send(client.stream, "{}", 2), 0);
    run();
    memset(text, 'a', sizeof text);
    text[0] = '{';
    assert_int_equal(message_stream_send(client.stream, text, sizeof text), 0);
    run();
    assert_int_equal(server.opened, 1);
    assert_memory_equal(client.messages, "{}|{aaaa", 8);
    assert_int_equal(client.size, 3 + sizeof text + 1);
    assert_int_equal(server.size, client.size);
    message_stream_finish(client.stream, 5);
    for (int i = 0; i < 10; i++) {
        run();
    }
    assert_int_equal(client.end, MESSAGE_END_FINISHED);
    assert_int_equal(server.end, MESSAGE_END_PEER);
    assert_int_equal(client.closed + server.closed, 2);
}

static void our_ends_by_lines(void **state)
{
    (void)state;
    connect_both(MESSAGE_FRAMING_LINES, NULL, NULL);
    talk();
}

static void our_ends_by_websocket(void **state)
{
    (void)state;
    connect_both(MESSAGE_FRAMING_WEBSOCKET, NULL, NULL);
    talk();
}

static void connect_tls(enum message_framing framing, const char *name)
{
    const struct tls_server_setup setup = {.transport = TLS_OVER_STREAM};
    const struct tls_client_setup client_setup = {.transport = TLS_OVER_STREAM, .verified = true};
    char problem[TLS_TEXT_SIZE];
    struct certificate certificate = {0};
    SSL_CTX *ours = tls_context_new_server(&setup);
    SSL_CTX *theirs = tls_context_new_client(&client_setup, problem);
    assert_true(ours != NULL && theirs != NULL && certificate_make(&certificate));
    assert_true(certificate_use(&certificate, ours) && certificate_trust(&certificate, theirs));
    SSL *client_ssl = SSL_new(theirs);
    assert_true(tls_expect_name(client_ssl, name));
    connect_both(framing, SSL_new(ours), client_ssl);
    SSL_CTX_free(ours);
    SSL_CTX_free(theirs);
    certificate_free(&certificate);
}

static void our_ends_on_tls(void **state)
{
    (void)state;
    connect_tls(MESSAGE_FRAMING_LINES, "server.test");
    assert_non_null(message_stream_tls(client.stream));
    talk();
}

static void our_ends_by_websocket_on_tls(void **state)
{
    (void)state;
    connect_tls(MESSAGE_FRAMING_WEBSOCKET, "server.test");
    talk();
}

static void another_name_in_the_certificate(void **state)
{
    (void)state;
    connect_tls(MESSAGE_FRAMING_WEBSOCKET, "other.test");
    assert_int_equal(client.opened, 0);
    assert_int_equal(client.end, MESSAGE_END_TLS);
    assert_string_equal(client.text, "the certificate is for another name");
    assert_int_equal(server.closed, 1);
}

/* A client against bytes. */
static void expect_refusal(const char *answer, const char *text)
{
    const struct message_stream_setup setup = {.user = &user, .context = &client};
    const struct message_stream_target target = {
        .framing = MESSAGE_FRAMING_WEBSOCKET, .authority = "a.test:1", .path = "/b?c"};
    int ends[2];
    make_pair(ends);
    descriptor = ends[1];
    client.stream = message_stream_connect(base, ends[0], NULL, &target, &setup);
    assert_non_null(client.stream);
    run();
    const char *request = read_text(NULL);
    assert_memory_equal(request, "GET /b?c HTTP/1.1\r\nHost: a.test:1\r\nUpgrade: websocket\r\n",
                        55);
    write_text(answer);
    assert_int_equal(client.opened, 0);
    assert_int_equal(client.end, MESSAGE_END_HANDSHAKE);
    assert_string_equal(client.text, text);
    close(descriptor);
    descriptor = -1;
}

static void servers_that_do_not_open(void **state)
{
    (void)state;
    expect_refusal("HTTP/1.1 403 Forbidden\r\n\r\n",
                   "the server did not open WebSocket: it answered 403 Forbidden");
    expect_refusal(OPENED, "the server's answer does not fit the opening of WebSocket");
    expect_refusal("HTTP/1.1 101\r\n\r\n",
                   "the server's answer does not fit the opening of WebSocket");
    expect_refusal("SSH-2.0-x\r\n\r\n", "the server does not speak HTTP here");
    expect_refusal("\x01", "the server does not speak HTTP here");
}

/* Where libwslay is not built in, its tests are not there either. */
static void open_without_websocket(void **state)
{
    (void)state;
    expect_answer("GET / HTTP/1.1\r\n" HOST UPGRADE KEY VERSION "\r\n", "501");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest lines[] = {
        TEST(lines_however_cut),
        TEST(a_line_of_the_largest_size),
        TEST(a_whole_line_that_is_too_long),
        TEST(neither_json_nor_http),
        TEST(who_does_not_read_is_ended),
        TEST(told_when_all_is_sent),
        TEST(a_reader_that_has_closed_its_side),
        TEST(who_says_nothing_is_ended),
        TEST(our_ends_by_lines),
        TEST(our_ends_on_tls),
        TEST(requests_are_answered_in_order),
        TEST(open_without_websocket),
    };
    const struct CMUnitTest all[] = {
        TEST(lines_however_cut),
        TEST(a_line_of_the_largest_size),
        TEST(a_whole_line_that_is_too_long),
        TEST(neither_json_nor_http),
        TEST(who_does_not_read_is_ended),
        TEST(told_when_all_is_sent),
        TEST(a_reader_that_has_closed_its_side),
        TEST(who_says_nothing_is_ended),
        TEST(our_ends_by_lines),
        TEST(our_ends_on_tls),
        TEST(requests_are_answered_in_order),
        TEST(freed_in_a_callback),
        TEST(bad_openings_of_websocket),
        TEST(frames_however_cut),
        TEST(frames_right_behind_the_opening),
        TEST(closed_in_order),
        TEST(answered_and_closed_in_a_callback),
        TEST(frames_against_the_rules),
        TEST(a_message_too_long_for_websocket),
        TEST(our_ends_by_websocket),
        TEST(our_ends_by_websocket_on_tls),
        TEST(another_name_in_the_certificate),
        TEST(servers_that_do_not_open),
    };
    return message_stream_has_websocket()
               ? cmocka_run_group_tests_name("net_message_stream", all, NULL, NULL)
               : cmocka_run_group_tests_name("net_message_stream", lines, NULL, NULL);
}
