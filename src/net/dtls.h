/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A DTLS association without a socket: datagrams of the network go in by dtls_input and out by the
 * `send` of its setup; datagrams of the application go in by dtls_write and out by dtls_read. One
 * dtls_write is one record in one datagram.
 *
 * OpenSSL reads the clock by itself, so this stands in the shell, not in a machine; but it sets no
 * timer: the owner asks dtls_due_us after each call, and calls dtls_tick then.
 *
 * The server's end begins with a ClientHello whose cookie has been found good (net/dtls_cookie.h).
 */
#ifndef NET_DTLS_H
#define NET_DTLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest application datagram, RFC 6347 §4.1. */
#define DTLS_PLAINTEXT_MAX 16384
/* What a record puts around it, with every cipher that we take. */
#define DTLS_OVERHEAD_MAX 64

enum dtls_status {
    DTLS_CONNECTING, /* the handshake is under way */
    DTLS_OPEN,
    DTLS_CLOSED, /* the other end has said that it closes */
    DTLS_FAILED, /* see dtls_error */
};

struct dtls_setup {
    /* Sends a datagram to the other end; `bytes` are lent for the call. It is called from any
     * function here but dtls_free. */
    void (*send)(void *context, const uint8_t *bytes, size_t size);
    void *context;
    /* The first wait before a flight is sent again; it doubles. 0: a second (RFC 6347 §4.2.4.1). */
    uint32_t resend_us;
    /* No wait is longer. 0: a minute (RFC 6347 §4.2.4.1). Twelve in vain are the end. */
    uint32_t resend_max_us;
    /* No datagram of the handshake is larger. 0: what fits a link of 1280 bytes. */
    uint16_t datagram_max;
    /* Keeps 33 KiB of buffers for the life of the association: for one that is busy. */
    bool keeps_buffers;
};

struct dtls;

/*
 * `context` is of tls_context_new_client and gains a reference. `name` is whom the certificate must
 * name (tls_expect_name). Nothing is sent before dtls_start. Returns NULL when memory is out or the
 * name cannot be one.
 */
struct dtls *dtls_new_client(SSL_CTX *context, const char *name, const struct dtls_setup *setup);
/* Sends the ClientHello. */
void dtls_start(struct dtls *dtls);

/* Prepares a context of tls_context_new_server for dtls_new_server: it takes every cookie, since
 * this has been checked before. */
void dtls_prepare_server(SSL_CTX *context);
/* The first dtls_input must be the ClientHello with the good cookie. NULL when memory is out. */
struct dtls *dtls_new_server(SSL_CTX *context, const struct dtls_setup *setup);

/*
 * Two peers that know each other's address by other means (RFC 8842: ICE has proved it): a server
 * takes the first ClientHello without a cookie, a client names nobody. `context` is of
 * tls_context_new_peer. A client begins with dtls_start.
 */
struct dtls *dtls_new_peer(SSL_CTX *context, bool server, const struct dtls_setup *setup);

void dtls_free(struct dtls *dtls); /* without a word to the other end; NULL is allowed */

/* Takes a datagram. What is no part of this association is ignored. Call dtls_read afterwards until
 * it returns 0. */
enum dtls_status dtls_input(struct dtls *dtls, const uint8_t *bytes, size_t size);
/*
 * The next application datagram, or 0 when there is none. `capacity` is DTLS_PLAINTEXT_MAX: of a
 * smaller buffer a datagram is cut in pieces. The status may have changed.
 */
size_t dtls_read(struct dtls *dtls, uint8_t *out, size_t capacity);
/* Returns 0; -ENOTCONN when the association is not open; -EMSGSIZE for more than DTLS_PLAINTEXT_MAX
 * bytes; -EIO. */
int dtls_write(struct dtls *dtls, const uint8_t *bytes, size_t size);
/* Says close_notify when it is open. It is closed then. */
void dtls_close(struct dtls *dtls);

enum dtls_status dtls_status(const struct dtls *dtls);
/* Microseconds from now until dtls_tick must be called, or -1: not at all. */
int64_t dtls_due_us(struct dtls *dtls);
/* Sends the last flight again when its time has come. */
void dtls_tick(struct dtls *dtls);

/* For certificate, ALPN and error text (net/tls_context.h). */
const SSL *dtls_ssl(const struct dtls *dtls);
/* OpenSSL's error of DTLS_FAILED; 0: not known. */
unsigned long dtls_error(const struct dtls *dtls);

#endif
