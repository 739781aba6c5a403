/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Return routability before any state (RFC 6347 §4.2.1): a ClientHello without a good cookie gets a
 * HelloVerifyRequest that is smaller than itself, and nothing is kept. The cookie is an HMAC of the
 * client's address, of ours, of what the ClientHello offers and of the time, so that it is good for
 * nobody else and not for long. Whoever has the same key may check it.
 *
 * Sans-I/O: time and addresses are arguments.
 */
#ifndef NET_DTLS_COOKIE_H
#define NET_DTLS_COOKIE_H

#include "base/monotime.h"

#include <postern/address.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DTLS_COOKIE_KEY_SIZE 32
#define DTLS_COOKIE_SIZE 16

/* Record header, handshake header, version, length of the cookie, cookie. */
#define DTLS_HELLO_VERIFY_SIZE (13 + 12 + 2 + 1 + DTLS_COOKIE_SIZE)

/* A cookie is good for this long at least, and for twice as long at most. */
#define DTLS_COOKIE_SECONDS 30

struct dtls_cookies;

/* `key` is copied. Returns NULL when memory is out. */
struct dtls_cookies *dtls_cookies_new(const uint8_t key[DTLS_COOKIE_KEY_SIZE]);
void dtls_cookies_free(struct dtls_cookies *cookies); /* NULL is allowed */

/* A ClientHello; all pointers are into the datagram. */
struct dtls_client_hello {
    const uint8_t *record; /* its header */
    const uint8_t *random; /* 32 bytes */
    const uint8_t *cookie;
    uint8_t cookie_size; /* 0: none */
    /* What may not change between the first ClientHello and the one with the cookie: all before the
     * cookie, and ciphers and compression methods after it. */
    const uint8_t *before, *after;
    uint16_t before_size, after_size;
};

#define DTLS_RANDOM_SIZE 32

/*
 * Reads the ClientHello that a datagram begins with. Returns false when it begins with anything
 * else, or with a ClientHello in fragments (RFC 6347 §4.2.1 asks clients not to do so) or after
 * encryption began.
 */
bool dtls_client_hello_parse(struct dtls_client_hello *hello, const uint8_t *bytes, size_t size);

/* Whether the cookie is one of ours for `client`, who wrote to `server`. */
bool dtls_cookie_is_good(struct dtls_cookies *cookies, struct monotime now,
                         const struct stun_address *client, const struct stun_address *server,
                         const struct dtls_client_hello *hello);

/* Writes the HelloVerifyRequest. Returns false when the library fails. */
bool dtls_cookie_answer(struct dtls_cookies *cookies, struct monotime now,
                        const struct stun_address *client, const struct stun_address *server,
                        const struct dtls_client_hello *hello,
                        uint8_t answer[DTLS_HELLO_VERIFY_SIZE]);

#endif
