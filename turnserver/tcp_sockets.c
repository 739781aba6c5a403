/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/tcp_sockets.h"

#include "base/hash_map.h"
#include "net/tcp_socket.h"
#include "net/timer.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections that one turn of the loop takes from one socket. */
#define ACCEPTS_A_TURN 16
/* How long to leave connections in the kernel when descriptors or memory are out. */
#define PAUSE_MS 100

struct listener {
    struct hash_node by_via;
    struct tcp_sockets *sockets;
    struct event *readable, *resume;
    int descriptor;
    uint32_t via;
};

struct peer {
    struct hash_node by_id;
    struct tcp_sockets *sockets;
    struct event *connecting; /* NULL: it is connected */
    int descriptor;
    uint32_t id;
};

struct tcp_sockets {
    struct event_base *base;
    struct tcp_sockets_user user;
    struct hash_map listeners, peers;
    uint32_t next_via;
};

/* ---- tables ---------------------------------------------------------------------------------- */

static uint64_t hash_number(const struct siphash_key *key, const void *wanted)
{
    return siphash(key, wanted, sizeof(uint32_t));
}

static bool is_of_via(const struct hash_node *node, const void *wanted)
{
    return container_of(node, const struct listener, by_via)->via == *(const uint32_t *)wanted;
}

static bool is_of_id(const struct hash_node *node, const void *wanted)
{
    return container_of(node, const struct peer, by_id)->id == *(const uint32_t *)wanted;
}

struct tcp_sockets *tcp_sockets_new(struct event_base *base, const struct tcp_sockets_user *user)
{
    static const struct hash_map_type vias = {hash_number, is_of_via};
    static const struct hash_map_type ids = {hash_number, is_of_id};
    static const struct siphash_key key = {0}; /* vias are counted, ids drawn by ourselves */
    struct tcp_sockets *sockets = calloc(1, sizeof *sockets);

    if (sockets) {
        sockets->base = base;
        sockets->user = *user;
        hash_map_init(&sockets->listeners, &vias, &key, SIZE_MAX);
        hash_map_init(&sockets->peers, &ids, &key, SIZE_MAX);
    }
    return sockets;
}

static struct peer *find_peer(struct tcp_sockets *sockets, uint32_t id)
{
    struct hash_node *node = hash_map_find(&sockets->peers, &id);
    return node ? container_of(node, struct peer, by_id) : NULL;
}

/* ---- peers ----------------------------------------------------------------------------------- */

/* Forgets a peer; its socket stays open. */
static int release(struct peer *peer)
{
    int descriptor = peer->descriptor;
    hash_map_remove(&peer->sockets->peers, &peer->by_id);
    if (peer->connecting) {
        event_free(peer->connecting);
    }
    free(peer);
    return descriptor;
}

static struct peer *keep(struct tcp_sockets *sockets, uint32_t id, int descriptor)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer) {
        close(descriptor);
        return NULL;
    }
    *peer = (struct peer){.sockets = sockets, .descriptor = descriptor, .id = id};
    if (hash_map_insert(&sockets->peers, &peer->by_id, &peer->id) != 0) {
        close(descriptor);
        free(peer);
        return NULL;
    }
    return peer;
}

int tcp_sockets_keep(struct tcp_sockets *sockets, uint32_t id, int descriptor)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the map holds it, by a node inside */
    return keep(sockets, id, descriptor) ? 0 : -ENOMEM;
}

static void on_connected(evutil_socket_t descriptor, short what, void *context)
{
    struct peer *peer = context;
    struct tcp_sockets *sockets = peer->sockets;
    uint32_t id = peer->id;
    int error = 0;
    socklen_t size = sizeof error;

    (void)what;
    if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) < 0) {
        error = errno;
    }
    event_free(peer->connecting);
    peer->connecting = NULL;
    if (error != 0) {
        close(release(peer));
    }
    sockets->user.connected(sockets->user.context, id, -error);
}

int tcp_sockets_connect(struct tcp_sockets *sockets, uint32_t id, const struct stun_address *from,
                        const struct stun_address *to)
{
    int descriptor = -1;
    int status = tcp_socket_connect_shared(&descriptor, to, from);
    if (status != 0) {
        return status;
    }
    struct peer *peer = keep(sockets, id, descriptor);
    if (!peer) {
        return -ENOMEM;
    }
    peer->connecting = event_new(sockets->base, descriptor, EV_WRITE, on_connected, peer);
    if (!peer->connecting || event_add(peer->connecting, NULL) != 0) {
        close(release(peer));
        return -ENOMEM;
    }
    return 0;
}

int tcp_sockets_take(struct tcp_sockets *sockets, uint32_t id)
{
    struct peer *peer = find_peer(sockets, id);
    return peer && !peer->connecting ? release(peer) : -1;
}

bool tcp_sockets_close(struct tcp_sockets *sockets, uint32_t id)
{
    struct peer *peer = find_peer(sockets, id);
    if (peer) {
        close(release(peer));
    }
    return peer != NULL;
}

/* ---- listeners ------------------------------------------------------------------------------- */

static void take_peer(const struct listener *listener, int descriptor,
                      const struct stun_address *remote)
{
    struct tcp_sockets *sockets = listener->sockets;
    uint32_t id;
    if (!sockets->user.accepted(sockets->user.context, listener->via, remote, &id)) {
        close(descriptor);
    } else {
        (void)keep(sockets, id, descriptor); /* if not, its ConnectionBind finds nothing */
    }
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the map holds it, by a node inside */
}

/* Returns false when there is nothing more to accept for now. */
static bool accept_one(struct listener *listener)
{
    struct stun_address remote, local;
    int descriptor = -1;
    switch (tcp_socket_accept(listener->descriptor, &descriptor, &remote, &local)) {
    case 0:
        take_peer(listener, descriptor, &remote);
        return true;
    case -EMFILE:
        /* Without a pause the loop would spin. */
        event_del(listener->readable);
        (void)timer_arm_us(listener->resume, PAUSE_MS * MONOTIME_MILLISECOND);
        return false;
    case -EAGAIN:
        return false;
    default:
        return true;
    }
}

static void on_acceptable(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor;
    (void)what;
    for (int i = 0; i < ACCEPTS_A_TURN && accept_one(context); i++) {
    }
}

static void on_resume(evutil_socket_t descriptor, short what, void *context)
{
    struct listener *listener = context;
    (void)descriptor;
    (void)what;
    event_add(listener->readable, NULL);
}

static void free_listener(struct listener *listener)
{
    if (listener->readable) {
        event_free(listener->readable);
    }
    if (listener->resume) {
        event_free(listener->resume);
    }
    close(listener->descriptor);
    free(listener);
}

static bool start(struct tcp_sockets *sockets, struct listener *listener)
{
    listener->readable = event_new(sockets->base, listener->descriptor, EV_READ | EV_PERSIST,
                                   on_acceptable, listener);
    listener->resume = event_new(sockets->base, -1, 0, on_resume, listener);
    do {
        listener->via = TCP_SOCKETS_VIA | sockets->next_via++;
    } while (hash_map_find(&sockets->listeners, &listener->via));
    return listener->readable && listener->resume && event_add(listener->readable, NULL) == 0 &&
           hash_map_insert(&sockets->listeners, &listener->by_via, &listener->via) == 0;
}

int tcp_sockets_listen(struct tcp_sockets *sockets, const struct stun_address *relayed,
                       uint32_t *via)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        return -ENOMEM;
    }
    /* Connections to peers leave from the same port: hence shared. */
    int status = tcp_socket_listen(&listener->descriptor, relayed, true);
    if (status != 0) {
        free(listener);
        return status;
    }
    listener->sockets = sockets;
    if (!start(sockets, listener)) {
        free_listener(listener);
        return -ENOMEM;
    }
    *via = listener->via;
    return 0;
}

void tcp_sockets_unlisten(struct tcp_sockets *sockets, uint32_t via)
{
    struct hash_node *node = hash_map_find(&sockets->listeners, &via);
    if (node) {
        hash_map_remove(&sockets->listeners, node);
        free_listener(container_of(node, struct listener, by_via));
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

void tcp_sockets_free(struct tcp_sockets *sockets)
{
    struct hash_cursor cursor;
    if (!sockets) {
        return;
    }
    for (struct hash_node *node = hash_map_first(&sockets->peers, &cursor); node;
         node = hash_map_next(&sockets->peers, &cursor)) {
        close(release(container_of(node, struct peer, by_id)));
    }
    for (struct hash_node *node = hash_map_first(&sockets->listeners, &cursor); node;
         node = hash_map_next(&sockets->listeners, &cursor)) {
        hash_map_remove(&sockets->listeners, node);
        free_listener(container_of(node, struct listener, by_via));
    }
    hash_map_clear(&sockets->peers);
    hash_map_clear(&sockets->listeners);
    free(sockets);
}
