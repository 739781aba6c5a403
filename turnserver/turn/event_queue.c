/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/event_queue.h"

#include "turnserver/turn/account.h"

#include <stdlib.h>

bool event_queue_init(struct event_queue *queue)
{
    *queue = (struct event_queue){0};
    queue->entries = calloc(EVENTS_MAX, sizeof *queue->entries);
    return queue->entries != NULL;
}

void event_queue_free(struct event_queue *queue, struct account_table *accounts)
{
    struct turn_event event;

    while (queue->entries != NULL && event_queue_take(queue, accounts, &event)) {
    }
    account_release(accounts, queue->delivered);
    free(queue->entries);
    *queue = (struct event_queue){0};
}

bool event_queue_add(struct event_queue *queue, struct account_table *accounts,
                     const struct turn_event *event, struct account *account)
{
    bool room = queue->count < EVENTS_MAX;
    struct event_entry *entry;

    if (!room) {
        account_release(accounts, queue->entries[queue->first].account);
        queue->first = (queue->first + 1) % EVENTS_MAX;
        queue->count--;
    }
    entry = &queue->entries[(queue->first + queue->count) % EVENTS_MAX];
    queue->count++;
    *entry = (struct event_entry){*event, account_acquire(account)};
    entry->event.user = account->name;
    return room;
}

bool event_queue_take(struct event_queue *queue, struct account_table *accounts,
                      struct turn_event *event)
{
    struct event_entry *entry = &queue->entries[queue->first];

    account_release(accounts, queue->delivered);
    queue->delivered = NULL;
    if (queue->count == 0) {
        return false;
    }
    *event = entry->event;
    queue->delivered = entry->account;
    queue->first = (queue->first + 1) % EVENTS_MAX;
    queue->count--;
    return true;
}
