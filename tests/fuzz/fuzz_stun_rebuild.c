/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parser accepts can be built again, and parses to the same message. */
#include "tests/fuzz/fuzz.h"

#include <postern/stun.h>
#include <string.h>

static size_t rebuild(const struct stun_view *view, uint8_t *bytes, size_t capacity)
{
    struct stun_builder builder;

    stun_builder_begin_answer(&builder, bytes, capacity, (enum stun_class)view->message_class,
                              view);
    for (size_t i = 0; i < view->attribute_count; i++)
        stun_builder_put_bytes(&builder, view->attributes[i].type, view->attributes[i].value,
                               view->attributes[i].size);
    int size = stun_builder_finish(&builder);
    REQUIRE(size >= STUN_HEADER_SIZE);
    return (size_t)size;
}

static void require_same(const struct stun_view *a, const struct stun_view *b)
{
    REQUIRE(a->method == b->method && a->message_class == b->message_class);
    REQUIRE(a->classic == b->classic && a->attribute_count == b->attribute_count);
    REQUIRE(memcmp(a->transaction_id, b->transaction_id, STUN_TRANSACTION_ID_SIZE) == 0);
    for (size_t i = 0; i < a->attribute_count; i++) {
        const struct stun_attribute_view *x = &a->attributes[i], *y = &b->attributes[i];
        REQUIRE(x->type == y->type && x->size == y->size);
        REQUIRE(memcmp(x->value, y->value, x->size) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t once[STUN_MESSAGE_SIZE_MAX], twice[STUN_MESSAGE_SIZE_MAX];
    struct stun_view view, again;

    if (stun_view_parse(&view, data, size) != STUN_OK)
        return 0;
    size_t once_size = rebuild(&view, once, sizeof once);
    REQUIRE(once_size <= size); /* hidden attributes are left out, nothing is added */
    REQUIRE(stun_view_parse(&again, once, once_size) == STUN_OK);
    require_same(&view, &again);
    REQUIRE(rebuild(&again, twice, sizeof twice) == once_size);
    REQUIRE(memcmp(once, twice, once_size) == 0);
    return 0;
}
