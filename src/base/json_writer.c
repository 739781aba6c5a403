/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/json_writer.h"

#include "base/address.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

void json_init(struct json_writer *json, struct text_buffer *out)
{
    *json = (struct json_writer){.out = out};
}

/* ---- structure ----------------------------------------------------------------------------------
 */

/* What stands before a value or a key: a comma, unless it is the first of its level. */
static void separate(struct json_writer *json)
{
    uint32_t bit = UINT32_C(1) << json->depth;

    if (json->after_key) {
        json->after_key = false;
        return;
    }
    if ((json->filled & bit) != 0) {
        text_buffer_put_char(json->out, ',');
    }
    json->filled |= bit;
}

static void begin(struct json_writer *json, char bracket)
{
    separate(json);
    text_buffer_put_char(json->out, bracket);
    assert(json->depth + 1 < JSON_DEPTH_MAX);
    json->depth++;
    json->filled &= ~(UINT32_C(1) << json->depth);
}

static void end(struct json_writer *json, char bracket)
{
    assert(json->depth > 0 && !json->after_key);
    json->depth--;
    text_buffer_put_char(json->out, bracket);
}

void json_begin_object(struct json_writer *json)
{
    begin(json, '{');
}

void json_end_object(struct json_writer *json)
{
    end(json, '}');
}

void json_begin_array(struct json_writer *json)
{
    begin(json, '[');
}

void json_end_array(struct json_writer *json)
{
    end(json, ']');
}

/* ---- strings ------------------------------------------------------------------------------------
 */

/* The letter of the two-character escape, or 0. */
static char short_escape(uint32_t code_point)
{
    switch (code_point) {
    case '"':
    case '\\':
        return (char)code_point;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* How many of the first bytes are ASCII that needs no escape: most texts are nothing else. */
static size_t plain_run(const char *bytes, size_t size)
{
    size_t length = 0;

    while (length < size && bytes[length] >= ' ' && bytes[length] < 0x7f && bytes[length] != '"' &&
           bytes[length] != '\\') {
        length++;
    }
    return length;
}

static void put_escaped(struct text_buffer *out, const char *bytes, size_t size)
{
    while (size > 0 && !out->failed) {
        size_t run = plain_run(bytes, size);
        text_buffer_put(out, bytes, run);
        bytes += run;
        size -= run;
        if (size == 0) {
            return;
        }
        uint32_t code_point = 0;
        size_t length = text_utf8_next(bytes, size, &code_point);
        char letter = short_escape(code_point);
        if (length == 0) {
            text_buffer_put_string(out, "\\ufffd");
            length = 1;
        } else if (letter != 0) {
            char escape[2] = {'\\', letter};
            text_buffer_put(out, escape, sizeof escape);
        } else if (!text_is_printable(code_point)) {
            /* All that are not printable lie below U+10000: one escape is enough. */
            text_buffer_put_format(out, "\\u%04" PRIx32, code_point);
        } else {
            text_buffer_put(out, bytes, length);
        }
        bytes += length;
        size -= length;
    }
}

static void put_quoted(struct text_buffer *out, const char *bytes, size_t size)
{
    text_buffer_put_char(out, '"');
    put_escaped(out, bytes, size);
    text_buffer_put_char(out, '"');
}

void json_put_key(struct json_writer *json, const char *key)
{
    assert(json->depth > 0 && !json->after_key);
    separate(json);
    put_quoted(json->out, key, strlen(key));
    text_buffer_put_char(json->out, ':');
    json->after_key = true;
}

/* ---- values -------------------------------------------------------------------------------------
 */

void json_put_bytes(struct json_writer *json, const char *bytes, size_t size)
{
    separate(json);
    put_quoted(json->out, bytes, size);
}

void json_put_string(struct json_writer *json, const char *text)
{
    if (text == NULL) {
        json_put_null(json);
    } else {
        json_put_bytes(json, text, strlen(text));
    }
}

void json_put_u64(struct json_writer *json, uint64_t number)
{
    separate(json);
    text_buffer_put_format(json->out, "%" PRIu64, number);
}

void json_put_i64(struct json_writer *json, int64_t number)
{
    separate(json);
    text_buffer_put_format(json->out, "%" PRId64, number);
}

void json_put_bool(struct json_writer *json, bool value)
{
    separate(json);
    text_buffer_put_string(json->out, value ? "true" : "false");
}

void json_put_null(struct json_writer *json)
{
    separate(json);
    text_buffer_put_string(json->out, "null");
}

/* printf's decimal point is the locale's; no program of ours calls setlocale. */
void json_put_real(struct json_writer *json, double number, unsigned decimals)
{
    if (!isfinite(number)) {
        json_put_null(json);
        return;
    }
    separate(json);
    text_buffer_put_format(json->out, "%.*f", (int)decimals, number);
}

void json_put_address(struct json_writer *json, const struct stun_address *address)
{
    char text[ADDRESS_TEXT_SIZE];

    if (address_ip_size(address) == 0) {
        json_put_null(json);
    } else {
        json_put_string(json, address_format(address, text));
    }
}

/* ---- members ------------------------------------------------------------------------------------
 */

void json_member_string(struct json_writer *json, const char *key, const char *text)
{
    json_put_key(json, key);
    json_put_string(json, text);
}

void json_member_u64(struct json_writer *json, const char *key, uint64_t number)
{
    json_put_key(json, key);
    json_put_u64(json, number);
}

void json_member_i64(struct json_writer *json, const char *key, int64_t number)
{
    json_put_key(json, key);
    json_put_i64(json, number);
}

void json_member_bool(struct json_writer *json, const char *key, bool value)
{
    json_put_key(json, key);
    json_put_bool(json, value);
}

void json_member_null(struct json_writer *json, const char *key)
{
    json_put_key(json, key);
    json_put_null(json);
}

void json_member_real(struct json_writer *json, const char *key, double number, unsigned decimals)
{
    json_put_key(json, key);
    json_put_real(json, number, decimals);
}

void json_member_address(struct json_writer *json, const char *key,
                         const struct stun_address *address)
{
    json_put_key(json, key);
    json_put_address(json, address);
}

int json_print(const struct json_writer *json, FILE *file)
{
    const struct text_buffer *out = json->out;

    if (out->failed) {
        return -ENOMEM;
    }
    if (fwrite(out->bytes, 1, out->size, file) != out->size || putc('\n', file) == EOF ||
        fflush(file) != 0) {
        return errno != 0 ? -errno : -EIO;
    }
    return 0;
}
