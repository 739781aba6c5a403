/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS and DTLS contexts as STUN and TURN want them, for both ends: version 1.2 or later, forward
 * secrecy, ALPN (RFC 7443), no renegotiation, no compression, no early data. What goes wrong is
 * told in words.
 *
 * A context may be shared by threads once it is made; sessions and tickets are then good for all.
 */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct bufferevent;

enum tls_transport {
    TLS_OVER_STREAM,   /* TLS 1.2 and later */
    TLS_OVER_DATAGRAM, /* DTLS 1.2 (RFC 7350 asks for 1.2 as well) */
};

/* The names of RFC 7443. */
#define TLS_ALPN_TURN "stun.turn"
#define TLS_ALPN_STUN "stun.nat-discovery"
/* Of WebSocket (RFC 6455 does not say so; browsers do). */
#define TLS_ALPN_HTTP "http/1.1"

/* Long enough for every text of this file. */
#define TLS_TEXT_SIZE 256

/* ---- the server's end ----------------------------------------------------------------------- */

struct tls_server_setup {
    enum tls_transport transport;
    const char
        *ciphers; /* of version 1.2, as OpenSSL writes a list; NULL: forward secrecy and AEAD */
    bool version_1_3_only;
    const char *protocol; /* ALPN, a string that lives for ever; NULL: those of RFC 7443 */
};

/*
 * A context without a certificate: whoever has one parsed gives it. A client that offers ALPN, but
 * none of the names that are ours, gets the fatal alert no_application_protocol; one without ALPN
 * is welcome. Cookies of DTLS are the caller's. Returns NULL when memory is out or no cipher is
 * left; free it with SSL_CTX_free.
 */
SSL_CTX *tls_context_new_server(const struct tls_server_setup *setup);
/* Sessions that `from` has given tickets for can be resumed at `to` as well, which comes in its
 * place. Both are a server's. Returns false when OpenSSL refuses. */
bool tls_context_keep_tickets(SSL_CTX *from, SSL_CTX *to);

/* ---- the client's end ----------------------------------------------------------------------- */

struct tls_client_setup {
    enum tls_transport transport;
    const char *ca_file; /* PEM file of the authorities to trust; NULL: those of this system */
    bool verified;       /* false: any certificate is accepted (tls_verify_text still tells) */
    const char *alpn;    /* one of the names above; NULL: both; TLS_ALPN_HTTP; "": none */
};

/* Returns NULL on failure, and then `problem` (TLS_TEXT_SIZE bytes) says why. */
SSL_CTX *tls_context_new_client(const struct tls_client_setup *setup, char *problem);

/*
 * Says whom we want to talk to: a host name (sent as SNI) or an IP address (RFC 6066: not sent),
 * which the certificate must then name. A name may end with a dot. Returns false when memory is out
 * or the name cannot be one.
 */
bool tls_expect_name(SSL *ssl, const char *name);

/* ---- between peers --------------------------------------------------------------------------- */

/*
 * DTLS 1.2 for either end, where both show a certificate and nobody's authority counts: the caller
 * compares it with a fingerprint (RFC 8842 §5) in a verify callback or after the handshake. Nothing
 * is resumed, so it is shown each time. AES-128 comes first: it is what browsers prefer. The ends
 * agree on the profile of SRTP that all must have (RFC 8827 §6.5) though no media follow: pion and
 * GStreamer end a session without one. NULL when memory is out.
 */
SSL_CTX *tls_context_new_peer(void);

/* ---- in words ------------------------------------------------------------------------------- */

/*
 * Why a connection failed, from OpenSSL's `error` (0: not known) and, at the client's end, from
 * what became of the server's certificate: "the server's certificate has expired". Writes
 * TLS_TEXT_SIZE bytes at most and returns `text`.
 */
const char *tls_error_text(const SSL *ssl, unsigned long error, char *text);
/* Takes the error of OpenSSL that libevent met, or 0. */
unsigned long tls_take_error(struct bufferevent *bufferevent);

/* What is wrong with the other end's certificate, in words, or NULL when nothing is. Static. */
const char *tls_verify_text(const SSL *ssl);

/* The chosen ALPN name, or "" without one. Writes TLS_TEXT_SIZE bytes at most and returns `text`.
 */
const char *tls_alpn_text(const SSL *ssl, char *text);

#endif
