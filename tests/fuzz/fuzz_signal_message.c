/* SPDX-License-Identifier: BSD-3-Clause */
/* A message of the rendezvous protocol. What was understood can be said again, and is then
 * understood the same. */
#include "tests/fuzz/fuzz.h"

#include "base/text.h"
#include "wire/signal.h"

#include <string.h>

static char first[SIGNAL_MESSAGE_MAX + 1], second[SIGNAL_MESSAGE_MAX + 1];

static size_t understand(const char *bytes, size_t size, char out[SIGNAL_MESSAGE_MAX + 1])
{
    struct signal_message message;
    struct signal_fault fault;
    char *exact = malloc(size > 0 ? size : 1); /* so that reading past the end is seen */

    REQUIRE(exact != NULL);
    memcpy(exact, bytes, size);
    bool parsed = signal_message_parse(&message, exact, size, &fault);
    free(exact);
    if (!parsed) {
        REQUIRE(fault.problem[0] != '\0' && strlen(fault.rid) <= SIGNAL_RID_MAX);
        REQUIRE(message.storage == NULL);
        return 0;
    }
    size_t built = signal_message_build(&message, out, SIGNAL_MESSAGE_MAX + 1);
    REQUIRE(message.type < SIGNAL_TYPE_COUNT);
    signal_message_free(&message);
    return built;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t built = understand((const char *)data, size, first);

    if (built > 0) {
        REQUIRE(text_utf8_valid(first, built) && memchr(first, '\n', built) == NULL);
        REQUIRE(understand(first, built, second) == built);
        REQUIRE(memcmp(first, second, built) == 0);
    }
    return 0;
}
