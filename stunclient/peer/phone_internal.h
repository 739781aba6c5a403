/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the phone share: phone.c is the service and the program's life, phone_call.c
 * the calls. */
#ifndef STUNCLIENT_PEER_PHONE_INTERNAL_H
#define STUNCLIENT_PEER_PHONE_INTERNAL_H

#include "stunclient/peer/account.h"
#include "stunclient/peer/peer.h"
#include "stunclient/peer/phone.h"
#include "stunclient/peer/rendezvous.h"

#define CALLS_MAX 8
#define HANG_UP_MS 3000 /* after a signal: the peer acknowledges what was sent; another ends it */
#define GOODBYE_MS 1000 /* then, for the last words to the service and to relays */

/* One call, from its first word to its last. */
struct call {
    struct phone *phone;
    bool in_use;
    bool spare;      /* no call yet: its sockets and reflexive addresses wait for one */
    bool told;       /* its report is out: only goodbyes are left */
    uint32_t number; /* of the rendezvous client; 0: not (any more) known to the service */
    bool answered;   /* our description is out */
    struct peer *peer;
    struct report report;
    char pin[REPORT_NAME_SIZE]; /* the name by which the peer's key is known */
    struct monotime deadline;   /* of the set-up, then of the goodbye */
};

struct phone {
    const struct options *options;
    bool caller;
    struct output output;
    struct trace trace;
    struct shell *shell;
    struct event *nudge; /* SIGUSR1: the network has changed */
    struct stun_crypto *crypto;
    struct account account;
    struct host_key key;
    bool has_key;
    struct identity *identity;
    struct rendezvous *rendezvous;
    struct server_list servers;
    struct call calls[CALLS_MAX];
    bool registered; /* at least once */
    bool pipe_taken;
    bool leaving;
    struct monotime leave_by;
    struct monotime renew_spare; /* when its mappings may have been forgotten */
    enum exit_status status;
    char name[REPORT_NAME_SIZE];        /* by which we can be called */
    char device_name[REPORT_NAME_SIZE]; /* of a caller, see make_device_name */
    int64_t registered_us;
};

static inline struct rendezvous_client *phone_machine(struct phone *phone)
{
    return rendezvous_machine(phone->rendezvous);
}

/* A call that is under way. */
static inline bool phone_call_is_open(const struct call *call)
{
    return call->in_use && !call->spare && !call->told;
}

/* ---- phone.c -----------------------------------------------------------------------------------
 */

/* For people: what is not printable ASCII becomes '?'. */
void phone_copy_name(char out[REPORT_NAME_SIZE], const char *name);
/* Says goodbye to everybody, then ends the program with `status`. */
void phone_leave(struct phone *phone, enum exit_status status);
void phone_tell_report(struct phone *phone, struct report *report);
/* There will be no call. */
void phone_give_up(struct phone *phone, const struct failure *failure);

/* ---- phone_words.c -----------------------------------------------------------------------------
 */

/* The service does not let us in, or not any more. */
void phone_explain_refusal(struct failure *failure, const struct rendezvous_client_event *event,
                           const char *server);
/* Of a call that the other side or the service has ended before it stood. */
void phone_explain_end(struct failure *failure, const struct rendezvous_client_event *event,
                       const char *peer);

/* ---- phone_call.c ------------------------------------------------------------------------------
 */

struct call *phone_find_call(struct phone *phone, uint32_t number); /* or NULL */
void phone_place_call(struct phone *phone);
void phone_take_incoming(struct phone *phone, const struct rendezvous_client_event *event);
void phone_take_description(struct call *call, const struct signal_description *description);
/* Who listens knows beforehand how the world sees him, so that his answer says it at once: that
 * saves the round trip to the STUN server. A relay is asked for only when there is a call. */
void phone_renew_spare(struct phone *phone);
void phone_drop_spare(struct phone *phone);
/* A call that is over says so to the file, to people, to the service and to relays. */
void phone_conclude(struct call *call);

#endif
