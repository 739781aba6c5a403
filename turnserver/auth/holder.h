/* SPDX-License-Identifier: BSD-3-Clause */
/* Who comes with an OAuth token (RFC 7635), or came with one: for the files of this room only. */
#ifndef AUTH_HOLDER_H
#define AUTH_HOLDER_H

#include "turnserver/auth/claim.h"

/*
 * Whether the claim's token, which `key` (NULL: nobody knows its id) opens, proves it; `identity`
 * is then whose. Who holds an allocation by a token already stays who they are, whichever key comes
 * now.
 */
bool holder_prove_by_token(struct auth *auth, const struct claim *claim, struct monotime now,
                           const struct auth_owner *owner, const struct token_key *key,
                           struct auth_identity *identity);
/* The same of a request without token on an allocation that a token was brought for. */
bool holder_prove_by_session(struct auth *auth, const struct claim *claim, struct monotime now,
                             const struct auth_owner *owner, struct auth_identity *identity);

#endif
