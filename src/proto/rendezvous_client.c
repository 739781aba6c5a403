/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/rendezvous_client.h"

#include "base/text.h"
#include "proto/rendezvous_client_internal.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_PATIENCE_MS 10000 /* for welcome, for registered, for a pong */
#define PROBE_PATIENCE_MS 3000
#define PING_DEFAULT_S 30
#define RETRY_FIRST_MS 250 /* doubled with each attempt that fails */
#define RETRY_MAX_MS 30000

/* ---- life ------------------------------------------------------------------------------------ */

static bool copy_text(char **out, const char *text)
{
    *out = text == NULL ? NULL : strdup(text);
    return text == NULL || *out != NULL;
}

struct rendezvous_client *rendezvous_client_new(const struct rendezvous_client_setup *setup)
{
    struct rendezvous_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return NULL;
    }
    client->setup = *setup;
    assert(setup->caller_count <= SIGNAL_ALLOW_MAX);
    client->due = client->turn_due = MONOTIME_NEVER;
    if (setup->private_key != NULL) {
        memcpy(client->private_key, setup->private_key, sizeof client->private_key);
    }
    if (!copy_text(&client->name, setup->name) || !copy_text(&client->user, setup->user) ||
        !copy_text(&client->password, setup->password) ||
        !copy_text(&client->token, setup->token)) {
        rendezvous_client_free(client);
        return NULL;
    }
    return client;
}

static void free_secret(char *text)
{
    if (text != NULL) {
        OPENSSL_cleanse(text, strlen(text));
        free(text);
    }
}

static void free_event(struct queued_event *queued)
{
    if (queued != NULL) {
        signal_message_free(&queued->message);
        free(queued);
    }
}

void rendezvous_client_free(struct rendezvous_client *client)
{
    if (client == NULL) {
        return;
    }
    rendezvous_calls_free(client);
    rendezvous_output_free(client);
    for (size_t i = 0; i < client->event_count; i++) {
        free_event(client->events[(client->event_head + i) % EVENTS_MAX]);
    }
    free_event(client->given);
    free(client->name);
    free(client->user);
    free_secret(client->password);
    free_secret(client->token);
    OPENSSL_cleanse(client, sizeof *client);
    free(client);
}

bool rendezvous_client_registered(const struct rendezvous_client *client)
{
    return client->state == CONNECTION_REGISTERED;
}

const struct rendezvous_client_counters *rendezvous_client_counters(
    const struct rendezvous_client *client)
{
    return &client->counters;
}

bool rendezvous_client_idle(const struct rendezvous_client *client)
{
    return client->kept_count == 0 || client->state != CONNECTION_REGISTERED;
}

/* ---- events ---------------------------------------------------------------------------------- */

struct rendezvous_client_event *rendezvous_push(struct rendezvous_client *client,
                                                enum rendezvous_client_event_type type,
                                                uint32_t call, struct signal_message *message)
{
    struct queued_event *queued =
        client->event_count < EVENTS_MAX ? calloc(1, sizeof *queued) : NULL;
    if (queued == NULL) {
        client->counters.overflowing++;
        return NULL;
    }
    queued->event.type = type;
    queued->event.call = call;
    queued->event.code = SIGNAL_CODE_UNKNOWN;
    if (message != NULL) {
        queued->message = *message;
        *message = (struct signal_message){0};
        queued->event.message = &queued->message;
    }
    client->events[(client->event_head + client->event_count++) % EVENTS_MAX] = queued;
    return &queued->event;
}

bool rendezvous_client_event(struct rendezvous_client *client,
                             struct rendezvous_client_event *event)
{
    free_event(client->given);
    client->given = NULL;
    if (client->event_count == 0) {
        return false;
    }
    client->given = client->events[client->event_head];
    client->event_head = (client->event_head + 1) % EVENTS_MAX;
    client->event_count--;
    *event = client->given->event;
    return true;
}

static void push_text(struct rendezvous_client *client, enum rendezvous_client_event_type type,
                      enum signal_code code, const char *text, uint32_t wait_ms)
{
    struct rendezvous_client_event *event = rendezvous_push(client, type, 0, NULL);
    if (event != NULL) {
        event->code = code;
        event->wait_ms = wait_ms;
        text_copy_printable(event->text, sizeof event->text, text, strlen(text));
    }
}

/* ---- coming and going ------------------------------------------------------------------------ */

static void connect_now(struct rendezvous_client *client)
{
    client->state = CONNECTION_CONNECTING;
    client->due = MONOTIME_NEVER; /* the shell has its own patience */
    client->attempts++;
    client->refused = false;
    client->problem[0] = '\0';
    rendezvous_push(client, RENDEZVOUS_CONNECT, 0, NULL);
}

void rendezvous_client_start(struct rendezvous_client *client, struct monotime now)
{
    (void)now;
    if (client->state == CONNECTION_IDLE) {
        connect_now(client);
    }
}

void rendezvous_client_connected(struct rendezvous_client *client, struct monotime now)
{
    if (client->state == CONNECTION_CONNECTING) {
        client->state = CONNECTION_OPENING;
        client->heard = now;
        client->due = monotime_add_ms(now, ANSWER_PATIENCE_MS);
        client->open_due = true;
    }
}

/* Doubled with each attempt and, so that a thousand clients of a restarted server do not come all
 * at once, between half of that and the whole. */
static uint32_t retry_wait_ms(struct rendezvous_client *client)
{
    uint32_t doublings = client->attempts > 8 ? 8 : client->attempts;
    uint32_t wait_ms = (uint32_t)RETRY_FIRST_MS << doublings;
    wait_ms = wait_ms > RETRY_MAX_MS ? RETRY_MAX_MS : wait_ms;
    wait_ms = wait_ms / 2 +
              (uint32_t)(client->setup.random(client->setup.random_context) % (wait_ms / 2 + 1));
    if (client->retry_after_s > 0 && wait_ms < client->retry_after_s * 1000) {
        wait_ms += client->retry_after_s * 1000;
    }
    client->retry_after_s = 0;
    return wait_ms;
}

/* The connection is no more, whoever ended it. */
static void lose(struct rendezvous_client *client, struct monotime now, const char *why)
{
    rendezvous_output_restart(client);
    client->pinged = false;
    client->turn_due = MONOTIME_NEVER;
    if (client->refused) {
        client->state = CONNECTION_IDLE;
        client->due = MONOTIME_NEVER;
        return;
    }
    uint32_t wait_ms = retry_wait_ms(client);
    client->state = CONNECTION_WAITING;
    client->due = monotime_add_ms(now, wait_ms);
    push_text(client, RENDEZVOUS_LOST, SIGNAL_CODE_UNKNOWN,
              client->problem[0] != '\0' ? client->problem : why, wait_ms);
}

void rendezvous_client_disconnected(struct rendezvous_client *client, struct monotime now,
                                    const char *why)
{
    if (client->state >= CONNECTION_CONNECTING) {
        lose(client, now, why);
    }
}

static void hang_up(struct rendezvous_client *client, struct monotime now, const char *why)
{
    rendezvous_push(client, RENDEZVOUS_DISCONNECT, 0, NULL);
    lose(client, now, why);
}

static void refuse(struct rendezvous_client *client, struct monotime now, enum signal_code code,
                   const char *text)
{
    client->refused = true;
    push_text(client, RENDEZVOUS_REFUSED, code, text, 0);
    hang_up(client, now, text);
}

/* ---- who we are ------------------------------------------------------------------------------ */

static void on_welcome(struct rendezvous_client *client, struct monotime now,
                       const struct signal_message *welcome)
{
    enum signal_method method;
    if (client->state != CONNECTION_OPENING) {
        client->counters.strange++;
        return;
    }
    client->ping_s = welcome->welcome.ping_s > 0 ? welcome->welcome.ping_s : PING_DEFAULT_S;
    if (!rendezvous_choose_method(client, welcome, &method)) {
        refuse(client, now, SIGNAL_UNAUTHORIZED,
               "the service asks who we are in a way that needs other credentials than the given");
    } else if (!rendezvous_build_hello(client, welcome, method)) {
        refuse(client, now, SIGNAL_CODE_UNKNOWN, "name or password cannot be used");
    } else {
        client->state = CONNECTION_GREETING;
        client->due = monotime_add_ms(now, ANSWER_PATIENCE_MS);
    }
}

/* Asks again when three quarters of the credentials' time are over. */
static void plan_turn(struct rendezvous_client *client, struct monotime now, uint32_t ttl_s)
{
    client->turn_due =
        ttl_s == 0 ? MONOTIME_NEVER : monotime_add_ms(now, (int64_t)ttl_s * 750 + 1000);
}

static void on_registered(struct rendezvous_client *client, struct monotime now,
                          struct signal_message *message)
{
    bool resumed = message->registered.resumed;
    const char *resume = message->registered.resume;
    if (client->state != CONNECTION_GREETING) {
        client->counters.strange++;
        return;
    }
    if (!resumed) {
        rendezvous_calls_lost(client);
    }
    snprintf(client->resume, sizeof client->resume, "%s", resume == NULL ? "" : resume);
    client->state = CONNECTION_REGISTERED;
    client->due = MONOTIME_NEVER;
    client->attempts = 0;
    plan_turn(client, now, message->registered.ice.ttl_s);
    struct rendezvous_client_event *event =
        rendezvous_push(client, RENDEZVOUS_REGISTERED, 0, message);
    if (event != NULL) {
        event->resumed = resumed;
    }
}

/* ---- what the server says -------------------------------------------------------------------- */

/* Whether coming back cannot help. */
static bool is_final(enum signal_code code)
{
    switch (code) {
    case SIGNAL_UNAUTHORIZED:
    case SIGNAL_FORBIDDEN_NAME:
    case SIGNAL_UNSUPPORTED_VERSION:
    case SIGNAL_REPLACED:
    case SIGNAL_BAD_MESSAGE:
    case SIGNAL_BAD_STATE:
    case SIGNAL_UNKNOWN_TYPE:
        return true;
    default:
        return false;
    }
}

static const char *error_text(const struct signal_message *message)
{
    if (message->error.code != SIGNAL_CODE_UNKNOWN) {
        return signal_code_words(message->error.code);
    }
    return message->error.message != NULL ? message->error.message : "an error without a name";
}

/* An error of the session itself: no request of a call was meant. */
static void on_session_error(struct rendezvous_client *client, struct monotime now,
                             const struct signal_message *message)
{
    enum signal_code code = message->error.code;
    bool greeting = client->state < CONNECTION_REGISTERED;
    client->retry_after_s =
        message->error.retry_after_s > 3600 ? 3600 : message->error.retry_after_s;
    snprintf(client->problem, sizeof client->problem, "the service says that %s",
             error_text(message));
    if ((greeting && is_final(code)) || code == SIGNAL_REPLACED) {
        refuse(client, now, code, error_text(message));
    } else if (greeting) {
        hang_up(client, now, client->problem);
    } else {
        push_text(client, RENDEZVOUS_COMPLAINT, code, error_text(message), 0);
    }
}

static void on_answer(struct rendezvous_client *client, struct monotime now,
                      struct signal_message *message)
{
    struct kept_message *kept = rendezvous_take_kept(client, message->rid);
    if (kept != NULL) {
        rendezvous_call_answered(client, kept, message);
        free(kept);
    } else if (message->type == SIGNAL_ERROR) {
        on_session_error(client, now, message);
    }
}

static void on_turn(struct rendezvous_client *client, struct monotime now,
                    struct signal_message *message)
{
    plan_turn(client, now, message->turn.ice.ttl_s);
    rendezvous_push(client, RENDEZVOUS_SERVERS, 0, message);
}

static void on_ping(struct rendezvous_client *client, const struct signal_message *message)
{
    client->pong_due = true;
    snprintf(client->pong_rid, sizeof client->pong_rid, "%s",
             message->rid == NULL ? "" : message->rid);
}

static void dispatch(struct rendezvous_client *client, struct monotime now,
                     struct signal_message *message)
{
    switch (message->type) {
    case SIGNAL_WELCOME:
        on_welcome(client, now, message);
        break;
    case SIGNAL_REGISTERED:
        on_registered(client, now, message);
        break;
    case SIGNAL_TURN:
        on_turn(client, now, message);
        break;
    case SIGNAL_PING:
        on_ping(client, message);
        break;
    case SIGNAL_PONG:
        break;
    case SIGNAL_OK:
    case SIGNAL_ERROR:
        on_answer(client, now, message);
        break;
    default:
        if (client->state == CONNECTION_REGISTERED) {
            rendezvous_call_input(client, now, message);
        } else {
            client->counters.strange++;
        }
        break;
    }
}

void rendezvous_client_input(struct rendezvous_client *client, struct monotime now,
                             const char *text, size_t size)
{
    struct signal_message message;
    struct signal_fault fault;
    if (client->state < CONNECTION_OPENING) {
        return;
    }
    client->heard = now;
    client->pinged = false;
    client->counters.messages_received++;
    if (signal_message_parse(&message, text, size, &fault)) {
        dispatch(client, now, &message);
        signal_message_free(&message);
        return;
    }
    client->counters.bad++;
    if (client->state < CONNECTION_REGISTERED) {
        refuse(client, now, fault.code, "what answers does not speak the rendezvous protocol");
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

/* When to ask whether the server is still there (it pings us oftener than that), and when to give
 * up to wait for its answer. */
static struct monotime silence_due(const struct rendezvous_client *client)
{
    if (client->state != CONNECTION_REGISTERED) {
        return MONOTIME_NEVER;
    }
    return client->pinged ? client->answer_due
                          : monotime_add_ms(client->heard, (int64_t)client->ping_s * 1500);
}

static void ping(struct rendezvous_client *client, struct monotime now, int64_t patience_ms)
{
    client->pinged = client->ping_due = true;
    client->answer_due = monotime_add_ms(now, patience_ms);
}

void rendezvous_client_probe(struct rendezvous_client *client, struct monotime now)
{
    if (client->state == CONNECTION_REGISTERED && !client->pinged) {
        ping(client, now, PROBE_PATIENCE_MS);
    }
}

static void check_silence(struct rendezvous_client *client, struct monotime now)
{
    if (!monotime_reached(now, silence_due(client))) {
        return;
    }
    if (client->pinged) {
        hang_up(client, now, "the service does not answer any more");
    } else {
        ping(client, now, ANSWER_PATIENCE_MS);
    }
}

void rendezvous_client_tick(struct rendezvous_client *client, struct monotime now)
{
    if (monotime_reached(now, client->turn_due)) {
        client->turn_due = monotime_add_seconds(now, 60); /* in case no answer comes */
        client->turn_wanted = true;
    }
    check_silence(client, now);
    if (!monotime_reached(now, client->due)) {
        return;
    }
    if (client->state == CONNECTION_WAITING) {
        connect_now(client);
    } else if (client->state == CONNECTION_OPENING || client->state == CONNECTION_GREETING) {
        hang_up(client, now, "the service took the connection and says nothing");
    }
}

struct monotime rendezvous_client_due(const struct rendezvous_client *client)
{
    return monotime_earlier(monotime_earlier(client->due, client->turn_due), silence_due(client));
}
