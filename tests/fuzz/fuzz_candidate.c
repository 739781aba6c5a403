/* SPDX-License-Identifier: BSD-3-Clause */
/* A candidate's line: what is understood is written and read again, the same. */
#include "tests/fuzz/fuzz.h"

#include "wire/candidate.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ice_candidate first, second;
    char text[ICE_CANDIDATE_TEXT_SIZE], again[ICE_CANDIDATE_TEXT_SIZE];

    memset(&second, 0, sizeof second);
    if (candidate_parse(&first, (const char *)data, size) != NULL) {
        return 0;
    }
    size_t written = candidate_format(&first, text);
    REQUIRE(written > 0 && text[written] == '\0');
    REQUIRE(candidate_parse(&second, text, written) == NULL);
    REQUIRE(candidate_format(&second, again) == written && memcmp(text, again, written) == 0);
    REQUIRE(first.type == second.type && first.transport == second.transport);
    return 0;
}
