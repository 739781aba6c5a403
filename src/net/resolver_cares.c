/* SPDX-License-Identifier: BSD-3-Clause */
/* The resolver by c-ares: SRV, A and AAAA at the same time; or NAPTR. */
#include "net/resolver_backend.h"

#include "base/address.h"
#include "net/timer.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRY_MS 1500
#define TRIES 3
#define SOCKETS_MAX 16
#define TARGETS_MAX 4 /* SRV records that are followed */
#define LOOKUP_ADDRESSES_MAX 8
#define SRV_EXTRA_MS 1000 /* how long SRV may take once the addresses are there */
#define NAME_SIZE_MAX 320

/* One name to addresses. */
struct lookup {
    struct resolver *resolver;
    bool pending;
    int status;
    uint16_t port;
    size_t count;
    struct sockaddr_storage addresses[LOOKUP_ADDRESSES_MAX];
};

struct resolver_backend {
    ares_channel channel;
    struct event *timer;     /* of c-ares */
    struct event *srv_limit; /* SRV_EXTRA_MS */
    struct {
        ares_socket_t descriptor;
        struct event *event;
    } sockets[SOCKETS_MAX];
    size_t socket_count;

    bool forgotten; /* what c-ares still reports is of no interest */
    bool srv_pending;
    int srv_status;
    bool no_service; /* SRV says that there is none: target "." */
    struct lookup host;
    struct lookup targets[TARGETS_MAX];
    size_t target_count;
};

/* ---- the loop -------------------------------------------------------------------------------- */

static void arm_timer(struct resolver_backend *backend)
{
    struct timeval wait;
    if (ares_timeout(backend->channel, NULL, &wait) != NULL) {
        evtimer_add(backend->timer, &wait);
    } else {
        evtimer_del(backend->timer);
    }
}

static void on_timer(evutil_socket_t descriptor, short what, void *context)
{
    struct resolver_backend *backend = context;
    (void)descriptor;
    (void)what;
    ares_process_fd(backend->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_timer(backend);
}

static void on_socket(evutil_socket_t descriptor, short what, void *context)
{
    struct resolver_backend *backend = context;
    ares_process_fd(backend->channel, (what & EV_READ) != 0 ? descriptor : ARES_SOCKET_BAD,
                    (what & EV_WRITE) != 0 ? descriptor : ARES_SOCKET_BAD);
    arm_timer(backend);
}

static void forget_socket(struct resolver_backend *backend, ares_socket_t descriptor)
{
    for (size_t i = 0; i < backend->socket_count; i++) {
        if (backend->sockets[i].descriptor == descriptor) {
            event_free(backend->sockets[i].event);
            backend->sockets[i] = backend->sockets[--backend->socket_count];
            return;
        }
    }
}

/* c-ares tells which sockets it has, and what it waits for. */
static void on_socket_state(void *context, ares_socket_t descriptor, int readable, int writable)
{
    struct resolver *resolver = context;
    struct resolver_backend *backend = resolver->backend;
    short what = EV_PERSIST;
    forget_socket(backend, descriptor);
    if ((!readable && !writable) || backend->socket_count == SOCKETS_MAX) {
        return;
    }
    what |= readable ? EV_READ : 0;
    what |= writable ? EV_WRITE : 0;
    struct event *event = event_new(resolver->base, descriptor, what, on_socket, backend);
    if (event != NULL && event_add(event, NULL) == 0) {
        backend->sockets[backend->socket_count].descriptor = descriptor;
        backend->sockets[backend->socket_count++].event = event;
    } else if (event != NULL) {
        event_free(event);
    }
}

/* ---- results --------------------------------------------------------------------------------- */

static const char *problem_of(int status)
{
    switch (status) {
    case ARES_ENOTFOUND:
        return "does not exist in DNS";
    case ARES_ENODATA:
        return "has no address of the family asked for";
    case ARES_ETIMEOUT:
        return "cannot be looked up: the DNS server does not answer";
    case ARES_ECONNREFUSED:
        return "cannot be looked up: no DNS server listens";
    case ARES_ESERVFAIL:
        return "cannot be looked up: the DNS server failed";
    case ARES_EREFUSED:
        return "cannot be looked up: the DNS server refuses";
    default:
        return ares_strerror(status);
    }
}

static void take(struct resolver *resolver, const struct lookup *lookup)
{
    for (size_t i = 0; i < lookup->count; i++) {
        resolver_add(resolver, (const struct sockaddr *)&lookup->addresses[i], lookup->port);
    }
}

static bool targets_pending(const struct resolver_backend *backend)
{
    for (size_t i = 0; i < backend->target_count; i++) {
        if (backend->targets[i].pending) {
            return true;
        }
    }
    return false;
}

/* SRV's targets if there are any, else the host itself. */
static void collect(struct resolver *resolver)
{
    struct resolver_backend *backend = resolver->backend;
    for (size_t i = 0; i < backend->target_count; i++) {
        take(resolver, &backend->targets[i]);
    }
    resolver->result.by_srv = resolver->result.count > 0;
    if (backend->target_count == 0 && !backend->no_service) {
        take(resolver, &backend->host);
    }
}

static void conclude(struct resolver *resolver)
{
    struct resolver_backend *backend = resolver->backend;
    char problem[RESOLVER_PROBLEM_SIZE];
    backend->forgotten = true;
    evtimer_del(backend->srv_limit);
    collect(resolver);
    if (backend->no_service) {
        snprintf(problem, sizeof problem, "says in its SRV record that it offers no such service");
    } else if (backend->target_count > 0) {
        snprintf(problem, sizeof problem, "has SRV records, but their targets have no address");
    } else {
        snprintf(problem, sizeof problem, "%s", problem_of(backend->host.status));
    }
    resolver_finish(resolver, problem);
}

/* Ends the request when nothing more is needed. */
static void advance(struct resolver *resolver)
{
    struct resolver_backend *backend = resolver->backend;
    if (backend->forgotten) {
        return;
    }
    if (backend->srv_pending) {
        if (!backend->host.pending && backend->host.count > 0 &&
            !evtimer_pending(backend->srv_limit, NULL)) {
            (void)timer_arm_us(backend->srv_limit, SRV_EXTRA_MS * MONOTIME_MILLISECOND);
        }
        return;
    }
    bool waits = backend->target_count > 0 ? targets_pending(backend)
                                           : backend->host.pending && !backend->no_service;
    if (!waits) {
        conclude(resolver);
    }
}

static void on_srv_limit(evutil_socket_t descriptor, short what, void *context)
{
    struct resolver *resolver = context;
    (void)descriptor;
    (void)what;
    resolver->backend->srv_pending = false;
    advance(resolver);
}

static void on_addresses(void *context, int status, int timeouts, struct ares_addrinfo *found)
{
    struct lookup *lookup = context;
    (void)timeouts;
    lookup->pending = false;
    lookup->status = status;
    if (status == ARES_SUCCESS && found != NULL) {
        for (const struct ares_addrinfo_node *node = found->nodes;
             node != NULL && lookup->count < LOOKUP_ADDRESSES_MAX; node = node->ai_next) {
            memcpy(&lookup->addresses[lookup->count++], node->ai_addr, node->ai_addrlen);
        }
    }
    if (found != NULL) {
        ares_freeaddrinfo(found);
    }
    if (status != ARES_EDESTRUCTION && status != ARES_ECANCELLED) {
        advance(lookup->resolver);
    }
}

static void start_lookup(struct resolver *resolver, struct lookup *lookup, const char *name,
                         uint16_t port)
{
    static const int families[] = {[STUN_FAMILY_NONE] = AF_UNSPEC,
                                   [STUN_FAMILY_IPV4] = AF_INET,
                                   [STUN_FAMILY_IPV6] = AF_INET6};
    struct ares_addrinfo_hints hints = {.ai_family = families[resolver->request.family],
                                        .ai_socktype = SOCK_DGRAM};
    *lookup = (struct lookup){.resolver = resolver, .pending = true, .port = port};
    ares_getaddrinfo(resolver->backend->channel, name, NULL, &hints, on_addresses, lookup);
}

/* ---- SRV (RFC 2782) -------------------------------------------------------------------------- */

static uint32_t random_below(uint32_t bound)
{
    uint32_t number = 0;
    RAND_bytes((unsigned char *)&number, sizeof number);
    return number % bound;
}

/* Takes the next record out of the list: lowest priority, then by chance and weight. */
static struct ares_srv_reply *next_record(struct ares_srv_reply **records, size_t count)
{
    uint32_t sum = 0;
    unsigned priority = UINT16_MAX + 1u;
    for (size_t i = 0; i < count; i++) {
        if (records[i]->priority < priority) {
            priority = records[i]->priority;
            sum = 0;
        }
        sum += records[i]->priority == priority ? records[i]->weight + 1u : 0;
    }
    uint32_t chosen = random_below(sum);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (records[i]->priority != priority) {
            continue;
        }
        at = i;
        if (chosen < records[i]->weight + 1u) {
            break;
        }
        chosen -= records[i]->weight + 1u;
    }
    struct ares_srv_reply *record = records[at];
    records[at] = records[count - 1];
    return record;
}

static void follow_records(struct resolver *resolver, struct ares_srv_reply *list)
{
    struct resolver_backend *backend = resolver->backend;
    struct ares_srv_reply *records[16];
    size_t count = 0;
    for (; list != NULL && count < sizeof records / sizeof records[0]; list = list->next) {
        records[count++] = list;
    }
    if (count == 1 && (records[0]->host[0] == '\0' || strcmp(records[0]->host, ".") == 0)) {
        backend->no_service = true;
        return;
    }
    /* All of them are counted first: a look-up may end at once. */
    struct ares_srv_reply *chosen[TARGETS_MAX] = {NULL};
    while (count > 0 && backend->target_count < TARGETS_MAX) {
        chosen[backend->target_count] = next_record(records, count--);
        backend->targets[backend->target_count++].pending = true;
    }
    for (size_t i = 0; i < backend->target_count && chosen[i] != NULL; i++) {
        start_lookup(resolver, &backend->targets[i], chosen[i]->host, chosen[i]->port);
    }
}

static void on_srv(void *context, int status, int timeouts, unsigned char *answer, int size)
{
    struct resolver *resolver = context;
    struct resolver_backend *backend = resolver->backend;
    struct ares_srv_reply *records = NULL;
    (void)timeouts;
    if (backend->forgotten || status == ARES_EDESTRUCTION || !backend->srv_pending) {
        return;
    }
    if (status == ARES_SUCCESS) {
        status = ares_parse_srv_reply(answer, size, &records);
    }
    backend->srv_status = status;
    if (status == ARES_SUCCESS && records != NULL) {
        follow_records(resolver, records);
    }
    if (records != NULL) {
        ares_free_data(records);
    }
    backend->srv_pending = false;
    advance(resolver);
}

/* ---- NAPTR (RFC 3958) ------------------------------------------------------------------------ */

static void take_naptr(struct resolver *resolver, const struct ares_naptr_reply *reply)
{
    const char *flags = (const char *)reply->flags;
    struct resolver_naptr record = {.order = reply->order, .preference = reply->preference};
    if (flags[0] != '\0') {
        record.flag = (char)(flags[0] & ~0x20);
    }
    if (reply->regexp[0] != '\0' || (flags[0] != '\0' && flags[1] != '\0')) {
        return; /* RFC 5928 has use for neither */
    }
    snprintf(record.service, sizeof record.service, "%s", (const char *)reply->service);
    snprintf(record.replacement, sizeof record.replacement, "%s", reply->replacement);
    resolver_add_naptr(resolver, &record);
}

static void on_naptr(void *context, int status, int timeouts, unsigned char *answer, int size)
{
    struct resolver *resolver = context;
    struct resolver_backend *backend = resolver->backend;
    struct ares_naptr_reply *records = NULL;
    (void)timeouts;
    if (backend->forgotten || status == ARES_EDESTRUCTION) {
        return;
    }
    if (status == ARES_SUCCESS) {
        status = ares_parse_naptr_reply(answer, size, &records);
    }
    for (const struct ares_naptr_reply *at = records; at != NULL; at = at->next) {
        take_naptr(resolver, at);
    }
    if (records != NULL) {
        ares_free_data(records);
    }
    backend->forgotten = true;
    resolver_finish(resolver, problem_of(status));
}

/* Names without a dot and names of /etc/hosts have no records worth waiting for. */
static bool is_in_dns(struct resolver *resolver)
{
    const struct resolver_request *request = &resolver->request;
    struct hostent *found = NULL;
    if (strchr(request->host, '.') == NULL) {
        return false;
    }
    if (ares_gethostbyname_file(resolver->backend->channel, request->host, AF_INET, &found) !=
            ARES_SUCCESS &&
        ares_gethostbyname_file(resolver->backend->channel, request->host, AF_INET6, &found) !=
            ARES_SUCCESS) {
        return true;
    }
    ares_free_hostent(found);
    return false;
}

static bool wants_srv(struct resolver *resolver)
{
    const struct resolver_request *request = &resolver->request;
    return request->srv_name != NULL ||
           (request->service != NULL && request->port == 0 && is_in_dns(resolver));
}

/* ---- the backend ----------------------------------------------------------------------------- */

bool resolver_knows_srv(void)
{
    return true;
}

int resolver_backend_new(struct resolver *resolver, const struct stun_address *server)
{
    struct ares_options options = {.timeout = TRY_MS,
                                   .tries = TRIES,
                                   .sock_state_cb = on_socket_state,
                                   .sock_state_cb_data = resolver};
    char text[ADDRESS_TEXT_SIZE];
    struct resolver_backend *backend = calloc(1, sizeof *backend);
    resolver->backend = backend;
    if (backend == NULL || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(backend);
        resolver->backend = NULL;
        return -1;
    }
    backend->forgotten = true;
    backend->timer = evtimer_new(resolver->base, on_timer, backend);
    backend->srv_limit = evtimer_new(resolver->base, on_srv_limit, resolver);
    if (backend->timer == NULL || backend->srv_limit == NULL ||
        ares_init_options(&backend->channel, &options,
                          ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) !=
            ARES_SUCCESS) {
        backend->channel = NULL;
        return -1;
    }
    if (server == NULL) {
        return 0;
    }
    address_format(server, text);
    return ares_set_servers_ports_csv(backend->channel, text) == ARES_SUCCESS ? 0 : -1;
}

void resolver_backend_free(struct resolver *resolver)
{
    struct resolver_backend *backend = resolver->backend;
    if (backend == NULL) {
        return;
    }
    backend->forgotten = true;
    if (backend->channel != NULL) {
        ares_destroy(backend->channel);
    }
    if (backend->timer != NULL) {
        event_free(backend->timer);
    }
    if (backend->srv_limit != NULL) {
        event_free(backend->srv_limit);
    }
    ares_library_cleanup();
    free(backend);
}

static void start_srv(struct resolver *resolver)
{
    const struct resolver_request *request = &resolver->request;
    char name[NAME_SIZE_MAX];
    if (request->srv_name != NULL) {
        snprintf(name, sizeof name, "%s", request->srv_name);
    } else {
        snprintf(name, sizeof name, "_%s._%s.%s", request->service, request->protocol,
                 request->host);
    }
    ares_query(resolver->backend->channel, name, ns_c_in, ns_t_srv, on_srv, resolver);
}

static void start_naptr(struct resolver *resolver)
{
    if (is_in_dns(resolver)) {
        ares_query(resolver->backend->channel, resolver->request.host, ns_c_in, ns_t_naptr,
                   on_naptr, resolver);
    } else {
        resolver->backend->forgotten = true;
        resolver_finish(resolver, problem_of(ARES_ENODATA));
    }
}

void resolver_backend_start(struct resolver *resolver)
{
    struct resolver_backend *backend = resolver->backend;
    const struct resolver_request *request = &resolver->request;
    ares_cancel(backend->channel); /* what an earlier request no longer waited for */
    backend->forgotten = false;
    backend->no_service = false;
    backend->target_count = 0;
    backend->srv_pending = !request->naptr && wants_srv(resolver);
    backend->host = (struct lookup){.resolver = resolver, .status = ARES_ENODATA};
    if (request->naptr) {
        start_naptr(resolver);
    }
    if (backend->srv_pending) {
        backend->host.pending = request->srv_name == NULL;
        start_srv(resolver);
    }
    if (!request->naptr && request->srv_name == NULL) {
        start_lookup(resolver, &backend->host, request->host,
                     request->port != 0 ? request->port : request->default_port);
    }
    arm_timer(backend);
}

void resolver_backend_give_up(struct resolver *resolver)
{
    struct resolver_backend *backend = resolver->backend;
    if (!backend->forgotten) {
        backend->forgotten = true;
        evtimer_del(backend->srv_limit);
        collect(resolver);
    }
}
