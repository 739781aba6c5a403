/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which relayed ports are in use. One pool serves all workers of a process: a bit a port and
 * address, taken and given back by atomic operations, so that any worker can also ask whether a
 * port is a live relay of this server. It opens nothing.
 */
#ifndef TURN_PORT_POOL_H
#define TURN_PORT_POOL_H

#include <postern/address.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct port_pool;

/*
 * A pool of the ports min..max (1..65535) on each of `addresses` (copied; all different; ports are
 * not looked at). Returns NULL when memory is out.
 */
struct port_pool *port_pool_new(const struct stun_address *addresses, size_t count, uint16_t min,
                                uint16_t max);
void port_pool_free(struct port_pool *pool); /* NULL is allowed */

enum port_parity {
    PORT_ANY,
    PORT_EVEN,      /* EVEN-PORT without reservation */
    PORT_EVEN_PAIR, /* takes the next higher port too */
};

/*
 * Takes a free port on an address of the family, beginning at the place that `random` picks, so
 * that ports are not guessable (RFC 6056) as long as `random` is not. The IP `preferred` comes
 * first if the pool has it; NULL: none does. Returns true and fills `out`, or false when nothing is
 * free.
 */
bool port_pool_take(struct port_pool *pool, uint8_t family, enum port_parity parity,
                    const struct stun_address *preferred, uint64_t random,
                    struct stun_address *out);
/* Gives back one port, which must be taken; the two of a pair are given back one by one. */
void port_pool_give_back(struct port_pool *pool, const struct stun_address *relayed);
/* Says of a port that is taken whether a relay listens there for TCP, instead of being a UDP port.
 */
void port_pool_set_listening(struct port_pool *pool, const struct stun_address *relayed,
                             bool listening);
/* Whether a relay of this process listens there for TCP now. */
bool port_pool_is_listening(const struct port_pool *pool, const struct stun_address *address);
/* Whether this is a relayed UDP port that an allocation of this process holds now. */
bool port_pool_is_live(const struct port_pool *pool, const struct stun_address *address);
/* Whether the pool has an address of the family. */
bool port_pool_has_family(const struct port_pool *pool, uint8_t family);

#endif
