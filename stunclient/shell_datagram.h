/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending and receiving datagrams, and what ICMP says about those that did not arrive. */
#ifndef STUNCLIENT_SHELL_DATAGRAM_H
#define STUNCLIENT_SHELL_DATAGRAM_H

#include "base/outbox.h"

#define DATAGRAM_SIZE_MAX 65536

struct datagram_buffer {
    uint8_t bytes[PACKET_HEADROOM + DATAGRAM_SIZE_MAX + PACKET_TAILROOM];
};

/* Makes the kernel keep ICMP errors for the socket (IP_RECVERR). Returns 0 or -errno. */
int datagram_report_errors(int descriptor, uint8_t family);
/* Returns 0 or -errno; the errno may belong to an earlier datagram. */
int datagram_send(int descriptor, const struct stun_address *remote, const uint8_t *bytes,
                  size_t size);
/* Fills `packet`, which borrows the buffer. Returns 0, -EAGAIN when there is none, or -errno. */
int datagram_receive(int descriptor, struct datagram_buffer *buffer, struct stun_address *remote,
                     struct packet *packet);
/* Calls `report` for each error that is kept, with its datagram's destination. Returns how many. */
int datagram_drain_errors(int descriptor,
                          void (*report)(void *context, const struct stun_address *remote,
                                         int error),
                          void *context);
/* The IP address that the kernel would send from to `remote`. Returns 0 or -errno. */
int datagram_source(const struct stun_address *remote, struct stun_address *out);

#endif
