/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes in any pieces through a stream on an event loop: the frames that come out, and the way
 * it ends, are those of the same bytes in one piece. The first four bytes choose the pieces and
 * what the user does with its first frame.
 */
#include "net/stream.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <postern/stun.h>
#include <string.h>

#define FRAME_SIZE_MAX 4096
#define CONTROL_SIZE 4

struct run {
    struct stream *stream;
    const uint8_t *expected; /* the bytes of the next frame */
    const uint8_t *end;
    unsigned frames, flushes;
    bool closed;
    uint8_t reaction;
    enum stream_end how;
};

static void on_frame(struct stream *stream, struct packet *packet, void *context)
{
    struct run *run = context;
    size_t frame_size = 0;

    REQUIRE(!run->closed);
    int protocol = stun_stream_next(run->expected, (size_t)(run->end - run->expected), &frame_size);
    REQUIRE(protocol == STUN_PROTOCOL_STUN || protocol == STUN_PROTOCOL_CHANNEL);
    REQUIRE(packet->size <= frame_size && packet->size + 3 >= frame_size);
    REQUIRE(memcmp(packet->bytes, run->expected, packet->size) == 0);
    memset(packet->bytes, 0xAA, packet->size);
    run->expected += frame_size;
    run->frames++;
    if (run->reaction % 4 == 1) {
        REQUIRE(stream_send(stream, run->expected - frame_size, packet->size) != -EPIPE);
    } else if (run->reaction % 4 == 2) {
        run->reaction = 0;
        run->stream = NULL;
        stream_free(stream);
    } else if (run->reaction % 4 == 3) {
        stream_finish(stream, 1);
    }
}

static void on_flush(struct stream *stream, void *context)
{
    struct run *run = context;

    (void)stream;
    run->flushes++;
}

static void on_closed(struct stream *stream, enum stream_end how, void *context)
{
    struct run *run = context;

    REQUIRE(!run->closed);
    run->closed = true;
    run->how = how;
    run->stream = NULL;
    stream_free(stream);
}

static void feed(struct event_base *base, struct bufferevent *far, const uint8_t *bytes,
                 size_t size, uint32_t pieces)
{
    for (size_t sent = 0; sent < size;) {
        pieces = pieces * 1664525 + 1013904223;
        size_t piece = (pieces >> 16) % (1u << (pieces >> 28)) + 1;
        piece = piece > size - sent ? size - sent : piece;
        bufferevent_write(far, bytes + sent, piece);
        sent += piece;
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
}

/*
 * Whether the bytes that follow the last frame explain the end. A long frame with a wrong cookie
 * may be refused for either, as its bytes come.
 */
static void require_reason(const struct run *run, bool ended)
{
    size_t left = (size_t)(run->end - run->expected), frame_size = 0, announced = 0;
    int status = stun_stream_next(run->expected, left, &frame_size);

    (void)stun_stream_next(run->expected, left < 4 ? left : 4, &announced);
    bool too_long = announced > FRAME_SIZE_MAX, wrong = status == STUN_ERROR_NOT_STUN;
    REQUIRE(ended == (too_long || wrong));
    REQUIRE(!ended || run->how != STREAM_END_FRAME_SIZE || too_long);
    REQUIRE(!ended || run->how != STREAM_END_NOT_STUN || wrong);
}

static void run_stream(struct event_base *base, uint32_t pieces, uint8_t reaction,
                       const uint8_t *bytes, size_t size)
{
    static const struct stream_user user = {
        .frame = on_frame, .flush = on_flush, .closed = on_closed};
    struct run run = {.expected = bytes, .end = bytes + size, .reaction = reaction};
    const struct stream_setup setup = {
        .user = &user,
        .context = &run,
        .limits = {.frame_size_max = FRAME_SIZE_MAX, .output_size_max = 10000},
    };
    struct bufferevent *pair[2];

    if (bufferevent_pair_new(base, 0, pair) != 0) {
        abort();
    }
    bufferevent_enable(pair[1], EV_READ | EV_WRITE);
    run.stream = stream_new(pair[0], &setup);
    REQUIRE(run.stream != NULL);
    feed(base, pair[1], bytes, size, pieces);
    if (run.stream != NULL) {
        REQUIRE(reaction % 4 != 3 || run.frames == 0);
        require_reason(&run, false);
    } else if (run.closed && run.how != STREAM_END_FINISHED && run.how != STREAM_END_STUCK) {
        require_reason(&run, true);
    }
    REQUIRE(run.flushes <= run.frames);
    stream_free(run.stream);
    bufferevent_free(pair[1]);
    event_base_loop(base, EVLOOP_NONBLOCK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct event_base *base;

    if (base == NULL) {
        base = event_base_new();
    }
    if (base == NULL || size < CONTROL_SIZE) {
        return 0;
    }
    uint32_t pieces = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2];
    run_stream(base, pieces, data[3], data + CONTROL_SIZE, size - CONTROL_SIZE);
    return 0;
}
