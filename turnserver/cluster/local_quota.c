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
    uint32_t limit, total_limit;
    uint64_t total;
    struct realm_limit *realms;
    size_t realm_count;
    struct hash_map holders; /* accounts, and realms as "\\realm" */
};

struct realm_limit {
    char *name;
    uint32_t allocations;
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

static void free_realms(struct realm_limit *realms, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(realms[i].name);
    }
    free(realms);
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
    free_realms(quota->realms, quota->realm_count);
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

static bool has_room(const struct holder *holder, uint32_t limit)
{
    return holder == NULL || limit == 0 || holder->allocations < limit;
}

static uint32_t limit_of_realm(const struct local_quota *quota, const char *realm)
{
    for (size_t i = 0; i < quota->realm_count; i++) {
        if (strcmp(quota->realms[i].name, realm + 1) == 0) {
            return quota->realms[i].allocations;
        }
    }
    return 0;
}

static void give_back(struct local_quota *quota, const char *name)
{
    struct holder *holder = find(quota, name);

    assert(holder != NULL);
    if (holder != NULL && --holder->allocations == 0) {
        hash_map_remove(&quota->holders, &holder->node);
        free(holder);
    }
}

static bool take(struct local_quota *quota, const char *name, uint32_t limit)
{
    struct holder *holder = find(quota, name);

    if (!has_room(holder, limit)) {
        return false;
    }
    holder = holder != NULL ? holder : add(quota, name);
    if (holder != NULL) {
        holder->allocations++;
    }
    return holder != NULL;
}

/* The realm of an account with the backslash before it, or NULL for the first realm. */
static const char *realm_of(const char *name)
{
    return strrchr(name, '\\');
}

/* "" and "\realm" are nobody in particular. */
static bool is_nobody(const char *name)
{
    return name[0] == '\0' || name == realm_of(name);
}

static bool reserve_all(struct local_quota *quota, const char *name)
{
    const char *realm = realm_of(name);

    if (quota->total_limit > 0 && quota->total >= quota->total_limit) {
        return false;
    }
    if (realm != NULL && !take(quota, realm, limit_of_realm(quota, realm))) {
        return false;
    }
    if (!is_nobody(name) && !take(quota, name, quota->limit)) {
        if (realm != NULL) {
            give_back(quota, realm);
        }
        return false;
    }
    quota->total++;
    return true;
}

static bool reserve(void *context, const char *name)
{
    struct local_quota *quota = context;

    pthread_mutex_lock(&quota->mutex);
    bool granted = reserve_all(quota, name);
    pthread_mutex_unlock(&quota->mutex);
    return granted;
}

static void release(void *context, const char *name)
{
    struct local_quota *quota = context;
    const char *realm = realm_of(name);

    pthread_mutex_lock(&quota->mutex);
    if (!is_nobody(name)) {
        give_back(quota, name);
    }
    if (realm != NULL) {
        give_back(quota, realm);
    }
    quota->total--;
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

void local_quota_set_total(struct local_quota *quota, uint32_t allocations)
{
    pthread_mutex_lock(&quota->mutex);
    quota->total_limit = allocations;
    pthread_mutex_unlock(&quota->mutex);
}

bool local_quota_set_realms(struct local_quota *quota, size_t count, const char *const *names,
                            const uint32_t *allocations)
{
    struct realm_limit *realms = calloc(count + 1, sizeof *realms);

    for (size_t i = 0; realms != NULL && i < count; i++) {
        realms[i] = (struct realm_limit){strdup(names[i]), allocations[i]};
        if (realms[i].name == NULL) {
            free_realms(realms, i);
            realms = NULL;
        }
    }
    if (realms == NULL) {
        return false;
    }
    pthread_mutex_lock(&quota->mutex);
    struct realm_limit *before = quota->realms;
    size_t before_count = quota->realm_count;
    quota->realms = realms;
    quota->realm_count = count;
    pthread_mutex_unlock(&quota->mutex);
    free_realms(before, before_count);
    return true;
}

size_t local_quota_count(struct local_quota *quota)
{
    pthread_mutex_lock(&quota->mutex);
    size_t count = quota->holders.count;
    pthread_mutex_unlock(&quota->mutex);
    return count;
}
