/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Relaying of TCP as the machine asks for it (struct turn_tcp_ports): sockets of peers
 * (tcp_sockets), clients' data connections (streams), and the two joined. A data connection may
 * have come to another worker than the one that holds the allocation. Then the socket of the peer,
 * which is plain TCP always, goes where the client is:
 *
 *   worker with the client        worker with the allocation
 *   ConnectionBind ── CLAIM ────►  turn_server_tcp_claim
 *   joined        ◄── CLAIMED ──   with the socket of the peer
 *   end of it     ─── ENDED ────►  turn_server_tcp_ended
 *                 ◄── CLOSE ────   the allocation has ended
 */
#ifndef TURNSERVER_TCP_RELAY_H
#define TURNSERVER_TCP_RELAY_H

#include "turnserver/streams.h"
#include "turnserver/turn/turn.h"

struct tcp_relay;
struct tcp_relay_message;

struct tcp_relay_user {
    void *context;
    /* The machine is about to be called. Returns the time. */
    struct monotime (*begin)(void *context);
    /* Hands a message to tcp_relay_receive of another worker. Returns 0; -EAGAIN when its mailbox
     * is full; else there is no such worker. */
    int (*send)(void *context, unsigned worker, struct tcp_relay_message *message);
};

/* `user` and `bandwidth` are copied, `streams` and `outbox` are borrowed. Returns NULL when memory
 * is out. */
struct tcp_relay *tcp_relay_new(struct event_base *base, const struct tcp_relay_user *user,
                                unsigned worker, const struct turn_bandwidth *bandwidth,
                                struct streams *streams, struct outbox *outbox);
void tcp_relay_free(struct tcp_relay *relay); /* NULL is allowed */
/* What its machine is given, and which one that is. */
struct turn_tcp_ports tcp_relay_ports(struct tcp_relay *relay);
void tcp_relay_serve(struct tcp_relay *relay, struct turn_server *server);

/* A message of another worker, which belongs to the relay. */
void tcp_relay_receive(struct tcp_relay *relay, struct tcp_relay_message *message);
/* One that nobody receives. */
void tcp_relay_message_free(struct tcp_relay_message *message);
/* A client's connection has ended, and streams_joined_bytes still knows it. */
void tcp_relay_client_closed(struct tcp_relay *relay, uint32_t via);

#endif
