/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DTLS between two peers (RFC 8842): both show self-signed certificates, and each must be the one
 * whose fingerprint stands in the other's session description. That may come before the handshake
 * or after; until then nothing is read and nothing can be written.
 */
#ifndef STUNCLIENT_PEER_DTLS_PEER_H
#define STUNCLIENT_PEER_DTLS_PEER_H

#include "stunclient/peer/identity.h"

/* The largest packet that a peer can put into one record. */
#define DTLS_PEER_PACKET_MAX 16384
/* Around each packet: record header, nonce, tag. */
#define DTLS_PEER_OVERHEAD 37

enum dtls_peer_status {
    DTLS_PEER_CONNECTING, /* the handshake is under way */
    DTLS_PEER_UNKNOWN,    /* it is done, but whose certificate must have been shown is not known */
    DTLS_PEER_OPEN,
    DTLS_PEER_CLOSED, /* by the peer, in order */
    DTLS_PEER_FAILED,
};

struct dtls_peer_setup {
    bool server;
    const struct identity *identity; /* borrowed */
    /* As in net/dtls.h. */
    void (*send)(void *context, const uint8_t *bytes, size_t size);
    void *context;
    uint32_t rtt_us; /* 0: not known */
    uint16_t datagram_max;
};

struct dtls_peer;

/* NULL when memory is out. */
struct dtls_peer *dtls_peer_new(const struct dtls_peer_setup *setup);
void dtls_peer_free(struct dtls_peer *peer); /* without a word; NULL is allowed */

/* A client says hello; of a server it does nothing. */
void dtls_peer_start(struct dtls_peer *peer);
/* One of these must be the peer's; copied. Called once, `count` at least 1. */
void dtls_peer_expect(struct dtls_peer *peer, const struct fingerprint *fingerprints, size_t count);
#define DTLS_PEER_FINGERPRINTS_MAX 8

/* Takes a datagram; then call dtls_peer_read until it returns 0. */
void dtls_peer_input(struct dtls_peer *peer, const uint8_t *bytes, size_t size);
/* The next packet, or 0. `out` has DTLS_PEER_PACKET_MAX bytes. */
size_t dtls_peer_read(struct dtls_peer *peer, uint8_t *out);
/* 0 or -errno, as dtls_write. */
int dtls_peer_write(struct dtls_peer *peer, const uint8_t *bytes, size_t size);
void dtls_peer_close(struct dtls_peer *peer); /* says close_notify */

enum dtls_peer_status dtls_peer_status(const struct dtls_peer *peer);
/* As dtls_due_us and dtls_tick. */
int64_t dtls_peer_due_us(struct dtls_peer *peer);
void dtls_peer_tick(struct dtls_peer *peer);

/* Why it failed, in words: `text` has TLS_TEXT_SIZE bytes (net/tls_context.h). */
const char *dtls_peer_failure(const struct dtls_peer *peer, char *text);

#endif
