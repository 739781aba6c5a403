/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/allocation.h"

#include "base/address.h"
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
    return container_of(node, const struct allocation, by_via)->via == *(const uint32_t *)wanted;
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

struct allocation *allocation_of_via(struct turn_server *server, uint32_t via)
{
    struct hash_node *node = hash_map_find(&server->allocations.by_via, &via);

    return node == NULL ? NULL
                        : allocation_judge(server, container_of(node, struct allocation, by_via));
}

/* ---- life ------------------------------------------------------------------------------------ */

void allocation_report(struct turn_server *server, const struct allocation *allocation,
                       const struct turn_event *event)
{
    struct turn_event complete = *event;

    complete.client = allocation->flow.remote;
    complete.via = allocation->flow.via;
    complete.transport = allocation->flow.transport;
    complete.relayed = allocation->relayed;
    if (!event_queue_add(&server->events, &server->accounts, &complete, allocation->account)) {
        server->counters.events_lost++;
    }
}

static void allocation_set_timer(struct turn_server *server, struct allocation *allocation)
{
    struct monotime due = allocation->expires;

    if (allocation->reservation != RESERVATION_TOKEN_NONE) {
        due = monotime_earlier(due, allocation->reservation_expires);
    }
    timer_wheel_set(&server->allocations.timers, &allocation->timer, due);
}

static bool allocation_insert(struct allocation_table *table, struct allocation *allocation)
{
    if (hash_map_insert(&table->by_flow, &allocation->by_flow, &allocation->flow) != 0) {
        return false;
    }
    if (hash_map_insert(&table->by_via, &allocation->by_via, &allocation->via) != 0) {
        hash_map_remove(&table->by_flow, &allocation->by_flow);
        return false;
    }
    return true;
}

struct allocation *allocation_new(struct turn_server *server, struct monotime now,
                                  const struct allocation_begin *begin)
{
    struct allocation *allocation = calloc(1, sizeof *allocation);

    if (allocation == NULL) {
        return NULL;
    }
    allocation->flow = *begin->flow;
    allocation->relayed = begin->relayed;
    allocation->via = begin->via;
    if (!allocation_insert(&server->allocations, allocation)) {
        free(allocation);
        return NULL;
    }
    allocation->account = begin->account;
    allocation->created = now;
    allocation->expires = monotime_add_seconds(now, begin->lifetime_s);
    allocation->reservation = begin->reservation;
    allocation->reservation_expires = monotime_add_seconds(now, RESERVATION_LIFETIME_S);
    allocation->first_lifetime_s = begin->lifetime_s;
    allocation->policy_generation = server->allocations.policy_generation;
    memcpy(allocation->transaction_id, begin->transaction_id, STUN_TRANSACTION_ID_SIZE);
    permission_table_init(&allocation->permissions);
    channel_table_init(&allocation->channels);
    allocation_set_timer(server, allocation);
    server->counters.allocations_made++;
    server->counters.allocations_now++;
    return allocation;
}

/* Gives the reserved port back, unless somebody has fetched it. */
static void allocation_end_reservation(struct turn_server *server, struct allocation *allocation)
{
    struct stun_address reserved;

    if (allocation->reservation != RESERVATION_TOKEN_NONE &&
        reservation_take(server->reservations, allocation->reservation, &reserved)) {
        port_pool_give_back(server->setup.pool, &reserved);
    }
    allocation->reservation = RESERVATION_TOKEN_NONE;
}

void allocation_end(struct turn_server *server, struct monotime now, struct allocation *allocation,
                    enum turn_end_reason reason)
{
    const struct turn_event ended = {
        .type = TURN_ENDED,
        .end_reason = reason,
        .sent_bytes = allocation->sent_bytes,
        .sent_packets = allocation->sent_packets,
        .received_bytes = allocation->received_bytes,
        .received_packets = allocation->received_packets,
        .duration_us = (uint64_t)monotime_difference_us(now, allocation->created),
    };

    allocation_report(server, allocation, &ended);
    allocation_end_reservation(server, allocation);
    timer_wheel_cancel(&server->allocations.timers, &allocation->timer);
    hash_map_remove(&server->allocations.by_flow, &allocation->by_flow);
    hash_map_remove(&server->allocations.by_via, &allocation->by_via);
    server->setup.ports.close(server->setup.ports.context, allocation->via);
    port_pool_give_back(server->setup.pool, &allocation->relayed);
    if (server->setup.quota.release != NULL) {
        server->setup.quota.release(server->setup.quota.context,
                                    account_quota_name(allocation->account));
    }
    account_release(&server->accounts, allocation->account);
    permission_table_clear(&allocation->permissions);
    channel_table_clear(&allocation->channels);
    free(allocation);
    server->counters.allocations_now--;
}

void allocation_prolong(struct turn_server *server, struct monotime now,
                        struct allocation *allocation, uint32_t lifetime_s)
{
    allocation->expires = monotime_add_seconds(now, lifetime_s);
    allocation_set_timer(server, allocation);
}

void allocation_table_expire(struct turn_server *server, struct monotime now)
{
    struct timer_node *node;

    while ((node = timer_wheel_expire(&server->allocations.timers, now)) != NULL) {
        struct allocation *allocation = container_of(node, struct allocation, timer);

        if (monotime_reached(now, allocation->expires)) {
            allocation_end(server, now, allocation, TURN_END_EXPIRED);
        } else {
            allocation_end_reservation(server, allocation);
            allocation_set_timer(server, allocation);
        }
    }
}
