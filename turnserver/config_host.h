/* SPDX-License-Identifier: BSD-3-Clause */
/* What addresses this host has. Nothing is sent to find out. */
#ifndef TURNSERVER_CONFIG_HOST_H
#define TURNSERVER_CONFIG_HOST_H

#include <postern/address.h>
#include <stdbool.h>
#include <stddef.h>

/* Writes at most `max` addresses of all interfaces that are up; returns how many there are. Ports
 * are 0. */
size_t config_host_addresses(struct stun_address *out, size_t max);
/* Whether an interface has this address (127.0.0.0/8: always). The port is not looked at. */
bool config_host_has(const struct stun_address *address);
/* Whether an interface has any address of the family. */
bool config_host_has_family(uint8_t family);
/*
 * The address from which packets to the Internet would leave; without a route there, the first that
 * is neither loopback nor link-local; without one, loopback. Returns false when the host has no
 * address of the family.
 */
bool config_host_outward(uint8_t family, struct stun_address *out);

#endif
