/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages to an event loop from any thread: bounded, in order for each sender. A message is a
 * type, a number and a pointer; what they mean, and who owns the pointer's target, is between the
 * two ends.
 */
#ifndef NET_MAILBOX_H
#define NET_MAILBOX_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct mailbox;

struct mailbox_message {
    uint32_t type;
    uint64_t number;
    void *pointer;
};

/* Called in the loop's thread, once a message. */
typedef void mailbox_receive(const struct mailbox_message *message, void *context);

/*
 * `capacity`: messages that may wait, at least 1. Returns 0 and sets `out`, or -errno. Messages are
 * received while `base` runs.
 */
int mailbox_new(struct mailbox **out, struct event_base *base, size_t capacity,
                mailbox_receive *receive, void *context);
/*
 * Not while any thread may still send, nor in `receive`. Messages that wait are given to `receive`
 * first, so that none leaks. NULL is allowed.
 */
void mailbox_free(struct mailbox *mailbox);

/* Safe in any thread. Returns 0, or -EAGAIN when it is full: the message stays the caller's. */
int mailbox_send(struct mailbox *mailbox, const struct mailbox_message *message);

#endif
