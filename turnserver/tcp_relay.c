/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/tcp_relay.h"

#include "base/hash_map.h"
#include "net/clock.h"
#include "net/timer.h"
#include "turnserver/tcp_sockets.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKER_OF(id) ((id)&0xFFu)
/* When a mailbox is full. */
#define RETRY_MS 5

enum message_kind {
    KIND_CLAIM,
    KIND_CLAIMED,
    KIND_CLOSE,
    KIND_ENDED,
};

struct tcp_relay_message {
    struct tcp_relay_message *next; /* while it waits for room in a mailbox */
    enum message_kind kind;
    unsigned from, to;
    uint32_t id;
    uint32_t number;               /* of a claim */
    uint16_t code;                 /* CLAIMED */
    int descriptor;                /* CLAIMED: the peer's socket, or -1 */
    struct turn_tcp_bytes bytes;   /* ENDED */
    char claimant[AUTH_USER_SIZE]; /* CLAIM */
};

/* A client's data connection that is joined with a peer's. */
struct joined {
    struct hash_node by_id, by_via;
    struct tcp_relay *relay;
    struct bandwidth *bandwidth;       /* of its account, or NULL */
    struct bandwidth *realm_bandwidth; /* of the account's realm, or NULL */
    uint32_t id, via;
};

struct tcp_relay {
    struct tcp_relay_user user;
    unsigned worker;
    struct turn_bandwidth bandwidth;
    struct turn_server *server;
    struct streams *streams;
    struct outbox *outbox;
    struct tcp_sockets *sockets;
    struct hash_map by_id, by_via; /* of struct joined */
    struct event *retry;
    struct tcp_relay_message *unsent; /* oldest first; no more than there are connections */
};

/* ---- joined connections ---------------------------------------------------------------------- */

static uint64_t hash_number(const struct siphash_key *key, const void *wanted)
{
    return siphash(key, wanted, sizeof(uint32_t));
}

static bool is_of_id(const struct hash_node *node, const void *wanted)
{
    return container_of(node, const struct joined, by_id)->id == *(const uint32_t *)wanted;
}

static bool is_of_via(const struct hash_node *node, const void *wanted)
{
    return container_of(node, const struct joined, by_via)->via == *(const uint32_t *)wanted;
}

static void joined_share_bandwidth(struct joined *joined, const struct turn_bandwidth *bandwidth,
                                   const char *account)
{
    const char *realm = turn_account_realm(account);
    if (bandwidth->acquire && account[0] != '\0' && account != realm) {
        joined->bandwidth = bandwidth->acquire(bandwidth->context, account);
    }
    if (bandwidth->acquire && realm) {
        joined->realm_bandwidth = bandwidth->acquire(bandwidth->context, realm);
    }
}

static struct joined *joined_add(struct tcp_relay *relay, uint32_t id, uint32_t via,
                                 const char *account)
{
    struct joined *joined = calloc(1, sizeof *joined);
    if (!joined) {
        return NULL;
    }
    *joined = (struct joined){.relay = relay, .id = id, .via = via};
    if (hash_map_insert(&relay->by_id, &joined->by_id, &joined->id) != 0) {
        free(joined);
        return NULL;
    }
    if (hash_map_insert(&relay->by_via, &joined->by_via, &joined->via) != 0) {
        hash_map_remove(&relay->by_id, &joined->by_id);
        free(joined);
        return NULL;
    }
    joined_share_bandwidth(joined, &relay->bandwidth, account);
    return joined;
}

static void joined_remove(struct tcp_relay *relay, struct joined *joined)
{
    hash_map_remove(&relay->by_id, &joined->by_id);
    hash_map_remove(&relay->by_via, &joined->by_via);
    if (joined->bandwidth) {
        relay->bandwidth.release(relay->bandwidth.context, joined->bandwidth);
    }
    if (joined->realm_bandwidth) {
        relay->bandwidth.release(relay->bandwidth.context, joined->realm_bandwidth);
    }
    free(joined);
}

/* A tunnel_meter: what is above a quota waits. */
static int64_t charge(void *context, size_t size)
{
    const struct joined *joined = context;
    const struct tcp_relay *relay = joined->relay;
    const struct turn_policy *policy = turn_server_policy(relay->server);
    struct monotime now = clock_now();
    const struct {
        struct bandwidth *bandwidth;
        uint64_t limit;
    } shares[] = {
        {joined->bandwidth, policy->bandwidth_account},
        {joined->realm_bandwidth, bandwidth_own_limit(joined->realm_bandwidth)},
        {relay->bandwidth.total, policy->bandwidth_total},
    };
    int64_t longest_us = 0;
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        int64_t us = bandwidth_charge(shares[i].bandwidth, now, (uint32_t)size, shares[i].limit);
        longest_us = us > longest_us ? us : longest_us;
    }
    return longest_us;
}

/* Closes both ends; the machine that asked for it is not told. Returns false when there is none. */
static bool joined_close(struct tcp_relay *relay, uint32_t id, struct turn_tcp_bytes *bytes)
{
    struct hash_node *node = hash_map_find(&relay->by_id, &id);
    if (!node) {
        return false;
    }
    struct joined *joined = container_of(node, struct joined, by_id);
    streams_joined_bytes(relay->streams, joined->via, &bytes->to_peer, &bytes->to_client);
    streams_close(relay->streams, joined->via);
    joined_remove(relay, joined);
    return true;
}

/* ---- messages -------------------------------------------------------------------------------- */

void tcp_relay_message_free(struct tcp_relay_message *message)
{
    if (message->descriptor >= 0) {
        close(message->descriptor);
    }
    free(message);
}

/* Returns false when there is no such worker; the message is gone in any case. */
static bool send_message(struct tcp_relay *relay, struct tcp_relay_message *message)
{
    int status =
        relay->unsent ? -EAGAIN : relay->user.send(relay->user.context, message->to, message);
    if (status == -EAGAIN) {
        struct tcp_relay_message **last = &relay->unsent;
        while (*last) {
            last = &(*last)->next;
        }
        *last = message;
        (void)timer_arm_us(relay->retry, RETRY_MS * MONOTIME_MILLISECOND);
        return true;
    }
    if (status != 0) {
        tcp_relay_message_free(message);
    }
    return status == 0;
}

static void on_retry(evutil_socket_t descriptor, short what, void *context)
{
    struct tcp_relay *relay = context;
    struct tcp_relay_message *message = relay->unsent;

    (void)descriptor;
    (void)what;
    relay->unsent = NULL;
    while (message) {
        struct tcp_relay_message *next = message->next;
        message->next = NULL;
        (void)send_message(relay, message);
        message = next;
    }
}

static struct tcp_relay_message *new_message(const struct tcp_relay *relay, enum message_kind kind,
                                             unsigned to, uint32_t id)
{
    struct tcp_relay_message *message = calloc(1, sizeof *message);
    if (message) {
        message->kind = kind;
        message->from = relay->worker;
        message->to = to;
        message->id = id;
        message->descriptor = -1;
    }
    return message;
}

/* Tells the worker of the allocation that the connection is over. */
static void tell_ended(struct tcp_relay *relay, uint32_t id, const struct turn_tcp_bytes *bytes)
{
    struct monotime now = relay->user.begin(relay->user.context);
    if (WORKER_OF(id) == WORKER_OF(relay->worker)) {
        turn_server_tcp_ended(relay->server, now, id, bytes);
        return;
    }
    struct tcp_relay_message *message = new_message(relay, KIND_ENDED, WORKER_OF(id), id);
    if (message) {
        message->bytes = *bytes;
        (void)send_message(relay, message);
    }
}

/* Another worker's client wants a connection of ours. */
static void receive_claim(struct tcp_relay *relay, struct tcp_relay_message *claim,
                          struct monotime now)
{
    struct tcp_relay_message *answer = new_message(relay, KIND_CLAIMED, claim->from, claim->id);
    if (!answer) {
        return; /* the claim expires */
    }
    answer->number = claim->number;
    answer->code =
        turn_server_tcp_claim(relay->server, now, claim->id, claim->claimant, claim->from);
    if (answer->code == 0) {
        answer->descriptor = tcp_sockets_take(relay->sockets, claim->id);
        if (answer->descriptor < 0) {
            answer->code = 400;
            turn_server_tcp_ended(relay->server, now, claim->id, &(struct turn_tcp_bytes){0});
        }
    }
    (void)send_message(relay, answer);
}

static void receive_claimed(struct tcp_relay *relay, struct tcp_relay_message *answer,
                            struct monotime now)
{
    bool ours = answer->code == 0;
    uint16_t code = answer->code;
    if (ours) {
        code = tcp_sockets_keep(relay->sockets, answer->id, answer->descriptor) == 0 ? 0 : 508;
        answer->descriptor = -1;
    }
    if (!turn_server_tcp_claimed(relay->server, now, answer->number, code, relay->outbox) && ours) {
        (void)tcp_sockets_close(relay->sockets, answer->id);
        tell_ended(relay, answer->id, &(struct turn_tcp_bytes){0});
    }
}

static void receive_close(struct tcp_relay *relay, uint32_t id)
{
    struct turn_tcp_bytes bytes;
    if (!joined_close(relay, id, &bytes)) {
        (void)tcp_sockets_close(relay->sockets, id);
    }
}

void tcp_relay_receive(struct tcp_relay *relay, struct tcp_relay_message *message)
{
    struct monotime now = relay->user.begin(relay->user.context);
    switch (message->kind) {
    case KIND_CLAIM:
        receive_claim(relay, message, now);
        break;
    case KIND_CLAIMED:
        receive_claimed(relay, message, now);
        break;
    case KIND_CLOSE:
        receive_close(relay, message->id);
        break;
    case KIND_ENDED:
        turn_server_tcp_ended(relay->server, now, message->id, &message->bytes);
        break;
    }
    tcp_relay_message_free(message);
}

/* ---- what the machine asks ------------------------------------------------------------------- */

static int port_listen(void *context, const struct stun_address *relayed, uint32_t *via)
{
    struct tcp_relay *relay = context;
    return tcp_sockets_listen(relay->sockets, relayed, via);
}

static void port_unlisten(void *context, uint32_t via)
{
    struct tcp_relay *relay = context;
    tcp_sockets_unlisten(relay->sockets, via);
}

static int port_connect(void *context, uint32_t id, const struct stun_address *relayed,
                        const struct stun_address *peer)
{
    struct tcp_relay *relay = context;
    return tcp_sockets_connect(relay->sockets, id, relayed, peer);
}

static void port_close(void *context, uint32_t id, uint32_t holder, struct turn_tcp_bytes *bytes)
{
    struct tcp_relay *relay = context;
    if (holder == WORKER_OF(relay->worker)) {
        if (!joined_close(relay, id, bytes)) {
            (void)tcp_sockets_close(relay->sockets, id);
        }
        return;
    }
    struct tcp_relay_message *message = new_message(relay, KIND_CLOSE, holder, id);
    if (message) {
        (void)send_message(relay, message);
    }
}

static int port_join(void *context, uint32_t id, const struct flow *client, const char *account)
{
    struct tcp_relay *relay = context;
    int descriptor = tcp_sockets_take(relay->sockets, id);
    if (descriptor < 0) {
        return -ENOENT;
    }
    struct joined *joined = joined_add(relay, id, client->via, account);
    if (!joined) {
        close(descriptor);
        return -ENOMEM;
    }
    int status = streams_join(relay->streams, client->via, descriptor, charge, joined);
    if (status != 0) {
        joined_remove(relay, joined);
    }
    return status;
}

static bool port_claim(void *context, uint32_t number, uint32_t id, const char *user)
{
    struct tcp_relay *relay = context;
    struct tcp_relay_message *message = new_message(relay, KIND_CLAIM, WORKER_OF(id), id);
    if (!message) {
        return false;
    }
    message->number = number;
    strncpy(message->claimant, user, sizeof message->claimant - 1);
    return send_message(relay, message);
}

struct turn_tcp_ports tcp_relay_ports(struct tcp_relay *relay)
{
    return (struct turn_tcp_ports){relay,      port_listen, port_unlisten, port_connect,
                                   port_close, port_join,   port_claim};
}

/* ---- what happens to sockets and clients ----------------------------------------------------- */

static bool on_accepted(void *context, uint32_t via, const struct stun_address *peer, uint32_t *id)
{
    struct tcp_relay *relay = context;
    struct monotime now = relay->user.begin(relay->user.context);
    return turn_server_tcp_accepted(relay->server, now, via, peer, id, relay->outbox);
}

static void on_connected(void *context, uint32_t id, int status)
{
    struct tcp_relay *relay = context;
    struct monotime now = relay->user.begin(relay->user.context);
    turn_server_tcp_connected(relay->server, now, id, status, relay->outbox);
}

void tcp_relay_client_closed(struct tcp_relay *relay, uint32_t via)
{
    struct hash_node *node = hash_map_find(&relay->by_via, &via);
    struct turn_tcp_bytes bytes;
    if (!node) {
        return;
    }
    struct joined *joined = container_of(node, struct joined, by_via);
    uint32_t id = joined->id;
    streams_joined_bytes(relay->streams, via, &bytes.to_peer, &bytes.to_client);
    joined_remove(relay, joined);
    tell_ended(relay, id, &bytes);
}

/* ---- life ------------------------------------------------------------------------------------ */

struct tcp_relay *tcp_relay_new(struct event_base *base, const struct tcp_relay_user *user,
                                unsigned worker, const struct turn_bandwidth *bandwidth,
                                struct streams *streams, struct outbox *outbox)
{
    static const struct hash_map_type ids = {hash_number, is_of_id};
    static const struct hash_map_type vias = {hash_number, is_of_via};
    static const struct siphash_key key = {0}; /* ids and vias are our own */
    struct tcp_relay *relay = calloc(1, sizeof *relay);
    if (!relay) {
        return NULL;
    }
    const struct tcp_sockets_user sockets_user = {relay, on_accepted, on_connected};
    relay->user = *user;
    relay->worker = worker;
    relay->bandwidth = *bandwidth;
    relay->streams = streams;
    relay->outbox = outbox;
    hash_map_init(&relay->by_id, &ids, &key, SIZE_MAX);
    hash_map_init(&relay->by_via, &vias, &key, SIZE_MAX);
    relay->sockets = tcp_sockets_new(base, &sockets_user);
    relay->retry = event_new(base, -1, 0, on_retry, relay);
    if (!relay->sockets || !relay->retry) {
        tcp_relay_free(relay);
        return NULL;
    }
    return relay;
}

void tcp_relay_serve(struct tcp_relay *relay, struct turn_server *server)
{
    relay->server = server;
}

void tcp_relay_free(struct tcp_relay *relay)
{
    struct hash_cursor cursor;
    if (!relay) {
        return;
    }
    for (struct hash_node *node = hash_map_first(&relay->by_id, &cursor); node;
         node = hash_map_next(&relay->by_id, &cursor)) {
        joined_remove(relay, container_of(node, struct joined, by_id));
    }
    hash_map_clear(&relay->by_id);
    hash_map_clear(&relay->by_via);
    while (relay->unsent) {
        struct tcp_relay_message *message = relay->unsent;
        relay->unsent = message->next;
        tcp_relay_message_free(message);
    }
    if (relay->retry) {
        event_free(relay->retry);
    }
    tcp_sockets_free(relay->sockets);
    free(relay);
}
