/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/auth/opaque_string.h"

#include "base/normal_form.h"
#include "base/text.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The non-ASCII characters of general category Zs. */
static bool is_other_space(uint32_t code_point)
{
    return code_point == 0xA0 || code_point == 0x1680 ||
           (code_point >= 0x2000 && code_point <= 0x200A) || code_point == 0x202F ||
           code_point == 0x205F || code_point == 0x3000;
}

bool opaque_string_is_valid(const char *text, size_t size)
{
    size_t at = 0;

    while (at < size) {
        uint32_t code_point = 0;
        size_t length = text_utf8_next(text + at, size - at, &code_point);
        if (length == 0 || !text_is_printable(code_point)) {
            return false;
        }
        at += length;
    }
    return size > 0;
}

char *opaque_string_prepare(const char *text)
{
    size_t size = strlen(text);
    size_t written = 0;

    if (!opaque_string_is_valid(text, size)) {
        errno = EINVAL;
        return NULL;
    }
    char *out = malloc(size * NORMAL_FORM_GROWTH + 1);
    if (out == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    for (size_t at = 0; at < size;) {
        uint32_t code_point = 0;
        size_t length = text_utf8_next(text + at, size - at, &code_point);
        if (is_other_space(code_point)) {
            out[written++] = ' ';
        } else {
            memcpy(out + written, text + at, length);
            written += length;
        }
        at += length;
    }
    out[written] = '\0';
    if (!normal_form_apply(out, size * NORMAL_FORM_GROWTH + 1)) {
        free(out);
        errno = ENOMEM;
        return NULL;
    }
    return out;
}
