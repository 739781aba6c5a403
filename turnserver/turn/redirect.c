/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients sent to another server: error 300 with ALTERNATE-SERVER (RFC 8489 §10). */
#include "turnserver/turn/turn_internal.h"

/* One of the client's family, since an address of another would be of no use to it. */
static const struct turn_alternate *pick_alternate(struct turn_request *request)
{
    const struct turn_policy *policy = request->server->policy;
    uint8_t family = request->flow->remote.family;
    size_t fitting = 0;
    size_t nth;

    for (size_t i = 0; i < policy->alternate_count; i++) {
        fitting += policy->alternates[i].address.family == family;
    }
    if (fitting == 0) {
        return NULL;
    }
    nth = turn_server_random(request->server) % fitting;
    for (size_t i = 0;; i++) {
        if (policy->alternates[i].address.family == family && nth-- == 0) {
            return &policy->alternates[i];
        }
    }
}

bool request_redirect(struct turn_request *request)
{
    const struct turn_alternate *alternate = pick_alternate(request);
    struct stun_builder builder;

    if (alternate == NULL) {
        return false;
    }
    request->server->counters.redirected++;
    reply_begin(request, &builder, STUN_ERROR);
    stun_builder_put_error(&builder, 300, NULL);
    stun_builder_put_address(&builder, STUN_ALTERNATE_SERVER, &alternate->address);
    if (alternate->domain[0] != '\0') {
        stun_builder_put_string(&builder, STUN_ALTERNATE_DOMAIN, alternate->domain);
    }
    reply_send(request, &builder);
    return true;
}
