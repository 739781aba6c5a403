/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rendezvous service of a process: one thread with a loop, listening sockets, message streams,
 * and the machine of turnserver/rendezvous. It stands beside the workers and shares nothing with
 * them but the policy, the nonce key and the source of users.
 *
 *   rendezvous_service   the thread: machine, questions, timer, mailbox      (rendezvous_service.c)
 *   rendezvous_link      a connection between its stream and the machine     (rendezvous_link.c)
 *   rendezvous_http      GET /turn                                           (rendezvous_http.c)
 */
#ifndef TURNSERVER_RENDEZVOUS_SERVICE_H
#define TURNSERVER_RENDEZVOUS_SERVICE_H

#include "turnserver/config.h"
#include "turnserver/ops/rendezvous_events.h"

struct rendezvous_service;

struct rendezvous_service_setup {
    const struct config_boot *boot; /* outlives the service */
    struct config_policy *policy;   /* the service takes a reference; has rendezvous */
    const uint8_t *nonce_key;       /* AUTH_NONCE_KEY_SIZE bytes, as the workers', copied */
    struct auth_source users;       /* who is not in the policy; ask NULL: nobody is */
    struct log *log;
};

/*
 * Binds its ports, which needs privileges, without running. Problems are told on `diagnostics`, a
 * line each with the address and what to do. Returns NULL on failure.
 */
struct rendezvous_service *rendezvous_service_new(const struct rendezvous_service_setup *setup,
                                                  FILE *diagnostics);
/* Starts the thread. Returns 0 or -errno. */
int rendezvous_service_start(struct rendezvous_service *service);
/* Mailbox messages: safe from any thread. Takes its own reference to `policy`. */
void rendezvous_service_send_policy(struct rendezvous_service *service,
                                    struct config_policy *policy, const struct config_boot *boot);
/* Tells the clients, and ends the thread; who asks the source of users has ended before. NULL is
 * allowed. */
void rendezvous_service_stop(struct rendezvous_service *service);
/* Frees; NULL is allowed. */
void rendezvous_service_free(struct rendezvous_service *service);
/* As of within the last second. Safe from any thread. */
void rendezvous_service_counters(struct rendezvous_service *service,
                                 struct rendezvous_service_counters *out);

#endif
