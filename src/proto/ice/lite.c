/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lite agent has host candidates, answers checks, and does what the peer's USE-CANDIDATE says:
 * that is what check_in and nomination do for it. Here is the rest: two of them.
 */
#include "proto/ice/ice_internal.h"

/*
 * Nobody checks, so nobody can be proved. Both compute the same order of pairs, one being the
 * controlling agent, and use the best (RFC 8445 §8.2; this agent never has but one component).
 */
void ice_lite_review(struct ice_agent *agent, struct monotime now, struct outbox *outbox)
{
    agent->both_lite = agent->setup.lite && agent->has_remote && agent->remote_lite;
    if (!agent->both_lite) {
        return;
    }
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (pair->in_use && !pair->valid) {
            pair->valid = true;
            pair->nominated = true;
            pair->state = PAIR_SUCCEEDED;
            pair->valid_since = now;
        }
    }
    ice_nomination_review(agent, now, outbox);
}
