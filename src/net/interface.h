/* SPDX-License-Identifier: BSD-3-Clause */
/* The network interfaces of this host. */
#ifndef NET_INTERFACE_H
#define NET_INTERFACE_H

#include <postern/address.h>
#include <stdbool.h>

/*
 * The address that an interface sends from: its first one of `family`, or with STUN_FAMILY_NONE its
 * first IPv4 address, or IPv6 where it has no other. Link-local ones are passed over, since they
 * say nothing without a scope. The port of `out` becomes 0. Returns false, and leaves `out` alone,
 * when there is no such interface or it has no such address.
 */
bool interface_find_address(const char *name, uint8_t family, struct stun_address *out);

/* Whether there is an interface of that name. */
bool interface_exists(const char *name);

#endif
