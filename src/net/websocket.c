/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames of WebSocket (RFC 6455 §5) by libwslay. Its context takes 8.8 kB, so a stream has one only
 * while a frame or a message in fragments is in flight; we count the bytes that it was given
 * against those of the frames that it has seen, to know when that is.
 */
#include "net/message_stream_internal.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <wslay/wslay.h>

#define MASK_SIZE 4

struct websocket {
    wslay_event_context_ptr wslay;
    struct message_stream *stream;
    uint64_t given;   /* bytes that wslay has taken from the input */
    uint64_t begun;   /* bytes of the frames that have begun, headers included */
    bool in_frame;    /* the latest of them has not ended */
    bool in_message;  /* more fragments of a message are to come */
    bool reading;     /* inside wslay_event_recv */
    bool unsupported; /* a binary message has come */
    bool closing;     /* a Close is to be sent when that has returned */
};

/* ---- what wslay asks for ------------------------------------------------------------------------
 */

static ssize_t on_receive(wslay_event_context_ptr wslay, uint8_t *bytes, size_t size, int flags,
                          void *context)
{
    struct websocket *websocket = context;
    struct evbuffer *input = bufferevent_get_input(websocket->stream->bufferevent);
    int taken = evbuffer_remove(input, bytes, size);

    (void)flags;
    if (taken <= 0) {
        wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    websocket->given += (uint64_t)taken;
    return taken;
}

static ssize_t on_send(wslay_event_context_ptr wslay, const uint8_t *bytes, size_t size, int flags,
                       void *context)
{
    struct websocket *websocket = context;
    struct evbuffer *output = bufferevent_get_output(websocket->stream->bufferevent);

    (void)flags;
    if (evbuffer_add(output, bytes, size) != 0) {
        wslay_event_set_error(wslay, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    return (ssize_t)size;
}

static int on_mask(wslay_event_context_ptr wslay, uint8_t *bytes, size_t size, void *context)
{
    (void)wslay;
    (void)context;
    return RAND_bytes(bytes, (int)size) == 1 ? 0 : -1;
}

static void on_frame_start(wslay_event_context_ptr wslay,
                           const struct wslay_event_on_frame_recv_start_arg *frame, void *context)
{
    struct websocket *websocket = context;
    uint64_t size = frame->payload_length;
    uint64_t length = size > UINT16_MAX ? 8 : size > 125 ? 2 : 0; /* RFC 6455 §5.2 */

    (void)wslay;
    websocket->begun += 2 + length + (websocket->stream->client ? 0 : MASK_SIZE) + size;
    websocket->in_frame = true;
    if (!wslay_is_ctrl_frame(frame->opcode)) {
        websocket->in_message = frame->fin == 0;
    }
}

static void on_frame_end(wslay_event_context_ptr wslay, void *context)
{
    struct websocket *websocket = context;

    (void)wslay;
    websocket->in_frame = false;
}

static void on_message(wslay_event_context_ptr wslay,
                       const struct wslay_event_on_msg_recv_arg *message, void *context)
{
    struct websocket *websocket = context;
    struct message_stream *stream = websocket->stream;

    if (message->opcode == WSLAY_BINARY_FRAME) {
        websocket->unsupported = true;
        wslay_event_shutdown_read(wslay);
        (void)wslay_event_queue_close(wslay, WSLAY_CODE_UNSUPPORTED_DATA, NULL, 0);
    } else if (message->opcode == WSLAY_TEXT_FRAME && message_stream_is_live(stream) &&
               !websocket->unsupported && message->msg_length > 0) {
        stream->user->message(stream, (const char *)message->msg, message->msg_length,
                              stream->context);
    }
}

/* ---- its life -----------------------------------------------------------------------------------
 */

static struct websocket *acquire(struct message_stream *stream)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_receive,
        .send_callback = on_send,
        .genmask_callback = on_mask,
        .on_frame_recv_start_callback = on_frame_start,
        .on_frame_recv_end_callback = on_frame_end,
        .on_msg_recv_callback = on_message,
    };
    struct websocket *websocket = stream->websocket;

    if (websocket != NULL) {
        return websocket;
    }
    websocket = calloc(1, sizeof *websocket);
    if (websocket == NULL) {
        return NULL;
    }
    if ((stream->client ? wslay_event_context_client_init : wslay_event_context_server_init)(
            &websocket->wslay, &callbacks, websocket) != 0) {
        free(websocket);
        return NULL;
    }
    wslay_event_config_set_max_recv_msg_length(websocket->wslay, stream->message_size_max);
    websocket->stream = stream;
    stream->websocket = websocket;
    return websocket;
}

void websocket_free(struct websocket *websocket)
{
    if (websocket != NULL) {
        wslay_event_context_free(websocket->wslay);
        free(websocket);
    }
}

/* Lets go of it unless something is in flight. */
static void release(struct message_stream *stream)
{
    const struct websocket *websocket = stream->websocket;

    if (!websocket->reading && !websocket->in_frame && !websocket->in_message &&
        websocket->given == websocket->begun && !wslay_event_want_write(websocket->wslay)) {
        websocket_free(stream->websocket);
        stream->websocket = NULL;
    }
}

static int flush(struct websocket *websocket)
{
    return websocket->reading || wslay_event_send(websocket->wslay) == 0 ? 0 : -ENOMEM;
}

/* ---- what the stream asks for -------------------------------------------------------------------
 */

bool message_stream_has_websocket(void)
{
    return true;
}

/* The other end has closed, or has broken the rules and was told so by a Close frame. */
static void finish(struct message_stream *stream, const struct websocket *websocket)
{
    uint16_t code = wslay_event_get_status_code_sent(websocket->wslay);
    enum message_stream_end end = MESSAGE_END_BROKEN;

    if (wslay_event_get_close_received(websocket->wslay)) {
        end = MESSAGE_END_PEER;
    } else if (code == WSLAY_CODE_MESSAGE_TOO_BIG) {
        end = MESSAGE_END_TOO_LONG;
    }
    message_stream_finish_as(stream, end, MESSAGE_LINGER_SECONDS);
}

/* wslay sends a Close before the messages that wait, so these go first. */
static void send_close(struct websocket *websocket)
{
    if (flush(websocket) == 0 &&
        wslay_event_queue_close(websocket->wslay, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0) == 0) {
        (void)flush(websocket);
    }
}

void websocket_read(struct message_stream *stream)
{
    struct websocket *websocket = acquire(stream);

    if (websocket == NULL) {
        stream->error = ENOMEM;
        message_stream_end(stream, MESSAGE_END_ERROR);
        return;
    }
    websocket->reading = true;
    int status = wslay_event_recv(websocket->wslay);
    websocket->reading = false;
    if (stream->freed || stream->stage == MESSAGE_STAGE_ENDED) {
        return;
    }
    if (status == WSLAY_ERR_CALLBACK_FAILURE) {
        status = 0; /* so it calls a header that breaks the rules; a Close without code is ready */
    }
    if (websocket->closing) {
        websocket->closing = false;
        send_close(websocket);
        return;
    }
    if (status != 0 || flush(websocket) != 0) {
        stream->error = ENOMEM;
        message_stream_end(stream, MESSAGE_END_ERROR);
    } else if (!wslay_event_get_read_enabled(websocket->wslay)) {
        finish(stream, websocket);
    } else if (message_stream_waiting(stream) > stream->output_size_max) {
        message_stream_end(stream, MESSAGE_END_STUCK); /* by answers to Ping */
    } else {
        release(stream);
    }
}

int websocket_send(struct message_stream *stream, const char *text, size_t size)
{
    struct websocket *websocket = acquire(stream);
    const struct wslay_event_msg message = {
        .opcode = WSLAY_TEXT_FRAME, .msg = (const uint8_t *)text, .msg_length = size};

    if (websocket == NULL || wslay_event_queue_msg(websocket->wslay, &message) != 0 ||
        flush(websocket) != 0) {
        return -ENOMEM;
    }
    release(stream);
    return 0;
}

void websocket_send_close(struct message_stream *stream)
{
    struct websocket *websocket = acquire(stream);

    if (websocket != NULL && websocket->reading) {
        websocket->closing = true;
    } else if (websocket != NULL) {
        send_close(websocket);
    }
}

size_t websocket_output_size(const struct websocket *websocket)
{
    return websocket != NULL
               ? wslay_event_get_queued_msg_length(websocket->wslay) + websocket->closing
               : 0;
}
