/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of an SCTP association share. They alone know usrsctp. */
#ifndef STUNCLIENT_PEER_SCTP_PEER_INTERNAL_H
#define STUNCLIENT_PEER_SCTP_PEER_INTERNAL_H

#include "stunclient/peer/sctp_peer.h"

#include <usrsctp.h>

/* A notification; longer lists of streams are cut. */
#define NOTICE_MAX 4096

/* usrsctp counts a probe of a shut window as an error although it is answered, and would lose a
 * peer whose reader sleeps: so it may count for as long as it likes, and silence is found
 * by sctp_peer_tick. (ICE finds it sooner, RFC 7675.) */
#define ERRORS_MAX UINT16_MAX
/* usrsctp's window counts bytes, and a message of one takes 400: no more chunks than these wait to
 * be read. A receive buffer of full ones must fit. */
#define CHUNKS_MAX 8192

#define TEXT_SIZE 192

struct sctp_peer {
    struct sctp_peer_setup setup;
    struct sctp_peer *next; /* of sctp_stack.c */
    void *token;            /* usrsctp's name for this lower layer */
    struct socket *socket;
    struct monotime touched; /* the last packet or message */
    struct monotime heard;   /* the last packet, or when there was nothing to hear */
    bool connected;          /* connect has been called */
    bool up;
    unsigned probes;  /* HEARTBEATs that may be sent yet, see mend_round_trip */
    bool hurried;     /* only the last words are left */
    bool says_soon;   /* see sctp_limit_backoff */
    bool closing;     /* shutdown has been asked for */
    bool shut_down;   /* and called */
    bool owes_sack;   /* what has come last is not acknowledged yet */
    bool over;        /* shut down, lost, aborted */
    bool silent;      /* lost, which is to be told */
    bool blocked;     /* the user waits for SCTP_PEER_WRITABLE */
    uint64_t waiting; /* bytes that have never been sent, with MESSAGE_OVERHEAD for each message */
    bool sending;     /* highest_tsn is valid */
    uint32_t highest_tsn;
    enum {
        WATCH_NOTHING,
        WATCH_SENT,
        WATCH_ACKNOWLEDGED,
        WATCH_OVER
    } watch;
    uint32_t watched_tsn; /* the first chunk of a watched PPID, once it is sent */
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

/* ---- sctp_stack.c: the state of the process ---------------------------------------------------
 */

/* Gives the association its token. */
void sctp_stack_enter(struct sctp_peer *peer);
void sctp_stack_leave(struct sctp_peer *peer);
/* Lets usrsctp's timers run up to `now`, so that new ones begin there. */
void sctp_stack_advance(struct monotime now);
/* Up to which they have run. */
struct monotime sctp_stack_time(void);
/* Whether the packet's checksum is right, or usrsctp will see to it. */
bool sctp_stack_accepts(const uint8_t *packet, size_t size);

/* ---- sctp_options.c ---------------------------------------------------------------------------
 */

bool sctp_set_option(struct sctp_peer *peer, int level, int name, const void *value, size_t size);
/* Whether what is lost again and again is repeated each second at least, or each third one. */
void sctp_limit_backoff(struct sctp_peer *peer, bool soon);
/* All that a new socket needs. */
bool sctp_set_options(struct sctp_peer *peer);

/* ---- sctp_peer.c ------------------------------------------------------------------------------
 */

/* usrsctp has made a packet. */
void sctp_peer_output(struct sctp_peer *peer, const uint8_t *packet, size_t size);
/* A window of nothing, or of the receive buffer again. */
void sctp_peer_shut_window(struct sctp_peer *peer, bool shut);

#endif
