/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection between its stream and the machine. */
#include "turnserver/rendezvous_service_internal.h"

#include "net/clock.h"
#include "net/tcp_socket.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* For the last words to leave. */
#define LINGER_SECONDS 5
/* What may wait in a stream beside what waits in the machine's queue of a session. */
#define STREAM_FULL 16384
#define STREAM_OUTPUT_MAX (STREAM_FULL + 3 * MESSAGE_SIZE_MAX)

static uint64_t hash_number(const struct siphash_key *key, const void *number)
{
    return siphash(key, number, sizeof(uint64_t));
}

static bool is_number(const struct hash_node *node, const void *number)
{
    return container_of(node, struct rendezvous_link, node)->number == *(const uint64_t *)number;
}

const struct hash_map_type rendezvous_link_map = {hash_number, is_number};

static void free_link(struct rendezvous_link *link)
{
    hash_map_remove(&link->service->links, &link->node);
    message_stream_free(link->stream);
    connection_close(link->connection);
    free(link);
}

/* ---- from the stream ---------------------------------------------------------------------------
 */

static void on_opened(struct message_stream *stream, void *context)
{
    struct rendezvous_link *link = context;
    struct rendezvous_service *service = link->service;
    bool websocket = message_stream_framing(stream) == MESSAGE_FRAMING_WEBSOCKET;
    const struct rendezvous_connection connection = {
        .number = link->number,
        .remote = *connection_remote(link->connection),
        .local = *connection_local(link->connection),
        .origin = websocket && service->origin[0] ? service->origin : NULL,
        .encrypted = message_stream_tls(stream) != NULL,
        .websocket = websocket,
    };
    link->known = rendezvous_opened(service->machine, clock_now(), &connection);
    if (!link->known)
        message_stream_finish(stream, LINGER_SECONDS);
    rendezvous_service_turn(service);
}

static void on_message(struct message_stream *stream, const char *text, size_t size, void *context)
{
    struct rendezvous_link *link = context;
    (void)stream;
    if (!link->known)
        return;
    rendezvous_input(link->service->machine, clock_now(), link->number, text, size);
    rendezvous_service_turn(link->service);
}

static void on_unreadable(struct message_stream *stream, enum message_stream_end end, void *context)
{
    struct rendezvous_link *link = context;
    (void)stream;
    if (!link->known)
        return;
    rendezvous_bad_input(link->service->machine, clock_now(), link->number,
                         end == MESSAGE_END_TOO_LONG ? SIGNAL_TOO_LARGE : SIGNAL_BAD_MESSAGE);
    rendezvous_service_turn(link->service);
}

static void on_drained(struct message_stream *stream, void *context)
{
    struct rendezvous_link *link = context;
    (void)stream;
    if (!link->full)
        return;
    link->full = false;
    rendezvous_set_writable(link->service->machine, link->number, true);
    rendezvous_service_turn(link->service);
}

static void on_closed(struct message_stream *stream, enum message_stream_end end, void *context)
{
    struct rendezvous_link *link = context;
    struct rendezvous_service *service = link->service;
    struct stun_address remote = *connection_remote(link->connection);
    service->broken += end == MESSAGE_END_BROKEN || end == MESSAGE_END_TOO_LONG;
    if (end != MESSAGE_END_PEER && end != MESSAGE_END_FINISHED && end != MESSAGE_END_ANSWERED)
        log_event(service->log, LOG_DEBUG, "rendezvous connection ended",
                  log_address("client", &remote),
                  log_string("reason", message_stream_end_text(stream)));
    if (link->known)
        rendezvous_closed(service->machine, clock_now(), link->number);
    free_link(link);
    rendezvous_service_turn(service);
}

static bool on_origin(struct message_stream *stream, const char *origin, void *context)
{
    struct rendezvous_link *link = context;
    struct rendezvous_service *service = link->service;
    (void)stream;
    service->origin[0] = '\0';
    if (origin && strlen(origin) >= sizeof(service->origin))
        return false;
    if (origin)
        memcpy(service->origin, origin, strlen(origin) + 1);
    return rendezvous_origin_allowed(&service->policy->rendezvous->policy, origin);
}

static const struct message_stream_user stream_user = {
    .opened = on_opened,
    .message = on_message,
    .unreadable = on_unreadable,
    .drained = on_drained,
    .closed = on_closed,
    .origin = on_origin,
    .request = rendezvous_http_request,
};

/* ---- life --------------------------------------------------------------------------------------
 */

static bool open_stream(struct rendezvous_link *link, int descriptor, bool tls)
{
    struct rendezvous_service *service = link->service;
    struct ssl_ctx_st *context = service->policy->rendezvous->tls_context;
    const struct message_stream_setup setup = {
        .user = &stream_user,
        .context = link,
        .output_size_max = STREAM_OUTPUT_MAX,
        .opening_seconds = service->policy->rendezvous->policy.hello_timeout_s,
    };
    SSL *ssl = tls && context ? SSL_new(context) : NULL;
    if (tls && !ssl) {
        close(descriptor);
        return false;
    }
    tcp_socket_keep_alive(descriptor);
    link->stream = message_stream_accept(service->base, descriptor, ssl, &setup);
    return link->stream != NULL;
}

void rendezvous_link_take(struct connection *connection, int descriptor, bool tls, void *context)
{
    struct rendezvous_service *service = context;
    struct rendezvous_link *link = calloc(1, sizeof(*link));
    if (!link) {
        close(descriptor);
        connection_close(connection);
        return;
    }
    link->service = service;
    link->connection = connection;
    link->number = ++service->last_number;
    if (!open_stream(link, descriptor, tls)) {
        connection_close(connection);
        free(link);
        return;
    }
    (void)hash_map_insert(&service->links, &link->node, &link->number);
}

void rendezvous_link_free_all(struct rendezvous_service *service)
{
    struct hash_cursor cursor;
    for (struct hash_node *node = hash_map_first(&service->links, &cursor); node;
         node = hash_map_next(&service->links, &cursor))
        free_link(container_of(node, struct rendezvous_link, node));
    hash_map_clear(&service->links);
}

/* ---- from the machine --------------------------------------------------------------------------
 */

void rendezvous_link_output(struct rendezvous_service *service,
                            const struct rendezvous_output *output)
{
    struct hash_node *node = hash_map_find(&service->links, &output->connection);
    struct rendezvous_link *link = node ? container_of(node, struct rendezvous_link, node) : NULL;
    if (!link)
        return;
    if (output->type == RENDEZVOUS_CLOSE) {
        link->known = false;
        message_stream_finish(link->stream, LINGER_SECONDS);
        return;
    }
    /* One that cannot be sent to ends by itself, and the machine hears of it then. */
    (void)message_stream_send(link->stream, output->bytes, output->size);
    if (!link->full && message_stream_waiting(link->stream) >= STREAM_FULL) {
        link->full = true;
        rendezvous_set_writable(service->machine, link->number, false);
    }
}
