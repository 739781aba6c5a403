/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/datapath/socket_slots.h"

#include <stdlib.h>
#include <string.h>

/* A via: bit 31 zero, 11 bits of generation (never 0), 20 bits of slot number. */
#define NUMBER_BITS 20
#define NUMBER_MASK ((1u << NUMBER_BITS) - 1)
#define GENERATION_MASK 0x7FFu

_Static_assert(SOCKET_SLOTS_CHUNK *SOCKET_SLOTS_CHUNKS_MAX <= NUMBER_MASK + 1, "numbers fit");

void socket_slots_init(struct socket_slots *slots)
{
    *slots = (struct socket_slots){0};
}

void socket_slots_free(struct socket_slots *slots)
{
    for (uint32_t i = 0; i < slots->chunk_count; i++) {
        free(slots->chunks[i]);
    }
    free(slots->chunks);
    socket_slots_init(slots);
}

static bool add_chunk(struct socket_slots *slots)
{
    if (slots->chunk_count == SOCKET_SLOTS_CHUNKS_MAX) {
        return false;
    }
    if ((slots->chunk_count & (slots->chunk_count - 1)) == 0) {
        size_t room = slots->chunk_count ? slots->chunk_count * 2 : 1;
        struct socket_slot **chunks = realloc(slots->chunks, room * sizeof(struct socket_slot *));
        if (!chunks) {
            return false;
        }
        slots->chunks = chunks;
    }
    struct socket_slot *chunk = calloc(SOCKET_SLOTS_CHUNK, sizeof(struct socket_slot));
    if (!chunk) {
        return false;
    }
    slots->chunks[slots->chunk_count++] = chunk;
    return true;
}

struct socket_slot *socket_slots_at(const struct socket_slots *slots, uint32_t number)
{
    return &slots->chunks[number / SOCKET_SLOTS_CHUNK][number % SOCKET_SLOTS_CHUNK];
}

static struct socket_slot *take_freed(struct socket_slots *slots)
{
    struct socket_slot *slot = slots->free_first;
    slots->free_first = slot->next;
    if (!slots->free_first) {
        slots->free_last = NULL;
    }
    return slot;
}

static uint32_t make_via(uint32_t generation, uint32_t number)
{
    return generation << NUMBER_BITS | number;
}

struct socket_slot *socket_slots_take(struct socket_slots *slots)
{
    uint32_t number = slots->used;
    uint32_t generation = 1;
    struct socket_slot *slot;
    if (slots->free_first) {
        slot = take_freed(slots);
        number = slot->last_via & NUMBER_MASK;
        generation = slot->last_via >> NUMBER_BITS;
        generation = generation == GENERATION_MASK ? 1 : generation + 1;
    } else if (number < slots->chunk_count * SOCKET_SLOTS_CHUNK || add_chunk(slots)) {
        slot = socket_slots_at(slots, number);
        slots->used++;
    } else {
        return NULL;
    }
    memset(slot, 0, sizeof *slot);
    slot->via = make_via(generation, number);
    slot->descriptor = -1;
    slot->first_entry = slot->last_entry = -1;
    return slot;
}

void socket_slots_give_back(struct socket_slots *slots, struct socket_slot *slot)
{
    slot->last_via = slot->via;
    slot->via = 0;
    slot->next = NULL;
    if (slots->free_last) {
        slots->free_last->next = slot;
    } else {
        slots->free_first = slot;
    }
    slots->free_last = slot;
}

struct socket_slot *socket_slots_find(const struct socket_slots *slots, uint32_t via)
{
    uint32_t number = via & NUMBER_MASK;
    if (via == 0 || number >= slots->used) {
        return NULL;
    }
    struct socket_slot *slot = socket_slots_at(slots, number);
    return slot->via == via ? slot : NULL;
}
