/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DTLS associations of a server (RFC 7350), as the acceptor has its TCP connections: on ports
 * of the datapath, each known to the machine by a `via` of its own whose two top bits are set.
 *
 * A ClientHello costs nothing before its cookie has come back (net/dtls_cookie.h). Handshakes under
 * way are bounded: a new one drops the oldest, so that half-made ones keep nobody out. A client
 * that begins anew from an old address replaces its old association once it has shown its hand
 * (RFC 6347 §4.2.8), and not before.
 */
#ifndef NET_ASSOCIATIONS_H
#define NET_ASSOCIATIONS_H

#include "base/monotime.h"
#include "base/outbox.h"
#include "net/connection_limit.h"
#include "net/dtls_cookie.h"

struct associations;
struct event_base;
struct ssl_ctx_st; /* SSL_CTX of OpenSSL */

#define ASSOCIATIONS_VIA_FIRST 0xC0000000u

struct associations_user {
    void *context;
    /* A datagram of a client, decrypted; lent until the outbox has been sent. */
    void (*frame)(void *context, const struct flow *flow, struct packet *packet);
    /* Send the outbox now. */
    void (*flush)(void *context);
    /* The association has ended; its via is gone after the call. */
    void (*closed)(void *context, const struct flow *flow);
    /* Send these datagrams through the datapath. */
    void (*send)(void *context, const struct outbox_entry *entries, size_t count);
    /* Whether something may be done for a source that nobody knows; counts it. */
    bool (*admit)(void *context, const struct stun_address *source);
};

struct associations_setup {
    struct associations_user user;
    const uint8_t *cookie_key;    /* DTLS_COOKIE_KEY_SIZE bytes, the same for all workers; copied */
    struct siphash_key table_key; /* unpredictable */
    struct connection_limit *limit; /* borrowed, shared by all workers; NULL: none */
    uint32_t idle_seconds;          /* without a datagram and not held */
};

struct associations_counters {
    uint64_t open; /* now, handshakes under way included */
    uint64_t challenged;
    uint64_t opened;
    uint64_t resumed;         /* of those opened: by a ticket */
    uint64_t refused;         /* by connection_limit */
    uint64_t timed_out;       /* the handshake, or idle */
    uint64_t displaced;       /* handshakes that went for newer ones */
    uint64_t replaced;        /* associations whose client began anew */
    uint64_t failed;          /* by an error of DTLS or of the client */
    uint64_t dropped_unknown; /* records without association; fragments of a ClientHello */
    uint64_t dropped_plain;   /* not DTLS, on a port for DTLS alone */
};

/* `setup` is copied. Returns NULL when memory is out. */
struct associations *associations_new(struct event_base *base,
                                      const struct associations_setup *setup);
/* Says close_notify to every client; no callback but `send`. NULL is allowed. */
void associations_free(struct associations *associations);

/* Takes DTLS at that port; `plain`: STUN without it is welcome there too. */
void associations_listen(struct associations *associations, uint32_t via, bool plain);
/* The context of associations to come (dtls_prepare_server has been called), which gains a
 * reference. */
void associations_set_context(struct associations *associations, struct ssl_ctx_st *context);
/* The host that the client named in its handshake (RFC 6066 §3), or NULL; lives as long as the
 * association. */
const char *associations_server_name(const struct associations *associations, uint32_t via);

/*
 * A datagram from a port of the datapath. Returns whether it was ours; if not, it is plain STUN or
 * ChannelData. Its bytes are not needed after the call.
 */
bool associations_input(struct associations *associations, struct monotime now,
                        const struct flow *flow, const struct packet *packet);

/* Encrypts a message to an association; associations_flush sends it. Of one that is gone it is
 * lost. */
void associations_send(struct associations *associations, const struct outbox_entry *entry);
/* Sends what waits. */
void associations_flush(struct associations *associations);
/* The outbox has been sent: all lent datagrams have come back. */
void associations_reclaim(struct associations *associations);
/* Whether the association carries an allocation: then it may be idle. */
void associations_hold(struct associations *associations, struct monotime now, uint32_t via,
                       bool held);
/* Ends and repeats what is due at `now`. The loop does so by itself. */
void associations_expire(struct associations *associations, struct monotime now);

const struct associations_counters *associations_counters(const struct associations *associations);

#endif
