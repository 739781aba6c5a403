/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a stream: cut into frames, and no prefix of it tells another story. */
#include "tests/fuzz/fuzz.h"

#include <postern/stun.h>

/* With fewer bytes the answer is "more", or the very same refusal; the size stays as it was told.
 */
static void require_prefixes_agree(const uint8_t *bytes, size_t size, int result, size_t frame_size)
{
    size_t longest = size < 64 ? size : 64;

    for (size_t prefix = 0; prefix < longest; prefix++) {
        size_t told;
        int status = stun_stream_next(bytes, prefix, &told);
        REQUIRE(status == STUN_ERROR_TRUNCATED || status == result);
        REQUIRE(told == 0 || result == STUN_ERROR_NOT_STUN || told == frame_size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (;;) {
        size_t frame_size;
        int result = stun_stream_next(data, size, &frame_size);
        require_prefixes_agree(data, size, result, frame_size);
        REQUIRE(frame_size <= STUN_MESSAGE_SIZE_MAX);
        if (result < 0) {
            REQUIRE(result == STUN_ERROR_TRUNCATED || result == STUN_ERROR_NOT_STUN);
            REQUIRE(result == STUN_ERROR_TRUNCATED || frame_size == 0);
            REQUIRE(result == STUN_ERROR_NOT_STUN || frame_size == 0 || frame_size > size);
            return 0;
        }
        REQUIRE(frame_size >= 4 && frame_size % 4 == 0 && frame_size <= size);
        if (result == STUN_PROTOCOL_CHANNEL) {
            struct stun_channel_view channel;
            REQUIRE(stun_channel_parse(&channel, data, frame_size) == STUN_OK);
        } else {
            struct stun_view view;
            int status = stun_view_parse(&view, data, frame_size);
            REQUIRE(status == STUN_OK || status == STUN_ERROR_MALFORMED ||
                    status == STUN_ERROR_TOO_MANY);
        }
        data += frame_size;
        size -= frame_size;
    }
}
