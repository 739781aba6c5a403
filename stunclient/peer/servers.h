/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The STUN and TURN servers of a call: URLs as the rendezvous service tells them, looked up side by
 * side, given to the ICE agent as each is found, and connected to where the agent asks for that.
 */
#ifndef STUNCLIENT_PEER_SERVERS_H
#define STUNCLIENT_PEER_SERVERS_H

#include "proto/ice/ice.h"
#include "proto/stun_uri.h"
#include "stunclient/options.h"
#include "stunclient/shell.h"
#include "wire/signal.h"

#define SERVERS_MAX 32
#define SERVER_CHALLENGE_SIZE 256 /* of realm and nonce; a longer one is not remembered */

/* What the service told last: a copy. */
struct server_list {
    struct server_url {
        struct stun_uri uri;
        char user[SIGNAL_TEXT_MAX + 1], password[SIGNAL_TEXT_MAX + 1];
        /* What its challenge will say; realm empty: not known. */
        char realm[SERVER_CHALLENGE_SIZE], nonce[SERVER_CHALLENGE_SIZE];
        uint16_t algorithms[SIGNAL_ALGORITHMS_MAX];
        size_t algorithm_count;
    } urls[SERVERS_MAX];
    size_t count;
};

/* Replaces the list; what cannot be understood is left out. */
void server_list_take(struct server_list *list, const struct signal_ice_servers *told);

struct servers;

struct servers_setup {
    struct shell *shell;
    const struct options *options;
    struct ice_agent *agent;
    /* Something did not work: for a trace. */
    void (*complain)(void *context, const char *text);
    void *context;
};

/* NULL when memory is out. */
struct servers *servers_new(const struct servers_setup *setup);
void servers_free(struct servers *servers); /* closes its connections; NULL is allowed */
/* In the order in which they are asked: one question follows the other after some milliseconds. */
enum servers_kind {
    SERVERS_RELAY_QUICK, /* TURN over UDP whose challenge is known: one answer tells both addresses
                          */
    SERVERS_STUN,
    SERVERS_RELAY,
};
/* Gives the agent the servers of a list that are of this kind, as they are found. */
void servers_add(struct servers *servers, const struct server_list *list, enum servers_kind kind);
/* The service has told anew: relays that are known have the credentials of this list from now on,
 * for what is allocated later. An allocation goes on with those that it was made with. */
void servers_renew(struct servers *servers, const struct server_list *list);
/* No more will be added: the agent is told when all have been found. */
void servers_complete(struct servers *servers);
/* ICE_CONNECT and ICE_DISCONNECT. */
void servers_connect(struct servers *servers, struct monotime now, const struct ice_event *event,
                     struct outbox *outbox);
void servers_disconnect(struct servers *servers, uint32_t request);
/* Of the shell: a connection stands or is lost. Whether it was one of these. */
bool servers_connected(struct servers *servers, struct monotime now, uint32_t via,
                       struct outbox *outbox);
bool servers_lost(struct servers *servers, struct monotime now, uint32_t via, const char *text,
                  struct outbox *outbox);
bool servers_owns(const struct servers *servers, uint32_t via);
/* "turn:example.org" for words; "" for no such number. */
const char *servers_name(const struct servers *servers, uint32_t number);

#endif
