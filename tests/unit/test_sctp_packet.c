/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stunclient/peer/crc32c.h"
#include "stunclient/peer/sctp_packet.h"

#include <stdlib.h>
#include <string.h>

/* RFC 3720 §B.4, and the check value of every catalogue of CRCs. */
static void test_crc32c(void **state)
{
    static const struct {
        uint8_t first;
        int step;
        uint32_t sum;
    } vectors[] = {
        {0x00, 0, 0x8A9136AA},
        {0xFF, 0, 0x62A8AB43},
        {0x00, 1, 0x46DD794E},
        {0x1F, -1, 0x113FDB5C},
    };
    uint8_t bytes[32];

    (void)state;
    if (!crc32c_present()) {
        skip();
    }
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        for (int j = 0; j < 32; j++) {
            bytes[j] = (uint8_t)(vectors[i].first + vectors[i].step * j);
        }
        assert_int_equal(crc32c(0, bytes, sizeof bytes), vectors[i].sum);
        for (size_t cut = 0; cut <= sizeof bytes; cut++) { /* in two parts, of any alignment */
            assert_int_equal(crc32c(crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut),
                             vectors[i].sum);
        }
    }
    assert_int_equal(crc32c(0, (const uint8_t *)"123456789", 9), 0xE3069283);
}

static void test_checksum(void **state)
{
    uint8_t packet[40] = {0x13, 0x88, 0x13, 0x88, 1, 2, 3, 4};

    (void)state;
    if (!crc32c_present()) {
        skip();
    }
    for (size_t size = SCTP_PACKET_HEADER_SIZE; size <= sizeof packet; size++) {
        sctp_packet_write_checksum(packet, size);
        assert_true(sctp_packet_is_good(packet, size));
        for (size_t i = 0; i < size; i++) {
            packet[i] ^= 0x10;
            assert_false(sctp_packet_is_good(packet, size));
            packet[i] ^= 0x10;
        }
    }
    assert_false(sctp_packet_is_good(packet, SCTP_PACKET_HEADER_SIZE - 1));
}

/* A SACK, two DATA chunks (a beginning of 5 bytes, an end of 1), padded. */
static const uint8_t packet_bytes[] = {
    0x13, 0x88, 0x13, 0x88, 0, 0, 0, 1, 0, 0, 0, 0,             /* header */
    3,    0,    0,    16,   0, 0, 0, 9, 0, 1, 0, 0, 0, 0, 0, 0, /* SACK */
    0,    2,    0,    21,   0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 53, 'b', 'e', 'g', 'i',
    'n',  0,    0,    0,                                                           /* DATA */
    0,    1,    0,    17,   0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 53, 'e', 0,   0,   0, /* DATA */
};

static void test_data(void **state)
{
    struct sctp_packet_data data;
    size_t place = 0;

    (void)state;
    assert_true(sctp_packet_next_data(packet_bytes, sizeof packet_bytes, &place, &data));
    assert_int_equal(data.tsn, 0x100);
    assert_int_equal(data.ppid, 53);
    assert_int_equal(data.size, 5);
    assert_false(data.last);
    assert_true(sctp_packet_next_data(packet_bytes, sizeof packet_bytes, &place, &data));
    assert_int_equal(data.tsn, 0x101);
    assert_int_equal(data.size, 1);
    assert_true(data.last);
    assert_false(sctp_packet_next_data(packet_bytes, sizeof packet_bytes, &place, &data));
}

static void test_cut(void **state)
{
    struct sctp_packet_data data;

    (void)state;
    for (size_t size = 0; size < sizeof packet_bytes; size++) {
        uint8_t *exact = malloc(size > 0 ? size : 1);
        size_t place = 0;
        unsigned count = 0;
        assert_non_null(exact);
        memcpy(exact, packet_bytes, size);
        while (sctp_packet_next_data(exact, size, &place, &data)) {
            count++;
        }
        assert_int_equal(count, size < 49 ? 0 : size < 69 ? 1 : 2);
        free(exact);
    }
    /* A length that leads nowhere. */
    uint8_t packet[sizeof packet_bytes];
    size_t place = 0;
    memcpy(packet, packet_bytes, sizeof packet);
    packet[15] = 0;
    assert_false(sctp_packet_next_data(packet, sizeof packet, &place, &data));
}

static void test_sack(void **state)
{
    static const uint8_t header[SCTP_PACKET_HEADER_SIZE] = {0x13, 0x88, 0x13, 0x88};
    uint8_t packet[SCTP_PACKET_HEADER_SIZE + 28] = {0};

    (void)state;
    memcpy(packet, header, sizeof header);
    memcpy(packet + 12, (const uint8_t[]){4, 0, 0, 9, 1, 2, 3, 4, 5}, 9); /* HEARTBEAT, padded */
    memcpy(packet + 24, (const uint8_t[]){3, 0, 0, 16}, 4);
    assert_true(sctp_packet_has_sack(packet, sizeof packet));
    assert_false(sctp_packet_has_sack(packet, 24));
    assert_false(sctp_packet_has_sack(packet, sizeof packet - 1)); /* cut short */
    packet[24] = 7;                                                /* SHUTDOWN */
    assert_false(sctp_packet_has_sack(packet, sizeof packet));
    packet[15] = 0; /* a chunk without a header */
    assert_false(sctp_packet_has_sack(packet, sizeof packet));
}

static void test_acknowledges(void **state)
{
    (void)state;
    assert_true(sctp_packet_acknowledges(packet_bytes, sizeof packet_bytes, 9));
    assert_true(sctp_packet_acknowledges(packet_bytes, sizeof packet_bytes, 8));
    assert_true(sctp_packet_acknowledges(packet_bytes, sizeof packet_bytes, 0xFFFFFFFE));
    assert_false(sctp_packet_acknowledges(packet_bytes, sizeof packet_bytes, 10));
    assert_false(sctp_packet_acknowledges(packet_bytes, 27, 9)); /* cut short */
    assert_false(sctp_packet_acknowledges(packet_bytes, SCTP_PACKET_HEADER_SIZE, 9));
}

static void test_abort_reason(void **state)
{
    /* A cause of another kind, padded; then words. */
    static const uint8_t chunk[] = {6, 0, 0, 19, 0, 13, 0,   5,   'x', 0,
                                    0, 0, 0, 12, 0, 7,  'b', 'y', 'e'};
    uint8_t other[sizeof chunk];
    size_t size = 0;

    (void)state;
    const char *reason = sctp_chunk_abort_reason(chunk, sizeof chunk, &size);
    assert_non_null(reason);
    assert_int_equal(size, 3);
    assert_memory_equal(reason, "bye", 3);
    for (size_t cut = 0; cut < sizeof chunk; cut++) {
        uint8_t *exact = malloc(cut > 0 ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, chunk, cut);
        assert_null(sctp_chunk_abort_reason(exact, cut, &size));
        free(exact);
    }
    memcpy(other, chunk, sizeof chunk);
    other[15] = 4; /* no words */
    assert_null(sctp_chunk_abort_reason(other, sizeof other, &size));
    other[7] = 0; /* a length that leads nowhere */
    assert_null(sctp_chunk_abort_reason(other, sizeof other, &size));
    memcpy(other, chunk, sizeof chunk);
    other[0] = 5;
    assert_null(sctp_chunk_abort_reason(other, sizeof other, &size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c),       cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_data),         cmocka_unit_test(test_sack),
        cmocka_unit_test(test_cut),          cmocka_unit_test(test_acknowledges),
        cmocka_unit_test(test_abort_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
