/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/resolver.h"

#include "net/resolver_backend.h"
#include "net/socket_address.h"
#include "net/timer.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

static void on_finished(evutil_socket_t descriptor, short what, void *context)
{
    struct resolver *resolver = context;
    (void)descriptor;
    (void)what;
    resolver->busy = false;
    resolver->done(&resolver->result, resolver->context);
}

static void on_limit(evutil_socket_t descriptor, short what, void *context)
{
    struct resolver *resolver = context;
    (void)descriptor;
    (void)what;
    resolver_backend_give_up(resolver);
    resolver_finish(resolver, "has no address that DNS told in time");
}

struct resolver *resolver_new(struct event_base *base, const struct stun_address *server)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL) {
        return NULL;
    }
    resolver->base = base;
    resolver->limit = evtimer_new(base, on_limit, resolver);
    resolver->finished = evtimer_new(base, on_finished, resolver);
    if (resolver->limit == NULL || resolver->finished == NULL ||
        resolver_backend_new(resolver, server) != 0) {
        resolver_free(resolver);
        return NULL;
    }
    return resolver;
}

void resolver_free(struct resolver *resolver)
{
    if (resolver == NULL) {
        return;
    }
    resolver_backend_free(resolver);
    if (resolver->limit != NULL) {
        event_free(resolver->limit);
    }
    if (resolver->finished != NULL) {
        event_free(resolver->finished);
    }
    free(resolver);
}

int resolver_start(struct resolver *resolver, const struct resolver_request *request,
                   resolver_done *done, void *context)
{
    resolver->request = *request;
    resolver->result = (struct resolver_result){0};
    resolver->done = done;
    resolver->context = context;
    resolver->busy = true;
    int status = timer_arm_us(resolver->limit, request->timeout_ms * MONOTIME_MILLISECOND);
    if (status != 0) {
        return status;
    }
    resolver_backend_start(resolver);
    return 0;
}

void resolver_add(struct resolver *resolver, const struct sockaddr *any, uint16_t port)
{
    struct resolver_result *result = &resolver->result;
    struct stun_address address = socket_address_read(any);
    if (address.family != STUN_FAMILY_NONE && result->count < RESOLVER_ADDRESSES_MAX) {
        address.port = port;
        result->addresses[result->count++] = address;
    }
}

static bool comes_before(const struct resolver_naptr *a, const struct resolver_naptr *b)
{
    return a->order != b->order ? a->order < b->order : a->preference < b->preference;
}

void resolver_add_naptr(struct resolver *resolver, const struct resolver_naptr *record)
{
    struct resolver_result *result = &resolver->result;
    size_t at = result->naptr_count;
    if (at == RESOLVER_NAPTRS_MAX) {
        return;
    }
    result->naptr_count++;
    for (; at > 0 && comes_before(record, &result->naptrs[at - 1]); at--) {
        result->naptrs[at] = result->naptrs[at - 1];
    }
    result->naptrs[at] = *record;
}

void resolver_finish(struct resolver *resolver, const char *problem)
{
    evtimer_del(resolver->limit);
    if (resolver->result.count == 0) {
        snprintf(resolver->result.problem, sizeof resolver->result.problem, "%s", problem);
    }
    (void)timer_arm_us(resolver->finished, 0);
}
