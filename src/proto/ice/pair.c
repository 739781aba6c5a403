/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/ice/ice_internal.h"

#include "base/address.h"

#include <string.h>

int ice_pair_find(const struct ice_agent *agent, int base, int remote)
{
    for (int i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        if (pair->in_use && pair->base == base && pair->remote == remote) {
            return i;
        }
    }
    return ICE_NONE;
}

static uint32_t base_priority(const struct ice_base *base)
{
    return ice_priority(base->relay != NULL ? ICE_RELAYED : ICE_HOST, base->local_preference);
}

/* RFC 8445 §6.1.2.3. */
static uint64_t pair_priority(const struct ice_agent *agent, int base, int remote)
{
    uint64_t ours = base_priority(&agent->bases[base]);
    uint64_t theirs = agent->remotes[remote].priority;
    uint64_t controlling = agent->role == ICE_CONTROLLING ? ours : theirs;
    uint64_t controlled = agent->role == ICE_CONTROLLING ? theirs : ours;
    uint64_t low = controlling < controlled ? controlling : controlled;
    uint64_t high = controlling < controlled ? controlled : controlling;
    return (low << 32) + 2 * high + (controlling > controlled ? 1 : 0);
}

void ice_pair_prioritize(struct ice_agent *agent)
{
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (pair->in_use) {
            pair->priority = pair_priority(agent, pair->base, pair->remote);
        }
    }
}

/*
 * RFC 8445 §6.1.2.2: one family, link-local only with link-local. Loopback stays with loopback: a
 * peer shall not point us at what listens on our own host. A relay is not for either.
 */
static bool may_pair(const struct ice_agent *agent, int base, int remote)
{
    const struct ice_base *ours = &agent->bases[base];
    const struct stun_address *theirs = &agent->remotes[remote].address;
    if (ours->address.family != theirs->family || !ice_base_is_paired(agent, base)) {
        return false;
    }
    if (ours->relay != NULL) {
        return !ice_address_is_link_local(theirs);
    }
    return ice_address_is_link_local(&ours->address) == ice_address_is_link_local(theirs) &&
           address_is_loopback(&ours->address) == address_is_loopback(theirs);
}

static int worst_pair(const struct ice_agent *agent)
{
    int worst = ICE_NONE;
    for (int i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        bool heard = (pair->heard || pair->remote_nominates) && pair->state != PAIR_FAILED;
        if (pair->valid || heard || i == agent->selected) {
            continue;
        }
        if (worst == ICE_NONE || pair->priority < agent->pairs[worst].priority) {
            worst = i;
        }
    }
    return worst;
}

/* A free row, or that of the worst pair when the new one is better. */
static int find_row(struct ice_agent *agent, struct monotime now, uint64_t priority)
{
    for (int i = 0; i < ICE_PAIRS_MAX; i++) {
        if (!agent->pairs[i].in_use) {
            return i;
        }
    }
    int worst = worst_pair(agent);
    if (worst == ICE_NONE || agent->pairs[worst].priority >= priority) {
        return ICE_NONE;
    }
    ice_pair_drop(agent, now, worst);
    return worst;
}

int ice_pair_add(struct ice_agent *agent, struct monotime now, int base, int remote,
                 struct outbox *outbox)
{
    if (!may_pair(agent, base, remote)) {
        return ICE_NONE;
    }
    uint64_t priority = pair_priority(agent, base, remote);
    int index = find_row(agent, now, priority);
    if (index == ICE_NONE) {
        return ICE_NONE;
    }
    struct ice_pair *pair = &agent->pairs[index];
    *pair = (struct ice_pair){
        .in_use = true,
        .base = (uint8_t)base,
        .remote = (uint8_t)remote,
        .priority = priority,
        .mapped = ICE_NONE,
        .rtt_us = -1,
        .created = now,
        .due = MONOTIME_NEVER,
        .answered = MONOTIME_NEVER,
        .heard_at = MONOTIME_NEVER,
        .sent_at = MONOTIME_NEVER,
        .nominated_at = MONOTIME_NEVER,
        .valid_since = MONOTIME_NEVER,
    };
    pair->state = ice_checklist_first_state(agent, pair);
    if (agent->bases[base].relay != NULL) {
        ice_relay_prepare(agent, now, base, &agent->remotes[remote].address, outbox);
    }
    return index;
}

void ice_pair_drop(struct ice_agent *agent, struct monotime now, int index)
{
    struct ice_pair *pair = &agent->pairs[index];
    pair->in_use = false;
    if (agent->selected == index) {
        agent->selected = ICE_NONE;
    }
    if (agent->carrier == index) {
        agent->carrier = ICE_NONE;
    }
    if (agent->bases[pair->base].relay != NULL) {
        ice_relay_forget(agent, now, pair->base, &agent->remotes[pair->remote].address);
    }
}

void ice_pair_describe(const struct ice_agent *agent, const struct ice_pair *pair,
                       struct ice_endpoint *local, struct ice_endpoint *remote)
{
    const struct ice_remote *peer = &agent->remotes[pair->remote];
    ice_local_describe(agent, pair->base, pair->mapped, local);
    *remote = (struct ice_endpoint){
        .type = peer->type,
        .address = peer->address,
        .related = peer->related,
        .priority = peer->priority,
    };
    memcpy(remote->foundation, peer->foundation, sizeof remote->foundation);
}

bool ice_pair_has_rival(const struct ice_agent *agent, const struct ice_pair *pair)
{
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *other = &agent->pairs[i];
        if (other->in_use && other->priority > pair->priority && !other->valid &&
            other->state != PAIR_FAILED) {
            return true;
        }
    }
    return false;
}
