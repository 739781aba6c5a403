/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool text_parse_u64(const char *text, size_t size, uint64_t max, uint64_t *out)
{
    uint64_t number = 0;

    if (size == 0 || (size > 1 && text[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (digit > max || number > (max - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *out = number;
    return true;
}

bool text_host_matches(const char *pattern, const char *name)
{
    if (pattern[0] == '*' && pattern[1] == '.') {
        const char *dot = strchr(name, '.');
        pattern++;
        name = dot != NULL && dot != name ? dot : "";
    }
    return strcasecmp(pattern, name) == 0;
}

void text_copy_printable(char *out, size_t capacity, const void *text, size_t size)
{
    const unsigned char *bytes = text;
    size_t length = size < capacity - 1 ? size : capacity - 1;

    for (size_t i = 0; i < length; i++) {
        out[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? (char)bytes[i] : '?';
    }
    out[length] = '\0';
}

/* ---- UTF-8 --------------------------------------------------------------------------------------
 */

/* Bytes that follow a first byte, and the bits that it gives itself; -1: no first byte. */
static int utf8_following(unsigned char first, uint32_t *bits)
{
    if (first < 0x80) {
        *bits = first;
        return 0;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        *bits = first & 0x1Fu;
        return 1;
    }
    if (first >= 0xE0 && first <= 0xEF) {
        *bits = first & 0x0Fu;
        return 2;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        *bits = first & 0x07u;
        return 3;
    }
    return -1;
}

size_t text_utf8_next(const char *bytes, size_t size, uint32_t *code_point)
{
    static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    uint32_t value = 0;

    if (size == 0) {
        return 0;
    }
    int following = utf8_following((unsigned char)bytes[0], &value);
    if (following < 0 || (size_t)following >= size) {
        return 0;
    }
    for (int i = 1; i <= following; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if ((byte & 0xC0u) != 0x80) {
            return 0;
        }
        value = value << 6 | (byte & 0x3Fu);
    }
    if (value < smallest[following] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        return 0;
    }
    *code_point = value;
    return (size_t)following + 1;
}

bool text_utf8_valid(const char *bytes, size_t size)
{
    uint32_t code_point = 0;

    while (size > 0) {
        size_t length = text_utf8_next(bytes, size, &code_point);
        if (length == 0) {
            return false;
        }
        bytes += length;
        size -= length;
    }
    return true;
}

bool text_is_printable(uint32_t code_point)
{
    static const struct {
        uint32_t first, last;
    } unprintable[] = {
        {0x0000, 0x001F}, {0x007F, 0x009F}, {0x061C, 0x061C}, {0x200E, 0x200F},
        {0x2028, 0x202E}, {0x2066, 0x2069}, {0xFEFF, 0xFEFF},
    };

    for (size_t i = 0; i < sizeof unprintable / sizeof unprintable[0]; i++) {
        if (code_point >= unprintable[i].first && code_point <= unprintable[i].last) {
            return false;
        }
    }
    return true;
}

void text_copy_readable(char *out, size_t capacity, const char *text, size_t size)
{
    size_t length = 0;

    for (size_t at = 0, step = 0; at < size; at += step) {
        uint32_t code_point = 0;
        size_t good = text_utf8_next(text + at, size - at, &code_point);
        bool shown = good > 0 && text_is_printable(code_point);
        step = good > 0 ? good : 1;
        size_t wanted = shown ? step : 1;
        if (length + wanted >= capacity) {
            break;
        }
        memcpy(out + length, shown ? text + at : "?", wanted);
        length += wanted;
    }
    out[length] = '\0';
}

size_t text_put_terminated(void *out, size_t capacity, const char *const *texts, size_t count)
{
    size_t written = 0;

    for (size_t i = 0; i < count; i++) {
        const char *text = texts[i] != NULL ? texts[i] : "";
        size_t size = strlen(text) + 1;
        if (size > capacity - written) {
            return 0;
        }
        memcpy((char *)out + written, text, size);
        written += size;
    }
    return written;
}

/* ---- a buffer whose failure sticks -------------------------------------------------------------
 */

void text_buffer_init_fixed(struct text_buffer *buffer, char *bytes, size_t capacity)
{
    *buffer = (struct text_buffer){.bytes = bytes, .capacity = capacity};
}

void text_buffer_init_growing(struct text_buffer *buffer)
{
    *buffer = (struct text_buffer){.growing = true};
}

void text_buffer_free(struct text_buffer *buffer)
{
    if (buffer->growing) {
        free(buffer->bytes);
    }
    *buffer = (struct text_buffer){.growing = buffer->growing};
}

/* Room for `size` more bytes; sets `failed` when there is none. */
static bool text_buffer_reserve(struct text_buffer *buffer, size_t size)
{
    if (buffer->failed) {
        return false;
    }
    if (buffer->capacity - buffer->size >= size) {
        return true;
    }
    size_t capacity = buffer->capacity < 128 ? 128 : buffer->capacity;
    while (buffer->growing && capacity - buffer->size < size && capacity <= SIZE_MAX / 4) {
        capacity *= 2;
    }
    char *bytes = NULL;
    if (buffer->growing && capacity - buffer->size >= size) {
        bytes = realloc(buffer->bytes, capacity);
    }
    if (bytes == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

void text_buffer_put(struct text_buffer *buffer, const void *bytes, size_t size)
{
    if (size > 0 && text_buffer_reserve(buffer, size)) {
        memcpy(buffer->bytes + buffer->size, bytes, size);
        buffer->size += size;
    }
}

void text_buffer_put_char(struct text_buffer *buffer, char character)
{
    text_buffer_put(buffer, &character, 1);
}

void text_buffer_put_string(struct text_buffer *buffer, const char *text)
{
    text_buffer_put(buffer, text, strlen(text));
}

void text_buffer_put_format(struct text_buffer *buffer, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    /* One byte more than the text: vsnprintf writes its zero there. */
    if (length < 0 || !text_buffer_reserve(buffer, (size_t)length + 1)) {
        buffer->failed = true;
        return;
    }
    va_start(arguments, format);
    vsnprintf(buffer->bytes + buffer->size, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->size += (size_t)length;
}

void text_buffer_rewind(struct text_buffer *buffer, size_t size)
{
    if (size <= buffer->size) {
        buffer->size = size;
        buffer->failed = false;
    }
}

const char *text_buffer_finish(struct text_buffer *buffer)
{
    if (!text_buffer_reserve(buffer, 1)) {
        return NULL;
    }
    buffer->bytes[buffer->size] = '\0';
    return buffer->bytes;
}
