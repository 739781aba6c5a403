/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/tcp_connection.h"

#include "base/address.h"
#include "turnserver/turn/deferred.h"
#include "turnserver/turn/turn_internal.h"

#include <stdlib.h>
#include <string.h>

#define TIMER_GRANULARITY_US (100 * MONOTIME_MILLISECOND)
/* RFC 6062 §5.2: how long an attempt may take, and how long a connection waits to be bound. */
#define ATTEMPT_SECONDS 30
#define ID_TRIES 8

/* ---- table ----------------------------------------------------------------------------------- */

static uint64_t hash_id(const struct siphash_key *key, const void *wanted)
{
    return siphash(key, wanted, sizeof(uint32_t));
}

static bool is_of_id(const struct hash_node *node, const void *wanted)
{
    return container_of(node, const struct tcp_connection, by_id)->id == *(const uint32_t *)wanted;
}

void tcp_table_init(struct tcp_table *table, const struct siphash_key *key)
{
    static const struct hash_map_type ids = {hash_id, is_of_id};

    hash_map_init(&table->by_id, &ids, key, SIZE_MAX);
    timer_wheel_init(&table->timers, TIMER_GRANULARITY_US, (struct monotime){0});
}

void tcp_table_clear(struct tcp_table *table)
{
    while (table->claims != NULL) {
        struct tcp_claim *claim = table->claims;

        table->claims = claim->next;
        deferred_free(claim->request);
        free(claim);
    }
    hash_map_clear(&table->by_id);
}

struct tcp_connection *tcp_connection_find(struct turn_server *server, uint32_t id)
{
    struct hash_node *node = hash_map_find(&server->tcp.by_id, &id);

    return node == NULL ? NULL : container_of(node, struct tcp_connection, by_id);
}

struct tcp_connection *tcp_connection_with(const struct allocation *allocation,
                                           const struct stun_address *peer)
{
    struct tcp_connection *connection = allocation->connections;

    while (connection != NULL && !address_equal(&connection->peer, peer)) {
        connection = connection->next;
    }
    return connection;
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool insert(struct turn_server *server, struct tcp_connection *connection)
{
    for (int i = 0; i < ID_TRIES; i++) {
        connection->id = (uint32_t)turn_server_random(server) << 8 | connection->holder;
        if (hash_map_insert(&server->tcp.by_id, &connection->by_id, &connection->id) == 0) {
            return true;
        }
    }
    return false;
}

struct tcp_connection *tcp_connection_new(struct turn_server *server, struct monotime now,
                                          struct allocation *allocation,
                                          const struct stun_address *peer, enum tcp_state state)
{
    struct tcp_connection *connection;

    if (allocation->connection_count >= server->policy->tcp_connections_per_allocation) {
        return NULL;
    }
    connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        return NULL;
    }
    connection->allocation = allocation;
    connection->peer = *peer;
    connection->created = now;
    connection->holder = server->setup.worker & TCP_WORKER_MASK;
    connection->state = state;
    if (!insert(server, connection)) {
        free(connection);
        return NULL;
    }
    connection->link = &allocation->connections;
    connection->next = allocation->connections;
    if (connection->next != NULL) {
        connection->next->link = &connection->next;
    }
    allocation->connections = connection;
    allocation->connection_count++;
    server->counters.tcp_connections_now++;
    timer_wheel_set(&server->tcp.timers, &connection->timer,
                    monotime_add_seconds(now, ATTEMPT_SECONDS));
    return connection;
}

static void report_end(struct turn_server *server, struct monotime now,
                       const struct tcp_connection *connection, const struct turn_tcp_bytes *bytes)
{
    allocation_report(server, connection->allocation,
                      &(struct turn_event){
                          .type = TURN_PEER_DISCONNECTED,
                          .peer = connection->peer,
                          .sent_bytes = bytes->to_peer,
                          .received_bytes = bytes->to_client,
                          .duration_us = (uint64_t)monotime_difference_us(now, connection->created),
                      });
}

/* Forgets a connection whose socket is gone. */
static void forget(struct turn_server *server, struct monotime now,
                   struct tcp_connection *connection, const struct turn_tcp_bytes *bytes)
{
    struct allocation *allocation = connection->allocation;

    if (connection->state == TCP_JOINED) {
        allocation->sent_bytes += bytes->to_peer;
        allocation->received_bytes += bytes->to_client;
        server->counters.relayed_to_peer_bytes += bytes->to_peer;
        server->counters.relayed_to_client_bytes += bytes->to_client;
        report_end(server, now, connection, bytes);
    }
    timer_wheel_cancel(&server->tcp.timers, &connection->timer);
    hash_map_remove(&server->tcp.by_id, &connection->by_id);
    *connection->link = connection->next;
    if (connection->next != NULL) {
        connection->next->link = connection->link;
    }
    allocation->connection_count--;
    server->counters.tcp_connections_now--;
    deferred_free(connection->request);
    free(connection);
}

void tcp_connection_close(struct turn_server *server, struct monotime now,
                          struct tcp_connection *connection)
{
    struct turn_tcp_bytes bytes = {0};

    server->setup.tcp.close(server->setup.tcp.context, connection->id, connection->holder, &bytes);
    forget(server, now, connection, &bytes);
}

void tcp_connection_close_all(struct turn_server *server, struct monotime now,
                              struct allocation *allocation, uint8_t family)
{
    struct tcp_connection *next;

    for (struct tcp_connection *one = allocation->connections; one != NULL; one = next) {
        next = one->next;
        if (family == STUN_FAMILY_NONE || one->peer.family == family) {
            tcp_connection_close(server, now, one);
        }
    }
}

/* ---- what the shell tells -------------------------------------------------------------------- */

static void reply_connect(struct turn_server *server, struct monotime now,
                          struct tcp_connection *connection, bool connected, struct outbox *outbox)
{
    struct turn_request request;
    struct stun_view view;
    struct stun_builder builder;

    deferred_resume(connection->request, server, now, outbox, &request, &view);
    if (connected) {
        reply_begin(&request, &builder, STUN_SUCCESS);
        stun_builder_put_u32(&builder, STUN_CONNECTION_ID, connection->id);
        reply_send(&request, &builder);
    } else {
        server->counters.tcp_connect_failures++;
        reply_error(&request, 447, NULL);
    }
}

void turn_server_tcp_connected(struct turn_server *server, struct monotime now, uint32_t id,
                               int status, struct outbox *outbox)
{
    struct tcp_connection *connection = tcp_connection_find(server, id);

    if (connection == NULL || connection->state != TCP_CONNECTING) {
        return;
    }
    reply_connect(server, now, connection, status == 0, outbox);
    if (status != 0) {
        forget(server, now, connection, &(struct turn_tcp_bytes){0});
        return;
    }
    deferred_free(connection->request);
    connection->request = NULL;
    connection->state = TCP_WAITING;
    timer_wheel_set(&server->tcp.timers, &connection->timer,
                    monotime_add_seconds(now, ATTEMPT_SECONDS));
}

static void send_attempt(struct turn_server *server, const struct tcp_connection *connection,
                         struct outbox *outbox)
{
    uint8_t transaction_id[STUN_TRANSACTION_ID_SIZE];
    uint64_t random[2] = {turn_server_random(server), turn_server_random(server)};
    uint8_t *bytes = outbox_reserve(outbox, OUTBOX_RESERVE_MAX);
    struct stun_builder builder;
    int size;

    memcpy(transaction_id, random, sizeof transaction_id);
    stun_builder_begin(&builder, bytes, OUTBOX_RESERVE_MAX, STUN_INDICATION,
                       STUN_CONNECTION_ATTEMPT, transaction_id);
    stun_builder_put_u32(&builder, STUN_CONNECTION_ID, connection->id);
    stun_builder_put_xor_address(&builder, STUN_XOR_PEER_ADDRESS, &connection->peer);
    size = stun_builder_finish(&builder);
    if (size > 0) {
        outbox_add(outbox, &connection->allocation->flow, bytes, (uint32_t)size);
    }
}

/* RFC 6062 §5.3. */
bool turn_server_tcp_accepted(struct turn_server *server, struct monotime now, uint32_t via,
                              const struct stun_address *peer, uint32_t *id, struct outbox *outbox)
{
    struct relay_port *port = allocation_port_of_via(server, via);
    const struct permission *permission;
    struct tcp_connection *connection = NULL;

    if (port == NULL) {
        return false;
    }
    permission = permission_table_find(&port->allocation->permissions, now, peer);
    if (permission == NULL || !peer_verdict_permits(permission->verdict)) {
        server->counters.dropped_no_permission++;
        return false;
    }
    connection = tcp_connection_new(server, now, port->allocation, peer, TCP_WAITING);
    if (connection == NULL) {
        server->counters.tcp_refused++;
        return false;
    }
    *id = connection->id;
    send_attempt(server, connection, outbox);
    return true;
}

uint16_t turn_server_tcp_claim(struct turn_server *server, struct monotime now, uint32_t id,
                               const char *user, uint32_t holder)
{
    struct tcp_connection *connection = tcp_connection_find(server, id);

    if (connection == NULL || connection->state != TCP_WAITING) {
        return 400;
    }
    if (strcmp(connection->allocation->account->name, user) != 0) {
        return 441;
    }
    connection->state = TCP_JOINED;
    connection->holder = holder;
    timer_wheel_cancel(&server->tcp.timers, &connection->timer);
    server->counters.tcp_connections_made++;
    allocation_report(server, connection->allocation,
                      &(struct turn_event){.type = TURN_PEER_CONNECTED, .peer = connection->peer});
    (void)now;
    return 0;
}

void turn_server_tcp_ended(struct turn_server *server, struct monotime now, uint32_t id,
                           const struct turn_tcp_bytes *bytes)
{
    struct tcp_connection *connection = tcp_connection_find(server, id);

    if (connection != NULL && connection->state == TCP_JOINED) {
        forget(server, now, connection, bytes);
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Ends it from our side; a Connect that waits is answered. */
static void give_up(struct turn_server *server, struct monotime now,
                    struct tcp_connection *connection, struct outbox *outbox)
{
    if (connection->state == TCP_CONNECTING) {
        reply_connect(server, now, connection, false, outbox);
    }
    tcp_connection_close(server, now, connection);
}

static bool is_judged(const struct turn_server *server)
{
    return server->tcp.by_id.count == 0 ||
           server->tcp.policy_generation == server->allocations.policy_generation;
}

static void judge_all(struct turn_server *server, struct monotime now, struct outbox *outbox)
{
    struct hash_cursor cursor;

    for (struct hash_node *node = hash_map_first(&server->tcp.by_id, &cursor); node != NULL;
         node = hash_map_next(&server->tcp.by_id, &cursor)) {
        struct tcp_connection *one = container_of(node, struct tcp_connection, by_id);
        if (!peer_verdict_permits(peer_rules_check(server->policy->peers, &one->peer))) {
            give_up(server, now, one, outbox);
        }
    }
    server->tcp.policy_generation = server->allocations.policy_generation;
}

struct monotime tcp_table_due(const struct turn_server *server)
{
    const struct tcp_table *table = &server->tcp;

    if (!is_judged(server)) {
        return (struct monotime){0};
    }
    return monotime_earlier(timer_wheel_due(&table->timers),
                            table->claims != NULL ? table->claims->ends : MONOTIME_NEVER);
}

void tcp_table_expire(struct turn_server *server, struct monotime now, struct outbox *outbox)
{
    struct timer_node *node;

    while ((node = timer_wheel_expire(&server->tcp.timers, now)) != NULL) {
        struct tcp_connection *one = container_of(node, struct tcp_connection, timer);
        server->counters.tcp_unbound += one->state == TCP_WAITING;
        give_up(server, now, one, outbox);
    }
    if (!is_judged(server)) {
        judge_all(server, now, outbox);
    }
    connection_bind_expire(server, now);
}
