/* SPDX-License-Identifier: BSD-3-Clause */
/* What we look at in an SCTP packet ourselves (RFC 9260 §3): its checksum, its DATA
 * and SACK chunks. */
#ifndef STUNCLIENT_PEER_SCTP_PACKET_H
#define STUNCLIENT_PEER_SCTP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCTP_PACKET_HEADER_SIZE 12

/* `size` is at least SCTP_PACKET_HEADER_SIZE. Only where crc32c_present. */
void sctp_packet_write_checksum(uint8_t *packet, size_t size);
/* Whether it is long enough, and its checksum right. Only where crc32c_present. */
bool sctp_packet_is_good(const uint8_t *packet, size_t size);

struct sctp_packet_data {
    uint32_t tsn;
    uint32_t ppid;
    size_t size; /* of the user data */
    bool last;   /* the end of a message */
};

/* Begins with `place` 0. Finds the next DATA chunk; false: no more, or the rest is no chunks. */
bool sctp_packet_next_data(const uint8_t *packet, size_t size, size_t *place,
                           struct sctp_packet_data *data);
/* Whether a SACK chunk is in it. */
bool sctp_packet_has_sack(const uint8_t *packet, size_t size);
/* Whether a SACK chunk in it acknowledges all up to `tsn` (RFC 9260 §3.3.4). */
bool sctp_packet_acknowledges(const uint8_t *packet, size_t size, uint32_t tsn);

/*
 * The words of an ABORT chunk's User-Initiated Abort (RFC 9260 §3.3.10.12): a pointer into it and
 * their size, or NULL when there are none.
 */
const char *sctp_chunk_abort_reason(const uint8_t *chunk, size_t size, size_t *reason_size);

#endif
