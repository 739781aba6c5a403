/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream on TLS against OpenSSL's own calls at the other end of a socket pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/stream.h"
#include "net/tls_context.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    struct event_base *base;
    struct stream *stream;
    SSL_CTX *context; /* ours */
    SSL_CTX *foreign_context;
    SSL *foreign; /* the other end */
    int descriptor;
    EVP_PKEY *key;
    X509 *certificate;
} world;

static struct {
    uint8_t frames[1 << 18];
    size_t size;
    unsigned connected, closed;
    enum stream_end end;
    char text[256];
} seen;

/* ---- callbacks ---------------------------------------------------------------------------------
 */

static void saw_connected(struct stream *stream, void *context)
{
    (void)stream;
    (void)context;
    seen.connected++;
}

static void saw_frame(struct stream *stream, struct packet *packet, void *context)
{
    (void)stream;
    (void)context;
    assert_true(seen.size + packet->size <= sizeof seen.frames);
    memcpy(seen.frames + seen.size, packet->bytes, packet->size);
    seen.size += packet->size;
}

static void saw_closed(struct stream *stream, enum stream_end end, void *context)
{
    (void)context;
    seen.closed++;
    seen.end = end;
    strncpy(seen.text, stream_end_text(stream), sizeof seen.text - 1);
    stream_free(stream);
    world.stream = NULL;
}

static const struct stream_user user = {
    .connected = saw_connected, .frame = saw_frame, .closed = saw_closed};

/* ---- the world ---------------------------------------------------------------------------------
 */

/* A self-signed certificate for "turn.example.org" that is good for `days` from now. */
static X509 *make_certificate(EVP_PKEY *key, long days)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);

    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_set_version(certificate, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400L * 10);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * days);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_EXTENSION *names =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:turn.example.org,IP:192.0.2.1");
    X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    assert_int_not_equal(X509_sign(certificate, key, EVP_sha256()), 0);
    return certificate;
}

static int set_up(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    signal(SIGPIPE, SIG_IGN);
    world.base = event_base_new();
    world.key = EVP_EC_gen("P-256");
    world.certificate = make_certificate(world.key, 10);
    world.descriptor = -1;
    return world.base == NULL || world.key == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    stream_free(world.stream);
    SSL_free(world.foreign);
    SSL_CTX_free(world.context);
    SSL_CTX_free(world.foreign_context);
    if (world.descriptor >= 0) {
        close(world.descriptor);
    }
    X509_free(world.certificate);
    EVP_PKEY_free(world.key);
    event_base_free(world.base);
    libevent_global_shutdown();
    memset(&world, 0, sizeof world);
    return 0;
}

static void run(void)
{
    for (int i = 0; i < 8; i++) {
        event_base_loop(world.base, EVLOOP_NONBLOCK);
    }
}

static void open_stream(bool connecting, SSL *ssl, const struct stream_limits *limits)
{
    int ends[2];
    const struct stream_setup setup = {.user = &user, .limits = *limits, .connecting = connecting};

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    world.descriptor = ends[1];
    world.stream = stream_new_tls(world.base, ends[0], ssl, &setup);
    assert_non_null(world.stream);
}

static const struct stream_limits usual = {.frame_size_max = 2048, .output_size_max = 1 << 17};

/* Our end is the server's. */
static void serve(const struct stream_limits *limits)
{
    const struct tls_server_setup setup = {.transport = TLS_OVER_STREAM};

    world.context = tls_context_new_server(&setup);
    assert_int_equal(SSL_CTX_use_cert_and_key(world.context, world.certificate, world.key, NULL, 1),
                     1);
    open_stream(false, SSL_new(world.context), limits);
    world.foreign_context = SSL_CTX_new(TLS_client_method());
    world.foreign = SSL_new(world.foreign_context);
    SSL_set_fd(world.foreign, world.descriptor);
    SSL_set_connect_state(world.foreign);
}

/* Our end is the client's, which trusts the certificate or not. */
static void connect_to(const char *name, bool trusting)
{
    const struct tls_client_setup setup = {
        .transport = TLS_OVER_STREAM, .verified = true, .alpn = TLS_ALPN_TURN};
    char problem[TLS_TEXT_SIZE];

    world.context = tls_context_new_client(&setup, problem);
    assert_non_null(world.context);
    if (trusting) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(world.context), world.certificate);
    }
    SSL *ssl = SSL_new(world.context);
    assert_true(tls_expect_name(ssl, name));
    open_stream(true, ssl, &usual);
    world.foreign_context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_cert_and_key(world.foreign_context, world.certificate, world.key, NULL, 1);
    world.foreign = SSL_new(world.foreign_context);
    SSL_set_fd(world.foreign, world.descriptor);
    SSL_set_accept_state(world.foreign);
}

/* Returns whether the other end's handshake was finished. */
static bool shake_hands(void)
{
    int result = 0;

    for (int i = 0; i < 20 && result != 1; i++) {
        run();
        result = SSL_do_handshake(world.foreign);
    }
    run();
    ERR_clear_error();
    return result == 1;
}

static size_t take(uint8_t *out, size_t size)
{
    size_t total = 0;

    for (int i = 0; i < 200 && total < size; i++) {
        run();
        int got = SSL_read(world.foreign, out + total, (int)(size - total));
        total += got > 0 ? (size_t)got : 0;
    }
    ERR_clear_error();
    return total;
}

static void close_foreign(void)
{
    close(world.descriptor);
    world.descriptor = -1;
    run();
}

/* ChannelData of `size` bytes, a multiple of four. */
static void put_frame(uint8_t *out, size_t size, uint8_t filling)
{
    memcpy(out, (uint8_t[]){0x40, 0x01, (uint8_t)(size >> 8), (uint8_t)size}, 4);
    memset(out + 4, filling, size);
}

/* ---- tests -------------------------------------------------------------------------------------
 */

static void test_frames_both_ways(void **state)
{
    uint8_t frame[1004];
    uint8_t back[1004];

    (void)state;
    serve(&usual);
    assert_true(shake_hands());
    assert_int_equal(seen.connected, 1);
    put_frame(frame, 1000, 'x');
    assert_int_equal(SSL_write(world.foreign, frame, sizeof frame), sizeof frame);
    run();
    assert_int_equal(seen.size, sizeof frame);
    assert_memory_equal(seen.frames, frame, sizeof frame);
    assert_int_equal(stream_send(world.stream, frame, sizeof frame), 0);
    assert_int_equal(take(back, sizeof back), sizeof back);
    assert_memory_equal(back, frame, sizeof frame);
}

/* More than any buffer below: what OpenSSL has read and libevent has not must not be forgotten. */
static void test_burst(void **state)
{
    const struct stream_limits small = {.frame_size_max = 256, .output_size_max = 4096};
    uint8_t frames[200 * 204];
    size_t sent = 0;

    (void)state;
    serve(&small);
    assert_true(shake_hands());
    SSL_set_mode(world.foreign, SSL_MODE_ENABLE_PARTIAL_WRITE);
    for (size_t i = 0; i < 200; i++) {
        put_frame(frames + i * 204, 200, (uint8_t)i);
    }
    while (sent < sizeof frames) {
        int wrote = SSL_write(world.foreign, frames + sent, (int)(sizeof frames - sent));
        sent += wrote > 0 ? (size_t)wrote : 0;
        run();
    }
    run();
    assert_int_equal(seen.size, sizeof frames);
    assert_memory_equal(seen.frames, frames, sizeof frames);
}

static void test_much_output(void **state)
{
    uint8_t frame[1004];
    static uint8_t back[100 * 1004];

    (void)state;
    serve(&usual);
    assert_true(shake_hands());
    for (size_t i = 0; i < 100; i++) {
        put_frame(frame, 1000, (uint8_t)i);
        assert_int_equal(stream_send(world.stream, frame, sizeof frame), 0);
    }
    assert_int_equal(take(back, sizeof back), sizeof back);
    assert_int_equal(back[99 * 1004 + 4], 99);
}

/* The other end says that it ends; what we had to say still leaves, and close_notify after it. */
static void test_ends_in_order(void **state)
{
    uint8_t frame[104];
    uint8_t back[200];

    (void)state;
    serve(&usual);
    assert_true(shake_hands());
    put_frame(frame, 100, 'x');
    assert_int_equal(stream_send(world.stream, frame, sizeof frame), 0);
    (void)SSL_shutdown(world.foreign);
    run();
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.end, STREAM_END_PEER);
    assert_int_equal(take(back, sizeof frame), sizeof frame);
    assert_int_equal(SSL_read(world.foreign, back, sizeof back), 0);
    assert_int_equal(SSL_get_error(world.foreign, 0), SSL_ERROR_ZERO_RETURN);
}

static void test_finish(void **state)
{
    uint8_t frame[104];
    uint8_t back[200];

    (void)state;
    serve(&usual);
    assert_true(shake_hands());
    put_frame(frame, 100, 'x');
    assert_int_equal(stream_send(world.stream, frame, sizeof frame), 0);
    stream_finish(world.stream, 5);
    assert_int_equal(take(back, sizeof frame), sizeof frame);
    run();
    assert_int_equal(seen.end, STREAM_END_FINISHED);
    assert_int_equal(SSL_read(world.foreign, back, sizeof back), 0);
    assert_int_equal(SSL_get_error(world.foreign, 0), SSL_ERROR_ZERO_RETURN);
}

static void test_ends_without_goodbye(void **state)
{
    uint8_t byte;

    (void)state;
    serve(&usual);
    assert_true(shake_hands());
    assert_int_equal(take(&byte, 1), 0); /* tickets left unread would reset the connection */
    close_foreign();
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.end, STREAM_END_PEER);
}

static void test_half_made(void **state)
{
    (void)state;
    serve(&usual);
    assert_int_equal(write(world.descriptor, "\x16\x03\x01\x01", 4), 4);
    run();
    assert_int_equal(seen.closed, 0);
    close_foreign();
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.connected, 0);
}

static void test_not_tls(void **state)
{
    (void)state;
    serve(&usual);
    assert_int_equal(write(world.descriptor, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    run();
    assert_int_equal(seen.end, STREAM_END_TLS);
    assert_string_equal(seen.text, "the other end does not speak TLS here");
}

static void test_broken_record(void **state)
{
    (void)state;
    serve(&usual);
    assert_true(shake_hands());
    assert_int_equal(write(world.descriptor,
                           "\x17\x03\x03\x00\x15"
                           "aaaaaaaaaaaaaaaaaaaaa",
                           26),
                     26);
    run();
    assert_int_equal(seen.end, STREAM_END_TLS);
    assert_int_equal(seen.size, 0);
}

static void test_alpn(void **state)
{
    char text[TLS_TEXT_SIZE];

    (void)state;
    serve(&usual);
    SSL_set_alpn_protos(world.foreign, (const unsigned char *)"\x02h2\x12stun.nat-discovery", 22);
    assert_true(shake_hands());
    assert_string_equal(tls_alpn_text(world.foreign, text), "stun.nat-discovery");
    assert_string_equal(tls_alpn_text(stream_tls(world.stream), text), "stun.nat-discovery");
}

static void test_foreign_alpn(void **state)
{
    (void)state;
    serve(&usual);
    SSL_set_alpn_protos(world.foreign, (const unsigned char *)"\x02h2", 3);
    assert_false(shake_hands());
    assert_int_equal(seen.end, STREAM_END_TLS);
    assert_string_equal(seen.text, "the other end asked for another application protocol (ALPN)");
}

static void test_client(void **state)
{
    (void)state;
    connect_to("turn.example.org.", true);
    assert_true(shake_hands());
    assert_int_equal(seen.connected, 1);
    assert_string_equal(SSL_get_servername(world.foreign, TLSEXT_NAMETYPE_host_name),
                        "turn.example.org");
}

static void test_client_by_address(void **state)
{
    (void)state;
    connect_to("192.0.2.1", true);
    assert_true(shake_hands());
    assert_int_equal(seen.connected, 1);
    assert_null(SSL_get_servername(world.foreign, TLSEXT_NAMETYPE_host_name));
}

static void assert_not_trusted(const char *text)
{
    (void)shake_hands();
    assert_int_equal(seen.connected, 0);
    assert_int_equal(seen.end, STREAM_END_TLS);
    assert_string_equal(seen.text, text);
}

static void test_unknown_issuer(void **state)
{
    (void)state;
    connect_to("turn.example.org", false);
    assert_not_trusted("the certificate is self-signed and not among those that are trusted");
}

static void test_other_name(void **state)
{
    (void)state;
    connect_to("other.example.org", true);
    assert_not_trusted("the certificate is for another name");
}

static void test_other_address(void **state)
{
    (void)state;
    connect_to("192.0.2.2", true);
    assert_not_trusted("the certificate does not name this IP address");
}

static void test_expired(void **state)
{
    (void)state;
    X509_free(world.certificate);
    world.certificate = make_certificate(world.key, -1);
    connect_to("turn.example.org", true);
    assert_not_trusted("the certificate has expired");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_frames_both_ways),
        TEST(test_burst),
        TEST(test_much_output),
        TEST(test_ends_in_order),
        TEST(test_finish),
        TEST(test_ends_without_goodbye),
        TEST(test_half_made),
        TEST(test_not_tls),
        TEST(test_broken_record),
        TEST(test_alpn),
        TEST(test_foreign_alpn),
        TEST(test_client),
        TEST(test_client_by_address),
        TEST(test_unknown_issuer),
        TEST(test_other_name),
        TEST(test_other_address),
        TEST(test_expired),
    };
    return cmocka_run_group_tests_name("net_stream_tls", tests, NULL, NULL);
}
