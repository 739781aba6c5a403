/* SPDX-License-Identifier: BSD-3-Clause */
/* What the machine is made of: for the files of this room only. */
#ifndef RENDEZVOUS_RENDEZVOUS_INTERNAL_H
#define RENDEZVOUS_RENDEZVOUS_INTERNAL_H

#include "base/base64.h"
#include "base/hash_map.h"
#include "base/source_limit.h"
#include "base/timer_wheel.h"
#include "base/token_bucket.h"
#include "turnserver/rendezvous/rendezvous.h"

#define ID_BYTES 16
#define ID_TEXT_SIZE BASE64_TEXT_SIZE(ID_BYTES)

/* ---- output ---------------------------------------------------------------------------------- */

/* A message that waits to be sent. */
struct outgoing {
    struct outgoing *next;
    size_t size;
    char bytes[]; /* and a line's end, which `size` does not count */
};

struct outgoing_queue {
    struct outgoing *first, *last;
    size_t bytes;
};

/* ---- nouns ----------------------------------------------------------------------------------- */

enum connection_state {
    CONNECTION_NEW,        /* nothing has been said */
    CONNECTION_GREETED,    /* has its welcome */
    CONNECTION_ASKING,     /* its hello waits for a look-up */
    CONNECTION_REGISTERED, /* has a session */
    CONNECTION_CLOSING,    /* its number is forgotten; what is queued goes out, then it is closed */
};

struct connection {
    struct hash_node node; /* by number */
    uint64_t number;
    struct timer_node timer; /* until hello; then of pings */
    struct monotime heard;
    struct connection *next_ready, *previous_ready; /* those that have something to send */
    struct outgoing_queue queue;
    struct session *session;
    char *realm;     /* that welcome told; until it is registered */
    char *hello;     /* that waits for a look-up, `hello_size` bytes */
    uint64_t lookup; /* what it waits for */
    struct connection *next_asking, *previous_asking;
    struct stun_address remote, local;
    uint16_t hello_size;
    uint8_t state;          /* enum connection_state */
    uint8_t reason;         /* CLOSING: enum signal_code, or RENDEZVOUS_NO_CODE */
    uint8_t pings;          /* that were not answered */
    uint8_t hellos, spoken; /* so far, while it is not registered */
    bool encrypted, websocket, ready, unwritable;
    char nonce[ID_TEXT_SIZE];
};

/* A name and its owner, as long as somebody can be called by it. */
struct session {
    struct hash_node by_name, by_resume;
    struct timer_node timer;       /* while it has no connection: how long it waits */
    struct connection *connection; /* NULL: it broke */
    struct outgoing_queue waiting; /* while it has no connection */
    struct account *account;
    struct session *next, *previous; /* of the account */
    struct call *calls;
    uint64_t *allow; /* SIGNAL_ALLOW_MAX hashes of who may call, 0: nobody; or NULL: no list */
    struct monotime since;
    struct stun_address remote, local;
    uint16_t call_count;
    uint16_t name_size; /* of the name without its realm */
    bool encrypted, websocket;
    char id[ID_TEXT_SIZE], resume[ID_TEXT_SIZE];
    char name[]; /* "name", or "name\realm" in another realm than the first; ends with zero */
};

enum {
    CALLER,
    CALLEE
};

struct call {
    struct hash_node node;   /* by id */
    struct timer_node timer; /* until it is accepted */
    struct session *sides[2];
    struct call *next[2], *previous[2]; /* of each side's session */
    struct monotime since;
    bool accepted;
    char id[ID_TEXT_SIZE];
};

/* Stays a while when its sessions are gone, so that coming back fills no bucket. */
struct account {
    struct hash_node node; /* by name */
    struct timer_node timer;
    struct token_bucket messages, calls;
    struct session *sessions;
    size_t session_count;
    const char *realm;  /* behind the name */
    uint16_t base_size; /* of the name without its realm; "" or "\\realm" is behind it */
    char name[];        /* as auth calls it; ends with zero */
};

/* ---- the machine ----------------------------------------------------------------------------- */

#define RENDEZVOUS_EVENTS_MAX 256

struct event_entry {
    struct rendezvous_event event;
    char *texts; /* owned: what its strings point into */
};

struct rendezvous {
    const struct rendezvous_policy *policy;
    struct auth *auth;
    bool (*random)(void *context, void *out, size_t size);
    void *random_context;
    struct siphash_key allow_key; /* of hashes in session.allow */
    struct hash_map connections, by_name, by_resume, calls, accounts;
    struct source_limit *hellos;
    struct timer_wheel connection_timers, session_timers, call_timers, account_timers;
    struct connection *first_ready, *last_ready, *first_asking;
    struct outgoing *lent;
    struct event_entry events[RENDEZVOUS_EVENTS_MAX];
    size_t first_event, event_count;
    char *lent_texts; /* of the event handed out last */
    bool shut_down;
    struct rendezvous_counters counters;
    char scratch[SIGNAL_MESSAGE_MAX + 1];
};

/* One message on its way through. */
struct request {
    struct rendezvous *rendezvous;
    struct monotime now;
    struct connection *connection;
    struct session *session; /* NULL before it is registered */
    const struct signal_message *message;
    const char *bytes; /* of the message */
    size_t size;
    bool again;    /* it has waited for a look-up, and has been counted before */
    bool answered; /* whoever sent it has heard of it, or need not */
};

/* ---- output.c -------------------------------------------------------------------------------- */

/* How a message stands to the bound of a queue. */
enum output_class {
    OUTPUT_FORWARD, /* from another client: leaves half of the queue free */
    OUTPUT_OWN,     /* from us: to a client who does not read them the connection is closed */
};

/* Each returns RENDEZVOUS_NO_CODE when the message was taken, else SIGNAL_TOO_LARGE or
 * SIGNAL_QUEUE_FULL. */
enum signal_code output_to_connection(struct rendezvous *rendezvous, struct connection *connection,
                                      const struct signal_message *message,
                                      enum output_class class);
/* To its connection, or for when it has one again. */
enum signal_code output_to_session(struct rendezvous *rendezvous, struct session *session,
                                   const struct signal_message *message, enum output_class class);
/* What waited for a session goes out by its connection. */
void output_deliver(struct rendezvous *rendezvous, struct session *session);
void output_update_ready(struct rendezvous *rendezvous, struct connection *connection);
void output_drop(struct outgoing_queue *queue);

/* Answers, with the request's rid. */
void reply(struct request *request, struct signal_message *answer);
void reply_code(struct request *request, enum signal_code code);
/* With retry_after, at least 1. */
void reply_retry(struct request *request, enum signal_code code, int64_t after_us);

/* ---- connection.c ---------------------------------------------------------------------------- */

extern const struct hash_map_type connection_map_type;

struct connection *connection_find(const struct rendezvous *rendezvous, uint64_t number);
/* Says why (unless the code is RENDEZVOUS_NO_CODE) and closes; the session knows already. */
void connection_dismiss(struct rendezvous *rendezvous, struct connection *connection,
                        enum signal_code code);
/* Frees a connection that is in no map and no list any more. */
void connection_free(struct connection *connection);
/* Forgets its number, and what waits. */
void connection_forget(struct rendezvous *rendezvous, struct connection *connection);
void connection_tick(struct rendezvous *rendezvous, struct monotime now,
                     struct connection *connection);
/* Keeps a hello until its look-up is answered. False when memory is out. */
bool connection_start_asking(struct rendezvous *rendezvous, struct connection *connection,
                             const char *hello, size_t size, uint64_t lookup);
/* It waits no more. */
void connection_stop_asking(struct rendezvous *rendezvous, struct connection *connection);

/* ---- hello.c --------------------------------------------------------------------------------- */

void hello_open(struct request *request);
void hello_register(struct request *request);

/* ---- session.c ------------------------------------------------------------------------------- */

extern const struct hash_map_type session_name_map_type, session_resume_map_type;

/* A session of that name for the connection, in place of one of the same name. Returns NULL when
 * there is no room, with the error code. */
struct session *session_new(struct rendezvous *rendezvous, struct monotime now,
                            struct connection *connection, struct account *account,
                            const char *name, size_t name_size, enum signal_code *code);
/* The session that `resume` stands for, if it is the account's and has that name. */
struct session *session_find_resume(const struct rendezvous *rendezvous, const char *resume);
struct session *session_find(const struct rendezvous *rendezvous, const char *name);
/* The connection becomes that of the session; the one that it had is closed. */
void session_attach(struct rendezvous *rendezvous, struct monotime now, struct session *session,
                    struct connection *connection);
/* What it can be resumed by is good for once. */
bool session_renew_resume(struct rendezvous *rendezvous, struct session *session);
/* Its connection broke. */
void session_detach(struct rendezvous *rendezvous, struct monotime now, struct session *session);
/* It ends, and its calls; so does its connection, with `code`. */
void session_end(struct rendezvous *rendezvous, struct monotime now, struct session *session,
                 enum signal_code code);
void session_free(struct rendezvous *rendezvous, struct session *session);
bool session_set_allow(struct rendezvous *rendezvous, struct session *session,
                       const struct signal_message *hello);
/* What `name` means when somebody of `account` says it: a key of the map of names, in `out`. False
 * when it is too long. */
#define SESSION_NAME_SIZE (SIGNAL_NAME_MAX + 1 + AUTH_REALM_SIZE_MAX + 1)
bool session_resolve(const struct rendezvous *rendezvous, const struct account *account,
                     const char *name, char out[SESSION_NAME_SIZE]);
/* Whether the caller may call the callee; NULL: nobody, after the same work. */
bool session_may_call(const struct rendezvous *rendezvous, const struct session *caller,
                      const struct session *callee);

/* ---- call.c ---------------------------------------------------------------------------------- */

extern const struct hash_map_type call_map_type;

void call_invite(struct request *request);
void call_ringing(struct request *request);
void call_accept(struct request *request);
void call_reject(struct request *request);
void call_bye(struct request *request);
void call_forward(struct request *request); /* description, candidate */
void call_report(struct request *request);
/* Ends a call; each side that `told` has a bit for hears a bye. */
void call_end(struct rendezvous *rendezvous, struct monotime now, struct call *call, unsigned told,
              const char *reason);
void call_free(struct rendezvous *rendezvous, struct call *call);

/* ---- account.c ------------------------------------------------------------------------------- */

extern const struct hash_map_type account_map_type;

/* Finds or makes it; NULL when there is no room. A new one without session goes by itself. */
struct account *account_of(struct rendezvous *rendezvous, struct monotime now, const char *name,
                           const char *realm);
void account_add_session(struct rendezvous *rendezvous, struct account *account,
                         struct session *session);
void account_remove_session(struct rendezvous *rendezvous, struct monotime now,
                            struct account *account, struct session *session);
void account_free(struct rendezvous *rendezvous, struct account *account);
/* How long until the account may do one more; 0: it may, and it is counted. */
int64_t account_take_message(const struct rendezvous *rendezvous, struct account *account,
                             struct monotime now);
int64_t account_take_call(const struct rendezvous *rendezvous, struct account *account,
                          struct monotime now);

/* ---- credentials.c --------------------------------------------------------------------------- */

/* Servers and their texts. */
struct credentials {
    struct signal_ice_servers ice;
    struct auth_issued issued;
    struct auth_challenge challenge;
    char urls[2 * SIGNAL_URLS_MAX][SIGNAL_TEXT_MAX + 1];
};

/* For an account; where credentials cannot be made only STUN is in it. `client`: whose connection
 * asks, and who is told what the relay's challenge will say; NULL: nobody is. */
void credentials_make(struct rendezvous *rendezvous, struct monotime now, const char *account,
                      const char *realm, const struct stun_address *local,
                      const struct stun_address *client, struct credentials *credentials);
void credentials_of_session(struct rendezvous *rendezvous, struct monotime now,
                            const struct session *session, struct credentials *credentials);
void credentials_answer(struct request *request); /* turn */

/* ---- events.c -------------------------------------------------------------------------------- */

/* Adds a copy, texts too. */
void events_add(struct rendezvous *rendezvous, const struct rendezvous_event *event);
void event_of_connection(struct rendezvous *rendezvous, enum rendezvous_event_type type,
                         const struct connection *connection, enum signal_code code);
void event_of_session(struct rendezvous *rendezvous, struct monotime now,
                      enum rendezvous_event_type type, const struct session *session,
                      enum signal_code code);
/* A call to `peer`, whoever that is, does not come about. */
void event_of_refusal(struct rendezvous *rendezvous, struct monotime now,
                      const struct session *session, const char *peer, enum signal_code code);
void event_of_call(struct rendezvous *rendezvous, struct monotime now,
                   enum rendezvous_event_type type, const struct call *call, const char *reason);
void events_free(struct rendezvous *rendezvous);

/* A random text of letters that stand in base64url. */
bool make_id(struct rendezvous *rendezvous, char out[ID_TEXT_SIZE]);

#endif
