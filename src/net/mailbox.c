/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/mailbox.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Messages come a few a second: a lock is shorter to read than a lock-free queue, and no slower. */
struct mailbox {
    mailbox_receive *receive;
    void *context;
    struct event *readable;
    int eventfd;
    pthread_mutex_t lock; /* of what follows */
    size_t capacity, first, count;
    struct mailbox_message messages[];
};

static bool take(struct mailbox *mailbox, struct mailbox_message *out)
{
    bool taken = false;

    pthread_mutex_lock(&mailbox->lock);
    if (mailbox->count > 0) {
        *out = mailbox->messages[mailbox->first];
        mailbox->first = (mailbox->first + 1) % mailbox->capacity;
        mailbox->count--;
        taken = true;
    }
    pthread_mutex_unlock(&mailbox->lock);
    return taken;
}

/* At most as many as fit at once, so that a busy sender does not keep the loop here. */
static void deliver(struct mailbox *mailbox)
{
    struct mailbox_message message;

    for (size_t i = 0; i < mailbox->capacity && take(mailbox, &message); i++) {
        mailbox->receive(&message, mailbox->context);
    }
}

static void wake(struct mailbox *mailbox)
{
    uint64_t one = 1;

    /* It cannot fail but when the counter is full, and then the loop is awake. */
    ssize_t written = write(mailbox->eventfd, &one, sizeof one);
    (void)written;
}

static void on_readable(evutil_socket_t descriptor, short what, void *context)
{
    struct mailbox *mailbox = context;
    uint64_t count;

    (void)what;
    /* Before delivery: what is sent from here on wakes us again. */
    ssize_t size = read(descriptor, &count, sizeof count);
    (void)size;
    deliver(mailbox);
    pthread_mutex_lock(&mailbox->lock);
    bool more = mailbox->count > 0;
    pthread_mutex_unlock(&mailbox->lock);
    if (more) {
        wake(mailbox);
    }
}

int mailbox_new(struct mailbox **out, struct event_base *base, size_t capacity,
                mailbox_receive *receive, void *context)
{
    struct mailbox *mailbox =
        calloc(1, sizeof *mailbox + capacity * sizeof(struct mailbox_message));
    int status = -ENOMEM;

    if (mailbox == NULL) {
        return -ENOMEM;
    }
    mailbox->receive = receive;
    mailbox->context = context;
    mailbox->capacity = capacity;
    pthread_mutex_init(&mailbox->lock, NULL);
    mailbox->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mailbox->eventfd < 0) {
        status = -errno;
        goto fail;
    }
    mailbox->readable =
        event_new(base, mailbox->eventfd, EV_READ | EV_PERSIST, on_readable, mailbox);
    if (mailbox->readable == NULL || event_add(mailbox->readable, NULL) != 0) {
        goto fail;
    }
    *out = mailbox;
    return 0;

fail:
    mailbox_free(mailbox);
    return status;
}

void mailbox_free(struct mailbox *mailbox)
{
    if (mailbox == NULL) {
        return;
    }
    deliver(mailbox);
    if (mailbox->readable != NULL) {
        event_free(mailbox->readable);
    }
    if (mailbox->eventfd >= 0) {
        close(mailbox->eventfd);
    }
    pthread_mutex_destroy(&mailbox->lock);
    free(mailbox);
}

int mailbox_send(struct mailbox *mailbox, const struct mailbox_message *message)
{
    int status = 0;

    pthread_mutex_lock(&mailbox->lock);
    if (mailbox->count == mailbox->capacity) {
        status = -EAGAIN;
    } else {
        size_t last = (mailbox->first + mailbox->count) % mailbox->capacity;
        mailbox->messages[last] = *message;
        mailbox->count++;
    }
    pthread_mutex_unlock(&mailbox->lock);
    if (status == 0) {
        wake(mailbox);
    }
    return status;
}
