/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Relayed ports that EVEN-PORT has set aside, and the tokens that fetch them (RFC 8656 §7.2,
 * §18.9). One table serves all workers of a process, since the two requests of a pair may arrive at
 * different ones; it is lock-free. Whoever takes a reservation out of the table owns its port: the
 * request with the token, or the allocation that made it when time is over. So there is no clock
 * here.
 */
#ifndef TURN_RESERVATION_H
#define TURN_RESERVATION_H

#include <postern/address.h>
#include <stdbool.h>
#include <stdint.h>

#define RESERVATION_TOKEN_NONE 0

struct reservation_table;

struct reservation_table *reservation_table_new(void);        /* NULL when memory is out */
void reservation_table_free(struct reservation_table *table); /* NULL is allowed */

/*
 * Sets `relayed` aside; `random` is 64 unpredictable bits. Returns the token, or
 * RESERVATION_TOKEN_NONE when the table is full.
 */
uint64_t reservation_put(struct reservation_table *table, uint64_t random,
                         const struct stun_address *relayed);
/* Takes the port out of the table; it now is the caller's. Returns false when nothing is there. */
bool reservation_take(struct reservation_table *table, uint64_t token,
                      struct stun_address *relayed);

#endif
