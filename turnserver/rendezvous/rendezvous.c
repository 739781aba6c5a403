/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/rendezvous/rendezvous_internal.h"

#include <stdlib.h>
#include <string.h>

#define GRANULARITY_US (100 * MONOTIME_MILLISECOND)
#define SPOKEN_MAX 16 /* messages of somebody who is not registered */

bool make_id(struct rendezvous *rendezvous, char out[ID_TEXT_SIZE])
{
    uint8_t bytes[ID_BYTES];

    if (!rendezvous->random(rendezvous->random_context, bytes, sizeof bytes)) {
        return false;
    }
    base64_encode(bytes, sizeof bytes, out);
    return true;
}

/* ---- policy ---------------------------------------------------------------------------------- */

void rendezvous_policy_defaults(struct rendezvous_policy *policy)
{
    policy->credential_lifetime_s = 3600;
    policy->hello_timeout_s = 10;
    policy->ping_s = 25;
    policy->resume_s = 60;
    policy->ring_timeout_s = 120;
    policy->sessions_max = 100000;
    policy->sessions_per_account = 16;
    policy->calls_per_session = 16;
    policy->queue_bytes = 65536;
    policy->hellos_per_source = 20;
    policy->messages_per_account = 100;
    policy->calls_per_account = 60;
}

bool rendezvous_origin_allowed(const struct rendezvous_policy *policy, const char *origin)
{
    bool allowed = origin == NULL;

    for (size_t i = 0; i < policy->origin_count && !allowed; i++) {
        allowed = strcmp(policy->origins[i], "*") == 0 || strcmp(policy->origins[i], origin) == 0;
    }
    return allowed;
}

void rendezvous_set_policy(struct rendezvous *rendezvous, struct monotime now,
                           const struct rendezvous_policy *policy)
{
    (void)now;
    rendezvous->policy = policy;
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool init_maps(struct rendezvous *rendezvous)
{
    const struct {
        struct hash_map *map;
        const struct hash_map_type *type;
    } maps[] = {
        {&rendezvous->connections, &connection_map_type},
        {&rendezvous->by_name, &session_name_map_type},
        {&rendezvous->by_resume, &session_resume_map_type},
        {&rendezvous->calls, &call_map_type},
        {&rendezvous->accounts, &account_map_type},
    };
    struct siphash_key key;

    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        if (!rendezvous->random(rendezvous->random_context, &key, sizeof key)) {
            return false;
        }
        /* Bounds are the policy's, which may change. */
        hash_map_init(maps[i].map, maps[i].type, &key, SIZE_MAX);
    }
    return rendezvous->random(rendezvous->random_context, &rendezvous->allow_key,
                              sizeof rendezvous->allow_key);
}

static bool init_sources(struct rendezvous *rendezvous)
{
    uint64_t seed = 0;

    if (!rendezvous->random(rendezvous->random_context, &seed, sizeof seed)) {
        return false;
    }
    rendezvous->hellos = source_limit_new(seed);
    return rendezvous->hellos != NULL;
}

struct rendezvous *rendezvous_new(const struct rendezvous_setup *setup)
{
    struct rendezvous *rendezvous = calloc(1, sizeof *rendezvous);
    struct monotime zero = {0};

    if (rendezvous == NULL) {
        return NULL;
    }
    rendezvous->policy = setup->policy;
    rendezvous->auth = setup->auth;
    rendezvous->random = setup->random;
    rendezvous->random_context = setup->random_context;
    timer_wheel_init(&rendezvous->connection_timers, GRANULARITY_US, zero);
    timer_wheel_init(&rendezvous->session_timers, GRANULARITY_US, zero);
    timer_wheel_init(&rendezvous->call_timers, GRANULARITY_US, zero);
    timer_wheel_init(&rendezvous->account_timers, GRANULARITY_US, zero);
    if (!init_maps(rendezvous) || !init_sources(rendezvous)) {
        rendezvous_free(rendezvous);
        return NULL;
    }
    return rendezvous;
}

static void free_nouns(struct rendezvous *rendezvous)
{
    struct hash_cursor cursor;
    struct hash_node *node;

    for (node = hash_map_first(&rendezvous->calls, &cursor); node != NULL;
         node = hash_map_next(&rendezvous->calls, &cursor)) {
        call_free(rendezvous, container_of(node, struct call, node));
    }
    for (node = hash_map_first(&rendezvous->by_name, &cursor); node != NULL;
         node = hash_map_next(&rendezvous->by_name, &cursor)) {
        session_free(rendezvous, container_of(node, struct session, by_name));
    }
    for (node = hash_map_first(&rendezvous->accounts, &cursor); node != NULL;
         node = hash_map_next(&rendezvous->accounts, &cursor)) {
        account_free(rendezvous, container_of(node, struct account, node));
    }
    for (node = hash_map_first(&rendezvous->connections, &cursor); node != NULL;
         node = hash_map_next(&rendezvous->connections, &cursor)) {
        connection_forget(rendezvous, container_of(node, struct connection, node));
    }
}

void rendezvous_free(struct rendezvous *rendezvous)
{
    struct rendezvous_output output;

    if (rendezvous == NULL) {
        return;
    }
    /* What is closing stands nowhere else. */
    while (rendezvous_next_output(rendezvous, &output)) {
    }
    free_nouns(rendezvous);
    events_free(rendezvous);
    hash_map_clear(&rendezvous->connections);
    hash_map_clear(&rendezvous->by_name);
    hash_map_clear(&rendezvous->by_resume);
    hash_map_clear(&rendezvous->calls);
    hash_map_clear(&rendezvous->accounts);
    source_limit_free(rendezvous->hellos);
    free(rendezvous);
}

/* ---- connections ----------------------------------------------------------------------------- */

static struct connection *connection_new(struct rendezvous *rendezvous, struct monotime now,
                                         const struct rendezvous_connection *given)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (connection == NULL) {
        return NULL;
    }
    connection->number = given->number;
    connection->remote = given->remote;
    connection->local = given->local;
    connection->encrypted = given->encrypted;
    connection->websocket = given->websocket;
    connection->heard = now;
    connection->realm = strdup(auth_choose_realm(rendezvous->auth, given->origin, &given->local));
    if (connection->realm == NULL ||
        hash_map_insert(&rendezvous->connections, &connection->node, &connection->number) != 0) {
        connection_free(connection);
        return NULL;
    }
    timer_wheel_set(&rendezvous->connection_timers, &connection->timer,
                    monotime_add_seconds(now, rendezvous->policy->hello_timeout_s));
    return connection;
}

bool rendezvous_opened(struct rendezvous *rendezvous, struct monotime now,
                       const struct rendezvous_connection *connection)
{
    const struct rendezvous_policy *policy = rendezvous->policy;

    if (rendezvous->shut_down || !rendezvous_origin_allowed(policy, connection->origin) ||
        rendezvous->connections.count >= policy->sessions_max ||
        connection_new(rendezvous, now, connection) == NULL) {
        return false;
    }
    rendezvous->counters.connections++;
    rendezvous->counters.connections_now++;
    return true;
}

void rendezvous_closed(struct rendezvous *rendezvous, struct monotime now, uint64_t number)
{
    struct connection *connection = connection_find(rendezvous, number);

    if (connection == NULL) {
        return;
    }
    if (connection->session != NULL) {
        session_detach(rendezvous, now, connection->session);
    }
    connection_forget(rendezvous, connection);
}

void rendezvous_set_writable(struct rendezvous *rendezvous, uint64_t number, bool writable)
{
    struct connection *connection = connection_find(rendezvous, number);

    if (connection != NULL) {
        connection->unwritable = !writable;
        output_update_ready(rendezvous, connection);
    }
}

void rendezvous_shut_down(struct rendezvous *rendezvous, struct monotime now)
{
    struct hash_cursor cursor;

    (void)now;
    rendezvous->shut_down = true;
    for (struct hash_node *node = hash_map_first(&rendezvous->connections, &cursor); node != NULL;
         node = hash_map_next(&rendezvous->connections, &cursor)) {
        struct connection *connection = container_of(node, struct connection, node);
        if (connection->session != NULL) {
            connection->session->connection = NULL;
            connection->session = NULL;
        }
        connection_dismiss(rendezvous, connection, SIGNAL_SHUTTING_DOWN);
    }
}

/* ---- the way of a message -------------------------------------------------------------------- */

static void answer_ping(struct request *request)
{
    reply(request, &(struct signal_message){.type = SIGNAL_PONG});
}

static void take_pong(struct request *request)
{
    request->answered = true;
}

#define IN(state) (1u << (state))
#define ANYWHERE (~0u)

/* What clients may say, and when. */
static const struct {
    void (*handle)(struct request *request);
    unsigned states;
} methods[SIGNAL_TYPE_COUNT] = {
    [SIGNAL_OPEN] = {hello_open, IN(CONNECTION_NEW)},
    [SIGNAL_HELLO] = {hello_register, IN(CONNECTION_GREETED)},
    [SIGNAL_TURN] = {credentials_answer, IN(CONNECTION_REGISTERED)},
    [SIGNAL_CALL] = {call_invite, IN(CONNECTION_REGISTERED)},
    [SIGNAL_RINGING] = {call_ringing, IN(CONNECTION_REGISTERED)},
    [SIGNAL_ACCEPT] = {call_accept, IN(CONNECTION_REGISTERED)},
    [SIGNAL_REJECT] = {call_reject, IN(CONNECTION_REGISTERED)},
    [SIGNAL_BYE] = {call_bye, IN(CONNECTION_REGISTERED)},
    [SIGNAL_DESCRIPTION] = {call_forward, IN(CONNECTION_REGISTERED)},
    [SIGNAL_CANDIDATE] = {call_forward, IN(CONNECTION_REGISTERED)},
    [SIGNAL_REPORT] = {call_report, IN(CONNECTION_REGISTERED)},
    [SIGNAL_PING] = {answer_ping, ANYWHERE},
    [SIGNAL_PONG] = {take_pong, ANYWHERE},
};

/* Whether it may say one more; answers when it may not. */
static bool admit(struct request *request)
{
    struct rendezvous *rendezvous = request->rendezvous;
    struct connection *connection = request->connection;

    if (request->again) {
        return true;
    }
    if (request->session == NULL && ++connection->spoken > SPOKEN_MAX) {
        rendezvous->counters.rate_limited++;
        reply_retry(request, SIGNAL_RATE_LIMITED, MONOTIME_SECOND);
        connection_dismiss(rendezvous, connection, RENDEZVOUS_NO_CODE);
        return false;
    }
    int64_t wait = request->session != NULL
                       ? account_take_message(rendezvous, request->session->account, request->now)
                       : 0;
    if (wait > 0) {
        rendezvous->counters.rate_limited++;
        reply_retry(request, SIGNAL_RATE_LIMITED, wait);
        return false;
    }
    return true;
}

static void dispatch(struct request *request)
{
    const struct signal_message *message = request->message;

    if (methods[message->type].handle == NULL ||
        (methods[message->type].states & IN(request->connection->state)) == 0) {
        reply_code(request, SIGNAL_BAD_STATE);
        return;
    }
    methods[message->type].handle(request);
    if (!request->answered && message->rid != NULL) {
        reply(request, &(struct signal_message){.type = SIGNAL_OK});
    }
}

/* Who is not registered has one chance to speak the protocol. */
static void answer_fault(struct request *request, const struct signal_fault *fault)
{
    struct rendezvous *rendezvous = request->rendezvous;
    struct signal_message error = {
        .type = SIGNAL_ERROR,
        .error = {.code = fault->code,
                  .code_name = signal_code_name(fault->code),
                  .message = fault->problem},
    };

    rendezvous->counters.bad_messages++;
    reply(request, &error);
    if (request->session == NULL && fault->code != SIGNAL_UNKNOWN_TYPE &&
        request->connection->state != CONNECTION_CLOSING) {
        connection_dismiss(rendezvous, request->connection, RENDEZVOUS_NO_CODE);
    }
}

static void process(struct rendezvous *rendezvous, struct monotime now,
                    struct connection *connection, const char *bytes, size_t size, bool again)
{
    struct signal_message message;
    struct signal_fault fault;
    struct request request = {
        .rendezvous = rendezvous,
        .now = now,
        .connection = connection,
        .session = connection->session,
        .message = &message,
        .bytes = bytes,
        .size = size,
        .again = again,
    };
    bool parsed = signal_message_parse(&message, bytes, size, &fault);

    if (!parsed) {
        message.type = SIGNAL_PING;
        message.rid = fault.rid[0] != '\0' ? fault.rid : NULL;
    }
    if (admit(&request)) {
        if (parsed) {
            dispatch(&request);
        } else {
            answer_fault(&request, &fault);
        }
    }
    signal_message_free(&message);
}

void rendezvous_input(struct rendezvous *rendezvous, struct monotime now, uint64_t number,
                      const char *bytes, size_t size)
{
    struct connection *connection = connection_find(rendezvous, number);

    if (connection == NULL) {
        return;
    }
    rendezvous->counters.messages_in++;
    connection->heard = now;
    connection->pings = 0;
    process(rendezvous, now, connection, bytes, size, false);
}

void rendezvous_bad_input(struct rendezvous *rendezvous, struct monotime now, uint64_t number,
                          enum signal_code code)
{
    struct connection *connection = connection_find(rendezvous, number);

    if (connection == NULL) {
        return;
    }
    rendezvous->counters.bad_messages++;
    if (connection->session != NULL) {
        session_end(rendezvous, now, connection->session, code);
    } else {
        connection_dismiss(rendezvous, connection, code);
    }
}

/* ---- users kept elsewhere -------------------------------------------------------------------- */

bool rendezvous_next_question(struct rendezvous *rendezvous, struct auth_question *question)
{
    return auth_next_question(rendezvous->auth, question);
}

/* The hello goes its way again. */
static void resume_hello(struct rendezvous *rendezvous, struct monotime now,
                         struct connection *connection)
{
    char *hello = connection->hello;
    size_t size = connection->hello_size;

    connection->hello = NULL;
    connection_stop_asking(rendezvous, connection);
    process(rendezvous, now, connection, hello, size, true);
    free(hello);
}

void rendezvous_answer(struct rendezvous *rendezvous, struct monotime now,
                       const struct auth_finding *finding)
{
    struct connection *next = NULL;

    auth_answer_lookup(rendezvous->auth, now, finding);
    /* One that asks again comes to stand before the first. */
    for (struct connection *connection = rendezvous->first_asking; connection != NULL;
         connection = next) {
        next = connection->next_asking;
        if (connection->lookup == finding->id) {
            resume_hello(rendezvous, now, connection);
        }
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

void rendezvous_tick(struct rendezvous *rendezvous, struct monotime now)
{
    struct timer_node *timer;

    while ((timer = timer_wheel_expire(&rendezvous->connection_timers, now)) != NULL) {
        connection_tick(rendezvous, now, container_of(timer, struct connection, timer));
    }
    while ((timer = timer_wheel_expire(&rendezvous->session_timers, now)) != NULL) {
        session_end(rendezvous, now, container_of(timer, struct session, timer), SIGNAL_TIMED_OUT);
    }
    while ((timer = timer_wheel_expire(&rendezvous->call_timers, now)) != NULL) {
        call_end(rendezvous, now, container_of(timer, struct call, timer),
                 1u << CALLER | 1u << CALLEE, "no-answer");
    }
    while ((timer = timer_wheel_expire(&rendezvous->account_timers, now)) != NULL) {
        account_free(rendezvous, container_of(timer, struct account, timer));
    }
}

struct monotime rendezvous_due(const struct rendezvous *rendezvous)
{
    struct monotime due = timer_wheel_due(&rendezvous->connection_timers);

    due = monotime_earlier(due, timer_wheel_due(&rendezvous->session_timers));
    due = monotime_earlier(due, timer_wheel_due(&rendezvous->call_timers));
    return monotime_earlier(due, timer_wheel_due(&rendezvous->account_timers));
}

const struct rendezvous_counters *rendezvous_counters(const struct rendezvous *rendezvous)
{
    return &rendezvous->counters;
}
