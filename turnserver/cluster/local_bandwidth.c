/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/cluster/local_bandwidth.h"

#include "base/hash_map.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct sharer {
    struct hash_node node;
    struct bandwidth bandwidth;
    unsigned references; /* a worker each */
    char name[];
};

struct local_bandwidth {
    pthread_mutex_t mutex;
    struct hash_map sharers;
    struct bandwidth total;
};

static uint64_t hash_name(const struct siphash_key *key, const void *name)
{
    return siphash(key, name, strlen(name));
}

static bool is_named(const struct hash_node *node, const void *name)
{
    return strcmp(container_of(node, const struct sharer, node)->name, name) == 0;
}

struct local_bandwidth *local_bandwidth_new(void)
{
    static const struct hash_map_type type = {hash_name, is_named};
    struct siphash_key key;

    if (getrandom(&key, sizeof key, 0) != (ssize_t)sizeof key) {
        return NULL;
    }
    struct local_bandwidth *table = calloc(1, sizeof *table);
    if (table == NULL) {
        return NULL;
    }
    int status = pthread_mutex_init(&table->mutex, NULL);
    if (status != 0) {
        free(table);
        errno = status;
        return NULL;
    }
    /* Bounded by the accounts that hold allocations. */
    hash_map_init(&table->sharers, &type, &key, SIZE_MAX);
    return table;
}

void local_bandwidth_free(struct local_bandwidth *table)
{
    if (table == NULL) {
        return;
    }
    assert(table->sharers.count == 0);
    hash_map_clear(&table->sharers);
    pthread_mutex_destroy(&table->mutex);
    free(table);
}

static struct sharer *sharer_new(struct local_bandwidth *table, const char *name)
{
    size_t size = strlen(name) + 1;
    struct sharer *sharer = calloc(1, sizeof *sharer + size);

    if (sharer != NULL) {
        memcpy(sharer->name, name, size);
        (void)hash_map_insert(&table->sharers, &sharer->node, sharer->name);
    }
    return sharer;
}

static struct bandwidth *acquire(void *context, const char *name)
{
    struct local_bandwidth *table = context;

    if (name[0] == '\0' || name[0] == '\\') {
        return NULL; /* nobody in particular: strangers to one another share no bucket */
    }
    pthread_mutex_lock(&table->mutex);
    struct hash_node *node = hash_map_find(&table->sharers, name);
    struct sharer *sharer =
        node ? container_of(node, struct sharer, node) : sharer_new(table, name);
    if (sharer != NULL) {
        sharer->references++;
    }
    pthread_mutex_unlock(&table->mutex);
    return sharer != NULL ? &sharer->bandwidth : NULL;
}

static void release(void *context, struct bandwidth *bandwidth)
{
    struct local_bandwidth *table = context;
    struct sharer *sharer = container_of(bandwidth, struct sharer, bandwidth);

    pthread_mutex_lock(&table->mutex);
    if (--sharer->references == 0) {
        hash_map_remove(&table->sharers, &sharer->node);
        free(sharer);
    }
    pthread_mutex_unlock(&table->mutex);
}

struct turn_bandwidth local_bandwidth_interface(struct local_bandwidth *table)
{
    return (struct turn_bandwidth){table, acquire, release, &table->total};
}

size_t local_bandwidth_count(struct local_bandwidth *table)
{
    pthread_mutex_lock(&table->mutex);
    size_t count = table->sharers.count;
    pthread_mutex_unlock(&table->mutex);
    return count;
}
