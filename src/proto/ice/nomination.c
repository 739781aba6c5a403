/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who chooses, when, and what is in use.
 *
 * The controlling agent nominates the best valid pair as soon as no better one can still win, or
 * when such rivals had a moment in which they did not. Data flow before that (RFC 8445 §12.1), so
 * waiting costs nothing but with a lite peer, which has no pair of its own before. For upgrade_ms
 * after the first nomination a better pair that becomes valid is nominated anew: relay first, then
 * direct, and the pair in use changes only when the peer has confirmed.
 *
 * The controlled agent takes what it is told. Several nominations of one peer are an aggressive
 * nominator's when they come together, and the best counts (RFC 5245 §8.1.1.2); a later one takes
 * the place of the earlier. A lite agent obeys each.
 */
#include "proto/ice/ice_internal.h"

#define WAIT_MIN_US (50 * MONOTIME_MILLISECOND)
#define WAIT_MAX_US (300 * MONOTIME_MILLISECOND)
#define WAIT_LITE_US (50 * MONOTIME_MILLISECOND)
/* Nominations of an aggressive nominator come within this time of each other. */
#define AGGRESSIVE_US (2 * MONOTIME_SECOND)
/* The pair in use is heard each 6 s at least, and spare ones are asked when it goes silent. */
#define FRESH_US (8 * MONOTIME_SECOND)
/* They are asked each second then. */
#define ANSWERED_US (3 * MONOTIME_SECOND)

static bool is_fresh(const struct ice_pair *pair, struct monotime now)
{
    return !pair->doubted && !monotime_is_never(pair->heard_at) &&
           monotime_difference_us(now, pair->heard_at) < FRESH_US;
}

static bool is_usable(const struct ice_pair *pair)
{
    return pair->in_use && pair->valid && !pair->retired;
}

/* Whether `a` is to be used rather than `b`. */
static bool is_preferred(const struct ice_agent *agent, struct monotime now,
                         const struct ice_pair *a, const struct ice_pair *b)
{
    bool a_fresh = is_fresh(a, now), b_fresh = is_fresh(b, now);
    if (a_fresh != b_fresh) {
        return a_fresh;
    }
    if (a->nominated != b->nominated) {
        return a->nominated;
    }
    if (agent->setup.lite && a->nominated && a->nominated_at.us != b->nominated_at.us) {
        return monotime_before(b->nominated_at, a->nominated_at);
    }
    return a->priority > b->priority;
}

/* The pair in use when it is silent; NULL: there is none, or it is not. Where both are lite nothing
 * is ever heard. */
static const struct ice_pair *silent_pair(const struct ice_agent *agent, struct monotime now)
{
    const struct ice_pair *used =
        agent->selected == ICE_NONE ? NULL : &agent->pairs[agent->selected];
    return used != NULL && !agent->both_lite && is_usable(used) && !is_fresh(used, now) ? used
                                                                                        : NULL;
}

/* In the place of a silent pair comes only what has just answered: that others were heard before
 * says nothing when the peer has vanished. */
static int choose(const struct ice_agent *agent, struct monotime now)
{
    const struct ice_pair *silent = silent_pair(agent, now);
    int best = ICE_NONE;
    for (int i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        bool says_more = silent == NULL || pair == silent ||
                         monotime_difference_us(now, pair->heard_at) < ANSWERED_US;
        if (is_usable(pair) && says_more &&
            (best == ICE_NONE || is_preferred(agent, now, pair, &agent->pairs[best]))) {
            best = i;
        }
    }
    return best;
}

/* ---- in use ---------------------------------------------------------------------------------- */

static void announce(struct ice_agent *agent, const struct ice_pair *pair)
{
    bool begins = agent->state == ICE_STATE_NEW || agent->state == ICE_STATE_CHECKING ||
                  agent->state == ICE_STATE_FAILED;
    if (begins || agent->state == ICE_STATE_DISCONNECTED) {
        agent->state = ICE_STATE_CONNECTED;
        ice_event_add_pair(agent, ICE_CONNECTED, pair);
    }
    if (!begins || pair->nominated) {
        ice_event_add_pair(agent, ICE_SELECTED, pair);
    }
}

static void use(struct ice_agent *agent, struct monotime now, int index, struct outbox *outbox)
{
    struct ice_pair *pair = &agent->pairs[index];
    agent->selected = index;
    agent->used_nominated = pair->nominated;
    agent->has_old = false;
    agent->lost_end = MONOTIME_NEVER;
    if (monotime_is_never(agent->first_valid)) {
        agent->first_valid = now;
    }
    ice_consent_begin(agent, now);
    if (agent->bases[pair->base].relay != NULL) {
        ice_relay_prefer(agent, now, pair->base, &agent->remotes[pair->remote].address, outbox);
    }
    announce(agent, pair);
}

static void review_use(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    int best = choose(agent, now);
    if (best == ICE_NONE) {
        return;
    }
    if (agent->selected == ICE_NONE && ice_old_holds(agent) && !agent->pairs[best].nominated) {
        return;
    }
    if (best != agent->selected) {
        use(agent, now, best, outbox);
    } else if (agent->pairs[best].nominated && !agent->used_nominated) {
        agent->used_nominated = true;
        announce(agent, &agent->pairs[best]);
    }
}

/* ---- nominating ------------------------------------------------------------------------------ */

static bool nominates(const struct ice_agent *agent)
{
    return agent->role == ICE_CONTROLLING && !agent->setup.lite && agent->has_remote;
}

static struct ice_pair *best_valid(struct ice_agent *agent, struct monotime now)
{
    struct ice_pair *best = NULL;
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (is_usable(pair) && is_fresh(pair, now) &&
            (best == NULL || pair->priority > best->priority)) {
            best = pair;
        }
    }
    return best;
}

static const struct ice_pair *best_nominated(const struct ice_agent *agent, struct monotime now)
{
    const struct ice_pair *best = NULL;
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        if (is_usable(pair) && pair->nominated && is_fresh(pair, now) &&
            (best == NULL || pair->priority > best->priority)) {
            best = pair;
        }
    }
    return best;
}

static struct monotime nomination_time(const struct ice_agent *agent, const struct ice_pair *pair)
{
    int64_t wait = pair->rtt_us < WAIT_MIN_US   ? WAIT_MIN_US
                   : pair->rtt_us > WAIT_MAX_US ? WAIT_MAX_US
                                                : pair->rtt_us;
    if (!ice_pair_has_rival(agent, pair)) {
        return pair->valid_since;
    }
    return monotime_add_us(pair->valid_since, agent->remote_lite ? WAIT_LITE_US : wait);
}

/* The pair that is to be nominated now or at `*when`; NULL: none. */
static struct ice_pair *pair_to_nominate(struct ice_agent *agent, struct monotime now,
                                         struct monotime *when)
{
    struct ice_pair *best = nominates(agent) ? best_valid(agent, now) : NULL;
    const struct ice_pair *nominated = best_nominated(agent, now);
    if (best == NULL || best->nominated || best->nominate) {
        return NULL;
    }
    if (nominated != NULL && !monotime_is_never(agent->first_nominated) &&
        monotime_difference_us(now, agent->first_nominated) >=
            agent->setup.upgrade_ms * MONOTIME_MILLISECOND) {
        return NULL;
    }
    *when = nomination_time(agent, best);
    return best;
}

static void review_nomination(struct ice_agent *agent, struct monotime now)
{
    struct monotime when;
    struct ice_pair *pair = pair_to_nominate(agent, now, &when);
    if (pair == NULL || monotime_before(now, when)) {
        return;
    }
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        agent->pairs[i].nominate = false; /* a worse one that is being nominated need not be */
    }
    pair->nominate = true;
    ice_checklist_trigger(agent, now, pair);
}

struct monotime ice_nomination_due(struct ice_agent *agent, struct monotime now)
{
    struct monotime when = MONOTIME_NEVER;
    return pair_to_nominate(agent, now, &when) == NULL ? MONOTIME_NEVER : when;
}

void ice_nomination_review(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    review_use(agent, now, outbox);
    review_nomination(agent, now);
}

/* ---- facts ----------------------------------------------------------------------------------- */

static void note_nominated(struct ice_agent *agent, struct monotime now, struct ice_pair *pair)
{
    if (!pair->nominated || agent->setup.lite) {
        pair->nominated_at = now;
    }
    pair->nominated = true;
    if (monotime_is_never(agent->first_nominated)) {
        agent->first_nominated = now;
    }
}

void ice_nomination_answered(struct ice_agent *agent, struct monotime now, struct ice_pair *pair,
                             bool nominated, struct outbox *outbox)
{
    if (nominated) {
        pair->nominate = false;
    }
    if (nominated || (agent->role == ICE_CONTROLLED && pair->remote_nominates)) {
        note_nominated(agent, now, pair);
    }
    ice_nomination_review(agent, now, outbox);
}

/* What was nominated a while ago is taken back by a new nomination: the peer has changed its mind.
 */
static void supersede(struct ice_agent *agent, struct monotime now)
{
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        struct ice_pair *other = &agent->pairs[i];
        if (other->in_use && other->nominated &&
            monotime_difference_us(now, other->nominated_at) >= AGGRESSIVE_US) {
            other->nominated = false;
            other->remote_nominates = false;
        }
    }
}

void ice_nomination_asked(struct ice_agent *agent, struct monotime now, struct ice_pair *pair,
                          struct outbox *outbox)
{
    if (!pair->remote_nominates && !agent->setup.lite) {
        supersede(agent, now);
    }
    pair->remote_nominates = true;
    if (agent->setup.lite && !pair->valid) {
        pair->valid = true;
        pair->retired = false;
        pair->state = PAIR_SUCCEEDED;
        pair->valid_since = now;
        ice_event_add_pair(agent, ICE_TRACE_VALID, pair);
    }
    if (pair->valid) {
        note_nominated(agent, now, pair);
        ice_nomination_review(agent, now, outbox);
    }
}
