/* SPDX-License-Identifier: BSD-3-Clause */
/* Refresh: RFC 8656 §8.2. A lifetime of 0 deletes; with a family, only that relayed address. */
#include "turnserver/turn/turn_internal.h"

#include <string.h>

/* How long a client may retransmit the request that deleted its allocation (RFC 8489 §6.2.1). */
#define DELETION_REMEMBERED_S 40

static void deletion_remember(struct turn_request *request)
{
    uint64_t hash = allocation_flow_hash(request->server, request->flow);
    struct deletion *deletion = &request->server->deletions[hash % DELETIONS_MAX];

    deletion->flow_hash = hash;
    deletion->forgotten = monotime_add_seconds(request->now, DELETION_REMEMBERED_S);
    memcpy(deletion->transaction_id, request->view->transaction_id, STUN_TRANSACTION_ID_SIZE);
}

/* Whether there is nothing left of `family` (STUN_FAMILY_NONE: at all), and this request did it. */
static bool deletion_is_repeated(const struct turn_request *request, uint8_t family)
{
    uint64_t hash = allocation_flow_hash(request->server, request->flow);
    const struct deletion *deletion = &request->server->deletions[hash % DELETIONS_MAX];

    bool gone =
        request->allocation == NULL ||
        (family != STUN_FAMILY_NONE && allocation_port(request->allocation, family) == NULL);

    return gone && deletion->flow_hash == hash &&
           monotime_before(request->now, deletion->forgotten) &&
           memcmp(deletion->transaction_id, request->view->transaction_id,
                  STUN_TRANSACTION_ID_SIZE) == 0;
}

static void reply_lifetime(struct turn_request *request, uint32_t lifetime_s)
{
    struct stun_builder builder;

    reply_begin(request, &builder, STUN_SUCCESS);
    stun_builder_put_u32(&builder, STUN_LIFETIME, lifetime_s);
    if (request->allocation != NULL && request->allocation->mobility != NULL &&
        stun_view_has(request->view, STUN_MOBILITY_TICKET)) {
        stun_builder_put_bytes(&builder, STUN_MOBILITY_TICKET,
                               request->allocation->mobility->ticket, TURN_TICKET_SIZE);
    }
    reply_send(request, &builder);
}

static void refresh_delete(struct turn_request *request, uint8_t family)
{
    struct turn_server *server = request->server;

    deletion_remember(request);
    /* What the client sent before must leave while the relayed port is still there. */
    if (request->outbox->count > 0) {
        request->outbox->flush(request->outbox, request->outbox->context);
    }
    if (family != STUN_FAMILY_NONE && allocation_is_dual(request->allocation)) {
        allocation_close_port(server, request->now, request->allocation,
                              allocation_port(request->allocation, family));
    } else {
        allocation_end(server, request->now, request->allocation, TURN_END_DELETED);
        request->allocation = NULL;
    }
    reply_lifetime(request, 0);
}

static void refresh_prolong(struct turn_request *request, uint8_t family, uint32_t lifetime_s)
{
    allocation_prolong(request->server, request->now, request->allocation, family, lifetime_s);
    allocation_keep_session(request->allocation, request->identity);
    allocation_report(request->server, request->allocation,
                      &(struct turn_event){.type = TURN_REFRESHED, .lifetime_s = lifetime_s});
    reply_lifetime(request, lifetime_s);
}

void refresh_handle(struct turn_request *request)
{
    static const uint16_t known[] = {STUN_LIFETIME, STUN_REQUESTED_ADDRESS_FAMILY};
    const struct turn_policy *policy = request->server->policy;
    uint32_t wanted_s = policy->lifetime_default_s;
    const struct stun_attribute_view *ticket = stun_view_find(request->view, STUN_MOBILITY_TICKET);
    uint8_t family = STUN_FAMILY_NONE;
    int has_family = stun_view_u8(request->view, STUN_REQUESTED_ADDRESS_FAMILY, &family);
    int has_lifetime = stun_view_u32(request->view, STUN_LIFETIME, &wanted_s);

    if (request_refuse_unknown(request, known, 2)) {
        return;
    }
    if (has_lifetime == STUN_ERROR_VALUE || has_family == STUN_ERROR_VALUE) {
        reply_error(request, 400, NULL);
        return;
    }
    if (wanted_s == 0 && deletion_is_repeated(request, family)) {
        reply_lifetime(request, 0);
        return;
    }
    if (ticket != NULL) {
        enum mobility_outcome outcome = mobility_refresh(request, ticket);

        if (outcome == MOBILITY_REPEATED) {
            reply_lifetime(request, turn_policy_lifetime(policy, wanted_s));
        }
        if (outcome != MOBILITY_MOVED) {
            return;
        }
    } else if (!request_owns_allocation(request)) {
        return;
    }
    if (has_family == STUN_OK && allocation_port(request->allocation, family) == NULL) {
        reply_error(request, 443, NULL);
        return;
    }
    if (wanted_s == 0) {
        refresh_delete(request, family);
    } else {
        refresh_prolong(request, family, request_lifetime(request, wanted_s));
    }
}
