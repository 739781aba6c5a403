/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session before a restart (RFC 8445 §9): its pair carries our data until the new session has
 * one. The peer may restart at another time than we do, or again, so whatever it still sends by a
 * way that the old session had proved is taken, and its checks are answered, for a while.
 *
 * A way that works is not left for the first that answers, which is mostly a relay, but for the one
 * that is nominated.
 */
#include "proto/ice/ice_internal.h"

#include "base/address.h"

#define HOLD_US (3 * MONOTIME_SECOND)
#define HEARD_US (30 * MONOTIME_SECOND)

static bool is_known(const struct ice_agent *agent, int base, const struct stun_address *address)
{
    for (size_t i = 0; i < agent->old_way_count; i++) {
        if (agent->old_ways[i].base == base &&
            address_equal(&agent->old_ways[i].address, address)) {
            return true;
        }
    }
    return false;
}

static void keep_way(struct ice_agent *agent, const struct ice_pair *pair)
{
    const struct stun_address *address = &agent->remotes[pair->remote].address;
    if (agent->old_way_count < ICE_OLD_WAYS_MAX && !is_known(agent, pair->base, address)) {
        agent->old_ways[agent->old_way_count++] =
            (struct ice_old_way){.base = pair->base, .address = *address};
    }
}

/* Of a session that was short the ones before count as well. */
static void keep_ways(struct ice_agent *agent, struct monotime now)
{
    if (monotime_reached(now, agent->old_heard_end) || agent->old_way_count == ICE_OLD_WAYS_MAX) {
        agent->old_way_count = 0;
    }
    if (agent->selected != ICE_NONE) {
        keep_way(agent, &agent->pairs[agent->selected]);
    }
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        if (pair->in_use && (pair->valid || pair->heard) && !pair->retired) {
            keep_way(agent, pair);
        }
    }
    agent->old_heard_end = monotime_add_us(now, HEARD_US);
}

void ice_old_keep(struct ice_agent *agent, struct monotime now)
{
    keep_ways(agent, now);
    if (agent->selected == ICE_NONE) {
        return;
    }
    agent->old_pair = agent->pairs[agent->selected];
    agent->old_peer = agent->remotes[agent->old_pair.remote];
    agent->old_local = agent->local;
    agent->has_old = true;
    agent->old_end = agent->both_lite ? monotime_add_ms(now, agent->setup.consent_ms)
                                      : ice_consent_expiry(agent, &agent->old_pair);
    bool works = agent->state == ICE_STATE_CONNECTED && !agent->old_pair.doubted;
    agent->old_hold_end = works ? monotime_add_us(now, HOLD_US) : MONOTIME_NEVER;
}

bool ice_old_knows(const struct ice_agent *agent, struct monotime now, int base,
                   const struct stun_address *address)
{
    return monotime_before(now, agent->old_heard_end) && is_known(agent, base, address);
}

bool ice_old_answers(const struct ice_agent *agent, struct monotime now)
{
    return agent->has_old || monotime_before(now, agent->old_heard_end);
}

bool ice_old_holds(const struct ice_agent *agent)
{
    return agent->has_old && !monotime_is_never(agent->old_hold_end);
}

void ice_old_forget_base(struct ice_agent *agent, int base)
{
    size_t kept = 0;
    if (agent->has_old && agent->old_pair.base == base) {
        agent->has_old = false;
    }
    for (size_t i = 0; i < agent->old_way_count; i++) {
        if (agent->old_ways[i].base != base) {
            agent->old_ways[kept++] = agent->old_ways[i];
        }
    }
    agent->old_way_count = kept;
}

void ice_old_tick(struct ice_agent *agent, struct monotime now)
{
    if (monotime_reached(now, agent->old_hold_end)) {
        agent->old_hold_end = MONOTIME_NEVER;
    }
    if (agent->has_old && monotime_reached(now, agent->old_end)) {
        agent->has_old = false;
    }
}

struct monotime ice_old_due(const struct ice_agent *agent)
{
    return agent->has_old ? monotime_earlier(agent->old_end, agent->old_hold_end) : MONOTIME_NEVER;
}
