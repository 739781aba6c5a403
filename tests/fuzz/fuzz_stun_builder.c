/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The input is a program for the builder: its buffer's size, then calls. Whatever is asked, it
 * stays in its buffer, and what it finishes is a message.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/stun_reads.h"

#include <string.h>

struct program {
    const uint8_t *at, *end;
};

static uint32_t take(struct program *program, size_t bytes)
{
    uint32_t value = 0;

    for (; bytes > 0; bytes--)
        value = value << 8 | (program->at < program->end ? *program->at++ : 0);
    return value;
}

static void put_address(struct program *program, struct stun_builder *builder, uint16_t type)
{
    struct stun_address address = {.family = (uint8_t)take(program, 1) % 4,
                                   .port = (uint16_t)take(program, 2)};

    if (take(program, 1) & 1)
        stun_builder_put_address(builder, type, &address);
    else
        stun_builder_put_xor_address(builder, type, &address);
}

static void put_list(struct program *program, struct stun_builder *builder)
{
    uint16_t numbers[40];
    size_t count = take(program, 1) % 41;

    for (size_t i = 0; i < count; i++)
        numbers[i] = (uint16_t)take(program, 2);
    if (take(program, 1) & 1)
        stun_builder_put_unknown(builder, numbers, count);
    else
        stun_builder_put_password_algorithms(builder, numbers, count);
}

static void put_icmp(struct program *program, struct stun_builder *builder)
{
    struct stun_icmp icmp = {.type = (uint8_t)take(program, 1),
                             .code = (uint16_t)take(program, 2),
                             .data = take(program, 4)};

    stun_builder_put_icmp(builder, &icmp);
}

/* One call; returns false at the program's end. */
static bool step(struct program *program, struct stun_builder *builder, struct stun_crypto *crypto)
{
    static const uint8_t value[4096];
    static const struct stun_key key = {.size = 3, .bytes = "key"};

    if (program->at == program->end)
        return false;
    uint32_t call = take(program, 1);
    uint16_t type = (uint16_t)take(program, 2);
    switch (call % 16) {
    case 0:
        stun_builder_put_bytes(builder, type, value, take(program, 2) % sizeof value);
        break;
    case 1:
        stun_builder_put_string(builder, type, "some text");
        break;
    case 2:
        stun_builder_put_flag(builder, type);
        break;
    case 3:
        stun_builder_put_u8(builder, type, (uint8_t)take(program, 1));
        break;
    case 4:
        stun_builder_put_u8_reserved(builder, type, (uint8_t)take(program, 1));
        break;
    case 5:
        stun_builder_put_u16_reserved(builder, type, (uint16_t)take(program, 2));
        break;
    case 6:
        stun_builder_put_u32(builder, type, take(program, 4));
        break;
    case 7:
        stun_builder_put_u64(builder, type, take(program, 4));
        break;
    case 8:
        put_address(program, builder, type);
        break;
    case 9:
        stun_builder_put_error(builder, (uint16_t)take(program, 2), call & 16 ? NULL : "reason");
        break;
    case 10:
        stun_builder_put_address_error(builder, (uint8_t)type, (uint16_t)take(program, 2), NULL);
        break;
    case 11:
        put_list(program, builder);
        break;
    case 12:
        put_icmp(program, builder);
        break;
    case 13:
        stun_builder_put_integrity(builder, crypto, &key);
        break;
    case 14:
        stun_builder_put_integrity_sha256(builder, crypto, &key);
        break;
    default:
        stun_builder_put_fingerprint(builder);
        break;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t id[STUN_TRANSACTION_ID_SIZE] = "fuzz builder";
    static struct stun_crypto *crypto;
    struct program program = {.at = data, .end = data + size};
    struct stun_builder builder;
    struct stun_view view;

    if (crypto == NULL)
        crypto = stun_crypto_new();
    size_t capacity = take(&program, 2);
    /* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): an empty buffer is wanted, too */
    uint8_t *bytes = malloc(capacity);
    REQUIRE(bytes != NULL || capacity == 0);
    stun_builder_begin(&builder, bytes, capacity, (enum stun_class)(take(&program, 1) & 3),
                       (uint16_t)take(&program, 2) & 0x1FFF, id);
    while (step(&program, &builder, crypto))
        REQUIRE(builder.size <= capacity);
    int finished = stun_builder_finish(&builder);
    if (finished >= 0) {
        int status = stun_view_parse(&view, bytes, (size_t)finished);
        REQUIRE(status == STUN_OK || status == STUN_ERROR_TOO_MANY);
        REQUIRE(status != STUN_OK || (stun_reads_attributes(&view) && stun_reads_lists(&view)));
    }
    free(bytes);
    return 0;
}
