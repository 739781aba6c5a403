/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rendezvous service as a machine: messages and time in, messages and events out. It has no
 * socket, clock or thread. One thread of the process runs one machine for all connections,
 * whichever listener they came by: an idle session costs a ping now and then, and a call some ten
 * messages, so that one core serves more sessions than a host has ports, and no call ever crosses a
 * thread.
 *
 *   rendezvous     the way of a message: parse, state, method table
 *   hello          open, hello, registered: who is this
 *   session        a client: its connection, its name, its queue, its time
 *   call           two sessions and what they tell each other
 *   account        whose sessions they are, and how much it may ask
 *   credentials    iceServers, made on the spot
 *   output         what is to be sent, in each session's bounded queue
 *   events         what happened, on its way out
 *
 * The protocol is docs/rendezvous.md; messages are wire/signal.h.
 *
 * After any call the shell drains rendezvous_next_output, rendezvous_next_question and
 * rendezvous_event, and arms one timer for rendezvous_due.
 */
#ifndef RENDEZVOUS_RENDEZVOUS_H
#define RENDEZVOUS_RENDEZVOUS_H

#include "base/monotime.h"
#include "base/text.h"
#include "turnserver/auth/auth.h"
#include "wire/signal.h"

/* ---- what a machine is given ----------------------------------------------------------------- */

/* Who may call whom, before the callee's own list (hello.allow), which can only narrow it. */
enum rendezvous_callers {
    RENDEZVOUS_CALLERS_SAME_REALM,
    RENDEZVOUS_CALLERS_ANYONE,
    RENDEZVOUS_CALLERS_LISTED, /* only those whom the callee names, of any realm */
};

/* A URL of iceServers: "stun:host:port", "turn:host:port?transport=udp". */
struct rendezvous_url {
    const char *scheme; /* stun, stuns, turn, turns */
    const char *host;   /* a name or IP as URLs have it; NULL: where the client reached us */
    uint16_t port;
    const char *transport; /* udp, tcp, or NULL: say nothing */
};

/* An account that has no password but a key: "stunclient key" shows it. */
struct rendezvous_key {
    uint8_t public_key[32]; /* Ed25519 */
    const char *account;
};

/* The limits and rules that the machine obeys: immutable, swapped whole on reload. All counts are
 * at least 1 but where 0 is said to mean something. */
struct rendezvous_policy {
    const char *server; /* told in welcome, or NULL */
    enum rendezvous_callers callers;
    const char *const *origins;        /* of browsers: "https://example.org"; "*": any */
    size_t origin_count;               /* 0: no browser gets in */
    const struct rendezvous_url *urls; /* one iceServers entry for stun, one for turn */
    size_t url_count;
    const struct rendezvous_key *keys;
    size_t key_count;
    bool unknown_keys;              /* any key is an account of its own: "key:" and its text */
    bool tokens_in_clear;           /* bearer tokens over connections without TLS as well */
    uint32_t credential_lifetime_s; /* of TURN credentials: 3600 */
    uint32_t hello_timeout_s;       /* from a connection to its hello: 10 */
    uint32_t ping_s;                /* 25 */
    uint32_t resume_s;              /* 60; 0: sessions end with their connections */
    uint32_t ring_timeout_s;        /* from call to accept: 120 */
    uint32_t sessions_max;          /* registered or not: 100000 */
    uint32_t sessions_per_account;  /* 16 */
    uint32_t calls_per_session;     /* 16 */
    uint32_t queue_bytes;           /* waiting for one session: 65536, at least 32768 */
    uint32_t hellos_per_source;     /* a second, by IPv4 address or IPv6 /64; 0: no limit */
    uint32_t messages_per_account;  /* a second, and five times as many at once; 0: no limit */
    uint32_t calls_per_account;     /* a minute, and as many at once; 0: no limit */
};

/* Fills in the numbers above and no pointer. */
void rendezvous_policy_defaults(struct rendezvous_policy *policy);

/* Whether a browser's page from there may come in; NULL (no browser) always. For the 403 of a
 * WebSocket's handshake. */
bool rendezvous_origin_allowed(const struct rendezvous_policy *policy, const char *origin);

struct rendezvous_setup {
    const struct rendezvous_policy *policy; /* borrowed; see rendezvous_set_policy */
    struct auth *auth; /* borrowed, this machine's own: auth_new with the relay's policy and nonce
                        * key; the shell tells it the time of day (auth_set_wall_clock) */
    bool (*random)(void *context, void *out, size_t size); /* unpredictable bytes, false: none now;
                                                            * simulations give seeded ones */
    void *random_context;
};

/* ---- the machine ----------------------------------------------------------------------------- */

struct rendezvous;

/* `setup` is copied. Returns NULL when memory or randomness is out. */
struct rendezvous *rendezvous_new(const struct rendezvous_setup *setup);
/* Ends everything without a word. */
void rendezvous_free(struct rendezvous *rendezvous); /* NULL is allowed */
/* From now on `policy` holds; the old one is not used after the call. Sessions stay. */
void rendezvous_set_policy(struct rendezvous *rendezvous, struct monotime now,
                           const struct rendezvous_policy *policy);

/* How a connection came; all texts are copied. */
struct rendezvous_connection {
    uint64_t number;            /* the shell's, not 0, never used again */
    struct stun_address remote; /* the client, behind a PROXY header if there was one */
    struct stun_address local;  /* where it reached us */
    const char *origin;         /* of a WebSocket's handshake, or NULL */
    bool encrypted;             /* TLS or WSS */
    bool websocket;             /* for events only: how messages are framed is the shell's */
};

/*
 * A connection is there (after TLS and the WebSocket's handshake). Returns false when it is to be
 * closed without a word: origin not allowed, or no room.
 */
bool rendezvous_opened(struct rendezvous *rendezvous, struct monotime now,
                       const struct rendezvous_connection *connection);
/* A message has come whole: a line without its end, or a text frame. A number that is not known
 * (the machine has closed it already) is ignored, here and below. */
void rendezvous_input(struct rendezvous *rendezvous, struct monotime now, uint64_t connection,
                      const char *bytes, size_t size);
/* What came cannot be a message: more than SIGNAL_MESSAGE_MAX bytes without a line's end, a binary
 * frame. Tells the client why, and closes. `code`: SIGNAL_TOO_LARGE or SIGNAL_BAD_MESSAGE. */
void rendezvous_bad_input(struct rendezvous *rendezvous, struct monotime now, uint64_t connection,
                          enum signal_code code);
/* The connection broke or was closed by the client. Its session waits resume_s to be resumed. */
void rendezvous_closed(struct rendezvous *rendezvous, struct monotime now, uint64_t connection);
/*
 * Whether the shell takes more for this connection; it does at first. While it does not, output
 * waits in the session's queue, which is what bounds it: so the shell says false as soon as it has
 * some 16 KiB waiting, and true when it is empty.
 */
void rendezvous_set_writable(struct rendezvous *rendezvous, uint64_t connection, bool writable);

/* What a question of rendezvous_next_question was answered. */
void rendezvous_answer(struct rendezvous *rendezvous, struct monotime now,
                       const struct auth_finding *finding);
/* Takes the next question about users kept elsewhere; false when there is none. */
bool rendezvous_next_question(struct rendezvous *rendezvous, struct auth_question *question);

void rendezvous_tick(struct rendezvous *rendezvous, struct monotime now);
struct monotime rendezvous_due(const struct rendezvous *rendezvous);
/* Tells every client SIGNAL_SHUTTING_DOWN, and closes; nobody is let in any more. */
void rendezvous_shut_down(struct rendezvous *rendezvous, struct monotime now);

enum rendezvous_output_type {
    RENDEZVOUS_SEND,
    RENDEZVOUS_CLOSE, /* after what was sent has been written; the number is forgotten already */
};

struct rendezvous_output {
    enum rendezvous_output_type type;
    uint64_t connection;
    const char *bytes; /* SEND: one message; bytes[size] is a line's end, for framing by lines */
    size_t size;
    enum signal_code reason; /* CLOSE, for the log */
};

/* Takes the next thing to do, lent until the next call of any function here. Returns false when
 * there is nothing (for connections that are writable). */
bool rendezvous_next_output(struct rendezvous *rendezvous, struct rendezvous_output *output);

/*
 * TURN credentials for somebody whom a web back end vouches for: GET /turn. Writes
 * {"iceServers":[…],"ttl":…} for `account` of the first realm; `local` is where URLs without host
 * point. Returns false when the buffer or the cryptographic library fails, or the account has a
 * form that cannot be.
 */
bool rendezvous_put_credentials(struct rendezvous *rendezvous, struct monotime now,
                                const char *account, const struct stun_address *local,
                                struct text_buffer *out);

/*
 * Somebody who asked for them showed no good token: counts it against that source's
 * hellos_per_source, and tells it. Returns false, and tells nothing, when the source has had its
 * chances (429).
 */
bool rendezvous_refuse_token(struct rendezvous *rendezvous, struct monotime now,
                             const struct stun_address *remote, bool encrypted);

/* ---- what happened --------------------------------------------------------------------------- */

enum rendezvous_event_type {
    RENDEZVOUS_REGISTERED,
    RENDEZVOUS_RESUMED,
    RENDEZVOUS_DETACHED, /* the connection broke; the session waits */
    RENDEZVOUS_ENDED,    /* `code`: why, RENDEZVOUS_NO_CODE: the client went */
    RENDEZVOUS_REFUSED,  /* a connection, hello or call: `code` */
    RENDEZVOUS_CALLED,   /* name calls peer */
    RENDEZVOUS_ANSWERED,
    RENDEZVOUS_CALL_ENDED, /* `reason`, `duration_us` since the call */
    RENDEZVOUS_REPORTED,   /* path, ms, rtt */
};

#define RENDEZVOUS_NO_CODE SIGNAL_CODE_COUNT

/* Strings are valid until the next call. */
struct rendezvous_event {
    enum rendezvous_event_type type;
    const char *name;    /* of the session, or "" */
    const char *account; /* or "" */
    const char *peer;    /* of a call, or "" */
    const char *call;    /* its id, or "" */
    const char *reason;  /* of an end, or "" */
    struct stun_address remote;
    bool encrypted, websocket;
    enum signal_code code; /* or RENDEZVOUS_NO_CODE */
    const char *path;      /* REPORTED: direct, relay, none */
    double ms, rtt;        /* REPORTED: negative when not told */
    uint64_t duration_us;  /* ENDED: since it was registered; CALL_ENDED: since the call */
};

/* Takes the oldest event. Returns false when there is none. Bounded: the oldest are dropped. */
bool rendezvous_event(struct rendezvous *rendezvous, struct rendezvous_event *event);

struct rendezvous_counters {
    uint64_t connections_now; /* registered or not */
    uint64_t sessions_now;    /* registered, with or without connection */
    uint64_t calls_now;
    uint64_t connections, registered, resumed, calls, answered;
    uint64_t messages_in, messages_out;
    uint64_t bad_messages, unauthorized, rate_limited, queue_full, unavailable;
    uint64_t timed_out; /* two missed pings, or no hello */
    uint64_t events_lost;
};

const struct rendezvous_counters *rendezvous_counters(const struct rendezvous *rendezvous);

#endif
