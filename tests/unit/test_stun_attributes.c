/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every attribute by hand-written bytes: what the builder writes for it, what the view reads from
 * it, and which sizes and contents are refused.
 */
#include "stun_test.h"

#define HEADER "0103 0000 2112a442 0102030405060708090a0b0c" /* Allocate success */

static const uint8_t id[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static const struct stun_address ipv4 = {
    .family = STUN_FAMILY_IPV4, .port = 3478, .ip = {192, 0, 2, 33}};
static const struct stun_address ipv6 = {
    .family = STUN_FAMILY_IPV6, .port = 0x1234, .ip = {0x20, 1, 0x0d, 0xb8, [15] = 0x21}};

/* One attribute, or several, in a message of its own. */
struct fixture {
    uint8_t bytes[1024];
    struct stun_builder builder;
    uint8_t *kept; /* what `view` borrows */
    struct stun_view view;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    if (fixture == NULL)
        return -1;
    stun_builder_begin(&fixture->builder, fixture->bytes, sizeof fixture->bytes, STUN_SUCCESS,
                       STUN_ALLOCATE, id);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    free(fixture->kept);
    free(fixture);
    return 0;
}

/* Parses a message that holds just these attribute bytes. */
static const struct stun_view *view_of(struct fixture *fixture, const char *hex)
{
    uint8_t bytes[1024];
    size_t size = from_hex(HEADER, bytes, sizeof bytes);

    size += from_hex(hex, bytes + size, sizeof bytes - size);
    bytes[2] = (uint8_t)((size - 20) >> 8);
    bytes[3] = (uint8_t)(size - 20);
    free(fixture->kept);
    fixture->kept = exact_copy(bytes, size);
    assert_int_equal(stun_view_parse(&fixture->view, fixture->kept, size), STUN_OK);
    return &fixture->view;
}

/* Holds what the builder wrote so far against the bytes, and begins anew. */
static void assert_built(struct fixture *fixture, const char *hex)
{
    uint8_t expected[1024];
    size_t size = from_hex(hex, expected, sizeof expected);

    assert_int_equal(stun_builder_finish(&fixture->builder), 20 + size);
    assert_int_equal(fixture->bytes[2] << 8 | fixture->bytes[3], size);
    assert_memory_equal(fixture->bytes + 20, expected, size);
    memset(fixture->bytes, 0xAA, sizeof fixture->bytes);
    stun_builder_begin(&fixture->builder, fixture->bytes, sizeof fixture->bytes, STUN_SUCCESS,
                       STUN_ALLOCATE, id);
}

/* ---- numbers --------------------------------------------------------------------------------- */

static const struct {
    uint16_t type;
    const char *hex; /* with the value 0x01020304 */
} u32_attributes[] = {
    {STUN_LIFETIME, "000d 0004 01020304"},      {STUN_PRIORITY, "0024 0004 01020304"},
    {STUN_CONNECTION_ID, "002a 0004 01020304"}, {STUN_CHANGE_REQUEST, "0003 0004 01020304"},
    {STUN_CACHE_TIMEOUT, "8027 0004 01020304"},
};

static void u32_attributes_stand(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT(u32_attributes); i++) {
        uint32_t value;
        stun_builder_put_u32(&fixture->builder, u32_attributes[i].type, 0x01020304);
        assert_built(fixture, u32_attributes[i].hex);
        const struct stun_view *view = view_of(fixture, u32_attributes[i].hex);
        assert_int_equal(stun_view_u32(view, u32_attributes[i].type, &value), STUN_OK);
        assert_int_equal(value, 0x01020304);
    }
}

static void u32_sizes(void **state)
{
    uint32_t value = 7;

    assert_int_equal(stun_view_u32(view_of(*state, ""), STUN_LIFETIME, &value), STUN_ERROR_ABSENT);
    static const char *const wrong[] = {"000d 0000", "000d 0003 01020300",
                                        "000d 0005 01020304 05000000",
                                        "000d 0008 01020304 05060708"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(stun_view_u32(view_of(*state, wrong[i]), STUN_LIFETIME, &value),
                         STUN_ERROR_VALUE);
    assert_int_equal(value, 7);
}

static void change_request_flags(void **state)
{
    struct fixture *fixture = *state;

    stun_builder_put_u32(&fixture->builder, STUN_CHANGE_REQUEST, STUN_CHANGE_IP | STUN_CHANGE_PORT);
    assert_built(fixture, "0003 0004 00000006");
}

static void u64_attributes_stand(void **state)
{
    static const struct {
        uint16_t type;
        const char *hex;
    } attributes[] = {
        {STUN_ICE_CONTROLLED, "8029 0008 0102030405060708"},
        {STUN_ICE_CONTROLLING, "802a 0008 0102030405060708"},
        {STUN_RESERVATION_TOKEN, "0022 0008 0102030405060708"},
    };
    struct fixture *fixture = *state;
    uint64_t value = 7;

    for (size_t i = 0; i < COUNT(attributes); i++) {
        stun_builder_put_u64(&fixture->builder, attributes[i].type, 0x0102030405060708);
        assert_built(fixture, attributes[i].hex);
        const struct stun_view *view = view_of(fixture, attributes[i].hex);
        assert_int_equal(stun_view_u64(view, attributes[i].type, &value), STUN_OK);
        assert_true(value == 0x0102030405060708);
    }
    assert_int_equal(
        stun_view_u64(view_of(fixture, "0022 0004 01020304"), STUN_RESERVATION_TOKEN, &value),
        STUN_ERROR_VALUE);
    assert_int_equal(stun_view_u64(view_of(fixture, "0022 0009 010203040506070809000000"),
                                   STUN_RESERVATION_TOKEN, &value),
                     STUN_ERROR_VALUE);
    assert_int_equal(stun_view_u64(&fixture->view, STUN_ICE_CONTROLLED, &value), STUN_ERROR_ABSENT);
}

static void u8_attributes_stand(void **state)
{
    struct fixture *fixture = *state;
    uint8_t value = 7;

    stun_builder_put_u8_reserved(&fixture->builder, STUN_REQUESTED_TRANSPORT, STUN_TRANSPORT_UDP);
    stun_builder_put_u8_reserved(&fixture->builder, STUN_REQUESTED_ADDRESS_FAMILY,
                                 STUN_FAMILY_IPV6);
    stun_builder_put_u8_reserved(&fixture->builder, STUN_ADDITIONAL_ADDRESS_FAMILY,
                                 STUN_FAMILY_IPV6);
    stun_builder_put_u8(&fixture->builder, STUN_EVEN_PORT, 0x80);
    assert_built(fixture, "0019 0004 11000000 0017 0004 02000000 8000 0004 02000000"
                          "0018 0001 80000000");

    /* reserved bytes and padding are ignored */
    view_of(fixture, "0019 0004 11abcdef 0018 0001 80ffffff");
    assert_int_equal(stun_view_u8(&fixture->view, STUN_REQUESTED_TRANSPORT, &value), STUN_OK);
    assert_int_equal(value, STUN_TRANSPORT_UDP);
    assert_int_equal(stun_view_u8(&fixture->view, STUN_EVEN_PORT, &value), STUN_OK);
    assert_int_equal(value, 0x80);
    static const char *const wrong[] = {"0018 0000", "0018 0002 80000000", "0018 0003 80000000",
                                        "0018 0008 8000000000000000"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(stun_view_u8(view_of(fixture, wrong[i]), STUN_EVEN_PORT, &value),
                         STUN_ERROR_VALUE);
    assert_int_equal(stun_view_u8(&fixture->view, STUN_REQUESTED_TRANSPORT, &value),
                     STUN_ERROR_ABSENT);
}

static void u16_attributes_stand(void **state)
{
    struct fixture *fixture = *state;
    uint16_t value = 7;

    stun_builder_put_u16_reserved(&fixture->builder, STUN_CHANNEL_NUMBER, 0x4001);
    stun_builder_put_u16_reserved(&fixture->builder, STUN_RESPONSE_PORT, 3479);
    assert_built(fixture, "000c 0004 40010000 0027 0004 0d970000");

    view_of(fixture, "000c 0004 4001ffff 0027 0002 0d97ffff");
    assert_int_equal(stun_view_u16(&fixture->view, STUN_CHANNEL_NUMBER, &value), STUN_OK);
    assert_int_equal(value, 0x4001);
    assert_int_equal(stun_view_u16(&fixture->view, STUN_RESPONSE_PORT, &value), STUN_OK);
    assert_int_equal(value, 3479);
    static const char *const wrong[] = {"0027 0000", "0027 0001 0d000000", "0027 0003 0d970000",
                                        "0027 0006 0d97000000000000"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(stun_view_u16(view_of(fixture, wrong[i]), STUN_RESPONSE_PORT, &value),
                         STUN_ERROR_VALUE);
    assert_int_equal(stun_view_u16(&fixture->view, STUN_CHANNEL_NUMBER, &value), STUN_ERROR_ABSENT);
}

/* ---- flags, bytes and text ------------------------------------------------------------------- */

static void flags_stand(void **state)
{
    struct fixture *fixture = *state;

    stun_builder_put_flag(&fixture->builder, STUN_USE_CANDIDATE);
    stun_builder_put_flag(&fixture->builder, STUN_DONT_FRAGMENT);
    assert_built(fixture, "0025 0000 001a 0000");
    view_of(fixture, "0025 0000 001a 0000");
    assert_true(stun_view_has(&fixture->view, STUN_USE_CANDIDATE));
    assert_true(stun_view_has(&fixture->view, STUN_DONT_FRAGMENT));
    assert_false(stun_view_has(&fixture->view, STUN_EVEN_PORT));
}

static void bytes_stand(void **state)
{
    static const struct {
        uint16_t type;
        const char *hex; /* with the value 01 02 03 04 05 */
    } attributes[] = {
        {STUN_DATA_VALUE, "0013 0005 0102030405000000"},
        {STUN_ACCESS_TOKEN, "001b 0005 0102030405000000"},
        {STUN_MOBILITY_TICKET, "8030 0005 0102030405000000"},
        {STUN_PADDING, "0026 0005 0102030405000000"},
        {STUN_USERHASH, "001e 0005 0102030405000000"},
        {0x7ABC, "7abc 0005 0102030405000000"},
    };
    static const uint8_t value[] = {1, 2, 3, 4, 5};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT(attributes); i++) {
        stun_builder_put_bytes(&fixture->builder, attributes[i].type, value, sizeof value);
        assert_built(fixture, attributes[i].hex);
        view_of(fixture, attributes[i].hex);
        const struct stun_attribute_view *attribute =
            stun_view_find(&fixture->view, attributes[i].type);
        assert_int_equal(attribute->size, sizeof value);
        assert_memory_equal(attribute->value, value, sizeof value);
    }
    stun_builder_put_bytes(&fixture->builder, STUN_DATA_VALUE, NULL, 0);
    assert_built(fixture, "0013 0000");
}

static void text_stands(void **state)
{
    static const struct {
        uint16_t type;
        const char *text, *hex;
    } attributes[] = {
        {STUN_USERNAME, "a", "0006 0001 61000000"},
        {STUN_REALM, "ab", "0014 0002 61620000"},
        {STUN_NONCE, "abc", "0015 0003 61626300"},
        {STUN_SOFTWARE, "abcd", "8022 0004 61626364"},
        {STUN_ALTERNATE_DOMAIN, "abcde", "8003 0005 6162636465000000"},
        {STUN_THIRD_PARTY_AUTHORIZATION, "", "802e 0000"},
        {STUN_ORIGIN, "x", "802f 0001 78000000"},
    };
    struct fixture *fixture = *state;
    const char *text;
    size_t size;

    for (size_t i = 0; i < COUNT(attributes); i++) {
        stun_builder_put_string(&fixture->builder, attributes[i].type, attributes[i].text);
        assert_built(fixture, attributes[i].hex);
        view_of(fixture, attributes[i].hex);
        assert_int_equal(stun_view_string(&fixture->view, attributes[i].type, &text, &size),
                         STUN_OK);
        assert_int_equal(size, strlen(attributes[i].text));
        assert_memory_equal(text, attributes[i].text, size);
    }
    assert_int_equal(stun_view_string(&fixture->view, STUN_REALM, &text, &size), STUN_ERROR_ABSENT);
}

/* ---- addresses ------------------------------------------------------------------------------- */

static void assert_same_address(const struct stun_address *a, const struct stun_address *b)
{
    assert_int_equal(a->family, b->family);
    assert_int_equal(a->port, b->port);
    assert_memory_equal(a->ip, b->ip, sizeof a->ip);
}

static void plain_addresses_stand(void **state)
{
    static const uint16_t types[] = {
        STUN_MAPPED_ADDRESS,   STUN_RESPONSE_ADDRESS, STUN_SOURCE_ADDRESS, STUN_CHANGED_ADDRESS,
        STUN_ALTERNATE_SERVER, STUN_RESPONSE_ORIGIN,  STUN_OTHER_ADDRESS,
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT(types); i++) {
        char hex4[64], hex6[96];
        struct stun_address address;
        snprintf(hex4, sizeof hex4, "%04x 0008 00 01 0d96 c0000221", types[i]);
        snprintf(hex6, sizeof hex6, "%04x 0014 00 02 1234 20010db8000000000000000000000021",
                 types[i]);
        stun_builder_put_address(&fixture->builder, types[i], &ipv4);
        assert_built(fixture, hex4);
        assert_int_equal(stun_view_address(view_of(fixture, hex4), types[i], &address), STUN_OK);
        assert_same_address(&address, &ipv4);
        stun_builder_put_address(&fixture->builder, types[i], &ipv6);
        assert_built(fixture, hex6);
        assert_int_equal(stun_view_address(view_of(fixture, hex6), types[i], &address), STUN_OK);
        assert_same_address(&address, &ipv6);
    }
}

static void xored_addresses_stand(void **state)
{
    static const uint16_t types[] = {STUN_XOR_MAPPED_ADDRESS, STUN_XOR_PEER_ADDRESS,
                                     STUN_XOR_RELAYED_ADDRESS};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT(types); i++) {
        char hex4[64], hex6[96];
        struct stun_address address;
        /* 0d96^2112, c0000221^2112a442; 1234^2112, the IP^2112a4420102…0c */
        snprintf(hex4, sizeof hex4, "%04x 0008 00 01 2c84 e112a663", types[i]);
        snprintf(hex6, sizeof hex6, "%04x 0014 00 02 3326 0113a9fa0102030405060708090a0b2d",
                 types[i]);
        stun_builder_put_xor_address(&fixture->builder, types[i], &ipv4);
        assert_built(fixture, hex4);
        assert_int_equal(stun_view_xor_address(view_of(fixture, hex4), types[i], &address),
                         STUN_OK);
        assert_same_address(&address, &ipv4);
        stun_builder_put_xor_address(&fixture->builder, types[i], &ipv6);
        assert_built(fixture, hex6);
        assert_int_equal(stun_view_xor_address(view_of(fixture, hex6), types[i], &address),
                         STUN_OK);
        assert_same_address(&address, &ipv6);
    }
}

static void several_peers_are_read(void **state)
{
    struct fixture *fixture = *state;
    struct stun_address address;

    view_of(fixture, "0012 0008 00 01 2c84 e112a663"
                     "0012 0014 00 02 3326 0113a9fa0102030405060708090a0b2d");
    assert_int_equal(
        stun_view_xor_address_of(&fixture->view, &fixture->view.attributes[1], &address), STUN_OK);
    assert_same_address(&address, &ipv6);
    assert_int_equal(stun_view_xor_address(&fixture->view, STUN_XOR_PEER_ADDRESS, &address),
                     STUN_OK);
    assert_same_address(&address, &ipv4);
}

static void refuses_addresses(void **state)
{
    static const char *const wrong[] = {
        "0020 0000",
        "0020 0003 00010d00",
        "0020 0004 00010d96",
        "0020 0007 00010d96c0000200",
        "0020 0009 00010d96c0000221 00000000",
        "0020 0014 00010d96c0000221000000000000000000000000", /* IPv4 in an IPv6's size */
        "0020 0008 00020d96c0000221",                         /* and the reverse */
        "0020 0008 00000d96c0000221",
        "0020 0008 00030d96c0000221",
        "0020 0008 00ff0d96c0000221",
    };
    struct fixture *fixture = *state;
    struct stun_address address = ipv4;

    for (size_t i = 0; i < COUNT(wrong); i++) {
        view_of(fixture, wrong[i]);
        assert_int_equal(stun_view_address(&fixture->view, STUN_XOR_MAPPED_ADDRESS, &address),
                         STUN_ERROR_VALUE);
        assert_int_equal(stun_view_xor_address(&fixture->view, STUN_XOR_MAPPED_ADDRESS, &address),
                         STUN_ERROR_VALUE);
        assert_same_address(&address, &ipv4);
    }
    assert_int_equal(stun_view_address(&fixture->view, STUN_MAPPED_ADDRESS, &address),
                     STUN_ERROR_ABSENT);
    assert_int_equal(stun_view_xor_address(&fixture->view, STUN_XOR_PEER_ADDRESS, &address),
                     STUN_ERROR_ABSENT);
    /* the first byte is ignored on receipt: RFC 8489 §14.1 */
    assert_int_equal(stun_view_address(view_of(fixture, "0001 0008 ff010d96c0000221"),
                                       STUN_MAPPED_ADDRESS, &address),
                     STUN_OK);
}

static void builder_refuses_addresses(void **state)
{
    struct fixture *fixture = *state;
    struct stun_address none = {0}, odd = {.family = 3};

    stun_builder_put_address(&fixture->builder, STUN_MAPPED_ADDRESS, &none);
    assert_int_equal(stun_builder_finish(&fixture->builder), STUN_ERROR_VALUE);
    set_up(state);
    free(fixture);
    fixture = *state;
    stun_builder_put_xor_address(&fixture->builder, STUN_XOR_MAPPED_ADDRESS, &odd);
    assert_int_equal(stun_builder_finish(&fixture->builder), STUN_ERROR_VALUE);
}

/* A classic request's id is all of what follows the length field, and it comes back whole. */
static void answers_classic(void **state)
{
    struct fixture *fixture = *state;
    struct stun_view request, answer;
    uint8_t bytes[64], answer_bytes[64];
    size_t size = from_hex("0001 0000 00112233445566778899aabbccddeeff", bytes, sizeof bytes);

    (void)fixture;
    assert_int_equal(stun_view_parse(&request, bytes, size), STUN_OK);
    struct stun_builder builder;
    stun_builder_begin_answer(&builder, answer_bytes, sizeof answer_bytes, STUN_SUCCESS, &request);
    stun_builder_put_address(&builder, STUN_MAPPED_ADDRESS, &ipv4);
    assert_int_equal(stun_builder_finish(&builder), 32);
    assert_memory_equal(answer_bytes + 4, bytes + 4, 16);
    assert_int_equal(stun_view_parse(&answer, answer_bytes, 32), STUN_OK);
    assert_true(answer.classic);
    assert_int_equal(answer.message_class, STUN_SUCCESS);
    assert_int_equal(answer.method, STUN_BINDING);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void error_code_stands(void **state)
{
    struct fixture *fixture = *state;
    uint16_t code;
    const char *reason;
    size_t size;

    stun_builder_put_error(&fixture->builder, 438, NULL);
    assert_built(fixture, "0009 000f 00000426 5374616c65204e6f6e6365 00");
    stun_builder_put_error(&fixture->builder, 699, "");
    assert_built(fixture, "0009 0004 00000663");
    stun_builder_put_error(&fixture->builder, 300, "go");
    assert_built(fixture, "0009 0006 00000300 676f0000");

    /* 21 reserved bits are ignored */
    view_of(fixture, "0009 0006 fffffc26 676f0000");
    assert_int_equal(stun_view_error(&fixture->view, &code, &reason, &size), STUN_OK);
    assert_int_equal(code, 438);
    assert_int_equal(size, 2);
    assert_memory_equal(reason, "go", 2);
    assert_int_equal(stun_view_error(&fixture->view, &code, NULL, NULL), STUN_OK);

    assert_int_equal(stun_view_error(view_of(fixture, "0009 0004 00000663"), &code, &reason, &size),
                     STUN_OK);
    assert_int_equal(code, 699);
    assert_int_equal(size, 0);

    static const char *const wrong[] = {
        "0009 0000",          "0009 0003 00000400", "0009 0004 00000200", "0009 0004 00000700",
        "0009 0004 00000464", "0009 0004 000004ff", "0009 0004 00000001",
    };
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(stun_view_error(view_of(fixture, wrong[i]), &code, &reason, &size),
                         STUN_ERROR_VALUE);
    assert_int_equal(stun_view_error(view_of(fixture, ""), &code, &reason, &size),
                     STUN_ERROR_ABSENT);
}

static void builder_refuses_errors(void **state)
{
    static const uint16_t codes[] = {0, 1, 99, 299, 700, 65535};
    char reason[511];
    (void)state;

    for (size_t i = 0; i < COUNT(codes); i++) {
        uint8_t bytes[64];
        struct stun_builder builder;
        stun_builder_begin(&builder, bytes, sizeof bytes, STUN_ERROR, STUN_BINDING, id);
        stun_builder_put_error(&builder, codes[i], "x");
        assert_int_equal(stun_builder_finish(&builder), STUN_ERROR_VALUE);
    }
    /* 509 bytes of reason are the most: RFC 8489 §14.8 */
    for (size_t size = 509; size <= 510; size++) {
        uint8_t bytes[1024];
        struct stun_builder builder;
        memset(reason, 'r', size);
        reason[size] = '\0';
        stun_builder_begin(&builder, bytes, sizeof bytes, STUN_ERROR, STUN_BINDING, id);
        stun_builder_put_error(&builder, 400, reason);
        assert_int_equal(stun_builder_finish(&builder), size == 509 ? 540 : STUN_ERROR_VALUE);
    }
}

static void address_error_code_stands(void **state)
{
    struct fixture *fixture = *state;
    uint8_t family;
    uint16_t code;
    const char *reason;
    size_t size;

    stun_builder_put_address_error(&fixture->builder, STUN_FAMILY_IPV6, 508, "no");
    assert_built(fixture, "8001 0006 02000508 6e6f0000");
    view_of(fixture, "8001 0006 02fffd08 6e6f0000");
    assert_int_equal(stun_view_address_error(&fixture->view, &family, &code, &reason, &size),
                     STUN_OK);
    assert_int_equal(family, STUN_FAMILY_IPV6);
    assert_int_equal(code, 508);
    assert_int_equal(size, 2);
    assert_memory_equal(reason, "no", 2);
    assert_int_equal(stun_view_address_error(view_of(fixture, "8001 0004 02000208"), &family, &code,
                                             &reason, &size),
                     STUN_ERROR_VALUE);
    assert_int_equal(stun_view_address_error(view_of(fixture, ""), &family, &code, &reason, &size),
                     STUN_ERROR_ABSENT);
}

static void unknown_attributes_stand(void **state)
{
    static const uint16_t types[] = {0x7001, 0x7002, 0x7003};
    struct fixture *fixture = *state;
    uint16_t read[STUN_UNKNOWN_MAX];
    size_t count;

    stun_builder_put_unknown(&fixture->builder, types, 3);
    assert_built(fixture, "000a 0006 700170027003 0000");
    stun_builder_put_unknown(&fixture->builder, types, 0);
    assert_built(fixture, "000a 0000");
    assert_int_equal(
        stun_view_unknown(view_of(fixture, "000a 0006 700170027003 ffff"), read, &count), STUN_OK);
    assert_int_equal(count, 3);
    assert_memory_equal(read, types, sizeof types);
    assert_int_equal(stun_view_unknown(view_of(fixture, "000a 0003 70017000"), read, &count),
                     STUN_ERROR_VALUE);
    assert_int_equal(stun_view_unknown(view_of(fixture, "000a 0000"), read, &count), STUN_OK);
    assert_int_equal(count, 0);
    assert_int_equal(stun_view_unknown(view_of(fixture, ""), read, &count), STUN_ERROR_ABSENT);

    uint16_t many[STUN_UNKNOWN_MAX + 5];
    for (size_t i = 0; i < COUNT(many); i++)
        many[i] = (uint16_t)(0x6000 + i);
    stun_builder_put_unknown(&fixture->builder, many, COUNT(many));
    int size = stun_builder_finish(&fixture->builder);
    assert_int_equal(stun_view_parse(&fixture->view, fixture->bytes, (size_t)size), STUN_OK);
    assert_int_equal(stun_view_unknown(&fixture->view, read, &count), STUN_OK);
    assert_int_equal(count, STUN_UNKNOWN_MAX);
    assert_memory_equal(read, many, sizeof read);
}

static void icmp_stands(void **state)
{
    struct fixture *fixture = *state;
    struct stun_icmp icmp = {.type = 3, .code = 4, .data = 1400}, read;

    stun_builder_put_icmp(&fixture->builder, &icmp);
    assert_built(fixture, "8004 0008 0000 0604 00000578");
    assert_int_equal(stun_view_icmp(view_of(fixture, "8004 0008 ffff 0604 00000578"), &read),
                     STUN_OK);
    assert_int_equal(read.type, 3);
    assert_int_equal(read.code, 4);
    assert_int_equal(read.data, 1400);

    icmp = (struct stun_icmp){.type = 127, .code = 511, .data = UINT32_MAX};
    stun_builder_put_icmp(&fixture->builder, &icmp);
    assert_built(fixture, "8004 0008 0000 ffff ffffffff");
    assert_int_equal(stun_view_icmp(view_of(fixture, "8004 0008 0000 ffff ffffffff"), &read),
                     STUN_OK);
    assert_int_equal(read.type, 127);
    assert_int_equal(read.code, 511);

    assert_int_equal(stun_view_icmp(view_of(fixture, "8004 0004 00000604"), &read),
                     STUN_ERROR_VALUE);
    assert_int_equal(stun_view_icmp(view_of(fixture, ""), &read), STUN_ERROR_ABSENT);
    icmp.type = 128;
    stun_builder_put_icmp(&fixture->builder, &icmp);
    assert_int_equal(stun_builder_finish(&fixture->builder), STUN_ERROR_VALUE);
}

/* ---- password algorithms --------------------------------------------------------------------- */

static void password_algorithm_stands(void **state)
{
    struct fixture *fixture = *state;
    struct stun_password_algorithm_view read;

    stun_builder_put_password_algorithm(&fixture->builder, STUN_PASSWORD_SHA256);
    assert_built(fixture, "001d 0004 0002 0000");
    assert_int_equal(stun_view_password_algorithm(view_of(fixture, "001d 0004 0002 0000"), &read),
                     STUN_OK);
    assert_int_equal(read.algorithm, STUN_PASSWORD_SHA256);
    assert_int_equal(read.parameters_size, 0);

    /* parameters, their padding counted by the attribute or not */
    static const char *const with_parameters[] = {"001d 0007 abcd 0003 01020300",
                                                  "001d 0008 abcd 0003 010203ff"};
    for (size_t i = 0; i < COUNT(with_parameters); i++) {
        assert_int_equal(stun_view_password_algorithm(view_of(fixture, with_parameters[i]), &read),
                         STUN_OK);
        assert_int_equal(read.algorithm, 0xabcd);
        assert_int_equal(read.parameters_size, 3);
        assert_memory_equal(read.parameters, "\1\2\3", 3);
    }
    static const char *const wrong[] = {
        "001d 0000",
        "001d 0003 00020000",
        "001d 0004 0002 0001",
        "001d 0008 0002 0005 00000000",
        "001d 0008 0002 0000 00010000", /* two of them */
        "001d 0004 0002 ffff",
    };
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(stun_view_password_algorithm(view_of(fixture, wrong[i]), &read),
                         STUN_ERROR_VALUE);
    assert_int_equal(stun_view_password_algorithm(view_of(fixture, ""), &read), STUN_ERROR_ABSENT);
}

static void password_algorithms_stand(void **state)
{
    static const uint16_t algorithms[] = {STUN_PASSWORD_SHA256, STUN_PASSWORD_MD5};
    struct fixture *fixture = *state;
    struct stun_password_algorithm_view read[STUN_PASSWORD_ALGORITHMS_MAX];
    size_t count = 77;

    stun_builder_put_password_algorithms(&fixture->builder, algorithms, 2);
    assert_built(fixture, "8002 0008 00020000 00010000");
    view_of(fixture, "8002 0010 00020000 abcd0001 07ffffff 00010000");
    assert_int_equal(stun_view_password_algorithms(&fixture->view, read, &count), STUN_OK);
    assert_int_equal(count, 3);
    assert_int_equal(read[0].algorithm, STUN_PASSWORD_SHA256);
    assert_int_equal(read[1].algorithm, 0xabcd);
    assert_int_equal(read[1].parameters_size, 1);
    assert_int_equal(read[1].parameters[0], 7);
    assert_int_equal(read[2].algorithm, STUN_PASSWORD_MD5);

    static const char *const wrong[] = {
        "8002 0000",
        "8002 0002 00020000",
        "8002 0006 00020000 0001 0000",
        "8002 0008 00020000 00010001",
        "8002 0008 00020008 00010000",
    };
    count = 77;
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(stun_view_password_algorithms(view_of(fixture, wrong[i]), read, &count),
                         STUN_ERROR_VALUE);
    assert_int_equal(count, 77);
    assert_int_equal(stun_view_password_algorithms(view_of(fixture, ""), read, &count),
                     STUN_ERROR_ABSENT);
    stun_builder_put_password_algorithms(&fixture->builder, algorithms, 0);
    assert_int_equal(stun_builder_finish(&fixture->builder), STUN_ERROR_VALUE);
}

static void password_algorithms_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct stun_password_algorithm_view read[STUN_PASSWORD_ALGORITHMS_MAX];
    uint16_t algorithms[STUN_PASSWORD_ALGORITHMS_MAX + 3];
    size_t count;

    for (size_t i = 0; i < COUNT(algorithms); i++)
        algorithms[i] = (uint16_t)(100 + i);
    stun_builder_put_password_algorithms(&fixture->builder, algorithms, COUNT(algorithms));
    int size = stun_builder_finish(&fixture->builder);
    assert_int_equal(stun_view_parse(&fixture->view, fixture->bytes, (size_t)size), STUN_OK);
    assert_int_equal(stun_view_password_algorithms(&fixture->view, read, &count), STUN_OK);
    assert_int_equal(count, STUN_PASSWORD_ALGORITHMS_MAX);
    assert_int_equal(read[count - 1].algorithm, 100 + STUN_PASSWORD_ALGORITHMS_MAX - 1);
    /* the lengths of entries that do not fit are checked too */
    fixture->bytes[size - 1] = 1;
    assert_int_equal(stun_view_password_algorithms(&fixture->view, read, &count), STUN_ERROR_VALUE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(u32_attributes_stand),
        TEST(u32_sizes),
        TEST(change_request_flags),
        TEST(u64_attributes_stand),
        TEST(u8_attributes_stand),
        TEST(u16_attributes_stand),
        TEST(flags_stand),
        TEST(bytes_stand),
        TEST(text_stands),
        TEST(plain_addresses_stand),
        TEST(xored_addresses_stand),
        TEST(several_peers_are_read),
        TEST(refuses_addresses),
        TEST(builder_refuses_addresses),
        TEST(answers_classic),
        TEST(error_code_stands),
        TEST(builder_refuses_errors),
        TEST(address_error_code_stands),
        TEST(unknown_attributes_stand),
        TEST(icmp_stands),
        TEST(password_algorithm_stands),
        TEST(password_algorithms_stand),
        TEST(password_algorithms_are_bounded),
    };
    return cmocka_run_group_tests_name("stun_attributes", tests, NULL, NULL);
}
