/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/json_reader.h"

#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct json_tree *tree;
    char *at, *end; /* *end is zero, so that looking at *at is always allowed */
    unsigned depth;
};

static bool read_value(struct reader *reader, struct json_node *node);

static void skip_space(struct reader *reader)
{
    while (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n' ||
           *reader->at == '\r') {
        reader->at++;
    }
}

static bool take(struct reader *reader, char wanted)
{
    if (*reader->at != wanted || reader->at == reader->end) {
        return false;
    }
    reader->at++;
    return true;
}

/* ---- strings --------------------------------------------------------------------------------- */

static int hex_digit(char digit)
{
    static const char digits[] = "0123456789abcdef";
    char small = digit >= 'A' && digit <= 'F' ? (char)(digit - 'A' + 'a') : digit;
    const char *found = small != '\0' ? strchr(digits, small) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

/* The four digits of \uXXXX. */
static bool read_code_unit(struct reader *reader, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(*reader->at);
        if (digit < 0) {
            return false;
        }
        *unit = *unit << 4 | (uint32_t)digit;
        reader->at++;
    }
    return true;
}

/* What follows "\u": a character, of two escapes if need be. Zero is none. */
static bool read_code_point(struct reader *reader, uint32_t *code_point)
{
    uint32_t low = 0;

    if (!read_code_unit(reader, code_point)) {
        return false;
    }
    if (*code_point >= 0xD800 && *code_point <= 0xDBFF) {
        if (!take(reader, '\\') || !take(reader, 'u') || !read_code_unit(reader, &low) ||
            low < 0xDC00 || low > 0xDFFF) {
            return false;
        }
        *code_point = 0x10000 + ((*code_point - 0xD800) << 10 | (low - 0xDC00));
    }
    return *code_point != 0 && (*code_point < 0xD800 || *code_point > 0xDFFF);
}

/* Writes it as UTF-8, which is never longer than its escape. Returns what comes after. */
static char *put_utf8(char *out, uint32_t code_point)
{
    if (code_point < 0x80) {
        *out++ = (char)code_point;
    } else if (code_point < 0x800) {
        *out++ = (char)(0xC0 | code_point >> 6);
        *out++ = (char)(0x80 | (code_point & 0x3F));
    } else if (code_point < 0x10000) {
        *out++ = (char)(0xE0 | code_point >> 12);
        *out++ = (char)(0x80 | (code_point >> 6 & 0x3F));
        *out++ = (char)(0x80 | (code_point & 0x3F));
    } else {
        *out++ = (char)(0xF0 | code_point >> 18);
        *out++ = (char)(0x80 | (code_point >> 12 & 0x3F));
        *out++ = (char)(0x80 | (code_point >> 6 & 0x3F));
        *out++ = (char)(0x80 | (code_point & 0x3F));
    }
    return out;
}

/* What follows a backslash. */
static bool read_escape(struct reader *reader, char **out)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    uint32_t code_point = 0;

    if (take(reader, 'u')) {
        if (!read_code_point(reader, &code_point)) {
            return false;
        }
        *out = put_utf8(*out, code_point);
        return true;
    }
    const char *letter = *reader->at != '\0' ? strchr(letters, *reader->at) : NULL;
    if (letter == NULL) {
        return false;
    }
    reader->at++;
    *(*out)++ = meanings[letter - letters];
    return true;
}

/* A character that stands for itself; its bytes move to where the escapes before it left room. */
static bool read_plain(struct reader *reader, char **out)
{
    uint32_t code_point = 0;
    size_t length = text_utf8_next(reader->at, (size_t)(reader->end - reader->at), &code_point);

    if (length == 0 || code_point < 0x20) {
        return false;
    }
    memmove(*out, reader->at, length);
    *out += length;
    reader->at += length;
    return true;
}

/* A string in place, and a zero where its end was. */
static bool read_string(struct reader *reader, const char **text, uint32_t *size)
{
    if (!take(reader, '"')) {
        return false;
    }
    char *start = reader->at, *out = start;
    while (*reader->at != '"') {
        if (!(take(reader, '\\') ? read_escape(reader, &out) : read_plain(reader, &out))) {
            return false;
        }
    }
    reader->at++;
    *out = '\0';
    *text = start;
    *size = (uint32_t)(out - start);
    return true;
}

/* ---- numbers and words ----------------------------------------------------------------------- */

static bool skip_digits(struct reader *reader)
{
    char *start = reader->at;

    while (*reader->at >= '0' && *reader->at <= '9') {
        reader->at++;
    }
    return reader->at > start;
}

static bool read_number(struct reader *reader, struct json_node *node)
{
    char *start = reader->at;

    take(reader, '-');
    if (!take(reader, '0') && !skip_digits(reader)) {
        return false;
    }
    if (take(reader, '.') && !skip_digits(reader)) {
        return false;
    }
    if (take(reader, 'e') || take(reader, 'E')) {
        if (!take(reader, '-')) {
            take(reader, '+');
        }
        if (!skip_digits(reader)) {
            return false;
        }
    }
    node->type = JSON_NUMBER;
    node->text = start;
    node->size = (uint32_t)(reader->at - start);
    return true;
}

static bool read_word(struct reader *reader, struct json_node *node)
{
    static const char *const words[] = {
        [JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t size = strlen(words[i]);
        if (strncmp(reader->at, words[i], size) == 0) {
            reader->at += size;
            node->type = (enum json_type)i;
            return true;
        }
    }
    return false;
}

/* ---- arrays and objects ---------------------------------------------------------------------- */

/* A node at the end of the list of `parent`; `last` is the one before, or NULL. */
static struct json_node *add_node(struct reader *reader, struct json_node *parent,
                                  struct json_node *last)
{
    struct json_tree *tree = reader->tree;

    if (tree->count >= tree->capacity) {
        return NULL;
    }
    struct json_node *node = &tree->nodes[tree->count];
    *node = (struct json_node){0};
    if (last != NULL) {
        last->next = (uint32_t)tree->count;
    } else {
        parent->child = (uint32_t)tree->count;
    }
    tree->count++;
    parent->size++;
    return node;
}

static bool read_key(struct reader *reader, const struct json_node *object, struct json_node *node)
{
    const char *key = NULL;
    uint32_t size = 0;

    if (!read_string(reader, &key, &size) || object->size > JSON_MEMBERS_MAX ||
        json_find(reader->tree, object, key) != NULL) {
        return false;
    }
    node->key = key;
    skip_space(reader);
    if (!take(reader, ':')) {
        return false;
    }
    skip_space(reader);
    return true;
}

/* What follows the opening bracket. */
static bool read_list(struct reader *reader, struct json_node *parent, char closing)
{
    struct json_node *last = NULL;

    skip_space(reader);
    if (take(reader, closing)) {
        return true;
    }
    do {
        skip_space(reader);
        last = add_node(reader, parent, last);
        if (last == NULL || (closing == '}' && !read_key(reader, parent, last)) ||
            !read_value(reader, last)) {
            return false;
        }
        skip_space(reader);
    } while (take(reader, ','));
    return take(reader, closing);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as depth_max */
static bool read_value(struct reader *reader, struct json_node *node)
{
    bool object = *reader->at == '{';

    if (*reader->at == '"') {
        node->type = JSON_STRING;
        return read_string(reader, &node->text, &node->size);
    }
    if (!object && *reader->at != '[') {
        return read_word(reader, node) || read_number(reader, node);
    }
    if (reader->depth >= reader->tree->depth_max) {
        return false;
    }
    reader->at++;
    reader->depth++;
    node->type = object ? JSON_OBJECT : JSON_ARRAY;
    if (!read_list(reader, node, object ? '}' : ']')) {
        return false;
    }
    reader->depth--;
    return true;
}

bool json_read(struct json_tree *tree, char *text, size_t size)
{
    struct reader reader = {.tree = tree, .at = text, .end = text + size};

    tree->count = 0;
    if (tree->capacity == 0) {
        return false;
    }
    text[size] = '\0';
    tree->nodes[0] = (struct json_node){0};
    tree->count = 1;
    skip_space(&reader);
    if (!read_value(&reader, &tree->nodes[0])) {
        return false;
    }
    skip_space(&reader);
    return reader.at == reader.end;
}

/* ---- looking at it --------------------------------------------------------------------------- */

const struct json_node *json_child(const struct json_tree *tree, const struct json_node *node)
{
    return node->child != 0 ? &tree->nodes[node->child] : NULL;
}

const struct json_node *json_next(const struct json_tree *tree, const struct json_node *node)
{
    return node->next != 0 ? &tree->nodes[node->next] : NULL;
}

const struct json_node *json_find(const struct json_tree *tree, const struct json_node *object,
                                  const char *key)
{
    if (object->type != JSON_OBJECT) {
        return NULL;
    }
    for (const struct json_node *node = json_child(tree, object); node != NULL;
         node = json_next(tree, node)) {
        if (node->key != NULL && strcmp(node->key, key) == 0) {
            return node;
        }
    }
    return NULL;
}

bool json_node_u64(const struct json_node *node, uint64_t max, uint64_t *out)
{
    return node->type == JSON_NUMBER && text_parse_u64(node->text, node->size, max, out);
}

bool json_node_real(const struct json_node *node, double *out)
{
    if (node->type != JSON_NUMBER) {
        return false;
    }
    double value = strtod(node->text, NULL);
    if (!isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}
