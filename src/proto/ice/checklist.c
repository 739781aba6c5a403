/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which pair is checked next, and when a check is sent again or given up.
 *
 * New checks are paced by a bucket of tokens, one more each Ta (RFC 8445 §14.2), which begins full:
 * the first few checks of a call go at once, for a call shall not take a Ta for each dead pair
 * before the good one. For the same reason kinds of pairs take turns, and priority decides among
 * one kind: a host with many interfaces has dozens of pairs of host candidates, which lead nowhere
 * but on one LAN, before the first of a reflexive one. What is nominated goes by priority alone.
 */
#include "proto/ice/ice_internal.h"

#include "base/address.h"

#include <stdio.h>
#include <string.h>

#define BURST 10
/* Of these, so many are kept for kinds of pairs of which fewer than KIND_FEW have begun … */
#define RESERVE 6
/* … and so many for triggered checks: those are of ways that work. */
#define TRIGGERED_RESERVE 2
#define KIND_FEW 3
/*
 * RFC 8445 §14.3 has 500 ms at least, which is much where a firewall drops the first check of a
 * pair by design. What its formula protects (Ta a packet over all pairs) holds up to RTO_MAX_MS.
 */
#define RTO_MIN_MS 150
#define RTO_MAX_MS 500
#define WAIT_MAX_MS 1600
#define SENDS_MAX 7
#define REPEAT_MS 10         /* what a peer may take to wake up and send */
#define PATIENT_WAIT_MS 3200 /* when nothing works yet, pairs are tried on until patience ends */

/* ---- foundations ----------------------------------------------------------------------------- */

static bool same_foundation(const struct ice_agent *agent, const struct ice_pair *a,
                            const struct ice_pair *b)
{
    int local_a = ice_local_of_base(agent, a->base);
    int local_b = ice_local_of_base(agent, b->base);
    return local_a != ICE_NONE && local_b != ICE_NONE &&
           agent->locals[local_a].foundation == agent->locals[local_b].foundation &&
           strcmp(agent->remotes[a->remote].foundation, agent->remotes[b->remote].foundation) == 0;
}

static bool foundation_is_active(const struct ice_agent *agent, const struct ice_pair *pair)
{
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *other = &agent->pairs[i];
        if (other->in_use && other != pair &&
            (other->state == PAIR_WAITING || other->state == PAIR_IN_PROGRESS) &&
            same_foundation(agent, pair, other)) {
            return true;
        }
    }
    return false;
}

/* RFC 8838 §12. */
enum ice_pair_state ice_checklist_first_state(const struct ice_agent *agent,
                                              const struct ice_pair *pair)
{
    return foundation_is_active(agent, pair) ? PAIR_FROZEN : PAIR_WAITING;
}

void ice_checklist_thaw(struct ice_agent *agent, const struct ice_pair *pair)
{
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        struct ice_pair *other = &agent->pairs[i];
        if (other->in_use && other->state == PAIR_FROZEN && same_foundation(agent, pair, other)) {
            other->state = PAIR_WAITING;
        }
    }
}

/* ---- pairing --------------------------------------------------------------------------------- */

static void add_pair(struct ice_agent *agent, struct monotime now, int base, int remote,
                     struct outbox *outbox)
{
    if (ice_pair_find(agent, base, remote) == ICE_NONE) {
        ice_pair_add(agent, now, base, remote, outbox);
    }
}

void ice_checklist_pair_base(struct ice_agent *agent, struct monotime now, int base,
                             struct outbox *outbox)
{
    for (int i = 0; i < ICE_REMOTES_MAX; i++) {
        if (agent->remotes[i].in_use) {
            add_pair(agent, now, base, i, outbox);
        }
    }
}

void ice_checklist_pair_remote(struct ice_agent *agent, struct monotime now, int remote,
                               struct outbox *outbox)
{
    for (int i = 0; i < ICE_BASES_MAX; i++) {
        if (agent->bases[i].in_use) {
            add_pair(agent, now, i, remote, outbox);
        }
    }
}

/* ---- choice ---------------------------------------------------------------------------------- */

void ice_checklist_trigger(struct ice_agent *agent, struct monotime now, struct ice_pair *pair)
{
    if (agent->state == ICE_STATE_CLOSED) {
        return;
    }
    if (!pair->triggered) {
        pair->triggered = true;
        pair->trigger_order = agent->next_trigger++;
    }
    agent->due = monotime_earlier(agent->due, now);
}

static bool can_send(const struct ice_agent *agent, const struct ice_pair *pair)
{
    return agent->bases[pair->base].relay == NULL ||
           ice_relay_is_ready(agent, pair->base, &agent->remotes[pair->remote].address);
}

static struct ice_pair *next_triggered(struct ice_agent *agent)
{
    struct ice_pair *first = NULL;
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (pair->in_use && pair->triggered && can_send(agent, pair) &&
            (first == NULL || (int32_t)(pair->trigger_order - first->trigger_order) < 0)) {
            first = pair;
        }
    }
    return first;
}

/*
 * Kinds of pairs: relayed or not, family, whether a server could be reached from there, type of the
 * remote candidate.
 */
#define KINDS (2 * 2 * 2 * 4)

static size_t kind_of(const struct ice_agent *agent, const struct ice_pair *pair)
{
    const struct ice_base *base = &agent->bases[pair->base];
    size_t family = base->address.family == STUN_FAMILY_IPV6 ? 1 : 0;
    size_t relayed = base->relay != NULL ? 1 : 0;
    size_t outward = base->mappings > 0 || ice_address_is_public(&base->address) ? 1 : 0;
    return ((relayed * 2 + family) * 2 + outward) * 4 + (size_t)agent->remotes[pair->remote].type;
}

static void count_begun(const struct ice_agent *agent, unsigned begun[static KINDS])
{
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        if (pair->in_use && pair->state != PAIR_WAITING && pair->state != PAIR_FROZEN) {
            begun[kind_of(agent, pair)]++;
        }
    }
}

static struct ice_pair *best_in_state(struct ice_agent *agent, struct monotime now,
                                      enum ice_pair_state state, const unsigned begun[static KINDS])
{
    struct ice_pair *best = NULL;
    unsigned fewest = 0;
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (!pair->in_use || pair->state != state || !can_send(agent, pair) ||
            monotime_before(now, ice_opener_hold_end(agent, pair)) ||
            (state == PAIR_FROZEN && foundation_is_active(agent, pair))) {
            continue;
        }
        unsigned count = begun[kind_of(agent, pair)];
        if (best == NULL || count < fewest ||
            (count == fewest && pair->priority > best->priority)) {
            best = pair;
            fewest = count;
        }
    }
    return best;
}

/* RFC 8445 §6.1.4.2. `tokens`: how many there must be for it. */
static struct ice_pair *next_pair(struct ice_agent *agent, struct monotime now, uint32_t *tokens)
{
    struct ice_pair *pair = next_triggered(agent);
    unsigned begun[KINDS] = {0};
    *tokens = 1;
    if (pair != NULL) {
        return pair;
    }
    count_begun(agent, begun);
    pair = best_in_state(agent, now, PAIR_WAITING, begun);
    if (pair == NULL) {
        pair = best_in_state(agent, now, PAIR_FROZEN, begun);
    }
    bool few = pair != NULL && begun[kind_of(agent, pair)] < KIND_FEW;
    *tokens = (few ? TRIGGERED_RESERVE : RESERVE) + 1;
    return pair;
}

/* ---- one check ------------------------------------------------------------------------------- */

static uint32_t first_wait_ms(const struct ice_agent *agent)
{
    uint32_t active = 0;
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        active += pair->in_use && (pair->state == PAIR_WAITING || pair->state == PAIR_IN_PROGRESS);
    }
    uint32_t wait = agent->setup.pace_ms * active;
    return wait < RTO_MIN_MS ? RTO_MIN_MS : wait > RTO_MAX_MS ? RTO_MAX_MS : wait;
}

static int64_t wait_ms(const struct ice_pair *pair)
{
    if (pair->sends >= SENDS_MAX) {
        return PATIENT_WAIT_MS;
    }
    int64_t wait = (int64_t)pair->rto_ms << (pair->sends > 0 ? pair->sends - 1 : 0);
    return wait > WAIT_MAX_MS ? WAIT_MAX_MS : wait;
}

static void tell_first(struct ice_agent *agent, struct ice_pair *pair, bool entitled)
{
    if (pair->hops != 0 || (!entitled && !pair->check_told)) {
        ice_event_add_pair(agent, ICE_TRACE_OPENER, pair);
        pair->check_told = pair->hops == 0;
    } else if (!pair->check_told) {
        ice_event_add_pair(agent, ICE_TRACE_CHECK, pair);
        pair->check_told = true;
    }
}

static void send(struct ice_agent *agent, struct monotime now, struct ice_pair *pair, bool again,
                 struct outbox *outbox)
{
    uint8_t hops = ice_opener_hops(agent, now, pair);
    if (!ice_check_send(agent, now, pair, again, hops, outbox)) {
        pair->due = monotime_add_ms(now, RTO_MAX_MS);
        pair->sends++;
        return;
    }
    tell_first(agent, pair, !ice_opener_is_unexpected(agent, now, pair));
    if (hops != 0) {
        pair->openers++;
        agent->counters.openers_sent++;
        pair->due = ice_opener_due(agent, now, pair);
    } else if (!ice_knock_follows(agent, now, pair)) {
        pair->sends++;
        pair->due = monotime_add_ms(now, wait_ms(pair));
    }
}

static void begin(struct ice_agent *agent, struct monotime now, struct ice_pair *pair,
                  struct outbox *outbox)
{
    pair->triggered = false;
    pair->state = PAIR_IN_PROGRESS;
    pair->begun = now;
    pair->begun_heard = pair->heard;
    pair->rto_ms = first_wait_ms(agent);
    pair->sends = 0;
    send(agent, now, pair, false, outbox);
}

/* `why`: what is known beside that no answer came; or "". */
static void fail(struct ice_agent *agent, struct ice_pair *pair, const char *why)
{
    pair->state = PAIR_FAILED;
    pair->due = MONOTIME_NEVER;
    pair->nominate = false;
    struct ice_event_entry *entry = ice_event_add_pair(agent, ICE_TRACE_PAIR_FAILED, pair);
    snprintf(entry->failure_text, sizeof entry->failure_text, "%s", why);
}

void ice_checklist_fail(struct ice_agent *agent, struct ice_pair *pair)
{
    if (pair->state != PAIR_FAILED) {
        fail(agent, pair, "");
    }
    pair->valid = false;
    pair->nominated = false;
    pair->triggered = false;
    if (agent->selected != ICE_NONE && pair == &agent->pairs[agent->selected]) {
        agent->selected = ICE_NONE; /* consent looks for another one */
    }
}

static void go_on(struct ice_agent *agent, struct monotime now, struct ice_pair *pair,
                  struct outbox *outbox)
{
    bool patient = agent->state == ICE_STATE_CHECKING &&
                   monotime_before(now, agent->patience_end) && !pair->valid;
    if (pair->sends < SENDS_MAX || patient) {
        send(agent, now, pair, !ice_knock_is_new(agent, pair), outbox);
        return;
    }
    /* A valid pair whose nomination or re-check got no answer lives on consent. */
    if (pair->valid) {
        pair->state = PAIR_SUCCEEDED;
        pair->due = MONOTIME_NEVER;
        pair->nominate = false;
        return;
    }
    fail(agent, pair, "");
}

/* ---- time ------------------------------------------------------------------------------------ */

static void fill_tokens(struct ice_agent *agent, struct monotime now)
{
    int64_t pace = (int64_t)agent->setup.pace_ms * MONOTIME_MILLISECOND;
    int64_t more = monotime_difference_us(now, agent->tokens_at) / pace;
    if (monotime_is_never(agent->tokens_at) || agent->tokens + more >= BURST) {
        agent->tokens = BURST;
        agent->tokens_at = now;
    } else if (more > 0) {
        agent->tokens += (uint32_t)more;
        agent->tokens_at = monotime_add_us(agent->tokens_at, more * pace);
    }
}

static bool is_checking(const struct ice_agent *agent)
{
    return agent->has_remote && !agent->setup.lite && agent->state != ICE_STATE_CLOSED;
}

void ice_checklist_tick(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    if (!is_checking(agent)) {
        return;
    }
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (pair->in_use && pair->state == PAIR_IN_PROGRESS && !pair->triggered &&
            monotime_reached(now, pair->due)) {
            go_on(agent, now, pair, outbox);
        }
    }
    fill_tokens(agent, now);
    uint32_t tokens;
    struct ice_pair *pair;
    while ((pair = next_pair(agent, now, &tokens)) != NULL && agent->tokens >= tokens) {
        agent->tokens--;
        begin(agent, now, pair, outbox);
    }
}

struct monotime ice_checklist_due(struct ice_agent *agent, struct monotime now)
{
    struct monotime due = MONOTIME_NEVER;
    if (!is_checking(agent)) {
        return due;
    }
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        if (pair->in_use && pair->state == PAIR_IN_PROGRESS && !pair->triggered) {
            due = monotime_earlier(due, pair->due);
        }
        if (pair->in_use && (pair->state == PAIR_WAITING || pair->state == PAIR_FROZEN)) {
            struct monotime held = ice_opener_hold_end(agent, pair);
            due = monotime_before(now, held) ? monotime_earlier(due, held) : due;
        }
    }
    uint32_t tokens;
    if (next_pair(agent, now, &tokens) != NULL) {
        struct monotime next = monotime_add_ms(agent->tokens_at, agent->setup.pace_ms);
        due = monotime_earlier(due, agent->tokens >= tokens ? now : next);
    }
    return due;
}

void ice_relay_permitted(struct ice_agent *agent, struct monotime now, int base,
                         const struct stun_address *remote, const char *refusal,
                         struct outbox *outbox)
{
    for (size_t i = 0; i < ICE_PAIRS_MAX && refusal != NULL; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (pair->in_use && pair->base == base &&
            address_equal(&agent->remotes[pair->remote].address, remote)) {
            if (pair->state != PAIR_FAILED) {
                fail(agent, pair, refusal);
            }
            ice_checklist_fail(agent, pair);
        }
    }
    ice_run(agent, now, outbox);
}

bool ice_checklist_has_failed(const struct ice_agent *agent)
{
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        if (pair->in_use && (pair->valid || pair->state != PAIR_FAILED) && can_send(agent, pair)) {
            return false;
        }
    }
    return true;
}

/*
 * The service's word for us and for the peer left it at once, so ours came a way to the service
 * earlier than a packet of ours comes to the peer, and no later than that of the peer.
 */
void ice_checklist_repeat(struct ice_agent *agent, struct monotime now)
{
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (pair->in_use && pair->state == PAIR_IN_PROGRESS && pair->hops == 0 && !pair->valid &&
            agent->bases[pair->base].relay == NULL &&
            agent->remotes[pair->remote].type != ICE_RELAYED &&
            ice_address_is_public(&agent->remotes[pair->remote].address)) {
            pair->due = monotime_earlier(pair->due, monotime_add_ms(now, REPEAT_MS));
        }
    }
}

void ice_checklist_review_openers(struct ice_agent *agent, struct monotime now)
{
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (pair->in_use && pair->state == PAIR_IN_PROGRESS && pair->hops != 0) {
            struct monotime end = ice_opener_end(agent, &agent->bases[pair->base]);
            end = monotime_before(end, now) ? now : end;
            pair->due = monotime_earlier(pair->due, end);
        }
    }
}
