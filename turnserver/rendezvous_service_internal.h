/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the rendezvous service share. */
#ifndef TURNSERVER_RENDEZVOUS_SERVICE_INTERNAL_H
#define TURNSERVER_RENDEZVOUS_SERVICE_INTERNAL_H

#include "base/hash_map.h"
#include "net/mailbox.h"
#include "net/message_stream.h"
#include "turnserver/rendezvous_service.h"

#include <event2/event.h>
#include <pthread.h>

#define RENDEZVOUS_ORIGIN_SIZE 256

/* A connection, from its first byte until its stream has ended. */
struct rendezvous_link {
    struct hash_node node; /* in service->links */
    struct rendezvous_service *service;
    struct message_stream *stream;
    struct connection *connection; /* counted in the limit until it is closed */
    uint64_t number;               /* what the machine calls it */
    bool known;                    /* to the machine */
    bool full;                     /* the machine keeps its output to itself */
};

struct rendezvous_service {
    const struct config_boot *boot;
    struct config_policy *policy; /* a reference */
    struct auth_source users;
    struct log *log;
    struct event_base *base;
    struct event *timer, *every_second;
    struct monotime timer_due; /* what the timer is set to */
    struct mailbox *mailbox;
    struct connection_limit *limit;
    struct acceptor *acceptor;
    struct stun_crypto *crypto;
    struct auth *auth;
    struct rendezvous *machine;
    struct hash_map links;
    uint64_t last_number;
    char origin[RENDEZVOUS_ORIGIN_SIZE]; /* of the handshake in hand; "": none */
    pthread_t thread;
    bool running, stopping, in_turn;
    uint64_t broken, http;
    pthread_mutex_t counters_mutex;
    struct rendezvous_service_counters counters; /* as of the last second */
};

/* ---- rendezvous_service.c ---------------------------------------------------------------------
 */

/* After anything was told to the machine: sends what it has to say, and sets the timer. */
void rendezvous_service_turn(struct rendezvous_service *service);

/* ---- rendezvous_link.c ------------------------------------------------------------------------
 */

extern const struct hash_map_type rendezvous_link_map;
/* A connection that was accepted: acceptor_user.take. */
void rendezvous_link_take(struct connection *connection, int descriptor, bool tls, void *context);
/* What the machine wants done. */
void rendezvous_link_output(struct rendezvous_service *service,
                            const struct rendezvous_output *output);
/* Ends all of them, at once and without telling the machine. */
void rendezvous_link_free_all(struct rendezvous_service *service);

/* ---- rendezvous_http.c ------------------------------------------------------------------------
 */

/* message_stream_user.request */
bool rendezvous_http_request(struct message_stream *stream, const struct http_head *head,
                             void *context);

#endif
