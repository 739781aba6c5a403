/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Consent of the peer to be sent to (RFC 7675), and what is done when it goes silent.
 *
 * - The selected pair has a check each 4 to 6 s. Consent ends consent_ms after the last answer.
 * - It is silent when a consent check has no answer after a second, or data were sent and nothing
 *   was heard for two: then all valid pairs have ordinary checks, and two seconds later a spare one
 *   that has answered is used.
 * - When nothing was heard for 8 s it is disconnected: all pairs are checked, also those that had
 *   failed.
 * - The best few of the other valid pairs are spare: a check each 15 s keeps their NATs' mappings.
 *
 * A lite agent sends no checks: it takes the peer's as its consent, and keeps mappings alive by
 * Binding indications (RFC 8445 §11).
 */
#include "proto/ice/ice_internal.h"

#define PERIOD_US (5 * MONOTIME_SECOND)
#define SUSPECT_US MONOTIME_SECOND
#define SILENT_US (2 * MONOTIME_SECOND)
#define DOUBT_US (2 * MONOTIME_SECOND)
#define DISCONNECTED_US (8 * MONOTIME_SECOND)
#define REVIVE_US (4 * MONOTIME_SECOND)
#define SPARE_US (15 * MONOTIME_SECOND)
#define KEEPALIVE_US (15 * MONOTIME_SECOND)
#define SPARES_MAX 4

static struct ice_pair *selected_pair(struct ice_agent *agent)
{
    return agent->selected == ICE_NONE ? NULL : &agent->pairs[agent->selected];
}

/* 0.8 to 1.2 of the period (RFC 7675 §5.1). */
static struct monotime next_check(struct ice_agent *agent, struct monotime now)
{
    uint64_t span = PERIOD_US * 4 / 10;
    int64_t extra = (int64_t)(agent->setup.random(agent->setup.random_context) % (span + 1));
    return monotime_add_us(now, PERIOD_US * 8 / 10 + extra);
}

void ice_consent_begin(struct ice_agent *agent, struct monotime now)
{
    agent->consent_due = next_check(agent, now);
    agent->suspect_due = MONOTIME_NEVER;
}

void ice_consent_heard(struct ice_agent *agent, struct monotime now, struct ice_pair *pair)
{
    pair->heard_at = now;
    pair->doubted = false;
    agent->heard = now;
    if (pair == selected_pair(agent) && agent->state == ICE_STATE_DISCONNECTED) {
        agent->state = ICE_STATE_CONNECTED;
        ice_event_add_pair(agent, ICE_CONNECTED, pair);
    }
}

/* ---- the selected pair
 * -------------------------------------------------------------------------------- */

static struct monotime last_consent(const struct ice_agent *agent, const struct ice_pair *pair)
{
    return agent->setup.lite ? pair->heard_at : pair->answered;
}

struct monotime ice_consent_expiry(const struct ice_agent *agent, const struct ice_pair *pair)
{
    return monotime_add_us(last_consent(agent, pair),
                           agent->setup.consent_ms * MONOTIME_MILLISECOND);
}

static void check_selected(struct ice_agent *agent, struct monotime now, struct ice_pair *pair,
                           struct outbox *outbox)
{
    if (agent->setup.lite || !monotime_reached(now, agent->consent_due)) {
        return;
    }
    agent->consent_due = next_check(agent, now);
    /* One that is under way anyway asks for consent as well. */
    if (pair->state == PAIR_SUCCEEDED && !pair->triggered) {
        ice_check_send(agent, now, pair, false, 0, outbox);
    }
    if (monotime_is_never(agent->suspect_due)) {
        agent->suspect_due =
            monotime_add_us(now, SUSPECT_US + 2 * (pair->rtt_us > 0 ? pair->rtt_us : 0));
        agent->suspect_since = now;
    }
}

static void recheck(struct ice_agent *agent, struct monotime now, bool failed_too)
{
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (pair->in_use && (pair->valid || failed_too) && pair->state != PAIR_IN_PROGRESS) {
            ice_checklist_trigger(agent, now, pair);
        }
    }
}

static bool since(struct monotime a, struct monotime b)
{
    return !monotime_is_never(a) && !monotime_before(a, b);
}

static void check_suspect(struct ice_agent *agent, struct monotime now, struct ice_pair *pair)
{
    if (!monotime_reached(now, agent->suspect_due)) {
        return;
    }
    if (since(pair->answered, agent->suspect_since)) {
        agent->suspect_due = MONOTIME_NEVER;
        return;
    }
    pair->doubted = monotime_difference_us(now, agent->suspect_since) >= DOUBT_US &&
                    !since(pair->heard_at, agent->suspect_since);
    bool disconnected = agent->state == ICE_STATE_DISCONNECTED;
    agent->suspect_due = monotime_add_us(now, disconnected ? REVIVE_US : SUSPECT_US);
    recheck(agent, now, disconnected);
}

void ice_consent_suspect(struct ice_agent *agent, struct monotime now)
{
    agent->suspect_since = now;
    agent->suspect_due = monotime_add_us(now, SUSPECT_US);
    recheck(agent, now, false);
}

/* A peer that takes data says so, or says anything, within two seconds; else it is looked after. */
void ice_consent_sending(struct ice_agent *agent, struct monotime now, struct ice_pair *pair)
{
    pair->sent_at = now;
    if (agent->setup.lite || !monotime_is_never(agent->suspect_due) || !pair->valid ||
        monotime_difference_us(now, pair->heard_at) < SILENT_US) {
        return;
    }
    ice_consent_suspect(agent, now);
}

static void disconnect(struct ice_agent *agent, struct monotime now, const struct ice_pair *pair)
{
    if (agent->state != ICE_STATE_CONNECTED ||
        !monotime_reached(now, monotime_add_us(pair->heard_at, DISCONNECTED_US))) {
        return;
    }
    agent->state = ICE_STATE_DISCONNECTED;
    ice_event_add_pair(agent, ICE_DISCONNECTED, pair);
    recheck(agent, now, true);
}

/* ---- spare pairs, and the end
 * ------------------------------------------------------------------------------------- */

static void retire(struct ice_agent *agent, struct ice_pair *pair)
{
    bool in_use = pair == selected_pair(agent);
    pair->valid = false;
    pair->retired = true;
    pair->nominated = false;
    pair->remote_nominates = false;
    ice_checklist_fail(agent, pair);
    if (in_use) {
        agent->selected = ICE_NONE;
        agent->lost_end = (struct monotime){0}; /* the others had their time meanwhile */
    }
}

static bool is_spare(const struct ice_agent *agent, size_t index)
{
    const struct ice_pair *pair = &agent->pairs[index];
    if (!pair->in_use || !pair->valid || (int)index == agent->selected) {
        return false;
    }
    unsigned better = 0;
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *other = &agent->pairs[i];
        better += other->in_use && other->valid && other->priority > pair->priority;
    }
    return better <= SPARES_MAX;
}

static struct monotime spare_due(const struct ice_pair *pair)
{
    return monotime_add_us(pair->sent_at, SPARE_US);
}

static void tend_spares(struct ice_agent *agent, struct monotime now)
{
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (pair->in_use && pair->valid && !agent->both_lite &&
            monotime_reached(now, ice_consent_expiry(agent, pair))) {
            retire(agent, pair);
        } else if (!agent->setup.lite && is_spare(agent, i) && pair->state == PAIR_SUCCEEDED &&
                   !pair->triggered && monotime_reached(now, spare_due(pair))) {
            ice_checklist_trigger(agent, now, pair);
        }
    }
}

static void send_keepalive(struct ice_agent *agent, struct monotime now, struct ice_pair *pair,
                           struct outbox *outbox)
{
    uint8_t id[STUN_TRANSACTION_ID_SIZE];
    struct stun_builder builder;
    const uint32_t capacity = STUN_HEADER_SIZE + 8;
    uint8_t *bytes = ice_reserve(outbox, capacity);
    stun_new_id(id, agent->setup.random, agent->setup.random_context);
    stun_builder_begin(&builder, bytes, capacity, STUN_INDICATION, STUN_BINDING, id);
    stun_builder_put_fingerprint(&builder);
    int size = stun_builder_finish(&builder);
    struct packet packet = ice_packet(bytes, size);
    if (size > 0) {
        ice_base_send(agent, now, pair->base, &agent->remotes[pair->remote].address, &packet, 0,
                      outbox);
    }
    pair->sent_at = now;
}

static struct monotime keepalive_due(const struct ice_pair *pair)
{
    return monotime_add_us(monotime_is_never(pair->sent_at) ? pair->valid_since : pair->sent_at,
                           KEEPALIVE_US);
}

static bool has_lost_its_pair(const struct ice_agent *agent)
{
    return agent->selected == ICE_NONE && !agent->has_old &&
           (agent->state == ICE_STATE_CONNECTED || agent->state == ICE_STATE_DISCONNECTED);
}

/*
 * The pair in use is gone, by its socket or its relay, and no spare one is there: all are tried for
 * as long as consent would have lasted. A restart that has nothing yet has the patience of RFC 8863
 * like a first session.
 */
static void look_for_another(struct ice_agent *agent, struct monotime now)
{
    bool restarting =
        monotime_is_never(agent->first_valid) && monotime_before(now, agent->patience_end);
    if (restarting) {
        agent->state = ICE_STATE_CHECKING;
        ice_event_add(agent, ICE_DISCONNECTED);
    } else if (monotime_is_never(agent->lost_end)) {
        agent->lost_end = monotime_add_ms(now, agent->setup.consent_ms);
        if (agent->state == ICE_STATE_CONNECTED) {
            agent->state = ICE_STATE_DISCONNECTED;
            ice_event_add(agent, ICE_DISCONNECTED);
        }
        recheck(agent, now, true);
    } else if (monotime_reached(now, agent->lost_end)) {
        agent->state = ICE_STATE_FAILED;
        ice_event_add(agent, ICE_FAILED);
    }
}

void ice_consent_tick(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    if (agent->state == ICE_STATE_CLOSED) {
        return;
    }
    ice_old_tick(agent, now);
    tend_spares(agent, now);
    ice_nomination_review(agent, now, outbox);
    struct ice_pair *pair = selected_pair(agent);
    if (pair == NULL) {
        if (has_lost_its_pair(agent)) {
            look_for_another(agent, now);
        }
        return;
    }
    if (agent->setup.lite && monotime_reached(now, keepalive_due(pair))) {
        send_keepalive(agent, now, pair, outbox);
    }
    if (agent->both_lite) {
        return;
    }
    check_selected(agent, now, pair, outbox);
    check_suspect(agent, now, pair);
    ice_nomination_review(agent, now, outbox);
    disconnect(agent, now, selected_pair(agent));
}

struct monotime ice_consent_due(const struct ice_agent *agent)
{
    struct monotime due = ice_old_due(agent);
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        if (!pair->in_use || !pair->valid || agent->both_lite) {
            continue;
        }
        due = monotime_earlier(due, ice_consent_expiry(agent, pair));
        if (!agent->setup.lite && is_spare(agent, i) && pair->state == PAIR_SUCCEEDED &&
            !pair->triggered) {
            due = monotime_earlier(due, spare_due(pair));
        }
    }
    if (has_lost_its_pair(agent)) {
        struct monotime at_once = {0};
        return monotime_is_never(agent->lost_end) ? at_once
                                                  : monotime_earlier(due, agent->lost_end);
    }
    if (agent->selected == ICE_NONE) {
        return due;
    }
    const struct ice_pair *pair = &agent->pairs[agent->selected];
    if (agent->setup.lite) {
        due = monotime_earlier(due, keepalive_due(pair));
    } else {
        due = monotime_earlier(due, monotime_earlier(agent->consent_due, agent->suspect_due));
    }
    if (agent->state == ICE_STATE_CONNECTED && !agent->both_lite) {
        due = monotime_earlier(due, monotime_add_us(pair->heard_at, DISCONNECTED_US));
    }
    return due;
}
