/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The opening of a connection that was accepted, before its first frame: who is really there (the
 * PROXY header of a load balancer), and whether it brings STUN, TLS, or TLS that is for somebody
 * else. Bytes are only looked at while they wait in the kernel, so nothing is kept for a connection
 * that is half made, and whoever takes it over finds all of them; a PROXY header alone is taken
 * out.
 */
#ifndef NET_OPENING_H
#define NET_OPENING_H

#include <postern/address.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct opening;

enum opening_way {
    OPENING_REFUSED,
    OPENING_PLAIN, /* STUN, or something else that the stream will refuse */
    OPENING_TLS,
    OPENING_UPSTREAM, /* TLS for the upstream */
};

struct opening_rules {
    bool plain, tls; /* what may come; at least one */
    bool proxied;    /* a PROXY header must come first */
    /*
     * Whether TLS whose ALPN or server name is not ours goes to an upstream. ALPN decides when
     * there is one: ours are those of RFC 7443. Without ALPN it is ours when it has no server name
     * or one of `names` (text_host_matches); no names: every name is ours.
     */
    bool upstream;
    const char *const *names; /* borrowed */
    size_t name_count;
};

struct opening_result {
    enum opening_way way;
    struct stun_address
        source;       /* by the PROXY header; family NONE: it does not say, or is not there */
    const char *text; /* of OPENING_REFUSED: why */
};

/*
 * Watches a non-blocking socket, which stays the caller's, until its opening is clear; then calls
 * `done` once, in which the opening may be freed. `rules` are borrowed until then. Returns NULL
 * when memory is out.
 */
struct opening *opening_new(struct event_base *base, int descriptor,
                            const struct opening_rules *rules,
                            void (*done)(void *context, const struct opening_result *result),
                            void *context);
void opening_free(struct opening *opening); /* NULL is allowed */

#endif
