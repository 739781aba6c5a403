/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two ICE agents and a network of a few lines on virtual time: every packet takes `delay_us`,
 * unless the test's `route` drops it, changes its addresses, or answers in place of somebody.
 */
#ifndef TESTS_UNIT_SMALL_WORLD_H
#define TESTS_UNIT_SMALL_WORLD_H

#include "machine_test.h"

#include "proto/ice/ice.h"

#define WORLD_PACKETS 1024
#define WORLD_PACKET_SIZE 1500
#define WORLD_SOCKETS 8
#define WORLD_EVENTS 512
#define WORLD_CANDIDATES 64
#define WORLD_ROOM 64

struct small_world;

struct world_packet {
    struct monotime when;
    uint64_t order;
    int sender;
    struct stun_address from, to;
    uint8_t hops;
    uint32_t size;
    uint8_t bytes[WORLD_PACKET_SIZE];
};

struct world_side {
    struct small_world *world;
    struct ice_agent *agent;
    struct outbox outbox;
    struct stun_address sockets[WORLD_SOCKETS]; /* by via */
    bool down[WORLD_SOCKETS];                   /* nothing goes in or out */
    size_t socket_count;
    struct ice_event events[WORLD_EVENTS];
    struct monotime event_times[WORLD_EVENTS];
    size_t event_count;
    struct ice_candidate candidates[WORLD_CANDIDATES];
    size_t candidate_count;
    unsigned data_received;
    char last_data[64];
};

struct small_world {
    struct monotime now;
    uint64_t seed;
    int64_t delay_us;
    unsigned loss_percent;
    struct stun_crypto *crypto;
    struct world_side sides[2];
    struct world_packet packets[WORLD_PACKETS];
    size_t packet_count;
    uint64_t order;
    unsigned sent[2];
    /* NULL: all pass. May change the packet; false drops it. */
    bool (*route)(struct small_world *world, struct world_packet *packet);
    void *context;
};

/* Defaults of the setup of side 0 (controlling) or 1. */
struct ice_setup world_setup(struct small_world *world, int side);
void world_init(struct small_world *world);
void world_free(struct small_world *world);
void world_make(struct small_world *world, int side, const struct ice_setup *setup);
/* A socket with a host candidate; its via is its index. */
void world_add_socket(struct small_world *world, int side, const char *address,
                      uint16_t preference);
/* Two agents, full, a socket each: 192.0.2.1:1000 and 192.0.2.2:2000. */
void world_pair(struct small_world *world);
/* What one side's description says, to the other: credentials, or all candidates so far. */
void world_tell_credentials(struct small_world *world, int from, bool lite);
void world_tell_candidates(struct small_world *world, int from);
void world_tell(struct small_world *world, int from);
/* Sends what waits, drains events. */
void world_settle(struct small_world *world, int side);
void world_run_ms(struct small_world *world, int64_t ms);
/* Until that side has had the event (for the `nth` time, from 1), or `ms` are over. */
bool world_run_until(struct small_world *world, int side, enum ice_event_type type, unsigned nth,
                     int64_t ms);
unsigned world_count(const struct small_world *world, int side, enum ice_event_type type);
const struct ice_event *world_last(const struct small_world *world, int side,
                                   enum ice_event_type type);
/* A packet of the test's own, that arrives after the delay. */
void world_inject(struct small_world *world, int sender, const struct stun_address *from,
                  const struct stun_address *to, const uint8_t *bytes, size_t size);
int world_send(struct small_world *world, int side, const char *text);
/* Both send and get a text by what is in use. */
void world_assert_data(struct small_world *world);

#endif
