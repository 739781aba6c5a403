/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The URIs of STUN and TURN servers (RFC 7064, RFC 7065), as browsers' iceServers and people write
 * them: "stun:stun.example.org", "turns:[2001:db8::1]:443?transport=tcp". Also what people write on
 * a command line: HOST[:PORT].
 */
#ifndef PROTO_STUN_URI_H
#define PROTO_STUN_URI_H

#include <postern/address.h>
#include <stdbool.h>
#include <stdint.h>

#define STUN_HOST_SIZE_MAX 253 /* of a name in DNS, without the final dot */
#define STUN_PORT 3478         /* RFC 8489 §8.1 */
#define STUN_TLS_PORT 5349

enum stun_uri_transport {
    STUN_URI_TRANSPORT_NONE = 0, /* the URI leaves it open */
    STUN_URI_UDP,
    STUN_URI_TCP,
};

struct stun_host {
    char name[STUN_HOST_SIZE_MAX + 1]; /* as written, without brackets and final dot */
    bool is_ip;                        /* then it is in `address`, and never looked up */
    struct stun_address address;       /* port: 0 */
    uint16_t port;                     /* 0: not given */
};

struct stun_uri {
    bool turn;   /* turn: or turns:, else stun: or stuns: */
    bool secure; /* stuns: or turns: */
    enum stun_uri_transport transport;
    struct stun_host host;
};

/* Whether `text` begins with one of the four schemes and a colon, in any case. */
bool stun_uri_has_scheme(const char *text);

/*
 * Parses a whole URI. Returns NULL, or what is wrong with it: the end of a sentence, for people.
 * There is no "//", no user, no path; the query is ?transport=udp or tcp, and only for turn.
 */
const char *stun_uri_parse(struct stun_uri *uri, const char *text);

/*
 * Parses HOST, HOST:PORT, [IPv6], [IPv6]:PORT. A bare IPv6 address is taken too. Names are letters,
 * digits, '-', '_' and dots, in ASCII form (xn--…). Returns as above.
 */
const char *stun_host_parse(struct stun_host *host, const char *text);

#endif
