/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TURN client against a server that says anything. The first byte chooses transport,
 * credentials, and what is asked for; then come records, each a byte that says what happens:
 *
 *   0  a packet as it stands: length in pairs, bytes
 *   1  an answer to a request of ours: which, class, length, attributes as they stand, proof
 *   2  a sound answer: which, what
 *   3  time passes: tenths of a second, two bytes
 *   4  our program wants something: what, which peer
 *   5  ChannelData: number, length
 *   6  a Data indication: peer, length
 *   7  the connection ends
 */
#include "proto/long_term.h"
#include "proto/turn_client.h"
#include "tests/fuzz/fuzz_client.h"

#define RECORDS_MAX 120
#define TICKS_MAX 4000
#define ROOM 64

static struct stun_crypto *crypto;
static struct stun_key key;

struct run {
    struct wire wire;
    struct turn_client *client;
    struct turn_client_setup setup;
    struct monotime now;
    uint64_t seed;
    uint8_t room[ROOM + MESSAGE_SIZE_MAX + ROOM];
};

static struct stun_address pick_peer(uint8_t pick)
{
    static const char *const texts[] = {"203.0.113.1:5000", "203.0.113.1:5001", "203.0.113.2:5000",
                                        "[2001:db8::1]:5000"};
    struct stun_address peer;
    REQUIRE(address_parse(&peer, texts[pick % 4]));
    peer.port = (uint16_t)(peer.port + pick / 4);
    return peer;
}

static void settle(struct run *run)
{
    struct turn_client_event event;
    wire_flush(&run->wire.outbox, &run->wire);
    while (turn_client_event(run->client, &event)) {
        REQUIRE(turn_client_failure_text(event.failure)[0] != '\0');
        REQUIRE(strnlen(event.reason, sizeof event.reason) < sizeof event.reason);
        REQUIRE(event.type != TURN_CLIENT_ALLOCATED || event.relayed.family != STUN_FAMILY_NONE);
    }
}

static void give(struct run *run, const uint8_t *bytes, size_t size)
{
    struct packet packet = {
        .bytes = run->room + ROOM, .size = (uint32_t)size, .headroom = ROOM, .tailroom = ROOM};
    struct turn_client_data data;
    memcpy(packet.bytes, bytes, size);
    if (turn_client_input(run->client, run->now, &run->setup.flow, &packet, &data,
                          &run->wire.outbox) == TURN_CLIENT_DATA) {
        REQUIRE(data.packet.bytes >= packet.bytes);
        REQUIRE(data.packet.bytes + data.packet.size <= packet.bytes + size);
        REQUIRE(data.packet.bytes - data.packet.headroom == run->room);
        REQUIRE(data.packet.bytes + data.packet.size + data.packet.tailroom ==
                packet.bytes + size + ROOM);
    }
    settle(run);
}

static void do_packet(struct run *run, struct input *input)
{
    const uint8_t *bytes;
    size_t size = take_bytes(input, take_byte(input) * 2u, &bytes);
    give(run, bytes, size);
}

static void do_answer(struct run *run, struct input *input)
{
    const struct sent_request *request = wire_pick(&run->wire, take_byte(input));
    struct stun_builder builder;
    uint8_t bytes[MESSAGE_SIZE_MAX];
    uint8_t how = take_byte(input);
    if (request == NULL) {
        return;
    }
    begin_answer(&builder, bytes, (how & 1) != 0, request);
    put_raw(&builder, input);
    if ((how & 2) != 0) {
        stun_builder_put_integrity(&builder, crypto, &key);
    }
    int size = stun_builder_finish(&builder);
    if (size > 0) {
        give(run, bytes, (size_t)size);
    }
}

/* What a dual and a mobile client looks for. */
static void put_extras(struct stun_builder *builder, uint8_t how)
{
    struct stun_address second = pick_peer(203);
    if ((how & 16) != 0) {
        stun_builder_put_bytes(builder, STUN_MOBILITY_TICKET, key.bytes, how);
    }
    if ((how & 32) != 0) {
        stun_builder_put_xor_address(builder, STUN_XOR_RELAYED_ADDRESS, &second);
    } else if ((how & 64) != 0) {
        stun_builder_put_address_error(builder, STUN_FAMILY_IPV6, 440, NULL);
    }
}

static void do_sound_answer(struct run *run, struct input *input)
{
    static const uint16_t codes[] = {0, 0, 0, 401, 438, 300, 403, 437, 486, 508, 500, 400};
    const struct sent_request *request = wire_pick(&run->wire, take_byte(input));
    struct stun_address relayed = pick_peer(200);
    struct stun_builder builder;
    uint8_t bytes[MESSAGE_SIZE_MAX];
    uint8_t how = take_byte(input);
    uint16_t code = codes[how % (sizeof codes / sizeof codes[0])];
    if (request == NULL) {
        return;
    }
    begin_answer(&builder, bytes, code == 0, request);
    if (code == 0) {
        stun_builder_put_xor_address(&builder, STUN_XOR_RELAYED_ADDRESS, &relayed);
        stun_builder_put_u32(&builder, STUN_LIFETIME, how < 32 ? 600 : how);
        put_extras(&builder, how);
    } else {
        stun_builder_put_error(&builder, code, NULL);
        stun_builder_put_string(&builder, STUN_REALM, "example.org");
        stun_builder_put_string(&builder, STUN_NONCE, how < 128 ? "nonce" : "another");
        stun_builder_put_address(&builder, STUN_ALTERNATE_SERVER, &relayed);
        stun_builder_put_string(&builder, STUN_ALTERNATE_DOMAIN, "other.example.org");
    }
    if (code != 401 && code != 438) {
        stun_builder_put_integrity(&builder, crypto, &key);
    }
    give(run, bytes, (size_t)stun_builder_finish(&builder));
}

static void do_time(struct run *run, struct input *input)
{
    int64_t tenths = take_byte(input) * 256 + take_byte(input);
    struct monotime end = monotime_add_ms(run->now, 100 * tenths);
    for (int i = 0; i < TICKS_MAX && !monotime_before(end, turn_client_due(run->client)); i++) {
        struct monotime due = turn_client_due(run->client);
        run->now = monotime_before(due, run->now) ? run->now : due;
        turn_client_tick(run->client, run->now, &run->wire.outbox);
        settle(run);
        REQUIRE(monotime_before(run->now, turn_client_due(run->client)));
    }
    run->now = monotime_before(run->now, end) ? end : run->now;
}

static void do_send(struct run *run, const struct stun_address *peer, uint32_t size)
{
    struct packet packet = {
        .bytes = run->room + ROOM, .size = size, .headroom = ROOM, .tailroom = ROOM};
    uint64_t before = turn_client_counters(run->client)->sent_packets;
    int status = turn_client_send(run->client, run->now, peer, &packet, &run->wire.outbox);
    REQUIRE((turn_client_counters(run->client)->sent_packets > before) == (status == 0));
}

/* To another flow and back. */
static void do_move(struct run *run)
{
    struct flow flow = run->setup.flow;
    flow.via ^= 1;
    if (turn_client_move(run->client, run->now, &flow, &run->wire.outbox) == 0) {
        run->setup.flow = flow;
    }
}

static void do_want(struct run *run, struct input *input)
{
    uint8_t what = take_byte(input);
    struct stun_address peer = pick_peer(take_byte(input));
    switch (what % 6) {
    case 0:
        turn_client_permit(run->client, run->now, &peer, &run->wire.outbox);
        break;
    case 1:
        turn_client_bind(run->client, run->now, &peer, &run->wire.outbox);
        break;
    case 2:
        turn_client_forget(run->client, run->now, &peer);
        break;
    case 3:
        do_send(run, &peer, what);
        break;
    case 4:
        do_move(run);
        break;
    default:
        turn_client_delete(run->client, run->now, &run->wire.outbox);
        break;
    }
    settle(run);
}

static void do_channel_data(struct run *run, struct input *input)
{
    uint8_t bytes[260] = {0x40, take_byte(input), 0, take_byte(input)};
    give(run, bytes, 4u + bytes[3]);
}

static void do_indication(struct run *run, struct input *input)
{
    static const uint8_t id[STUN_TRANSACTION_ID_SIZE];
    struct stun_address peer = pick_peer(take_byte(input));
    struct stun_builder builder;
    uint8_t bytes[MESSAGE_SIZE_MAX];
    uint8_t value[256] = {0};
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_INDICATION, STUN_DATA, id);
    stun_builder_put_xor_address(&builder, STUN_XOR_PEER_ADDRESS, &peer);
    stun_builder_put_bytes(&builder, STUN_DATA_VALUE, value, take_byte(input));
    give(run, bytes, (size_t)stun_builder_finish(&builder));
}

static void set_up(struct run *run, uint8_t how)
{
    if (crypto == NULL) {
        crypto = stun_crypto_new();
        REQUIRE(crypto != NULL);
        stun_key_long_term(crypto, &key, STUN_PASSWORD_MD5, "alice", "example.org", "secret");
    }
    memset(run, 0, sizeof *run);
    wire_init(&run->wire);
    run->now = (struct monotime){MONOTIME_SECOND};
    run->setup = (struct turn_client_setup){
        .crypto = crypto,
        .random = fuzz_random,
        .random_context = &run->seed,
        .flow = {.transport = (how & 1) != 0 ? TRANSPORT_TCP : TRANSPORT_UDP,
                 .remote = pick_peer(100)},
        .user = (how & 2) != 0 ? NULL : "alice",
        .password = "secret",
        .timing = stun_timing_default,
        .timeout_ms = (how & 4) != 0 ? 2000 : 0,
        .keepalive_ms = (how & 8) != 0 ? 15000 : 0,
        .dual = (how & 16) != 0,
        .mobile = (how & 32) != 0,
        .token = (how & 64) != 0 ? key.bytes : NULL, /* any bytes will do */
        .token_key = key.bytes,
        .token_size = 50,
        .token_key_size = (how & 128) != 0 ? 32 : key.size,
    };
    run->client = turn_client_new(&run->setup);
    REQUIRE(run->client != NULL);
    turn_client_allocate(run->client, run->now, &run->wire.outbox);
    settle(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const records[])(struct run *, struct input *) = {
        do_packet, do_answer, do_sound_answer, do_time, do_want, do_channel_data, do_indication,
    };
    static struct run run;
    struct input input = {data, size};
    set_up(&run, take_byte(&input));
    for (int i = 0; i < RECORDS_MAX && input.size > 0; i++) {
        uint8_t what = take_byte(&input) & 7;
        if (what == 7) {
            turn_client_flow_closed(run.client, run.now);
            settle(&run);
        } else {
            records[what](&run, &input);
        }
    }
    turn_client_free(run.client);
    return 0;
}
