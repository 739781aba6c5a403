/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An ICE agent whose peer, servers, network and program do anything. The first byte chooses role,
 * lite, policy and whether the peer is known at once; then come records, each a byte that says what
 * happens:
 *
 *   0  a packet as it stands: from, length in pairs, bytes
 *   1  a check that proves itself: from, how, attributes as they stand
 *   2  an answer to a request of ours: which, how, attributes as they stand
 *   3  a sound answer of the peer or of the server: which, what
 *   4  time passes: tenths of a second, two bytes
 *   5  our program wants something: what, which
 *   6  a candidate of the peer: address, type, priority
 *   7  a packet by the server's relay: how, peer, length in pairs, bytes
 */
#include "proto/ice/ice_internal.h"
#include "tests/fuzz/fuzz_client.h"

#define RECORDS_MAX 150
#define TICKS_MAX 3000
/* A tick may make something else due, but not for ever. */
#define AT_ONCE_MAX 20
#define ROOM 64
#define SOCKETS 3
#define PASSWORD "a password of the peer"

static struct stun_crypto *crypto;
static struct stun_key peer_key, server_key;

struct run {
    struct wire wire;
    struct ice_agent *agent;
    struct monotime now;
    uint64_t seed;
    uint32_t requests[4]; /* of ICE_CONNECT */
    unsigned request_count;
    uint8_t room[ROOM + MESSAGE_SIZE_MAX + ROOM];
};

static struct stun_address address_of(uint8_t pick)
{
    static const char *const texts[] = {
        "192.0.2.10:2000", "10.0.0.9:2000", "[2001:db8::9]:2000",  "203.0.113.200:2000",
        "[fe80::9]:2000",  "127.0.0.1:22",  "255.255.255.255:200", "192.0.2.10:65000"};
    struct stun_address address;
    REQUIRE(address_parse(&address, texts[pick % 8]));
    address.port = (uint16_t)(address.port + pick / 8);
    return address;
}

static struct stun_address server_address(void)
{
    struct stun_address address;
    REQUIRE(address_parse(&address, "198.51.100.1:3478"));
    return address;
}

static struct stun_address socket_address(uint8_t via)
{
    static const char *const texts[] = {"192.0.2.1:1000", "[2001:db8::1]:1000", "10.0.0.1:1000"};
    struct stun_address address;
    REQUIRE(address_parse(&address, texts[via % SOCKETS]));
    return address;
}

static void check_pair(const struct ice_pair_report *pair)
{
    REQUIRE(pair->local.address.family == pair->remote.address.family);
    REQUIRE(pair->local.address.family != STUN_FAMILY_NONE);
    REQUIRE(strnlen(pair->remote.foundation, ICE_FOUNDATION_SIZE) < ICE_FOUNDATION_SIZE);
    REQUIRE(pair->remote.address.port != 0);
}

static void check_state(const struct run *run)
{
    const struct ice_agent *agent = run->agent;
    struct ice_pair_report report;
    if (ice_selected(agent, &report)) {
        check_pair(&report);
        REQUIRE(agent->pairs[agent->selected].in_use);
        REQUIRE(agent->pairs[agent->selected].valid);
    }
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        REQUIRE(!pair->in_use ||
                (agent->bases[pair->base].in_use && agent->remotes[pair->remote].in_use));
    }
    for (size_t i = 0; i < ICE_LOCALS_MAX; i++) {
        REQUIRE(!agent->locals[i].in_use || agent->bases[agent->locals[i].base].in_use);
    }
}

static void settle(struct run *run)
{
    struct ice_event event;
    wire_flush(&run->wire.outbox, &run->wire);
    while (ice_event(run->agent, &event)) {
        REQUIRE(strnlen(event.failure_text, sizeof event.failure_text) < sizeof event.failure_text);
        if (event.type == ICE_LOCAL_CANDIDATE) {
            REQUIRE(event.candidate.address.family != STUN_FAMILY_NONE);
            REQUIRE(event.candidate.priority > 0 && event.candidate.priority < 1u << 31);
        } else if (event.type == ICE_CONNECTED || event.type == ICE_SELECTED) {
            check_pair(&event.pair);
        } else if (event.type == ICE_CONNECT) {
            run->requests[run->request_count++ % 4] = event.request;
        }
    }
    check_state(run);
}

static void give(struct run *run, const struct flow *flow, const uint8_t *bytes, size_t size)
{
    struct packet packet = {
        .bytes = run->room + ROOM, .size = (uint32_t)size, .headroom = ROOM, .tailroom = ROOM};
    struct packet data = {0};
    memcpy(packet.bytes, bytes, size);
    if (ice_input(run->agent, run->now, flow, &packet, &data, &run->wire.outbox) ==
        ICE_INPUT_DATA) {
        REQUIRE(data.bytes >= run->room + ROOM);
        REQUIRE(data.bytes + data.size <= run->room + ROOM + size);
    }
    settle(run);
}

static struct flow flow_from(uint8_t pick)
{
    uint8_t via = pick % SOCKETS;
    struct flow flow = {.via = via, .local = socket_address(via)};
    flow.remote = pick >= 240 ? server_address() : address_of(pick / SOCKETS);
    return flow;
}

/* ---- packets --------------------------------------------------------------------------------- */

static void do_packet(struct run *run, struct input *input)
{
    const uint8_t *bytes;
    struct flow flow = flow_from(take_byte(input));
    size_t size = take_bytes(input, take_byte(input) * 2u, &bytes);
    give(run, &flow, bytes, size);
}

static void do_check(struct run *run, struct input *input)
{
    struct flow flow = flow_from(take_byte(input));
    uint8_t how = take_byte(input), bytes[MESSAGE_SIZE_MAX], id[12] = {how};
    struct stun_builder builder;
    struct stun_key key;
    const char *password = ice_local_password(run->agent);
    char name[600];
    snprintf(name, sizeof name, "%s:%s", ice_local_ufrag(run->agent),
             (how & 1) != 0 ? "else" : "peer");
    stun_key_short_term(&key, password, strlen(password));
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_REQUEST, STUN_BINDING, id);
    stun_builder_put_string(&builder, STUN_USERNAME, name);
    if ((how & 2) == 0) {
        stun_builder_put_u32(&builder, STUN_PRIORITY, 0x6e000000u + how);
    }
    if ((how & 12) != 0) {
        stun_builder_put_u64(&builder, (how & 4) != 0 ? STUN_ICE_CONTROLLING : STUN_ICE_CONTROLLED,
                             (how & 16) != 0 ? UINT64_MAX : 0);
    }
    if ((how & 32) != 0) {
        stun_builder_put_flag(&builder, STUN_USE_CANDIDATE);
    }
    if ((how & 64) != 0) {
        put_raw(&builder, input);
    }
    stun_builder_put_integrity(&builder, crypto, &key);
    stun_builder_put_fingerprint(&builder);
    int size = stun_builder_finish(&builder);
    if (size > 0) {
        give(run, &flow, bytes, (size_t)size);
    }
}

static void give_answer(struct run *run, const struct sent_request *request, uint8_t how,
                        struct stun_builder *builder)
{
    bool is_server = memcmp(&request->flow.remote.ip, server_address().ip, 4) == 0;
    struct flow flow = request->flow;
    if ((how & 2) == 0) {
        stun_builder_put_integrity(builder, crypto, is_server ? &server_key : &peer_key);
    }
    if (!is_server) {
        stun_builder_put_fingerprint(builder);
    }
    if ((how & 128) != 0) {
        flow.remote = address_of(how);
    }
    int size = stun_builder_finish(builder);
    if (size > 0) {
        give(run, &flow, builder->bytes, (size_t)size);
    }
}

static void do_answer(struct run *run, struct input *input)
{
    const struct sent_request *request = wire_pick(&run->wire, take_byte(input));
    uint8_t how = take_byte(input), bytes[MESSAGE_SIZE_MAX];
    struct stun_builder builder;
    if (request != NULL) {
        begin_answer(&builder, bytes, (how & 1) != 0, request);
        put_raw(&builder, input);
        give_answer(run, request, how, &builder);
    }
}

static void do_sound_answer(struct run *run, struct input *input)
{
    static const uint16_t codes[] = {0, 0, 0, 0, 487, 401, 500, 403, 438, 437, 400, 508};
    const struct sent_request *request = wire_pick(&run->wire, take_byte(input));
    uint8_t what = take_byte(input), bytes[MESSAGE_SIZE_MAX];
    uint16_t code = codes[what % 12];
    struct stun_address mapped = address_of(what / 12 + 160), relayed = address_of(203);
    struct stun_builder builder;
    if (request == NULL) {
        return;
    }
    begin_answer(&builder, bytes, code == 0, request);
    if (code == 0) {
        stun_builder_put_xor_address(&builder, STUN_XOR_MAPPED_ADDRESS,
                                     what < 12 ? &request->flow.local : &mapped);
        stun_builder_put_xor_address(&builder, STUN_XOR_RELAYED_ADDRESS, &relayed);
        stun_builder_put_u32(&builder, STUN_LIFETIME, 600);
    } else {
        stun_builder_put_error(&builder, code, NULL);
        stun_builder_put_string(&builder, STUN_REALM, "example.org");
        stun_builder_put_string(&builder, STUN_NONCE, "nonce");
    }
    give_answer(run, request, code == 401 || code == 438 ? 2 : 0, &builder);
}

static void do_relayed(struct run *run, struct input *input)
{
    static const uint8_t id[STUN_TRANSACTION_ID_SIZE];
    uint8_t how = take_byte(input), bytes[MESSAGE_SIZE_MAX];
    struct stun_address peer = address_of(take_byte(input));
    struct flow flow = {.via = how % SOCKETS, .remote = server_address()};
    struct stun_builder builder;
    const uint8_t *data;
    size_t size = take_bytes(input, take_byte(input) * 2u, &data);
    flow.local = socket_address((uint8_t)flow.via);
    if ((how & 128) != 0) {
        stun_channel_write(bytes, (uint16_t)(STUN_CHANNEL_MIN + how % 8), (uint16_t)size);
        memcpy(bytes + 4, data, size);
        give(run, &flow, bytes, size + 4);
        return;
    }
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_INDICATION, STUN_DATA, id);
    stun_builder_put_xor_address(&builder, STUN_XOR_PEER_ADDRESS, &peer);
    stun_builder_put_bytes(&builder, STUN_DATA_VALUE, data, size);
    give(run, &flow, bytes, (size_t)stun_builder_finish(&builder));
}

/* ---- time and wishes ------------------------------------------------------------------------- */

static void do_time(struct run *run, struct input *input)
{
    int64_t tenths = take_byte(input) * 256 + take_byte(input);
    struct monotime end = monotime_add_ms(run->now, 100 * tenths);
    int at_once = 0;
    for (int i = 0; i < TICKS_MAX && !monotime_before(end, ice_due(run->agent)); i++) {
        struct monotime due = ice_due(run->agent);
        at_once = monotime_before(run->now, due) ? 0 : at_once + 1;
        REQUIRE(at_once < AT_ONCE_MAX);
        run->now = monotime_before(due, run->now) ? run->now : due;
        ice_tick(run->agent, run->now, &run->wire.outbox);
        settle(run);
    }
    run->now = monotime_before(run->now, end) ? end : run->now;
}

static void do_candidate(struct run *run, struct input *input)
{
    struct ice_candidate candidate = {.component = 1, .address = address_of(take_byte(input))};
    uint8_t type = take_byte(input);
    candidate.type = (enum ice_candidate_type)(type % 4);
    candidate.priority = ((uint32_t)take_byte(input) << 22) + type;
    candidate.foundation[0] = (char)('0' + type % 8);
    if ((type & 128) != 0) {
        memcpy(candidate.ufrag, (type & 64) != 0 ? "peer" : "else", 5);
    }
    ice_remote_candidate(run->agent, run->now, &candidate, &run->wire.outbox);
    settle(run);
}

static void do_send(struct run *run, uint32_t size)
{
    struct packet packet = {
        .bytes = run->room + ROOM, .size = size + 4, .headroom = ROOM, .tailroom = ROOM};
    uint64_t before = ice_agent_counters(run->agent)->sent_packets;
    int status = ice_send(run->agent, run->now, &packet, &run->wire.outbox);
    REQUIRE((ice_agent_counters(run->agent)->sent_packets > before) == (status == 0));
}

static void add_server(struct run *run, uint8_t which)
{
    const struct ice_server server = {
        .address = server_address(),
        .transport = (which & 2) != 0 ? TRANSPORT_TCP : TRANSPORT_UDP,
        .turn = (which & 1) != 0,
        .user = "alice",
        .password = "secret",
        .number = which,
    };
    ice_add_server(run->agent, run->now, &server, &run->wire.outbox);
}

static void change_connection(struct run *run, uint8_t which)
{
    struct stun_address local = socket_address(0);
    uint32_t request = run->requests[which % 4];
    if ((which & 128) != 0) {
        ice_server_lost(run->agent, run->now, request, &run->wire.outbox);
    } else if (run->request_count > 0) {
        ice_server_connected(run->agent, run->now, request, 100 + which % 4u, &local,
                             &run->wire.outbox);
    }
}

static void change_socket(struct run *run, uint8_t which)
{
    struct stun_address local = socket_address(which);
    if ((which & 128) != 0) {
        ice_socket_lost(run->agent, run->now, which % SOCKETS, &run->wire.outbox);
    } else {
        ice_add_socket(run->agent, run->now, which % SOCKETS, &local, which, &run->wire.outbox);
    }
}

static void do_want(struct run *run, struct input *input)
{
    uint8_t what = take_byte(input), which = take_byte(input);
    struct outbox *outbox = &run->wire.outbox;
    struct stun_address peer = address_of(which);
    switch (what % 10) {
    case 0:
        ice_remote_credentials(run->agent, run->now, (which & 2) != 0 ? "else" : "peer", PASSWORD,
                               (which & 1) != 0, outbox);
        break;
    case 1:
        ice_agent_restart(run->agent, run->now, outbox);
        break;
    case 2:
        ice_remote_informed(run->agent, run->now, outbox);
        break;
    case 3:
        ice_remote_end_of_candidates(run->agent, run->now);
        ice_gathering_complete(run->agent, run->now);
        break;
    case 4:
        change_socket(run, which);
        break;
    case 5:
        ice_unreachable(run->agent, run->now, which % SOCKETS, &peer, outbox);
        break;
    case 6:
        add_server(run, which);
        break;
    case 7:
        change_connection(run, which);
        break;
    case 8:
        do_send(run, which);
        break;
    default:
        if (which > 200) {
            ice_agent_close(run->agent, run->now, outbox);
        }
        break;
    }
    settle(run);
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void set_up(struct run *run, uint8_t how)
{
    if (crypto == NULL) {
        crypto = stun_crypto_new();
        REQUIRE(crypto != NULL);
        stun_key_short_term(&peer_key, PASSWORD, strlen(PASSWORD));
        stun_key_long_term(crypto, &server_key, STUN_PASSWORD_MD5, "alice", "example.org",
                           "secret");
    }
    memset(run, 0, sizeof *run);
    wire_init(&run->wire);
    run->now = (struct monotime){MONOTIME_SECOND};
    const struct ice_setup setup = {
        .crypto = crypto,
        .random = fuzz_random,
        .random_context = &run->seed,
        .role = (how & 1) != 0 ? ICE_CONTROLLING : ICE_CONTROLLED,
        .lite = (how & 2) != 0,
        .relay = (how & 4) != 0 ? ICE_RELAY_ONLY : ICE_RELAY_ALLOWED,
        .pace_ms = (how & 8) != 0 ? 5 : 0,
    };
    run->agent = ice_agent_new(&setup);
    REQUIRE(run->agent != NULL);
    for (uint8_t via = 0; via < SOCKETS; via++) {
        struct stun_address local = socket_address(via);
        ice_add_socket(run->agent, run->now, via, &local, via, &run->wire.outbox);
    }
    if ((how & 16) != 0) {
        ice_remote_credentials(run->agent, run->now, "peer", PASSWORD, (how & 32) != 0,
                               &run->wire.outbox);
    }
    if ((how & 64) != 0) {
        add_server(run, 1);
    }
    settle(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const records[])(struct run *, struct input *) = {
        do_packet, do_check, do_answer, do_sound_answer, do_time, do_want, do_candidate, do_relayed,
    };
    static struct run run;
    struct input input = {data, size};
    set_up(&run, take_byte(&input));
    for (int i = 0; i < RECORDS_MAX && input.size > 0; i++) {
        records[take_byte(&input) & 7](&run, &input);
    }
    ice_agent_free(run.agent);
    return 0;
}
