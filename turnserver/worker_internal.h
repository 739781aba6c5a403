/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker is made of: for worker.c and worker_mail.c only. */
#ifndef TURNSERVER_WORKER_INTERNAL_H
#define TURNSERVER_WORKER_INTERNAL_H

#include "net/associations.h"
#include "net/mailbox.h"
#include "turnserver/datapath/datapath.h"
#include "turnserver/streams.h"
#include "turnserver/tcp_relay.h"
#include "turnserver/worker.h"

#include <pthread.h>

/*
 * A turn begins with the first packet, timer or message that the loop brings and ends when all that
 * was ready has been read: `end_of_turn` is made active at the tail of the loop's queue. Then the
 * outbox is sent, so that the answers of many sockets share a system call; packets go back to the
 * datapath, events are drained, the timer is set. One reading of the clock serves a turn.
 */
struct worker {
    const struct worker_shared *shared;
    struct config_policy *policy; /* a reference */
    unsigned number;
    struct event_base *base;
    struct event *end_of_turn, *timer, *every_second;
    struct monotime now;       /* of this turn */
    struct monotime timer_due; /* what the timer is set to */
    bool in_turn, stopping;
    struct mailbox *mailbox;
    const struct datapath_operations *operations;
    struct datapath *datapath;
    struct streams *streams;
    struct associations *associations; /* NULL: no listener has "dtls" */
    struct tcp_relay *tcp_relay;
    struct stun_crypto *crypto;
    struct auth *auth;
    struct turn_server *turn;
    pthread_t thread;
    bool running;
    pthread_mutex_t counters_mutex;
    struct worker_counters counters; /* as of the last second */
    struct outbox outbox;
};

/* ---- worker.c -------------------------------------------------------------------------------- */

void worker_begin_turn(struct worker *worker);

/* ---- worker_mail.c: what goes to others, and what comes from them -----------------------------
 */

bool worker_mail_open(struct worker *worker);
/* Takes the machine's questions to where users are kept, and to other workers. */
void worker_mail_ask(struct worker *worker);
/* How a port goes from one worker to another; all get the worker. */
extern const struct turn_passing worker_mail_passing;
/* tcp_relay_user.send. */
int worker_mail_send_tcp(void *context, unsigned number, struct tcp_relay_message *message);

#endif
