/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Carries bytes between a connection that was accepted and an upstream, or the peer of a relay,
 * both ways and untouched. What one side does not read waits in the other's kernel: no more than
 * TUNNEL_WAITING_MAX bytes a direction wait here. When one side closes its direction the other
 * learns of it, and the rest still goes through.
 */
#ifndef NET_TUNNEL_H
#define NET_TUNNEL_H

#include <postern/address.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bufferevent;
struct event_base;
struct tunnel;

#define TUNNEL_WAITING_MAX 65536
#define TUNNEL_CONNECT_SECONDS 5 /* more, and the upstream counts as not there */

/*
 * Connects to `upstream` and carries. `descriptor`, connected and non-blocking, belongs to the
 * tunnel from now on, when it fails as well. The `size` bytes of `first` go to the upstream before
 * anything else; copied. `ended` is called once from the loop, when both directions have ended or
 * one has failed; the tunnel may be freed in it. `text` says why, or is NULL for an end in order.
 * Returns NULL when memory or descriptors are out, or when there is no way to `upstream`.
 */
struct tunnel *tunnel_new(struct event_base *base, int descriptor,
                          const struct stun_address *upstream, const uint8_t *first, size_t size,
                          void (*ended)(void *context, const char *text), void *context);
/*
 * Carries between what a stream stood on (net/stream.h; TCP or TLS) and a connected, non-blocking
 * socket. Both belong to the tunnel, when it fails as well. What waits in the bufferevent's buffers
 * goes on its way first. The end of one direction is told over TLS by close_notify.
 */
struct tunnel *tunnel_join(struct bufferevent *client, int descriptor,
                           void (*ended)(void *context, const char *text), void *context);
/* Asked for every `size` bytes that were read: 0, or for how many microseconds to read no more. */
typedef int64_t tunnel_meter(void *context, size_t size);
/* Returns false when memory is out: then it is not asked. */
bool tunnel_set_meter(struct tunnel *tunnel, tunnel_meter *meter, void *context);
/* Bytes that were taken from the client, and from the upstream or peer. */
uint64_t tunnel_bytes_from_client(const struct tunnel *tunnel);
uint64_t tunnel_bytes_to_client(const struct tunnel *tunnel);
void tunnel_free(struct tunnel *tunnel); /* closes both sides; NULL is allowed */

#endif
