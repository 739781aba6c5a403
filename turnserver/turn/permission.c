/* SPDX-License-Identifier: BSD-3-Clause */
/* CreatePermission: RFC 8656 §10. All of its peers get their permission, or none does. */
#include "turnserver/turn/shared_port.h"
#include "turnserver/turn/turn_internal.h"

struct permission_wish {
    struct stun_address peer;
    enum peer_verdict verdict;
};

/* What the client reads; the log has a longer story (peer_verdict_text). */
static const char *forbidden_reason(enum peer_verdict verdict)
{
    switch (verdict) {
    case PEER_REFUSED_ALWAYS:
        return "Forbidden IP: this kind of address is never relayed to";
    case PEER_REFUSED_DENIED:
        return "Forbidden IP: denied by the operator";
    case PEER_REFUSED_SPECIAL:
        return "Forbidden IP: private or special-purpose address";
    default:
        return "Forbidden IP";
    }
}

#define REPORTED_AMBIGUOUS 0x80 /* beside the bits of the verdicts */
_Static_assert(PEER_REFUSED_SPECIAL < 7, "a bit for each verdict");

/* Once a class of addresses and allocation: a browser offers every address that it has. */
static void report_once(struct turn_request *request, uint8_t bit, const struct turn_event *event)
{
    struct allocation *allocation = request->allocation;

    if ((allocation->refusals_reported & bit) == 0) {
        allocation->refusals_reported |= bit;
        allocation_report(request->server, allocation, event);
    }
}

static void report_refused_peer(struct turn_request *request, const struct stun_address *peer,
                                enum peer_verdict verdict)
{
    report_once(request, (uint8_t)(1u << verdict),
                &(struct turn_event){.type = TURN_PEER_REFUSED, .peer = *peer, .verdict = verdict});
}

bool request_may_permit(struct turn_request *request, const struct stun_address *peer,
                        enum peer_verdict *verdict)
{
    if (allocation_port(request->allocation, peer->family) == NULL) {
        reply_error(request, 443, NULL);
        return false;
    }
    *verdict = peer_rules_check(request->server->policy->peers, peer);
    switch (*verdict) {
    case PEER_ALLOWED:
    case PEER_OWN:
    case PEER_PROTECTED:
        return true;
    default:
        report_refused_peer(request, peer, *verdict);
        reply_error(request, 403, forbidden_reason(*verdict));
        return false;
    }
}

void request_tidy_claims(struct turn_request *request)
{
    struct allocation *allocation = request->allocation;
    /* Twice as many as can be of use, so that not every request has to look. */
    size_t max = 2 * (size_t)request->server->policy->permissions_per_allocation;

    shared_port_tidy(request->now, &allocation->port, max);
    if (allocation->second != NULL) {
        shared_port_tidy(request->now, allocation->second, max);
    }
}

bool request_claim(struct turn_request *request, const struct stun_address *peer)
{
    struct relay_port *port = allocation_port(request->allocation, peer->family);

    if (port->shared == NULL || shared_port_claim(request->now, port, peer)) {
        return true;
    }
    report_once(request, REPORTED_AMBIGUOUS,
                &(struct turn_event){.type = TURN_PEER_AMBIGUOUS, .peer = *peer});
    reply_error(request, 508, "Insufficient Capacity: another client of the port has this peer");
    return false;
}

/* Reads every XOR-PEER-ADDRESS. Returns how many there are, or 0 after an error was answered. */
static size_t read_wishes(struct turn_request *request, struct permission_wish *wishes)
{
    const struct stun_view *view = request->view;
    size_t count = 0;

    for (size_t i = 0; i < view->attribute_count; i++) {
        const struct stun_attribute_view *attribute = &view->attributes[i];
        struct permission_wish *wish = &wishes[count];

        if (attribute->type != STUN_XOR_PEER_ADDRESS) {
            continue;
        }
        if (stun_view_xor_address_of(view, attribute, &wish->peer) != STUN_OK) {
            count = 0;
            break;
        }
        if (!request_may_permit(request, &wish->peer, &wish->verdict)) {
            return 0;
        }
        count++;
    }
    if (count == 0) {
        reply_error(request, 400, "Bad Request: XOR-PEER-ADDRESS is missing or malformed");
    }
    return count;
}

static size_t count_new(struct turn_request *request, const struct permission_wish *wishes,
                        size_t count)
{
    struct permission_table *table = &request->allocation->permissions;
    size_t fresh = 0;

    for (size_t i = 0; i < count; i++) {
        fresh += permission_table_find(table, request->now, &wishes[i].peer) == NULL;
    }
    return fresh;
}

void permission_handle(struct turn_request *request)
{
    static const uint16_t known[] = {STUN_XOR_PEER_ADDRESS};
    const struct turn_policy *policy = request->server->policy;
    struct permission_wish wishes[STUN_ATTRIBUTES_MAX];
    struct monotime expires = monotime_add_seconds(request->now, policy->permission_lifetime_s);
    size_t count;

    if (request_refuse_unknown(request, known, 1) || !request_owns_allocation(request)) {
        return;
    }
    count = read_wishes(request, wishes);
    if (count == 0) {
        return;
    }
    if (!permission_table_make_room(&request->allocation->permissions, request->now,
                                    count_new(request, wishes, count),
                                    policy->permissions_per_allocation)) {
        reply_error(request, 508, "Insufficient Capacity: too many permissions");
        return;
    }
    request_tidy_claims(request);
    for (size_t i = 0; i < count; i++) {
        if (!request_claim(request, &wishes[i].peer)) {
            return;
        }
    }
    for (size_t i = 0; i < count; i++) {
        permission_table_set(&request->allocation->permissions, &wishes[i].peer, wishes[i].verdict,
                             expires);
    }
    reply_success(request);
}
