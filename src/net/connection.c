/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of one connection: from a descriptor to a stream or a tunnel, and to its end. */
#include "net/acceptor_internal.h"

#include "net/clock.h"
#include "wire/proxy_header.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

/* For answers to leave once we close. */
#define LINGER_SECONDS 5

void connection_remove(struct connection *connection)
{
    struct acceptor *acceptor = connection->acceptor;

    timer_wheel_cancel(&acceptor->deadlines, &connection->deadline);
    *connection->link = connection->next;
    if (connection->next != NULL) {
        connection->next->link = connection->link;
    }
    if (acceptor->limit != NULL) {
        connection_limit_give_back(acceptor->limit, &connection->counted);
    }
    acceptor->counters.open--;
    if (connection->stream != NULL) {
        acceptor->counters.dropped_frames += stream_dropped(connection->stream);
    }
    opening_free(connection->opening);
    if (connection->descriptor >= 0) {
        close(connection->descriptor);
    }
    if (connection->peer >= 0) {
        close(connection->peer);
    }
    stream_free(connection->stream);
    tunnel_free(connection->tunnel);
    free(connection);
}

void connection_end(struct connection *connection, const char *text)
{
    if (!connection->closing) {
        connection->closing = true;
        connection->acceptor->user.closed(connection, text, connection->acceptor->user.context);
    }
    connection_remove(connection);
}

static void on_frame(struct stream *stream, struct packet *packet, void *context)
{
    struct connection *connection = context;
    struct acceptor *acceptor = connection->acceptor;

    (void)stream;
    acceptor->user.frame(connection, packet, acceptor->user.context);
}

static void on_flush(struct stream *stream, void *context)
{
    struct connection *connection = context;
    struct acceptor *acceptor = connection->acceptor;

    (void)stream;
    acceptor->user.flush(acceptor->user.context);
    connection->last_frame = clock_now();
    /* The idle deadline is looked at when the old one has come: frames need not move it. */
    if (!connection->framed) {
        connection->framed = true;
        acceptor_set_deadline(connection, connection->last_frame);
    }
}

static void on_closed(struct stream *stream, enum stream_end end, void *context)
{
    struct connection *connection = context;

    if (end == STREAM_END_NOT_STUN || end == STREAM_END_FRAME_SIZE) {
        connection->acceptor->counters.ended_broken++;
    } else if (end == STREAM_END_TLS) {
        connection->acceptor->counters.ended_tls++;
    }
    connection_end(connection, stream_end_text(stream));
}

static const struct stream_user stream_user = {
    .frame = on_frame,
    .flush = on_flush,
    .closed = on_closed,
};

/* ---- from a descriptor to a stream -------------------------------------------------------------
 */

/* The user makes of it what it likes. */
static void give(struct connection *connection, bool tls)
{
    struct acceptor *acceptor = connection->acceptor;
    int descriptor = connection->descriptor;

    connection->descriptor = -1;
    connection->transport = tls ? TRANSPORT_TLS : TRANSPORT_TCP;
    timer_wheel_cancel(&acceptor->deadlines, &connection->deadline);
    acceptor->user.take(connection, descriptor, tls, acceptor->user.context);
}

static void open_stream(struct connection *connection, bool tls)
{
    struct acceptor *acceptor = connection->acceptor;
    int descriptor = connection->descriptor;
    if (acceptor->user.take != NULL) {
        give(connection, tls);
        return;
    }
    const struct stream_setup setup = {
        .user = &stream_user,
        .context = connection,
        .local = connection->local,
        .limits = acceptor->policy.limits,
    };

    connection->descriptor = -1;
    if (tls) {
        SSL *ssl = acceptor->tls != NULL ? SSL_new(acceptor->tls) : NULL;
        connection->stream = stream_new_tls(acceptor->base, descriptor, ssl, &setup);
    } else {
        connection->stream = stream_new_tcp(acceptor->base, descriptor, &setup);
    }
    if (connection->stream == NULL) {
        acceptor->counters.accept_failures++;
        connection_remove(connection);
        return;
    }
    connection->transport = tls ? TRANSPORT_TLS : TRANSPORT_TCP;
    connection->closing = false;
    if (acceptor->user.opened != NULL) {
        acceptor->user.opened(connection, acceptor->user.context);
    }
}

static void on_tunnel_ended(void *context, const char *text)
{
    /* Of a tunnel to an upstream the user has never known: it is closing all along. */
    connection_end(context, text != NULL ? text : "both ends closed");
}

static void open_tunnel(struct connection *connection)
{
    struct acceptor *acceptor = connection->acceptor;
    const struct acceptor_upstream *upstream = &connection->listening->port.upstream;
    uint8_t header[PROXY_HEADER_WRITE_SIZE];
    size_t size = 0;
    int descriptor = connection->descriptor;

    if (upstream->proxy_header) {
        size = proxy_header_write(header, &connection->remote, &connection->local);
    }
    connection->descriptor = -1;
    connection->tunnel = tunnel_new(acceptor->base, descriptor, &upstream->address, header, size,
                                    on_tunnel_ended, connection);
    if (connection->tunnel == NULL) {
        acceptor->counters.accept_failures++;
        connection_remove(connection);
        return;
    }
    acceptor->counters.tunneled++;
    connection->framed = true;
    connection->held = true;
    acceptor_set_deadline(connection, clock_now());
}

/* A proxy has told whose connection it is: counts it as that one's. Returns whether it may be. */
static bool recount(struct connection *connection, const struct stun_address *source)
{
    struct acceptor *acceptor = connection->acceptor;
    enum connection_verdict verdict = CONNECTION_ALLOWED;

    connection->remote = *source;
    if (acceptor->limit == NULL) {
        return true;
    }
    verdict = connection_limit_move(acceptor->limit, &connection->counted, source);
    if (verdict == CONNECTION_ALLOWED) {
        connection->counted = *source;
    } else {
        acceptor_count_refusal(acceptor, verdict);
    }
    return verdict == CONNECTION_ALLOWED;
}

static void on_opening_done(void *context, const struct opening_result *result)
{
    struct connection *connection = context;
    enum opening_way way = result->way;
    struct stun_address source = result->source;

    opening_free(connection->opening);
    connection->opening = NULL;
    if (way == OPENING_REFUSED) {
        connection->acceptor->counters.ended_opening++;
        connection_remove(connection);
    } else if (source.family != STUN_FAMILY_NONE && !recount(connection, &source)) {
        connection_remove(connection);
    } else if (way == OPENING_UPSTREAM) {
        open_tunnel(connection);
    } else {
        open_stream(connection, way == OPENING_TLS);
    }
}

static void begin_opening(struct connection *connection, const struct opening_rules *rules)
{
    struct acceptor *acceptor = connection->acceptor;

    connection->opening =
        opening_new(acceptor->base, connection->descriptor, rules, on_opening_done, connection);
    if (connection->opening == NULL) {
        acceptor->counters.accept_failures++;
        connection_remove(connection);
    }
}

static bool needs_opening(const struct opening_rules *rules)
{
    return rules->proxied || rules->upstream || (rules->plain && rules->tls);
}

void connection_open(const struct listening *listening, const struct arrival *arrival)
{
    struct acceptor *acceptor = listening->acceptor;
    const struct opening_rules *rules =
        arrival->proxied ? &listening->rules_of_proxies : &listening->rules;
    struct connection *connection = calloc(1, sizeof *connection);

    if (connection == NULL) {
        close(arrival->descriptor);
        acceptor->counters.accept_failures++;
        if (acceptor->limit != NULL) {
            connection_limit_give_back(acceptor->limit, &arrival->counted);
        }
        return;
    }
    *connection = (struct connection){
        .acceptor = acceptor,
        .listening = listening,
        .descriptor = arrival->descriptor,
        .peer = -1,
        .remote = arrival->remote,
        .local = arrival->local,
        .counted = arrival->counted,
        .next = acceptor->connections,
        .link = &acceptor->connections,
        .closing = true,
    };
    if (connection->next != NULL) {
        connection->next->link = &connection->next;
    }
    acceptor->connections = connection;
    acceptor->counters.accepted++;
    acceptor->counters.open++;
    acceptor_set_deadline(connection, clock_now());
    if (needs_opening(rules)) {
        begin_opening(connection, rules);
    } else {
        open_stream(connection, rules->tls);
    }
}

/* ---- connections as the user knows them --------------------------------------------------------
 */

void connection_set_number(struct connection *connection, uint32_t number)
{
    connection->number = number;
}

uint32_t connection_number(const struct connection *connection)
{
    return connection->number;
}

const struct stun_address *connection_local(const struct connection *connection)
{
    return &connection->local;
}

const struct stun_address *connection_remote(const struct connection *connection)
{
    return &connection->remote;
}

enum outbox_transport connection_transport(const struct connection *connection)
{
    return connection->transport;
}

const char *connection_server_name(const struct connection *connection)
{
    const SSL *ssl = connection->stream != NULL ? stream_tls(connection->stream) : NULL;

    return ssl != NULL ? SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) : NULL;
}

int connection_send(struct connection *connection, const uint8_t *bytes, size_t size)
{
    return connection->stream != NULL ? stream_send(connection->stream, bytes, size) : -EPIPE;
}

void connection_hold(struct connection *connection, bool held)
{
    const struct acceptor_policy *policy = &connection->acceptor->policy;

    if (connection->closing || connection->held == held || connection->stream == NULL ||
        connection->peer >= 0) {
        return;
    }
    connection->held = held;
    connection->last_frame = clock_now();
    stream_set_limits(connection->stream, held ? &policy->held : &policy->limits);
    acceptor_set_deadline(connection, connection->last_frame);
}

static void on_handed_over(struct bufferevent *bufferevent, void *context)
{
    struct connection *connection = context;
    int peer = connection->peer;

    connection->acceptor->counters.dropped_frames += stream_dropped(connection->stream);
    connection->stream = NULL;
    connection->peer = -1;
    connection->tunnel = tunnel_join(bufferevent, peer, on_tunnel_ended, connection);
    if (connection->tunnel == NULL ||
        (connection->meter != NULL &&
         !tunnel_set_meter(connection->tunnel, connection->meter, connection->meter_context))) {
        connection_end(connection, "no memory");
    }
}

int connection_join(struct connection *connection, int descriptor, tunnel_meter *meter,
                    void *context)
{
    int status = -EPIPE;

    if (!connection->closing && connection->stream != NULL) {
        status = stream_hand_over(connection->stream, on_handed_over, connection);
    }
    if (status != 0) {
        close(descriptor);
        return status;
    }
    connection->meter = meter;
    connection->meter_context = context;
    connection->peer = descriptor;
    connection->held = true;
    timer_wheel_cancel(&connection->acceptor->deadlines, &connection->deadline);
    return 0;
}

void connection_joined_bytes(const struct connection *connection, uint64_t *from_client,
                             uint64_t *to_client)
{
    const struct tunnel *tunnel = connection->tunnel;

    *from_client = tunnel != NULL ? tunnel_bytes_from_client(tunnel) : 0;
    *to_client = tunnel != NULL ? tunnel_bytes_to_client(tunnel) : 0;
}

void connection_close(struct connection *connection)
{
    connection->closing = true;
    if (connection->stream == NULL || connection->peer >= 0) {
        connection_remove(connection);
        return;
    }
    timer_wheel_cancel(&connection->acceptor->deadlines, &connection->deadline);
    stream_finish(connection->stream, LINGER_SECONDS);
}
