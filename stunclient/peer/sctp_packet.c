/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/sctp_packet.h"

#include "stunclient/peer/crc32c.h"

#define CHECKSUM_AT 8
#define CHUNK_HEADER_SIZE 4
#define DATA_HEADER_SIZE 16
#define DATA_PPID_AT 12
#define DATA_TYPE 0
#define SACK_TYPE 3
#define SACK_CUMULATIVE_TSN_SIZE 4
#define ABORT_TYPE 6
#define CAUSE_HEADER_SIZE 4
#define CAUSE_USER_INITIATED_ABORT 12
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
                .ppid = read_u32(chunk + DATA_PPID_AT),
                .size = chunk_size - DATA_HEADER_SIZE,
                .last = (chunk[1] & DATA_LAST_FRAGMENT) != 0,
            };
            *place = at;
            return true;
        }
    }
    return false;
}

/* The first SACK chunk and its size, or NULL. */
static const uint8_t *find_sack(const uint8_t *packet, size_t size, size_t *sack_size)
{
    size_t at = SCTP_PACKET_HEADER_SIZE;

    while (at < size && size - at >= CHUNK_HEADER_SIZE) {
        size_t chunk_size = read_u16(packet + at + 2);
        if (chunk_size < CHUNK_HEADER_SIZE || chunk_size > size - at) {
            return NULL;
        }
        if (packet[at] == SACK_TYPE) {
            *sack_size = chunk_size;
            return packet + at;
        }
        at += (chunk_size + 3) & ~(size_t)3;
    }
    return NULL;
}

bool sctp_packet_has_sack(const uint8_t *packet, size_t size)
{
    size_t sack_size;

    return find_sack(packet, size, &sack_size) != NULL;
}

bool sctp_packet_acknowledges(const uint8_t *packet, size_t size, uint32_t tsn)
{
    size_t sack_size;
    const uint8_t *sack = find_sack(packet, size, &sack_size);

    return sack != NULL && sack_size >= CHUNK_HEADER_SIZE + SACK_CUMULATIVE_TSN_SIZE &&
           (int32_t)(read_u32(sack + CHUNK_HEADER_SIZE) - tsn) >= 0;
}

const char *sctp_chunk_abort_reason(const uint8_t *chunk, size_t size, size_t *reason_size)
{
    size_t at = CHUNK_HEADER_SIZE;

    if (size < CHUNK_HEADER_SIZE || chunk[0] != ABORT_TYPE || read_u16(chunk + 2) > size) {
        return NULL;
    }
    size = read_u16(chunk + 2);
    while (at < size && size - at >= CAUSE_HEADER_SIZE) {
        size_t cause_size = read_u16(chunk + at + 2);
        if (cause_size < CAUSE_HEADER_SIZE || cause_size > size - at) {
            return NULL;
        }
        if (read_u16(chunk + at) == CAUSE_USER_INITIATED_ABORT && cause_size > CAUSE_HEADER_SIZE) {
            *reason_size = cause_size - CAUSE_HEADER_SIZE;
            return (const char *)chunk + at + CAUSE_HEADER_SIZE;
        }
        at += (cause_size + 3) & ~(size_t)3;
    }
    return NULL;
}
