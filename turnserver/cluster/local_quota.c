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
    struct turn_holding held;
    char name[];
};

struct local_quota {
    pthread_mutex_t mutex;
    struct turn_holding limit, total_limit, total;
    struct realm_limit *realms;
    size_t realm_count;
    struct hash_map holders; /* accounts, and realms as "\\realm" */
};

struct realm_limit {
    char *name;
    struct turn_holding limit;
};

static bool is_named(const struct hash_node *node, const void *name)
{
    return strcmp(container_of(node, const struct holder, node)->name, name) == 0;
}

struct local_quota *local_quota_new(struct turn_holding account)
{
    static const struct hash_map_type type = {hash_map_text, is_named};
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
    quota->limit = account;
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

/* The keys under which the limits stand. */
static const struct limit_keys {
    const char *allocations, *ports;
} account_keys = {"quotas.user.allocations", "quotas.user.ports"},
  realm_keys = {"realms[].allocations", "realms[].ports"},
  total_keys = {"quotas.total.allocations", "quotas.total.ports"};

static bool has_room(uint32_t held, uint32_t wanted, uint32_t limit)
{
    return limit == 0 || wanted == 0 || (held < limit && wanted <= limit - held);
}

/* NULL, or the key of the limit that `wanted` would exceed. */
static const char *exceeds(const struct turn_holding *held, struct turn_holding wanted,
                           struct turn_holding limit, const struct limit_keys *keys)
{
    if (!has_room(held->allocations, wanted.allocations, limit.allocations)) {
        return keys->allocations;
    }
    return has_room(held->ports, wanted.ports, limit.ports) ? NULL : keys->ports;
}

static struct turn_holding limit_of_realm(const struct local_quota *quota, const char *realm)
{
    for (size_t i = 0; i < quota->realm_count; i++) {
        if (strcmp(quota->realms[i].name, realm + 1) == 0) {
            return quota->realms[i].limit;
        }
    }
    return (struct turn_holding){0};
}

static void give_back(struct local_quota *quota, const char *name, struct turn_holding given)
{
    struct holder *holder = find(quota, name);

    assert(holder != NULL);
    if (holder == NULL) {
        return;
    }
    holder->held.allocations -= given.allocations;
    holder->held.ports -= given.ports;
    if (holder->held.allocations == 0 && holder->held.ports == 0) {
        hash_map_remove(&quota->holders, &holder->node);
        free(holder);
    }
}

static const char *take(struct local_quota *quota, const char *name, struct turn_holding wanted,
                        struct turn_holding limit, const struct limit_keys *keys)
{
    static const struct turn_holding nothing = {0};
    struct holder *holder = find(quota, name);
    const char *key = exceeds(holder != NULL ? &holder->held : &nothing, wanted, limit, keys);

    if (key != NULL) {
        return key;
    }
    holder = holder != NULL ? holder : add(quota, name);
    if (holder == NULL) {
        return "quotas";
    }
    holder->held.allocations += wanted.allocations;
    holder->held.ports += wanted.ports;
    return NULL;
}

/* "" and "\realm" are nobody in particular. */
static bool is_nobody(const char *name)
{
    return name[0] == '\0' || name == turn_account_realm(name);
}

static const char *reserve_all(struct local_quota *quota, const char *name,
                               struct turn_holding wanted)
{
    const char *realm = turn_account_realm(name);
    const char *key = exceeds(&quota->total, wanted, quota->total_limit, &total_keys);

    if (key == NULL && realm != NULL) {
        key = take(quota, realm, wanted, limit_of_realm(quota, realm), &realm_keys);
    }
    if (key == NULL && !is_nobody(name)) {
        key = take(quota, name, wanted, quota->limit, &account_keys);
        if (key != NULL && realm != NULL) {
            give_back(quota, realm, wanted);
        }
    }
    if (key == NULL) {
        quota->total.allocations += wanted.allocations;
        quota->total.ports += wanted.ports;
    }
    return key;
}

static const char *reserve(void *context, const char *name, struct turn_holding wanted)
{
    struct local_quota *quota = context;

    pthread_mutex_lock(&quota->mutex);
    const char *key = reserve_all(quota, name, wanted);
    pthread_mutex_unlock(&quota->mutex);
    return key;
}

static void release(void *context, const char *name, struct turn_holding given)
{
    struct local_quota *quota = context;
    const char *realm = turn_account_realm(name);

    pthread_mutex_lock(&quota->mutex);
    if (!is_nobody(name)) {
        give_back(quota, name, given);
    }
    if (realm != NULL) {
        give_back(quota, realm, given);
    }
    quota->total.allocations -= given.allocations;
    quota->total.ports -= given.ports;
    pthread_mutex_unlock(&quota->mutex);
}

struct turn_quota local_quota_interface(struct local_quota *quota)
{
    return (struct turn_quota){.context = quota, .reserve = reserve, .release = release};
}

void local_quota_set_limits(struct local_quota *quota, struct turn_holding account,
                            struct turn_holding total)
{
    pthread_mutex_lock(&quota->mutex);
    quota->limit = account;
    quota->total_limit = total;
    pthread_mutex_unlock(&quota->mutex);
}

bool local_quota_set_realms(struct local_quota *quota, size_t count,
                            const struct turn_realm_limit *limits)
{
    struct realm_limit *realms = calloc(count + 1, sizeof *realms);

    for (size_t i = 0; realms != NULL && i < count; i++) {
        realms[i] = (struct realm_limit){strdup(limits[i].name), limits[i].holding};
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
