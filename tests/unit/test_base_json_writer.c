/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/json_writer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct text_buffer buffer;
static struct json_writer json;

static int set_up(void **state)
{
    (void)state;
    text_buffer_init_growing(&buffer);
    json_init(&json, &buffer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    text_buffer_free(&buffer);
    return 0;
}

static void test_structure(void **state)
{
    (void)state;
    json_begin_object(&json);
    json_member_string(&json, "a", "b");
    json_put_key(&json, "list");
    json_begin_array(&json);
    json_put_u64(&json, 1);
    json_begin_object(&json);
    json_end_object(&json);
    json_begin_array(&json);
    json_end_array(&json);
    json_begin_array(&json);
    json_put_null(&json);
    json_put_bool(&json, false);
    json_end_array(&json);
    json_end_array(&json);
    json_member_bool(&json, "last", true);
    json_end_object(&json);
    assert_string_equal(text_buffer_finish(&buffer),
                        "{\"a\":\"b\",\"list\":[1,{},[],[null,false]],\"last\":true}");
}

static void test_values(void **state)
{
    struct stun_address address = {0};

    (void)state;
    json_begin_array(&json);
    json_put_u64(&json, UINT64_MAX);
    json_put_i64(&json, INT64_MIN);
    json_put_real(&json, 1.5, 3);
    json_put_real(&json, -0.0004, 0);
    json_put_real(&json, (double)NAN, 1);
    json_put_real(&json, (double)INFINITY, 1);
    json_put_string(&json, NULL);
    json_put_address(&json, &address);
    assert_true(address_parse(&address, "[2001:db8::1]:3478"));
    json_put_address(&json, &address);
    json_end_array(&json);
    assert_string_equal(text_buffer_finish(&buffer),
                        "[18446744073709551615,-9223372036854775808,1.500,-0,null,null,null,null,"
                        "\"[2001:db8::1]:3478\"]");
}

static void test_escapes(void **state)
{
    static const char hostile[] = "q\"b\\s/\b\n\r\t\x1b\x7f\0z \xC3\xA9\xF0\x9F\x98\x80 \xC2\x85"
                                  "\xE2\x80\xAE \xFF\xC3(\xE2\x82";

    (void)state;
    json_put_bytes(&json, hostile, sizeof hostile - 1);
    assert_string_equal(text_buffer_finish(&buffer),
                        "\"q\\\"b\\\\s/\\u0008\\n\\r\\t\\u001b\\u007f\\u0000z "
                        "\xC3\xA9\xF0\x9F\x98\x80 \\u0085\\u202e \\ufffd\\ufffd(\\ufffd\\ufffd\"");
}

static void test_every_byte_gives_utf8(void **state)
{
    (void)state;
    for (int first = 0; first < 256; first++) {
        for (int second = 0; second < 256; second++) {
            char bytes[2] = {(char)first, (char)second};
            text_buffer_rewind(&buffer, 0);
            json_init(&json, &buffer);
            json_put_bytes(&json, bytes, sizeof bytes);
            assert_true(text_utf8_valid(buffer.bytes, buffer.size));
            assert_null(memchr(buffer.bytes, '\n', buffer.size));
            assert_int_equal(buffer.bytes[buffer.size - 1], '"');
        }
    }
}

static void test_failure_sticks(void **state)
{
    char bytes[10];
    struct text_buffer small;

    (void)state;
    text_buffer_init_fixed(&small, bytes, sizeof bytes);
    json_init(&json, &small);
    json_begin_object(&json);
    json_member_string(&json, "key", "does not fit");
    json_end_object(&json);
    assert_null(text_buffer_finish(&small));
    assert_int_equal(json_print(&json, stdout), -ENOMEM);
}

static void test_prints(void **state)
{
    char *text = NULL;
    size_t size = 0;

    (void)state;
    json_begin_object(&json);
    json_member_i64(&json, "n", -1);
    json_end_object(&json);
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    assert_int_equal(json_print(&json, file), 0);
    fclose(file);
    assert_string_equal(text, "{\"n\":-1}\n");
    free(text);

    file = fopen("/dev/full", "w");
    if (file != NULL) {
        assert_int_equal(json_print(&json, file), -ENOSPC);
        fclose(file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_structure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_escapes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_byte_gives_utf8, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failure_sticks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_prints, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("base/json_writer", tests, NULL, NULL);
}
