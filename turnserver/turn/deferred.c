/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/deferred.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct deferred *deferred_new(const struct turn_request *request)
{
    const struct stun_view *view = request->view;
    struct deferred *deferred;

    if (view->size > DEFERRED_SIZE_MAX) {
        return NULL;
    }
    deferred = malloc(sizeof *deferred + view->size);
    if (deferred != NULL) {
        deferred->flow = *request->flow;
        deferred->identity = *request->identity;
        deferred->size = (uint32_t)view->size;
        memcpy(deferred->bytes, view->bytes, view->size);
    }
    return deferred;
}

void deferred_free(struct deferred *deferred)
{
    if (deferred != NULL) {
        auth_identity_wipe(&deferred->identity);
        free(deferred);
    }
}

void deferred_resume(const struct deferred *deferred, struct turn_server *server,
                     struct monotime now, struct outbox *outbox, struct turn_request *request,
                     struct stun_view *view)
{
    int status = stun_view_parse(view, deferred->bytes, deferred->size);

    assert(status == STUN_OK); /* it was sound when it came */
    (void)status;
    *request = (struct turn_request){
        .server = server,
        .now = now,
        .flow = &deferred->flow,
        .view = view,
        .outbox = outbox,
        .identity = &deferred->identity,
    };
}
