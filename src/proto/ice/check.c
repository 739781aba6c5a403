/* SPDX-License-Identifier: BSD-3-Clause */
/* Connectivity checks out, and what answers them (RFC 8445 §7.2). Those of the peer: check_in.c. */
#include "proto/ice/ice_internal.h"

#include "base/address.h"

#include <stdio.h>
#include <string.h>

/* USERNAME is the largest: 516 bytes with its padding. */
#define CHECK_SIZE_MAX 900

/* ---- out ------------------------------------------------------------------------------------- */

static struct ice_attempt *newest_attempt(struct ice_pair *pair)
{
    return &pair->attempts[(pair->attempt_next + ICE_ATTEMPTS_MAX - 1) % ICE_ATTEMPTS_MAX];
}

/* A lite peer knows but the nomination that came to it last, which may be one that another has
 * overtaken: each check of the pair in use says it again. */
static bool nominates(const struct ice_agent *agent, const struct ice_pair *pair)
{
    bool again = agent->remote_lite && pair->nominated && agent->selected != ICE_NONE &&
                 pair == &agent->pairs[agent->selected];
    return agent->role == ICE_CONTROLLING && (pair->nominate || again);
}

static struct ice_attempt *new_attempt(struct ice_agent *agent, struct monotime now,
                                       struct ice_pair *pair)
{
    struct ice_attempt *attempt = &pair->attempts[pair->attempt_next];
    pair->attempt_next = (uint8_t)((pair->attempt_next + 1) % ICE_ATTEMPTS_MAX);
    *attempt = (struct ice_attempt){
        .in_use = true,
        .controlling = agent->role == ICE_CONTROLLING,
        .nominates = nominates(agent, pair),
        .tie_breaker = agent->tie_breaker,
        .sent = now,
    };
    stun_new_id(attempt->id, agent->setup.random, agent->setup.random_context);
    return attempt;
}

static bool may_repeat(const struct ice_agent *agent, const struct ice_pair *pair,
                       const struct ice_attempt *attempt)
{
    return attempt->in_use && attempt->controlling == (agent->role == ICE_CONTROLLING) &&
           attempt->nominates == nominates(agent, pair);
}

static int build_check(struct ice_agent *agent, const struct ice_pair *pair,
                       const struct ice_attempt *attempt, uint8_t *bytes)
{
    struct stun_builder builder;
    struct stun_key key;
    char name[2 * ICE_UFRAG_SIZE];
    int status = stun_key_short_term(&key, agent->remote.password, strlen(agent->remote.password));
    if (status != STUN_OK) {
        return status;
    }
    snprintf(name, sizeof name, "%s:%s", agent->remote.ufrag, agent->local.ufrag);
    stun_builder_begin(&builder, bytes, CHECK_SIZE_MAX, STUN_REQUEST, STUN_BINDING, attempt->id);
    stun_builder_put_string(&builder, STUN_USERNAME, name);
    stun_builder_put_u32(
        &builder, STUN_PRIORITY,
        ice_priority(ICE_PEER_REFLEXIVE, agent->bases[pair->base].local_preference));
    stun_builder_put_u64(&builder,
                         attempt->controlling ? STUN_ICE_CONTROLLING : STUN_ICE_CONTROLLED,
                         attempt->tie_breaker);
    if (attempt->nominates) {
        stun_builder_put_flag(&builder, STUN_USE_CANDIDATE);
    }
    if (agent->setup.software != NULL) {
        stun_builder_put_string(&builder, STUN_SOFTWARE, agent->setup.software);
    }
    stun_builder_put_integrity(&builder, agent->setup.crypto, &key);
    stun_builder_put_fingerprint(&builder);
    return stun_builder_finish(&builder);
}

bool ice_check_send(struct ice_agent *agent, struct monotime now, struct ice_pair *pair, bool again,
                    uint8_t hops, struct outbox *outbox)
{
    struct ice_attempt *attempt = newest_attempt(pair);
    bool repeated = again && may_repeat(agent, pair, attempt);
    if (!repeated) {
        attempt = new_attempt(agent, now, pair);
    }
    uint8_t *bytes = ice_reserve(outbox, CHECK_SIZE_MAX);
    int size = build_check(agent, pair, attempt, bytes);
    if (size < 0) {
        return false;
    }
    struct packet packet = ice_packet(bytes, size);
    pair->hops = hops;
    pair->sent_at = now; /* also when it could not go: the next try has its time */
    if (ice_base_send(agent, now, pair->base, &agent->remotes[pair->remote].address, &packet, hops,
                      outbox) != 0) {
        return false;
    }
    attempt->sends++;
    agent->counters.checks_sent++;
    agent->counters.retransmissions += repeated;
    return true;
}

/* ---- answers --------------------------------------------------------------------------------- */

static struct ice_pair *find_attempt(struct ice_agent *agent, const uint8_t *id,
                                     struct ice_attempt **out)
{
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        for (size_t k = 0; pair->in_use && k < ICE_ATTEMPTS_MAX; k++) {
            struct ice_attempt *attempt = &pair->attempts[k];
            if (attempt->in_use && memcmp(attempt->id, id, sizeof attempt->id) == 0) {
                *out = attempt;
                return pair;
            }
        }
    }
    return NULL;
}

static bool is_genuine(const struct ice_agent *agent, const struct stun_view *response)
{
    struct stun_key key;
    return stun_key_short_term(&key, agent->remote.password, strlen(agent->remote.password)) ==
               STUN_OK &&
           stun_view_check_integrity(response, agent->setup.crypto, &key) == STUN_OK;
}

void ice_role_switch(struct ice_agent *agent, enum ice_role role)
{
    if (agent->role == role) {
        return;
    }
    agent->role = role;
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        agent->pairs[i].nominate = false;
        agent->pairs[i].remote_nominates = false;
    }
    ice_pair_prioritize(agent);
    ice_event_add(agent, ICE_ROLE_CHANGED);
}

/* RFC 8445 §7.2.5.1: the role is the other one than in the request that was refused, whatever we
 * have become since. */
static void handle_conflict(struct ice_agent *agent, struct monotime now, struct ice_pair *pair,
                            const struct ice_attempt *attempt)
{
    agent->counters.role_conflicts++;
    ice_role_switch(agent, attempt->controlling ? ICE_CONTROLLED : ICE_CONTROLLING);
    agent->tie_breaker = agent->setup.random(agent->setup.random_context);
    ice_checklist_trigger(agent, now, pair);
}

/* A pair that has worked lives as long as its consent. */
static void fail_unproved(struct ice_agent *agent, struct ice_pair *pair)
{
    if (!pair->valid) {
        ice_checklist_fail(agent, pair);
    }
}

/*
 * 400 and 401 cannot prove themselves (RFC 8489 §9.1.4). One of 500 and more may be temporary: the
 * check is made again, as a new one, when it would have been sent again.
 */
static void handle_error(struct ice_agent *agent, struct monotime now, struct ice_pair *pair,
                         struct ice_attempt *attempt, const struct stun_view *response)
{
    uint16_t code;
    if (stun_view_error(response, &code, NULL, NULL) != STUN_OK) {
        return;
    }
    if (!is_genuine(agent, response) && code != 400 && code != 401) {
        agent->counters.refused++;
        return;
    }
    const struct ice_attempt refused = *attempt;
    attempt->in_use = false;
    if (code == 487) {
        handle_conflict(agent, now, pair, &refused);
    } else if (code < 500) {
        fail_unproved(agent, pair);
    }
}

static void note_mapping(struct ice_agent *agent, struct ice_pair *pair,
                         const struct stun_address *mapped)
{
    bool sensible =
        ice_address_is_host(mapped) && mapped->family == agent->bases[pair->base].address.family;
    pair->mapped =
        sensible ? (int16_t)ice_local_find(agent, pair->base, mapped) : (int16_t)ICE_NONE;
    if (sensible && pair->mapped == ICE_NONE) {
        pair->mapped = (int16_t)ice_local_learn(agent, pair->base, mapped);
    }
}

static void become_valid(struct ice_agent *agent, struct monotime now, struct ice_pair *pair)
{
    bool first = !pair->valid;
    pair->valid = true;
    pair->retired = false;
    pair->answered = now;
    pair->state = PAIR_SUCCEEDED;
    pair->due = MONOTIME_NEVER;
    pair->triggered = false;
    if (first) {
        pair->valid_since = now;
        ice_event_add_pair(agent, ICE_TRACE_VALID, pair);
        ice_checklist_thaw(agent, pair);
    }
}

static void handle_success(struct ice_agent *agent, struct monotime now, struct ice_pair *pair,
                           struct ice_attempt *attempt, const struct stun_view *response,
                           struct outbox *outbox)
{
    struct stun_address mapped;
    if (stun_view_xor_address(response, STUN_XOR_MAPPED_ADDRESS, &mapped) != STUN_OK ||
        !is_genuine(agent, response)) {
        agent->counters.refused++;
        return;
    }
    bool nominated = attempt->nominates && agent->role == ICE_CONTROLLING;
    bool wanted = pair->nominate && !nominated;
    if (attempt->sends == 1) {
        pair->rtt_us = monotime_difference_us(now, attempt->sent);
    }
    attempt->in_use = false;
    note_mapping(agent, pair, &mapped);
    become_valid(agent, now, pair);
    if (wanted) {
        ice_checklist_trigger(agent, now, pair);
    }
    ice_consent_heard(agent, now, pair);
    ice_nomination_answered(agent, now, pair, nominated, outbox);
}

void ice_check_response(struct ice_agent *agent, struct monotime now, int base,
                        const struct stun_address *source, const struct stun_view *response,
                        struct outbox *outbox)
{
    struct ice_attempt *attempt;
    struct ice_pair *pair = find_attempt(agent, response->transaction_id, &attempt);
    if (pair == NULL || !agent->has_remote) {
        return;
    }
    if (pair->base != base || !address_equal(&agent->remotes[pair->remote].address, source)) {
        /* RFC 8445 §7.2.5.2.1: an answer must come from where the check went. Only a genuine one
         * may fail the pair. */
        if (is_genuine(agent, response)) {
            attempt->in_use = false;
            fail_unproved(agent, pair);
        }
        return;
    }
    if (response->message_class == STUN_ERROR) {
        handle_error(agent, now, pair, attempt, response);
    } else {
        handle_success(agent, now, pair, attempt, response, outbox);
    }
}
