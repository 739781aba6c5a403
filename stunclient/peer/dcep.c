/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/dcep.h"

#include <string.h>

static uint16_t read_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void write_u16(uint8_t *out, uint16_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

static bool parse_open(const uint8_t *bytes, size_t size, struct dcep_open *open)
{
    if (size < DCEP_OPEN_SIZE) {
        return false;
    }
    *open = (struct dcep_open){
        .channel_type = bytes[1],
        .priority = read_u16(bytes + 2),
        .reliability = (uint32_t)read_u16(bytes + 4) << 16 | read_u16(bytes + 6),
        .label = (const char *)bytes + DCEP_OPEN_SIZE,
        .label_size = read_u16(bytes + 8),
        .protocol_size = read_u16(bytes + 10),
    };
    open->protocol = open->label + open->label_size;
    return (open->channel_type & ~DCEP_UNORDERED) <= DCEP_LIMITED_LIFETIME &&
           size == (size_t)DCEP_OPEN_SIZE + open->label_size + open->protocol_size;
}

bool dcep_parse(const uint8_t *bytes, size_t size, enum dcep_type *type, struct dcep_open *open)
{
    if (size >= DCEP_ACK_SIZE && bytes[0] == DCEP_ACK) { /* pion sends three bytes more */
        *type = DCEP_ACK;
        return true;
    }
    if (size > 0 && bytes[0] == DCEP_OPEN && parse_open(bytes, size, open)) {
        *type = DCEP_OPEN;
        return true;
    }
    return false;
}

size_t dcep_build_ack(uint8_t *out, size_t capacity)
{
    if (capacity < DCEP_ACK_SIZE) {
        return 0;
    }
    out[0] = DCEP_ACK;
    return DCEP_ACK_SIZE;
}

size_t dcep_build_open(uint8_t *out, size_t capacity, const struct dcep_open *open)
{
    size_t size = (size_t)DCEP_OPEN_SIZE + open->label_size + open->protocol_size;

    if (capacity < size) {
        return 0;
    }
    out[0] = DCEP_OPEN;
    out[1] = open->channel_type;
    write_u16(out + 2, open->priority);
    write_u16(out + 4, (uint16_t)(open->reliability >> 16));
    write_u16(out + 6, (uint16_t)open->reliability);
    write_u16(out + 8, open->label_size);
    write_u16(out + 10, open->protocol_size);
    memcpy(out + DCEP_OPEN_SIZE, open->label, open->label_size);
    memcpy(out + DCEP_OPEN_SIZE + open->label_size, open->protocol, open->protocol_size);
    return size;
}
