/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/wire_internal.h"

int stun_channel_parse(struct stun_channel_view *view, const uint8_t *bytes, size_t size)
{
    if (size < STUN_CHANNEL_HEADER_SIZE)
        return STUN_ERROR_TRUNCATED;
    uint16_t channel = wire_get_u16(bytes);
    uint16_t length = wire_get_u16(bytes + 2);
    if (channel < STUN_CHANNEL_MIN || channel > STUN_CHANNEL_RFC5766_MAX)
        return STUN_ERROR_NOT_STUN;
    if (length > size - STUN_CHANNEL_HEADER_SIZE)
        return STUN_ERROR_TRUNCATED;
    *view = (struct stun_channel_view){
        .channel = channel, .size = length, .data = bytes + STUN_CHANNEL_HEADER_SIZE};
    return STUN_OK;
}

void stun_channel_write(uint8_t *header, uint16_t channel, uint16_t size)
{
    wire_put_u16(header, channel);
    wire_put_u16(header + 2, size);
}
