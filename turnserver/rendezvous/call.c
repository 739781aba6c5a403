/* SPDX-License-Identifier: BSD-3-Clause */
/* A call is two sessions and an id: what one of them says of it goes to the other. */
#include "turnserver/rendezvous/rendezvous_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- ids ------------------------------------------------------------------------------------- */

static bool has_id(const struct hash_node *node, const void *wanted)
{
    return strcmp(container_of(node, const struct call, node)->id, wanted) == 0;
}

const struct hash_map_type call_map_type = {hash_map_text, has_id};

/* Which side of a call the session is; it is one of them. */
static int side_of(const struct call *call, const struct session *session)
{
    return call->sides[CALLEE] == session ? CALLEE : CALLER;
}

/* The call that a message is of, if it is the session's. Answers when it is not. */
static struct call *find_call(struct request *request)
{
    struct hash_node *node = hash_map_find(&request->rendezvous->calls, request->message->call);
    struct call *call = node != NULL ? container_of(node, struct call, node) : NULL;

    if (call == NULL ||
        (call->sides[CALLER] != request->session && call->sides[CALLEE] != request->session)) {
        reply_code(request, SIGNAL_UNKNOWN_CALL);
        return NULL;
    }
    return call;
}

/* The same when only one side may say it. */
static struct call *find_call_of(struct request *request, int side)
{
    struct call *call = find_call(request);

    if (call != NULL && (side_of(call, request->session) != side || call->accepted)) {
        reply_code(request, SIGNAL_BAD_STATE);
        return NULL;
    }
    return call;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void link_side(struct call *call, int side, struct session *session)
{
    call->sides[side] = session;
    call->previous[side] = NULL;
    call->next[side] = session->calls;
    if (session->calls != NULL) {
        session->calls->previous[side_of(session->calls, session)] = call;
    }
    session->calls = call;
    session->call_count++;
}

static void unlink_side(struct call *call, int side)
{
    struct session *session = call->sides[side];
    struct call *next = call->next[side], *previous = call->previous[side];

    if (previous != NULL) {
        previous->next[side_of(previous, session)] = next;
    } else {
        session->calls = next;
    }
    if (next != NULL) {
        next->previous[side_of(next, session)] = previous;
    }
    session->call_count--;
}

static struct call *call_new(struct rendezvous *rendezvous, struct monotime now,
                             struct session *caller, struct session *callee)
{
    struct call *call = calloc(1, sizeof *call);

    if (call == NULL) {
        return NULL;
    }
    call->since = now;
    if (!make_id(rendezvous, call->id) ||
        hash_map_insert(&rendezvous->calls, &call->node, call->id) != 0) {
        free(call);
        return NULL;
    }
    link_side(call, CALLER, caller);
    link_side(call, CALLEE, callee);
    timer_wheel_set(&rendezvous->call_timers, &call->timer,
                    monotime_add_seconds(now, rendezvous->policy->ring_timeout_s));
    rendezvous->counters.calls_now++;
    return call;
}

void call_free(struct rendezvous *rendezvous, struct call *call)
{
    timer_wheel_cancel(&rendezvous->call_timers, &call->timer);
    hash_map_remove(&rendezvous->calls, &call->node);
    unlink_side(call, CALLER);
    unlink_side(call, CALLEE);
    rendezvous->counters.calls_now--;
    free(call);
}

void call_end(struct rendezvous *rendezvous, struct monotime now, struct call *call, unsigned told,
              const char *reason)
{
    const struct signal_message bye = {.type = SIGNAL_BYE, .call = call->id, .end.reason = reason};

    for (int side = CALLER; side <= CALLEE; side++) {
        /* Who does not read hears nothing, and finds the call gone. */
        if ((told & 1u << side) != 0) {
            output_to_session(rendezvous, call->sides[side], &bye, OUTPUT_OWN);
        }
    }
    event_of_call(rendezvous, now, RENDEZVOUS_CALL_ENDED, call, reason);
    call_free(rendezvous, call);
}

/* ---- inviting -------------------------------------------------------------------------------- */

/* The caller's name as the callee may write it. */
static bool write_from(const struct session *caller, const struct session *callee,
                       char out[SESSION_NAME_SIZE])
{
    bool same_realm = strcmp(caller->account->realm, callee->account->realm) == 0;
    int size = snprintf(out, SESSION_NAME_SIZE, "%.*s%s%s", caller->name_size, caller->name,
                        same_realm ? "" : "\\", same_realm ? "" : caller->account->realm);

    return size > 0 && size <= SIGNAL_NAME_MAX;
}

/* The session that may be called by that name, or NULL. */
static struct session *find_callee(const struct request *request)
{
    char name[SESSION_NAME_SIZE];
    struct session *callee = NULL;

    if (session_resolve(request->rendezvous, request->session->account, request->message->invite.to,
                        name)) {
        callee = session_find(request->rendezvous, name);
    }
    return session_may_call(request->rendezvous, request->session, callee) ? callee : NULL;
}

static void refuse(struct request *request, enum signal_code code)
{
    struct rendezvous *rendezvous = request->rendezvous;

    rendezvous->counters.unavailable += code == SIGNAL_UNAVAILABLE;
    rendezvous->counters.queue_full += code == SIGNAL_QUEUE_FULL;
    event_of_refusal(rendezvous, request->now, request->session, request->message->invite.to, code);
    reply_code(request, code);
}

/* Tells the callee. Returns RENDEZVOUS_NO_CODE, or why it cannot be told. */
static enum signal_code tell_callee(struct request *request, const struct call *call)
{
    char from[SESSION_NAME_SIZE];
    struct signal_message incoming = {
        .type = SIGNAL_INCOMING,
        .call = call->id,
        .incoming = {from, request->message->invite.description},
    };

    if (!write_from(call->sides[CALLER], call->sides[CALLEE], from)) {
        return SIGNAL_UNAVAILABLE;
    }
    return output_to_session(request->rendezvous, call->sides[CALLEE], &incoming, OUTPUT_FORWARD);
}

void call_invite(struct request *request)
{
    struct rendezvous *rendezvous = request->rendezvous;
    struct session *caller = request->session, *callee = find_callee(request);
    uint32_t calls_max = rendezvous->policy->calls_per_session;
    int64_t wait = account_take_call(rendezvous, caller->account, request->now);

    if (wait > 0) {
        rendezvous->counters.rate_limited++;
        reply_retry(request, SIGNAL_RATE_LIMITED, wait);
        return;
    }
    if (callee == NULL || caller->call_count >= calls_max || callee->call_count >= calls_max) {
        refuse(request, callee == NULL ? SIGNAL_UNAVAILABLE : SIGNAL_BUSY);
        return;
    }
    struct call *call = call_new(rendezvous, request->now, caller, callee);
    if (call == NULL) {
        refuse(request, SIGNAL_BUSY);
        return;
    }
    enum signal_code code = tell_callee(request, call);
    if (code != RENDEZVOUS_NO_CODE) {
        call_free(rendezvous, call);
        refuse(request, code);
        return;
    }
    rendezvous->counters.calls++;
    event_of_call(rendezvous, request->now, RENDEZVOUS_CALLED, call, NULL);
    reply(request, &(struct signal_message){.type = SIGNAL_OK, .call = call->id});
}

/* ---- passing on ------------------------------------------------------------------------------ */

/* The message as it came goes to the other side. Answers when it cannot. */
static bool pass_on(struct request *request, struct call *call)
{
    struct session *other = call->sides[1 - side_of(call, request->session)];
    struct signal_message message = *request->message;

    message.rid = NULL;
    enum signal_code code = output_to_session(request->rendezvous, other, &message, OUTPUT_FORWARD);
    if (code == RENDEZVOUS_NO_CODE) {
        return true;
    }
    request->rendezvous->counters.queue_full += code == SIGNAL_QUEUE_FULL;
    reply_code(request, code);
    return false;
}

void call_forward(struct request *request)
{
    struct call *call = find_call(request);

    if (call != NULL) {
        pass_on(request, call);
    }
}

void call_ringing(struct request *request)
{
    struct call *call = find_call_of(request, CALLEE);

    if (call != NULL) {
        pass_on(request, call);
    }
}

void call_accept(struct request *request)
{
    struct call *call = find_call_of(request, CALLEE);

    if (call == NULL || !pass_on(request, call)) {
        return;
    }
    call->accepted = true;
    timer_wheel_cancel(&request->rendezvous->call_timers, &call->timer);
    request->rendezvous->counters.answered++;
    event_of_call(request->rendezvous, request->now, RENDEZVOUS_ANSWERED, call, NULL);
}

/* The call ends here even if the other side's queue is full. */
static void finish(struct request *request, struct call *call)
{
    struct session *other = call->sides[1 - side_of(call, request->session)];
    const struct signal_message *message = request->message;
    struct signal_message told = {
        .type = message->type, .call = message->call, .end.reason = message->end.reason};

    output_to_session(request->rendezvous, other, &told, OUTPUT_OWN);
    call_end(request->rendezvous, request->now, call, 0, message->end.reason);
}

void call_reject(struct request *request)
{
    struct call *call = find_call_of(request, CALLEE);

    if (call != NULL) {
        finish(request, call);
    }
}

void call_bye(struct request *request)
{
    struct call *call = find_call(request);

    if (call != NULL) {
        finish(request, call);
    }
}

void call_report(struct request *request)
{
    struct call *call = find_call(request);
    const struct signal_message *message = request->message;

    if (call == NULL) {
        return;
    }
    const struct session *session = request->session;
    const struct rendezvous_event event = {
        .type = RENDEZVOUS_REPORTED,
        .name = session->name,
        .account = session->account->name,
        .peer = call->sides[1 - side_of(call, session)]->name,
        .call = call->id,
        .remote = session->remote,
        .encrypted = session->encrypted,
        .websocket = session->websocket,
        .code = RENDEZVOUS_NO_CODE,
        .path = message->report.path,
        .ms = message->report.ms,
        .rtt = message->report.rtt,
        .duration_us = (uint64_t)monotime_difference_us(request->now, call->since),
    };
    events_add(request->rendezvous, &event);
}
