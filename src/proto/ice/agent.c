/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/ice/ice_internal.h"

#include "base/address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UFRAG_LENGTH 8     /* 48 bits; RFC 8445 §5.3 wants 24 */
#define PASSWORD_LENGTH 24 /* 144 bits; 128 */

/* ---- life ------------------------------------------------------------------------------------ */

static void make_text(struct ice_agent *agent, char *out, size_t length)
{
    /* ice-char of RFC 8839 §5.4. */
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint64_t bits = 0;
    for (size_t i = 0; i < length; i++) {
        if (i % 10 == 0) {
            bits = agent->setup.random(agent->setup.random_context);
        }
        out[i] = alphabet[bits & 63];
        bits >>= 6;
    }
    out[length] = '\0';
}

static void make_credentials(struct ice_agent *agent)
{
    make_text(agent, agent->local.ufrag, UFRAG_LENGTH);
    make_text(agent, agent->local.password, PASSWORD_LENGTH);
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value != 0 ? value : otherwise;
}

static void begin_session(struct ice_agent *agent)
{
    agent->selected = ICE_NONE;
    agent->carrier = ICE_NONE;
    agent->used_nominated = false;
    agent->informed = MONOTIME_NEVER;
    agent->knocks = 0;
    agent->expected = MONOTIME_NEVER;
    agent->remote_known = MONOTIME_NEVER;
    agent->described = MONOTIME_NEVER;
    agent->first_valid = MONOTIME_NEVER;
    agent->first_nominated = MONOTIME_NEVER;
    agent->suspect_due = MONOTIME_NEVER;
    agent->consent_due = MONOTIME_NEVER;
    agent->patience_end = MONOTIME_NEVER;
    agent->lost_end = MONOTIME_NEVER;
}

struct ice_agent *ice_agent_new(const struct ice_setup *setup)
{
    struct ice_agent *agent = calloc(1, sizeof *agent);
    if (agent == NULL) {
        return NULL;
    }
    agent->setup = *setup;
    agent->setup.pace_ms = or_default(setup->pace_ms, 50);
    agent->setup.pace_ms = agent->setup.pace_ms < 5 ? 5 : agent->setup.pace_ms;
    agent->setup.failed_ms = or_default(setup->failed_ms, 39500);
    agent->setup.consent_ms = or_default(setup->consent_ms, 30000);
    agent->setup.upgrade_ms = or_default(setup->upgrade_ms, 10000);
    agent->role = setup->role;
    agent->tie_breaker = setup->random(setup->random_context);
    agent->tokens_at = MONOTIME_NEVER;
    agent->heard = MONOTIME_NEVER;
    agent->due = MONOTIME_NEVER;
    agent->old_end = agent->old_hold_end = MONOTIME_NEVER;
    begin_session(agent);
    make_credentials(agent);
    agent->gather = ice_gather_new();
    if (agent->gather == NULL) {
        free(agent);
        return NULL;
    }
    return agent;
}

void ice_agent_free(struct ice_agent *agent)
{
    if (agent != NULL) {
        ice_gather_free(agent->gather);
        free(agent);
    }
}

void ice_agent_close(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    agent->state = ICE_STATE_CLOSED;
    agent->due = MONOTIME_NEVER;
    ice_gather_close(agent, now, outbox);
}

/* ---- descriptions ---------------------------------------------------------------------------- */

const char *ice_local_ufrag(const struct ice_agent *agent)
{
    return agent->local.ufrag;
}

const char *ice_local_password(const struct ice_agent *agent)
{
    return agent->local.password;
}

enum ice_role ice_agent_role(const struct ice_agent *agent)
{
    return agent->role;
}

const struct ice_counters *ice_agent_counters(const struct ice_agent *agent)
{
    return &agent->counters;
}

static void forget_session(struct ice_agent *agent, struct monotime now)
{
    ice_old_keep(agent, now);
    for (int i = 0; i < ICE_PAIRS_MAX; i++) {
        if (agent->pairs[i].in_use) {
            ice_pair_drop(agent, now, i);
        }
    }
    for (size_t i = 0; i < ICE_REMOTES_MAX; i++) {
        agent->remotes[i].in_use = false;
    }
    agent->has_remote = false;
    agent->remote_ended = false;
    begin_session(agent);
}

int ice_agent_restart(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    if (agent->state == ICE_STATE_CLOSED) {
        return 0;
    }
    forget_session(agent, now);
    agent->early_count = 0;
    make_credentials(agent);
    agent->tie_breaker = agent->setup.random(agent->setup.random_context);
    if (!agent->has_old) {
        agent->state = ICE_STATE_NEW;
    }
    ice_local_tell_all(agent, now);
    ice_run(agent, now, outbox);
    return 0;
}

/* RFC 8445 §6.1.1. */
static void settle_role(struct ice_agent *agent)
{
    if (agent->setup.lite != agent->remote_lite) {
        ice_role_switch(agent, agent->setup.lite ? ICE_CONTROLLED : ICE_CONTROLLING);
    }
}

static void drop_strangers(struct ice_agent *agent, struct monotime now)
{
    for (int i = 0; i < ICE_REMOTES_MAX; i++) {
        const struct ice_remote *remote = &agent->remotes[i];
        if (remote->in_use && !ice_remote_is_current(agent, remote)) {
            ice_remote_drop(agent, now, i);
        }
    }
}

static bool is_known_remote(const struct ice_agent *agent, const char *ufrag, const char *password)
{
    return agent->has_remote && strcmp(agent->remote.ufrag, ufrag) == 0 &&
           strcmp(agent->remote.password, password) == 0;
}

int ice_remote_credentials(struct ice_agent *agent, struct monotime now, const char *ufrag,
                           const char *password, bool lite, struct outbox *outbox)
{
    size_t ufrag_size = strlen(ufrag), password_size = strlen(password);
    if (ufrag_size < 4 || ufrag_size >= ICE_UFRAG_SIZE || password_size < 22 ||
        password_size >= ICE_PASSWORD_SIZE) {
        return -EINVAL;
    }
    if (agent->state == ICE_STATE_CLOSED || is_known_remote(agent, ufrag, password)) {
        return 0;
    }
    if (agent->has_remote) {
        forget_session(agent, now);
    }
    memcpy(agent->remote.ufrag, ufrag, ufrag_size + 1);
    memcpy(agent->remote.password, password, password_size + 1);
    agent->remote_lite = lite;
    agent->has_remote = true;
    agent->remote_known = now;
    agent->patience_end = monotime_add_ms(now, agent->setup.failed_ms);
    if (agent->state == ICE_STATE_NEW || agent->state == ICE_STATE_FAILED) {
        agent->state = ICE_STATE_CHECKING;
    }
    settle_role(agent);
    drop_strangers(agent, now);
    ice_check_early(agent, now, outbox);
    ice_run(agent, now, outbox);
    return 0;
}

void ice_remote_end_of_candidates(struct ice_agent *agent, struct monotime now)
{
    (void)now;
    agent->remote_ended = true; /* RFC 8863 §4: patience does not end earlier for it */
}

void ice_remote_informed(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    agent->informed = now;
    ice_checklist_review_openers(agent, now);
    ice_run(agent, now, outbox);
}

void ice_remote_expected(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    agent->expected = now;
    ice_checklist_repeat(agent, now);
    ice_run(agent, now, outbox);
}

/* ---- packets --------------------------------------------------------------------------------- */

int ice_base_send(struct ice_agent *agent, struct monotime now, int base,
                  const struct stun_address *remote, struct packet *packet, uint8_t hops,
                  struct outbox *outbox)
{
    const struct ice_base *row = &agent->bases[base];
    if (row->relay != NULL) {
        return ice_relay_send(agent, now, base, remote, packet, outbox);
    }
    struct flow flow = {
        .via = row->via,
        .transport = TRANSPORT_UDP,
        .remote = *remote,
        .local = row->address,
    };
    outbox_add_hops(outbox, &flow, packet->bytes, packet->size, hops);
    return 0;
}

uint8_t *ice_reserve(struct outbox *outbox, uint32_t capacity)
{
    return outbox_reserve(outbox, ICE_HEADROOM + capacity + ICE_TAILROOM) + ICE_HEADROOM;
}

struct packet ice_packet(uint8_t *bytes, int size)
{
    return (struct packet){
        .bytes = bytes, .size = (uint32_t)size, .headroom = ICE_HEADROOM, .tailroom = ICE_TAILROOM};
}

static struct ice_pair *find_pair(struct ice_agent *agent, int base,
                                  const struct stun_address *source)
{
    if (agent->selected != ICE_NONE) {
        struct ice_pair *pair = &agent->pairs[agent->selected];
        if (pair->base == base && address_equal(&agent->remotes[pair->remote].address, source)) {
            return pair;
        }
    }
    int remote = ice_remote_find(agent, source);
    int pair = remote == ICE_NONE ? ICE_NONE : ice_pair_find(agent, base, remote);
    return pair == ICE_NONE ? NULL : &agent->pairs[pair];
}

static void note_carrier(struct ice_agent *agent, const struct ice_pair *pair)
{
    int index = (int)(pair - agent->pairs);
    if (agent->carrier != index) {
        agent->carrier = index;
        ice_event_add_pair(agent, ICE_CARRIED, pair);
    }
}

static enum ice_input take_data(struct ice_agent *agent, struct monotime now, int base,
                                const struct stun_address *source, const struct packet *packet,
                                struct packet *data)
{
    struct ice_pair *pair = find_pair(agent, base, source);
    bool proved = pair != NULL && (pair->valid || pair->heard) && !pair->retired;
    if (!proved && !ice_old_knows(agent, now, base, source) &&
        !ice_early_knows(agent, base, source)) {
        agent->counters.dropped_data++;
        return ICE_INPUT_HANDLED;
    }
    if (proved) {
        ice_consent_heard(agent, now, pair);
        note_carrier(agent, pair);
    }
    agent->counters.received_packets++;
    agent->counters.received_bytes += packet->size;
    *data = *packet;
    return ICE_INPUT_DATA;
}

static void take_stun(struct ice_agent *agent, struct monotime now, int base,
                      const struct stun_address *source, const struct packet *packet,
                      struct outbox *outbox)
{
    struct stun_view view;
    if (stun_view_parse(&view, packet->bytes, packet->size) != STUN_OK || view.classic ||
        view.method != STUN_BINDING || !ice_address_is_host(source) ||
        (view.message_class != STUN_INDICATION && stun_view_check_fingerprint(&view) != STUN_OK)) {
        agent->counters.refused++;
        return;
    }
    if (view.message_class == STUN_REQUEST) {
        ice_check_request(agent, now, base, source, &view, outbox);
    } else if (view.message_class != STUN_INDICATION) {
        ice_check_response(agent, now, base, source, &view, outbox);
    }
    ice_run(agent, now, outbox);
}

enum ice_input ice_arrived(struct ice_agent *agent, struct monotime now, int base,
                           const struct stun_address *source, struct packet *packet,
                           struct packet *data, struct outbox *outbox)
{
    if (packet->size == 0 || agent->state == ICE_STATE_CLOSED) {
        return ICE_INPUT_HANDLED;
    }
    if (stun_first_byte(packet->bytes[0]) != STUN_PROTOCOL_STUN) {
        return take_data(agent, now, base, source, packet, data);
    }
    take_stun(agent, now, base, source, packet, outbox);
    return ICE_INPUT_HANDLED;
}

enum ice_input ice_input(struct ice_agent *agent, struct monotime now, const struct flow *flow,
                         struct packet *packet, struct packet *data, struct outbox *outbox)
{
    bool taken = false;
    enum ice_input result = ice_gather_input(agent, now, flow, packet, data, outbox, &taken);
    if (taken) {
        return result;
    }
    int base = flow->transport == TRANSPORT_UDP ? ice_base_of_via(agent, flow->via) : ICE_NONE;
    if (base == ICE_NONE) {
        return ICE_INPUT_NOT_OURS;
    }
    return ice_arrived(agent, now, base, &flow->remote, packet, data, outbox);
}

int ice_send(struct ice_agent *agent, struct monotime now, struct packet *packet,
             struct outbox *outbox)
{
    uint32_t size = packet->size;
    int status = -ENOTCONN;
    if (agent->state == ICE_STATE_CLOSED) {
        return status;
    }
    if (agent->selected != ICE_NONE) {
        struct ice_pair *pair = &agent->pairs[agent->selected];
        ice_consent_sending(agent, now, pair);
        status = ice_base_send(agent, now, pair->base, &agent->remotes[pair->remote].address,
                               packet, 0, outbox);
    } else if (agent->has_old) {
        status = ice_base_send(agent, now, agent->old_pair.base, &agent->old_peer.address, packet,
                               0, outbox);
    }
    if (status == 0) {
        agent->counters.sent_packets++;
        agent->counters.sent_bytes += size;
    }
    return status;
}

/* ICMP can be forged, and a firewall may say so to the first checks by design: what was not proved
 * is left to its timers, what was is looked at at once. */
void ice_unreachable(struct ice_agent *agent, struct monotime now, uint32_t via,
                     const struct stun_address *remote, struct outbox *outbox)
{
    int base = ice_base_of_via(agent, via);
    const struct ice_pair *pair = base == ICE_NONE ? NULL : find_pair(agent, base, remote);
    bool in_use =
        pair != NULL && agent->selected != ICE_NONE && pair == &agent->pairs[agent->selected];
    if (in_use && pair->valid && monotime_is_never(agent->suspect_due) && !agent->setup.lite) {
        ice_consent_suspect(agent, now);
        ice_run(agent, now, outbox);
    }
}

bool ice_selected(const struct ice_agent *agent, struct ice_pair_report *out)
{
    if (agent->selected == ICE_NONE) {
        return false;
    }
    const struct ice_pair *pair = &agent->pairs[agent->selected];
    struct ice_event_entry entry = {
        .rtt_us = pair->rtt_us,
        .nominated = pair->nominated,
        .server_transport = agent->bases[pair->base].server_transport,
    };
    ice_pair_describe(agent, pair, &entry.local, &entry.remote);
    ice_event_describe_pair(&entry, out);
    return true;
}

/* ---- time ------------------------------------------------------------------------------------ */

/* RFC 8863 §4: not before its time, whatever has failed. */
static void lose_patience(struct ice_agent *agent, struct monotime now)
{
    if (agent->state == ICE_STATE_CHECKING && monotime_reached(now, agent->patience_end) &&
        (agent->setup.lite || ice_checklist_has_failed(agent))) {
        agent->state = ICE_STATE_FAILED;
        ice_event_add(agent, ICE_FAILED);
    }
}

static void settle(struct ice_agent *agent, struct monotime now)
{
    struct monotime due = ice_checklist_due(agent, now);
    due = monotime_earlier(due, ice_nomination_due(agent, now));
    due = monotime_earlier(due, ice_consent_due(agent));
    if (agent->state == ICE_STATE_CHECKING && monotime_before(now, agent->patience_end)) {
        due = monotime_earlier(due, agent->patience_end);
    }
    agent->due = due;
}

void ice_run(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    if (agent->state == ICE_STATE_CLOSED) {
        return;
    }
    ice_lite_review(agent, now, outbox);
    ice_nomination_review(agent, now, outbox);
    ice_checklist_tick(agent, now, outbox);
    lose_patience(agent, now);
    settle(agent, now);
}

void ice_tick(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    ice_gather_tick(agent, now, outbox);
    if (monotime_reached(now, agent->due)) {
        ice_consent_tick(agent, now, outbox);
        ice_run(agent, now, outbox);
    }
}

struct monotime ice_due(const struct ice_agent *agent)
{
    return monotime_earlier(agent->due, ice_gather_due(agent));
}
