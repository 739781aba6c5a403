/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/message_stream_internal.h"

#include "net/tls_context.h"
#include "wire/http_head.h"

#include <assert.h>
#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUTPUT_SIZE_MAX 65536
/* Input that may wait beyond a message of the largest size: its end, and a frame's header. */
#define INPUT_RESERVE 1024

_Static_assert(HTTP_HEAD_SIZE_MAX <= MESSAGE_SIZE_MAX, "an HTTP head fits in the input too");

/* ---- life ---------------------------------------------------------------------------------------
 */

/* Tells the other end that no more comes: close_notify, and TCP's FIN. */
static void say_goodbye(struct message_stream *stream)
{
    SSL *ssl = message_stream_tls(stream);
    int descriptor = bufferevent_getfd(stream->bufferevent);

    if (ssl != NULL && SSL_is_init_finished(ssl)) {
        (void)SSL_shutdown(ssl);
        ERR_clear_error();
    }
    if (descriptor >= 0) {
        (void)shutdown(descriptor, SHUT_WR);
    }
}

static void destroy(struct message_stream *stream)
{
    if (stream->stage != MESSAGE_STAGE_LINGERING && stream->end != MESSAGE_END_TLS &&
        stream->end != MESSAGE_END_ERROR) {
        say_goodbye(stream);
    }
    event_del(&stream->later);
    bufferevent_free(stream->bufferevent);
    websocket_free(stream->websocket);
    message_opening_free(stream->opening);
    free(stream->text);
    free(stream);
}

static void enter(struct message_stream *stream)
{
    stream->depth++;
}

static void leave(struct message_stream *stream)
{
    if (--stream->depth == 0 && stream->freed) {
        destroy(stream);
    }
}

bool message_stream_is_live(const struct message_stream *stream)
{
    return stream->stage < MESSAGE_STAGE_FINISHING && !stream->freed;
}

void message_stream_end(struct message_stream *stream, enum message_stream_end end)
{
    stream->stage = MESSAGE_STAGE_ENDED;
    stream->end = end;
    event_del(&stream->later);
    bufferevent_disable(stream->bufferevent, EV_READ | EV_WRITE);
    if (!stream->freed) {
        stream->user->closed(stream, end, stream->context);
    }
}

/* From anywhere: the loop calls `closed`. */
static void end_later(struct message_stream *stream, enum message_stream_end end)
{
    stream->stage = MESSAGE_STAGE_ENDED;
    stream->end = end;
    bufferevent_disable(stream->bufferevent, EV_READ | EV_WRITE);
    event_del(&stream->later);
    event_active(&stream->later, EV_TIMEOUT, 0);
}

size_t message_stream_waiting(const struct message_stream *stream)
{
    return evbuffer_get_length(bufferevent_get_output(stream->bufferevent)) +
           websocket_output_size(stream->websocket);
}

/*
 * Writes at once what waits, as far as the socket takes it: the loop would take two calls of
 * epoll_ctl and a turn for each message. Only what is left over is the loop's, and so is an error,
 * which it will meet again. TLS is written by the loop alone.
 */
static void flush(struct message_stream *stream)
{
    struct evbuffer *output = bufferevent_get_output(stream->bufferevent);

    if (message_stream_tls(stream) != NULL || stream->stage == MESSAGE_STAGE_CONNECTING ||
        stream->stage == MESSAGE_STAGE_ENDED || evbuffer_get_length(output) == 0 ||
        (bufferevent_get_enabled(stream->bufferevent) & EV_WRITE) != 0) {
        return;
    }
    (void)evbuffer_unfreeze(output, 1);
    (void)evbuffer_write(output, bufferevent_getfd(stream->bufferevent));
    (void)evbuffer_freeze(output, 1);
    if (evbuffer_get_length(output) > 0) {
        bufferevent_enable(stream->bufferevent, EV_WRITE);
    }
}

/* Nothing waits: from now on flush writes first. */
static void rest(struct message_stream *stream)
{
    if (message_stream_tls(stream) == NULL && stream->stage != MESSAGE_STAGE_ENDED &&
        evbuffer_get_length(bufferevent_get_output(stream->bufferevent)) == 0) {
        bufferevent_disable(stream->bufferevent, EV_WRITE);
    }
}

static void arm(struct message_stream *stream, unsigned seconds)
{
    event_add(&stream->later, &(struct timeval){.tv_sec = (time_t)seconds});
}

/* All is sent. Input is still read, and discarded: closing over unread bytes would reset the
 * connection and take the last answer with it. */
static void linger(struct message_stream *stream)
{
    stream->stage = MESSAGE_STAGE_LINGERING;
    say_goodbye(stream);
    bufferevent_enable(stream->bufferevent, EV_READ);
}

void message_stream_finish_as(struct message_stream *stream, enum message_stream_end end,
                              unsigned seconds)
{
    flush(stream);
    stream->end = end;
    arm(stream, seconds);
    if (message_stream_waiting(stream) == 0) {
        linger(stream);
        return;
    }
    stream->stage = MESSAGE_STAGE_FINISHING;
    /* libevent stops writing too when TLS has ended in one direction. */
    bufferevent_enable(stream->bufferevent, EV_READ | EV_WRITE);
}

void message_stream_open(struct message_stream *stream, enum message_framing framing)
{
    stream->framing = framing;
    stream->stage = MESSAGE_STAGE_OPEN;
    event_del(&stream->later);
    message_opening_free(stream->opening);
    stream->opening = NULL;
    if (stream->user->opened != NULL) {
        stream->user->opened(stream, stream->context);
    }
}

static void on_later(evutil_socket_t descriptor, short what, void *context)
{
    struct message_stream *stream = context;
    enum message_stream_end end = stream->end;

    (void)descriptor;
    (void)what;
    if (stream->stage == MESSAGE_STAGE_FINISHING) {
        end = MESSAGE_END_STUCK;
    } else if (stream->stage < MESSAGE_STAGE_FINISHING) {
        end = MESSAGE_END_TIMEOUT;
    }
    enter(stream);
    message_stream_end(stream, end);
    leave(stream);
}

/* ---- input --------------------------------------------------------------------------------------
 */

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The client has begun: with a line, or with an HTTP request. */
static void read_first(struct message_stream *stream, struct evbuffer *input)
{
    char first = '\0';

    (void)evbuffer_copyout(input, &first, 1);
    if (first == '{') {
        message_stream_open(stream, MESSAGE_FRAMING_LINES);
    } else if (is_letter(first)) {
        stream->stage = MESSAGE_STAGE_HEAD;
    } else {
        message_stream_end(stream, MESSAGE_END_BROKEN);
    }
}

/* What comes is no line: ends in order, since the user may have something to say. */
static void refuse_line(struct message_stream *stream, enum message_stream_end end)
{
    if (stream->user->unreadable != NULL) {
        stream->user->unreadable(stream, end, stream->context);
    }
    if (message_stream_is_live(stream)) {
        message_stream_finish_as(stream, end, MESSAGE_LINGER_SECONDS);
    }
}

/* Returns whether there was a line. */
static bool read_line(struct message_stream *stream, struct evbuffer *input)
{
    size_t most = stream->message_size_max;
    struct evbuffer_ptr found = evbuffer_search_eol(input, NULL, NULL, EVBUFFER_EOL_LF);
    bool whole = found.pos >= 0;
    size_t size = whole ? (size_t)found.pos : evbuffer_get_length(input);

    /* One more may be the CR of CR LF. */
    if (size > most + 1) {
        refuse_line(stream, MESSAGE_END_TOO_LONG);
        return false;
    }
    if (!whole) {
        return false;
    }
    const char *line = (const char *)evbuffer_pullup(input, (ev_ssize_t)size + 1);
    if (line == NULL) {
        stream->error = ENOMEM;
        message_stream_end(stream, MESSAGE_END_ERROR);
        return false;
    }
    size_t text_size = size > 0 && line[size - 1] == '\r' ? size - 1 : size;
    if (text_size > most) {
        refuse_line(stream, MESSAGE_END_TOO_LONG);
        return false;
    }
    if (text_size > 0) {
        stream->user->message(stream, line, text_size, stream->context);
    }
    evbuffer_drain(input, size + 1);
    return true;
}

/* Takes one thing from the input. Returns whether there may be more. */
static bool read_one(struct message_stream *stream, struct evbuffer *input)
{
    switch (stream->stage) {
    case MESSAGE_STAGE_FIRST:
        read_first(stream, input);
        return true;
    case MESSAGE_STAGE_HEAD:
        return message_http_read(stream);
    case MESSAGE_STAGE_OPEN:
        if (stream->framing == MESSAGE_FRAMING_LINES) {
            return read_line(stream, input);
        }
        websocket_read(stream);
        return false;
    default:
        return false;
    }
}

static void read_all(struct message_stream *stream)
{
    struct evbuffer *input = bufferevent_get_input(stream->bufferevent);

    while (message_stream_is_live(stream) && evbuffer_get_length(input) > 0 &&
           read_one(stream, input)) {
    }
    if (stream->stage >= MESSAGE_STAGE_FINISHING) {
        evbuffer_drain(input, evbuffer_get_length(input));
    }
    flush(stream);
}

static void on_readable(struct bufferevent *bufferevent, void *context)
{
    struct message_stream *stream = context;

    (void)bufferevent;
    enter(stream);
    read_all(stream);
    leave(stream);
}

/* ---- the loop's other callbacks -----------------------------------------------------------------
 */

static void on_written(struct bufferevent *bufferevent, void *context)
{
    struct message_stream *stream = context;

    (void)bufferevent;
    enter(stream);
    if (stream->stage == MESSAGE_STAGE_FINISHING && stream->ended) {
        message_stream_end(stream, stream->end);
    } else if (stream->stage == MESSAGE_STAGE_FINISHING) {
        linger(stream);
    } else if (message_stream_is_live(stream) && stream->user->drained != NULL) {
        stream->user->drained(stream, stream->context);
    }
    rest(stream);
    leave(stream);
}

/* An error of TLS, or one of the system that it met. */
static void fail(struct message_stream *stream, int error)
{
    unsigned long tls_error = tls_take_error(stream->bufferevent);
    SSL *ssl = message_stream_tls(stream);
    char text[TLS_TEXT_SIZE];

    if (ssl == NULL || (tls_error == 0 && error != 0)) {
        stream->error = error;
        message_stream_end(stream, MESSAGE_END_ERROR);
        return;
    }
    stream->text = strdup(tls_error_text(ssl, tls_error, text));
    message_stream_end(stream, MESSAGE_END_TLS);
}

static void begin(struct message_stream *stream)
{
    if (stream->stage != MESSAGE_STAGE_CONNECTING) {
        return; /* a server's TLS stands; the client speaks next */
    }
    if (stream->opening != NULL) {
        message_http_open(stream);
    } else {
        message_stream_open(stream, MESSAGE_FRAMING_LINES);
    }
}

static void on_connected(struct message_stream *stream)
{
    rest(stream);
    begin(stream);
    flush(stream);
    if (evbuffer_get_length(bufferevent_get_input(stream->bufferevent)) > 0) {
        read_all(stream); /* it came before, and nobody could take it */
    }
}

static void on_event(struct bufferevent *bufferevent, short what, void *context)
{
    int error = EVUTIL_SOCKET_ERROR();
    struct message_stream *stream = context;

    (void)bufferevent;
    enter(stream);
    if (stream->stage == MESSAGE_STAGE_ENDED) {
        /* Told already, or about to be. */
    } else if ((what & BEV_EVENT_CONNECTED) != 0) {
        on_connected(stream);
    } else if (stream->stage == MESSAGE_STAGE_LINGERING) {
        message_stream_end(stream, stream->end);
    } else if ((what & BEV_EVENT_EOF) == 0) {
        fail(stream, error);
    } else if (stream->stage == MESSAGE_STAGE_FINISHING) {
        /* Goes on writing until it is done or its time is over. */
        stream->ended = true;
        bufferevent_enable(stream->bufferevent, EV_WRITE);
    } else if (message_stream_waiting(stream) > 0) {
        /* The other end may still read: "printf … | nc". */
        stream->ended = true;
        message_stream_finish_as(stream, MESSAGE_END_PEER, MESSAGE_LINGER_SECONDS);
    } else {
        message_stream_end(stream, MESSAGE_END_PEER);
    }
    leave(stream);
}

/* ---- beginning ----------------------------------------------------------------------------------
 */

static struct bufferevent *new_bufferevent(struct event_base *base, int descriptor, SSL *ssl,
                                           bool client)
{
    enum bufferevent_ssl_state state =
        client ? BUFFEREVENT_SSL_CONNECTING : BUFFEREVENT_SSL_ACCEPTING;
    struct bufferevent *bufferevent =
        ssl != NULL
            ? bufferevent_openssl_socket_new(base, descriptor, ssl, state, BEV_OPT_CLOSE_ON_FREE)
            : bufferevent_socket_new(base, descriptor, BEV_OPT_CLOSE_ON_FREE);

    if (bufferevent == NULL) {
        SSL_free(ssl);
        close(descriptor);
    }
    return bufferevent;
}

static struct message_stream *new_stream(struct event_base *base, int descriptor, SSL *ssl,
                                         bool client, const struct message_stream_setup *setup)
{
    struct bufferevent *bufferevent = new_bufferevent(base, descriptor, ssl, client);
    struct message_stream *stream = calloc(1, sizeof *stream);

    if (stream == NULL || bufferevent == NULL) {
        if (bufferevent != NULL) {
            bufferevent_free(bufferevent);
        }
        free(stream);
        return NULL;
    }
    stream->bufferevent = bufferevent;
    stream->user = setup->user;
    stream->context = setup->context;
    stream->message_size_max =
        (uint32_t)(setup->message_size_max != 0 ? setup->message_size_max : MESSAGE_SIZE_MAX);
    stream->output_size_max =
        (uint32_t)(setup->output_size_max != 0 ? setup->output_size_max : OUTPUT_SIZE_MAX);
    stream->client = client;
    event_assign(&stream->later, base, -1, 0, on_later, stream);
    bufferevent_setcb(bufferevent, on_readable, on_written, on_event, stream);
    bufferevent_setwatermark(bufferevent, EV_READ, 0, MESSAGE_SIZE_MAX + INPUT_RESERVE);
    if (setup->opening_seconds > 0) {
        arm(stream, setup->opening_seconds);
    }
    return stream;
}

static struct message_stream *start(struct message_stream *stream)
{
    if (bufferevent_enable(stream->bufferevent, EV_READ | EV_WRITE) == 0) {
        if (stream->stage != MESSAGE_STAGE_CONNECTING) {
            rest(stream);
        }
        return stream;
    }
    destroy(stream);
    return NULL;
}

struct message_stream *message_stream_accept(struct event_base *base, int descriptor, SSL *ssl,
                                             const struct message_stream_setup *setup)
{
    struct message_stream *stream = new_stream(base, descriptor, ssl, false, setup);

    if (stream == NULL) {
        return NULL;
    }
    stream->stage = MESSAGE_STAGE_FIRST;
    return start(stream);
}

struct message_stream *message_stream_connect(struct event_base *base, int descriptor, SSL *ssl,
                                              const struct message_stream_target *target,
                                              const struct message_stream_setup *setup)
{
    bool websocket = target->framing == MESSAGE_FRAMING_WEBSOCKET;
    struct message_stream *stream = new_stream(base, descriptor, ssl, true, setup);

    if (stream == NULL) {
        return NULL;
    }
    stream->opening = websocket ? message_opening_new(target) : NULL;
    if ((websocket && (stream->opening == NULL || !message_stream_has_websocket())) ||
        (ssl == NULL && bufferevent_socket_connect(stream->bufferevent, NULL, 0) != 0)) {
        destroy(stream);
        return NULL;
    }
    stream->stage = MESSAGE_STAGE_CONNECTING;
    return start(stream);
}

void message_stream_free(struct message_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    stream->freed = true;
    if (stream->depth == 0) {
        destroy(stream);
    }
}

/* ---- sending ------------------------------------------------------------------------------------
 */

static int send_line(struct message_stream *stream, const char *text, size_t size)
{
    struct evbuffer *output = bufferevent_get_output(stream->bufferevent);
    struct evbuffer_iovec space;

    if (evbuffer_reserve_space(output, (ev_ssize_t)size + 1, &space, 1) != 1) {
        return -ENOMEM;
    }
    memcpy(space.iov_base, text, size);
    ((char *)space.iov_base)[size] = '\n';
    space.iov_len = size + 1;
    return evbuffer_commit_space(output, &space, 1) != 0 ? -ENOMEM : 0;
}

int message_stream_send(struct message_stream *stream, const char *text, size_t size)
{
    assert(size <= MESSAGE_SIZE_MAX && memchr(text, '\n', size) == NULL);
    if (!message_stream_is_live(stream)) {
        return -EPIPE;
    }
    if (stream->stage != MESSAGE_STAGE_OPEN) {
        return -ENOTCONN;
    }
    if (message_stream_waiting(stream) + size > stream->output_size_max) {
        end_later(stream, MESSAGE_END_STUCK);
        return -ENOBUFS;
    }
    int status =
        (stream->framing == MESSAGE_FRAMING_LINES ? send_line : websocket_send)(stream, text, size);
    flush(stream);
    return status;
}

void message_stream_finish(struct message_stream *stream, unsigned seconds)
{
    if (!message_stream_is_live(stream)) {
        return;
    }
    if (stream->stage == MESSAGE_STAGE_OPEN && stream->framing == MESSAGE_FRAMING_WEBSOCKET) {
        websocket_send_close(stream);
    }
    message_stream_finish_as(stream, MESSAGE_END_FINISHED, seconds);
}

/* ---- what it is ---------------------------------------------------------------------------------
 */

enum message_framing message_stream_framing(const struct message_stream *stream)
{
    return stream->framing;
}

SSL *message_stream_tls(const struct message_stream *stream)
{
    return bufferevent_openssl_get_ssl(stream->bufferevent);
}

const char *message_stream_end_text(const struct message_stream *stream)
{
    static const char *const texts[] = {
        [MESSAGE_END_PEER] = "the other end closed the connection",
        [MESSAGE_END_FINISHED] = "closed",
        [MESSAGE_END_ANSWERED] = "an HTTP request was answered",
        [MESSAGE_END_ERROR] = "unknown error",
        [MESSAGE_END_TLS] = "TLS failed",
        [MESSAGE_END_BROKEN] = "the other end sent what is neither a message nor WebSocket",
        [MESSAGE_END_TOO_LONG] = "the other end sent a message that is too long",
        [MESSAGE_END_STUCK] = "the other end does not read what it is sent",
        [MESSAGE_END_HANDSHAKE] = "the server did not open WebSocket",
        [MESSAGE_END_TIMEOUT] = "the other end took too long to begin",
    };
    const char *error = stream->end == MESSAGE_END_ERROR ? strerrordesc_np(stream->error) : NULL;

    if (stream->text != NULL) {
        return stream->text;
    }
    return error != NULL ? error : texts[stream->end];
}
