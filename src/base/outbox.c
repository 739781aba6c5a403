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

void outbox_add(struct outbox *outbox, const struct flow *flow, const uint8_t *bytes, uint32_t size)
{
    if (outbox->count == OUTBOX_ENTRIES_MAX) {
        outbox->flush(outbox, outbox->context);
        assert(outbox->count == 0);
    }
    /* Reserved bytes start exactly where the arena's used part ends: adding them keeps them. */
    if (bytes == outbox->arena + outbox->arena_used) {
        outbox->arena_used += (size + 7u) & ~(size_t)7;
    }
    outbox->entries[outbox->count++] = (struct outbox_entry){*flow, bytes, size};
}
