/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certificate.h"
#include "net/dtls.h"
#include "net/dtls_cookie.h"
#include "net/tls_context.h"
#include "openssl_clock.h"

#include <errno.h>
#include <malloc.h>
#include <openssl/srtp.h>
#include <stdlib.h>
#include <string.h>

#define RESEND_US 500000
#define QUEUE_MAX 256
#define DATAGRAM_MAX 2048

/* ---- two ends and what is between them ------------------------------------------------------- */

struct datagram {
    size_t size;
    uint8_t bytes[DATAGRAM_MAX];
};

/* One direction, seen from its receiver. */
struct wire {
    size_t count;
    struct datagram *queue;
};

struct pair {
    struct certificate certificate;
    SSL_CTX *client_context, *server_context;
    struct dtls_cookies *cookies;
    struct stun_address client_address, server_address;
    struct monotime now;
    struct dtls *client, *server; /* server NULL until a cookie was good */
    struct wire to_client, to_server;
    unsigned challenges;
    uint32_t seed; /* of losses; 0: none */
};

static void put(struct wire *wire, const uint8_t *bytes, size_t size)
{
    assert_true(wire->count < QUEUE_MAX);
    assert_true(size <= DATAGRAM_MAX);
    wire->queue[wire->count].size = size;
    memcpy(wire->queue[wire->count++].bytes, bytes, size);
}

static uint32_t draw(struct pair *pair, uint32_t below)
{
    pair->seed = pair->seed * 1664525 + 1013904223;
    return (pair->seed >> 8) % below;
}

static void send_to_server(void *context, const uint8_t *bytes, size_t size)
{
    struct pair *pair = context;
    put(&pair->to_server, bytes, size);
}

static void send_to_client(void *context, const uint8_t *bytes, size_t size)
{
    struct pair *pair = context;
    put(&pair->to_client, bytes, size);
}

/* Takes the first datagram, or with losses any of them, or loses it. */
static bool take(struct pair *pair, struct wire *wire, struct datagram *out)
{
    size_t i = pair->seed != 0 && wire->count > 0 ? draw(pair, (uint32_t)wire->count) : 0;

    if (wire->count == 0) {
        return false;
    }
    *out = wire->queue[i];
    memmove(&wire->queue[i], &wire->queue[i + 1], (--wire->count - i) * sizeof *wire->queue);
    return true;
}

static bool is_lost(struct pair *pair)
{
    return pair->seed != 0 && draw(pair, 100) < 25;
}

static void *setup(void)
{
    static const uint8_t key[DTLS_COOKIE_KEY_SIZE] = {1, 2, 3};
    struct pair *pair = calloc(1, sizeof *pair);
    char problem[TLS_TEXT_SIZE];

    assert_true(certificate_make(&pair->certificate));
    pair->client_context = tls_context_new_client(
        &(struct tls_client_setup){.transport = TLS_OVER_DATAGRAM, .verified = true}, problem);
    pair->server_context =
        tls_context_new_server(&(struct tls_server_setup){.transport = TLS_OVER_DATAGRAM});
    assert_non_null(pair->client_context);
    assert_non_null(pair->server_context);
    assert_true(certificate_use(&pair->certificate, pair->server_context));
    assert_true(certificate_trust(&pair->certificate, pair->client_context));
    dtls_prepare_server(pair->server_context);
    pair->cookies = dtls_cookies_new(key);
    assert_non_null(pair->cookies);
    pair->client_address = (struct stun_address){STUN_FAMILY_IPV4, 4000, {192, 0, 2, 1}};
    pair->server_address = (struct stun_address){STUN_FAMILY_IPV4, 3478, {192, 0, 2, 2}};
    pair->now = (struct monotime){1000 * MONOTIME_SECOND};
    pair->to_client.queue = calloc(QUEUE_MAX, sizeof *pair->to_client.queue);
    pair->to_server.queue = calloc(QUEUE_MAX, sizeof *pair->to_server.queue);
    return pair;
}

static void new_client(struct pair *pair, const char *name)
{
    const struct dtls_setup setup = {
        .send = send_to_server, .context = pair, .resend_us = RESEND_US};

    pair->client = dtls_new_client(pair->client_context, name, &setup);
    assert_non_null(pair->client);
}

static void teardown(struct pair *pair)
{
    dtls_free(pair->client);
    dtls_free(pair->server);
    dtls_cookies_free(pair->cookies);
    SSL_CTX_free(pair->client_context);
    SSL_CTX_free(pair->server_context);
    certificate_free(&pair->certificate);
    free(pair->to_client.queue);
    free(pair->to_server.queue);
    free(pair);
}

/* What the shell of a server does with a datagram. */
static void server_input(struct pair *pair, const struct datagram *datagram)
{
    const struct dtls_setup setup = {
        .send = send_to_client, .context = pair, .resend_us = RESEND_US};
    struct dtls_client_hello hello;
    uint8_t answer[DTLS_HELLO_VERIFY_SIZE];

    if (pair->server != NULL) {
        dtls_input(pair->server, datagram->bytes, datagram->size);
        return;
    }
    if (!dtls_client_hello_parse(&hello, datagram->bytes, datagram->size)) {
        return;
    }
    if (dtls_cookie_is_good(pair->cookies, pair->now, &pair->client_address, &pair->server_address,
                            &hello)) {
        pair->server = dtls_new_server(pair->server_context, &setup);
        assert_non_null(pair->server);
        dtls_input(pair->server, datagram->bytes, datagram->size);
        return;
    }
    pair->challenges++;
    assert_true(dtls_cookie_answer(pair->cookies, pair->now, &pair->client_address,
                                   &pair->server_address, &hello, answer));
    assert_true(sizeof answer < datagram->size);
    put(&pair->to_client, answer, sizeof answer);
}

static size_t read_all(struct dtls *dtls)
{
    uint8_t bytes[DTLS_PLAINTEXT_MAX];
    size_t sum = 0;
    size_t size;

    while ((size = dtls_read(dtls, bytes, sizeof bytes)) > 0) {
        sum += size;
    }
    return sum;
}

/* Carries what is under way until nothing is; returns how much the server read. */
static size_t carry(struct pair *pair)
{
    struct datagram datagram;
    size_t sum = 0;
    bool moved = true;

    while (moved) {
        moved = false;
        if (take(pair, &pair->to_server, &datagram)) {
            moved = true;
            if (!is_lost(pair)) {
                server_input(pair, &datagram);
                sum += pair->server != NULL ? read_all(pair->server) : 0;
            }
        }
        if (take(pair, &pair->to_client, &datagram)) {
            moved = true;
            if (!is_lost(pair)) {
                dtls_input(pair->client, datagram.bytes, datagram.size);
                (void)read_all(pair->client);
            }
        }
    }
    return sum;
}

static void connect_pair(struct pair *pair, const char *name)
{
    new_client(pair, name);
    dtls_start(pair->client);
    (void)carry(pair);
}

/* ---- associations ---------------------------------------------------------------------------- */

static void test_handshake(void **state)
{
    struct pair *pair = setup();
    char alpn[TLS_TEXT_SIZE];

    (void)state;
    connect_pair(pair, "127.0.0.1");
    assert_int_equal(pair->challenges, 1);
    assert_int_equal(dtls_status(pair->client), DTLS_OPEN);
    assert_int_equal(dtls_status(pair->server), DTLS_OPEN);
    assert_string_equal(tls_alpn_text(dtls_ssl(pair->client), alpn), TLS_ALPN_TURN);
    assert_string_equal(tls_alpn_text(dtls_ssl(pair->server), alpn), TLS_ALPN_TURN);
    assert_null(tls_verify_text(dtls_ssl(pair->client)));
    assert_int_equal(SSL_version(dtls_ssl(pair->client)), DTLS1_2_VERSION);
    assert_true(dtls_due_us(pair->client) == -1);
    assert_true(dtls_due_us(pair->server) == -1);
    teardown(pair);
}

/* Between peers: stacks that take media too end a session in which nothing of SRTP was agreed on.
 */
static void test_peers_agree_on_srtp(void **state)
{
    struct pair *pair = setup();
    const struct dtls_setup to_server = {.send = send_to_server, .context = pair};
    const struct dtls_setup to_client = {.send = send_to_client, .context = pair};

    (void)state;
    SSL_CTX_free(pair->client_context);
    SSL_CTX_free(pair->server_context);
    pair->client_context = tls_context_new_peer();
    pair->server_context = tls_context_new_peer();
    assert_true(certificate_use(&pair->certificate, pair->client_context));
    assert_true(certificate_use(&pair->certificate, pair->server_context));
    pair->client = dtls_new_peer(pair->client_context, false, &to_server);
    pair->server = dtls_new_peer(pair->server_context, true, &to_client);
    dtls_start(pair->client);
    (void)carry(pair);
    assert_int_equal(dtls_status(pair->client), DTLS_OPEN);
    assert_int_equal(dtls_status(pair->server), DTLS_OPEN);
    for (int i = 0; i < 2; i++) {
        const struct dtls *end = i == 0 ? pair->client : pair->server;
        const union {
            const SSL *shown;
            SSL *ssl; /* OpenSSL wants to be free to change it */
        } either = {dtls_ssl(end)};
        const SRTP_PROTECTION_PROFILE *profile = SSL_get_selected_srtp_profile(either.ssl);
        assert_non_null(profile);
        assert_int_equal(profile->id, SRTP_AES128_CM_SHA1_80);
    }
    teardown(pair);
}

static void test_data(void **state)
{
    struct pair *pair = setup();
    static uint8_t large[DTLS_PLAINTEXT_MAX + 1];
    uint8_t read[DTLS_PLAINTEXT_MAX];

    (void)state;
    new_client(pair, "server.test");
    assert_int_equal(dtls_write(pair->client, large, 4), -ENOTCONN);
    dtls_start(pair->client);
    (void)carry(pair);
    assert_int_equal(dtls_write(pair->client, (const uint8_t *)"hello", 5), 0);
    assert_int_equal(dtls_write(pair->client, large, 1000), 0);
    assert_int_equal(pair->to_server.count, 2);
    assert_true(pair->to_server.queue[1].size <= 1000 + DTLS_OVERHEAD_MAX);
    assert_int_equal(carry(pair), 1005);
    assert_int_equal(dtls_write(pair->client, large, sizeof large), -EMSGSIZE);
    assert_int_equal(dtls_write(pair->client, large, 0), 0);
    assert_int_equal(pair->to_server.count, 0);

    /* One write is one datagram at the other end, also when two came in one datagram. */
    assert_int_equal(dtls_write(pair->server, (const uint8_t *)"one", 3), 0);
    assert_int_equal(dtls_write(pair->server, (const uint8_t *)"three", 5), 0);
    struct datagram joined = pair->to_client.queue[0];
    memcpy(joined.bytes + joined.size, pair->to_client.queue[1].bytes,
           pair->to_client.queue[1].size);
    joined.size += pair->to_client.queue[1].size;
    pair->to_client.count = 0;
    dtls_input(pair->client, joined.bytes, joined.size);
    assert_int_equal(dtls_read(pair->client, read, sizeof read), 3);
    assert_memory_equal(read, "one", 3);
    assert_int_equal(dtls_read(pair->client, read, sizeof read), 5);
    assert_memory_equal(read, "three", 5);
    assert_int_equal(dtls_read(pair->client, read, sizeof read), 0);

    /* Twice the same datagram is read once. */
    dtls_input(pair->client, joined.bytes, joined.size);
    assert_int_equal(dtls_read(pair->client, read, sizeof read), 0);
    teardown(pair);
}

static void test_close(void **state)
{
    struct pair *pair = setup();

    (void)state;
    connect_pair(pair, "127.0.0.1");
    dtls_close(pair->client);
    assert_int_equal(dtls_status(pair->client), DTLS_CLOSED);
    (void)carry(pair);
    assert_int_equal(dtls_status(pair->server), DTLS_CLOSED);
    assert_int_equal(dtls_write(pair->server, (const uint8_t *)"late", 4), -ENOTCONN);
    teardown(pair);
}

static void test_loss(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 30; seed++) {
        struct pair *pair = setup();
        pair->seed = seed * 7919;
        connect_pair(pair, "127.0.0.1");
        /* Twelve flights in vain are the end of an association; 25% each way are not. */
        for (int round = 0;
             round < 400 && (pair->server == NULL || dtls_status(pair->client) != DTLS_OPEN ||
                             dtls_status(pair->server) != DTLS_OPEN);
             round++) {
            virtual_now.us += RESEND_US;
            dtls_tick(pair->client);
            if (pair->server != NULL) {
                dtls_tick(pair->server);
            }
            (void)carry(pair);
        }
        assert_int_equal(dtls_status(pair->client), DTLS_OPEN);
        assert_int_equal(dtls_status(pair->server), DTLS_OPEN);
        pair->seed = 0;
        assert_int_equal(dtls_write(pair->client, (const uint8_t *)"safe", 4), 0);
        assert_int_equal(carry(pair), 4);
        teardown(pair);
    }
}

/* The server's last flight is lost: the client repeats its own, and the server answers while it
 * has been open for long. */
static void test_last_flight_lost(void **state)
{
    struct pair *pair = setup();
    struct datagram datagram;

    (void)state;
    new_client(pair, "127.0.0.1");
    dtls_start(pair->client);
    while (pair->server == NULL || dtls_status(pair->server) != DTLS_OPEN) {
        while (take(pair, &pair->to_client, &datagram)) {
            dtls_input(pair->client, datagram.bytes, datagram.size);
        }
        while (take(pair, &pair->to_server, &datagram)) {
            server_input(pair, &datagram);
            (void)read_all(pair->server != NULL ? pair->server : pair->client);
        }
    }
    assert_true(pair->to_client.count > 0);
    pair->to_client.count = 0;
    assert_int_equal(dtls_status(pair->client), DTLS_CONNECTING);
    assert_int_equal(dtls_due_us(pair->client), RESEND_US);
    dtls_tick(pair->client);
    assert_int_equal(pair->to_server.count, 0); /* it is not time yet */
    virtual_now.us += RESEND_US;
    assert_int_equal(dtls_due_us(pair->client), 0);
    dtls_tick(pair->client);
    assert_int_equal(dtls_due_us(pair->client), 2 * RESEND_US);
    (void)carry(pair);
    assert_int_equal(dtls_status(pair->client), DTLS_OPEN);
    teardown(pair);
}

static void test_wrong_name(void **state)
{
    struct pair *pair = setup();
    char text[TLS_TEXT_SIZE];

    (void)state;
    connect_pair(pair, "other.test");
    assert_int_equal(dtls_status(pair->client), DTLS_FAILED);
    assert_string_equal(tls_error_text(dtls_ssl(pair->client), dtls_error(pair->client), text),
                        "the certificate is for another name");
    assert_int_equal(dtls_status(pair->server), DTLS_FAILED); /* by the client's alert */
    assert_true(dtls_due_us(pair->client) == -1);
    teardown(pair);
}

static void test_noise(void **state)
{
    struct pair *pair = setup();
    struct datagram datagram;

    (void)state;
    connect_pair(pair, "127.0.0.1");
    assert_int_equal(dtls_write(pair->client, (const uint8_t *)"true", 4), 0);
    assert_true(take(pair, &pair->to_server, &datagram));
    for (size_t i = 0; i < datagram.size; i++) {
        struct datagram bad = datagram;
        bad.bytes[i] ^= 0x40;
        assert_int_equal(dtls_input(pair->server, bad.bytes, bad.size), DTLS_OPEN);
        assert_int_equal(read_all(pair->server), 0);
        assert_int_equal(dtls_input(pair->server, bad.bytes, i), DTLS_OPEN);
        assert_int_equal(read_all(pair->server), 0);
    }
    /* An alert from somebody without the keys. */
    static const uint8_t alert[] = {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
    assert_int_equal(dtls_input(pair->server, alert, sizeof alert), DTLS_OPEN);
    assert_int_equal(read_all(pair->server), 0);
    dtls_input(pair->server, datagram.bytes, datagram.size);
    assert_int_equal(read_all(pair->server), 4);
    teardown(pair);
}

/* An idle association keeps no record buffers: those alone would be 33 KiB. What it keeps is mostly
 * the memory of OpenSSL for handshake messages, which DTLS may need again. */
static void test_idle_memory(void **state)
{
    struct pair *pair = setup();

    (void)state;
    connect_pair(pair, "127.0.0.1");
    assert_int_equal(dtls_write(pair->server, (const uint8_t *)"a", 1), 0);
    (void)carry(pair);
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    dtls_free(pair->server);
    pair->server = NULL;
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    print_message("# an idle association takes %zu bytes\n", before - after);
    /* A sanitizer's allocator tells nothing: then both are 0. */
    assert_true(before - after < 40 * 1024);
    teardown(pair);
}

/* ---- cookies --------------------------------------------------------------------------------- */

/* The first ClientHello and the one with the cookie. */
static void get_hellos(struct pair *pair, struct datagram *first, struct datagram *second)
{
    struct datagram answer;

    new_client(pair, "127.0.0.1");
    dtls_start(pair->client);
    assert_true(take(pair, &pair->to_server, first));
    server_input(pair, first);
    assert_true(take(pair, &pair->to_client, &answer));
    dtls_input(pair->client, answer.bytes, answer.size);
    assert_true(take(pair, &pair->to_server, second));
}

static bool is_good(const struct pair *pair, struct monotime now, const struct datagram *datagram)
{
    struct dtls_client_hello hello;

    assert_true(dtls_client_hello_parse(&hello, datagram->bytes, datagram->size));
    return dtls_cookie_is_good(pair->cookies, now, &pair->client_address, &pair->server_address,
                               &hello);
}

static void test_cookie(void **state)
{
    struct pair *pair = setup();
    struct datagram first, second;
    struct dtls_client_hello hello;

    (void)state;
    get_hellos(pair, &first, &second);
    assert_true(dtls_client_hello_parse(&hello, first.bytes, first.size));
    assert_int_equal(hello.cookie_size, 0);
    assert_false(is_good(pair, pair->now, &first));
    assert_true(is_good(pair, pair->now, &second));
    assert_true(dtls_client_hello_parse(&hello, second.bytes, second.size));
    assert_int_equal(hello.cookie_size, DTLS_COOKIE_SIZE);
    /* Every bit of cookie, random and ciphers counts. */
    for (const uint8_t *at = hello.before; at < hello.after + hello.after_size; at++) {
        struct datagram forged = second;
        size_t i = (size_t)(at - second.bytes);
        forged.bytes[i] ^= 1;
        struct dtls_client_hello other;
        assert_false(dtls_client_hello_parse(&other, forged.bytes, forged.size) &&
                     is_good(pair, pair->now, &forged));
    }
    teardown(pair);
}

static void test_cookie_elsewhere(void **state)
{
    struct pair *pair = setup();
    struct datagram first, second;
    static const uint8_t other_key[DTLS_COOKIE_KEY_SIZE] = {1, 2, 4};

    (void)state;
    get_hellos(pair, &first, &second);
    struct stun_address client = pair->client_address;
    pair->client_address.port++;
    assert_false(is_good(pair, pair->now, &second));
    pair->client_address = client;
    pair->client_address.ip[3]++;
    assert_false(is_good(pair, pair->now, &second));
    pair->client_address = client;
    pair->client_address.family = STUN_FAMILY_IPV6;
    assert_false(is_good(pair, pair->now, &second));
    pair->client_address = client;
    pair->server_address.port++;
    assert_false(is_good(pair, pair->now, &second));
    pair->server_address.port--;
    assert_true(is_good(pair, pair->now, &second));
    dtls_cookies_free(pair->cookies);
    pair->cookies = dtls_cookies_new(other_key);
    assert_false(is_good(pair, pair->now, &second));
    teardown(pair);
}

static void test_cookie_age(void **state)
{
    struct pair *pair = setup();
    struct datagram first, second;

    (void)state;
    get_hellos(pair, &first, &second);
    assert_true(is_good(pair, monotime_add_seconds(pair->now, DTLS_COOKIE_SECONDS), &second));
    assert_false(is_good(pair, monotime_add_seconds(pair->now, 2 * DTLS_COOKIE_SECONDS), &second));
    /* Nor is one from a time that has not come: a worker's clock does not go back so far. */
    pair->now.us -= DTLS_COOKIE_SECONDS * MONOTIME_SECOND;
    assert_false(is_good(pair, pair->now, &second));
    teardown(pair);
}

static void test_hello_parse(void **state)
{
    struct pair *pair = setup();
    struct datagram first, second;
    struct dtls_client_hello hello;

    (void)state;
    get_hellos(pair, &first, &second);
    for (size_t size = 0; size < second.size; size++) {
        uint8_t *exact = malloc(size + 1);
        memcpy(exact, second.bytes, size);
        assert_false(dtls_client_hello_parse(&hello, exact, size));
        free(exact);
    }
    assert_true(dtls_client_hello_parse(&hello, second.bytes, second.size));
    /* Type, version, epoch, message type, fragment offset and length: each must be what it is. */
    static const size_t fixed[] = {0, 1, 3, 4, 13, 14, 19, 20, 21, 22, 23, 24};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        struct datagram bad = second;
        bad.bytes[fixed[i]] ^= 1;
        assert_false(dtls_client_hello_parse(&hello, bad.bytes, bad.size));
    }
    teardown(pair);
}

/* A ClientHello that has a cookie, but is none: the server's end must survive it. */
static void test_hello_unusable(void **state)
{
    struct pair *pair = setup();
    struct datagram first, second;
    const struct dtls_setup setup = {
        .send = send_to_client, .context = pair, .resend_us = RESEND_US};

    (void)state;
    get_hellos(pair, &first, &second);
    for (size_t i = 13; i < second.size; i++) {
        struct datagram bad = second;
        bad.bytes[i] ^= 0xFF;
        struct dtls *server = dtls_new_server(pair->server_context, &setup);
        assert_non_null(server);
        (void)dtls_input(server, bad.bytes, bad.size);
        assert_int_not_equal(dtls_status(server), DTLS_OPEN);
        assert_int_equal(read_all(server), 0);
        pair->to_client.count = 0;
        dtls_free(server);
    }
    teardown(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_peers_agree_on_srtp),
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_last_flight_lost),
        cmocka_unit_test(test_wrong_name),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_idle_memory),
        cmocka_unit_test(test_cookie),
        cmocka_unit_test(test_cookie_elsewhere),
        cmocka_unit_test(test_cookie_age),
        cmocka_unit_test(test_hello_parse),
        cmocka_unit_test(test_hello_unusable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
