/* SPDX-License-Identifier: BSD-3-Clause */
/* Between resolver.c and the library that asks DNS. */
#ifndef NET_RESOLVER_BACKEND_H
#define NET_RESOLVER_BACKEND_H

#include "net/resolver.h"

#include <event2/event.h>
#include <sys/socket.h>

struct resolver {
    struct event_base *base;
    struct event *limit;    /* the request's timeout */
    struct event *finished; /* calls `done` from the loop */
    bool busy;
    struct resolver_request request;
    struct resolver_result result;
    resolver_done *done;
    void *context;
    struct resolver_backend *backend;
};

/* Given by the backend. new sets resolver->backend; returns 0 or a negative number. */
int resolver_backend_new(struct resolver *resolver, const struct stun_address *server);
void resolver_backend_free(struct resolver *resolver);
/* Begins; ends with resolver_finish, perhaps at once. */
void resolver_backend_start(struct resolver *resolver);
/* Time is up: takes what there is so far into the result, and forgets the request. */
void resolver_backend_give_up(struct resolver *resolver);

/* Used by the backend. */
void resolver_add_naptr(struct resolver *resolver, const struct resolver_naptr *record);
void resolver_add(struct resolver *resolver, const struct sockaddr *address, uint16_t port);
/* `problem`: why there is no address; used when there is none. */
void resolver_finish(struct resolver *resolver, const char *problem);

#endif
