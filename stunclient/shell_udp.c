/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/shell_internal.h"

#include "base/address.h"
#include "net/udp_socket.h"

#include <errno.h>
#include <string.h>

#define BATCHES_AT_ONCE 8
#define SOCKET_BUFFER (1024 * 1024) /* asked for */

static void on_unreachable(void *context, const struct stun_address *remote, int error)
{
    struct way *way = context;
    shell_report(way->shell, way->via, remote, error, strerror(error));
}

static void take_datagram(struct way *way, const struct flow *flow, struct packet *packet)
{
    struct shell *shell = way->shell;
    if (way->dtls != NULL) {
        shell_take_record(way, flow, packet);
    } else {
        shell_tell_input(way, flow, packet);
    }
    shell_send(&shell->outbox, shell);
}

/* Whether there may be more. */
static bool take_batch(struct way *way, struct flow *flow)
{
    struct shell *shell = way->shell;
    int count = datagram_receive_batch(way->descriptor, &shell->batch);
    if (count < 0) {
        return true; /* what ICMP said about an earlier datagram: the error queue has it */
    }
    for (int i = 0; i < count; i++) {
        flow->remote = shell->batch.remotes[i];
        take_datagram(way, flow, &shell->batch.packets[i]);
        if (shell->user == NULL || shell->user->finished(shell->user->context) ||
            shell->ways[flow->via] != way) {
            return false; /* closed in the meantime, by `finished` too */
        }
    }
    return count == DATAGRAM_BATCH;
}

static void on_readable(evutil_socket_t descriptor, short what, void *context)
{
    struct way *way = context;
    struct shell *shell = way->shell;
    struct flow flow = {.via = way->via, .local = way->local};
    flow.transport = way->dtls != NULL ? TRANSPORT_DTLS : TRANSPORT_UDP;
    (void)what;
    datagram_drain_errors(descriptor, on_unreachable, way);
    for (int i = 0; i < BATCHES_AT_ONCE && shell->user != NULL && shell->ways[flow.via] == way &&
                    take_batch(way, &flow);
         i++) {
    }
    shell_settle(shell);
}

int shell_open_udp(struct shell *shell, const struct stun_address *local, uint32_t *via)
{
    const struct udp_socket_options options = {.receive_buffer = SOCKET_BUFFER,
                                               .send_buffer = SOCKET_BUFFER};
    struct way *way = shell_new_way(shell);
    int status;
    if (way == NULL) {
        return -ENOMEM;
    }
    if ((status = udp_socket_open(&way->descriptor, local, &options)) != 0 ||
        (status = datagram_report_errors(way->descriptor, local->family)) != 0 ||
        (status = socket_local_address(way->descriptor, &way->local)) != 0) {
        goto out;
    }
    way->event = event_new(shell->base, way->descriptor, EV_READ | EV_PERSIST, on_readable, way);
    if (way->event == NULL || event_add(way->event, NULL) != 0) {
        status = -ENOMEM;
        goto out;
    }
    *via = way->via;
out:
    if (status != 0) {
        shell_close(shell, way->via);
    }
    return status;
}

int shell_local(struct shell *shell, uint32_t via, const struct stun_address *remote,
                struct stun_address *out)
{
    const struct way *way = shell->ways[via];
    struct stun_address source;
    *out = way->local;
    if (!address_is_unspecified(out)) {
        return 0;
    }
    int status = datagram_source(remote, &source);
    memcpy(out->ip, source.ip, sizeof out->ip);
    return status;
}
