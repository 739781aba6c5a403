/* SPDX-License-Identifier: BSD-3-Clause */
/* A session description: its answer and an offer with the same content are read again. */
#include "tests/fuzz/fuzz.h"

#include "wire/session_description.h"

#include <string.h>

/* Room for what grows: 64 candidates in full. */
#define WRITTEN_SIZE 131072

static void check_written(const struct session_description *description,
                          const struct session_description *offer)
{
    static char text[WRITTEN_SIZE];
    static struct session_description again;

    size_t size = session_description_format(description, offer, text, sizeof text);
    REQUIRE(size > 0 && size < sizeof text && text[size] == '\0');
    if (size > SESSION_DESCRIPTION_SIZE_MAX) {
        return;
    }
    REQUIRE(session_description_parse(&again, text, size) == NULL);
    REQUIRE(strcmp(again.ufrag, description->ufrag) == 0);
    REQUIRE(strcmp(again.password, description->password) == 0);
    REQUIRE(again.candidate_count == description->candidate_count);
    REQUIRE(again.fingerprint_count == description->fingerprint_count);
    REQUIRE(again.setup == description->setup);
    REQUIRE(again.max_message_size == description->max_message_size);
    REQUIRE(again.sctp_port == description->sctp_port);
    REQUIRE(offer == NULL || again.section_count == offer->section_count);
    REQUIRE(offer == NULL || again.section_index == offer->section_index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session_description description;

    if (session_description_parse(&description, (const char *)data, size) == NULL) {
        check_written(&description, &description);
        check_written(&description, NULL);
    }
    return 0;
}
