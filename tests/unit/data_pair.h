/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two data sessions and the network between them, on virtual time: datagrams are delayed, lost,
 * doubled and put out of order by a seed.
 */
#ifndef TESTS_UNIT_DATA_PAIR_H
#define TESTS_UNIT_DATA_PAIR_H

#include "stunclient/peer/data_channel.h"
#include "stunclient/peer/identity.h"
#include "tests/unit/openssl_clock.h"

#include <stdlib.h>
#include <string.h>

#define DATAGRAMS_MAX 8192
#define DATAGRAM_MAX 1500

struct network {
    int64_t delay_us;  /* one way */
    int64_t jitter_us; /* up to this much more: datagrams overtake each other */
    unsigned loss_percent, double_percent;
    uint32_t seed;
    bool cut; /* nothing passes */
};

struct flying {
    bool used;
    bool to_b;
    struct monotime arrival;
    uint64_t order; /* of those that arrive at once */
    size_t size;
    uint8_t bytes[DATAGRAM_MAX];
};

/* What one end has seen of the events. */
struct seen {
    bool verified, ready, closed, failed;
    unsigned opened, channels_closed, writable, acknowledged;
    uint16_t opened_id, closed_id;
    bool by_peer;
    char label[DATA_NAME_MAX + 1], protocol[DATA_NAME_MAX + 1];
    uint64_t messages, bytes;
    uint64_t sum; /* of the bytes and their places */
    size_t last_size;
    enum data_kind last_kind;
    char text[DATA_TEXT_SIZE];
};

struct data_pair;

struct data_end {
    struct data_pair *pair;
    struct identity *identity;
    struct data_session *session;
    struct seen seen;
    size_t largest; /* datagram sent */
    /* Called for each message when it is set. */
    void (*on_message)(struct data_end *end, const struct data_event *event);
};

struct data_pair {
    struct data_end a, b; /* a: DTLS client */
    struct network network;
    struct flying *flying; /* DATAGRAMS_MAX */
    size_t flying_count;
    uint64_t sent, lost;
};

static inline uint32_t pair_draw(struct data_pair *pair, uint32_t below)
{
    pair->network.seed = pair->network.seed * 1664525 + 1013904223;
    return (pair->network.seed >> 8) % below;
}

static inline void pair_fly(struct data_pair *pair, bool to_b, const uint8_t *bytes, size_t size)
{
    int64_t delay_us = pair->network.delay_us;

    if (pair->network.jitter_us > 0) {
        delay_us += pair_draw(pair, (uint32_t)pair->network.jitter_us);
    }
    if (pair->network.cut || pair->flying_count == DATAGRAMS_MAX || size > DATAGRAM_MAX ||
        pair_draw(pair, 100) < pair->network.loss_percent) {
        pair->lost++;
        return;
    }
    struct flying *one = &pair->flying[pair->flying_count++];
    *one = (struct flying){.to_b = to_b,
                           .arrival = monotime_add_us(virtual_now, delay_us),
                           .order = pair->sent,
                           .size = size};
    memcpy(one->bytes, bytes, size);
}

static inline void end_send(void *context, const uint8_t *bytes, size_t size)
{
    struct data_end *end = context;
    struct data_pair *pair = end->pair;
    bool to_b = end == &pair->a;

    pair->sent++;
    end->largest = size > end->largest ? size : end->largest;
    pair_fly(pair, to_b, bytes, size);
    if (pair_draw(pair, 100) < pair->network.double_percent) {
        pair_fly(pair, to_b, bytes, size);
    }
}

static inline void end_note(struct data_end *end, const struct data_event *event)
{
    struct seen *seen = &end->seen;

    switch (event->type) {
    case DATA_EVENT_VERIFIED:
        seen->verified = true;
        break;
    case DATA_EVENT_READY:
        seen->ready = true;
        break;
    case DATA_EVENT_OPENED:
        seen->opened++;
        seen->opened_id = event->id;
        seen->by_peer = event->by_peer;
        strcpy(seen->label, event->label);
        strcpy(seen->protocol, event->protocol);
        break;
    case DATA_EVENT_MESSAGE:
        seen->messages++;
        for (size_t i = 0; i < event->size; i++) {
            seen->sum = seen->sum * 31 + event->bytes[i];
        }
        seen->bytes += event->size;
        seen->last_size = event->size;
        seen->last_kind = event->kind;
        if (end->on_message != NULL) {
            end->on_message(end, event);
        }
        break;
    case DATA_EVENT_ACKNOWLEDGED:
        seen->acknowledged++;
        break;
    case DATA_EVENT_WRITABLE:
        seen->writable++;
        break;
    case DATA_EVENT_CHANNEL_CLOSED:
        seen->channels_closed++;
        seen->closed_id = event->id;
        break;
    case DATA_EVENT_CLOSED:
        seen->closed = true;
        break;
    case DATA_EVENT_FAILED:
        seen->failed = true;
        strcpy(seen->text, event->text);
        break;
    }
}

static inline void end_drain(struct data_end *end)
{
    struct data_event event;

    while (end->session != NULL && data_session_event(end->session, &event)) {
        end_note(end, &event);
    }
}

static inline void pair_drain(struct data_pair *pair)
{
    end_drain(&pair->a);
    end_drain(&pair->b);
}

static inline struct monotime pair_due(const struct data_pair *pair)
{
    struct monotime due = MONOTIME_NEVER;

    for (size_t i = 0; i < pair->flying_count; i++) {
        due = monotime_earlier(due, pair->flying[i].arrival);
    }
    if (pair->a.session != NULL) {
        due = monotime_earlier(due, data_session_due(pair->a.session));
    }
    return pair->b.session != NULL ? monotime_earlier(due, data_session_due(pair->b.session)) : due;
}

/* The first of those that have arrived, if there is one. */
static inline bool pair_land(struct data_pair *pair, struct flying *out)
{
    size_t best = pair->flying_count;

    for (size_t i = 0; i < pair->flying_count; i++) {
        const struct flying *one = &pair->flying[i];
        if (monotime_reached(virtual_now, one->arrival) &&
            (best == pair->flying_count || one->arrival.us < pair->flying[best].arrival.us ||
             (one->arrival.us == pair->flying[best].arrival.us &&
              one->order < pair->flying[best].order))) {
            best = i;
        }
    }
    if (best == pair->flying_count) {
        return false;
    }
    *out = pair->flying[best];
    pair->flying[best] = pair->flying[--pair->flying_count];
    return true;
}

/* Lets time go on to the next thing that happens, and makes it happen. False: nothing will. */
static inline bool pair_step(struct data_pair *pair)
{
    struct monotime due = pair_due(pair);
    struct flying one;

    if (monotime_is_never(due)) {
        return false;
    }
    /* No less than a step, so that a due time in the past does not stop the world. */
    virtual_now.us = due.us > virtual_now.us ? due.us : virtual_now.us + 1;
    while (pair_land(pair, &one)) {
        struct data_end *end = one.to_b ? &pair->b : &pair->a;
        if (end->session != NULL) {
            data_session_input(end->session, virtual_now, one.bytes, one.size);
            end_drain(end);
        }
    }
    if (pair->a.session != NULL) {
        data_session_tick(pair->a.session, virtual_now);
    }
    if (pair->b.session != NULL) {
        data_session_tick(pair->b.session, virtual_now);
    }
    pair_drain(pair);
    return true;
}

static inline void pair_run(struct data_pair *pair, int64_t us)
{
    struct monotime end = monotime_add_us(virtual_now, us);

    while (monotime_before(virtual_now, end) && !monotime_before(end, pair_due(pair)) &&
           pair_step(pair)) {
    }
    virtual_now.us = virtual_now.us < end.us ? end.us : virtual_now.us;
}

/* Runs until the condition holds, for at most so many seconds. */
#define PAIR_UNTIL(pair, seconds, condition)                                             \
    do {                                                                                 \
        struct monotime until = monotime_add_seconds(virtual_now, seconds);              \
        pair_drain(pair);                                                                \
        while (!(condition) && monotime_before(virtual_now, until) && pair_step(pair)) { \
        }                                                                                \
        assert_true(condition);                                                          \
    } while (0)

static inline struct data_remote remote_of(const struct data_end *other)
{
    return (struct data_remote){.fingerprints = {identity_fingerprint(other->identity)},
                                .fingerprint_count = 1,
                                .max_message_size = DATA_MESSAGE_MAX};
}

static inline void end_set_remote(struct data_end *end, const struct data_end *other)
{
    struct data_remote remote = remote_of(other);

    assert_int_equal(data_session_set_remote(end->session, virtual_now, &remote), 0);
}

static inline void end_make(struct data_pair *pair, struct data_end *end, enum data_role role)
{
    end->pair = pair;
    end->identity = identity_new();
    assert_non_null(end->identity);
    end->session = data_session_new(
        &(struct data_session_setup){.role = role,
                                     .identity = end->identity,
                                     .send = end_send,
                                     .context = end,
                                     .rtt_us = (uint32_t)(2 * pair->network.delay_us)});
    assert_non_null(end->session);
}

static inline struct data_pair *pair_new(const struct network *network)
{
    struct data_pair *pair = calloc(1, sizeof *pair);

    assert_non_null(pair);
    pair->network = *network;
    pair->flying = calloc(DATAGRAMS_MAX, sizeof *pair->flying);
    assert_non_null(pair->flying);
    end_make(pair, &pair->a, DATA_ROLE_CLIENT);
    end_make(pair, &pair->b, DATA_ROLE_SERVER);
    return pair;
}

static inline void end_free(struct data_end *end)
{
    data_session_free(end->session);
    identity_free(end->identity);
}

static inline void pair_free(struct data_pair *pair)
{
    end_free(&pair->a);
    end_free(&pair->b);
    free(pair->flying);
    free(pair);
}

static inline void pair_start(struct data_pair *pair)
{
    data_session_start(pair->a.session, virtual_now);
    data_session_start(pair->b.session, virtual_now);
}

/* Both know each other, and a path stands. */
static inline void pair_connect(struct data_pair *pair)
{
    end_set_remote(&pair->a, &pair->b);
    end_set_remote(&pair->b, &pair->a);
    pair_start(pair);
}

#endif
