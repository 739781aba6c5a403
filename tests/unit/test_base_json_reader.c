/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json_reader.h"

#include <stdio.h>
#include <string.h>

static struct json_node nodes[200];
static struct json_tree tree;
static char text[4096];

static bool read_bytes(const char *bytes, size_t size)
{
    memset(nodes, 0x5A, sizeof nodes);
    memset(text, 'x', sizeof text);
    memcpy(text, bytes, size);
    tree = (struct json_tree){.nodes = nodes, .capacity = 200, .depth_max = 4};
    return json_read(&tree, text, size);
}

static bool read_text(const char *bytes)
{
    return read_bytes(bytes, strlen(bytes));
}

static void test_structure(void **state)
{
    (void)state;
    assert_true(read_text(" {\"a\": [1, -2.5e1, \"x\"], \"b\" :{}, \"c\":null,\r\n\t\"d\":true} "));
    const struct json_node *list = json_find(&tree, &nodes[0], "a");
    assert_int_equal(nodes[0].type, JSON_OBJECT);
    assert_int_equal(nodes[0].size, 4);
    assert_int_equal(list->type, JSON_ARRAY);
    assert_int_equal(list->size, 3);

    const struct json_node *item = json_child(&tree, list);
    uint64_t whole = 0;
    double real = 0;
    assert_true(json_node_u64(item, 1, &whole));
    assert_int_equal(whole, 1);
    item = json_next(&tree, item);
    assert_false(json_node_u64(item, 100, &whole));
    assert_true(json_node_real(item, &real));
    assert_true(real == -25);
    item = json_next(&tree, item);
    assert_string_equal(item->text, "x");
    assert_null(json_next(&tree, item));

    assert_int_equal(json_find(&tree, &nodes[0], "b")->type, JSON_OBJECT);
    assert_null(json_child(&tree, json_find(&tree, &nodes[0], "b")));
    assert_int_equal(json_find(&tree, &nodes[0], "c")->type, JSON_NULL);
    assert_int_equal(json_find(&tree, &nodes[0], "d")->type, JSON_TRUE);
    assert_null(json_find(&tree, &nodes[0], "e"));
    assert_null(json_find(&tree, list, "a"));
}

static void test_strings(void **state)
{
    static const struct {
        const char *in, *out;
    } good[] = {
        {"\"\"", ""},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20AC\\uD83d\\uDE00\"", "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
        {"\"\xC3\xA9 \xF0\x9F\x98\x80 \x7F\"", "\xC3\xA9 \xF0\x9F\x98\x80 \x7F"},
    };
    static const char *const bad[] = {
        "\"",           "\"a",
        "\"\\\"",       "\"\\x\"",
        "\"\\u12\"",    "\"\\u0000\"",
        "\"\\ud800\"",  "\"\\udc00\"",
        "\"\\ud800a\"", "\"\\ud800\\u0041\"",
        "\"a\nb\"",     "\"\xC3\"",
        "\"\xC0\x80\"", "\"\xED\xA0\x80\"",
        "'a'",          "\"\\u12g4\"",
        "\"\xFF\"",     "\"\\",
        "\"\\u",
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(read_text(good[i].in));
        assert_int_equal(nodes[0].type, JSON_STRING);
        assert_string_equal(nodes[0].text, good[i].out);
        assert_int_equal(nodes[0].size, strlen(good[i].out));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(read_text(bad[i]));
    }
    assert_false(read_bytes("\"a\0b\"", 5));
}

static void test_grammar(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "nul",
        "nulls",
        "true false",
        "01",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "-",
        "0x10",
        "NaN",
        "Infinity",
        "1 2",
        "{\"a\":1 \"b\":2}",
        "[1 2]",
        "{}x",
        "[[[[[]]]]]",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "/**/1",
        "[1}",
        "TRUE",
        "\xEF\xBB\xBF{}",
    };
    static const char *const good[] = {
        "0",     "-0",   "1e5", "1E-5", "0.5", "[[[[]]]]", "true",
        "false", "null", "[]",  "{}",   "[ ]", "{ }",      "{\"a\":{\"a\":1}}"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (read_text(bad[i])) {
            fail_msg("was read: %s", bad[i]);
        }
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!read_text(good[i])) {
            fail_msg("was not read: %s", good[i]);
        }
    }
    assert_false(read_bytes("{}\0", 3));
    assert_false(read_bytes("1\0", 2));
}

static void test_bounds(void **state)
{
    char many[2048];
    size_t size = 0;
    double real = 0;
    uint64_t whole = 0;

    (void)state;
    many[size++] = '[';
    for (int i = 0; i < 199; i++) {
        size += (size_t)sprintf(many + size, "1,");
    }
    many[size - 1] = ']';
    assert_true(read_bytes(many, size));
    assert_int_equal(tree.count, 200);
    many[size - 1] = ',';
    memcpy(many + size, "1]", 2);
    assert_false(read_bytes(many, size + 2));

    size = (size_t)sprintf(many, "{\"m0\":0");
    for (int i = 1; i < JSON_MEMBERS_MAX; i++) {
        size += (size_t)sprintf(many + size, ",\"m%d\":0", i);
    }
    many[size] = '}';
    assert_true(read_bytes(many, size + 1));
    memcpy(many + size, ",\"z\":0}", 7);
    assert_false(read_bytes(many, size + 7));

    assert_true(read_text("1e999"));
    assert_false(json_node_real(&nodes[0], &real));
    assert_false(json_node_u64(&nodes[0], UINT64_MAX, &whole));
    assert_true(read_text("18446744073709551615"));
    assert_true(json_node_u64(&nodes[0], UINT64_MAX, &whole));
    assert_false(json_node_u64(&nodes[0], UINT32_MAX, &whole));
    assert_true(read_text("18446744073709551616"));
    assert_false(json_node_u64(&nodes[0], UINT64_MAX, &whole));
    tree.capacity = 0;
    assert_false(json_read(&tree, text, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_grammar),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
