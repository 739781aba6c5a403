/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A NAT or firewall between two networks, as a table of flows: who inside spoke with whom outside,
 * and by which port of the box. What kinds of routers do with it are switches.
 */
#ifndef SIM_ICE_BOX_H
#define SIM_ICE_BOX_H

#include "base/monotime.h"

#include <postern/address.h>
#include <stdbool.h>
#include <stddef.h>

enum box_dependence {
    BOX_ENDPOINT_INDEPENDENT,
    BOX_ADDRESS_DEPENDENT,
    BOX_ADDRESS_AND_PORT_DEPENDENT,
};

enum box_ports {
    BOX_PORTS_RANDOM,
    BOX_PORTS_PRESERVED, /* that of the newest flow from there, or as inside, where no other flow
                          * with the same remote has it (Linux) */
    BOX_PORTS_SEQUENTIAL,
};

struct box_kind {
    const char *name;
    bool translates; /* false: a firewall; IPv6 is never translated */
    enum box_dependence mapping, filtering;
    enum box_ports ports;
    bool hairpin;
    /* Packets that nobody inside asked for reach the router itself, which makes a flow of them: the
     * port is taken then (Linux, where INPUT accepts). */
    bool input_accepts;
    bool blocks_udp;
};

#define BOX_FLOWS_MAX 2048

struct box_flow {
    struct stun_address inside, remote, outside; /* inside: family NONE for the router itself */
    struct monotime used;
};

struct box {
    const struct box_kind *kind;
    struct stun_address address; /* outside; port 0 */
    int64_t lifetime_ms;         /* of a flow without traffic */
    uint16_t next_port;
    uint64_t *seed;
    struct box_flow flows[BOX_FLOWS_MAX];
    size_t flow_count;
    unsigned poisoned; /* flows of the router itself that were made */
};

void box_init(struct box *box, const struct box_kind *kind, const struct stun_address *address,
              int64_t lifetime_ms, uint64_t *seed);
/* A packet goes out: `*source` becomes what is seen outside. False: it does not. */
bool box_out(struct box *box, struct monotime now, struct stun_address *source,
             const struct stun_address *remote);

enum box_verdict {
    BOX_PASSES,
    BOX_DROPS,
    BOX_REFUSES, /* the router itself says that nobody listens (ICMP) */
};
/* A packet comes in: `*target` becomes who inside it is for. */
enum box_verdict box_in(struct box *box, struct monotime now, const struct stun_address *remote,
                        struct stun_address *target);
/* Forgets all flows, as a router does that is switched off and on. */
void box_forget(struct box *box);

#endif
