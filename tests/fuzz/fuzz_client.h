/* SPDX-License-Identifier: BSD-3-Clause */
/* What fuzz targets of client machines share: the input, and the requests that were sent. */
#ifndef FUZZ_CLIENT_H
#define FUZZ_CLIENT_H

#include "base/address.h"
#include "base/outbox.h"
#include "tests/fuzz/fuzz.h"

#include <postern/stun.h>
#include <string.h>

#define SENT_KEPT 16
#define MESSAGE_SIZE_MAX 2048

struct input {
    const uint8_t *bytes;
    size_t size;
};

static inline uint8_t take_byte(struct input *input)
{
    uint8_t byte = 0;
    if (input->size > 0) {
        byte = *input->bytes++;
        input->size--;
    }
    return byte;
}

static inline size_t take_bytes(struct input *input, size_t size, const uint8_t **bytes)
{
    size = size < input->size ? size : input->size;
    *bytes = input->bytes;
    input->bytes += size;
    input->size -= size;
    return size;
}

/* The last requests that the machine sent; only what an answer needs. */
struct sent_request {
    struct flow flow;
    uint8_t header[STUN_HEADER_SIZE];
};

struct wire {
    struct outbox outbox;
    struct sent_request sent[SENT_KEPT];
    size_t count; /* ever */
};

static inline void wire_flush(struct outbox *outbox, void *context)
{
    struct wire *wire = context;
    for (size_t i = 0; i < outbox->count; i++) {
        const struct outbox_entry *entry = &outbox->entries[i];
        REQUIRE(entry->size >= STUN_CHANNEL_HEADER_SIZE);
        if (entry->size >= STUN_HEADER_SIZE && (entry->bytes[0] & 0xc0) == 0) {
            struct sent_request *sent = &wire->sent[wire->count++ % SENT_KEPT];
            sent->flow = entry->flow;
            memcpy(sent->header, entry->bytes, STUN_HEADER_SIZE);
        }
    }
    outbox_clear(outbox);
}

static inline void wire_init(struct wire *wire)
{
    wire->count = 0;
    outbox_init(&wire->outbox, wire_flush, wire);
}

/* NULL when nothing was sent yet. */
static inline const struct sent_request *wire_pick(const struct wire *wire, uint8_t pick)
{
    size_t kept = wire->count < SENT_KEPT ? wire->count : SENT_KEPT;
    return kept == 0 ? NULL : &wire->sent[(wire->count - 1 - pick % kept) % SENT_KEPT];
}

/* Begins an answer to it in `bytes`, MESSAGE_SIZE_MAX of them. */
static inline void begin_answer(struct stun_builder *builder, uint8_t *bytes, bool success,
                                const struct sent_request *request)
{
    struct stun_view view;
    uint8_t header[STUN_HEADER_SIZE];
    memcpy(header, request->header, sizeof header);
    header[2] = header[3] = 0;
    REQUIRE(stun_view_parse(&view, header, sizeof header) == STUN_OK);
    stun_builder_begin_answer(builder, bytes, MESSAGE_SIZE_MAX, success ? STUN_SUCCESS : STUN_ERROR,
                              &view);
}

/* Attributes as they stand, at most 252 bytes of the input. */
static inline void put_raw(struct stun_builder *builder, struct input *input)
{
    const uint8_t *bytes;
    size_t size = take_bytes(input, take_byte(input) & 0xfc, &bytes) & ~(size_t)3;
    memcpy(builder->bytes + builder->size, bytes, size);
    builder->size += size;
    builder->bytes[2] = (uint8_t)((builder->size - STUN_HEADER_SIZE) >> 8);
    builder->bytes[3] = (uint8_t)(builder->size - STUN_HEADER_SIZE);
}

static inline uint64_t fuzz_random(void *context)
{
    uint64_t *state = context;
    return *state += UINT64_C(0x9e3779b97f4a7c15);
}

#endif
