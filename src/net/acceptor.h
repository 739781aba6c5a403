/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listening TCP sockets of a worker, and the connections that came in through them: streams with
 * deadlines. A connection must send its first whole frame within a time, a PROXY header and the
 * handshake of TLS included; after that it may be idle for a time, unless it is held because it
 * carries an allocation.
 *
 *   accept -> limit -> opening (if it must be looked at) -> stream, on TCP or TLS
 *                                                        -> tunnel to an upstream
 *   stream -> tunnel to the peer of a relay, by connection_join
 *
 * All of it belongs to one event loop and its thread.
 */
#ifndef NET_ACCEPTOR_H
#define NET_ACCEPTOR_H

#include "base/address_set.h"
#include "base/monotime.h"
#include "net/connection_limit.h"
#include "net/stream.h"
#include "net/tunnel.h"

struct acceptor;
struct connection;
struct ssl_ctx_st;

struct acceptor_user {
    void *context;
    /* A new connection, whose handshake of TLS may still be to come. May call connection_close. May
     * be NULL. */
    void (*opened)(struct connection *connection, void *context);
    /* As in stream_user: lent until `flush` has returned. */
    void (*frame)(struct connection *connection, struct packet *packet, void *context);
    void (*flush)(void *context);
    /* It has ended, for whatever reason but connection_close and acceptor_free; it is gone after
     * the call. `text` says why. */
    void (*closed)(struct connection *connection, const char *text, void *context);
    /*
     * Where connections carry something else than STUN; NULL: they do not. Instead of a stream, and
     * of all of the above: `descriptor` is the user's from now on, with all that the client has
     * sent on it but a PROXY header, and `tls` says that a ClientHello comes first. The connection
     * is the user's too, counted in the limit until connection_close, and has no deadline any more.
     */
    void (*take)(struct connection *connection, int descriptor, bool tls, void *context);
};

struct acceptor_policy {
    uint32_t first_frame_seconds; /* from its begin to its first whole frame; 0: no limit */
    uint32_t idle_seconds;        /* without a frame and not held; 0: no limit */
    struct stream_limits limits;  /* before it is held */
    struct stream_limits held;    /* while it is */
};

/* What may suit: 10 s, 60 s, frames of 4 KiB before an allocation, 256 KiB of output. */
extern const struct acceptor_policy acceptor_policy_default;

struct acceptor_counters {
    uint64_t accepted;
    uint64_t refused_total; /* by connection_limit */
    uint64_t refused_source;
    uint64_t accept_failures; /* no descriptors or memory: accepting pauses for a while */
    uint64_t timed_out;       /* no first frame, or idle */
    uint64_t ended_broken;    /* neither STUN nor ChannelData, or too long */
    uint64_t ended_tls;       /* TLS failed, most often in its handshake */
    uint64_t ended_opening;   /* no good PROXY header, or a ClientHello that makes no sense */
    uint64_t tunneled;        /* handed to an upstream */
    uint64_t dropped_frames;  /* data for clients that read too slowly; of ended connections */
    uint64_t open;            /* now */
};

/*
 * `user` and `policy` are copied, `limit` (may be NULL) is borrowed and outlives the acceptor.
 * Returns NULL when memory is out.
 */
struct acceptor *acceptor_new(struct event_base *base, const struct acceptor_user *user,
                              const struct acceptor_policy *policy, struct connection_limit *limit);
/* Closes everything without callbacks. NULL is allowed. */
void acceptor_free(struct acceptor *acceptor);

/* Where TLS goes that is not for us: net/opening.h says which. */
struct acceptor_upstream {
    struct stun_address address; /* family NONE: there is none */
    const char *const *names;    /* server names that are ours: text_host_matches */
    size_t name_count;
    bool proxy_header; /* begin with a PROXY header of version 2 */
};

/* What comes in at a port. What it points to is borrowed for the acceptor's life. */
struct acceptor_port {
    bool plain, tls; /* at least one; both are told apart by the first byte */
    const struct address_set
        *proxies; /* whose connections begin with a PROXY header; NULL: nobody's */
    struct acceptor_upstream upstream; /* only with tls */
    bool alone;                        /* no other socket listens there; else other workers' do */
};

/*
 * Opens a listening socket that other workers share (SO_REUSEPORT); port 0 takes a free one. `port`
 * is copied; NULL: plain TCP. Returns 0 and sets `local` (may be NULL) to where it listens, or
 * -errno. Connections are taken from acceptor_start on; they wait in the kernel before.
 */
int acceptor_listen(struct acceptor *acceptor, const struct stun_address *address,
                    const struct acceptor_port *port, struct stun_address *local);
/* The context of new connections on TLS, which the acceptor keeps by a reference of its own. NULL:
 * TLS is refused. */
void acceptor_set_tls(struct acceptor *acceptor, struct ssl_ctx_st *context);
/* Returns 0 or -errno. */
int acceptor_start(struct acceptor *acceptor);
/* Takes no new connections any more; the old ones stay. */
void acceptor_stop(struct acceptor *acceptor);
/* Ends connections whose time is over at `now`. The loop does so by itself; a test need not wait.
 */
void acceptor_expire(struct acceptor *acceptor, struct monotime now);
const struct acceptor_counters *acceptor_counters(const struct acceptor *acceptor);

/* ---- connections -------------------------------------------------------------------------------
 */

/* A number of the user's, 0 at first: how its tables find the connection. */
void connection_set_number(struct connection *connection, uint32_t number);
uint32_t connection_number(const struct connection *connection);
const struct stun_address *connection_local(const struct connection *connection);
/* The client's own address, though a proxy be between. */
const struct stun_address *connection_remote(const struct connection *connection);
enum outbox_transport connection_transport(const struct connection *connection);
/* The host that the client named in the handshake of TLS (RFC 6066 §3), or NULL; lives as long as
 * the connection. */
const char *connection_server_name(const struct connection *connection);
/* As stream_send; -EPIPE once it is joined. */
int connection_send(struct connection *connection, const uint8_t *bytes, size_t size);
/* Whether it may be idle, and has the larger limits. */
void connection_hold(struct connection *connection, bool held);
/*
 * Leaves STUN behind: what was sent so far goes out, then the connection carries bytes to and from
 * `descriptor`, a connected socket that belongs to it, also when it fails. It is held, takes no
 * more frames, and ends (`closed`) when both directions have ended or one has failed. Returns 0, or
 * -EPIPE when it has ended or was joined before.
 */
int connection_join(struct connection *connection, int descriptor, tunnel_meter *meter,
                    void *context);
/* What a joined connection has carried; zeros for another. */
void connection_joined_bytes(const struct connection *connection, uint64_t *from_client,
                             uint64_t *to_client);
/* Sends what waits, then closes, or at once if it is joined; `closed` is not called. The connection
 * is gone for the caller. */
void connection_close(struct connection *connection);

#endif
