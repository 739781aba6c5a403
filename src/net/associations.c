/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/associations.h"

#include "base/address.h"
#include "net/associations_internal.h"
#include "net/clock.h"
#include "net/timer.h"

#include <errno.h>
#include <event2/event.h>
#include <postern/stun.h>
#include <stdlib.h>
#include <string.h>

#define GRANULARITY_US 5000
#define FRAME_SIZE (PACKET_HEADROOM + DTLS_PLAINTEXT_MAX + PACKET_TAILROOM)
#define ARENA_SIZE (4 * FRAME_SIZE)

/* RFC 6347 §4.1 */
#define RECORD_HEADER_SIZE 13
#define CONTENT_HANDSHAKE 22

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

void associations_on_send(void *context, const uint8_t *bytes, size_t size)
{
    struct association *one = context;

    seal(one->owner, &one->outer, bytes, size);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void associations_arm(struct associations *associations, struct monotime now)
{
    struct monotime due = monotime_earlier(timer_wheel_due(&associations->deadlines),
                                           timer_wheel_due(&associations->resends));

    if (due.us == associations->timer_due.us) {
        return;
    }
    associations->timer_due = due;
    timer_arm(associations->timer, now, due);
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
    const struct flow flow = association_flow(one);

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
        association_become_open(one);
        one->heard = now;
        association_set_deadline(one);
    }
    if (read_frames(one)) {
        one->heard = now;
    }
    switch (dtls_status(one->dtls)) {
    case DTLS_CONNECTING:
    case DTLS_OPEN:
        association_set_resend(one, now);
        break;
    case DTLS_FAILED:
        one->owner->counters.failed++;
        association_end(one);
        break;
    case DTLS_CLOSED:
        association_end(one);
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
    struct association *known = association_find_flow(associations, outer);
    struct association *open = known != NULL && known->open ? known : NULL;
    struct association *half = open != NULL ? open->successor : known;
    uint64_t name = siphash(&associations->setup.table_key, hello->random, DTLS_RANDOM_SIZE);

    if ((half != NULL && half->hello == name) || (open != NULL && open->hello == name)) {
        return; /* once more the same: our answer is sent again when its time has come */
    }
    if (half != NULL) {
        association_remove(half); /* the client has given it up */
    }
    if (user->admit(user->context, &outer->remote) &&
        association_is_counted(associations, &outer->remote)) {
        struct association *one = association_add(associations, now, outer, name, open);
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
    struct association *one = choose(association_find_flow(associations, outer), packet);
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
        associations_arm(associations, now);
        return true;
    }
    associations->counters.dropped_plain += !listener->plain;
    return !listener->plain;
}

void associations_send(struct associations *associations, const struct outbox_entry *entry)
{
    struct association *one = association_find_via(associations, entry->flow.via);

    if (one != NULL && dtls_write(one->dtls, entry->bytes, entry->size) == -EIO) {
        /* Its end is for the timer: the machine may be in the middle of something. */
        timer_wheel_set(&associations->deadlines, &one->deadline, one->heard);
    }
}

const char *associations_server_name(const struct associations *associations, uint32_t via)
{
    const struct association *one = association_find_via(associations, via);

    return one != NULL ? SSL_get_servername(dtls_ssl(one->dtls), TLSEXT_NAMETYPE_host_name) : NULL;
}

void associations_reclaim(struct associations *associations)
{
    associations->arena_used = 0;
}

void associations_hold(struct associations *associations, struct monotime now, uint32_t via,
                       bool held)
{
    struct association *one = association_find_via(associations, via);

    if (one != NULL) {
        one->held = held;
        one->heard = now;
        association_set_deadline(one);
        associations_arm(associations, now);
    }
}

/* ---- the timer ------------------------------------------------------------------------------- */

static void on_resend(struct association *one, struct monotime now)
{
    dtls_tick(one->dtls);
    if (dtls_status(one->dtls) == DTLS_FAILED) {
        one->owner->counters.failed++;
        association_end(one);
    } else {
        association_set_resend(one, now);
    }
}

static void on_deadline(struct association *one, struct monotime now)
{
    if (dtls_status(one->dtls) == DTLS_FAILED) {
        one->owner->counters.failed++;
        association_end(one);
        return;
    }
    association_set_deadline(one);
    if (monotime_reached(now, one->deadline.due)) {
        one->owner->counters.timed_out++;
        association_end(one);
    }
}

void associations_expire(struct associations *associations, struct monotime now)
{
    struct timer_node *node;

    /* Deadlines first: what ends now sends nothing again. */
    while ((node = timer_wheel_expire(&associations->deadlines, now)) != NULL) {
        on_deadline(container_of(node, struct association, deadline), now);
    }
    while ((node = timer_wheel_expire(&associations->resends, now)) != NULL) {
        on_resend(container_of(node, struct association, resend), now);
    }
    associations_flush(associations);
    associations_arm(associations, now);
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
    struct associations *associations = calloc(1, sizeof *associations);

    if (associations == NULL) {
        return NULL;
    }
    associations->setup = *setup;
    associations->timer_due = MONOTIME_NEVER;
    associations_init_tables(associations);
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
        association_remove(one);
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
