/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * User names and passwords as the OpaqueString profile (RFC 8265 §4.2) wants them, but
 * for the table of letters that Unicode has not assigned: ASCII stays as it is; other text must be
 * well-formed UTF-8 without control characters or marks of direction, its other spaces become
 * U+0020, and it is brought to normalization form C where the build can (base/normal_form.h).
 */
#ifndef AUTH_OPAQUE_STRING_H
#define AUTH_OPAQUE_STRING_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a text from the wire can be the result of the profile: not empty, nothing forbidden. */
bool opaque_string_is_valid(const char *text, size_t size);

/* The prepared copy of `text`, to be freed by the caller; or NULL with errno EINVAL (the profile
 * forbids it) or ENOMEM. */
char *opaque_string_prepare(const char *text);

#endif
