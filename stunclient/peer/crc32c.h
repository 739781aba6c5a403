/* SPDX-License-Identifier: BSD-3-Clause */
/* The checksum of SCTP (RFC 9260 §A) by an instruction of the processor, where it has one; usrsctp
 * has tables for the others. */
#ifndef STUNCLIENT_PEER_CRC32C_H
#define STUNCLIENT_PEER_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the processor can; else crc32c must not be called. */
bool crc32c_present(void);

/* CRC-32C of `bytes` after others: the first call has `crc` 0, the next ones what the one before
 * returned. */
uint32_t crc32c(uint32_t crc, const uint8_t *bytes, size_t size);

#endif
