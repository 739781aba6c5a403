/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/shared_port.h"

#include "base/address.h"
#include "turnserver/turn/turn_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- ports ----------------------------------------------------------------------------------- */

static uint64_t hash_ip(const struct siphash_key *key, const void *wanted)
{
    const struct stun_address *peer = wanted;
    uint8_t bytes[17];

    bytes[0] = peer->family;
    memcpy(bytes + 1, peer->ip, 16);
    return siphash(key, bytes, sizeof bytes);
}

static bool is_of_ip(const struct hash_node *node, const void *wanted)
{
    return address_equal_ip(&container_of(node, const struct shared_claim, by_ip)->peer, wanted);
}

size_t shared_port_count(const struct turn_server *server, uint8_t family)
{
    size_t count = 0;

    for (const struct shared_port *shared = server->shared; shared; shared = shared->next) {
        count += shared->relayed.family == family;
    }
    return count;
}

bool shared_port_add(struct turn_server *server, struct relay_opened *opened)
{
    static const struct hash_map_type type = {hash_ip, is_of_ip};
    struct shared_port *shared = calloc(1, sizeof *shared);

    if (shared == NULL) {
        return false;
    }
    shared->relayed = opened->relayed;
    shared->via = opened->via;
    shared->references = 1;
    hash_map_init(&shared->claims, &type, &server->allocations.by_via.siphash_key, SIZE_MAX);
    shared->next = server->shared;
    server->shared = shared;
    opened->shared = shared;
    return true;
}

bool shared_port_join(struct turn_server *server, uint8_t family, struct relay_opened *opened)
{
    struct shared_port *least = NULL;

    for (struct shared_port *shared = server->shared; shared; shared = shared->next) {
        if (shared->relayed.family == family &&
            (least == NULL || shared->references < least->references)) {
            least = shared;
        }
    }
    if (least == NULL) {
        return false;
    }
    least->references++;
    *opened = (struct relay_opened){least->relayed, least->via, false, least};
    return true;
}

void shared_port_leave(struct turn_server *server, struct shared_port *shared)
{
    struct shared_port **place = &server->shared;

    if (--shared->references > 0) {
        return;
    }
    while (*place != shared) {
        place = &(*place)->next;
    }
    *place = shared->next;
    server->setup.ports.close(server->setup.ports.context, shared->via);
    port_pool_give_back(server->setup.pool, &shared->relayed);
    hash_map_clear(&shared->claims);
    free(shared);
}

/* ---- claims ---------------------------------------------------------------------------------- */

static struct shared_claim *claim_of(const struct shared_port *shared,
                                     const struct stun_address *peer)
{
    struct hash_node *node = hash_map_find(&shared->claims, peer);

    return node == NULL ? NULL : container_of(node, struct shared_claim, by_ip);
}

struct relay_port *shared_port_owner(struct turn_server *server, uint32_t via,
                                     const struct stun_address *peer)
{
    struct shared_port *shared = server->shared;
    const struct shared_claim *claim;

    while (shared != NULL && shared->via != via) {
        shared = shared->next;
    }
    claim = shared != NULL ? claim_of(shared, peer) : NULL;
    return claim != NULL ? claim->owner : NULL;
}

static void unlink_claim(struct shared_claim *claim)
{
    struct shared_claim **place = &claim->owner->claims;

    while (*place != claim) {
        place = &(*place)->next;
    }
    *place = claim->next;
    claim->owner->claim_count--;
}

static void link_claim(struct shared_claim *claim, struct relay_port *owner)
{
    claim->owner = owner;
    claim->next = owner->claims;
    owner->claims = claim;
    owner->claim_count++;
}

bool shared_port_claim(struct monotime now, struct relay_port *port,
                       const struct stun_address *peer)
{
    struct shared_claim *claim = claim_of(port->shared, peer);

    if (claim != NULL) {
        if (claim->owner == port) {
            return true;
        }
        if (permission_table_find(&claim->owner->allocation->permissions, now, peer) != NULL) {
            return false;
        }
        unlink_claim(claim); /* its permission has expired */
        link_claim(claim, port);
        return true;
    }
    claim = calloc(1, sizeof *claim);
    if (claim == NULL) {
        return false;
    }
    claim->peer = *peer;
    claim->peer.port = 0;
    if (hash_map_insert(&port->shared->claims, &claim->by_ip, &claim->peer) != 0) {
        free(claim);
        return false;
    }
    link_claim(claim, port);
    return true;
}

void shared_port_tidy(struct monotime now, struct relay_port *port, size_t max)
{
    struct shared_claim **place = &port->claims;

    if (port->claim_count <= max) {
        return;
    }
    while (*place != NULL) {
        struct shared_claim *claim = *place;

        if (permission_table_find(&port->allocation->permissions, now, &claim->peer) != NULL) {
            place = &claim->next;
            continue;
        }
        *place = claim->next;
        port->claim_count--;
        hash_map_remove(&port->shared->claims, &claim->by_ip);
        free(claim);
    }
}

void shared_port_forget(struct relay_port *port)
{
    port->claim_count = 0;
    while (port->claims != NULL) {
        struct shared_claim *claim = port->claims;

        port->claims = claim->next;
        hash_map_remove(&port->shared->claims, &claim->by_ip);
        free(claim);
    }
}
