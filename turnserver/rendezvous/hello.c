/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is this, and what may others call them by. */
#include "turnserver/rendezvous/rendezvous_internal.h"

#include "base/address.h"
#include "wire/signal_proof.h"

#include <stdio.h>
#include <string.h>

#define HELLOS_MAX 3
#define HELLO_SIZE_MAX 8192 /* of one that has to wait */

/* ---- open ------------------------------------------------------------------------------------ */

/* Refuses for good. */
static void turn_away(struct request *request, enum signal_code code)
{
    reply_code(request, code);
    if (request->connection->state != CONNECTION_CLOSING) {
        connection_dismiss(request->rendezvous, request->connection, RENDEZVOUS_NO_CODE);
        request->connection->reason = (uint8_t)code;
    }
}

static bool takes_tokens(const struct rendezvous *rendezvous, const struct connection *connection)
{
    return connection->encrypted || rendezvous->policy->tokens_in_clear;
}

static size_t list_methods(const struct request *request, enum signal_method *out)
{
    const struct rendezvous *rendezvous = request->rendezvous;
    const struct connection *connection = request->connection;
    struct auth_methods known = auth_methods(rendezvous->auth, connection->realm);
    bool keys = rendezvous->policy->unknown_keys || rendezvous->policy->key_count > 0;
    const bool taken[SIGNAL_METHOD_COUNT] = {
        [SIGNAL_METHOD_SHA256] = known.sha256,
        [SIGNAL_METHOD_MD5] = known.md5,
        [SIGNAL_METHOD_TOKEN] = known.tokens && takes_tokens(rendezvous, connection),
        [SIGNAL_METHOD_ED25519] = keys,
    };
    size_t count = 0;

    for (int method = 0; method < SIGNAL_METHOD_COUNT; method++) {
        if (taken[method]) {
            out[count++] = (enum signal_method)method;
        }
    }
    return count;
}

void hello_open(struct request *request)
{
    struct rendezvous *rendezvous = request->rendezvous;
    struct connection *connection = request->connection;
    struct signal_message welcome = {
        .type = SIGNAL_WELCOME,
        .welcome = {.version = SIGNAL_VERSION,
                    .server = rendezvous->policy->server,
                    .realm = connection->realm,
                    .nonce = connection->nonce,
                    .ping_s = rendezvous->policy->ping_s},
    };

    if (request->message->open.version != SIGNAL_VERSION) {
        turn_away(request, SIGNAL_UNSUPPORTED_VERSION);
        return;
    }
    if (!make_id(rendezvous, connection->nonce)) {
        turn_away(request, SIGNAL_TRY_LATER);
        return;
    }
    welcome.welcome.method_count = list_methods(request, welcome.welcome.methods);
    connection->state = CONNECTION_GREETED;
    reply(request, &welcome);
}

/* ---- who is this ----------------------------------------------------------------------------- */

/* Whom a hello turned out to be from. */
struct person {
    char account[AUTH_USER_SIZE]; /* as auth calls it */
    char realm[AUTH_REALM_SIZE_MAX];
};

static void set_person(struct person *person, const char *account, const char *realm)
{
    snprintf(person->account, sizeof person->account, "%s", account);
    snprintf(person->realm, sizeof person->realm, "%s", realm);
}

/* The text under the proof or signature. */
static size_t proved_text(const struct request *request, const char *user,
                          uint8_t text[SIGNAL_PROVED_SIZE_MAX])
{
    const struct signal_message *message = request->message;
    const char *realm =
        message->hello.realm != NULL ? message->hello.realm : request->connection->realm;
    const struct signal_claim claim = {
        .method = message->hello.method,
        .nonce = request->connection->nonce,
        .realm = realm,
        .user = user,
        .name = message->hello.name,
        .resume = message->hello.resume,
    };

    return signal_proved_text(&claim, text, SIGNAL_PROVED_SIZE_MAX);
}

static void check_password(struct request *request, const char *realm, struct auth_answer *answer)
{
    const struct signal_message *message = request->message;
    uint8_t text[SIGNAL_PROVED_SIZE_MAX];
    struct auth_proof proof = {
        .realm = realm,
        .user = message->hello.user,
        .algorithm =
            message->hello.method == SIGNAL_METHOD_MD5 ? STUN_PASSWORD_MD5 : STUN_PASSWORD_SHA256,
        .text = text,
        .size = proved_text(request, message->hello.user, text),
    };

    if (base64_decode(message->hello.proof, proof.hmac, sizeof proof.hmac)) {
        auth_check_proof(request->rendezvous->auth, request->now, &proof, answer);
    }
}

static void check_token(struct request *request, const char *realm, struct auth_answer *answer)
{
    if (takes_tokens(request->rendezvous, request->connection)) {
        auth_check_bearer(request->rendezvous->auth, request->now, realm,
                          request->message->hello.token, answer);
    }
}

/* The account of a key, or NULL. */
static const char *find_key(const struct rendezvous_policy *policy, const uint8_t *key,
                            const char *own)
{
    for (size_t i = 0; i < policy->key_count; i++) {
        if (memcmp(policy->keys[i].public_key, key, ED25519_KEY_SIZE) == 0) {
            return policy->keys[i].account;
        }
    }
    return policy->unknown_keys ? own : NULL;
}

/* Keys are of the first realm, unless their account says "\realm". */
static bool check_signature(struct request *request, struct person *person)
{
    const struct signal_message *message = request->message;
    struct auth *auth = request->rendezvous->auth;
    uint8_t text[SIGNAL_PROVED_SIZE_MAX];
    uint8_t key[ED25519_KEY_SIZE], signature[ED25519_SIGNATURE_SIZE];
    char own[sizeof "key:" + SIGNAL_PUBLIC_KEY_TEXT_SIZE] = "key:";
    size_t size = proved_text(request, message->hello.pub, text);

    if (!base64_decode(message->hello.pub, key, sizeof key) ||
        !base64_decode(message->hello.sig, signature, sizeof signature)) {
        return false;
    }
    base64_encode(key, sizeof key, own + strlen(own));
    const char *account = find_key(request->rendezvous->policy, key, own);
    if (!ed25519_verify(key, signature, text, size) || account == NULL) {
        return false;
    }
    const char *realm = strrchr(account, '\\');
    bool other = realm != NULL && auth_realm_kind(auth, realm + 1) == AUTH_REALM_OTHER;
    set_person(person, account, other ? realm + 1 : auth_first_realm(auth));
    return true;
}

/* Sets `person` when it was accepted. */
static void identify(struct request *request, struct auth_answer *answer, struct person *person)
{
    const struct signal_message *message = request->message;
    const char *realm =
        message->hello.realm != NULL ? message->hello.realm : request->connection->realm;

    *answer = (struct auth_answer){.outcome = AUTH_REFUSED, .code = 401};
    switch (message->hello.method) {
    case SIGNAL_METHOD_ED25519:
        if (check_signature(request, person)) {
            answer->outcome = AUTH_ACCEPTED;
        }
        return;
    case SIGNAL_METHOD_TOKEN:
        check_token(request, realm, answer);
        break;
    default:
        check_password(request, realm, answer);
        break;
    }
    if (answer->outcome == AUTH_ACCEPTED) {
        set_person(person, answer->identity.user + answer->identity.account_offset, realm);
    }
    auth_identity_wipe(&answer->identity);
}

/* ---- what they are called -------------------------------------------------------------------- */

/*
 * An account may be called by its own name, and by that and '/' and what it likes. Writes the key
 * of the map of names, and returns how much of it is not realm; 0 when the name is not the
 * account's.
 */
static size_t choose_name(const struct account *account, const char *wanted,
                          char out[SESSION_NAME_SIZE])
{
    size_t base = account->base_size;
    size_t size = wanted != NULL ? strlen(wanted) : base;

    if (size > SIGNAL_NAME_MAX || size < base ||
        (wanted != NULL && memcmp(wanted, account->name, base) != 0) ||
        (size > base &&
         (wanted[base] != '/' || size == base + 1 || strchr(wanted + base, '\\') != NULL))) {
        return 0;
    }
    snprintf(out, SESSION_NAME_SIZE, "%.*s%s", (int)size, wanted != NULL ? wanted : account->name,
             account->name + base);
    return size;
}

/* The session that the hello wants back, or NULL. */
static struct session *find_old(const struct request *request, const struct account *account,
                                const char *name)
{
    const char *resume = request->message->hello.resume;
    struct session *session =
        resume != NULL ? session_find_resume(request->rendezvous, resume) : NULL;

    return session != NULL && session->account == account && strcmp(session->name, name) == 0
               ? session
               : NULL;
}

/* ---- registered ------------------------------------------------------------------------------ */

static void tell_registered(struct request *request, bool resumed)
{
    struct rendezvous *rendezvous = request->rendezvous;
    struct session *session = request->session;
    char name[SIGNAL_NAME_MAX + 1];
    char reflexive[ADDRESS_TEXT_SIZE];
    struct credentials credentials;
    struct signal_message registered = {
        .type = SIGNAL_REGISTERED,
        .registered = {.name = name,
                       .session = session->id,
                       .resume = session->resume,
                       .resume_s = rendezvous->policy->resume_s,
                       .resumed = resumed,
                       .reflexive = address_format(&session->remote, reflexive)},
    };

    memcpy(name, session->name, session->name_size);
    name[session->name_size] = '\0';
    credentials_of_session(rendezvous, request->now, session, &credentials);
    registered.registered.ice = credentials.ice;
    reply(request, &registered);
}

static void refuse(struct request *request, enum signal_code code)
{
    struct rendezvous *rendezvous = request->rendezvous;

    rendezvous->counters.unauthorized += code == SIGNAL_UNAUTHORIZED;
    event_of_connection(rendezvous, RENDEZVOUS_REFUSED, request->connection, code);
    if (request->connection->hellos >= HELLOS_MAX) {
        turn_away(request, code);
    } else {
        reply_code(request, code);
    }
}

/* A session for the account, old or new. Returns NULL with the code. */
static struct session *give_session(struct request *request, struct account *account, bool *resumed,
                                    enum signal_code *code)
{
    struct rendezvous *rendezvous = request->rendezvous;
    char name[SESSION_NAME_SIZE];
    size_t size = choose_name(account, request->message->hello.name, name);

    if (size == 0) {
        *code = SIGNAL_FORBIDDEN_NAME;
        return NULL;
    }
    struct session *session = find_old(request, account, name);
    *resumed = session != NULL && session_renew_resume(rendezvous, session);
    if (*resumed) {
        session_attach(rendezvous, request->now, session, request->connection);
        return session;
    }
    return session_new(rendezvous, request->now, request->connection, account, name, size, code);
}

static void enter(struct request *request, const struct person *person)
{
    struct rendezvous *rendezvous = request->rendezvous;
    struct account *account = account_of(rendezvous, request->now, person->account, person->realm);
    enum signal_code code = SIGNAL_FULL;
    bool resumed = false;

    if (account == NULL) {
        refuse(request, SIGNAL_FULL);
        return;
    }
    struct session *session = give_session(request, account, &resumed, &code);
    if (session == NULL) {
        refuse(request, code);
        return;
    }
    request->session = session;
    if (!session_set_allow(rendezvous, session, request->message)) {
        session_end(rendezvous, request->now, session, SIGNAL_TRY_LATER);
        request->answered = true;
        return;
    }
    rendezvous->counters.registered += !resumed;
    rendezvous->counters.resumed += resumed;
    event_of_session(rendezvous, request->now, resumed ? RENDEZVOUS_RESUMED : RENDEZVOUS_REGISTERED,
                     session, RENDEZVOUS_NO_CODE);
    tell_registered(request, resumed);
    if (request->session != NULL) {
        output_deliver(rendezvous, session);
    }
}

/* ---- hello ----------------------------------------------------------------------------------- */

/* Whether one more who must show who it is may come from there. */
static bool admit_source(struct rendezvous *rendezvous, struct monotime now,
                         const struct stun_address *remote)
{
    uint32_t rate = rendezvous->policy->hellos_per_source;

    if (rate > 0 && !source_limit_take(rendezvous->hellos, now, remote, rate)) {
        rendezvous->counters.rate_limited++;
        return false;
    }
    return true;
}

bool rendezvous_refuse_token(struct rendezvous *rendezvous, struct monotime now,
                             const struct stun_address *remote, bool encrypted)
{
    const struct connection asking = {.remote = *remote, .encrypted = encrypted};

    if (!admit_source(rendezvous, now, remote)) {
        return false;
    }
    rendezvous->counters.unauthorized++;
    event_of_connection(rendezvous, RENDEZVOUS_REFUSED, &asking, SIGNAL_UNAUTHORIZED);
    return true;
}

/* Whether one more hello is taken from there. */
static bool admit(struct request *request)
{
    struct rendezvous *rendezvous = request->rendezvous;

    if (request->again) {
        return true;
    }
    request->connection->hellos++;
    if (!admit_source(rendezvous, request->now, &request->connection->remote)) {
        event_of_connection(rendezvous, RENDEZVOUS_REFUSED, request->connection,
                            SIGNAL_RATE_LIMITED);
        reply_retry(request, SIGNAL_RATE_LIMITED, MONOTIME_SECOND);
        if (request->connection->state != CONNECTION_CLOSING) {
            connection_dismiss(rendezvous, request->connection, RENDEZVOUS_NO_CODE);
        }
        return false;
    }
    return true;
}

static void wait_for(struct request *request, uint64_t lookup)
{
    if (lookup == 0 || request->size > HELLO_SIZE_MAX ||
        !connection_start_asking(request->rendezvous, request->connection, request->bytes,
                                 request->size, lookup)) {
        refuse(request, SIGNAL_TRY_LATER);
    }
    request->answered = true;
}

void hello_register(struct request *request)
{
    struct auth_answer answer;
    struct person person;

    if (request->message->hello.version != SIGNAL_VERSION) {
        turn_away(request, SIGNAL_UNSUPPORTED_VERSION);
        return;
    }
    if (!admit(request)) {
        return;
    }
    identify(request, &answer, &person);
    if (answer.outcome == AUTH_PENDING) {
        wait_for(request, answer.lookup);
    } else if (answer.outcome == AUTH_ACCEPTED) {
        enter(request, &person);
    } else {
        refuse(request, answer.code == 500 ? SIGNAL_TRY_LATER : SIGNAL_UNAUTHORIZED);
    }
}
