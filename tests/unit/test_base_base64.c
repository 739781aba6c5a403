/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"

#include <string.h>

/* RFC 4648 §10, without the padding. */
static void test_vectors(void **state)
{
    static const struct {
        const char *bytes, *text;
    } vectors[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"},
    };
    char text[BASE64_TEXT_SIZE(6)];
    uint8_t bytes[6];

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        size_t size = strlen(vectors[i].bytes);
        assert_string_equal(base64_encode(vectors[i].bytes, size, text), vectors[i].text);
        assert_int_equal(strlen(text) + 1, BASE64_TEXT_SIZE(size));
        assert_true(base64_decode(text, bytes, size));
        assert_memory_equal(bytes, vectors[i].bytes, size);
    }
}

static void test_alphabets(void **state)
{
    static const uint8_t bytes[] = {0xFB, 0xFF, 0xBF};
    uint8_t out[4];
    char text[8];

    (void)state;
    assert_string_equal(base64_encode(bytes, 3, text), "-_-_");
    assert_true(base64_decode("+/+/", out, 3));
    assert_memory_equal(out, bytes, 3);
    assert_true(base64_decode("-_-_", out, 3));
    assert_memory_equal(out, bytes, 3);
}

static void test_what_is_refused(void **state)
{
    uint8_t out[4];

    (void)state;
    assert_true(base64_decode("Zg==", out, 1));
    assert_true(base64_decode("Zm8=", out, 2));
    assert_false(base64_decode("Zg=", out, 1));
    assert_false(base64_decode("Zg===", out, 1));
    assert_false(base64_decode("Zg======", out, 1));
    assert_false(base64_decode("Zh", out, 1)); /* bits that are left over */
    assert_false(base64_decode("Zg", out, 2));
    assert_false(base64_decode("Zm8", out, 1));
    assert_false(base64_decode("Z", out, 1));
    assert_false(base64_decode("", out, 1));
    assert_false(base64_decode("Z g", out, 1));
    assert_false(base64_decode("Zg==x", out, 1));
    assert_false(base64_decode("Zm9v=", out, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_alphabets),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
