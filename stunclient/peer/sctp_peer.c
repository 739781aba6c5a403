/* SPDX-License-Identifier: BSD-3-Clause */
/* The association: what is sent and received in it, its end, and when to ask usrsctp again. */
#include "stunclient/peer/sctp_packet.h"
#include "stunclient/peer/sctp_peer_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* usrsctp says nothing about when its next timer is due: it is asked this often while it may have
 * something to do, and this often while nothing is under way. */
#define BUSY_TICK_MS 10
#define IDLE_TICK_MS 1000
/* After a packet or a message, for so long there may be an acknowledgement to send. */
#define BUSY_US (500 * MONOTIME_MILLISECOND)

/* For so long a peer that owes an answer may say nothing: see ERRORS_MAX. */
#define SILENCE_MAX_SECONDS 60
/* What a message takes beside its bytes while it waits. */
#define MESSAGE_OVERHEAD 512

/* usrsctp 0.9.5 handles a SACK without gaps in a short way, which forgets to restart the timer of
 * retransmissions: in a steady flow it fires again and again although nothing is lost, and the
 * window collapses. With messages that may be abandoned, even if after four thousand million
 * attempts, it takes the long way, which is right. */
#define NEVER_ABANDONED UINT32_MAX

/* See mend_round_trip. A round trip of satellites is not doubted for long. */
#define PROBES_MAX 200
#define RTT_UNKNOWN_MAX_US 500000
#define RTT_ERROR_MAX_US 250000
/* A quarter of the shorter limit of the backoff. */
#define RTT_SHORT_MS 250

/* ---- what goes out --------------------------------------------------------------------------- */

static void watch(struct sctp_peer *peer, const struct sctp_packet_data *data)
{
    const uint32_t *watched = peer->setup.watched;

    if (peer->watch == WATCH_NOTHING && (data->ppid == watched[0] || data->ppid == watched[1])) {
        peer->watch = WATCH_SENT;
        peer->watched_tsn = data->tsn;
    }
}

/* usrsctp does not say how much waits; its packets do. */
static void note_sent(struct sctp_peer *peer, const uint8_t *packet, size_t size)
{
    struct sctp_packet_data data;
    size_t place = 0;

    while (sctp_packet_next_data(packet, size, &place, &data)) {
        uint64_t sent = data.size + (data.last ? MESSAGE_OVERHEAD : 0);
        if (peer->sending && (int32_t)(data.tsn - peer->highest_tsn) <= 0) {
            continue; /* again */
        }
        peer->sending = true;
        peer->highest_tsn = data.tsn;
        watch(peer, &data);
        peer->waiting -= sent < peer->waiting ? sent : peer->waiting;
    }
}

void sctp_peer_output(struct sctp_peer *peer, const uint8_t *packet, size_t size)
{
    note_sent(peer, packet, size);
    peer->owes_sack = peer->owes_sack && !sctp_packet_has_sack(packet, size);
    peer->setup.send(peer->setup.context, packet, size);
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct sockaddr_conn address_of(const struct sctp_peer *peer, uint16_t port)
{
    return (struct sockaddr_conn){
        .sconn_family = AF_CONN, .sconn_port = htons(port), .sconn_addr = peer->token};
}

static bool bind_port(struct sctp_peer *peer)
{
    struct sockaddr_conn local = address_of(peer, peer->setup.local_port);

    return usrsctp_bind(peer->socket, (struct sockaddr *)&local, sizeof local) == 0;
}

const char *sctp_peer_absent(void)
{
    return NULL;
}

struct sctp_peer *sctp_peer_new(const struct sctp_peer_setup *setup)
{
    struct sctp_peer *peer = calloc(1, sizeof *peer);

    if (peer == NULL) {
        return NULL;
    }
    peer->setup = *setup;
    peer->probes = PROBES_MAX;
    sctp_stack_enter(peer);
    peer->read = malloc(setup->message_max + (size_t)NOTICE_MAX);
    /* With an `ulp_info` or a callback, usrsctp would hand out data before it is asked. */
    peer->socket = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
    if (peer->read == NULL || peer->socket == NULL || !sctp_set_options(peer) || !bind_port(peer)) {
        sctp_peer_free(peer);
        return NULL;
    }
    return peer;
}

void sctp_peer_free(struct sctp_peer *peer)
{
    if (peer == NULL) {
        return;
    }
    sctp_stack_leave(peer); /* first: the ABORT that closing sends then goes nowhere */
    if (peer->socket != NULL) {
        usrsctp_close(peer->socket);
    }
    free(peer->read);
    free(peer);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void touch(struct sctp_peer *peer, struct monotime now)
{
    sctp_stack_advance(now);
    peer->touched = now;
}

int sctp_peer_connect(struct sctp_peer *peer, struct monotime now)
{
    struct sockaddr_conn remote = address_of(peer, peer->setup.remote_port);

    touch(peer, now);
    if (usrsctp_connect(peer->socket, (struct sockaddr *)&remote, sizeof remote) != 0 &&
        errno != EINPROGRESS) {
        return -errno;
    }
    peer->connected = true;
    return 0;
}

static bool get_status(const struct sctp_peer *peer, struct sctp_status *status)
{
    socklen_t size = sizeof *status;

    memset(status, 0, sizeof *status);
    return usrsctp_getsockopt(peer->socket, IPPROTO_SCTP, SCTP_STATUS, status, &size) == 0;
}

/* A HEARTBEAT now; its answer is a sample of the round trip. */
static void probe(struct sctp_peer *peer)
{
    struct sockaddr_conn remote = address_of(peer, peer->setup.remote_port);
    struct sctp_paddrparams path = {.spp_flags = SPP_HB_DEMAND};

    memcpy(&path.spp_address, &remote, sizeof remote);
    (void)sctp_set_option(peer, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof path);
}

/*
 * usrsctp takes the time from the first INIT or COOKIE ECHO to the answer of the last for the round
 * trip. Where some were lost these are seconds, and it then sends nothing again for several times
 * as long. An average forgets such a beginning only by many right samples, an eighth each.
 */
static void mend_round_trip(struct sctp_peer *peer, uint32_t measured_ms)
{
    uint32_t rtt_us = peer->setup.rtt_us;
    uint32_t credible_us = rtt_us == 0 ? RTT_UNKNOWN_MAX_US : RTT_ERROR_MAX_US + 2 * rtt_us;

    if (measured_ms <= credible_us / 1000) {
        peer->probes = 0;
    } else if (peer->probes > 0) {
        peer->probes--;
        probe(peer);
    }
}

/* Where answers come soon, or nothing but goodbyes is left, waiting longer for one that has been
 * lost several times helps nobody. */
static void watch_round_trip(struct sctp_peer *peer)
{
    struct sctp_status status;

    if (peer->up && !peer->over && get_status(peer, &status)) {
        uint32_t measured_ms = status.sstat_primary.spinfo_srtt;
        mend_round_trip(peer, measured_ms);
        sctp_limit_backoff(peer, peer->hurried || measured_ms <= RTT_SHORT_MS);
    }
}

void sctp_peer_hurry(struct sctp_peer *peer)
{
    peer->hurried = true;
    watch_round_trip(peer);
}

static void note_received(struct sctp_peer *peer, const uint8_t *packet, size_t size)
{
    struct sctp_packet_data data;
    size_t place = 0;

    while (sctp_packet_next_data(packet, size, &place, &data)) {
        peer->unread_chunks++;
        peer->owes_sack = true;
    }
}

static void note_acknowledged(struct sctp_peer *peer, const uint8_t *packet, size_t size)
{
    if (peer->watch == WATCH_SENT && sctp_packet_acknowledges(packet, size, peer->watched_tsn)) {
        peer->watch = WATCH_ACKNOWLEDGED;
    }
}

void sctp_peer_shut_window(struct sctp_peer *peer, bool shut)
{
    int size = shut ? 1 : (int)peer->setup.receive_buffer;

    if (peer->shut != shut && peer->socket != NULL) {
        peer->shut = shut;
        (void)sctp_set_option(peer, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
}

void sctp_peer_input(struct sctp_peer *peer, struct monotime now, const uint8_t *bytes, size_t size)
{
    touch(peer, now);
    if (peer->over || !sctp_stack_accepts(bytes, size)) {
        return;
    }
    peer->heard = now;
    note_received(peer, bytes, size);
    note_acknowledged(peer, bytes, size);
    if (peer->unread_chunks > CHUNKS_MAX) {
        sctp_peer_shut_window(peer, true);
    }
    usrsctp_conninput(peer->token, bytes, size, 0);
}

static bool is_idle(const struct sctp_peer *peer)
{
    struct sctp_status status;

    return peer->up && peer->probes == 0 && !peer->closing && peer->waiting == 0 &&
           get_status(peer, &status) && status.sstat_state == SCTP_ESTABLISHED &&
           status.sstat_unackdata == 0;
}

bool sctp_peer_drained(const struct sctp_peer *peer)
{
    struct sctp_status status;

    return peer->waiting == 0 &&
           (peer->socket == NULL || !get_status(peer, &status) || status.sstat_unackdata == 0);
}

bool sctp_peer_hears_shutdown(const struct sctp_peer *peer)
{
    struct sctp_status status;

    return peer->socket != NULL && get_status(peer, &status) &&
           (status.sstat_state == SCTP_SHUTDOWN_RECEIVED ||
            status.sstat_state == SCTP_SHUTDOWN_ACK_SENT);
}

/* Whether the peer owes us an answer. */
static bool is_owed(const struct sctp_peer *peer)
{
    return peer->up && !peer->over && (peer->closing || !sctp_peer_drained(peer));
}

/* usrsctp would acknowledge by the number in SHUTDOWN alone what it owes a SACK for, and Chromium
 * does not read that: it would send the last message again until one of both gives up. */
static void shut_down_when_acknowledged(struct sctp_peer *peer)
{
    if (peer->closing && !peer->shut_down && !peer->owes_sack && !peer->over) {
        peer->shut_down = true;
        (void)usrsctp_shutdown(peer->socket, SHUT_WR);
    }
}

void sctp_peer_tick(struct sctp_peer *peer, struct monotime now)
{
    sctp_stack_advance(now);
    watch_round_trip(peer);
    shut_down_when_acknowledged(peer);
    if (!is_owed(peer)) {
        peer->heard = now;
    } else if (monotime_reached(now, monotime_add_seconds(peer->heard, SILENCE_MAX_SECONDS))) {
        peer->silent = true;
        sctp_peer_abort(peer, NULL);
    }
}

struct monotime sctp_peer_due(const struct sctp_peer *peer)
{
    bool busy;

    if (peer->over || !peer->connected) {
        return MONOTIME_NEVER;
    }
    busy = monotime_difference_us(sctp_stack_time(), peer->touched) < BUSY_US || !is_idle(peer);
    return monotime_add_ms(sctp_stack_time(), busy ? BUSY_TICK_MS : IDLE_TICK_MS);
}

int sctp_peer_send(struct sctp_peer *peer, struct monotime now, uint16_t stream, uint32_t ppid,
                   const void *bytes, size_t size)
{
    struct sctp_sendv_spa info = {
        .sendv_flags = SCTP_SEND_SNDINFO_VALID | SCTP_SEND_PRINFO_VALID,
        .sendv_sndinfo = {.snd_sid = stream, .snd_ppid = htonl(ppid)},
        .sendv_prinfo = {SCTP_PR_SCTP_RTX, NEVER_ABANDONED},
    };

    touch(peer, now);
    if (peer->over || peer->closing || !peer->connected) {
        return -ESHUTDOWN;
    }
    if (size > peer->setup.send_buffer) {
        return -EMSGSIZE;
    }
    if (peer->waiting > 0 && peer->waiting + size + MESSAGE_OVERHEAD > peer->setup.send_buffer) {
        peer->blocked = true;
        return -EAGAIN;
    }
    peer->waiting += size + MESSAGE_OVERHEAD;
    if (usrsctp_sendv(peer->socket, bytes, size, NULL, 0, &info, sizeof info, SCTP_SENDV_SPA, 0) >=
        0) {
        return 0;
    }
    int error = errno;
    peer->waiting -= size + MESSAGE_OVERHEAD;
    peer->blocked |= error == EAGAIN;
    return error == ECONNRESET || error == ENOENT ? -ESHUTDOWN : -error;
}

int sctp_peer_reset(struct sctp_peer *peer, struct monotime now, uint16_t stream)
{
    union {
        struct sctp_reset_streams request;
        uint8_t bytes[sizeof(struct sctp_reset_streams) + sizeof(uint16_t)];
    } reset = {.request = {.srs_flags = SCTP_STREAM_RESET_OUTGOING, .srs_number_streams = 1}};

    touch(peer, now);
    if (!peer->up || peer->over) {
        return -ENOTCONN;
    }
    memcpy(reset.bytes + sizeof reset.request, &stream, sizeof stream);
    if (sctp_set_option(peer, IPPROTO_SCTP, SCTP_RESET_STREAMS, &reset, sizeof reset.bytes)) {
        return 0;
    }
    return errno == EOPNOTSUPP ? -ENOTSUP : -errno;
}

void sctp_peer_shutdown(struct sctp_peer *peer, struct monotime now)
{
    touch(peer, now);
    sctp_peer_figures(peer, &peer->last);
    peer->closing = true;
    shut_down_when_acknowledged(peer);
}

/* A User-Initiated Abort (RFC 9260 §3.3.10.12) has room for words; closing the socket has not. */
static void send_abort(struct sctp_peer *peer, const char *reason)
{
    struct sctp_sndinfo info = {.snd_flags = SCTP_ABORT};
    size_t size = strlen(reason);

    (void)usrsctp_sendv(peer->socket, reason,
                        size < SCTP_PEER_REASON_MAX ? size : SCTP_PEER_REASON_MAX, NULL, 0, &info,
                        sizeof info, SCTP_SENDV_SNDINFO, 0);
}

void sctp_peer_abort(struct sctp_peer *peer, const char *reason)
{
    if (!peer->over) {
        sctp_peer_figures(peer, &peer->last);
        if (peer->up && reason != NULL) {
            send_abort(peer, reason);
        }
        peer->over = true;
        usrsctp_close(peer->socket); /* with its linger time of 0 */
        peer->socket = NULL;
    }
}

void sctp_peer_figures(const struct sctp_peer *peer, struct sctp_peer_figures *out)
{
    struct sctp_status status;

    *out = peer->last;
    if (peer->up && !peer->over && get_status(peer, &status)) {
        out->rtt_us = status.sstat_primary.spinfo_srtt * 1000;
        out->congestion_window = status.sstat_primary.spinfo_cwnd;
    }
}
