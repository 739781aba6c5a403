/* SPDX-License-Identifier: BSD-3-Clause */
/* The Data Channel Establishment Protocol (RFC 8832): two messages, as bytes. */
#ifndef STUNCLIENT_PEER_DCEP_H
#define STUNCLIENT_PEER_DCEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* SCTP payload protocol identifiers (RFC 8831 §8). */
enum dcep_ppid {
    DCEP_PPID_CONTROL = 50,
    DCEP_PPID_STRING = 51,
    DCEP_PPID_BINARY = 53,
    DCEP_PPID_STRING_EMPTY = 56, /* one byte, to be ignored: SCTP has no empty messages */
    DCEP_PPID_BINARY_EMPTY = 57,
};

/* RFC 8832 §5.1 */
enum dcep_channel_type {
    DCEP_RELIABLE = 0x00,
    DCEP_LIMITED_RETRANSMITS = 0x01,
    DCEP_LIMITED_LIFETIME = 0x02,
    DCEP_UNORDERED = 0x80, /* a flag beside these */
};
#define DCEP_PRIORITY_NORMAL 256 /* RFC 8831 §6.4 */

struct dcep_open {
    uint8_t channel_type;
    uint16_t priority;
    uint32_t reliability;
    const char *label, *protocol; /* not ended by zero */
    uint16_t label_size, protocol_size;
};

enum dcep_type {
    DCEP_ACK = 2,
    DCEP_OPEN = 3,
};

/*
 * Reads a message, all of it. Returns true and sets `type`, and of DCEP_OPEN `open`, whose label
 * and protocol are lent from `bytes`. False: it is none, or its lengths are not those of the
 * message, or a channel type is not known. What stands behind an ACK is ignored.
 */
bool dcep_parse(const uint8_t *bytes, size_t size, enum dcep_type *type, struct dcep_open *open);

#define DCEP_ACK_SIZE 1
#define DCEP_OPEN_SIZE 12 /* before label and protocol */

/* Each writes a message and returns its size; 0 when `capacity` is not enough. */
size_t dcep_build_ack(uint8_t *out, size_t capacity);
size_t dcep_build_open(uint8_t *out, size_t capacity, const struct dcep_open *open);

#endif
