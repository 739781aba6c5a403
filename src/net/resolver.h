/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a host name to addresses, without blocking: SRV records first (RFC 8489 §8.1), then A and
 * AAAA. Two implementations: resolver_cares.c, and resolver_evdns.c without SRV where c-ares is
 * absent. Both read /etc/hosts and /etc/resolv.conf.
 */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include <postern/address.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct resolver;

#define RESOLVER_ADDRESSES_MAX 16
#define RESOLVER_PROBLEM_SIZE 256
#define RESOLVER_NAPTRS_MAX 8
#define RESOLVER_LAST_TURNS 4
#define RESOLVER_SERVICE_SIZE 128
#define RESOLVER_REPLACEMENT_SIZE 256

struct resolver_request {
    const char *host;
    const char *service;  /* "stun", "turn", ...: the SRV records to look for; NULL: none */
    const char *protocol; /* "udp" or "tcp" */
    const char *srv_name; /* SRV records of this very name and nothing else; NULL: as above */
    bool naptr;           /* the NAPTR records of `host` and nothing else */
    uint16_t port;        /* when given (not 0) there is no SRV look-up (RFC 8489 §8.1) */
    uint16_t default_port;
    uint8_t family;      /* STUN_FAMILY_NONE: both */
    uint32_t timeout_ms; /* for all of it */
};

/* A NAPTR record without a regular expression (RFC 3958). */
struct resolver_naptr {
    uint16_t order, preference;
    char flag;                                   /* 'S', 'A', or 0: look on at `replacement` */
    char service[RESOLVER_SERVICE_SIZE];         /* "RELAY:turn.udp" */
    char replacement[RESOLVER_REPLACEMENT_SIZE]; /* a name */
};

struct resolver_result {
    size_t count;                                          /* 0: see problem */
    struct stun_address addresses[RESOLVER_ADDRESSES_MAX]; /* the order in which to try them */
    bool by_srv;
    size_t naptr_count;
    struct resolver_naptr naptrs[RESOLVER_NAPTRS_MAX]; /* by order and preference */
    char problem[RESOLVER_PROBLEM_SIZE]; /* why there is none: the end of a sentence */
};

/* Called once a request, never from resolver_start. */
typedef void resolver_done(const struct resolver_result *result, void *context);

/*
 * `server`: the DNS server to ask, or NULL for the system's. Returns NULL when memory is out or the
 * system's configuration cannot be read.
 */
struct resolver *resolver_new(struct event_base *base, const struct stun_address *server);
/* Requests under way end without a call. What is left of it goes within RESOLVER_LAST_TURNS turns
 * of the loop. NULL is allowed. */
void resolver_free(struct resolver *resolver);
/*
 * Begins a request; one at a time. `request` is copied, its strings must live until the end.
 * Whatever happens, `done` is called within timeout_ms. Returns 0 or -ENOMEM.
 */
int resolver_start(struct resolver *resolver, const struct resolver_request *request,
                   resolver_done *done, void *context);
/* Whether SRV and NAPTR records are looked up at all. */
bool resolver_knows_srv(void);

#endif
