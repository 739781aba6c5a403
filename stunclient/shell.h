/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shell around the machines of a verb: one event loop, one outbox, sockets and connections
 * known by number (`via`), one timer.
 */
#ifndef STUNCLIENT_SHELL_H
#define STUNCLIENT_SHELL_H

#include "base/monotime.h"
#include "base/outbox.h"

#include <stdbool.h>

#define SHELL_WAYS_MAX 256

struct event_base;
struct secure;
struct shell;

/* What a verb does with what happens. `failed` and `connected` may be NULL. */
struct shell_user {
    void *context;
    void (*input)(void *context, struct monotime now, const struct flow *flow,
                  struct packet *packet, struct outbox *outbox);
    void (*connected)(void *context, struct monotime now, uint32_t via, struct outbox *outbox);
    /*
     * A datagram to `remote` came to nothing, or the connection `via` has ended or was never made.
     * `text` says why: "connection refused".
     */
    void (*failed)(void *context, struct monotime now, uint32_t via,
                   const struct stun_address *remote, int error, const char *text,
                   struct outbox *outbox);
    void (*tick)(void *context, struct monotime now, struct outbox *outbox);
    struct monotime (*due)(void *context);
    bool (*finished)(void *context);
};

/* Returns NULL when memory or the system fails. */
struct shell *shell_new(void);
void shell_free(struct shell *shell);
struct event_base *shell_base(struct shell *shell);
/* What is put here before shell_run is sent when it begins. */
struct outbox *shell_outbox(struct shell *shell);

/* Sends it now. */
void shell_flush(struct shell *shell);

/*
 * Opens a UDP socket on `local` (an unspecified IP: any; port 0: a free one). Errors that ICMP
 * reports come to `failed`. Returns 0 and sets `via`, or -errno.
 */
int shell_open_udp(struct shell *shell, const struct stun_address *local, uint32_t *via);
/* Streams opened from now on stand on TLS, and associations use it; `secure` is borrowed.
 * `connected` then comes after the handshake, and when (D)TLS fails the error is EPROTO. */
void shell_use_tls(struct shell *shell, struct secure *secure);
/* Begins to connect from `local` (NULL: any). `connected` or `failed` follows. 0 or -errno. */
int shell_open_tcp(struct shell *shell, const struct stun_address *remote,
                   const struct stun_address *local, uint32_t *via);
/* The same on TLS by `secure`, which is borrowed and must not be NULL; of this way alone, whatever
 * shell_use_tls said. Its flow has TRANSPORT_TLS. */
int shell_open_tls(struct shell *shell, struct secure *secure, const struct stun_address *remote,
                   const struct stun_address *local, uint32_t *via);
/* Begins a DTLS association with `remote`. `connected` or `failed` follows. 0 or -errno. */
int shell_open_dtls(struct shell *shell, const struct stun_address *remote,
                    const struct stun_address *local, uint32_t *via);
/* One of these three; `remote` is not used for TRANSPORT_UDP, of which `connected` does not come.
 */
int shell_open(struct shell *shell, enum outbox_transport transport,
               const struct stun_address *remote, const struct stun_address *local, uint32_t *via);
void shell_close(struct shell *shell, uint32_t via);
/* From now on a stream carries bytes in place of messages: `input` gets them as they come, and what
 * is sent goes out unframed. */
void shell_leave_framing(struct shell *shell, uint32_t via);
/*
 * The address that packets from `via` to `remote` leave from, as they would be seen if nothing
 * translated them. Returns 0 or -errno: there is no way to `remote`.
 */
int shell_local(struct shell *shell, uint32_t via, const struct stun_address *remote,
                struct stun_address *out);

/* Sends the outbox, arms the timer, looks whether the user has finished: after something that the
 * shell does not know of has spoken to a machine. */
void shell_settle(struct shell *shell);

/*
 * Runs until the user has finished, `give_up` has come, or SIGINT, SIGTERM or SIGHUP (unless
 * ignored) has. Returns whether it was not a signal that ended it.
 */
bool shell_run(struct shell *shell, const struct shell_user *user, struct monotime give_up);

#endif
