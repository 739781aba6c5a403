/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/acceptor.h"

#include "base/timer_wheel.h"
#include "net/clock.h"
#include "net/opening.h"
#include "net/tcp_socket.h"
#include "net/tunnel.h"
#include "net/udp_socket.h"
#include "wire/proxy_header.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

/* Connections that one turn of the loop takes from one socket. */
#define ACCEPTS_A_TURN 32
/* How long to leave connections in the kernel when descriptors or memory are out. */
#define PAUSE_MS 100
#define TICK_MS 100
/* For answers to leave once we close. */
#define LINGER_SECONDS 5

struct listening {
    struct listening *next;
    struct acceptor *acceptor;
    struct event *readable;
    int descriptor;
    struct acceptor_port port;
    struct opening_rules rules, rules_of_proxies;
};

struct acceptor {
    struct event_base *base;
    struct acceptor_user user;
    struct acceptor_policy policy;
    struct connection_limit *limit;
    struct acceptor_counters counters;
    struct listening *listening;
    bool started;
    struct event *resume; /* ends a pause */
    struct event *tick;   /* runs the wheel; armed for `armed` */
    struct monotime armed;
    struct connection *connections;
    struct timer_wheel deadlines;
    SSL_CTX *tls; /* or NULL */
};

/* One of opening, stream and tunnel is there. */
struct connection {
    struct acceptor *acceptor;
    const struct listening *listening; /* while it opens */
    struct opening *opening;
    struct stream *stream;
    struct tunnel *tunnel;
    int descriptor; /* while it opens; -1: somebody else's */
    int peer;       /* what it is about to be joined with, or -1 */
    enum outbox_transport transport;
    struct stun_address remote, local;
    struct stun_address counted;     /* as whose it is counted in the limit */
    struct connection *next, **link; /* acceptor->connections */
    struct timer_node deadline;
    struct monotime last_frame; /* of the latest flush */
    uint32_t number;
    bool framed; /* a first whole frame has come */
    bool held;
    bool closing; /* the user knows that it goes, or never knew that it came */
};

const struct acceptor_policy acceptor_policy_default = {
    .first_frame_seconds = 10,
    .idle_seconds = 60,
    .limits = {.frame_size_max = 4096, .output_size_max = 65536},
    .held = {.frame_size_max = STREAM_FRAME_SIZE_MAX, .output_size_max = 262144},
};

/* ---- deadlines ----------------------------------------------------------------------------------
 */

static void arm(struct acceptor *acceptor, struct monotime now)
{
    struct monotime due = timer_wheel_due(&acceptor->deadlines);

    if (due.us == acceptor->armed.us) {
        return;
    }
    acceptor->armed = due;
    if (due.us == MONOTIME_NEVER.us) {
        event_del(acceptor->tick);
        return;
    }
    int64_t us = monotime_difference_us(due, now);
    us = us < 0 ? 0 : us;
    event_add(acceptor->tick, &(struct timeval){us / MONOTIME_SECOND, us % MONOTIME_SECOND});
}

/* Sets or cancels what the connection is waited for by now. */
static void set_deadline(struct connection *connection, struct monotime now)
{
    struct acceptor *acceptor = connection->acceptor;
    const struct acceptor_policy *policy = &acceptor->policy;
    uint32_t seconds = connection->framed ? policy->idle_seconds : policy->first_frame_seconds;
    struct monotime begin = connection->framed ? connection->last_frame : now;

    if (seconds == 0 || connection->held) {
        timer_wheel_cancel(&acceptor->deadlines, &connection->deadline);
    } else {
        timer_wheel_set(&acceptor->deadlines, &connection->deadline,
                        monotime_add_seconds(begin, seconds));
    }
    arm(acceptor, now);
}

/* ---- connections --------------------------------------------------------------------------------
 */

static void remove_connection(struct connection *connection)
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

static void end_connection(struct connection *connection, const char *text)
{
    if (!connection->closing) {
        connection->closing = true;
        connection->acceptor->user.closed(connection, text, connection->acceptor->user.context);
    }
    remove_connection(connection);
}

static void count_refusal(struct acceptor *acceptor, enum connection_verdict verdict)
{
    if (verdict == CONNECTION_REFUSED_SOURCE) {
        acceptor->counters.refused_source++;
    } else {
        acceptor->counters.refused_total++;
    }
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
        set_deadline(connection, connection->last_frame);
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
    end_connection(connection, stream_end_text(stream));
}

static const struct stream_user stream_user = {
    .frame = on_frame,
    .flush = on_flush,
    .closed = on_closed,
};

void acceptor_expire(struct acceptor *acceptor, struct monotime now)
{
    struct timer_node *node;

    while ((node = timer_wheel_expire(&acceptor->deadlines, now)) != NULL) {
        struct connection *connection = container_of(node, struct connection, deadline);
        struct monotime idle_end =
            monotime_add_seconds(connection->last_frame, acceptor->policy.idle_seconds);
        if (connection->framed && monotime_before(now, idle_end)) {
            timer_wheel_set(&acceptor->deadlines, node, idle_end);
            continue;
        }
        acceptor->counters.timed_out++;
        end_connection(connection, connection->framed ? "idle without an allocation"
                                                      : "no whole message within the time limit");
    }
    arm(acceptor, now);
}

static void on_tick(evutil_socket_t descriptor, short what, void *context)
{
    struct acceptor *acceptor = context;

    (void)descriptor;
    (void)what;
    acceptor->armed = MONOTIME_NEVER;
    acceptor_expire(acceptor, clock_now());
}

/* ---- from a descriptor to a stream -------------------------------------------------------------
 */

static void open_stream(struct connection *connection, bool tls)
{
    struct acceptor *acceptor = connection->acceptor;
    int descriptor = connection->descriptor;
    const struct stream_setup setup = {
        .user = &stream_user,
        .context = connection,
        .local = connection->local,
        .remote = connection->remote,
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
        remove_connection(connection);
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
    end_connection(context, text != NULL ? text : "both ends closed");
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
        remove_connection(connection);
        return;
    }
    acceptor->counters.tunneled++;
    connection->framed = true;
    connection->held = true;
    set_deadline(connection, clock_now());
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
        count_refusal(acceptor, verdict);
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
        remove_connection(connection);
    } else if (source.family != STUN_FAMILY_NONE && !recount(connection, &source)) {
        remove_connection(connection);
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
        remove_connection(connection);
    }
}

static bool needs_opening(const struct opening_rules *rules)
{
    return rules->proxied || rules->upstream || (rules->plain && rules->tls);
}

/* What one accept brought; counted in the limit as that of `counted`. */
struct arrival {
    int descriptor;
    struct stun_address remote, local, counted;
    bool proxied;
};

static void open_connection(const struct listening *listening, const struct arrival *arrival)
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
    set_deadline(connection, clock_now());
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
    set_deadline(connection, connection->last_frame);
}

static void on_handed_over(struct bufferevent *bufferevent, void *context)
{
    struct connection *connection = context;
    int peer = connection->peer;

    connection->acceptor->counters.dropped_frames += stream_dropped(connection->stream);
    connection->stream = NULL;
    connection->peer = -1;
    connection->tunnel = tunnel_join(bufferevent, peer, on_tunnel_ended, connection);
    if (connection->tunnel == NULL) {
        end_connection(connection, "no memory");
    }
}

int connection_join(struct connection *connection, int descriptor)
{
    int status = -EPIPE;

    if (!connection->closing && connection->stream != NULL) {
        status = stream_hand_over(connection->stream, on_handed_over, connection);
    }
    if (status != 0) {
        close(descriptor);
        return status;
    }
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
        remove_connection(connection);
        return;
    }
    timer_wheel_cancel(&connection->acceptor->deadlines, &connection->deadline);
    stream_finish(connection->stream, LINGER_SECONDS);
}

/* ---- accepting ----------------------------------------------------------------------------------
 */

static void accept_on(struct acceptor *acceptor, bool accepting)
{
    for (struct listening *one = acceptor->listening; one != NULL; one = one->next) {
        if (one->readable == NULL) {
            continue;
        }
        if (accepting) {
            event_add(one->readable, NULL);
        } else {
            event_del(one->readable);
        }
    }
}

static void on_resume(evutil_socket_t descriptor, short what, void *context)
{
    struct acceptor *acceptor = context;

    (void)descriptor;
    (void)what;
    accept_on(acceptor, acceptor->started);
}

/* Whether it may be counted; closes it otherwise. */
static bool admit(const struct listening *listening, struct arrival *arrival)
{
    struct acceptor *acceptor = listening->acceptor;
    const struct address_set *proxies = listening->port.proxies;
    enum connection_verdict verdict = CONNECTION_ALLOWED;

    arrival->proxied = proxies != NULL && address_set_contains(proxies, &arrival->remote);
    if (!arrival->proxied) {
        arrival->counted = arrival->remote;
    }
    if (acceptor->limit != NULL) {
        verdict = connection_limit_take(acceptor->limit, &arrival->counted);
    }
    if (verdict == CONNECTION_ALLOWED) {
        return true;
    }
    count_refusal(acceptor, verdict);
    close(arrival->descriptor);
    return false;
}

/* Returns false when there is nothing more to accept for now. */
static bool accept_one(const struct listening *listening)
{
    struct acceptor *acceptor = listening->acceptor;
    struct arrival arrival = {.descriptor = -1};

    switch (tcp_socket_accept(listening->descriptor, &arrival.descriptor, &arrival.remote,
                              &arrival.local)) {
    case 0:
        if (admit(listening, &arrival)) {
            open_connection(listening, &arrival);
        }
        return true;
    case -EMFILE:
    case -ENFILE:
    case -ENOBUFS:
    case -ENOMEM:
        /* The socket stays readable: without a pause the loop would spin. */
        acceptor->counters.accept_failures++;
        accept_on(acceptor, false);
        event_add(acceptor->resume, &(struct timeval){.tv_usec = PAUSE_MS * 1000L});
        return false;
    case -EAGAIN:
        return false;
    default:
        /* The connection was gone before it was ours (accept(2), "Error handling"). */
        return true;
    }
}

static void on_acceptable(evutil_socket_t descriptor, short what, void *context)
{
    const struct listening *listening = context;

    (void)descriptor;
    (void)what;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        if (!accept_one(listening)) {
            break;
        }
    }
}

static void set_port(struct listening *listening, const struct acceptor_port *port)
{
    const struct acceptor_upstream *upstream = &listening->port.upstream;

    listening->port = *port;
    listening->rules = (struct opening_rules){
        .plain = port->plain,
        .tls = port->tls,
        .upstream = upstream->address.family != STUN_FAMILY_NONE,
        .names = upstream->names,
        .name_count = upstream->name_count,
    };
    listening->rules_of_proxies = listening->rules;
    listening->rules_of_proxies.proxied = true;
}

int acceptor_listen(struct acceptor *acceptor, const struct stun_address *address,
                    const struct acceptor_port *port, struct stun_address *local)
{
    static const struct acceptor_port plain = {.plain = true};
    struct listening *listening = calloc(1, sizeof *listening);
    int status = -ENOMEM;

    if (listening == NULL) {
        return -ENOMEM;
    }
    status = tcp_socket_listen(&listening->descriptor, address, true);
    if (status != 0) {
        goto fail_listening;
    }
    if (local != NULL) {
        status = socket_local_address(listening->descriptor, local);
        if (status != 0) {
            goto fail_descriptor;
        }
    }
    listening->acceptor = acceptor;
    set_port(listening, port != NULL ? port : &plain);
    listening->readable = event_new(acceptor->base, listening->descriptor, EV_READ | EV_PERSIST,
                                    on_acceptable, listening);
    if (listening->readable == NULL) {
        status = -ENOMEM;
        goto fail_descriptor;
    }
    listening->next = acceptor->listening;
    acceptor->listening = listening;
    if (acceptor->started) {
        event_add(listening->readable, NULL);
    }
    return 0;

fail_descriptor:
    close(listening->descriptor);
fail_listening:
    free(listening);
    return status;
}

/* ---- life ---------------------------------------------------------------------------------------
 */

struct acceptor *acceptor_new(struct event_base *base, const struct acceptor_user *user,
                              const struct acceptor_policy *policy, struct connection_limit *limit)
{
    struct acceptor *acceptor = calloc(1, sizeof *acceptor);

    if (acceptor == NULL) {
        return NULL;
    }
    acceptor->base = base;
    acceptor->user = *user;
    acceptor->policy = *policy;
    acceptor->limit = limit;
    acceptor->armed = MONOTIME_NEVER;
    timer_wheel_init(&acceptor->deadlines, TICK_MS * MONOTIME_MILLISECOND, clock_now());
    acceptor->tick = event_new(base, -1, 0, on_tick, acceptor);
    acceptor->resume = event_new(base, -1, 0, on_resume, acceptor);
    if (acceptor->tick == NULL || acceptor->resume == NULL) {
        acceptor_free(acceptor);
        return NULL;
    }
    return acceptor;
}

void acceptor_free(struct acceptor *acceptor)
{
    if (acceptor == NULL) {
        return;
    }
    acceptor_stop(acceptor);
    for (struct connection *one = acceptor->connections, *next; one != NULL; one = next) {
        next = one->next;
        remove_connection(one);
    }
    for (struct listening *one = acceptor->listening, *next; one != NULL; one = next) {
        next = one->next;
        free(one);
    }
    if (acceptor->tick != NULL) {
        event_free(acceptor->tick);
    }
    if (acceptor->resume != NULL) {
        event_free(acceptor->resume);
    }
    SSL_CTX_free(acceptor->tls);
    free(acceptor);
}

int acceptor_start(struct acceptor *acceptor)
{
    for (struct listening *one = acceptor->listening; one != NULL; one = one->next) {
        if (one->readable != NULL && event_add(one->readable, NULL) != 0) {
            return -ENOMEM;
        }
    }
    acceptor->started = true;
    return 0;
}

/* What it listened at is kept, since connections that are opening need its rules. */
void acceptor_stop(struct acceptor *acceptor)
{
    acceptor->started = false;
    for (struct listening *one = acceptor->listening; one != NULL; one = one->next) {
        if (one->readable != NULL) {
            event_free(one->readable);
            close(one->descriptor);
            one->readable = NULL;
        }
    }
}

void acceptor_set_tls(struct acceptor *acceptor, SSL_CTX *context)
{
    if (context != NULL) {
        SSL_CTX_up_ref(context);
    }
    SSL_CTX_free(acceptor->tls);
    acceptor->tls = context;
}

void acceptor_set_policy(struct acceptor *acceptor, const struct acceptor_policy *policy)
{
    acceptor->policy = *policy;
}

const struct acceptor_counters *acceptor_counters(const struct acceptor *acceptor)
{
    return &acceptor->counters;
}
