/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Knocks: a first check to a relay of the peer, said again a few times in quick succession.
 *
 * A relay lets in whom its owner has permitted. The owner of a relay that we heard of before our
 * answer was there could not know whom to permit: his request to the server and our first check are
 * under way at the same time, and when TURN server and rendezvous service are one host, they come
 * there at the same moment, however far the hosts are from it. A check that came a millisecond too
 * early would be lost, and the next one a whole retransmission later. So it is said again, soon at
 * first. Each is a transaction of its own, so that the round trip is measured.
 *
 * Only who does not know that the peer has its candidates knocks (ice_remote_informed), only from a
 * socket, and only so often in a call.
 */
#include "proto/ice/ice_internal.h"

#define KNOCKS_MAX 12 /* of an agent between two restarts */

static const uint8_t waits_ms[] = {5, 15, 40};

_Static_assert(sizeof waits_ms < ICE_ATTEMPTS_MAX, "an answer to the first still counts");

bool ice_knock_follows(struct ice_agent *agent, struct monotime now, struct ice_pair *pair)
{
    if (agent->remotes[pair->remote].type != ICE_RELAYED ||
        agent->bases[pair->base].relay != NULL || pair->heard || pair->valid ||
        !monotime_is_never(agent->informed) || pair->knocks >= sizeof waits_ms ||
        agent->knocks >= KNOCKS_MAX) {
        return false;
    }
    pair->due = monotime_add_ms(now, waits_ms[pair->knocks++]);
    agent->knocks++;
    return true;
}
