/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the codec share among themselves; not installed. */
#ifndef WIRE_INTERNAL_H
#define WIRE_INTERNAL_H

#include <postern/stun.h>

#define WIRE_ATTRIBUTE_HEADER_SIZE 4
#define WIRE_FINGERPRINT_SIZE 4
#define WIRE_FINGERPRINT_XOR 0x5354554Eu /* RFC 8489 §14.7 */

/* Bits of stun_builder.sealed. */
#define WIRE_SEALED_INTEGRITY 0x1u
#define WIRE_SEALED_INTEGRITY_SHA256 0x2u
#define WIRE_SEALED_FINGERPRINT 0x4u

/* ---- numbers in network order ---------------------------------------------------------------- */

static inline uint16_t wire_get_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint32_t wire_get_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline uint64_t wire_get_u64(const uint8_t *bytes)
{
    return (uint64_t)wire_get_u32(bytes) << 32 | wire_get_u32(bytes + 4);
}

static inline void wire_put_u16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline void wire_put_u32(uint8_t *bytes, uint32_t value)
{
    wire_put_u16(bytes, (uint16_t)(value >> 16));
    wire_put_u16(bytes + 2, (uint16_t)value);
}

static inline void wire_put_u64(uint8_t *bytes, uint64_t value)
{
    wire_put_u32(bytes, (uint32_t)(value >> 32));
    wire_put_u32(bytes + 4, (uint32_t)value);
}

/* Attribute values and ChannelData on a stream end on a multiple of four. */
static inline size_t wire_padded(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

/* ---- crc32.c --------------------------------------------------------------------------------- */

/* The value of FINGERPRINT over the bytes before it, whose length field counts it already. */
uint32_t wire_fingerprint(const uint8_t *header, const uint8_t *body, size_t body_size);

/* ---- crypto.c -------------------------------------------------------------------------------- */

enum wire_mac {
    WIRE_HMAC_SHA1,
    WIRE_HMAC_SHA256,
};

/*
 * The HMAC over a header of STUN_HEADER_SIZE bytes and the body that follows it; the two need not
 * be neighbours, so that a header with another length field can stand in. `out` takes
 * STUN_SHA1_SIZE or STUN_SHA256_SIZE bytes. Returns STUN_OK or STUN_ERROR_CRYPTO.
 */
int wire_hmac(struct stun_crypto *crypto, enum wire_mac which, const struct stun_key *key,
              const uint8_t *header, const uint8_t *body, size_t body_size, uint8_t *out);

#endif
