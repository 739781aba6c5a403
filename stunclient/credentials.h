/* SPDX-License-Identifier: BSD-3-Clause */
/* Name and password for a TURN server: given, read from files, or made by a shared secret. */
#ifndef STUNCLIENT_CREDENTIALS_H
#define STUNCLIENT_CREDENTIALS_H

#include "stunclient/options.h"

#define CREDENTIAL_SIZE_MAX 512
#define CREDENTIAL_KEY_SIZE_MAX 64

struct credentials {
    bool given; /* false: none, the server is asked without */
    char user[CREDENTIAL_SIZE_MAX];
    char password[CREDENTIAL_SIZE_MAX];
    /* An OAuth token (RFC 7635) in place of the password; `user` is then the id of its key. */
    uint8_t token[CREDENTIAL_SIZE_MAX], token_key[CREDENTIAL_KEY_SIZE_MAX];
    uint16_t token_size, token_key_size; /* 0: none */
};

/*
 * Options come before files, files before the environment (POSTERN_USER, POSTERN_PASSWORD,
 * POSTERN_SECRET). With a secret the name becomes "EXPIRY:NAME", good for an hour, and the password
 * base64(HMAC-SHA1(secret, name)), as draft-uberti-behave-turn-rest describes it. `unix_seconds` is
 * the time of day. A token file has three lines: key id, session key in base64, token in base64;
 * it stands for all others. `otherwise` (may be NULL) fills in what all of them leave open; its
 * password only for its own user. Returns true, or false with the failure filled.
 */
bool credentials_load(struct credentials *credentials, const struct options *options,
                      const struct credentials *otherwise, int64_t unix_seconds,
                      struct failure *failure);
void credentials_wipe(struct credentials *credentials);

#endif
