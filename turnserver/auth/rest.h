/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time-limited names: "expiry:account" or just "expiry", in seconds since 1970, with the password
 * base64(HMAC(secret, name)) (draft-uberti-behave-turn-rest-00). A web application that knows the
 * secret can make them without asking the server.
 */
#ifndef AUTH_REST_H
#define AUTH_REST_H

#include "turnserver/auth/digests.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rest_name {
    int64_t expiry;        /* the first second in which it no longer holds */
    size_t account_offset; /* where the account begins; 0: the whole name is it */
};

/* Reads a name; false when it is not of this kind: no digits, or a number past INT64_MAX. */
bool rest_name_parse(struct rest_name *out, const char *name);

#define REST_PASSWORD_SIZE 45 /* base64 of 32 bytes and a zero */

/* The password of `name`, zero-terminated. False when the cryptographic library fails. */
bool rest_password(struct auth_digests *digests, enum auth_hmac which, const char *secret,
                   const char *name, char out[REST_PASSWORD_SIZE]);

#endif
