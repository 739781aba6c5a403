/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the shell share.
 *
 *   shell.c          the loop: the outbox, the timer, signals, ways by number
 *   shell_udp.c      ways that are UDP sockets
 *   shell_dtls.c     DTLS on such a way
 *   shell_stream.c   ways that are connections
 */
#ifndef STUNCLIENT_SHELL_INTERNAL_H
#define STUNCLIENT_SHELL_INTERNAL_H

#include "net/dtls.h"
#include "stunclient/secure.h"
#include "stunclient/shell.h"
#include "stunclient/shell_datagram.h"

#include <event2/event.h>

struct bufferevent;
struct stream;

/* One way in and out. */
struct way {
    struct shell *shell;
    uint32_t via;
    int descriptor; /* of a datagram socket; -1 otherwise */
    struct event *event;
    struct stream *stream;
    struct bufferevent *raw; /* what a stream stood on that has left framing */
    struct dtls *dtls;       /* on the datagram socket, or NULL */
    struct event *resend;    /* of DTLS */
    int send_error;          /* of what DTLS sent last */
    bool connected;
    struct secure *secure;             /* of a stream on TLS; NULL: none */
    uint8_t transport;                 /* of its flows */
    struct stun_address local, remote; /* remote: of a stream or of DTLS */
};

struct shell {
    struct event_base *base;
    struct event *timer, *limit, *interrupt, *terminate, *hang_up;
    bool interrupted;
    struct secure *secure;         /* NULL: no TLS */
    const struct shell_user *user; /* while it runs */
    struct way *ways[SHELL_WAYS_MAX];
    struct outbox outbox;
    struct datagram_batch batch;
    uint8_t plain[PACKET_HEADROOM + DTLS_PLAINTEXT_MAX + PACKET_TAILROOM]; /* what DTLS carried */
};

/* ---- shell.c --------------------------------------------------------------------------------- */

/* The outbox's flush: sends what is in it, and reports what could not be sent. */
void shell_send(struct outbox *outbox, void *context);
/* To the user, as long as it runs. */
void shell_report(struct shell *shell, uint32_t via, const struct stun_address *remote, int error,
                  const char *text);
void shell_tell_connected(const struct way *way);
void shell_tell_input(const struct way *way, const struct flow *flow, struct packet *packet);
/* An empty way with a number, or NULL: too many, or memory is out. */
struct way *shell_new_way(struct shell *shell);

/* ---- shell_dtls.c ---------------------------------------------------------------------------- */

/* What came for the association of the way, which may be gone afterwards. */
void shell_take_record(struct way *way, const struct flow *flow, const struct packet *packet);

#endif
