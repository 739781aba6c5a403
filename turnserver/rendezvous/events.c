/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/rendezvous/rendezvous_internal.h"

#include <stdlib.h>
#include <string.h>

/* Copies a text to `*at` and moves it on. */
static const char *keep(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *kept = *at;

    memcpy(kept, text, size);
    *at += size;
    return kept;
}

static bool copy_texts(struct event_entry *entry)
{
    struct rendezvous_event *event = &entry->event;
    const char **const texts[] = {&event->name, &event->account, &event->peer,
                                  &event->call, &event->reason,  &event->path};
    size_t size = 0;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = *texts[i] != NULL ? *texts[i] : "";
        size += strlen(*texts[i]) + 1;
    }
    char *at = entry->texts = malloc(size);
    for (size_t i = 0; at != NULL && i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = keep(&at, *texts[i]);
    }
    return entry->texts != NULL;
}

void events_add(struct rendezvous *rendezvous, const struct rendezvous_event *event)
{
    if (rendezvous->event_count == RENDEZVOUS_EVENTS_MAX) {
        free(rendezvous->events[rendezvous->first_event].texts);
        rendezvous->first_event = (rendezvous->first_event + 1) % RENDEZVOUS_EVENTS_MAX;
        rendezvous->event_count--;
        rendezvous->counters.events_lost++;
    }
    size_t at = (rendezvous->first_event + rendezvous->event_count) % RENDEZVOUS_EVENTS_MAX;
    rendezvous->events[at].event = *event;
    if (copy_texts(&rendezvous->events[at])) {
        rendezvous->event_count++;
    } else {
        rendezvous->counters.events_lost++;
    }
}

bool rendezvous_event(struct rendezvous *rendezvous, struct rendezvous_event *event)
{
    free(rendezvous->lent_texts);
    rendezvous->lent_texts = NULL;
    if (rendezvous->event_count == 0) {
        return false;
    }
    struct event_entry *entry = &rendezvous->events[rendezvous->first_event];
    *event = entry->event;
    rendezvous->lent_texts = entry->texts;
    rendezvous->first_event = (rendezvous->first_event + 1) % RENDEZVOUS_EVENTS_MAX;
    rendezvous->event_count--;
    return true;
}

void events_free(struct rendezvous *rendezvous)
{
    struct rendezvous_event event;

    while (rendezvous_event(rendezvous, &event)) {
    }
}

void event_of_connection(struct rendezvous *rendezvous, enum rendezvous_event_type type,
                         const struct connection *connection, enum signal_code code)
{
    const struct rendezvous_event event = {
        .type = type,
        .remote = connection->remote,
        .encrypted = connection->encrypted,
        .websocket = connection->websocket,
        .code = code,
        .ms = -1,
        .rtt = -1,
    };

    events_add(rendezvous, &event);
}

static struct rendezvous_event about_session(struct monotime now, enum rendezvous_event_type type,
                                             const struct session *session, enum signal_code code)
{
    return (struct rendezvous_event){
        .type = type,
        .name = session->name,
        .account = session->account->name,
        .remote = session->remote,
        .encrypted = session->encrypted,
        .websocket = session->websocket,
        .code = code,
        .ms = -1,
        .rtt = -1,
        .duration_us = (uint64_t)monotime_difference_us(now, session->since),
    };
}

void event_of_session(struct rendezvous *rendezvous, struct monotime now,
                      enum rendezvous_event_type type, const struct session *session,
                      enum signal_code code)
{
    const struct rendezvous_event event = about_session(now, type, session, code);

    events_add(rendezvous, &event);
}

void event_of_refusal(struct rendezvous *rendezvous, struct monotime now,
                      const struct session *session, const char *peer, enum signal_code code)
{
    struct rendezvous_event event = about_session(now, RENDEZVOUS_REFUSED, session, code);

    event.peer = peer;
    events_add(rendezvous, &event);
}

void event_of_call(struct rendezvous *rendezvous, struct monotime now,
                   enum rendezvous_event_type type, const struct call *call, const char *reason)
{
    const struct session *caller = call->sides[CALLER];
    const struct rendezvous_event event = {
        .type = type,
        .name = caller->name,
        .account = caller->account->name,
        .peer = call->sides[CALLEE]->name,
        .call = call->id,
        .reason = reason,
        .remote = caller->remote,
        .encrypted = caller->encrypted,
        .websocket = caller->websocket,
        .code = RENDEZVOUS_NO_CODE,
        .ms = -1,
        .rtt = -1,
        .duration_us = (uint64_t)monotime_difference_us(now, call->since),
    };

    events_add(rendezvous, &event);
}
