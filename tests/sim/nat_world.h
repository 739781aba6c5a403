/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network on virtual time: sockets of one host behind one NAT, and a STUN server with two
 * addresses and two ports (RFC 5780), with delay and loss between. Everything that a NAT or a
 * server may do is a switch.
 */
#ifndef SIM_NAT_WORLD_H
#define SIM_NAT_WORLD_H

#include "base/monotime.h"
#include "base/outbox.h"

#include <postern/stun.h>

enum world_dependence {
    WORLD_ENDPOINT_INDEPENDENT,
    WORLD_ADDRESS_DEPENDENT,
    WORLD_ADDRESS_AND_PORT_DEPENDENT,
};

enum world_ports {
    WORLD_PORTS_RANDOM,
    WORLD_PORTS_PRESERVED, /* a random one where two mappings would share it */
    WORLD_PORTS_SEQUENTIAL,
};

struct world_nat {
    bool translates; /* false: a firewall that filters and leaves addresses alone */
    enum world_dependence mapping, filtering;
    enum world_ports ports;
    int port_delta;
    bool hairpin;
    int64_t lifetime_ms; /* of a mapping without traffic from inside; 0: for ever */
    bool inbound_refreshes;
    bool blocks; /* lets nothing out */
};

struct world_server {
    bool no_other_address, no_change, refuses_change, ignores_change; /* no_change: silent */
    bool other_silent;     /* nobody is at the other address */
    bool one_address;      /* two ports on one address */
    bool no_response_port; /* 420 */
    bool refuses;          /* answers everything with 500 */
    bool dead;
};

#define WORLD_MAPPINGS_MAX 512
#define WORLD_REMOTES_MAX 16
#define WORLD_PACKETS_MAX 512
#define WORLD_PACKET_SIZE_MAX 512

struct world_mapping {
    struct stun_address inside, key, outside;
    struct monotime used;
    struct stun_address remotes[WORLD_REMOTES_MAX]; /* to whom it was used */
    size_t remote_count;
};

struct world_packet {
    struct monotime when;
    uint64_t order;
    bool to_client;
    struct stun_address from, to; /* as seen outside the NAT */
    uint32_t size;
    uint8_t bytes[WORLD_PACKET_SIZE_MAX];
};

/* What is simulated against the world: a machine of ours. */
struct world_client {
    void *machine;
    bool (*input)(void *machine, struct monotime now, const struct flow *flow,
                  const struct packet *packet, struct outbox *outbox);
    void (*tick)(void *machine, struct monotime now, struct outbox *outbox);
    struct monotime (*due)(void *machine);
    bool (*finished)(void *machine);
    const struct stun_address *sockets; /* our addresses, by via */
    size_t socket_count;
};

struct world {
    uint64_t seed;
    struct monotime now;
    unsigned loss_percent; /* of each crossing */
    int64_t delay_min_us, delay_max_us;
    struct world_nat nat;
    struct world_server server;
    struct stun_address primary, other; /* the server's two addresses, each with its port */
    struct stun_address outside;        /* the NAT's */

    struct world_client client;
    struct outbox outbox;
    struct world_mapping mappings[WORLD_MAPPINGS_MAX];
    size_t mapping_count;
    uint16_t next_port;
    struct world_packet packets[WORLD_PACKETS_MAX];
    size_t packet_count;
    uint64_t order;
    unsigned sent; /* by the client */
};

/* A world without loss, 10 to 20 ms a way, an endpoint-independent NAT and a good server. */
void world_init(struct world *world, uint64_t seed);
uint64_t world_random(void *world);
/* Runs until the client has finished or `end` has come. Returns whether it has finished. */
bool world_run(struct world *world, struct monotime end);

#endif
