/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/text.h"
#include "proto/rendezvous_client_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- the table ------------------------------------------------------------------------------- */

static struct rendezvous_call *find_number(struct rendezvous_client *client, uint32_t number)
{
    for (size_t i = 0; i < RENDEZVOUS_CALLS_MAX; i++) {
        if (number != 0 && client->calls[i].number == number) {
            return &client->calls[i];
        }
    }
    return NULL;
}

static struct rendezvous_call *find_id(struct rendezvous_client *client, const char *id)
{
    for (size_t i = 0; id != NULL && i < RENDEZVOUS_CALLS_MAX; i++) {
        if (client->calls[i].number != 0 && strcmp(client->calls[i].id, id) == 0) {
            return &client->calls[i];
        }
    }
    return NULL;
}

static struct rendezvous_call *add_call(struct rendezvous_client *client)
{
    for (size_t i = 0; i < RENDEZVOUS_CALLS_MAX; i++) {
        if (client->calls[i].number == 0) {
            client->last_number = client->last_number == UINT32_MAX ? 1 : client->last_number + 1;
            client->calls[i] = (struct rendezvous_call){.number = client->last_number};
            return &client->calls[i];
        }
    }
    return NULL;
}

static void set_id(struct rendezvous_call *call, const char *id)
{
    size_t size = strlen(id);
    size = size < sizeof call->id ? size : sizeof call->id - 1;
    memcpy(call->id, id, size);
    call->id[size] = '\0';
}

static void drop_deferred(struct rendezvous_call *call)
{
    while (call->deferred != NULL) {
        struct deferred_candidate *next = call->deferred->next;
        free(call->deferred);
        call->deferred = next;
    }
}

/* Forgets the call and, unless we ended it ourselves, what has not been sent in it. */
static void remove_call(struct rendezvous_client *client, struct rendezvous_call *call,
                        bool with_unsent)
{
    drop_deferred(call);
    for (struct kept_message **at = &client->kept; with_unsent && *at != NULL;) {
        struct kept_message *kept = *at;
        if (kept->call == call->number && !kept->sent) {
            *at = kept->next;
            client->kept_count--;
            free(kept);
        } else {
            at = &kept->next;
        }
    }
    *call = (struct rendezvous_call){0};
}

void rendezvous_calls_free(struct rendezvous_client *client)
{
    for (size_t i = 0; i < RENDEZVOUS_CALLS_MAX; i++) {
        drop_deferred(&client->calls[i]);
    }
}

static void end_call(struct rendezvous_client *client, struct rendezvous_call *call,
                     enum rendezvous_end ended, enum signal_code code, const char *text)
{
    struct rendezvous_client_event *event =
        rendezvous_push(client, RENDEZVOUS_CALL_ENDED, call->number, NULL);
    if (event != NULL) {
        event->ended = ended;
        event->code = code;
        text = text == NULL ? "" : text;
        text_copy_printable(event->text, sizeof event->text, text, strlen(text));
    }
    remove_call(client, call, true);
}

void rendezvous_calls_lost(struct rendezvous_client *client)
{
    for (size_t i = 0; i < RENDEZVOUS_CALLS_MAX; i++) {
        struct rendezvous_call *call = &client->calls[i];
        if (call->number != 0 && call->id[0] != '\0') {
            end_call(client, call, RENDEZVOUS_END_LOST, SIGNAL_CODE_UNKNOWN,
                     "the service does not know the call any more");
        }
    }
}

/* ---- what we say ----------------------------------------------------------------------------- */

uint32_t rendezvous_client_call(struct rendezvous_client *client, struct monotime now,
                                const char *to, const char *offer)
{
    struct rendezvous_call *call = add_call(client);
    uint64_t overflowing = client->counters.overflowing;
    struct signal_message message = {.type = SIGNAL_CALL, .invite = {.to = to}};
    (void)now;
    if (call == NULL) {
        return 0;
    }
    if (offer != NULL) {
        message.invite.description = (struct signal_description){.type = "offer", .sdp = offer};
    }
    rendezvous_keep(client, call->number, &message);
    if (client->counters.overflowing != overflowing) {
        remove_call(client, call, true);
        return 0;
    }
    return call->number;
}

/* Fills `call` in; what is said in a call without an id is not sent. */
static struct rendezvous_call *say(struct rendezvous_client *client, uint32_t number,
                                   struct signal_message *message)
{
    struct rendezvous_call *call = find_number(client, number);
    if (call != NULL && call->id[0] != '\0') {
        message->call = call->id;
        rendezvous_keep(client, number, message);
    }
    return call;
}

void rendezvous_client_ringing(struct rendezvous_client *client, struct monotime now, uint32_t call)
{
    (void)now;
    say(client, call, &(struct signal_message){.type = SIGNAL_RINGING});
}

void rendezvous_client_accept(struct rendezvous_client *client, struct monotime now, uint32_t call,
                              const char *answer)
{
    struct signal_message message = {.type = SIGNAL_ACCEPT};
    (void)now;
    if (answer != NULL) {
        message.accept.description = (struct signal_description){.type = "answer", .sdp = answer};
    }
    say(client, call, &message);
}

static void say_end(struct rendezvous_client *client, uint32_t number, enum signal_type type,
                    const char *reason)
{
    struct signal_message message = {.type = type, .end = {.reason = reason}};
    struct rendezvous_call *call = say(client, number, &message);
    if (call != NULL) {
        remove_call(client, call, call->id[0] == '\0');
    }
}

void rendezvous_client_reject(struct rendezvous_client *client, struct monotime now, uint32_t call,
                              const char *reason)
{
    (void)now;
    say_end(client, call, SIGNAL_REJECT, reason);
}

void rendezvous_client_bye(struct rendezvous_client *client, struct monotime now, uint32_t call,
                           const char *reason)
{
    (void)now;
    say_end(client, call, SIGNAL_BYE, reason);
}

void rendezvous_client_describe(struct rendezvous_client *client, struct monotime now,
                                uint32_t call, const char *type, const char *sdp)
{
    struct signal_message message = {.type = SIGNAL_DESCRIPTION,
                                     .description = {.type = type, .sdp = sdp}};
    (void)now;
    say(client, call, &message);
}

static const char *put_text(char **at, const char *text)
{
    if (text == NULL) {
        return NULL;
    }
    char *begin = *at;
    size_t size = strlen(text) + 1;
    memcpy(begin, text, size);
    *at += size;
    return begin;
}

static size_t text_size(const char *text)
{
    return text == NULL ? 0 : strlen(text) + 1;
}

static void defer(struct rendezvous_client *client, struct rendezvous_call *call,
                  const struct signal_candidate *candidate)
{
    struct deferred_candidate **end = &call->deferred;
    size_t count = 0;
    for (; *end != NULL; end = &(*end)->next) {
        count++;
    }
    struct deferred_candidate *deferred =
        count == RENDEZVOUS_MESSAGES_MAX
            ? NULL
            : malloc(sizeof *deferred + text_size(candidate->candidate) +
                     text_size(candidate->sdp_mid) + text_size(candidate->username_fragment));
    if (deferred == NULL) {
        client->counters.overflowing++;
        return;
    }
    char *at = deferred->texts;
    deferred->next = NULL;
    deferred->candidate = *candidate;
    deferred->candidate.candidate = put_text(&at, candidate->candidate);
    deferred->candidate.sdp_mid = put_text(&at, candidate->sdp_mid);
    deferred->candidate.username_fragment = put_text(&at, candidate->username_fragment);
    *end = deferred;
}

void rendezvous_client_candidate(struct rendezvous_client *client, struct monotime now,
                                 uint32_t number, const struct signal_candidate *candidate)
{
    struct rendezvous_call *call = find_number(client, number);
    struct signal_message message = {.type = SIGNAL_CANDIDATE, .candidate = *candidate};
    (void)now;
    if (call != NULL && call->id[0] == '\0') {
        defer(client, call, candidate);
    } else {
        say(client, number, &message);
    }
}

void rendezvous_client_report(struct rendezvous_client *client, struct monotime now, uint32_t call,
                              const char *path, double ms, double rtt_ms)
{
    struct signal_message message = {.type = SIGNAL_REPORT,
                                     .report = {.path = path, .ms = ms, .rtt = rtt_ms}};
    (void)now;
    say(client, call, &message);
}

/* ---- what the server says -------------------------------------------------------------------- */

static void on_incoming(struct rendezvous_client *client, struct signal_message *message)
{
    if (message->call == NULL || find_id(client, message->call) != NULL) {
        client->counters.strange++; /* again, after the connection broke */
        return;
    }
    struct rendezvous_call *call = add_call(client);
    if (call == NULL) {
        struct signal_message reject = {
            .type = SIGNAL_REJECT, .call = message->call, .end = {.reason = "busy"}};
        rendezvous_keep(client, 0, &reject);
        return;
    }
    set_id(call, message->call);
    rendezvous_push(client, RENDEZVOUS_INCOMING, call->number, message);
}

void rendezvous_call_input(struct rendezvous_client *client, struct monotime now,
                           struct signal_message *message)
{
    struct rendezvous_call *call = find_id(client, message->call);
    (void)now;
    if (message->type == SIGNAL_INCOMING) {
        on_incoming(client, message);
        return;
    }
    if (call == NULL) {
        client->counters.strange++;
        return;
    }
    switch (message->type) {
    case SIGNAL_RINGING:
        rendezvous_push(client, RENDEZVOUS_RINGING, call->number, message);
        break;
    case SIGNAL_ACCEPT:
        rendezvous_push(client, RENDEZVOUS_ACCEPTED, call->number, message);
        break;
    case SIGNAL_DESCRIPTION:
        rendezvous_push(client, RENDEZVOUS_DESCRIPTION, call->number, message);
        break;
    case SIGNAL_CANDIDATE:
        rendezvous_push(client, RENDEZVOUS_CANDIDATE, call->number, message);
        break;
    case SIGNAL_REJECT:
        end_call(client, call, RENDEZVOUS_END_REJECTED, SIGNAL_CODE_UNKNOWN, message->end.reason);
        break;
    case SIGNAL_BYE:
        end_call(client, call, RENDEZVOUS_END_BYE, SIGNAL_CODE_UNKNOWN, message->end.reason);
        break;
    default:
        client->counters.strange++;
        break;
    }
}

static void on_called(struct rendezvous_client *client, struct rendezvous_call *call,
                      const char *id)
{
    set_id(call, id);
    rendezvous_push(client, RENDEZVOUS_CALLING, call->number, NULL);
    while (call->deferred != NULL) {
        struct deferred_candidate *deferred = call->deferred;
        struct signal_message message = {
            .type = SIGNAL_CANDIDATE, .call = call->id, .candidate = deferred->candidate};
        rendezvous_keep(client, call->number, &message);
        call->deferred = deferred->next;
        free(deferred);
    }
}

/* What an error says, in the words of the list, or the server's own. */
static const char *error_words(const struct signal_message *answer)
{
    bool known = answer->error.code != SIGNAL_CODE_UNKNOWN;
    return known ? signal_code_words(answer->error.code) : answer->error.message;
}

static void complain(struct rendezvous_client *client, uint32_t number,
                     const struct signal_message *answer)
{
    struct rendezvous_client_event *event =
        rendezvous_push(client, RENDEZVOUS_COMPLAINT, number, NULL);
    const char *text = error_words(answer);
    if (event != NULL && text != NULL) {
        event->code = answer->error.code;
        text_copy_printable(event->text, sizeof event->text, text, strlen(text));
    }
}

void rendezvous_call_answered(struct rendezvous_client *client, const struct kept_message *kept,
                              struct signal_message *answer)
{
    struct rendezvous_call *call = find_number(client, kept->call);
    if (answer->type == SIGNAL_OK) {
        if (kept->answers && call != NULL) {
            rendezvous_push(client, RENDEZVOUS_ANSWERED, call->number, NULL);
        }
        if (kept->is_call && answer->call != NULL && answer->call[0] != '\0') {
            if (call != NULL) {
                on_called(client, call, answer->call);
            } else { /* we have hung up in the meantime */
                struct signal_message bye = {.type = SIGNAL_BYE, .call = answer->call};
                rendezvous_keep(client, 0, &bye);
            }
        }
    } else if (call == NULL) {
        return;
    } else if (kept->is_call || answer->error.code == SIGNAL_UNKNOWN_CALL) {
        end_call(client, call, RENDEZVOUS_END_REFUSED, answer->error.code, error_words(answer));
    } else {
        complain(client, kept->call, answer);
    }
}
