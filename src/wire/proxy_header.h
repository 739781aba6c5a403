/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a load balancer writes before the first byte of a connection: who is really there. Both
 * versions of the PROXY protocol (haproxy's proxy-protocol.txt, §2.1 and §2.2), for TCP.
 */
#ifndef WIRE_PROXY_HEADER_H
#define WIRE_PROXY_HEADER_H

#include <postern/address.h>
#include <stddef.h>
#include <stdint.h>

/* A longer one is refused; that of version 1 has 107 bytes at most. */
#define PROXY_HEADER_SIZE_MAX 4096
/* What proxy_header_write needs. */
#define PROXY_HEADER_WRITE_SIZE 52

struct proxy_header {
    size_t size;                             /* of the header itself */
    struct stun_address source, destination; /* family NONE: it does not say (LOCAL, UNKNOWN) */
};

/*
 * Reads the header at the begin of `bytes`. Returns 0; -EAGAIN when it is not whole, and then
 * `needed` is how many bytes it has at least (more than `size`); -EPROTO when there is none, or
 * when it is malformed, too long, not about TCP, or its checksum (CRC-32C) is wrong.
 */
int proxy_header_parse(const uint8_t *bytes, size_t size, struct proxy_header *header,
                       size_t *needed);

/* Writes a header of version 2 and returns its size. Of two families IPv4 is written IPv4-mapped.
 */
size_t proxy_header_write(uint8_t bytes[PROXY_HEADER_WRITE_SIZE], const struct stun_address *source,
                          const struct stun_address *destination);

#endif
