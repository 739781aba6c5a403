/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Knocks: a first check that may come too early, said again a few times in quick succession.
 *
 * A relay lets in whom its owner has permitted. The owner of a relay that we heard of before our
 * answer was there could not know whom to permit: his request to the server and our first check are
 * under way at the same time, and when TURN server and rendezvous service are one host, they come
 * there at the same moment, however far the hosts are from it. A check that came a millisecond too
 * early would be lost, and the next one a whole retransmission later. So it is said again, soon at
 * first. Each is a transaction of its own, so that the round trip is measured.
 *
 * A firewall lets in whom its owner has sent to, and the peer does not send before it has our
 * answer. If our own NAT is symmetric, the peer cannot know where to send, and waits for our check.
 * So who answers says it again until the peer can have the answer: all one transaction, since an
 * answer to an early one may come late.
 *
 * Only who does not know that the peer has its candidates knocks (ice_remote_informed), only from a
 * socket, and only so often in a call.
 */
#include "proto/ice/ice_internal.h"

#define KNOCKS_MAX 36 /* of an agent between two restarts */
#define EARLY_MAX 12
#define EARLY_WAIT_MS 25

static const uint8_t waits_ms[] = {5, 15, 40};

_Static_assert(sizeof waits_ms < ICE_ATTEMPTS_MAX, "an answer to the first still counts");

static bool is_to_relay(const struct ice_agent *agent, const struct ice_pair *pair)
{
    return agent->remotes[pair->remote].type == ICE_RELAYED;
}

/* Whether the peer cannot have our answer yet. */
static bool is_early(const struct ice_agent *agent, const struct ice_pair *pair)
{
    return agent->remotes[pair->remote].type == ICE_SERVER_REFLEXIVE &&
           agent->role == ICE_CONTROLLED && monotime_is_never(agent->expected);
}

bool ice_knock_follows(struct ice_agent *agent, struct monotime now, struct ice_pair *pair)
{
    bool to_relay = is_to_relay(agent, pair) && pair->knocks < sizeof waits_ms;
    if (agent->bases[pair->base].relay != NULL || pair->heard || pair->valid ||
        !monotime_is_never(agent->informed) || agent->knocks >= KNOCKS_MAX ||
        !(to_relay || (is_early(agent, pair) && pair->knocks < EARLY_MAX))) {
        return false;
    }
    pair->due = monotime_add_ms(now, to_relay ? waits_ms[pair->knocks] : EARLY_WAIT_MS);
    pair->knocks++;
    agent->knocks++;
    return true;
}

bool ice_knock_is_new(const struct ice_agent *agent, const struct ice_pair *pair)
{
    return is_to_relay(agent, pair) && pair->knocks > 0 && pair->sends == 0;
}
