/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/rendezvous.h"

#include "base/address.h"
#include "net/clock.h"
#include "net/message_stream.h"
#include "net/resolver.h"
#include "net/tcp_socket.h"
#include "net/timer.h"
#include "net/tls_context.h"
#include "stunclient/random.h"
#include "stunclient/secure.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPENING_SECONDS 5 /* for an address to answer, WebSocket included */
#define RESOLVE_MS 5000

struct rendezvous {
    struct rendezvous_setup setup;
    struct message_uri uri;
    char authority[sizeof((struct message_uri *)0)->authority + 8];
    struct rendezvous_client *client;
    struct resolver *resolver;
    struct secure *secure; /* NULL: no TLS */
    struct message_stream *stream;
    struct event *timer;
    struct resolver_result found;
    size_t next; /* the address to try next */
    bool open;
    bool insecure;
    char why[STUN_HOST_SIZE_MAX + RESOLVER_PROBLEM_SIZE +
             16]; /* the last address could not be used */
};

/* ---- the connection -------------------------------------------------------------------------- */

static void try_next(struct rendezvous *rendezvous);

static void on_opened(struct message_stream *stream, void *context)
{
    struct rendezvous *rendezvous = context;
    (void)stream;
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
    const struct stun_address *tried = &rendezvous->found.addresses[rendezvous->next - 1];
    char address[ADDRESS_TEXT_SIZE];
    rendezvous->insecure = end == MESSAGE_END_TLS;
    snprintf(rendezvous->why, sizeof rendezvous->why, "%s: %s", address_format(tried, address),
             message_stream_end_text(stream));
    message_stream_free(stream);
    rendezvous->stream = NULL;
    rendezvous->open = false;
    if (was_open) {
        rendezvous_client_disconnected(rendezvous->client, clock_now(), rendezvous->why);
        rendezvous_poke(rendezvous);
    } else {
        try_next(rendezvous);
    }
}

static const struct message_stream_user stream_user = {
    .opened = on_opened, .message = on_message, .closed = on_closed};

static bool connect_to(struct rendezvous *rendezvous, const struct stun_address *address)
{
    const struct message_stream_setup setup = {
        .user = &stream_user, .context = rendezvous, .opening_seconds = OPENING_SECONDS};
    const struct message_stream_target target = {
        .framing = rendezvous->uri.websocket ? MESSAGE_FRAMING_WEBSOCKET : MESSAGE_FRAMING_LINES,
        .authority = rendezvous->uri.authority,
        .path = rendezvous->uri.path,
    };
    char text[ADDRESS_TEXT_SIZE];
    int descriptor;
    int status = tcp_socket_connect(&descriptor, address, NULL);
    if (status != 0) {
        snprintf(rendezvous->why, sizeof rendezvous->why, "%s: %s", address_format(address, text),
                 strerror(-status));
        return false;
    }
    SSL *ssl = rendezvous->secure == NULL ? NULL : secure_connect(rendezvous->secure);
    rendezvous->stream = message_stream_connect(shell_base(rendezvous->setup.shell), descriptor,
                                                ssl, &target, &setup);
    if (rendezvous->stream == NULL) {
        snprintf(rendezvous->why, sizeof rendezvous->why, "memory is out");
    }
    return rendezvous->stream != NULL;
}

static void try_next(struct rendezvous *rendezvous)
{
    while (rendezvous->next < rendezvous->found.count) {
        if (connect_to(rendezvous, &rendezvous->found.addresses[rendezvous->next++])) {
            return;
        }
    }
    rendezvous_client_disconnected(rendezvous->client, clock_now(), rendezvous->why);
    rendezvous_poke(rendezvous);
}

static void on_resolved(const struct resolver_result *result, void *context)
{
    struct rendezvous *rendezvous = context;
    rendezvous->found = *result;
    rendezvous->next = 0;
    snprintf(rendezvous->why, sizeof rendezvous->why, "%s %s", rendezvous->uri.host.name,
             result->problem);
    try_next(rendezvous);
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
    bool brackets = strchr(name, ':') != NULL;
    snprintf(rendezvous->authority, sizeof rendezvous->authority, "%s%s%s:%u", brackets ? "[" : "",
             name, brackets ? "]" : "", host->port);
    if (rendezvous->uri.secure) {
        rendezvous->secure =
            secure_new_stream(rendezvous->setup.options, name, true, TLS_ALPN_HTTP, failure);
    }
    return !rendezvous->uri.secure || rendezvous->secure != NULL;
}

static struct resolver *new_resolver(const struct rendezvous_setup *setup)
{
    struct stun_host dns;
    if (setup->options->dns == NULL || stun_host_parse(&dns, setup->options->dns) != NULL) {
        return resolver_new(shell_base(setup->shell), NULL);
    }
    dns.address.port = dns.port != 0 ? dns.port : 53;
    return resolver_new(shell_base(setup->shell), &dns.address);
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
    rendezvous->resolver = new_resolver(setup);
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
    if (rendezvous->next == 0) {
        return false;
    }
    *out = rendezvous->found.addresses[rendezvous->next - 1];
    return true;
}

bool rendezvous_is_insecure(const struct rendezvous *rendezvous)
{
    return rendezvous->insecure;
}
