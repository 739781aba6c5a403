/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/shell_internal.h"

#include "net/stream.h"
#include "net/tcp_socket.h"
#include "net/udp_socket.h"

#include <errno.h>
#include <event2/bufferevent.h>

#define STREAM_OUTPUT_MAX (256 * 1024)

static void on_connected(struct stream *stream, void *context)
{
    struct way *way = context;
    struct shell *shell = way->shell;
    way->local = *stream_local(stream);
    way->connected = true;
    if (way->secure != NULL) {
        secure_note(way->secure, stream_tls(stream));
    }
    shell_tell_connected(way);
    shell_settle(shell);
}

static void on_frame(struct stream *stream, struct packet *packet, void *context)
{
    struct way *way = context;
    struct shell *shell = way->shell;
    struct flow flow = {
        .via = way->via, .transport = way->transport, .remote = way->remote, .local = way->local};
    (void)stream;
    if (shell->user != NULL) {
        shell_tell_input(way, &flow, packet);
        shell_send(&shell->outbox, shell); /* what a machine lends, it lends until its next call */
    }
}

static void on_flush(struct stream *stream, void *context)
{
    struct way *way = context;
    (void)stream;
    shell_settle(way->shell);
}

static void on_closed(struct stream *stream, enum stream_end end, void *context)
{
    struct way *way = context;
    struct shell *shell = way->shell;
    bool half_made = !way->connected && way->secure != NULL && end == STREAM_END_PEER;
    int error = end == STREAM_END_TLS || half_made ? EPROTO : ECONNRESET;
    shell_report(shell, way->via, &way->remote, error, stream_end_text(stream));
    shell_settle(shell);
}

static const struct stream_user stream_user = {on_connected, on_frame, on_flush, on_closed};

/* ---- bytes ----------------------------------------------------------------------------------- */

static void on_bytes(struct bufferevent *raw, void *context)
{
    struct way *way = context;
    struct shell *shell = way->shell;
    struct flow flow = {
        .via = way->via, .transport = TRANSPORT_TCP, .remote = way->remote, .local = way->local};
    uint8_t bytes[4096];
    size_t size;
    while (shell->user != NULL && (size = bufferevent_read(raw, bytes, sizeof bytes)) > 0) {
        struct packet packet = {.bytes = bytes, .size = (uint32_t)size};
        shell_tell_input(way, &flow, &packet);
        shell_send(&shell->outbox, shell);
    }
    shell_settle(shell);
}

static void on_bytes_ended(struct bufferevent *raw, short what, void *context)
{
    struct way *way = context;
    struct shell *shell = way->shell;
    (void)raw;
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0) {
        shell_report(shell, way->via, &way->remote, ECONNRESET, "the data connection ended");
        shell_settle(shell);
    }
}

static void on_taken(struct bufferevent *raw, void *context)
{
    struct way *way = context;
    way->stream = NULL;
    way->raw = raw;
    bufferevent_setcb(raw, on_bytes, NULL, on_bytes_ended, way);
    bufferevent_enable(raw, EV_READ | EV_WRITE);
    bufferevent_trigger(raw, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}

void shell_leave_framing(struct shell *shell, uint32_t via)
{
    struct way *way = shell->ways[via];
    (void)stream_hand_over(way->stream, on_taken, way);
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_stream(struct shell *shell, struct secure *secure, uint8_t transport,
                       const struct stun_address *remote, const struct stun_address *local,
                       uint32_t *via)
{
    struct stream_setup setup = {
        .user = &stream_user,
        .limits = {.frame_size_max = STREAM_FRAME_SIZE_MAX, .output_size_max = STREAM_OUTPUT_MAX},
        .connecting = true,
    };
    struct way *way = shell_new_way(shell);
    int descriptor;
    if (way == NULL) {
        return -ENOMEM;
    }
    int status = tcp_socket_connect(&descriptor, remote, local);
    if (status == 0) {
        way->remote = *remote;
        way->secure = secure;
        way->transport = transport;
        setup.context = way;
        socket_local_address(descriptor, &setup.local);
        way->local = setup.local;
        way->stream = secure == NULL
                          ? stream_new_tcp(shell->base, descriptor, &setup)
                          : stream_new_tls(shell->base, descriptor, secure_connect(secure), &setup);
        status = way->stream == NULL ? -ENOMEM : 0;
    }
    if (status != 0) {
        shell_close(shell, way->via);
        return status;
    }
    *via = way->via;
    return 0;
}

int shell_open_tcp(struct shell *shell, const struct stun_address *remote,
                   const struct stun_address *local, uint32_t *via)
{
    return open_stream(shell, shell->secure, TRANSPORT_TCP, remote, local, via);
}

int shell_open_tls(struct shell *shell, struct secure *secure, const struct stun_address *remote,
                   const struct stun_address *local, uint32_t *via)
{
    return open_stream(shell, secure, TRANSPORT_TLS, remote, local, via);
}
