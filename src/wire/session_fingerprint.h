/* SPDX-License-Identifier: BSD-3-Clause */
/* What session_description.c asks besides of a=fingerprint (RFC 8122 §5). */
#ifndef WIRE_SESSION_FINGERPRINT_H
#define WIRE_SESSION_FINGERPRINT_H

#include "wire/session_description.h"

/* Name, space, and 64 bytes as "AB:". */
#define SESSION_FINGERPRINT_TEXT_SIZE 224

/* Whether the text begins with the name of a hash that we know. */
bool session_fingerprint_is_known(const char *text, size_t size);

#endif
