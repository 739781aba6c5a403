/* SPDX-License-Identifier: BSD-3-Clause */
/* The one file that knows usrsctp. */
#include "stunclient/peer/sctp_peer.h"

#include "stunclient/peer/crc32c.h"
#include "stunclient/peer/sctp_packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <usrsctp.h>

/* usrsctp says nothing about when its next timer is due: it is asked this often while it may have
 * something to do, and this often while nothing is under way. */
#define BUSY_TICK_MS 10
#define IDLE_TICK_MS 1000
/* After a packet or a message, for so long there may be an acknowledgement to send. */
#define BUSY_US (500 * MONOTIME_MILLISECOND)
/* After the host was suspended, timers need not make up for more. */
#define CATCH_UP_MAX_MS 60000

/* The first window, and packets in one go (RFC 6928 allows ten; usrsctp sends no more than its
 * burst). 4, usrsctp's own, makes a call begin slowly; from 16 on, a short queue on the way loses
 * so much at once that the window is lost as well. */
#define BURST_MAX 8
/* The same for what is sent again after a loss. */
#define REPAIR_BURST_MAX 4
#define SACK_EVERY 2
#define SACK_DELAY_MS 20
/* RFC 9260 has a minimum of 1 s. Peers acknowledge within 200 ms. */
#define RTO_MIN_MS 250
#define RTO_INITIAL_MS 500
#define RTO_MAX_MS 3000
/* usrsctp counts a probe of a shut window as an error although it is answered, and would lose a
 * peer whose reader sleeps: so it may count for as long as it likes, and silence is found here.
 * (ICE finds it sooner, RFC 7675.) */
#define ERRORS_MAX UINT16_MAX
#define INIT_ATTEMPTS_MAX 24 /* about a minute */
#define SILENCE_MAX_SECONDS 60
/* The same for what is still to be sent after shutdown has been called. */
#define SHUTDOWN_MAX_SECONDS 86400
/* usrsctp's window counts bytes, and a message of one takes 400: no more chunks than these wait to
 * be read. A receive buffer of full ones must fit. */
#define CHUNKS_MAX 8192
/* What a message takes beside its bytes while it waits. */
#define MESSAGE_OVERHEAD 512

/* usrsctp 0.9.5 handles a SACK without gaps in a short way, which forgets to restart the timer of
 * retransmissions: in a steady flow it fires again and again although nothing is lost, and the
 * window collapses. With messages that may be abandoned, even if after four thousand million
 * attempts, it takes the long way, which is right. */
#define NEVER_ABANDONED UINT32_MAX

/* A notification; longer lists of streams are cut. */
#define NOTICE_MAX 4096

#define TEXT_SIZE 192

struct sctp_peer {
    struct sctp_peer_setup setup;
    struct sctp_peer *next; /* of all */
    void *token;            /* usrsctp's name for this lower layer */
    struct socket *socket;
    struct monotime touched; /* the last packet or message */
    struct monotime heard;   /* the last packet, or when there was nothing to hear */
    bool connected;          /* connect has been called */
    bool up;
    bool closing;     /* shutdown has been asked for */
    bool shut_down;   /* and called */
    bool owes_sack;   /* what has come last is not acknowledged yet */
    bool over;        /* shut down, lost, aborted */
    bool silent;      /* lost, which is to be told */
    bool blocked;     /* the user waits for SCTP_PEER_WRITABLE */
    uint64_t waiting; /* bytes that have never been sent, with MESSAGE_OVERHEAD for each message */
    bool sending;     /* highest_tsn is valid */
    uint32_t highest_tsn;
    /* Chunks of messages that have come, read or not, since all had been read: more than CHUNKS_MAX
     * shut the window. */
    size_t unread_chunks;
    bool shut;
    size_t read_size; /* of a message that has come in part */
    uint8_t *read;    /* message_max + NOTICE_MAX bytes: a notice may come amid a message */
    uint32_t notice[NOTICE_MAX / sizeof(uint32_t)]; /* as union sctp_notification */
    size_t reset_next;             /* streams of the notification that have not been told */
    struct sctp_peer_figures last; /* before the end */
    char text[TEXT_SIZE];
};

/* ---- the state of the process ----------------------------------------------------------------
 * usrsctp has one set of associations and timers, and gives packets to one function. */

static struct {
    bool started;
    bool summing;         /* we do the checksums, usrsctp does not */
    struct monotime time; /* up to which usrsctp's timers have run */
    uintptr_t tokens;     /* given so far; never twice, so that no packet goes to a wrong peer */
    struct sctp_peer *first;
} all;

static struct sctp_peer *find_peer(const void *token)
{
    struct sctp_peer *peer = all.first;

    while (peer != NULL && peer->token != token) {
        peer = peer->next;
    }
    return peer;
}

static int output(void *token, void *bytes, size_t size, uint8_t tos, uint8_t set_df);

/* Of usrsctp's type. */
static void ignore_debug(const char *format, ...)
{
    (void)format;
}

static void start_usrsctp(void)
{
    usrsctp_init_nothreads(0, output, ignore_debug);
    /* DTLS hides IP from SCTP: nobody marks congestion, no second address, nothing to measure
     * (RFC 8261 §5). */
    usrsctp_sysctl_set_sctp_ecn_enable(0);
    usrsctp_sysctl_set_sctp_asconf_enable(0);
    usrsctp_sysctl_set_sctp_auto_asconf(0);
    usrsctp_sysctl_set_sctp_auth_enable(0);
    usrsctp_sysctl_set_sctp_nrsack_enable(0);
    usrsctp_sysctl_set_sctp_pktdrop_enable(0);
    usrsctp_sysctl_set_sctp_blackhole(2); /* no ABORT to what is of no association */
    usrsctp_sysctl_set_sctp_initial_cwnd(BURST_MAX);
    usrsctp_sysctl_set_sctp_max_burst_default(BURST_MAX);
    usrsctp_sysctl_set_sctp_use_cwnd_based_maxburst(0); /* would shrink the window for a burst */
    usrsctp_sysctl_set_sctp_fr_max_burst_default(REPAIR_BURST_MAX);
    usrsctp_sysctl_set_sctp_max_chunks_on_queue(CHUNKS_MAX);
    usrsctp_sysctl_set_sctp_enable_sack_immediately(1);
    usrsctp_sysctl_set_sctp_max_retran_chunk(ERRORS_MAX);
    usrsctp_sysctl_set_sctp_shutdown_guard_time_default(SHUTDOWN_MAX_SECONDS);
    all.summing = crc32c_present();
    if (all.summing) {
        usrsctp_enable_crc32c_offload();
    }
}

/* Lets usrsctp's timers run up to `now`, so that new ones begin there. */
static void advance(struct monotime now)
{
    int64_t elapsed_ms = monotime_difference_us(now, all.time) / MONOTIME_MILLISECOND;

    if (elapsed_ms <= 0) {
        return;
    }
    all.time = monotime_add_ms(all.time, elapsed_ms);
    usrsctp_handle_timers((uint32_t)(elapsed_ms < CATCH_UP_MAX_MS ? elapsed_ms : CATCH_UP_MAX_MS));
}

static void enter(struct sctp_peer *peer)
{
    struct monotime now;

    if (!all.started) {
        start_usrsctp();
        all.started = true;
    }
    all.tokens++;
    memcpy(&peer->token, &all.tokens, sizeof peer->token);
    now = all.time;
    peer->touched = now;
    peer->next = all.first;
    all.first = peer;
    usrsctp_register_address(peer->token);
}

static void leave(struct sctp_peer *peer)
{
    struct sctp_peer **link = &all.first;

    while (*link != NULL && *link != peer) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = peer->next;
        usrsctp_deregister_address(peer->token);
    }
}

/* ---- what goes out --------------------------------------------------------------------------- */

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
        peer->waiting -= sent < peer->waiting ? sent : peer->waiting;
    }
}

static int output(void *token, void *bytes, size_t size, uint8_t tos, uint8_t set_df)
{
    struct sctp_peer *peer = find_peer(token);

    (void)tos;
    (void)set_df;
    if (peer != NULL && size >= SCTP_PACKET_HEADER_SIZE) {
        if (all.summing) {
            sctp_packet_write_checksum(bytes, size);
        }
        note_sent(peer, bytes, size);
        peer->owes_sack = peer->owes_sack && !sctp_packet_has_sack(bytes, size);
        peer->setup.send(peer->setup.context, bytes, size);
    }
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool set_option(struct sctp_peer *peer, int level, int name, const void *value, size_t size)
{
    return usrsctp_setsockopt(peer->socket, level, name, value, (socklen_t)size) == 0;
}

#define SET_OPTION(peer, name, ...) \
    set_option(peer, IPPROTO_SCTP, name, &(__VA_ARGS__), sizeof(__VA_ARGS__))

static bool want_events(struct sctp_peer *peer)
{
    static const uint16_t types[] = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT,
                                     SCTP_PARTIAL_DELIVERY_EVENT};
    bool good = true;

    for (size_t i = 0; good && i < sizeof types / sizeof types[0]; i++) {
        struct sctp_event event = {SCTP_FUTURE_ASSOC, types[i], 1};
        good = SET_OPTION(peer, SCTP_EVENT, event);
    }
    return good;
}

static bool set_buffers(struct sctp_peer *peer)
{
    /* What is in flight is counted as well as what waits. */
    int send = (int)(2 * peer->setup.send_buffer);
    int receive = (int)peer->setup.receive_buffer;

    return set_option(peer, SOL_SOCKET, SO_SNDBUF, &send, sizeof send) &&
           set_option(peer, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive);
}

static bool set_timers(struct sctp_peer *peer)
{
    uint32_t rtt_ms = peer->setup.rtt_us / 1000;
    uint32_t initial = rtt_ms == 0 ? RTO_INITIAL_MS : RTO_MIN_MS + 2 * rtt_ms;
    struct sctp_rtoinfo rto = {
        .srto_initial = initial < RTO_MAX_MS ? initial : RTO_MAX_MS,
        .srto_max = RTO_MAX_MS,
        .srto_min = RTO_MIN_MS,
    };
    struct sctp_assocparams association = {.sasoc_asocmaxrxt = ERRORS_MAX};
    struct sctp_sack_info sack = {SCTP_FUTURE_ASSOC, SACK_DELAY_MS, SACK_EVERY};

    return SET_OPTION(peer, SCTP_RTOINFO, rto) && SET_OPTION(peer, SCTP_ASSOCINFO, association) &&
           SET_OPTION(peer, SCTP_DELAYED_SACK, sack);
}

static bool set_path(struct sctp_peer *peer)
{
    struct sctp_paddrparams path = {
        .spp_flags = SPP_PMTUD_DISABLE | SPP_HB_DISABLE,
        .spp_pathmtu =
            peer->setup.packet_max - SCTP_PACKET_HEADER_SIZE, /* usrsctp's view of AF_CONN */
        .spp_pathmaxrxt = ERRORS_MAX,
    };
    struct sctp_initmsg init = {
        .sinit_num_ostreams = peer->setup.streams,
        .sinit_max_instreams = peer->setup.streams,
        .sinit_max_attempts = INIT_ATTEMPTS_MAX,
        .sinit_max_init_timeo = RTO_MAX_MS,
    };
    int on = 1;

    return SET_OPTION(peer, SCTP_PEER_ADDR_PARAMS, path) && SET_OPTION(peer, SCTP_INITMSG, init) &&
           SET_OPTION(peer, SCTP_NODELAY, on) && SET_OPTION(peer, SCTP_RECVRCVINFO, on);
}

static bool set_options(struct sctp_peer *peer)
{
    struct sctp_assoc_value resets = {SCTP_FUTURE_ASSOC, SCTP_ENABLE_RESET_STREAM_REQ};
    struct linger linger = {.l_onoff = 1}; /* closing the socket leaves nothing behind */
    int interleave = 0;

    return usrsctp_set_non_blocking(peer->socket, 1) == 0 &&
           set_option(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) && set_buffers(peer) &&
           set_timers(peer) && set_path(peer) &&
           SET_OPTION(peer, SCTP_ENABLE_STREAM_RESET, resets) &&
           SET_OPTION(peer, SCTP_FRAGMENT_INTERLEAVE, interleave) && want_events(peer);
}

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
    enter(peer);
    peer->read = malloc(setup->message_max + (size_t)NOTICE_MAX);
    /* With an `ulp_info` or a callback, usrsctp would hand out data before it is asked. */
    peer->socket = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
    if (peer->read == NULL || peer->socket == NULL || !set_options(peer) || !bind_port(peer)) {
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
    leave(peer); /* first: the ABORT that closing sends then goes nowhere */
    if (peer->socket != NULL) {
        usrsctp_close(peer->socket);
    }
    free(peer->read);
    free(peer);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void touch(struct sctp_peer *peer, struct monotime now)
{
    if (all.time.us == 0) {
        all.time = now;
    }
    advance(now);
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

static void note_received(struct sctp_peer *peer, const uint8_t *packet, size_t size)
{
    struct sctp_packet_data data;
    size_t place = 0;

    while (sctp_packet_next_data(packet, size, &place, &data)) {
        peer->unread_chunks++;
        peer->owes_sack = true;
    }
}

/* A window of nothing, or of the receive buffer again. */
static void shut_window(struct sctp_peer *peer, bool shut)
{
    int size = shut ? 1 : (int)peer->setup.receive_buffer;

    if (peer->shut != shut && peer->socket != NULL) {
        peer->shut = shut;
        (void)set_option(peer, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
}

void sctp_peer_input(struct sctp_peer *peer, struct monotime now, const uint8_t *bytes, size_t size)
{
    touch(peer, now);
    if (peer->over || (all.summing && !sctp_packet_is_good(bytes, size))) {
        return;
    }
    peer->heard = now;
    note_received(peer, bytes, size);
    if (peer->unread_chunks > CHUNKS_MAX) {
        shut_window(peer, true);
    }
    usrsctp_conninput(peer->token, bytes, size, 0);
}

static bool is_idle(const struct sctp_peer *peer)
{
    struct sctp_status status;

    return peer->up && !peer->closing && peer->waiting == 0 && get_status(peer, &status) &&
           status.sstat_state == SCTP_ESTABLISHED && status.sstat_unackdata == 0;
}

bool sctp_peer_drained(const struct sctp_peer *peer)
{
    struct sctp_status status;

    return peer->waiting == 0 &&
           (peer->socket == NULL || !get_status(peer, &status) || status.sstat_unackdata == 0);
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
    advance(now);
    shut_down_when_acknowledged(peer);
    if (!is_owed(peer)) {
        peer->heard = now;
    } else if (monotime_reached(now, monotime_add_seconds(peer->heard, SILENCE_MAX_SECONDS))) {
        peer->silent = true;
        sctp_peer_abort(peer);
    }
}

struct monotime sctp_peer_due(const struct sctp_peer *peer)
{
    bool busy;

    if (peer->over || !peer->connected) {
        return MONOTIME_NEVER;
    }
    busy = monotime_difference_us(all.time, peer->touched) < BUSY_US || !is_idle(peer);
    return monotime_add_ms(all.time, busy ? BUSY_TICK_MS : IDLE_TICK_MS);
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
    if (set_option(peer, IPPROTO_SCTP, SCTP_RESET_STREAMS, &reset, sizeof reset.bytes)) {
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

void sctp_peer_abort(struct sctp_peer *peer)
{
    if (!peer->over) {
        sctp_peer_figures(peer, &peer->last);
        peer->over = true;
        usrsctp_close(peer->socket); /* with its linger time of 0 */
        peer->socket = NULL;
    }
}

/* ---- what comes in --------------------------------------------------------------------------- */

static bool lose(struct sctp_peer *peer, struct sctp_peer_event *event, const char *text)
{
    peer->over = true;
    if (text != peer->text) {
        snprintf(peer->text, sizeof peer->text, "%s", text);
    }
    *event = (struct sctp_peer_event){.type = SCTP_PEER_LOST, .text = peer->text};
    return true;
}

static bool is_abort(const struct sctp_assoc_change *change)
{
    return change->sac_length > sizeof *change;
}

/* An ABORT of the peer stands behind the notification (RFC 6458 §6.1.1). */
static const char *lost_text(const struct sctp_assoc_change *change)
{
    bool aborted = is_abort(change);

    if (change->sac_state == SCTP_RESTART) {
        return "the peer has begun its SCTP association anew";
    }
    if (change->sac_state == SCTP_CANT_STR_ASSOC) {
        return aborted ? "the peer refused the SCTP association"
                       : "the peer did not answer in SCTP";
    }
    return aborted ? "the peer ended the SCTP association without closing it"
                   : "the peer no longer acknowledges what is sent";
}

static union sctp_notification *notice_of(struct sctp_peer *peer)
{
    return (union sctp_notification *)(void *)peer->notice;
}

static bool read_change(struct sctp_peer *peer, struct sctp_peer_event *event)
{
    const struct sctp_assoc_change *change = &notice_of(peer)->sn_assoc_change;

    switch (change->sac_state) {
    case SCTP_COMM_UP:
        peer->up = true;
        event->type = SCTP_PEER_UP;
        return true;
    case SCTP_SHUTDOWN_COMP:
        peer->over = true;
        event->type = SCTP_PEER_SHUT_DOWN;
        return true;
    case SCTP_COMM_LOST:
    case SCTP_RESTART:
    case SCTP_CANT_STR_ASSOC:
        lose(peer, event, lost_text(change));
        event->by_peer = change->sac_state == SCTP_COMM_LOST && is_abort(change);
        return true;
    default:
        return false;
    }
}

/* One stream of the list at a time; an empty list means all (RFC 6458 §6.1.11). */
static bool read_reset(struct sctp_peer *peer, struct sctp_peer_event *event)
{
    const struct sctp_stream_reset_event *reset = &notice_of(peer)->sn_strreset_event;
    size_t listed = (reset->strreset_length - sizeof *reset) / sizeof(uint16_t);
    size_t count = listed > 0 ? listed : peer->setup.streams;
    size_t i = peer->reset_next++;

    if (i >= count) {
        peer->reset_next = 0;
        return false;
    }
    /* A denied one is ours, and there will be no other answer. */
    event->type = (reset->strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN) != 0
                      ? SCTP_PEER_INCOMING_RESET
                      : SCTP_PEER_OUTGOING_RESET;
    event->stream = listed > 0 ? reset->strreset_stream_list[i] : (uint16_t)i;
    return true;
}

static bool read_notification(struct sctp_peer *peer, size_t size, struct sctp_peer_event *event)
{
    size = size < sizeof peer->notice ? size : sizeof peer->notice;
    memcpy(peer->notice, peer->read + peer->read_size, size);
    if (size < sizeof(struct sctp_tlv)) {
        return false;
    }
    switch (notice_of(peer)->sn_header.sn_type) {
    case SCTP_ASSOC_CHANGE:
        return size >= sizeof(struct sctp_assoc_change) && read_change(peer, event);
    case SCTP_STREAM_RESET_EVENT:
        if (size < sizeof(struct sctp_stream_reset_event)) {
            return false;
        }
        /* The list may have been cut. */
        notice_of(peer)->sn_strreset_event.strreset_length = (uint32_t)size;
        peer->reset_next = 0;
        return read_reset(peer, event);
    case SCTP_PARTIAL_DELIVERY_EVENT:
        peer->read_size = 0;
        return false;
    default:
        return false;
    }
}

/* A piece of a message, or its end. */
static bool read_piece(struct sctp_peer *peer, const struct sctp_rcvinfo *info, size_t size,
                       bool last, struct sctp_peer_event *event)
{
    peer->read_size += size;
    if (peer->read_size > peer->setup.message_max) {
        snprintf(peer->text, sizeof peer->text,
                 "the peer sent a message of more than the %u bytes that its description allows",
                 peer->setup.message_max);
        sctp_peer_abort(peer);
        return lose(peer, event, peer->text);
    }
    if (!last) {
        return false;
    }
    *event = (struct sctp_peer_event){.type = SCTP_PEER_MESSAGE,
                                      .stream = info->rcv_sid,
                                      .ppid = ntohl(info->rcv_ppid),
                                      .bytes = peer->read,
                                      .size = peer->read_size};
    peer->read_size = 0;
    return true;
}

/* Reads behind what there is of a message; 0: nothing. */
static size_t read_socket(struct sctp_peer *peer, struct sctp_rcvinfo *info, int *flags)
{
    ssize_t size = -1;

    shut_window(peer, false);
    /* An error of the socket is told once, then what was queued before it. */
    for (int i = 0; peer->socket != NULL && size < 0 && i < 2; i++) {
        socklen_t info_size = sizeof *info;
        unsigned info_type = 0;
        *flags = 0;
        size = usrsctp_recvv(peer->socket, peer->read + peer->read_size,
                             peer->setup.message_max + NOTICE_MAX - peer->read_size, NULL, NULL,
                             info, &info_size, &info_type, flags);
    }
    if (size <= 0) {
        peer->unread_chunks = 0;
        return 0;
    }
    return (size_t)size;
}

bool sctp_peer_event(struct sctp_peer *peer, struct sctp_peer_event *event)
{
    struct sctp_rcvinfo info = {0};
    size_t size;
    int flags;

    memset(event, 0, sizeof *event);
    if (peer->reset_next > 0 && read_reset(peer, event)) {
        return true;
    }
    if (peer->silent) {
        peer->silent = false;
        return lose(peer, event, "the peer no longer acknowledges what is sent");
    }
    while ((size = read_socket(peer, &info, &flags)) > 0) {
        if ((flags & MSG_NOTIFICATION) != 0
                ? read_notification(peer, size, event)
                : read_piece(peer, &info, size, (flags & MSG_EOR) != 0, event)) {
            return true;
        }
    }
    if (peer->blocked && !peer->over && peer->waiting <= peer->setup.send_buffer / 2) {
        peer->blocked = false;
        event->type = SCTP_PEER_WRITABLE;
        return true;
    }
    return false;
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
