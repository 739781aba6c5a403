/* SPDX-License-Identifier: BSD-3-Clause */
/* Base64 with the alphabet for URLs (RFC 4648 §5), without padding. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters of `size` bytes, and a zero. */
#define BASE64_TEXT_SIZE(size) (((size)*4 + 2) / 3 + 1)

/* Writes BASE64_TEXT_SIZE(size) bytes, and returns `out`. */
char *base64_encode(const void *bytes, size_t size, char *out);
/* Reads text that stands for exactly `size` bytes. The common alphabet and padding are read too,
 * since browsers' btoa() writes them. Returns false when it is anything else; `out` is then of no
 * use. */
bool base64_decode(const char *text, uint8_t *out, size_t size);

#endif
