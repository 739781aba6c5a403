/* SPDX-License-Identifier: BSD-3-Clause */
/* Name and password for a TURN server: given, read from files, or made by a shared secret. */
#ifndef STUNCLIENT_CREDENTIALS_H
#define STUNCLIENT_CREDENTIALS_H

#include "stunclient/options.h"

#define CREDENTIAL_SIZE_MAX 512

struct credentials {
    bool given; /* false: none, the server is asked without */
    char user[CREDENTIAL_SIZE_MAX];
    char password[CREDENTIAL_SIZE_MAX];
};

/*
 * Options come before files, files before the environment (POSTERN_USER, POSTERN_PASSWORD,
 * POSTERN_SECRET). With a secret the name becomes "EXPIRY:NAME", good for an hour, and the password
 * base64(HMAC-SHA1(secret, name)), as draft-uberti-behave-turn-rest describes it. `unix_seconds` is
 * the time of day. Returns true, or false with the failure filled.
 */
bool credentials_load(struct credentials *credentials, const struct options *options,
                      int64_t unix_seconds, struct failure *failure);
void credentials_wipe(struct credentials *credentials);

#endif
