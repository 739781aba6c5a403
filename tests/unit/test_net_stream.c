/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "net/stream.h"
#include "net/tcp_socket.h"
#include "net/udp_socket.h"
#include "seeded.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <postern/stun.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct event_base *base;
static struct stream *stream;
static int far_end; /* the other end of the stream's socket */

/* What the callbacks saw. */
static struct {
    uint8_t frames[1 << 20];
    size_t frames_size;
    unsigned frame_count, flush_count, connected_count, closed_count;
    enum stream_end end;
    char end_text[128];
    struct bufferevent *taken;
} seen;

enum reaction {
    REACT_NOT,
    REACT_FREE,
    REACT_FINISH,
    REACT_ANSWER,
    REACT_HAND_OVER,
};
static enum reaction on_first_frame;

static void forget(void)
{
    memset(&seen, 0, sizeof seen);
    on_first_frame = REACT_NOT;
}

static void release(void)
{
    stream_free(stream);
    stream = NULL;
}

static void saw_taken(struct bufferevent *bufferevent, void *context)
{
    assert_ptr_equal(context, &seen);
    stream = NULL; /* it is gone */
    seen.taken = bufferevent;
}

static void saw_frame(struct stream *from, struct packet *packet, void *context)
{
    static const uint8_t answer[] = {0x40, 0x01, 0x00, 0x01, 'x'};

    assert_ptr_equal(from, stream);
    assert_ptr_equal(context, &seen);
    assert_true(seen.frames_size + packet->size <= sizeof seen.frames);
    memcpy(seen.frames + seen.frames_size, packet->bytes, packet->size);
    /* The bytes are ours to change. */
    memset(packet->bytes, 0xEE, packet->size);
    seen.frames_size += packet->size;
    if (seen.frame_count++ > 0) {
        return;
    }
    switch (on_first_frame) {
    case REACT_NOT:
        break;
    case REACT_FREE:
        release();
        break;
    case REACT_ANSWER:
        assert_int_equal(stream_send(from, answer, sizeof answer), 0);
        break;
    case REACT_HAND_OVER:
        assert_int_equal(stream_hand_over(from, saw_taken, &seen), 0);
        assert_int_equal(stream_hand_over(from, saw_taken, &seen), -EPIPE);
        assert_int_equal(stream_send(from, answer, sizeof answer), 0);
        break;
    case REACT_FINISH:
        assert_int_equal(stream_send(from, answer, sizeof answer), 0);
        stream_finish(from, 5);
        assert_int_equal(stream_send(from, answer, sizeof answer), -EPIPE);
        break;
    }
}

static void saw_flush(struct stream *from, void *context)
{
    (void)from;
    (void)context;
    seen.flush_count++;
}

static void saw_connected(struct stream *from, void *context)
{
    (void)from;
    (void)context;
    seen.connected_count++;
}

static void saw_closed(struct stream *from, enum stream_end end, void *context)
{
    (void)context;
    seen.closed_count++;
    seen.end = end;
    strncpy(seen.end_text, stream_end_text(from), sizeof seen.end_text - 1);
    release();
}

static const struct stream_user user = {
    .connected = saw_connected,
    .frame = saw_frame,
    .flush = saw_flush,
    .closed = saw_closed,
};

static struct stream_setup make_setup(void)
{
    return (struct stream_setup){
        .user = &user,
        .context = &seen,
        .limits = {.frame_size_max = 2048, .output_size_max = 4096},
    };
}

static int set_up(void **state)
{
    struct stream_setup setup = make_setup();
    int ends[2];

    (void)state;
    forget();
    signal(SIGPIPE, SIG_IGN);
    base = event_base_new();
    if (base == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) {
        return -1;
    }
    far_end = ends[1];
    stream = stream_new_tcp(base, ends[0], &setup);
    return stream == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    release();
    if (far_end >= 0) {
        close(far_end);
    }
    event_base_free(base);
    libevent_global_shutdown();
    return 0;
}

static void run(void)
{
    for (int i = 0; i < 8; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
}

static void feed(const void *bytes, size_t size)
{
    assert_int_equal(write(far_end, bytes, size), size);
    run();
}

static void close_far_end(void)
{
    close(far_end);
    far_end = -1;
    run();
}

static size_t take(uint8_t *out, size_t size)
{
    run();
    ssize_t got = read(far_end, out, size);
    return got < 0 ? 0 : (size_t)got;
}

/* ---- frames for tests, written out here: not the codec's ---------------------------------------
 */

static size_t put_stun(uint8_t *out, unsigned type, size_t length)
{
    static const uint8_t cookie[] = {0x21, 0x12, 0xA4, 0x42};

    memset(out, 0x5A, 20 + length);
    out[0] = (uint8_t)(type >> 8);
    out[1] = (uint8_t)type;
    out[2] = (uint8_t)(length >> 8);
    out[3] = (uint8_t)length;
    memcpy(out + 4, cookie, sizeof cookie);
    return 20 + length;
}

/* Returns the size without padding; the padding bytes are zero. */
static size_t put_channel(uint8_t *out, size_t length)
{
    memset(out, 0xC3, 4 + length);
    memset(out + 4 + length, 0, 3);
    out[0] = 0x40;
    out[1] = 0x07;
    out[2] = (uint8_t)(length >> 8);
    out[3] = (uint8_t)length;
    return 4 + length;
}

static size_t padded(size_t size)
{
    return (size + 3) / 4 * 4;
}

/* ---- tests --------------------------------------------------------------------------------------
 */

static void test_byte_by_byte(void **state)
{
    uint8_t wire[256], expected[256];
    size_t channel = put_channel(wire, 5);
    size_t stun = put_stun(wire + padded(channel), 0x0001, 8);
    size_t size = padded(channel) + stun;

    (void)state;
    size_t empty = put_channel(wire + size, 0);
    memcpy(expected, wire, channel);
    memcpy(expected + channel, wire + padded(channel), stun + empty);
    for (size_t i = 0; i < size + empty; i++) {
        assert_int_equal(seen.frame_count, i < padded(channel) ? 0 : i < size ? 1 : 2);
        feed(wire + i, 1);
    }
    assert_int_equal(seen.frame_count, 3);
    assert_int_equal(seen.flush_count, 3);
    assert_int_equal(seen.frames_size, channel + stun + empty);
    assert_memory_equal(seen.frames, expected, seen.frames_size);
    assert_int_equal(seen.closed_count, 0);
}

static void test_several_at_once(void **state)
{
    uint8_t wire[1024];
    size_t size = 0;

    (void)state;
    for (size_t i = 0; i < 10; i++) {
        size += padded(put_channel(wire + size, i));
        size += put_stun(wire + size, 0x0001, 0);
    }
    /* All but the last byte: the last frame waits for it. */
    feed(wire, size - 1);
    assert_int_equal(seen.frame_count, 19);
    assert_int_equal(seen.flush_count, 1);
    feed(wire + size - 1, 1);
    assert_int_equal(seen.frame_count, 20);
    assert_int_equal(seen.flush_count, 2);
    assert_int_equal(seen.frames_size, 10 * 20 + 10 * 4 + 45);
}

static void test_random_frames_in_random_pieces(void **state)
{
    static uint8_t wire[1 << 20], expected[1 << 20];
    uint64_t seed = 7;

    (void)state;
    for (int round = 0; round < 30; round++) {
        size_t size = 0, expected_size = 0, frames = 0;
        forget();
        while (size < 20000) {
            bool channel = seeded_below(&seed, 2) == 0;
            size_t length = (size_t)seeded_below(&seed, 2040);
            size_t bare = channel ? put_channel(wire + size, length)
                                  : put_stun(wire + size, 0x0016, length / 8 * 4);
            memcpy(expected + expected_size, wire + size, bare);
            expected_size += bare;
            size += padded(bare);
            frames++;
        }
        for (size_t sent = 0; sent < size;) {
            size_t piece = (size_t)seeded_below(&seed, UINT64_C(1) << seeded_below(&seed, 14)) + 1;
            piece = piece > size - sent ? size - sent : piece;
            feed(wire + sent, piece);
            sent += piece;
        }
        assert_int_equal(seen.frame_count, frames);
        assert_int_equal(seen.frames_size, expected_size);
        assert_memory_equal(seen.frames, expected, expected_size);
    }
}

static void test_ends_on_what_is_not_stun(void **state)
{
    static const char noise[] = "\xff\xfb neither a frame nor text\r\n";
    uint8_t wire[64];
    size_t size = put_stun(wire, 0x0001, 0);

    (void)state;
    memcpy(wire + size, noise, sizeof noise);
    feed(wire, size + sizeof noise);
    assert_int_equal(seen.frame_count, 1);
    assert_int_equal(seen.flush_count, 1);
    assert_int_equal(seen.closed_count, 1);
    assert_int_equal(seen.end, STREAM_END_NOT_STUN);
    run();
    assert_int_equal(seen.closed_count, 1);
}

static void test_ends_on_the_first_wrong_byte(void **state)
{
    (void)state;
    feed("\x16", 1); /* a TLS record */
    assert_int_equal(seen.closed_count, 1);
    assert_int_equal(seen.end, STREAM_END_NOT_STUN);
}

static void test_ends_on_a_wrong_cookie(void **state)
{
    uint8_t wire[64];

    (void)state;
    put_stun(wire, 0x0001, 8);
    wire[6] ^= 1;
    feed(wire, 6);
    assert_int_equal(seen.closed_count, 0);
    /* It does not wait for the rest of the frame. */
    feed(wire + 6, 1);
    assert_int_equal(seen.end, STREAM_END_NOT_STUN);
    assert_int_equal(seen.closed_count, 1);
}

static void test_refuses_long_frames_by_their_header(void **state)
{
    uint8_t wire[4096];

    (void)state;
    feed(wire, put_stun(wire, 0x0001, 2048 - 20));
    assert_int_equal(seen.frame_count, 1);
    put_stun(wire, 0x0001, 2048 - 20 + 4);
    feed(wire, 8);
    assert_int_equal(seen.frame_count, 1);
    assert_int_equal(seen.closed_count, 1);
    assert_int_equal(seen.end, STREAM_END_FRAME_SIZE);
}

/* "GE" is a channel number, and "T " the size of a long message. */
static void test_ends_on_http(void **state)
{
    (void)state;
    feed("GET / HTTP/1.1\r\n\r\n", 18);
    assert_int_equal(seen.closed_count, 1);
    assert_int_equal(seen.end, STREAM_END_FRAME_SIZE);
}

static void test_largest_frames(void **state)
{
    static uint8_t wire[STREAM_FRAME_SIZE_MAX + 4];
    const struct stream_limits large = {STREAM_FRAME_SIZE_MAX, 1 << 20};
    size_t sizes[2] = {put_stun(wire, 0x0016, 65532), 0};

    (void)state;
    stream_set_limits(stream, &large);
    for (int i = 0; i < 2; i++) {
        size_t size = padded(sizes[i]);
        for (size_t sent = 0; sent < size; sent += 5000) {
            feed(wire + sent, size - sent < 5000 ? size - sent : 5000);
        }
        assert_int_equal(seen.frame_count, i + 1);
        sizes[1] = put_channel(wire, 65535);
    }
    assert_int_equal(seen.frames_size, 65552 + 65539);
    assert_int_equal(stream_send(stream, wire, sizes[1]), 0);
}

/* Once it has ended, a stream takes nothing more from the other end. */
static void test_takes_nothing_after_its_end(void **state)
{
    uint8_t answer[1024];
    size_t size = put_stun(answer, 0x0111, 1000);

    (void)state;
    while (stream_send(stream, answer, size) == 0) {
    }
    assert_int_equal(write(far_end, answer, 20), 20);
    run();
    assert_int_equal(seen.frame_count, 0);
    assert_int_equal(seen.closed_count, 1);
}

static void test_sends_with_padding(void **state)
{
    uint8_t wire[64], got[64];
    size_t size = put_channel(wire, 5);

    (void)state;
    assert_int_equal(stream_send(stream, wire, size), 0);
    assert_int_equal(take(got, sizeof got), 12);
    assert_memory_equal(got, wire, 12);
    size = put_channel(wire, 8);
    assert_int_equal(stream_send(stream, wire, size), 0);
    assert_int_equal(take(got, sizeof got), 12);
    size = put_channel(wire, 0);
    assert_int_equal(stream_send(stream, wire, size), 0);
    assert_int_equal(take(got, sizeof got), 4);
    size = put_stun(wire, 0x0101, 12);
    assert_int_equal(stream_send(stream, wire, size), 0);
    assert_int_equal(take(got, sizeof got), 32);
    assert_memory_equal(got, wire, 32);
}

static void test_drops_data_but_not_answers(void **state)
{
    uint8_t data[1024], indication[1024], answer[1024];
    size_t data_size = put_channel(data, 1000), answer_size = put_stun(answer, 0x0101, 1000);
    size_t indication_size = put_stun(indication, 0x0017, 1000);

    (void)state;
    /* Nothing leaves before the loop runs: 4096 bytes hold four messages of about 1000. */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(stream_send(stream, data, data_size), 0);
    }
    assert_int_equal(stream_send(stream, data, data_size), -ENOBUFS);
    assert_int_equal(stream_send(stream, indication, indication_size), -ENOBUFS);
    assert_int_equal(stream_dropped(stream), 2);
    assert_int_equal(stream_send(stream, answer, answer_size), 0);
    assert_int_equal(stream_send(stream, data, data_size), -ENOBUFS);
    assert_int_equal(stream_dropped(stream), 3);
    run();
    assert_int_equal(stream_send(stream, data, data_size), 0);
    assert_int_equal(seen.closed_count, 0);
}

static void test_ends_when_answers_pile_up(void **state)
{
    uint8_t answer[1024];
    size_t size = put_stun(answer, 0x0111, 1000);
    int status = 0, sent = 0;

    (void)state;
    for (; status == 0; sent++) {
        assert_in_range(sent, 0, 100);
        status = stream_send(stream, answer, size);
    }
    assert_int_equal(status, -ENOBUFS);
    assert_in_range(sent * 1020, 4096 + STREAM_ANSWER_RESERVE, 4096 + STREAM_ANSWER_RESERVE + 2040);
    /* The sender is not called back; the loop does that. */
    assert_int_equal(seen.closed_count, 0);
    assert_int_equal(stream_send(stream, answer, size), -EPIPE);
    run();
    assert_int_equal(seen.closed_count, 1);
    assert_int_equal(seen.end, STREAM_END_STUCK);
}

static void test_freed_before_its_end_is_told(void **state)
{
    uint8_t answer[1024];
    size_t size = put_stun(answer, 0x0111, 1000);

    (void)state;
    while (stream_send(stream, answer, size) == 0) {
    }
    release();
    run();
    assert_int_equal(seen.closed_count, 0);
}

static void test_freed_in_frame(void **state)
{
    uint8_t wire[64], got[8];
    size_t size = put_stun(wire, 0x0001, 0);

    (void)state;
    on_first_frame = REACT_FREE;
    memcpy(wire + size, wire, size);
    feed(wire, 2 * size);
    assert_int_equal(seen.frame_count, 1);
    assert_int_equal(seen.closed_count, 0);
    assert_int_equal(read(far_end, got, sizeof got), 0);
}

static void test_finished_in_frame(void **state)
{
    uint8_t wire[64], got[16];
    size_t size = put_stun(wire, 0x0001, 0);

    (void)state;
    on_first_frame = REACT_FINISH;
    memcpy(wire + size, wire, size);
    feed(wire, 2 * size);
    assert_int_equal(seen.frame_count, 1);
    assert_int_equal(seen.flush_count, 1);
    assert_int_equal(seen.closed_count, 1);
    assert_int_equal(seen.end, STREAM_END_FINISHED);
    assert_int_equal(read(far_end, got, sizeof got), 8);
    assert_int_equal(read(far_end, got, sizeof got), 0);
}

static void test_finish_is_told_from_the_loop(void **state)
{
    (void)state;
    stream_finish(stream, 5);
    assert_int_equal(seen.closed_count, 0);
    run();
    assert_int_equal(seen.closed_count, 1);
    assert_int_equal(seen.end, STREAM_END_FINISHED);
}

static void test_finishing_has_an_end(void **state)
{
    static uint8_t data[65000];
    const struct stream_limits large = {STREAM_FRAME_SIZE_MAX, 1 << 24};
    size_t size = put_channel(data, 60000);

    (void)state;
    stream_set_limits(stream, &large);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(stream_send(stream, data, size), 0);
    }
    run();
    /* The other end reads nothing; a time of nought is over at once. */
    stream_finish(stream, 0);
    run();
    assert_int_equal(seen.closed_count, 1);
    assert_int_equal(seen.end, STREAM_END_STUCK);
}

static void test_answers_reach_one_who_has_stopped_sending(void **state)
{
    uint8_t wire[64], got[16];
    size_t size = put_stun(wire, 0x0001, 0);

    (void)state;
    on_first_frame = REACT_ANSWER;
    assert_int_equal(write(far_end, wire, size), size);
    assert_int_equal(shutdown(far_end, SHUT_WR), 0);
    run();
    assert_int_equal(seen.frame_count, 1);
    assert_int_equal(read(far_end, got, sizeof got), 8);
    assert_int_equal(seen.closed_count, 1);
    assert_int_equal(seen.end, STREAM_END_PEER);
}

static void test_end_in_the_middle_of_a_frame(void **state)
{
    uint8_t wire[64];

    (void)state;
    put_stun(wire, 0x0001, 0);
    feed(wire, 19);
    close_far_end();
    assert_int_equal(seen.frame_count, 0);
    assert_int_equal(seen.closed_count, 1);
    assert_int_equal(seen.end, STREAM_END_PEER);
    assert_string_equal(seen.end_text, "the other end closed the connection");
}

static void test_takes_bytes_that_were_read_before(void **state)
{
    struct stream_setup setup = make_setup();
    uint8_t wire[64];
    size_t size = put_stun(wire, 0x0001, 0);
    int ends[2];

    (void)state;
    release();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    struct bufferevent *bufferevent = bufferevent_socket_new(base, ends[0], BEV_OPT_CLOSE_ON_FREE);
    assert_int_equal(write(ends[1], wire, size), size);
    bufferevent_enable(bufferevent, EV_READ);
    run();
    stream = stream_new(bufferevent, &setup);
    assert_non_null(stream);
    assert_int_equal(seen.frame_count, 0);
    run();
    assert_int_equal(seen.frame_count, 1);
    close(ends[1]);
}

/* ---- TCP ----------------------------------------------------------------------------------------
 */

static void run_until(const unsigned *count)
{
    for (int i = 0; i < 200 && *count == 0; i++) {
        event_base_loopexit(base, &(struct timeval){.tv_usec = 10000});
        event_base_loop(base, EVLOOP_ONCE);
    }
    assert_true(*count > 0);
}

static void connect_to(const struct stun_address *remote)
{
    struct stream_setup setup = make_setup();
    int descriptor = -1;

    release();
    assert_int_equal(tcp_socket_connect(&descriptor, remote, NULL), 0);
    setup.connecting = true;
    stream = stream_new_tcp(base, descriptor, &setup);
    assert_non_null(stream);
}

static void test_connects(void **state)
{
    struct stun_address address, remote, local;
    int listening = -1, accepted = -1;
    uint8_t wire[32];
    size_t size = put_stun(wire, 0x0001, 0);

    (void)state;
    assert_true(address_parse(&address, "127.0.0.1:0"));
    assert_int_equal(tcp_socket_listen(&listening, &address, false), 0);
    assert_int_equal(tcp_socket_accept(listening, &accepted, &remote, &local), -EAGAIN);
    assert_int_equal(socket_local_address(listening, &address), 0);
    connect_to(&address);
    run_until(&seen.connected_count);
    assert_int_equal(seen.connected_count, 1);
    assert_int_equal(tcp_socket_accept(listening, &accepted, &remote, &local), 0);
    assert_true(address_equal(&local, &address));
    assert_true(address_is_loopback(&remote) && remote.port != 0);
    assert_int_equal(write(accepted, wire, size), size);
    run_until(&seen.frame_count);
    close(accepted);
    run_until(&seen.closed_count);
    assert_int_equal(seen.end, STREAM_END_PEER);
    close(listening);
}

static void test_tells_why_it_cannot_connect(void **state)
{
    struct stun_address address;
    int listening = -1;

    (void)state;
    assert_true(address_parse(&address, "127.0.0.1:0"));
    assert_int_equal(tcp_socket_listen(&listening, &address, false), 0);
    assert_int_equal(socket_local_address(listening, &address), 0);
    close(listening);
    connect_to(&address);
    run_until(&seen.closed_count);
    assert_int_equal(seen.connected_count, 0);
    assert_int_equal(seen.end, STREAM_END_ERROR);
    assert_string_equal(seen.end_text, "Connection refused");
}

static void test_hands_over_what_is_behind_a_frame(void **state)
{
    static const uint8_t answer[] = {0x40, 0x01, 0x00, 0x01, 'x', 0, 0, 0};
    uint8_t wire[64], got[64];
    size_t size = put_stun(wire, 0x000B, 0);

    (void)state;
    on_first_frame = REACT_HAND_OVER;
    memcpy(wire + size, "not STUN any more", 17);
    feed(wire, size + 17);
    assert_int_equal(seen.frame_count, 1);
    assert_int_equal(seen.flush_count, 1);
    assert_int_equal(seen.closed_count, 0);
    assert_non_null(seen.taken);
    struct evbuffer *input = bufferevent_get_input(seen.taken);
    assert_int_equal(evbuffer_get_length(input), 17);
    assert_memory_equal(evbuffer_pullup(input, 17), "not STUN any more", 17);
    assert_int_equal(take(got, sizeof got), sizeof answer);
    assert_memory_equal(got, answer, sizeof answer);
    bufferevent_free(seen.taken);
}

static void test_hands_nothing_over_once_it_is_freed(void **state)
{
    uint8_t wire[32];
    size_t size = put_stun(wire, 0x0001, 0);

    (void)state;
    feed(wire, size);
    assert_int_equal(stream_hand_over(stream, saw_taken, &seen), 0);
    release();
    run();
    assert_null(seen.taken);
    assert_int_equal(seen.closed_count, 0);
}

int main(void)
{
#define stream_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        stream_test(test_byte_by_byte),
        stream_test(test_several_at_once),
        stream_test(test_random_frames_in_random_pieces),
        stream_test(test_ends_on_what_is_not_stun),
        stream_test(test_ends_on_the_first_wrong_byte),
        stream_test(test_ends_on_a_wrong_cookie),
        stream_test(test_refuses_long_frames_by_their_header),
        stream_test(test_ends_on_http),
        stream_test(test_largest_frames),
        stream_test(test_takes_nothing_after_its_end),
        stream_test(test_sends_with_padding),
        stream_test(test_drops_data_but_not_answers),
        stream_test(test_ends_when_answers_pile_up),
        stream_test(test_freed_before_its_end_is_told),
        stream_test(test_hands_over_what_is_behind_a_frame),
        stream_test(test_hands_nothing_over_once_it_is_freed),
        stream_test(test_freed_in_frame),
        stream_test(test_finished_in_frame),
        stream_test(test_finish_is_told_from_the_loop),
        stream_test(test_finishing_has_an_end),
        stream_test(test_answers_reach_one_who_has_stopped_sending),
        stream_test(test_end_in_the_middle_of_a_frame),
        stream_test(test_takes_bytes_that_were_read_before),
        stream_test(test_connects),
        stream_test(test_tells_why_it_cannot_connect),
    };

    return cmocka_run_group_tests_name("net/stream", tests, NULL, NULL);
}
