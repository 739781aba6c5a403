/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Relayed ports that several allocations of a worker have together, for hosts that cannot open many
 * (setup.shared_ports). Whose a datagram is, its peer's IP tells: so each IP belongs to one
 * allocation a port, the one that has a permission for it. A second one that wants a permission is
 * refused; the RFC knows no such thing, and the manual says so.
 */
#ifndef TURN_SHARED_PORT_H
#define TURN_SHARED_PORT_H

#include "turnserver/turn/allocation.h"

struct shared_port {
    struct shared_port *next;
    struct stun_address relayed;
    uint32_t via;
    uint32_t references;    /* allocations that have it */
    struct hash_map claims; /* by the peer's IP */
};

/* An IP that belongs to a port of an allocation. */
struct shared_claim {
    struct hash_node by_ip;
    struct stun_address peer; /* port 0 */
    struct relay_port *owner;
    struct shared_claim *next; /* of the same owner */
};

/* How many ports of that family are open here. */
size_t shared_port_count(const struct turn_server *server, uint8_t family);
/* Shares from now on the port that was opened, and which the caller has. Returns false when memory
 * is out. */
bool shared_port_add(struct turn_server *server, struct relay_opened *opened);
/* The port of that family that fewest have, which the caller then has as well. Returns false when
 * there is none. */
bool shared_port_join(struct turn_server *server, uint8_t family, struct relay_opened *opened);
/* The last one to leave it closes it. */
void shared_port_leave(struct turn_server *server, struct shared_port *shared);

/* To whom a datagram from `peer` belongs, or NULL. */
struct relay_port *shared_port_owner(struct turn_server *server, uint32_t via,
                                     const struct stun_address *peer);
/* Makes the peer's IP the port's. Returns false when it is another one's who has a permission for
 * it, or memory is out. */
bool shared_port_claim(struct monotime now, struct relay_port *port,
                       const struct stun_address *peer);
/* When it has claimed more than `max`: gives up what it has no permission for, of requests that
 * were refused and of permissions that are over. */
void shared_port_tidy(struct monotime now, struct relay_port *port, size_t max);
/* Gives up all that the port has claimed. */
void shared_port_forget(struct relay_port *port);

#endif
