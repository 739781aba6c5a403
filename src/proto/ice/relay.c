/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/ice/gather_internal.h"

#include "base/address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void relay_free(struct ice_relay *relay)
{
    turn_client_free(relay->client);
    relay->client = NULL;
}

/* ---- its life ----------------------------------------------------------------------------------
 */

void relay_start(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                 struct outbox *outbox)
{
    struct ice_relay *relay = &leg->relay;
    bool ipv6 = leg->address.family == STUN_FAMILY_IPV6;
    const struct turn_client_setup setup = {
        .crypto = agent->setup.crypto,
        .random = agent->setup.random,
        .random_context = agent->setup.random_context,
        .flow = leg_flow(agent, leg),
        .user = leg->server->user,
        .password = leg->server->password,
        .challenge = leg->server->challenge.realm != NULL && !leg->redirected
                         ? &leg->server->challenge
                         : NULL,
        .software = agent->setup.software,
        .timing = stun_timing_default,
        .timeout_ms = GATHER_PATIENCE_MS,
        .keepalive_ms = GATHER_KEEPALIVE_MS,
        /* Who is reached by IPv6 is asked for an IPv6 address: by default it would be IPv4. */
        .family = ipv6 && !leg->any_family ? STUN_FAMILY_IPV6 : STUN_FAMILY_NONE,
    };

    relay_free(relay);
    relay->base = ICE_NONE;
    relay->peer_count = 0;
    relay->client = turn_client_new(&setup);
    if (relay->client == NULL) {
        gather_leg_ended(agent, now, leg, "its credentials cannot be used");
        return;
    }
    turn_client_allocate(relay->client, now, outbox);
    agent->gather->poke = now; /* whatever it had to say at once */
}

/* Among relays UDP is the best way to the server, and TLS costs most. */
static uint16_t relay_preference(const struct ice_agent *agent, const struct ice_leg *leg)
{
    switch (leg->server->transport) {
    case TRANSPORT_UDP:
        return (uint16_t)(32768 +
                          (leg->socket != ICE_NONE ? agent->gather->preferences[leg->socket] : 0) /
                              2);
    case TRANSPORT_TCP:
        return 16384;
    default:
        return 8192;
    }
}

static void allocated(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                      const struct turn_client_event *event, struct outbox *outbox)
{
    struct ice_relay *relay = &leg->relay;

    if (agent->gather->closing) {
        return;
    }
    if (event->relayed.port == 0 || address_is_unspecified(&event->relayed)) {
        turn_client_delete(relay->client, now, outbox);
        gather_leg_ended(agent, now, leg, "the relayed address that it gave is no address");
        return;
    }
    int base = ice_base_add(agent, leg_flow(agent, leg).via, &event->relayed,
                            relay_preference(agent, leg), relay, leg->server->transport);
    if (base < 0) {
        turn_client_delete(relay->client, now, outbox);
        gather_leg_ended(agent, now, leg, "there are too many ways already");
        return;
    }
    relay->base = base;
    const struct ice_local_source source = {
        .type = ICE_RELAYED,
        .address = event->relayed,
        .related = event->mapped,
        .server = leg->address,
        .server_transport = leg->server->transport,
    };
    /* The reflexive address first: a Linux router before the peer that has taken a packet of our
     * relay for one to itself maps the peer's socket anew for the relay, and for whom it meets
     * later. So the peer must have sent to us before. */
    gather_leg_found(agent, now, leg, &event->mapped, outbox);
    (void)ice_local_add(agent, now, base, &source, outbox);
    gather_check_gathered(agent);
}

/* "name or password refused (401 Unauthorized)" */
static void describe(char why[160], const struct turn_client_event *event)
{
    const char *what = turn_client_failure_text(event->failure);

    if (event->code == 0) {
        snprintf(why, 160, "%s", what);
    } else {
        snprintf(why, 160, "%s (%u %s)", what, event->code,
                 event->reason[0] != '\0' ? event->reason : stun_error_reason(event->code));
    }
}

static void failed(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                   const struct turn_client_event *event, struct outbox *outbox)
{
    char why[160];

    if (event->failure == TURN_CLIENT_FAMILY && leg->address.family == STUN_FAMILY_IPV6 &&
        !leg->any_family && !agent->gather->closing) {
        leg->any_family = true;
        relay_start(agent, now, leg, outbox);
        return;
    }
    describe(why, event);
    gather_leg_failed(agent, now, leg, why);
}

static void ended(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                  const struct turn_client_event *event, struct outbox *outbox)
{
    char why[160];
    int base = leg->relay.base;

    describe(why, event);
    agent->gather->poke = now; /* it may have been the last that closing waits for */
    if (base != ICE_NONE) {
        ice_base_lost(agent, now, base, outbox);
        leg->relay.base = ICE_NONE;
        leg->relay.peer_count = 0;
    }
    if (agent->gather->closing || event->failure == TURN_CLIENT_NONE) {
        gather_leg_ended(agent, now, leg, why);
    } else {
        gather_leg_lost(agent, now, leg, why);
    }
}

static void redirected(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                       const struct turn_client_event *event, struct outbox *outbox)
{
    if (!leg_redirect(agent, now, leg, &event->address, outbox)) {
        gather_leg_ended(agent, now, leg,
                         "it names another server, which names another or is none");
    }
}

/* ---- peers -------------------------------------------------------------------------------------
 */

static struct relay_peer *find_peer(struct ice_relay *relay, const struct stun_address *remote)
{
    for (size_t i = 0; i < relay->peer_count; i++) {
        if (address_equal(&relay->peers[i].address, remote)) {
            return &relay->peers[i];
        }
    }
    return NULL;
}

/* A channel may be refused where a permission was given: it is asked whether that is there still,
 * and what comes of this counts. */
static bool is_of_channel(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                          const struct stun_address *remote, struct outbox *outbox)
{
    struct relay_peer *peer = find_peer(&leg->relay, remote);

    if (peer == NULL || !peer->preferred || peer->refused) {
        return false;
    }
    peer->refused = true;
    agent->gather->poke = now;
    return turn_client_permit(leg->relay.client, now, remote, outbox) == 0;
}

static void peer_settled(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                         const struct stun_address *remote, const char *refusal,
                         struct outbox *outbox)
{
    struct relay_peer *peer = find_peer(&leg->relay, remote);

    if (peer != NULL && leg->relay.base != ICE_NONE) {
        bool was_ready = peer->ready;
        peer->ready = refusal == NULL;
        if (refusal != NULL || !was_ready) {
            ice_relay_permitted(agent, now, leg->relay.base, remote, refusal, outbox);
        }
    }
}

static void take_event(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                       const struct turn_client_event *event, struct outbox *outbox)
{
    char why[160];

    switch (event->type) {
    case TURN_CLIENT_ALLOCATED:
        allocated(agent, now, leg, event, outbox);
        break;
    case TURN_CLIENT_FAILED:
        failed(agent, now, leg, event, outbox);
        break;
    case TURN_CLIENT_REDIRECTED:
        redirected(agent, now, leg, event, outbox);
        break;
    case TURN_CLIENT_PERMITTED:
    case TURN_CLIENT_BOUND:
        peer_settled(agent, now, leg, &event->peer, NULL, outbox);
        break;
    case TURN_CLIENT_PEER_FAILED:
        if (is_of_channel(agent, now, leg, &event->peer, outbox)) {
            break;
        }
        describe(why, event);
        peer_settled(agent, now, leg, &event->peer, why, outbox);
        break;
    case TURN_CLIENT_ENDED:
        ended(agent, now, leg, event, outbox);
        break;
    default:
        break;
    }
}

void relay_drain(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                 struct outbox *outbox)
{
    struct turn_client_event event;

    /* An event may end this machine and begin another: it is looked up each time. */
    while (leg->relay.client != NULL && turn_client_event(leg->relay.client, &event)) {
        take_event(agent, now, leg, &event, outbox);
    }
}

/* ---- what the agent asks of it -----------------------------------------------------------------
 */

void ice_relay_prepare(struct ice_agent *agent, struct monotime now, int base,
                       const struct stun_address *remote, struct outbox *outbox)
{
    struct ice_relay *relay = agent->bases[base].relay;

    if (relay == NULL || find_peer(relay, remote) != NULL || relay->peer_count == ICE_REMOTES_MAX) {
        return;
    }
    if (turn_client_permit(relay->client, now, remote, outbox) != 0) {
        return;
    }
    /* A check follows the request at once: the server reads them in this order. */
    relay->peers[relay->peer_count++] = (struct relay_peer){
        .address = *remote, .ready = turn_client_may_send(relay->client, now, remote)};
    /* The machine may know the answer already; the agent is in the midst of making the pair. */
    agent->gather->poke = now;
}

bool ice_relay_is_ready(const struct ice_agent *agent, int base, const struct stun_address *remote)
{
    struct ice_relay *relay = agent->bases[base].relay;
    const struct relay_peer *peer = relay != NULL ? find_peer(relay, remote) : NULL;

    return peer != NULL && peer->ready;
}

void ice_relay_prefer(struct ice_agent *agent, struct monotime now, int base,
                      const struct stun_address *remote, struct outbox *outbox)
{
    struct ice_relay *relay = agent->bases[base].relay;
    struct relay_peer *peer = relay != NULL ? find_peer(relay, remote) : NULL;

    if (peer != NULL && !peer->preferred) {
        peer->preferred = turn_client_bind(relay->client, now, remote, outbox) == 0;
        agent->gather->poke = now;
    }
}

void ice_relay_forget(struct ice_agent *agent, struct monotime now, int base,
                      const struct stun_address *remote)
{
    struct ice_relay *relay = agent->bases[base].relay;
    struct relay_peer *peer = relay != NULL ? find_peer(relay, remote) : NULL;

    if (peer != NULL) {
        turn_client_forget(relay->client, now, remote);
        *peer = relay->peers[--relay->peer_count];
    }
}

int ice_relay_send(struct ice_agent *agent, struct monotime now, int base,
                   const struct stun_address *remote, struct packet *packet, struct outbox *outbox)
{
    struct ice_relay *relay = agent->bases[base].relay;

    return relay != NULL ? turn_client_send(relay->client, now, remote, packet, outbox) : -ENOTCONN;
}
