/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/rendezvous/rendezvous_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names and ids --------------------------------------------------------------------------- */

static bool has_name(const struct hash_node *node, const void *wanted)
{
    return strcmp(container_of(node, const struct session, by_name)->name, wanted) == 0;
}

static bool has_resume(const struct hash_node *node, const void *wanted)
{
    return strcmp(container_of(node, const struct session, by_resume)->resume, wanted) == 0;
}

const struct hash_map_type session_name_map_type = {hash_map_text, has_name};
const struct hash_map_type session_resume_map_type = {hash_map_text, has_resume};

struct session *session_find(const struct rendezvous *rendezvous, const char *name)
{
    struct hash_node *node = hash_map_find(&rendezvous->by_name, name);

    return node != NULL ? container_of(node, struct session, by_name) : NULL;
}

struct session *session_find_resume(const struct rendezvous *rendezvous, const char *resume)
{
    struct hash_node *node = hash_map_find(&rendezvous->by_resume, resume);

    return node != NULL ? container_of(node, struct session, by_resume) : NULL;
}

bool session_resolve(const struct rendezvous *rendezvous, const struct account *account,
                     const char *name, char out[SESSION_NAME_SIZE])
{
    const char *realm = strrchr(name, '\\');
    enum auth_realm_kind kind =
        realm != NULL ? auth_realm_kind(rendezvous->auth, realm + 1) : AUTH_REALM_UNKNOWN;
    size_t size = kind == AUTH_REALM_FIRST ? (size_t)(realm - name) : strlen(name);
    const char *suffix = kind == AUTH_REALM_UNKNOWN ? account->name + account->base_size : "";

    if (size + strlen(suffix) >= SESSION_NAME_SIZE) {
        return false;
    }
    snprintf(out, SESSION_NAME_SIZE, "%.*s%s", (int)size, name, suffix);
    return true;
}

/* ---- who may call ---------------------------------------------------------------------------- */

static uint64_t hash_allowed(const struct rendezvous *rendezvous, const char *name)
{
    /* 0 is nobody. */
    return siphash(&rendezvous->allow_key, name, strlen(name)) | 1;
}

bool session_set_allow(struct rendezvous *rendezvous, struct session *session,
                       const struct signal_message *hello)
{
    char name[SESSION_NAME_SIZE];

    free(session->allow);
    session->allow = NULL;
    if (!hello->hello.has_allow) {
        return true;
    }
    session->allow = calloc(SIGNAL_ALLOW_MAX, sizeof *session->allow);
    for (size_t i = 0; session->allow != NULL && i < hello->hello.allow_count; i++) {
        if (session_resolve(rendezvous, session->account, hello->hello.allow[i], name)) {
            session->allow[i] = hash_allowed(rendezvous, name);
        }
    }
    return session->allow != NULL;
}

/* By name or account. All entries are looked at, so that time tells nothing of them. */
static bool is_listed(const struct rendezvous *rendezvous, const struct session *caller,
                      const uint64_t *allow)
{
    static const uint64_t nobody[SIGNAL_ALLOW_MAX];
    const uint64_t *list = allow != NULL ? allow : nobody;
    uint64_t name = hash_allowed(rendezvous, caller->name);
    uint64_t account = hash_allowed(rendezvous, caller->account->name);
    unsigned found = 0;

    for (size_t i = 0; i < SIGNAL_ALLOW_MAX; i++) {
        found |= (unsigned)(list[i] == name) | (unsigned)(list[i] == account);
    }
    return found != 0;
}

bool session_may_call(const struct rendezvous *rendezvous, const struct session *caller,
                      const struct session *callee)
{
    enum rendezvous_callers callers = rendezvous->policy->callers;
    bool listed = is_listed(rendezvous, caller, callee != NULL ? callee->allow : NULL);
    const struct session *other = callee != NULL ? callee : caller;
    bool same_realm = strcmp(caller->account->realm, other->account->realm) == 0;
    bool let = callers == RENDEZVOUS_CALLERS_ANYONE ||
               (callers == RENDEZVOUS_CALLERS_SAME_REALM && same_realm) ||
               (callers == RENDEZVOUS_CALLERS_LISTED && listed);

    return callee != NULL && callee != caller && let && (callee->allow == NULL || listed);
}

/* ---- life ------------------------------------------------------------------------------------ */

/* One more of the account, in place of the one of the same name. */
static bool make_room(struct rendezvous *rendezvous, struct monotime now, struct account *account,
                      const char *name, enum signal_code *code)
{
    struct session *old = session_find(rendezvous, name);

    if (old != NULL && old->account != account) {
        *code = SIGNAL_FORBIDDEN_NAME;
        return false;
    }
    if (old != NULL) {
        session_end(rendezvous, now, old, SIGNAL_REPLACED);
    }
    *code = SIGNAL_FULL;
    return account->session_count < rendezvous->policy->sessions_per_account &&
           rendezvous->by_name.count < rendezvous->policy->sessions_max;
}

static bool fill(struct rendezvous *rendezvous, struct session *session)
{
    return make_id(rendezvous, session->id) && make_id(rendezvous, session->resume) &&
           hash_map_insert(&rendezvous->by_name, &session->by_name, session->name) == 0;
}

struct session *session_new(struct rendezvous *rendezvous, struct monotime now,
                            struct connection *connection, struct account *account,
                            const char *name, size_t name_size, enum signal_code *code)
{
    size_t size = strlen(name) + 1;

    if (!make_room(rendezvous, now, account, name, code)) {
        return NULL;
    }
    struct session *session = calloc(1, sizeof *session + size);
    if (session == NULL) {
        return NULL;
    }
    memcpy(session->name, name, size);
    session->name_size = (uint16_t)name_size;
    session->since = now;
    if (!fill(rendezvous, session)) {
        free(session);
        return NULL;
    }
    if (hash_map_insert(&rendezvous->by_resume, &session->by_resume, session->resume) != 0) {
        hash_map_remove(&rendezvous->by_name, &session->by_name);
        free(session);
        return NULL;
    }
    account_add_session(rendezvous, account, session);
    rendezvous->counters.sessions_now++;
    session_attach(rendezvous, now, session, connection);
    return session;
}

void session_attach(struct rendezvous *rendezvous, struct monotime now, struct session *session,
                    struct connection *connection)
{
    struct connection *old = session->connection;

    if (old != NULL) {
        /* What it has not been given yet goes the new way. */
        session->waiting = old->queue;
        old->queue = (struct outgoing_queue){0};
        old->session = NULL;
        connection_dismiss(rendezvous, old, SIGNAL_REPLACED);
    }
    timer_wheel_cancel(&rendezvous->session_timers, &session->timer);
    session->connection = connection;
    session->remote = connection->remote;
    session->local = connection->local;
    session->encrypted = connection->encrypted;
    session->websocket = connection->websocket;
    connection->session = session;
    connection->state = CONNECTION_REGISTERED;
    connection->heard = now;
    connection->pings = 0;
    free(connection->realm);
    connection->realm = NULL;
    timer_wheel_set(&rendezvous->connection_timers, &connection->timer,
                    monotime_add_seconds(now, rendezvous->policy->ping_s));
}

bool session_renew_resume(struct rendezvous *rendezvous, struct session *session)
{
    char resume[ID_TEXT_SIZE];

    if (!make_id(rendezvous, resume)) {
        return false;
    }
    hash_map_remove(&rendezvous->by_resume, &session->by_resume);
    memcpy(session->resume, resume, sizeof resume);
    /* The map had room for it a moment ago, and nobody has drawn the same 128 bits. */
    return hash_map_insert(&rendezvous->by_resume, &session->by_resume, session->resume) == 0;
}

void session_detach(struct rendezvous *rendezvous, struct monotime now, struct session *session)
{
    struct connection *connection = session->connection;

    session->connection = NULL;
    connection->session = NULL;
    if (rendezvous->policy->resume_s == 0) {
        session_end(rendezvous, now, session, RENDEZVOUS_NO_CODE);
        return;
    }
    session->waiting = connection->queue;
    connection->queue = (struct outgoing_queue){0};
    event_of_session(rendezvous, now, RENDEZVOUS_DETACHED, session, RENDEZVOUS_NO_CODE);
    timer_wheel_set(&rendezvous->session_timers, &session->timer,
                    monotime_add_seconds(now, rendezvous->policy->resume_s));
}

void session_end(struct rendezvous *rendezvous, struct monotime now, struct session *session,
                 enum signal_code code)
{
    while (session->calls != NULL) {
        struct call *call = session->calls;
        int side = call->sides[CALLEE] == session ? CALLEE : CALLER;
        call_end(rendezvous, now, call, 1u << (1 - side), "gone");
    }
    event_of_session(rendezvous, now, RENDEZVOUS_ENDED, session, code);
    if (session->connection != NULL) {
        session->connection->session = NULL;
        connection_dismiss(rendezvous, session->connection, code);
        session->connection = NULL;
    }
    account_remove_session(rendezvous, now, session->account, session);
    session_free(rendezvous, session);
}

void session_free(struct rendezvous *rendezvous, struct session *session)
{
    timer_wheel_cancel(&rendezvous->session_timers, &session->timer);
    hash_map_remove(&rendezvous->by_name, &session->by_name);
    hash_map_remove(&rendezvous->by_resume, &session->by_resume);
    output_drop(&session->waiting);
    rendezvous->counters.sessions_now--;
    free(session->allow);
    free(session);
}
