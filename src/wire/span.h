/* SPDX-License-Identifier: BSD-3-Clause */
/* A piece of somebody else's text, without a zero at its end: what lines of SDP are cut into. */
#ifndef WIRE_SPAN_H
#define WIRE_SPAN_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct span {
    const char *at; /* borrowed */
    size_t size;
};

static inline bool span_is(struct span span, const char *text)
{
    return span.size == strlen(text) && memcmp(span.at, text, span.size) == 0;
}

/* Whatever the case of its letters. */
static inline bool span_is_word(struct span span, const char *text)
{
    return span.size == strlen(text) && strncasecmp(span.at, text, span.size) == 0;
}

/* Takes `text` off the front, when it is there. */
static inline bool span_skip(struct span *span, const char *text)
{
    size_t size = strlen(text);

    if (span->size < size || memcmp(span->at, text, size) != 0) {
        return false;
    }
    span->at += size;
    span->size -= size;
    return true;
}

/* Takes the next word off the front; words are spaces apart. Empty: there is none. */
static inline struct span span_next_word(struct span *span)
{
    while (span->size > 0 && *span->at == ' ') {
        span->at++;
        span->size--;
    }
    struct span word = {span->at, 0};
    while (word.size < span->size && word.at[word.size] != ' ') {
        word.size++;
    }
    span->at += word.size;
    span->size -= word.size;
    return word;
}

static inline bool span_number(struct span span, uint64_t max, uint64_t *out)
{
    return text_parse_u64(span.at, span.size, max, out);
}

/* Copies it, with a zero, where it fits and has at least `min` characters. */
static inline bool span_copy(struct span span, size_t min, char *out, size_t capacity)
{
    if (span.size < min || span.size >= capacity) {
        return false;
    }
    memcpy(out, span.at, span.size);
    out[span.size] = '\0';
    return true;
}

/* Whether all of it is made of ice-char (RFC 8839 §5.1): letters, digits, '+' and '/'. */
static inline bool span_is_ice(struct span span)
{
    for (size_t i = 0; i < span.size; i++) {
        char c = span.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/')) {
            return false;
        }
    }
    return true;
}

#endif
