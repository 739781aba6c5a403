/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/associations.h"

#include "base/address.h"
#include "base/hash_map.h"
#include "base/timer_wheel.h"
#include "net/clock.h"
#include "net/dtls.h"

#include <errno.h>
#include <event2/event.h>
#include <postern/stun.h>
#include <stdlib.h>
#include <string.h>

#define LISTENERS_MAX 64
#define HANDSHAKE_SECONDS 10
/* About 60 KiB each. */
#define HANDSHAKES_MAX 512
#define GRANULARITY_US 5000
#define FRAME_SIZE (PACKET_HEADROOM + DTLS_PLAINTEXT_MAX + PACKET_TAILROOM)
#define ARENA_SIZE (4 * FRAME_SIZE)

/* RFC 6347 §4.1 */
#define RECORD_HEADER_SIZE 13
#define CONTENT_HANDSHAKE 22

struct association {
    struct associations *owner;
    struct hash_node by_flow; /* unless it is a successor */
    struct hash_node by_via;
    struct flow outer; /* of its datagrams */
    uint32_t via;
    struct dtls *dtls;
    uint64_t hello; /* of its ClientHello: the hash of the random */
    /* A handshake that will replace the open association of the same outer flow. */
    struct association *successor, *predecessor;
    struct association *older, *newer; /* while in handshake */
    struct monotime heard;             /* when a datagram of it was last good */
    struct timer_node deadline, resend;
    bool open; /* the handshake is done */
    bool held;
};

struct listening {
    uint32_t via;
    bool plain;
};

struct associations {
    struct associations_setup setup;
    struct event *timer;
    struct monotime timer_due;
    SSL_CTX *context;
    struct dtls_cookies *cookies;
    struct listening listeners[LISTENERS_MAX];
    size_t listener_count;
    struct hash_map by_flow, by_via;
    uint32_t last_number;
    struct association *oldest, *newest; /* of those in handshake */
    uint32_t handshake_count;
    struct timer_wheel deadlines, resends;
    struct associations_counters counters;
    struct outbox sealed; /* what leaves through the datapath */
    uint8_t *arena;       /* of decrypted datagrams, ARENA_SIZE */
    size_t arena_used;
};

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

static struct association *find_flow(const struct associations *associations,
                                     const struct flow *outer)
{
    struct hash_node *node = hash_map_find(&associations->by_flow, outer);

    return node == NULL ? NULL : container_of(node, struct association, by_flow);
}

static struct association *find_via(const struct associations *associations, uint32_t via)
{
    struct hash_node *node = hash_map_find(&associations->by_via, &via);

    return node == NULL ? NULL : container_of(node, struct association, by_via);
}

/* The flow as the machine knows it. */
static struct flow inner_flow(const struct association *one)
{
    struct flow flow = one->outer;

    flow.via = one->via;
    flow.transport = TRANSPORT_DTLS;
    return flow;
}

/* ---- out ------------------------------------------------------------------------------------- */

static void send_sealed(struct outbox *sealed, void *context)
{
    struct associations *associations = context;

    associations->setup.user.send(associations->setup.user.context, sealed->entries, sealed->count);
    outbox_clear(sealed);
}

void associations_flush(struct associations *associations)
{
    if (associations->sealed.count > 0) {
        send_sealed(&associations->sealed, associations);
    }
}

static void seal(struct associations *associations, const struct flow *outer, const uint8_t *bytes,
                 size_t size)
{
    const struct associations_user *user = &associations->setup.user;

    if (size <= OUTBOX_RESERVE_MAX) {
        uint8_t *copy = outbox_reserve(&associations->sealed, (uint32_t)size);
        memcpy(copy, bytes, size);
        outbox_add(&associations->sealed, outer, copy, (uint32_t)size);
    } else {
        const struct outbox_entry entry = {.flow = *outer, .bytes = bytes, .size = (uint32_t)size};
        associations_flush(associations);
        user->send(user->context, &entry, 1);
    }
}

static void on_send(void *context, const uint8_t *bytes, size_t size)
{
    struct association *one = context;

    seal(one->owner, &one->outer, bytes, size);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void arm(struct associations *associations, struct monotime now)
{
    struct monotime due = monotime_earlier(timer_wheel_due(&associations->deadlines),
                                           timer_wheel_due(&associations->resends));

    if (due.us == associations->timer_due.us) {
        return;
    }
    associations->timer_due = due;
    if (due.us == MONOTIME_NEVER.us) {
        (void)event_del(associations->timer);
        return;
    }
    int64_t us = monotime_reached(now, due) ? 0 : monotime_difference_us(due, now);
    struct timeval wait = {us / MONOTIME_SECOND, us % MONOTIME_SECOND};
    (void)event_add(associations->timer, &wait);
}

static void set_resend(struct association *one, struct monotime now)
{
    int64_t wait_us = dtls_due_us(one->dtls);

    if (wait_us >= 0) {
        timer_wheel_set(&one->owner->resends, &one->resend, monotime_add_us(now, wait_us));
    } else {
        timer_wheel_cancel(&one->owner->resends, &one->resend);
    }
}

/* The idle time runs from the last datagram; the timer finds out when it rings. */
static void set_deadline(struct association *one)
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

static void remove_association(struct association *one)
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

/* Tells the machine, and the client if it can still hear us. */
static void end(struct association *one)
{
    const struct associations_user *user = &one->owner->setup.user;

    if (one->open) {
        const struct flow flow = inner_flow(one);
        user->closed(user->context, &flow);
        dtls_close(one->dtls);
    }
    remove_association(one);
}

/* ---- the begin of one ------------------------------------------------------------------------ */

static bool is_counted(struct associations *associations, const struct stun_address *source)
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
        remove_association(associations->oldest);
    }
    one->older = associations->newest;
    *(one->older != NULL ? &one->older->newer : &associations->oldest) = one;
    associations->newest = one;
    associations->handshake_count++;
}

/* A handshake for `outer`; `predecessor` is the open association of that flow, or NULL. */
static struct association *add_association(struct associations *associations, struct monotime now,
                                           const struct flow *outer, uint64_t hello,
                                           struct association *predecessor)
{
    struct association *one = calloc(1, sizeof *one);
    const struct dtls_setup setup = {.send = on_send, .context = one};

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
    set_deadline(one);
    return one;
}

/* The handshake is done: from now on it is what its address stands for. */
static void become_open(struct association *one)
{
    struct associations *associations = one->owner;

    leave_handshakes(one);
    one->open = true;
    associations->counters.opened++;
    associations->counters.resumed += SSL_session_reused(dtls_ssl(one->dtls)) == 1;
    if (one->predecessor != NULL) {
        struct association *old = one->predecessor;
        const struct flow flow = inner_flow(old);
        associations->counters.replaced++;
        /* Its keys are not those that the client has now: it would not understand a goodbye. */
        associations->setup.user.closed(associations->setup.user.context, &flow);
        remove_association(old);
    }
}

/* ---- in -------------------------------------------------------------------------------------- */

static uint8_t *make_room(struct associations *associations)
{
    const struct associations_user *user = &associations->setup.user;

    if (ARENA_SIZE - associations->arena_used < FRAME_SIZE) {
        user->flush(user->context);
        associations->arena_used = 0;
    }
    return associations->arena + associations->arena_used + PACKET_HEADROOM;
}

/* Returns whether there was any. */
static bool read_frames(struct association *one)
{
    struct associations *associations = one->owner;
    const struct associations_user *user = &associations->setup.user;
    const struct flow flow = inner_flow(one);

    for (bool any = false;; any = true) {
        uint8_t *bytes = make_room(associations);
        size_t size = dtls_read(one->dtls, bytes, DTLS_PLAINTEXT_MAX);
        if (size == 0) {
            return any;
        }
        struct packet packet = {.bytes = bytes,
                                .size = (uint32_t)size,
                                .headroom = PACKET_HEADROOM,
                                .tailroom = PACKET_TAILROOM};
        associations->arena_used += PACKET_HEADROOM + ((size + 7) & ~(size_t)7) + PACKET_TAILROOM;
        user->frame(user->context, &flow, &packet);
    }
}

static void feed(struct association *one, struct monotime now, const struct packet *packet)
{
    enum dtls_status status = dtls_input(one->dtls, packet->bytes, packet->size);

    if (status == DTLS_OPEN && !one->open) {
        become_open(one);
        one->heard = now;
        set_deadline(one);
    }
    if (read_frames(one)) {
        one->heard = now;
    }
    switch (dtls_status(one->dtls)) {
    case DTLS_CONNECTING:
    case DTLS_OPEN:
        set_resend(one, now);
        break;
    case DTLS_FAILED:
        one->owner->counters.failed++;
        end(one);
        break;
    case DTLS_CLOSED:
        end(one);
        break;
    }
}

static void challenge(struct associations *associations, struct monotime now,
                      const struct flow *outer, const struct dtls_client_hello *hello)
{
    const struct associations_user *user = &associations->setup.user;
    uint8_t answer[DTLS_HELLO_VERIFY_SIZE];

    if (user->admit(user->context, &outer->remote) &&
        dtls_cookie_answer(associations->cookies, now, &outer->remote, &outer->local, hello,
                           answer)) {
        associations->counters.challenged++;
        seal(associations, outer, answer, sizeof answer);
    }
}

/* A ClientHello from somebody who is where he says. */
static void take_hello(struct associations *associations, struct monotime now,
                       const struct flow *outer, const struct dtls_client_hello *hello,
                       const struct packet *packet)
{
    const struct associations_user *user = &associations->setup.user;
    struct association *known = find_flow(associations, outer);
    struct association *open = known != NULL && known->open ? known : NULL;
    struct association *half = open != NULL ? open->successor : known;
    uint64_t name = siphash(&associations->setup.table_key, hello->random, DTLS_RANDOM_SIZE);

    if ((half != NULL && half->hello == name) || (open != NULL && open->hello == name)) {
        return; /* once more the same: our answer is sent again when its time has come */
    }
    if (half != NULL) {
        remove_association(half); /* the client has given it up */
    }
    if (user->admit(user->context, &outer->remote) && is_counted(associations, &outer->remote)) {
        struct association *one = add_association(associations, now, outer, name, open);
        if (one != NULL) {
            feed(one, now, packet);
        } else if (associations->setup.limit != NULL) {
            connection_limit_give_back(associations->setup.limit, &outer->remote);
        }
    }
}

/* Which of two that share an address a record is for: see RFC 6347 §4.2.8. */
static struct association *choose(struct association *known, const struct packet *packet)
{
    if (known == NULL || known->successor == NULL || packet->size < RECORD_HEADER_SIZE) {
        return known;
    }
    bool clear = packet->bytes[3] == 0 && packet->bytes[4] == 0; /* epoch 0 */
    return clear || packet->bytes[0] == CONTENT_HANDSHAKE ? known->successor : known;
}

static void take_record(struct associations *associations, struct monotime now,
                        const struct flow *outer, const struct packet *packet)
{
    struct dtls_client_hello hello;

    if (dtls_client_hello_parse(&hello, packet->bytes, packet->size)) {
        if (dtls_cookie_is_good(associations->cookies, now, &outer->remote, &outer->local,
                                &hello)) {
            take_hello(associations, now, outer, &hello, packet);
        } else {
            challenge(associations, now, outer, &hello);
        }
        return;
    }
    struct association *one = choose(find_flow(associations, outer), packet);
    if (one != NULL) {
        feed(one, now, packet);
    } else {
        associations->counters.dropped_unknown++;
    }
}

static const struct listening *find_listener(const struct associations *associations, uint32_t via)
{
    for (size_t i = 0; i < associations->listener_count; i++) {
        if (associations->listeners[i].via == via) {
            return &associations->listeners[i];
        }
    }
    return NULL;
}

bool associations_input(struct associations *associations, struct monotime now,
                        const struct flow *flow, const struct packet *packet)
{
    const struct listening *listener = find_listener(associations, flow->via);

    if (listener == NULL) {
        return false;
    }
    if (packet->size > 0 && stun_first_byte(packet->bytes[0]) == STUN_PROTOCOL_DTLS) {
        take_record(associations, now, flow, packet);
        arm(associations, now);
        return true;
    }
    associations->counters.dropped_plain += !listener->plain;
    return !listener->plain;
}

void associations_send(struct associations *associations, const struct outbox_entry *entry)
{
    struct association *one = find_via(associations, entry->flow.via);

    if (one != NULL && dtls_write(one->dtls, entry->bytes, entry->size) == -EIO) {
        /* Its end is for the timer: the machine may be in the middle of something. */
        timer_wheel_set(&associations->deadlines, &one->deadline, one->heard);
    }
}

const char *associations_server_name(const struct associations *associations, uint32_t via)
{
    const struct association *one = find_via(associations, via);

    return one != NULL ? SSL_get_servername(dtls_ssl(one->dtls), TLSEXT_NAMETYPE_host_name) : NULL;
}

void associations_reclaim(struct associations *associations)
{
    associations->arena_used = 0;
}

void associations_hold(struct associations *associations, struct monotime now, uint32_t via,
                       bool held)
{
    struct association *one = find_via(associations, via);

    if (one != NULL) {
        one->held = held;
        one->heard = now;
        set_deadline(one);
        arm(associations, now);
    }
}

/* ---- the timer ------------------------------------------------------------------------------- */

static void on_resend(struct association *one, struct monotime now)
{
    dtls_tick(one->dtls);
    if (dtls_status(one->dtls) == DTLS_FAILED) {
        one->owner->counters.failed++;
        end(one);
    } else {
        set_resend(one, now);
    }
}

static void on_deadline(struct association *one, struct monotime now)
{
    if (dtls_status(one->dtls) == DTLS_FAILED) {
        one->owner->counters.failed++;
        end(one);
        return;
    }
    set_deadline(one);
    if (monotime_reached(now, one->deadline.due)) {
        one->owner->counters.timed_out++;
        end(one);
    }
}

void associations_expire(struct associations *associations, struct monotime now)
{
    struct timer_node *node;

    while ((node = timer_wheel_expire(&associations->resends, now)) != NULL) {
        on_resend(container_of(node, struct association, resend), now);
    }
    while ((node = timer_wheel_expire(&associations->deadlines, now)) != NULL) {
        on_deadline(container_of(node, struct association, deadline), now);
    }
    associations_flush(associations);
    arm(associations, now);
}

static void on_timer(evutil_socket_t descriptor, short what, void *context)
{
    struct associations *associations = context;

    (void)descriptor;
    (void)what;
    associations->timer_due = MONOTIME_NEVER; /* it has run out: arm must set it anew */
    associations_expire(associations, clock_now());
}

/* ---- life ------------------------------------------------------------------------------------ */

struct associations *associations_new(struct event_base *base,
                                      const struct associations_setup *setup)
{
    static const struct hash_map_type flows = {hash_flow, is_flow}, vias = {hash_via, is_via};
    struct associations *associations = calloc(1, sizeof *associations);

    if (associations == NULL) {
        return NULL;
    }
    associations->setup = *setup;
    associations->timer_due = MONOTIME_NEVER;
    hash_map_init(&associations->by_flow, &flows, &setup->table_key, SIZE_MAX);
    hash_map_init(&associations->by_via, &vias, &setup->table_key, SIZE_MAX);
    timer_wheel_init(&associations->deadlines, GRANULARITY_US, clock_now());
    timer_wheel_init(&associations->resends, GRANULARITY_US, clock_now());
    outbox_init(&associations->sealed, send_sealed, associations);
    associations->timer = evtimer_new(base, on_timer, associations);
    associations->cookies = dtls_cookies_new(setup->cookie_key);
    associations->arena = malloc(ARENA_SIZE);
    if (associations->timer == NULL || associations->cookies == NULL ||
        associations->arena == NULL) {
        associations_free(associations);
        return NULL;
    }
    return associations;
}

void associations_free(struct associations *associations)
{
    struct hash_cursor cursor;

    if (associations == NULL) {
        return;
    }
    struct hash_node *node = hash_map_first(&associations->by_via, &cursor);
    while (node != NULL) {
        struct association *one = container_of(node, struct association, by_via);
        dtls_close(one->dtls);
        remove_association(one);
        node = hash_map_next(&associations->by_via, &cursor);
    }
    associations_flush(associations);
    hash_map_clear(&associations->by_flow);
    hash_map_clear(&associations->by_via);
    if (associations->timer != NULL) {
        event_free(associations->timer);
    }
    dtls_cookies_free(associations->cookies);
    SSL_CTX_free(associations->context);
    free(associations->arena);
    free(associations);
}

void associations_listen(struct associations *associations, uint32_t via, bool plain)
{
    if (associations->listener_count < LISTENERS_MAX) {
        associations->listeners[associations->listener_count++] = (struct listening){via, plain};
    }
}

void associations_set_context(struct associations *associations, SSL_CTX *context)
{
    if (context != NULL) {
        SSL_CTX_up_ref(context);
    }
    SSL_CTX_free(associations->context);
    associations->context = context;
}

const struct associations_counters *associations_counters(const struct associations *associations)
{
    return &associations->counters;
}
