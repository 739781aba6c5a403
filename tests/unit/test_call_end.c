/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a call of two stunclients ends on a bad network, on virtual time: each side sends its bytes
 * and its end, closes the channel when the other's end has come as well, and the session when the
 * other has closed it too. Who is over is gone at once, and answers nothing any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data_pair.h"

#define SEEDS 200
#define BYTES 4000
#define SERVICE_MS 40 /* until a word of one side is told to the other by the service */

static uint8_t pattern[BYTES];

/* One side of a call, as channels.c has it. */
struct side {
    struct data_end *end;
    uint16_t id;
    bool opened, sent, ended,
        closed; /* it has the channel, sent its end, had the other's, closed */
    bool done;  /* the other has written all of ours, and we all of its */
    bool good;  /* and the session has ended in order */
    bool over;
    struct monotime over_at;
};

static struct {
    struct side a, b;
} call;

static struct side *side_of(struct data_end *end)
{
    return call.a.end == end ? &call.a : &call.b;
}

static void on_message(struct data_end *end, const struct data_event *event)
{
    struct side *side = side_of(end);
    side->ended = side->ended || event->size == 0;
}

static void send_all(struct side *side)
{
    if (data_channel_send(side->end->session, virtual_now, side->id, DATA_BINARY, pattern,
                          sizeof pattern) == 0) {
        side->sent = true;
        assert_int_equal(
            data_channel_send(side->end->session, virtual_now, side->id, DATA_BINARY, "", 0), 0);
    }
}

/* What the owner of a session does after each event. */
static void side_go(struct side *side)
{
    const struct seen *seen = &side->end->seen;

    if (side->over) {
        return;
    }
    if (!side->opened && seen->opened > 0) {
        side->opened = true;
        side->id = seen->opened_id;
    }
    if (side->opened && !side->sent) {
        send_all(side);
    }
    if (side->sent && side->ended && !side->closed) {
        side->closed = true;
        (void)data_channel_close(side->end->session, virtual_now, side->id);
    }
    if (side->closed && seen->channels_closed > 0 && !side->done) {
        side->done = true;
        data_session_close(side->end->session, virtual_now);
    }
    end_drain(side->end);
    if (seen->closed || seen->failed) {
        side->over = true;
        side->good = seen->closed && !seen->failed && side->done && seen->bytes == BYTES;
        side->over_at = virtual_now;
        data_session_free(side->end->session);
        side->end->session = NULL;
    }
}

static struct data_pair *begin_call(const struct network *network)
{
    struct data_pair *pair = pair_new(network);

    memset(&call, 0, sizeof call);
    call.a.end = &pair->a;
    call.b.end = &pair->b;
    pair->a.on_message = pair->b.on_message = on_message;
    assert_int_equal(data_channel_open(pair->a.session, virtual_now,
                                       &(struct data_channel_open){.label = "pipe"}, &call.a.id),
                     0);
    pair_connect(pair);
    return pair;
}

/* The service tells who is left that the other has left. */
static void tell_bye(struct side *side, const struct side *other)
{
    if (other->over && !side->over &&
        monotime_reached(virtual_now, monotime_add_ms(other->over_at, SERVICE_MS))) {
        data_session_peer_left(side->end->session, virtual_now);
        side_go(side);
    }
}

/* Until both are over. Returns how long it took from when the first side was done, or -1. */
static int64_t run_call(struct data_pair *pair, bool with_service)
{
    struct monotime until = monotime_add_seconds(virtual_now, 600);
    struct monotime done = MONOTIME_NEVER;

    while (!(call.a.over && call.b.over) && monotime_before(virtual_now, until) &&
           pair_step(pair)) {
        side_go(&call.a);
        side_go(&call.b);
        if (with_service) {
            tell_bye(&call.a, &call.b);
            tell_bye(&call.b, &call.a);
        }
        if ((call.a.done || call.b.done) && monotime_is_never(done)) {
            done = virtual_now;
        }
    }
    return call.a.over && call.b.over ? monotime_difference_us(virtual_now, done) : -1;
}

struct tally {
    unsigned calls, set_up, unfinished, bad_at_one, bad_at_both;
    int64_t longest_us; /* from when one side was done until both were over */
    int64_t alone_us;   /* the longest that one was left when the other was over */
};

static void count_call(struct tally *tally, int64_t took_us)
{
    tally->calls++;
    if (!call.a.end->seen.ready || !call.b.end->seen.ready) {
        return; /* there was no call */
    }
    int64_t alone_us = monotime_difference_us(call.a.over_at, call.b.over_at);
    alone_us = alone_us < 0 ? -alone_us : alone_us;
    alone_us = call.a.good && call.b.good ? alone_us : 0;
    tally->set_up++;
    tally->unfinished += took_us < 0;
    tally->bad_at_one += call.a.good != call.b.good;
    tally->bad_at_both += !call.a.good && !call.b.good;
    tally->longest_us = took_us > tally->longest_us ? took_us : tally->longest_us;
    tally->alone_us = alone_us > tally->alone_us ? alone_us : tally->alone_us;
}

static struct tally end_calls(unsigned loss_percent, bool with_service)
{
    struct tally tally = {0};

    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        const struct network network = {.delay_us = 10 * MONOTIME_MILLISECOND,
                                        .jitter_us = 20 * MONOTIME_MILLISECOND,
                                        .loss_percent = loss_percent,
                                        .double_percent = 5,
                                        .seed = seed * 7919};
        struct data_pair *pair = begin_call(&network);
        count_call(&tally, run_call(pair, with_service));
        pair_free(pair);
    }
    print_message("# %2u%% lost, %s: %u calls, %u set up, of these %u bad at one side, %u at both, "
                  "%u unfinished; the end took %.2f s at most, of one side alone %.2f s\n",
                  loss_percent, with_service ? "service" : "no service", tally.calls, tally.set_up,
                  tally.bad_at_one, tally.bad_at_both, tally.unfinished,
                  (double)tally.longest_us / MONOTIME_SECOND,
                  (double)tally.alone_us / MONOTIME_SECOND);
    return tally;
}

/* Without loss nobody waits: three round trips, the longest of them 60 ms, and a tick. */
static void test_no_loss(void **state)
{
    struct tally tally = end_calls(0, false);

    (void)state;
    assert_int_equal(tally.set_up, SEEDS);
    assert_int_equal(tally.bad_at_one + tally.bad_at_both + tally.unfinished, 0);
    assert_true(tally.longest_us <= 200 * MONOTIME_MILLISECOND);
}

static void end_on_lossy_network(bool with_service)
{
    static const unsigned percents[] = {10, 30, 50};

    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        struct tally tally = end_calls(percents[i], with_service);
        assert_true(tally.set_up >= (percents[i] <= 30 ? SEEDS : SEEDS * 9 / 10));
        assert_int_equal(tally.bad_at_one + tally.bad_at_both + tally.unfinished, 0);
        assert_true(tally.longest_us <= 60 * MONOTIME_SECOND);
        assert_true(tally.alone_us <= (with_service ? 1 : DATA_LINGER_SECONDS) * MONOTIME_SECOND);
    }
}

/* Both sides know of each other that all was written, whatever goodbye is lost. */
static void test_loss(void **state)
{
    (void)state;
    end_on_lossy_network(false);
}

/* Where the service still knows the call, who is left need not wait for lost goodbyes. */
static void test_loss_with_service(void **state)
{
    (void)state;
    end_on_lossy_network(true);
}

/* A peer that vanishes before it can have known is not taken for one that has closed in order. */
static void test_vanished(void **state)
{
    const struct network network = {.delay_us = 10 * MONOTIME_MILLISECOND, .seed = 3};
    struct data_pair *pair = begin_call(&network);
    struct monotime until = monotime_add_seconds(virtual_now, 600);

    (void)state;
    while (!call.a.closed && pair_step(pair)) {
        side_go(&call.a);
        side_go(&call.b);
    }
    assert_true(call.a.closed && !call.a.done);
    pair->network.cut = true;
    pair->flying_count = 0;
    while (!call.a.over && monotime_before(virtual_now, until) && pair_step(pair)) {
        data_session_peer_left(pair->a.session, virtual_now);
        side_go(&call.a);
    }
    assert_false(call.a.done || pair->a.seen.closed);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_loss),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_loss_with_service),
        cmocka_unit_test(test_vanished),
    };

    for (size_t i = 0; i < sizeof pattern; i++) {
        pattern[i] = (uint8_t)(i * 131);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
