/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session whose peer is hostile: packets as they come out of DTLS, with the right verification
 * tag and checksum. An honest end brings the association about, and its packets can be changed on
 * the way. The input is a list of steps, each a byte and its arguments:
 *
 *     0 size bytes…       a packet of these chunks
 *     1 count             tens of milliseconds pass
 *     2                   the session's events are read
 *     3 stream size       the session sends a message (size * 64 bytes)
 *     4 stream size ppid  the honest end sends one, of that payload protocol
 *     5 place bits        the honest end's next packet is changed at `place`
 *     6 stream            the session closes a channel
 *     7                   the session closes
 *     8 stream            the honest end resets a stream
 *     9 length label…     the session opens a channel
 *     10 stream size bytes…  the honest end sends these bytes as DCEP
 *
 * Whatever comes, the session stands, memory is bounded, and an event comes once.
 */
#include "stunclient/peer/crc32c.h"
#include "stunclient/peer/data_session.h"
#include "stunclient/peer/dcep.h"
#include "stunclient/peer/identity.h"
#include "stunclient/peer/sctp_packet.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/openssl_clock.h"

#include <string.h>

#define QUEUE_MAX 64
#define PACKET_MAX 1500
#define STEPS_MAX 200

struct queue {
    size_t count;
    size_t sizes[QUEUE_MAX];
    uint8_t bytes[QUEUE_MAX][PACKET_MAX];
};

struct world {
    struct data_session *session;
    struct sctp_peer *honest;
    struct queue to_session, to_honest;
    uint8_t tag[4]; /* what packets to the session must carry */
    bool has_tag;
    unsigned ended; /* last events */
    bool changing;
    uint8_t change_place, change_bits;
};

static void put(struct queue *queue, const uint8_t *bytes, size_t size)
{
    REQUIRE(size <= PACKET_MAX);
    if (queue->count < QUEUE_MAX) {
        queue->sizes[queue->count] = size;
        memcpy(queue->bytes[queue->count++], bytes, size);
    }
}

/* The INIT says the tag. */
static void on_session_packet(void *context, const uint8_t *bytes, size_t size)
{
    struct world *world = context;

    if (!world->has_tag && size >= 20 && bytes[SCTP_PACKET_HEADER_SIZE] == 1) {
        memcpy(world->tag, bytes + SCTP_PACKET_HEADER_SIZE + 4, sizeof world->tag);
        world->has_tag = true;
    }
    REQUIRE(size <= 1160);
    put(&world->to_honest, bytes, size);
}

static void on_honest_packet(void *context, const uint8_t *bytes, size_t size)
{
    struct world *world = context;
    put(&world->to_session, bytes, size);
}

static void ignore_datagram(void *context, const uint8_t *bytes, size_t size)
{
    (void)context;
    (void)bytes;
    (void)size;
}

static void read_events(struct world *world)
{
    struct data_event event;
    size_t count = 0;

    while (data_session_event(world->session, &event)) {
        REQUIRE(++count < 100000);
        REQUIRE(world->ended == 0);
        if (event.type == DATA_EVENT_MESSAGE) {
            REQUIRE(event.size <= DATA_MESSAGE_MAX);
            REQUIRE(event.id < DATA_STREAMS);
        }
        if (event.type == DATA_EVENT_OPENED) {
            REQUIRE(strlen(event.label) <= DATA_NAME_MAX);
            REQUIRE(strlen(event.protocol) <= DATA_NAME_MAX);
        }
        world->ended += event.type == DATA_EVENT_FAILED || event.type == DATA_EVENT_CLOSED ? 1 : 0;
    }
}

static void read_honest(struct world *world)
{
    struct sctp_peer_event event;

    while (sctp_peer_event(world->honest, &event)) {
    }
}

static void sum(uint8_t *packet, size_t size)
{
    if (crc32c_present()) {
        sctp_packet_write_checksum(packet, size);
    }
}

/* Carries what is under way. */
static void carry(struct world *world)
{
    for (int round = 0; round < 8 && world->to_session.count + world->to_honest.count > 0;
         round++) {
        static struct queue queue;
        queue = world->to_session;
        world->to_session.count = 0;
        for (size_t i = 0; i < queue.count; i++) {
            if (world->changing && world->change_place < queue.sizes[i]) {
                world->changing = false;
                queue.bytes[i][world->change_place] ^= world->change_bits;
                sum(queue.bytes[i], queue.sizes[i]);
            }
            sctp_peer_input(world->session->sctp, virtual_now, queue.bytes[i], queue.sizes[i]);
        }
        queue = world->to_honest;
        world->to_honest.count = 0;
        for (size_t i = 0; i < queue.count; i++) {
            sctp_peer_input(world->honest, virtual_now, queue.bytes[i], queue.sizes[i]);
        }
        read_honest(world);
    }
}

static void pass(struct world *world, unsigned tens)
{
    for (unsigned i = 0; i < tens; i++) {
        virtual_now = monotime_add_ms(virtual_now, 10);
        data_session_tick(world->session, virtual_now);
        sctp_peer_tick(world->honest, virtual_now);
        carry(world);
    }
}

static struct sctp_peer *new_end(struct world *world, void (*send)(void *, const uint8_t *, size_t))
{
    struct sctp_peer *peer = sctp_peer_new(&(struct sctp_peer_setup){
        .local_port = DATA_SCTP_PORT,
        .remote_port = DATA_SCTP_PORT,
        .streams = DATA_STREAMS,
        .packet_max = 1160,
        .message_max = DATA_MESSAGE_MAX,
        .send_buffer = DATA_SEND_BUFFER,
        .receive_buffer = DATA_RECEIVE_BUFFER,
        .rtt_us = 1000,
        .send = send,
        .context = world,
    });

    REQUIRE(peer != NULL);
    return peer;
}

static void begin(struct world *world)
{
    static struct identity *identity;
    static const struct data_channel_open open = {.label = "pipe"};
    uint16_t id;

    if (identity == NULL) {
        identity = identity_new();
    }
    memset(world, 0, sizeof *world);
    world->session = data_session_new(&(struct data_session_setup){
        .role = DATA_ROLE_CLIENT, .identity = identity, .send = ignore_datagram});
    REQUIRE(world->session != NULL);
    /* As if DTLS had been gone through. */
    world->session->associating = true;
    world->session->message_max = DATA_MESSAGE_MAX;
    world->session->sctp = new_end(world, on_session_packet);
    world->honest = new_end(world, on_honest_packet);
    REQUIRE(sctp_peer_connect(world->session->sctp, virtual_now) == 0);
    REQUIRE(sctp_peer_connect(world->honest, virtual_now) == 0);
    carry(world);
    REQUIRE(data_channel_open(world->session, virtual_now, &open, &id) == 0);
    carry(world);
    read_events(world);
    REQUIRE(world->session->ready && world->has_tag);
}

/* ---- the input ------------------------------------------------------------------------------- */

struct input {
    const uint8_t *bytes;
    size_t size;
};

static uint8_t take(struct input *input)
{
    if (input->size == 0) {
        return 0;
    }
    input->size--;
    return *input->bytes++;
}

static size_t take_bytes(struct input *input, uint8_t *out, size_t size)
{
    size = size < input->size ? size : input->size;
    memcpy(out, input->bytes, size);
    input->bytes += size;
    input->size -= size;
    return size;
}

static void inject(struct world *world, struct input *input)
{
    uint8_t packet[SCTP_PACKET_HEADER_SIZE + 4 * 255] = {0x13, 0x88, 0x13, 0x88};
    size_t size = 4U * take(input);

    memcpy(packet + 4, world->tag, sizeof world->tag);
    size = SCTP_PACKET_HEADER_SIZE + take_bytes(input, packet + SCTP_PACKET_HEADER_SIZE, size);
    sum(packet, size);
    sctp_peer_input(world->session->sctp, virtual_now, packet, size);
    carry(world);
}

static void say(struct world *world, struct input *input, uint32_t ppid)
{
    static const uint8_t bytes[64 * 255 + 1];
    uint16_t stream = take(input);
    size_t size = 64U * take(input) + 1;

    if (ppid == 0) {
        (void)data_channel_send(world->session, virtual_now, stream, DATA_BINARY, bytes, size - 1);
    } else {
        (void)sctp_peer_send(world->honest, virtual_now, stream, ppid, bytes, size);
    }
}

static void say_control(struct world *world, struct input *input)
{
    uint8_t bytes[255];
    uint16_t stream = take(input);
    size_t size = take_bytes(input, bytes, take(input));

    if (size > 0) {
        (void)sctp_peer_send(world->honest, virtual_now, stream, DCEP_PPID_CONTROL, bytes, size);
    }
}

static void open_channel(struct world *world, struct input *input)
{
    char label[256] = "";
    uint16_t id;

    (void)take_bytes(input, (uint8_t *)label, take(input));
    (void)data_channel_open(world->session, virtual_now,
                            &(struct data_channel_open){.label = label, .protocol = label}, &id);
}

static void step(struct world *world, struct input *input)
{
    switch (take(input) % 11) {
    case 0:
        inject(world, input);
        break;
    case 1:
        pass(world, take(input));
        break;
    case 2:
        read_events(world);
        break;
    case 3:
        say(world, input, 0);
        break;
    case 4:
        say(world, input, 50U + take(input) % 8);
        break;
    case 5:
        world->change_place = take(input);
        world->change_bits = take(input);
        world->changing = true;
        break;
    case 6:
        (void)data_channel_close(world->session, virtual_now, take(input));
        break;
    case 7:
        data_session_close(world->session, virtual_now);
        break;
    case 8:
        (void)sctp_peer_reset(world->honest, virtual_now, take(input));
        break;
    case 9:
        open_channel(world, input);
        break;
    default:
        say_control(world, input);
    }
    carry(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    struct input input = {data, size};

    begin(&world);
    for (int i = 0; i < STEPS_MAX && input.size > 0; i++) {
        step(&world, &input);
    }
    read_events(&world);
    pass(&world, 50);
    read_events(&world);
    data_session_free(world.session);
    sctp_peer_free(world.honest);
    virtual_now = monotime_add_seconds(virtual_now, 1);
    return 0;
}
