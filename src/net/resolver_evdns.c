/* SPDX-License-Identifier: BSD-3-Clause */
/* The resolver by libevent's evdns, where c-ares is absent: A and AAAA, no SRV. */
#include "net/resolver_backend.h"

#include "net/socket_address.h"
#include "net/timer.h"

#include <event2/dns.h>
#include <event2/util.h>
#include <stdlib.h>

/* evdns calls back even for what was cancelled, from a later turn of the loop. */
struct lookup {
    struct resolver *resolver; /* NULL: nobody waits any more */
};

struct resolver_backend {
    struct evdns_base *dns;
    struct evdns_getaddrinfo_request *request;
    struct lookup *lookup; /* under way */
};

struct retired {
    struct evdns_base *dns;
    struct event *timer;
    unsigned turns; /* of the loop, to come */
};

bool resolver_knows_srv(void)
{
    return false;
}

int resolver_backend_new(struct resolver *resolver, const struct stun_address *server)
{
    int flags = EVDNS_BASE_DISABLE_WHEN_INACTIVE;
    struct resolver_backend *backend = calloc(1, sizeof *backend);
    union socket_address address;
    resolver->backend = backend;
    if (backend == NULL) {
        return -1;
    }
    backend->dns = evdns_base_new(
        resolver->base, server == NULL ? flags | EVDNS_BASE_INITIALIZE_NAMESERVERS : flags);
    if (backend->dns == NULL) {
        /* Without a usable /etc/resolv.conf there is still /etc/hosts. */
        backend->dns = evdns_base_new(resolver->base, flags);
    }
    if (backend->dns == NULL) {
        return -1;
    }
    if (server == NULL) {
        return 0;
    }
    evdns_base_load_hosts(backend->dns, "/etc/hosts");
    socklen_t size = socket_address_write(&address, server);
    return evdns_base_nameserver_sockaddr_add(backend->dns, &address.any, (ev_socklen_t)size, 0);
}

/*
 * evdns reports what was cancelled, by us or by itself, from a later turn of the loop, and reads
 * its base for that. So the base outlives the resolver, which may be freed inside the loop.
 */
static void on_turn(evutil_socket_t descriptor, short what, void *context)
{
    struct retired *retired = context;
    (void)descriptor;
    (void)what;
    if (--retired->turns > 0) {
        (void)timer_arm_us(retired->timer, 0);
        return;
    }
    evdns_base_free(retired->dns, 0);
    event_free(retired->timer);
    free(retired);
}

static void retire(struct event_base *base, struct evdns_base *dns)
{
    struct retired *retired = malloc(sizeof *retired);
    if (retired == NULL) {
        return; /* lost memory is better than memory that is used when freed */
    }
    *retired = (struct retired){dns, evtimer_new(base, on_turn, retired), RESOLVER_LAST_TURNS};
    if (retired->timer == NULL || timer_arm_us(retired->timer, 0) != 0) {
        free(retired);
    }
}

void resolver_backend_free(struct resolver *resolver)
{
    struct resolver_backend *backend = resolver->backend;
    if (backend == NULL) {
        return;
    }
    resolver_backend_give_up(resolver);
    if (backend->dns != NULL) {
        retire(resolver->base, backend->dns);
    }
    free(backend);
}

static const char *problem_of(int status)
{
    switch (status) {
    case EVUTIL_EAI_NONAME:
        return "does not exist in DNS";
    case EVUTIL_EAI_NODATA:
    case EVUTIL_EAI_ADDRFAMILY:
        return "has no address of the family asked for";
    case EVUTIL_EAI_AGAIN:
        return "cannot be looked up: the DNS server does not answer";
    case EVUTIL_EAI_FAIL:
        return "cannot be looked up: the DNS server failed";
    default:
        return evutil_gai_strerror(status);
    }
}

static void on_addresses(int status, struct evutil_addrinfo *found, void *context)
{
    struct lookup *lookup = context;
    struct resolver *resolver = lookup->resolver;
    if (resolver != NULL) {
        const struct resolver_request *request = &resolver->request;
        for (const struct evutil_addrinfo *node = found; node != NULL; node = node->ai_next) {
            resolver_add(resolver, node->ai_addr,
                         request->port != 0 ? request->port : request->default_port);
        }
        resolver->backend->request = NULL;
        resolver->backend->lookup = NULL;
        resolver_finish(resolver, problem_of(status));
    }
    if (found != NULL) {
        evutil_freeaddrinfo(found);
    }
    free(lookup);
}

void resolver_backend_start(struct resolver *resolver)
{
    static const int families[] = {[STUN_FAMILY_NONE] = AF_UNSPEC,
                                   [STUN_FAMILY_IPV4] = AF_INET,
                                   [STUN_FAMILY_IPV6] = AF_INET6};
    struct resolver_backend *backend = resolver->backend;
    if (resolver->request.naptr || resolver->request.srv_name != NULL) {
        resolver_finish(resolver, "has records that this build does not look up");
        return;
    }
    struct evutil_addrinfo hints = {.ai_family = families[resolver->request.family],
                                    .ai_socktype = SOCK_DGRAM,
                                    .ai_protocol = IPPROTO_UDP};
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) {
        resolver_finish(resolver, "cannot be looked up: no memory");
        return;
    }
    lookup->resolver = resolver;
    backend->lookup = lookup;
    struct evdns_getaddrinfo_request *request =
        evdns_getaddrinfo(backend->dns, resolver->request.host, NULL, &hints, on_addresses, lookup);
    if (backend->lookup == lookup) { /* it has not ended at once */
        backend->request = request;
    }
}

void resolver_backend_give_up(struct resolver *resolver)
{
    struct resolver_backend *backend = resolver->backend;
    if (backend->lookup != NULL) {
        backend->lookup->resolver = NULL;
        backend->lookup = NULL;
        evdns_getaddrinfo_cancel(backend->request);
        backend->request = NULL;
    }
}
