/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text messages over a byte stream, for the rendezvous service and its clients: one message a line
 * (LF, or CR LF, ends it) on TCP or TLS, or one a text frame of WebSocket (RFC 6455) on either. It
 * stands on a bufferevent and does not look into messages.
 *
 * At the server's end the client speaks first, and its first byte tells what it speaks: '{' a line,
 * a letter an HTTP request. That is the opening of WebSocket, or a request that the user answers.
 * (A TLS record would come before that: net/opening tells it apart on the socket.)
 *
 * Memory is bounded both ways: one message of the largest size waits on the way in; on the way out
 * a stream whose other end does not read is ended. An idle stream keeps no buffer.
 *
 * A stream belongs to one event loop and its thread. Its owner frees it, after `closed` too, and
 * may do so in any callback. Callbacks come from the loop only. The program must ignore SIGPIPE.
 */
#ifndef NET_MESSAGE_STREAM_H
#define NET_MESSAGE_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct http_head;
struct message_stream;
struct ssl_st;

#define MESSAGE_SIZE_MAX 16384

enum message_framing {
    MESSAGE_FRAMING_UNKNOWN, /* the client has not spoken yet */
    MESSAGE_FRAMING_LINES,
    MESSAGE_FRAMING_WEBSOCKET,
};

enum message_stream_end {
    MESSAGE_END_PEER,      /* the other end closed, or ended WebSocket in order */
    MESSAGE_END_FINISHED,  /* message_stream_finish, and all has been sent */
    MESSAGE_END_ANSWERED,  /* an HTTP request was answered, by us or by the user */
    MESSAGE_END_ERROR,     /* the system says why: message_stream_end_text */
    MESSAGE_END_TLS,       /* TLS failed, before or after it stood */
    MESSAGE_END_BROKEN,    /* what came is neither a line of JSON, nor HTTP, nor WebSocket */
    MESSAGE_END_TOO_LONG,  /* a message or an HTTP head above its bound */
    MESSAGE_END_STUCK,     /* the other end does not read what it is sent */
    MESSAGE_END_HANDSHAKE, /* at the client's end: the server refused WebSocket */
    MESSAGE_END_TIMEOUT,   /* not open within setup.opening_seconds */
};

struct message_stream_user {
    /*
     * Messages may flow: at the client's end TCP, TLS and WebSocket stand; at the server's end the
     * framing is known, and the first message may still be to come. May be NULL.
     */
    void (*opened)(struct message_stream *stream, void *context);
    /* A message, without what ended it; not terminated by a zero; lent for the call. UTF-8 is
     * proven for WebSocket only. */
    void (*message)(struct message_stream *stream, const char *text, size_t size, void *context);
    /*
     * What comes cannot be a message (MESSAGE_END_BROKEN or _TOO_LONG), and the stream will end for
     * that after the call, in which the last words may be sent. Only for lines: WebSocket says it
     * by its Close frame. May be NULL.
     */
    void (*unreadable)(struct message_stream *stream, enum message_stream_end end, void *context);
    /* Some had to wait (message_stream_waiting), and all of it has been sent. May be NULL. */
    void (*drained)(struct message_stream *stream, void *context);
    /* The end, once. Nothing comes after it. */
    void (*closed)(struct message_stream *stream, enum message_stream_end end, void *context);
    /*
     * Server's end: whether a page of `origin` (NULL: the client names none, so is not a browser)
     * may open a WebSocket; false: 403. NULL: everybody may.
     */
    bool (*origin)(struct message_stream *stream, const char *origin, void *context);
    /*
     * Server's end: an HTTP request that is not WebSocket. `head` is lent for the call, which
     * returns false when there is nothing of that name (404), or answers, then or later, by
     * message_stream_answer. NULL: there is never anything.
     */
    bool (*request)(struct message_stream *stream, const struct http_head *head, void *context);
};

struct message_stream_setup {
    const struct message_stream_user *user; /* borrowed for the stream's life */
    void *context;                          /* given to the callbacks */
    size_t message_size_max;  /* bytes of a message that comes; at most MESSAGE_SIZE_MAX; 0: that */
    size_t output_size_max;   /* bytes that may wait to be sent; 0: 65536 */
    unsigned opening_seconds; /* client: until `opened`; server: until the framing is known, an HTTP
                                 head whole; 0: for ever */
};

/* What a client connects to; borrowed for the call. */
struct message_stream_target {
    enum message_framing framing; /* LINES or WEBSOCKET */
    const char *authority;        /* WebSocket's Host: "example.org" or "example.org:8080" */
    const char *path;             /* WebSocket's request target; NULL: "/" */
};

/* Whether WebSocket is built in; without it message_stream_connect returns NULL for it, and a
 * server answers its opening with 501. */
bool message_stream_has_websocket(void);

/*
 * The server's end of an accepted, non-blocking socket. `ssl` (OpenSSL's SSL; NULL: plain TCP) and
 * `descriptor` belong to the stream from now on, when it fails as well. `setup` is copied. Returns
 * NULL when memory is out.
 */
struct message_stream *message_stream_accept(struct event_base *base, int descriptor,
                                             struct ssl_st *ssl,
                                             const struct message_stream_setup *setup);
/*
 * The client's end of a socket that may still be connecting (tcp_socket_connect). The name that the
 * certificate must carry is told to `ssl` before (tls_expect_name). Returns NULL when memory is
 * out, or WebSocket is wanted but not built in.
 */
struct message_stream *message_stream_connect(struct event_base *base, int descriptor,
                                              struct ssl_st *ssl,
                                              const struct message_stream_target *target,
                                              const struct message_stream_setup *setup);
/* Closes at once; what waits to be sent is lost. Does not call `closed`. NULL is allowed. */
void message_stream_free(struct message_stream *stream);

/*
 * Sends a message, copied; it has no LF in it and at most MESSAGE_SIZE_MAX bytes. Returns 0;
 * -ENOTCONN before it is open; -ENOBUFS when too much waits already: that ends the stream
 * (MESSAGE_END_STUCK, from the loop); -ENOMEM; -EPIPE after the end.
 */
int message_stream_send(struct message_stream *stream, const char *text, size_t size);
/*
 * Answers the request that `request` was called for, and closes when it is sent. `type`
 * (Content-Type) may be NULL without a body; `headers` are further whole lines, each ended by CR
 * LF, or NULL. Does nothing after the end.
 */
void message_stream_answer(struct message_stream *stream, unsigned status, const char *headers,
                           const char *type, const char *body, size_t size);
/* Takes no more messages, sends what waits for at most `seconds` (WebSocket: a Close frame behind
 * it), then ends. */
void message_stream_finish(struct message_stream *stream, unsigned seconds);

/* Bytes that wait to be sent. */
size_t message_stream_waiting(const struct message_stream *stream);
enum message_framing message_stream_framing(const struct message_stream *stream);
/* What speaks TLS below, borrowed; NULL: nothing. */
struct ssl_st *message_stream_tls(const struct message_stream *stream);
/* Why it ended, in words for a log or a user. Lives as long as the stream. */
const char *message_stream_end_text(const struct message_stream *stream);

#endif
