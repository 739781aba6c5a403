/* SPDX-License-Identifier: BSD-3-Clause */
/* The DNS records by which clients find a server with this configuration. */
#ifndef TURNSERVER_DNS_RECORDS_H
#define TURNSERVER_DNS_RECORDS_H

#include "turnserver/config.h"

/* Whether `domain` can stand in a zone: labels of letters, digits and hyphens, without a dot at the
 * end; short enough for the names below it. */
bool dns_records_is_domain(const char *domain);

/*
 * Writes the records for `domain` (dns_records_is_domain) in the syntax of zone files (RFC 1035
 * §5): addresses, SRV for STUN (RFC 8489 §8.1, RFC 5780 §7.1), NAPTR and SRV for TURN (RFC 5928,
 * RFC 7350 §4.6) and PTR for discovery by DNS-SD (RFC 8155 §5). What has to be seen to is told in
 * comments. Returns false when memory is out.
 */
bool dns_records_print(const struct config *config, const char *domain, FILE *stream);

#endif
