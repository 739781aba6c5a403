/* SPDX-License-Identifier: BSD-3-Clause */
/* Framing and parsing: what is a message, what is malformed, what is visible. */
#include "stun_test.h"
#include "tests/vectors/stun_messages.h"

#define COOKIE "2112a442"
#define ID "0102030405060708090a0b0c"

/* Parses bytes given in hexadecimal from a heap block of their size, which leaks into `*kept`. */
static int parse_hex(struct stun_view *view, const char *hex, uint8_t **kept)
{
    uint8_t bytes[4096];
    size_t size = from_hex(hex, bytes, sizeof bytes);

    *kept = exact_copy(bytes, size);
    return stun_view_parse(view, *kept, size);
}

static void assert_parses_to(const char *hex, int expected)
{
    struct stun_view view;
    uint8_t *kept;

    assert_int_equal(parse_hex(&view, hex, &kept), expected);
    free(kept);
}

/* ---- demultiplexing -------------------------------------------------------------------------- */

static void tells_first_bytes(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        enum stun_protocol expected = byte <= 3                   ? STUN_PROTOCOL_STUN
                                      : byte < 16                 ? STUN_PROTOCOL_UNKNOWN
                                      : byte <= 19                ? STUN_PROTOCOL_ZRTP
                                      : byte <= 63                ? STUN_PROTOCOL_DTLS
                                      : byte <= 79                ? STUN_PROTOCOL_CHANNEL
                                      : byte >= 128 && byte < 192 ? STUN_PROTOCOL_RTP
                                                                  : STUN_PROTOCOL_UNKNOWN;
        assert_int_equal(stun_first_byte((uint8_t)byte), expected);
    }
}

/* ---- framing --------------------------------------------------------------------------------- */

static void frames_message_byte_by_byte(void **state)
{
    (void)state;
    size_t frame_size = 77;

    for (size_t size = 0; size <= sizeof vector_request; size++) {
        uint8_t *copy = exact_copy(vector_request, size);
        int expected = size < sizeof vector_request ? STUN_ERROR_TRUNCATED : STUN_PROTOCOL_STUN;
        assert_int_equal(stun_stream_next(copy, size, &frame_size), expected);
        assert_int_equal(frame_size, size < 4 ? 0 : sizeof vector_request);
        free(copy);
    }
}

static void frames_padded_channel_data(void **state)
{
    (void)state;
    uint8_t bytes[] = {0x40, 0x01, 0x00, 0x05, 'h', 'e', 'l', 'l', 'o', 0, 0, 0, 0x00};
    size_t frame_size = 77;

    for (size_t size = 0; size <= sizeof bytes; size++) {
        int expected = size < 12 ? STUN_ERROR_TRUNCATED : STUN_PROTOCOL_CHANNEL;
        assert_int_equal(stun_stream_next(bytes, size, &frame_size), expected);
        assert_int_equal(frame_size, size < 4 ? 0 : 12);
    }
    bytes[3] = 0; /* empty ChannelData is the header alone */
    assert_int_equal(stun_stream_next(bytes, 4, &frame_size), STUN_PROTOCOL_CHANNEL);
    assert_int_equal(frame_size, 4);
}

static void frames_largest(void **state)
{
    (void)state;
    uint8_t *bytes = calloc(1, STUN_MESSAGE_SIZE_MAX);
    size_t frame_size;

    from_hex("0001 fffc " COOKIE, bytes, 8);
    assert_int_equal(stun_stream_next(bytes, STUN_MESSAGE_SIZE_MAX - 1, &frame_size),
                     STUN_ERROR_TRUNCATED);
    assert_int_equal(stun_stream_next(bytes, STUN_MESSAGE_SIZE_MAX, &frame_size),
                     STUN_PROTOCOL_STUN);
    assert_int_equal(frame_size, STUN_MESSAGE_SIZE_MAX);
    from_hex("4fff ffff", bytes, 4);
    assert_int_equal(stun_stream_next(bytes, 65539, &frame_size), STUN_ERROR_TRUNCATED);
    assert_int_equal(stun_stream_next(bytes, 65540, &frame_size), STUN_PROTOCOL_CHANNEL);
    assert_int_equal(frame_size, 65540);
    free(bytes);
}

static void refuses_other_streams(void **state)
{
    (void)state;
    static const char *const streams[] = {
        "16",       /* TLS */
        "80",       /* RTP */
        "47455420", /* "GET ": a channel's first byte, but see below */
        "c0",       /* above the channels */
        "04",       /* above STUN */
        "ff",
        "0001 0001 2112a442", /* length not a multiple of four */
        "0001 0002",
        "0001 0000 20", /* the cookie is wrong from its first byte */
        "0001 0000 2113",
        "0001 0000 2112a443",
    };
    uint8_t bytes[16];
    size_t frame_size = 77;

    for (size_t i = 0; i < COUNT(streams); i++) {
        size_t size = from_hex(streams[i], bytes, sizeof bytes);
        int expected = bytes[0] == 'G' ? STUN_ERROR_TRUNCATED : STUN_ERROR_NOT_STUN;
        assert_int_equal(stun_stream_next(bytes, size, &frame_size), expected);
        assert_int_equal(frame_size, bytes[0] == 'G' ? 4 + 0x5420 : 0);
    }
}

/* ---- header ---------------------------------------------------------------------------------- */

static void reads_every_method_and_class(void **state)
{
    (void)state;
    static const uint8_t id[12] = {1, 2, 3};
    struct stun_builder builder;
    struct stun_view view;
    uint8_t bytes[20];

    for (uint16_t method = 0; method <= 0xFFF; method++)
        for (int class = STUN_REQUEST; class <= STUN_ERROR; class ++) {
            stun_builder_begin(&builder, bytes, sizeof bytes, (enum stun_class) class, method, id);
            assert_int_equal(stun_builder_finish(&builder), 20);
            assert_int_equal(stun_view_parse(&view, bytes, 20), STUN_OK);
            assert_int_equal(view.method, method);
            assert_int_equal(view.message_class, class);
        }
}

static void reads_known_types(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        uint16_t method;
        enum stun_class message_class;
    } types[] = {
        {"0001", STUN_BINDING, STUN_REQUEST},
        {"0011", STUN_BINDING, STUN_INDICATION},
        {"0101", STUN_BINDING, STUN_SUCCESS},
        {"0111", STUN_BINDING, STUN_ERROR},
        {"0003", STUN_ALLOCATE, STUN_REQUEST},
        {"0113", STUN_ALLOCATE, STUN_ERROR},
        {"0104", STUN_REFRESH, STUN_SUCCESS},
        {"0016", STUN_SEND, STUN_INDICATION},
        {"0017", STUN_DATA, STUN_INDICATION},
        {"0108", STUN_CREATE_PERMISSION, STUN_SUCCESS},
        {"0119", STUN_CHANNEL_BIND, STUN_ERROR},
        {"000a", STUN_CONNECT, STUN_REQUEST},
        {"010b", STUN_CONNECTION_BIND, STUN_SUCCESS},
        {"001c", STUN_CONNECTION_ATTEMPT, STUN_INDICATION},
        {"3fff", 0xFFF, STUN_ERROR},
    };

    for (size_t i = 0; i < COUNT(types); i++) {
        char hex[64];
        struct stun_view view;
        uint8_t *kept;
        snprintf(hex, sizeof hex, "%s 0000" COOKIE ID, types[i].type);
        assert_int_equal(parse_hex(&view, hex, &kept), STUN_OK);
        assert_int_equal(view.method, types[i].method);
        assert_int_equal(view.message_class, types[i].message_class);
        assert_int_equal(view.attribute_count, 0);
        assert_int_equal(view.size, 20);
        assert_ptr_equal(view.bytes, kept);
        assert_ptr_equal(view.transaction_id, kept + 8);
        free(kept);
    }
}

static void reads_classic(void **state)
{
    (void)state;
    struct stun_view view;
    uint8_t *kept;

    assert_int_equal(parse_hex(&view, "0001 0008 00112233 " ID " 0003 0004 00000006", &kept),
                     STUN_OK);
    assert_true(view.classic);
    assert_true(stun_view_has(&view, STUN_CHANGE_REQUEST));
    free(kept);
    assert_parses_to("0001 0002 00112233 " ID " 0003", STUN_ERROR_MALFORMED);
}

static void refuses_headers(void **state)
{
    (void)state;
    assert_parses_to("", STUN_ERROR_TRUNCATED);
    assert_parses_to("00", STUN_ERROR_TRUNCATED);
    assert_parses_to("40", STUN_ERROR_NOT_STUN);
    assert_parses_to("80 01 0000" COOKIE ID, STUN_ERROR_NOT_STUN);
    assert_parses_to("c0 01 0000" COOKIE ID, STUN_ERROR_NOT_STUN);
    assert_parses_to("0001 0000" COOKIE "0102030405060708090a0b", STUN_ERROR_TRUNCATED);
    assert_parses_to("0001 0004" COOKIE ID, STUN_ERROR_TRUNCATED);
    assert_parses_to("0001 0004" COOKIE ID "000000", STUN_ERROR_TRUNCATED);
    assert_parses_to("0001 0000" COOKIE ID "00", STUN_ERROR_MALFORMED);
    assert_parses_to("0001 0000" COOKIE ID "80220000", STUN_ERROR_MALFORMED);
    assert_parses_to("0001 fffc" COOKIE ID, STUN_ERROR_TRUNCATED);
    /* the length field's last two bits are zero: RFC 8489 §5 */
    assert_parses_to("0001 0001" COOKIE ID "00", STUN_ERROR_MALFORMED);
    assert_parses_to("0001 0002" COOKIE ID "8022", STUN_ERROR_MALFORMED);
    assert_parses_to("0001 0005" COOKIE ID "80220001 41", STUN_ERROR_MALFORMED);
}

/* ---- attributes ------------------------------------------------------------------------------ */

static void checks_attribute_sizes(void **state)
{
    (void)state;
    assert_parses_to("0001 0004" COOKIE ID "8022 0000", STUN_OK);
    assert_parses_to("0001 0004" COOKIE ID "8022 0001", STUN_ERROR_MALFORMED);
    assert_parses_to("0001 0004" COOKIE ID "8022 ffff", STUN_ERROR_MALFORMED);
    assert_parses_to("0001 0004" COOKIE ID "8022 fffc", STUN_ERROR_MALFORMED);
    assert_parses_to("0001 0008" COOKIE ID "8022 0001 41000000", STUN_OK);
    assert_parses_to("0001 0008" COOKIE ID "8022 0001 41fffefd", STUN_OK); /* any padding */
    assert_parses_to("0001 0008" COOKIE ID "8022 0004 41424344", STUN_OK);
    assert_parses_to("0001 0008" COOKIE ID "8022 0005 41424344", STUN_ERROR_MALFORMED);
    assert_parses_to("0001 0008" COOKIE ID "8022 0008 41424344", STUN_ERROR_MALFORMED);
    assert_parses_to("0001 000c" COOKIE ID "8022 0005 41424344 45000000", STUN_OK);
    assert_parses_to("0001 000c" COOKIE ID "8022 0001 41000000 0025 0001", STUN_ERROR_MALFORMED);
    /* a broken attribute is an error even where it would not be visible */
    assert_parses_to("0001 001c" COOKIE ID "0008 0014" ID "0102030405060708 8022 0001",
                     STUN_ERROR_MALFORMED);
}

static void borrows_values(void **state)
{
    (void)state;
    struct stun_view view;
    uint8_t *kept;

    assert_int_equal(
        parse_hex(&view, "0001 0014" COOKIE ID "0025 0000 8022 0003 61626300 0024 0004 01020304",
                  &kept),
        STUN_OK);
    assert_int_equal(view.attribute_count, 3);
    assert_int_equal(view.attributes[0].type, STUN_USE_CANDIDATE);
    assert_int_equal(view.attributes[0].size, 0);
    assert_ptr_equal(view.attributes[0].value, kept + 24);
    assert_int_equal(view.attributes[1].size, 3);
    assert_ptr_equal(view.attributes[1].value, kept + 28);
    assert_ptr_equal(view.attributes[2].value, kept + 36);
    assert_ptr_equal(stun_view_find(&view, STUN_PRIORITY), &view.attributes[2]);
    assert_null(stun_view_find(&view, STUN_NONCE));
    free(kept);
}

static void first_of_a_type_counts(void **state)
{
    (void)state;
    struct stun_view view;
    uint8_t *kept;
    uint32_t lifetime;

    assert_int_equal(
        parse_hex(&view, "0001 0010" COOKIE ID "000d 0004 00000001 000d 0004 00000002", &kept),
        STUN_OK);
    assert_int_equal(view.attribute_count, 2);
    assert_int_equal(stun_view_u32(&view, STUN_LIFETIME, &lifetime), STUN_OK);
    assert_int_equal(lifetime, 1);
    free(kept);
}

static void bounds_attributes(void **state)
{
    (void)state;
    uint8_t bytes[20 + 4 * (STUN_ATTRIBUTES_MAX + 40)] = {0};
    struct stun_view view;
    size_t size = 20 + 4 * STUN_ATTRIBUTES_MAX;

    from_hex("0001 0000" COOKIE ID, bytes, sizeof bytes);
    bytes[3] = 4 * STUN_ATTRIBUTES_MAX;
    assert_int_equal(stun_view_parse(&view, bytes, size), STUN_OK);
    assert_int_equal(view.attribute_count, STUN_ATTRIBUTES_MAX);
    bytes[3] += 4;
    assert_int_equal(stun_view_parse(&view, bytes, size + 4), STUN_ERROR_TOO_MANY);
    /* what is not visible does not count */
    from_hex("0008 0000", bytes + 20, 4);
    assert_int_equal(stun_view_parse(&view, bytes, size + 4), STUN_OK);
    assert_int_equal(view.attribute_count, 1);
}

static void largest_message(void **state)
{
    (void)state;
    uint8_t *bytes = calloc(1, STUN_MESSAGE_SIZE_MAX);
    struct stun_view view;

    from_hex("0016 fffc" COOKIE ID "0013 fff8", bytes, 24);
    assert_int_equal(stun_view_parse(&view, bytes, STUN_MESSAGE_SIZE_MAX), STUN_OK);
    assert_int_equal(stun_view_find(&view, STUN_DATA_VALUE)->size, 0xfff8);
    from_hex("fff9", bytes + 22, 2);
    assert_int_equal(stun_view_parse(&view, bytes, STUN_MESSAGE_SIZE_MAX), STUN_ERROR_MALFORMED);
    from_hex("ffff", bytes + 22, 2);
    assert_int_equal(stun_view_parse(&view, bytes, STUN_MESSAGE_SIZE_MAX), STUN_ERROR_MALFORMED);
    free(bytes);
}

/* ---- visibility ------------------------------------------------------------------------------ */

/* Every attribute is empty here; sizes are the integrity tests' matter. */
static void assert_visible(const uint16_t *types, size_t count, const uint16_t *visible,
                           size_t visible_count)
{
    uint8_t bytes[256];
    struct stun_view view;

    from_hex("0001 0000" COOKIE ID, bytes, sizeof bytes);
    bytes[3] = (uint8_t)(4 * count);
    for (size_t i = 0; i < count; i++) {
        bytes[20 + 4 * i] = (uint8_t)(types[i] >> 8);
        bytes[21 + 4 * i] = (uint8_t)types[i];
        bytes[22 + 4 * i] = bytes[23 + 4 * i] = 0;
    }
    assert_int_equal(stun_view_parse(&view, bytes, 20 + 4 * count), STUN_OK);
    assert_int_equal(view.attribute_count, visible_count);
    for (size_t i = 0; i < visible_count; i++)
        assert_int_equal(view.attributes[i].type, visible[i]);
}

#define ASSERT_VISIBLE(types, ...)                                      \
    do {                                                                \
        const uint16_t visible_[] = {__VA_ARGS__};                      \
        assert_visible(types, COUNT(types), visible_, COUNT(visible_)); \
    } while (0)

enum {
    U = STUN_USERNAME,
    P = STUN_XOR_PEER_ADDRESS,
    I = STUN_MESSAGE_INTEGRITY,
    S = STUN_MESSAGE_INTEGRITY_SHA256,
    F = STUN_FINGERPRINT,
};

static void hides_what_follows_integrity(void **state)
{
    (void)state;
    ASSERT_VISIBLE(((const uint16_t[]){U, I}), U, I);
    ASSERT_VISIBLE(((const uint16_t[]){U, I, P}), U, I);
    ASSERT_VISIBLE(((const uint16_t[]){U, I, P, F}), U, I, F);
    ASSERT_VISIBLE(((const uint16_t[]){U, I, P, S, P, F}), U, I, S, F);
    ASSERT_VISIBLE(((const uint16_t[]){U, I, S, F}), U, I, S, F);
    ASSERT_VISIBLE(((const uint16_t[]){U, I, I, S, S, F, F}), U, I, S, F);
    ASSERT_VISIBLE(((const uint16_t[]){U, S, I, P, F}), U, S, F);
    ASSERT_VISIBLE(((const uint16_t[]){U, S, S, F}), U, S, F);
    ASSERT_VISIBLE(((const uint16_t[]){U, F, P}), U, F);
    ASSERT_VISIBLE(((const uint16_t[]){U, F, I, S}), U, F);
    ASSERT_VISIBLE(((const uint16_t[]){I, F, S}), I, F);
}

/* ---- unknown attributes ---------------------------------------------------------------------- */

static void lists_unknown(void **state)
{
    (void)state;
    static const uint16_t known[] = {STUN_USERNAME, STUN_PRIORITY};
    struct stun_view view;
    uint16_t types[STUN_UNKNOWN_MAX];
    uint8_t *kept;

    assert_int_equal(
        parse_hex(&view,
                  "0001 001c" COOKIE ID
                  "0006 0000 7fff 0000 8000 0000 0024 0000 7001 0000 7fff 0000 ffff 0000",
                  &kept),
        STUN_OK);
    assert_int_equal(stun_view_list_unknown(&view, known, COUNT(known), types), 2);
    assert_int_equal(types[0], 0x7fff);
    assert_int_equal(types[1], 0x7001);
    assert_int_equal(stun_view_list_unknown(&view, NULL, 0, types), 4);
    free(kept);
}

static void bounds_unknown(void **state)
{
    (void)state;
    uint8_t bytes[20 + 4 * (STUN_UNKNOWN_MAX + 1)] = {0};
    uint16_t types[STUN_UNKNOWN_MAX];
    struct stun_view view;

    from_hex("0001 0000" COOKIE ID, bytes, sizeof bytes);
    bytes[3] = sizeof bytes - 20;
    for (size_t i = 0; i <= STUN_UNKNOWN_MAX; i++)
        bytes[20 + 4 * i] = 0x70, bytes[21 + 4 * i] = (uint8_t)i;
    assert_int_equal(stun_view_parse(&view, bytes, sizeof bytes), STUN_OK);
    assert_int_equal(stun_view_list_unknown(&view, NULL, 0, types), STUN_UNKNOWN_MAX);
    assert_int_equal(types[STUN_UNKNOWN_MAX - 1], 0x7000 + STUN_UNKNOWN_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_first_bytes),
        cmocka_unit_test(frames_message_byte_by_byte),
        cmocka_unit_test(frames_padded_channel_data),
        cmocka_unit_test(frames_largest),
        cmocka_unit_test(refuses_other_streams),
        cmocka_unit_test(reads_every_method_and_class),
        cmocka_unit_test(reads_known_types),
        cmocka_unit_test(reads_classic),
        cmocka_unit_test(refuses_headers),
        cmocka_unit_test(checks_attribute_sizes),
        cmocka_unit_test(borrows_values),
        cmocka_unit_test(first_of_a_type_counts),
        cmocka_unit_test(bounds_attributes),
        cmocka_unit_test(largest_message),
        cmocka_unit_test(hides_what_follows_integrity),
        cmocka_unit_test(lists_unknown),
        cmocka_unit_test(bounds_unknown),
    };
    return cmocka_run_group_tests_name("stun_view", tests, NULL, NULL);
}
