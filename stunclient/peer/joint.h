/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Joins a pair of descriptors (standard input and output, or a TCP socket twice) with a channel of
 * messages. The end of what is read becomes an empty message, since data channels have no
 * half-close; an empty message that comes closes what is written.
 *
 * Bounded both ways: what the channel does not take waits in one buffer and nothing is read; what
 * cannot be written yet waits here, and `hold` stops the channel.
 */
#ifndef STUNCLIENT_PEER_JOINT_H
#define STUNCLIENT_PEER_JOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most that is read at once, and sent as one message: whole pages of a pipe. pion reads up to
 * 65,535 bytes and closes a channel in which 65,536 come (RFC 8841 §6.1: the default is "64K"). */
#define JOINT_READ_SIZE 61440

struct event_base;
struct joint;

enum joint_end {
    JOINT_END_BOTH,   /* both directions have ended, or the channel has, and all is written */
    JOINT_END_BROKEN, /* it cannot be written to or read from: see joint_problem */
};

struct joint_setup {
    struct event_base *base;
    int in, out;
    bool is_socket;    /* in and out are one socket, the joint's own; closed by joint_free */
    bool keeps_output; /* it is not closed at the peer's end: another call may need it */
    size_t message_max;
    /* Sends a message: 0; -EAGAIN, and joint_writable follows; any other: the channel is over. */
    int (*send)(void *context, const void *bytes, size_t size);
    /* Whether messages shall stop coming. */
    void (*hold)(void *context, bool held);
    /* Once. The joint may be freed in it only by way of the loop. */
    void (*ended)(void *context, enum joint_end end);
    /* After something was sent or written from the loop. */
    void (*settle)(void *context);
    void *context;
};

/* `setup` is copied. Reads at once. NULL when memory is out. */
struct joint *joint_new(const struct joint_setup *setup);
void joint_free(struct joint *joint); /* NULL is allowed */
/* A message has come. */
void joint_message(struct joint *joint, const void *bytes, size_t size);
/* The channel takes messages again. */
void joint_writable(struct joint *joint);
/* The channel is closed: nothing can be sent any more, and nothing comes. */
void joint_channel_closed(struct joint *joint);

bool joint_has_ended(const struct joint *joint);   /* `ended` was called */
bool joint_input_ended(const struct joint *joint); /* and the channel has all of it */
bool joint_is_cut(const struct joint *joint);      /* the channel ended without the peer's end */
bool joint_holds(const struct joint *joint);       /* something waits to be written */
const char *joint_problem(const struct joint *joint);
uint64_t joint_bytes_sent(const struct joint *joint);
uint64_t joint_bytes_received(const struct joint *joint);

#endif
