/* SPDX-License-Identifier: BSD-3-Clause */
/* How an ICE agent gathers: against servers of a few lines that want no credentials, on virtual
 * time. How it uses what it has gathered is simulated (tests/sim). */
#include "machine_test.h"

#include "proto/ice/ice.h"

#include <errno.h>
#include <stdio.h>

#define US "10.0.0.2:40000"
#define US_TOO "10.0.1.2:40001"
#define US_IPV6 "[2001:db8:1::2]:40000"
#define MAPPED "198.51.100.7:1234"
#define MAPPED_TOO "198.51.100.7:5678"
#define STUN_SERVER "192.0.2.1:3478"
#define TURN_SERVER "192.0.2.2:3478"
#define OTHER_SERVER "192.0.2.3:3479"
#define STUN_SERVER_IPV6 "[2001:db8::1]:3478"
#define RELAYED "192.0.2.2:50000"
#define RELAYED_IPV6 "[2001:db8::1]:50000"
#define BOB "203.0.113.9:6000"
#define EVENTS_MAX 128

/* What all servers do; tests set it up. */
static struct {
    const char *silent;      /* this one says nothing */
    uint16_t refuse_binding; /* this error, 300 with `alternate` */
    uint16_t refuse_allocate;
    const char *refuser; /* who does; NULL: all */
    const char *alternate;
    bool no_address;    /* Binding is answered without one */
    bool no_ipv6_relay; /* 440 */
    uint16_t refuse_permission;
    unsigned bindings, keepalives, allocates, permissions, channels, deletes;
    struct stun_address asked; /* last */
} net;

static struct wire wire;
static uint64_t seed;
static struct stun_crypto *crypto;
static struct ice_agent *agent;
static struct ice_event events[EVENTS_MAX];
static size_t event_count;
static struct monotime now;

static int tear_down(void **state)
{
    (void)state;
    ice_agent_free(agent);
    stun_crypto_free(crypto);
    agent = NULL;
    crypto = NULL;
    return 0;
}

static void begin(enum ice_relay_policy policy)
{
    const struct ice_setup setup = {
        .crypto = crypto,
        .random = test_random,
        .random_context = &seed,
        .relay = policy,
    };
    ice_agent_free(agent);
    agent = ice_agent_new(&setup);
    assert_non_null(agent);
}

static int set_up(void **state)
{
    tear_down(state);
    memset(&net, 0, sizeof net);
    crypto = stun_crypto_new();
    now = at_ms(1000);
    event_count = 0;
    wire_init(&wire);
    begin(ICE_RELAY_ALLOWED);
    return 0;
}

/* ---- the servers -------------------------------------------------------------------------------
 */

static bool is_at(const struct stun_address *address, const char *text)
{
    struct stun_address wanted;
    return text != NULL && address_parse(&wanted, text) && address_equal(&wanted, address);
}

static uint16_t refusal(const struct stun_view *request, const struct stun_address *server)
{
    uint8_t family = 0;
    if (net.refuser != NULL && !is_at(server, net.refuser)) {
        return 0;
    }
    if (request->method == STUN_BINDING) {
        return net.refuse_binding;
    }
    if (request->method == STUN_CREATE_PERMISSION) {
        return net.refuse_permission;
    }
    if (request->method != STUN_ALLOCATE) {
        return 0;
    }
    stun_view_u8(request, STUN_REQUESTED_ADDRESS_FAMILY, &family);
    return family == STUN_FAMILY_IPV6 && net.no_ipv6_relay ? 440 : net.refuse_allocate;
}

static void count(const struct stun_view *request)
{
    uint32_t lifetime = 1;
    stun_view_u32(request, STUN_LIFETIME, &lifetime);
    net.bindings += request->method == STUN_BINDING;
    net.allocates += request->method == STUN_ALLOCATE;
    net.permissions += request->method == STUN_CREATE_PERMISSION;
    net.channels += request->method == STUN_CHANNEL_BIND;
    net.deletes += request->method == STUN_REFRESH && lifetime == 0;
}

static void put_success(struct stun_builder *builder, const struct stun_view *request,
                        const struct flow *flow)
{
    uint8_t family = STUN_FAMILY_IPV4;
    struct stun_address relayed, mapped = flow->local;
    stun_view_u8(request, STUN_REQUESTED_ADDRESS_FAMILY, &family);
    relayed = test_address(family == STUN_FAMILY_IPV6 ? RELAYED_IPV6 : RELAYED);
    if (flow->local.family == STUN_FAMILY_IPV4) {
        mapped = test_address(flow->via == 1 ? MAPPED : MAPPED_TOO);
    }
    if (request->method == STUN_ALLOCATE) {
        stun_builder_put_xor_address(builder, STUN_XOR_RELAYED_ADDRESS, &relayed);
    }
    if (request->method == STUN_ALLOCATE || (request->method == STUN_BINDING && !net.no_address)) {
        stun_builder_put_xor_address(builder, STUN_XOR_MAPPED_ADDRESS, &mapped);
    }
    if (request->method == STUN_ALLOCATE || request->method == STUN_REFRESH) {
        uint32_t lifetime = 600;
        stun_view_u32(request, STUN_LIFETIME, &lifetime);
        stun_builder_put_u32(builder, STUN_LIFETIME, lifetime);
    }
}

static size_t answer(const struct stun_view *request, const struct flow *flow, uint8_t *out,
                     size_t capacity)
{
    struct stun_builder builder;
    uint16_t code = refusal(request, &flow->remote);
    stun_builder_begin_answer(&builder, out, capacity, code == 0 ? STUN_SUCCESS : STUN_ERROR,
                              request);
    if (code == 0) {
        put_success(&builder, request, flow);
    } else {
        stun_builder_put_error(&builder, code, NULL);
        if (code == 300) {
            struct stun_address alternate = test_address(net.alternate);
            stun_builder_put_address(&builder, STUN_ALTERNATE_SERVER, &alternate);
        }
    }
    int size = stun_builder_finish(&builder);
    assert_true(size > 0);
    return (size_t)size;
}

static void drain(void)
{
    while (event_count < EVENTS_MAX && ice_event(agent, &events[event_count])) {
        event_count++;
    }
}

static enum ice_input give(const struct flow *flow, const uint8_t *bytes, size_t size)
{
    static uint8_t room[4096];
    struct packet data;
    struct packet packet = {
        .bytes = room + 64, .size = (uint32_t)size, .headroom = 64, .tailroom = 64};
    assert_true(size <= sizeof room - 128);
    memcpy(packet.bytes, bytes, size);
    enum ice_input result = ice_input(agent, now, flow, &packet, &data, &wire.outbox);
    drain();
    return result;
}

static void serve(const struct sent_packet *sent)
{
    uint8_t bytes[1024];
    struct stun_view request;
    net.asked = sent->flow.remote;
    if (is_at(&sent->flow.remote, net.silent) ||
        stun_view_parse(&request, sent->bytes, sent->size) != STUN_OK) {
        return;
    }
    if (request.message_class == STUN_INDICATION) {
        net.keepalives += request.method == STUN_BINDING;
        return;
    }
    if (stun_view_has(&request, STUN_PRIORITY)) {
        return; /* a check: not for a server */
    }
    count(&request);
    assert_int_equal(give(&sent->flow, bytes, answer(&request, &sent->flow, bytes, sizeof bytes)),
                     ICE_INPUT_HANDLED);
}

static void exchange(void)
{
    static struct sent_packet sent[SENT_MAX];
    size_t number;
    drain();
    while ((number = wire_take(&wire)) > 0) {
        memcpy(sent, wire.sent, number * sizeof sent[0]);
        for (size_t i = 0; i < number; i++) {
            serve(&sent[i]);
        }
    }
    drain();
}

static void run_ms(int64_t ms)
{
    struct monotime end = monotime_add_ms(now, ms);
    unsigned steps = 0;
    exchange();
    while (!monotime_before(end, ice_due(agent))) {
        if (monotime_before(now, ice_due(agent))) {
            now = ice_due(agent);
        }
        ice_tick(agent, now, &wire.outbox);
        exchange();
        assert_true(++steps < 100000);
    }
    now = end;
}

/* ---- what tests say ----------------------------------------------------------------------------
 */

static void add_socket(uint32_t via, const char *address)
{
    struct stun_address local = test_address(address);
    assert_int_equal(ice_add_socket(agent, now, via, &local, 100, &wire.outbox), 0);
}

static void add_server(const char *address, uint8_t transport, bool turn, uint32_t number)
{
    const struct ice_server server = {
        .address = test_address(address), .transport = transport, .turn = turn, .number = number};
    assert_int_equal(ice_add_server(agent, now, &server, &wire.outbox), 0);
}

static unsigned seen(enum ice_event_type type)
{
    unsigned number = 0;
    for (size_t i = 0; i < event_count; i++) {
        number += events[i].type == type;
    }
    return number;
}

static const struct ice_event *last(enum ice_event_type type)
{
    for (size_t i = event_count; i > 0; i--) {
        if (events[i - 1].type == type) {
            return &events[i - 1];
        }
    }
    fail_msg("no event %d", (int)type);
    return NULL;
}

static const struct ice_candidate *candidate(enum ice_candidate_type type, const char *address)
{
    const struct ice_candidate *found = NULL;
    for (size_t i = 0; i < event_count; i++) {
        const struct ice_candidate *c = &events[i].candidate;
        if (events[i].type == ICE_LOCAL_CANDIDATE && c->type == type &&
            is_at(&c->address, address)) {
            assert_null(found); /* told once */
            found = c;
        }
    }
    return found;
}

static void bob_is_there(void)
{
    struct ice_candidate bob = {.transport = ICE_UDP, .component = 1, .priority = 1000};
    bob.address = test_address(BOB);
    bob.foundation[0] = '1';
    assert_int_equal(
        ice_remote_credentials(agent, now, "bobs", "0123456789012345678901", false, &wire.outbox),
        0);
    assert_int_equal(ice_remote_candidate(agent, now, &bob, &wire.outbox), 0);
}

/* ---- STUN --------------------------------------------------------------------------------------
 */

static void finds_what_the_world_sees(void **state)
{
    (void)state;
    add_socket(1, US);
    add_server(STUN_SERVER, TRANSPORT_UDP, false, 1);
    ice_gathering_complete(agent, now);
    run_ms(0);
    assert_non_null(candidate(ICE_HOST, US));
    const struct ice_candidate *reflexive = candidate(ICE_SERVER_REFLEXIVE, MAPPED);
    assert_non_null(reflexive);
    assert_true(is_at(&reflexive->related, US));
    assert_int_equal(seen(ICE_GATHERED), 1);
    assert_int_equal(event_count, 3);
    assert_int_equal(events[2].type, ICE_GATHERED);
}

static void order_does_not_matter(void **state)
{
    (void)state;
    add_server(STUN_SERVER, TRANSPORT_UDP, false, 1);
    run_ms(100);
    add_socket(1, US);
    run_ms(0);
    assert_non_null(candidate(ICE_SERVER_REFLEXIVE, MAPPED));
    assert_int_equal(seen(ICE_GATHERED), 0);
    ice_gathering_complete(agent, now);
    run_ms(0);
    assert_int_equal(seen(ICE_GATHERED), 1);
}

static void asks_from_every_socket_of_the_family(void **state)
{
    (void)state;
    add_socket(1, US);
    add_socket(2, US_TOO);
    add_socket(3, US_IPV6);
    add_server(STUN_SERVER, TRANSPORT_UDP, false, 1);
    add_server(STUN_SERVER_IPV6, TRANSPORT_UDP, false, 2);
    run_ms(50);
    assert_int_equal(net.bindings, 3);
    assert_non_null(candidate(ICE_SERVER_REFLEXIVE, MAPPED));
    assert_non_null(candidate(ICE_SERVER_REFLEXIVE, MAPPED_TOO));
    /* IPv6 without a translator: what the world sees is the host itself, and redundant. */
    assert_int_equal(seen(ICE_LOCAL_CANDIDATE), 5);
}

static void one_answer_is_one_candidate(void **state)
{
    (void)state;
    add_socket(1, US);
    add_server(STUN_SERVER, TRANSPORT_UDP, false, 1);
    add_server(OTHER_SERVER, TRANSPORT_UDP, false, 2);
    run_ms(50);
    assert_int_equal(net.bindings, 2);
    assert_non_null(candidate(ICE_SERVER_REFLEXIVE, MAPPED));
}

/* RFC 8445 §14.2. */
static void paces_its_questions(void **state)
{
    (void)state;
    net.silent = STUN_SERVER;
    for (uint32_t via = 1; via <= 4; via++) {
        char text[32];
        snprintf(text, sizeof text, "10.0.0.%u:5000", via);
        add_socket(via, text);
    }
    add_server(STUN_SERVER, TRANSPORT_UDP, false, 1);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(wire_take(&wire), 1);
        now = monotime_add_ms(now, 4);
        ice_tick(agent, now, &wire.outbox);
        assert_int_equal(wire_take(&wire), 0);
        now = monotime_add_ms(now, 1);
        ice_tick(agent, now, &wire.outbox);
    }
    assert_int_equal(wire_take(&wire), 0);
}

static void gives_up_a_dead_server(void **state)
{
    unsigned sendings = 0;
    (void)state;
    net.silent = STUN_SERVER;
    add_socket(1, US);
    add_server(STUN_SERVER, TRANSPORT_UDP, false, 7);
    add_server(OTHER_SERVER, TRANSPORT_UDP, false, 8);
    ice_gathering_complete(agent, now);
    run_ms(10);
    assert_non_null(candidate(ICE_SERVER_REFLEXIVE, MAPPED));
    assert_int_equal(seen(ICE_GATHERED), 0);
    for (int64_t ms = 10; ms < 9499; ms++) {
        now = at_ms(1000 + ms);
        ice_tick(agent, now, &wire.outbox);
        sendings += (unsigned)wire_take(&wire);
    }
    assert_int_equal(sendings, 4); /* after the first: 500, 1500, 3500 and 7500 ms */
    assert_int_equal(seen(ICE_SERVER_FAILED), 0);
    run_ms(20);
    assert_int_equal(seen(ICE_GATHERED), 1);
    assert_int_equal(last(ICE_SERVER_FAILED)->number, 7);
    assert_true(is_at(&last(ICE_SERVER_FAILED)->address, STUN_SERVER));
    assert_string_equal(last(ICE_SERVER_FAILED)->failure_text, "it gave no answer");
}

static void says_what_a_server_refuses(void **state)
{
    (void)state;
    net.refuse_binding = 500;
    add_socket(1, US);
    add_socket(2, US_TOO);
    add_server(STUN_SERVER, TRANSPORT_UDP, false, 1);
    ice_gathering_complete(agent, now);
    run_ms(20);
    assert_int_equal(seen(ICE_SERVER_FAILED), 1); /* once, however many sockets */
    assert_string_equal(last(ICE_SERVER_FAILED)->failure_text,
                        "it refuses Binding (500 Server Error)");
    assert_int_equal(seen(ICE_GATHERED), 1);
    net.refuse_binding = 0;
    net.no_address = true;
    add_server(OTHER_SERVER, TRANSPORT_UDP, false, 2);
    run_ms(20);
    assert_string_equal(last(ICE_SERVER_FAILED)->failure_text, "its answer has no address in it");
}

static void follows_one_alternate_server(void **state)
{
    (void)state;
    net.refuse_binding = 300;
    net.refuser = STUN_SERVER;
    net.alternate = OTHER_SERVER;
    add_socket(1, US);
    add_server(STUN_SERVER, TRANSPORT_UDP, false, 1);
    run_ms(20);
    assert_non_null(candidate(ICE_SERVER_REFLEXIVE, MAPPED));
    assert_int_equal(net.bindings, 2);
    assert_true(is_at(&net.asked, OTHER_SERVER));

    set_up(state);
    net.refuse_binding = 300; /* the alternate says so, too */
    net.alternate = OTHER_SERVER;
    add_socket(1, US);
    add_server(STUN_SERVER, TRANSPORT_UDP, false, 1);
    run_ms(20);
    assert_int_equal(net.bindings, 2);
    assert_int_equal(seen(ICE_SERVER_FAILED), 1);

    static const char *const wrong[] = {"127.0.0.1:3478", "224.0.0.1:3478", "0.0.0.0:3478",
                                        "192.0.2.9:0", STUN_SERVER_IPV6};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        set_up(state);
        net.refuse_binding = 300;
        net.alternate = wrong[i];
        add_socket(1, US);
        add_server(STUN_SERVER, TRANSPORT_UDP, false, 1);
        run_ms(20);
        assert_int_equal(net.bindings, 1);
        assert_int_equal(seen(ICE_SERVER_FAILED), 1);
    }
}

static void keeps_mappings_alive(void **state)
{
    (void)state;
    add_socket(1, US);
    add_server(STUN_SERVER, TRANSPORT_UDP, false, 1);
    run_ms(14000);
    assert_int_equal(net.keepalives, 0);
    run_ms(47000);
    assert_int_equal(net.keepalives, 4);
    ice_agent_close(agent, now, &wire.outbox);
    run_ms(60000);
    assert_int_equal(net.keepalives, 4);
    assert_int_equal(seen(ICE_CLOSED), 1);
}

/* An answer counts only from where the question went, at the socket that asked. */
static void takes_answers_from_the_server_only(void **state)
{
    static const struct {
        uint32_t via;
        const char *remote;
    } cases[] = {{1, OTHER_SERVER}, {2, STUN_SERVER}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint8_t bytes[256];
        struct stun_view request;
        set_up(state);
        add_socket(1, US);
        add_socket(2, US_TOO);
        net.silent = STUN_SERVER;
        add_server(STUN_SERVER, TRANSPORT_UDP, false, 1);
        assert_int_equal(wire_take(&wire), 1);
        assert_int_equal(stun_view_parse(&request, wire.sent[0].bytes, wire.sent[0].size), STUN_OK);
        size_t size = answer(&request, &wire.sent[0].flow, bytes, sizeof bytes);
        struct flow flow = wire.sent[0].flow;
        flow.via = cases[i].via;
        flow.remote = test_address(cases[i].remote);
        give(&flow, bytes, size);
        assert_null(candidate(ICE_SERVER_REFLEXIVE, MAPPED));
        give(&wire.sent[0].flow, bytes, size);
        assert_non_null(candidate(ICE_SERVER_REFLEXIVE, MAPPED));
    }
}

static void bounds_its_questions(void **state)
{
    (void)state;
    for (uint32_t via = 1; via <= 12; via++) {
        char text[32];
        snprintf(text, sizeof text, "10.0.0.%u:5000", via);
        add_socket(via, text);
    }
    for (unsigned i = 1; i <= 16; i++) {
        char text[32];
        snprintf(text, sizeof text, "192.0.2.%u:3478", i);
        add_server(text, TRANSPORT_UDP, i % 2 == 0, i);
    }
    const struct ice_server more = {.address = test_address(OTHER_SERVER)};
    assert_int_equal(ice_add_server(agent, now, &more, &wire.outbox), -ENOSPC);
    run_ms(1000);
    assert_true(net.bindings + net.allocates <= 64);
    assert_true(net.allocates <= 32); /* four a server */
}

static void loopback_is_not_asked_from(void **state)
{
    (void)state;
    add_socket(1, "127.0.0.1:4000");
    add_server(STUN_SERVER, TRANSPORT_UDP, false, 1);
    ice_gathering_complete(agent, now);
    run_ms(20);
    assert_int_equal(net.bindings, 0);
    assert_string_equal(last(ICE_SERVER_FAILED)->failure_text,
                        "no socket of ours can reach its address");
    assert_int_equal(seen(ICE_GATHERED), 1);
    add_server("127.0.0.1:3478", TRANSPORT_UDP, false, 2);
    run_ms(20);
    assert_int_equal(net.bindings, 1);
}

/* ---- TURN --------------------------------------------------------------------------------------
 */

static void allocates_a_relay(void **state)
{
    (void)state;
    add_socket(1, US);
    add_server(TURN_SERVER, TRANSPORT_UDP, true, 1);
    ice_gathering_complete(agent, now);
    run_ms(20);
    const struct ice_candidate *relayed = candidate(ICE_RELAYED, RELAYED);
    assert_non_null(relayed);
    assert_true(is_at(&relayed->related, MAPPED));
    assert_non_null(candidate(ICE_SERVER_REFLEXIVE, MAPPED));
    assert_int_equal(events[event_count - 1].type, ICE_GATHERED);
    bob_is_there();
    run_ms(20);
    assert_int_equal(net.permissions, 1);
    assert_int_equal(net.channels, 0);
    ice_agent_close(agent, now, &wire.outbox);
    run_ms(20);
    assert_int_equal(net.deletes, 1);
    assert_int_equal(seen(ICE_CLOSED), 1);
}

static void closes_though_nobody_answers(void **state)
{
    (void)state;
    add_socket(1, US);
    add_server(TURN_SERVER, TRANSPORT_UDP, true, 1);
    run_ms(20);
    net.silent = TURN_SERVER;
    ice_agent_close(agent, now, &wire.outbox);
    run_ms(1000);
    assert_int_equal(seen(ICE_CLOSED), 0);
    run_ms(1000);
    assert_int_equal(seen(ICE_CLOSED), 1);
    assert_true(monotime_is_never(ice_due(agent)));
}

static void follows_the_alternate_of_a_relay(void **state)
{
    (void)state;
    net.refuse_allocate = 300;
    net.refuser = TURN_SERVER;
    net.alternate = OTHER_SERVER;
    add_socket(1, US);
    add_server(TURN_SERVER, TRANSPORT_UDP, true, 1);
    run_ms(20);
    assert_int_equal(net.allocates, 2);
    assert_true(is_at(&net.asked, OTHER_SERVER));
    assert_non_null(candidate(ICE_RELAYED, RELAYED));

    set_up(state);
    net.refuse_allocate = 300;
    net.alternate = OTHER_SERVER;
    add_socket(1, US);
    add_server(TURN_SERVER, TRANSPORT_UDP, true, 1);
    run_ms(20);
    assert_int_equal(net.allocates, 2);
    assert_int_equal(seen(ICE_SERVER_FAILED), 1);
}

static void takes_the_family_that_there_is(void **state)
{
    (void)state;
    add_socket(3, US_IPV6);
    add_server(STUN_SERVER_IPV6, TRANSPORT_UDP, true, 1);
    run_ms(20);
    assert_non_null(candidate(ICE_RELAYED, RELAYED_IPV6));

    set_up(state);
    net.no_ipv6_relay = true;
    add_socket(3, US_IPV6);
    add_server(STUN_SERVER_IPV6, TRANSPORT_UDP, true, 1);
    run_ms(20);
    assert_int_equal(net.allocates, 2);
    assert_non_null(candidate(ICE_RELAYED, RELAYED));
}

static void says_why_there_is_no_relay(void **state)
{
    (void)state;
    net.refuse_allocate = 508;
    add_socket(1, US);
    add_server(TURN_SERVER, TRANSPORT_UDP, true, 5);
    ice_gathering_complete(agent, now);
    run_ms(20);
    assert_int_equal(last(ICE_SERVER_FAILED)->number, 5);
    assert_string_equal(last(ICE_SERVER_FAILED)->failure_text,
                        "the server has no relayed port left (508 Insufficient Capacity)");
    assert_int_equal(seen(ICE_GATHERED), 1);
}

/* New credentials for a server that is known: no second allocation beside one that is there, and
 * another attempt where there was none. */
static void same_server_again(void **state)
{
    (void)state;
    add_socket(1, US);
    add_server(TURN_SERVER, TRANSPORT_UDP, true, 5);
    run_ms(20);
    add_server(TURN_SERVER, TRANSPORT_UDP, true, 6);
    run_ms(20);
    assert_int_equal(net.allocates, 1);
    assert_int_equal(seen(ICE_LOCAL_CANDIDATE), 3);

    set_up(state);
    net.refuse_allocate = 441;
    add_socket(1, US);
    add_server(TURN_SERVER, TRANSPORT_UDP, true, 5);
    run_ms(20);
    assert_int_equal(seen(ICE_SERVER_FAILED), 1);
    net.refuse_allocate = 0;
    add_server(TURN_SERVER, TRANSPORT_UDP, true, 5);
    run_ms(20);
    assert_int_equal(net.allocates, 2);
    assert_non_null(candidate(ICE_RELAYED, RELAYED));
}

static void no_relay_when_none_is_wanted(void **state)
{
    (void)state;
    begin(ICE_RELAY_NEVER);
    add_socket(1, US);
    add_server(TURN_SERVER, TRANSPORT_UDP, true, 1);
    add_server(TURN_SERVER, TRANSPORT_TCP, true, 2);
    run_ms(20);
    assert_int_equal(net.allocates, 0);
    assert_int_equal(net.bindings, 1); /* it answers Binding as well */
    assert_int_equal(seen(ICE_CONNECT), 0);
    assert_non_null(candidate(ICE_SERVER_REFLEXIVE, MAPPED));
}

static void relay_only_shows_nothing_else(void **state)
{
    (void)state;
    begin(ICE_RELAY_ONLY);
    add_socket(1, US);
    add_server(STUN_SERVER, TRANSPORT_UDP, false, 1);
    add_server(TURN_SERVER, TRANSPORT_UDP, true, 2);
    run_ms(20);
    assert_int_equal(net.bindings, 0);
    assert_int_equal(seen(ICE_LOCAL_CANDIDATE), 1);
    assert_true(address_is_unspecified(&candidate(ICE_RELAYED, RELAYED)->related));
}

/* ---- connections -------------------------------------------------------------------------------
 */

static uint32_t connect_asked(uint8_t transport)
{
    run_ms(0);
    assert_int_equal(last(ICE_CONNECT)->transport, transport);
    return last(ICE_CONNECT)->request;
}

static void connected(uint32_t request, uint32_t via)
{
    struct stun_address local = test_address("10.0.0.2:50505");
    ice_server_connected(agent, now, request, via, &local, &wire.outbox);
}

static void allocates_by_a_connection(void **state)
{
    (void)state;
    add_socket(1, US);
    add_server(TURN_SERVER, TRANSPORT_TLS, true, 1);
    uint32_t request = connect_asked(TRANSPORT_TLS);
    assert_true(is_at(&last(ICE_CONNECT)->address, TURN_SERVER));
    assert_int_equal(wire_take(&wire), 0);
    connected(request, 99);
    run_ms(20);
    assert_non_null(candidate(ICE_RELAYED, RELAYED));
    /* The address that a connection comes from is no candidate. */
    assert_int_equal(seen(ICE_LOCAL_CANDIDATE), 2);
    ice_agent_close(agent, now, &wire.outbox);
    run_ms(20);
    assert_int_equal(net.deletes, 1);
    assert_int_equal(last(ICE_DISCONNECT)->request, request);
}

static void connection_that_cannot_be_made(void **state)
{
    (void)state;
    add_server(TURN_SERVER, TRANSPORT_TCP, true, 1);
    ice_gathering_complete(agent, now);
    uint32_t request = connect_asked(TRANSPORT_TCP);
    ice_server_lost(agent, now, request, &wire.outbox);
    run_ms(0);
    assert_string_equal(last(ICE_SERVER_FAILED)->failure_text, "no connection to it could be made");
    assert_int_equal(seen(ICE_GATHERED), 1);
    assert_int_equal(seen(ICE_DISCONNECT), 0); /* the shell knows */
    connected(request, 99);                    /* and what comes late is of no use */
    run_ms(20);
    assert_int_equal(net.allocates, 0);
}

static void connection_that_takes_too_long(void **state)
{
    (void)state;
    add_server(TURN_SERVER, TRANSPORT_TCP, true, 1);
    ice_gathering_complete(agent, now);
    uint32_t request = connect_asked(TRANSPORT_TCP);
    run_ms(14900);
    assert_int_equal(seen(ICE_GATHERED), 0);
    run_ms(200);
    assert_int_equal(seen(ICE_GATHERED), 1);
    assert_int_equal(last(ICE_DISCONNECT)->request, request);
    assert_int_equal(seen(ICE_SERVER_FAILED), 1);
}

static void lost_connection_is_made_again(void **state)
{
    (void)state;
    add_server(TURN_SERVER, TRANSPORT_TCP, true, 1);
    uint32_t request = connect_asked(TRANSPORT_TCP);
    connected(request, 99);
    run_ms(20);
    assert_int_equal(seen(ICE_CONNECT), 1);
    for (unsigned i = 0; i < 3; i++) { /* after 1, 4 and 16 seconds */
        ice_server_lost(agent, now, last(ICE_CONNECT)->request, &wire.outbox);
        run_ms((1000 << (2 * i)) - 100);
        assert_int_equal(seen(ICE_CONNECT), 1 + i);
        assert_int_equal(seen(ICE_SERVER_FAILED), 1);
        run_ms(200);
        assert_int_equal(seen(ICE_CONNECT), 2 + i);
    }
    ice_server_lost(agent, now, last(ICE_CONNECT)->request, &wire.outbox);
    run_ms(600000);
    assert_int_equal(seen(ICE_CONNECT), 4);
}

/* ---- sockets -----------------------------------------------------------------------------------
 */

static void lost_socket_takes_its_own_with_it(void **state)
{
    (void)state;
    add_socket(1, US);
    add_socket(2, US_TOO);
    add_server(TURN_SERVER, TRANSPORT_UDP, true, 1);
    run_ms(20);
    bob_is_there();
    run_ms(20);
    assert_int_equal(net.permissions, 2);
    ice_socket_lost(agent, now, 1, &wire.outbox);
    ice_socket_lost(agent, now, 1, &wire.outbox);
    ice_socket_lost(agent, now, 77, &wire.outbox);
    drain();
    assert_int_equal(seen(ICE_SERVER_FAILED), 0);
    run_ms(400000);
    assert_int_equal(net.permissions, 3); /* that of the other is kept */
    assert_int_equal(net.allocates, 2);
    ice_socket_lost(agent, now, 2, &wire.outbox);
    run_ms(20);
    assert_int_equal(seen(ICE_SERVER_FAILED), 1);
    add_socket(3, US); /* a new one asks anew */
    run_ms(20);
    assert_int_equal(net.allocates, 3);
}

static void lost_socket_ends_its_questions(void **state)
{
    (void)state;
    net.silent = STUN_SERVER;
    add_socket(1, US);
    add_server(STUN_SERVER, TRANSPORT_UDP, false, 1);
    ice_gathering_complete(agent, now);
    run_ms(100);
    ice_socket_lost(agent, now, 1, &wire.outbox);
    run_ms(0);
    assert_int_equal(seen(ICE_GATHERED), 1);
    assert_string_equal(last(ICE_SERVER_FAILED)->failure_text, "our socket is gone");
    run_ms(60000);
    assert_int_equal(wire_take(&wire), 0);
}

static void refused_peer_has_no_pair(void **state)
{
    (void)state;
    net.refuse_permission = 403;
    begin(ICE_RELAY_ONLY);
    add_socket(1, US);
    add_server(TURN_SERVER, TRANSPORT_UDP, true, 1);
    run_ms(20);
    bob_is_there();
    run_ms(20);
    assert_int_equal(seen(ICE_TRACE_PAIR_FAILED), 1);
    assert_non_null(strstr(last(ICE_TRACE_PAIR_FAILED)->failure_text, "(403 Forbidden)"));
    assert_int_equal(seen(ICE_SERVER_FAILED), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(finds_what_the_world_sees),
        TEST(order_does_not_matter),
        TEST(asks_from_every_socket_of_the_family),
        TEST(one_answer_is_one_candidate),
        TEST(paces_its_questions),
        TEST(gives_up_a_dead_server),
        TEST(says_what_a_server_refuses),
        TEST(follows_one_alternate_server),
        TEST(keeps_mappings_alive),
        TEST(takes_answers_from_the_server_only),
        TEST(bounds_its_questions),
        TEST(loopback_is_not_asked_from),
        TEST(allocates_a_relay),
        TEST(closes_though_nobody_answers),
        TEST(follows_the_alternate_of_a_relay),
        TEST(takes_the_family_that_there_is),
        TEST(says_why_there_is_no_relay),
        TEST(same_server_again),
        TEST(no_relay_when_none_is_wanted),
        TEST(relay_only_shows_nothing_else),
        TEST(allocates_by_a_connection),
        TEST(connection_that_cannot_be_made),
        TEST(connection_that_takes_too_long),
        TEST(lost_connection_is_made_again),
        TEST(lost_socket_takes_its_own_with_it),
        TEST(lost_socket_ends_its_questions),
        TEST(refused_peer_has_no_pair),
    };
    return cmocka_run_group_tests_name("ice_gather", tests, NULL, NULL);
}
