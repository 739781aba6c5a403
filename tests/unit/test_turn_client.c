/* SPDX-License-Identifier: BSD-3-Clause */
/* The TURN client against a server made of a few lines, on virtual time. */
#include "machine_test.h"

#include "proto/long_term.h"
#include "proto/turn_client.h"

#include <errno.h>

#define REALM "example.org"
#define NONCE "a nonce"
#define SERVER "192.0.2.1:3478"
#define US "10.0.0.2:40000"
#define MAPPED "198.51.100.7:40000"
#define RELAYED "192.0.2.1:50000"
#define BOB "203.0.113.9:6000"
#define CAROL "203.0.113.10:6001"

/* What the server does; tests set it up. */
static struct {
    const char *password;
    bool open;       /* no credentials wanted */
    bool proof;      /* answers carry integrity */
    unsigned lose;   /* so many packets from the client get lost */
    uint16_t refuse; /* this error to the request of that method */
    uint16_t refuse_method;
    uint32_t lifetime_s;
    bool silent;
    unsigned requests[16]; /* signed requests seen, by method */
    unsigned indications;
    uint16_t channel;
    uint8_t relay_transport; /* of Allocate */
    uint32_t connection_id;  /* what Connect is answered and ConnectionBind asked for; 0: none */
    struct stun_address peer;
} server;

static struct wire wire;
static uint64_t seed;
static struct stun_crypto *crypto;
static struct stun_crypto *server_crypto;
static struct turn_client *client;
static struct turn_client_setup setup;
static struct turn_client_event event;
static struct turn_client_data data;
static struct monotime now;

static int tear_down(void **state)
{
    (void)state;
    turn_client_free(client);
    stun_crypto_free(crypto);
    stun_crypto_free(server_crypto);
    client = NULL;
    crypto = server_crypto = NULL;
    return 0;
}

/* Also called within a test, to start anew. */
static int set_up(void **state)
{
    tear_down(state);
    memset(&server, 0, sizeof server);
    server.password = "secret";
    server.proof = true;
    server.lifetime_s = 600;
    crypto = stun_crypto_new();
    server_crypto = stun_crypto_new();
    now = at_ms(1000);
    wire_init(&wire);
    setup = (struct turn_client_setup){
        .crypto = crypto,
        .random = test_random,
        .random_context = &seed,
        .flow = {.via = 5,
                 .transport = TRANSPORT_UDP,
                 .remote = test_address(SERVER),
                 .local = test_address(US)},
        .user = "alice",
        .password = "secret",
        .software = "test",
        .timing = stun_timing_default,
    };
    return 0;
}

/* ---- the server ------------------------------------------------------------------------------ */

static enum turn_client_input give_from(const char *source, uint32_t via, const uint8_t *bytes,
                                        size_t size)
{
    static uint8_t room[4096];
    struct flow flow = setup.flow;
    struct packet packet = {
        .bytes = room + 64, .size = (uint32_t)size, .headroom = 64, .tailroom = 64};
    flow.via = via;
    flow.remote = test_address(source);
    assert_true(size <= sizeof room - 128);
    memcpy(packet.bytes, bytes, size);
    return turn_client_input(client, now, &flow, &packet, &data, &wire.outbox);
}

static enum turn_client_input give(const uint8_t *bytes, size_t size)
{
    return give_from(SERVER, 5, bytes, size);
}

static void put_answer(struct stun_builder *builder, const struct stun_view *request)
{
    struct stun_address relayed = test_address(RELAYED);
    struct stun_address mapped = test_address(MAPPED);
    uint32_t lifetime = server.lifetime_s;
    if (request->method == STUN_ALLOCATE) {
        stun_view_u8(request, STUN_REQUESTED_TRANSPORT, &server.relay_transport);
        stun_builder_put_xor_address(builder, STUN_XOR_RELAYED_ADDRESS, &relayed);
        stun_builder_put_xor_address(builder, STUN_XOR_MAPPED_ADDRESS, &mapped);
        stun_builder_put_u32(builder, STUN_LIFETIME, lifetime);
        stun_builder_put_string(builder, STUN_SOFTWARE, "fake\n1");
    } else if (request->method == STUN_REFRESH) {
        stun_view_u32(request, STUN_LIFETIME, &lifetime);
        stun_builder_put_u32(builder, STUN_LIFETIME, lifetime);
    } else if (request->method == STUN_CONNECTION_BIND) {
        assert_int_equal(stun_view_u32(request, STUN_CONNECTION_ID, &server.connection_id),
                         STUN_OK);
    } else {
        if (request->method == STUN_CONNECT && server.connection_id != 0) {
            stun_builder_put_u32(builder, STUN_CONNECTION_ID, server.connection_id);
        }
        assert_int_equal(stun_view_xor_address(request, STUN_XOR_PEER_ADDRESS, &server.peer),
                         STUN_OK);
    }
}

static size_t answer(const struct stun_view *request, uint8_t *out, size_t capacity)
{
    struct stun_builder builder;
    struct stun_key key;
    stun_key_long_term(server_crypto, &key, STUN_PASSWORD_MD5, "alice", REALM, server.password);
    bool known = server.open || stun_view_check_integrity(request, server_crypto, &key) == STUN_OK;
    bool refused = known && server.refuse != 0 && server.refuse_method == request->method;
    stun_builder_begin_answer(&builder, out, capacity,
                              known && !refused ? STUN_SUCCESS : STUN_ERROR, request);
    if (!known) {
        stun_builder_put_error(&builder, 401, NULL);
        stun_builder_put_string(&builder, STUN_REALM, REALM);
        stun_builder_put_string(&builder, STUN_NONCE, NONCE);
    } else {
        server.requests[request->method]++;
        if (refused) {
            struct stun_address alternate = test_address("192.0.2.2:3479");
            stun_builder_put_error(&builder, server.refuse, "because\x01 of \xc3\xa4");
            if (server.refuse == 300) {
                stun_builder_put_address(&builder, STUN_ALTERNATE_SERVER, &alternate);
                stun_builder_put_string(&builder, STUN_ALTERNATE_DOMAIN, "other.example.org");
            }
        } else {
            stun_view_u16(request, STUN_CHANNEL_NUMBER, &server.channel);
            put_answer(&builder, request);
        }
        if (server.proof && !server.open) {
            stun_builder_put_integrity(&builder, server_crypto, &key);
        }
    }
    int size = stun_builder_finish(&builder);
    assert_true(size > 0);
    return (size_t)size;
}

/* Lets the server answer everything that the client has sent, until both are quiet. */
static void exchange(void)
{
    static struct sent_packet sent[SENT_MAX];
    size_t count;
    while ((count = wire_take(&wire)) > 0) {
        memcpy(sent, wire.sent, count * sizeof sent[0]);
        for (size_t i = 0; i < count; i++) {
            uint8_t bytes[1024];
            struct stun_view request;
            if (server.lose > 0 || server.silent) {
                server.lose -= server.lose > 0;
                continue;
            }
            assert_int_equal(stun_view_parse(&request, sent[i].bytes, sent[i].size), STUN_OK);
            if (request.message_class == STUN_INDICATION) {
                server.indications++;
                continue;
            }
            give(bytes, answer(&request, bytes, sizeof bytes));
        }
    }
}

/* Advances virtual time to `end`, ticking whenever something is due. */
static void run_until(struct monotime end)
{
    exchange();
    while (!monotime_before(end, turn_client_due(client))) {
        assert_false(monotime_before(turn_client_due(client), now));
        now = turn_client_due(client);
        turn_client_tick(client, now, &wire.outbox);
        exchange();
    }
    now = end;
}

static void run_seconds(int64_t seconds)
{
    run_until(monotime_add_seconds(now, seconds));
}

static void begin(void)
{
    client = turn_client_new(&setup);
    assert_non_null(client);
    turn_client_allocate(client, now, &wire.outbox);
}

static void expect(enum turn_client_event_type type, enum turn_client_failure failure)
{
    assert_true(turn_client_event(client, &event));
    assert_int_equal(event.type, type);
    assert_int_equal(event.failure, failure);
}

static void allocate(void)
{
    begin();
    exchange();
    expect(TURN_CLIENT_ALLOCATED, TURN_CLIENT_NONE);
}

/* ---- allocating ------------------------------------------------------------------------------ */

static void allocates_after_a_challenge(void **state)
{
    struct stun_address relayed = test_address(RELAYED);
    struct stun_address mapped = test_address(MAPPED);
    (void)state;
    allocate();
    assert_true(address_equal(&event.relayed, &relayed));
    assert_true(address_equal(&event.mapped, &mapped));
    assert_int_equal(event.lifetime_s, 600);
    assert_int_equal(server.requests[STUN_ALLOCATE], 1);
    assert_int_equal(turn_client_counters(client)->requests, 2);
    assert_string_equal(turn_client_software(client), "fake?1");
    assert_false(turn_client_event(client, &event));
}

static void allocates_at_once_when_the_challenge_is_known(void **state)
{
    const struct long_term_challenge known = {REALM, NONCE, {0}, 0};
    const struct long_term_challenge other = {"another realm", NONCE, {0}, 0};
    (void)state;
    setup.challenge = &known;
    allocate();
    assert_int_equal(turn_client_counters(client)->requests, 1);
    set_up(NULL);
    setup.challenge = &other; /* it is no worse than none */
    allocate();
    assert_int_equal(turn_client_counters(client)->requests, 2);
}

static void allocates_though_packets_are_lost(void **state)
{
    (void)state;
    for (unsigned lost = 1; lost < 7; lost++) {
        set_up(NULL);
        server.lose = lost;
        begin();
        run_seconds(60);
        expect(TURN_CLIENT_ALLOCATED, TURN_CLIENT_NONE);
        assert_int_equal(turn_client_counters(client)->retransmissions, 0); /* of the signed one */
        tear_down(NULL);
    }
    set_up(NULL);
}

static void gives_up_when_nobody_answers(void **state)
{
    (void)state;
    server.silent = true;
    begin();
    run_seconds(39);
    assert_false(turn_client_event(client, &event));
    run_seconds(1);
    expect(TURN_CLIENT_FAILED, TURN_CLIENT_TIMEOUT);
    assert_int_equal(turn_client_due(client).us, MONOTIME_NEVER.us);
    tear_down(NULL);
    set_up(NULL);
    server.silent = true;
    setup.timeout_ms = 2000;
    begin();
    run_seconds(2);
    expect(TURN_CLIENT_FAILED, TURN_CLIENT_TIMEOUT);
    assert_int_equal(event.took_us, 2000000);
}

static void knows_a_wrong_password(void **state)
{
    (void)state;
    setup.password = "wrong";
    begin();
    exchange();
    expect(TURN_CLIENT_FAILED, TURN_CLIENT_UNAUTHENTICATED);
    assert_int_equal(event.code, 401);
    tear_down(NULL);
    set_up(NULL);
    setup.user = NULL;
    begin();
    exchange();
    expect(TURN_CLIENT_FAILED, TURN_CLIENT_UNAUTHENTICATED);
}

static void tells_refusals_apart(void **state)
{
    static const struct {
        uint16_t code;
        enum turn_client_failure failure;
    } cases[] = {
        {403, TURN_CLIENT_FORBIDDEN}, {437, TURN_CLIENT_MISMATCH}, {440, TURN_CLIENT_FAMILY},
        {486, TURN_CLIENT_QUOTA},     {508, TURN_CLIENT_CAPACITY}, {500, TURN_CLIENT_REFUSED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        set_up(NULL);
        server.refuse_method = STUN_ALLOCATE;
        server.refuse = cases[i].code;
        begin();
        exchange();
        expect(TURN_CLIENT_FAILED, cases[i].failure);
        assert_int_equal(event.code, cases[i].code);
        assert_string_equal(event.reason, "because? of ??");
        tear_down(NULL);
    }
    set_up(NULL);
}

static void reports_another_server(void **state)
{
    struct stun_address alternate = test_address("192.0.2.2:3479");
    (void)state;
    server.refuse_method = STUN_ALLOCATE;
    server.refuse = 300;
    begin();
    exchange();
    expect(TURN_CLIENT_REDIRECTED, TURN_CLIENT_REFUSED);
    assert_true(address_equal(&event.address, &alternate));
    assert_string_equal(event.domain, "other.example.org");
    assert_int_equal(turn_client_due(client).us, MONOTIME_NEVER.us);
}

/* What a move does is simulated with the server itself (tests/sim/sim_turn_test.c). */
static void moves_with_a_ticket_only(void **state)
{
    struct flow other = setup.flow;
    (void)state;
    other.via = 6;
    setup.mobile = true;
    begin();
    assert_int_equal(turn_client_move(client, now, &other, &wire.outbox), -ENOTCONN);
    exchange();
    expect(TURN_CLIENT_ALLOCATED, TURN_CLIENT_NONE);
    assert_int_equal(turn_client_move(client, now, &other, &wire.outbox), -EPERM);
    turn_client_delete(client, now, &wire.outbox);
    exchange();
    expect(TURN_CLIENT_ENDED, TURN_CLIENT_NONE);
}

static void tells_how_it_signs(void **state)
{
    (void)state;
    begin();
    assert_false(turn_client_signing(client).is_signed);
    exchange();
    assert_true(turn_client_signing(client).is_signed);
    assert_false(turn_client_signing(client).sha256 || turn_client_signing(client).hidden_name ||
                 turn_client_signing(client).token);
}

static void says_when_answers_prove_nothing(void **state)
{
    (void)state;
    server.proof = false;
    server.refuse_method = STUN_ALLOCATE;
    server.refuse = 508;
    setup.timeout_ms = 5000;
    begin();
    run_seconds(6);
    expect(TURN_CLIENT_FAILED, TURN_CLIENT_UNPROVEN);
    assert_int_equal(event.code, 508);
}

static void believes_only_the_server(void **state)
{
    uint8_t bytes[1024];
    struct stun_view request;
    (void)state;
    server.open = true;
    begin();
    assert_int_equal(wire_take(&wire), 1);
    assert_int_equal(stun_view_parse(&request, wire.sent[0].bytes, wire.sent[0].size), STUN_OK);
    size_t size = answer(&request, bytes, sizeof bytes);
    assert_int_equal(give_from("192.0.2.66:3478", 5, bytes, size), TURN_CLIENT_NOT_OURS);
    assert_int_equal(give_from(SERVER, 6, bytes, size), TURN_CLIENT_NOT_OURS);
    bytes[12] ^= 1; /* another transaction */
    assert_int_equal(give(bytes, size), TURN_CLIENT_NOT_OURS);
    bytes[12] ^= 1;
    assert_false(turn_client_event(client, &event));
    assert_int_equal(give(bytes, size), TURN_CLIENT_HANDLED);
    expect(TURN_CLIENT_ALLOCATED, TURN_CLIENT_NONE);
    assert_int_equal(give(bytes, size), TURN_CLIENT_NOT_OURS); /* a late duplicate */
    assert_false(turn_client_event(client, &event));
}

/* ---- permissions, channels, data ------------------------------------------------------------- */

static int send_text(const char *peer, const char *text)
{
    static uint8_t room[512];
    struct stun_address address = test_address(peer);
    struct packet packet = {
        .bytes = room + 64, .size = (uint32_t)strlen(text), .headroom = 64, .tailroom = 64};
    memset(room, 0xee, sizeof room);
    memcpy(packet.bytes, text, packet.size);
    int status = turn_client_send(client, now, &address, &packet, &wire.outbox);
    wire_flush(&wire.outbox, &wire); /* it borrows `room` */
    return status;
}

static void ask(const char *peer, bool channel)
{
    struct stun_address address = test_address(peer);
    int status = channel ? turn_client_bind(client, now, &address, &wire.outbox)
                         : turn_client_permit(client, now, &address, &wire.outbox);
    assert_int_equal(status, 0);
}

static size_t data_indication(uint8_t *bytes, const char *peer, const char *text)
{
    struct stun_builder builder;
    struct stun_address address = test_address(peer);
    const uint8_t id[STUN_TRANSACTION_ID_SIZE] = {7};
    stun_builder_begin(&builder, bytes, 512, STUN_INDICATION, STUN_DATA, id);
    stun_builder_put_xor_address(&builder, STUN_XOR_PEER_ADDRESS, &address);
    stun_builder_put_string(&builder, STUN_DATA_VALUE, text);
    return (size_t)stun_builder_finish(&builder);
}

static void sends_by_indication_with_a_permission(void **state)
{
    struct stun_view view;
    struct stun_address bob = test_address(BOB);
    struct stun_address peer;
    const struct stun_attribute_view *value;
    (void)state;
    allocate();
    assert_int_equal(send_text(BOB, "hello"), -EACCES);
    ask(BOB, false);
    exchange();
    expect(TURN_CLIENT_PERMITTED, TURN_CLIENT_NONE);
    assert_true(address_equal(&event.peer, &bob));
    assert_int_equal(send_text(BOB, "hello"), 0);
    assert_int_equal(send_text("203.0.113.9:7", "another port"), 0);
    assert_int_equal(send_text(CAROL, "hello"), -EACCES);
    assert_int_equal(wire_take(&wire), 2);
    assert_int_equal(stun_view_parse(&view, wire.sent[0].bytes, wire.sent[0].size), STUN_OK);
    assert_int_equal(view.message_class, STUN_INDICATION);
    assert_int_equal(view.method, STUN_SEND);
    assert_int_equal(stun_view_xor_address(&view, STUN_XOR_PEER_ADDRESS, &peer), STUN_OK);
    assert_true(address_equal(&peer, &bob));
    value = stun_view_find(&view, STUN_DATA_VALUE);
    assert_int_equal(value->size, 5);
    assert_memory_equal(value->value, "hello\0\0\0", 8); /* padding is zero */
    assert_int_equal(turn_client_counters(client)->sent_bytes, 17);
}

/* The answer is not waited for: that would cost each first check a round trip. */
static void sends_behind_its_own_request(void **state)
{
    struct stun_address bob = test_address(BOB);
    struct stun_view view;
    uint8_t bytes[512];
    (void)state;
    allocate();
    assert_false(turn_client_may_send(client, now, &bob));
    ask(BOB, false);
    assert_true(turn_client_may_send(client, now, &bob));
    assert_int_equal(send_text(BOB, "early"), 0);
    assert_int_equal(wire_take(&wire), 2);
    assert_int_equal(stun_view_parse(&view, wire.sent[0].bytes, wire.sent[0].size), STUN_OK);
    assert_int_equal(view.method, STUN_CREATE_PERMISSION);
    assert_int_equal(stun_view_parse(&view, wire.sent[1].bytes, wire.sent[1].size), STUN_OK);
    assert_int_equal(view.method, STUN_SEND);
    /* What the peer sends may overtake the answer on its way to us. */
    assert_int_equal(give(bytes, data_indication(bytes, BOB, "quick")), TURN_CLIENT_DATA);
    assert_int_equal(give(bytes, data_indication(bytes, CAROL, "quick")), TURN_CLIENT_HANDLED);
}

static void sends_by_channel_once_bound(void **state)
{
    (void)state;
    allocate();
    ask(BOB, true);
    exchange();
    expect(TURN_CLIENT_BOUND, TURN_CLIENT_NONE);
    assert_int_equal(server.channel, STUN_CHANNEL_MIN);
    assert_int_equal(send_text(BOB, "hello"), 0);
    assert_int_equal(wire_take(&wire), 1);
    assert_int_equal(wire.sent[0].size, 9); /* no padding in a datagram */
    assert_memory_equal(wire.sent[0].bytes, "\x40\0\0\x05hello", 9);
    assert_int_equal(send_text("203.0.113.9:7", "another port"), 0);
    assert_int_equal(wire_take(&wire), 1);
    assert_int_equal(wire.sent[0].bytes[0], 0); /* the channel is for one port: an indication */
}

static void pads_on_a_stream(void **state)
{
    (void)state;
    setup.flow.transport = TRANSPORT_TCP;
    allocate();
    ask(BOB, true);
    exchange();
    expect(TURN_CLIENT_BOUND, TURN_CLIENT_NONE);
    assert_int_equal(send_text(BOB, "hello"), 0);
    assert_int_equal(wire_take(&wire), 1);
    assert_int_equal(wire.sent[0].size, 12);
    assert_memory_equal(wire.sent[0].bytes, "\x40\0\0\x05hello\0\0\0", 12);
}

static void takes_data_of_permitted_peers(void **state)
{
    uint8_t bytes[512];
    struct stun_address bob = test_address(BOB);
    (void)state;
    allocate();
    ask(BOB, true);
    exchange();
    expect(TURN_CLIENT_BOUND, TURN_CLIENT_NONE);
    assert_int_equal(give(bytes, data_indication(bytes, BOB, "hi")), TURN_CLIENT_DATA);
    assert_true(address_equal(&data.peer, &bob));
    assert_int_equal(data.packet.size, 2);
    assert_memory_equal(data.packet.bytes, "hi", 2);
    assert_true(data.packet.headroom > 64);
    assert_int_equal(give(bytes, data_indication(bytes, CAROL, "hi")), TURN_CLIENT_HANDLED);
    assert_int_equal(give((const uint8_t *)"\x40\0\0\2yo", 6), TURN_CLIENT_DATA);
    assert_memory_equal(data.packet.bytes, "yo", 2);
    assert_true(address_equal(&data.peer, &bob));
    assert_int_equal(give((const uint8_t *)"\x40\1\0\2yo", 6), TURN_CLIENT_HANDLED);
    assert_int_equal(give((const uint8_t *)"\x40\0\0\3yo", 6), TURN_CLIENT_HANDLED);
    assert_int_equal(turn_client_counters(client)->received_packets, 2);
    assert_int_equal(turn_client_counters(client)->dropped, 3);
}

static void reports_icmp_of_a_peer(void **state)
{
    uint8_t bytes[512];
    struct stun_builder builder;
    struct stun_address address = test_address(BOB);
    const uint8_t id[STUN_TRANSACTION_ID_SIZE] = {7};
    const uint8_t icmp[8] = {0, 0, 3, 1, 0, 0, 0, 0};
    (void)state;
    allocate();
    ask(BOB, false);
    exchange();
    expect(TURN_CLIENT_PERMITTED, TURN_CLIENT_NONE);
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_INDICATION, STUN_DATA, id);
    stun_builder_put_xor_address(&builder, STUN_XOR_PEER_ADDRESS, &address);
    stun_builder_put_bytes(&builder, STUN_ICMP, icmp, sizeof icmp);
    give(bytes, (size_t)stun_builder_finish(&builder));
    expect(TURN_CLIENT_PEER_ICMP, TURN_CLIENT_NONE);
    assert_int_equal(event.icmp_type, 3);
    assert_int_equal(event.icmp_code, 1);
}

static void asks_after_allocating_what_was_asked_before(void **state)
{
    (void)state;
    begin();
    ask(BOB, false);
    ask(CAROL, true);
    exchange();
    expect(TURN_CLIENT_ALLOCATED, TURN_CLIENT_NONE);
    expect(TURN_CLIENT_PERMITTED, TURN_CLIENT_NONE);
    expect(TURN_CLIENT_BOUND, TURN_CLIENT_NONE);
    ask(BOB, true);
    exchange();
    expect(TURN_CLIENT_BOUND, TURN_CLIENT_NONE);
    ask(BOB, true); /* known: said at once, nothing sent */
    expect(TURN_CLIENT_BOUND, TURN_CLIENT_NONE);
    assert_int_equal(wire_take(&wire), 0);
}

static void reports_a_forbidden_peer(void **state)
{
    (void)state;
    allocate();
    server.refuse_method = STUN_CREATE_PERMISSION;
    server.refuse = 403;
    ask(BOB, false);
    exchange();
    expect(TURN_CLIENT_PEER_FAILED, TURN_CLIENT_FORBIDDEN);
    assert_int_equal(send_text(BOB, "hello"), -EACCES);
    server.refuse = 0;
    ask(BOB, false); /* may be asked again */
    exchange();
    expect(TURN_CLIENT_PERMITTED, TURN_CLIENT_NONE);
}

static void knows_many_peers(void **state)
{
    struct stun_address peer = test_address("203.0.113.0:9");
    size_t permitted = 0;
    (void)state;
    allocate();
    for (unsigned i = 0; i < TURN_CLIENT_PEERS_MAX; i++) {
        peer.port = (uint16_t)(1000 + i);
        assert_int_equal(turn_client_permit(client, now, &peer, &wire.outbox), 0);
        if (i % 20 == 19) {
            exchange();
            while (turn_client_event(client, &event)) {
                permitted += event.type == TURN_CLIENT_PERMITTED;
            }
        }
    }
    exchange();
    while (turn_client_event(client, &event)) {
        permitted += event.type == TURN_CLIENT_PERMITTED;
    }
    assert_int_equal(permitted, TURN_CLIENT_PEERS_MAX);
    peer.port = 1;
    assert_int_equal(turn_client_permit(client, now, &peer, &wire.outbox), -ENOSPC);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void keeps_everything_alive_for_hours(void **state)
{
    (void)state;
    allocate();
    ask(BOB, true);
    ask(CAROL, false);
    for (int minute = 0; minute < 120; minute++) {
        run_seconds(60);
        while (turn_client_event(client, &event)) {
            assert_int_equal(event.failure, TURN_CLIENT_NONE);
        }
        assert_int_equal(send_text(BOB, "x"), 0);
        assert_int_equal(send_text(CAROL, "x"), 0);
        wire_take(&wire);
    }
    /* Every 540 s; every 240 s. */
    assert_in_range(server.requests[STUN_REFRESH], 13, 14);
    assert_in_range(server.requests[STUN_CHANNEL_BIND], 30, 31);
    assert_in_range(server.requests[STUN_CREATE_PERMISSION], 30, 31);
}

static void forgets_a_peer(void **state)
{
    struct stun_address bob = test_address(BOB);
    (void)state;
    allocate();
    ask(BOB, false);
    exchange();
    turn_client_forget(client, now, &bob);
    run_seconds(299);
    assert_int_equal(send_text(BOB, "x"), 0);
    wire_take(&wire);
    run_seconds(2);
    assert_int_equal(send_text(BOB, "x"), -EACCES);
    assert_int_equal(server.requests[STUN_CREATE_PERMISSION], 1);
}

/* What was forgotten and is asked for again, while the server still has it, is there at once and is
 * kept from then on. */
static void remembers_a_peer(void **state)
{
    struct stun_address bob = test_address(BOB);
    (void)state;
    allocate();
    ask(BOB, false);
    exchange();
    expect(TURN_CLIENT_PERMITTED, TURN_CLIENT_NONE);
    turn_client_forget(client, now, &bob);
    run_seconds(100);
    ask(BOB, false);
    expect(TURN_CLIENT_PERMITTED, TURN_CLIENT_NONE);
    assert_int_equal(server.requests[STUN_CREATE_PERMISSION], 1);
    run_seconds(600);
    assert_int_equal(send_text(BOB, "x"), 0);
    assert_int_equal(server.requests[STUN_CREATE_PERMISSION], 3);
}

/* A channel that is refused leaves the permission that there was, and it is kept. */
static void keeps_a_permission_without_channel(void **state)
{
    (void)state;
    allocate();
    ask(BOB, false);
    exchange();
    expect(TURN_CLIENT_PERMITTED, TURN_CLIENT_NONE);
    server.refuse_method = STUN_CHANNEL_BIND;
    server.refuse = 508;
    ask(BOB, true);
    exchange();
    expect(TURN_CLIENT_PEER_FAILED, TURN_CLIENT_CAPACITY);
    assert_int_equal(send_text(BOB, "x"), 0);
    run_seconds(900);
    assert_int_equal(send_text(BOB, "x"), 0);
    assert_int_equal(server.requests[STUN_CHANNEL_BIND], 1);
}

static void refreshes_by_the_lifetime_granted(void **state)
{
    (void)state;
    server.lifetime_s = 30;
    allocate();
    run_seconds(14);
    assert_int_equal(server.requests[STUN_REFRESH], 0);
    run_seconds(2);
    assert_int_equal(server.requests[STUN_REFRESH], 1);
    expect(TURN_CLIENT_REFRESHED, TURN_CLIENT_NONE);
}

static void tries_to_refresh_until_it_expires(void **state)
{
    (void)state;
    setup.timeout_ms = 3000;
    allocate();
    server.silent = true;
    run_seconds(599);
    assert_false(turn_client_event(client, &event));
    run_seconds(2);
    expect(TURN_CLIENT_ENDED, TURN_CLIENT_EXPIRED);
    assert_int_equal(send_text(BOB, "x"), -ENOTCONN);
    tear_down(NULL);
    set_up(NULL);
    setup.timeout_ms = 3000;
    allocate();
    server.silent = true;
    run_seconds(595);
    server.silent = false;
    run_seconds(5);
    expect(TURN_CLIENT_REFRESHED, TURN_CLIENT_NONE);
}

static void ends_when_the_server_knows_it_no_more(void **state)
{
    (void)state;
    allocate();
    server.refuse_method = STUN_REFRESH;
    server.refuse = 437;
    run_seconds(541);
    expect(TURN_CLIENT_ENDED, TURN_CLIENT_MISMATCH);
    assert_int_equal(turn_client_due(client).us, MONOTIME_NEVER.us);
}

static void deletes(void **state)
{
    (void)state;
    allocate();
    ask(BOB, false);
    turn_client_delete(client, now, &wire.outbox);
    exchange();
    expect(TURN_CLIENT_ENDED, TURN_CLIENT_NONE);
    assert_false(turn_client_event(client, &event));
    assert_int_equal(turn_client_due(client).us, MONOTIME_NEVER.us);
    turn_client_delete(client, now, &wire.outbox);
    assert_int_equal(wire_take(&wire), 0);
}

static void keeps_the_way_open(void **state)
{
    (void)state;
    setup.keepalive_ms = 15000;
    allocate();
    run_seconds(61);
    assert_int_equal(server.indications, 4);
    ask(BOB, false);
    exchange();
    for (int i = 0; i < 6; i++) { /* with other traffic there is no need */
        run_seconds(10);
        assert_int_equal(send_text(BOB, "x"), 0);
        wire_take(&wire);
        turn_client_tick(client, now, &wire.outbox);
    }
    assert_int_equal(server.indications, 4);
}

static void ends_with_its_connection(void **state)
{
    (void)state;
    setup.flow.transport = TRANSPORT_TCP;
    allocate();
    turn_client_flow_closed(client, now);
    expect(TURN_CLIENT_ENDED, TURN_CLIENT_DISCONNECTED);
    tear_down(NULL);
    set_up(NULL);
    begin();
    turn_client_flow_closed(client, now);
    expect(TURN_CLIENT_FAILED, TURN_CLIENT_DISCONNECTED);
}

/* ---- RFC 6062 -------------------------------------------------------------------------------- */

static void allocate_tcp(void)
{
    setup.flow.transport = TRANSPORT_TCP;
    setup.tcp = true;
    allocate();
    assert_int_equal(server.relay_transport, 6);
}

static void connects_to_a_peer(void **state)
{
    struct stun_address bob = test_address(BOB);
    (void)state;
    allocate_tcp();
    server.connection_id = 0x12345678;
    turn_client_connect(client, now, &bob, &wire.outbox);
    exchange();
    expect(TURN_CLIENT_CONNECTED, TURN_CLIENT_NONE);
    assert_int_equal(event.connection_id, 0x12345678);
    assert_true(address_equal(&event.peer, &bob));
    assert_true(address_equal(&server.peer, &bob));
    server.connection_id = 0; /* an answer without an id */
    turn_client_connect(client, now, &bob, &wire.outbox);
    exchange();
    expect(TURN_CLIENT_PEER_FAILED, TURN_CLIENT_BROKEN);
    server.refuse_method = STUN_CONNECT;
    server.refuse = 447;
    turn_client_connect(client, now, &bob, &wire.outbox);
    exchange();
    expect(TURN_CLIENT_PEER_FAILED, TURN_CLIENT_REFUSED);
    assert_int_equal(event.code, 447);
}

static void hears_of_an_attempt(void **state)
{
    /* ConnectionAttempt, written out: id 0x12345678, peer 203.0.113.9:6000 XORed. */
    static const uint8_t attempt[] = {
        0x00, 0x1C, 0x00, 0x14, 0x21, 0x12, 0xA4, 0x42, 1,    2,    3,    4,    5,    6,
        7,    8,    9,    10,   11,   12,   0x00, 0x2A, 0x00, 0x04, 0x12, 0x34, 0x56, 0x78,
        0x00, 0x12, 0x00, 0x08, 0x00, 0x01, 0x36, 0x62, 0xEA, 0x12, 0xD5, 0x4B,
    };
    struct stun_address bob = test_address(BOB);
    uint8_t broken[sizeof attempt];
    (void)state;
    allocate_tcp();
    assert_int_equal(give(attempt, sizeof attempt), TURN_CLIENT_HANDLED);
    expect(TURN_CLIENT_ATTEMPT, TURN_CLIENT_NONE);
    assert_int_equal(event.connection_id, 0x12345678);
    assert_true(address_equal(&event.peer, &bob));
    memcpy(broken, attempt, sizeof attempt);
    broken[21] = 0x2B; /* no CONNECTION-ID */
    assert_int_equal(give(broken, sizeof broken), TURN_CLIENT_NOT_OURS);
    assert_false(turn_client_event(client, &event));
}

static void joins_a_data_connection(void **state)
{
    (void)state;
    setup.flow.transport = TRANSPORT_TCP;
    client = turn_client_new(&setup);
    assert_non_null(client);
    turn_client_join(client, now, 0x12345678, &wire.outbox);
    exchange();
    expect(TURN_CLIENT_JOINED, TURN_CLIENT_NONE);
    assert_int_equal(server.connection_id, 0x12345678);
    assert_int_equal(turn_client_due(client).us, MONOTIME_NEVER.us);
    tear_down(NULL);
    set_up(NULL);
    setup.flow.transport = TRANSPORT_TCP;
    server.refuse_method = STUN_CONNECTION_BIND;
    server.refuse = 400;
    client = turn_client_new(&setup);
    turn_client_join(client, now, 1, &wire.outbox);
    exchange();
    expect(TURN_CLIENT_FAILED, TURN_CLIENT_REFUSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(allocates_after_a_challenge),
        TEST(allocates_at_once_when_the_challenge_is_known),
        TEST(allocates_though_packets_are_lost),
        TEST(gives_up_when_nobody_answers),
        TEST(knows_a_wrong_password),
        TEST(tells_refusals_apart),
        TEST(reports_another_server),
        TEST(moves_with_a_ticket_only),
        TEST(tells_how_it_signs),
        TEST(says_when_answers_prove_nothing),
        TEST(believes_only_the_server),
        TEST(sends_by_indication_with_a_permission),
        TEST(sends_behind_its_own_request),
        TEST(sends_by_channel_once_bound),
        TEST(pads_on_a_stream),
        TEST(takes_data_of_permitted_peers),
        TEST(reports_icmp_of_a_peer),
        TEST(asks_after_allocating_what_was_asked_before),
        TEST(reports_a_forbidden_peer),
        TEST(knows_many_peers),
        TEST(keeps_everything_alive_for_hours),
        TEST(forgets_a_peer),
        TEST(remembers_a_peer),
        TEST(keeps_a_permission_without_channel),
        TEST(refreshes_by_the_lifetime_granted),
        TEST(tries_to_refresh_until_it_expires),
        TEST(ends_when_the_server_knows_it_no_more),
        TEST(deletes),
        TEST(keeps_the_way_open),
        TEST(ends_with_its_connection),
        TEST(connects_to_a_peer),
        TEST(hears_of_an_attempt),
        TEST(joins_a_data_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
