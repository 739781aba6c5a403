/* SPDX-License-Identifier: BSD-3-Clause */
/* The bytes of connectivity checks, and an agent against a peer that says anything. */
#include "small_world.h"

#include <stdio.h>

#include "proto/ice/ice_internal.h"
#include "tests/vectors/stun_messages.h"

/* clang-format off */
/* Computed by hand (Python's hmac and zlib) from the same fields, not by our codec. */
static const uint8_t expected_answer[64] = {
    0x01, 0x01, 0x00, 0x2c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01,
    0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae, 0x00, 0x20, 0x00, 0x08,
    0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43, 0x00, 0x08, 0x00, 0x14,
    0x74, 0xc9, 0x37, 0x1e, 0xbf, 0x31, 0x48, 0x54, 0x85, 0x18, 0x69, 0x9c,
    0x3e, 0x31, 0x74, 0xc2, 0x0d, 0xd9, 0xe6, 0x8a, 0x80, 0x28, 0x00, 0x04,
    0xfa, 0xe4, 0x04, 0x3a,
};

static const uint8_t expected_check[96] = {
    0x00, 0x01, 0x00, 0x4c, 0x21, 0x12, 0xa4, 0x42, 0x88, 0x77, 0x66, 0x55,
    0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55, 0x00, 0x06, 0x00, 0x09,
    0x68, 0x36, 0x76, 0x59, 0x3a, 0x65, 0x76, 0x74, 0x6a, 0x00, 0x00, 0x00,
    0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x66, 0xff, 0x80, 0x2a, 0x00, 0x08,
    0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x80, 0x22, 0x00, 0x04,
    0x74, 0x65, 0x73, 0x74, 0x00, 0x08, 0x00, 0x14, 0xc7, 0x57, 0xe9, 0x38,
    0x65, 0x09, 0x3d, 0x2b, 0xd7, 0xab, 0x0f, 0x59, 0x70, 0xa2, 0x02, 0x91,
    0xb2, 0xb9, 0x63, 0xbf, 0x80, 0x28, 0x00, 0x04, 0x4e, 0x0e, 0x68, 0xff,
};

static const uint8_t expected_nomination[100] = {
    0x00, 0x01, 0x00, 0x50, 0x21, 0x12, 0xa4, 0x42, 0x88, 0x77, 0x66, 0x55,
    0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55, 0x00, 0x06, 0x00, 0x09,
    0x68, 0x36, 0x76, 0x59, 0x3a, 0x65, 0x76, 0x74, 0x6a, 0x00, 0x00, 0x00,
    0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x66, 0xff, 0x80, 0x2a, 0x00, 0x08,
    0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x25, 0x00, 0x00,
    0x80, 0x22, 0x00, 0x04, 0x74, 0x65, 0x73, 0x74, 0x00, 0x08, 0x00, 0x14,
    0xd6, 0xbf, 0x25, 0xd0, 0xbb, 0x34, 0x7f, 0x97, 0x03, 0x22, 0x5e, 0x5e,
    0xe3, 0x11, 0x3e, 0x05, 0x24, 0xf5, 0xfe, 0x83, 0x80, 0x28, 0x00, 0x04,
    0xfb, 0x6d, 0x45, 0xc7,
};

static const uint8_t good_response[64] = {
    0x01, 0x01, 0x00, 0x2c, 0x21, 0x12, 0xa4, 0x42, 0x88, 0x77, 0x66, 0x55,
    0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55, 0x00, 0x20, 0x00, 0x08,
    0x00, 0x01, 0x22, 0xfa, 0xe1, 0x12, 0xa6, 0x43, 0x00, 0x08, 0x00, 0x14,
    0x9c, 0x0c, 0xfc, 0xf7, 0x93, 0xfe, 0x6b, 0x96, 0xfd, 0x4e, 0xa5, 0x12,
    0xb0, 0xcc, 0xd3, 0xb9, 0x05, 0x62, 0x49, 0x29, 0x80, 0x28, 0x00, 0x04,
    0xba, 0xfa, 0x77, 0xfe,
};

/* clang-format on */

#define PASSWORD "a password of the peer"

static struct small_world world;
static struct stun_address ours, theirs;

static uint64_t constant_random(void *context)
{
    (void)context;
    return UINT64_C(0x1122334455667788);
}

/* An agent, and no peer: the test is the peer. What is sent goes to `caught`. */
static struct world_packet caught[64];
static size_t caught_count;

static bool catch_all(struct small_world *in, struct world_packet *packet)
{
    (void)in;
    assert_true(caught_count < 64);
    caught[caught_count++] = *packet;
    return false;
}

static bool drop_all(struct small_world *in, struct world_packet *packet)
{
    (void)in;
    (void)packet;
    return false;
}

static void begin(enum ice_role role, bool lite)
{
    world_init(&world);
    struct ice_setup setup = world_setup(&world, 0);
    setup.role = role;
    setup.lite = lite;
    world_make(&world, 0, &setup);
    world_add_socket(&world, 0, "192.0.2.1:1000", 100);
    ours = test_address("192.0.2.1:1000");
    theirs = test_address("192.0.2.2:2000");
    world.route = catch_all;
    caught_count = 0;
}

static void know_peer(void)
{
    struct ice_agent *agent = world.sides[0].agent;
    struct ice_candidate candidate = {
        .component = 1, .priority = 1000, .foundation = "1", .address = theirs};
    assert_int_equal(0, ice_remote_credentials(agent, world.now, "peer", PASSWORD, false,
                                               &world.sides[0].outbox));
    assert_int_equal(0, ice_remote_candidate(agent, world.now, &candidate, &world.sides[0].outbox));
    world_settle(&world, 0);
}

static void give(const struct stun_address *from, const uint8_t *bytes, size_t size)
{
    world_inject(&world, 1, from, &ours, bytes, size);
    world_run_ms(&world, 10);
}

/* ---- the peer's requests --------------------------------------------------------------------- */

struct request {
    const char *ufrag, *password;
    uint16_t role; /* STUN_ICE_CONTROLLING, STUN_ICE_CONTROLLED or 0 */
    uint64_t tie_breaker;
    bool nominates, no_priority, no_integrity, no_fingerprint, no_username, unknown;
    struct stun_address from;
};

static struct request sound_request(void)
{
    return (struct request){
        .ufrag = "peer",
        .role = ice_agent_role(world.sides[0].agent) == ICE_CONTROLLING ? STUN_ICE_CONTROLLED
                                                                        : STUN_ICE_CONTROLLING,
        .from = theirs,
    };
}

static void send_request(const struct request *request)
{
    const struct ice_agent *agent = world.sides[0].agent;
    const char *password =
        request->password != NULL ? request->password : ice_local_password(agent);
    uint8_t bytes[512], id[12] = {1, 2, 3};
    struct stun_builder builder;
    struct stun_key key;
    char name[600];
    stun_key_short_term(&key, password, strlen(password));
    snprintf(name, sizeof name, "%s:%s", ice_local_ufrag(agent), request->ufrag);
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_REQUEST, STUN_BINDING, id);
    if (!request->no_username) {
        stun_builder_put_string(&builder, STUN_USERNAME, name);
    }
    if (!request->no_priority) {
        stun_builder_put_u32(&builder, STUN_PRIORITY, 0x6e0000ff);
    }
    if (request->role != 0) {
        stun_builder_put_u64(&builder, request->role, request->tie_breaker);
    }
    if (request->nominates) {
        stun_builder_put_flag(&builder, STUN_USE_CANDIDATE);
    }
    if (request->unknown) {
        stun_builder_put_u32(&builder, 0x7fff, 1);
    }
    if (!request->no_integrity) {
        stun_builder_put_integrity(&builder, world.crypto, &key);
    }
    if (!request->no_fingerprint) {
        stun_builder_put_fingerprint(&builder);
    }
    caught_count = 0;
    give(&request->from, bytes, (size_t)stun_builder_finish(&builder));
}

/* The class of the agent's first answer among what was caught, with `code` of an error; -1: none.
 */
static int answer_class(uint16_t *code)
{
    for (size_t i = 0; i < caught_count; i++) {
        struct stun_view view;
        assert_int_equal(STUN_OK, stun_view_parse(&view, caught[i].bytes, caught[i].size));
        if (view.message_class != STUN_REQUEST) {
            *code = 0;
            stun_view_error(&view, code, NULL, NULL);
            return view.message_class;
        }
    }
    return -1;
}

static void assert_refused(const struct request *request, uint16_t expected)
{
    uint16_t code = 0;
    send_request(request);
    assert_int_equal(STUN_ERROR, answer_class(&code));
    assert_int_equal(expected, code);
}

/* ---- the agent's checks ---------------------------------------------------------------------- */

/* The last check that was caught; NULL: none. */
static const struct world_packet *last_check(struct stun_view *view)
{
    for (size_t i = caught_count; i > 0; i--) {
        assert_int_equal(STUN_OK, stun_view_parse(view, caught[i - 1].bytes, caught[i - 1].size));
        if (view->message_class == STUN_REQUEST) {
            return &caught[i - 1];
        }
    }
    return NULL;
}

struct reply {
    const char *password;
    uint16_t error;
    bool no_integrity, no_mapped;
    struct stun_address from, mapped;
};

static void send_reply(const struct reply *reply, const uint8_t *id)
{
    const char *password = reply->password != NULL ? reply->password : PASSWORD;
    uint8_t bytes[512];
    struct stun_builder builder;
    struct stun_key key;
    stun_key_short_term(&key, password, strlen(password));
    stun_builder_begin(&builder, bytes, sizeof bytes, reply->error == 0 ? STUN_SUCCESS : STUN_ERROR,
                       STUN_BINDING, id);
    if (reply->error != 0) {
        stun_builder_put_error(&builder, reply->error, NULL);
    } else if (!reply->no_mapped) {
        stun_builder_put_xor_address(&builder, STUN_XOR_MAPPED_ADDRESS, &reply->mapped);
    }
    if (!reply->no_integrity) {
        stun_builder_put_integrity(&builder, world.crypto, &key);
    }
    stun_builder_put_fingerprint(&builder);
    give(&reply->from, bytes, (size_t)stun_builder_finish(&builder));
}

static struct reply sound_reply(void)
{
    return (struct reply){.from = theirs, .mapped = ours};
}

static void reply_to_last(const struct reply *reply)
{
    struct stun_view view;
    uint8_t id[12];
    assert_non_null(last_check(&view));
    memcpy(id, view.transaction_id, sizeof id);
    caught_count = 0;
    send_reply(reply, id);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void begin_vectors(void)
{
    begin(ICE_CONTROLLING, false);
    ice_agent_free(world.sides[0].agent);
    world.sides[0].socket_count = 0;
    struct ice_setup setup = world_setup(&world, 0);
    setup.random = constant_random;
    setup.software = "test";
    world_make(&world, 0, &setup);
    world_add_socket(&world, 0, "192.0.2.1:1000", 100);
    struct ice_agent *agent = world.sides[0].agent;
    strcpy(agent->local.ufrag, "evtj");
    strcpy(agent->local.password, VECTOR_PASSWORD);
    agent->tie_breaker = UINT64_C(0x932ff9b151263b36);
}

static void answers_rfc_5769(void **state)
{
    (void)state;
    begin_vectors();
    struct stun_address source = test_address("192.0.2.1:32853");
    give(&source, vector_request, sizeof vector_request);
    assert_int_equal(1, caught_count);
    assert_int_equal(sizeof expected_answer, caught[0].size);
    assert_memory_equal(expected_answer, caught[0].bytes, sizeof expected_answer);
    assert_true(address_equal(&source, &caught[0].to));
    assert_int_equal(0, caught[0].hops);
    world_free(&world);
}

static void checks_are_as_written_by_hand(void **state)
{
    (void)state;
    begin_vectors();
    struct ice_agent *agent = world.sides[0].agent;
    struct ice_candidate candidate = {
        .component = 1, .priority = 1000, .foundation = "1", .address = theirs};
    ice_remote_candidate(agent, world.now, &candidate, &world.sides[0].outbox);
    assert_int_equal(0, ice_remote_credentials(agent, world.now, "h6vY", VECTOR_PASSWORD, false,
                                               &world.sides[0].outbox));
    world_settle(&world, 0);
    assert_int_equal(1, caught_count);
    assert_int_equal(sizeof expected_check, caught[0].size);
    assert_memory_equal(expected_check, caught[0].bytes, sizeof expected_check);
    caught_count = 0;
    give(&theirs, good_response, sizeof good_response);
    assert_int_equal(1, world_count(&world, 0, ICE_CONNECTED));
    assert_int_equal(1, caught_count);
    assert_int_equal(sizeof expected_nomination, caught[0].size);
    assert_memory_equal(expected_nomination, caught[0].bytes, sizeof expected_nomination);
    world_free(&world);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void refuses_bad_requests(void **state)
{
    (void)state;
    uint16_t code;
    begin(ICE_CONTROLLED, false);
    know_peer();
    struct request request = sound_request();
    request.password = "not the password, or is";
    assert_refused(&request, 401);
    assert_int_equal(1, ice_agent_counters(world.sides[0].agent)->refused);
    request = sound_request();
    request.no_integrity = true;
    assert_refused(&request, 400);
    request = sound_request();
    request.no_username = true;
    assert_refused(&request, 400);
    request = sound_request();
    request.no_priority = true;
    assert_refused(&request, 400);
    request = sound_request();
    request.unknown = true;
    assert_refused(&request, 420);
    request = sound_request();
    request.no_fingerprint = true;
    send_request(&request);
    assert_int_equal(-1, answer_class(&code));
    assert_int_equal(0, world_count(&world, 0, ICE_TRACE_HEARD));
    request = sound_request();
    send_request(&request);
    assert_int_equal(STUN_SUCCESS, answer_class(&code));
    assert_int_equal(1, world_count(&world, 0, ICE_TRACE_HEARD));
    world_free(&world);
}

static void another_name_than_the_peers(void **state)
{
    (void)state;
    uint16_t code;
    begin(ICE_CONTROLLED, false);
    know_peer();
    struct request request = sound_request();
    /* A peer that names itself otherwise is answered, and not checked (RFC 8445 §7.3.1.1). */
    request.ufrag = "else";
    send_request(&request);
    assert_int_equal(STUN_SUCCESS, answer_class(&code));
    struct stun_view view;
    assert_null(last_check(&view));
    world_free(&world);
}

static void conflict_that_we_win(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        begin((enum ice_role)role, false);
        know_peer();
        struct request request = sound_request();
        request.role = role == ICE_CONTROLLING ? STUN_ICE_CONTROLLING : STUN_ICE_CONTROLLED;
        world.sides[0].agent->tie_breaker = 1000;
        request.tie_breaker = role == ICE_CONTROLLING ? 1000 : 1001;
        assert_refused(&request, 487);
        assert_int_equal(role, ice_agent_role(world.sides[0].agent));
        assert_int_equal(0, world_count(&world, 0, ICE_ROLE_CHANGED));
        world_free(&world);
    }
}

static void conflict_that_we_lose(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        uint16_t code;
        begin((enum ice_role)role, false);
        know_peer();
        struct request request = sound_request();
        request.role = role == ICE_CONTROLLING ? STUN_ICE_CONTROLLING : STUN_ICE_CONTROLLED;
        world.sides[0].agent->tie_breaker = 1000;
        request.tie_breaker = role == ICE_CONTROLLING ? 1001 : 1000;
        send_request(&request);
        assert_int_equal(STUN_SUCCESS, answer_class(&code));
        assert_int_equal(1 - role, ice_agent_role(world.sides[0].agent));
        assert_int_equal(1, world_count(&world, 0, ICE_ROLE_CHANGED));
        assert_int_equal(1, ice_agent_counters(world.sides[0].agent)->role_conflicts);
        world_free(&world);
    }
}

static void lite_is_controlled_whatever_is_said(void **state)
{
    (void)state;
    uint16_t code;
    begin(ICE_CONTROLLING, true);
    know_peer();
    assert_int_equal(ICE_CONTROLLED, ice_agent_role(world.sides[0].agent));
    struct request request = sound_request();
    request.role = STUN_ICE_CONTROLLED;
    assert_refused(&request, 487);
    request.role = STUN_ICE_CONTROLLING;
    request.nominates = true;
    send_request(&request);
    assert_int_equal(STUN_SUCCESS, answer_class(&code));
    assert_int_equal(1, caught_count);
    assert_int_equal(1, world_count(&world, 0, ICE_CONNECTED));
    world_free(&world);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* RFC 8445 §7.2.5.1: the role is the other one than in the request that got 487. */
static void role_from_the_request(void **state)
{
    (void)state;
    begin(ICE_CONTROLLING, false);
    know_peer();
    struct stun_view view;
    uint8_t first[12], second[12];
    assert_non_null(last_check(&view));
    memcpy(first, view.transaction_id, 12);
    struct reply conflict = sound_reply();
    conflict.error = 487;
    uint64_t before = world.sides[0].agent->tie_breaker;
    reply_to_last(&conflict);
    assert_int_equal(ICE_CONTROLLED, ice_agent_role(world.sides[0].agent));
    assert_true(before != world.sides[0].agent->tie_breaker);
    assert_non_null(last_check(&view));
    assert_true(stun_view_has(&view, STUN_ICE_CONTROLLED));
    assert_false(stun_view_has(&view, STUN_ICE_CONTROLLING));
    memcpy(second, view.transaction_id, 12);
    assert_memory_not_equal(first, second, 12);
    /* The same answer once more changes nothing. */
    send_reply(&conflict, first);
    assert_int_equal(1, world_count(&world, 0, ICE_ROLE_CHANGED));
    /* 487 to the new one: back. */
    reply_to_last(&conflict);
    assert_int_equal(ICE_CONTROLLING, ice_agent_role(world.sides[0].agent));
    world_free(&world);
}

static void ignores_forged_answers(void **state)
{
    (void)state;
    begin(ICE_CONTROLLING, false);
    know_peer();
    struct stun_view view;
    uint8_t id[12], wrong[12] = {9};
    assert_non_null(last_check(&view));
    memcpy(id, view.transaction_id, 12);
    struct reply reply = sound_reply();
    send_reply(&reply, wrong);
    reply.password = "some other password here";
    send_reply(&reply, id);
    reply = sound_reply();
    reply.no_integrity = true;
    send_reply(&reply, id);
    reply.error = 487;
    send_reply(&reply, id);
    reply = sound_reply();
    reply.no_mapped = true;
    send_reply(&reply, id);
    assert_int_equal(0, world_count(&world, 0, ICE_CONNECTED));
    assert_int_equal(0, world_count(&world, 0, ICE_TRACE_PAIR_FAILED));
    assert_int_equal(ICE_CONTROLLING, ice_agent_role(world.sides[0].agent));
    reply = sound_reply();
    send_reply(&reply, id);
    assert_int_equal(1, world_count(&world, 0, ICE_CONNECTED));
    world_free(&world);
}

static void answer_from_elsewhere(void **state)
{
    (void)state;
    begin(ICE_CONTROLLING, false);
    know_peer();
    struct reply reply = sound_reply();
    reply.from = test_address("192.0.2.2:2001");
    reply.no_integrity = true;
    struct stun_view view;
    uint8_t id[12];
    assert_non_null(last_check(&view));
    memcpy(id, view.transaction_id, 12);
    send_reply(&reply, id); /* anybody's: nothing */
    assert_int_equal(0, world_count(&world, 0, ICE_TRACE_PAIR_FAILED));
    reply.no_integrity = false;
    send_reply(&reply, id);
    assert_int_equal(1, world_count(&world, 0, ICE_TRACE_PAIR_FAILED));
    assert_int_equal(0, world_count(&world, 0, ICE_CONNECTED));
    world_free(&world);
}

static void server_errors(void **state)
{
    (void)state;
    begin(ICE_CONTROLLING, false);
    know_peer();
    struct reply reply = sound_reply();
    struct stun_view view;
    uint8_t id[12];
    reply.error = 500;
    assert_non_null(last_check(&view));
    memcpy(id, view.transaction_id, 12);
    reply_to_last(&reply);
    assert_int_equal(0, world_count(&world, 0, ICE_TRACE_PAIR_FAILED));
    assert_null(last_check(&view));
    world_run_ms(&world, 200); /* again, as another transaction */
    assert_non_null(last_check(&view));
    assert_memory_not_equal(id, view.transaction_id, 12);
    reply.error = 403;
    reply_to_last(&reply);
    assert_int_equal(1, world_count(&world, 0, ICE_TRACE_PAIR_FAILED));
    world_run_ms(&world, 5000);
    assert_null(last_check(&view));
    /* The peer's own check revives it (RFC 8445 §7.3.1.4). */
    struct request request = sound_request();
    send_request(&request);
    assert_non_null(last_check(&view));
    reply.error = 0;
    reply_to_last(&reply);
    assert_int_equal(1, world_count(&world, 0, ICE_CONNECTED));
    world_free(&world);
}

/* Behind a translator that the peer sees and no server told us of. */
static void local_peer_reflexive(void **state)
{
    (void)state;
    begin(ICE_CONTROLLING, false);
    know_peer();
    struct reply reply = sound_reply();
    reply.mapped = test_address("203.0.113.9:9999");
    reply_to_last(&reply);
    const struct ice_event *event = world_last(&world, 0, ICE_CONNECTED);
    assert_int_equal(ICE_PEER_REFLEXIVE, event->pair.local.type);
    assert_true(address_equal(&reply.mapped, &event->pair.local.address));
    assert_true(address_equal(&ours, &event->pair.local.related));
    assert_int_equal(1, world_count(&world, 0, ICE_LOCAL_CANDIDATE));
    world_free(&world);
}

static void data_only_from_the_proved(void **state)
{
    (void)state;
    begin(ICE_CONTROLLED, false);
    know_peer();
    uint8_t data[] = "\x16 data";
    give(&theirs, data, sizeof data);
    assert_int_equal(0, world.sides[0].data_received);
    assert_int_equal(1, ice_agent_counters(world.sides[0].agent)->dropped_data);
    struct request request = sound_request();
    send_request(&request);
    give(&theirs, data, sizeof data);
    assert_int_equal(1, world.sides[0].data_received);
    struct stun_address other = test_address("192.0.2.2:2001");
    give(&other, data, sizeof data);
    assert_int_equal(1, world.sides[0].data_received);
    world_free(&world);
}

static void retransmits(void **state)
{
    (void)state;
    begin(ICE_CONTROLLING, false);
    know_peer();
    struct stun_view view;
    uint8_t id[12];
    struct monotime at[8];
    assert_non_null(last_check(&view));
    memcpy(id, view.transaction_id, 12);
    world_run_ms(&world, 8000);
    assert_in_range(caught_count, 7, 9);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(STUN_OK, stun_view_parse(&view, caught[i].bytes, caught[i].size));
        assert_memory_equal(id, view.transaction_id, 12);
        assert_int_equal(caught[0].size, caught[i].size);
        assert_memory_equal(caught[0].bytes, caught[i].bytes, caught[i].size);
        at[i] = caught[i].when;
    }
    static const int64_t waits[] = {150, 300, 600, 1200, 1600, 1600};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(waits[i], monotime_difference_us(at[i + 1], at[i]) / MONOTIME_MILLISECOND);
    }
    assert_int_equal(caught_count - 1, ice_agent_counters(world.sides[0].agent)->retransmissions);
    world_free(&world);
}

/* A relay may not let us in yet: asked again soon, each time as a new transaction. */
static void knocks_at_a_relay(void **state)
{
    static const int64_t waits[] = {5, 15, 40, 150, 300};
    struct ice_candidate candidate = {.component = 1,
                                      .priority = 1000,
                                      .foundation = "1",
                                      .address = theirs,
                                      .type = ICE_RELAYED};
    (void)state;
    for (int informed = 0; informed < 2; informed++) {
        begin(ICE_CONTROLLED, false);
        struct ice_agent *agent = world.sides[0].agent;
        struct outbox *outbox = &world.sides[0].outbox;
        candidate.address = theirs;
        assert_int_equal(0,
                         ice_remote_credentials(agent, world.now, "peer", PASSWORD, false, outbox));
        if (informed) {
            ice_remote_informed(agent, world.now, outbox);
        }
        assert_int_equal(0, ice_remote_candidate(agent, world.now, &candidate, outbox));
        world_settle(&world, 0);
        world_run_ms(&world, 600);
        if (informed) {
            assert_int_equal(3, caught_count); /* at 0, 150, 450 ms */
        } else {
            assert_int_equal(6, caught_count);
            for (size_t i = 0; i < 5; i++) {
                assert_int_equal(waits[i],
                                 monotime_difference_us(caught[i + 1].when, caught[i].when) /
                                     MONOTIME_MILLISECOND);
                bool same = memcmp(caught[i].bytes + 8, caught[i + 1].bytes + 8, 12) == 0;
                assert_int_equal(i >= 3, same);
            }
        }
        world_free(&world);
    }
}

/* Who is asked the same again a moment later answers each, and asks back once. */
static void asks_back_once_a_moment(void **state)
{
    (void)state;
    begin(ICE_CONTROLLED, false);
    know_peer();
    struct request request = sound_request();
    world_run_ms(&world, 60);
    for (int i = 0; i < 4; i++) { /* 10 ms each */
        send_request(&request);
        assert_int_equal(i == 0 ? 2 : 1, caught_count); /* the answer, and a check of ours */
    }
    world_run_ms(&world, 20);
    send_request(&request);
    assert_int_equal(2, caught_count);
    world_free(&world);
}

static void early_sources_are_bounded(void **state)
{
    (void)state;
    begin(ICE_CONTROLLED, false);
    struct request request = sound_request();
    for (unsigned i = 0; i < 200; i++) {
        uint16_t code;
        request.from.port = (uint16_t)(2000 + i);
        send_request(&request);
        assert_int_equal(STUN_SUCCESS, answer_class(&code));
        assert_int_equal(1, caught_count);
    }
    assert_int_equal(ICE_EARLY_MAX, world.sides[0].agent->early_count);
    request.from = theirs;
    know_peer();
    assert_int_equal(ICE_EARLY_MAX, world_count(&world, 0, ICE_TRACE_HEARD));
    world_free(&world);
}

static void sources_are_bounded(void **state)
{
    (void)state;
    begin(ICE_CONTROLLED, false);
    know_peer();
    struct request request = sound_request();
    for (unsigned i = 0; i < 1000; i++) {
        uint16_t code;
        request.from.port = (uint16_t)(2000 + i);
        send_request(&request);
        assert_int_equal(STUN_SUCCESS, answer_class(&code));
    }
    assert_int_equal(ICE_REMOTES_MAX, world_count(&world, 0, ICE_TRACE_HEARD));
    /* What came to nothing makes room in time. */
    world.route = drop_all;
    world.sides[0].event_count = 0;
    world_run_ms(&world, 60000);
    world.route = catch_all;
    world.sides[0].event_count = 0;
    send_request(&request);
    assert_int_equal(1, world_count(&world, 0, ICE_TRACE_HEARD));
    world_free(&world);
}

/* An address that is not the sender's must not get more than was sent. */
static void strangers_get_no_more_than_they_sent(void **state)
{
    (void)state;
    begin(ICE_CONTROLLED, false);
    know_peer();
    uint8_t bytes[64], id[12] = {7};
    struct stun_builder builder;
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_REQUEST, STUN_BINDING, id);
    stun_builder_put_fingerprint(&builder);
    caught_count = 0;
    give(&theirs, bytes, (size_t)stun_builder_finish(&builder));
    assert_int_equal(0, caught_count);
    assert_int_equal(1, ice_agent_counters(world.sides[0].agent)->refused);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_rfc_5769),
        cmocka_unit_test(checks_are_as_written_by_hand),
        cmocka_unit_test(refuses_bad_requests),
        cmocka_unit_test(another_name_than_the_peers),
        cmocka_unit_test(conflict_that_we_win),
        cmocka_unit_test(conflict_that_we_lose),
        cmocka_unit_test(lite_is_controlled_whatever_is_said),
        cmocka_unit_test(role_from_the_request),
        cmocka_unit_test(ignores_forged_answers),
        cmocka_unit_test(answer_from_elsewhere),
        cmocka_unit_test(server_errors),
        cmocka_unit_test(local_peer_reflexive),
        cmocka_unit_test(data_only_from_the_proved),
        cmocka_unit_test(retransmits),
        cmocka_unit_test(knocks_at_a_relay),
        cmocka_unit_test(asks_back_once_a_moment),
        cmocka_unit_test(early_sources_are_bounded),
        cmocka_unit_test(sources_are_bounded),
        cmocka_unit_test(strangers_get_no_more_than_they_sent),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
