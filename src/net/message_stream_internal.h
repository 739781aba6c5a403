/* SPDX-License-Identifier: BSD-3-Clause */
/* What message_stream.c (life, lines), message_http.c (HTTP heads, both ends) and websocket.c
 * (frames; websocket_absent.c: none) share. */
#ifndef NET_MESSAGE_STREAM_INTERNAL_H
#define NET_MESSAGE_STREAM_INTERNAL_H

#include "net/message_stream.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdint.h>

struct websocket;
struct message_opening;

enum message_stage {
    MESSAGE_STAGE_CONNECTING, /* client: TCP, and TLS on it */
    MESSAGE_STAGE_FIRST,      /* server: not a byte has come */
    MESSAGE_STAGE_HEAD,       /* an HTTP head is coming: a request, or the answer to ours */
    MESSAGE_STAGE_ANSWERING,  /* server: the user answers a request */
    MESSAGE_STAGE_OPEN,
    MESSAGE_STAGE_FINISHING, /* takes nothing more; ends once all is sent, or its time is over */
    MESSAGE_STAGE_LINGERING, /* all is sent and our direction closed; the other end may close */
    MESSAGE_STAGE_ENDED,     /* `closed` has been called, or will be from the loop */
};

struct message_stream {
    struct bufferevent *bufferevent;
    struct event later; /* ends the stream from the loop: at once, or when something takes too long
                         */
    const struct message_stream_user *user;
    void *context;
    struct websocket *websocket;     /* while a frame is in flight, else NULL */
    struct message_opening *opening; /* client's end until it is open, else NULL */
    char *text;                      /* why it ended, where there are no fixed words; or NULL */
    uint32_t message_size_max, output_size_max;
    int error; /* errno of MESSAGE_END_ERROR */
    enum message_framing framing;
    enum message_stage stage;
    enum message_stream_end end; /* why, once it is finishing or ended */
    unsigned depth;              /* of our own callbacks; it is not destroyed inside one */
    bool client;
    bool ended; /* the other end has closed its direction */
    bool freed; /* by its owner, in a callback */
};

/* ---- message_stream.c ----------------------------------------------------------------------- */

/* Whether it still takes input: neither ended nor freed. */
bool message_stream_is_live(const struct message_stream *stream);
void message_stream_open(struct message_stream *stream, enum message_framing framing);
/* Only from the loop: calls `closed`. */
void message_stream_end(struct message_stream *stream, enum message_stream_end end);
/* Sends what waits for at most `seconds`, then ends for the reason `end`. */
void message_stream_finish_as(struct message_stream *stream, enum message_stream_end end,
                              unsigned seconds);

/* How long the last answer may take to leave. */
#define MESSAGE_LINGER_SECONDS 5

/* ---- message_http.c --------------------------------------------------------------------------
 */

/* Takes a head from the input once it is whole. Returns whether it was. */
bool message_http_read(struct message_stream *stream);
/* Client: keeps what the request will say. NULL: memory is out. */
struct message_opening *message_opening_new(const struct message_stream_target *target);
void message_opening_free(struct message_opening *opening); /* NULL is allowed */
/* Client: sends the request that opens WebSocket. */
void message_http_open(struct message_stream *stream);

/* ---- websocket.c ------------------------------------------------------------------------------
 */

/* Takes the frames of the input, as far as they came. */
void websocket_read(struct message_stream *stream);
/* Returns 0 or -ENOMEM. */
int websocket_send(struct message_stream *stream, const char *text, size_t size);
void websocket_send_close(struct message_stream *stream);
/* Bytes that wait in it to be sent. */
size_t websocket_output_size(const struct websocket *websocket);
void websocket_free(struct websocket *websocket); /* NULL is allowed */

#endif
