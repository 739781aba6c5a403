/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/data_session.h"

#include "net/tls_context.h"
#include "stunclient/peer/dcep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whole words of SCTP in what a DTLS record leaves. */
#define SCTP_PACKET_MAX ((DATA_DATAGRAM_MAX - DTLS_PEER_OVERHEAD) & ~3)

/* ---- life ------------------------------------------------------------------------------------ */

const char *data_session_absent(void)
{
    return sctp_peer_absent();
}

static void send_datagram(void *context, const uint8_t *bytes, size_t size)
{
    struct data_session *session = context;

    session->datagrams_sent++;
    session->setup.send(session->setup.context, bytes, size);
}

struct data_session *data_session_new(const struct data_session_setup *setup)
{
    struct data_session *session =
        data_session_absent() == NULL ? calloc(1, sizeof *session) : NULL;

    if (session == NULL) {
        return NULL;
    }
    session->setup = *setup;
    session->handshake_end = MONOTIME_NEVER;
    session->dtls = dtls_peer_new(&(struct dtls_peer_setup){
        .server = setup->role == DATA_ROLE_SERVER,
        .identity = setup->identity,
        .send = send_datagram,
        .context = session,
        .rtt_us = setup->rtt_us,
        .datagram_max = DATA_DATAGRAM_MAX,
    });
    if (session->dtls == NULL) {
        data_session_free(session);
        return NULL;
    }
    return session;
}

void data_session_free(struct data_session *session)
{
    if (session != NULL) {
        sctp_peer_free(session->sctp);
        dtls_peer_free(session->dtls);
        data_channels_free(session);
        free(session);
    }
}

static void fail(struct data_session *session, const char *text)
{
    if (!session->failed && !session->over) {
        session->failed = true;
        snprintf(session->text, sizeof session->text, "%s", text);
    }
}

/* ---- what the peer's description says -------------------------------------------------------- */

static size_t read_fingerprints(struct fingerprint *out, const struct data_remote *remote)
{
    size_t count = 0;

    for (size_t i = 0; i < remote->fingerprint_count && i < DATA_FINGERPRINTS_MAX; i++) {
        const char *text = remote->fingerprints[i];
        count += fingerprint_parse(&out[count], text, strlen(text)) ? 1 : 0;
    }
    return count;
}

static uint32_t message_max(uint64_t said)
{
    return said == 0 || said > DATA_MESSAGE_MAX ? DATA_MESSAGE_MAX : (uint32_t)said;
}

static void advance(struct data_session *session);

int data_session_set_remote(struct data_session *session, struct monotime now,
                            const struct data_remote *remote)
{
    struct fingerprint fingerprints[DATA_FINGERPRINTS_MAX];
    size_t count = read_fingerprints(fingerprints, remote);

    session->now = now;
    if (session->message_max != 0) {
        return -EALREADY;
    }
    if (count == 0) {
        return -EINVAL;
    }
    session->message_max = message_max(remote->max_message_size);
    session->remote_port = remote->sctp_port != 0 ? remote->sctp_port : DATA_SCTP_PORT;
    dtls_peer_expect(session->dtls, fingerprints, count);
    advance(session);
    return 0;
}

/* ---- from DTLS to SCTP ----------------------------------------------------------------------- */

static void send_packet(void *context, const uint8_t *bytes, size_t size)
{
    struct data_session *session = context;

    (void)dtls_peer_write(session->dtls, bytes, size);
}

/* The peer is who it should be. */
static void associate(struct data_session *session)
{
    session->associating = true;
    session->tell_verified = true;
    session->handshake_end = MONOTIME_NEVER;
    session->sctp = sctp_peer_new(&(struct sctp_peer_setup){
        .local_port = DATA_SCTP_PORT,
        .remote_port = session->remote_port,
        .streams = DATA_STREAMS,
        .packet_max = SCTP_PACKET_MAX,
        .message_max = DATA_MESSAGE_MAX,
        .send_buffer = DATA_SEND_BUFFER,
        .receive_buffer = DATA_RECEIVE_BUFFER,
        .rtt_us = session->setup.rtt_us,
        .watched = {DCEP_PPID_STRING, DCEP_PPID_BINARY},
        .send = send_packet,
        .context = session,
    });
    if (session->sctp == NULL || sctp_peer_connect(session->sctp, session->now) != 0) {
        fail(session, "the SCTP association could not be begun: memory is out");
    }
}

static void read_packets(struct data_session *session)
{
    size_t size;

    while (session->sctp != NULL && (size = dtls_peer_read(session->dtls, session->packet)) > 0) {
        sctp_peer_input(session->sctp, session->now, session->packet, size);
    }
}

static void hang_up_when_acknowledged(struct data_session *session)
{
    if (session->hanging_up && !session->over && !session->shut_down &&
        (!session->ready || sctp_peer_drained(session->sctp))) {
        session->shut_down = true;
        if (session->sctp != NULL) {
            sctp_peer_abort(session->sctp, session->farewell);
        }
        dtls_peer_close(session->dtls);
    }
}

/* A SHUTDOWN ends what usrsctp has to say about streams. So before it the peer must have answered
 * that it knows of each channel that was closed here: who closes one says by it that all has been
 * taken. */
static void shut_down_when_closed(struct data_session *session)
{
    if (session->closing && !session->hanging_up && session->ready && !session->shutting &&
        !session->over && !data_channels_closing(session)) {
        session->shutting = true;
        data_channels_pump(session, session->now);
        sctp_peer_shutdown(session->sctp, session->now);
    }
}

/* Goes on as far as it goes without another datagram. */
static void advance(struct data_session *session)
{
    char text[TLS_TEXT_SIZE];

    switch (dtls_peer_status(session->dtls)) {
    case DTLS_PEER_UNKNOWN:
        session->handshake_end = MONOTIME_NEVER;
        break;
    case DTLS_PEER_OPEN:
        if (!session->associating && !session->over) {
            associate(session);
        }
        read_packets(session);
        if (session->pending && session->sctp != NULL) {
            data_channels_pump(session, session->now);
        }
        hang_up_when_acknowledged(session);
        shut_down_when_closed(session);
        break;
    case DTLS_PEER_FAILED:
        fail(session, dtls_peer_failure(session->dtls, text));
        break;
    default:
        break;
    }
}

void data_session_start(struct data_session *session, struct monotime now)
{
    session->now = now;
    if (!session->started && !session->over) {
        session->started = true;
        session->handshake_end = monotime_add_seconds(now, DATA_HANDSHAKE_SECONDS);
        dtls_peer_start(session->dtls);
        advance(session);
    }
}

void data_session_input(struct data_session *session, struct monotime now, const uint8_t *bytes,
                        size_t size)
{
    session->now = now;
    session->datagrams_received++;
    if (!session->over) {
        dtls_peer_input(session->dtls, bytes, size);
        advance(session);
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

/*
 * For how many seconds the peer may still be silent, since only goodbyes are left; 0: for as long
 * as it likes. Who has closed repeats that until the peer answers, which may need it. Who has
 * heard so, and answered, is waited for by nobody but the peer that did not get the answer.
 */
static unsigned linger_seconds(const struct data_session *session)
{
    if (!session->ready || session->held || session->hanging_up || session->shut_down ||
        !sctp_peer_drained(session->sctp)) {
        return 0;
    }
    return sctp_peer_hears_shutdown(session->sctp) ? DATA_ANSWER_SECONDS
           : session->closing                      ? DATA_LINGER_SECONDS
                                                   : 0;
}

static void stop_lingering(struct data_session *session)
{
    session->shut_down = true;
    dtls_peer_close(session->dtls);
}

/* Goodbyes may be lost for ever: then the peer has gone, and knows all that we know. */
static void linger(struct data_session *session)
{
    unsigned seconds = linger_seconds(session);

    if (seconds != session->lingering) {
        session->lingering = seconds;
        session->linger_from = session->now;
    } else if (seconds > 0 && monotime_reached(session->now, monotime_add_seconds(
                                                                 session->linger_from, seconds))) {
        stop_lingering(session);
    }
}

void data_session_peer_left(struct data_session *session, struct monotime now)
{
    session->now = now;
    if (!session->over && linger_seconds(session) > 0 &&
        (session->shutting || sctp_peer_hears_shutdown(session->sctp))) {
        stop_lingering(session);
    }
}

void data_session_tick(struct data_session *session, struct monotime now)
{
    session->now = now;
    if (session->over) {
        return;
    }
    dtls_peer_tick(session->dtls);
    if (session->sctp != NULL) {
        sctp_peer_tick(session->sctp, now);
    }
    if (monotime_reached(now, session->handshake_end)) {
        session->handshake_end = MONOTIME_NEVER;
        fail(session, "the peer does not answer in DTLS");
    }
    advance(session);
    linger(session);
}

struct monotime data_session_due(struct data_session *session)
{
    struct monotime due = session->handshake_end;

    if (session->over) {
        return MONOTIME_NEVER;
    }
    int64_t dtls_us = dtls_peer_due_us(session->dtls);
    if (dtls_us >= 0) {
        due = monotime_earlier(due, monotime_add_us(session->now, dtls_us));
    }
    return session->sctp != NULL ? monotime_earlier(due, sctp_peer_due(session->sctp)) : due;
}

/* ---- the end --------------------------------------------------------------------------------- */

void data_session_close(struct data_session *session, struct monotime now)
{
    session->now = now;
    if (session->closing || session->over) {
        return;
    }
    session->closing = true;
    if (session->ready) {
        sctp_peer_hurry(session->sctp);
        shut_down_when_closed(session);
    } else if (!session->associating) {
        dtls_peer_close(session->dtls);
        session->shut_down = true;
    }
}

void data_session_abort(struct data_session *session, struct monotime now, const char *reason)
{
    session->now = now;
    if (session->sctp != NULL) {
        sctp_peer_abort(session->sctp, reason);
    }
    dtls_peer_close(session->dtls);
    session->over = true;
}

void data_session_hang_up(struct data_session *session, struct monotime now, const char *reason)
{
    session->now = now;
    if (session->closing || session->over) {
        return;
    }
    session->closing = session->hanging_up = true;
    snprintf(session->farewell, sizeof session->farewell, "%s", reason);
    hang_up_when_acknowledged(session);
}

void data_session_hold(struct data_session *session, bool held)
{
    session->held = held;
}

/* ---- events ---------------------------------------------------------------------------------- */

/* Takes an event of SCTP. Returns whether there is one for the user. */
static bool take(struct data_session *session, const struct sctp_peer_event *in,
                 struct data_event *out)
{
    bool told;

    switch (in->type) {
    case SCTP_PEER_UP:
        session->ready = true;
        shut_down_when_closed(session);
        out->type = DATA_EVENT_READY;
        return true;
    case SCTP_PEER_WRITABLE:
        out->type = DATA_EVENT_WRITABLE;
        return true;
    case SCTP_PEER_ACKNOWLEDGED:
        out->type = DATA_EVENT_ACKNOWLEDGED;
        return true;
    case SCTP_PEER_SHUT_DOWN:
        dtls_peer_close(session->dtls);
        session->shut_down = true;
        return false;
    case SCTP_PEER_LOST:
        dtls_peer_close(session->dtls);
        /* Browsers never shut SCTP down, they abort: when nothing is left to do, that is in order.
         */
        if (in->by_peer && !data_channels_any(session) && sctp_peer_drained(session->sctp)) {
            session->shut_down = true;
            snprintf(session->text, sizeof session->text, "%s", in->text);
        } else {
            fail(session, in->text);
        }
        return false;
    default:
        told = data_channels_event(session, in, out);
        shut_down_when_closed(session);
        return told;
    }
}

static bool take_next(struct data_session *session, struct data_event *out)
{
    struct sctp_peer_event in;

    while (session->sctp != NULL && (session->held ? sctp_peer_event_unread(session->sctp, &in)
                                                   : sctp_peer_event(session->sctp, &in))) {
        if (take(session, &in, out)) {
            return true;
        }
    }
    return false;
}

/* The peer has closed DTLS: what SCTP had to say before may be lost. */
static void check_hung_up(struct data_session *session)
{
    if (!sctp_peer_drained(session->sctp)) {
        fail(session, "the peer has closed before it had acknowledged all that was sent");
    } else if (data_channels_any(session) && !sctp_peer_hears_shutdown(session->sctp)) {
        fail(session, "the peer has hung up without closing the data channel");
    }
}

/* The last event, once: the session is over. */
static bool end(struct data_session *session, struct data_event *out)
{
    bool hung_up = dtls_peer_status(session->dtls) == DTLS_PEER_CLOSED && !session->held;

    if (hung_up && !session->shut_down && session->sctp != NULL) {
        check_hung_up(session);
    }
    if (session->failed) {
        *out = (struct data_event){.type = DATA_EVENT_FAILED, .text = session->text};
    } else if (session->shut_down || hung_up) {
        *out = (struct data_event){.type = DATA_EVENT_CLOSED, .text = session->text};
    } else {
        return false;
    }
    session->over = true;
    return true;
}

static bool take_deferred(struct data_session *session, struct data_event *out)
{
    if (session->tell_verified) {
        session->tell_verified = false;
        out->type = DATA_EVENT_VERIFIED;
        return true;
    }
    if (session->deferred) {
        session->deferred = false;
        *out = session->next_event;
        return true;
    }
    if (session->finished && data_channels_finished(session, out)) {
        return true;
    }
    if (session->blocked && session->sctp != NULL) {
        session->blocked = false;
        out->type = DATA_EVENT_WRITABLE;
        return true;
    }
    return false;
}

bool data_session_event(struct data_session *session, struct data_event *event)
{
    *event = (struct data_event){0};
    return !session->over &&
           (take_deferred(session, event) || take_next(session, event) || end(session, event));
}

void data_session_figures(const struct data_session *session, struct data_figures *out)
{
    struct sctp_peer_figures figures = {0};

    if (session->sctp != NULL) {
        sctp_peer_figures(session->sctp, &figures);
    }
    *out = (struct data_figures){
        .rtt_us = figures.rtt_us,
        .congestion_window = figures.congestion_window,
        .datagrams_sent = session->datagrams_sent,
        .datagrams_received = session->datagrams_received,
        .dropped = session->dropped,
    };
}
