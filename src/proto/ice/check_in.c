/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of the peer, and what they cause (RFC 8445 §7.3). */
#include "proto/ice/ice_internal.h"

#include "base/address.h"

#include <string.h>

#define ANSWER_SIZE_MAX 160

/* What a good check says. */
struct check {
    int base;
    struct stun_address source;
    const char *ufrag; /* the peer's, after the colon; borrowed */
    size_t ufrag_size;
    uint32_t priority;
    bool nominates;
    const uint8_t *id; /* of its transaction; borrowed */
};

/* ---- answers --------------------------------------------------------------------------------- */

static void answer(struct ice_agent *agent, struct monotime now, const struct check *check,
                   const struct stun_view *request, struct stun_builder *builder, uint8_t *bytes,
                   const struct stun_key *key, struct outbox *outbox)
{
    if (key != NULL) {
        stun_builder_put_integrity(builder, agent->setup.crypto, key);
    }
    stun_builder_put_fingerprint(builder);
    int size = stun_builder_finish(builder);
    if (size < 0 || (key == NULL && (size_t)size > request->size)) {
        return; /* a stranger gets no more bytes than it sent: its address may be another's */
    }
    struct packet packet = ice_packet(bytes, size);
    if (ice_base_send(agent, now, check->base, &check->source, &packet, 0, outbox) == 0) {
        agent->counters.checks_answered++;
    }
}

static uint8_t *begin(struct stun_builder *builder, enum stun_class message_class,
                      const struct stun_view *request, struct outbox *outbox)
{
    uint8_t *bytes = ice_reserve(outbox, ANSWER_SIZE_MAX);
    stun_builder_begin_answer(builder, bytes, ANSWER_SIZE_MAX, message_class, request);
    return bytes;
}

static void answer_success(struct ice_agent *agent, struct monotime now, const struct check *check,
                           const struct stun_view *request, const struct stun_key *key,
                           struct outbox *outbox)
{
    struct stun_builder builder;
    uint8_t *bytes = begin(&builder, STUN_SUCCESS, request, outbox);
    stun_builder_put_xor_address(&builder, STUN_XOR_MAPPED_ADDRESS, &check->source);
    answer(agent, now, check, request, &builder, bytes, key, outbox);
}

static void answer_error(struct ice_agent *agent, struct monotime now, const struct check *check,
                         const struct stun_view *request, uint16_t code, const struct stun_key *key,
                         struct outbox *outbox)
{
    struct stun_builder builder;
    uint8_t *bytes = begin(&builder, STUN_ERROR, request, outbox);
    stun_builder_put_error(&builder, code, NULL);
    answer(agent, now, check, request, &builder, bytes, key, outbox);
}

static void answer_unknown(struct ice_agent *agent, struct monotime now, const struct check *check,
                           const struct stun_view *request, const uint16_t *types, size_t count,
                           const struct stun_key *key, struct outbox *outbox)
{
    struct stun_builder builder;
    uint8_t *bytes = begin(&builder, STUN_ERROR, request, outbox);
    stun_builder_put_error(&builder, 420, NULL);
    stun_builder_put_unknown(&builder, types, count);
    answer(agent, now, check, request, &builder, bytes, key, outbox);
}

/* ---- whose it is ----------------------------------------------------------------------------- */

static bool names(const struct ice_credentials *local, const char *name, size_t size,
                  struct check *check)
{
    size_t own = strlen(local->ufrag);
    if (own == 0 || size <= own || memcmp(name, local->ufrag, own) != 0 || name[own] != ':' ||
        size - own - 1 >= ICE_UFRAG_SIZE) {
        return false;
    }
    check->ufrag = name + own + 1;
    check->ufrag_size = size - own - 1;
    return true;
}

/* The credentials of ours that a check names: this session's, or those before a restart. */
static const struct ice_credentials *find_credentials(const struct ice_agent *agent,
                                                      struct monotime now,
                                                      const struct stun_view *request,
                                                      struct check *check)
{
    const char *name;
    size_t size;
    if (stun_view_string(request, STUN_USERNAME, &name, &size) != STUN_OK) {
        return NULL;
    }
    if (names(&agent->local, name, size, check)) {
        return &agent->local;
    }
    return ice_old_answers(agent, now) && names(&agent->old_local, name, size, check)
               ? &agent->old_local
               : NULL;
}

/* Whether the check proves itself, with `key` and `check->ufrag` filled; else it is refused. */
static const struct ice_credentials *authenticate(struct ice_agent *agent, struct monotime now,
                                                  struct check *check,
                                                  const struct stun_view *request,
                                                  struct stun_key *key, struct outbox *outbox)
{
    bool complete =
        stun_view_has(request, STUN_USERNAME) && stun_view_has(request, STUN_MESSAGE_INTEGRITY);
    const struct ice_credentials *local =
        complete ? find_credentials(agent, now, request, check) : NULL;
    if (local != NULL &&
        stun_key_short_term(key, local->password, strlen(local->password)) == STUN_OK &&
        stun_view_check_integrity(request, agent->setup.crypto, key) == STUN_OK) {
        return local;
    }
    agent->counters.refused++;
    answer_error(agent, now, check, request, complete ? 401 : 400, NULL, outbox);
    return NULL;
}

/* ---- roles ----------------------------------------------------------------------------------- */

/*
 * RFC 8445 §7.3.1.1. Returns false when the peer is told to change: 487. A lite agent cannot be the
 * controlling one of a full peer, whatever the tie-breakers say.
 */
static bool settle_roles(struct ice_agent *agent, const struct stun_view *request)
{
    uint64_t theirs;
    bool controlling = agent->role == ICE_CONTROLLING;
    uint16_t conflicting = controlling ? STUN_ICE_CONTROLLING : STUN_ICE_CONTROLLED;
    if (stun_view_u64(request, conflicting, &theirs) != STUN_OK) {
        return true;
    }
    agent->counters.role_conflicts++;
    bool we_win = agent->tie_breaker >= theirs;
    if (agent->setup.lite) {
        ice_role_switch(agent, ICE_CONTROLLED);
        return controlling;
    }
    if (we_win == controlling) {
        return false;
    }
    ice_role_switch(agent, controlling ? ICE_CONTROLLED : ICE_CONTROLLING);
    return true;
}

/* ---- what it causes -------------------------------------------------------------------------- */

static struct ice_pair *find_pair(struct ice_agent *agent, struct monotime now,
                                  const struct check *check, struct outbox *outbox)
{
    int remote = ice_remote_find(agent, &check->source);
    if (remote == ICE_NONE) {
        remote = ice_remote_learn(agent, now, &check->source, check->priority);
    }
    if (remote < 0) {
        return NULL;
    }
    int pair = ice_pair_find(agent, check->base, remote);
    if (pair == ICE_NONE) {
        pair = ice_pair_add(agent, now, check->base, remote, outbox);
    }
    return pair == ICE_NONE ? NULL : &agent->pairs[pair];
}

/* Whether a check of ours has answered an earlier one of the peer a moment ago: a peer that knocks,
 * or a network that doubles packets, is no reason for another. */
static bool is_fresh(const struct ice_agent *agent, struct monotime now,
                     const struct ice_pair *pair)
{
    return pair->state == PAIR_IN_PROGRESS && pair->begun_heard &&
           monotime_before(now, monotime_add_ms(pair->begun, agent->setup.pace_ms));
}

/* RFC 8445 §7.3.1.4. A pair under way gets a new check as well: the one before may have died at a
 * firewall that the peer has opened since. */
static void trigger(struct ice_agent *agent, struct monotime now, struct ice_pair *pair)
{
    if (agent->setup.lite || (pair->valid && !pair->retired && pair->state == PAIR_SUCCEEDED) ||
        is_fresh(agent, now, pair)) {
        return;
    }
    ice_checklist_trigger(agent, now, pair);
}

/* One that was sent again, or came late, must not take the place of what was said since. */
static bool is_new_nomination(struct ice_pair *pair, const struct check *check)
{
    if (check->id == NULL) {
        return true;
    }
    bool same = memcmp(pair->nomination, check->id, sizeof pair->nomination) == 0;
    memcpy(pair->nomination, check->id, sizeof pair->nomination);
    return !same;
}

static void obey(struct ice_agent *agent, struct monotime now, const struct check *check,
                 struct outbox *outbox)
{
    struct ice_pair *pair = find_pair(agent, now, check, outbox);
    if (pair == NULL) {
        return;
    }
    if (!pair->heard) {
        pair->heard = true;
        ice_event_add_pair(agent, ICE_TRACE_HEARD, pair);
    }
    ice_consent_heard(agent, now, pair);
    trigger(agent, now, pair);
    if (check->nominates && agent->role == ICE_CONTROLLED && is_new_nomination(pair, check)) {
        ice_nomination_asked(agent, now, pair, outbox);
    }
}

/* ---- before the answer ----------------------------------------------------------------------- */

static void keep_early(struct ice_agent *agent, const struct check *check)
{
    struct ice_early *early = NULL;
    for (size_t i = 0; i < agent->early_count; i++) {
        if (agent->early[i].base == check->base &&
            address_equal(&agent->early[i].source, &check->source)) {
            early = &agent->early[i];
        }
    }
    if (early == NULL) {
        if (agent->early_count == ICE_EARLY_MAX) {
            return;
        }
        early = &agent->early[agent->early_count++];
        early->nominates = false;
    }
    bool nominated = early->nominates && early->ufrag_size == check->ufrag_size &&
                     memcmp(early->ufrag, check->ufrag, check->ufrag_size) == 0;
    *early = (struct ice_early){
        .base = (uint8_t)check->base,
        .source = check->source,
        .priority = check->priority,
        .nominates = check->nominates || nominated,
        .ufrag_size = (uint16_t)check->ufrag_size,
    };
    memcpy(early->ufrag, check->ufrag, check->ufrag_size);
}

static bool is_of_peer(const struct ice_agent *agent, const char *ufrag, size_t size)
{
    return agent->has_remote && size == strlen(agent->remote.ufrag) &&
           memcmp(ufrag, agent->remote.ufrag, size) == 0;
}

void ice_check_early(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    for (size_t i = 0; i < agent->early_count; i++) {
        const struct ice_early *early = &agent->early[i];
        const struct check check = {
            .base = early->base,
            .source = early->source,
            .priority = early->priority,
            .nominates = early->nominates,
        };
        if (is_of_peer(agent, early->ufrag, early->ufrag_size)) {
            obey(agent, now, &check, outbox);
        }
    }
    agent->early_count = 0;
}

void ice_early_forget_base(struct ice_agent *agent, int base)
{
    size_t kept = 0;
    for (size_t i = 0; i < agent->early_count; i++) {
        if (agent->early[i].base != base) {
            agent->early[kept++] = agent->early[i];
        }
    }
    agent->early_count = kept;
}

bool ice_early_knows(const struct ice_agent *agent, int base, const struct stun_address *source)
{
    for (size_t i = 0; i < agent->early_count; i++) {
        if (agent->early[i].base == base && address_equal(&agent->early[i].source, source)) {
            return true;
        }
    }
    return false;
}

/* ---- a request ------------------------------------------------------------------------------- */

static bool refuse_unknown(struct ice_agent *agent, struct monotime now, const struct check *check,
                           const struct stun_view *request, const struct stun_key *key,
                           struct outbox *outbox)
{
    static const uint16_t known[] = {STUN_USERNAME, STUN_MESSAGE_INTEGRITY, STUN_PRIORITY,
                                     STUN_USE_CANDIDATE, STUN_MESSAGE_INTEGRITY_SHA256};
    uint16_t unknown[STUN_UNKNOWN_MAX];
    size_t count = stun_view_list_unknown(request, known, sizeof known / sizeof known[0], unknown);
    if (count > 0) {
        answer_unknown(agent, now, check, request, unknown, count, key, outbox);
    }
    return count > 0;
}

static void handle_current(struct ice_agent *agent, struct monotime now, struct check *check,
                           const struct stun_view *request, const struct stun_key *key,
                           struct outbox *outbox)
{
    if (stun_view_u32(request, STUN_PRIORITY, &check->priority) != STUN_OK) {
        answer_error(agent, now, check, request, 400, key, outbox);
        return;
    }
    if (!settle_roles(agent, request)) {
        answer_error(agent, now, check, request, 487, key, outbox);
        return;
    }
    check->nominates = stun_view_has(request, STUN_USE_CANDIDATE);
    answer_success(agent, now, check, request, key, outbox);
    if (is_of_peer(agent, check->ufrag, check->ufrag_size)) {
        obey(agent, now, check, outbox);
    } else {
        keep_early(agent, check);
    }
}

void ice_check_request(struct ice_agent *agent, struct monotime now, int base,
                       const struct stun_address *source, const struct stun_view *request,
                       struct outbox *outbox)
{
    struct check check = {.base = base, .source = *source, .id = request->transaction_id};
    struct stun_key key;
    agent->counters.checks_received++;
    const struct ice_credentials *local = authenticate(agent, now, &check, request, &key, outbox);
    if (local == NULL || refuse_unknown(agent, now, &check, request, &key, outbox)) {
        return;
    }
    if (local == &agent->local) {
        handle_current(agent, now, &check, request, &key, outbox);
        return;
    }
    /* The session before the restart goes on until the new one has something. */
    answer_success(agent, now, &check, request, &key, outbox);
    agent->heard = now;
}
