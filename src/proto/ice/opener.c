/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Openers: checks with a low hop limit, which open our own NAT and die before the peer's.
 *
 * A NAT that keeps ports only while they are free (Linux's masquerade) gives our flow another port
 * when the peer's packet came to it first: it has then taken that packet for a flow of its own, and
 * the peer's hole is in the wrong place. So who speaks first must not be heard. The rule:
 *
 *   - Only pairs of a socket with a public server-reflexive candidate are in question. A host
 *     candidate with a public address has no translator before it, a relay neither; and a candidate
 *     whose port is not that of its socket is of a NAT that does not keep ports.
 *   - Who may take it that the peer sends too speaks out at once: the controlling agent when the
 *     peer's credentials have come (the answer to an offer); anybody who was told that the peer has
 *     our candidates (ice_remote_informed), who has heard the peer on the pair, or whose NAT is
 *     symmetric, so that the peer must learn the port from us. But a candidate that was told after
 *     the offer may have crossed the answer: it is given half the time that the answer took, and a
 *     little for the peer to send.
 *   - Anybody else begins with two hops: past the nearest NAT and no further. Then one hop more a
 *     time, for a second NAT of ours, but late, for the peer's NAT may be that near.
 *   - A relay has no low hops: its check waits until the peer has sent to it, or as long as openers
 *     take. Linux gives all later flows of a socket the port of the one that lost its own, so a
 *     check from a relay that comes too early spoils the direct way as well.
 *   - After the last of these comes the full check. So two agents that both think they are first
 *     lose less than a second.
 */
#include "proto/ice/ice_internal.h"

#include "base/address.h"

#define OPENERS_MAX 4
#define FIRST_HOPS 2
#define NO_OPENERS 255
#define OPENERS_TAKE_MS 800

/* A peer that took longer to answer was asked by somebody. */
#define WAY_MAX_US (500 * MONOTIME_MILLISECOND)
/*
 * From a candidate's arrival until the peer's first packet has passed its own NAT. Where ways are
 * short a busy host is what takes time, and there is some to spare.
 */
#define PEER_SENDS_US (10 * MONOTIME_MILLISECOND)
#define PEER_HAS_US (30 * MONOTIME_MILLISECOND)

static const uint16_t waits_ms[OPENERS_MAX] = {350, 150, 150, 150};

struct monotime ice_opener_end(const struct ice_agent *agent, const struct ice_base *base)
{
    struct monotime known = agent->informed;
    int64_t way_us = 0;

    if (agent->role == ICE_CONTROLLING) {
        known = monotime_earlier(known, agent->remote_known);
    }
    /* What is not known yet has not been told. */
    if (monotime_is_never(known) || monotime_is_never(base->told) || base->reflexive_pending) {
        return MONOTIME_NEVER;
    }
    if (monotime_before(agent->described, base->told)) {
        way_us = monotime_difference_us(known, agent->described) / 2;
        way_us = way_us < 0 ? 0 : way_us < WAY_MAX_US ? way_us : WAY_MAX_US;
        way_us = way_us + PEER_SENDS_US > PEER_HAS_US ? way_us + PEER_SENDS_US : PEER_HAS_US;
    }
    struct monotime heeded = monotime_add_us(base->told, way_us);
    return monotime_before(known, heeded) ? heeded : known;
}

bool ice_opener_is_unexpected(const struct ice_agent *agent, struct monotime now,
                              const struct ice_pair *pair)
{
    const struct ice_base *base = &agent->bases[pair->base];
    const struct ice_remote *remote = &agent->remotes[pair->remote];
    if (base->relay != NULL || pair->heard || remote->type == ICE_RELAYED ||
        !ice_address_is_public(&remote->address) ||
        ice_old_knows(agent, now, pair->base, &remote->address)) {
        return false;
    }
    return monotime_before(now, ice_opener_end(agent, base));
}

/* Whether the peer's NAT may be one that keeps ports: the candidate's is that of its socket, or the
 * peer does not tell (browsers do not). */
static bool may_keep_port(const struct ice_remote *remote)
{
    return remote->related.family == STUN_FAMILY_NONE || remote->related.port <= 9 ||
           remote->related.port == remote->address.port;
}

uint8_t ice_opener_hops(const struct ice_agent *agent, struct monotime now,
                        const struct ice_pair *pair)
{
    if (agent->setup.opener_hops == NO_OPENERS || pair->openers >= OPENERS_MAX ||
        agent->remotes[pair->remote].type != ICE_SERVER_REFLEXIVE ||
        !may_keep_port(&agent->remotes[pair->remote]) || agent->bases[pair->base].mappings > 1 ||
        !ice_opener_is_unexpected(agent, now, pair)) {
        return 0;
    }
    return agent->setup.opener_hops != 0 ? agent->setup.opener_hops
                                         : (uint8_t)(FIRST_HOPS + pair->openers);
}

struct monotime ice_opener_due(const struct ice_agent *agent, struct monotime now,
                               const struct ice_pair *pair)
{
    bool counted = pair->openers > 0 && pair->openers <= OPENERS_MAX;
    struct monotime next = monotime_add_ms(now, waits_ms[counted ? pair->openers - 1 : 0]);
    struct monotime end = ice_opener_end(agent, &agent->bases[pair->base]);

    return monotime_before(now, end) ? monotime_earlier(next, end) : next;
}

struct monotime ice_opener_hold_end(const struct ice_agent *agent, const struct ice_pair *pair)
{
    const struct ice_base *base = &agent->bases[pair->base];
    const struct ice_remote *remote = &agent->remotes[pair->remote];

    if (agent->setup.opener_hops == NO_OPENERS || base->relay == NULL || pair->heard ||
        remote->type != ICE_SERVER_REFLEXIVE || !may_keep_port(remote)) {
        return (struct monotime){0};
    }
    return monotime_earlier(ice_opener_end(agent, base),
                            monotime_add_ms(pair->created, OPENERS_TAKE_MS));
}
