/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "net/acceptor.h"
#include "net/clock.h"
#include "net/socket_address.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define CLIENTS 16

static struct event_base *base;
static struct acceptor *acceptor;
static struct connection_limit *limit;
static struct stun_address server;
static int clients[CLIENTS];
static int client_count;

static struct {
    struct connection *connections[CLIENTS];
    size_t opened, frames, flushes, closed;
    char text[128];
    bool close_on_open, answer_and_close;
} seen;

static void saw_opened(struct connection *connection, void *context)
{
    assert_ptr_equal(context, &seen);
    connection_set_number(connection, (uint32_t)seen.opened);
    seen.connections[seen.opened++] = connection;
    if (seen.close_on_open) {
        connection_close(connection);
    }
}

static void saw_frame(struct connection *connection, struct packet *packet, void *context)
{
    (void)context;
    assert_ptr_equal(seen.connections[connection_number(connection)], connection);
    seen.frames++;
    assert_int_equal(connection_send(connection, packet->bytes, packet->size), 0);
    if (seen.answer_and_close) {
        connection_close(connection);
    }
}

static void saw_flush(void *context)
{
    (void)context;
    seen.flushes++;
}

static void saw_closed(struct connection *connection, const char *text, void *context)
{
    (void)context;
    seen.closed++;
    seen.connections[connection_number(connection)] = NULL;
    strncpy(seen.text, text, sizeof seen.text - 1);
}

static int set_up_with(const struct acceptor_policy *policy, uint32_t max, uint32_t per_source)
{
    const struct acceptor_user user = {&seen, saw_opened, saw_frame, saw_flush, saw_closed, NULL};
    struct stun_address any = {0};

    memset(&seen, 0, sizeof seen);
    client_count = 0;
    signal(SIGPIPE, SIG_IGN);
    base = event_base_new();
    limit = connection_limit_new(max, per_source, &(struct siphash_key){{1, 1}});
    acceptor = acceptor_new(base, &user, policy, limit);
    if (acceptor == NULL || !address_parse(&any, "127.0.0.1:0") ||
        acceptor_listen(acceptor, &any, NULL, &server) != 0) {
        return -1;
    }
    return acceptor_start(acceptor);
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with(&acceptor_policy_default, 6, 5);
}

static int tear_down(void **state)
{
    (void)state;
    acceptor_free(acceptor);
    connection_limit_free(limit);
    event_base_free(base);
    libevent_global_shutdown();
    for (int i = 0; i < client_count; i++) {
        close(clients[i]);
    }
    return 0;
}

static void wake(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor;
    (void)what;
    (void)context;
}

/* Runs the loop until `*count` is `wanted`; loopback needs a moment now and then. */
static void run_until(const size_t *count, size_t wanted)
{
    struct event *timer = event_new(base, -1, 0, wake, NULL);

    for (int i = 0; i < 500 && *count != wanted; i++) {
        event_add(timer, &(struct timeval){.tv_usec = 10000});
        event_base_loop(base, EVLOOP_ONCE);
    }
    event_free(timer);
    assert_int_equal(*count, wanted);
}

static int connect_from(const char *source)
{
    union socket_address name;
    struct stun_address from = {0};

    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client >= 0 && address_parse_ip(&from, source));
    socklen_t size = socket_address_write(&name, &from);
    assert_int_equal(bind(client, &name.any, size), 0);
    size = socket_address_write(&name, &server);
    assert_int_equal(connect(client, &name.any, size), 0);
    clients[client_count++] = client;
    return client;
}

/* An empty Binding request. */
static void send_frame(int client)
{
    static const uint8_t frame[20] = {0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42};

    assert_int_equal(write(client, frame, sizeof frame), sizeof frame);
}

static bool is_closed(int client)
{
    uint8_t bytes[64];
    ssize_t size;

    event_base_loop(base, EVLOOP_NONBLOCK);
    struct pollfd wait = {.fd = client, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 20000), 1);
    do {
        size = recv(client, bytes, sizeof bytes, MSG_DONTWAIT);
    } while (size > 0);
    return size == 0 || errno == ECONNRESET;
}

static struct monotime in_seconds(int64_t seconds)
{
    return monotime_add_seconds(clock_now(), seconds);
}

static void test_a_connection(void **state)
{
    uint8_t bytes[64];

    (void)state;
    int client = connect_from("127.0.0.1");
    run_until(&seen.opened, 1);
    assert_true(address_equal(connection_local(seen.connections[0]), &server));
    assert_true(address_is_loopback(connection_remote(seen.connections[0])));
    send_frame(client);
    run_until(&seen.flushes, 1);
    assert_int_equal(seen.frames, 1);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(recv(client, bytes, sizeof bytes, 0), 20);
    assert_int_equal(acceptor_counters(acceptor)->open, 1);
    shutdown(client, SHUT_WR);
    run_until(&seen.closed, 1);
    assert_int_equal(acceptor_counters(acceptor)->open, 0);
    assert_int_equal(acceptor_counters(acceptor)->accepted, 1);
    assert_true(is_closed(client));
}

static void test_limits(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        connect_from("127.0.0.1");
    }
    run_until(&seen.opened, 5);
    int one_too_many = connect_from("127.0.0.1");
    const struct acceptor_counters *counters = acceptor_counters(acceptor);
    run_until((const size_t *)&counters->refused_source, 1);
    assert_true(is_closed(one_too_many));
    connect_from("127.0.0.2");
    run_until(&seen.opened, 6);
    int refused = connect_from("127.0.0.3");
    run_until((const size_t *)&counters->refused_total, 1);
    assert_true(is_closed(refused));
    /* One goes, another may come. */
    close(clients[0]);
    clients[0] = dup(refused);
    run_until(&seen.closed, 1);
    connect_from("127.0.0.1");
    run_until(&seen.opened, 7);
    assert_int_equal(counters->open, 6);
}

static void test_first_frame_deadline(void **state)
{
    (void)state;
    int silent = connect_from("127.0.0.1"), slow = connect_from("127.0.0.1"),
        prompt = connect_from("127.0.0.1");
    run_until(&seen.opened, 3);
    assert_int_equal(write(slow, "\0\1\0\0", 4), 4);
    send_frame(prompt);
    run_until(&seen.frames, 1);
    acceptor_expire(acceptor, in_seconds(9));
    assert_int_equal(seen.closed, 0);
    acceptor_expire(acceptor, in_seconds(11));
    assert_int_equal(seen.closed, 2);
    assert_string_equal(seen.text, "no whole message within the time limit");
    assert_int_equal(acceptor_counters(acceptor)->timed_out, 2);
    assert_true(is_closed(silent) && is_closed(slow));
    assert_int_equal(acceptor_counters(acceptor)->open, 1);
}

static void test_idle_deadline(void **state)
{
    (void)state;
    int client = connect_from("127.0.0.1");
    run_until(&seen.opened, 1);
    send_frame(client);
    run_until(&seen.frames, 1);
    acceptor_expire(acceptor, in_seconds(59));
    assert_int_equal(seen.closed, 0);
    connection_hold(seen.connections[0], true);
    acceptor_expire(acceptor, in_seconds(10000));
    assert_int_equal(seen.closed, 0);
    tear_down(state);

    assert_int_equal(set_up(state), 0);
    client = connect_from("127.0.0.1");
    run_until(&seen.opened, 1);
    send_frame(client);
    run_until(&seen.frames, 1);
    connection_hold(seen.connections[0], true);
    connection_hold(seen.connections[0], false);
    acceptor_expire(acceptor, in_seconds(59));
    assert_int_equal(seen.closed, 0);
    acceptor_expire(acceptor, in_seconds(61));
    assert_int_equal(seen.closed, 1);
    assert_string_equal(seen.text, "idle without an allocation");
    assert_true(is_closed(client));
}

/* Looks for a timer of the loop that runs within `seconds`. */
static int find_timer(const struct event_base *of, const struct event *event, void *seconds)
{
    struct timeval due, now;

    (void)of;
    if (event_pending(event, EV_TIMEOUT, &due) == 0) {
        return 0;
    }
    gettimeofday(&now, NULL);
    double left = (double)(due.tv_sec - now.tv_sec) + (double)(due.tv_usec - now.tv_usec) / 1e6;
    return left <= *(const double *)seconds;
}

/* A deadline is kept by the loop: its timer may run sooner (the wheel then looks again), not later.
 */
static void test_the_loop_keeps_the_deadlines(void **state)
{
    double first = 10.2, idle = 60.2, ever = 1e9;

    (void)state;
    assert_int_equal(event_base_foreach_event(base, find_timer, &ever), 0);
    int client = connect_from("127.0.0.1");
    run_until(&seen.opened, 1);
    assert_int_equal(event_base_foreach_event(base, find_timer, &first), 1);
    send_frame(client);
    run_until(&seen.flushes, 1);
    assert_int_equal(event_base_foreach_event(base, find_timer, &idle), 1);
    connection_hold(seen.connections[0], true);
    assert_int_equal(event_base_foreach_event(base, find_timer, &ever), 0);
    connection_hold(seen.connections[0], false);
    assert_int_equal(event_base_foreach_event(base, find_timer, &idle), 1);
    shutdown(client, SHUT_WR);
    run_until(&seen.closed, 1);
}

static void test_broken_input(void **state)
{
    (void)state;
    int client = connect_from("127.0.0.1");
    assert_int_equal(write(client, "SSH-2.0", 7), 7);
    run_until(&seen.closed, 1);
    assert_int_equal(acceptor_counters(acceptor)->ended_broken, 1);
    assert_true(is_closed(client));
}

static void test_long_frames_only_when_held(void **state)
{
    static uint8_t frame[8020] = {0, 1, 8000 >> 8, 8000 & 0xFF, 0x21, 0x12, 0xA4, 0x42};

    (void)state;
    int client = connect_from("127.0.0.1");
    run_until(&seen.opened, 1);
    connection_hold(seen.connections[0], true);
    assert_int_equal(write(client, frame, sizeof frame), sizeof frame);
    run_until(&seen.frames, 1);
    connection_hold(seen.connections[0], false);
    assert_int_equal(write(client, frame, sizeof frame), sizeof frame);
    run_until(&seen.closed, 1);
    assert_int_equal(seen.frames, 1);
}

static void test_closes_on_open(void **state)
{
    (void)state;
    seen.close_on_open = true;
    int client = connect_from("127.0.0.1");
    run_until(&seen.opened, 1);
    run_until((const size_t *)&acceptor_counters(acceptor)->open, 0);
    assert_int_equal(seen.closed, 0);
    assert_true(is_closed(client));
}

static void test_closes_after_the_answer(void **state)
{
    uint8_t bytes[64];

    (void)state;
    seen.answer_and_close = true;
    int client = connect_from("127.0.0.1");
    send_frame(client);
    send_frame(client);
    run_until(&seen.opened, 1);
    run_until((const size_t *)&acceptor_counters(acceptor)->open, 0);
    assert_int_equal(seen.frames, 1);
    assert_int_equal(seen.closed, 0);
    assert_int_equal(recv(client, bytes, sizeof bytes, 0), 20);
    assert_true(is_closed(client));
}

static void test_pauses_without_descriptors(void **state)
{
    struct rlimit old, none;

    (void)state;
    connect_from("127.0.0.1");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const struct acceptor_counters *counters = acceptor_counters(acceptor);
    run_until((const size_t *)&counters->accept_failures, 1);
    for (int i = 0; i < 50; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    /* Fifty turns of the loop, and not one more try. */
    assert_int_equal(counters->accept_failures, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    run_until(&seen.opened, 1);
}

static void test_stops(void **state)
{
    (void)state;
    int client = connect_from("127.0.0.1");
    run_until(&seen.opened, 1);
    acceptor_stop(acceptor);
    send_frame(client);
    run_until(&seen.frames, 1);
    union socket_address name;
    socklen_t size = socket_address_write(&name, &server);
    int late = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(late, &name.any, size), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(late);
}

static void test_workers_share_a_port(void **state)
{
    const struct acceptor_user user = {&seen, saw_opened, saw_frame, saw_flush, saw_closed, NULL};
    struct acceptor *other = acceptor_new(base, &user, &acceptor_policy_default, limit);

    (void)state;
    assert_non_null(other);
    assert_int_equal(acceptor_listen(other, &server, NULL, NULL), 0);
    struct stun_address foreign = {0};
    assert_true(address_parse(&foreign, "192.0.2.1:3478"));
    assert_int_equal(acceptor_listen(other, &foreign, NULL, NULL), -EADDRNOTAVAIL);
    acceptor_free(other);
}

int main(void)
{
#define acceptor_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        acceptor_test(test_a_connection),
        acceptor_test(test_limits),
        acceptor_test(test_first_frame_deadline),
        acceptor_test(test_idle_deadline),
        acceptor_test(test_the_loop_keeps_the_deadlines),
        acceptor_test(test_broken_input),
        acceptor_test(test_long_frames_only_when_held),
        acceptor_test(test_closes_on_open),
        acceptor_test(test_closes_after_the_answer),
        acceptor_test(test_pauses_without_descriptors),
        acceptor_test(test_stops),
        acceptor_test(test_workers_share_a_port),
    };

    return cmocka_run_group_tests_name("net/acceptor", tests, NULL, NULL);
}
