/* SPDX-License-Identifier: BSD-3-Clause */
/* Without libwslay no WebSocket is opened, so none of the rest is reached. */
#include "net/message_stream_internal.h"

#include <errno.h>

bool message_stream_has_websocket(void)
{
    return false;
}

void websocket_read(struct message_stream *stream)
{
    message_stream_end(stream, MESSAGE_END_BROKEN);
}

int websocket_send(struct message_stream *stream, const char *text, size_t size)
{
    (void)stream;
    (void)text;
    (void)size;
    return -EPIPE;
}

void websocket_send_close(struct message_stream *stream)
{
    (void)stream;
}

size_t websocket_output_size(const struct websocket *websocket)
{
    (void)websocket;
    return 0;
}

void websocket_free(struct websocket *websocket)
{
    (void)websocket;
}
