/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hash map of the caller's own structs: each has a struct hash_node in it, and the map allocates
 * nothing but its table of buckets. It hashes with a key of its own (base/siphash.h), so that what
 * peers send cannot be made to collide.
 *
 *     struct source { struct hash_node node; struct stun_address address; … };
 *
 *     static uint64_t hash_source(const struct siphash_key *key, const void *wanted);
 *     static bool is_source(const struct hash_node *node, const void *wanted);
 *
 *     hash_map_init(&map, &(struct hash_map_type){hash_source, is_source}, &random_key, 1000);
 *     hash_map_insert(&map, &source->node, &source->address);
 *     node = hash_map_find(&map, &address);
 *     source = container_of(node, struct source, node);
 *
 * An empty or very small map has no table at all. A table doubles while entries come in, a few
 * buckets an insertion, so that no single call is slow; it never shrinks.
 */
#ifndef BASE_HASH_MAP_H
#define BASE_HASH_MAP_H

#include "base/container.h"
#include "base/siphash.h"

#include <stdbool.h>

struct hash_node {
    struct hash_node *next;
    uint64_t hash;
};

struct hash_map_type {
    /* The hash of a key; hash all that `equal` compares, with siphash(). */
    uint64_t (*hash)(const struct siphash_key *siphash_key, const void *key);
    /* Whether the entry of `node` has that key. */
    bool (*equal)(const struct hash_node *node, const void *key);
};

/* The `hash` of keys that are texts. */
uint64_t hash_map_text(const struct siphash_key *siphash_key, const void *text);

struct hash_map {
    struct hash_map_type type;
    struct siphash_key siphash_key;
    size_t count;
    size_t max;
    struct hash_node **buckets; /* NULL: all entries are in `first` */
    struct hash_node *first;
    size_t mask;                    /* number of buckets - 1 */
    struct hash_node **old_buckets; /* while growing: half as many, emptied from the front */
    size_t moved;                   /* how many of them are empty */
};

/*
 * `max` bounds the entries. `type` and `key` are copied. The map must stay where it is only as long
 * as a cursor is used.
 */
void hash_map_init(struct hash_map *map, const struct hash_map_type *type,
                   const struct siphash_key *key, size_t max);
/* Frees the table; entries are the caller's. The map is empty then, and may be used again. */
void hash_map_clear(struct hash_map *map);

/*
 * Adds `node`, whose owner has the key `key`. Returns 0, -EEXIST when there is an entry with that
 * key, or -ENOSPC when there are `max`. Short of memory it grows slower, but does not fail.
 */
int hash_map_insert(struct hash_map *map, struct hash_node *node, const void *key);
/* Returns NULL when there is none. */
struct hash_node *hash_map_find(const struct hash_map *map, const void *key);
/* The node must be in the map. */
void hash_map_remove(struct hash_map *map, struct hash_node *node);

/*
 * All entries, in no order that means anything:
 *
 *     for (node = hash_map_first(&map, &cursor); node != NULL; node = hash_map_next(&map, &cursor))
 *
 * The entry in hand may be removed and freed; nothing else may change meanwhile.
 */
struct hash_cursor {
    size_t bucket;
    bool old;
    struct hash_node *next;
};

struct hash_node *hash_map_first(const struct hash_map *map, struct hash_cursor *cursor);
struct hash_node *hash_map_next(const struct hash_map *map, struct hash_cursor *cursor);

#endif
