/* SPDX-License-Identifier: BSD-3-Clause */
/* What the rendezvous service asks of authentication beside proofs. */
#include "turnserver/auth/auth_internal.h"
#include "turnserver/auth/opaque_string.h"
#include "turnserver/auth/rest.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

_Static_assert(AUTH_ISSUED_PASSWORD_SIZE == REST_PASSWORD_SIZE, "one password");

static const struct auth_policy *find_realm(const struct auth *auth, const char *realm)
{
    return policy_find_realm(auth->policy, (const uint8_t *)realm, strlen(realm));
}

const char *auth_choose_realm(const struct auth *auth, const char *origin,
                              const struct stun_address *local)
{
    struct stun_attribute_view view = {0};

    if (origin != NULL) {
        view.value = (const uint8_t *)origin;
        view.size = (uint16_t)strnlen(origin, UINT16_MAX);
    }
    return policy_choose_realm(auth->policy, origin != NULL ? &view : NULL, NULL, local)->realm;
}

const char *auth_first_realm(const struct auth *auth)
{
    return auth->policy->realm;
}

struct auth_methods auth_methods(const struct auth *auth, const char *realm)
{
    const struct auth_policy *policy = find_realm(auth, realm);
    uint8_t set = policy != NULL ? policy_algorithms(policy) : POLICY_MD5 | POLICY_SHA256;

    return (struct auth_methods){
        .md5 = (set & POLICY_MD5) != 0,
        .sha256 = (set & POLICY_SHA256) != 0,
        .tokens = policy != NULL && policy->secret_count > 0,
    };
}

enum auth_realm_kind auth_realm_kind(const struct auth *auth, const char *realm)
{
    const struct auth_policy *policy = find_realm(auth, realm);

    if (policy == NULL) {
        return AUTH_REALM_UNKNOWN;
    }
    return policy == auth->policy ? AUTH_REALM_FIRST : AUTH_REALM_OTHER;
}

/* ---- bearer tokens --------------------------------------------------------------------------- */

/* Whether one of the secrets made `mac` for "expiry:account". All of them are tried. */
static bool is_vouched_for(struct auth *auth, const struct auth_policy *policy, const char *name,
                           const uint8_t mac[STUN_SHA256_SIZE])
{
    char text[64 + STUN_USERNAME_SIZE_MAX];
    uint8_t hmac[AUTH_HMAC_SIZE_MAX];
    int size = snprintf(text, sizeof text, "postern-token-1:%s", name);
    bool found = false;

    for (size_t i = 0; i < policy->secret_count; i++) {
        const char *secret = policy->secrets[i];
        size_t written = auth_digests_hmac(&auth->digests, AUTH_HMAC_SHA256, secret, strlen(secret),
                                           text, (size_t)size, hmac);
        bool same = written == sizeof hmac && CRYPTO_memcmp(hmac, mac, sizeof hmac) == 0;
        found = found || same;
    }
    return found;
}

/* "expiry:account" of a token, and its MAC. */
static bool split_token(const char *token, char name[STUN_USERNAME_SIZE_MAX + 1],
                        uint8_t mac[STUN_SHA256_SIZE])
{
    const char *colon = strrchr(token, ':');
    size_t size = colon != NULL ? (size_t)(colon - token) : 0;

    if (size == 0 || size > STUN_USERNAME_SIZE_MAX || !opaque_string_is_valid(token, size) ||
        !base64_decode(colon + 1, mac, STUN_SHA256_SIZE)) {
        return false;
    }
    memcpy(name, token, size);
    name[size] = '\0';
    return true;
}

void auth_check_bearer(struct auth *auth, struct monotime now, const char *realm, const char *token,
                       struct auth_answer *answer)
{
    const struct auth_policy *policy = find_realm(auth, realm);
    char name[STUN_USERNAME_SIZE_MAX + 1];
    uint8_t mac[STUN_SHA256_SIZE];
    struct rest_name rest = {0};

    *answer = (struct auth_answer){.outcome = AUTH_REFUSED, .code = 401};
    if (policy == NULL || !split_token(token, name, mac) ||
        !is_vouched_for(auth, policy, name, mac) || !rest_name_parse(&rest, name) ||
        rest.account_offset == 0 || !auth->has_wall_clock ||
        auth_wall_clock(auth, now) >= rest.expiry) {
        return;
    }
    answer->outcome = AUTH_ACCEPTED;
    answer->code = 0;
    answer->identity.lifetime_max_s = UINT32_MAX;
    answer->identity.account_offset = (uint16_t)rest.account_offset;
    auth_write_account(auth, policy, name, answer->identity.user);
}

/* ---- credentials that we make ---------------------------------------------------------------- */

bool auth_issue(struct auth *auth, struct monotime now, const char *realm, const char *account,
                uint32_t lifetime_s, struct auth_issued *issued)
{
    const struct auth_policy *policy = find_realm(auth, realm);

    *issued = (struct auth_issued){0};
    if (policy == NULL || !policy->issues_credentials || !auth->has_wall_clock) {
        return false;
    }
    const char *secret = policy->secret_count > 0 ? policy->secrets[0] : auth->own_secret;
    int size = snprintf(issued->name, sizeof issued->name, "%" PRId64 ":%s",
                        auth_wall_clock(auth, now) + lifetime_s, account);
    return size > 0 && size <= STUN_USERNAME_SIZE_MAX &&
           opaque_string_is_valid(account, strlen(account)) &&
           rest_password(&auth->digests, AUTH_HMAC_SHA1, secret, issued->name, issued->password);
}
