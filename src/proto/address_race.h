/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which address of a host to connect to, and when (Happy Eyeballs, RFC 8305): the families take
 * turns, each attempt is given a head start before the next begins beside it, and the first that
 * succeeds wins. No socket, no clock.
 *
 * After any call: begin what address_race_next gives, then arm a timer for address_race_due.
 */
#ifndef PROTO_ADDRESS_RACE_H
#define PROTO_ADDRESS_RACE_H

#include "base/monotime.h"

#include <postern/address.h>
#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_RACE_MAX 16
/* The Connection Attempt Delay that RFC 8305 §5 recommends. */
#define ADDRESS_RACE_DELAY_MS 250

struct address_race {
    size_t count;
    struct stun_address addresses[ADDRESS_RACE_MAX];
    struct monotime ends[ADDRESS_RACE_MAX]; /* of attempts under way; us 0: none */
    bool failed[ADDRESS_RACE_MAX];
    size_t begun;         /* attempts so far; the next address is this one */
    struct monotime next; /* when it may begin */
    int64_t patience_ms;
};

/* `addresses`: as the resolver has sorted them; those beyond ADDRESS_RACE_MAX do not count.
 * `patience_ms`: for each attempt. */
void address_race_begin(struct address_race *race, struct monotime now,
                        const struct stun_address *addresses, size_t count, int64_t patience_ms);
/* Whether an attempt at addresses[*place] is to begin now. */
bool address_race_next(struct address_race *race, struct monotime now, size_t *place);
/* Whether the attempt at addresses[*place] has taken too long: it is to end, and counts as failed.
 */
bool address_race_expired(struct address_race *race, struct monotime now, size_t *place);
/* That attempt has failed: the next may begin at once. */
void address_race_failed(struct address_race *race, struct monotime now, size_t place);
/* That attempt has won: no other begins. */
void address_race_won(struct address_race *race, size_t place);
/* What has won is of no use after all, and fails: those that had not failed before are tried again,
 * at once. */
void address_race_resume(struct address_race *race, struct monotime now, size_t place);
/* All have failed, or there was none. */
bool address_race_is_lost(const struct address_race *race);
struct monotime address_race_due(const struct address_race *race);

#endif
