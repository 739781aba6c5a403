/* SPDX-License-Identifier: BSD-3-Clause */
/* From what the user named to the addresses to try. */
#ifndef STUNCLIENT_LOCATE_H
#define STUNCLIENT_LOCATE_H

#include "net/resolver.h"
#include "stunclient/output.h"
#include "stunclient/shell.h"

/* Asks the DNS server that the options name, else the system's. NULL when memory is out or the
 * system's configuration cannot be read. */
struct resolver *locate_resolver(struct event_base *base, const struct options *options);

/*
 * Fills `found` with the addresses of the server, in the order in which to try them, by deadline.
 * An IP address is taken as it is. Returns true, or false with the failure filled.
 */
bool locate(struct shell *shell, const struct options *options, const struct output *output,
            struct monotime deadline, struct resolver_result *found, struct failure *failure);

/*
 * Finds a TURN server by the NAPTR records of its domain (RFC 5928), which say the transport too:
 * fills `found` as locate does, and sets `protocol`. Returns false when the user has said port or
 * transport, or when there are no such records or none leads to an address: locate then.
 */
bool locate_relay(struct shell *shell, const struct options *options, const struct output *output,
                  struct monotime deadline, struct resolver_result *found,
                  enum client_protocol *protocol);

#endif
