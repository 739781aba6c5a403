/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes JSON (RFC 8259) on one line into a text_buffer. A failure of the buffer sticks, so that
 * only text_buffer_finish needs a test. Strings may hold any bytes: what is not UTF-8 becomes
 * U+FFFD.
 *
 *     json_init(&json, &buffer);
 *     json_begin_object(&json);
 *     json_put_key(&json, "urls");
 *     json_begin_array(&json);
 *     json_put_string(&json, "stun:192.0.2.1");
 *     json_end_array(&json);
 *     json_end_object(&json);
 */
#ifndef BASE_JSON_WRITER_H
#define BASE_JSON_WRITER_H

#include "base/text.h"

#include <postern/address.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 32

struct json_writer {
    struct text_buffer *out; /* borrowed */
    uint32_t filled;         /* a bit a level: has a member already */
    uint8_t depth;
    bool after_key;
};

void json_init(struct json_writer *json, struct text_buffer *out);

/* At most JSON_DEPTH_MAX - 1 levels; more, or an end without a beginning, is a bug (assert). */
void json_begin_object(struct json_writer *json);
void json_end_object(struct json_writer *json);
void json_begin_array(struct json_writer *json);
void json_end_array(struct json_writer *json);
/* The next value is the member `key` of the object that is open. */
void json_put_key(struct json_writer *json, const char *key);

void json_put_string(struct json_writer *json, const char *text); /* NULL: null */
void json_put_bytes(struct json_writer *json, const char *bytes, size_t size);
void json_put_u64(struct json_writer *json, uint64_t number);
void json_put_i64(struct json_writer *json, int64_t number);
void json_put_bool(struct json_writer *json, bool value);
void json_put_null(struct json_writer *json);
/* With `decimals` digits after the point, 0..9; what is not finite is null. */
void json_put_real(struct json_writer *json, double number, unsigned decimals);
/* "192.0.2.1:3478" or "[2001:db8::1]:3478"; null for no address. */
void json_put_address(struct json_writer *json, const struct stun_address *address);

/* A key and its value in one call. */
void json_member_string(struct json_writer *json, const char *key, const char *text);
void json_member_u64(struct json_writer *json, const char *key, uint64_t number);
void json_member_i64(struct json_writer *json, const char *key, int64_t number);
void json_member_bool(struct json_writer *json, const char *key, bool value);
void json_member_null(struct json_writer *json, const char *key);
void json_member_real(struct json_writer *json, const char *key, double number, unsigned decimals);
void json_member_address(struct json_writer *json, const char *key,
                         const struct stun_address *address);

/*
 * Writes what the buffer holds and a newline to `file`, and flushes it. Returns 0, -ENOMEM when the
 * buffer had failed, or -errno of the file.
 */
int json_print(const struct json_writer *json, FILE *file);

#endif
