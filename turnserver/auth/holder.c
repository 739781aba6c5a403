/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/auth/holder.h"

#include <openssl/crypto.h>
#include <string.h>

/*
 * Who comes with a token is "oauth:" and the id of its key: nothing tells one holder from another,
 * so that the quota of a user, which begins behind the name, is nobody's.
 */
static void name_holder(struct auth_identity *identity, const char *key_id)
{
    static const char prefix[] = "oauth:";

    memcpy(identity->user, prefix, sizeof prefix);
    memcpy(identity->user + sizeof prefix - 1, key_id, strlen(key_id) + 1);
    identity->account_offset = (uint16_t)strlen(identity->user);
}

static void bound_lifetime(const struct auth *auth, struct monotime now, int64_t ends,
                           struct auth_identity *identity)
{
    int64_t left = ends - auth_wall_clock(auth, now);

    identity->lifetime_max_s = left > 0 && left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
}

static void keep_session(struct auth_session *session, const struct access_token *token,
                         const struct stun_key *key)
{
    session->ends = token_end(token);
    session->key_size = (uint8_t)key->size;
    memcpy(session->key, key->bytes, key->size);
}

/* Opens the token; false when it is worth nothing now. An unknown key id costs the same. */
static bool open_token(struct auth *auth, const struct claim *claim, struct monotime now,
                       const struct token_key *key, struct access_token *token)
{
    static const struct token_key nobodys = {.algorithm = TOKEN_A256GCM};
    int64_t today = auth_wall_clock(auth, now);

    return token_open(token, auth->cipher, key != NULL ? key : &nobodys,
                      claim->policy->oauth_server_name, claim->token->value, claim->token->size) &&
           key != NULL && auth->has_wall_clock && today >= key->not_before &&
           today <= key->not_after && token_is_timely(token, today);
}

/*
 * The first bytes of a session key of 20 with which coturn's programs sign, as if it were one of a
 * password (4.6 and 4.17 at least). 128 bits are no fewer than enough.
 */
#define COTURN_KEY_SIZE 16

/* Whether the request was signed with the token's key; sets the key's size to what was used. */
static bool is_signed_with(struct auth *auth, const struct claim *claim,
                           const struct access_token *token, struct stun_key *key)
{
    memcpy(key->bytes, token->key, sizeof token->key);
    key->size = token->key_size > 0 ? token->key_size : TOKEN_SESSION_KEY_MIN;
    if (claim_is_made_with(auth, claim, key)) {
        return true;
    }
    key->size = COTURN_KEY_SIZE;
    return !claim->has_sha256 && claim_is_made_with(auth, claim, key) &&
           token->key_size == TOKEN_SESSION_KEY_MIN;
}

bool holder_prove_by_token(struct auth *auth, const struct claim *claim, struct monotime now,
                           const struct auth_owner *owner, const struct token_key *key,
                           struct auth_identity *identity)
{
    struct access_token token;
    bool usable = open_token(auth, claim, now, key, &token) && claim->realm_matches;
    if (!usable) { /* tries a key that nobody has, as often */
        token = (struct access_token){0};
    }
    bool proved = is_signed_with(auth, claim, &token, &identity->key) && usable;

    if (proved) {
        identity->sha256 = claim->has_sha256;
        identity->brought_token = true;
        name_holder(identity, claim->name);
        if (owner != NULL && owner->session != NULL) {
            memcpy(identity->user, owner->name, strlen(owner->name) + 1);
        }
        keep_session(&identity->session, &token, &identity->key);
        bound_lifetime(auth, now, identity->session.ends, identity);
    }
    OPENSSL_cleanse(&token, sizeof token);
    return proved;
}

bool holder_prove_by_session(struct auth *auth, const struct claim *claim, struct monotime now,
                             const struct auth_owner *owner, struct auth_identity *identity)
{
    const struct auth_session *session = owner != NULL ? owner->session : NULL;

    if (session == NULL || session->key_size == 0) {
        return false;
    }
    identity->key.size = session->key_size;
    memcpy(identity->key.bytes, session->key, session->key_size);
    if (!claim_is_made_with(auth, claim, &identity->key) || !claim->realm_matches ||
        auth_wall_clock(auth, now) >= session->ends) {
        return false;
    }
    identity->sha256 = claim->has_sha256;
    memcpy(identity->user, owner->name, strlen(owner->name) + 1);
    identity->account_offset = (uint16_t)strlen(owner->name);
    bound_lifetime(auth, now, session->ends, identity);
    return true;
}
