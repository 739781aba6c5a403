/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/address.h"
#include "net/clock.h"
#include "stunclient/peer/known_peers.h"
#include "stunclient/peer/phone_internal.h"

#include <stdio.h>
#include <string.h>

#define SETUP_MS 60000 /* from the call until data can flow */
#define SPARE_MS 20000 /* shorter than any NAT forgets a mapping of UDP */

struct call *phone_find_call(struct phone *phone, uint32_t number)
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
        count += phone_call_is_open(&phone->calls[i]);
    }
    return count >= (phone->options->call.allowed_count > 0 ? CALLS_MAX : 1);
}

static void on_candidate(void *context, const struct signal_candidate *candidate)
{
    struct call *call = context;
    rendezvous_client_candidate(phone_machine(call->phone), clock_now(), call->number, candidate);
    rendezvous_poke(call->phone->rendezvous);
}

static void on_offer(void *context, const char *sdp)
{
    struct call *call = context;
    rendezvous_client_describe(phone_machine(call->phone), clock_now(), call->number, "offer", sdp);
    rendezvous_poke(call->phone->rendezvous);
}

static bool can_tell(void *context)
{
    return ((const struct call *)context)->number != 0;
}

static void on_trouble(void *context)
{
    struct call *call = context;
    rendezvous_client_probe(phone_machine(call->phone), clock_now());
    rendezvous_poke(call->phone->rendezvous);
}

/* What a caller is called beside its account changes with each call. */
static void name_peer(struct call *call, const char *name)
{
    snprintf(call->pin, sizeof call->pin, "%s", name == NULL ? "" : name);
    char *slash = strchr(call->pin, '/');
    if (!call->phone->caller && slash != NULL) {
        *slash = '\0';
    }
    phone_copy_name(call->report.peer, call->pin);
}

/* Who listens with --any-key notes what a caller shows, and refuses nobody. */
static enum known_peer take_any_key(struct call *call, const char *public_text)
{
    const char *service = rendezvous_authority(call->phone->rendezvous);
    if (public_text == NULL) {
        return KNOWN_PEER_UNKNOWN;
    }
    return known_peers_add(NULL, service, call->pin, public_text) == 0 ? KNOWN_PEER_NEW
                                                                       : KNOWN_PEER_UNSAVED;
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
    if (phone->options->call.any_key &&
        (known == KNOWN_PEER_CHANGED || known == KNOWN_PEER_WITHDRAWN)) {
        known = take_any_key(call, public_text);
    }
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
    if (known == KNOWN_PEER_CHANGED || known == KNOWN_PEER_WITHDRAWN) {
        call->report.farewell = "unknown-key";
        return false;
    }
    return true;
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
    rendezvous_client_report(phone_machine(call->phone), clock_now(), call->number,
                             report_path(report), (double)report->ready_us / 1000,
                             report->pair.rtt_us < 0 ? -1 : (double)report->pair.rtt_us / 1000);
    rendezvous_poke(call->phone->rendezvous);
}

/* Over loopback nobody else can be reached, so it is used where the service is there too. */
static bool is_on_loopback(const struct phone *phone)
{
    struct stun_address remote;
    return rendezvous_remote(phone->rendezvous, &remote) && address_is_loopback(&remote);
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
                 .can_tell = can_tell,
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
void phone_place_call(struct phone *phone)
{
    char sdp[SIGNAL_SDP_MAX + 1];
    const char *name = phone->options->target;
    struct failure failure;
    struct call *call = new_call(phone, name, false, &failure);
    if (call == NULL) {
        phone_give_up(phone, &failure);
        return;
    }
    if (peer_describe(call->peer, true, sdp, sizeof sdp) > 0) {
        call->answered = true;
        call->number = rendezvous_client_call(phone_machine(phone), clock_now(), name, sdp);
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

static void answer(struct call *call)
{
    char sdp[SIGNAL_SDP_MAX + 1];
    struct phone *phone = call->phone;
    if (peer_describe(call->peer, false, sdp, sizeof sdp) == 0) {
        end_by_description(call, "our answer does not fit");
    } else if (call->answered) {
        rendezvous_client_describe(phone_machine(phone), clock_now(), call->number, "answer", sdp);
    } else {
        call->answered = true;
        /* Our checks have passed our own NAT when the peer learns from the answer where to send. */
        shell_flush(phone->shell);
        rendezvous_client_accept(phone_machine(phone), clock_now(), call->number, sdp);
        peer_use_servers(call->peer, &phone->servers);
    }
    rendezvous_poke(phone->rendezvous);
}

/* The call has a path and a certificate already, and goes on with them. */
static void refuse_description(struct call *call, bool is_offer, const char *why)
{
    struct phone *phone = call->phone;
    trace_say(&phone->trace, clock_now(), "refused",
              "a new description of %s is not taken: %s; the call goes on", call->report.peer, why);
    if (!phone->options->call.trace && !phone->output.json) {
        output_tell(&phone->output, 0,
                    "stunclient: a new description of %s is not taken: %s; the call goes on",
                    call->report.peer, why);
    }
    if (is_offer) {
        rendezvous_client_describe(phone_machine(phone), clock_now(), call->number, "rollback",
                                   NULL);
        rendezvous_poke(phone->rendezvous);
    }
}

static void take_description(struct call *call, bool is_offer, const char *sdp)
{
    const char *why;
    bool met = peer_is_met(call->peer);
    switch (peer_take_description(call->peer, is_offer, sdp, &why)) {
    case PEER_TAKES:
        if (is_offer) {
            answer(call);
        } else {
            peer_informed(call->peer);
        }
        break;
    case PEER_IGNORES:
        trace_say(&call->phone->trace, clock_now(), "strange",
                  "a description of %s is not used: %s", call->report.peer, why);
        break;
    case PEER_REFUSES:
        if (met) {
            refuse_description(call, is_offer, why);
        } else {
            end_by_description(call, why);
        }
        break;
    }
}

void phone_take_description(struct call *call, const struct signal_description *description)
{
    const char *type = description->type;
    if (type == NULL || peer_is_over(call->peer)) {
        return;
    }
    if (strcmp(type, "rollback") == 0) {
        peer_take_refusal(call->peer);
    } else if (description->sdp != NULL) {
        take_description(call, strcmp(type, "offer") == 0, description->sdp);
    }
}

void phone_drop_spare(struct phone *phone)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (phone->calls[i].spare) {
            peer_free(phone->calls[i].peer);
            phone->calls[i] = (struct call){0};
        }
    }
    phone->renew_spare = MONOTIME_NEVER;
}

void phone_renew_spare(struct phone *phone)
{
    struct failure failure;
    phone_drop_spare(phone);
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

void phone_take_incoming(struct phone *phone, const struct rendezvous_client_event *event)
{
    struct call *call = take_call(phone, event->message->incoming.from);
    if (call == NULL) {
        trace_say(&phone->trace, clock_now(), "busy", "one call too many is not taken");
        rendezvous_client_reject(phone_machine(phone), clock_now(), event->call, "busy");
        rendezvous_poke(phone->rendezvous);
        return;
    }
    trace_say(&phone->trace, clock_now(), "incoming", "we are told that %s calls",
              call->report.peer);
    peer_adopt(call->peer);
    call->number = event->call;
    if (event->message->incoming.description.sdp == NULL) {
        rendezvous_client_ringing(phone_machine(phone), clock_now(), event->call);
    }
    phone_take_description(call, &event->message->incoming.description);
}

void phone_conclude(struct call *call)
{
    struct phone *phone = call->phone;
    struct report *report = &call->report;
    const char *why = report->failure.status == EXIT_OK ? NULL : report->farewell;
    call->told = true;
    call->deadline = monotime_add_ms(clock_now(), GOODBYE_MS);
    phone->pipe_taken = false;
    if (call->number != 0) {
        if (!peer_is_ready(call->peer)) {
            rendezvous_client_report(phone_machine(phone), clock_now(), call->number, "none", -1,
                                     -1);
        }
        if (!call->answered && !phone->caller) {
            rendezvous_client_reject(phone_machine(phone), clock_now(), call->number, why);
        } else {
            rendezvous_client_bye(phone_machine(phone), clock_now(), call->number, why);
        }
        call->number = 0;
    }
    peer_leave(call->peer, clock_now(), shell_outbox(phone->shell));
    rendezvous_poke(phone->rendezvous);
    phone_tell_report(phone, report);
    if (!phone->options->call.keep) {
        phone_leave(phone, report->failure.status);
    } else {
        phone_renew_spare(phone);
    }
}
