/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "wire/proxy_header.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
/* A header of literal bytes, zeros included. */
#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

/* Parses a copy of exactly that size, so that a sanitizer sees a read behind it. */
static int parse(const uint8_t *bytes, size_t size, struct proxy_header *header, size_t *needed)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    int status = proxy_header_parse(copy, size, header, needed);
    free(copy);
    return status;
}

/* The header is good, followed by other bytes or not, and no beginning of it is taken for whole. */
static void assert_header(const uint8_t *bytes, size_t size, const char *source,
                          const char *destination)
{
    struct proxy_header header;
    uint8_t longer[8192];
    char text[ADDRESS_TEXT_SIZE];
    size_t needed = 0;

    for (size_t part = 0; part < size; part++) {
        assert_int_equal(parse(bytes, part, &header, &needed), -EAGAIN);
        assert_in_range(needed, part + 1, size);
    }
    memcpy(longer, bytes, size);
    memset(longer + size, 0xFF, 7);
    for (size_t more = 0; more < 8; more += 7) {
        assert_int_equal(parse(longer, size + more, &header, &needed), 0);
        assert_int_equal(header.size, size);
        assert_string_equal(address_format(&header.source, text), source);
        assert_string_equal(address_format(&header.destination, text), destination);
    }
}

static void assert_refused(const uint8_t *bytes, size_t size)
{
    struct proxy_header header;
    size_t needed = 0;

    assert_int_equal(parse(bytes, size, &header, &needed), -EPROTO);
}

static void test_version_1(void **state)
{
    (void)state;
    assert_header(BYTES("PROXY TCP4 192.0.2.1 198.51.100.9 65535 0\r\n"), "192.0.2.1:65535",
                  "198.51.100.9:0");
    assert_header(BYTES("PROXY TCP6 2001:db8::1 2001:DB8::2 1 443\r\n"), "[2001:db8::1]:1",
                  "[2001:db8::2]:443");
    assert_header(BYTES("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 443\r\n"), "192.0.2.1:1",
                  "192.0.2.2:443");
    assert_header(BYTES("PROXY UNKNOWN\r\n"), "none", "none");
    assert_header(BYTES("PROXY UNKNOWN whatever 1\r\n"), "none", "none");
    /* The longest of the specification, 107 bytes. */
    assert_header(BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
                  "none", "none");
}

static void test_version_2(void **state)
{
    (void)state;
    assert_header(BYTES(SIGNATURE "\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x09\x12\x34\0\x50"),
                  "192.0.2.1:4660", "198.51.100.9:80");
    assert_header(BYTES(SIGNATURE "\x21\x21\0\x24"
                                  " \x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                                  " \x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\0\x01\0\x02"),
                  "[2001:db8::1]:1", "[2001:db8::2]:2");
    assert_header(BYTES(SIGNATURE "\x21\x11\0\x13\xc0\0\x02\x01\xc6\x33\x64\x09\x12\x34\0\x50"
                                  "\x01\0\x01x\x04\0\0"),
                  "192.0.2.1:4660", "198.51.100.9:80");
    assert_header(BYTES(SIGNATURE "\x20\0\0\0"), "none", "none");
    assert_header(BYTES(SIGNATURE "\x20\x31\0\x02xx"), "none", "none");
    assert_header(BYTES(SIGNATURE "\x21\0\0\x03xxx"), "none", "none");
}

/* The checksum by Python: of the header with zeros in its place. */
static void test_checksum(void **state)
{
    (void)state;
    uint8_t bytes[] = SIGNATURE "\x21\x11\0\x1b\xc0\0\x02\x01\xc6\x33\x64\x09\x12\x34\0\x50"
                                "\x01\0\x01x\x03\0\x04\x65\xc2\x3f\x4a\x04\0\x01y";
    struct proxy_header header;
    size_t needed;

    assert_header(bytes, sizeof bytes - 1, "192.0.2.1:4660", "198.51.100.9:80");
    for (size_t i = 16; i < sizeof bytes - 1; i++) {
        bool structure = (i >= 28 && i < 31) || (i >= 32 && i < 35) || (i >= 39 && i < 42);
        for (unsigned bit = 0; !structure && bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1u << bit);
            assert_int_equal(parse(bytes, sizeof bytes - 1, &header, &needed), -EPROTO);
            bytes[i] ^= (uint8_t)(1u << bit);
        }
    }
}

static void test_wrong(void **state)
{
    (void)state;
    assert_refused(BYTES("X"));
    assert_refused(BYTES("PROXX"));
    assert_refused(BYTES("PROXY \r\n"));
    assert_refused(BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"));
    assert_refused(BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"));
    assert_refused(BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n"));
    assert_refused(BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 02\r\n"));
    assert_refused(BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n"));
    assert_refused(BYTES("PROXY TCP4 ::1 ::1 1 2\r\n"));
    assert_refused(BYTES("PROXY TCP6 ::1%lo ::1 1 2\r\n"));
    assert_refused(BYTES("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"));
    assert_refused(BYTES("PROXY UNKNOWN\0"));
    assert_refused(BYTES(SIGNATURE "\x11"));
    assert_refused(BYTES(SIGNATURE "\x22"));
    assert_refused(BYTES(SIGNATURE "\x21\x12\0\x0c____________"));
    assert_refused(BYTES(SIGNATURE "\x21\x11\0\x0b___________"));
    assert_refused(BYTES(SIGNATURE "\x21\x11\0\x0e______________"));
    assert_refused(BYTES(SIGNATURE "\x21\x11\0\x0f____________\x01\0\x01"));
    assert_refused(BYTES(SIGNATURE "\x21\x11\x10\0")); /* longer than we take */
}

static void test_endless_line(void **state)
{
    static const char begin[] = "PROXY UNKNOWN ";
    uint8_t line[200];
    struct proxy_header header;
    size_t needed = 0;

    (void)state;
    memset(line, 'x', sizeof line);
    for (size_t i = 0; begin[i] != '\0'; i++) {
        line[i] = (uint8_t)begin[i];
    }
    assert_int_equal(parse(line, 106, &header, &needed), -EAGAIN);
    assert_int_equal(parse(line, 107, &header, &needed), -EPROTO);
    assert_int_equal(parse(line, 200, &header, &needed), -EPROTO);
}

static void test_written_is_read(void **state)
{
    static const char *const texts[] = {"192.0.2.1:1", "[2001:db8::1]:65535"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint8_t bytes[PROXY_HEADER_WRITE_SIZE];
        struct stun_address address;
        assert_true(address_parse(&address, texts[i]));
        size_t size = proxy_header_write(bytes, &address, &address);
        assert_int_equal(size, i == 0 ? 28 : 52);
        assert_header(bytes, size, texts[i], texts[i]);
    }
    uint8_t mixed[PROXY_HEADER_WRITE_SIZE];
    struct stun_address source, destination;
    assert_true(address_parse(&source, texts[0]) && address_parse(&destination, texts[1]));
    assert_int_equal(proxy_header_write(mixed, &source, &destination), 52);
    assert_header(mixed, 52, texts[0], texts[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_1),    cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_checksum),     cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_endless_line), cmocka_unit_test(test_written_is_read),
    };
    return cmocka_run_group_tests_name("proxy_header", tests, NULL, NULL);
}
