/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/stream.h"

#include "net/tls_context.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/err.h>
#include <postern/stun.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long answers may take to leave after the other end has closed its direction. */
#define LINGER_SECONDS 5
/* What stun_stream_next looks at: the length, and the cookie of STUN. */
#define PEEK_SIZE 8
/* Some clients (turnutils_uclient) take a record of TLS for a message. Each frame has a record of
 * its own while no more than this waits; above it, records are filled. */
#define RECORDS_APART_MAX 16384
/* The least input that may wait: two or three reads of libevent. */
#define INPUT_SIZE_MIN 16384

enum stream_state {
    STREAM_OPEN,
    STREAM_LEAVING,   /* takes no more frames; the loop hands the bufferevent over */
    STREAM_FINISHING, /* takes no more frames; ends once all is sent, or its time is over */
    STREAM_ENDED,     /* `closed` has been called, or will be from the loop */
};

struct stream {
    struct bufferevent *bufferevent;
    struct event
        later; /* ends the stream from the loop: at once, or when finishing takes too long */
    const struct stream_user *user;
    void *context;
    struct stun_address local;
    struct stream_limits limits;
    size_t wanted; /* input bytes that make the next callback worthwhile */
    uint64_t dropped;
    enum stream_state state;
    enum stream_end end; /* why, once it is not open */
    stream_take *take;   /* of a leaving stream */
    void *take_context;
    int error;      /* errno of STREAM_END_ERROR */
    char *tls_text; /* of STREAM_END_TLS; NULL: memory was out */
    bool freed;     /* by its owner, in a callback */
    unsigned depth; /* of our own callbacks; it is not destroyed inside one */
};

/* ---- life ---------------------------------------------------------------------------------------
 */

/* Tells the other end that no more comes (close_notify), once, and as far as the socket takes it.
 */
static void say_goodbye(struct stream *stream)
{
    SSL *ssl = stream_tls(stream);

    if (ssl != NULL && SSL_is_init_finished(ssl) && stream->end != STREAM_END_TLS &&
        stream->end != STREAM_END_ERROR) {
        (void)SSL_shutdown(ssl);
        ERR_clear_error();
    }
}

static void destroy(struct stream *stream)
{
    say_goodbye(stream);
    event_del(&stream->later);
    bufferevent_free(stream->bufferevent);
    free(stream->tls_text);
    free(stream);
}

static void enter(struct stream *stream)
{
    stream->depth++;
}

static void leave(struct stream *stream)
{
    if (--stream->depth == 0 && stream->freed) {
        destroy(stream);
    }
}

/* Only from the loop: calls `closed`. */
static void end_now(struct stream *stream, enum stream_end end)
{
    stream->state = STREAM_ENDED;
    stream->end = end;
    event_del(&stream->later);
    bufferevent_disable(stream->bufferevent, EV_READ | EV_WRITE);
    if (!stream->freed) {
        stream->user->closed(stream, end, stream->context);
    }
}

/* From anywhere: the loop calls `closed`. */
static void end_later(struct stream *stream, enum stream_end end)
{
    stream->state = STREAM_ENDED;
    stream->end = end;
    bufferevent_disable(stream->bufferevent, EV_READ | EV_WRITE);
    event_active(&stream->later, EV_TIMEOUT, 0);
}

static size_t output_size(const struct stream *stream)
{
    return evbuffer_get_length(bufferevent_get_output(stream->bufferevent));
}

static void give_bufferevent(struct stream *stream)
{
    struct bufferevent *bufferevent = stream->bufferevent;

    bufferevent_setcb(bufferevent, NULL, NULL, NULL, NULL);
    bufferevent_setwatermark(bufferevent, EV_READ, 0, 0);
    stream->take(bufferevent, stream->take_context);
    free(stream->tls_text);
    free(stream);
}

static void on_later(evutil_socket_t descriptor, short what, void *context)
{
    struct stream *stream = context;

    if (stream->state == STREAM_LEAVING) {
        give_bufferevent(stream);
        return;
    }
    bool stuck = stream->state == STREAM_FINISHING && output_size(stream) > 0;

    (void)descriptor;
    (void)what;
    enter(stream);
    end_now(stream, stuck ? STREAM_END_STUCK : stream->end);
    leave(stream);
}

/* Sends what waits, then ends for the reason `end`. */
static void finish(struct stream *stream, enum stream_end end, unsigned seconds)
{
    struct timeval patience = {.tv_sec = (time_t)seconds};

    if (output_size(stream) == 0) {
        end_later(stream, end);
        return;
    }
    stream->state = STREAM_FINISHING;
    stream->end = end;
    event_add(&stream->later, &patience);
    /* libevent stops writing too when TLS has ended in one direction. */
    bufferevent_enable(stream->bufferevent, EV_WRITE);
    /* Input is still read, and discarded: closing over unread bytes would reset the connection and
     * take the last answer with it. */
    bufferevent_setwatermark(stream->bufferevent, EV_READ, 0, INPUT_SIZE_MIN);
}

/* ---- input --------------------------------------------------------------------------------------
 */

/* Lets the loop call us when the next frame may be whole, and stop reading far above that. */
static void set_watermarks(struct stream *stream)
{
    size_t most = stream->limits.frame_size_max;

    bufferevent_setwatermark(stream->bufferevent, EV_READ, stream->wanted,
                             most < INPUT_SIZE_MIN ? INPUT_SIZE_MIN : most);
}

static void want(struct stream *stream, size_t size)
{
    if (stream->wanted != size) {
        stream->wanted = size;
        set_watermarks(stream);
    }
}

/* Waits for a frame of which `have` bytes are there. Its first bytes are looked at one by one,
 * since any of them may be wrong. */
static void want_frame(struct stream *stream, size_t have, size_t frame_size)
{
    want(stream, have < PEEK_SIZE ? have + 1 : frame_size);
}

/* A frame as its user sees it: without the padding that ChannelData has on a stream. */
static struct packet packet_of(uint8_t *bytes, size_t frame_size, int protocol)
{
    size_t size = frame_size;

    if (protocol == STUN_PROTOCOL_CHANNEL) {
        size = STUN_CHANNEL_HEADER_SIZE + ((size_t)bytes[2] << 8 | bytes[3]);
    }
    return (struct packet){.bytes = bytes, .size = (uint32_t)size};
}

/*
 * Hands up the whole frames of `bytes`. Returns how many bytes they took, and sets `status` to what
 * stopped it (0: the user did) and `wanted` to the size of the frame that is not whole yet.
 */
static size_t give_frames(struct stream *stream, uint8_t *bytes, size_t size, int *status,
                          size_t *wanted)
{
    size_t given = 0;

    *status = 0;
    while (stream->state == STREAM_OPEN && !stream->freed) {
        int protocol = stun_stream_next(bytes + given, size - given, wanted);
        if (*wanted > stream->limits.frame_size_max) {
            *status = -EMSGSIZE;
            break;
        }
        if (protocol < 0) {
            *status = protocol == STUN_ERROR_TRUNCATED ? -EAGAIN : -EPROTO;
            break;
        }
        struct packet packet = packet_of(bytes + given, *wanted, protocol);
        given += *wanted;
        stream->user->frame(stream, &packet, stream->context);
    }
    return given;
}

/* Whether the input begins with a whole frame, or with something that cannot become one. */
static bool is_ready(struct stream *stream, struct evbuffer *input)
{
    uint8_t peek[PEEK_SIZE];
    size_t frame_size = 0;

    ssize_t size = evbuffer_copyout(input, peek, sizeof peek);
    if (size <= 0) {
        return false;
    }
    int protocol = stun_stream_next(peek, (size_t)size, &frame_size);
    if (protocol == STUN_ERROR_TRUNCATED && frame_size <= stream->limits.frame_size_max &&
        evbuffer_get_length(input) < (frame_size == 0 ? PEEK_SIZE : frame_size)) {
        want_frame(stream, (size_t)size, frame_size);
        return false;
    }
    return true;
}

static void read_frames(struct stream *stream)
{
    struct evbuffer *input = bufferevent_get_input(stream->bufferevent);
    size_t wanted = 0;
    int status = 0;

    if (!is_ready(stream, input)) {
        return;
    }
    size_t size = evbuffer_get_length(input);
    uint8_t *bytes = evbuffer_pullup(input, -1);
    if (bytes == NULL) {
        stream->error = ENOMEM;
        end_now(stream, STREAM_END_ERROR);
        return;
    }
    size_t given = give_frames(stream, bytes, size, &status, &wanted);
    if (given > 0 && stream->user->flush != NULL && !stream->freed) {
        stream->user->flush(stream, stream->context);
    }
    evbuffer_drain(input, given);
    if (stream->freed || stream->state != STREAM_OPEN) {
        return;
    }
    if (status == -EAGAIN) {
        want_frame(stream, size - given, wanted);
    } else if (status < 0) {
        end_now(stream, status == -EMSGSIZE ? STREAM_END_FRAME_SIZE : STREAM_END_NOT_STUN);
    }
}

/* ---- the loop's callbacks -----------------------------------------------------------------------
 */

static void on_readable(struct bufferevent *bufferevent, void *context)
{
    struct stream *stream = context;

    enter(stream);
    if (stream->state == STREAM_OPEN) {
        read_frames(stream);
    } else if (stream->state != STREAM_LEAVING) {
        struct evbuffer *input = bufferevent_get_input(bufferevent);
        evbuffer_drain(input, evbuffer_get_length(input));
    }
    leave(stream);
}

static void on_written(struct bufferevent *bufferevent, void *context)
{
    struct stream *stream = context;

    (void)bufferevent;
    enter(stream);
    if (stream->state == STREAM_FINISHING) {
        end_now(stream, stream->end);
    }
    leave(stream);
}

/* An error of TLS, or one of the system that it met. */
static void fail(struct stream *stream, int error)
{
    unsigned long tls_error = tls_take_error(stream->bufferevent);
    SSL *ssl = stream_tls(stream);
    char text[TLS_TEXT_SIZE];

    if (ssl == NULL || (tls_error == 0 && error != 0)) {
        stream->error = error;
        end_now(stream, STREAM_END_ERROR);
        return;
    }
    stream->tls_text = strdup(tls_error_text(ssl, tls_error, text));
    end_now(stream, STREAM_END_TLS);
}

/* Without a whole handshake there was no stream that could end in order. */
static bool is_half_made(const struct stream *stream)
{
    const SSL *ssl = stream_tls(stream);

    return ssl != NULL && !SSL_is_init_finished(ssl);
}

static void on_event(struct bufferevent *bufferevent, short what, void *context)
{
    int error = EVUTIL_SOCKET_ERROR();
    struct stream *stream = context;

    (void)bufferevent;
    enter(stream);
    if (stream->state == STREAM_ENDED || stream->state == STREAM_LEAVING) {
        /* Told already, or about to be; whoever takes it over will meet it again. */
    } else if ((what & BEV_EVENT_CONNECTED) != 0) {
        if (stream->user->connected != NULL) {
            stream->user->connected(stream, stream->context);
        }
    } else if ((what & BEV_EVENT_EOF) == 0) {
        fail(stream, error);
    } else if (is_half_made(stream)) {
        end_now(stream, STREAM_END_PEER);
    } else if (stream->state == STREAM_OPEN) {
        finish(stream, STREAM_END_PEER, LINGER_SECONDS);
    }
    leave(stream);
}

/* ---- what the header says -----------------------------------------------------------------------
 */

struct stream *stream_new(struct bufferevent *bufferevent, const struct stream_setup *setup)
{
    struct stream *stream = calloc(1, sizeof *stream);

    if (stream == NULL || bufferevent == NULL) {
        goto fail;
    }
    stream->bufferevent = bufferevent;
    stream->user = setup->user;
    stream->context = setup->context;
    stream->local = setup->local;
    stream->limits = setup->limits;
    event_assign(&stream->later, bufferevent_get_base(bufferevent), -1, 0, on_later, stream);
    bufferevent_setcb(bufferevent, on_readable, on_written, on_event, stream);
    want(stream, 1);
    if (setup->connecting && stream_tls(stream) == NULL &&
        bufferevent_socket_connect(bufferevent, NULL, 0) != 0) {
        goto fail;
    }
    if (bufferevent_enable(bufferevent, EV_READ | EV_WRITE) != 0) {
        goto fail;
    }
    /* Whoever had the bufferevent before may have read some of our bytes. */
    bufferevent_trigger(bufferevent, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
    return stream;

fail:
    free(stream);
    if (bufferevent != NULL) {
        bufferevent_free(bufferevent);
    }
    return NULL;
}

struct stream *stream_new_tcp(struct event_base *base, int descriptor,
                              const struct stream_setup *setup)
{
    struct bufferevent *bufferevent =
        bufferevent_socket_new(base, descriptor, BEV_OPT_CLOSE_ON_FREE);

    if (bufferevent == NULL) {
        close(descriptor);
    }
    return stream_new(bufferevent, setup);
}

struct stream *stream_new_tls(struct event_base *base, int descriptor, SSL *ssl,
                              const struct stream_setup *setup)
{
    enum bufferevent_ssl_state state =
        setup->connecting ? BUFFEREVENT_SSL_CONNECTING : BUFFEREVENT_SSL_ACCEPTING;
    struct bufferevent *bufferevent = NULL;

    if (ssl != NULL) {
        bufferevent =
            bufferevent_openssl_socket_new(base, descriptor, ssl, state, BEV_OPT_CLOSE_ON_FREE);
    }
    if (bufferevent == NULL) {
        SSL_free(ssl);
        close(descriptor);
        return NULL;
    }
    return stream_new(bufferevent, setup);
}

void stream_free(struct stream *stream)
{
    if (stream == NULL) {
        return;
    }
    stream->freed = true;
    if (stream->depth == 0) {
        destroy(stream);
    }
}

/* Whether losing the frame is what UDP might have done to it. */
static bool is_data(const uint8_t *bytes)
{
    if (stun_is_channel(bytes[0])) {
        return true;
    }
    bool indication = (bytes[0] & 0x01) == 0 && (bytes[1] & 0x10) != 0; /* RFC 8489 §5 */
    return indication;
}

/* Copies a frame and `padding` zero bytes, all or nothing. */
static int append(struct stream *stream, const uint8_t *bytes, size_t size, size_t padding)
{
    struct evbuffer *output = bufferevent_get_output(stream->bufferevent);
    struct evbuffer_iovec space;

    if (evbuffer_reserve_space(output, (ev_ssize_t)(size + padding), &space, 1) != 1) {
        return -ENOMEM;
    }
    memcpy(space.iov_base, bytes, size);
    memset((uint8_t *)space.iov_base + size, 0, padding);
    space.iov_len = size + padding;
    return evbuffer_commit_space(output, &space, 1) != 0 ? -ENOMEM : 0;
}

static void free_copy(const void *bytes, size_t size, void *copy)
{
    (void)bytes;
    (void)size;
    free(copy);
}

/* The same in a link of its own, of which libevent makes a record of TLS of its own. */
static int append_apart(struct stream *stream, const uint8_t *bytes, size_t size, size_t padding)
{
    struct evbuffer *output = bufferevent_get_output(stream->bufferevent);
    uint8_t *copy = malloc(size + padding);

    if (copy == NULL) {
        return -ENOMEM;
    }
    memcpy(copy, bytes, size);
    memset(copy + size, 0, padding);
    if (evbuffer_add_reference(output, copy, size + padding, free_copy, copy) != 0) {
        free(copy);
        return -ENOMEM;
    }
    return 0;
}

int stream_send(struct stream *stream, const uint8_t *bytes, size_t size)
{
    assert(size >= STUN_CHANNEL_HEADER_SIZE);
    if ((stream->state != STREAM_OPEN && stream->state != STREAM_LEAVING) || stream->freed) {
        return -EPIPE;
    }
    size_t padding = -size & 3u;
    size_t waiting = output_size(stream) + size + padding;
    if (waiting > stream->limits.output_size_max) {
        if (is_data(bytes)) {
            stream->dropped++;
            return -ENOBUFS;
        }
        if (waiting > stream->limits.output_size_max + STREAM_ANSWER_RESERVE) {
            end_later(stream, STREAM_END_STUCK);
            return -ENOBUFS;
        }
    }
    bool apart = stream_tls(stream) != NULL && waiting <= RECORDS_APART_MAX;
    return (apart ? append_apart : append)(stream, bytes, size, padding);
}

void stream_finish(struct stream *stream, unsigned seconds)
{
    if (stream->state == STREAM_OPEN) {
        finish(stream, STREAM_END_FINISHED, seconds);
    }
}

int stream_hand_over(struct stream *stream, stream_take *take, void *context)
{
    if (stream->state != STREAM_OPEN || stream->freed) {
        return -EPIPE;
    }
    stream->state = STREAM_LEAVING;
    stream->take = take;
    stream->take_context = context;
    bufferevent_disable(stream->bufferevent, EV_READ);
    event_active(&stream->later, EV_TIMEOUT, 0);
    return 0;
}

void stream_set_limits(struct stream *stream, const struct stream_limits *limits)
{
    stream->limits = *limits;
    if (stream->state == STREAM_OPEN) {
        set_watermarks(stream);
    }
}

const struct stun_address *stream_local(const struct stream *stream)
{
    return &stream->local;
}

SSL *stream_tls(const struct stream *stream)
{
    return bufferevent_openssl_get_ssl(stream->bufferevent);
}

uint64_t stream_dropped(const struct stream *stream)
{
    return stream->dropped;
}

const char *stream_end_text(const struct stream *stream)
{
    static const char *const texts[] = {
        [STREAM_END_PEER] = "the other end closed the connection",
        [STREAM_END_FINISHED] = "closed",
        [STREAM_END_ERROR] = "unknown error",
        [STREAM_END_NOT_STUN] = "the other end sent what is neither STUN nor ChannelData",
        [STREAM_END_FRAME_SIZE] = "the other end announced a message that is too long",
        [STREAM_END_STUCK] = "the other end does not read what it is sent",
        [STREAM_END_TLS] = "TLS failed",
    };
    const char *error = strerrordesc_np(stream->error);

    if (stream->end == STREAM_END_TLS && stream->tls_text != NULL) {
        return stream->tls_text;
    }
    return stream->end == STREAM_END_ERROR && error != NULL ? error : texts[stream->end];
}
