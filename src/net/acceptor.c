/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/acceptor_internal.h"

#include "net/clock.h"
#include "net/tcp_socket.h"
#include "net/timer.h"
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
    timer_arm(acceptor->tick, now, due);
}

void acceptor_set_deadline(struct connection *connection, struct monotime now)
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
        connection_end(connection, connection->framed ? "idle without an allocation"
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

void acceptor_count_refusal(struct acceptor *acceptor, enum connection_verdict verdict)
{
    if (verdict == CONNECTION_REFUSED_SOURCE) {
        acceptor->counters.refused_source++;
    } else {
        acceptor->counters.refused_total++;
    }
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
    acceptor_count_refusal(acceptor, verdict);
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
            connection_open(listening, &arrival);
        }
        return true;
    case -EMFILE:
        /* Without a pause the loop would spin. */
        acceptor->counters.accept_failures++;
        accept_on(acceptor, false);
        (void)timer_arm_us(acceptor->resume, PAUSE_MS * MONOTIME_MILLISECOND);
        return false;
    case -EAGAIN:
        return false;
    default:
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
    status = tcp_socket_listen(&listening->descriptor, address, port == NULL || !port->alone);
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
        connection_remove(one);
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

const struct acceptor_counters *acceptor_counters(const struct acceptor *acceptor)
{
    return &acceptor->counters;
}
