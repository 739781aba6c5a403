/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/auth/claim.h"

#include "turnserver/auth/opaque_string.h"

#include <openssl/crypto.h>
#include <string.h>

/* ---- password algorithms --------------------------------------------------------------------- */

size_t claim_list_algorithms(uint8_t set, uint16_t out[2])
{
    size_t count = 0;

    if (set & POLICY_SHA256) {
        out[count++] = STUN_PASSWORD_SHA256;
    }
    if (set & POLICY_MD5) {
        out[count++] = STUN_PASSWORD_MD5;
    }
    return count;
}

/* Whether PASSWORD-ALGORITHMS is what we sent, and `chosen` one of its entries. */
static bool algorithms_match(const struct stun_view *request, uint8_t sent, uint16_t chosen)
{
    struct stun_password_algorithm_view listed[STUN_PASSWORD_ALGORITHMS_MAX];
    uint16_t expected[2];
    size_t expected_count = claim_list_algorithms(sent, expected);
    size_t count = 0;
    bool found = false;

    if (stun_view_password_algorithms(request, listed, &count) != STUN_OK ||
        count != expected_count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (listed[i].algorithm != expected[i] || listed[i].parameters_size != 0) {
            return false;
        }
        found = found || listed[i].algorithm == chosen;
    }
    return found;
}

/*
 * Which algorithm made the client's key. A client of RFC 5389 names none and means MD5. Returns
 * false when the choice does not follow from what was offered: somebody between us changed it. When
 * the nonce says that nothing was offered it is not one of ours, and any choice will do until 438.
 */
static bool read_algorithm(struct claim *claim, bool offered, uint8_t sent)
{
    const struct stun_view *request = claim->request;
    struct stun_password_algorithm_view chosen = {.algorithm = STUN_PASSWORD_MD5};
    bool lists = stun_view_has(request, STUN_PASSWORD_ALGORITHMS);
    int status = stun_view_password_algorithm(request, &chosen);

    claim->algorithm = STUN_PASSWORD_MD5;
    if (status == STUN_ERROR_ABSENT) {
        return !lists || !offered;
    }
    bool known = chosen.algorithm == STUN_PASSWORD_MD5 || chosen.algorithm == STUN_PASSWORD_SHA256;
    if (status != STUN_OK || !known || chosen.parameters_size != 0 ||
        (offered && !algorithms_match(request, sent, chosen.algorithm))) {
        return false;
    }
    claim->chose_algorithm = true;
    claim->algorithm = (enum stun_password_algorithm)chosen.algorithm;
    return true;
}

/* ---- reading the claim ----------------------------------------------------------------------- */

/* A name that nobody can have stays empty, and is then unknown like any other. */
static void read_name(struct claim *claim)
{
    const struct stun_attribute_view *name = stun_view_find(claim->request, STUN_USERNAME);

    if (name == NULL) {
        claim->userhash = stun_view_find(claim->request, STUN_USERHASH);
    } else if (name->size <= STUN_USERNAME_SIZE_MAX &&
               opaque_string_is_valid((const char *)name->value, name->size)) {
        memcpy(claim->name, name->value, name->size);
        claim->name[name->size] = '\0';
    }
}

bool claim_looks_like_another(const struct auth_policy *policy, const char *name)
{
    const char *realm = strrchr(name, '\\');

    return policy->other_count > 0 && realm != NULL &&
           policy_find_realm(policy, (const uint8_t *)realm + 1, strlen(realm + 1)) != NULL;
}

void auth_write_account(const struct auth *auth, const struct auth_policy *realm, const char *name,
                        char user[AUTH_USER_SIZE])
{
    size_t size = strlen(name);

    memcpy(user, name, size + 1);
    if (realm != auth->policy) {
        user[size] = '\\';
        memcpy(user + size + 1, realm->realm, strlen(realm->realm) + 1);
    }
}

uint16_t claim_read(struct auth *auth, struct monotime now, const struct flow *flow,
                    struct claim *claim)
{
    const struct stun_view *request = claim->request;
    const struct stun_attribute_view *realm = stun_view_find(request, STUN_REALM);
    const struct stun_attribute_view *nonce = stun_view_find(request, STUN_NONCE);
    struct nonce_claims nonce_claims;

    claim->has_sha256 = stun_view_has(request, STUN_MESSAGE_INTEGRITY_SHA256);
    if (!claim->has_sha256 && !stun_view_has(request, STUN_MESSAGE_INTEGRITY)) {
        return 401;
    }
    if ((!stun_view_has(request, STUN_USERNAME) && !stun_view_has(request, STUN_USERHASH)) ||
        realm == NULL || nonce == NULL) {
        return 400;
    }
    const struct auth_policy *named = policy_find_realm(auth->policy, realm->value, realm->size);
    claim->realm_matches = named != NULL;
    claim->policy = named != NULL ? named : auth->policy;
    claim->nonce = nonce_read(&auth->digests, auth->nonce_key, auth_seconds_of(now),
                              claim->policy->nonce_lifetime_s, &flow->remote, nonce->value,
                              nonce->size, &nonce_claims);
    uint8_t sent =
        claim->nonce == NONCE_FOREIGN ? policy_algorithms(claim->policy) : nonce_claims.algorithms;
    bool offered =
        (nonce_features(nonce->value, nonce->size) & NONCE_FEATURE_PASSWORD_ALGORITHMS) != 0;
    if (!read_algorithm(claim, offered, sent)) {
        return 400;
    }
    claim->token = claim->policy->oauth_server_name != NULL
                       ? stun_view_find(request, STUN_ACCESS_TOKEN)
                       : NULL;
    read_name(claim);
    if (claim->policy == auth->policy && claim_looks_like_another(auth->policy, claim->name)) {
        claim->name[0] = '\0';
    }
    return 0;
}

/* ---- trying keys ----------------------------------------------------------------------------- */

static bool proof_is_made_with(struct auth *auth, const struct auth_proof *proof,
                               const struct stun_key *key)
{
    uint8_t hmac[AUTH_HMAC_SIZE_MAX];
    size_t size = auth_digests_hmac(&auth->digests, AUTH_HMAC_SHA256, key->bytes, key->size,
                                    proof->text, proof->size, hmac);

    return size == sizeof proof->hmac && CRYPTO_memcmp(hmac, proof->hmac, size) == 0;
}

bool claim_is_made_with(struct auth *auth, const struct claim *claim, const struct stun_key *key)
{
    if (claim->proof != NULL) {
        return proof_is_made_with(auth, claim->proof, key);
    }
    auth->digests.count++;
    return (claim->has_sha256
                ? stun_view_check_integrity_sha256(claim->request, auth->crypto, key)
                : stun_view_check_integrity(claim->request, auth->crypto, key)) == STUN_OK;
}
