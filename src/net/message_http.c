/* SPDX-License-Identifier: BSD-3-Clause */
/* HTTP as far as messages need it: the opening of WebSocket (RFC 6455 §4), both ends, and answers
 * to other requests. A connection carries one request. */
#include "net/message_stream_internal.h"

#include "wire/http_head.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of RFC 6455 §1.3. */
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_BYTES 16
#define KEY_SIZE 24 /* of 16 bytes in base64 */
#define ACCEPT_SIZE 28
#define DIGEST_SIZE 20

struct message_opening {
    char key[KEY_SIZE + 4]; /* and the zero that EVP_EncodeBlock writes */
    const char *authority;
    char path[]; /* and the authority behind it */
};

/* ---- answers ------------------------------------------------------------------------------------
 */

void message_stream_answer(struct message_stream *stream, unsigned status, const char *headers,
                           const char *type, const char *body, size_t size)
{
    struct evbuffer *output = bufferevent_get_output(stream->bufferevent);

    if (!message_stream_is_live(stream) ||
        (stream->stage != MESSAGE_STAGE_ANSWERING && stream->stage != MESSAGE_STAGE_HEAD)) {
        return;
    }
    evbuffer_add_printf(output,
                        "HTTP/1.1 %u %s\r\nContent-Length: %zu\r\nConnection: close\r\n"
                        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n",
                        status, http_status_text(status), size);
    if (type != NULL) {
        evbuffer_add_printf(output, "Content-Type: %s\r\n", type);
    }
    evbuffer_add_printf(output, "%s\r\n", headers != NULL ? headers : "");
    evbuffer_add(output, body, size);
    message_stream_finish_as(stream, MESSAGE_END_ANSWERED, MESSAGE_LINGER_SECONDS);
}

static void answer_text(struct message_stream *stream, unsigned status, const char *headers,
                        const char *text)
{
    message_stream_answer(stream, status, headers, "text/plain; charset=utf-8", text, strlen(text));
}

/* ---- the server's end of WebSocket --------------------------------------------------------------
 */

/* Writes ACCEPT_SIZE characters and a zero (RFC 6455 §4.2.2, 5.4). */
static bool make_accept(const char *key, char *accept)
{
    char text[KEY_SIZE + sizeof ACCEPT_GUID];
    unsigned char digest[DIGEST_SIZE];

    int size = snprintf(text, sizeof text, "%s" ACCEPT_GUID, key);
    if (EVP_Digest(text, (size_t)size, digest, NULL, EVP_sha1(), NULL) != 1) {
        return false;
    }
    return EVP_EncodeBlock((unsigned char *)accept, digest, sizeof digest) == ACCEPT_SIZE;
}

/* Whether it is base64 of 16 bytes. */
static bool is_key(const char *key)
{
    unsigned char bytes[KEY_BYTES + 2];

    return strlen(key) == KEY_SIZE && strcmp(key + KEY_SIZE - 2, "==") == 0 &&
           strcspn(key, "=") == KEY_SIZE - 2 &&
           EVP_DecodeBlock(bytes, (const unsigned char *)key, KEY_SIZE) == sizeof bytes;
}

/* What is wrong with an opening: a status, and its words. 0: nothing. */
struct refusal {
    unsigned status;
    const char *headers, *text;
};

static struct refusal check_opening(struct message_stream *stream, const struct http_head *head)
{
    const char *key = http_head_field(head, "Sec-WebSocket-Key");
    const char *version = http_head_field(head, "Sec-WebSocket-Version");
    const char *origin = http_head_field(head, "Origin");

    if (strcmp(head->path, "/") != 0) {
        return (struct refusal){404, NULL, "WebSocket is at /.\n"};
    }
    if (strcmp(head->method, "GET") != 0) {
        return (struct refusal){405, "Allow: GET\r\n", "WebSocket is opened by GET.\n"};
    }
    if (version == NULL || strcmp(version, "13") != 0) {
        return (struct refusal){426,
                                "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Version: 13\r\n",
                                "This is version 13 of WebSocket.\n"};
    }
    if (head->minor < 1 || !http_head_has_token(head, "Connection", "Upgrade") || key == NULL ||
        !is_key(key) || http_head_field_count(head, "Origin") > 1) {
        return (struct refusal){400, NULL, "This is no opening of WebSocket (RFC 6455 4.1).\n"};
    }
    if (stream->user->origin != NULL && !stream->user->origin(stream, origin, stream->context)) {
        return (struct refusal){403, NULL, "This origin is not on the list of this server.\n"};
    }
    if (!message_stream_has_websocket()) {
        return (struct refusal){501, NULL,
                                "This server was built without WebSocket: connect by TCP or TLS, "
                                "or build it with libwslay.\n"};
    }
    return (struct refusal){0};
}

static void open_websocket(struct message_stream *stream, const struct http_head *head)
{
    struct refusal refusal = check_opening(stream, head);
    char accept[ACCEPT_SIZE + 1];

    if (!message_stream_is_live(stream)) {
        return;
    }
    if (refusal.status != 0) {
        answer_text(stream, refusal.status, refusal.headers, refusal.text);
        return;
    }
    if (!make_accept(http_head_field(head, "Sec-WebSocket-Key"), accept)) {
        answer_text(stream, 500, NULL, "Memory is out.\n");
        return;
    }
    evbuffer_add_printf(bufferevent_get_output(stream->bufferevent),
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                        accept);
    message_stream_open(stream, MESSAGE_FRAMING_WEBSOCKET);
}

/* ---- requests -----------------------------------------------------------------------------------
 */

static void refuse_request(struct message_stream *stream, const struct http_head *head)
{
    if (strcmp(head->path, "/") != 0) {
        answer_text(stream, 404, NULL, "There is nothing here.\n");
    } else if (strcmp(head->method, "GET") != 0) {
        answer_text(stream, 405, "Allow: GET\r\n", "WebSocket is opened by GET.\n");
    } else {
        answer_text(stream, 426, "Upgrade: websocket\r\nConnection: Upgrade\r\n",
                    "This is a rendezvous service: open a WebSocket here, or speak JSON a line on "
                    "TCP.\n");
    }
}

static void take_request(struct message_stream *stream, char *bytes, size_t size)
{
    struct http_head head;

    switch (http_head_parse_request(&head, bytes, size)) {
    case 0:
        break;
    case -EMSGSIZE:
        answer_text(stream, 431, NULL, "There are too many header fields.\n");
        return;
    case -EPROTONOSUPPORT:
        answer_text(stream, 505, NULL, "This is HTTP/1.1.\n");
        return;
    default:
        answer_text(stream, 400, NULL, "This is no request of HTTP/1.1.\n");
        return;
    }
    /* RFC 9112 §3.2 */
    size_t hosts = http_head_field_count(&head, "Host");
    if (hosts > 1 || (hosts == 0 && head.minor > 0)) {
        answer_text(stream, 400, NULL, "There must be one Host field.\n");
    } else if (http_head_has_token(&head, "Upgrade", "websocket")) {
        open_websocket(stream, &head);
    } else {
        stream->stage = MESSAGE_STAGE_ANSWERING;
        event_del(&stream->later);
        if (stream->user->request == NULL ||
            !stream->user->request(stream, &head, stream->context)) {
            refuse_request(stream, &head);
        }
    }
}

/* ---- the client's end of WebSocket --------------------------------------------------------------
 */

struct message_opening *message_opening_new(const struct message_stream_target *target)
{
    const char *path = target->path != NULL ? target->path : "/";
    size_t path_size = strlen(path) + 1;
    size_t authority_size = strlen(target->authority) + 1;
    unsigned char bytes[KEY_BYTES];
    struct message_opening *opening = malloc(sizeof *opening + path_size + authority_size);

    if (opening == NULL || RAND_bytes(bytes, sizeof bytes) != 1) {
        free(opening);
        return NULL;
    }
    (void)EVP_EncodeBlock((unsigned char *)opening->key, bytes, sizeof bytes);
    memcpy(opening->path, path, path_size);
    memcpy(opening->path + path_size, target->authority, authority_size);
    opening->authority = opening->path + path_size;
    return opening;
}

void message_opening_free(struct message_opening *opening)
{
    free(opening);
}

void message_http_open(struct message_stream *stream)
{
    const struct message_opening *opening = stream->opening;

    evbuffer_add_printf(bufferevent_get_output(stream->bufferevent),
                        "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: %s\r\n\r\n",
                        opening->path, opening->authority, opening->key);
    stream->stage = MESSAGE_STAGE_HEAD;
}

/* Whether the server has opened WebSocket as it was asked to (RFC 6455 §4.1). */
static bool is_opened(const struct message_opening *opening, const struct http_head *head)
{
    const char *accept = http_head_field(head, "Sec-WebSocket-Accept");
    char expected[ACCEPT_SIZE + 1];

    return head->status == 101 && http_head_has_token(head, "Upgrade", "websocket") &&
           http_head_has_token(head, "Connection", "Upgrade") && accept != NULL &&
           make_accept(opening->key, expected) && strcmp(accept, expected) == 0 &&
           http_head_field_count(head, "Sec-WebSocket-Extensions") == 0 &&
           http_head_field_count(head, "Sec-WebSocket-Protocol") == 0;
}

static void take_response(struct message_stream *stream, char *bytes, size_t size)
{
    struct http_head head;
    char text[128];

    if (http_head_parse_response(&head, bytes, size) != 0) {
        stream->text = strdup("the server does not speak HTTP here");
    } else if (is_opened(stream->opening, &head)) {
        message_stream_open(stream, MESSAGE_FRAMING_WEBSOCKET);
        return;
    } else if (head.status == 101) {
        stream->text = strdup("the server's answer does not fit the opening of WebSocket");
    } else {
        snprintf(text, sizeof text, "the server did not open WebSocket: it answered %u %s",
                 head.status, http_status_text(head.status));
        stream->text = strdup(text);
    }
    message_stream_end(stream, MESSAGE_END_HANDSHAKE);
}

/* ---- both ends ----------------------------------------------------------------------------------
 */

static void refuse_head(struct message_stream *stream, int status)
{
    if (stream->client) {
        stream->text = strdup("the server does not speak HTTP here");
        message_stream_end(stream, MESSAGE_END_HANDSHAKE);
    } else if (status == -EMSGSIZE) {
        answer_text(stream, 431, NULL, "The head of this request is too long.\n");
    } else {
        answer_text(stream, 400, NULL, "This is no request of HTTP/1.1.\n");
    }
}

bool message_http_read(struct message_stream *stream)
{
    struct evbuffer *input = bufferevent_get_input(stream->bufferevent);
    size_t waiting = evbuffer_get_length(input);
    size_t looked_at = waiting < HTTP_HEAD_SIZE_MAX ? waiting : HTTP_HEAD_SIZE_MAX;

    char *bytes = (char *)evbuffer_pullup(input, (ev_ssize_t)looked_at);
    int size = bytes != NULL ? http_head_size(bytes, looked_at) : -EMSGSIZE;
    if (size == 0) {
        return false;
    }
    if (size < 0) {
        refuse_head(stream, size);
        return false;
    }
    if (stream->client) {
        take_response(stream, bytes, (size_t)size);
    } else {
        take_request(stream, bytes, (size_t)size);
    }
    evbuffer_drain(input, (size_t)size);
    return true;
}
