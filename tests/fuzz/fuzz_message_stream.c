/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes in any pieces through the server's end of a message stream: lines, HTTP, WebSocket.
 * What comes out is the same however it is cut, within bounds, and it ends once. The first four
 * bytes choose the pieces, and what the user does with its first message.
 */
#include "net/message_stream.h"
#include "tests/fuzz/fuzz.h"
#include "wire/http_head.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MAX 1000
#define CONTROL_SIZE 4
#define INPUT_MAX 60000

struct run {
    struct message_stream *stream;
    uint64_t digest; /* of all messages */
    unsigned messages, requests;
    bool opened, closed;
    uint8_t reaction;
    enum message_stream_end end;
};

static void on_opened(struct message_stream *stream, void *context)
{
    struct run *run = context;
    REQUIRE(!run->opened && !run->closed);
    REQUIRE(message_stream_framing(stream) != MESSAGE_FRAMING_UNKNOWN);
    run->opened = true;
}

static void on_message(struct message_stream *stream, const char *text, size_t size, void *context)
{
    struct run *run = context;
    REQUIRE(run->opened && !run->closed && size > 0 && size <= MESSAGE_MAX);
    for (size_t i = 0; i < size; i++) {
        run->digest = (run->digest ^ (uint8_t)text[i]) * 1099511628211u;
    }
    run->digest = run->digest * 31 + size;
    run->messages++;
    if (run->reaction % 4 == 1) {
        REQUIRE(message_stream_send(stream, "{}", 2) != -ENOTCONN);
    } else if (run->reaction % 4 == 2) {
        run->stream = NULL;
        message_stream_free(stream);
    } else if (run->reaction % 4 == 3) {
        message_stream_finish(stream, 1);
    }
}

static void on_unreadable(struct message_stream *stream, enum message_stream_end end, void *context)
{
    struct run *run = context;
    REQUIRE(run->opened && !run->closed && end == MESSAGE_END_TOO_LONG);
    REQUIRE(message_stream_send(stream, "{}", 2) == 0);
}

static bool on_origin(struct message_stream *stream, const char *origin, void *context)
{
    (void)stream;
    (void)context;
    return origin == NULL || strcmp(origin, "null") != 0;
}

static bool on_request(struct message_stream *stream, const struct http_head *head, void *context)
{
    struct run *run = context;
    REQUIRE(run->requests++ == 0 && head->path[0] == '/');
    if (strcmp(head->path, "/turn") == 0) {
        message_stream_answer(stream, 200, NULL, NULL, NULL, 0);
        return true;
    }
    return false;
}

static void on_closed(struct message_stream *stream, enum message_stream_end end, void *context)
{
    struct run *run = context;
    REQUIRE(!run->closed && message_stream_end_text(stream) != NULL);
    run->closed = true;
    run->end = end;
    run->stream = NULL;
    message_stream_free(stream);
}

static void drain(struct event_base *base, int descriptor)
{
    char bytes[4096];
    for (int i = 0; i < 3; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        while (read(descriptor, bytes, sizeof bytes) > 0) {
        }
    }
}

static void feed(struct event_base *base, int descriptor, const uint8_t *bytes, size_t size,
                 uint32_t pieces)
{
    for (size_t sent = 0; sent < size;) {
        size_t piece = size - sent;
        if (pieces != 0) {
            pieces = pieces * 1664525 + 1013904223;
            piece = (pieces >> 16) % (1u << (pieces >> 28)) + 1;
            piece = piece > size - sent ? size - sent : piece;
        }
        if (write(descriptor, bytes + sent, piece) != (ssize_t)piece) {
            return; /* it has ended */
        }
        sent += piece;
        drain(base, descriptor);
    }
}

static struct run run_stream(struct event_base *base, uint32_t pieces, uint8_t reaction,
                             const uint8_t *bytes, size_t size)
{
    static const struct message_stream_user user = {
        .opened = on_opened,
        .message = on_message,
        .unreadable = on_unreadable,
        .origin = on_origin,
        .request = on_request,
        .closed = on_closed,
    };
    struct run run = {.reaction = reaction};
    const struct message_stream_setup setup = {
        .user = &user, .context = &run, .message_size_max = MESSAGE_MAX};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) {
        abort();
    }
    run.stream = message_stream_accept(base, ends[0], NULL, &setup);
    REQUIRE(run.stream != NULL);
    feed(base, ends[1], bytes, size, pieces);
    drain(base, ends[1]);
    close(ends[1]);
    for (int i = 0; i < 4; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    message_stream_free(run.stream);
    event_base_loop(base, EVLOOP_NONBLOCK);
    return run;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct event_base *base;
    if (base == NULL) {
        signal(SIGPIPE, SIG_IGN);
        base = event_base_new();
    }
    if (base == NULL || size < CONTROL_SIZE || size > INPUT_MAX) {
        return 0;
    }
    uint32_t pieces = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2];
    uint8_t reaction = data[3];
    data += CONTROL_SIZE;
    size -= CONTROL_SIZE;
    struct run cut = run_stream(base, pieces | 1, reaction, data, size);
    struct run whole = run_stream(base, 0, reaction, data, size);
    REQUIRE(cut.digest == whole.digest && cut.messages == whole.messages);
    REQUIRE(cut.opened == whole.opened && cut.requests == whole.requests);
    return 0;
}
