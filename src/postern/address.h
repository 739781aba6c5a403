/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef POSTERN_ADDRESS_H
#define POSTERN_ADDRESS_H

#include <stdint.h>

/* The address families as STUN writes them (RFC 8489 §14.1). Zero: no address. */
enum stun_family {
    STUN_FAMILY_NONE = 0,
    STUN_FAMILY_IPV4 = 1,
    STUN_FAMILY_IPV6 = 2,
};

/*
 * A transport address. IPv4 uses the first four bytes of `ip` and leaves the other twelve zero, so
 * that two addresses are equal when all their fields are. Bytes are in network order, the port is
 * a number in host order.
 */
struct stun_address {
    uint8_t family; /* enum stun_family */
    uint16_t port;
    uint8_t ip[16];
};

#endif
