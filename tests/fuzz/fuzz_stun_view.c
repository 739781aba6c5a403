/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a message: parsed, and everything read from it. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/stun_reads.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct stun_key key = {.size = 22, .bytes = "VOkJxbRl1RmTxUk/WvJxBt"};
    static struct stun_crypto *crypto;
    struct stun_view view;

    if (crypto == NULL)
        crypto = stun_crypto_new();
    if (stun_view_parse(&view, data, size) != STUN_OK)
        return 0;
    REQUIRE(view.size == size && view.attribute_count <= STUN_ATTRIBUTES_MAX);
    REQUIRE(stun_reads_attributes(&view));
    REQUIRE(stun_reads_lists(&view));
    stun_reads_checks(&view, crypto, &key);
    return 0;
}
