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

#include "turnserver/auth/holder.h"
#include "turnserver/auth/opaque_string.h"
#include "turnserver/auth/rest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(NONCE_KEY_SIZE == AUTH_NONCE_KEY_SIZE, "one key");
_Static_assert(NONCE_SIZE == AUTH_NONCE_SIZE, "one nonce");

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

/* ---- who is meant ---------------------------------------------------------------------------- */

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
    bool proved = claim_is_made_with(auth, claim, &identity->key);

    if (!proved || !usable || user == NULL) {
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
        proved = claim_is_made_with(auth, claim, key) && made;
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

/* Whoever it is whose nonce is not ours: nobody is asked about them. */
static bool must_begin_again(const struct claim *claim)
{
    return claim->nonce == NONCE_FOREIGN && claim->policy->has_source;
}

static void set_pending(const struct knowledge *knowledge, struct auth_answer *answer)
{
    answer->outcome = AUTH_PENDING;
    answer->lookup = knowledge->lookup;
}

/* The key of the token, if it is kept elsewhere. */
static const struct token_key *look_up_token_key(struct auth *auth, struct monotime now,
                                                 const struct claim *claim,
                                                 struct knowledge *knowledge)
{
    struct auth_question question = {.kind = AUTH_QUESTION_TOKEN_KEY};
    size_t size = strlen(claim->name);

    if (!claim->policy->has_source || !claim->policy->source.token_keys || !claim->realm_matches ||
        size == 0 || size > TOKEN_KEY_ID_SIZE_MAX) {
        return NULL;
    }
    memcpy(question.realm, claim->policy->realm, sizeof question.realm);
    memcpy(question.name, claim->name, size + 1);
    const struct lookup_entry *entry = ask(auth, now, &question, knowledge);
    return entry != NULL ? entry->token_key : NULL;
}

static void judge_token(struct auth *auth, struct monotime now, const struct claim *claim,
                        const struct auth_owner *owner, struct auth_answer *answer)
{
    const struct token_key *key = policy_find_token_key(claim->policy, claim->name);
    struct knowledge knowledge = {0};

    if (key == NULL && claim->policy->source.token_keys && must_begin_again(claim)) {
        answer->code = 438;
        return;
    }
    if (key == NULL) {
        key = look_up_token_key(auth, now, claim, &knowledge);
    }
    if (knowledge.pending) {
        set_pending(&knowledge, answer);
    } else if (!holder_prove_by_token(auth, claim, now, owner, key, &answer->identity)) {
        answer->code = knowledge.failed ? 500 : 401;
    } else {
        accept_fresh(claim, answer);
    }
}

/* Sets outcome and code; the identity is worth something only when it is AUTH_ACCEPTED. */
static void judge(struct auth *auth, struct monotime now, const struct claim *claim,
                  const struct auth_owner *owner, struct auth_answer *answer)
{
    struct knowledge knowledge = {.user = find_user(claim)};

    answer->identity.lifetime_max_s = UINT32_MAX;
    if (claim->token != NULL) {
        judge_token(auth, now, claim, owner, answer);
        return;
    }
    if (holder_prove_by_session(auth, claim, now, owner, &answer->identity)) {
        accept_fresh(claim, answer);
        return;
    }
    if (must_begin_again(claim)) {
        answer->code = 438;
        return;
    }
    look_up(auth, now, claim, &knowledge);
    if (knowledge.pending) {
        set_pending(&knowledge, answer);
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
    answer->code = claim_read(auth, now, flow, &claim);
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
    bool anothers =
        claim.policy == auth->policy && claim_looks_like_another(claim.policy, proof->user);
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

void auth_set_origins(struct auth *auth, const struct auth_source *source)
{
    auth->origins = source;
}

/* The realm that users' keeper has for the origin, when the policy has none; NULL: none. */
static const struct auth_policy *realm_elsewhere(const struct auth *auth,
                                                 const struct stun_attribute_view *origin)
{
    const struct auth_source *source = auth->origins;
    char realm[AUTH_REALM_SIZE_MAX];

    if (origin == NULL || source == NULL || source->realm_of_origin == NULL ||
        policy_find_origin(auth->policy, origin) != NULL ||
        !source->realm_of_origin(source->context, origin->value, origin->size, realm)) {
        return NULL;
    }
    return policy_find_realm(auth->policy, (const uint8_t *)realm, strlen(realm));
}

/* The realm that the client has chosen already, else the one that it belongs to. */
static const struct auth_policy *realm_of(const struct auth *auth, const struct flow *flow,
                                          const struct stun_view *request)
{
    const struct stun_attribute_view *realm = stun_view_find(request, STUN_REALM);
    const struct auth_policy *named =
        realm != NULL ? policy_find_realm(auth->policy, realm->value, realm->size) : NULL;

    const struct stun_attribute_view *origin = stun_view_find(request, STUN_ORIGIN);

    named = named != NULL ? named : realm_elsewhere(auth, origin);
    return named != NULL ? named
                         : policy_choose_realm(auth->policy, origin, server_name_of(auth, flow),
                                               &flow->local);
}

static bool make_challenge(struct auth *auth, struct monotime now, const struct auth_policy *policy,
                           const struct stun_address *client, struct auth_challenge *challenge)
{
    const struct nonce_claims claims = {
        .seconds = auth_seconds_of(now),
        .port = client->port,
        .algorithms = policy_algorithms(policy),
        .features = NONCE_FEATURE_PASSWORD_ALGORITHMS |
                    (policy_username_anonymity(policy) ? NONCE_FEATURE_USERNAME_ANONYMITY : 0),
    };

    challenge->realm = policy->realm;
    challenge->algorithm_count = claim_list_algorithms(claims.algorithms, challenge->algorithms);
    challenge->nonce[NONCE_SIZE] = '\0';
    return nonce_write(&auth->digests, auth->nonce_key, &claims, client, challenge->nonce);
}

bool auth_make_challenge(struct auth *auth, struct monotime now, const char *realm,
                         const struct stun_address *client, struct auth_challenge *challenge)
{
    const struct auth_policy *policy =
        policy_find_realm(auth->policy, (const uint8_t *)realm, strlen(realm));

    return policy != NULL && make_challenge(auth, now, policy, client, challenge);
}

void auth_put_challenge(struct auth *auth, struct monotime now, const struct flow *flow,
                        const struct stun_view *request, struct stun_builder *builder)
{
    const struct auth_policy *policy = realm_of(auth, flow, request);
    struct auth_challenge challenge;

    if (!make_challenge(auth, now, policy, &flow->remote, &challenge)) {
        /* A challenge without nonce would send the client around in a circle. */
        builder->status = builder->status == STUN_OK ? STUN_ERROR_CRYPTO : builder->status;
        return;
    }
    stun_builder_put_string(builder, STUN_REALM, challenge.realm);
    stun_builder_put_bytes(builder, STUN_NONCE, challenge.nonce, NONCE_SIZE);
    stun_builder_put_password_algorithms(builder, challenge.algorithms, challenge.algorithm_count);
    if (policy->oauth_server_name != NULL) {
        stun_builder_put_string(builder, STUN_THIRD_PARTY_AUTHORIZATION, policy->oauth_server_name);
    }
}
