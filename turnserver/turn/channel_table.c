/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/channel_table.h"

#include "base/address.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void channel_table_init(struct channel_table *table)
{
    table->entries = table->first;
    table->by_number = table->first_by_number;
    table->by_peer = table->first_by_peer;
    table->count = 0;
    table->capacity = CHANNELS_INLINE;
}

void channel_table_clear(struct channel_table *table)
{
    if (table->entries != table->first) {
        free(table->entries); /* the two indexes are in the same block */
    }
    channel_table_init(table);
}

/* ---- the two indexes ------------------------------------------------------------------------- */

static size_t place_of_number(const struct channel_table *table, uint16_t number)
{
    size_t low = 0;
    size_t high = table->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (table->entries[table->by_number[middle]].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static size_t place_of_peer(const struct channel_table *table, const struct stun_address *peer)
{
    size_t low = 0;
    size_t high = table->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (address_compare(&table->entries[table->by_peer[middle]].peer, peer) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The channel with this number, living or not. */
static struct channel *channel_of_number(const struct channel_table *table, uint16_t number)
{
    size_t place = place_of_number(table, number);
    struct channel *channel;

    if (place == table->count) {
        return NULL;
    }
    channel = &table->entries[table->by_number[place]];
    return channel->number == number ? channel : NULL;
}

static struct channel *channel_of_peer(const struct channel_table *table,
                                       const struct stun_address *peer)
{
    size_t place = place_of_peer(table, peer);
    struct channel *channel;

    if (place == table->count) {
        return NULL;
    }
    channel = &table->entries[table->by_peer[place]];
    return address_equal(&channel->peer, peer) ? channel : NULL;
}

static void index_insert(uint16_t *index, size_t count, size_t place, size_t entry)
{
    memmove(index + place + 1, index + place, (count - place) * sizeof *index);
    index[place] = (uint16_t)entry;
}

/* Puts the entry that follows the last one into both indexes. */
static void channel_table_take_in(struct channel_table *table)
{
    const struct channel *channel = &table->entries[table->count];

    index_insert(table->by_number, table->count, place_of_number(table, channel->number),
                 table->count);
    index_insert(table->by_peer, table->count, place_of_peer(table, &channel->peer), table->count);
    table->count++;
}

static void channel_table_purge(struct channel_table *table, struct monotime now)
{
    size_t count = table->count;

    table->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!monotime_reached(now, table->entries[i].expires)) {
            table->entries[table->count] = table->entries[i];
            channel_table_take_in(table);
        }
    }
}

/* ---- what others call ------------------------------------------------------------------------ */

struct channel *channel_table_find_number(const struct channel_table *table, struct monotime now,
                                          uint16_t number)
{
    struct channel *channel = channel_of_number(table, number);

    return channel != NULL && !monotime_reached(now, channel->expires) ? channel : NULL;
}

struct channel *channel_table_find_peer(const struct channel_table *table, struct monotime now,
                                        const struct stun_address *peer)
{
    struct channel *channel = channel_of_peer(table, peer);

    return channel != NULL && !monotime_reached(now, channel->expires) ? channel : NULL;
}

static bool channel_table_grow(struct channel_table *table)
{
    size_t capacity = (size_t)table->capacity * 2;
    size_t count = table->count;
    struct channel *entries = malloc(capacity * (sizeof *entries + 2 * sizeof(uint16_t)));

    if (entries == NULL) {
        return false;
    }
    memcpy(entries, table->entries, count * sizeof *entries);
    channel_table_clear(table);
    table->entries = entries;
    table->by_number = (uint16_t *)(entries + capacity);
    table->by_peer = table->by_number + capacity;
    table->capacity = (uint16_t)capacity;
    for (size_t i = 0; i < count; i++) {
        channel_table_take_in(table);
    }
    return true;
}

bool channel_table_make_room(struct channel_table *table, struct monotime now, size_t bound)
{
    if (table->count == table->capacity || table->count >= bound) {
        channel_table_purge(table, now);
    }
    /* There are 4096 numbers: the capacity fits 16 bits whatever the bound. */
    if (table->count >= bound) {
        return false;
    }
    return table->count < table->capacity || channel_table_grow(table);
}

struct channel *channel_table_add(struct channel_table *table, struct monotime now, uint16_t number,
                                  const struct stun_address *peer)
{
    struct channel *channel;

    if (channel_of_number(table, number) != NULL || channel_of_peer(table, peer) != NULL) {
        channel_table_purge(table, now); /* that one has expired */
    }
    assert(table->entries != NULL && table->count < table->capacity);
    channel = &table->entries[table->count];
    *channel = (struct channel){.peer = *peer, .number = number};
    channel_table_take_in(table);
    return channel;
}
