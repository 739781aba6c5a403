/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client's end of a rendezvous service (docs/rendezvous.md): registers, calls and is called,
 * and comes back when the connection breaks. No socket, no clock: messages and time in, messages
 * and events out. The shell makes connections when it is asked to and carries one message at a
 * time.
 *
 *   rendezvous_client.c         the connection: open, registered, pings, coming back
 *   rendezvous_client_hello.c   who we are
 *   rendezvous_client_output.c  what is sent, and what is kept until it has been acknowledged
 *   rendezvous_client_call.c    calls, and what is said in them
 *
 * What is said in a call while the connection is broken, or was not acknowledged when it broke,
 * goes out once the session has been resumed. A call that is connected does not need the service.
 *
 * After any call: send what rendezvous_client_output gives, drain the events, arm a timer for due.
 */
#ifndef PROTO_RENDEZVOUS_CLIENT_H
#define PROTO_RENDEZVOUS_CLIENT_H

#include "base/monotime.h"
#include "wire/signal.h"

#include <postern/stun.h>

#define RENDEZVOUS_CALLS_MAX 16
#define RENDEZVOUS_TEXT_SIZE 320
/* Messages that wait to be sent or acknowledged. */
#define RENDEZVOUS_MESSAGES_MAX 256

struct rendezvous_client;

struct rendezvous_client_setup {
    struct stun_crypto *crypto; /* borrowed */
    uint64_t (*random)(void *context);
    void *random_context;
    /* Texts are copied; NULL: none. Of the three ways to say who we are one is taken that the
     * server has, in this order. */
    const char *name; /* to be called by; NULL: the account's */
    const char *user, *password;
    const char *token;
    const uint8_t *private_key; /* Ed25519, 32 bytes, copied */
    /* Names and accounts that may call us, borrowed, at most SIGNAL_ALLOW_MAX; 0: whoever the
     * server lets. */
    const char *const *callers;
    size_t caller_count;
};

/* `setup` is copied. Nothing happens before rendezvous_client_start. NULL when memory is out. */
struct rendezvous_client *rendezvous_client_new(const struct rendezvous_client_setup *setup);
void rendezvous_client_free(struct rendezvous_client *client); /* NULL is allowed */
/* RENDEZVOUS_CONNECT follows. */
void rendezvous_client_start(struct rendezvous_client *client, struct monotime now);

/* ---- the connection ----------------------------------------------------------------------------
 */

/* The connection that was asked for stands. */
void rendezvous_client_connected(struct rendezvous_client *client, struct monotime now);
/* It could not be made or has ended, and why: the end of a sentence. */
void rendezvous_client_disconnected(struct rendezvous_client *client, struct monotime now,
                                    const char *why);
/* A message of the server. */
void rendezvous_client_input(struct rendezvous_client *client, struct monotime now,
                             const char *text, size_t size);
/* The next message to send, or NULL; lent until the next call for this client. */
const char *rendezvous_client_output(struct rendezvous_client *client, size_t *size);
/* The network seems to have changed: asks whether the service is still there, and comes back in a
 * few seconds if it does not answer. */
void rendezvous_client_probe(struct rendezvous_client *client, struct monotime now);
void rendezvous_client_tick(struct rendezvous_client *client, struct monotime now);
struct monotime rendezvous_client_due(const struct rendezvous_client *client);

/* ---- calls -------------------------------------------------------------------------------------
 *
 * A call has a number of ours, never 0. What is said in a call that is not known is not sent.
 */

/* Calls `to`. Returns the number, or 0 when there are too many calls or memory is out. */
uint32_t rendezvous_client_call(struct rendezvous_client *client, struct monotime now,
                                const char *to, const char *offer);
void rendezvous_client_ringing(struct rendezvous_client *client, struct monotime now,
                               uint32_t call);
void rendezvous_client_accept(struct rendezvous_client *client, struct monotime now, uint32_t call,
                              const char *answer);
/* Both end the call. `reason` is a word of docs/rendezvous.md, or NULL. */
void rendezvous_client_reject(struct rendezvous_client *client, struct monotime now, uint32_t call,
                              const char *reason);
void rendezvous_client_bye(struct rendezvous_client *client, struct monotime now, uint32_t call,
                           const char *reason);
/* `type`: "offer" or "answer". */
void rendezvous_client_describe(struct rendezvous_client *client, struct monotime now,
                                uint32_t call, const char *type, const char *sdp);
void rendezvous_client_candidate(struct rendezvous_client *client, struct monotime now,
                                 uint32_t call, const struct signal_candidate *candidate);
/* `path`: "direct", "relay" or "none"; negative times are left out. */
void rendezvous_client_report(struct rendezvous_client *client, struct monotime now, uint32_t call,
                              const char *path, double ms, double rtt_ms);

/* ---- events ------------------------------------------------------------------------------------
 */

enum rendezvous_client_event_type {
    RENDEZVOUS_CONNECT,    /* make a connection; connected or disconnected follows */
    RENDEZVOUS_DISCONNECT, /* end it: the server does not answer, or said what it may not */
    RENDEZVOUS_REGISTERED, /* `message`: registered. `resumed`: calls are as they were */
    RENDEZVOUS_SERVERS,    /* `message`: turn, with new credentials */
    RENDEZVOUS_LOST,       /* the connection, `text` says why; it comes back after `wait_ms` */
    RENDEZVOUS_REFUSED,    /* it will not come back: `code`, `text` */
    RENDEZVOUS_CALLING,    /* `call` has reached the service, and the callee has been told */
    RENDEZVOUS_ANSWERED, /* our answer in `call` has reached the service, and the caller is told */
    RENDEZVOUS_CALL_ENDED, /* by the other side, or by the service: `ended`, `code`, `text` */
    RENDEZVOUS_INCOMING,   /* `call`, `message` */
    RENDEZVOUS_RINGING,
    RENDEZVOUS_ACCEPTED,    /* `message`: accept */
    RENDEZVOUS_DESCRIPTION, /* `message` */
    RENDEZVOUS_CANDIDATE,   /* `message` */
    RENDEZVOUS_COMPLAINT,   /* the server did not take something: `code`, `text`; for a trace */
};

enum rendezvous_end {
    RENDEZVOUS_END_REJECTED = 0, /* by the callee; `text`: its reason */
    RENDEZVOUS_END_BYE,          /* `text`: the reason */
    RENDEZVOUS_END_REFUSED,      /* by the service: `code` */
    RENDEZVOUS_END_LOST,         /* the session could not be resumed: the service forgot the call */
};

struct rendezvous_client_event {
    enum rendezvous_client_event_type type;
    uint32_t call;
    const struct signal_message *message; /* lent until the next event is asked for; or NULL */
    enum rendezvous_end ended;
    enum signal_code code; /* SIGNAL_CODE_UNKNOWN: not the server's error */
    bool resumed;
    uint32_t wait_ms;
    char text[RENDEZVOUS_TEXT_SIZE]; /* printable; may be empty */
};

/* Takes the oldest event; false when there is none. */
bool rendezvous_client_event(struct rendezvous_client *client,
                             struct rendezvous_client_event *event);
bool rendezvous_client_registered(const struct rendezvous_client *client);
/* Whether the service has acknowledged all that was said in calls, or cannot be reached. */
bool rendezvous_client_idle(const struct rendezvous_client *client);

struct rendezvous_client_counters {
    uint64_t messages_sent, messages_received;
    uint64_t bad;         /* could not be understood */
    uint64_t strange;     /* of calls that we have not, or not expected now */
    uint64_t overflowing; /* of ours, which did not find room */
};
const struct rendezvous_client_counters *rendezvous_client_counters(
    const struct rendezvous_client *client);

#endif
