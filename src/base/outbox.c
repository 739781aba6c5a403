/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/outbox.h"

#include <assert.h>

void outbox_init(struct outbox *outbox, outbox_flush *flush, void *context)
{
    outbox->count = 0;
    outbox->arena_used = 0;
    outbox->flush = flush;
    outbox->context = context;
}

void outbox_clear(struct outbox *outbox)
{
    outbox->count = 0;
    outbox->arena_used = 0;
}

uint8_t *outbox_reserve(struct outbox *outbox, uint32_t size)
{
    assert(size <= OUTBOX_RESERVE_MAX);
    if (OUTBOX_ARENA_SIZE - outbox->arena_used < size || outbox->count == OUTBOX_ENTRIES_MAX) {
        outbox->flush(outbox, outbox->context);
        assert(outbox->count == 0);
    }
    return outbox->arena + outbox->arena_used;
}

/* Keeps bytes of the arena from being handed out again, also when others went out meanwhile. */
static void keep(struct outbox *outbox, const uint8_t *bytes, uint32_t size)
{
    uintptr_t begin = (uintptr_t)outbox->arena, at = (uintptr_t)bytes;

    if (at >= begin && at < begin + OUTBOX_ARENA_SIZE) {
        size_t end = (at - begin + size + 7u) & ~(size_t)7;
        outbox->arena_used = end > outbox->arena_used ? end : outbox->arena_used;
    }
}

void outbox_add_entry(struct outbox *outbox, const struct outbox_entry *entry)
{
    if (outbox->count == OUTBOX_ENTRIES_MAX) {
        outbox->flush(outbox, outbox->context);
        assert(outbox->count == 0);
    }
    keep(outbox, entry->bytes, entry->size);
    outbox->entries[outbox->count++] = *entry;
}

void outbox_add(struct outbox *outbox, const struct flow *flow, const uint8_t *bytes, uint32_t size)
{
    outbox_add_entry(outbox, &(struct outbox_entry){.flow = *flow, .bytes = bytes, .size = size});
}

void outbox_add_hops(struct outbox *outbox, const struct flow *flow, const uint8_t *bytes,
                     uint32_t size, uint8_t hop_limit)
{
    outbox_add_entry(outbox,
                     &(struct outbox_entry){
                         .flow = *flow, .bytes = bytes, .size = size, .hop_limit = hop_limit});
}
