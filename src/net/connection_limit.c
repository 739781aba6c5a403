/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/connection_limit.h"

#include "base/address.h"
#include "base/hash_map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct source {
    struct hash_node node;
    struct stun_address address; /* what all addresses of the source have in common */
    uint32_t connections;
};

struct connection_limit {
    pthread_mutex_t lock; /* of what follows */
    uint32_t max, per_source, connections;
    struct hash_map sources; /* struct source, by address; each has a connection */
};

static uint64_t hash_source(const struct siphash_key *key, const void *wanted)
{
    const struct stun_address *address = wanted;

    /* An IPv4 address has as many bytes here as an IPv6 prefix: the rest is zero. */
    return siphash(key, address->ip, 8) ^ address->family;
}

static bool is_source(const struct hash_node *node, const void *wanted)
{
    return address_equal_ip(&container_of(node, struct source, node)->address, wanted);
}

static struct stun_address source_of(const struct stun_address *address)
{
    struct stun_address source = address_canonical(address);

    source.port = 0;
    memset(source.ip + 8, 0, 8);
    return source;
}

static struct source *find(const struct connection_limit *limit, const struct stun_address *key)
{
    struct hash_node *node = hash_map_find(&limit->sources, key);

    return node == NULL ? NULL : container_of(node, struct source, node);
}

struct connection_limit *connection_limit_new(uint32_t max, uint32_t per_source,
                                              const struct siphash_key *key)
{
    static const struct hash_map_type type = {hash_source, is_source};
    struct connection_limit *limit = calloc(1, sizeof *limit);

    if (limit != NULL) {
        limit->max = max;
        limit->per_source = per_source;
        pthread_mutex_init(&limit->lock, NULL);
        hash_map_init(&limit->sources, &type, key, SIZE_MAX);
    }
    return limit;
}

void connection_limit_free(struct connection_limit *limit)
{
    struct hash_cursor cursor;

    if (limit == NULL) {
        return;
    }
    for (struct hash_node *node = hash_map_first(&limit->sources, &cursor); node != NULL;
         node = hash_map_next(&limit->sources, &cursor)) {
        free(container_of(node, struct source, node));
    }
    hash_map_clear(&limit->sources);
    pthread_mutex_destroy(&limit->lock);
    free(limit);
}

/* Adds one connection to its source, which it makes when it is new. */
static enum connection_verdict take_from_source(struct connection_limit *limit,
                                                const struct stun_address *key)
{
    struct source *source = find(limit, key);

    if (source == NULL) {
        source = calloc(1, sizeof *source);
        if (source == NULL) {
            return CONNECTION_REFUSED_TOTAL;
        }
        source->address = *key;
        hash_map_insert(&limit->sources, &source->node, key);
    } else if (limit->per_source != 0 && key->family != STUN_FAMILY_NONE &&
               source->connections >= limit->per_source) {
        return CONNECTION_REFUSED_SOURCE;
    }
    source->connections++;
    return CONNECTION_ALLOWED;
}

enum connection_verdict connection_limit_take(struct connection_limit *limit,
                                              const struct stun_address *source)
{
    struct stun_address key = source_of(source);
    enum connection_verdict verdict = CONNECTION_REFUSED_TOTAL;

    pthread_mutex_lock(&limit->lock);
    if (limit->max == 0 || limit->connections < limit->max) {
        verdict = take_from_source(limit, &key);
        limit->connections += verdict == CONNECTION_ALLOWED;
    }
    pthread_mutex_unlock(&limit->lock);
    return verdict;
}

static bool give_back_to_source(struct connection_limit *limit, const struct stun_address *key)
{
    struct source *source = find(limit, key);

    if (source != NULL && --source->connections == 0) {
        hash_map_remove(&limit->sources, &source->node);
        free(source);
    }
    return source != NULL;
}

enum connection_verdict connection_limit_move(struct connection_limit *limit,
                                              const struct stun_address *from,
                                              const struct stun_address *to)
{
    struct stun_address old_key = source_of(from);
    struct stun_address new_key = source_of(to);

    pthread_mutex_lock(&limit->lock);
    enum connection_verdict verdict = take_from_source(limit, &new_key);
    if (verdict == CONNECTION_ALLOWED) {
        (void)give_back_to_source(limit, &old_key);
    }
    pthread_mutex_unlock(&limit->lock);
    return verdict;
}

void connection_limit_give_back(struct connection_limit *limit, const struct stun_address *source)
{
    struct stun_address key = source_of(source);

    pthread_mutex_lock(&limit->lock);
    limit->connections -= give_back_to_source(limit, &key);
    pthread_mutex_unlock(&limit->lock);
}

void connection_limit_set(struct connection_limit *limit, uint32_t max, uint32_t per_source)
{
    pthread_mutex_lock(&limit->lock);
    limit->max = max;
    limit->per_source = per_source;
    pthread_mutex_unlock(&limit->lock);
}
