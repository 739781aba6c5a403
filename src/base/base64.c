/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *base64_encode(const void *bytes, size_t size, char *out)
{
    const uint8_t *from = bytes;
    char *to = out;
    uint32_t bits = 0;
    unsigned count = 0; /* of bits that are not written yet */

    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | from[i];
        for (count += 8; count >= 6; count -= 6) {
            *to++ = alphabet[bits >> (count - 6) & 63];
        }
    }
    if (count > 0) {
        *to++ = alphabet[bits << (6 - count) & 63];
    }
    *to = '\0';
    return out;
}

/* 0..63, or -1. No table is looked up by a secret: characters are compared by ranges. */
static int value_of(char character)
{
    if (character >= 'A' && character <= 'Z') {
        return character - 'A';
    }
    if (character >= 'a' && character <= 'z') {
        return character - 'a' + 26;
    }
    if (character >= '0' && character <= '9') {
        return character - '0' + 52;
    }
    if (character == '-' || character == '+') {
        return 62;
    }
    return character == '_' || character == '/' ? 63 : -1;
}

bool base64_decode(const char *text, uint8_t *out, size_t size)
{
    size_t characters = BASE64_TEXT_SIZE(size) - 1;
    uint32_t bits = 0;
    unsigned count = 0;

    for (size_t i = 0; i < characters; i++) {
        int value = value_of(text[i]);
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            *out++ = (uint8_t)(bits >> count);
        }
    }
    /* The bits that are left over are zero, and only padding follows. */
    size_t padding = strspn(text + characters, "=");
    return (bits & ((1u << count) - 1)) == 0 && text[characters + padding] == '\0' &&
           (padding == 0 || (characters + padding) % 4 == 0) && padding < 3;
}
