/* SPDX-License-Identifier: BSD-3-Clause */
/* A TCP connection to the first address of a host that answers (proto/address_race.h). */
#ifndef NET_TCP_RACE_H
#define NET_TCP_RACE_H

#include "proto/address_race.h"

struct event_base;
struct tcp_race;

#define TCP_RACE_PROBLEM_SIZE 256

struct tcp_race_user {
    /* A connection stands; the descriptor is the user's from now on, `address` is lent. */
    void (*won)(void *context, int descriptor, const struct stun_address *address);
    /* No address has answered. `problem` says why, of each: the end of a sentence, lent until the
     * race is freed; may be empty. */
    void (*lost)(void *context, const char *problem);
    void *context;
};

/* Begins at once; one of the functions of `user` is called from the loop. NULL when memory is out.
 */
struct tcp_race *tcp_race_new(struct event_base *base, const struct stun_address *addresses,
                              size_t count, int64_t patience_ms, const struct tcp_race_user *user);
void tcp_race_free(struct tcp_race *race); /* NULL is allowed; in `won` and `lost` too */
/* What won turned out to be of no use, `problem` says why: one of both functions is called again.
 */
void tcp_race_resume(struct tcp_race *race, const char *problem);

#endif
