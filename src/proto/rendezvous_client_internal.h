/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the rendezvous client share. */
#ifndef PROTO_RENDEZVOUS_CLIENT_INTERNAL_H
#define PROTO_RENDEZVOUS_CLIENT_INTERNAL_H

#include "proto/rendezvous_client.h"

#define EVENTS_MAX 256
#define RID_SIZE 24

/* A message of a call: kept until the server has acknowledged it, since the connection may break.
 */
struct kept_message {
    struct kept_message *next;
    uint32_t call; /* number; 0: of none */
    bool sent;     /* on the connection that there is now */
    bool is_call;  /* the one that begins the call */
    bool answers;  /* one that brings an answer to an offer */
    char rid[RID_SIZE];
    size_t size;
    char text[]; /* ends with zero */
};

/* What waits for the service to give the call an id. */
struct deferred_candidate {
    struct deferred_candidate *next;
    struct signal_candidate candidate; /* texts are in `texts` */
    char texts[];
};

struct rendezvous_call {
    uint32_t number; /* 0: a free row */
    char id[SIGNAL_ID_MAX + 1];
    struct deferred_candidate *deferred; /* the oldest first */
};

struct queued_event {
    struct rendezvous_client_event event;
    struct signal_message message; /* owned; zeroed when there is none */
};

enum connection_state {
    CONNECTION_IDLE = 0,   /* before start, or after a refusal */
    CONNECTION_WAITING,    /* until `due`, then again */
    CONNECTION_CONNECTING, /* the shell is at it */
    CONNECTION_OPENING,    /* open has been sent */
    CONNECTION_GREETING,   /* hello has been sent */
    CONNECTION_REGISTERED,
};

struct rendezvous_client {
    struct rendezvous_client_setup setup;
    char *name, *user, *password, *token;
    uint8_t private_key[32];

    enum connection_state state;
    struct monotime due;        /* of the state: patience, or the next attempt */
    struct monotime heard;      /* the last message */
    struct monotime turn_due;   /* when to ask for new credentials */
    bool pinged;                /* and heard nothing since */
    struct monotime answer_due; /* while pinged */
    bool refused;               /* an error came that says not to come back */
    uint32_t ping_s;
    uint32_t attempts; /* since it was last registered */
    uint32_t retry_after_s;
    char resume[SIGNAL_ID_MAX + 1];
    char problem[RENDEZVOUS_TEXT_SIZE]; /* what the server said before it closed */

    struct rendezvous_call calls[RENDEZVOUS_CALLS_MAX];
    uint32_t last_number;
    uint32_t last_rid;
    struct kept_message *kept; /* the oldest first */
    size_t kept_count;

    /* What shall be sent beside the kept messages. */
    bool open_due, pong_due, ping_due, turn_wanted;
    char pong_rid[SIGNAL_RID_MAX + 1];
    size_t hello_size; /* 0: none */
    char hello[SIGNAL_MESSAGE_MAX + 1];
    char lent[SIGNAL_MESSAGE_MAX + 1];

    struct queued_event *events[EVENTS_MAX];
    size_t event_head, event_count;
    struct queued_event *given; /* whose message the user has */
    struct rendezvous_client_counters counters;
};

/* Queues an event, which takes over the texts of `message` (zeroed then) when that is not NULL.
 * Returns it to be filled in, or NULL when there is no room. */
struct rendezvous_client_event *rendezvous_push(struct rendezvous_client *client,
                                                enum rendezvous_client_event_type type,
                                                uint32_t call, struct signal_message *message);

/* rendezvous_client_hello.c: who we are. */
/* The first way of ours that the service takes; false: none. */
bool rendezvous_choose_method(const struct rendezvous_client *client,
                              const struct signal_message *welcome, enum signal_method *out);
/* Makes the hello that is sent next. False: name or password cannot be used. */
bool rendezvous_build_hello(struct rendezvous_client *client, const struct signal_message *welcome,
                            enum signal_method method);

/* rendezvous_client_output.c: what we say. */
/* Appends to the kept messages; gives it a rid. */
void rendezvous_keep(struct rendezvous_client *client, uint32_t call,
                     struct signal_message *message);
/* Takes out what `rid` answers, to be freed; NULL: nothing kept. */
struct kept_message *rendezvous_take_kept(struct rendezvous_client *client, const char *rid);
/* The connection is gone: what is kept will be sent again on the next, all else not. */
void rendezvous_output_restart(struct rendezvous_client *client);
void rendezvous_output_free(struct rendezvous_client *client);

/* rendezvous_client_call.c: what concerns calls. */
void rendezvous_call_input(struct rendezvous_client *client, struct monotime now,
                           struct signal_message *message);
/* The answer to `kept`: ok or error. */
void rendezvous_call_answered(struct rendezvous_client *client, const struct kept_message *kept,
                              struct signal_message *answer);
/* The service has no session of ours any more. */
void rendezvous_calls_lost(struct rendezvous_client *client);
void rendezvous_calls_free(struct rendezvous_client *client);

#endif
