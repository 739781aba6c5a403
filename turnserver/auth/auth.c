/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFC 8489 §9.2.4, in its order. What a client says about itself is read into a struct claim; then
 * every key that it might have is tried in turn: the stored user's, and for each secret the two
 * passwords that belong to the name. A name that is not known tries the same number of keys, made
 * of the same number of digests, and none of them counts.
 *
 * Users who are kept elsewhere are asked for only when the nonce was ours: the source address is
 * then proven. With such users a foreign nonce is always answered 438, whoever the client says that
 * it is, since who is stored cannot be known then.
 */
#include "turnserver/auth/auth.h"

#include "turnserver/auth/auth_internal.h"
#include "turnserver/auth/nonce.h"
#include "turnserver/auth/opaque_string.h"
#include "turnserver/auth/policy.h"
#include "turnserver/auth/rest.h"
#include "turnserver/auth/token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(NONCE_KEY_SIZE == AUTH_NONCE_KEY_SIZE, "one key");

/* What a request says about who sent it. */
struct claim {
    const struct stun_view *request;  /* NULL: it is a proof */
    const struct auth_proof *proof;   /* or NULL */
    const struct auth_policy *policy; /* of the realm that it names, else of the first */
    bool has_sha256;                  /* MESSAGE-INTEGRITY-SHA256 */
    bool chose_algorithm;             /* there was a PASSWORD-ALGORITHM */
    enum stun_password_algorithm algorithm;
    enum nonce_state nonce;
    bool realm_matches;
    char name[STUN_USERNAME_SIZE_MAX + 1];      /* from USERNAME, or "" */
    const struct stun_attribute_view *userhash; /* in place of a name, or NULL */
    const struct stun_attribute_view *token;    /* when we take tokens, or NULL */
};

/* ---- life ------------------------------------------------------------------------------------ */

/* The table of look-ups has a key of its own, made of the nonce key. */
static bool init_lookups(struct auth *auth)
{
    static const char label[] = "postern lookups 1";
    uint8_t hmac[AUTH_HMAC_SIZE_MAX];
    struct siphash_key key;

    if (auth_digests_hmac(&auth->digests, AUTH_HMAC_SHA256, auth->nonce_key, NONCE_KEY_SIZE, label,
                          sizeof label, hmac) < sizeof key) {
        return false;
    }
    memcpy(&key, hmac, sizeof key);
    lookup_table_init(&auth->lookups, &key);
    auth->digests.count = 0;
    return true;
}

/* So is the secret that nobody wrote down: the same in all workers. */
static bool make_own_secret(struct auth *auth)
{
    static const char label[] = "postern secret 1";
    uint8_t hmac[AUTH_HMAC_SIZE_MAX];

    if (auth_digests_hmac(&auth->digests, AUTH_HMAC_SHA256, auth->nonce_key, NONCE_KEY_SIZE, label,
                          sizeof label, hmac) != sizeof hmac) {
        return false;
    }
    base64_encode(hmac, sizeof hmac, auth->own_secret);
    OPENSSL_cleanse(hmac, sizeof hmac);
    auth->digests.count = 0;
    return true;
}

struct auth *auth_new(const struct auth_policy *policy,
                      const uint8_t nonce_key[AUTH_NONCE_KEY_SIZE], struct stun_crypto *crypto)
{
    struct auth *auth = calloc(1, sizeof *auth);

    if (auth == NULL) {
        return NULL;
    }
    auth->policy = policy;
    auth->crypto = crypto;
    memcpy(auth->nonce_key, nonce_key, sizeof auth->nonce_key);
    auth->cipher = EVP_CIPHER_CTX_new();
    if (auth->cipher == NULL || !auth_digests_open(&auth->digests) || !init_lookups(auth) ||
        !make_own_secret(auth)) {
        auth_free(auth);
        return NULL;
    }
    return auth;
}

void auth_free(struct auth *auth)
{
    if (auth == NULL) {
        return;
    }
    lookup_table_clear(&auth->lookups);
    EVP_CIPHER_CTX_free(auth->cipher);
    auth_digests_close(&auth->digests);
    OPENSSL_cleanse(auth, sizeof *auth);
    free(auth);
}

void auth_set_policy(struct auth *auth, const struct auth_policy *policy)
{
    auth->policy = policy;
}

void auth_set_wall_clock(struct auth *auth, struct monotime now, int64_t unix_seconds)
{
    auth->has_wall_clock = true;
    auth->wall_moment = now;
    auth->wall_seconds = unix_seconds;
}

uint64_t auth_digest_count(const struct auth *auth)
{
    return auth->digests.count;
}

static int64_t seconds_of(struct monotime time)
{
    return time.us / MONOTIME_SECOND;
}

/* ---- password algorithms --------------------------------------------------------------------- */

/* The algorithms of a set in the order of our preference. Returns how many. */
static size_t list_algorithms(uint8_t set, uint16_t out[2])
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
    size_t expected_count = list_algorithms(sent, expected);
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

/* Whether a name of the first realm is how an account of another realm is called: nobody may have
 * it. */
static bool looks_like_another(const struct auth_policy *policy, const char *name)
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

/* Returns 0, or the code of the refusal. */
static uint16_t read_claim(struct auth *auth, struct monotime now, const struct flow *flow,
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
    claim->nonce = nonce_read(&auth->digests, auth->nonce_key, seconds_of(now),
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
    if (claim->policy == auth->policy && looks_like_another(auth->policy, claim->name)) {
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

/* Whether the request was made with this key. Always one digest operation. */
static bool is_made_with(struct auth *auth, const struct claim *claim, const struct stun_key *key)
{
    if (claim->proof != NULL) {
        return proof_is_made_with(auth, claim->proof, key);
    }
    auth->digests.count++;
    return (claim->has_sha256
                ? stun_view_check_integrity_sha256(claim->request, auth->crypto, key)
                : stun_view_check_integrity(claim->request, auth->crypto, key)) == STUN_OK;
}

/* The user of the policy who is meant, or NULL. */
static const struct user *find_user(const struct claim *claim)
{
    const struct user_table *users = &claim->policy->users;

    if (claim->userhash == NULL) {
        return user_table_find(users, claim->name);
    }
    return claim->userhash->size == STUN_SHA256_SIZE
               ? user_table_find_userhash(users, claim->userhash->value)
               : NULL;
}

/* ---- asking elsewhere ------------------------------------------------------------------------ */

/* What is known of who may be meant. */
struct knowledge {
    const struct user *user; /* stored here or elsewhere, or NULL */
    char *const *secrets;    /* that are kept elsewhere */
    size_t secret_count;
    bool failed;     /* something could not be asked */
    bool pending;    /* something is being asked … */
    uint64_t lookup; /* … and this is its id, or 0 when there are too many questions */
};

/* Asks, and notes when there is no answer. Returns the entry when something was found. */
static const struct lookup_entry *ask(struct auth *auth, struct monotime now,
                                      const struct auth_question *question,
                                      struct knowledge *knowledge)
{
    const struct lookup_entry *entry = NULL;
    enum lookup_state state = lookup_table_ask(&auth->lookups, now, question, &entry);

    if (state == LOOKUP_ASKED || state == LOOKUP_FULL) {
        knowledge->pending = true;
        knowledge->lookup = state == LOOKUP_ASKED ? entry->id : 0;
    }
    knowledge->failed = knowledge->failed || state == LOOKUP_FAILED;
    return state == LOOKUP_FOUND ? entry : NULL;
}

/* Fills the question for the claimed user; false when nobody can be meant. */
static bool make_question(const struct claim *claim, struct auth_question *question)
{
    memcpy(question->realm, claim->policy->realm, sizeof question->realm);
    if (claim->userhash == NULL) {
        question->kind = AUTH_QUESTION_NAME;
        memcpy(question->name, claim->name, strlen(claim->name) + 1);
        return claim->name[0] != '\0';
    }
    question->kind = AUTH_QUESTION_USERHASH;
    if (claim->userhash->size != STUN_SHA256_SIZE || !claim->policy->source.userhash) {
        return false;
    }
    memcpy(question->userhash, claim->userhash->value, STUN_SHA256_SIZE);
    return true;
}

static void look_up_secrets(struct auth *auth, struct monotime now, const struct claim *claim,
                            struct knowledge *knowledge)
{
    struct auth_question question = {.kind = AUTH_QUESTION_SECRETS};

    memcpy(question.realm, claim->policy->realm, sizeof question.realm);
    const struct lookup_entry *entry = ask(auth, now, &question, knowledge);
    if (entry != NULL) {
        knowledge->secrets = entry->secrets;
        knowledge->secret_count = entry->secret_count;
    }
}

/* Completes what the policy knows by what its source knows. */
static void look_up(struct auth *auth, struct monotime now, const struct claim *claim,
                    struct knowledge *knowledge)
{
    const struct auth_policy *policy = claim->policy;
    struct auth_question question = {0};
    struct rest_name rest;

    if (!policy->has_source || !claim->realm_matches) {
        return;
    }
    if (policy->source.secrets) {
        look_up_secrets(auth, now, claim, knowledge);
    }
    bool has_secrets =
        policy->issues_credentials || policy->secret_count + knowledge->secret_count > 0;
    bool time_limited = has_secrets && rest_name_parse(&rest, claim->name);
    if (knowledge->user == NULL && !knowledge->pending && !time_limited &&
        make_question(claim, &question)) {
        const struct lookup_entry *entry = ask(auth, now, &question, knowledge);
        knowledge->user = entry != NULL ? &entry->user : NULL;
    }
}

bool auth_next_question(struct auth *auth, struct auth_question *question)
{
    return lookup_table_next(&auth->lookups, question);
}

void auth_answer_lookup(struct auth *auth, struct monotime now, const struct auth_finding *finding)
{
    if (!lookup_table_answer(&auth->lookups, now, finding,
                             auth->policy->has_source ? auth->policy->source.lifetime_s : 1)) {
        return;
    }
    auth->source_fails = finding->status == AUTH_FAILED
                             ? monotime_add_seconds(now, LOOKUP_FAILURE_S)
                             : (struct monotime){0};
}

/* ---- proving --------------------------------------------------------------------------------- */

/* Fills the user's key for the algorithm, or a key of the same size that nobody has. */
static bool find_key(const struct user *user, enum stun_password_algorithm algorithm,
                     struct stun_key *key)
{
    bool md5 = algorithm == STUN_PASSWORD_MD5;
    bool has = user != NULL && (md5 ? user->has_md5 : user->has_sha256);

    key->size = md5 ? sizeof user->md5_key : sizeof user->sha256_key;
    memset(key->bytes, 0, key->size);
    if (has) {
        memcpy(key->bytes, md5 ? user->md5_key : user->sha256_key, key->size);
    }
    return has;
}

static bool try_stored(struct auth *auth, const struct claim *claim, const struct user *user,
                       struct auth_identity *identity)
{
    bool usable = find_key(user, claim->algorithm, &identity->key) && claim->realm_matches;
    bool proved = is_made_with(auth, claim, &identity->key);

    if (!proved || !usable) {
        return false;
    }
    auth_write_account(auth, claim->policy, user->name, identity->user);
    return true;
}

/* Whether the claim names somebody whom secrets vouch for now. */
static bool is_rest_name(const struct auth *auth, const struct claim *claim, struct monotime now,
                         const struct auth_owner *owner, struct rest_name *rest)
{
    if (!rest_name_parse(rest, claim->name)) {
        return false;
    }
    bool lives = auth->has_wall_clock && auth_wall_clock(auth, now) < rest->expiry;
    char user[AUTH_USER_SIZE];
    auth_write_account(auth, claim->policy, claim->name, user);
    return lives || (owner != NULL && strcmp(owner->name, user) == 0);
}

/* Whether one of the two passwords that this secret gives the name made the request. */
static bool try_secret(struct auth *auth, const struct claim *claim, const char *secret,
                       struct stun_key *key)
{
    bool proved = false;

    for (int which = 0; which < AUTH_HMAC_COUNT && !proved; which++) {
        char password[REST_PASSWORD_SIZE];
        bool made =
            rest_password(&auth->digests, (enum auth_hmac)which, secret, claim->name, password);
        auth->digests.count++;
        made = stun_key_long_term(auth->crypto, key, claim->algorithm, claim->name,
                                  claim->policy->realm, password) == STUN_OK &&
               made;
        proved = is_made_with(auth, claim, key) && made;
        OPENSSL_cleanse(password, sizeof password);
    }
    return proved;
}

static bool try_secrets(struct auth *auth, const struct claim *claim, char *const *secrets,
                        size_t count, bool usable, struct auth_identity *identity)
{
    for (size_t i = 0; i < count; i++) {
        if (try_secret(auth, claim, secrets[i], &identity->key) && usable) {
            auth_write_account(auth, claim->policy, claim->name, identity->user);
            return true;
        }
    }
    return false;
}

/* Whether some key proves the claim; `identity` is then whose. */
static bool prove(struct auth *auth, const struct claim *claim, struct monotime now,
                  const struct auth_owner *owner, const struct knowledge *knowledge,
                  struct auth_identity *identity)
{
    const struct auth_policy *policy = claim->policy;
    struct rest_name rest = {0};
    char *own_secret = auth->own_secret;

    identity->sha256 = claim->chose_algorithm;
    if ((policy->users.count > 0 || policy->has_source) &&
        try_stored(auth, claim, knowledge->user, identity)) {
        return true;
    }
    bool usable = is_rest_name(auth, claim, now, owner, &rest) && claim->realm_matches &&
                  knowledge->user == NULL;
    if (try_secrets(auth, claim, policy->secrets, policy->secret_count, usable, identity) ||
        try_secrets(auth, claim, knowledge->secrets, knowledge->secret_count, usable, identity) ||
        try_secrets(auth, claim, &own_secret, policy->issues_credentials ? 1 : 0, usable,
                    identity)) {
        identity->account_offset = (uint16_t)rest.account_offset;
        return true;
    }
    return false;
}

/* ---- tokens ---------------------------------------------------------------------------------- */

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
                       struct access_token *token)
{
    static const struct token_key nobodys = {.algorithm = TOKEN_A256GCM};
    const struct token_key *key = policy_find_token_key(claim->policy, claim->name);
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
    if (is_made_with(auth, claim, key)) {
        return true;
    }
    key->size = COTURN_KEY_SIZE;
    return !claim->has_sha256 && is_made_with(auth, claim, key) &&
           token->key_size == TOKEN_SESSION_KEY_MIN;
}

/* Who holds an allocation by a token already stays who they are, whichever key comes now. */
static bool prove_by_token(struct auth *auth, const struct claim *claim, struct monotime now,
                           const struct auth_owner *owner, struct auth_identity *identity)
{
    struct access_token token;
    bool usable = open_token(auth, claim, now, &token) && claim->realm_matches;
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

/* A request without token on an allocation that a token was brought for. */
static bool prove_by_session(struct auth *auth, const struct claim *claim, struct monotime now,
                             const struct auth_owner *owner, struct auth_identity *identity)
{
    const struct auth_session *session = owner != NULL ? owner->session : NULL;

    if (session == NULL || session->key_size == 0) {
        return false;
    }
    identity->key.size = session->key_size;
    memcpy(identity->key.bytes, session->key, session->key_size);
    if (!is_made_with(auth, claim, &identity->key) || !claim->realm_matches ||
        auth_wall_clock(auth, now) >= session->ends) {
        return false;
    }
    identity->sha256 = claim->has_sha256;
    memcpy(identity->user, owner->name, strlen(owner->name) + 1);
    identity->account_offset = (uint16_t)strlen(owner->name);
    bound_lifetime(auth, now, session->ends, identity);
    return true;
}

/* ---- one request ----------------------------------------------------------------------------- */

/* What somebody hears whose claim is not proved. While users cannot be looked up nobody knows who
 * is a stranger, so that all hear the same. */
static uint16_t refusal(const struct auth *auth, struct monotime now,
                        const struct knowledge *knowledge)
{
    return knowledge->failed || monotime_before(now, auth->source_fails) ? 500 : 401;
}

/* Somebody proved who they are: they are let in if their nonce is fresh. */
static void accept_fresh(const struct claim *claim, struct auth_answer *answer)
{
    if (claim->nonce == NONCE_FRESH) {
        answer->outcome = AUTH_ACCEPTED;
    } else {
        answer->code = 438;
    }
}

/* Sets outcome and code; the identity is worth something only when it is AUTH_ACCEPTED. */
static void judge(struct auth *auth, struct monotime now, const struct claim *claim,
                  const struct auth_owner *owner, struct auth_answer *answer)
{
    struct knowledge knowledge = {.user = find_user(claim)};

    answer->identity.lifetime_max_s = UINT32_MAX;
    if (claim->token != NULL ? prove_by_token(auth, claim, now, owner, &answer->identity)
                             : prove_by_session(auth, claim, now, owner, &answer->identity)) {
        accept_fresh(claim, answer);
        return;
    }
    if (claim->token != NULL) {
        answer->code = 401;
        return;
    }
    if (claim->nonce == NONCE_FOREIGN && claim->policy->has_source) {
        answer->code = 438;
        return;
    }
    look_up(auth, now, claim, &knowledge);
    if (knowledge.pending) {
        answer->outcome = AUTH_PENDING;
        answer->lookup = knowledge.lookup;
    } else if (!prove(auth, claim, now, owner, &knowledge, &answer->identity)) {
        answer->code = refusal(auth, now, &knowledge);
    } else {
        accept_fresh(claim, answer);
    }
}

void auth_check(struct auth *auth, struct monotime now, const struct flow *flow,
                const struct stun_view *request, const struct auth_owner *owner,
                struct auth_answer *answer)
{
    struct claim claim = {.request = request};

    *answer = (struct auth_answer){.outcome = AUTH_REFUSED};
    answer->code = read_claim(auth, now, flow, &claim);
    if (answer->code == 0) {
        judge(auth, now, &claim, owner, answer);
    }
    if (answer->outcome != AUTH_ACCEPTED) {
        OPENSSL_cleanse(&answer->identity, sizeof answer->identity);
    }
}

void auth_check_proof(struct auth *auth, struct monotime now, const struct auth_proof *proof,
                      struct auth_answer *answer)
{
    const struct auth_policy *named =
        policy_find_realm(auth->policy, (const uint8_t *)proof->realm, strlen(proof->realm));
    struct claim claim = {
        .proof = proof,
        .policy = named != NULL ? named : auth->policy,
        .realm_matches = named != NULL,
        .chose_algorithm = true,
        .algorithm = proof->algorithm,
        .nonce = NONCE_FRESH, /* the caller's own, used once */
    };
    size_t size = strlen(proof->user);

    *answer = (struct auth_answer){.outcome = AUTH_REFUSED};
    bool anothers = claim.policy == auth->policy && looks_like_another(claim.policy, proof->user);
    if (size <= STUN_USERNAME_SIZE_MAX && opaque_string_is_valid(proof->user, size) && !anothers) {
        memcpy(claim.name, proof->user, size + 1);
    }
    judge(auth, now, &claim, NULL, answer);
    if (answer->outcome != AUTH_ACCEPTED) {
        OPENSSL_cleanse(&answer->identity, sizeof answer->identity);
    }
}

void auth_identity_wipe(struct auth_identity *identity)
{
    OPENSSL_cleanse(identity, sizeof *identity);
}

void auth_set_server_names(struct auth *auth, auth_server_name *server_name, void *context)
{
    auth->server_name = server_name;
    auth->server_name_context = context;
}

static const char *server_name_of(const struct auth *auth, const struct flow *flow)
{
    bool secure = flow->transport == TRANSPORT_TLS || flow->transport == TRANSPORT_DTLS;

    return secure && auth->server_name != NULL ? auth->server_name(auth->server_name_context, flow)
                                               : NULL;
}

/* The realm that the client has chosen already, else the one that it belongs to. */
static const struct auth_policy *realm_of(const struct auth *auth, const struct flow *flow,
                                          const struct stun_view *request)
{
    const struct stun_attribute_view *realm = stun_view_find(request, STUN_REALM);
    const struct auth_policy *named =
        realm != NULL ? policy_find_realm(auth->policy, realm->value, realm->size) : NULL;

    return named != NULL ? named
                         : policy_choose_realm(auth->policy, stun_view_find(request, STUN_ORIGIN),
                                               server_name_of(auth, flow), &flow->local);
}

void auth_put_challenge(struct auth *auth, struct monotime now, const struct flow *flow,
                        const struct stun_view *request, struct stun_builder *builder)
{
    const struct auth_policy *policy = realm_of(auth, flow, request);
    const struct nonce_claims claims = {
        .seconds = seconds_of(now),
        .port = flow->remote.port,
        .algorithms = policy_algorithms(policy),
        .features = NONCE_FEATURE_PASSWORD_ALGORITHMS |
                    (policy_username_anonymity(policy) ? NONCE_FEATURE_USERNAME_ANONYMITY : 0),
    };
    uint16_t algorithms[2];
    size_t count = list_algorithms(claims.algorithms, algorithms);
    char nonce[NONCE_SIZE];

    if (!nonce_write(&auth->digests, auth->nonce_key, &claims, &flow->remote, nonce)) {
        /* A challenge without nonce would send the client around in a circle. */
        builder->status = builder->status == STUN_OK ? STUN_ERROR_CRYPTO : builder->status;
        return;
    }
    stun_builder_put_string(builder, STUN_REALM, policy->realm);
    stun_builder_put_bytes(builder, STUN_NONCE, nonce, sizeof nonce);
    stun_builder_put_password_algorithms(builder, algorithms, count);
    if (policy->oauth_server_name != NULL) {
        stun_builder_put_string(builder, STUN_THIRD_PARTY_AUTHORIZATION, policy->oauth_server_name);
    }
}
