/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small helpers for text: strict numbers, UTF-8, and a bounded or growing buffer whose first
 * failure sticks.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads a decimal number that is all of `text` (`size` bytes, no sign, no space, no leading zero
 * but in "0" itself) and at most `max`. Returns false and leaves `out` alone for anything else.
 */
bool text_parse_u64(const char *text, size_t size, uint64_t max, uint64_t *out);

/*
 * Decodes the first character of `bytes`. Returns its length, 1..4, and sets `code_point`; returns
 * 0 when size is 0 or the bytes are not well-formed UTF-8 (overlong forms, surrogates and what lies
 * above U+10FFFF are not).
 */
size_t text_utf8_next(const char *bytes, size_t size, uint32_t *code_point);
/* Whether all of it is well-formed UTF-8. */
bool text_utf8_valid(const char *bytes, size_t size);
/* Whether a terminal shows the character and does nothing else with it: no C0 or C1 control, no
 * DEL, no mark that changes the direction of the text. */
bool text_is_printable(uint32_t code_point);

/*
 * Whether the host `name` is the one that `pattern` says, or one of those: "*.example.org" is any
 * label before ".example.org" (RFC 6125 §6.4.3). ASCII; large and small letters are the same.
 */
bool text_host_matches(const char *pattern, const char *name);

/*
 * Copies text from the network for people: what is not printable ASCII becomes '?', what does not
 * fit is left out. `out` ends with zero; capacity is at least 1.
 */
void text_copy_printable(char *out, size_t capacity, const void *text, size_t size);

/*
 * The same of UTF-8: what a terminal shows (text_is_printable) stays. A character that does not fit
 * whole is left out, with all behind it.
 */
void text_copy_readable(char *out, size_t capacity, const char *text, size_t size);

/* Writes the texts, each with a zero byte behind it; NULL is an empty one. Returns the size, or 0
 * when they do not fit. */
size_t text_put_terminated(void *out, size_t capacity, const char *const *texts, size_t count);

/* ---- a buffer whose failure sticks -------------------------------------------------------------
 */

struct text_buffer {
    char *bytes;
    size_t size;     /* bytes written */
    size_t capacity; /* bytes there are */
    bool growing;    /* bytes are ours, and grow */
    bool failed;     /* something did not fit; nothing is written any more */
};

/* Writes into `bytes`, the caller's; what does not fit fails. */
void text_buffer_init_fixed(struct text_buffer *buffer, char *bytes, size_t capacity);
/* Allocates as it grows; free with text_buffer_free. */
void text_buffer_init_growing(struct text_buffer *buffer);
void text_buffer_free(struct text_buffer *buffer);

/* Each appends all of it or fails whole. */
void text_buffer_put(struct text_buffer *buffer, const void *bytes, size_t size);
void text_buffer_put_char(struct text_buffer *buffer, char character);
void text_buffer_put_string(struct text_buffer *buffer, const char *text);
void text_buffer_put_format(struct text_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Goes back to an earlier size, before a failure too. */
void text_buffer_rewind(struct text_buffer *buffer, size_t size);
/* Puts a zero after the text (not counted in `size`) and returns it, or NULL after a failure. The
 * result lives until the next call. */
const char *text_buffer_finish(struct text_buffer *buffer);

#endif
