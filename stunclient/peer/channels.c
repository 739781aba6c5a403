/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/channels.h"

#include "base/address.h"
#include "base/text.h"
#include "net/clock.h"
#include "net/tcp_race.h"
#include "net/tcp_socket.h"
#include "stunclient/locate.h"
#include "stunclient/peer/joint.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define EARLY_MAX (256 * 1024) /* what may come before a forward's target is connected to */
#define RESOLVE_MS 5000
#define CONNECT_MS 10000

struct channel {
    struct channels *channels;
    bool in_use;
    bool is_pipe;
    bool tells_end; /* the peer has opened it as a stunclient: its input ends by a message */
    bool closing;   /* data_channel_close was called */
    bool closed;    /* by both sides: the peer has written all that we sent */
    uint16_t id;
    struct joint *joint;
    /* A forward at the listening side, until it is connected. */
    struct resolver *resolver;
    struct stun_host target;
    char target_text[256]; /* printable */
    struct tcp_race *race; /* connecting */
    struct evbuffer *early;
    bool early_over;
};

struct channels {
    struct channels_setup setup;
    struct channel channels[CHANNELS_MAX];
    struct event *listeners[CALL_FORWARDS_MAX];
    struct channel *pipe; /* standard input and output; NULL: not joined (yet) */
    bool held, first_done, ended;
    bool pipe_input_ended;
    uint64_t sent, received; /* of channels that are over */
};

static void tell(struct channels *channels, const char *format, const char *what)
{
    char text[512];
    char printable[300];
    text_copy_printable(printable, sizeof printable, what, strlen(what));
    snprintf(text, sizeof text, "%s%s", format, printable);
    channels->setup.user.tell(channels->setup.user.context, text);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static struct channel *find(struct channels *channels, uint16_t id)
{
    for (size_t i = 0; i < CHANNELS_MAX; i++) {
        if (channels->channels[i].in_use && channels->channels[i].id == id) {
            return &channels->channels[i];
        }
    }
    return NULL;
}

static struct channel *add(struct channels *channels)
{
    for (size_t i = 0; i < CHANNELS_MAX; i++) {
        if (!channels->channels[i].in_use) {
            channels->channels[i] = (struct channel){.channels = channels, .in_use = true};
            return &channels->channels[i];
        }
    }
    return NULL;
}

static void free_row(struct channel *channel)
{
    struct channels *channels = channel->channels;
    if (channel->joint != NULL) {
        channels->sent += joint_bytes_sent(channel->joint);
        channels->received += joint_bytes_received(channel->joint);
        joint_free(channel->joint);
    }
    resolver_free(channel->resolver);
    tcp_race_free(channel->race);
    if (channel->early != NULL) {
        evbuffer_free(channel->early);
    }
    if (channels->pipe == channel) {
        channels->pipe = NULL;
    }
    *channel = (struct channel){0};
}

static void update_hold(struct channels *channels)
{
    bool held = false;
    for (size_t i = 0; i < CHANNELS_MAX && !held; i++) {
        const struct channel *channel = &channels->channels[i];
        held = channel->in_use &&
               ((channel->joint != NULL && joint_holds(channel->joint)) ||
                (channel->early != NULL && evbuffer_get_length(channel->early) > EARLY_MAX));
    }
    if (held != channels->held) {
        channels->held = held;
        data_session_hold(channels->setup.session, held);
    }
}

static void close_channel(struct channel *channel)
{
    if (!channel->closing) {
        channel->closing = true;
        data_channel_close(channel->channels->setup.session, clock_now(), channel->id);
    }
}

/* ---- joints ---------------------------------------------------------------------------------- */

static void note_first_data(struct channels *channels)
{
    if (!channels->first_done) {
        channels->first_done = true;
        channels->setup.user.first_data(channels->setup.user.context);
    }
}

static int joint_send(void *context, const void *bytes, size_t size)
{
    struct channel *channel = context;
    return data_channel_send(channel->channels->setup.session, clock_now(), channel->id,
                             DATA_BINARY, bytes, size);
}

static void joint_hold(void *context, bool held)
{
    struct channel *channel = context;
    (void)held;
    update_hold(channel->channels);
}

static void end(struct channels *channels, enum channels_end how, const char *problem)
{
    if (!channels->ended) {
        channels->ended = true;
        channels->setup.user.ended(channels->setup.user.context, how, problem);
    }
}

/* The channel of standard input and output is closed by both sides. */
static void conclude_pipe(struct channel *channel)
{
    struct channels *channels = channel->channels;
    bool input_ended = joint_input_ended(channel->joint);
    channels->pipe_input_ended = input_ended;
    if (joint_is_cut(channel->joint) && channels->setup.options->call.connect != NULL) {
        end(channels, CHANNELS_END_BROKEN,
            "the peer did not connect us there, or that connection broke: its --allow must name "
            "it");
    } else if (joint_is_cut(channel->joint) && channel->tells_end) {
        end(channels, CHANNELS_END_BROKEN,
            "the peer ended the call before its input had ended: what came is cut short");
    } else {
        end(channels, input_ended ? CHANNELS_END_DONE : CHANNELS_END_CUT, "");
    }
}

/*
 * Each side closes the channel when it has sent its end and written that of the other. So the
 * peer's closing says that all of ours has been written, which SCTP's acknowledgements do not.
 */
static void joint_ended(void *context, enum joint_end how)
{
    struct channel *channel = context;
    if (channel->is_pipe && how == JOINT_END_BROKEN) {
        end(channel->channels, CHANNELS_END_BROKEN, joint_problem(channel->joint));
    } else if (channel->is_pipe && channel->closed) {
        conclude_pipe(channel);
    } else {
        close_channel(channel);
    }
}

static void joint_settle(void *context)
{
    struct channel *channel = context;
    channel->channels->setup.user.settle(channel->channels->setup.user.context);
}

static bool join(struct channel *channel, int in, int out, bool is_socket)
{
    const struct joint_setup setup = {
        .base = channel->channels->setup.base,
        .in = in,
        .out = out,
        .is_socket = is_socket,
        .keeps_output = channel->channels->setup.options->call.keep,
        .message_max = channel->channels->setup.message_max,
        .send = joint_send,
        .hold = joint_hold,
        .ended = joint_ended,
        .settle = joint_settle,
        .context = channel,
    };
    channel->joint = joint_new(&setup);
    return channel->joint != NULL;
}

static bool join_pipe(struct channel *channel)
{
    channel->is_pipe = true;
    channel->channels->pipe = channel;
    return join(channel, STDIN_FILENO, STDOUT_FILENO, false);
}

/* ---- connections to forward, at the side that listens for them ---------------------------------
 */

static bool open_channel(struct channel *channel, const char *label, const char *protocol)
{
    const struct data_channel_open open = {.label = label, .protocol = protocol};
    return data_channel_open(channel->channels->setup.session, clock_now(), &open, &channel->id) ==
           0;
}

static void on_connection(evutil_socket_t descriptor, short what, void *context)
{
    struct channels *channels = context;
    const struct options *options = channels->setup.options;
    struct stun_address remote;
    struct stun_address local;
    const char *target = NULL;
    int accepted;
    (void)what;
    if (tcp_socket_accept(descriptor, &accepted, &remote, &local) != 0) {
        return;
    }
    for (unsigned i = 0; i < options->call.forward_count; i++) {
        if (options->call.forwards[i].port == local.port) {
            target = options->call.forwards[i].target;
        }
    }
    struct channel *channel = target == NULL ? NULL : add(channels);
    if (channel == NULL || !open_channel(channel, target, CHANNEL_FORWARD)) {
        close(accepted);
        if (channel != NULL) {
            free_row(channel);
        }
        return;
    }
    tell(channels, "a connection is forwarded to ", target);
    if (!join(channel, accepted, accepted, true)) {
        close(accepted);
        close_channel(channel);
    }
    channels->setup.user.settle(channels->setup.user.context);
}

static bool listen_for_forwards(struct channels *channels, struct failure *failure)
{
    const struct call_options *call = &channels->setup.options->call;
    for (unsigned i = 0; i < call->forward_count; i++) {
        struct stun_address address = {
            .family = STUN_FAMILY_IPV4, .port = call->forwards[i].port, .ip = {127, 0, 0, 1}};
        int descriptor;
        int status = tcp_socket_listen(&descriptor, &address, false);
        if (status != 0) {
            failure_set(failure, EXIT_USAGE, "127.0.0.1:%u cannot be listened to: %s", address.port,
                        strerror(-status));
            failure_advise(failure, "Name another port in --forward.");
            return false;
        }
        channels->listeners[i] = event_new(channels->setup.base, descriptor, EV_READ | EV_PERSIST,
                                           on_connection, channels);
        if (channels->listeners[i] == NULL) {
            close(descriptor);
            failure_set(failure, EXIT_NO_CONNECTION, "memory is out");
            return false;
        }
        event_add(channels->listeners[i], NULL);
    }
    return true;
}

/* ---- connections to forward, at the side that makes them ---------------------------------------
 */

static bool is_allowed(const struct call_options *call, const char *target)
{
    for (unsigned i = 0; i < call->allowed_count; i++) {
        if (strcasecmp(call->allowed[i], target) == 0) {
            return true;
        }
    }
    return false;
}

static void fail_forward(struct channel *channel, const char *why)
{
    struct channels *channels = channel->channels;
    char text[512];
    snprintf(text, sizeof text, "the connection to %s that the peer asked for was not made: %s",
             channel->target_text, why);
    channels->setup.user.complain(channels->setup.user.context, text);
    close_channel(channel);
}

static void give_early(struct channel *channel)
{
    struct evbuffer *early = channel->early;
    size_t size = evbuffer_get_length(early);
    channel->early = NULL;
    if (size > 0) {
        joint_message(channel->joint, evbuffer_pullup(early, -1), size);
    }
    if (channel->early_over) {
        joint_message(channel->joint, "", 0);
    }
    evbuffer_free(early);
    update_hold(channel->channels);
}

static void on_connected(void *context, int descriptor, const struct stun_address *address)
{
    struct channel *channel = context;
    (void)address;
    tcp_race_free(channel->race);
    channel->race = NULL;
    if (join(channel, descriptor, descriptor, true)) {
        give_early(channel);
    } else {
        close(descriptor);
        fail_forward(channel, "memory is out");
    }
    channel->channels->setup.user.settle(channel->channels->setup.user.context);
}

static void on_not_connected(void *context, const char *problem)
{
    struct channel *channel = context;
    fail_forward(channel, problem); /* it is lent by the race */
    tcp_race_free(channel->race);
    channel->race = NULL;
    channel->channels->setup.user.settle(channel->channels->setup.user.context);
}

static void connect_to(struct channel *channel, const struct stun_address *addresses, size_t count)
{
    const struct tcp_race_user user = {on_connected, on_not_connected, channel};
    channel->race =
        tcp_race_new(channel->channels->setup.base, addresses, count, CONNECT_MS, &user);
    if (channel->race == NULL) {
        fail_forward(channel, "memory is out");
    }
}

static void on_resolved(const struct resolver_result *result, void *context)
{
    struct channel *channel = context;
    if (result->count == 0) {
        fail_forward(channel, result->problem);
    } else {
        connect_to(channel, result->addresses, result->count);
    }
    channel->channels->setup.user.settle(channel->channels->setup.user.context);
}

/* The peer opens a channel for a connection to `label`. */
static void make_forward(struct channel *channel, const char *label)
{
    struct channels *channels = channel->channels;
    text_copy_printable(channel->target_text, sizeof channel->target_text, label, strlen(label));
    if (!is_allowed(&channels->setup.options->call, label) ||
        stun_host_parse(&channel->target, label) != NULL) {
        fail_forward(channel, "--allow does not name it");
        return;
    }
    tell(channels, "the peer asks for a connection to ", label);
    channel->early = evbuffer_new();
    if (channel->early == NULL) {
        fail_forward(channel, "memory is out");
        return;
    }
    if (channel->target.is_ip) {
        channel->target.address.port = channel->target.port;
        connect_to(channel, &channel->target.address, 1);
        return;
    }
    const struct resolver_request request = {
        .host = channel->target.name, .port = channel->target.port, .timeout_ms = RESOLVE_MS};
    channel->resolver = locate_resolver(channels->setup.base, channels->setup.options);
    if (channel->resolver == NULL ||
        resolver_start(channel->resolver, &request, on_resolved, channel) != 0) {
        fail_forward(channel, "memory is out");
    }
}

/* ---- events of the session ---------------------------------------------------------------------
 */

/* A stunclient would take a channel that is only closed for the end of a call in order. */
static void take_pipe(struct channel *channel)
{
    struct channels *channels = channel->channels;
    if (channels->setup.user.take_pipe(channels->setup.user.context)) {
        join_pipe(channel);
    } else if (channel->tells_end) {
        end(channels, CHANNELS_END_BROKEN,
            "standard input and output are joined with another call");
    } else {
        close_channel(channel);
    }
}

static void on_opened(struct channels *channels, const struct data_event *event)
{
    if (!event->by_peer) {
        return;
    }
    struct channel *channel = add(channels);
    if (channel == NULL) {
        data_channel_close(channels->setup.session, clock_now(), event->id);
        return;
    }
    channel->id = event->id;
    if (strcmp(event->protocol, CHANNEL_FORWARD) == 0) {
        char label[DATA_NAME_MAX + 1];
        snprintf(label, sizeof label, "%s", event->label);
        make_forward(channel, label);
    } else if (channels->setup.caller || channels->pipe != NULL || channels->ended) {
        tell(channels, "one channel too many was closed: ", event->label);
        close_channel(channel);
    } else {
        channel->tells_end = strcmp(event->protocol, CHANNEL_PIPE) == 0;
        tell(channels, "the peer has opened the channel ", event->label);
        take_pipe(channel);
    }
}

static void on_message(struct channels *channels, const struct data_event *event)
{
    struct channel *channel = find(channels, event->id);
    if (event->size > 0) {
        note_first_data(channels);
    }
    if (channel == NULL || channel->closing) {
        return;
    }
    if (channel->joint != NULL) {
        joint_message(channel->joint, event->bytes, event->size);
    } else if (channel->early != NULL) {
        channel->early_over = channel->early_over || event->size == 0;
        evbuffer_add(channel->early, event->bytes, event->size);
        update_hold(channels);
    }
}

static void on_writable(struct channels *channels)
{
    for (size_t i = 0; i < CHANNELS_MAX; i++) {
        if (channels->channels[i].in_use && channels->channels[i].joint != NULL) {
            joint_writable(channels->channels[i].joint);
        }
    }
}

static void on_channel_closed(struct channels *channels, uint16_t id)
{
    struct channel *channel = find(channels, id);
    if (channel == NULL) {
        return;
    }
    channel->closing = channel->closed = true;
    if (channel->joint != NULL) {
        joint_channel_closed(channel->joint);
    }
    if (!channel->is_pipe) {
        free_row(channel); /* what the socket did not take is lost with it */
        update_hold(channels);
    } else if (joint_has_ended(channel->joint)) {
        conclude_pipe(channel);
    }
}

void channels_event(struct channels *channels, const struct data_event *event)
{
    switch (event->type) {
    case DATA_EVENT_OPENED:
        on_opened(channels, event);
        break;
    case DATA_EVENT_MESSAGE:
        on_message(channels, event);
        break;
    case DATA_EVENT_READY:
    case DATA_EVENT_WRITABLE:
        on_writable(channels);
        break;
    case DATA_EVENT_ACKNOWLEDGED:
        note_first_data(channels);
        break;
    case DATA_EVENT_CHANNEL_CLOSED:
        on_channel_closed(channels, event->id);
        break;
    default:
        break;
    }
}

void channels_closed(struct channels *channels)
{
    if (channels->pipe != NULL) {
        channels->pipe->closed = true;
        joint_channel_closed(channels->pipe->joint);
    } else { /* where only connections are forwarded, no input of ours waited for a channel */
        bool forwards = channels->setup.options->call.allowed_count > 0;
        end(channels, forwards ? CHANNELS_END_DONE : CHANNELS_END_CUT, "");
    }
}

/* ---- life --------------------------------------------------------------------------------------
 */

/* What a caller opens: the channel of standard input and output, its target if there is one. */
static bool open_pipe(struct channels *channels)
{
    const char *target = channels->setup.options->call.connect;
    struct channel *channel = add(channels);
    return open_channel(channel, target != NULL ? target : "stdio",
                        target != NULL ? CHANNEL_FORWARD : CHANNEL_PIPE) &&
           join_pipe(channel);
}

struct channels *channels_new(const struct channels_setup *setup, struct failure *failure)
{
    struct channels *channels = calloc(1, sizeof *channels);
    if (channels == NULL) {
        failure_set(failure, EXIT_NO_CONNECTION, "memory is out");
        return NULL;
    }
    channels->setup = *setup;
    bool ok = true;
    if (setup->caller && setup->options->call.forward_count > 0) {
        ok = listen_for_forwards(channels, failure);
    } else if (setup->caller) {
        ok = open_pipe(channels);
        if (!ok) {
            failure_set(failure, EXIT_NO_CONNECTION, "no data channel can be opened");
        }
    }
    if (!ok) {
        channels_free(channels);
        return NULL;
    }
    return channels;
}

void channels_free(struct channels *channels)
{
    if (channels == NULL) {
        return;
    }
    for (size_t i = 0; i < CHANNELS_MAX; i++) {
        if (channels->channels[i].in_use) {
            free_row(&channels->channels[i]);
        }
    }
    for (size_t i = 0; i < CALL_FORWARDS_MAX; i++) {
        if (channels->listeners[i] != NULL) {
            close(event_get_fd(channels->listeners[i]));
            event_free(channels->listeners[i]);
        }
    }
    free(channels);
}

bool channels_input_ended(const struct channels *channels)
{
    return channels->pipe_input_ended ||
           (channels->pipe != NULL && joint_input_ended(channels->pipe->joint));
}

void channels_bytes(const struct channels *channels, uint64_t *sent, uint64_t *received)
{
    *sent = channels->sent;
    *received = channels->received;
    for (size_t i = 0; i < CHANNELS_MAX; i++) {
        const struct channel *channel = &channels->channels[i];
        if (channel->in_use && channel->joint != NULL) {
            *sent += joint_bytes_sent(channel->joint);
            *received += joint_bytes_received(channel->joint);
        }
    }
}
