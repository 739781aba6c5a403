/* SPDX-License-Identifier: BSD-3-Clause */
/* Servers and sockets, and the legs between them. */
#include "proto/ice/gather_internal.h"

#include "base/address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void gather_free_server(struct gather_server *server)
{
    free(server->user);
    free((char *)server->challenge.realm);
    free((char *)server->challenge.nonce);
    if (server->password != NULL) {
        explicit_bzero(server->password, strlen(server->password));
        free(server->password);
    }
}

/* Where STUN over UDP is all that is wanted of a server for TURN: it answers Binding too. */
static bool is_for_turn(const struct ice_agent *agent, const struct gather_server *server)
{
    return server->turn && agent->setup.relay != ICE_RELAY_NEVER;
}

static bool is_wanted(const struct ice_agent *agent, const struct gather_server *server)
{
    if (agent->setup.lite) {
        return false; /* RFC 8445 §5.2: host candidates only */
    }
    return is_for_turn(agent, server) ||
           (server->transport == TRANSPORT_UDP && agent->setup.relay != ICE_RELAY_ONLY);
}

/* What is bound to the loopback or to one link gets no further than that. */
static bool may_reach(const struct stun_address *socket, const struct stun_address *server)
{
    return socket->family == server->family &&
           (!address_is_loopback(socket) || address_is_loopback(server)) &&
           (!ice_address_is_link_local(socket) || ice_address_is_link_local(server));
}

static bool is_within_caps(const struct ice_agent *agent, const struct gather_server *server,
                           int socket)
{
    size_t of_socket = 0, of_server = 0;

    for (const struct ice_leg *leg = agent->gather->legs; leg != NULL; leg = leg->next) {
        of_socket += leg->socket == socket && socket != ICE_NONE;
        of_server += leg->server == server;
    }
    return agent->gather->leg_count < GATHER_LEGS_MAX && of_socket < GATHER_LEGS_PER_SOCKET_MAX &&
           (!is_for_turn(agent, server) || of_server < GATHER_RELAYS_PER_SERVER_MAX);
}

static int add_leg(struct ice_agent *agent, struct monotime now, struct gather_server *server,
                   int socket, struct outbox *outbox)
{
    struct ice_gather *gather = agent->gather;

    if (!is_within_caps(agent, server, socket)) {
        return 0;
    }
    struct ice_leg *leg = calloc(1, sizeof *leg);
    if (leg == NULL) {
        return -ENOMEM;
    }
    leg->server = server;
    leg->socket = socket;
    leg->address = server->address;
    leg->relay.base = ICE_NONE;
    leg->due = monotime_before(gather->next_start, now) ? now : gather->next_start;
    gather->next_start = monotime_add_ms(leg->due, GATHER_PACE_MS);
    struct ice_leg **end = &gather->legs;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = leg;
    gather->leg_count++;
    if (socket != ICE_NONE) {
        gather_note_pending(agent, socket);
    }
    if (monotime_reached(now, leg->due)) {
        leg_start(agent, now, leg, outbox);
    }
    return 0;
}

static int add_legs_of_server(struct ice_agent *agent, struct monotime now,
                              struct gather_server *server, struct outbox *outbox)
{
    int status = 0;

    if (server->transport != TRANSPORT_UDP) {
        return add_leg(agent, now, server, ICE_NONE, outbox);
    }
    for (int i = 0; i < ICE_BASES_MAX && status == 0; i++) {
        const struct ice_base *base = &agent->bases[i];
        if (base->in_use && base->relay == NULL && may_reach(&base->address, &server->address)) {
            status = add_leg(agent, now, server, i, outbox);
        }
    }
    return status;
}

static bool copy_challenge(struct gather_server *server, const struct long_term_challenge *from)
{
    if (from == NULL) {
        return true;
    }
    server->challenge = *from;
    server->challenge.realm = strdup(from->realm);
    server->challenge.nonce = strdup(from->nonce);
    return server->challenge.realm != NULL && server->challenge.nonce != NULL;
}

static bool copy_credentials(struct gather_server *server, const struct ice_server *from)
{
    if (!copy_challenge(server, from->challenge)) {
        return false;
    }
    server->user = from->user != NULL ? strdup(from->user) : NULL;
    server->password = from->password != NULL ? strdup(from->password) : NULL;
    return (from->user == NULL || server->user != NULL) &&
           (from->password == NULL || server->password != NULL);
}

static struct gather_server *find_server(struct ice_gather *gather, const struct ice_server *wanted)
{
    for (size_t i = 0; i < gather->server_count; i++) {
        struct gather_server *server = &gather->servers[i];
        if (server->turn == wanted->turn && server->transport == wanted->transport &&
            address_equal(&server->address, &wanted->address)) {
            return server;
        }
    }
    return NULL;
}

/* Two allocations of one socket at one server cannot be: it has other credentials from now on. */
static void renew_server(struct ice_agent *agent, struct monotime now, struct gather_server *server)
{
    for (struct ice_leg *leg = agent->gather->legs; leg != NULL; leg = leg->next) {
        bool socket_is_there = leg->socket == ICE_NONE ? server->transport != TRANSPORT_UDP
                                                       : agent->bases[leg->socket].in_use;
        if (leg->server == server && leg->state == LEG_FAILED && socket_is_there &&
            !agent->gather->closing) {
            leg->state = LEG_WAITING;
            leg->due = now;
            leg->retries = 0;
            leg->redirected = leg->any_family = false;
            leg->address = server->address;
        }
    }
}

int ice_add_server(struct ice_agent *agent, struct monotime now, const struct ice_server *server,
                   struct outbox *outbox)
{
    struct ice_gather *gather = agent->gather;
    struct gather_server *same = find_server(gather, server);
    struct gather_server added = {
        .address = server->address,
        .transport = server->transport,
        .turn = server->turn,
        .number = server->number,
    };

    if (same == NULL && gather->server_count == GATHER_SERVERS_MAX) {
        return -ENOSPC;
    }
    if (!copy_credentials(&added, server)) {
        gather_free_server(&added);
        return -ENOMEM;
    }
    if (same != NULL) {
        gather_free_server(same);
        *same = added;
        renew_server(agent, now, same);
        return 0;
    }
    gather->servers[gather->server_count] = added;
    struct gather_server *kept = &gather->servers[gather->server_count++];
    if (!is_wanted(agent, kept) || gather->closing) {
        return 0;
    }
    int status = add_legs_of_server(agent, now, kept, outbox);
    ice_run(agent, now, outbox);
    return status;
}

int ice_add_socket(struct ice_agent *agent, struct monotime now, uint32_t via,
                   const struct stun_address *local, uint16_t preference, struct outbox *outbox)
{
    struct ice_gather *gather = agent->gather;
    int base = ice_base_add(agent, via, local, preference, NULL, TRANSPORT_UDP);

    if (base < 0) {
        return base;
    }
    gather->preferences[base] = preference;
    for (size_t i = 0; i < gather->server_count && !gather->closing; i++) {
        struct gather_server *server = &gather->servers[i];
        if (server->transport == TRANSPORT_UDP && is_wanted(agent, server) &&
            may_reach(local, &server->address)) {
            (void)add_leg(agent, now, server, base, outbox); /* one leg less is no harm */
        }
    }
    const struct ice_local_source source = {.type = ICE_HOST, .address = *local};
    (void)ice_local_add(agent, now, base, &source, outbox);
    ice_run(agent, now, outbox);
    return 0;
}

static void lose_leg(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                     const char *why, struct outbox *outbox)
{
    if (leg->relay.client != NULL && (leg->state == LEG_ASKING || leg->state == LEG_DONE)) {
        turn_client_flow_closed(leg->relay.client, now);
        relay_drain(agent, now, leg, outbox);
    } else if (leg->state != LEG_FAILED) {
        gather_leg_failed(agent, now, leg, why);
    }
}

void ice_socket_lost(struct ice_agent *agent, struct monotime now, uint32_t via,
                     struct outbox *outbox)
{
    int base = ice_base_of_via(agent, via);

    if (base == ICE_NONE) {
        return;
    }
    /* Before the legs, so that none of them is tried again. */
    ice_base_lost(agent, now, base, outbox);
    for (struct ice_leg *leg = agent->gather->legs; leg != NULL; leg = leg->next) {
        if (leg->socket == base) {
            lose_leg(agent, now, leg, "our socket is gone", outbox);
            leg->state = LEG_FAILED;
            leg->socket = ICE_NONE;
        }
    }
    gather_check_gathered(agent);
    ice_run(agent, now, outbox);
}

static struct ice_leg *find_request(const struct ice_agent *agent, uint32_t request)
{
    for (struct ice_leg *leg = agent->gather->legs; leg != NULL; leg = leg->next) {
        if (leg->request == request && request != 0) {
            return leg;
        }
    }
    return NULL;
}

void ice_server_connected(struct ice_agent *agent, struct monotime now, uint32_t request,
                          uint32_t via, const struct stun_address *local, struct outbox *outbox)
{
    struct ice_leg *leg = find_request(agent, request);

    if (leg == NULL || leg->state != LEG_CONNECTING) {
        return; /* it came too late, and ICE_DISCONNECT has been said */
    }
    leg->via = via;
    leg->local = *local;
    leg->connected = true;
    leg->state = LEG_ASKING;
    relay_start(agent, now, leg, outbox);
    ice_run(agent, now, outbox);
}

void ice_server_lost(struct ice_agent *agent, struct monotime now, uint32_t request,
                     struct outbox *outbox)
{
    struct ice_leg *leg = find_request(agent, request);

    if (leg == NULL) {
        return;
    }
    leg->request = 0; /* the shell knows already: no ICE_DISCONNECT */
    leg->connected = false;
    lose_leg(agent, now, leg, "no connection to it could be made", outbox);
    ice_run(agent, now, outbox);
}

void ice_gathering_complete(struct ice_agent *agent, struct monotime now)
{
    (void)now;
    agent->gather->complete = true;
    for (size_t i = 0; i < agent->gather->server_count; i++) {
        struct gather_server *server = &agent->gather->servers[i];
        if (is_wanted(agent, server)) {
            bool asked = false;
            for (const struct ice_leg *leg = agent->gather->legs; leg != NULL; leg = leg->next) {
                asked = asked || leg->server == server;
            }
            if (!asked) {
                gather_tell_server(agent, server, "no socket of ours can reach its address");
            }
        }
    }
    gather_check_gathered(agent);
}
