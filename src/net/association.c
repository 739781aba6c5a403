/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of one association: how it is found, its times, its begin and its end. */
#include "net/associations_internal.h"

#include "base/address.h"

#include <stdlib.h>
#include <string.h>

#define HANDSHAKE_SECONDS 10
/* About 60 KiB each. */
#define HANDSHAKES_MAX 512

/* ---- two tables ------------------------------------------------------------------------------ */

static uint64_t hash_flow(const struct siphash_key *key, const void *wanted)
{
    const struct flow *flow = wanted;
    uint8_t bytes[4 + 2 * (3 + sizeof flow->remote.ip)];
    const struct stun_address *ends[] = {&flow->remote, &flow->local};
    size_t size = sizeof flow->via;

    memcpy(bytes, &flow->via, size);
    for (size_t i = 0; i < 2; i++) {
        bytes[size++] = ends[i]->family;
        bytes[size++] = (uint8_t)(ends[i]->port >> 8);
        bytes[size++] = (uint8_t)ends[i]->port;
        memcpy(bytes + size, ends[i]->ip, sizeof ends[i]->ip);
        size += sizeof ends[i]->ip;
    }
    return siphash(key, bytes, size);
}

static bool is_flow(const struct hash_node *node, const void *wanted)
{
    const struct flow *outer = &container_of(node, struct association, by_flow)->outer;
    const struct flow *flow = wanted;

    return outer->via == flow->via && address_equal(&outer->remote, &flow->remote) &&
           address_equal(&outer->local, &flow->local);
}

static uint64_t hash_via(const struct siphash_key *key, const void *wanted)
{
    return siphash(key, wanted, sizeof(uint32_t));
}

static bool is_via(const struct hash_node *node, const void *wanted)
{
    return container_of(node, struct association, by_via)->via == *(const uint32_t *)wanted;
}

void associations_init_tables(struct associations *associations)
{
    static const struct hash_map_type flows = {hash_flow, is_flow}, vias = {hash_via, is_via};
    const struct siphash_key *key = &associations->setup.table_key;

    hash_map_init(&associations->by_flow, &flows, key, SIZE_MAX);
    hash_map_init(&associations->by_via, &vias, key, SIZE_MAX);
}

struct association *association_find_flow(const struct associations *associations,
                                          const struct flow *outer)
{
    struct hash_node *node = hash_map_find(&associations->by_flow, outer);

    return node == NULL ? NULL : container_of(node, struct association, by_flow);
}

struct association *association_find_via(const struct associations *associations, uint32_t via)
{
    struct hash_node *node = hash_map_find(&associations->by_via, &via);

    return node == NULL ? NULL : container_of(node, struct association, by_via);
}

struct flow association_flow(const struct association *one)
{
    struct flow flow = one->outer;

    flow.via = one->via;
    flow.transport = TRANSPORT_DTLS;
    return flow;
}

/* ---- time ------------------------------------------------------------------------------------ */

void association_set_resend(struct association *one, struct monotime now)
{
    int64_t wait_us = dtls_due_us(one->dtls);

    if (wait_us >= 0) {
        timer_wheel_set(&one->owner->resends, &one->resend, monotime_add_us(now, wait_us));
    } else {
        timer_wheel_cancel(&one->owner->resends, &one->resend);
    }
}

void association_set_deadline(struct association *one)
{
    int64_t seconds = one->open ? one->owner->setup.idle_seconds : HANDSHAKE_SECONDS;

    if (one->held) {
        timer_wheel_cancel(&one->owner->deadlines, &one->deadline);
    } else {
        timer_wheel_set(&one->owner->deadlines, &one->deadline,
                        monotime_add_seconds(one->heard, seconds));
    }
}

/* ---- the end of one -------------------------------------------------------------------------- */

static void leave_handshakes(struct association *one)
{
    struct associations *associations = one->owner;

    *(one->older != NULL ? &one->older->newer : &associations->oldest) = one->newer;
    *(one->newer != NULL ? &one->newer->older : &associations->newest) = one->older;
    one->older = one->newer = NULL;
    associations->handshake_count--;
}

/* Takes its place by address; a successor takes it over. */
static void leave_flow(struct association *one)
{
    struct associations *associations = one->owner;
    struct association *heir = one->successor;

    if (one->predecessor != NULL) {
        one->predecessor->successor = NULL;
        return;
    }
    hash_map_remove(&associations->by_flow, &one->by_flow);
    if (heir != NULL) {
        heir->predecessor = NULL;
        (void)hash_map_insert(&associations->by_flow, &heir->by_flow, &heir->outer);
    }
}

void association_remove(struct association *one)
{
    struct associations *associations = one->owner;

    if (!one->open) {
        leave_handshakes(one);
    }
    leave_flow(one);
    hash_map_remove(&associations->by_via, &one->by_via);
    timer_wheel_cancel(&associations->deadlines, &one->deadline);
    timer_wheel_cancel(&associations->resends, &one->resend);
    if (associations->setup.limit != NULL) {
        connection_limit_give_back(associations->setup.limit, &one->outer.remote);
    }
    dtls_free(one->dtls);
    free(one);
    associations->counters.open--;
}

void association_end(struct association *one)
{
    const struct associations_user *user = &one->owner->setup.user;

    if (one->open) {
        const struct flow flow = association_flow(one);
        user->closed(user->context, &flow);
        dtls_close(one->dtls);
    }
    association_remove(one);
}

/* ---- the begin of one ------------------------------------------------------------------------ */

bool association_is_counted(struct associations *associations, const struct stun_address *source)
{
    bool allowed = associations->setup.limit == NULL ||
                   connection_limit_take(associations->setup.limit, source) == CONNECTION_ALLOWED;

    associations->counters.refused += !allowed;
    return allowed;
}

static void take_via(struct association *one)
{
    struct associations *associations = one->owner;

    do {
        one->via = ASSOCIATIONS_VIA_FIRST | (++associations->last_number & ~ASSOCIATIONS_VIA_FIRST);
    } while (hash_map_insert(&associations->by_via, &one->by_via, &one->via) != 0);
}

static void join_handshakes(struct association *one)
{
    struct associations *associations = one->owner;

    if (associations->handshake_count == HANDSHAKES_MAX) {
        associations->counters.displaced++;
        association_remove(associations->oldest);
    }
    one->older = associations->newest;
    *(one->older != NULL ? &one->older->newer : &associations->oldest) = one;
    associations->newest = one;
    associations->handshake_count++;
}

struct association *association_add(struct associations *associations, struct monotime now,
                                    const struct flow *outer, uint64_t hello,
                                    struct association *predecessor)
{
    struct association *one = calloc(1, sizeof *one);
    const struct dtls_setup setup = {.send = associations_on_send, .context = one};

    if (one == NULL || associations->context == NULL ||
        (one->dtls = dtls_new_server(associations->context, &setup)) == NULL) {
        free(one);
        return NULL;
    }
    one->owner = associations;
    one->outer = *outer;
    one->hello = hello;
    one->heard = now;
    join_handshakes(one);
    if (predecessor != NULL) {
        one->predecessor = predecessor;
        predecessor->successor = one;
    } else {
        (void)hash_map_insert(&associations->by_flow, &one->by_flow, outer);
    }
    take_via(one);
    associations->counters.open++;
    association_set_deadline(one);
    return one;
}

void association_become_open(struct association *one)
{
    struct associations *associations = one->owner;

    leave_handshakes(one);
    one->open = true;
    associations->counters.opened++;
    associations->counters.resumed += SSL_session_reused(dtls_ssl(one->dtls)) == 1;
    if (one->predecessor != NULL) {
        struct association *old = one->predecessor;
        const struct flow flow = association_flow(old);
        associations->counters.replaced++;
        /* Its keys are not those that the client has now: it would not understand a goodbye. */
        associations->setup.user.closed(associations->setup.user.context, &flow);
        association_remove(old);
    }
}
