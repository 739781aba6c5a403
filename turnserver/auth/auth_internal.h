/* SPDX-License-Identifier: BSD-3-Clause */
/* What an auth is made of: for the files of this room only. */
#ifndef AUTH_AUTH_INTERNAL_H
#define AUTH_AUTH_INTERNAL_H

#include "base/base64.h"
#include "turnserver/auth/auth.h"
#include "turnserver/auth/digests.h"
#include "turnserver/auth/lookup.h"
#include "turnserver/auth/nonce.h"
#include "turnserver/auth/policy.h"

struct auth {
    const struct auth_policy *policy; /* borrowed */
    struct stun_crypto *crypto;       /* borrowed */
    struct auth_digests digests;
    uint8_t nonce_key[NONCE_KEY_SIZE];
    bool has_wall_clock;
    struct monotime wall_moment; /* when it was wall_seconds o'clock */
    int64_t wall_seconds;
    struct evp_cipher_ctx_st *cipher; /* opens tokens */
    struct lookup_table lookups;
    const struct auth_source *origins; /* may be NULL */
    auth_server_name *server_name;     /* may be NULL */
    void *server_name_context;
    char own_secret[BASE64_TEXT_SIZE(32)]; /* for credentials that we make ourselves */
    struct monotime source_fails; /* until then; nobody can be told from nobody meanwhile */
};

/* As nonces have it. */
static inline int64_t auth_seconds_of(struct monotime time)
{
    return time.us / MONOTIME_SECOND;
}

/* The time of day at `now`, once it has been told. */
static inline int64_t auth_wall_clock(const struct auth *auth, struct monotime now)
{
    return auth->wall_seconds + monotime_difference_us(now, auth->wall_moment) / MONOTIME_SECOND;
}

/* Writes how an account is called: the name, and its realm unless that is the first. */
void auth_write_account(const struct auth *auth, const struct auth_policy *realm, const char *name,
                        char user[AUTH_USER_SIZE]);

#endif
