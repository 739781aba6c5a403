/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/tunnel.h"

#include "net/tcp_socket.h"
#include "net/timer.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct side {
    struct tunnel *tunnel;
    struct side *other;
    struct bufferevent *bufferevent;
    uint64_t taken; /* bytes that came from it */
    bool ended;     /* it sends no more, and all of it has been handed to the other side */
    bool closed;    /* it has been told that no more comes */
};

struct tunnel {
    struct side client, upstream;
    tunnel_meter *meter; /* or NULL */
    void *meter_context;
    struct event *resume; /* ends a pause that the meter wants */
    bool paused;
    void (*ended)(void *context, const char *text);
    void *context;
};

static size_t waiting(const struct side *side)
{
    return evbuffer_get_length(bufferevent_get_output(side->bufferevent));
}

static void tell_end(const struct side *side)
{
    SSL *ssl = bufferevent_openssl_get_ssl(side->bufferevent);

    if (ssl != NULL) {
        (void)SSL_shutdown(ssl);
        ERR_clear_error();
    } else {
        (void)shutdown(bufferevent_getfd(side->bufferevent), SHUT_WR);
    }
}

/* Tells a side that the other has ended, once nothing waits any more. Returns false when that was
 * the end of the tunnel. */
static bool pass_end(struct side *to)
{
    struct tunnel *tunnel = to->tunnel;

    if (!to->other->ended || to->closed || waiting(to) > 0) {
        return true;
    }
    to->closed = true;
    tell_end(to);
    if (to->other->closed) {
        tunnel->ended(tunnel->context, NULL);
        return false;
    }
    return true;
}

static void pause_reading(struct tunnel *tunnel, int64_t us)
{
    tunnel->paused = true;
    bufferevent_disable(tunnel->client.bufferevent, EV_READ);
    bufferevent_disable(tunnel->upstream.bufferevent, EV_READ);
    (void)timer_arm_us(tunnel->resume, us);
}

static void resume_side(const struct side *side)
{
    if (!side->ended && waiting(side->other) < TUNNEL_WAITING_MAX / 2) {
        bufferevent_enable(side->bufferevent, EV_READ);
    }
}

static void on_resume(evutil_socket_t descriptor, short what, void *context)
{
    struct tunnel *tunnel = context;

    (void)descriptor;
    (void)what;
    tunnel->paused = false;
    resume_side(&tunnel->client);
    resume_side(&tunnel->upstream);
}

static void on_readable(struct bufferevent *bufferevent, void *context)
{
    struct side *from = context;
    struct side *to = from->other;
    struct tunnel *tunnel = from->tunnel;
    size_t size = evbuffer_get_length(bufferevent_get_input(bufferevent));
    int64_t wait_us = 0;

    from->taken += size;
    (void)bufferevent_read_buffer(bufferevent, bufferevent_get_output(to->bufferevent));
    if (waiting(to) >= TUNNEL_WAITING_MAX / 2) {
        bufferevent_disable(bufferevent, EV_READ); /* until `to` has read */
    }
    if (tunnel->meter != NULL && size > 0) {
        wait_us = tunnel->meter(tunnel->meter_context, size);
    }
    if (wait_us > 0) {
        pause_reading(tunnel, wait_us);
    }
}

static void on_written(struct bufferevent *bufferevent, void *context)
{
    struct side *to = context;

    (void)bufferevent;
    if (pass_end(to) && !to->other->ended && !to->tunnel->paused) {
        bufferevent_enable(to->other->bufferevent, EV_READ);
    }
}

static void on_event(struct bufferevent *bufferevent, short what, void *context)
{
    int error = EVUTIL_SOCKET_ERROR();
    struct side *side = context;
    struct tunnel *tunnel = side->tunnel;

    if ((what & BEV_EVENT_CONNECTED) != 0) {
        bufferevent_set_timeouts(bufferevent, NULL, NULL);
        return;
    }
    if ((what & BEV_EVENT_TIMEOUT) != 0) {
        error = ETIMEDOUT;
    }
    if ((what & BEV_EVENT_EOF) != 0) {
        on_readable(bufferevent, side);
        side->ended = true;
        bufferevent_disable(bufferevent, EV_READ);
        /* libevent stops writing too when TLS has ended in one direction. */
        bufferevent_enable(bufferevent, EV_WRITE);
        (void)pass_end(side->other);
    } else {
        tunnel->ended(tunnel->context, strerror(error));
    }
}

static void use_side(struct side *side, struct bufferevent *bufferevent)
{
    side->bufferevent = bufferevent;
    bufferevent_setcb(side->bufferevent, on_readable, on_written, on_event, side);
    bufferevent_setwatermark(side->bufferevent, EV_READ, 0, TUNNEL_WAITING_MAX / 2);
    tcp_socket_keep_alive(bufferevent_getfd(bufferevent));
}

static bool open_side(struct side *side, struct event_base *base, int descriptor)
{
    struct bufferevent *bufferevent =
        bufferevent_socket_new(base, descriptor, BEV_OPT_CLOSE_ON_FREE);

    if (bufferevent == NULL) {
        close(descriptor);
        return false;
    }
    use_side(side, bufferevent);
    return true;
}

static struct tunnel *tunnel_make(void (*ended)(void *context, const char *text), void *context)
{
    struct tunnel *tunnel = calloc(1, sizeof *tunnel);

    if (tunnel != NULL) {
        tunnel->client = (struct side){.tunnel = tunnel, .other = &tunnel->upstream};
        tunnel->upstream = (struct side){.tunnel = tunnel, .other = &tunnel->client};
        tunnel->ended = ended;
        tunnel->context = context;
    }
    return tunnel;
}

struct tunnel *tunnel_new(struct event_base *base, int descriptor,
                          const struct stun_address *upstream, const uint8_t *first, size_t size,
                          void (*ended)(void *context, const char *text), void *context)
{
    static const struct timeval patience = {TUNNEL_CONNECT_SECONDS, 0};
    struct tunnel *tunnel = tunnel_make(ended, context);
    int connecting = -1;

    if (tunnel == NULL) {
        close(descriptor);
        return NULL;
    }
    if (!open_side(&tunnel->client, base, descriptor) ||
        tcp_socket_connect(&connecting, upstream, NULL) != 0 ||
        !open_side(&tunnel->upstream, base, connecting) ||
        bufferevent_set_timeouts(tunnel->upstream.bufferevent, NULL, &patience) != 0 ||
        bufferevent_socket_connect(tunnel->upstream.bufferevent, NULL, 0) != 0 ||
        bufferevent_write(tunnel->upstream.bufferevent, first, size) != 0 ||
        bufferevent_enable(tunnel->upstream.bufferevent, EV_READ | EV_WRITE) != 0 ||
        bufferevent_enable(tunnel->client.bufferevent, EV_READ | EV_WRITE) != 0) {
        tunnel_free(tunnel);
        return NULL;
    }
    return tunnel;
}

struct tunnel *tunnel_join(struct bufferevent *client, int descriptor,
                           void (*ended)(void *context, const char *text), void *context)
{
    struct tunnel *tunnel = tunnel_make(ended, context);

    if (tunnel == NULL) {
        bufferevent_free(client);
        close(descriptor);
        return NULL;
    }
    use_side(&tunnel->client, client);
    if (!open_side(&tunnel->upstream, bufferevent_get_base(client), descriptor) ||
        bufferevent_enable(tunnel->upstream.bufferevent, EV_READ | EV_WRITE) != 0 ||
        bufferevent_enable(client, EV_READ | EV_WRITE) != 0) {
        tunnel_free(tunnel);
        return NULL;
    }
    /* Bytes that the stream has read already cause no event of their own. */
    bufferevent_trigger(client, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
    return tunnel;
}

bool tunnel_set_meter(struct tunnel *tunnel, tunnel_meter *meter, void *context)
{
    tunnel->resume =
        event_new(bufferevent_get_base(tunnel->client.bufferevent), -1, 0, on_resume, tunnel);
    if (tunnel->resume == NULL) {
        return false;
    }
    tunnel->meter = meter;
    tunnel->meter_context = context;
    return true;
}

uint64_t tunnel_bytes_from_client(const struct tunnel *tunnel)
{
    return tunnel->client.taken;
}

uint64_t tunnel_bytes_to_client(const struct tunnel *tunnel)
{
    return tunnel->upstream.taken;
}

void tunnel_free(struct tunnel *tunnel)
{
    if (tunnel == NULL) {
        return;
    }
    if (tunnel->resume != NULL) {
        event_free(tunnel->resume);
    }
    if (tunnel->client.bufferevent != NULL) {
        bufferevent_free(tunnel->client.bufferevent);
    }
    if (tunnel->upstream.bufferevent != NULL) {
        bufferevent_free(tunnel->upstream.bufferevent);
    }
    free(tunnel);
}
