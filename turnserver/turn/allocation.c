/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/allocation.h"

#include "base/address.h"
#include "turnserver/turn/shared_port.h"
#include "turnserver/turn/turn_internal.h"

#include <stdlib.h>
#include <string.h>

#define TIMER_GRANULARITY_US (100 * MONOTIME_MILLISECOND)
#define RESERVATION_LIFETIME_S 30 /* RFC 8656 §7.2 */

/* ---- the two ways to find one ---------------------------------------------------------------- */

/* Our own address is left out: there are few, and nobody else chooses them. */
static uint64_t hash_flow(const struct siphash_key *key, const void *wanted)
{
    const struct flow *flow = wanted;
    uint8_t bytes[24];

    memcpy(bytes, &flow->via, 4);
    bytes[4] = flow->transport;
    bytes[5] = flow->remote.family;
    memcpy(bytes + 6, &flow->remote.port, 2);
    memcpy(bytes + 8, flow->remote.ip, 16);
    return siphash(key, bytes, sizeof bytes);
}

static bool is_of_flow(const struct hash_node *node, const void *wanted)
{
    const struct flow *a = &container_of(node, const struct allocation, by_flow)->flow;
    const struct flow *b = wanted;

    return a->via == b->via && a->transport == b->transport &&
           address_equal(&a->remote, &b->remote) && address_equal(&a->local, &b->local);
}

static uint64_t hash_via(const struct siphash_key *key, const void *wanted)
{
    return siphash(key, wanted, sizeof(uint32_t));
}

static bool is_of_via(const struct hash_node *node, const void *wanted)
{
    return container_of(node, const struct relay_port, by_via)->via == *(const uint32_t *)wanted;
}

void allocation_table_init(struct allocation_table *table, const struct siphash_key *key)
{
    static const struct hash_map_type flows = {hash_flow, is_of_flow};
    static const struct hash_map_type vias = {hash_via, is_of_via};

    /* The policy's bound is looked at when one is asked for: it may change. */
    hash_map_init(&table->by_flow, &flows, key, SIZE_MAX);
    hash_map_init(&table->by_via, &vias, key, SIZE_MAX);
    timer_wheel_init(&table->timers, TIMER_GRANULARITY_US, (struct monotime){0});
    table->policy_generation = 0;
}

void allocation_table_clear(struct allocation_table *table)
{
    hash_map_clear(&table->by_flow);
    hash_map_clear(&table->by_via);
}

uint64_t allocation_flow_hash(const struct turn_server *server, const struct flow *flow)
{
    return hash_flow(&server->allocations.by_flow.siphash_key, flow);
}

/* After a reload every peer is judged again, when its allocation is next used. */
static struct allocation *allocation_judge(struct turn_server *server,
                                           struct allocation *allocation)
{
    const struct peer_rules *rules = server->policy->peers;

    if (allocation->policy_generation == server->allocations.policy_generation) {
        return allocation;
    }
    allocation->policy_generation = server->allocations.policy_generation;
    for (size_t i = 0; i < allocation->permissions.count; i++) {
        struct permission *permission = &allocation->permissions.entries[i];
        struct stun_address peer = {.family = permission->family};

        memcpy(peer.ip, permission->ip, sizeof peer.ip);
        permission->verdict = (uint8_t)peer_rules_check(rules, &peer);
    }
    for (size_t i = 0; i < allocation->channels.count; i++) {
        struct channel *channel = &allocation->channels.entries[i];

        channel->verdict = (uint8_t)peer_rules_check(rules, &channel->peer);
    }
    return allocation;
}

struct allocation *allocation_of_flow(struct turn_server *server, const struct flow *flow)
{
    struct hash_node *node = hash_map_find(&server->allocations.by_flow, flow);

    return node == NULL ? NULL
                        : allocation_judge(server, container_of(node, struct allocation, by_flow));
}

struct relay_port *allocation_port_of_via(struct turn_server *server, uint32_t via)
{
    struct hash_node *node = hash_map_find(&server->allocations.by_via, &via);
    struct relay_port *port;

    if (node == NULL) {
        return NULL;
    }
    port = container_of(node, struct relay_port, by_via);
    (void)allocation_judge(server, port->allocation);
    return port;
}

struct relay_port *allocation_port_hearing(struct turn_server *server, uint32_t via,
                                           const struct stun_address *peer)
{
    struct relay_port *port;

    if (server->shared == NULL) {
        return allocation_port_of_via(server, via);
    }
    port = shared_port_owner(server, via, peer);
    if (port != NULL) {
        (void)allocation_judge(server, port->allocation);
    }
    return port;
}

/* ---- ports ----------------------------------------------------------------------------------- */

struct relay_port *allocation_port(struct allocation *allocation, uint8_t family)
{
    struct relay_port *second = allocation->second;

    if (allocation->port.open && allocation->port.relayed.family == family) {
        return &allocation->port;
    }
    return second != NULL && second->open && second->relayed.family == family ? second : NULL;
}

bool allocation_is_dual(const struct allocation *allocation)
{
    return allocation->port.open && allocation->second != NULL && allocation->second->open;
}

static bool port_insert(struct allocation_table *table, struct allocation *allocation,
                        struct relay_port *port, const struct relay_opened *opened)
{
    port->allocation = allocation;
    port->relayed = opened->relayed;
    port->via = opened->via;
    port->tcp = opened->tcp;
    port->shared = opened->shared;
    port->open =
        port->shared != NULL || hash_map_insert(&table->by_via, &port->by_via, &port->via) == 0;
    return port->open;
}

int relay_open(struct turn_server *server, struct relay_opened *opened)
{
    const struct turn_setup *setup = &server->setup;
    int status;

    if (!opened->tcp) {
        return setup->ports.open(setup->ports.context, &opened->relayed, &opened->via);
    }
    status = setup->tcp.listen(setup->tcp.context, &opened->relayed, &opened->via);
    if (status == 0) {
        port_pool_set_listening(setup->pool, &opened->relayed, true);
    }
    return status;
}

void relay_close(struct turn_server *server, const struct relay_opened *opened)
{
    const struct turn_setup *setup = &server->setup;

    if (opened->shared != NULL) {
        shared_port_leave(server, opened->shared);
        return;
    }
    if (opened->tcp) {
        port_pool_set_listening(setup->pool, &opened->relayed, false);
        setup->tcp.unlisten(setup->tcp.context, opened->via);
    } else {
        setup->ports.close(setup->ports.context, opened->via);
    }
    port_pool_give_back(setup->pool, &opened->relayed);
}

static void port_close(struct turn_server *server, struct monotime now, struct relay_port *port)
{
    const struct relay_opened opened = {port->relayed, port->via, port->tcp, port->shared};

    tcp_connection_close_all(server, now, port->allocation, port->relayed.family);
    if (port->shared != NULL) {
        shared_port_forget(port);
    } else {
        hash_map_remove(&server->allocations.by_via, &port->by_via);
    }
    relay_close(server, &opened);
    port->open = false;
    if (port->shared == NULL) {
        account_give_back(server, account_quota_name(port->allocation->account),
                          (struct turn_holding){0, 1});
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

void allocation_report(struct turn_server *server, const struct allocation *allocation,
                       const struct turn_event *event)
{
    struct turn_event complete = *event;

    complete.client = allocation->flow.remote;
    complete.via = allocation->flow.via;
    complete.transport = allocation->flow.transport;
    complete.relayed = allocation->port.relayed;
    if (allocation->second != NULL) {
        complete.relayed_second = allocation->second->relayed;
    }
    if (!event_queue_add(&server->events, &server->accounts, &complete, allocation->account)) {
        server->counters.events_lost++;
    }
}

/* Ports that are closed never end. */
static struct monotime port_end(const struct relay_port *port)
{
    return port != NULL && port->open ? port->expires : MONOTIME_NEVER;
}

void allocation_set_timer(struct turn_server *server, struct allocation *allocation)
{
    struct monotime due =
        monotime_earlier(port_end(&allocation->port), port_end(allocation->second));

    if (allocation->reservation != RESERVATION_TOKEN_NONE) {
        due = monotime_earlier(due, allocation->reservation_expires);
    }
    timer_wheel_set(&server->allocations.timers, &allocation->timer, due);
}

/* Takes an allocation out of the maps again, as far as it got in; its ports stay the caller's. */
static void allocation_withdraw(struct allocation_table *table, struct allocation *allocation)
{
    if (allocation->port.open && allocation->port.shared == NULL) {
        hash_map_remove(&table->by_via, &allocation->port.by_via);
    }
    if (allocation->second != NULL && allocation->second->open &&
        allocation->second->shared == NULL) {
        hash_map_remove(&table->by_via, &allocation->second->by_via);
    }
    free(allocation->second);
    free(allocation);
}

static bool allocation_insert(struct allocation_table *table, struct allocation *allocation,
                              const struct allocation_begin *begin)
{
    if (!port_insert(table, allocation, &allocation->port, &begin->ports[0])) {
        return false;
    }
    if (begin->port_count > 1) {
        allocation->second = calloc(1, sizeof *allocation->second);
        if (allocation->second == NULL ||
            !port_insert(table, allocation, allocation->second, &begin->ports[1])) {
            return false;
        }
    }
    allocation->attached =
        hash_map_insert(&table->by_flow, &allocation->by_flow, &allocation->flow) == 0;
    return allocation->attached;
}

void allocation_detach(struct turn_server *server, struct allocation *allocation)
{
    if (allocation->attached) {
        hash_map_remove(&server->allocations.by_flow, &allocation->by_flow);
        allocation->attached = false;
        allocation->flow.via = 0;
    }
}

void allocation_attach(struct turn_server *server, struct allocation *allocation,
                       const struct flow *flow)
{
    allocation_detach(server, allocation);
    allocation->flow = *flow;
    allocation->attached =
        hash_map_insert(&server->allocations.by_flow, &allocation->by_flow, &allocation->flow) == 0;
}

struct allocation *allocation_new(struct turn_server *server, struct monotime now,
                                  const struct allocation_begin *begin)
{
    struct allocation *allocation = calloc(1, sizeof *allocation);

    if (allocation == NULL) {
        return NULL;
    }
    allocation->flow = *begin->flow;
    if (!allocation_insert(&server->allocations, allocation, begin)) {
        allocation_withdraw(&server->allocations, allocation);
        return NULL;
    }
    allocation->account = begin->account;
    allocation->created = now;
    allocation->tcp = begin->ports[0].tcp;
    allocation->reservation = begin->reservation;
    allocation->reservation_expires = monotime_add_seconds(now, RESERVATION_LIFETIME_S);
    allocation->first_lifetime_s = begin->lifetime_s;
    allocation->policy_generation = server->allocations.policy_generation;
    memcpy(allocation->transaction_id, begin->transaction_id, STUN_TRANSACTION_ID_SIZE);
    permission_table_init(&allocation->permissions);
    channel_table_init(&allocation->channels);
    allocation_prolong(server, now, allocation, STUN_FAMILY_NONE, begin->lifetime_s);
    server->counters.allocations_made++;
    server->counters.allocations_now++;
    return allocation;
}

void account_give_back(struct turn_server *server, const char *user, struct turn_holding holding)
{
    const struct turn_quota *quota = &server->setup.quota;

    if (quota->release != NULL) {
        quota->release(quota->context, user, holding);
    }
}

void allocation_end_reservation(struct turn_server *server, struct allocation *allocation,
                                const char *user)
{
    struct stun_address reserved;

    if (allocation->reservation == RESERVATION_TOKEN_NONE) {
        return;
    }
    if (reservation_take(server->reservations, allocation->reservation, &reserved)) {
        port_pool_give_back(server->setup.pool, &reserved);
    }
    account_give_back(server, user, (struct turn_holding){0, 1});
    allocation->reservation = RESERVATION_TOKEN_NONE;
}

void allocation_keep_session(struct allocation *allocation, const struct auth_identity *identity)
{
    if (identity->session.key_size > 0 && allocation->session == NULL) {
        allocation->session = malloc(sizeof *allocation->session);
    }
    /* Without memory the holder has to bring a token with each request. */
    if (identity->session.key_size > 0 && allocation->session != NULL) {
        *allocation->session = identity->session;
    }
}

void allocation_free_memory(struct allocation *allocation)
{
    permission_table_clear(&allocation->permissions);
    channel_table_clear(&allocation->channels);
    free(allocation->session);
    free(allocation->mobility);
    free(allocation->second);
    free(allocation);
}

void allocation_end(struct turn_server *server, struct monotime now, struct allocation *allocation,
                    enum turn_end_reason reason)
{
    struct turn_event ended = {.type = TURN_ENDED, .end_reason = reason};

    tcp_connection_close_all(server, now, allocation, STUN_FAMILY_NONE);
    ended.sent_bytes = allocation->sent_bytes;
    ended.sent_packets = allocation->sent_packets;
    ended.received_bytes = allocation->received_bytes;
    ended.received_packets = allocation->received_packets;
    ended.duration_us = (uint64_t)monotime_difference_us(now, allocation->created);
    allocation_report(server, allocation, &ended);
    timer_wheel_cancel(&server->allocations.timers, &allocation->timer);
    allocation_detach(server, allocation);
    if (allocation->port.open) {
        port_close(server, now, &allocation->port);
    }
    if (allocation->second != NULL && allocation->second->open) {
        port_close(server, now, allocation->second);
    }
    mobility_end(server, allocation);
    allocation_end_reservation(server, allocation, account_quota_name(allocation->account));
    account_give_back(server, account_quota_name(allocation->account), (struct turn_holding){1, 0});
    account_release(&server->accounts, allocation->account);
    allocation_free_memory(allocation);
    server->counters.allocations_now--;
}

void allocation_prolong(struct turn_server *server, struct monotime now,
                        struct allocation *allocation, uint8_t family, uint32_t lifetime_s)
{
    struct monotime expires = monotime_add_seconds(now, lifetime_s);

    if (family == STUN_FAMILY_NONE || allocation->port.relayed.family == family) {
        allocation->port.expires = expires;
    }
    if (allocation->second != NULL &&
        (family == STUN_FAMILY_NONE || allocation->second->relayed.family == family)) {
        allocation->second->expires = expires;
    }
    allocation_set_timer(server, allocation);
}

void allocation_close_port(struct turn_server *server, struct monotime now,
                           struct allocation *allocation, struct relay_port *port)
{
    port_close(server, now, port);
    allocation_set_timer(server, allocation);
}

/* Something of it is over: a port, all of it, or just its reservation. */
static void allocation_expire(struct turn_server *server, struct monotime now,
                              struct allocation *allocation)
{
    bool first_over = monotime_reached(now, port_end(&allocation->port));
    bool second_over = monotime_reached(now, port_end(allocation->second));

    if (allocation_is_dual(allocation) ? first_over && second_over : first_over || second_over) {
        allocation_end(server, now, allocation, TURN_END_EXPIRED);
        return;
    }
    if (first_over || second_over) {
        port_close(server, now, first_over ? &allocation->port : allocation->second);
    }
    if (allocation->reservation != RESERVATION_TOKEN_NONE &&
        monotime_reached(now, allocation->reservation_expires)) {
        allocation_end_reservation(server, allocation, account_quota_name(allocation->account));
    }
    allocation_set_timer(server, allocation);
}

void allocation_table_expire(struct turn_server *server, struct monotime now)
{
    struct timer_node *node;

    while ((node = timer_wheel_expire(&server->allocations.timers, now)) != NULL) {
        allocation_expire(server, now, container_of(node, struct allocation, timer));
    }
}
