/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as ChannelData: what is read can be written again. */
#include "tests/fuzz/fuzz.h"

#include <postern/stun.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stun_channel_view view;
    uint8_t header[STUN_CHANNEL_HEADER_SIZE];

    if (stun_channel_parse(&view, data, size) != STUN_OK)
        return 0;
    REQUIRE(view.channel >= STUN_CHANNEL_MIN && view.channel <= STUN_CHANNEL_RFC5766_MAX);
    REQUIRE(view.data == data + STUN_CHANNEL_HEADER_SIZE);
    REQUIRE(view.size <= size - STUN_CHANNEL_HEADER_SIZE);
    stun_channel_write(header, view.channel, view.size);
    REQUIRE(memcmp(header, data, sizeof header) == 0);
    return 0;
}
