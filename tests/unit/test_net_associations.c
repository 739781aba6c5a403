/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certificate.h"
#include "net/associations.h"
#include "net/clock.h"
#include "net/dtls.h"
#include "net/tls_context.h"
#include "openssl_clock.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define LISTENER 7
#define IDLE_SECONDS 30
#define QUEUE_MAX 16
#define DATAGRAM_MAX 2048
#define CLIENTS_MAX 600

struct datagram {
    size_t size;
    uint8_t bytes[DATAGRAM_MAX];
};

/* A client by its port; several may share one, then the last hears. */
struct client {
    struct world *world;
    struct dtls *dtls;
    uint16_t port;
};

struct world {
    struct certificate certificate;
    SSL_CTX *client_context, *server_context;
    struct event_base *base;
    struct associations *associations;
    struct monotime now;
    bool silent; /* admits nobody */
    size_t to_client_count;
    struct datagram to_client[QUEUE_MAX];
    unsigned frames, closed;
    struct flow last; /* of the last frame or end */
    char text[64];    /* of the last frame */
};

/* ---- the server's shell ---------------------------------------------------------------------- */

static void on_frame(void *context, const struct flow *flow, struct packet *packet)
{
    struct world *world = context;

    world->frames++;
    world->last = *flow;
    snprintf(world->text, sizeof world->text, "%.*s", (int)packet->size, (char *)packet->bytes);
}

static void on_flush(void *context)
{
    (void)context;
}

static void on_closed(void *context, const struct flow *flow)
{
    struct world *world = context;

    world->closed++;
    world->last = *flow;
}

static void on_send(void *context, const struct outbox_entry *entries, size_t count)
{
    struct world *world = context;

    for (size_t i = 0; i < count; i++) {
        assert_int_equal(entries[i].flow.via, LISTENER);
        assert_true(entries[i].size <= DATAGRAM_MAX && world->to_client_count < QUEUE_MAX);
        struct datagram *datagram = &world->to_client[world->to_client_count++];
        datagram->size = entries[i].size;
        memcpy(datagram->bytes, entries[i].bytes, entries[i].size);
    }
}

static bool admit(void *context, const struct stun_address *source)
{
    const struct world *world = context;

    (void)source;
    return !world->silent;
}

static struct world *setup(bool plain)
{
    static const uint8_t key[DTLS_COOKIE_KEY_SIZE] = {9};
    struct world *world = calloc(1, sizeof *world);
    const struct associations_setup associations_setup = {
        .user = {world, on_frame, on_flush, on_closed, on_send, admit},
        .cookie_key = key,
        .table_key = {{1, 2}},
        .idle_seconds = IDLE_SECONDS,
    };
    char problem[TLS_TEXT_SIZE];

    world->now = clock_now();
    assert_true(certificate_make(&world->certificate));
    world->client_context = tls_context_new_client(
        &(struct tls_client_setup){.transport = TLS_OVER_DATAGRAM, .verified = true}, problem);
    world->server_context =
        tls_context_new_server(&(struct tls_server_setup){.transport = TLS_OVER_DATAGRAM});
    assert_true(certificate_use(&world->certificate, world->server_context));
    assert_true(certificate_trust(&world->certificate, world->client_context));
    dtls_prepare_server(world->server_context);
    world->base = event_base_new();
    world->associations = associations_new(world->base, &associations_setup);
    assert_non_null(world->associations);
    associations_set_context(world->associations, world->server_context);
    associations_listen(world->associations, LISTENER, plain);
    return world;
}

static void teardown(struct world *world)
{
    associations_free(world->associations);
    event_base_free(world->base);
    SSL_CTX_free(world->client_context);
    SSL_CTX_free(world->server_context);
    certificate_free(&world->certificate);
    free(world);
}

static void pass(struct world *world, int64_t seconds)
{
    world->now = monotime_add_seconds(world->now, seconds);
    virtual_now.us += seconds * MONOTIME_SECOND;
    associations_expire(world->associations, world->now);
}

static const struct associations_counters *counters(const struct world *world)
{
    return associations_counters(world->associations);
}

/* ---- clients --------------------------------------------------------------------------------- */

static bool input(struct world *world, uint16_t port, const uint8_t *bytes, size_t size)
{
    const struct flow flow = {
        .via = LISTENER,
        .remote = {STUN_FAMILY_IPV4, port, {192, 0, 2, 1}},
        .local = {STUN_FAMILY_IPV4, 3478, {192, 0, 2, 2}},
    };
    uint8_t copy[DATAGRAM_MAX];
    const struct packet packet = {.bytes = copy, .size = (uint32_t)size};

    memcpy(copy, bytes, size);
    bool ours = associations_input(world->associations, world->now, &flow, &packet);
    associations_flush(world->associations);
    associations_reclaim(world->associations);
    return ours;
}

static void send_to_server(void *context, const uint8_t *bytes, size_t size)
{
    struct client *client = context;

    assert_true(input(client->world, client->port, bytes, size));
}

static void new_client(struct world *world, struct client *client, uint16_t port)
{
    const struct dtls_setup dtls_setup = {.send = send_to_server, .context = client};

    *client = (struct client){.world = world, .port = port};
    client->dtls = dtls_new_client(world->client_context, "127.0.0.1", &dtls_setup);
    assert_non_null(client->dtls);
    dtls_start(client->dtls);
}

/* Gives the client what the server has sent, `rounds` times. */
static void answer(struct client *client, unsigned rounds)
{
    struct world *world = client->world;
    uint8_t bytes[DTLS_PLAINTEXT_MAX];

    while (rounds-- > 0 && world->to_client_count > 0) {
        struct datagram taken[QUEUE_MAX];
        size_t count = world->to_client_count;
        memcpy(taken, world->to_client, count * sizeof *taken);
        world->to_client_count = 0;
        for (size_t i = 0; i < count; i++) {
            dtls_input(client->dtls, taken[i].bytes, taken[i].size);
            while (dtls_read(client->dtls, bytes, sizeof bytes) > 0) {
            }
        }
    }
}

static void say(struct client *client, const char *text)
{
    assert_int_equal(dtls_write(client->dtls, (const uint8_t *)text, strlen(text)), 0);
}

static void connect_client(struct world *world, struct client *client, uint16_t port)
{
    new_client(world, client, port);
    answer(client, 10);
    assert_int_equal(dtls_status(client->dtls), DTLS_OPEN);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_flow(void **state)
{
    struct world *world = setup(false);
    struct client one, two;
    uint8_t read[DTLS_PLAINTEXT_MAX];

    (void)state;
    connect_client(world, &one, 4000);
    connect_client(world, &two, 4001);
    assert_int_equal(counters(world)->opened, 2);
    assert_int_equal(counters(world)->challenged, 2);
    say(&one, "hello");
    assert_string_equal(world->text, "hello");
    struct flow flow = world->last;
    assert_int_equal(flow.transport, TRANSPORT_DTLS);
    assert_true(flow.via >= ASSOCIATIONS_VIA_FIRST);
    assert_int_equal(flow.remote.port, 4000);
    say(&two, "world");
    assert_int_not_equal(world->last.via, flow.via);

    const struct outbox_entry entry = {.flow = flow, .bytes = (const uint8_t *)"back", .size = 4};
    associations_send(world->associations, &entry);
    assert_int_equal(world->to_client_count, 0);
    associations_flush(world->associations);
    assert_int_equal(world->to_client_count, 1);
    dtls_input(one.dtls, world->to_client[0].bytes, world->to_client[0].size);
    assert_int_equal(dtls_read(one.dtls, read, sizeof read), 4);
    dtls_free(one.dtls);
    dtls_free(two.dtls);
    world->to_client_count = 0;
    teardown(world);
}

static void test_plain(void **state)
{
    static const uint8_t binding[20] = {0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42};
    struct world *world = setup(true);

    (void)state;
    assert_false(input(world, 4000, binding, sizeof binding));
    teardown(world);
    world = setup(false);
    assert_true(input(world, 4000, binding, sizeof binding));
    assert_int_equal(counters(world)->dropped_plain, 1);
    teardown(world);
}

static void test_admits(void **state)
{
    struct world *world = setup(false);
    struct client one;

    (void)state;
    world->silent = true;
    new_client(world, &one, 4000);
    assert_int_equal(world->to_client_count, 0);
    assert_int_equal(counters(world)->challenged, 0);
    dtls_free(one.dtls);
    teardown(world);
}

static void test_idle(void **state)
{
    struct world *world = setup(false);
    struct client held, idle;

    (void)state;
    connect_client(world, &held, 4000);
    say(&held, "hold me");
    associations_hold(world->associations, world->now, world->last.via, true);
    connect_client(world, &idle, 4001);
    pass(world, IDLE_SECONDS - 1);
    say(&idle, "here"); /* begins the time anew */
    pass(world, IDLE_SECONDS - 1);
    assert_int_equal(counters(world)->open, 2);
    pass(world, 2);
    assert_int_equal(world->closed, 1);
    assert_int_equal(world->last.remote.port, 4001);
    answer(&idle, 1);
    assert_int_equal(dtls_status(idle.dtls), DTLS_CLOSED);
    say(&held, "still here");
    assert_string_equal(world->text, "still here");
    associations_hold(world->associations, world->now, world->last.via, false);
    pass(world, IDLE_SECONDS + 1);
    assert_int_equal(counters(world)->open, 0);
    assert_int_equal(counters(world)->timed_out, 2);
    world->to_client_count = 0;
    dtls_free(held.dtls);
    dtls_free(idle.dtls);
    teardown(world);
}

/* RFC 6347 §4.2.8 */
static void test_anew(void **state)
{
    struct world *world = setup(false);
    struct client old, new;

    (void)state;
    connect_client(world, &old, 4000);
    say(&old, "old");
    uint32_t via = world->last.via;
    new_client(world, &new, 4000);
    answer(&new, 1); /* now the server's flight is under way */
    assert_int_equal(counters(world)->open, 2);
    say(&old, "goes on");
    assert_string_equal(world->text, "goes on");
    assert_int_equal(world->last.via, via);
    answer(&new, 10);
    assert_int_equal(dtls_status(new.dtls), DTLS_OPEN);
    assert_int_equal(world->closed, 1);
    assert_int_equal(world->last.via, via);
    assert_int_equal(counters(world)->replaced, 1);
    assert_int_equal(counters(world)->open, 1);
    say(&new, "new");
    assert_string_equal(world->text, "new");
    assert_int_not_equal(world->last.via, via);
    unsigned frames = world->frames;
    say(&old, "too late");
    assert_int_equal(world->frames, frames);
    world->to_client_count = 0;
    dtls_free(old.dtls);
    dtls_free(new.dtls);
    teardown(world);
}

/* The old association ends by itself while the new handshake is under way. */
static void test_heir(void **state)
{
    struct world *world = setup(false);
    struct client old, new, third;

    (void)state;
    connect_client(world, &old, 4000);
    new_client(world, &new, 4000);
    answer(&new, 1);
    struct datagram flight = world->to_client[0];
    assert_int_equal(world->to_client_count, 1);
    world->to_client_count = 0;
    dtls_close(old.dtls);
    assert_int_equal(world->closed, 1);
    assert_int_equal(counters(world)->open, 1);
    world->to_client_count = 1;
    world->to_client[0] = flight;
    answer(&new, 10);
    assert_int_equal(dtls_status(new.dtls), DTLS_OPEN);
    say(&new, "heir");
    assert_string_equal(world->text, "heir");
    assert_int_equal(counters(world)->replaced, 0);

    /* A handshake that its client gives up for another one. */
    new_client(world, &third, 4001);
    answer(&third, 1);
    dtls_free(third.dtls);
    world->to_client_count = 0;
    connect_client(world, &third, 4001);
    assert_int_equal(counters(world)->open, 2);
    dtls_free(old.dtls);
    dtls_free(new.dtls);
    dtls_free(third.dtls);
    teardown(world);
}

static void test_half_made(void **state)
{
    struct world *world = setup(false);
    struct client stands, half, late;

    (void)state;
    connect_client(world, &stands, 3999);
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        new_client(world, &half, (uint16_t)(4000 + i));
        answer(&half, 1);
        dtls_free(half.dtls);
        world->to_client_count = 0;
    }
    assert_int_equal(counters(world)->open, 1 + 512);
    assert_int_equal(counters(world)->displaced, CLIENTS_MAX - 512);
    connect_client(world, &late, 3998);
    say(&stands, "stands");
    assert_string_equal(world->text, "stands");
    pass(world, 11);
    assert_int_equal(counters(world)->open, 2);
    assert_int_equal(world->closed, 0); /* the machine never knew them */
    world->to_client_count = 0;
    dtls_free(stands.dtls);
    dtls_free(late.dtls);
    teardown(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flow),      cmocka_unit_test(test_plain),
        cmocka_unit_test(test_admits),    cmocka_unit_test(test_idle),
        cmocka_unit_test(test_anew),      cmocka_unit_test(test_heir),
        cmocka_unit_test(test_half_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
