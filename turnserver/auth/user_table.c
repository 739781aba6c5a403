/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/auth/user_table.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a. The table holds what the operator wrote, so nobody can fill it with collisions. */
static uint64_t hash_name(const char *name)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);

    for (; *name != '\0'; name++) {
        hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001B3);
    }
    return hash;
}

static uint64_t hash_userhash(const uint8_t *userhash)
{
    uint64_t hash = 0;

    memcpy(&hash, userhash, sizeof hash);
    return hash;
}

static void put_index(uint32_t *index, size_t slots, uint64_t hash, uint32_t value)
{
    size_t slot = hash & (slots - 1);

    while (index[slot] != 0) {
        slot = (slot + 1) & (slots - 1);
    }
    index[slot] = value;
}

struct user *user_table_find(const struct user_table *table, const char *name)
{
    if (table->slots == 0) {
        return NULL;
    }
    size_t slot = hash_name(name) & (table->slots - 1);
    while (table->by_name[slot] != 0) {
        struct user *user = &table->users[table->by_name[slot] - 1];
        if (strcmp(user->name, name) == 0) {
            return user;
        }
        slot = (slot + 1) & (table->slots - 1);
    }
    return NULL;
}

struct user *user_table_find_userhash(const struct user_table *table,
                                      const uint8_t userhash[STUN_SHA256_SIZE])
{
    if (table->slots == 0) {
        return NULL;
    }
    size_t slot = hash_userhash(userhash) & (table->slots - 1);
    while (table->by_userhash[slot] != 0) {
        struct user *user = &table->users[table->by_userhash[slot] - 1];
        if (memcmp(user->userhash, userhash, STUN_SHA256_SIZE) == 0) {
            return user;
        }
        slot = (slot + 1) & (table->slots - 1);
    }
    return NULL;
}

static void put_in_indices(const struct user *user, uint32_t *by_name, uint32_t *by_userhash,
                           size_t slots, uint32_t value)
{
    put_index(by_name, slots, hash_name(user->name), value);
    put_index(by_userhash, slots, hash_userhash(user->userhash), value);
}

static bool grow_indices(struct user_table *table)
{
    size_t slots = table->slots == 0 ? 16 : 2 * table->slots;
    uint32_t *by_name = calloc(slots, sizeof *by_name);
    uint32_t *by_userhash = calloc(slots, sizeof *by_userhash);

    if (by_name == NULL || by_userhash == NULL) {
        free(by_name);
        free(by_userhash);
        return false;
    }
    for (size_t i = 0; i < table->count; i++) {
        put_in_indices(&table->users[i], by_name, by_userhash, slots, (uint32_t)i + 1);
    }
    free(table->by_name);
    free(table->by_userhash);
    table->by_name = by_name;
    table->by_userhash = by_userhash;
    table->slots = slots;
    return true;
}

/* Not by realloc, which would leave keys in freed memory. */
static bool grow_users(struct user_table *table)
{
    size_t capacity = table->capacity == 0 ? 8 : 2 * table->capacity;
    struct user *users = calloc(capacity, sizeof *users);

    if (users == NULL) {
        return false;
    }
    if (table->count > 0) {
        memcpy(users, table->users, table->count * sizeof *users);
        OPENSSL_cleanse(table->users, table->count * sizeof *users);
    }
    free(table->users);
    table->users = users;
    table->capacity = capacity;
    return true;
}

struct user *user_table_add(struct user_table *table, const struct user *user)
{
    if ((table->count == table->capacity && !grow_users(table)) ||
        (2 * (table->count + 1) > table->slots && !grow_indices(table))) {
        return NULL;
    }
    struct user *added = &table->users[table->count++];
    *added = *user;
    put_in_indices(added, table->by_name, table->by_userhash, table->slots, (uint32_t)table->count);
    return added;
}

void user_table_clear(struct user_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->users[i].name);
    }
    if (table->users != NULL) {
        OPENSSL_cleanse(table->users, table->count * sizeof *table->users);
    }
    free(table->users);
    free(table->by_name);
    free(table->by_userhash);
    *table = (struct user_table){0};
}
