/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"

#include <string.h>

static void test_numbers(void **state)
{
    uint64_t number = 77;

    (void)state;
    assert_true(text_parse_u64("0", 1, 0, &number));
    assert_int_equal(number, 0);
    assert_true(text_parse_u64("65535", 5, 65535, &number));
    assert_int_equal(number, 65535);
    assert_true(text_parse_u64("18446744073709551615", 20, UINT64_MAX, &number));
    assert_true(number == UINT64_MAX);
    assert_true(text_parse_u64("12x", 2, 100, &number));
    assert_int_equal(number, 12);

    static const char *const bad[] = {"",
                                      "+1",
                                      "-1",
                                      " 1",
                                      "1 ",
                                      "01",
                                      "00",
                                      "1.0",
                                      "0x1",
                                      "a",
                                      "101",
                                      "999",
                                      "18446744073709551616"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(text_parse_u64(bad[i], strlen(bad[i]), 100, &number));
    }
    assert_false(text_parse_u64("18446744073709551616", 20, UINT64_MAX, &number));
    assert_false(text_parse_u64("7", 1, 6, &number));
    assert_int_equal(number, 12);
}

static void test_utf8(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        uint32_t code_point;
    } good[] = {
        {"a", 1, 'a'},
        {"\xC3\xA9", 2, 0xE9},
        {"\xE2\x82\xAC", 3, 0x20AC},
        {"\xED\x9F\xBF", 3, 0xD7FF},
        {"\xEE\x80\x80", 3, 0xE000},
        {"\xF0\x9F\x98\x80", 4, 0x1F600},
        {"\xF4\x8F\xBF\xBF", 4, 0x10FFFF},
    };
    /* Stray, overlong, surrogate, above U+10FFFF, cut short. */
    static const char *const bad[] = {
        "\x80",
        "\xBF",
        "\xC0\x80",
        "\xC1\xBF",
        "\xE0\x80\x80",
        "\xE0\x9F\xBF",
        "\xED\xA0\x80",
        "\xF0\x80\x80\x80",
        "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xFF",
        "\xC3",
        "\xE2\x82",
        "\xF0\x9F\x98",
        "\xC3(",
        "\xE2\x82(",
    };
    uint32_t code_point = 0;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(text_utf8_next(good[i].bytes, strlen(good[i].bytes), &code_point),
                         good[i].length);
        assert_int_equal(code_point, good[i].code_point);
        assert_true(text_utf8_valid(good[i].bytes, good[i].length));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(text_utf8_next(bad[i], strlen(bad[i]), &code_point), 0);
        assert_false(text_utf8_valid(bad[i], strlen(bad[i])));
    }
    assert_int_equal(text_utf8_next("", 0, &code_point), 0);
    assert_true(text_utf8_valid("", 0));
}

static void test_printable(void **state)
{
    (void)state;
    assert_true(text_is_printable('a') && text_is_printable(' ') && text_is_printable(0xE9));
    assert_true(text_is_printable(0xA0) && text_is_printable(0x1F600));
    assert_false(text_is_printable(0) || text_is_printable('\n') || text_is_printable(0x1B));
    assert_false(text_is_printable(0x7F) || text_is_printable(0x85) || text_is_printable(0x202E));
}

static void test_readable(void **state)
{
    static const struct {
        const char *text, *copied;
        size_t capacity;
    } rows[] = {
        {"\xC3\xA9 \xE2\x82\xAC", "\xC3\xA9 \xE2\x82\xAC", 16},
        {"a\x1B[2J\xE2\x80\xAE\xFFz", "a?[2J??z", 16},
        {"ab\xC3\xA9", "ab\xC3\xA9", 5},
        {"ab\xC3\xA9"
         "c",
         "ab", 4},
        {"ab", "", 1},
        {"\xC3", "?", 16},
    };
    char out[16];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(out, 'x', sizeof out);
        text_copy_readable(out, rows[i].capacity, rows[i].text, strlen(rows[i].text));
        assert_string_equal(out, rows[i].copied);
    }
}

static void test_fixed_buffer_fails_and_rewinds(void **state)
{
    char bytes[8];
    struct text_buffer buffer;

    (void)state;
    text_buffer_init_fixed(&buffer, bytes, sizeof bytes);
    text_buffer_put_string(&buffer, "abcd");
    text_buffer_put_format(&buffer, "%d", 12);
    assert_string_equal(text_buffer_finish(&buffer), "abcd12");
    text_buffer_put_string(&buffer, "toolong");
    assert_true(buffer.failed);
    text_buffer_put_char(&buffer, 'x');
    assert_int_equal(buffer.size, 6);
    assert_null(text_buffer_finish(&buffer));
    text_buffer_rewind(&buffer, 4);
    text_buffer_put_string(&buffer, "EFG");
    assert_string_equal(text_buffer_finish(&buffer), "abcdEFG");
    text_buffer_put_format(&buffer, "%s", "x");
    assert_true(buffer.failed);
    text_buffer_free(&buffer);
}

static void test_growing_buffer(void **state)
{
    struct text_buffer buffer;

    (void)state;
    text_buffer_init_growing(&buffer);
    assert_string_equal(text_buffer_finish(&buffer), "");
    for (int i = 0; i < 10000; i++) {
        text_buffer_put_format(&buffer, "%04d", i);
    }
    const char *text = text_buffer_finish(&buffer);
    assert_non_null(text);
    assert_int_equal(strlen(text), 40000);
    assert_memory_equal(text + 4 * 1234, "1234", 4);
    text_buffer_free(&buffer);
    text_buffer_put_string(&buffer, "again");
    assert_string_equal(text_buffer_finish(&buffer), "again");
    text_buffer_free(&buffer);
}

static void test_hosts(void **state)
{
    (void)state;
    assert_true(text_host_matches("turn.example.org", "turn.example.org"));
    assert_true(text_host_matches("turn.example.org", "Turn.EXAMPLE.org"));
    assert_false(text_host_matches("turn.example.org", "turn.example.org.evil"));
    assert_false(text_host_matches("turn.example.org", "example.org"));
    assert_true(text_host_matches("*.example.org", "a.example.org"));
    assert_true(text_host_matches("*.example.org", "B.Example.org"));
    assert_false(text_host_matches("*.example.org", "example.org"));
    assert_false(text_host_matches("*.example.org", ".example.org"));
    assert_false(text_host_matches("*.example.org", "a.b.example.org"));
    assert_false(text_host_matches("*.example.org", "aexample.org"));
    assert_false(text_host_matches("*.example.org", ""));
    assert_false(text_host_matches("a*.example.org", "ab.example.org"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_readable),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_fixed_buffer_fails_and_rewinds),
        cmocka_unit_test(test_growing_buffer),
    };

    return cmocka_run_group_tests_name("base/text", tests, NULL, NULL);
}
