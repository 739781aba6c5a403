/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the simulated world share.
 *
 *   ice_world.c           building, running, looking
 *   ice_world_events.c    what is to come, the earliest first; chance
 *   ice_world_network.c   the way of a packet, and the server
 *   ice_world_host.c      what a host's shell does for its agent, and the rendezvous
 */
#ifndef SIM_ICE_WORLD_INTERNAL_H
#define SIM_ICE_WORLD_INTERNAL_H

#include "tests/sim/ice_world.h"

#define SERVER_IPV4 "192.0.2.1:3478"
#define SERVER_IPV6 "[2001:db8::1]:3478"
#define DEAD_SERVER "192.0.2.99:3478"
#define VIA_CONNECTION 100 /* a host's handles of connections begin here */

enum place_type {
    PLACE_NONE,
    PLACE_HOST,
    PLACE_BOX,
    PLACE_SERVER,
};

struct place {
    enum place_type type;
    int index;
};

struct stun_address world_address(const char *text);
struct stun_address world_connection_address(int host); /* as the server sees it; port 0 */
int64_t world_between(struct world *world, int64_t low, int64_t high);
bool world_percent(struct world *world, unsigned value);
struct world_event *world_add_event(struct world *world, enum world_event_type type,
                                    struct monotime when);
struct world_event *world_take_event(struct world *world);
void world_free_event(struct world_event *event);
void world_give_bytes(struct world_event *event, const uint8_t *bytes, uint32_t size);
bool world_is_server(const struct stun_address *ip);
struct place world_find_place(const struct world *world, int network,
                              const struct stun_address *ip);
void world_send_from_host(struct world *world, int index, const struct stun_address *socket,
                          const struct stun_address *to, int hops, const uint8_t *bytes,
                          uint32_t size);
void world_put_frame(struct world *world, enum world_event_type type, int connection,
                     const uint8_t *bytes, uint32_t size);
void world_server_catches_up(struct world *world);
void world_server_sends(struct world *world);
struct flow world_server_flow(const struct world_connection *connection);
void world_host_flush(struct outbox *outbox, void *context);
uint32_t world_via(int host, size_t socket);
void world_tell(struct world *world, int host, enum world_event_type type,
                const struct ice_candidate *candidate);
/* ICE begins anew: what is found from now on is kept until it is described. */
void world_begin_session(struct world *world, int index);
void world_describe(struct world *world, int index, bool is_offer);
void world_give(struct world *world, int index, const struct flow *flow, const uint8_t *bytes,
                uint32_t size);
void world_start_host(struct world *world, int index);
void world_send_data(struct world *world, int index);
void world_happen(struct world *world, const struct world_event *event);
void world_connection_made(struct world *world, const struct world_event *event);
void world_signal(struct world *world, const struct world_event *event);

#endif
