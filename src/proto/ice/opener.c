/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Openers: checks with a low hop limit, which open our own NAT and die before the peer's.
 *
 * A NAT that keeps ports only while they are free (Linux's masquerade) gives our flow another port
 * when the peer's packet came to it first: it has then taken that packet for a flow of its own, and
 * the peer's hole is in the wrong place. So who speaks first must not be heard. The rule:
 *
 *   - Only pairs of a socket with a public server-reflexive candidate are in question. A host
 *     candidate with a public address has no translator before it, a relay neither.
 *   - Who may take it that the peer sends too speaks out at once: the controlling agent when the
 *     peer's credentials came after it had told of the socket's candidates (the answer to an
 *     offer); anybody who was told that the peer has them (ice_remote_informed), who has heard the
 *     peer on the pair, or whose NAT is symmetric, so that the peer must learn the port from us.
 *   - Anybody else begins with two hops: past the nearest NAT and no further. Then one hop more a
 *     time, for a second NAT of ours, but late, for the peer's NAT may be that near.
 *   - After the last of these comes the full check. So two agents that both think they are first
 *     lose less than a second.
 */
#include "proto/ice/ice_internal.h"

#include "base/address.h"

#define OPENERS_MAX 4
#define FIRST_HOPS 2
#define NO_OPENERS 255

static const uint16_t waits_ms[OPENERS_MAX] = {350, 150, 150, 150};

static bool was_told_before(const struct ice_base *base, struct monotime when)
{
    return when.us != INT64_MAX && !monotime_before(when, base->told);
}

/* Whether the peer, as far as we know, has not begun to send to this socket. */
bool ice_opener_is_unexpected(const struct ice_agent *agent, const struct ice_pair *pair)
{
    const struct ice_base *base = &agent->bases[pair->base];
    const struct ice_remote *remote = &agent->remotes[pair->remote];
    if (base->relay != NULL || pair->heard || remote->type == ICE_RELAYED ||
        !ice_address_is_public(&remote->address)) {
        return false;
    }
    if (base->reflexive_pending) {
        return true;
    }
    return !was_told_before(base, agent->informed) &&
           !(agent->role == ICE_CONTROLLING && was_told_before(base, agent->remote_known));
}

uint8_t ice_opener_hops(const struct ice_agent *agent, const struct ice_pair *pair)
{
    if (agent->setup.opener_hops == NO_OPENERS || pair->openers >= OPENERS_MAX ||
        agent->remotes[pair->remote].type != ICE_SERVER_REFLEXIVE ||
        agent->bases[pair->base].mappings > 1 || !ice_opener_is_unexpected(agent, pair)) {
        return 0;
    }
    return agent->setup.opener_hops != 0 ? agent->setup.opener_hops
                                         : (uint8_t)(FIRST_HOPS + pair->openers);
}

uint32_t ice_opener_wait_ms(const struct ice_pair *pair)
{
    return waits_ms[pair->openers > 0 && pair->openers <= OPENERS_MAX ? pair->openers - 1 : 0];
}
