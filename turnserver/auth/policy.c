/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/auth/policy.h"

#include "base/address.h"
#include "turnserver/auth/opaque_string.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ------------------------------------------------------------------------------------ */

bool auth_realm_is_valid(const char *realm)
{
    size_t size = strlen(realm);

    for (size_t i = 0; i < size; i++) {
        if (realm[i] < ' ' || realm[i] > '~' || realm[i] == '"' || realm[i] == '\\') {
            return false;
        }
    }
    return size > 0 && size < AUTH_REALM_SIZE_MAX;
}

struct auth_policy *auth_policy_new(const char *realm, unsigned nonce_lifetime_s)
{
    if (!auth_realm_is_valid(realm) || nonce_lifetime_s < 1 || nonce_lifetime_s > 86400) {
        errno = EINVAL;
        return NULL;
    }
    struct auth_policy *policy = calloc(1, sizeof *policy);
    if (policy == NULL) {
        return NULL;
    }
    memcpy(policy->realm, realm, strlen(realm) + 1);
    policy->nonce_lifetime_s = nonce_lifetime_s;
    policy->common_algorithms = POLICY_MD5 | POLICY_SHA256;
    policy->crypto = stun_crypto_new();
    if (policy->crypto == NULL) {
        auth_policy_free(policy);
        errno = ENOMEM;
        return NULL;
    }
    return policy;
}

void auth_policy_free(struct auth_policy *policy)
{
    if (policy == NULL) {
        return;
    }
    for (size_t i = 0; i < policy->other_count; i++) {
        auth_policy_free(policy->others[i]);
    }
    realm_clear(policy);
    user_table_clear(&policy->users);
    for (size_t i = 0; i < policy->secret_count; i++) {
        OPENSSL_clear_free(policy->secrets[i], strlen(policy->secrets[i]) + 1);
    }
    free((void *)policy->secrets);
    if (policy->token_keys != NULL) {
        OPENSSL_cleanse(policy->token_keys, policy->token_key_count * sizeof *policy->token_keys);
    }
    free(policy->token_keys);
    free(policy->oauth_server_name);
    stun_crypto_free(policy->crypto);
    free(policy);
}

/* ---- users ----------------------------------------------------------------------------------- */

static uint8_t algorithms_of(const struct user *user)
{
    return (uint8_t)((user->has_md5 ? POLICY_MD5 : 0) | (user->has_sha256 ? POLICY_SHA256 : 0));
}

static void recount_algorithms(struct auth_policy *policy)
{
    policy->common_algorithms = POLICY_MD5 | POLICY_SHA256;
    for (size_t i = 0; i < policy->users.count; i++) {
        policy->common_algorithms &= algorithms_of(&policy->users.users[i]);
    }
}

/* Sets the one of the user's two keys that belongs to the algorithm. */
static int set_key(struct user *user, enum stun_password_algorithm algorithm, const uint8_t *key,
                   size_t size)
{
    if (algorithm == STUN_PASSWORD_MD5 && size == sizeof user->md5_key) {
        memcpy(user->md5_key, key, size);
        user->has_md5 = true;
        return 0;
    }
    if (algorithm == STUN_PASSWORD_SHA256 && size == sizeof user->sha256_key) {
        memcpy(user->sha256_key, key, size);
        user->has_sha256 = true;
        return 0;
    }
    return -EINVAL;
}

/* Makes both keys of `user` from its name and a password that is prepared. */
static int set_keys(const struct auth_policy *policy, struct user *user, const char *password)
{
    static const enum stun_password_algorithm algorithms[] = {STUN_PASSWORD_MD5,
                                                              STUN_PASSWORD_SHA256};
    struct stun_key key;
    int status = -ENOMEM; /* of the cryptographic library; MD5 may be missing from it (FIPS) */

    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (stun_key_long_term(policy->crypto, &key, algorithms[i], user->name, policy->realm,
                               password) == STUN_OK) {
            status = set_key(user, algorithms[i], key.bytes, key.size);
        }
    }
    OPENSSL_cleanse(&key, sizeof key);
    return status;
}

/* Begins a user: its prepared name and USERHASH. */
static int begin_user(const struct auth_policy *policy, struct user *user, const char *name)
{
    *user = (struct user){.name = opaque_string_prepare(name)};
    if (user->name == NULL) {
        return -errno;
    }
    if (strlen(user->name) > STUN_USERNAME_SIZE_MAX) {
        return -EINVAL;
    }
    int status = stun_userhash(policy->crypto, user->name, policy->realm, user->userhash);
    return status == STUN_OK ? 0 : -ENOMEM;
}

/* Moves a finished user into the table, or frees it when `status` says that it is not one. */
static int end_user(struct auth_policy *policy, struct user *user, int status)
{
    if (status == 0 && user_table_add(&policy->users, user) == NULL) {
        status = -ENOMEM;
    }
    if (status == 0) {
        policy->common_algorithms &= algorithms_of(user);
    } else {
        free(user->name);
    }
    OPENSSL_cleanse(user, sizeof *user);
    return status;
}

int auth_policy_add_user(struct auth_policy *policy, const char *name, const char *password)
{
    struct user user;
    char *prepared = NULL;

    int status = begin_user(policy, &user, name);
    if (status == 0 && user_table_find(&policy->users, user.name) != NULL) {
        status = -EEXIST;
    }
    if (status == 0) {
        prepared = opaque_string_prepare(password);
        status = prepared == NULL ? -errno : set_keys(policy, &user, prepared);
    }
    if (prepared != NULL) {
        OPENSSL_cleanse(prepared, strlen(prepared));
        free(prepared);
    }
    return end_user(policy, &user, status);
}

/* A second key for a user who has one of the other algorithm. */
static int add_key(struct auth_policy *policy, struct user *known,
                   enum stun_password_algorithm algorithm, const uint8_t *key, size_t key_size)
{
    bool has = algorithm == STUN_PASSWORD_MD5 ? known->has_md5 : known->has_sha256;
    int status = has ? -EEXIST : set_key(known, algorithm, key, key_size);

    recount_algorithms(policy);
    return status;
}

int auth_policy_add_user_key(struct auth_policy *policy, const char *name,
                             enum stun_password_algorithm algorithm, const uint8_t *key,
                             size_t key_size)
{
    struct user user;

    int status = begin_user(policy, &user, name);
    struct user *known = status == 0 ? user_table_find(&policy->users, user.name) : NULL;
    if (known != NULL) {
        free(user.name);
        return add_key(policy, known, algorithm, key, key_size);
    }
    if (status == 0) {
        status = set_key(&user, algorithm, key, key_size);
    }
    return end_user(policy, &user, status);
}

/* ---- the rest -------------------------------------------------------------------------------- */

int auth_policy_add_secret(struct auth_policy *policy, const char *secret)
{
    if (secret[0] == '\0') {
        return -EINVAL;
    }
    char **secrets =
        reallocarray((void *)policy->secrets, policy->secret_count + 1, sizeof *secrets);
    if (secrets == NULL) {
        return -ENOMEM;
    }
    policy->secrets = secrets;
    secrets[policy->secret_count] = OPENSSL_strdup(secret);
    if (secrets[policy->secret_count] == NULL) {
        return -ENOMEM;
    }
    policy->secret_count++;
    return 0;
}

int auth_policy_set_oauth(struct auth_policy *policy, const char *server_name)
{
    size_t size = strlen(server_name);
    char *copy = size > 0 && size < 256 ? strdup(server_name) : NULL;

    if (copy == NULL) {
        return size > 0 && size < 256 ? -ENOMEM : -EINVAL;
    }
    free(policy->oauth_server_name);
    policy->oauth_server_name = copy;
    return 0;
}

const struct token_key *policy_find_token_key(const struct auth_policy *policy, const char *id)
{
    for (size_t i = 0; i < policy->token_key_count; i++) {
        if (strcmp(policy->token_keys[i].id, id) == 0) {
            return &policy->token_keys[i];
        }
    }
    return NULL;
}

int auth_policy_add_token_key(struct auth_policy *policy, const struct token_key *key)
{
    if (policy_find_token_key(policy, key->id) != NULL) {
        return -EEXIST;
    }
    /* Not by realloc, which would leave keys in freed memory. */
    struct token_key *keys = calloc(policy->token_key_count + 1, sizeof *keys);
    if (keys == NULL) {
        return -ENOMEM;
    }
    if (policy->token_key_count > 0) {
        memcpy(keys, policy->token_keys, policy->token_key_count * sizeof *keys);
        OPENSSL_cleanse(policy->token_keys, policy->token_key_count * sizeof *keys);
    }
    free(policy->token_keys);
    policy->token_keys = keys;
    keys[policy->token_key_count++] = *key;
    return 0;
}

void auth_policy_set_username_anonymity(struct auth_policy *policy, bool enabled)
{
    policy->username_anonymity = enabled;
    policy->username_anonymity_chosen = true;
}

void auth_policy_set_source(struct auth_policy *policy, const struct auth_source_traits *traits)
{
    policy->has_source = true;
    policy->source = *traits;
}

void auth_policy_issue_credentials(struct auth_policy *policy)
{
    policy->issues_credentials = true;
    for (size_t i = 0; i < policy->other_count; i++) {
        policy->others[i]->issues_credentials = true;
    }
}

bool auth_policy_is_empty(const struct auth_policy *policy)
{
    for (size_t i = 0; i < policy->other_count; i++) {
        if (!auth_policy_is_empty(policy->others[i])) {
            return false;
        }
    }
    return policy->users.count == 0 && policy->secret_count == 0 && !policy->has_source &&
           policy->token_key_count == 0;
}

const char *auth_policy_realm(const struct auth_policy *policy)
{
    return policy->realm;
}

uint8_t policy_algorithms(const struct auth_policy *policy)
{
    uint8_t common = policy->common_algorithms;

    if (policy->has_source) {
        common &= (uint8_t)((policy->source.md5 ? POLICY_MD5 : 0) |
                            (policy->source.sha256 ? POLICY_SHA256 : 0));
    }
    /* Users whose keys have nothing in common: offer all, and some of them cannot choose the first.
     */
    return common != 0 ? common : POLICY_MD5 | POLICY_SHA256;
}

bool policy_username_anonymity(const struct auth_policy *policy)
{
    if (policy->username_anonymity_chosen) {
        return policy->username_anonymity;
    }
    if (policy->secret_count > 0 || policy->issues_credentials ||
        (policy->has_source && (policy->source.secrets || !policy->source.userhash))) {
        return false;
    }
    return policy->users.count > 0 || policy->has_source;
}
