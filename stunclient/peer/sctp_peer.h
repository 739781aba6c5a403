/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One SCTP association (RFC 9260) without a socket, over a lower layer that carries packets: in by
 * sctp_peer_input, out by the `send` of its setup. Streams are ordered and reliable, and can be
 * reset (RFC 6525). Both ends connect.
 *
 * What stands behind is usrsctp, whose state is global: all associations of a process are in one
 * thread, and live on one clock. sctp_peer_absent tells whether it is there.
 */
#ifndef STUNCLIENT_PEER_SCTP_PEER_H
#define STUNCLIENT_PEER_SCTP_PEER_H

#include "base/monotime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sctp_peer;

struct sctp_peer_setup {
    uint16_t local_port, remote_port;
    uint16_t streams;        /* a direction */
    uint16_t packet_max;     /* no packet is larger */
    uint32_t message_max;    /* larger messages of the peer end the association */
    uint32_t send_buffer;    /* bytes of messages that may wait to be sent; over message_max */
    uint32_t receive_buffer; /* the window told to the peer; over message_max */
    uint32_t rtt_us;         /* 0: not known */
    uint32_t watched[2];     /* PPIDs, see SCTP_PEER_ACKNOWLEDGED; 0: none */
    /* Sends a packet; `bytes` are lent for the call. It comes from any function here, must not call
     * back, and does not come after sctp_peer_free. */
    void (*send)(void *context, const uint8_t *bytes, size_t size);
    void *context;
};

/* NULL when SCTP is there, else what to install, in words. Static. */
const char *sctp_peer_absent(void);

/* NULL when memory is out or SCTP is absent. */
struct sctp_peer *sctp_peer_new(const struct sctp_peer_setup *setup);
/* Without a word to the peer. NULL is allowed. */
void sctp_peer_free(struct sctp_peer *peer);

/* Sends the INIT. Messages can be sent from then on. 0 or -errno. */
int sctp_peer_connect(struct sctp_peer *peer, struct monotime now);
void sctp_peer_input(struct sctp_peer *peer, struct monotime now, const uint8_t *bytes,
                     size_t size);
/* Lets time pass, for all associations of the process. */
void sctp_peer_tick(struct sctp_peer *peer, struct monotime now);
/* When to call sctp_peer_tick. */
struct monotime sctp_peer_due(const struct sctp_peer *peer);

/* Queues a message of at least a byte. 0; -EAGAIN: wait for SCTP_PEER_WRITABLE; -EMSGSIZE;
 * -EINVAL: no such stream; -ESHUTDOWN: closing or over. */
int sctp_peer_send(struct sctp_peer *peer, struct monotime now, uint16_t stream, uint32_t ppid,
                   const void *bytes, size_t size);
/* Resets the outgoing stream once what it has sent has arrived. 0; -ENOTSUP: the peer cannot;
 * -ENOTCONN: not yet, or no longer; -errno. */
int sctp_peer_reset(struct sctp_peer *peer, struct monotime now, uint16_t stream);
/* Closes once all that was sent has arrived. */
void sctp_peer_shutdown(struct sctp_peer *peer, struct monotime now);
/* Only the last words are left: what is lost of them is said again soon. */
void sctp_peer_hurry(struct sctp_peer *peer);
/* Sends an ABORT; its words for the peer are cut to SCTP_PEER_REASON_MAX bytes. NULL: none. */
#define SCTP_PEER_REASON_MAX 128
void sctp_peer_abort(struct sctp_peer *peer, const char *reason);

enum sctp_peer_event_type {
    SCTP_PEER_UP,
    SCTP_PEER_MESSAGE,        /* stream, ppid, bytes, size */
    SCTP_PEER_INCOMING_RESET, /* stream: the peer sends no more in it */
    SCTP_PEER_OUTGOING_RESET, /* stream: ours has been reset */
    SCTP_PEER_WRITABLE,       /* after -EAGAIN: half of the buffer is free */
    SCTP_PEER_ACKNOWLEDGED,   /* once: the peer has the beginning of a message of a watched PPID */
    SCTP_PEER_SHUT_DOWN,      /* both ends have closed in order */
    SCTP_PEER_LOST,           /* text, by_peer: it has said so */
};

struct sctp_peer_event {
    enum sctp_peer_event_type type;
    uint16_t stream;
    uint32_t ppid;
    const uint8_t *bytes; /* lent until the next call */
    size_t size;
    bool by_peer;
    const char *text; /* lent until sctp_peer_free */
};

/* The next event, if there is one. Messages that are not asked for stay in the receive buffer. */
bool sctp_peer_event(struct sctp_peer *peer, struct sctp_peer_event *event);
/* The same for a user who takes no messages now: SCTP_PEER_WRITABLE alone. A peer may wait for what
 * we have to send before it lets us take more. */
bool sctp_peer_event_unread(struct sctp_peer *peer, struct sctp_peer_event *event);

/* Whether all that was sent has been acknowledged. */
bool sctp_peer_drained(const struct sctp_peer *peer);
/* Whether the peer has begun to shut down in order. */
bool sctp_peer_hears_shutdown(const struct sctp_peer *peer);

struct sctp_peer_figures {
    uint32_t rtt_us; /* smoothed; 0: not known */
    uint32_t congestion_window;
};
/* At the end: as they were before. */
void sctp_peer_figures(const struct sctp_peer *peer, struct sctp_peer_figures *out);

#endif
