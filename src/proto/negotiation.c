/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/negotiation.h"

#include <stdio.h>
#include <string.h>

void negotiation_init(struct negotiation *negotiation, bool caller)
{
    *negotiation = (struct negotiation){.polite = !caller};
}

static bool is_waiting(const struct negotiation *negotiation, struct monotime now)
{
    return negotiation->offering &&
           monotime_before(now, monotime_add_ms(negotiation->offered, NEGOTIATION_PATIENCE_MS));
}

bool negotiation_may_offer(const struct negotiation *negotiation, struct monotime now)
{
    return negotiation->established && !is_waiting(negotiation, now);
}

void negotiation_offer(struct negotiation *negotiation, struct monotime now)
{
    negotiation->offering = negotiation->ours = true;
    negotiation->offered = now;
}

bool negotiation_refused(struct negotiation *negotiation)
{
    bool was_offering = negotiation->offering;
    negotiation->offering = false;
    return was_offering;
}

/* ---- the certificate ------------------------------------------------------------------------- */

enum likeness {
    OTHER_HASH, /* nothing can be said */
    SAME,
    DIFFERENT,
};

static enum likeness compare(const struct negotiation *negotiation,
                             const struct session_fingerprint *shown)
{
    enum likeness likeness = OTHER_HASH;
    for (size_t i = 0; i < negotiation->fingerprint_count; i++) {
        const struct session_fingerprint *known = &negotiation->fingerprints[i];
        if (strcmp(known->algorithm, shown->algorithm) != 0) {
            continue;
        }
        if (known->size == shown->size && memcmp(known->bytes, shown->bytes, shown->size) == 0) {
            return SAME;
        }
        likeness = DIFFERENT;
    }
    return likeness;
}

/* At least one is known, and no other certificate is named beside it. */
static bool is_same_certificate(const struct negotiation *negotiation,
                                const struct session_description *remote)
{
    bool same = false;
    for (size_t i = 0; i < remote->fingerprint_count; i++) {
        enum likeness likeness = compare(negotiation, &remote->fingerprints[i]);
        if (likeness == DIFFERENT) {
            return false;
        }
        same = same || likeness == SAME;
    }
    return same;
}

/* ---- descriptions ---------------------------------------------------------------------------- */

static void note(struct negotiation *negotiation, const struct session_description *remote)
{
    snprintf(negotiation->ufrag, sizeof negotiation->ufrag, "%s", remote->ufrag);
    snprintf(negotiation->password, sizeof negotiation->password, "%s", remote->password);
    if (!negotiation->established) {
        negotiation->fingerprint_count = remote->fingerprint_count;
        memcpy(negotiation->fingerprints, remote->fingerprints, sizeof negotiation->fingerprints);
    }
    negotiation->established = true;
}

static enum negotiation_verdict take_offer(struct negotiation *negotiation,
                                           const struct session_description *remote)
{
    bool first = !negotiation->established;
    bool same = strcmp(negotiation->ufrag, remote->ufrag) == 0 &&
                strcmp(negotiation->password, remote->password) == 0;
    /* What we offered has new credentials that no answer has used: they will do. */
    bool yields = negotiation->offering;
    negotiation->offering = false;
    /* The caller's offer counts even now, if the answer comes after all. */
    negotiation->ours = yields && !negotiation->polite;
    note(negotiation, remote);
    if (first) {
        return NEGOTIATION_FIRST;
    }
    return same || yields ? NEGOTIATION_TAKE : NEGOTIATION_RESTART;
}

static enum negotiation_verdict take_answer(struct negotiation *negotiation,
                                            const struct session_description *remote)
{
    bool first = !negotiation->established;
    negotiation->offering = false;
    note(negotiation, remote);
    return first ? NEGOTIATION_FIRST : NEGOTIATION_TAKE;
}

enum negotiation_verdict negotiation_take(struct negotiation *negotiation, struct monotime now,
                                          bool is_offer, const struct session_description *remote)
{
    if (!is_offer && !negotiation->ours) {
        return NEGOTIATION_STRAY;
    }
    if (is_offer && !negotiation->polite && is_waiting(negotiation, now)) {
        return NEGOTIATION_COLLIDE;
    }
    if (negotiation->established && !is_same_certificate(negotiation, remote)) {
        negotiation->offering = negotiation->offering && is_offer;
        return NEGOTIATION_REFUSE;
    }
    return is_offer ? take_offer(negotiation, remote) : take_answer(negotiation, remote);
}
