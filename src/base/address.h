/* SPDX-License-Identifier: BSD-3-Clause */
/* What one does with a struct stun_address apart from sending to it. */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <postern/address.h>
#include <stdbool.h>
#include <stddef.h>

/* Room for "[ffff:…:ffff]:65535" and its zero. */
#define ADDRESS_TEXT_SIZE 56

/* Whether family, IP and port are equal. */
bool address_equal(const struct stun_address *a, const struct stun_address *b);
/* Whether family and IP are equal, whatever the port. */
bool address_equal_ip(const struct stun_address *a, const struct stun_address *b);
/* Orders by family, then IP as a number, then port: negative, 0 or positive. */
int address_compare(const struct stun_address *a, const struct stun_address *b);
/* Bytes of the IP: 4, 16, or 0 for no family. */
size_t address_ip_size(const struct stun_address *address);
bool address_is_unspecified(const struct stun_address *address);
bool address_is_loopback(const struct stun_address *address);

/*
 * Reads an IP address without a port ("192.0.2.1", "2001:db8::1", "[2001:db8::1]"); the port of
 * `out` becomes 0. Returns false and leaves `out` alone when the text is anything else.
 */
bool address_parse_ip(struct stun_address *out, const char *text);
/* Reads "192.0.2.1:3478" or "[2001:db8::1]:3478". */
bool address_parse(struct stun_address *out, const char *text);

/*
 * Writes "192.0.2.1:3478", "[2001:db8::1]:3478" (address_format) or the IP alone
 * (address_format_ip) into `text`, which has ADDRESS_TEXT_SIZE bytes, and returns `text`.
 */
const char *address_format(const struct stun_address *address, char *text);
const char *address_format_ip(const struct stun_address *address, char *text);

/*
 * Brings an address to the form that rules are written for: IPv4-mapped (::ffff:0:0/96),
 * IPv4-compatible (::/96 but :: and ::1) and NAT64 (64:ff9b::/96) become the IPv4 address that they
 * carry; every other address stays as it is. The port is kept.
 */
struct stun_address address_canonical(const struct stun_address *address);

#endif
