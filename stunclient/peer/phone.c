/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/text.h"
#include "net/clock.h"
#include "stunclient/peer/data_channel.h"
#include "stunclient/peer/home.h"
#include "stunclient/peer/phone_internal.h"
#include "stunclient/random.h"
#include "stunclient/secure.h"

#include <errno.h>
#include <event2/event.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEVICE_ACCOUNT_MAX 230 /* so that a name with a device has at most 255 bytes */

void phone_copy_name(char out[REPORT_NAME_SIZE], const char *name)
{
    name = name == NULL ? "" : name;
    text_copy_readable(out, REPORT_NAME_SIZE, name, strlen(name));
}

/* ---- the end --------------------------------------------------------------------------------- */

void phone_leave(struct phone *phone, enum exit_status status)
{
    phone_drop_spare(phone);
    if (!phone->leaving) {
        phone->leaving = true;
        phone->status = status;
        phone->leave_by = monotime_add_ms(clock_now(), GOODBYE_MS);
    }
}

void phone_tell_report(struct phone *phone, struct report *report)
{
    const char *path = phone->options->call.report_file;
    phone_copy_name(report->name, phone->name);
    snprintf(report->server, sizeof report->server, "%s", phone->account.server);
    report->registered_us = phone->registered_us;
    int status = path == NULL ? 0 : report_write(report, path);
    report_print(report, &phone->output);
    if (status != 0) {
        output_tell(&phone->output, 0, "stunclient: the report cannot be written to %s: %s", path,
                    strerror(-status));
    }
}

void phone_give_up(struct phone *phone, const struct failure *failure)
{
    struct report report;
    if (phone->leaving) {
        return;
    }
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (phone_call_is_open(&phone->calls[i])) {
            peer_abort(phone->calls[i].peer, failure->status, failure->text, failure->advice);
            return; /* its report says it */
        }
    }
    report_init(&report, phone->caller);
    report.failure = *failure;
    phone_tell_report(phone, &report);
    phone_leave(phone, failure->status);
}

/* ---- the rendezvous service ------------------------------------------------------------------ */

/* Calls that go on need the new credentials for what they allocate from now on. */
static void take_servers(struct phone *phone, const struct signal_ice_servers *told)
{
    server_list_take(&phone->servers, told);
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (phone_call_is_open(&phone->calls[i])) {
            peer_renew_servers(phone->calls[i].peer, &phone->servers);
        }
    }
}

static void on_registered(struct phone *phone, const struct rendezvous_client_event *event)
{
    const struct signal_message *message = event->message;
    char reflexive[64];
    phone_copy_name(phone->name, message->registered.name);
    take_servers(phone, &message->registered.ice);
    const char *from = message->registered.reflexive;
    text_copy_printable(reflexive, sizeof reflexive, from == NULL ? "?" : from,
                        from == NULL ? 1 : strlen(from));
    if (phone->caller && strchr(phone->name, '/') != NULL) {
        *strchr(phone->name, '/') = '\0'; /* for people: the account */
    }
    trace_say(&phone->trace, clock_now(), "registered", "registered as %s, from %s%s", phone->name,
              reflexive, event->resumed ? ", as before" : "");
    if (!phone->caller) {
        phone_renew_spare(phone);
    }
    if (phone->registered) {
        return;
    }
    phone->registered = true;
    phone->registered_us = monotime_difference_us(clock_now(), phone->trace.start);
    if (phone->caller) {
        phone_place_call(phone);
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
    enum exit_status status = rendezvous_status(phone->rendezvous);
    if (status == EXIT_TLS) {
        secure_explain(&failure, "TLS", phone->account.server, event->text);
    } else {
        failure_set(&failure, status, "the rendezvous service %s cannot be reached: %s",
                    phone->account.server, event->text);
        failure_advise(&failure, status == EXIT_NAME
                                     ? "Check the name in --server."
                                     : "Check --server: tcp:// or ws://, or tls:// or wss:// where "
                                       "the listener has tls = true in turnserver's rendezvous "
                                       "section.");
    }
    phone_give_up(phone, &failure);
}

static bool has_ready_call(const struct phone *phone)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &phone->calls[i];
        if (phone_call_is_open(call) && peer_is_ready(call->peer)) {
            return true;
        }
    }
    return false;
}

static void on_refused(struct phone *phone, const struct rendezvous_client_event *event)
{
    struct failure failure;
    trace_say(&phone->trace, clock_now(), "refused", "the service refuses us: %s", event->text);
    if (has_ready_call(phone)) {
        return; /* it does not need the service */
    }
    phone_explain_refusal(&failure, event, phone->account.server);
    phone_give_up(phone, &failure);
}

static void on_call_ended(struct phone *phone, const struct rendezvous_client_event *event)
{
    struct call *call = phone_find_call(phone, event->call);
    const char *why = event->text[0] != '\0' ? event->text : "no reason was given";
    struct failure failure;
    if (call == NULL) {
        return;
    }
    call->number = 0;
    trace_say(&phone->trace, clock_now(), "ended", "the service says that the call has ended: %s",
              why);
    /* Words by the service may be quicker than those of the peer's own, once it has a way. */
    if (peer_is_ready(call->peer) || call->report.secured_us >= 0) {
        peer_take_bye(call->peer);
        return; /* the peer itself says when its data have ended */
    }
    phone_explain_end(&failure, event, call->report.peer);
    peer_abort(call->peer, failure.status, failure.text, failure.advice);
}

static void on_call_event(struct phone *phone, const struct rendezvous_client_event *event)
{
    struct call *call = phone_find_call(phone, event->call);
    if (call == NULL || call->told) {
        return;
    }
    switch (event->type) {
    case RENDEZVOUS_CALLING:
        trace_say(&phone->trace, clock_now(), "calling", "the service tells %s of us",
                  call->report.peer);
        break;
    case RENDEZVOUS_ANSWERED:
        peer_expected(call->peer);
        break;
    case RENDEZVOUS_RINGING:
        trace_say(&phone->trace, clock_now(), "ringing", "%s rings", call->report.peer);
        break;
    case RENDEZVOUS_ACCEPTED:
        trace_say(&phone->trace, clock_now(), "accepted", "%s takes the call", call->report.peer);
        phone_take_description(call, &event->message->accept.description);
        break;
    case RENDEZVOUS_DESCRIPTION:
        phone_take_description(call, &event->message->description);
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
        take_servers(phone, &event->message->turn.ice);
        break;
    case RENDEZVOUS_LOST:
        on_lost(phone, event);
        break;
    case RENDEZVOUS_REFUSED:
        on_refused(phone, event);
        break;
    case RENDEZVOUS_INCOMING:
        phone_take_incoming(phone, event);
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
        phone_renew_spare(phone);
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

static void look_after_calls(struct phone *phone)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        struct call *call = &phone->calls[i];
        if (!call->in_use) {
            continue;
        }
        peer_settle(call->peer);
        if (phone_call_is_open(call) && peer_is_over(call->peer)) {
            phone_conclude(call);
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
    bool all_gone = rendezvous_client_idle(phone_machine(phone));
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

/* Somebody who knows (a script of the network's manager) says that there may be a better way. */
static void on_nudge(evutil_socket_t number, short what, void *context)
{
    struct phone *phone = context;
    (void)number;
    (void)what;
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (phone_call_is_open(&phone->calls[i])) {
            peer_look_again(phone->calls[i].peer);
        }
    }
    shell_settle(phone->shell);
}

static bool open_shell(struct phone *phone)
{
    phone->shell = shell_new();
    phone->nudge = phone->shell == NULL
                       ? NULL
                       : evsignal_new(shell_base(phone->shell), SIGUSR1, on_nudge, phone);
    return phone->nudge != NULL && evsignal_add(phone->nudge, NULL) == 0;
}

/* Better now than at the end of a long call. */
static bool check_report_file(const char *path, struct failure *failure)
{
    char folder[HOME_PATH_SIZE];
    if (path == NULL || access(path, W_OK) == 0) {
        return true;
    }
    if (errno == ENOENT) {
        snprintf(folder, sizeof folder, "%s", path);
        if (access(dirname(folder), W_OK) == 0) {
            return true;
        }
    }
    failure_set(failure, EXIT_USAGE, "the report cannot be written to %s: %s", path,
                strerror(errno));
    return false;
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
    if (!check_report_file(phone->options->call.report_file, failure) ||
        !account_load(&phone->account, phone->options, failure) || !load_key(phone, failure)) {
        return false;
    }
    bool open = open_shell(phone);
    phone->crypto = stun_crypto_new();
    phone->identity = identity_new();
    if (!open || phone->crypto == NULL || phone->identity == NULL) {
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
        if (phone_call_is_open(call)) {
            any = true;
            peer_hang_up(call->peer);
        }
    }
    if (phone->options->call.keep) {
        phone_leave(phone, EXIT_OK);
        phone->leave_by = monotime_add_ms(clock_now(), HANG_UP_MS);
    } else if (!any) {
        failure_set(&failure, EXIT_NO_CONNECTION, "interrupted before there was a call");
        phone_give_up(phone, &failure);
    }
    shell_run(phone->shell, user, monotime_add_ms(clock_now(), HANG_UP_MS));
    for (size_t i = 0; i < CALLS_MAX; i++) {
        struct call *call = &phone->calls[i];
        if (phone_call_is_open(call)) {
            peer_cut_off(call->peer);
            phone_conclude(call);
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
    if (phone->nudge != NULL) {
        event_free(phone->nudge);
    }
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
        phone_give_up(phone, &failure);
    }
    enum exit_status status = phone->status;
    clean_up(phone);
    return status;
}
