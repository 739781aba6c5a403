/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stream side of a worker, as the datapath is its datagram side: TCP and TLS connections that
 * came in, each known by a `via` whose top bit is set and the next one is not (associations.h).
 */
#ifndef TURNSERVER_STREAMS_H
#define TURNSERVER_STREAMS_H

#include "base/outbox.h"
#include "net/tunnel.h"
#include "turnserver/config.h"

struct acceptor_counters;
struct connection_limit;
struct event_base;
struct streams;

struct streams_user {
    void *context;
    /* A frame of a client; lent until the outbox has been sent. */
    void (*frame)(void *context, const struct flow *flow, struct packet *packet);
    /* Send the outbox now. */
    void (*flush)(void *context);
    /* The client's connection has ended; its via is gone after the call. */
    void (*closed)(void *context, const struct flow *flow);
};

/* `user` is copied; `limit` is borrowed, shared by all workers. Returns NULL when memory is out. */
struct streams *streams_new(struct event_base *base, const struct streams_user *user,
                            const struct config_boot *boot, struct connection_limit *limit);
void streams_free(struct streams *streams); /* closes every connection; NULL is allowed */

/* Binds a listening port that other workers share; `listener` is borrowed. Returns 0 or -errno. */
int streams_listen(struct streams *streams, const struct config_listener *listener);
/* What a policy says about connections to come: the certificate. Its content is not kept. */
void streams_set_policy(struct streams *streams, const struct config_policy *policy);
/* Lets connections in. Returns 0 or -errno. */
int streams_start(struct streams *streams);

/* Sends a whole message to a connection, copied. One that is gone, or reads too slowly, loses it.
 */
void streams_send(struct streams *streams, const struct outbox_entry *entry);
/* As connection_server_name; NULL also when there is no such connection. */
const char *streams_server_name(const struct streams *streams, uint32_t via);
/* Whether the connection carries an allocation: then it may be idle. */
void streams_hold(struct streams *streams, uint32_t via, bool held);

/* As connection_join: `descriptor` belongs to the connection. -EPIPE also when there is none. */
int streams_join(struct streams *streams, uint32_t via, int descriptor, tunnel_meter *meter,
                 void *context);
/* What a joined connection has carried; zeros when there is none. */
void streams_joined_bytes(const struct streams *streams, uint32_t via, uint64_t *from_client,
                          uint64_t *to_client);
/* Closes a connection; `closed` is not called. */
void streams_close(struct streams *streams, uint32_t via);

const struct acceptor_counters *streams_counters(const struct streams *streams);

#endif
