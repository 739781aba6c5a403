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
    struct realm_rate *realms;
    size_t realm_count;
};

struct realm_rate {
    char *name;
    uint64_t bytes_per_second;
};

static bool is_named(const struct hash_node *node, const void *name)
{
    return strcmp(container_of(node, const struct sharer, node)->name, name) == 0;
}

struct local_bandwidth *local_bandwidth_new(void)
{
    static const struct hash_map_type type = {hash_map_text, is_named};
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

static void free_realms(struct realm_rate *realms, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(realms[i].name);
    }
    free(realms);
}

void local_bandwidth_free(struct local_bandwidth *table)
{
    if (table == NULL) {
        return;
    }
    assert(table->sharers.count == 0);
    hash_map_clear(&table->sharers);
    free_realms(table->realms, table->realm_count);
    pthread_mutex_destroy(&table->mutex);
    free(table);
}

/* What the bucket of that name knows itself: a realm's limit; 0 for accounts. */
static uint64_t rate_of(const struct local_bandwidth *table, const char *name)
{
    for (size_t i = 0; name[0] == '\\' && i < table->realm_count; i++) {
        if (strcmp(table->realms[i].name, name + 1) == 0) {
            return table->realms[i].bytes_per_second;
        }
    }
    return 0;
}

static struct sharer *sharer_new(struct local_bandwidth *table, const char *name)
{
    size_t size = strlen(name) + 1;
    struct sharer *sharer = calloc(1, sizeof *sharer + size);

    if (sharer != NULL) {
        memcpy(sharer->name, name, size);
        atomic_store(&sharer->bandwidth.bytes_per_second, rate_of(table, name));
        (void)hash_map_insert(&table->sharers, &sharer->node, sharer->name);
    }
    return sharer;
}

static struct bandwidth *acquire(void *context, const char *name)
{
    struct local_bandwidth *table = context;

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

bool local_bandwidth_set_realms(struct local_bandwidth *table, size_t count,
                                const struct turn_realm_limit *limits)
{
    struct realm_rate *realms = calloc(count + 1, sizeof *realms);
    struct hash_cursor cursor;

    for (size_t i = 0; realms != NULL && i < count; i++) {
        realms[i] = (struct realm_rate){strdup(limits[i].name), limits[i].bandwidth};
        if (realms[i].name == NULL) {
            free_realms(realms, i);
            realms = NULL;
        }
    }
    if (realms == NULL) {
        return false;
    }
    pthread_mutex_lock(&table->mutex);
    struct realm_rate *before = table->realms;
    size_t before_count = table->realm_count;
    table->realms = realms;
    table->realm_count = count;
    for (struct hash_node *node = hash_map_first(&table->sharers, &cursor); node != NULL;
         node = hash_map_next(&table->sharers, &cursor)) {
        struct sharer *sharer = container_of(node, struct sharer, node);
        atomic_store(&sharer->bandwidth.bytes_per_second, rate_of(table, sharer->name));
    }
    pthread_mutex_unlock(&table->mutex);
    free_realms(before, before_count);
    return true;
}

size_t local_bandwidth_count(struct local_bandwidth *table)
{
    pthread_mutex_lock(&table->mutex);
    size_t count = table->sharers.count;
    pthread_mutex_unlock(&table->mutex);
    return count;
}
