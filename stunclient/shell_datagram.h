/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending and receiving datagrams, and what ICMP says about those that did not arrive. */
#ifndef STUNCLIENT_SHELL_DATAGRAM_H
#define STUNCLIENT_SHELL_DATAGRAM_H

#include "base/outbox.h"

#define DATAGRAM_SIZE_MAX 65536

struct datagram_buffer {
    uint8_t bytes[PACKET_HEADROOM + DATAGRAM_SIZE_MAX + PACKET_TAILROOM];
};

/* How many datagrams one system call takes. */
#define DATAGRAM_BATCH 16

struct datagram_batch {
    struct datagram_buffer buffers[DATAGRAM_BATCH];
    struct packet packets[DATAGRAM_BATCH]; /* they borrow the buffers */
    struct stun_address remotes[DATAGRAM_BATCH];
};

/* Makes the kernel keep ICMP errors for the socket (IP_RECVERR). Returns 0 or -errno. */
int datagram_report_errors(int descriptor, uint8_t family);
/* Returns 0 or -errno; the errno may belong to an earlier datagram. */
int datagram_send(int descriptor, const struct stun_address *remote, const uint8_t *bytes,
                  size_t size);
/*
 * Sends `count` entries of an outbox, all of this socket, with their hop limits; errors[i] becomes
 * what datagram_send returns. A full buffer is waited for, 2 ms at most: -EAGAIN, and it is lost.
 */
void datagram_send_entries(int descriptor, const struct outbox_entry *entries, size_t count,
                           int *errors);
/* Takes what is there. Returns the number, 0 when there is none, or -errno. */
int datagram_receive_batch(int descriptor, struct datagram_batch *batch);
/* Calls `report` for each error that is kept, with its datagram's destination. Returns how many. */
int datagram_drain_errors(int descriptor,
                          void (*report)(void *context, const struct stun_address *remote,
                                         int error),
                          void *context);
/* The IP address that the kernel would send from to `remote`. Returns 0 or -errno. */
int datagram_source(const struct stun_address *remote, struct stun_address *out);

#endif
