/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/acceptor.h"

#include "base/timer_wheel.h"
#include "net/clock.h"
#include "net/tcp_socket.h"
#include "net/udp_socket.h"

#include <errno.h>
#include <event2/event.h>
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
};

struct connection {
    struct acceptor *acceptor;
    struct stream *stream;
    struct connection *next, **link; /* acceptor->connections */
    struct timer_node deadline;
    struct monotime last_frame; /* of the latest flush */
    uint32_t number;
    bool framed; /* a first whole frame has come */
    bool held;
    bool closing; /* the user knows */
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
        connection_limit_give_back(acceptor->limit, stream_remote(connection->stream));
    }
    acceptor->counters.open--;
    acceptor->counters.dropped_frames += stream_dropped(connection->stream);
    stream_free(connection->stream);
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

/* Takes over a descriptor that connection_limit has counted. */
static void open_connection(struct acceptor *acceptor, int descriptor,
                            const struct stun_address *remote, const struct stun_address *local)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (connection == NULL) {
        close(descriptor);
        goto fail;
    }
    const struct stream_setup setup = {
        .user = &stream_user,
        .context = connection,
        .local = *local,
        .remote = *remote,
        .limits = acceptor->policy.limits,
    };
    connection->acceptor = acceptor;
    connection->stream = stream_new_tcp(acceptor->base, descriptor, &setup);
    if (connection->stream == NULL) {
        goto fail;
    }
    connection->next = acceptor->connections;
    connection->link = &acceptor->connections;
    if (connection->next != NULL) {
        connection->next->link = &connection->next;
    }
    acceptor->connections = connection;
    acceptor->counters.accepted++;
    acceptor->counters.open++;
    set_deadline(connection, clock_now());
    if (acceptor->user.opened != NULL) {
        acceptor->user.opened(connection, acceptor->user.context);
    }
    return;

fail:
    free(connection);
    acceptor->counters.accept_failures++;
    if (acceptor->limit != NULL) {
        connection_limit_give_back(acceptor->limit, remote);
    }
}

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
    return stream_local(connection->stream);
}

const struct stun_address *connection_remote(const struct connection *connection)
{
    return stream_remote(connection->stream);
}

int connection_send(struct connection *connection, const uint8_t *bytes, size_t size)
{
    return stream_send(connection->stream, bytes, size);
}

void connection_hold(struct connection *connection, bool held)
{
    const struct acceptor_policy *policy = &connection->acceptor->policy;

    if (connection->closing || connection->held == held) {
        return;
    }
    connection->held = held;
    connection->last_frame = clock_now();
    stream_set_limits(connection->stream, held ? &policy->held : &policy->limits);
    set_deadline(connection, connection->last_frame);
}

void connection_close(struct connection *connection)
{
    connection->closing = true;
    timer_wheel_cancel(&connection->acceptor->deadlines, &connection->deadline);
    stream_finish(connection->stream, LINGER_SECONDS);
}

/* ---- accepting ----------------------------------------------------------------------------------
 */

static void accept_on(struct acceptor *acceptor, bool accepting)
{
    for (struct listening *one = acceptor->listening; one != NULL; one = one->next) {
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
static bool admit(struct acceptor *acceptor, int descriptor, const struct stun_address *remote)
{
    enum connection_verdict verdict = CONNECTION_ALLOWED;

    if (acceptor->limit != NULL) {
        verdict = connection_limit_take(acceptor->limit, remote);
    }
    if (verdict == CONNECTION_ALLOWED) {
        return true;
    }
    if (verdict == CONNECTION_REFUSED_SOURCE) {
        acceptor->counters.refused_source++;
    } else {
        acceptor->counters.refused_total++;
    }
    close(descriptor);
    return false;
}

/* Returns false when there is nothing more to accept for now. */
static bool accept_one(struct acceptor *acceptor, int listening)
{
    struct stun_address remote, local;
    int descriptor = -1;

    switch (tcp_socket_accept(listening, &descriptor, &remote, &local)) {
    case 0:
        if (admit(acceptor, descriptor, &remote)) {
            open_connection(acceptor, descriptor, &remote, &local);
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
    struct listening *listening = context;

    (void)what;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        if (!accept_one(listening->acceptor, descriptor)) {
            break;
        }
    }
}

int acceptor_listen(struct acceptor *acceptor, const struct stun_address *address,
                    struct stun_address *local)
{
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
    if (acceptor->tick != NULL) {
        event_free(acceptor->tick);
    }
    if (acceptor->resume != NULL) {
        event_free(acceptor->resume);
    }
    free(acceptor);
}

int acceptor_start(struct acceptor *acceptor)
{
    for (struct listening *one = acceptor->listening; one != NULL; one = one->next) {
        if (event_add(one->readable, NULL) != 0) {
            return -ENOMEM;
        }
    }
    acceptor->started = true;
    return 0;
}

void acceptor_stop(struct acceptor *acceptor)
{
    acceptor->started = false;
    while (acceptor->listening != NULL) {
        struct listening *one = acceptor->listening;
        acceptor->listening = one->next;
        event_free(one->readable);
        close(one->descriptor);
        free(one);
    }
}

void acceptor_set_policy(struct acceptor *acceptor, const struct acceptor_policy *policy)
{
    acceptor->policy = *policy;
}

const struct acceptor_counters *acceptor_counters(const struct acceptor *acceptor)
{
    return &acceptor->counters;
}
