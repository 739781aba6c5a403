/* SPDX-License-Identifier: BSD-3-Clause */
/* What acceptor.c (listening, accepting, deadlines) and connection.c (the life of one connection)
 * share. */
#ifndef NET_ACCEPTOR_INTERNAL_H
#define NET_ACCEPTOR_INTERNAL_H

#include "base/timer_wheel.h"
#include "net/acceptor.h"
#include "net/opening.h"
#include "net/tunnel.h"

#include <openssl/ssl.h>

struct listening {
    struct listening *next;
    struct acceptor *acceptor;
    struct event *readable;
    int descriptor;
    struct acceptor_port port;
    struct opening_rules rules, rules_of_proxies;
};

struct acceptor {
    struct event_base *base;
    struct acceptor_user user;
    struct acceptor_policy policy;
    struct connection_limit *limit;
    struct acceptor_counters counters;
    struct listening *listening;
    bool started;
    struct event *resume; /* ends a pause */
    struct event *tick;   /* runs the wheel; armed for `armed` */
    struct monotime armed;
    struct connection *connections;
    struct timer_wheel deadlines;
    SSL_CTX *tls; /* or NULL */
};

/* One of opening, stream and tunnel is there. */
struct connection {
    struct acceptor *acceptor;
    const struct listening *listening; /* while it opens */
    struct opening *opening;
    struct stream *stream;
    struct tunnel *tunnel;
    tunnel_meter *meter; /* of a connection that is joined, or NULL */
    void *meter_context;
    int descriptor; /* while it opens; -1: somebody else's */
    int peer;       /* what it is about to be joined with, or -1 */
    enum outbox_transport transport;
    struct stun_address remote, local;
    struct stun_address counted;     /* as whose it is counted in the limit */
    struct connection *next, **link; /* acceptor->connections */
    struct timer_node deadline;
    struct monotime last_frame; /* of the latest flush */
    uint32_t number;
    bool framed; /* a first whole frame has come */
    bool held;
    bool closing; /* the user knows that it goes, or never knew that it came */
};

/* What one accept brought; counted in the limit as that of `counted`. */
struct arrival {
    int descriptor;
    struct stun_address remote, local, counted;
    bool proxied;
};

/* Takes over an arrival that the limit has counted. */
void connection_open(const struct listening *listening, const struct arrival *arrival);
/* Ends it at once; its user is told when it knows of it. */
void connection_end(struct connection *connection, const char *text);
/* The same without telling. */
void connection_remove(struct connection *connection);

void acceptor_count_refusal(struct acceptor *acceptor, enum connection_verdict verdict);
/* Sets or cancels what the connection is waited for by now. */
void acceptor_set_deadline(struct connection *connection, struct monotime now);

#endif
