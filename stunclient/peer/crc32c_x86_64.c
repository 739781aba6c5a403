/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/crc32c.h"

#include <nmmintrin.h>
#include <string.h>

bool crc32c_present(void)
{
    return __builtin_cpu_supports("sse4.2") != 0;
}

__attribute__((target("sse4.2"))) uint32_t crc32c(uint32_t crc, const uint8_t *bytes, size_t size)
{
    uint64_t sum = ~crc;
    uint64_t word;

    for (; size >= sizeof word; size -= sizeof word, bytes += sizeof word) {
        memcpy(&word, bytes, sizeof word);
        sum = _mm_crc32_u64(sum, word);
    }
    for (; size > 0; size--, bytes++) {
        sum = _mm_crc32_u8((uint32_t)sum, *bytes);
    }
    return ~(uint32_t)sum;
}
