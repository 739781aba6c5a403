/* SPDX-License-Identifier: BSD-3-Clause */
/* A PROXY header, whole and in parts: what is asked for is more than what is there, and what is
 * read once is read again from the same bytes without what follows. */
#include "tests/fuzz/fuzz.h"

#include "wire/proxy_header.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header header;
    size_t needed = 0;

    int status = proxy_header_parse(data, size, &header, &needed);
    if (status == -EAGAIN) {
        REQUIRE(needed > size && needed <= PROXY_HEADER_SIZE_MAX);
    }
    if (status == 0) {
        struct proxy_header again;
        uint8_t *exact = malloc(header.size);
        REQUIRE(exact != NULL && header.size <= size && header.size <= PROXY_HEADER_SIZE_MAX);
        memcpy(exact, data, header.size);
        REQUIRE(proxy_header_parse(exact, header.size, &again, &needed) == 0);
        REQUIRE(again.size == header.size && again.source.port == header.source.port);
        REQUIRE(proxy_header_parse(exact, header.size - 1, &again, &needed) == -EAGAIN);
        free(exact);
    }
    return 0;
}
