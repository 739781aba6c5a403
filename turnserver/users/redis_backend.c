/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Users and REST secrets in Redis, in the layout that coturn has, so that one user base serves
 * both:
 *
 *   turn/realm/REALM/user/NAME/key   a string: the MD5 key, 32 hexadecimal digits
 *   turn/realm/REALM/secret          a set of REST secrets
 *   turn/origin/ORIGIN               a string: the realm of who comes from there
 *   turn/oauth/kid/KID               a hash: ikm_key (base64), as_rs_alg, timestamp, lifetime,
 * realm
 *
 * One connection, in the source's thread. hiredis 0.14 has no timeouts of its own: a timer looks
 * for commands that nobody answers, and gives the connection up.
 */
#include "turnserver/users/user_backend.h"

#include "base/address.h"
#include "base/text.h"
#include "net/clock.h"
#include "net/timer.h"

#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 3000
#define BACK_OFF_FIRST_MS 100
#define BACK_OFF_LAST_MS 5000
#define KEY_SIZE_MAX (sizeof "turn/realm//user//key" + AUTH_REALM_SIZE_MAX + STUN_USERNAME_SIZE_MAX)

/* A command on its way; answers come in the order of the commands. */
struct command {
    struct command *next;
    struct user_backend *backend;
    struct user_request *request; /* or one of the other two */
    void (*take)(struct user_backend *backend, const redisReply *reply, const char *text);
    char *text; /* for `take`, ours */
    struct monotime deadline;
};

struct user_backend {
    const struct user_source_settings *settings;
    struct event_base *base;
    struct event *retry, *watch, *read_origins;
    struct origin_table *origins;
    bool reading_origins;
    redisAsyncContext *connection; /* NULL: waiting for `retry` */
    struct command *first, **last;
    unsigned back_off_ms;
    bool stopping;
    struct user_health health;
};

static bool is_available(void)
{
    return true;
}

static void set_timer(struct event *timer, unsigned ms)
{
    (void)timer_arm_us(timer, ms * MONOTIME_MILLISECOND);
}

/* ---- answers --------------------------------------------------------------------------------- */

static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_key(const redisReply *reply, uint8_t key[16])
{
    if (reply->type != REDIS_REPLY_STRING || reply->len != 32) {
        return false;
    }
    for (size_t i = 0; i < 16; i++) {
        int high = digit(reply->str[2 * i]), low = digit(reply->str[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        key[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static void read_user(const redisReply *reply, struct auth_finding *finding)
{
    finding->has_md5 = read_key(reply, finding->md5_key);
    finding->status = finding->has_md5 ? AUTH_FOUND : AUTH_ABSENT;
}

/* Secrets that are empty, have a zero in them, or are too long are nobody's. */
static void read_secrets(const redisReply *reply, struct auth_finding *finding)
{
    finding->status = AUTH_FOUND;
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        const redisReply *secret = reply->element[i];
        if (finding->secret_count < AUTH_SECRETS_MAX && secret->type == REDIS_REPLY_STRING &&
            secret->len > 0 && secret->len <= AUTH_SECRET_SIZE_MAX &&
            memchr(secret->str, '\0', secret->len) == NULL) {
            memcpy(finding->secrets[finding->secret_count++], secret->str, secret->len);
        }
    }
}

/* The value of a field, without a zero in it; NULL when there is none. */
static const char *field_of(const redisReply *reply, const char *name)
{
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
        const redisReply *field = reply->element[i], *value = reply->element[i + 1];
        if (field->type == REDIS_REPLY_STRING && value->type == REDIS_REPLY_STRING &&
            strcmp(field->str, name) == 0 && strlen(value->str) == value->len) {
            return value->str;
        }
    }
    return NULL;
}

/* A number, 0 when there is none or it is none. */
static int64_t number_of(const redisReply *reply, const char *name)
{
    const char *text = field_of(reply, name);
    uint64_t number = 0;

    if (text == NULL || !text_parse_u64(text, strlen(text), INT64_MAX / 2, &number)) {
        return 0;
    }
    return (int64_t)number;
}

static bool read_algorithm(const redisReply *reply, struct token_key *key)
{
    const char *name = field_of(reply, "as_rs_alg");
    bool short_key = name != NULL && strcmp(name, "A128GCM") == 0;

    key->algorithm = short_key ? TOKEN_A128GCM : TOKEN_A256GCM;
    return name == NULL || name[0] == '\0' || short_key || strcmp(name, "A256GCM") == 0;
}

/* Without timestamp a key is good from ever, without lifetime for ever; without realm it is good
 * for any. */
static void read_token_key(const redisReply *reply, const struct auth_question *question,
                           struct auth_finding *finding)
{
    struct token_key *key = &finding->token_key;
    const char *text = field_of(reply, "ikm_key");
    const char *realm = field_of(reply, "realm");
    int64_t lifetime_s = number_of(reply, "lifetime");

    memcpy(key->id, question->name, strnlen(question->name, TOKEN_KEY_ID_SIZE_MAX));
    key->not_before = number_of(reply, "timestamp");
    key->not_after = lifetime_s > 0 ? key->not_before + lifetime_s : INT64_MAX;
    bool ours = realm == NULL || realm[0] == '\0' || strcmp(realm, question->realm) == 0;
    bool good = text != NULL && ours && read_algorithm(reply, key) && token_key_read(key, text);
    finding->status = good ? AUTH_FOUND : AUTH_ABSENT;
}

static void read_answer(const redisReply *reply, const struct auth_question *question,
                        struct auth_finding *finding)
{
    switch (question->kind) {
    case AUTH_QUESTION_SECRETS:
        read_secrets(reply, finding);
        break;
    case AUTH_QUESTION_TOKEN_KEY:
        read_token_key(reply, question, finding);
        break;
    default:
        read_user(reply, finding);
        break;
    }
}

static void finish(struct user_backend *backend, struct user_request *request,
                   const redisReply *reply)
{
    if (reply == NULL) {
        user_health_note(&backend->health, false, "the connection ended, or nobody answered");
    } else if (reply->type == REDIS_REPLY_ERROR) {
        user_health_note(&backend->health, false, reply->str);
    } else {
        user_health_note(&backend->health, true, NULL);
        backend->back_off_ms = BACK_OFF_FIRST_MS;
        read_answer(reply, &request->question, request->finding);
    }
    user_request_finish(request);
}

static void take_out(struct user_backend *backend, const struct command *command)
{
    struct command **place = &backend->first;

    while (*place != command) {
        place = &(*place)->next;
    }
    *place = command->next;
    if (backend->last == &command->next) {
        backend->last = place;
    }
}

/* hiredis calls this once a command: with NULL when the connection has ended. */
static void on_reply(redisAsyncContext *connection, void *raw, void *context)
{
    struct command *command = context;
    struct user_backend *backend = command->backend;
    const redisReply *reply = raw;

    take_out(backend, command);
    if (command->request != NULL) {
        finish(backend, command->request, reply);
    } else if (command->take != NULL) {
        command->take(backend, reply, command->text);
    } else if (reply != NULL && reply->type == REDIS_REPLY_ERROR) {
        /* Not let in, or no such database: what follows would be answered by the wrong one. */
        user_health_note(&backend->health, false, reply->str);
        backend->connection = NULL;
        redisAsyncFree(connection);
    }
    free(command->text);
    free(command);
}

/* ---- commands -------------------------------------------------------------------------------- */

/* Returns false when it could not be sent: on_reply is then not called. */
static bool send_words(struct user_backend *backend, const struct command *of, int count,
                       const char **words)
{
    struct command *command = calloc(1, sizeof *command);

    if (command == NULL) {
        return false;
    }
    *command = *of;
    command->backend = backend;
    command->deadline = monotime_add_ms(clock_now(), PATIENCE_MS);
    if (redisAsyncCommandArgv(backend->connection, on_reply, command, count, words, NULL) !=
        REDIS_OK) {
        free(command);
        return false;
    }
    *backend->last = command;
    backend->last = &command->next;
    return true;
}

static bool send_command(struct user_backend *backend, struct user_request *request, int count,
                         const char **words)
{
    return send_words(backend, &(struct command){.request = request}, count, words);
}

static bool send_question(struct user_backend *backend, struct user_request *request)
{
    const struct auth_question *question = &request->question;
    char key[KEY_SIZE_MAX];
    const char *words[2] = {"GET", key};

    switch (question->kind) {
    case AUTH_QUESTION_SECRETS:
        words[0] = "SMEMBERS";
        snprintf(key, sizeof key, "turn/realm/%s/secret", question->realm);
        break;
    case AUTH_QUESTION_TOKEN_KEY:
        words[0] = "HGETALL";
        snprintf(key, sizeof key, "turn/oauth/kid/%s", question->name);
        break;
    default:
        snprintf(key, sizeof key, "turn/realm/%s/user/%s/key", question->realm, question->name);
        break;
    }
    return send_command(backend, request, 2, words);
}

static void ask(struct user_backend *backend, struct user_request *request)
{
    if (backend->connection == NULL || !send_question(backend, request)) {
        finish(backend, request, NULL);
    }
}

/* ---- origins --------------------------------------------------------------------------------- */

/*
 * All of them are read now and then: a client's ORIGIN is looked at before anybody knows who it is,
 * so that nothing may wait for an answer. SCAN tells the keys in portions, then each is asked for.
 */
#define ORIGIN_PREFIX "turn/origin/"

static void take_origin(struct user_backend *backend, const redisReply *reply, const char *text)
{
    if (reply != NULL && reply->type == REDIS_REPLY_STRING && strlen(reply->str) == reply->len) {
        origin_table_add(backend->origins, text, reply->str);
    }
}

static void take_end(struct user_backend *backend, const redisReply *reply, const char *text)
{
    (void)text;
    backend->reading_origins = false;
    if (reply != NULL) {
        origin_table_commit(backend->origins);
    }
}

static bool ask_for_origin(struct user_backend *backend, const redisReply *key)
{
    const char *words[] = {"GET", key->str};
    struct command command = {.take = take_origin};

    if (key->type != REDIS_REPLY_STRING || strlen(key->str) != key->len ||
        strncmp(key->str, ORIGIN_PREFIX, strlen(ORIGIN_PREFIX)) != 0) {
        return true;
    }
    command.text = strdup(key->str + strlen(ORIGIN_PREFIX));
    if (command.text == NULL || !send_words(backend, &command, 2, words)) {
        free(command.text);
        return false;
    }
    return true;
}

static bool scan_from(struct user_backend *backend, const char *cursor);

/* The answer to SCAN: where to go on, and keys. What is left out of a table that could not be read
 * whole is there again the next time. */
static void take_keys(struct user_backend *backend, const redisReply *reply, const char *text)
{
    const char *end[] = {"PING"};
    bool good = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                reply->element[0]->type == REDIS_REPLY_STRING &&
                reply->element[1]->type == REDIS_REPLY_ARRAY && backend->connection != NULL;

    (void)text;
    for (size_t i = 0; good && i < reply->element[1]->elements; i++) {
        good = ask_for_origin(backend, reply->element[1]->element[i]);
    }
    if (good) {
        const char *cursor = reply->element[0]->str;
        good = strcmp(cursor, "0") == 0
                   ? send_words(backend, &(struct command){.take = take_end}, 1, end)
                   : scan_from(backend, cursor);
    }
    backend->reading_origins = good;
}

static bool scan_from(struct user_backend *backend, const char *cursor)
{
    static const char pattern[] = ORIGIN_PREFIX "*";
    const char *words[] = {"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"};

    return send_words(backend, &(struct command){.take = take_keys}, 6, words);
}

static void read_origins(evutil_socket_t descriptor, short what, void *context)
{
    struct user_backend *backend = context;

    (void)descriptor;
    (void)what;
    if (backend->connection != NULL && !backend->reading_origins) {
        origin_table_begin(backend->origins);
        backend->reading_origins = scan_from(backend, "0");
    }
    set_timer(backend->read_origins, backend->settings->lifetime_s * 1000);
}

/* ---- the connection -------------------------------------------------------------------------- */

static void connect_later(struct user_backend *backend)
{
    backend->connection = NULL;
    if (!backend->stopping && !evtimer_pending(backend->retry, NULL)) {
        set_timer(backend->retry, backend->back_off_ms);
        backend->back_off_ms = backend->back_off_ms * 2 < BACK_OFF_LAST_MS
                                   ? backend->back_off_ms * 2
                                   : BACK_OFF_LAST_MS;
    }
}

static void on_connected(const redisAsyncContext *connection, int status)
{
    struct user_backend *backend = connection->data;

    if (status != REDIS_OK) { /* hiredis frees it when we return */
        user_health_note(&backend->health, false, connection->errstr);
        connect_later(backend);
    }
}

static void on_disconnected(const redisAsyncContext *connection, int status)
{
    struct user_backend *backend = connection->data;

    if (status != REDIS_OK) {
        user_health_note(&backend->health, false, connection->errstr);
    }
    connect_later(backend);
}

/* Goes before every question in the connection's queue. */
static bool log_in(struct user_backend *backend)
{
    const struct user_source_settings *settings = backend->settings;
    char number[16];
    const char *named[] = {"AUTH", settings->redis_user, settings->redis_password};
    const char *unnamed[] = {"AUTH", settings->redis_password};
    const char *database[] = {"SELECT", number};
    bool good = true;

    if (settings->redis_password != NULL) {
        good = settings->redis_user != NULL ? send_command(backend, NULL, 3, named)
                                            : send_command(backend, NULL, 2, unnamed);
    }
    snprintf(number, sizeof number, "%u", settings->redis_database);
    return good && send_command(backend, NULL, 2, database);
}

static void connect_now(evutil_socket_t descriptor, short what, void *context)
{
    struct user_backend *backend = context;
    char host[ADDRESS_TEXT_SIZE];

    (void)descriptor;
    (void)what;
    address_format_ip(&backend->settings->redis_address, host);
    redisAsyncContext *connection = redisAsyncConnect(host, backend->settings->redis_address.port);
    if (connection == NULL || connection->err != 0 ||
        redisLibeventAttach(connection, backend->base) != REDIS_OK) {
        user_health_note(&backend->health, false,
                         connection != NULL ? connection->errstr : "memory is out");
        if (connection != NULL) {
            redisAsyncFree(connection);
        }
        connect_later(backend);
        return;
    }
    connection->data = backend;
    backend->connection = connection;
    redisAsyncSetConnectCallback(connection, on_connected);
    redisAsyncSetDisconnectCallback(connection, on_disconnected);
    if (!log_in(backend)) {
        redisAsyncFree(connection);
        connect_later(backend);
    }
}

/* Gives up a connection on which nothing comes back. */
static void watch(evutil_socket_t descriptor, short what, void *context)
{
    struct user_backend *backend = context;

    (void)descriptor;
    (void)what;
    if (backend->first != NULL && backend->connection != NULL &&
        monotime_reached(clock_now(), backend->first->deadline)) {
        redisAsyncContext *connection = backend->connection;
        user_health_note(&backend->health, false, "no answer in time");
        backend->connection = NULL; /* questions that come meanwhile fail at once */
        redisAsyncFree(connection);
        connect_later(backend);
    }
    set_timer(backend->watch, PATIENCE_MS / 3);
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct user_backend *create(const struct user_source_settings *settings,
                                   struct origin_table *origins, struct log *log, FILE *diagnostics)
{
    struct user_backend *backend = calloc(1, sizeof *backend);

    if (backend == NULL) {
        fprintf(diagnostics, "turnserver: memory is out\n");
        return NULL;
    }
    backend->settings = settings;
    backend->origins = origins;
    backend->last = &backend->first;
    backend->back_off_ms = BACK_OFF_FIRST_MS;
    backend->health = (struct user_health){.log = log, .key = "users_database.redis"};
    return backend;
}

static void start(struct user_backend *backend, struct event_base *base)
{
    backend->base = base;
    backend->retry = evtimer_new(base, connect_now, backend);
    backend->watch = evtimer_new(base, watch, backend);
    backend->read_origins = evtimer_new(base, read_origins, backend);
    if (backend->retry == NULL || backend->watch == NULL || backend->read_origins == NULL) {
        user_health_note(&backend->health, false, "memory is out");
        return;
    }
    set_timer(backend->watch, PATIENCE_MS / 3);
    connect_now(-1, 0, backend);
    if (backend->settings->several_realms) {
        read_origins(-1, 0, backend);
    }
}

static void stop(struct user_backend *backend)
{
    backend->stopping = true;
    if (backend->connection != NULL) {
        redisAsyncFree(backend->connection); /* every command's on_reply is called */
    }
}

static void free_timer(struct event *timer)
{
    if (timer != NULL) {
        event_free(timer);
    }
}

static void destroy(struct user_backend *backend)
{
    free_timer(backend->retry);
    free_timer(backend->watch);
    free_timer(backend->read_origins);
    free(backend);
}

const struct user_backend_operations user_backend_redis = {
    .is_available = is_available,
    .traits = {.md5 = true, .secrets = true, .token_keys = true},
    .create = create,
    .start = start,
    .ask = ask,
    .stop = stop,
    .destroy = destroy,
};
