/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of client machines need: seeded randomness and an outbox whose packets are kept. */
#ifndef MACHINE_TEST_H
#define MACHINE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/monotime.h"
#include "base/outbox.h"

#include <postern/stun.h>
#include <string.h>

#define SENT_MAX 64
#define SENT_SIZE_MAX 2048

struct sent_packet {
    struct flow flow;
    uint32_t size;
    uint8_t bytes[SENT_SIZE_MAX];
};

/* An outbox, and what went through it since the last wire_clear. */
struct wire {
    struct outbox outbox;
    struct sent_packet sent[SENT_MAX];
    size_t count;
};

static inline void wire_flush(struct outbox *outbox, void *context)
{
    struct wire *wire = context;
    for (size_t i = 0; i < outbox->count; i++) {
        const struct outbox_entry *entry = &outbox->entries[i];
        assert_true(wire->count < SENT_MAX);
        assert_true(entry->size <= SENT_SIZE_MAX);
        struct sent_packet *packet = &wire->sent[wire->count++];
        packet->flow = entry->flow;
        packet->size = entry->size;
        memcpy(packet->bytes, entry->bytes, entry->size);
    }
    outbox_clear(outbox);
}

static inline void wire_init(struct wire *wire)
{
    wire->count = 0;
    outbox_init(&wire->outbox, wire_flush, wire);
}

/* How many packets were sent since the last call; they stand in wire->sent. */
static inline size_t wire_take(struct wire *wire)
{
    wire_flush(&wire->outbox, wire);
    size_t count = wire->count;
    wire->count = 0;
    return count;
}

/* A splitmix64 generator: the same seed gives the same test. */
static inline uint64_t test_random(void *context)
{
    uint64_t *state = context;
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline struct stun_address test_address(const char *text)
{
    struct stun_address address;
    assert_true(address_parse(&address, text));
    return address;
}

static inline struct monotime at_ms(int64_t ms)
{
    return (struct monotime){ms * MONOTIME_MILLISECOND};
}

#endif
