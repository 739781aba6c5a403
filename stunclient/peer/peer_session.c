/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/clock.h"
#include "stunclient/peer/peer_internal.h"

#include <string.h>

static void on_channels_ended(void *context, enum channels_end end, const char *problem)
{
    struct peer *peer = context;
    if (peer->closing) {
        return;
    }
    if (end == CHANNELS_END_BROKEN) {
        peer_abort(peer, EXIT_DEGRADED, problem, "");
        return;
    }
    peer->cut = end == CHANNELS_END_CUT;
    peer->done = end == CHANNELS_END_DONE;
    peer->closing = true;
    data_session_close(peer->session, clock_now());
}

/* The session has ended in order. */
static void on_session_closed(struct peer *peer, const char *text)
{
    struct failure *failure = &peer->setup.report->failure;
    if (peer_forwards_alone(peer) && !peer->closing) {
        peer_fail(peer, EXIT_DEGRADED,
                  text[0] != '\0' ? text : "the peer has ended the call, so nothing is forwarded");
    }
    peer->closing = true;
    channels_closed(peer->channels);
    if (failure->status == EXIT_OK && peer->cut && !channels_input_ended(peer->channels) &&
        !peer_forwards_alone(peer)) {
        failure_set(failure, EXIT_DEGRADED,
                    "%s ended the call before our input had ended; some of it may be lost",
                    peer_name(peer));
    }
    peer_finish(peer);
}

/* From the session to the network. Bytes are lent, so they are copied; ICE frames them in place. */
static void send_datagram(void *context, const uint8_t *bytes, size_t size)
{
    struct peer *peer = context;
    struct outbox *outbox = shell_outbox(peer->setup.shell);
    if (size + ICE_HEADROOM + ICE_TAILROOM > OUTBOX_RESERVE_MAX) {
        return;
    }
    uint8_t *room = outbox_reserve(outbox, (uint32_t)(ICE_HEADROOM + size + ICE_TAILROOM));
    struct packet packet = {.bytes = room + ICE_HEADROOM,
                            .size = (uint32_t)size,
                            .headroom = ICE_HEADROOM,
                            .tailroom = ICE_TAILROOM};
    memcpy(packet.bytes, bytes, size);
    (void)ice_send(peer->agent, clock_now(), &packet, outbox);
}

bool peer_make_session(struct peer *peer, enum data_role role)
{
    struct ice_pair_report pair;
    bool measured = ice_selected(peer->agent, &pair) && pair.rtt_us > 0;
    const struct data_session_setup setup = {
        .role = role,
        .identity = peer->setup.identity,
        .send = send_datagram,
        .context = peer,
        .rtt_us = measured ? (uint32_t)pair.rtt_us : 0,
    };
    data_session_free(peer->session);
    peer->session = data_session_new(&setup);
    if (peer->session != NULL && peer->has_path) {
        data_session_start(peer->session, clock_now());
    }
    return peer->session != NULL;
}

static void on_first_data(void *context)
{
    struct peer *peer = context;
    struct report *report = peer->setup.report;
    report->first_data_us = peer_since_began_us(peer);
    trace_say(peer->setup.trace, clock_now(), "data", "first data, %.1f ms after the call",
              (double)report->first_data_us / 1000);
}

void peer_tell(void *context, const char *text)
{
    struct peer *peer = context;
    if (peer->setup.spare) {
        return;
    }
    trace_say(peer->setup.trace, clock_now(), "note", "%s", text);
}

static void complain(void *context, const char *text)
{
    struct peer *peer = context;
    if (peer->setup.trace->on) {
        peer_tell(peer, text);
    } else {
        output_tell(peer->setup.trace->output, 0, "stunclient: %s", text);
    }
}

static void settle_shell(void *context)
{
    struct peer *peer = context;
    peer_settle(peer);
    shell_settle(peer->setup.shell);
}

static bool take_pipe(void *context)
{
    struct peer *peer = context;
    return peer->setup.user.take_pipe(peer->setup.user.context);
}

bool peer_make_channels(struct peer *peer)
{
    const struct channels_setup setup = {
        .base = shell_base(peer->setup.shell),
        .options = peer->setup.options,
        .session = peer->session,
        .caller = peer->setup.caller,
        .message_max = peer->remote.max_message_size,
        .user = {.context = peer,
                 .ended = on_channels_ended,
                 .first_data = on_first_data,
                 .tell = peer_tell,
                 .complain = complain,
                 .settle = settle_shell,
                 .take_pipe = take_pipe},
    };
    struct failure failure;
    peer->channels = channels_new(&setup, &failure);
    if (peer->channels == NULL) {
        peer_abort(peer, failure.status, failure.text, failure.advice);
    }
    return peer->channels != NULL;
}

static void on_session_ready(struct peer *peer)
{
    struct report *report = peer->setup.report;
    report->ready_us = peer_since_began_us(peer);
    peer->ready = true;
    trace_say(peer->setup.trace, clock_now(), "ready", "the data channel stands");
    peer->setup.user.ready(peer->setup.user.context);
}

static void on_session_failed(struct peer *peer, const char *text)
{
    enum exit_status status = peer->ready ? EXIT_DEGRADED : EXIT_NO_CONNECTION;
    if (!peer->done) { /* else both had said that all is written: only goodbyes were lost */
        peer_fail(peer, status, text);
    }
    peer_finish(peer);
}

static void handle_data_event(struct peer *peer, const struct data_event *event)
{
    switch (event->type) {
    case DATA_EVENT_VERIFIED:
        peer->setup.report->secured_us = peer_since_began_us(peer);
        trace_say(peer->setup.trace, clock_now(), "secured",
                  "DTLS stands, with the certificate that %s's description names", peer_name(peer));
        break;
    case DATA_EVENT_READY:
        on_session_ready(peer);
        channels_event(peer->channels, event);
        break;
    case DATA_EVENT_CLOSED:
        on_session_closed(peer, event->text);
        break;
    case DATA_EVENT_FAILED:
        on_session_failed(peer, event->text);
        break;
    default:
        channels_event(peer->channels, event);
        break;
    }
}

/* Whether there was something. */
bool peer_take_session_events(struct peer *peer)
{
    struct data_event event;
    bool some = false;
    while (!peer->over && peer->session != NULL && peer->channels != NULL &&
           data_session_event(peer->session, &event)) {
        some = true;
        handle_data_event(peer, &event);
    }
    return some;
}

void peer_take_data(struct peer *peer, struct monotime now, const struct packet *data)
{
    peer->silent = false;
    if (peer->has_path && peer->session != NULL) {
        data_session_input(peer->session, now, data->bytes, data->size);
    } else if (peer->early_count < EARLY_MAX && data->size <= EARLY_SIZE) {
        struct early_datagram *early = &peer->early[peer->early_count++];
        early->size = data->size;
        memcpy(early->bytes, data->bytes, data->size);
    }
}

/* Once there are a path and a session. */
void peer_take_early(struct peer *peer)
{
    for (size_t i = 0; i < peer->early_count; i++) {
        data_session_input(peer->session, clock_now(), peer->early[i].bytes, peer->early[i].size);
    }
    peer->early_count = 0;
}
