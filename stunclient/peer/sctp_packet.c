/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/sctp_packet.h"

#include "stunclient/peer/crc32c.h"

#define CHECKSUM_AT 8
#define CHUNK_HEADER_SIZE 4
#define DATA_HEADER_SIZE 16
#define DATA_TYPE 0
#define SACK_TYPE 3
#define DATA_LAST_FRAGMENT 0x01

/* ---- the checksum (RFC 9260 §6.8, Appendix A): least significant byte first -------------------
 */

static uint32_t checksum_of(const uint8_t *packet, size_t size)
{
    static const uint8_t zero[sizeof(uint32_t)];
    uint32_t sum = crc32c(0, packet, CHECKSUM_AT);

    sum = crc32c(sum, zero, sizeof zero);
    return crc32c(sum, packet + SCTP_PACKET_HEADER_SIZE, size - SCTP_PACKET_HEADER_SIZE);
}

void sctp_packet_write_checksum(uint8_t *packet, size_t size)
{
    uint32_t sum = checksum_of(packet, size);

    for (size_t i = 0; i < sizeof sum; i++) {
        packet[CHECKSUM_AT + i] = (uint8_t)(sum >> 8 * i);
    }
}

bool sctp_packet_is_good(const uint8_t *packet, size_t size)
{
    uint32_t sum;

    if (size < SCTP_PACKET_HEADER_SIZE) {
        return false;
    }
    sum = checksum_of(packet, size);
    for (size_t i = 0; i < sizeof sum; i++, sum >>= 8) {
        if (packet[CHECKSUM_AT + i] != (uint8_t)sum) {
            return false;
        }
    }
    return true;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static uint16_t read_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)read_u16(bytes) << 16 | read_u16(bytes + 2);
}

bool sctp_packet_next_data(const uint8_t *packet, size_t size, size_t *place,
                           struct sctp_packet_data *data)
{
    size_t at = *place != 0 ? *place : SCTP_PACKET_HEADER_SIZE;

    while (at < size && size - at >= DATA_HEADER_SIZE) {
        const uint8_t *chunk = packet + at;
        size_t chunk_size = read_u16(chunk + 2);
        if (chunk_size < CHUNK_HEADER_SIZE || chunk_size > size - at) {
            return false;
        }
        at += (chunk_size + 3) & ~(size_t)3;
        if (chunk[0] == DATA_TYPE && chunk_size >= DATA_HEADER_SIZE) {
            *data = (struct sctp_packet_data){
                .tsn = read_u32(chunk + CHUNK_HEADER_SIZE),
                .size = chunk_size - DATA_HEADER_SIZE,
                .last = (chunk[1] & DATA_LAST_FRAGMENT) != 0,
            };
            *place = at;
            return true;
        }
    }
    return false;
}

bool sctp_packet_has_sack(const uint8_t *packet, size_t size)
{
    size_t at = SCTP_PACKET_HEADER_SIZE;

    while (at < size && size - at >= CHUNK_HEADER_SIZE) {
        size_t chunk_size = read_u16(packet + at + 2);
        if (chunk_size < CHUNK_HEADER_SIZE || chunk_size > size - at) {
            return false;
        }
        if (packet[at] == SACK_TYPE) {
            return true;
        }
        at += (chunk_size + 3) & ~(size_t)3;
    }
    return false;
}
