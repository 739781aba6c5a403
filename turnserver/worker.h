/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker: one thread with its own event loop, SO_REUSEPORT sockets, TURN machine, timers and
 * counters. It alone knows every step of a packet. Nothing on the data path is shared but the port
 * pool's bits; whatever comes from outside is a message in its mailbox.
 */
#ifndef TURNSERVER_WORKER_H
#define TURNSERVER_WORKER_H

#include "net/dtls_cookie.h"
#include "turnserver/config.h"
#include "turnserver/ops/counters.h"
#include "turnserver/turn/turn.h"

struct worker;

/* What all workers of a process share; it outlives them, and is safe to use from any worker. */
struct worker_shared {
    const struct config_boot *boot;
    struct port_pool *pool;
    struct reservation_table *reservations; /* NULL: each worker has its own */
    struct source_limit *strangers;         /* the same */
    struct connection_limit *connections;   /* NULL: no limit */
    struct turn_quota quota;
    struct turn_bandwidth bandwidth;
    uint8_t nonce_key[AUTH_NONCE_KEY_SIZE];
    uint8_t dtls_cookie_key[DTLS_COOKIE_KEY_SIZE];
    /* All of them by number, once they run; so that one can reach another. May be empty. */
    struct worker *const *workers;
    unsigned worker_count;
    struct auth_source users; /* who is not in the policy; ask NULL: nobody is */
    /* Called for each event of a machine; may be NULL. */
    void (*event)(void *context, unsigned worker, const struct turn_event *event);
    void *event_context;
};

/* Raises the soft limit of open files to the hard one: each relayed port and connection is one.
 * Returns the limit that holds now. */
uint64_t worker_raise_file_limit(void);

/*
 * Makes worker `number` and binds its sockets, without running it: binding needs privileges,
 * running must not have them. Worker 0 comes first: it checks that nobody else has our ports.
 * Problems are told on `diagnostics`, a line each with the address and what to do. Returns NULL on
 * failure.
 */
struct worker *worker_new(const struct worker_shared *shared, struct config_policy *policy,
                          unsigned number, FILE *diagnostics);
/* Starts the thread. Returns 0 or -errno. */
int worker_start(struct worker *worker);
/* Mailbox messages: safe from any thread. The worker takes its own reference to `policy`. */
void worker_send_policy(struct worker *worker, struct config_policy *policy);
void worker_send_stop(struct worker *worker);
/* Waits for the thread to end after worker_send_stop. All have ended before any is freed, since
 * they write to one another. */
void worker_join(struct worker *worker);
/* Frees; joins first if need be. */
void worker_free(struct worker *worker);
/* Adds this worker's counters, as of within the last second, to `sum`. Safe from any thread. */
void worker_add_counters(struct worker *worker, struct worker_counters *sum);

#endif
