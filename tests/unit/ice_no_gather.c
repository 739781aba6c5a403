/* SPDX-License-Identifier: BSD-3-Clause */
/* Host candidates. */
#include "proto/ice/ice_internal.h"

#include <errno.h>
#include <stdlib.h>

struct ice_gather {
    bool complete;
};

struct ice_gather *ice_gather_new(void)
{
    return calloc(1, sizeof(struct ice_gather));
}

void ice_gather_free(struct ice_gather *gather)
{
    free(gather);
}

void ice_gather_close(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    (void)now;
    (void)outbox;
    ice_event_add(agent, ICE_CLOSED);
}

int ice_add_socket(struct ice_agent *agent, struct monotime now, uint32_t via,
                   const struct stun_address *local, uint16_t preference, struct outbox *outbox)
{
    int base = ice_base_add(agent, via, local, preference, NULL, TRANSPORT_UDP);
    if (base < 0) {
        return base;
    }
    const struct ice_local_source source = {.type = ICE_HOST, .address = *local};
    ice_local_add(agent, now, base, &source, outbox);
    return 0;
}

void ice_socket_lost(struct ice_agent *agent, struct monotime now, uint32_t via,
                     struct outbox *outbox)
{
    int base = ice_base_of_via(agent, via);
    if (base != ICE_NONE) {
        ice_base_lost(agent, now, base, outbox);
    }
}

int ice_add_server(struct ice_agent *agent, struct monotime now, const struct ice_server *server,
                   struct outbox *outbox)
{
    (void)agent;
    (void)now;
    (void)server;
    (void)outbox;
    return -ENOSPC;
}

void ice_server_connected(struct ice_agent *agent, struct monotime now, uint32_t request,
                          uint32_t via, const struct stun_address *local, struct outbox *outbox)
{
    (void)agent;
    (void)now;
    (void)request;
    (void)via;
    (void)local;
    (void)outbox;
}

void ice_server_lost(struct ice_agent *agent, struct monotime now, uint32_t request,
                     struct outbox *outbox)
{
    (void)agent;
    (void)now;
    (void)request;
    (void)outbox;
}

void ice_gathering_complete(struct ice_agent *agent, struct monotime now)
{
    (void)now;
    if (!agent->gathering_ended) {
        agent->gathering_ended = true;
        ice_event_add(agent, ICE_GATHERED);
    }
}

enum ice_input ice_gather_input(struct ice_agent *agent, struct monotime now,
                                const struct flow *flow, struct packet *packet, struct packet *data,
                                struct outbox *outbox, bool *taken)
{
    (void)agent;
    (void)now;
    (void)flow;
    (void)packet;
    (void)data;
    (void)outbox;
    *taken = false;
    return ICE_INPUT_NOT_OURS;
}

void ice_gather_tick(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    (void)agent;
    (void)now;
    (void)outbox;
}

struct monotime ice_gather_due(const struct ice_agent *agent)
{
    (void)agent;
    return MONOTIME_NEVER;
}

void ice_relay_prepare(struct ice_agent *agent, struct monotime now, int base,
                       const struct stun_address *remote, struct outbox *outbox)
{
    (void)agent;
    (void)now;
    (void)base;
    (void)remote;
    (void)outbox;
}

bool ice_relay_is_ready(const struct ice_agent *agent, int base, const struct stun_address *remote)
{
    (void)agent;
    (void)base;
    (void)remote;
    return false;
}

void ice_relay_prefer(struct ice_agent *agent, struct monotime now, int base,
                      const struct stun_address *remote, struct outbox *outbox)
{
    (void)agent;
    (void)now;
    (void)base;
    (void)remote;
    (void)outbox;
}

void ice_relay_forget(struct ice_agent *agent, struct monotime now, int base,
                      const struct stun_address *remote)
{
    (void)agent;
    (void)now;
    (void)base;
    (void)remote;
}

int ice_relay_send(struct ice_agent *agent, struct monotime now, int base,
                   const struct stun_address *remote, struct packet *packet, struct outbox *outbox)
{
    (void)agent;
    (void)now;
    (void)base;
    (void)remote;
    (void)packet;
    (void)outbox;
    return -ENOTCONN;
}
