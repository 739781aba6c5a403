/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/hash_map.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Entries that one chain holds before there is a table, and the first table's buckets. */
#define CHAIN_MAX 4
#define BUCKETS_MIN 8
/* Old buckets that an insertion empties. One would do for the old table to be empty in time. */
#define MOVES_AN_INSERTION 2

uint64_t hash_map_text(const struct siphash_key *siphash_key, const void *text)
{
    return siphash(siphash_key, text, strlen(text));
}

void hash_map_init(struct hash_map *map, const struct hash_map_type *type,
                   const struct siphash_key *key, size_t max)
{
    *map = (struct hash_map){.type = *type, .siphash_key = *key, .max = max};
}

void hash_map_clear(struct hash_map *map)
{
    free(map->buckets);
    free(map->old_buckets);
    hash_map_init(map, &map->type, &map->siphash_key, map->max);
}

/* The one place that knows which chain a hash belongs to. */
static struct hash_node **find_chain(const struct hash_map *map, uint64_t hash)
{
    if (map->buckets == NULL) {
        return (struct hash_node **)&map->first;
    }
    if (map->old_buckets != NULL) {
        size_t old = hash & (map->mask >> 1);
        if (old >= map->moved) {
            return &map->old_buckets[old];
        }
    }
    return &map->buckets[hash & map->mask];
}

static void push(struct hash_node **chain, struct hash_node *node)
{
    node->next = *chain;
    *chain = node;
}

static struct hash_node *find_in_chain(const struct hash_map *map, uint64_t hash, const void *key)
{
    for (struct hash_node *node = *find_chain(map, hash); node != NULL; node = node->next) {
        if (node->hash == hash && map->type.equal(node, key)) {
            return node;
        }
    }
    return NULL;
}

struct hash_node *hash_map_find(const struct hash_map *map, const void *key)
{
    return map->count == 0 ? NULL : find_in_chain(map, map->type.hash(&map->siphash_key, key), key);
}

/* ---- growing ------------------------------------------------------------------------------------
 */

static void move_chain(struct hash_map *map, struct hash_node **chain)
{
    struct hash_node *node = *chain;

    *chain = NULL;
    while (node != NULL) {
        struct hash_node *next = node->next;
        push(&map->buckets[node->hash & map->mask], node);
        node = next;
    }
}

static void move_some(struct hash_map *map)
{
    size_t old_count = (map->mask + 1) / 2;

    for (int i = 0; i < MOVES_AN_INSERTION && map->old_buckets != NULL; i++) {
        move_chain(map, &map->old_buckets[map->moved++]);
        if (map->moved == old_count) {
            free(map->old_buckets);
            map->old_buckets = NULL;
        }
    }
}

static void begin_growing(struct hash_map *map)
{
    size_t count = map->buckets == NULL ? BUCKETS_MIN : (map->mask + 1) * 2;
    struct hash_node **buckets = calloc(count, sizeof(struct hash_node *));

    if (buckets == NULL) {
        return;
    }
    map->old_buckets = map->buckets;
    map->buckets = buckets;
    map->mask = count - 1;
    map->moved = 0;
    if (map->old_buckets == NULL) {
        move_chain(map, &map->first);
    }
}

static void grow(struct hash_map *map)
{
    if (map->old_buckets != NULL) {
        move_some(map);
    } else if (map->count >= (map->buckets == NULL ? CHAIN_MAX : map->mask + 1)) {
        begin_growing(map);
    }
}

int hash_map_insert(struct hash_map *map, struct hash_node *node, const void *key)
{
    uint64_t hash = map->type.hash(&map->siphash_key, key);

    if (find_in_chain(map, hash, key) != NULL) {
        return -EEXIST;
    }
    if (map->count >= map->max) {
        return -ENOSPC;
    }
    grow(map);
    node->hash = hash;
    push(find_chain(map, hash), node);
    map->count++;
    return 0;
}

void hash_map_remove(struct hash_map *map, struct hash_node *node)
{
    struct hash_node **link = find_chain(map, node->hash);

    while (*link != node) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = node->next;
    node->next = NULL;
    map->count--;
}

/* ---- iteration ----------------------------------------------------------------------------------
 */

/* The first entry at or after the cursor's bucket, or NULL; leaves the cursor behind it. */
static struct hash_node *seek(const struct hash_map *map, struct hash_cursor *cursor)
{
    for (;;) {
        size_t count = cursor->old ? (map->mask + 1) / 2 : map->mask + 1;
        struct hash_node **buckets = cursor->old ? map->old_buckets : map->buckets;
        for (; buckets != NULL && cursor->bucket < count; cursor->bucket++) {
            struct hash_node *node = buckets[cursor->bucket];
            if (node != NULL) {
                cursor->bucket++;
                return node;
            }
        }
        if (cursor->old || map->old_buckets == NULL) {
            return NULL;
        }
        cursor->old = true;
        cursor->bucket = map->moved;
    }
}

struct hash_node *hash_map_first(const struct hash_map *map, struct hash_cursor *cursor)
{
    *cursor = (struct hash_cursor){.next = map->first};
    return hash_map_next(map, cursor);
}

struct hash_node *hash_map_next(const struct hash_map *map, struct hash_cursor *cursor)
{
    struct hash_node *node = cursor->next;

    if (node == NULL) {
        node = seek(map, cursor);
    }
    cursor->next = node == NULL ? NULL : node->next;
    return node;
}
