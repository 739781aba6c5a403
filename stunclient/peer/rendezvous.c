/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/rendezvous.h"

#include "base/address.h"
#include "net/clock.h"
#include "net/message_stream.h"
#include "net/tcp_race.h"
#include "net/timer.h"
#include "net/tls_context.h"
#include "stunclient/locate.h"
#include "stunclient/random.h"
#include "stunclient/secure.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 5000   /* for an address to answer */
#define OPENING_SECONDS 5 /* for TLS and WebSocket on it */
#define RESOLVE_MS 5000

struct rendezvous {
    struct rendezvous_setup setup;
    struct message_uri uri;
    char authority[RENDEZVOUS_AUTHORITY_SIZE];
    struct rendezvous_client *client;
    struct resolver *resolver;
    struct secure *secure; /* NULL: no TLS */
    struct message_stream *stream;
    struct event *timer;
    struct tcp_race *race;
    struct stun_address remote; /* of the connection, or the last; family NONE: there was none */
    bool open;
    enum exit_status status;                                   /* for `why` */
    char why[STUN_HOST_SIZE_MAX + RESOLVER_PROBLEM_SIZE + 16]; /* there is no connection */
};

/* ---- the connection -------------------------------------------------------------------------- */

static void end_race(struct rendezvous *rendezvous)
{
    tcp_race_free(rendezvous->race);
    rendezvous->race = NULL;
}

static void give_up(struct rendezvous *rendezvous)
{
    end_race(rendezvous);
    rendezvous_client_disconnected(rendezvous->client, clock_now(), rendezvous->why);
    rendezvous_poke(rendezvous);
}

static void on_opened(struct message_stream *stream, void *context)
{
    struct rendezvous *rendezvous = context;
    (void)stream;
    end_race(rendezvous);
    rendezvous->status = EXIT_NO_REPLY;
    rendezvous->open = true;
    rendezvous_client_connected(rendezvous->client, clock_now());
    rendezvous_poke(rendezvous);
}

static void on_message(struct message_stream *stream, const char *text, size_t size, void *context)
{
    struct rendezvous *rendezvous = context;
    (void)stream;
    rendezvous_client_input(rendezvous->client, clock_now(), text, size);
    rendezvous_poke(rendezvous);
}

static void on_closed(struct message_stream *stream, enum message_stream_end end, void *context)
{
    struct rendezvous *rendezvous = context;
    bool was_open = rendezvous->open;
    char address[ADDRESS_TEXT_SIZE];
    char problem[RESOLVER_PROBLEM_SIZE];
    snprintf(problem, sizeof problem, "%s", message_stream_end_text(stream));
    message_stream_free(stream);
    rendezvous->stream = NULL;
    rendezvous->open = false;
    if (end == MESSAGE_END_TLS && !was_open) {
        rendezvous->status = EXIT_TLS;
    }
    if (was_open) {
        snprintf(rendezvous->why, sizeof rendezvous->why, "%s: %s",
                 address_format(&rendezvous->remote, address), problem);
        give_up(rendezvous);
    } else {
        tcp_race_resume(rendezvous->race, problem);
    }
}

static const struct message_stream_user stream_user = {
    .opened = on_opened, .message = on_message, .closed = on_closed};

static void on_connected(void *context, int descriptor, const struct stun_address *address)
{
    struct rendezvous *rendezvous = context;
    const struct message_stream_setup setup = {
        .user = &stream_user, .context = rendezvous, .opening_seconds = OPENING_SECONDS};
    const struct message_stream_target target = {
        .framing = rendezvous->uri.websocket ? MESSAGE_FRAMING_WEBSOCKET : MESSAGE_FRAMING_LINES,
        .authority = rendezvous->uri.authority,
        .path = rendezvous->uri.path,
    };
    SSL *ssl = rendezvous->secure == NULL ? NULL : secure_connect(rendezvous->secure);
    rendezvous->remote = *address;
    rendezvous->stream = message_stream_connect(shell_base(rendezvous->setup.shell), descriptor,
                                                ssl, &target, &setup);
    if (rendezvous->stream == NULL) {
        snprintf(rendezvous->why, sizeof rendezvous->why, "memory is out");
        give_up(rendezvous);
    }
}

static void on_not_connected(void *context, const char *problem)
{
    struct rendezvous *rendezvous = context;
    snprintf(rendezvous->why, sizeof rendezvous->why, "%s", problem);
    give_up(rendezvous);
}

static void on_resolved(const struct resolver_result *result, void *context)
{
    struct rendezvous *rendezvous = context;
    const struct tcp_race_user user = {on_connected, on_not_connected, rendezvous};
    rendezvous->status = result->count > 0 ? EXIT_NO_REPLY : EXIT_NAME;
    if (result->count > 0) {
        rendezvous->race = tcp_race_new(shell_base(rendezvous->setup.shell), result->addresses,
                                        result->count, CONNECT_MS, &user);
    }
    if (rendezvous->race == NULL) {
        snprintf(rendezvous->why, sizeof rendezvous->why, "%s %s", rendezvous->uri.host.name,
                 result->count > 0 ? "cannot be connected to: memory is out" : result->problem);
        give_up(rendezvous);
    }
}

static void resolve(struct rendezvous *rendezvous)
{
    const struct stun_host *host = &rendezvous->uri.host;
    const struct resolver_request request = {.host = host->name,
                                             .port = host->port,
                                             .family = rendezvous->setup.options->family,
                                             .timeout_ms = RESOLVE_MS};
    if (host->is_ip) {
        struct resolver_result result = {.count = 1, .addresses = {host->address}};
        result.addresses[0].port = host->port;
        on_resolved(&result, rendezvous);
    } else if (resolver_start(rendezvous->resolver, &request, on_resolved, rendezvous) != 0) {
        rendezvous_client_disconnected(rendezvous->client, clock_now(), "memory is out");
    }
}

static void hang_up(struct rendezvous *rendezvous)
{
    end_race(rendezvous);
    message_stream_free(rendezvous->stream);
    rendezvous->stream = NULL;
    rendezvous->open = false;
}

/* ---- the machine ----------------------------------------------------------------------------- */

static void send_output(struct rendezvous *rendezvous)
{
    const char *text;
    size_t size;
    while (rendezvous->open &&
           (text = rendezvous_client_output(rendezvous->client, &size)) != NULL) {
        message_stream_send(rendezvous->stream, text, size); /* its end comes as an event */
    }
}

static void take_events(struct rendezvous *rendezvous)
{
    struct rendezvous_client_event event;
    while (rendezvous_client_event(rendezvous->client, &event)) {
        if (event.type == RENDEZVOUS_CONNECT) {
            resolve(rendezvous);
        } else if (event.type == RENDEZVOUS_DISCONNECT) {
            hang_up(rendezvous);
        } else {
            rendezvous->setup.event(rendezvous->setup.context, &event);
        }
    }
}

static void arm(struct rendezvous *rendezvous)
{
    struct monotime due = rendezvous_client_due(rendezvous->client);
    timer_arm(rendezvous->timer, clock_now(), due);
}

void rendezvous_flush(struct rendezvous *rendezvous)
{
    send_output(rendezvous);
}

static void on_timer(evutil_socket_t descriptor, short what, void *context)
{
    struct rendezvous *rendezvous = context;
    (void)descriptor;
    (void)what;
    rendezvous_client_tick(rendezvous->client, clock_now());
    send_output(rendezvous);
    take_events(rendezvous);
    send_output(rendezvous);
    arm(rendezvous);
    shell_settle(rendezvous->setup.shell);
}

void rendezvous_poke(struct rendezvous *rendezvous)
{
    event_active(rendezvous->timer, EV_TIMEOUT, 0);
}

/* ---- life ------------------------------------------------------------------------------------ */

void rendezvous_format_authority(const struct message_uri *uri, char out[RENDEZVOUS_AUTHORITY_SIZE])
{
    char address[ADDRESS_TEXT_SIZE];
    const struct stun_host *host = &uri->host;
    const char *name = host->is_ip ? address_format_ip(&host->address, address) : host->name;
    bool brackets = strchr(name, ':') != NULL;
    snprintf(out, RENDEZVOUS_AUTHORITY_SIZE, "%s%s%s:%u", brackets ? "[" : "", name,
             brackets ? "]" : "", host->port);
}

static bool parse_uri(struct rendezvous *rendezvous, struct failure *failure)
{
    const char *server = rendezvous->setup.account->server;
    const char *problem = message_uri_parse(&rendezvous->uri, server);
    char address[ADDRESS_TEXT_SIZE];
    const struct stun_host *host = &rendezvous->uri.host;
    if (problem == NULL && rendezvous->uri.websocket && !message_stream_has_websocket()) {
        failure_set(failure, EXIT_USAGE, "this stunclient was built without WebSocket");
        failure_advise(failure, "Use tcp:// or tls://, or build with libwslay-dev installed.");
        return false;
    }
    if (problem != NULL) {
        failure_set(failure, EXIT_USAGE, "the rendezvous service \"%s\" %s", server, problem);
        return false;
    }
    const char *name = host->is_ip ? address_format_ip(&host->address, address) : host->name;
    rendezvous_format_authority(&rendezvous->uri, rendezvous->authority);
    if (rendezvous->uri.secure) {
        rendezvous->secure =
            secure_new_stream(rendezvous->setup.options, name, true, TLS_ALPN_HTTP, failure);
    }
    return !rendezvous->uri.secure || rendezvous->secure != NULL;
}

static struct rendezvous_client *new_client(const struct rendezvous_setup *setup)
{
    const struct credentials *credentials = &setup->account->credentials;
    const struct rendezvous_client_setup client = {
        .crypto = setup->crypto,
        .random = random_bits,
        .name = setup->name,
        .user = credentials->given ? credentials->user : NULL,
        .password = credentials->given ? credentials->password : NULL,
        .private_key = setup->key == NULL ? NULL : setup->key->private_key,
        .callers = setup->options->call.callers,
        .caller_count = setup->options->call.caller_count,
    };
    return rendezvous_client_new(&client);
}

struct rendezvous *rendezvous_new(const struct rendezvous_setup *setup, struct failure *failure)
{
    struct rendezvous *rendezvous = calloc(1, sizeof *rendezvous);
    if (rendezvous == NULL) {
        failure_set(failure, EXIT_NO_REPLY, "memory is out");
        return NULL;
    }
    rendezvous->setup = *setup;
    if (!parse_uri(rendezvous, failure)) {
        rendezvous_free(rendezvous);
        return NULL;
    }
    rendezvous->timer = evtimer_new(shell_base(setup->shell), on_timer, rendezvous);
    rendezvous->resolver = locate_resolver(shell_base(setup->shell), setup->options);
    rendezvous->client = new_client(setup);
    if (rendezvous->timer == NULL || rendezvous->resolver == NULL || rendezvous->client == NULL) {
        failure_set(failure, EXIT_NO_REPLY,
                    "memory is out, or /etc/resolv.conf cannot be understood");
        rendezvous_free(rendezvous);
        return NULL;
    }
    rendezvous_client_start(rendezvous->client, clock_now());
    rendezvous_poke(rendezvous);
    return rendezvous;
}

void rendezvous_free(struct rendezvous *rendezvous)
{
    if (rendezvous == NULL) {
        return;
    }
    message_stream_free(rendezvous->stream);
    tcp_race_free(rendezvous->race);
    resolver_free(rendezvous->resolver);
    rendezvous_client_free(rendezvous->client);
    secure_free(rendezvous->secure);
    if (rendezvous->timer != NULL) {
        event_free(rendezvous->timer);
    }
    free(rendezvous);
}

struct rendezvous_client *rendezvous_machine(struct rendezvous *rendezvous)
{
    return rendezvous->client;
}

const char *rendezvous_authority(const struct rendezvous *rendezvous)
{
    return rendezvous->authority;
}

bool rendezvous_remote(const struct rendezvous *rendezvous, struct stun_address *out)
{
    *out = rendezvous->remote;
    return out->family != STUN_FAMILY_NONE;
}

enum exit_status rendezvous_status(const struct rendezvous *rendezvous)
{
    return rendezvous->status;
}
