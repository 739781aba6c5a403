/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/cluster/local_quota.h"

#include "base/hash_map.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* An account is here as long as it holds something. */
struct holder {
    struct hash_node node;
    uint32_t allocations;
    char name[];
};

struct local_quota {
    pthread_mutex_t mutex;
    uint32_t limit;
    struct hash_map holders;
};

static uint64_t hash_name(const struct siphash_key *key, const void *name)
{
    return siphash(key, name, strlen(name));
}

static bool is_named(const struct hash_node *node, const void *name)
{
    return strcmp(container_of(node, const struct holder, node)->name, name) == 0;
}

struct local_quota *local_quota_new(uint32_t allocations)
{
    static const struct hash_map_type type = {hash_name, is_named};
    struct siphash_key key;

    if (getrandom(&key, sizeof key, 0) != (ssize_t)sizeof key) {
        return NULL;
    }
    struct local_quota *quota = calloc(1, sizeof *quota);
    if (quota == NULL) {
        return NULL;
    }
    int status = pthread_mutex_init(&quota->mutex, NULL);
    if (status != 0) {
        free(quota);
        errno = status;
        return NULL;
    }
    quota->limit = allocations;
    hash_map_init(&quota->holders, &type, &key, LOCAL_QUOTA_ACCOUNTS_MAX);
    return quota;
}

void local_quota_free(struct local_quota *quota)
{
    struct hash_cursor cursor;

    if (quota == NULL) {
        return;
    }
    struct hash_node *node = hash_map_first(&quota->holders, &cursor);
    while (node != NULL) {
        struct holder *holder = container_of(node, struct holder, node);
        hash_map_remove(&quota->holders, node);
        free(holder);
        node = hash_map_next(&quota->holders, &cursor);
    }
    hash_map_clear(&quota->holders);
    pthread_mutex_destroy(&quota->mutex);
    free(quota);
}

static struct holder *find(const struct local_quota *quota, const char *name)
{
    struct hash_node *node = hash_map_find(&quota->holders, name);

    return node != NULL ? container_of(node, struct holder, node) : NULL;
}

static struct holder *add(struct local_quota *quota, const char *name)
{
    size_t size = strlen(name) + 1;
    struct holder *holder = calloc(1, sizeof *holder + size);

    if (holder == NULL) {
        return NULL;
    }
    memcpy(holder->name, name, size);
    if (hash_map_insert(&quota->holders, &holder->node, name) != 0) {
        free(holder);
        return NULL;
    }
    return holder;
}

static bool reserve(void *context, const char *name)
{
    struct local_quota *quota = context;

    pthread_mutex_lock(&quota->mutex);
    struct holder *holder = find(quota, name);
    bool free_place = holder == NULL || quota->limit == 0 || name[0] == '\0' ||
                      holder->allocations < quota->limit;
    if (free_place && holder == NULL) {
        holder = add(quota, name);
    }
    bool granted = free_place && holder != NULL;
    if (granted) {
        holder->allocations++;
    }
    pthread_mutex_unlock(&quota->mutex);
    return granted;
}

static void release(void *context, const char *name)
{
    struct local_quota *quota = context;

    pthread_mutex_lock(&quota->mutex);
    struct holder *holder = find(quota, name);
    assert(holder != NULL);
    if (holder != NULL && --holder->allocations == 0) {
        hash_map_remove(&quota->holders, &holder->node);
        free(holder);
    }
    pthread_mutex_unlock(&quota->mutex);
}

struct turn_quota local_quota_interface(struct local_quota *quota)
{
    return (struct turn_quota){.context = quota, .reserve = reserve, .release = release};
}

void local_quota_set_limit(struct local_quota *quota, uint32_t allocations)
{
    pthread_mutex_lock(&quota->mutex);
    quota->limit = allocations;
    pthread_mutex_unlock(&quota->mutex);
}

size_t local_quota_count(struct local_quota *quota)
{
    pthread_mutex_lock(&quota->mutex);
    size_t count = quota->holders.count;
    pthread_mutex_unlock(&quota->mutex);
    return count;
}
