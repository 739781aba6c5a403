/* SPDX-License-Identifier: BSD-3-Clause */
/* The builder's own rules: order, room, and failure that sticks. */
#include "stun_test.h"

static const uint8_t id[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static struct stun_crypto *crypto;
static const struct stun_key key = {.size = 3, .bytes = "key"};

static int set_up(void **state)
{
    (void)state;
    crypto = stun_crypto_new();
    return crypto == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    stun_crypto_free(crypto);
    return 0;
}

static void begin(struct stun_builder *builder, uint8_t *bytes, size_t capacity)
{
    stun_builder_begin(builder, bytes, capacity, STUN_REQUEST, STUN_BINDING, id);
}

static void empty_message(void **state)
{
    (void)state;
    static const uint8_t expected[20] = {0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1,  2,
                                         3, 4, 5, 6, 7,    8,    9,    10,   11, 12};
    uint8_t bytes[20];
    struct stun_builder builder;

    begin(&builder, bytes, sizeof bytes);
    assert_int_equal(stun_builder_finish(&builder), 20);
    assert_memory_equal(bytes, expected, 20);
}

static void begin_refuses(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct stun_builder builder;

    begin(&builder, bytes, 19);
    assert_int_equal(stun_builder_finish(&builder), STUN_ERROR_NO_SPACE);
    begin(&builder, NULL, 0);
    stun_builder_put_u32(&builder, STUN_LIFETIME, 1);
    stun_builder_put_integrity(&builder, crypto, &key);
    stun_builder_put_fingerprint(&builder);
    assert_int_equal(stun_builder_finish(&builder), STUN_ERROR_NO_SPACE);
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_REQUEST, 0x1000, id);
    assert_int_equal(stun_builder_finish(&builder), STUN_ERROR_VALUE);
    stun_builder_begin(&builder, bytes, sizeof bytes, (enum stun_class)4, STUN_BINDING, id);
    assert_int_equal(stun_builder_finish(&builder), STUN_ERROR_VALUE);
}

/* Everything that a builder can put, one after the other, in an order that it allows. */
static void put_everything(struct stun_builder *builder)
{
    static const uint16_t numbers[] = {1, 2, 3};
    struct stun_address ipv4 = {.family = STUN_FAMILY_IPV4};
    struct stun_address ipv6 = {.family = STUN_FAMILY_IPV6};
    struct stun_icmp icmp = {.type = 3};

    stun_builder_put_bytes(builder, STUN_DATA_VALUE, "12345", 5);
    stun_builder_put_string(builder, STUN_SOFTWARE, "123456");
    stun_builder_put_flag(builder, STUN_USE_CANDIDATE);
    stun_builder_put_u8(builder, STUN_EVEN_PORT, 1);
    stun_builder_put_u8_reserved(builder, STUN_REQUESTED_TRANSPORT, 17);
    stun_builder_put_u16_reserved(builder, STUN_CHANNEL_NUMBER, 0x4000);
    stun_builder_put_u32(builder, STUN_LIFETIME, 1);
    stun_builder_put_u64(builder, STUN_ICE_CONTROLLED, 1);
    stun_builder_put_address(builder, STUN_MAPPED_ADDRESS, &ipv4);
    stun_builder_put_xor_address(builder, STUN_XOR_MAPPED_ADDRESS, &ipv6);
    stun_builder_put_error(builder, 400, NULL);
    stun_builder_put_address_error(builder, STUN_FAMILY_IPV6, 440, NULL);
    stun_builder_put_unknown(builder, numbers, 3);
    stun_builder_put_icmp(builder, &icmp);
    stun_builder_put_password_algorithm(builder, 1);
    stun_builder_put_password_algorithms(builder, numbers, 3);
    stun_builder_put_integrity(builder, crypto, &key);
    stun_builder_put_integrity_sha256(builder, crypto, &key);
    stun_builder_put_fingerprint(builder);
}

/* In every smaller buffer the same calls fail, and no byte beyond it is written. */
static void failure_sticks_at_every_size(void **state)
{
    (void)state;
    uint8_t bytes[1024];
    struct stun_builder builder;
    struct stun_view view;

    begin(&builder, bytes, sizeof bytes);
    put_everything(&builder);
    int whole = stun_builder_finish(&builder);
    assert_true(whole > 0);
    assert_int_equal(stun_view_parse(&view, bytes, (size_t)whole), STUN_OK);
    assert_int_equal(view.attribute_count, 19);
    assert_int_equal(stun_view_check_integrity(&view, crypto, &key), STUN_OK);
    assert_int_equal(stun_view_check_integrity_sha256(&view, crypto, &key), STUN_OK);
    assert_int_equal(stun_view_check_fingerprint(&view), STUN_OK);

    for (size_t capacity = 1; capacity <= (size_t)whole; capacity++) {
        uint8_t *small = malloc(capacity);
        begin(&builder, small, capacity);
        put_everything(&builder);
        if (capacity < (size_t)whole) {
            assert_int_equal(stun_builder_finish(&builder), STUN_ERROR_NO_SPACE);
            assert_true(builder.size <= capacity);
        } else {
            assert_int_equal(stun_builder_finish(&builder), whole);
            assert_memory_equal(small, bytes, (size_t)whole);
        }
        free(small);
    }
}

static void first_failure_stays(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct stun_builder builder;

    begin(&builder, bytes, sizeof bytes);
    stun_builder_put_error(&builder, 1, "x");                     /* STUN_ERROR_VALUE */
    stun_builder_put_bytes(&builder, STUN_DATA_VALUE, bytes, 64); /* would be NO_SPACE */
    stun_builder_put_fingerprint(&builder);
    stun_builder_put_u32(&builder, STUN_LIFETIME, 1); /* would be ORDER */
    assert_int_equal(stun_builder_finish(&builder), STUN_ERROR_VALUE);
    assert_int_equal(builder.size, 20);
}

/* ---- order ----------------------------------------------------------------------------------- */

static void put_closing(struct stun_builder *builder, char what)
{
    if (what == 'i')
        stun_builder_put_integrity(builder, crypto, &key);
    else if (what == 's')
        stun_builder_put_integrity_sha256(builder, crypto, &key);
    else if (what == 'f')
        stun_builder_put_fingerprint(builder);
    else
        stun_builder_put_u32(builder, STUN_LIFETIME, 1);
}

static void closing_has_an_order(void **state)
{
    (void)state;
    static const char *const good[] = {"", "u", "i", "s", "f", "is", "if", "sf", "isf", "uisf"};
    static const char *const bad[] = {"ii",  "si",  "fi", "ss", "fs", "ff",  "isi",
                                      "iss", "ifs", "iu", "su", "fu", "uisu"};
    uint8_t bytes[256];
    struct stun_builder builder;

    for (size_t i = 0; i < COUNT(good) + COUNT(bad); i++) {
        const char *calls = i < COUNT(good) ? good[i] : bad[i - COUNT(good)];
        begin(&builder, bytes, sizeof bytes);
        for (; *calls != '\0'; calls++)
            put_closing(&builder, *calls);
        if (i < COUNT(good))
            assert_true(stun_builder_finish(&builder) >= 20);
        else
            assert_int_equal(stun_builder_finish(&builder), STUN_ERROR_ORDER);
    }
}

static void raw_closing_closes(void **state)
{
    (void)state;
    uint8_t bytes[256], mac[32] = {0};
    struct stun_builder builder;

    begin(&builder, bytes, sizeof bytes);
    stun_builder_put_bytes(&builder, STUN_MESSAGE_INTEGRITY, mac, 20);
    stun_builder_put_bytes(&builder, STUN_MESSAGE_INTEGRITY_SHA256, mac, 16);
    stun_builder_put_u32(&builder, STUN_FINGERPRINT, 0);
    assert_int_equal(stun_builder_finish(&builder), 20 + 24 + 20 + 8);
    stun_builder_put_flag(&builder, STUN_USE_CANDIDATE);
    assert_int_equal(stun_builder_finish(&builder), STUN_ERROR_ORDER);
}

/* ---- room ------------------------------------------------------------------------------------ */

static void largest_value(void **state)
{
    (void)state;
    size_t capacity = STUN_MESSAGE_SIZE_MAX + 100;
    uint8_t *bytes = calloc(1, capacity), *value = calloc(1, 70000);
    struct stun_builder builder;

    begin(&builder, bytes, capacity);
    stun_builder_put_bytes(&builder, STUN_DATA_VALUE, value, 65528);
    assert_int_equal(stun_builder_finish(&builder), STUN_MESSAGE_SIZE_MAX);
    stun_builder_put_flag(&builder, STUN_DONT_FRAGMENT); /* room in the buffer, not in the length */
    assert_int_equal(stun_builder_finish(&builder), STUN_ERROR_NO_SPACE);
    static const size_t wrong[] = {65529, 65532, 65535, 65536, 70000};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        begin(&builder, bytes, capacity);
        stun_builder_put_bytes(&builder, STUN_DATA_VALUE, value, wrong[i]);
        assert_int_equal(stun_builder_finish(&builder), STUN_ERROR_NO_SPACE);
    }
    begin(&builder, bytes, capacity);
    stun_builder_put_bytes(&builder, STUN_DATA_VALUE, value, SIZE_MAX);
    assert_int_equal(stun_builder_finish(&builder), STUN_ERROR_NO_SPACE);
    free(bytes);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_message),
        cmocka_unit_test(begin_refuses),
        cmocka_unit_test(failure_sticks_at_every_size),
        cmocka_unit_test(first_failure_stays),
        cmocka_unit_test(closing_has_an_order),
        cmocka_unit_test(raw_closing_closes),
        cmocka_unit_test(largest_value),
    };
    return cmocka_run_group_tests_name("stun_builder", tests, set_up, tear_down);
}
