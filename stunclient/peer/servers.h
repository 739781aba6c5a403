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

/* What the service told last: a copy. */
struct server_list {
    struct server_url {
        struct stun_uri uri;
        char user[SIGNAL_TEXT_MAX + 1], password[SIGNAL_TEXT_MAX + 1];
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
/* Gives the agent the STUN servers of a list, or the TURN servers, as they are found. */
void servers_add(struct servers *servers, const struct server_list *list, bool turn);
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
