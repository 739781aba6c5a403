/* SPDX-License-Identifier: BSD-3-Clause */
/* Candidates and pairs: priorities, order, foundations, what is redundant, and the bounds. */
#include "small_world.h"

#include "proto/ice/ice_internal.h"

#include <errno.h>
#include <stdio.h>

static struct small_world world;

static struct ice_agent *begin(const struct ice_setup *changed)
{
    world_init(&world);
    struct ice_setup setup = world_setup(&world, 0);
    setup.lite = changed->lite;
    setup.relay = changed->relay;
    setup.role = changed->role;
    world_make(&world, 0, &setup);
    return world.sides[0].agent;
}

static const struct ice_setup plain = {.role = ICE_CONTROLLING};

static const struct ice_candidate *told(size_t index)
{
    assert_true(index < world.sides[0].candidate_count);
    return &world.sides[0].candidates[index];
}

static int add_remote(const char *address, uint32_t priority)
{
    struct ice_candidate candidate = {
        .component = 1,
        .priority = priority,
        .foundation = "7",
        .address = test_address(address),
    };
    int status =
        ice_remote_candidate(world.sides[0].agent, world.now, &candidate, &world.sides[0].outbox);
    world_settle(&world, 0);
    return status;
}

static int add_local(int base, enum ice_candidate_type type, const char *address,
                     const char *server)
{
    struct ice_local_source source = {.type = type, .address = test_address(address)};
    source.related = world.sides[0].agent->bases[base].address;
    source.server = test_address(server);
    int index =
        ice_local_add(world.sides[0].agent, world.now, base, &source, &world.sides[0].outbox);
    world_settle(&world, 0);
    return index;
}

static size_t count_pairs(void)
{
    size_t count = 0;
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        count += world.sides[0].agent->pairs[i].in_use;
    }
    return count;
}

/* RFC 8445 §5.1.2.1, computed by hand: 126 << 24 | preference << 8 | 255. */
static void priorities(void **state)
{
    (void)state;
    begin(&plain);
    world_add_socket(&world, 0, "[2001:db8::1]:1000", 0x1000);
    world_add_socket(&world, 0, "192.0.2.1:1000", 0x1000);
    assert_int_equal(0x7e1007ff, told(0)->priority);
    assert_int_equal(0x7e1006ff, told(1)->priority);
    add_local(1, ICE_SERVER_REFLEXIVE, "203.0.113.1:5", "198.51.100.1:3478");
    assert_int_equal(0x641006ff, told(2)->priority);
    assert_int_equal(ICE_SERVER_REFLEXIVE, told(2)->type);
    assert_int_equal(1, told(2)->component);
    assert_true(address_equal(&told(1)->address, &told(2)->related));
    assert_string_equal(ice_local_ufrag(world.sides[0].agent), told(2)->ufrag);
    world_free(&world);
}

/* RFC 8421 §4: families take turns; the order of interfaces stands above that. */
static void families_take_turns(void **state)
{
    (void)state;
    begin(&plain);
    world_add_socket(&world, 0, "[2001:db8::1]:1", 800);
    world_add_socket(&world, 0, "[2001:db8::2]:2", 800);
    world_add_socket(&world, 0, "192.0.2.1:3", 800);
    world_add_socket(&world, 0, "192.0.2.2:4", 800);
    world_add_socket(&world, 0, "198.51.100.1:5", 1600);
    assert_true(told(4)->priority > told(0)->priority);
    assert_true(told(0)->priority > told(2)->priority);
    assert_true(told(2)->priority > told(1)->priority);
    assert_true(told(1)->priority > told(3)->priority);
    world_free(&world);
}

static void foundations(void **state)
{
    (void)state;
    begin(&plain);
    world_add_socket(&world, 0, "192.0.2.1:1000", 0);
    world_add_socket(&world, 0, "192.0.2.1:1001", 0); /* same IP */
    world_add_socket(&world, 0, "192.0.2.9:1000", 0);
    assert_string_equal(told(0)->foundation, told(1)->foundation);
    assert_string_not_equal(told(0)->foundation, told(2)->foundation);
    add_local(0, ICE_SERVER_REFLEXIVE, "203.0.113.1:1", "198.51.100.1:3478");
    add_local(1, ICE_SERVER_REFLEXIVE, "203.0.113.1:2", "198.51.100.1:3478");
    add_local(0, ICE_SERVER_REFLEXIVE, "203.0.113.1:3", "198.51.100.2:3478");
    assert_string_equal(told(3)->foundation, told(4)->foundation);
    assert_string_not_equal(told(3)->foundation, told(5)->foundation);
    assert_string_not_equal(told(3)->foundation, told(0)->foundation);
    world_free(&world);
}

static void redundant_ones_are_not_told(void **state)
{
    (void)state;
    begin(&plain);
    world_add_socket(&world, 0, "192.0.2.1:1000", 0);
    /* No translator: what the server sees is the host candidate. */
    assert_int_equal(ICE_NONE,
                     add_local(0, ICE_SERVER_REFLEXIVE, "192.0.2.1:1000", "198.51.100.1:3478"));
    assert_true(add_local(0, ICE_SERVER_REFLEXIVE, "203.0.113.1:1", "198.51.100.1:3478") >= 0);
    /* Two servers see the same. */
    assert_int_equal(ICE_NONE,
                     add_local(0, ICE_SERVER_REFLEXIVE, "203.0.113.1:1", "198.51.100.2:3478"));
    assert_int_equal(2, world.sides[0].candidate_count);
    world_free(&world);
}

static void reflexive_ones_are_their_bases(void **state)
{
    (void)state;
    begin(&plain);
    world_add_socket(&world, 0, "192.0.2.1:1000", 0);
    add_local(0, ICE_SERVER_REFLEXIVE, "203.0.113.1:1", "198.51.100.1:3478");
    assert_int_equal(0, add_remote("192.0.2.2:2000", 5));
    assert_int_equal(0, add_remote("192.0.2.2:2000", 6)); /* once more: no second pair */
    assert_int_equal(1, count_pairs());
    world_free(&world);
}

static void families_and_scopes_do_not_mix(void **state)
{
    (void)state;
    begin(&plain);
    world_add_socket(&world, 0, "192.0.2.1:1000", 0);
    world_add_socket(&world, 0, "[2001:db8::1]:1000", 0);
    world_add_socket(&world, 0, "[fe80::1]:1000", 0);
    assert_int_equal(0, add_remote("127.0.0.1:22", 5)); /* our own host is nobody's business */
    assert_int_equal(0, add_remote("[::1]:22", 5));
    assert_int_equal(0, count_pairs());
    assert_int_equal(0, add_remote("192.0.2.2:2000", 5));
    assert_int_equal(1, count_pairs());
    assert_int_equal(0, add_remote("[2001:db8::2]:2000", 5));
    assert_int_equal(2, count_pairs());
    assert_int_equal(0, add_remote("[fe80::2]:2000", 5));
    assert_int_equal(3, count_pairs());
    world_free(&world);
}

static void hidden_by_policy(void **state)
{
    (void)state;
    struct ice_setup setup = {.relay = ICE_RELAY_ONLY};
    begin(&setup);
    world_add_socket(&world, 0, "192.0.2.1:1000", 0);
    add_local(0, ICE_SERVER_REFLEXIVE, "203.0.113.1:1", "198.51.100.1:3478");
    assert_int_equal(0, world.sides[0].candidate_count);
    assert_int_equal(0, add_remote("192.0.2.2:2000", 5));
    assert_int_equal(0, count_pairs());
    world_free(&world);
    setup = (struct ice_setup){.lite = true};
    begin(&setup);
    world_add_socket(&world, 0, "192.0.2.1:1000", 0);
    add_local(0, ICE_SERVER_REFLEXIVE, "203.0.113.1:1", "198.51.100.1:3478");
    assert_int_equal(1, world.sides[0].candidate_count);
    world_free(&world);
}

static void other_kinds_are_passed_over(void **state)
{
    (void)state;
    struct ice_agent *agent = begin(&plain);
    world_add_socket(&world, 0, "192.0.2.1:1000", 0);
    struct ice_candidate candidate = {.component = 1,
                                      .priority = 5,
                                      .foundation = "1",
                                      .transport = ICE_TCP_PASSIVE,
                                      .address = test_address("192.0.2.2:2000")};
    assert_int_equal(0, ice_remote_candidate(agent, world.now, &candidate, &world.sides[0].outbox));
    candidate.transport = ICE_UDP;
    candidate.component = 2;
    assert_int_equal(0, ice_remote_candidate(agent, world.now, &candidate, &world.sides[0].outbox));
    candidate.component = 1;
    assert_int_equal(0, ice_remote_credentials(agent, world.now, "right", "0123456789012345678901",
                                               false, &world.sides[0].outbox));
    strcpy(candidate.ufrag, "wrong");
    assert_int_equal(0, ice_remote_candidate(agent, world.now, &candidate, &world.sides[0].outbox));
    assert_int_equal(0, count_pairs());
    strcpy(candidate.ufrag, "right");
    assert_int_equal(0, ice_remote_candidate(agent, world.now, &candidate, &world.sides[0].outbox));
    assert_int_equal(1, count_pairs());
    world_settle(&world, 0);
    world_free(&world);
}

/* Candidates that came before the credentials, with the ufrag of another session. */
static void strangers_go_when_the_name_is_known(void **state)
{
    (void)state;
    struct ice_agent *agent = begin(&plain);
    world_add_socket(&world, 0, "192.0.2.1:1000", 0);
    struct ice_candidate candidate = {.component = 1,
                                      .priority = 5,
                                      .foundation = "1",
                                      .address = test_address("192.0.2.2:2000")};
    strcpy(candidate.ufrag, "older");
    ice_remote_candidate(agent, world.now, &candidate, &world.sides[0].outbox);
    candidate.address.port++;
    strcpy(candidate.ufrag, "right");
    ice_remote_candidate(agent, world.now, &candidate, &world.sides[0].outbox);
    assert_int_equal(2, count_pairs());
    ice_remote_credentials(agent, world.now, "right", "0123456789012345678901", false,
                           &world.sides[0].outbox);
    assert_int_equal(1, count_pairs());
    assert_int_equal(1, world.packet_count + world.sides[0].outbox.count);
    world_settle(&world, 0);
    world_free(&world);
}

static void hundred_pairs_at_most(void **state)
{
    (void)state;
    begin(&plain);
    for (unsigned i = 0; i < 4; i++) {
        char text[32];
        snprintf(text, sizeof text, "192.0.2.%u:1000", i + 1);
        world_add_socket(&world, 0, text, (uint16_t)(i * 100));
    }
    for (unsigned i = 0; i < 100; i++) {
        char text[32];
        snprintf(text, sizeof text, "198.51.100.%u:2000", i + 1);
        assert_int_equal(i < ICE_REMOTES_MAX ? 0 : -ENOSPC, add_remote(text, 1000 + i));
    }
    assert_int_equal(ICE_PAIRS_MAX, count_pairs());
    /* The better ones stayed: 100 of 4 * 64, all with the last 25 of the peer's. */
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        const struct ice_pair *pair = &world.sides[0].agent->pairs[i];
        assert_true(world.sides[0].agent->remotes[pair->remote].priority >=
                    1000 + ICE_REMOTES_MAX - 25);
    }
    world_free(&world);
}

static void too_many_sockets(void **state)
{
    (void)state;
    struct ice_agent *agent = begin(&plain);
    struct stun_address address = test_address("192.0.2.1:1000");
    int status = 0;
    unsigned count = 0;
    while (status == 0 && count < 200) {
        address.port++;
        status = ice_add_socket(agent, world.now, count++, &address, 0, &world.sides[0].outbox);
    }
    assert_int_equal(-ENOSPC, status);
    world_settle(&world, 0);
    world_free(&world);
}

/* RFC 8445 §6.1.2.3, the numbers computed by hand. */
static void pair_priorities(void **state)
{
    (void)state;
    struct ice_agent *agent = begin(&plain);
    world_add_socket(&world, 0, "192.0.2.1:1000", 0x1000); /* 0x7e1006ff */
    add_remote("192.0.2.2:2000", 5);
    assert_true(agent->pairs[0].priority == 0x00000005fc200dffull);
    ice_role_switch(agent, ICE_CONTROLLED);
    assert_true(agent->pairs[0].priority == 0x00000005fc200dfeull);
    world_settle(&world, 0);
    world_free(&world);
}

static void frozen_until_its_like_has_succeeded(void **state)
{
    (void)state;
    struct ice_agent *agent = begin(&plain);
    world_add_socket(&world, 0, "192.0.2.1:1000", 0);
    add_remote("192.0.2.2:2000", 500); /* both have foundation 7 */
    add_remote("192.0.2.2:2001", 400);
    assert_int_equal(PAIR_WAITING, agent->pairs[0].state);
    assert_int_equal(PAIR_FROZEN, agent->pairs[1].state);
    ice_checklist_thaw(agent, &agent->pairs[0]);
    assert_int_equal(PAIR_WAITING, agent->pairs[1].state);
    world_free(&world);
}

/* The first checks go at once, the rest one each Ta. */
static void pacing(void **state)
{
    (void)state;
    struct ice_agent *agent = begin(&plain);
    world_add_socket(&world, 0, "192.0.2.1:1000", 0);
    for (unsigned i = 0; i < 40; i++) {
        struct ice_candidate candidate = {.component = 1, .priority = 100 + i};
        candidate.address = test_address("192.0.2.2:2000");
        candidate.address.port = (uint16_t)(2000 + i);
        snprintf(candidate.foundation, sizeof candidate.foundation, "%u", i);
        ice_remote_candidate(agent, world.now, &candidate, &world.sides[0].outbox);
    }
    ice_remote_credentials(agent, world.now, "right", "0123456789012345678901", false,
                           &world.sides[0].outbox);
    world_settle(&world, 0);
    assert_int_equal(4, world.sent[0]); /* the rest of the burst is for other kinds of pairs */
    world_run_ms(&world, 499);
    assert_int_equal(13, world.sent[0]); /* 500 ms till anything is sent again */
    world_run_ms(&world, 1000);
    assert_int_equal(33, agent->counters.checks_sent - agent->counters.retransmissions);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(priorities),
        cmocka_unit_test(families_take_turns),
        cmocka_unit_test(foundations),
        cmocka_unit_test(redundant_ones_are_not_told),
        cmocka_unit_test(reflexive_ones_are_their_bases),
        cmocka_unit_test(families_and_scopes_do_not_mix),
        cmocka_unit_test(hidden_by_policy),
        cmocka_unit_test(other_kinds_are_passed_over),
        cmocka_unit_test(strangers_go_when_the_name_is_known),
        cmocka_unit_test(hundred_pairs_at_most),
        cmocka_unit_test(too_many_sockets),
        cmocka_unit_test(pair_priorities),
        cmocka_unit_test(frozen_until_its_like_has_succeeded),
        cmocka_unit_test(pacing),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
