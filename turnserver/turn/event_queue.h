/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events on their way to the outside. The queue has a fixed size: when nobody drains it the oldest
 * are dropped. A queued event keeps its account alive, since it points to the user's name.
 */
#ifndef TURN_EVENT_QUEUE_H
#define TURN_EVENT_QUEUE_H

#include "turnserver/turn/turn.h"

struct account;
struct account_table;

#define EVENTS_MAX 256

struct event_queue {
    struct event_entry {
        struct turn_event event;
        struct account *account; /* a reference, or NULL */
    } * entries;
    size_t first, count;
    struct account *delivered; /* of the event handed out last: its name is still being read */
};

bool event_queue_init(struct event_queue *queue); /* false when memory is out */
void event_queue_free(struct event_queue *queue, struct account_table *accounts);

/* Adds a copy of `event`, whose user becomes the account's. Returns false when one was dropped. */
bool event_queue_add(struct event_queue *queue, struct account_table *accounts,
                     const struct turn_event *event, struct account *account);
/* Takes the oldest. Returns false when there is none. */
bool event_queue_take(struct event_queue *queue, struct account_table *accounts,
                      struct turn_event *event);

#endif
