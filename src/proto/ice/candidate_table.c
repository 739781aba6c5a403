/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/ice/ice_internal.h"

#include "base/address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LEARNT_MAX 16

/* RFC 8445 §5.1.2.1, with the values that §5.1.2.2 recommends. */
uint32_t ice_priority(enum ice_candidate_type type, uint16_t local_preference)
{
    static const uint32_t preferences[] = {
        [ICE_HOST] = 126,
        [ICE_PEER_REFLEXIVE] = 110,
        [ICE_SERVER_REFLEXIVE] = 100,
        [ICE_RELAYED] = 0,
    };
    return preferences[type] << 24 | (uint32_t)local_preference << 8 | 255u;
}

/* ---- addresses ------------------------------------------------------------------------------- */

static bool is_special_ipv4(const uint8_t *ip)
{
    return ip[0] == 0 || ip[0] == 10 || ip[0] == 127 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
           (ip[0] == 192 && ip[1] == 168) || (ip[0] == 169 && ip[1] == 254) ||
           (ip[0] == 100 && (ip[1] & 0xc0) == 64) || ip[0] >= 224;
}

bool ice_address_is_link_local(const struct stun_address *address)
{
    const uint8_t *ip = address->ip;
    return address->family == STUN_FAMILY_IPV6 && ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

bool ice_address_is_public(const struct stun_address *address)
{
    const uint8_t *ip = address->ip;
    if (address->family == STUN_FAMILY_IPV4) {
        return !is_special_ipv4(ip);
    }
    return address->family == STUN_FAMILY_IPV6 && ip[0] != 0xff && (ip[0] & 0xfe) != 0xfc &&
           !ice_address_is_link_local(address) && !address_is_loopback(address) &&
           !address_is_unspecified(address);
}

bool ice_address_is_host(const struct stun_address *address)
{
    const uint8_t *ip = address->ip;
    if (address->port == 0 || address_is_unspecified(address)) {
        return false;
    }
    if (address->family == STUN_FAMILY_IPV4) {
        return ip[0] != 0 && ip[0] < 224;
    }
    return address->family == STUN_FAMILY_IPV6 && ip[0] != 0xff;
}

/* ---- bases ----------------------------------------------------------------------------------- */

/* The lowest three bits let families take turns among interfaces of one preference, and the first
 * IPv6 address begin (RFC 8421 §4). */
static uint16_t local_preference(const struct ice_agent *agent, const struct stun_address *address,
                                 uint16_t preference, bool relayed)
{
    unsigned turn = address->family == STUN_FAMILY_IPV4 ? 1 : 0;
    for (size_t i = 0; i < ICE_BASES_MAX; i++) {
        const struct ice_base *base = &agent->bases[i];
        if (base->in_use && (base->relay != NULL) == relayed &&
            base->local_preference >> 3 == preference >> 3 &&
            base->address.family == address->family) {
            turn += 2;
        }
    }
    return (uint16_t)((preference & ~7u) | (turn > 7 ? 0 : 7 - turn));
}

int ice_base_add(struct ice_agent *agent, uint32_t via, const struct stun_address *address,
                 uint16_t preference, struct ice_relay *relay, uint8_t server_transport)
{
    for (int i = 0; i < ICE_BASES_MAX; i++) {
        struct ice_base *base = &agent->bases[i];
        if (base->in_use) {
            continue;
        }
        *base = (struct ice_base){
            .relay = relay,
            .via = via,
            .address = *address,
            .server_transport = server_transport,
            .told = MONOTIME_NEVER,
        };
        base->local_preference = local_preference(agent, address, preference, relay != NULL);
        base->in_use = true;
        return i;
    }
    return -ENOSPC;
}

int ice_base_of_via(const struct ice_agent *agent, uint32_t via)
{
    for (int i = 0; i < ICE_BASES_MAX; i++) {
        const struct ice_base *base = &agent->bases[i];
        if (base->in_use && base->relay == NULL && base->via == via) {
            return i;
        }
    }
    return ICE_NONE;
}

void ice_base_lost(struct ice_agent *agent, struct monotime now, int base, struct outbox *outbox)
{
    for (int i = 0; i < ICE_PAIRS_MAX; i++) {
        if (agent->pairs[i].in_use && agent->pairs[i].base == base) {
            ice_pair_drop(agent, now, i);
        }
    }
    for (size_t i = 0; i < ICE_LOCALS_MAX; i++) {
        if (agent->locals[i].base == base) {
            agent->locals[i].in_use = false;
        }
    }
    agent->bases[base].in_use = false;
    ice_old_forget_base(agent, base);
    ice_early_forget_base(agent, base);
    ice_run(agent, now, outbox);
}

/* ---- local ----------------------------------------------------------------------------------- */

int ice_local_find(const struct ice_agent *agent, int base, const struct stun_address *address)
{
    for (int i = 0; i < ICE_LOCALS_MAX; i++) {
        const struct ice_local *local = &agent->locals[i];
        if (local->in_use && local->base == base && address_equal(&local->address, address)) {
            return i;
        }
    }
    return ICE_NONE;
}

int ice_local_of_base(const struct ice_agent *agent, int base)
{
    return ice_local_find(agent, base, &agent->bases[base].address);
}

static int free_local(const struct ice_agent *agent)
{
    for (int i = 0; i < ICE_LOCALS_MAX; i++) {
        if (!agent->locals[i].in_use) {
            return i;
        }
    }
    return ICE_NONE;
}

/* RFC 8445 §5.1.1.3: one foundation for what shares type, base IP, server and transport. */
static uint16_t choose_foundation(struct ice_agent *agent, const struct ice_local *local)
{
    const struct stun_address *ip = &agent->bases[local->base].address;
    for (size_t i = 0; i < ICE_LOCALS_MAX; i++) {
        const struct ice_local *other = &agent->locals[i];
        if (other->in_use && other->type == local->type &&
            address_equal_ip(&agent->bases[other->base].address, ip) &&
            address_equal_ip(&other->server, &local->server) &&
            other->server_transport == local->server_transport) {
            return other->foundation;
        }
    }
    return ++agent->next_foundation;
}

static int store_local(struct ice_agent *agent, int base, const struct ice_local_source *source)
{
    int index = free_local(agent);
    if (index == ICE_NONE) {
        return ICE_NONE;
    }
    struct ice_local *local = &agent->locals[index];
    *local = (struct ice_local){
        .base = (uint8_t)base,
        .type = source->type,
        .address = source->address,
        .related = source->related,
        .priority = ice_priority(source->type, agent->bases[base].local_preference),
        .server = source->server,
        .server_transport = source->server_transport,
    };
    local->foundation = choose_foundation(agent, local);
    local->in_use = true;
    return index;
}

static bool is_shown(const struct ice_agent *agent, const struct ice_local *local)
{
    if (local->type == ICE_PEER_REFLEXIVE || (agent->setup.lite && local->type != ICE_HOST)) {
        return false;
    }
    return agent->setup.relay == ICE_RELAY_ALLOWED ||
           (agent->setup.relay == ICE_RELAY_ONLY) == (local->type == ICE_RELAYED);
}

/* A related address would give away what ICE_RELAY_ONLY hides: RFC 8839 §5.1 then says all zero. */
static void describe_local(const struct ice_agent *agent, const struct ice_local *local,
                           struct ice_endpoint *out)
{
    *out = (struct ice_endpoint){
        .type = local->type,
        .address = local->address,
        .related = local->related,
        .priority = local->priority,
    };
    snprintf(out->foundation, sizeof out->foundation, "%u", local->foundation);
    if (agent->setup.relay == ICE_RELAY_ONLY && out->related.family != STUN_FAMILY_NONE) {
        out->related = (struct stun_address){.family = local->address.family};
    }
}

static void tell(struct ice_agent *agent, struct monotime now, const struct ice_local *local)
{
    struct ice_event_entry *entry = ice_event_add(agent, ICE_LOCAL_CANDIDATE);
    describe_local(agent, local, &entry->local);
    agent->bases[local->base].told = now;
    agent->described = monotime_earlier(agent->described, now);
    ice_checklist_review_openers(agent, now);
}

int ice_local_add(struct ice_agent *agent, struct monotime now, int base,
                  const struct ice_local_source *source, struct outbox *outbox)
{
    if (ice_local_find(agent, base, &source->address) != ICE_NONE) {
        return ICE_NONE;
    }
    int index = store_local(agent, base, source);
    if (index == ICE_NONE) {
        return ICE_NONE;
    }
    struct ice_local *local = &agent->locals[index];
    if (local->type == ICE_SERVER_REFLEXIVE) {
        agent->bases[base].mappings++;
    }
    if (!is_shown(agent, local)) {
        return index;
    }
    tell(agent, now, local);
    if (local->type == ICE_HOST || local->type == ICE_RELAYED) {
        ice_checklist_pair_base(agent, now, base, outbox);
        ice_run(agent, now, outbox);
    }
    return index;
}

/* A peer may say anything: what it makes us learn leaves room for what servers find. */
static bool may_learn(const struct ice_agent *agent)
{
    unsigned learnt = 0;
    for (size_t i = 0; i < ICE_LOCALS_MAX; i++) {
        learnt += agent->locals[i].in_use && agent->locals[i].type == ICE_PEER_REFLEXIVE;
    }
    return learnt < LEARNT_MAX;
}

int ice_local_learn(struct ice_agent *agent, int base, const struct stun_address *address)
{
    if (!may_learn(agent)) {
        return ICE_NONE;
    }
    const struct ice_local_source source = {
        .type = ICE_PEER_REFLEXIVE,
        .address = *address,
        .related = agent->bases[base].address,
    };
    return store_local(agent, base, &source);
}

void ice_local_tell_all(struct ice_agent *agent, struct monotime now)
{
    for (size_t i = 0; i < ICE_LOCALS_MAX; i++) {
        if (agent->locals[i].in_use && is_shown(agent, &agent->locals[i])) {
            tell(agent, now, &agent->locals[i]);
        }
    }
    if (agent->gathering_ended) {
        ice_event_add(agent, ICE_GATHERED);
    }
}

bool ice_base_is_paired(const struct ice_agent *agent, int base)
{
    int local = ice_local_of_base(agent, base);
    return local != ICE_NONE && is_shown(agent, &agent->locals[local]);
}

void ice_local_describe(const struct ice_agent *agent, int base, int mapped,
                        struct ice_endpoint *out)
{
    int index = mapped != ICE_NONE ? mapped : ice_local_of_base(agent, base);
    if (index != ICE_NONE && agent->locals[index].in_use) {
        describe_local(agent, &agent->locals[index], out);
        return;
    }
    *out = (struct ice_endpoint){
        .type = agent->bases[base].relay != NULL ? ICE_RELAYED : ICE_HOST,
        .address = agent->bases[base].address,
    };
    out->priority = ice_priority(out->type, agent->bases[base].local_preference);
    out->foundation[0] = '0';
}

/* ---- remote ---------------------------------------------------------------------------------- */

int ice_remote_find(const struct ice_agent *agent, const struct stun_address *address)
{
    for (int i = 0; i < ICE_REMOTES_MAX; i++) {
        const struct ice_remote *remote = &agent->remotes[i];
        if (remote->in_use && address_equal(&remote->address, address)) {
            return i;
        }
    }
    return ICE_NONE;
}

static int free_remote(const struct ice_agent *agent)
{
    for (int i = 0; i < ICE_REMOTES_MAX; i++) {
        if (!agent->remotes[i].in_use) {
            return i;
        }
    }
    return -ENOSPC;
}

static bool is_worn_out(const struct ice_agent *agent, int remote)
{
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        if (pair->in_use && pair->remote == remote && (pair->valid || pair->state != PAIR_FAILED)) {
            return false;
        }
    }
    return agent->remotes[remote].type == ICE_PEER_REFLEXIVE;
}

/* A peer whose translator changes its port again and again leaves dead candidates behind. */
static int reuse_remote(struct ice_agent *agent, struct monotime now)
{
    for (int i = 0; i < ICE_REMOTES_MAX; i++) {
        if (is_worn_out(agent, i)) {
            ice_remote_drop(agent, now, i);
            return i;
        }
    }
    return -ENOSPC;
}

void ice_remote_drop(struct ice_agent *agent, struct monotime now, int index)
{
    for (int i = 0; i < ICE_PAIRS_MAX; i++) {
        if (agent->pairs[i].in_use && agent->pairs[i].remote == index) {
            ice_pair_drop(agent, now, i);
        }
    }
    agent->remotes[index].in_use = false;
}

int ice_remote_learn(struct ice_agent *agent, struct monotime now,
                     const struct stun_address *address, uint32_t priority)
{
    int index = free_remote(agent);
    if (index < 0) {
        index = reuse_remote(agent, now);
    }
    if (index < 0) {
        return index;
    }
    struct ice_remote *remote = &agent->remotes[index];
    *remote = (struct ice_remote){
        .in_use = true, .type = ICE_PEER_REFLEXIVE, .address = *address, .priority = priority};
    /* RFC 8445 §7.3.1.3: a foundation different from all others. */
    snprintf(remote->foundation, sizeof remote->foundation, "learnt/%d", index);
    return index;
}

static uint32_t hash_ufrag(const char *ufrag)
{
    uint32_t hash = 2166136261u; /* FNV-1a: tells sessions apart, keeps nobody out */
    for (; *ufrag != '\0'; ufrag++) {
        hash = (hash ^ (uint8_t)*ufrag) * 16777619u;
    }
    return hash | 1u;
}

bool ice_remote_is_current(const struct ice_agent *agent, const struct ice_remote *remote)
{
    return remote->ufrag_hash == 0 || !agent->has_remote ||
           remote->ufrag_hash == hash_ufrag(agent->remote.ufrag);
}

/* A candidate that a check had shown before keeps its pairs and gets what the peer says of it. */
int ice_remote_candidate(struct ice_agent *agent, struct monotime now,
                         const struct ice_candidate *candidate, struct outbox *outbox)
{
    struct ice_remote remote = {
        .in_use = true,
        .type = candidate->type,
        .address = candidate->address,
        .related = candidate->related,
        .priority = candidate->priority,
        .ufrag_hash = candidate->ufrag[0] == '\0' ? 0 : hash_ufrag(candidate->ufrag),
    };
    if (candidate->transport != ICE_UDP || candidate->component != 1 ||
        agent->state == ICE_STATE_CLOSED || !ice_remote_is_current(agent, &remote)) {
        return 0;
    }
    if (!ice_address_is_host(&candidate->address) || candidate->priority == 0) {
        return -EINVAL;
    }
    memcpy(remote.foundation, candidate->foundation, sizeof remote.foundation);
    int index = ice_remote_find(agent, &candidate->address);
    bool known = index != ICE_NONE;
    if (!known && (index = free_remote(agent)) < 0) {
        return index;
    }
    agent->remotes[index] = remote;
    if (known) {
        ice_pair_prioritize(agent);
    }
    ice_checklist_pair_remote(agent, now, index, outbox);
    ice_run(agent, now, outbox);
    return 0;
}
