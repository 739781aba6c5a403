/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a call carries: standard input and output in one data channel, or TCP connections in one
 * each (docs/data-channels.md). A channel whose protocol is CHANNEL_FORWARD asks the other side to
 * connect it to the HOST:PORT that is its label; any other is joined with standard input and
 * output.
 */
#ifndef STUNCLIENT_PEER_CHANNELS_H
#define STUNCLIENT_PEER_CHANNELS_H

#include "stunclient/options.h"
#include "stunclient/peer/data_channel.h"

#define CHANNEL_PIPE "postern-pipe"
#define CHANNEL_FORWARD "postern-forward"
#define CHANNELS_MAX 64

struct channels;
struct event_base;

enum channels_end {
    CHANNELS_END_DONE,   /* both directions have ended: close in order */
    CHANNELS_END_CUT,    /* the peer closed before our input had ended */
    CHANNELS_END_BROKEN, /* what is joined cannot be read or written any more */
};

struct channels_user {
    void *context;
    void (*ended)(void *context, enum channels_end end, const char *problem);
    /* The first bytes of users have come in, or the peer has acknowledged the first of ours. */
    void (*first_data)(void *context);
    void (*tell)(void *context, const char *text);     /* for a trace */
    void (*complain)(void *context, const char *text); /* for people in any case */
    void (*settle)(void *context);                     /* the session has something to send */
    /* Whether the one standard input and output of the process may be had; it is taken then. */
    bool (*take_pipe)(void *context);
};

struct channels_setup {
    struct event_base *base;
    const struct options *options;
    struct data_session *session;
    bool caller;
    size_t message_max; /* what the peer takes */
    struct channels_user user;
};

/* A caller opens its channel, or listens for connections to forward. NULL with the failure filled.
 */
struct channels *channels_new(const struct channels_setup *setup, struct failure *failure);
void channels_free(struct channels *channels); /* NULL is allowed */
/* READY, ACKNOWLEDGED, OPENED, MESSAGE, WRITABLE, CHANNEL_CLOSED. */
void channels_event(struct channels *channels, const struct data_event *event);
/* The session is over, in order or not. */
void channels_closed(struct channels *channels);
/* Whether all that was read from standard input has been given to the session, its end too. */
bool channels_input_ended(const struct channels *channels);
void channels_bytes(const struct channels *channels, uint64_t *sent, uint64_t *received);

#endif
