/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stands above ICE between two peers, as browsers have it (RFC 8831): DTLS, in it one SCTP
 * association (RFC 8261), in that data channels. Datagrams that are DTLS (RFC 7983) go in by
 * data_session_input and out by the `send` of the setup; which path they take is not known here,
 * and may change at any time.
 *
 * After any call: drain data_session_event, then arm one timer for data_session_due.
 *
 *     session = data_session_new(&setup);             as soon as the DTLS role is known
 *     data_session_start(session, now);               when a path stands: a client says hello
 *     data_session_set_remote(session, now, &remote); when the peer's description is there
 *     data_channel_open(session, now, &label, &id);   at any time; data may follow at once
 *
 * No byte of the peer's reaches the user, and none of the user's the peer, before the peer's
 * certificate has been found to be the one of its description.
 *
 * Memory is bounded at both ends: what waits to be sent by DATA_SEND_BUFFER, what waits to be read
 * by DATA_RECEIVE_BUFFER, which the peer is told (its window); data_session_hold makes it full.
 *
 * OpenSSL and usrsctp read the clock themselves, so this is no machine, but it has the shape of
 * one. usrsctp's state is global: all sessions of a process live in one thread, on one clock.
 */
#ifndef STUNCLIENT_PEER_DATA_CHANNEL_H
#define STUNCLIENT_PEER_DATA_CHANNEL_H

#include "base/monotime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* a=sctp-port (RFC 8841 §5). */
#define DATA_SCTP_PORT 5000
/* The largest message that we take: our a=max-message-size (RFC 8841 §6). */
#define DATA_MESSAGE_MAX 262144
/* What a peer takes that says no a=max-message-size (RFC 8841 §6.1). */
#define DATA_MESSAGE_MAX_DEFAULT 65536
#define DATA_SEND_BUFFER (2 * 1024 * 1024)
#define DATA_RECEIVE_BUFFER (2 * 1024 * 1024)
/* Streams a direction; the id of a channel is below. */
#define DATA_STREAMS 1024
/* Label and protocol of a channel that a peer opens are cut to this many bytes. */
#define DATA_NAME_MAX 255
/* No datagram that is sent is larger: it fits an IPv6 link of 1280 bytes in ChannelData, too. */
#define DATA_DATAGRAM_MAX 1200
/* Long enough for every text of this file. */
#define DATA_TEXT_SIZE 256
/* Fingerprints of one description. */
#define DATA_FINGERPRINTS_MAX 8

struct data_session;
struct identity; /* peer/identity.h */

/* From a=setup (RFC 8842): who answers "active" is the client. */
enum data_role {
    DATA_ROLE_CLIENT, /* its channels have even ids */
    DATA_ROLE_SERVER, /* its channels have odd ids */
};

struct data_session_setup {
    enum data_role role;
    const struct identity *identity; /* borrowed for the life of the session */
    /* Sends a datagram to the peer; `bytes` are lent for the call. It is called from any function
     * here but data_session_free, and must not call back. What it cannot send is lost. */
    void (*send)(void *context, const uint8_t *bytes, size_t size);
    void *context;
    /* What ICE has measured; makes the first retransmissions quick. 0: not known. */
    uint32_t rtt_us;
};

/* What the peer's description says. */
struct data_remote {
    /* Values of a=fingerprint, "sha-256 4A:AD:…"; one must fit. Those of hash functions other than
     * SHA-256, 384 and 512 do not count. */
    const char *fingerprints[DATA_FINGERPRINTS_MAX];
    size_t fingerprint_count;
    uint16_t sctp_port;        /* 0: DATA_SCTP_PORT */
    uint64_t max_message_size; /* 0: any size; DATA_MESSAGE_MAX_DEFAULT when it says nothing */
};

/* NULL when this build has data channels; else says what to install. Static. */
const char *data_session_absent(void);

/* Returns NULL when memory is out, or data channels are absent. `setup` is copied. */
struct data_session *data_session_new(const struct data_session_setup *setup);
/* Without a word to the peer (see data_session_abort). NULL is allowed. */
void data_session_free(struct data_session *session);

/* A path stands. A client says its ClientHello; a server waits for one. Once; later calls do
 * nothing. A handshake not done in DATA_HANDSHAKE_SECONDS fails the session. */
void data_session_start(struct data_session *session, struct monotime now);
#define DATA_HANDSHAKE_SECONDS 30
/*
 * Before or after the handshake; once. Returns 0, -EINVAL when no fingerprint can be used (the
 * session then still waits for one), -EALREADY.
 */
int data_session_set_remote(struct data_session *session, struct monotime now,
                            const struct data_remote *remote);

/* A datagram of the peer, any path. What is no part of the association is ignored. */
void data_session_input(struct data_session *session, struct monotime now, const uint8_t *bytes,
                        size_t size);
void data_session_tick(struct data_session *session, struct monotime now);
/* When to call data_session_tick, or MONOTIME_NEVER. */
struct monotime data_session_due(struct data_session *session);

/* ---- channels -------------------------------------------------------------------------------- */

struct data_channel_open {
    const char *label;    /* UTF-8; NULL: empty. At most DATA_NAME_MAX bytes count. */
    const char *protocol; /* as label */
    /* Both ends have agreed on the id: nothing is said, and the channel is open at once. */
    bool negotiated;
    uint16_t negotiated_id; /* below DATA_STREAMS */
};

/*
 * Opens a channel, ordered and reliable, and gives its id. Messages may be sent at once: they wait
 * until the association stands. DATA_EVENT_OPENED tells when the peer has acknowledged it (RFC
 * 8832). Returns 0; -EINVAL: not a possible id; -EEXIST: that one is in use; -ENOSPC: no id is
 * left; -ENOMEM; -ESHUTDOWN: the session is closing or over.
 */
int data_channel_open(struct data_session *session, struct monotime now,
                      const struct data_channel_open *open, uint16_t *id);

enum data_kind {
    DATA_BINARY,
    DATA_TEXT,
};

/*
 * Sends one message; it may be empty, which arrives as such. Returns 0; -EAGAIN: as much waits as
 * may, DATA_EVENT_WRITABLE will come; -EMSGSIZE: more than the peer takes, or than
 * DATA_MESSAGE_MAX; -ENOENT: no such channel, or it is being closed; -ESHUTDOWN. Until the peer's
 * description and the association are there, the answer is -EAGAIN.
 */
int data_channel_send(struct data_session *session, struct monotime now, uint16_t id,
                      enum data_kind kind, const void *bytes, size_t size);

/* Closes a channel once what it has sent has arrived. Then comes DATA_EVENT_CHANNEL_CLOSED. Returns
 * 0 or -ENOENT. */
int data_channel_close(struct data_session *session, struct monotime now, uint16_t id);

/* ---- the whole ------------------------------------------------------------------------------- */

/*
 * Closes in order: all that was sent is acknowledged by the peer first, and so is the end of each
 * channel that was closed here. DATA_EVENT_CLOSED or DATA_EVENT_FAILED follows; what the peer still
 * sends arrives until then. When goodbyes alone are left, and the peer does not answer them for
 * DATA_LINGER_SECONDS, that is DATA_EVENT_CLOSED, too.
 */
void data_session_close(struct data_session *session, struct monotime now);
#define DATA_LINGER_SECONDS 20
/* The same for a peer that has begun to shut down, and was answered. */
#define DATA_ANSWER_SECONDS 3
/* The peer has left, as something else than its datagrams tells: so nobody will answer when nothing
 * but goodbyes is left, and DATA_EVENT_CLOSED comes then. Nothing otherwise. */
void data_session_peer_left(struct data_session *session, struct monotime now);
/* Tells the peer that it is over, now, and why (NULL: without words). What waits is lost. No event
 * follows. */
void data_session_abort(struct data_session *session, struct monotime now, const char *reason);
/* The same once the peer has acknowledged what was sent so far; then comes DATA_EVENT_CLOSED. The
 * peer hears that this was not the end in order. `reason` is copied. */
void data_session_hang_up(struct data_session *session, struct monotime now, const char *reason);

/* While it holds, no messages come out of data_session_event, nor what came after them: they fill
 * the receive buffer, and the peer stops. */
void data_session_hold(struct data_session *session, bool held);

enum data_event_type {
    DATA_EVENT_VERIFIED,     /* the handshake is done, the peer is who its description says */
    DATA_EVENT_READY,        /* the association stands */
    DATA_EVENT_OPENED,       /* id, label, protocol, by_peer */
    DATA_EVENT_MESSAGE,      /* id, kind, bytes, size */
    DATA_EVENT_ACKNOWLEDGED, /* once: the peer has the first bytes that were sent */
    DATA_EVENT_WRITABLE,     /* after -EAGAIN: send again. Half of the buffer is free. */
    /* The channel has been closed by either end; all its messages have come before. */
    DATA_EVENT_CHANNEL_CLOSED, /* id */
    /* The peer has closed in order, or has agreed to; or it has hung up, as browsers do, when no
     * channel was open and it had acknowledged all; text: its words, may be empty. */
    DATA_EVENT_CLOSED,
    DATA_EVENT_FAILED, /* text: what happened. The session is over. */
};

struct data_event {
    enum data_event_type type;
    uint16_t id;
    bool by_peer; /* the peer has opened the channel */
    enum data_kind kind;
    const uint8_t *bytes; /* lent until the next call for this session */
    size_t size;
    const char *label, *protocol; /* lent as `bytes`; as the peer sent them: not fit to print */
    const char *text;             /* lent until the session is freed */
};

/* The next event, if there is one. */
bool data_session_event(struct data_session *session, struct data_event *event);

struct data_figures {
    uint32_t rtt_us; /* smoothed, of SCTP; 0: not known */
    uint32_t congestion_window;
    uint64_t datagrams_sent, datagrams_received;
    uint64_t dropped; /* not of the association, not to be read, or of no known kind */
};
void data_session_figures(const struct data_session *session, struct data_figures *out);

#endif
