/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC-32 of ITU V.42, eight bytes a step ("slicing by eight"). */
#include "wire/wire_internal.h"

/*
 * A CRC is linear, so a row of 256 entries is given by the eight for the bytes 1, 2, 4 … 128: any
 * other entry is the XOR of the ones whose bits it has. The tests hold the whole against a CRC that
 * goes bit by bit.
 */
#define PICK(i, bit, value) ((i) & (bit) ? (value) : 0u)
#define ENTRY(i, a, b, c, d, e, f, g, h)                                              \
    (PICK(i, 1, a) ^ PICK(i, 2, b) ^ PICK(i, 4, c) ^ PICK(i, 8, d) ^ PICK(i, 16, e) ^ \
     PICK(i, 32, f) ^ PICK(i, 64, g) ^ PICK(i, 128, h))
#define FOUR(i, ...)                                                                 \
    ENTRY(i, __VA_ARGS__), ENTRY((i) + 1, __VA_ARGS__), ENTRY((i) + 2, __VA_ARGS__), \
        ENTRY((i) + 3, __VA_ARGS__)
#define SIXTEEN(i, ...)                                                           \
    FOUR(i, __VA_ARGS__), FOUR((i) + 4, __VA_ARGS__), FOUR((i) + 8, __VA_ARGS__), \
        FOUR((i) + 12, __VA_ARGS__)
#define SIXTY_FOUR(i, ...)                                                                   \
    SIXTEEN(i, __VA_ARGS__), SIXTEEN((i) + 16, __VA_ARGS__), SIXTEEN((i) + 32, __VA_ARGS__), \
        SIXTEEN((i) + 48, __VA_ARGS__)
#define ROW(...)                                                                           \
    SIXTY_FOUR(0, __VA_ARGS__), SIXTY_FOUR(64, __VA_ARGS__), SIXTY_FOUR(128, __VA_ARGS__), \
        SIXTY_FOUR(192, __VA_ARGS__)

/* rows[k][byte]: what the byte contributes when k bytes follow it in the step. */
static const uint32_t rows[8][256] = {
    {ROW(0x77073096u, 0xEE0E612Cu, 0x076DC419u, 0x0EDB8832u, 0x1DB71064u, 0x3B6E20C8u, 0x76DC4190u,
         0xEDB88320u)},
    {ROW(0x191B3141u, 0x32366282u, 0x646CC504u, 0xC8D98A08u, 0x4AC21251u, 0x958424A2u, 0xF0794F05u,
         0x3B83984Bu)},
    {ROW(0x01C26A37u, 0x0384D46Eu, 0x0709A8DCu, 0x0E1351B8u, 0x1C26A370u, 0x384D46E0u, 0x709A8DC0u,
         0xE1351B80u)},
    {ROW(0xB8BC6765u, 0xAA09C88Bu, 0x8F629757u, 0xC5B428EFu, 0x5019579Fu, 0xA032AF3Eu, 0x9B14583Du,
         0xED59B63Bu)},
    {ROW(0x3D6029B0u, 0x7AC05360u, 0xF580A6C0u, 0x30704BC1u, 0x60E09782u, 0xC1C12F04u, 0x58F35849u,
         0xB1E6B092u)},
    {ROW(0xCB5CD3A5u, 0x4DC8A10Bu, 0x9B914216u, 0xEC53826Du, 0x03D6029Bu, 0x07AC0536u, 0x0F580A6Cu,
         0x1EB014D8u)},
    {ROW(0xA6770BB4u, 0x979F1129u, 0xF44F2413u, 0x33EF4E67u, 0x67DE9CCEu, 0xCFBD399Cu, 0x440B7579u,
         0x8816EAF2u)},
    {ROW(0xCCAA009Eu, 0x4225077Du, 0x844A0EFAu, 0xD3E51BB5u, 0x7CBB312Bu, 0xF9766256u, 0x299DC2EDu,
         0x533B85DAu)},
};

static uint32_t crc32_update(uint32_t crc, const uint8_t *bytes, size_t size)
{
    for (; size >= 8; bytes += 8, size -= 8) {
        crc = rows[7][(crc ^ bytes[0]) & 0xFF] ^ rows[6][((crc >> 8) ^ bytes[1]) & 0xFF] ^
              rows[5][((crc >> 16) ^ bytes[2]) & 0xFF] ^ rows[4][(crc >> 24) ^ bytes[3]] ^
              rows[3][bytes[4]] ^ rows[2][bytes[5]] ^ rows[1][bytes[6]] ^ rows[0][bytes[7]];
    }
    for (; size > 0; bytes++, size--)
        crc = crc >> 8 ^ rows[0][(crc ^ *bytes) & 0xFF];
    return crc;
}

uint32_t wire_fingerprint(const uint8_t *header, const uint8_t *body, size_t body_size)
{
    uint32_t crc = crc32_update(0xFFFFFFFFu, header, STUN_HEADER_SIZE);

    return ~crc32_update(crc, body, body_size) ^ WIRE_FINGERPRINT_XOR;
}
