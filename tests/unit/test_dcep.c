/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stunclient/peer/dcep.h"

#include <stdlib.h>
#include <string.h>

/* Written by hand from the figures of RFC 8832 §5. */
static const uint8_t open_bytes[] = {0x03, 0x81, 0x01, 0x00, 0x00, 0x00, 0x00, 0x05, 0x00, 0x04,
                                     0x00, 0x03, 'p',  'i',  'p',  'e',  'f',  'o',  'o'};

static void test_parse(void **state)
{
    struct dcep_open open;
    enum dcep_type type;

    (void)state;
    assert_true(dcep_parse(open_bytes, sizeof open_bytes, &type, &open));
    assert_int_equal(type, DCEP_OPEN);
    assert_int_equal(open.channel_type, DCEP_LIMITED_RETRANSMITS | DCEP_UNORDERED);
    assert_int_equal(open.priority, DCEP_PRIORITY_NORMAL);
    assert_int_equal(open.reliability, 5);
    assert_int_equal(open.label_size, 4);
    assert_memory_equal(open.label, "pipe", 4);
    assert_int_equal(open.protocol_size, 3);
    assert_memory_equal(open.protocol, "foo", 3);
    assert_true(dcep_parse((const uint8_t *)"\x02", 1, &type, &open));
    assert_int_equal(type, DCEP_ACK);
    assert_true(dcep_parse((const uint8_t *)"\x02\0\0\0", 4, &type, &open)); /* as pion's */
    assert_int_equal(type, DCEP_ACK);
}

static void test_bad(void **state)
{
    struct dcep_open open;
    enum dcep_type type;
    uint8_t bytes[sizeof open_bytes + 1] = {0};

    (void)state;
    for (size_t size = 0; size < sizeof open_bytes; size++) {
        uint8_t *exact = malloc(size + 1); /* so that a sanitizer sees a byte too many */
        memcpy(exact, open_bytes, size);
        uint8_t *end = realloc(exact, size > 0 ? size : 1);
        assert_non_null(end);
        assert_false(dcep_parse(end, size, &type, &open));
        free(end);
    }
    memcpy(bytes, open_bytes, sizeof open_bytes);
    assert_false(dcep_parse(bytes, sizeof bytes, &type, &open)); /* a byte too many */
    bytes[8] = 0xFF;                                             /* a label that is too long */
    assert_false(dcep_parse(bytes, sizeof open_bytes, &type, &open));
    memcpy(bytes, open_bytes, sizeof open_bytes);
    bytes[1] = 0x03; /* no such channel type */
    assert_false(dcep_parse(bytes, sizeof open_bytes, &type, &open));
    bytes[1] = 0x00;
    bytes[0] = 0x01; /* no such message */
    assert_false(dcep_parse(bytes, sizeof open_bytes, &type, &open));
}

static void test_build(void **state)
{
    const struct dcep_open open = {
        .channel_type = DCEP_LIMITED_RETRANSMITS | DCEP_UNORDERED,
        .priority = DCEP_PRIORITY_NORMAL,
        .reliability = 5,
        .label = "pipe",
        .protocol = "foo",
        .label_size = 4,
        .protocol_size = 3,
    };
    uint8_t bytes[64];

    (void)state;
    assert_int_equal(dcep_build_open(bytes, sizeof open_bytes - 1, &open), 0);
    assert_int_equal(dcep_build_open(bytes, sizeof open_bytes, &open), sizeof open_bytes);
    assert_memory_equal(bytes, open_bytes, sizeof open_bytes);
    assert_int_equal(dcep_build_ack(bytes, 0), 0);
    assert_int_equal(dcep_build_ack(bytes, 1), 1);
    assert_int_equal(bytes[0], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_build),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
