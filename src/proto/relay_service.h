/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the NAPTR records of a domain say about its TURN servers (RFC 5928 §4, RFC 3958): the
 * service field is "RELAY:turn.udp", or names several transports.
 */
#ifndef PROTO_RELAY_SERVICE_H
#define PROTO_RELAY_SERVICE_H

enum relay_transport {
    RELAY_NONE = 0,
    RELAY_UDP = 1, /* bits, so that a caller can say which it takes */
    RELAY_TCP = 2,
    RELAY_TLS = 4,
    RELAY_DTLS = 8, /* RFC 7350 §5 */
};

/*
 * Of the transports that the field names and `wanted` has, the one that costs least: UDP, TCP,
 * DTLS, TLS. RELAY_NONE: the record is not for us.
 */
enum relay_transport relay_service_choose(const char *service, unsigned wanted);

#endif
