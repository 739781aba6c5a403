/* SPDX-License-Identifier: BSD-3-Clause */
/* What associations are made of: for associations.c and association.c only. */
#ifndef NET_ASSOCIATIONS_INTERNAL_H
#define NET_ASSOCIATIONS_INTERNAL_H

#include "base/hash_map.h"
#include "base/timer_wheel.h"
#include "net/associations.h"
#include "net/dtls.h"
#include "net/dtls_cookie.h"

#define LISTENERS_MAX 64

struct association {
    struct associations *owner;
    struct hash_node by_flow; /* unless it is a successor */
    struct hash_node by_via;
    struct flow outer; /* of its datagrams */
    uint32_t via;
    struct dtls *dtls;
    uint64_t hello; /* of its ClientHello: the hash of the random */
    /* A handshake that will replace the open association of the same outer flow. */
    struct association *successor, *predecessor;
    struct association *older, *newer; /* while in handshake */
    struct monotime heard;             /* when a datagram of it was last good */
    struct timer_node deadline, resend;
    bool open; /* the handshake is done */
    bool held;
};

struct listening {
    uint32_t via;
    bool plain;
};

struct associations {
    struct associations_setup setup;
    struct event *timer;
    struct monotime timer_due;
    SSL_CTX *context;
    struct dtls_cookies *cookies;
    struct listening listeners[LISTENERS_MAX];
    size_t listener_count;
    struct hash_map by_flow, by_via;
    uint32_t last_number;
    struct association *oldest, *newest; /* of those in handshake */
    uint32_t handshake_count;
    struct timer_wheel deadlines, resends;
    struct associations_counters counters;
    struct outbox sealed; /* what leaves through the datapath */
    uint8_t *arena;       /* of decrypted datagrams, ARENA_SIZE */
    size_t arena_used;
};

/* ---- association.c --------------------------------------------------------------------------- */

void associations_init_tables(struct associations *associations);
/* By the flow of its datagrams, or by its via; NULL when there is none. */
struct association *association_find_flow(const struct associations *associations,
                                          const struct flow *outer);
struct association *association_find_via(const struct associations *associations, uint32_t via);
/* The flow as the machine knows it. */
struct flow association_flow(const struct association *one);
void association_set_resend(struct association *one, struct monotime now);
/* The idle time runs from the last datagram; the timer finds out when it rings. */
void association_set_deadline(struct association *one);
/* Whether one more may begin from there; counts it, and in the counters when not. */
bool association_is_counted(struct associations *associations, const struct stun_address *source);
/* A handshake for `outer`; `predecessor` is the open association of that flow, or NULL. NULL when
 * memory is out. */
struct association *association_add(struct associations *associations, struct monotime now,
                                    const struct flow *outer, uint64_t hello,
                                    struct association *predecessor);
/* The handshake is done: from now on it is what its address stands for. */
void association_become_open(struct association *one);
/* Without a word to anybody. */
void association_remove(struct association *one);
/* Tells the machine, and the client if it can still hear us. */
void association_end(struct association *one);

/* ---- associations.c -------------------------------------------------------------------------- */

/* A dtls_setup.send, with an association. */
void associations_on_send(void *context, const uint8_t *bytes, size_t size);

#endif
