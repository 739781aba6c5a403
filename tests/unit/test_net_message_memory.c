/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory runs out at the first, second, third … allocation of a message stream: it ends, or is not
 * made, and says so once; nothing leaks (under sanitizers). libevent, which does not survive that
 * itself (bufferevent_setwatermark), and wslay keep their memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/message_stream.h"
#include "short_memory.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ALLOCATIONS_MAX 500

/* ---- a stream that echoes ----------------------------------------------------------------------
 */

static struct message_stream *streams[2]; /* server, client */
static unsigned messages, closed, opened;

static void forget(const struct message_stream *stream)
{
    streams[stream == streams[0] ? 0 : 1] = NULL;
}

static void on_opened(struct message_stream *stream, void *context)
{
    (void)context;
    if (stream == streams[1]) {
        opened++;
        (void)message_stream_send(stream, "{}", 2);
    }
}

static void on_message(struct message_stream *stream, const char *text, size_t size, void *context)
{
    (void)context;
    messages++;
    if (stream == streams[0]) {
        (void)message_stream_send(stream, text, size);
    }
}

static void on_closed(struct message_stream *stream, enum message_stream_end end, void *context)
{
    (void)context;
    (void)end;
    assert_true(stream == streams[0] || stream == streams[1]);
    assert_non_null(message_stream_end_text(stream));
    closed++;
    forget(stream);
    message_stream_free(stream);
}

static const struct message_stream_user user = {
    .opened = on_opened, .message = on_message, .closed = on_closed};

static void run(struct event_base *base)
{
    for (int i = 0; i < 12; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
}

/* Whether it went through without a refusal: then all of it has been tried. */
static bool talk(enum message_framing framing, unsigned allowed)
{
    const struct message_stream_setup setup = {.user = &user};
    const struct message_stream_target target = {.framing = framing, .authority = "a"};
    struct event_base *base = event_base_new();
    int ends[2];
    assert_non_null(base);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    messages = closed = opened = 0;
    memory.armed = true;
    memory.allowed = allowed;
    memory.refused = 0;
    streams[0] = message_stream_accept(base, ends[0], NULL, &setup);
    streams[1] = message_stream_connect(base, ends[1], NULL, &target, &setup);
    run(base);
    for (int i = 0; i < 2; i++) {
        if (streams[i] != NULL) {
            message_stream_finish(streams[i], 1);
        }
    }
    run(base);
    memory.armed = false;
    assert_true(closed <= 2);
    for (int i = 0; i < 2; i++) {
        message_stream_free(streams[i]);
        streams[i] = NULL;
    }
    run(base);
    event_base_free(base);
    return memory.refused == 0;
}

static void runs_out(enum message_framing framing)
{
    unsigned allowed = 0;
    while (!talk(framing, allowed)) {
        assert_true(++allowed < ALLOCATIONS_MAX);
    }
    assert_int_equal(messages, 2);
    assert_int_equal(closed, 2);
    assert_true(allowed > 0);
}

static void lines_without_memory(void **state)
{
    (void)state;
    runs_out(MESSAGE_FRAMING_LINES);
}

static void websocket_without_memory(void **state)
{
    (void)state;
    if (message_stream_has_websocket()) {
        runs_out(MESSAGE_FRAMING_WEBSOCKET);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_without_memory),
        cmocka_unit_test(websocket_without_memory),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("net_message_memory", tests, NULL, NULL);
}
