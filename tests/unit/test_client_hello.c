/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/client_hello.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

static struct client_hello hello;

/* ---- bytes -------------------------------------------------------------------------------------
 */

struct bytes {
    uint8_t data[40000];
    size_t size;
};

static void put(struct bytes *to, const void *data, size_t size)
{
    assert_true(to->size + size <= sizeof to->data);
    memcpy(to->data + to->size, data, size);
    to->size += size;
}

static void put_number(struct bytes *to, size_t value, size_t size)
{
    for (size_t i = size; i-- > 0;) {
        put(to, &(uint8_t){(uint8_t)(value >> (8 * i))}, 1);
    }
}

/* A ClientHello with these extensions, without its record. */
static void make_message(struct bytes *to, const struct bytes *extensions)
{
    static const uint8_t zeros[32];
    struct bytes body = {.size = 0};

    put_number(&body, 0x0303, 2);
    put(&body, zeros, 32);
    put_number(&body, 0, 1);
    put_number(&body, 2, 2);
    put_number(&body, 0x1301, 2);
    put_number(&body, 1, 1);
    put_number(&body, 0, 1);
    if (extensions != NULL) {
        put_number(&body, extensions->size, 2);
        put(&body, extensions->data, extensions->size);
    }
    put_number(to, 1, 1);
    put_number(to, body.size, 3);
    put(to, body.data, body.size);
}

/* Cuts a message into records of `piece` bytes. */
static void make_records(struct bytes *to, const struct bytes *message, size_t piece)
{
    for (size_t at = 0; at < message->size; at += piece) {
        size_t size = message->size - at < piece ? message->size - at : piece;
        put(to, "\x16\x03\x01", 3);
        put_number(to, size, 2);
        put(to, message->data + at, size);
    }
}

static void put_extension(struct bytes *to, unsigned type, const void *data, size_t size)
{
    put_number(to, type, 2);
    put_number(to, size, 2);
    put(to, data, size);
}

/* Parses a copy of exactly that size, so that a sanitizer sees a read behind it. */
static int parse(const uint8_t *bytes, size_t size, size_t *needed)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    int status = client_hello_parse(&hello, copy, size, needed);
    free(copy);
    return status;
}

static int parse_with(const struct bytes *extensions)
{
    struct bytes message = {.size = 0};
    struct bytes records = {.size = 0};
    size_t needed;

    make_message(&message, extensions);
    make_records(&records, &message, 16384);
    return parse(records.data, records.size, &needed);
}

static int parse_one(unsigned type, const void *data, size_t size)
{
    struct bytes extensions = {.size = 0};

    put_extension(&extensions, type, data, size);
    return parse_with(&extensions);
}

/* ---- tests -------------------------------------------------------------------------------------
 */

/* What OpenSSL itself sends. */
static void make_foreign(struct bytes *to, const char *name, const char *alpn, size_t alpn_size)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    char *data = NULL;

    assert_true(SSL_set_tlsext_host_name(ssl, name));
    if (alpn_size > 0) {
        assert_int_equal(SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned)alpn_size),
                         0);
    }
    SSL_set_bio(ssl, in, out);
    assert_int_not_equal(SSL_connect(ssl), 1);
    long size = BIO_get_mem_data(out, &data);
    put(to, data, (size_t)size);
    SSL_free(ssl);
    SSL_CTX_free(context);
}

static void test_openssl(void **state)
{
    struct bytes records = {.size = 0};
    size_t needed = 0;

    (void)state;
    make_foreign(&records, "Turn.Example.ORG", "\x02h2\x09stun.turn", 13);
    for (size_t part = 0; part < records.size; part++) {
        assert_int_equal(parse(records.data, part, &needed), -EAGAIN);
        assert_in_range(needed, part + 1, records.size);
    }
    assert_int_equal(parse(records.data, records.size, &needed), 0);
    assert_string_equal(hello.server_name, "turn.example.org");
    assert_true(client_hello_offers(&hello, "stun.turn"));
    assert_true(client_hello_offers(&hello, "h2"));
    assert_false(client_hello_offers(&hello, "stun.tur"));
    assert_false(client_hello_offers(&hello, "stun.nat-discovery"));
    assert_false(client_hello_offers(&hello, ""));
}

static void test_records(void **state)
{
    struct bytes foreign = {.size = 0};
    struct bytes message = {.size = 0};

    (void)state;
    make_foreign(&foreign, "example.org", "", 0);
    put(&message, foreign.data + 5, foreign.size - 5);
    for (size_t piece = 1; piece < message.size; piece += 13) {
        struct bytes records = {.size = 0};
        size_t needed = 0;
        make_records(&records, &message, piece);
        assert_int_equal(parse(records.data, records.size, &needed), 0);
        assert_string_equal(hello.server_name, "example.org");
        assert_int_equal(hello.protocols_size, 0);
        assert_int_equal(parse(records.data, records.size - 1, &needed), -EAGAIN);
        assert_int_equal(needed, records.size);
    }
}

static void test_without_extensions(void **state)
{
    const struct bytes none = {.size = 0};

    (void)state;
    assert_int_equal(parse_with(NULL), 0);
    assert_string_equal(hello.server_name, "");
    assert_int_equal(parse_with(&none), 0);
}

#define TEXT(text) (text), sizeof(text) - 1

static void test_server_names(void **state)
{
    (void)state;
    assert_int_equal(parse_one(0, TEXT("\0\x0e\0\0\x0b"
                                       "Example.org")),
                     0);
    assert_string_equal(hello.server_name, "example.org");
    assert_int_equal(parse_one(0, TEXT("\0\x0f\0\0\x0c"
                                       "example.org.")),
                     0);
    assert_string_equal(hello.server_name, "example.org");
    assert_int_equal(parse_one(0, TEXT("")), -EPROTO);
    assert_int_equal(parse_one(0, TEXT("\0\0")), -EPROTO);
    assert_int_equal(parse_one(0, TEXT("\0\x03\0\0\0")), -EPROTO);
    assert_int_equal(parse_one(0, TEXT("\0\x04\0\0\x02x")), -EPROTO);
    assert_int_equal(parse_one(0, TEXT("\0\x04\x01\0\x01x")), -EPROTO);
    assert_int_equal(parse_one(0, TEXT("\0\x04\0\0\x01xy")), -EPROTO);
    assert_int_equal(parse_one(0, TEXT("\0\x08\0\0\x01x\0\0\x01y")), -EPROTO);
    assert_int_equal(parse_one(0, TEXT("\0\x06\0\0\x03"
                                       "a\0b")),
                     -EPROTO);
    assert_int_equal(parse_one(0, TEXT("\0\x06\0\0\x03"
                                       "a/b")),
                     -EPROTO);
}

static void test_protocols(void **state)
{
    (void)state;
    assert_int_equal(parse_one(16, TEXT("\0\x0a\x09stun.turn")), 0);
    assert_true(client_hello_offers(&hello, "stun.turn"));
    assert_int_equal(parse_one(16, TEXT("")), -EPROTO);
    assert_int_equal(parse_one(16, TEXT("\0\0")), -EPROTO);
    assert_int_equal(parse_one(16, TEXT("\0\x01\0")), -EPROTO);
    assert_int_equal(parse_one(16, TEXT("\0\x02\x02x")), -EPROTO);
    assert_int_equal(parse_one(16, TEXT("\0\x02\x01xy")), -EPROTO);
    assert_int_equal(parse_one(16, TEXT("\0\x03\x01x\0")), -EPROTO);
}

static void test_twice(void **state)
{
    struct bytes extensions = {.size = 0};

    (void)state;
    put_extension(&extensions, 16, TEXT("\0\x02\x01x"));
    put_extension(&extensions, 99, TEXT("any"));
    assert_int_equal(parse_with(&extensions), 0);
    put_extension(&extensions, 16, TEXT("\0\x02\x01x"));
    assert_int_equal(parse_with(&extensions), -EPROTO);
}

/* Each byte of a good message, changed or cut off, is refused or understood, and never read beyond.
 */
static void test_every_cut(void **state)
{
    struct bytes records = {.size = 0};
    size_t needed = 0;

    (void)state;
    make_foreign(&records, "example.org", "\x09stun.turn", 10);
    for (size_t size = 10; size < records.size; size++) {
        struct bytes cut = records;
        cut.data[3] = (uint8_t)((size - 5) >> 8);
        cut.data[4] = (uint8_t)(size - 5);
        cut.data[7] = (uint8_t)((size - 9) >> 8);
        cut.data[8] = (uint8_t)(size - 9);
        int status = parse(cut.data, size, &needed);
        assert_true(status == -EPROTO || status == 0);
    }
    for (size_t i = 0; i < records.size; i++) {
        struct bytes changed = records;
        changed.data[i] ^= 0xFF;
        (void)parse(changed.data, changed.size, &needed);
    }
}

static void test_bounds(void **state)
{
    struct bytes message = {.size = 0};
    struct bytes records = {.size = 0};
    size_t needed = 0;

    (void)state;
    assert_int_equal(
        parse((const uint8_t *)"\x16\x03\x01\x00\x05\x01\x00\xff\xff\x00", 10, &needed), -EMSGSIZE);
    assert_int_equal(parse((const uint8_t *)"\x16\x03\x01\x40\x01", 5, &needed), -EPROTO);
    assert_int_equal(parse((const uint8_t *)"\x16\x03\x01\x00\x00", 5, &needed), -EPROTO);
    assert_int_equal(parse((const uint8_t *)"\x16\x02", 2, &needed), -EPROTO);
    assert_int_equal(parse((const uint8_t *)"\x15", 1, &needed), -EPROTO);
    assert_int_equal(parse((const uint8_t *)"", 0, &needed), -EAGAIN);
    put_number(&message, 1, 1);
    put_number(&message, 9000, 3);
    while (message.size < 9004) {
        put_number(&message, 0, 1);
    }
    make_records(&records, &message, 2); /* seven bytes each: more than 16 KiB */
    assert_int_equal(parse(records.data, CLIENT_HELLO_SIZE_MAX, &needed), -EMSGSIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openssl),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_without_extensions),
        cmocka_unit_test(test_server_names),
        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests_name("client_hello", tests, NULL, NULL);
}
