/* SPDX-License-Identifier: BSD-3-Clause */
/* A packet: 8 bytes that are ours alone, its kind and number, and a pattern. */
#include "stunclient/turn_test_internal.h"

#include <string.h>

#define HEAD_SIZE (MARK_SIZE + 8)

static void put_u32(uint8_t *out, uint32_t number)
{
    out[0] = (uint8_t)(number >> 24);
    out[1] = (uint8_t)(number >> 16);
    out[2] = (uint8_t)(number >> 8);
    out[3] = (uint8_t)number;
}

static uint32_t get_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint8_t pattern(uint32_t number, uint32_t at)
{
    return (uint8_t)(number * 31 + at * 7);
}

/* A buffer with room around it, lent until the outbox is sent; NULL: too many in one call. */
static uint8_t *take_buffer(struct turn_test *test, struct packet *packet, uint32_t size)
{
    if (test->burst == BURST_MAX) {
        return NULL;
    }
    *packet = (struct packet){.bytes = test->buffers[test->burst++] + TURN_CLIENT_HEADROOM,
                              .size = size,
                              .headroom = TURN_CLIENT_HEADROOM,
                              .tailroom = TURN_CLIENT_TAILROOM};
    return packet->bytes;
}

static void deliver(struct turn_test *test, struct monotime now, unsigned side,
                    struct packet *packet, struct outbox *outbox)
{
    if (test->setup.client.tcp) {
        outbox_add(outbox, &test->setup.flows[DATA + side], packet->bytes, packet->size);
    } else {
        turn_client_send(test->clients[side], now, test_target(test, side), packet, outbox);
    }
}

bool test_send(struct turn_test *test, struct monotime now, enum packet_kind kind, uint32_t number,
               uint32_t size, struct outbox *outbox)
{
    struct packet packet;
    uint8_t *bytes = take_buffer(test, &packet, size);
    if (bytes == NULL) {
        return false;
    }
    memcpy(bytes, test->mark, MARK_SIZE);
    put_u32(bytes + MARK_SIZE, kind);
    put_u32(bytes + MARK_SIZE + 4, number);
    for (uint32_t at = HEAD_SIZE; at < size; at++) {
        bytes[at] = pattern(number, at);
    }
    deliver(test, now, NEAR, &packet, outbox);
    return true;
}

void test_send_back(struct turn_test *test, struct monotime now, const struct packet *data,
                    struct outbox *outbox)
{
    struct packet packet;
    uint8_t *bytes;
    if (data->size > PACKET_SIZE_MAX || (bytes = take_buffer(test, &packet, data->size)) == NULL) {
        return;
    }
    memcpy(bytes, data->bytes, data->size);
    deliver(test, now, FAR, &packet, outbox);
}

bool test_packet_is_ours(const struct turn_test *test, const struct packet *packet,
                         enum packet_kind *kind, uint32_t *number)
{
    if (packet->size < HEAD_SIZE || memcmp(packet->bytes, test->mark, MARK_SIZE) != 0) {
        return false;
    }
    *kind = (enum packet_kind)get_u32(packet->bytes + MARK_SIZE);
    *number = get_u32(packet->bytes + MARK_SIZE + 4);
    return true;
}

bool test_packet_is_intact(const struct packet *packet, uint32_t number, uint32_t size)
{
    for (uint32_t at = HEAD_SIZE; at < packet->size; at++) {
        if (packet->bytes[at] != pattern(number, at)) {
            return false;
        }
    }
    return packet->size == size;
}
