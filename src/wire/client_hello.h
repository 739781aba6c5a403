/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a TLS client asks for in its first message, read without decrypting anything: the name of
 * the server (SNI, RFC 6066 §3) and the application protocols (ALPN, RFC 7301). The message may be
 * cut into records anywhere (RFC 8446 §5.1).
 */
#ifndef WIRE_CLIENT_HELLO_H
#define WIRE_CLIENT_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes on the wire that a ClientHello may take; a longer one is refused. */
#define CLIENT_HELLO_SIZE_MAX 16384

struct client_hello {
    char server_name[256];    /* in small letters, without a last dot; "": none */
    const uint8_t *protocols; /* names with a length byte before each; in `message` */
    size_t protocols_size;    /* 0: no ALPN */
    uint8_t message[CLIENT_HELLO_SIZE_MAX];
};

/*
 * Reads the ClientHello that the bytes of a connection begin with. Returns 0; -EAGAIN when it is
 * not whole, and then `needed` is how many bytes there must be at least (more than `size`);
 * -EMSGSIZE when it is too long; -EPROTO when it is malformed or something else.
 */
int client_hello_parse(struct client_hello *hello, const uint8_t *bytes, size_t size,
                       size_t *needed);

/* Whether the client offers that application protocol. */
bool client_hello_offers(const struct client_hello *hello, const char *protocol);

#endif
