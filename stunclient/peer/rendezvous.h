/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rendezvous service as a program sees it: finds it, connects (TCP, TLS, WebSocket) and carries
 * messages between it and the machine (proto/rendezvous_client.h), which it wakes up by itself.
 */
#ifndef STUNCLIENT_PEER_RENDEZVOUS_H
#define STUNCLIENT_PEER_RENDEZVOUS_H

#include "proto/message_uri.h"
#include "proto/rendezvous_client.h"
#include "stunclient/peer/account.h"
#include "stunclient/peer/host_key.h"
#include "stunclient/shell.h"

struct rendezvous;

struct rendezvous_setup {
    struct shell *shell;
    const struct options *options; /* borrowed */
    const struct account *account; /* borrowed */
    struct stun_crypto *crypto;    /* borrowed */
    const char *name;              /* to be called by; NULL: the account's */
    const struct host_key *key;    /* to show where the service wants one; NULL: none */
    /* Called from the loop for each event of the machine. */
    void (*event)(void *context, const struct rendezvous_client_event *event);
    void *context;
};

/* Begins to connect. NULL with the failure filled. */
struct rendezvous *rendezvous_new(const struct rendezvous_setup *setup, struct failure *failure);
void rendezvous_free(struct rendezvous *rendezvous); /* NULL is allowed */
struct rendezvous_client *rendezvous_machine(struct rendezvous *rendezvous);
/* The machine has been told something: its output is sent in the loop's next turn. */
void rendezvous_poke(struct rendezvous *rendezvous);
/* Sends what waits, now: the loop will not turn again. */
void rendezvous_flush(struct rendezvous *rendezvous);
/* HOST:PORT of the URI, by which known_peers knows the service. */
#define RENDEZVOUS_AUTHORITY_SIZE (sizeof((struct message_uri *)0)->authority + 8)
void rendezvous_format_authority(const struct message_uri *uri,
                                 char out[RENDEZVOUS_AUTHORITY_SIZE]);
/* The same of this one. */
const char *rendezvous_authority(const struct rendezvous *rendezvous);
/* Where it is connected to, or was at last; false: nowhere yet. */
bool rendezvous_remote(const struct rendezvous *rendezvous, struct stun_address *out);
/* The exit status for what was wrong at last: no such name, nobody there, TLS. */
enum exit_status rendezvous_status(const struct rendezvous *rendezvous);

#endif
