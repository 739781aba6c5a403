/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of data_channel.h share: data_session.c (DTLS and SCTP, from the first datagram to
 * the last) and data_channel.c (what is said in the streams). */
#ifndef STUNCLIENT_PEER_DATA_SESSION_H
#define STUNCLIENT_PEER_DATA_SESSION_H

#include "stunclient/peer/data_channel.h"
#include "stunclient/peer/dtls_peer.h"
#include "stunclient/peer/sctp_peer.h"

struct data_channel {
    bool by_peer;
    bool opening;                      /* an OPEN is to be sent */
    bool acking;                       /* an ACK is to be sent */
    bool opened;                       /* DATA_EVENT_OPENED has been told */
    bool closing;                      /* nothing is sent any more */
    bool resetting;                    /* our stream's reset is to be asked for */
    bool outgoing_done, incoming_done; /* reset, both: the id is free again */
    bool told_closed;
    char label[DATA_NAME_MAX + 1], protocol[DATA_NAME_MAX + 1];
};

struct data_session {
    struct data_session_setup setup;
    struct dtls_peer *dtls;
    struct sctp_peer *sctp;
    struct monotime now;           /* of the last call */
    struct monotime handshake_end; /* MONOTIME_NEVER: not begun, or done */
    uint16_t remote_port;
    uint32_t message_max; /* of the peer; 0: not known yet */
    bool started;
    bool associating; /* SCTP has been begun */
    bool ready;
    bool held;
    bool closing;    /* data_session_close has been called */
    bool shutting;   /* and SCTP is to shut down */
    bool hanging_up; /* data_session_hang_up has been called: `farewell` says why */
    bool shut_down;  /* SCTP has ended in order */
    bool failed;
    bool over;                   /* the last event has been told, or there is none to come */
    unsigned lingering;          /* seconds, see linger */
    struct monotime linger_from; /* when `lingering` is not 0 */
    bool blocked;                /* the user has had -EAGAIN before SCTP was there */
    bool tell_verified, told_verified;
    bool deferred; /* an event is told first, its message next */
    struct data_event next_event;
    uint64_t datagrams_sent, datagrams_received, dropped;
    bool pending;  /* data_channels_pump has something to do */
    bool finished; /* data_channels_finished has something to tell */
    struct data_channel *channels[DATA_STREAMS];
    uint8_t packet[DTLS_PEER_PACKET_MAX];
    char text[DATA_TEXT_SIZE];
    char farewell[SCTP_PEER_REASON_MAX + 1];
};

/* ---- data_channel.c -------------------------------------------------------------------------- */

/* Sends what waits to be sent: OPEN, ACK, resets. */
void data_channels_pump(struct data_session *session, struct monotime now);
/* Takes an event of SCTP. Returns whether there is one for the user. */
bool data_channels_event(struct data_session *session, const struct sctp_peer_event *in,
                         struct data_event *out);
/* A channel that ended without an event of SCTP. Returns whether there was one. */
bool data_channels_finished(struct data_session *session, struct data_event *out);
/* Whether the peer has not answered yet that a channel is closed. */
bool data_channels_closing(const struct data_session *session);
/* Whether there is a channel that the peer has not closed. */
bool data_channels_any(const struct data_session *session);
void data_channels_free(struct data_session *session);

#endif
