/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/shell_internal.h"

#include "base/address.h"
#include "net/timer.h"
#include "net/tls_context.h"

#include <errno.h>

#define DTLS_RESEND_US 500000 /* as STUN's first wait */

static void send_record(void *context, const uint8_t *bytes, size_t size)
{
    struct way *way = context;
    int status = datagram_send(way->descriptor, &way->remote, bytes, size);
    if (status != 0 && status != -EAGAIN) {
        status = datagram_send(way->descriptor, &way->remote, bytes, size);
    }
    way->send_error = status == -EAGAIN ? 0 : -status;
}

static void note_open(struct way *way)
{
    struct shell *shell = way->shell;
    way->connected = true;
    secure_note(shell->secure, dtls_ssl(way->dtls));
    shell_tell_connected(way);
}

/* What has become of an association. Its way may be gone afterwards. */
static void note_status(struct way *way)
{
    char text[TLS_TEXT_SIZE];
    int64_t wait_us = dtls_due_us(way->dtls);
    if (wait_us >= 0) {
        (void)timer_arm_us(way->resend, wait_us);
    } else {
        evtimer_del(way->resend);
    }
    switch (dtls_status(way->dtls)) {
    case DTLS_CONNECTING:
        break;
    case DTLS_OPEN:
        if (!way->connected) {
            note_open(way);
        }
        break;
    case DTLS_CLOSED:
        shell_report(way->shell, way->via, &way->remote, ECONNRESET, "the other end closed");
        break;
    case DTLS_FAILED:
        shell_report(way->shell, way->via, &way->remote, EPROTO,
                     tls_error_text(dtls_ssl(way->dtls), dtls_error(way->dtls), text));
        break;
    }
}

static void on_resend(evutil_socket_t descriptor, short what, void *context)
{
    struct way *way = context;
    struct shell *shell = way->shell;
    (void)descriptor;
    (void)what;
    dtls_tick(way->dtls);
    note_status(way);
    shell_settle(shell);
}

/* Whether something of the way's is left to read; tells the user of what came. */
static bool read_plain(struct way *way, const struct flow *flow)
{
    struct shell *shell = way->shell;
    struct packet packet = {.bytes = shell->plain + PACKET_HEADROOM,
                            .headroom = PACKET_HEADROOM,
                            .tailroom = PACKET_TAILROOM};
    packet.size = (uint32_t)dtls_read(way->dtls, packet.bytes, DTLS_PLAINTEXT_MAX);
    if (packet.size == 0) {
        return false;
    }
    shell_tell_input(way, flow, &packet);
    shell_send(&shell->outbox, shell);
    return shell->ways[flow->via] == way && shell->user != NULL;
}

void shell_take_record(struct way *way, const struct flow *flow, const struct packet *packet)
{
    struct shell *shell = way->shell;
    if (!address_equal(&flow->remote, &way->remote)) {
        return;
    }
    dtls_input(way->dtls, packet->bytes, packet->size);
    if (dtls_status(way->dtls) == DTLS_OPEN && !way->connected) {
        note_open(way);
    }
    while (shell->ways[flow->via] == way && read_plain(way, flow)) {
    }
    if (shell->ways[flow->via] == way) {
        note_status(way);
    }
}

/* ---- opening --------------------------------------------------------------------------------- */

int shell_open_dtls(struct shell *shell, const struct stun_address *remote,
                    const struct stun_address *local, uint32_t *via)
{
    int status = shell_open_udp(shell, local, via);
    if (status != 0) {
        return status;
    }
    struct way *way = shell->ways[*via];
    const struct dtls_setup setup = {
        .send = send_record, .context = way, .resend_us = DTLS_RESEND_US};
    way->remote = *remote;
    way->resend = evtimer_new(shell->base, on_resend, way);
    way->dtls = secure_associate(shell->secure, &setup);
    if (way->resend == NULL || way->dtls == NULL) {
        shell_close(shell, *via);
        return -ENOMEM;
    }
    dtls_start(way->dtls);
    status = -way->send_error;
    if (status != 0) {
        shell_close(shell, *via);
        return status;
    }
    int64_t wait_us = dtls_due_us(way->dtls);
    /* If it has failed already, that is told from the loop. */
    (void)timer_arm_us(way->resend, wait_us < 0 ? 0 : wait_us);
    return 0;
}
