/* SPDX-License-Identifier: BSD-3-Clause */
/* Unicode's normalization form C, in which names and passwords are compared (RFC 8265 §4.2.2). */
#ifndef BASE_NORMAL_FORM_H
#define BASE_NORMAL_FORM_H

#include <stdbool.h>
#include <stddef.h>

/* How many times longer a text can become, in UTF-8. */
#define NORMAL_FORM_GROWTH 3

/*
 * Brings `text`, UTF-8 that ends with a zero, to form C in place; `capacity` counts the zero. Text
 * that is ASCII stays as it is, as does every text in a build without libunistring. Returns false,
 * and leaves `text` alone, when it does not fit, is no UTF-8, or memory is out.
 */
bool normal_form_apply(char *text, size_t capacity);

/* Whether this build can do it. */
bool normal_form_present(void);

#endif
