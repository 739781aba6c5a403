/* SPDX-License-Identifier: BSD-3-Clause */
#include "stun_test.h"

static int parse_hex(struct stun_channel_view *view, const char *hex, uint8_t **kept)
{
    uint8_t bytes[64];
    size_t size = from_hex(hex, bytes, sizeof bytes);

    *kept = exact_copy(bytes, size);
    return stun_channel_parse(view, *kept, size);
}

static void reads_channel_data(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        uint16_t channel, size;
    } frames[] = {
        {"4000 0000", 0x4000, 0},
        {"4fff 0003 616263", 0x4fff, 3},
        {"7fff 0000", 0x7fff, 0},
        {"4001 0003 616263 00", 0x4001, 3}, /* padding on UDP is allowed: RFC 8656 §12.5 */
        {"4001 0004 61626364", 0x4001, 4},
        {"4001 0000 61626364", 0x4001, 0},
    };

    for (size_t i = 0; i < COUNT(frames); i++) {
        struct stun_channel_view view;
        uint8_t *kept;
        assert_int_equal(parse_hex(&view, frames[i].hex, &kept), STUN_OK);
        assert_int_equal(view.channel, frames[i].channel);
        assert_int_equal(view.size, frames[i].size);
        assert_ptr_equal(view.data, kept + 4);
        free(kept);
    }
}

static void refuses_channel_data(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        int status;
    } frames[] = {
        {"", STUN_ERROR_TRUNCATED},
        {"4000 00", STUN_ERROR_TRUNCATED},
        {"4000 0001", STUN_ERROR_TRUNCATED},
        {"4000 0005 61626364", STUN_ERROR_TRUNCATED},
        {"4000 ffff 61626364", STUN_ERROR_TRUNCATED},
        {"3fff 0000", STUN_ERROR_NOT_STUN},
        {"8000 0000", STUN_ERROR_NOT_STUN}, /* beyond RFC 5766's, too */
        {"ffff 0000", STUN_ERROR_NOT_STUN},
        {"0001 0000", STUN_ERROR_NOT_STUN},
    };

    for (size_t i = 0; i < COUNT(frames); i++) {
        struct stun_channel_view view;
        uint8_t *kept;
        assert_int_equal(parse_hex(&view, frames[i].hex, &kept), frames[i].status);
        free(kept);
    }
}

static void largest_channel_data(void **state)
{
    (void)state;
    uint8_t *bytes = calloc(1, 4 + 65535);
    struct stun_channel_view view;

    stun_channel_write(bytes, 0x4abc, 65535);
    assert_int_equal(stun_channel_parse(&view, bytes, 4 + 65535), STUN_OK);
    assert_int_equal(view.channel, 0x4abc);
    assert_int_equal(view.size, 65535);
    assert_int_equal(stun_channel_parse(&view, bytes, 4 + 65534), STUN_ERROR_TRUNCATED);
    free(bytes);
}

static void writes_header_in_place(void **state)
{
    (void)state;
    uint8_t bytes[] = {0xAA, 0, 0, 0, 0, 'h', 'i', 0xAA};
    static const uint8_t expected[] = {0xAA, 0x40, 0x02, 0x00, 0x02, 'h', 'i', 0xAA};

    stun_channel_write(bytes + 1, 0x4002, 2);
    assert_memory_equal(bytes, expected, sizeof bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_channel_data),
        cmocka_unit_test(refuses_channel_data),
        cmocka_unit_test(largest_channel_data),
        cmocka_unit_test(writes_header_in_place),
    };
    return cmocka_run_group_tests_name("stun_channel", tests, NULL, NULL);
}
