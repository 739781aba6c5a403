/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of the codec share. */
#ifndef UNIT_STUN_TEST_H
#define UNIT_STUN_TEST_H

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <postern/stun.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Bytes in hexadecimal, spaces allowed, into `out`; returns how many. */
static inline size_t from_hex(const char *text, uint8_t *out, size_t capacity)
{
    size_t size = 0;

    for (const char *at = text; *at != '\0';) {
        if (*at == ' ') {
            at++;
            continue;
        }
        char digits[3] = {at[0], at[1], '\0'};
        char *end;
        assert_true(size < capacity);
        out[size++] = (uint8_t)strtoul(digits, &end, 16);
        assert_ptr_equal(end, digits + 2);
        at += 2;
    }
    return size;
}

/* A heap copy of exactly `size` bytes, so that a sanitizer sees the first byte read beyond. */
static inline uint8_t *exact_copy(const uint8_t *bytes, size_t size)
{
    /* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): empty blocks are wanted, too */
    uint8_t *copy = calloc(size, 1);

    if (size > 0) {
        assert_non_null(copy);
        memcpy(copy, bytes, size);
    }
    return copy;
}

#endif
