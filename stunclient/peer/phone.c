/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/phone.h"

#include "base/address.h"
#include "base/text.h"
#include "net/clock.h"
#include "stunclient/peer/account.h"
#include "stunclient/peer/data_channel.h"
#include "stunclient/peer/home.h"
#include "stunclient/peer/known_peers.h"
#include "stunclient/peer/peer.h"
#include "stunclient/peer/rendezvous.h"
#include "stunclient/random.h"
#include "stunclient/secure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALLS_MAX 8
#define DEVICE_ACCOUNT_MAX 230 /* so that a name with a device has at most 255 bytes */
#define SETUP_MS 60000         /* from the call until data can flow */
#define SPARE_MS 20000         /* shorter than any NAT forgets a mapping of UDP */
#define GOODBYE_MS 1000        /* for the last words to the service, to relays, to the peer */

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

static struct rendezvous_client *machine(struct phone *phone)
{
    return rendezvous_machine(phone->rendezvous);
}

static void copy_name(char out[REPORT_NAME_SIZE], const char *name)
{
    name = name == NULL ? "" : name;
    text_copy_printable(out, REPORT_NAME_SIZE, name, strlen(name));
}

/* ---- the end --------------------------------------------------------------------------------- */

static void drop_spare(struct phone *phone)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (phone->calls[i].spare) {
            peer_free(phone->calls[i].peer);
            phone->calls[i] = (struct call){0};
        }
    }
    phone->renew_spare = MONOTIME_NEVER;
}

static void leave(struct phone *phone, enum exit_status status)
{
    drop_spare(phone);
    if (!phone->leaving) {
        phone->leaving = true;
        phone->status = status;
        phone->leave_by = monotime_add_ms(clock_now(), GOODBYE_MS);
    }
}

static void tell_report(struct phone *phone, struct report *report)
{
    const char *path = phone->options->call.report_file;
    copy_name(report->name, phone->name);
    snprintf(report->server, sizeof report->server, "%s", phone->account.server);
    report->registered_us = phone->registered_us;
    int status = path == NULL ? 0 : report_write(report, path);
    report_print(report, &phone->output);
    if (status != 0) {
        fprintf(stderr, "stunclient: the report cannot be written to %s: %s\n", path,
                strerror(-status));
    }
}

/* A call that is under way. */
static bool is_open(const struct call *call)
{
    return call->in_use && !call->spare && !call->told;
}

/* There will be no call. */
static void give_up(struct phone *phone, const struct failure *failure)
{
    struct report report;
    if (phone->leaving) {
        return;
    }
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (is_open(&phone->calls[i])) {
            peer_abort(phone->calls[i].peer, failure->status, failure->text, failure->advice);
            return; /* its report says it */
        }
    }
    report_init(&report, phone->caller);
    report.failure = *failure;
    tell_report(phone, &report);
    leave(phone, failure->status);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static struct call *find_call(struct phone *phone, uint32_t number)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (phone->calls[i].in_use && number != 0 && phone->calls[i].number == number) {
            return &phone->calls[i];
        }
    }
    return NULL;
}

static bool is_busy(const struct phone *phone)
{
    size_t count = 0;
    for (size_t i = 0; i < CALLS_MAX; i++) {
        count += is_open(&phone->calls[i]);
    }
    return count >= (phone->options->call.allowed_count > 0 ? CALLS_MAX : 1);
}

static void on_candidate(void *context, const struct signal_candidate *candidate)
{
    struct call *call = context;
    rendezvous_client_candidate(machine(call->phone), clock_now(), call->number, candidate);
    rendezvous_poke(call->phone->rendezvous);
}

static void on_offer(void *context, const char *sdp)
{
    struct call *call = context;
    rendezvous_client_describe(machine(call->phone), clock_now(), call->number, "offer", sdp);
    rendezvous_poke(call->phone->rendezvous);
}

static void on_trouble(void *context)
{
    struct call *call = context;
    rendezvous_client_probe(machine(call->phone), clock_now());
    rendezvous_poke(call->phone->rendezvous);
}

static bool judge(void *context, const char *public_text, struct failure *failure)
{
    static const char *const words[] = {
        [KNOWN_PEER_SAME] = "known",      [KNOWN_PEER_NEW] = "new",
        [KNOWN_PEER_UNKNOWN] = "none",    [KNOWN_PEER_UNSAVED] = "unsaved",
        [KNOWN_PEER_CHANGED] = "changed", [KNOWN_PEER_WITHDRAWN] = "withdrawn",
    };
    struct call *call = context;
    struct phone *phone = call->phone;
    enum known_peer known = known_peers_check(NULL, rendezvous_authority(phone->rendezvous),
                                              call->pin, public_text, failure);
    call->report.peer_key_is = words[known];
    trace_say(&phone->trace, clock_now(), "identity", "%s shows %s%s: %s", call->report.peer,
              public_text == NULL ? "no key" : "the key ", public_text == NULL ? "" : public_text,
              known == KNOWN_PEER_SAME      ? "the one that it had before"
              : known == KNOWN_PEER_NEW     ? "not seen before, noted"
              : known == KNOWN_PEER_UNKNOWN ? "who it is rests on the service's word"
                                            : words[known]);
    if ((known == KNOWN_PEER_NEW || known == KNOWN_PEER_UNSAVED) && !phone->output.json) {
        output_tell(&phone->output, 0, "stunclient: %s shows a key that was not seen before: %s",
                    call->report.peer, public_text);
    }
    return known != KNOWN_PEER_CHANGED && known != KNOWN_PEER_WITHDRAWN;
}

static bool take_pipe(void *context)
{
    struct call *call = context;
    bool free = !call->phone->pipe_taken;
    call->phone->pipe_taken = true;
    return free;
}

static void on_ready(void *context)
{
    struct call *call = context;
    const struct report *report = &call->report;
    call->deadline = MONOTIME_NEVER;
    rendezvous_client_report(machine(call->phone), clock_now(), call->number, report_path(report),
                             (double)report->ready_us / 1000,
                             report->pair.rtt_us < 0 ? -1 : (double)report->pair.rtt_us / 1000);
    rendezvous_poke(call->phone->rendezvous);
}

/* Over loopback nobody else can be reached, so it is used where the service is there too. */
static bool is_on_loopback(const struct phone *phone)
{
    struct stun_address remote;
    return rendezvous_remote(phone->rendezvous, &remote) && address_is_loopback(&remote);
}

/* A caller's name is cut to its account for people, and for pinning to what stays the same. */
static void name_peer(struct call *call, const char *name)
{
    copy_name(call->pin, name);
    copy_name(call->report.peer, name);
    char *dot = strrchr(call->pin, '.');
    char *slash = strchr(call->report.peer, '/');
    if (!call->phone->caller && slash != NULL && dot != NULL && strlen(dot) == 7 &&
        strspn(dot + 1, "0123456789abcdef") == 6) {
        *dot = '\0';
        *slash = '\0';
    }
}

static struct call *new_call(struct phone *phone, const char *name, bool spare,
                             struct failure *failure)
{
    struct call *call = NULL;
    for (size_t i = 0; i < CALLS_MAX && call == NULL; i++) {
        call = phone->calls[i].in_use ? NULL : &phone->calls[i];
    }
    if (call == NULL) {
        failure_set(failure, EXIT_NO_CONNECTION, "there are too many calls");
        return NULL;
    }
    *call = (struct call){.phone = phone, .in_use = true, .spare = spare};
    report_init(&call->report, phone->caller);
    call->report.relay_only = phone->options->call.relay_only;
    name_peer(call, name);
    call->report.began = clock_now();
    call->deadline = spare ? MONOTIME_NEVER : monotime_add_ms(clock_now(), SETUP_MS);
    const struct peer_setup setup = {
        .shell = phone->shell,
        .options = phone->options,
        .crypto = phone->crypto,
        .identity = phone->identity,
        .key = phone->has_key ? &phone->key : NULL,
        .trace = &phone->trace,
        .report = &call->report,
        .caller = phone->caller,
        .spare = spare,
        .loopback = is_on_loopback(phone),
        .user = {.context = call,
                 .candidate = on_candidate,
                 .offer = on_offer,
                 .trouble = on_trouble,
                 .judge = judge,
                 .take_pipe = take_pipe,
                 .ready = on_ready},
    };
    call->peer = peer_new(&setup, failure);
    if (call->peer == NULL) {
        *call = (struct call){0};
        return NULL;
    }
    return call;
}

/* The offer goes out with what is known by now; nothing waits for servers. */
static void place_call(struct phone *phone)
{
    char sdp[SIGNAL_SDP_MAX + 1];
    const char *name = phone->options->target;
    struct failure failure;
    struct call *call = new_call(phone, name, false, &failure);
    if (call == NULL) {
        give_up(phone, &failure);
        return;
    }
    if (peer_describe(call->peer, sdp, sizeof sdp) > 0) {
        call->answered = true;
        call->number = rendezvous_client_call(machine(phone), clock_now(), name, sdp);
    }
    if (call->number == 0) {
        peer_abort(call->peer, EXIT_NO_CONNECTION, "the call cannot be described", "");
        return;
    }
    trace_say(&phone->trace, clock_now(), "call", "calling %s", call->report.peer);
    peer_use_servers(call->peer, &phone->servers);
}

static void end_by_description(struct call *call, const char *problem)
{
    char text[512];
    snprintf(text, sizeof text, "%s cannot be talked to: %s", call->report.peer, problem);
    peer_abort(call->peer, EXIT_NO_CONNECTION, text, "");
}

static void answer(struct call *call, bool again)
{
    char sdp[SIGNAL_SDP_MAX + 1];
    struct phone *phone = call->phone;
    if (peer_describe(call->peer, sdp, sizeof sdp) == 0) {
        end_by_description(call, "our answer does not fit");
    } else if (again) {
        rendezvous_client_describe(machine(phone), clock_now(), call->number, "answer", sdp);
    } else {
        call->answered = true;
        rendezvous_client_accept(machine(phone), clock_now(), call->number, sdp);
        peer_use_servers(call->peer, &phone->servers);
    }
    rendezvous_poke(phone->rendezvous);
}

static void take_description(struct call *call, const struct signal_description *description)
{
    if (description->type == NULL || description->sdp == NULL) {
        return;
    }
    bool is_offer = strcmp(description->type, "offer") == 0;
    if (!is_offer && strcmp(description->type, "answer") != 0 &&
        strcmp(description->type, "pranswer") != 0) {
        return;
    }
    if (is_offer == call->phone->caller) {
        trace_say(&call->phone->trace, clock_now(), "strange", "%s speaks out of turn",
                  call->report.peer);
        return;
    }
    const char *problem =
        peer_take_description(call->peer, is_offer ? "offer" : "answer", description->sdp);
    if (problem != NULL) {
        end_by_description(call, problem);
    } else if (is_offer) {
        answer(call, call->answered);
    } else {
        peer_informed(call->peer);
    }
}

/*
 * Who listens knows beforehand how the world sees him, so that his answer says it at once: that
 * saves the round trip to the STUN server. A relay is asked for only when there is a call.
 */
static void renew_spare(struct phone *phone)
{
    struct failure failure;
    drop_spare(phone);
    if (phone->leaving || phone->options->call.relay_only || phone->options->call.lite) {
        return;
    }
    struct call *call = new_call(phone, "", true, &failure);
    if (call != NULL) {
        peer_prepare(call->peer, &phone->servers);
        phone->renew_spare = monotime_add_ms(clock_now(), SPARE_MS);
    }
}

static struct call *adopt_spare(struct phone *phone, const char *from)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        struct call *call = &phone->calls[i];
        if (call->spare && !peer_is_over(call->peer)) {
            call->spare = false;
            name_peer(call, from);
            call->report.began = clock_now();
            call->deadline = monotime_add_ms(clock_now(), SETUP_MS);
            phone->renew_spare = MONOTIME_NEVER;
            return call;
        }
    }
    return NULL;
}

static struct call *take_call(struct phone *phone, const char *from)
{
    struct failure failure;
    if (phone->leaving || phone->caller || is_busy(phone)) {
        return NULL;
    }
    struct call *call = adopt_spare(phone, from);
    return call != NULL ? call : new_call(phone, from, false, &failure);
}

static void on_incoming(struct phone *phone, const struct rendezvous_client_event *event)
{
    struct call *call = take_call(phone, event->message->incoming.from);
    if (call == NULL) {
        trace_say(&phone->trace, clock_now(), "busy", "one call too many is not taken");
        rendezvous_client_reject(machine(phone), clock_now(), event->call, "busy");
        rendezvous_poke(phone->rendezvous);
        return;
    }
    trace_say(&phone->trace, clock_now(), "incoming", "we are told that %s calls",
              call->report.peer);
    peer_adopt(call->peer);
    call->number = event->call;
    if (event->message->incoming.description.sdp == NULL) {
        rendezvous_client_ringing(machine(phone), clock_now(), event->call);
    }
    take_description(call, &event->message->incoming.description);
}

/* ---- the rendezvous service ------------------------------------------------------------------ */

static void on_registered(struct phone *phone, const struct rendezvous_client_event *event)
{
    const struct signal_message *message = event->message;
    char reflexive[64];
    copy_name(phone->name, message->registered.name);
    server_list_take(&phone->servers, &message->registered.ice);
    const char *from = message->registered.reflexive;
    text_copy_printable(reflexive, sizeof reflexive, from == NULL ? "?" : from,
                        from == NULL ? 1 : strlen(from));
    if (phone->caller && strchr(phone->name, '/') != NULL) {
        *strchr(phone->name, '/') = '\0'; /* for people: the account */
    }
    trace_say(&phone->trace, clock_now(), "registered", "registered as %s, from %s%s", phone->name,
              reflexive, event->resumed ? ", as before" : "");
    if (!phone->caller) {
        renew_spare(phone);
    }
    if (phone->registered) {
        return;
    }
    phone->registered = true;
    phone->registered_us = monotime_difference_us(clock_now(), phone->trace.start);
    if (phone->caller) {
        place_call(phone);
    } else if (!phone->output.json) {
        output_tell(&phone->output, 0, "stunclient: listening as %s", phone->name);
    }
}

static void on_lost(struct phone *phone, const struct rendezvous_client_event *event)
{
    struct failure failure;
    const struct options *options = phone->options;
    trace_say(&phone->trace, clock_now(), "lost",
              "the rendezvous service is lost: %s; again in "
              "%.1f s",
              event->text, (double)event->wait_ms / 1000);
    if (phone->registered || options->call.keep) {
        output_tell(&phone->output, 0,
                    "stunclient: the rendezvous service is lost: %s; trying again in %.1f s",
                    event->text, (double)event->wait_ms / 1000);
        return;
    }
    if (rendezvous_is_insecure(phone->rendezvous)) {
        secure_explain(&failure, "TLS", phone->account.server, event->text);
    } else {
        failure_set(&failure, EXIT_NO_REPLY, "the rendezvous service %s cannot be reached: %s",
                    phone->account.server, event->text);
        failure_advise(&failure, "Check --server, and that turnserver has a rendezvous section.");
    }
    give_up(phone, &failure);
}

static bool has_ready_call(const struct phone *phone)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &phone->calls[i];
        if (is_open(call) && peer_is_ready(call->peer)) {
            return true;
        }
    }
    return false;
}

static void on_refused(struct phone *phone, const struct rendezvous_client_event *event)
{
    bool who = event->code == SIGNAL_UNAUTHORIZED || event->code == SIGNAL_FORBIDDEN_NAME;
    struct failure failure;
    trace_say(&phone->trace, clock_now(), "refused", "the service refuses us: %s", event->text);
    if (has_ready_call(phone)) {
        return; /* it does not need the service */
    }
    failure_set(&failure, who ? EXIT_AUTHENTICATION : EXIT_REFUSED,
                "the rendezvous service %s refuses us: %s", phone->account.server, event->text);
    if (who) {
        failure_advise(&failure, "Check --user, --password and the name to listen by; `turnserver "
                                 "user` lists those that it knows.");
    }
    give_up(phone, &failure);
}

static void on_call_ended(struct phone *phone, const struct rendezvous_client_event *event)
{
    struct call *call = find_call(phone, event->call);
    const char *why = event->text[0] != '\0' ? event->text : "no reason was given";
    char text[REPORT_NAME_SIZE + RENDEZVOUS_TEXT_SIZE + 80];
    if (call == NULL) {
        return;
    }
    call->number = 0;
    trace_say(&phone->trace, clock_now(), "ended", "the service says that the call has ended: %s",
              why);
    if (peer_is_ready(call->peer)) {
        return; /* the peer itself says when its data have ended */
    }
    const char *peer = call->report.peer;
    if (event->ended == RENDEZVOUS_END_REJECTED) {
        snprintf(text, sizeof text, "%s does not take the call: %s", peer, why);
    } else if (event->ended == RENDEZVOUS_END_BYE) {
        snprintf(text, sizeof text, "%s hung up before a connection came about: %s", peer, why);
    } else {
        snprintf(text, sizeof text, "%s cannot be called: %s", peer, why);
    }
    peer_abort(call->peer, EXIT_NO_CONNECTION, text,
               event->code == SIGNAL_UNAVAILABLE
                   ? "Check the name, and that the peer runs `stunclient listen`."
                   : "");
}

static void on_call_event(struct phone *phone, const struct rendezvous_client_event *event)
{
    struct call *call = find_call(phone, event->call);
    if (call == NULL || call->told) {
        return;
    }
    switch (event->type) {
    case RENDEZVOUS_CALLING:
        trace_say(&phone->trace, clock_now(), "calling", "the service tells %s of us",
                  call->report.peer);
        break;
    case RENDEZVOUS_RINGING:
        trace_say(&phone->trace, clock_now(), "ringing", "%s rings", call->report.peer);
        break;
    case RENDEZVOUS_ACCEPTED:
        trace_say(&phone->trace, clock_now(), "accepted", "%s takes the call", call->report.peer);
        take_description(call, &event->message->accept.description);
        break;
    case RENDEZVOUS_DESCRIPTION:
        take_description(call, &event->message->description);
        break;
    case RENDEZVOUS_CANDIDATE:
        peer_take_candidate(call->peer, &event->message->candidate);
        break;
    default:
        break;
    }
}

static void on_event(void *context, const struct rendezvous_client_event *event)
{
    struct phone *phone = context;
    switch (event->type) {
    case RENDEZVOUS_REGISTERED:
        on_registered(phone, event);
        break;
    case RENDEZVOUS_SERVERS:
        server_list_take(&phone->servers, &event->message->turn.ice);
        break;
    case RENDEZVOUS_LOST:
        on_lost(phone, event);
        break;
    case RENDEZVOUS_REFUSED:
        on_refused(phone, event);
        break;
    case RENDEZVOUS_INCOMING:
        on_incoming(phone, event);
        break;
    case RENDEZVOUS_CALL_ENDED:
        on_call_ended(phone, event);
        break;
    case RENDEZVOUS_COMPLAINT:
        trace_say(&phone->trace, clock_now(), "complaint", "the service did not take a message: %s",
                  event->text);
        break;
    default:
        on_call_event(phone, event);
        break;
    }
}

/* ---- the shell's user ------------------------------------------------------------------------ */

static struct peer *owner(struct phone *phone, uint32_t via)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (phone->calls[i].in_use && peer_owns(phone->calls[i].peer, via)) {
            return phone->calls[i].peer;
        }
    }
    return NULL;
}

static void input(void *context, struct monotime now, const struct flow *flow,
                  struct packet *packet, struct outbox *outbox)
{
    struct peer *peer = owner(context, flow->via);
    if (peer != NULL) {
        peer_input(peer, now, flow, packet, outbox);
    }
}

static void connected(void *context, struct monotime now, uint32_t via, struct outbox *outbox)
{
    struct peer *peer = owner(context, via);
    if (peer != NULL) {
        peer_connected(peer, now, via, outbox);
    }
}

static void failed(void *context, struct monotime now, uint32_t via,
                   const struct stun_address *remote, int error, const char *text,
                   struct outbox *outbox)
{
    struct peer *peer = owner(context, via);
    (void)error;
    if (peer != NULL) {
        peer_failed(peer, now, via, remote, text, outbox);
    }
}

static void tick(void *context, struct monotime now, struct outbox *outbox)
{
    struct phone *phone = context;
    if (monotime_reached(now, phone->renew_spare)) {
        renew_spare(phone);
    }
    for (size_t i = 0; i < CALLS_MAX; i++) {
        struct call *call = &phone->calls[i];
        if (!call->in_use) {
            continue;
        }
        peer_tick(call->peer, now, outbox);
        if (!call->told && monotime_reached(now, call->deadline)) {
            peer_abort(call->peer, EXIT_NO_CONNECTION, "no connection came about in time",
                       "--trace tells what was tried.");
        }
    }
}

static struct monotime due(void *context)
{
    struct phone *phone = context;
    struct monotime due =
        monotime_earlier(phone->renew_spare, phone->leaving ? phone->leave_by : MONOTIME_NEVER);
    for (size_t i = 0; i < CALLS_MAX; i++) {
        struct call *call = &phone->calls[i];
        if (call->in_use) {
            due = monotime_earlier(due, monotime_earlier(peer_due(call->peer), call->deadline));
        }
    }
    return due;
}

/* A call that is over says so to the file, to people, to the service and to relays. */
static void conclude(struct call *call)
{
    struct phone *phone = call->phone;
    struct report *report = &call->report;
    bool well = report->failure.status == EXIT_OK;
    call->told = true;
    call->deadline = monotime_add_ms(clock_now(), GOODBYE_MS);
    phone->pipe_taken = false;
    if (call->number != 0) {
        if (!peer_is_ready(call->peer)) {
            rendezvous_client_report(machine(phone), clock_now(), call->number, "none", -1, -1);
        }
        if (!call->answered && !phone->caller) {
            rendezvous_client_reject(machine(phone), clock_now(), call->number, "failed");
        } else {
            rendezvous_client_bye(machine(phone), clock_now(), call->number,
                                  well ? NULL : "failed");
        }
        call->number = 0;
    }
    peer_leave(call->peer, clock_now(), shell_outbox(phone->shell));
    rendezvous_poke(phone->rendezvous);
    tell_report(phone, report);
    if (!phone->options->call.keep) {
        leave(phone, report->failure.status);
    } else {
        renew_spare(phone);
    }
}

static void look_after_calls(struct phone *phone)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        struct call *call = &phone->calls[i];
        if (!call->in_use) {
            continue;
        }
        peer_settle(call->peer);
        if (is_open(call) && peer_is_over(call->peer)) {
            conclude(call);
            peer_settle(call->peer);
        }
        if (call->told &&
            (peer_is_gone(call->peer) || monotime_reached(clock_now(), call->deadline))) {
            peer_free(call->peer);
            call->in_use = false;
        }
    }
}

static bool finished(void *context)
{
    struct phone *phone = context;
    look_after_calls(phone);
    if (!phone->leaving) {
        return false;
    }
    bool all_gone = rendezvous_client_idle(machine(phone));
    for (size_t i = 0; i < CALLS_MAX; i++) {
        all_gone = all_gone && !phone->calls[i].in_use;
    }
    return all_gone || monotime_reached(clock_now(), phone->leave_by);
}

/* ---- life ------------------------------------------------------------------------------------ */

/* Without a key there are calls, too; a key that was named must be there. */
static bool load_key(struct phone *phone, struct failure *failure)
{
    char usual[HOME_PATH_SIZE];
    const char *path = phone->options->call.key_file;
    if (path == NULL && !host_key_path(usual, sizeof usual)) {
        return true;
    }
    phone->has_key = host_key_load(&phone->key, path != NULL ? path : usual, failure);
    if (!phone->has_key && path == NULL) {
        output_tell(&phone->output, 1, "calls are made without a key: %s", failure->text);
        failure->status = EXIT_OK;
        return true;
    }
    return phone->has_key;
}

/*
 * A name is one client's, and who registers it last has it. So that a call does not end the
 * `listen` of the same account, a caller is "ACCOUNT/KEY.RANDOM": the first characters of its key,
 * by which its host is pinned, and some that let it make several calls at once. A time-limited user
 * name begins with digits and is not the account's.
 */
static const char *make_device_name(struct phone *phone)
{
    const struct credentials *credentials = &phone->account.credentials;
    size_t digits = strspn(credentials->user, "0123456789");
    if (!credentials->given || (digits > 0 && credentials->user[digits] == ':') ||
        strlen(credentials->user) > DEVICE_ACCOUNT_MAX) {
        return NULL;
    }
    snprintf(phone->device_name, sizeof phone->device_name, "%.*s/%.8s.%06x", DEVICE_ACCOUNT_MAX,
             credentials->user, phone->has_key ? phone->key.public_text : "stunclient",
             (unsigned)(random_bits(NULL) & 0xFFFFFF));
    return phone->device_name;
}

static bool prepare(struct phone *phone, struct failure *failure)
{
    const char *absent = data_session_absent();
    absent = absent == NULL ? signal_absent() : absent;
    if (absent != NULL) {
        failure_set(failure, EXIT_USAGE, "this stunclient makes no calls");
        failure_advise(failure, "%s", absent);
        return false;
    }
    if (!account_load(&phone->account, phone->options, failure) || !load_key(phone, failure)) {
        return false;
    }
    phone->shell = shell_new();
    phone->crypto = stun_crypto_new();
    phone->identity = identity_new();
    if (phone->shell == NULL || phone->crypto == NULL || phone->identity == NULL) {
        failure_set(failure, EXIT_NO_REPLY, "the system has no memory or descriptors left");
        return false;
    }
    const struct rendezvous_setup setup = {
        .shell = phone->shell,
        .options = phone->options,
        .account = &phone->account,
        .crypto = phone->crypto,
        .name = phone->caller ? make_device_name(phone) : phone->options->target,
        .key = phone->has_key ? &phone->key : NULL,
        .event = on_event,
        .context = phone,
    };
    phone->rendezvous = rendezvous_new(&setup, failure);
    return phone->rendezvous != NULL;
}

/* A signal came: what can be said is said. */
static void interrupt(struct phone *phone, const struct shell_user *user)
{
    struct failure failure;
    bool any = false;
    for (size_t i = 0; i < CALLS_MAX; i++) {
        struct call *call = &phone->calls[i];
        if (is_open(call)) {
            any = true;
            peer_hang_up(call->peer, EXIT_DEGRADED, "the call was interrupted");
        }
    }
    if (!any && phone->options->call.keep) {
        leave(phone, EXIT_OK);
    } else if (!any) {
        failure_set(&failure, EXIT_NO_CONNECTION, "interrupted before there was a call");
        give_up(phone, &failure);
    }
    shell_run(phone->shell, user, monotime_add_ms(clock_now(), GOODBYE_MS));
    for (size_t i = 0; i < CALLS_MAX; i++) {
        struct call *call = &phone->calls[i];
        if (is_open(call)) {
            peer_abort(call->peer, EXIT_DEGRADED, "the call was interrupted", "");
            conclude(call);
            rendezvous_flush(phone->rendezvous);
        }
    }
}

static void run(struct phone *phone)
{
    const struct shell_user user = {phone, input, connected, failed, tick, due, finished};
    if (!shell_run(phone->shell, &user, MONOTIME_NEVER)) {
        interrupt(phone, &user);
    }
}

static void clean_up(struct phone *phone)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (phone->calls[i].in_use) {
            peer_free(phone->calls[i].peer);
        }
    }
    rendezvous_free(phone->rendezvous);
    identity_free(phone->identity);
    stun_crypto_free(phone->crypto);
    shell_free(phone->shell);
    account_wipe(&phone->account);
    host_key_wipe(&phone->key);
    free(phone);
}

enum exit_status phone_run(const struct options *options, bool caller)
{
    struct failure failure = {.status = EXIT_OK};
    struct phone *phone = calloc(1, sizeof *phone);
    if (phone == NULL) {
        return EXIT_NO_CONNECTION;
    }
    phone->options = options;
    phone->caller = caller;
    phone->registered_us = -1;
    phone->renew_spare = MONOTIME_NEVER;
    output_init(&phone->output, options);
    trace_init(&phone->trace, &phone->output, options->call.trace, clock_now());
    if (prepare(phone, &failure)) {
        run(phone);
    } else {
        give_up(phone, &failure);
    }
    enum exit_status status = phone->status;
    clean_up(phone);
    return status;
}
