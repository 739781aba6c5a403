/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * STUN and TURN over a byte stream: whole frames in, whole frames out (RFC 8489 §6.2.2, RFC 8656
 * §12.5). It stands on a bufferevent and does not know what is below: a TCP socket, or TLS on one.
 *
 * Memory is bounded both ways. No more than one frame of the largest size and one read wait on the
 * way in; on the way out data is dropped above a bound, as UDP would, and an answer that does not
 * fit either ends the stream.
 *
 * A stream belongs to one event loop and its thread. Its owner frees it, after `closed` too, and
 * may do so in any callback; in `frame` only once the outbox has been sent, since `flush` does not
 * come then. No callback is called from stream_new, stream_send or stream_finish. The program must
 * ignore SIGPIPE.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "base/outbox.h"

#include <stdbool.h>

struct bufferevent;
struct event_base;
struct ssl_st;
struct stream;

enum stream_end {
    STREAM_END_PEER,       /* the other end closed in order */
    STREAM_END_FINISHED,   /* stream_finish, and all has been sent */
    STREAM_END_ERROR,      /* the system says why: stream_end_text */
    STREAM_END_NOT_STUN,   /* bytes that are neither STUN nor ChannelData */
    STREAM_END_FRAME_SIZE, /* a frame above limits.frame_size_max */
    STREAM_END_STUCK,      /* the other end does not read what we answer */
    STREAM_END_TLS,        /* TLS failed, before or after it stood: stream_end_text */
};

struct stream_user {
    /* The connection stands, TLS included. May be NULL. Only for a stream that began as connecting,
     * and for one on TLS. */
    void (*connected)(struct stream *stream, void *context);
    /*
     * A frame: a STUN message, or ChannelData without its padding. Its bytes may be written to and
     * are lent until `flush` has returned. There is no headroom.
     */
    void (*frame)(struct stream *stream, struct packet *packet, void *context);
    /* Frames that were given are taken back now: send the outbox that borrows them. May be NULL. */
    void (*flush)(struct stream *stream, void *context);
    /* The end, once. Nothing comes after it. */
    void (*closed)(struct stream *stream, enum stream_end end, void *context);
};

struct stream_limits {
    size_t frame_size_max;  /* bytes of a frame, padding included; at most STREAM_FRAME_SIZE_MAX */
    size_t output_size_max; /* bytes that may wait to be sent */
};

/* A STUN message of the largest size; ChannelData is smaller. */
#define STREAM_FRAME_SIZE_MAX (20 + 65532)
/* How far above output_size_max answers may go. */
#define STREAM_ANSWER_RESERVE 16384

struct stream_setup {
    const struct stream_user *user; /* borrowed for the stream's life */
    void *context;                  /* given to the callbacks */
    struct stun_address local;
    struct stream_limits limits;
    bool connecting; /* the socket is still connecting */
};

/*
 * `bufferevent` belongs to the stream from now on, when it fails as well. `setup` is copied. Frames
 * come from the next turn of the loop on. Returns NULL when memory is out or bufferevent is NULL.
 */
struct stream *stream_new(struct bufferevent *bufferevent, const struct stream_setup *setup);
/* The same on a plain, non-blocking TCP socket, which belongs to the stream too. */
struct stream *stream_new_tcp(struct event_base *base, int descriptor,
                              const struct stream_setup *setup);
/*
 * The same on TLS on that socket: `setup->connecting` says that ours is the client's end, and the
 * socket may still be connecting. `ssl` (OpenSSL's SSL) belongs to the stream too, and may be NULL:
 * then NULL is returned.
 */
struct stream *stream_new_tls(struct event_base *base, int descriptor, struct ssl_st *ssl,
                              const struct stream_setup *setup);
/* Closes at once; what waits to be sent is lost. Does not call `closed`. NULL is allowed. */
void stream_free(struct stream *stream);

/*
 * Sends a STUN message or ChannelData, copied; ChannelData is padded to a multiple of four, so that
 * `bytes` may come without its padding. Returns 0; -ENOBUFS when too much waits already: data
 * (ChannelData, indications) is dropped, and an answer or request ends the stream,
 * STREAM_END_STUCK; -ENOMEM; -EPIPE after the end.
 */
int stream_send(struct stream *stream, const uint8_t *bytes, size_t size);
/* Takes no more frames, sends what waits for at most `seconds`, then ends. */
void stream_finish(struct stream *stream, unsigned seconds);
/*
 * Leaves framing: takes no more frames, but still sends, until the loop calls `take` in its next
 * turn with what the stream stood on. That has in its input all that came behind the last frame, in
 * its output what was not sent yet; neither watermarks nor callbacks. It belongs to `take`, and the
 * stream is gone. `take` is called unless the stream ends or is freed before. Returns 0, or -EPIPE
 * when the stream has ended or leaves already.
 */
typedef void stream_take(struct bufferevent *bufferevent, void *context);
int stream_hand_over(struct stream *stream, stream_take *take, void *context);

void stream_set_limits(struct stream *stream, const struct stream_limits *limits);
const struct stun_address *stream_local(const struct stream *stream);
/* What speaks TLS below, borrowed; NULL: nothing. */
struct ssl_st *stream_tls(const struct stream *stream);
/* Frames of data that were dropped because the other end reads too slowly. */
uint64_t stream_dropped(const struct stream *stream);
/* Why it ended, in words for a log or a user: "connection refused". Lives as long as the stream. */
const char *stream_end_text(const struct stream *stream);

#endif
