/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/dtls_peer.h"

#include "net/dtls.h"
#include "net/tls_context.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first wait before a flight is sent again. RFC 6347 §4.2.4.1 has a second for paths that
 * nobody has measured; ICE has measured this one. It leaves time for the peer's arithmetic. */
#define RESEND_MIN_US 50000
#define RESEND_UNMEASURED_US 100000
#define RESEND_FIRST_MAX_US 1000000
#define RESEND_MAX_US 3000000
/* Packets that may come before we know whose certificate must have been shown: the peer's INIT. */
#define EARLY_MAX 4
#define EARLY_SIZE_MAX 1500

struct packet_copy {
    size_t size;
    uint8_t bytes[EARLY_SIZE_MAX];
};

struct dtls_peer {
    struct dtls *dtls;
    SSL_CTX *context;
    bool server;
    bool verified;
    bool wrong; /* the certificate is none of the expected */
    struct fingerprint expected[DTLS_PEER_FINGERPRINTS_MAX];
    size_t expected_count;
    struct packet_copy early[EARLY_MAX];
    size_t early_count, early_read;
    uint8_t record[DTLS_PEER_PACKET_MAX];
};

/* ---- whose certificate it is ----------------------------------------------------------------- */

static bool is_expected(const struct dtls_peer *peer, const X509 *certificate)
{
    struct fingerprint shown;

    for (size_t i = 0; i < peer->expected_count; i++) {
        if (fingerprint_of(&shown, certificate, peer->expected[i].hash) &&
            fingerprint_equal(&shown, &peer->expected[i])) {
            return true;
        }
    }
    return false;
}

/* Called in the handshake. A wrong certificate is refused there, so that an alert tells the peer;
 * when we do not know yet, check_certificate decides later. */
static int verify(X509_STORE_CTX *store, void *context)
{
    struct dtls_peer *peer = context;
    X509 *certificate = X509_STORE_CTX_get0_cert(store);

    if (peer->expected_count == 0) {
        return 1;
    }
    if (certificate == NULL || !is_expected(peer, certificate)) {
        peer->wrong = true;
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
        return 0;
    }
    return 1;
}

static void check_certificate(struct dtls_peer *peer)
{
    const X509 *certificate;

    if (peer->verified || peer->wrong || peer->expected_count == 0 ||
        dtls_status(peer->dtls) != DTLS_OPEN) {
        return;
    }
    certificate = SSL_get0_peer_certificate(dtls_ssl(peer->dtls));
    peer->verified = certificate != NULL && is_expected(peer, certificate);
    if (!peer->verified) {
        peer->wrong = true;
        dtls_close(peer->dtls);
    }
}

void dtls_peer_expect(struct dtls_peer *peer, const struct fingerprint *fingerprints, size_t count)
{
    peer->expected_count = count < DTLS_PEER_FINGERPRINTS_MAX ? count : DTLS_PEER_FINGERPRINTS_MAX;
    memcpy(peer->expected, fingerprints, peer->expected_count * sizeof *fingerprints);
    check_certificate(peer);
}

/* ---- life ------------------------------------------------------------------------------------ */

static uint32_t first_resend_us(uint32_t rtt_us)
{
    uint32_t wait_us = rtt_us == 0 ? RESEND_UNMEASURED_US : RESEND_MIN_US + 3 * (rtt_us / 2);

    return wait_us < RESEND_FIRST_MAX_US ? wait_us : RESEND_FIRST_MAX_US;
}

struct dtls_peer *dtls_peer_new(const struct dtls_peer_setup *setup)
{
    struct dtls_peer *peer = calloc(1, sizeof *peer);
    const struct dtls_setup dtls = {
        .send = setup->send,
        .context = setup->context,
        .resend_us = first_resend_us(setup->rtt_us),
        .resend_max_us = RESEND_MAX_US,
        .datagram_max = setup->datagram_max,
        .keeps_buffers = true,
    };

    if (peer == NULL) {
        return NULL;
    }
    peer->server = setup->server;
    peer->context = tls_context_new_peer();
    if (peer->context == NULL || !identity_use(setup->identity, peer->context)) {
        goto fail;
    }
    SSL_CTX_set_cert_verify_callback(peer->context, verify, peer);
    peer->dtls = dtls_new_peer(peer->context, setup->server, &dtls);
    if (peer->dtls == NULL) {
        goto fail;
    }
    return peer;

fail:
    dtls_peer_free(peer);
    return NULL;
}

void dtls_peer_free(struct dtls_peer *peer)
{
    if (peer != NULL) {
        dtls_free(peer->dtls);
        SSL_CTX_free(peer->context);
        free(peer);
    }
}

void dtls_peer_start(struct dtls_peer *peer)
{
    if (!peer->server) {
        dtls_start(peer->dtls);
    }
}

void dtls_peer_close(struct dtls_peer *peer)
{
    dtls_close(peer->dtls);
}

enum dtls_peer_status dtls_peer_status(const struct dtls_peer *peer)
{
    if (peer->wrong) {
        return DTLS_PEER_FAILED;
    }
    switch (dtls_status(peer->dtls)) {
    case DTLS_CONNECTING:
        return DTLS_PEER_CONNECTING;
    case DTLS_OPEN:
        return peer->verified ? DTLS_PEER_OPEN : DTLS_PEER_UNKNOWN;
    case DTLS_CLOSED:
        return DTLS_PEER_CLOSED;
    default:
        return DTLS_PEER_FAILED;
    }
}

const char *dtls_peer_failure(const struct dtls_peer *peer, char *text)
{
    if (peer->wrong) {
        snprintf(text, TLS_TEXT_SIZE,
                 "the peer's certificate is not the one of its description: the fingerprint "
                 "differs. Somebody may be in between");
        return text;
    }
    if (ERR_GET_REASON(dtls_error(peer->dtls)) == SSL_R_READ_TIMEOUT_EXPIRED) {
        snprintf(text, TLS_TEXT_SIZE, "the peer does not answer in DTLS");
        return text;
    }
    return tls_error_text(NULL, dtls_error(peer->dtls), text);
}

/* ---- in and out ------------------------------------------------------------------------------ */

static void keep_early(struct dtls_peer *peer)
{
    size_t size;

    while ((size = dtls_read(peer->dtls, peer->record, sizeof peer->record)) > 0) {
        if (peer->early_count < EARLY_MAX && size <= EARLY_SIZE_MAX) {
            struct packet_copy *packet = &peer->early[peer->early_count++];
            packet->size = size;
            memcpy(packet->bytes, peer->record, size);
        }
    }
}

void dtls_peer_input(struct dtls_peer *peer, const uint8_t *bytes, size_t size)
{
    if (peer->wrong) {
        return;
    }
    (void)dtls_input(peer->dtls, bytes, size);
    check_certificate(peer);
    if (dtls_peer_status(peer) == DTLS_PEER_UNKNOWN) {
        keep_early(peer);
    }
}

size_t dtls_peer_read(struct dtls_peer *peer, uint8_t *out)
{
    if (!peer->verified) {
        return 0;
    }
    if (peer->early_read < peer->early_count) {
        const struct packet_copy *packet = &peer->early[peer->early_read++];
        memcpy(out, packet->bytes, packet->size);
        return packet->size;
    }
    return dtls_read(peer->dtls, out, DTLS_PEER_PACKET_MAX);
}

int dtls_peer_write(struct dtls_peer *peer, const uint8_t *bytes, size_t size)
{
    return peer->verified ? dtls_write(peer->dtls, bytes, size) : -ENOTCONN;
}

/* ---- time ------------------------------------------------------------------------------------ */

int64_t dtls_peer_due_us(struct dtls_peer *peer)
{
    return peer->wrong ? -1 : dtls_due_us(peer->dtls);
}

void dtls_peer_tick(struct dtls_peer *peer)
{
    if (!peer->wrong) {
        dtls_tick(peer->dtls);
    }
}
