/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a message of DCEP: views stay inside, and what was read is written the same. */
#include "stunclient/peer/dcep.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dcep_open open;
    enum dcep_type type;

    if (!dcep_parse(data, size, &type, &open)) {
        return 0;
    }
    uint8_t *out = malloc(size);
    REQUIRE(out != NULL);
    if (type == DCEP_ACK) {
        size = dcep_build_ack(out, size);
        REQUIRE(size == DCEP_ACK_SIZE);
    } else {
        REQUIRE((const uint8_t *)open.label == data + DCEP_OPEN_SIZE);
        REQUIRE((const uint8_t *)open.protocol + open.protocol_size == data + size);
        REQUIRE(dcep_build_open(out, size - 1, &open) == 0);
        REQUIRE(dcep_build_open(out, size, &open) == size);
    }
    REQUIRE(memcmp(out, data, size) == 0);
    free(out);
    return 0;
}
