/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/permission_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void permission_table_init(struct permission_table *table)
{
    table->entries = table->first;
    table->count = 0;
    table->capacity = PERMISSIONS_INLINE;
}

void permission_table_clear(struct permission_table *table)
{
    if (table->entries != table->first) {
        free(table->entries);
    }
    permission_table_init(table);
}

static int permission_compare(const struct permission *permission, const struct stun_address *peer)
{
    if (permission->family != peer->family) {
        return permission->family < peer->family ? -1 : 1;
    }
    return memcmp(permission->ip, peer->ip, sizeof permission->ip);
}

/* The place of the first permission that is not below the peer's. */
static size_t permission_place(const struct permission_table *table,
                               const struct stun_address *peer)
{
    size_t low = 0;
    size_t high = table->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (permission_compare(&table->entries[middle], peer) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool permission_is_at(const struct permission_table *table, size_t place,
                             const struct stun_address *peer)
{
    return place < table->count && permission_compare(&table->entries[place], peer) == 0;
}

struct permission *permission_table_find(struct permission_table *table, struct monotime now,
                                         const struct stun_address *peer)
{
    size_t place = permission_place(table, peer);

    if (!permission_is_at(table, place, peer) ||
        monotime_reached(now, table->entries[place].expires)) {
        return NULL;
    }
    return &table->entries[place];
}

static void permission_table_purge(struct permission_table *table, struct monotime now)
{
    size_t kept = 0;

    for (size_t i = 0; i < table->count; i++) {
        if (!monotime_reached(now, table->entries[i].expires)) {
            table->entries[kept++] = table->entries[i];
        }
    }
    table->count = (uint16_t)kept;
}

static bool permission_table_grow(struct permission_table *table, size_t capacity)
{
    bool was_inline = table->entries == table->first;
    struct permission *entries =
        realloc(was_inline ? NULL : table->entries, capacity * sizeof *entries);

    if (entries == NULL) {
        return false;
    }
    if (was_inline) {
        memcpy(entries, table->first, table->count * sizeof *entries);
    }
    table->entries = entries;
    table->capacity = (uint16_t)capacity;
    return true;
}

bool permission_table_make_room(struct permission_table *table, struct monotime now, size_t more,
                                size_t bound)
{
    size_t capacity = table->capacity;

    if (bound > UINT16_MAX / 2) {
        bound = UINT16_MAX / 2;
    }
    if (table->count + more <= capacity && table->count + more <= bound) {
        return true;
    }
    permission_table_purge(table, now);
    if (table->count + more > bound) {
        return false;
    }
    while (capacity < table->count + more) {
        capacity *= 2;
    }
    return capacity == table->capacity || permission_table_grow(table, capacity);
}

void permission_table_set(struct permission_table *table, const struct stun_address *peer,
                          enum peer_verdict verdict, struct monotime expires)
{
    size_t place = permission_place(table, peer);
    struct permission *permission = &table->entries[place];

    if (!permission_is_at(table, place, peer)) {
        assert(table->count < table->capacity);
        memmove(permission + 1, permission, (table->count - place) * sizeof *permission);
        table->count++;
        permission->family = peer->family;
        memcpy(permission->ip, peer->ip, sizeof permission->ip);
    }
    permission->verdict = (uint8_t)verdict;
    permission->expires = expires;
}
