/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/wire_internal.h"

#include <string.h>

#define REASON_SIZE_MAX 509 /* bytes; RFC 8489 §14.8, when encoding */

static void fail(struct stun_builder *builder, int status)
{
    if (builder->status == STUN_OK)
        builder->status = status;
}

static void set_length(struct stun_builder *builder)
{
    wire_put_u16(builder->bytes + 2, (uint16_t)(builder->size - STUN_HEADER_SIZE));
}

/* ---- beginning ------------------------------------------------------------------------------- */

/* `id` is what follows the length field: magic cookie and transaction id, 16 bytes. */
static void begin(struct stun_builder *builder, uint8_t *bytes, size_t capacity,
                  enum stun_class message_class, unsigned method, const uint8_t *id)
{
    *builder = (struct stun_builder){.bytes = bytes, .capacity = capacity};
    if (method > 0xFFF || (unsigned)message_class > STUN_ERROR) {
        fail(builder, STUN_ERROR_VALUE);
        return;
    }
    if (capacity < STUN_HEADER_SIZE) {
        fail(builder, STUN_ERROR_NO_SPACE);
        return;
    }
    unsigned class_bits = (message_class & 1u) << 4 | (message_class & 2u) << 7;
    unsigned method_bits = (method & 0x00F) | (method & 0x070) << 1 | (method & 0xF80) << 2;
    wire_put_u16(bytes, (uint16_t)(class_bits | method_bits));
    memcpy(bytes + 4, id, 16);
    builder->size = STUN_HEADER_SIZE;
    set_length(builder);
}

void stun_builder_begin(struct stun_builder *builder, uint8_t *bytes, size_t capacity,
                        enum stun_class message_class, uint16_t method,
                        const uint8_t *transaction_id)
{
    uint8_t id[16];

    wire_put_u32(id, STUN_MAGIC_COOKIE);
    memcpy(id + 4, transaction_id, STUN_TRANSACTION_ID_SIZE);
    begin(builder, bytes, capacity, message_class, method, id);
}

void stun_builder_begin_answer(struct stun_builder *builder, uint8_t *bytes, size_t capacity,
                               enum stun_class message_class, const struct stun_view *request)
{
    begin(builder, bytes, capacity, message_class, request->method, request->bytes + 4);
}

int stun_builder_finish(const struct stun_builder *builder)
{
    return builder->status == STUN_OK ? (int)builder->size : builder->status;
}

/* ---- any attribute --------------------------------------------------------------------------- */

/* The bit that an attribute of this type sets in `sealed`; 0 for an ordinary one. */
static unsigned seal_of(uint16_t type)
{
    switch (type) {
    case STUN_MESSAGE_INTEGRITY:
        return WIRE_SEALED_INTEGRITY;
    case STUN_MESSAGE_INTEGRITY_SHA256:
        return WIRE_SEALED_INTEGRITY_SHA256;
    case STUN_FINGERPRINT:
        return WIRE_SEALED_FINGERPRINT;
    default:
        return 0;
    }
}

/*
 * Writes an attribute's header and zero padding, and counts it into the length field. Returns where
 * the value goes, or NULL after a failure. An ordinary attribute must precede all three closing
 * ones, and these have an order of their own, that of their bits.
 */
static uint8_t *open_attribute(struct stun_builder *builder, uint16_t type, size_t size)
{
    unsigned seal = seal_of(type);

    if (builder->status != STUN_OK)
        return NULL;
    if (builder->sealed >= (seal == 0 ? 1 : seal)) {
        fail(builder, STUN_ERROR_ORDER);
        return NULL;
    }
    size_t limit =
        builder->capacity < STUN_MESSAGE_SIZE_MAX ? builder->capacity : STUN_MESSAGE_SIZE_MAX;
    size_t room = limit - builder->size;
    if (size > UINT16_MAX || WIRE_ATTRIBUTE_HEADER_SIZE + wire_padded(size) > room) {
        fail(builder, STUN_ERROR_NO_SPACE);
        return NULL;
    }
    uint8_t *value = builder->bytes + builder->size + WIRE_ATTRIBUTE_HEADER_SIZE;
    wire_put_u16(value - 4, type);
    wire_put_u16(value - 2, (uint16_t)size);
    memset(value + size, 0, wire_padded(size) - size);
    builder->size += WIRE_ATTRIBUTE_HEADER_SIZE + wire_padded(size);
    builder->sealed |= (uint8_t)seal;
    set_length(builder);
    return value;
}

void stun_builder_put_bytes(struct stun_builder *builder, uint16_t type, const void *value,
                            size_t size)
{
    uint8_t *to = open_attribute(builder, type, size);

    if (to != NULL && size > 0)
        memcpy(to, value, size);
}

void stun_builder_put_string(struct stun_builder *builder, uint16_t type, const char *text)
{
    stun_builder_put_bytes(builder, type, text, strlen(text));
}

void stun_builder_put_flag(struct stun_builder *builder, uint16_t type)
{
    stun_builder_put_bytes(builder, type, NULL, 0);
}

/* ---- numbers --------------------------------------------------------------------------------- */

void stun_builder_put_u8(struct stun_builder *builder, uint16_t type, uint8_t value)
{
    stun_builder_put_bytes(builder, type, &value, 1);
}

void stun_builder_put_u8_reserved(struct stun_builder *builder, uint16_t type, uint8_t value)
{
    stun_builder_put_u32(builder, type, (uint32_t)value << 24);
}

void stun_builder_put_u16_reserved(struct stun_builder *builder, uint16_t type, uint16_t value)
{
    stun_builder_put_u32(builder, type, (uint32_t)value << 16);
}

void stun_builder_put_u32(struct stun_builder *builder, uint16_t type, uint32_t value)
{
    uint8_t *to = open_attribute(builder, type, 4);

    if (to != NULL)
        wire_put_u32(to, value);
}

void stun_builder_put_u64(struct stun_builder *builder, uint16_t type, uint64_t value)
{
    uint8_t *to = open_attribute(builder, type, 8);

    if (to != NULL)
        wire_put_u64(to, value);
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* `pad` is what port and IP are XORed with: 16 bytes. */
static void put_address(struct stun_builder *builder, uint16_t type,
                        const struct stun_address *address, const uint8_t *pad)
{
    size_t ip_size = address->family == STUN_FAMILY_IPV4 ? 4 : 16;

    if (address->family != STUN_FAMILY_IPV4 && address->family != STUN_FAMILY_IPV6) {
        fail(builder, STUN_ERROR_VALUE);
        return;
    }
    uint8_t *to = open_attribute(builder, type, 4 + ip_size);
    if (to == NULL)
        return;
    to[0] = 0;
    to[1] = address->family;
    wire_put_u16(to + 2, address->port ^ wire_get_u16(pad));
    for (size_t i = 0; i < ip_size; i++)
        to[4 + i] = address->ip[i] ^ pad[i];
}

void stun_builder_put_address(struct stun_builder *builder, uint16_t type,
                              const struct stun_address *address)
{
    static const uint8_t zeros[16];

    put_address(builder, type, address, zeros);
}

void stun_builder_put_xor_address(struct stun_builder *builder, uint16_t type,
                                  const struct stun_address *address)
{
    if (builder->status == STUN_OK)
        put_address(builder, type, address, builder->bytes + 4);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void put_error(struct stun_builder *builder, uint16_t type, uint8_t first_byte,
                      uint16_t code, const char *reason)
{
    if (reason == NULL)
        reason = stun_error_reason(code);
    size_t reason_size = strlen(reason);
    if (code < 300 || code > 699 || reason_size > REASON_SIZE_MAX) {
        fail(builder, STUN_ERROR_VALUE);
        return;
    }
    uint8_t *to = open_attribute(builder, type, 4 + reason_size);
    if (to == NULL)
        return;
    to[0] = first_byte;
    to[1] = 0;
    to[2] = (uint8_t)(code / 100);
    to[3] = (uint8_t)(code % 100);
    memcpy(to + 4, reason, reason_size);
}

void stun_builder_put_error(struct stun_builder *builder, uint16_t code, const char *reason)
{
    put_error(builder, STUN_ERROR_CODE, 0, code, reason);
}

void stun_builder_put_address_error(struct stun_builder *builder, uint8_t family, uint16_t code,
                                    const char *reason)
{
    put_error(builder, STUN_ADDRESS_ERROR_CODE, family, code, reason);
}

void stun_builder_put_unknown(struct stun_builder *builder, const uint16_t *types, size_t count)
{
    uint8_t *to = open_attribute(builder, STUN_UNKNOWN_ATTRIBUTES, 2 * count);

    for (size_t i = 0; to != NULL && i < count; i++)
        wire_put_u16(to + 2 * i, types[i]);
}

void stun_builder_put_icmp(struct stun_builder *builder, const struct stun_icmp *icmp)
{
    if (icmp->type > 127 || icmp->code > 511) {
        fail(builder, STUN_ERROR_VALUE);
        return;
    }
    stun_builder_put_u64(builder, STUN_ICMP,
                         (uint64_t)icmp->type << 41 | (uint64_t)icmp->code << 32 | icmp->data);
}

/* ---- password algorithms --------------------------------------------------------------------- */

void stun_builder_put_password_algorithm(struct stun_builder *builder, uint16_t algorithm)
{
    stun_builder_put_u16_reserved(builder, STUN_PASSWORD_ALGORITHM, algorithm);
}

void stun_builder_put_password_algorithms(struct stun_builder *builder, const uint16_t *algorithms,
                                          size_t count)
{
    if (count == 0) {
        fail(builder, STUN_ERROR_VALUE);
        return;
    }
    uint8_t *to = open_attribute(builder, STUN_PASSWORD_ALGORITHMS, 4 * count);
    for (size_t i = 0; to != NULL && i < count; i++)
        wire_put_u32(to + 4 * i, (uint32_t)algorithms[i] << 16);
}

/* ---- closing --------------------------------------------------------------------------------- */

static void put_mac(struct stun_builder *builder, uint16_t type, enum wire_mac which, size_t size,
                    struct stun_crypto *crypto, const struct stun_key *key)
{
    size_t covered = builder->size;
    uint8_t *to = open_attribute(builder, type, size);

    if (to == NULL)
        return;
    int status = wire_hmac(crypto, which, key, builder->bytes, builder->bytes + STUN_HEADER_SIZE,
                           covered - STUN_HEADER_SIZE, to);
    if (status != STUN_OK)
        fail(builder, status);
}

void stun_builder_put_integrity(struct stun_builder *builder, struct stun_crypto *crypto,
                                const struct stun_key *key)
{
    put_mac(builder, STUN_MESSAGE_INTEGRITY, WIRE_HMAC_SHA1, STUN_SHA1_SIZE, crypto, key);
}

void stun_builder_put_integrity_sha256(struct stun_builder *builder, struct stun_crypto *crypto,
                                       const struct stun_key *key)
{
    put_mac(builder, STUN_MESSAGE_INTEGRITY_SHA256, WIRE_HMAC_SHA256, STUN_SHA256_SIZE, crypto,
            key);
}

void stun_builder_put_fingerprint(struct stun_builder *builder)
{
    size_t covered = builder->size;
    uint8_t *to = open_attribute(builder, STUN_FINGERPRINT, WIRE_FINGERPRINT_SIZE);

    if (to != NULL)
        wire_put_u32(to, wire_fingerprint(builder->bytes, builder->bytes + STUN_HEADER_SIZE,
                                          covered - STUN_HEADER_SIZE));
}
