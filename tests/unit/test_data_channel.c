/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data_pair.h"

#include <errno.h>
#include <malloc.h>

static const struct network good = {.delay_us = 10 * MONOTIME_MILLISECOND, .seed = 1};
static const struct network bad = {.delay_us = 10 * MONOTIME_MILLISECOND,
                                   .jitter_us = 20 * MONOTIME_MILLISECOND,
                                   .loss_percent = 30,
                                   .double_percent = 20,
                                   .seed = 7};

static uint8_t pattern[DATA_MESSAGE_MAX + 1];

static void fill_pattern(void)
{
    for (size_t i = 0; i < sizeof pattern; i++) {
        pattern[i] = (uint8_t)(i * 131 + (i >> 8));
    }
}

/* As end_note sums. */
static uint64_t sum_of(uint64_t sum, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        sum = sum * 31 + bytes[i];
    }
    return sum;
}

static int open_channel(struct data_end *end, const char *label, uint16_t *id)
{
    return data_channel_open(end->session, virtual_now, &(struct data_channel_open){.label = label},
                             id);
}

static int send_bytes(struct data_end *end, uint16_t id, const void *bytes, size_t size)
{
    return data_channel_send(end->session, virtual_now, id, DATA_BINARY, bytes, size);
}

/* A pair with one channel of a's, acknowledged. */
static struct data_pair *opened_pair(const struct network *network, uint16_t *id)
{
    struct data_pair *pair = pair_new(network);

    assert_int_equal(open_channel(&pair->a, "pipe", id), 0);
    pair_connect(pair);
    PAIR_UNTIL(pair, 60, pair->a.seen.opened == 1 && pair->b.seen.opened == 1);
    return pair;
}

/* Sends `total` bytes of the pattern in messages of `size`, as the channel takes them. */
static uint64_t pour(struct data_pair *pair, struct data_end *end, uint16_t id, uint64_t total,
                     size_t size)
{
    uint64_t sum = 0;
    uint64_t sent = 0;
    int64_t give_up = virtual_now.us + 3600 * MONOTIME_SECOND;

    while (sent < total && virtual_now.us < give_up) {
        size_t part = total - sent < size ? (size_t)(total - sent) : size;
        int result = send_bytes(end, id, pattern, part);
        if (result == 0) {
            sum = sum_of(sum, pattern, part);
            sent += part;
        } else {
            assert_int_equal(result, -EAGAIN);
            unsigned before = end->seen.writable;
            PAIR_UNTIL(pair, 600, end->seen.writable > before);
        }
    }
    assert_true(sent == total);
    return sum;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void test_open(void **state)
{
    struct data_pair *pair = pair_new(&good);
    struct monotime begin = virtual_now;
    const struct data_channel_open open = {.label = "pipe", .protocol = "postern"};
    uint16_t id = 99;

    (void)state;
    assert_int_equal(data_channel_open(pair->a.session, virtual_now, &open, &id), 0);
    assert_int_equal(id, 0);
    assert_int_equal(data_channel_send(pair->a.session, virtual_now, id, DATA_TEXT, "early", 5),
                     -EAGAIN);
    pair_connect(pair);
    PAIR_UNTIL(pair, 5, pair->a.seen.writable > 0);
    assert_int_equal(data_channel_send(pair->a.session, virtual_now, id, DATA_TEXT, "early", 5), 0);
    PAIR_UNTIL(pair, 5, pair->b.seen.messages > 0);
    print_message("# first data after %lld ms, round trip 20 ms\n",
                  (long long)(virtual_now.us - begin.us) / 1000);
    /* Two round trips of DTLS, one and a half of SCTP: data goes with the COOKIE ECHO. */
    assert_true(virtual_now.us - begin.us <= 75 * MONOTIME_MILLISECOND);
    assert_true(pair->b.seen.verified);
    assert_true(pair->b.seen.ready);
    assert_int_equal(pair->b.seen.opened, 1);
    assert_true(pair->b.seen.by_peer);
    assert_string_equal(pair->b.seen.label, "pipe");
    assert_string_equal(pair->b.seen.protocol, "postern");
    assert_int_equal(pair->b.seen.last_kind, DATA_TEXT);
    assert_int_equal(pair->b.seen.last_size, 5);
    PAIR_UNTIL(pair, 5, pair->a.seen.opened == 1);
    assert_false(pair->a.seen.by_peer);
    assert_true(pair->a.largest <= DATA_DATAGRAM_MAX);
    assert_true(pair->b.largest <= DATA_DATAGRAM_MAX);
    pair_free(pair);
}

/* The DTLS client has even ids, the server odd ones, and what both agreed on is kept out. */
static void test_ids(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);
    struct data_channel_open agreed = {.negotiated = true, .negotiated_id = 2};

    (void)state;
    assert_int_equal(data_channel_open(pair->a.session, virtual_now, &agreed, &id), 0);
    assert_int_equal(id, 2);
    assert_int_equal(data_channel_open(pair->b.session, virtual_now, &agreed, &id), 0);
    assert_int_equal(data_channel_open(pair->b.session, virtual_now, &agreed, &id), -EEXIST);
    agreed.negotiated_id = DATA_STREAMS;
    assert_int_equal(data_channel_open(pair->a.session, virtual_now, &agreed, &id), -EINVAL);
    assert_int_equal(open_channel(&pair->a, "even", &id), 0);
    assert_int_equal(id, 4);
    assert_int_equal(open_channel(&pair->b, "odd", &id), 0);
    assert_int_equal(id, 1);
    PAIR_UNTIL(pair, 5, pair->a.seen.opened == 3 && pair->b.seen.opened == 3);
    assert_int_equal(send_bytes(&pair->b, 2, "agreed", 6), 0);
    PAIR_UNTIL(pair, 5, pair->a.seen.bytes == 6);
    assert_int_equal(send_bytes(&pair->a, 6, "none", 4), -ENOENT);
    for (unsigned i = 6; i < DATA_STREAMS; i += 2) {
        assert_int_equal(open_channel(&pair->a, NULL, &id), 0);
    }
    assert_int_equal(open_channel(&pair->a, NULL, &id), -ENOSPC);
    PAIR_UNTIL(pair, 60, pair->b.seen.opened == 3 + (DATA_STREAMS - 6) / 2);
    pair_free(pair);
}

static void test_kinds(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);
    const struct seen *seen = &pair->b.seen;

    (void)state;
    for (int kind = DATA_BINARY; kind <= DATA_TEXT; kind++) {
        for (size_t size = 0; size <= 5; size += 5) {
            uint64_t before = seen->messages;
            assert_int_equal(data_channel_send(pair->a.session, virtual_now, id,
                                               (enum data_kind)kind, "words", size),
                             0);
            PAIR_UNTIL(pair, 5, seen->messages == before + 1);
            assert_int_equal(seen->last_kind, kind);
            assert_int_equal(seen->last_size, size);
        }
    }
    pair_free(pair);
}

/* ---- sizes and back pressure ----------------------------------------------------------------- */

static void test_sizes(void **state)
{
    static const size_t sizes[] = {
        1, 1131, 1132, 1133, 1200, 16384, 65535, 65536, 65537, 262143, DATA_MESSAGE_MAX};
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);
    uint64_t sum = 0;

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(send_bytes(&pair->a, id, pattern, sizes[i]), 0);
        sum = sum_of(sum, pattern, sizes[i]);
        PAIR_UNTIL(pair, 20, pair->b.seen.messages == i + 1);
        assert_int_equal(pair->b.seen.last_size, sizes[i]);
        assert_true(pair->b.seen.sum == sum);
    }
    assert_int_equal(send_bytes(&pair->a, id, pattern, DATA_MESSAGE_MAX + 1), -EMSGSIZE);
    assert_true(pair->a.largest <= DATA_DATAGRAM_MAX);
    pair_free(pair);
}

static void test_peer_takes_less(void **state)
{
    struct data_pair *pair = pair_new(&good);
    struct data_remote remote = remote_of(&pair->b);
    uint16_t id;

    (void)state;
    remote.max_message_size = 1000;
    assert_int_equal(data_session_set_remote(pair->a.session, virtual_now, &remote), 0);
    assert_int_equal(data_session_set_remote(pair->a.session, virtual_now, &remote), -EALREADY);
    end_set_remote(&pair->b, &pair->a);
    pair_start(pair);
    assert_int_equal(open_channel(&pair->a, "pipe", &id), 0);
    PAIR_UNTIL(pair, 5, pair->a.seen.opened == 1);
    assert_int_equal(send_bytes(&pair->a, id, pattern, 1001), -EMSGSIZE);
    assert_int_equal(send_bytes(&pair->a, id, pattern, 1000), 0);
    PAIR_UNTIL(pair, 5, pair->b.seen.bytes == 1000);
    pair_free(pair);
}

static size_t allocated(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* A reader that stops: what it does not read stays in bounded buffers, and arrives later. */
static void test_back_pressure(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);
    uint64_t sum = 0;
    unsigned taken = 0;
    size_t before = allocated();

    (void)state;
    data_session_hold(pair->b.session, true);
    for (unsigned quiet = 0; quiet < 20; quiet++) {
        while (send_bytes(&pair->a, id, pattern, 65536) == 0) {
            sum = sum_of(sum, pattern, 65536);
            taken++;
            quiet = 0;
        }
        pair_run(pair, MONOTIME_SECOND);
    }
    print_message("# a reader that stops makes %u KiB wait, in %zu KiB of memory\n", taken * 64,
                  (allocated() - before) / 1024);
    pair_run(pair, 200 * MONOTIME_SECOND); /* it may sleep for as long as it likes */
    assert_false(pair->a.seen.failed || pair->b.seen.failed);
    assert_int_equal(pair->b.seen.messages, 0);
    assert_true(taken * 65536ULL <= DATA_SEND_BUFFER + DATA_RECEIVE_BUFFER + 65536);
    /* Both ends are in this process: two times the buffers, and what mbufs waste. */
    assert_true(allocated() - before < 3 * (DATA_SEND_BUFFER + DATA_RECEIVE_BUFFER));
    data_session_hold(pair->b.session, false);
    PAIR_UNTIL(pair, 120, pair->b.seen.messages == taken);
    assert_true(pair->b.seen.sum == sum);
    assert_true(pair->a.seen.writable > 0);
    pair_free(pair);
}

/* An echo takes nothing more until it has got rid of what it has: so it must hear that it may send.
 */
static void test_held_reader_sends(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);
    unsigned taken = 0;

    (void)state;
    data_session_hold(pair->b.session, true);
    for (unsigned round = 1; round <= 3; round++) {
        while (send_bytes(&pair->b, id, pattern, 65536) == 0) {
            taken++;
        }
        PAIR_UNTIL(pair, 60, pair->b.seen.writable >= round);
    }
    PAIR_UNTIL(pair, 60, pair->a.seen.messages == taken);
    pair_free(pair);
}

/* Messages of a byte take much more memory than they say. */
static void test_tiny_messages(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);
    size_t before = allocated();
    unsigned taken = 0;

    (void)state;
    data_session_hold(pair->b.session, true);
    for (unsigned quiet = 0; quiet < 5; quiet++) {
        while (send_bytes(&pair->a, id, pattern, 1) == 0) {
            taken++;
            quiet = 0;
        }
        pair_run(pair, MONOTIME_SECOND);
    }
    print_message("# %u messages of a byte wait in %zu KiB\n", taken,
                  (allocated() - before) / 1024);
    pair_run(pair, 200 * MONOTIME_SECOND);
    assert_false(pair->a.seen.failed || pair->b.seen.failed);
    assert_true(allocated() - before < 4 * (DATA_SEND_BUFFER + DATA_RECEIVE_BUFFER));
    data_session_hold(pair->b.session, false);
    PAIR_UNTIL(pair, 600, pair->b.seen.messages == taken);
    pair_free(pair);
}

/* ---- a bad network --------------------------------------------------------------------------- */

static void test_loss(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 12; seed++) {
        struct network network = bad;
        uint16_t id;
        network.seed = seed * 7919;
        struct data_pair *pair = opened_pair(&network, &id);
        uint64_t sum = pour(pair, &pair->a, id, 200000, 16384);
        PAIR_UNTIL(pair, 600, pair->b.seen.bytes == 200000);
        assert_true(pair->b.seen.sum == sum);
        data_session_close(pair->a.session, virtual_now);
        PAIR_UNTIL(pair, 120, pair->a.seen.closed || pair->a.seen.failed);
        assert_true(pair->a.seen.closed);
        pair_free(pair);
    }
}

static void test_both_ways(void **state)
{
    struct network network = bad;
    uint16_t id;
    network.loss_percent = 2;
    struct data_pair *pair = opened_pair(&network, &id);

    (void)state;
    uint64_t sum_b = pour(pair, &pair->b, id, 1000000, 65536);
    uint64_t sum_a = pour(pair, &pair->a, id, 1000000, 1000);
    PAIR_UNTIL(pair, 600, pair->b.seen.bytes == 1000000 && pair->a.seen.bytes == 1000000);
    assert_true(pair->b.seen.sum == sum_a);
    assert_true(pair->a.seen.sum == sum_b);
    pair_free(pair);
}

static uint32_t window_of(const struct data_end *end)
{
    struct data_figures figures;

    data_session_figures(end->session, &figures);
    return figures.congestion_window;
}

/* Sends as much as it may for a time. */
static void flood(struct data_pair *pair, struct data_end *end, uint16_t id, int64_t seconds)
{
    struct monotime until = monotime_add_seconds(virtual_now, seconds);

    while (monotime_before(virtual_now, until)) {
        while (send_bytes(end, id, pattern, 65536) == 0) {
        }
        assert_true(pair_step(pair));
    }
}

/* After some losses, a window grows by a packet in each round trip as long as nothing is lost: it
 * is not taken back for no reason. */
static void test_steady_flow(void **state)
{
    struct network far = {.delay_us = 50 * MONOTIME_MILLISECOND, .loss_percent = 10, .seed = 1};
    uint16_t id;
    struct data_pair *pair = opened_pair(&far, &id);

    (void)state;
    flood(pair, &pair->a, id, 2);
    pair->network.loss_percent = 0;
    flood(pair, &pair->a, id, 3);
    uint32_t before = window_of(&pair->a);
    flood(pair, &pair->a, id, 10);
    uint32_t after = window_of(&pair->a);
    print_message("# a window of %u KiB after losses, and of %u after 100 round trips\n",
                  before / 1024, after / 1024);
    assert_true(after > before + 80 * 1132);
    pair_free(pair);
}

/* A path that is gone for twenty seconds is no end: ICE decides. */
static void test_outage(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);

    (void)state;
    assert_int_equal(send_bytes(&pair->a, id, pattern, 100000), 0);
    pair_run(pair, 15 * MONOTIME_MILLISECOND);
    pair->network.cut = true;
    pair_run(pair, 20 * MONOTIME_SECOND);
    pair->network.cut = false;
    PAIR_UNTIL(pair, 10, pair->b.seen.bytes == 100000);
    pair_free(pair);
}

static void test_peer_vanishes(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);

    (void)state;
    pair->network.cut = true;
    assert_int_equal(send_bytes(&pair->a, id, pattern, 1000), 0);
    PAIR_UNTIL(pair, 120, pair->a.seen.failed);
    assert_string_equal(pair->a.seen.text, "the peer no longer acknowledges what is sent");
    assert_int_equal(send_bytes(&pair->a, id, pattern, 1000), -ESHUTDOWN);
    assert_true(monotime_is_never(data_session_due(pair->a.session)));
    pair_free(pair);
}

/* Nothing to do: nothing is sent, and the loop is woken once a second. */
static void test_idle(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);
    unsigned steps = 0;

    (void)state;
    pair_run(pair, 2 * MONOTIME_SECOND);
    uint64_t sent = pair->sent;
    struct monotime end = monotime_add_seconds(virtual_now, 100);
    while (monotime_before(virtual_now, end)) {
        assert_true(pair_step(pair));
        steps++;
    }
    assert_true(pair->sent == sent);
    assert_true(steps <= 250); /* for both ends */
    assert_int_equal(send_bytes(&pair->a, id, "awake", 5), 0);
    PAIR_UNTIL(pair, 1, pair->b.seen.bytes == 5);
    pair_free(pair);
}

/* ---- who it is ------------------------------------------------------------------------------- */

static void test_wrong_fingerprint(void **state)
{
    struct data_pair *pair = pair_new(&good);
    struct identity *other = identity_new();
    struct data_remote wrong = {.fingerprints = {identity_fingerprint(other)},
                                .fingerprint_count = 1};
    uint16_t id;

    (void)state;
    assert_int_equal(data_session_set_remote(pair->a.session, virtual_now, &wrong), 0);
    end_set_remote(&pair->b, &pair->a);
    assert_int_equal(open_channel(&pair->b, "pipe", &id), 0);
    pair_start(pair);
    PAIR_UNTIL(pair, 5, pair->a.seen.failed && pair->b.seen.failed);
    assert_non_null(strstr(pair->a.seen.text, "the fingerprint differs"));
    assert_string_equal(pair->b.seen.text, "the other end does not accept our certificate");
    assert_false(pair->a.seen.verified);
    assert_false(pair->a.seen.ready);
    assert_false(pair->b.seen.ready);
    identity_free(other);
    pair_free(pair);
}

/* The description comes after the handshake: nothing passes before, and then it goes on at once. */
static void test_late_description(void **state)
{
    struct data_pair *pair = pair_new(&good);
    uint16_t id;

    (void)state;
    assert_int_equal(open_channel(&pair->b, "pipe", &id), 0);
    end_set_remote(&pair->b, &pair->a);
    pair_start(pair);
    pair_run(pair, 300 * MONOTIME_MILLISECOND);
    assert_true(pair->b.seen.verified);
    assert_false(pair->a.seen.verified);
    assert_false(pair->b.seen.ready);
    struct monotime begin = virtual_now;
    end_set_remote(&pair->a, &pair->b);
    PAIR_UNTIL(pair, 5, pair->a.seen.opened == 1);
    /* The INIT that b had sent was kept for a. */
    assert_true(virtual_now.us - begin.us <= 25 * MONOTIME_MILLISECOND);
    pair_free(pair);
}

static void test_late_wrong_fingerprint(void **state)
{
    struct data_pair *pair = pair_new(&good);
    struct identity *other = identity_new();
    struct data_remote wrong = {.fingerprints = {identity_fingerprint(other)},
                                .fingerprint_count = 1};
    uint16_t id;

    (void)state;
    assert_int_equal(open_channel(&pair->b, "pipe", &id), 0);
    end_set_remote(&pair->b, &pair->a);
    pair_start(pair);
    pair_run(pair, 300 * MONOTIME_MILLISECOND);
    assert_int_equal(data_session_set_remote(pair->a.session, virtual_now, &wrong), 0);
    PAIR_UNTIL(pair, 5, pair->a.seen.failed && (pair->b.seen.failed || pair->b.seen.closed));
    assert_false(pair->a.seen.verified);
    assert_int_equal(pair->a.seen.opened, 0);
    assert_false(pair->b.seen.ready);
    identity_free(other);
    pair_free(pair);
}

static void test_unusable_fingerprints(void **state)
{
    struct data_pair *pair = pair_new(&good);
    struct data_remote remote = {
        .fingerprints = {"sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB",
                         "sha-256 4A:AD", ""},
        .fingerprint_count = 3};

    (void)state;
    assert_int_equal(data_session_set_remote(pair->a.session, virtual_now, &remote), -EINVAL);
    remote.fingerprints[1] = identity_fingerprint(pair->b.identity);
    assert_int_equal(data_session_set_remote(pair->a.session, virtual_now, &remote), 0);
    end_set_remote(&pair->b, &pair->a);
    pair_start(pair);
    PAIR_UNTIL(pair, 5, pair->a.seen.ready);
    pair_free(pair);
}

static void test_half_open(void **state)
{
    struct data_pair *pair = pair_new(&good);
    struct monotime begin = virtual_now;

    (void)state;
    end_set_remote(&pair->a, &pair->b);
    end_set_remote(&pair->b, &pair->a);
    pair_start(pair);
    pair_run(pair, 15 * MONOTIME_MILLISECOND); /* the server has answered; then all is silent */
    pair->network.cut = true;
    PAIR_UNTIL(pair, DATA_HANDSHAKE_SECONDS + 1, pair->a.seen.failed && pair->b.seen.failed);
    assert_true(virtual_now.us - begin.us >= 20 * MONOTIME_SECOND);
    assert_string_equal(pair->a.seen.text, "the peer does not answer in DTLS");
    assert_string_equal(pair->b.seen.text, "the peer does not answer in DTLS");
    pair_free(pair);
}

static void test_noise(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);
    uint8_t noise[200];

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        size_t size = pair_draw(pair, sizeof noise + 1);
        for (size_t j = 0; j < size; j++) {
            noise[j] = (uint8_t)pair_draw(pair, 256);
        }
        if (i % 2 == 0 && size > 3) { /* a record, of keys that are not known */
            memcpy(noise, "\x17\xFE\xFD", 3);
        }
        data_session_input(pair->b.session, virtual_now, noise, size);
    }
    assert_int_equal(send_bytes(&pair->a, id, "true", 4), 0);
    PAIR_UNTIL(pair, 5, pair->b.seen.bytes == 4);
    assert_false(pair->b.seen.failed);
    pair_free(pair);
}

/* ---- closing --------------------------------------------------------------------------------- */

static void close_channel(struct data_pair *pair, struct data_end *closer, struct data_end *other,
                          uint16_t id)
{
    uint64_t before = other->seen.bytes;
    unsigned closed = closer->seen.channels_closed;

    /* All that was said arrives before the end. */
    assert_int_equal(send_bytes(closer, id, pattern, 200000), 0);
    assert_int_equal(data_channel_close(closer->session, virtual_now, id), 0);
    assert_int_equal(data_channel_close(closer->session, virtual_now, id), -ENOENT);
    assert_int_equal(send_bytes(closer, id, pattern, 1), -ENOENT);
    PAIR_UNTIL(pair, 60, other->seen.channels_closed > 0);
    assert_true(other->seen.bytes == before + 200000);
    assert_int_equal(other->seen.closed_id, id);
    PAIR_UNTIL(pair, 60, closer->seen.channels_closed == closed + 1);
}

static void test_close_channel(void **state)
{
    uint16_t id;
    uint16_t again;
    struct data_pair *pair = opened_pair(&good, &id);

    (void)state;
    close_channel(pair, &pair->a, &pair->b, id);
    /* The id is free again, at both ends. */
    assert_int_equal(open_channel(&pair->a, "again", &again), 0);
    assert_int_equal(again, id);
    PAIR_UNTIL(pair, 5, pair->b.seen.opened == 2 && pair->a.seen.opened == 2);
    pair->a.seen.channels_closed = 0;
    close_channel(pair, &pair->b, &pair->a, again);
    pair_free(pair);
}

static void test_close_channel_lossy(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&bad, &id);

    (void)state;
    close_channel(pair, &pair->b, &pair->a, id);
    pair_free(pair);
}

static void test_close_many(void **state)
{
    uint16_t ids[20];
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);

    (void)state;
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(open_channel(&pair->a, "one of many", &ids[i]), 0);
        assert_int_equal(send_bytes(&pair->a, ids[i], pattern, 5000), 0);
        assert_int_equal(data_channel_close(pair->a.session, virtual_now, ids[i]), 0);
    }
    PAIR_UNTIL(pair, 60, pair->a.seen.channels_closed == 20 && pair->b.seen.channels_closed == 20);
    assert_true(pair->b.seen.bytes == 20 * 5000);
    pair_free(pair);
}

static void close_session(const struct network *network, bool by_a)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(network, &id);
    struct data_end *closer = by_a ? &pair->a : &pair->b;
    struct data_end *other = by_a ? &pair->b : &pair->a;
    struct data_figures figures;

    assert_int_equal(send_bytes(closer, id, pattern, 200000), 0);
    data_session_close(closer->session, virtual_now);
    assert_int_equal(send_bytes(closer, id, pattern, 1), -ESHUTDOWN);
    PAIR_UNTIL(pair, 120, closer->seen.closed && other->seen.closed);
    assert_true(other->seen.bytes == 200000);
    assert_false(closer->seen.failed || other->seen.failed);
    assert_true(monotime_is_never(data_session_due(closer->session)));
    data_session_figures(closer->session, &figures); /* a lite agent has no other round trip */
    assert_true(figures.rtt_us >= 2 * (uint32_t)network->delay_us);
    pair_free(pair);
}

static void test_close_session(void **state)
{
    (void)state;
    close_session(&good, true);
    close_session(&good, false);
}

/* The reader holds while the other end closes: everything is still there afterwards. */
static void test_close_held(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);

    (void)state;
    data_session_hold(pair->b.session, true);
    assert_int_equal(send_bytes(&pair->a, id, pattern, 100000), 0);
    data_session_close(pair->a.session, virtual_now);
    PAIR_UNTIL(pair, 60, pair->a.seen.closed);
    assert_int_equal(pair->b.seen.messages, 0);
    assert_false(pair->b.seen.closed);
    data_session_hold(pair->b.session, false);
    PAIR_UNTIL(pair, 5, pair->b.seen.closed);
    assert_true(pair->b.seen.bytes == 100000);
    pair_free(pair);
}

static void test_close_both(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);

    (void)state;
    data_session_close(pair->a.session, virtual_now);
    data_session_close(pair->b.session, virtual_now);
    PAIR_UNTIL(pair, 60, pair->a.seen.closed && pair->b.seen.closed);
    assert_false(pair->a.seen.failed || pair->b.seen.failed);
    pair_free(pair);
}

static void test_close_early(void **state)
{
    struct data_pair *pair = pair_new(&good);

    (void)state;
    pair_connect(pair);
    data_session_close(pair->a.session, virtual_now);
    PAIR_UNTIL(pair, 5, pair->a.seen.closed);
    pair_free(pair);

    /* DTLS is done, SCTP is not. */
    pair = pair_new(&good);
    pair_connect(pair);
    PAIR_UNTIL(pair, 5, pair->b.seen.verified);
    data_session_close(pair->b.session, virtual_now);
    PAIR_UNTIL(pair, 60, pair->a.seen.closed && pair->b.seen.closed);
    pair_free(pair);
}

static void test_abort(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);

    (void)state;
    data_session_abort(pair->a.session, virtual_now, NULL);
    PAIR_UNTIL(pair, 5, pair->b.seen.failed);
    assert_string_equal(pair->b.seen.text,
                        "the peer ended the SCTP association without closing it");
    assert_false(pair->a.seen.failed);
    assert_int_equal(send_bytes(&pair->a, id, "late", 4), -ESHUTDOWN);
    pair_free(pair);
}

/* The words of an ABORT arrive, made fit to print. */
static void test_abort_reason(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);

    (void)state;
    data_session_abort(pair->a.session, virtual_now, "no room\n for it");
    PAIR_UNTIL(pair, 5, pair->b.seen.failed);
    assert_string_equal(pair->b.seen.text, "the peer has ended the call and says: no room? for it");
    pair_free(pair);
}

/* What was sent before arrives; that it was the end in order is not believed, loss or none. */
static void hang_up(const struct network *network)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(network, &id);

    assert_int_equal(send_bytes(&pair->a, id, pattern, 200000), 0);
    data_session_hang_up(pair->a.session, virtual_now, "gone to lunch");
    assert_int_equal(send_bytes(&pair->a, id, pattern, 1), -ESHUTDOWN);
    PAIR_UNTIL(pair, 120, pair->a.seen.closed);
    assert_true(pair->b.seen.bytes == 200000);
    pair_run(pair, 1 * MONOTIME_SECOND);
    assert_false(pair->a.seen.failed || pair->b.seen.closed);
    if (network->loss_percent == 0) {
        assert_true(pair->b.seen.failed);
        assert_string_equal(pair->b.seen.text,
                            "the peer has ended the call and says: gone to lunch");
    }
    pair_free(pair);
}

static void test_hang_up(void **state)
{
    (void)state;
    hang_up(&good);
    for (unsigned i = 0; i < 10; i++) {
        struct network network = bad;
        network.seed += i;
        hang_up(&network);
    }
}

/* The first bytes of a user count when the peer has them, and nothing else does. */
static void test_acknowledged(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);

    (void)state;
    assert_int_equal(send_bytes(&pair->b, id, pattern, 0), 0);
    pair_run(pair, 1 * MONOTIME_SECOND);
    assert_int_equal(pair->a.seen.acknowledged + pair->b.seen.acknowledged, 0);
    struct monotime sent = virtual_now;
    assert_int_equal(send_bytes(&pair->a, id, pattern, 200000), 0);
    assert_int_equal(pair->a.seen.acknowledged, 0);
    PAIR_UNTIL(pair, 5, pair->a.seen.acknowledged == 1);
    int64_t took_us = monotime_difference_us(virtual_now, sent);
    assert_true(took_us >= 2 * good.delay_us && took_us < 10 * good.delay_us);
    assert_true(pair->b.seen.bytes < 200000);
    PAIR_UNTIL(pair, 60, pair->b.seen.bytes == 200000);
    assert_int_equal(pair->a.seen.acknowledged, 1);
    assert_int_equal(pair->b.seen.acknowledged, 0);
    pair_free(pair);
}

/* As browsers hang up: without a channel left, an ABORT is in order. */
static void test_abort_when_done(void **state)
{
    uint16_t id;
    struct data_pair *pair = opened_pair(&good, &id);

    (void)state;
    assert_int_equal(data_channel_close(pair->a.session, virtual_now, id), 0);
    PAIR_UNTIL(pair, 5, pair->a.seen.channels_closed == 1);
    pair_run(pair, 100 * MONOTIME_MILLISECOND);
    data_session_abort(pair->a.session, virtual_now, NULL);
    PAIR_UNTIL(pair, 5, pair->b.seen.closed);
    assert_false(pair->b.seen.failed);
    pair_free(pair);
}

/* Several sessions live beside each other, and one ends without the others' noticing. */
static void test_several(void **state)
{
    struct data_pair *pairs[4];
    uint16_t id;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        pairs[i] = opened_pair(&good, &id);
    }
    pair_free(pairs[1]);
    for (size_t i = 0; i < 4; i++) {
        if (i != 1) {
            assert_int_equal(send_bytes(&pairs[i]->a, id, pattern, 100 + i), 0);
            PAIR_UNTIL(pairs[i], 5, pairs[i]->b.seen.bytes == 100 + i);
            pair_free(pairs[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_peer_takes_less),
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_held_reader_sends),
        cmocka_unit_test(test_tiny_messages),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_steady_flow),
        cmocka_unit_test(test_outage),
        cmocka_unit_test(test_peer_vanishes),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_wrong_fingerprint),
        cmocka_unit_test(test_late_description),
        cmocka_unit_test(test_late_wrong_fingerprint),
        cmocka_unit_test(test_unusable_fingerprints),
        cmocka_unit_test(test_half_open),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_close_channel),
        cmocka_unit_test(test_close_channel_lossy),
        cmocka_unit_test(test_close_many),
        cmocka_unit_test(test_close_session),
        cmocka_unit_test(test_close_held),
        cmocka_unit_test(test_close_both),
        cmocka_unit_test(test_close_early),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_abort_reason),
        cmocka_unit_test(test_hang_up),
        cmocka_unit_test(test_acknowledged),
        cmocka_unit_test(test_abort_when_done),
        cmocka_unit_test(test_several),
    };

    fill_pattern();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
