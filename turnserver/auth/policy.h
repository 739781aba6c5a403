/* SPDX-License-Identifier: BSD-3-Clause */
/* What an auth_policy is made of: for the files of this room only. */
#ifndef AUTH_POLICY_H
#define AUTH_POLICY_H

#include "turnserver/auth/auth.h"
#include "turnserver/auth/user_table.h"

/* Sets of password algorithms. */
#define POLICY_MD5 0x1u
#define POLICY_SHA256 0x2u

struct realm_names {
    char **items;
    size_t count;
};

struct auth_policy {
    char realm[AUTH_REALM_SIZE_MAX];
    unsigned nonce_lifetime_s;
    struct user_table users;
    char **secrets;
    size_t secret_count;
    char *oauth_server_name; /* NULL: no tokens */
    struct token_key *token_keys;
    size_t token_key_count;
    struct auth_policy *others[AUTH_REALMS_MAX]; /* more realms; theirs have none */
    size_t other_count;
    struct realm_names origins, server_names; /* of this realm */
    struct stun_address *listeners;           /* of this realm */
    size_t listener_count;
    uint8_t common_algorithms; /* those that every user has a key for */
    bool has_source;
    struct auth_source_traits source;
    bool username_anonymity, username_anonymity_chosen;
    bool issues_credentials;    /* time-limited names may also be of our own secret */
    struct stun_crypto *crypto; /* to make keys while the policy is being built */
};

/* NULL when there is none of that id. */
const struct token_key *policy_find_token_key(const struct auth_policy *policy, const char *id);

/* The realm of that name, first or other; NULL when there is none. */
const struct auth_policy *policy_find_realm(const struct auth_policy *policy, const uint8_t *name,
                                            size_t size);
/* The realm that a client is challenged for who says that it comes from `origin` (NULL: it does
 * not), named `server_name` in the handshake of TLS (NULL: no) and came in at `local`. */
const struct auth_policy *policy_choose_realm(const struct auth_policy *policy,
                                              const struct stun_attribute_view *origin,
                                              const char *server_name,
                                              const struct stun_address *local);
/* The realm whose origins have that one; NULL when there is none. */
const struct auth_policy *policy_find_origin(const struct auth_policy *policy,
                                             const struct stun_attribute_view *origin);
/* Frees what a realm has of its own beside users and secrets. */
void realm_clear(struct auth_policy *realm);

/* The set of algorithms that challenges offer, never empty. */
uint8_t policy_algorithms(const struct auth_policy *policy);
/* Whether challenges ask for USERHASH in place of USERNAME. */
bool policy_username_anonymity(const struct auth_policy *policy);

#endif
