/* SPDX-License-Identifier: BSD-3-Clause */
/* Two agents that find each other: roles, lite, what comes early, restart, patience. */
#include "small_world.h"

#include <errno.h>

static struct small_world world;

static void connect_both(int64_t ms)
{
    assert_true(world_run_until(&world, 0, ICE_CONNECTED, 1, ms));
    assert_true(world_run_until(&world, 1, ICE_CONNECTED, 1, ms));
}

static void make_pair(bool lite0, bool lite1, enum ice_role role0, enum ice_role role1)
{
    world_init(&world);
    struct ice_setup setup = world_setup(&world, 0);
    setup.lite = lite0;
    setup.role = role0;
    world_make(&world, 0, &setup);
    setup = world_setup(&world, 1);
    setup.lite = lite1;
    setup.role = role1;
    world_make(&world, 1, &setup);
    world_add_socket(&world, 0, "192.0.2.1:1000", 100);
    world_add_socket(&world, 1, "192.0.2.2:2000", 100);
}

static void introduce(bool lite0, bool lite1)
{
    world_tell_credentials(&world, 0, lite0);
    world_tell_candidates(&world, 0);
    world_tell_credentials(&world, 1, lite1);
    world_tell_candidates(&world, 1);
}

static void assert_selected(int side, const char *local, const char *remote)
{
    struct ice_pair_report report;
    char text[ADDRESS_TEXT_SIZE];
    assert_true(ice_selected(world.sides[side].agent, &report));
    assert_string_equal(local, address_format(&report.local.address, text));
    assert_string_equal(remote, address_format(&report.remote.address, text));
}

static void full_meets_full(void **state)
{
    (void)state;
    world_pair(&world);
    struct monotime begin = world.now;
    world_tell(&world, 0);
    world_tell(&world, 1);
    connect_both(1000);
    /* Both began at once: a round trip. */
    assert_int_equal(20, monotime_difference_us(world.now, begin) / MONOTIME_MILLISECOND);
    world_assert_data(&world);
    assert_true(world_run_until(&world, 0, ICE_SELECTED, 1, 1000));
    assert_true(world_run_until(&world, 1, ICE_SELECTED, 1, 1000));
    assert_true(world_last(&world, 0, ICE_SELECTED)->pair.nominated);
    assert_true(world_last(&world, 1, ICE_SELECTED)->pair.nominated);
    assert_selected(0, "192.0.2.1:1000", "192.0.2.2:2000");
    assert_selected(1, "192.0.2.2:2000", "192.0.2.1:1000");
    world_assert_data(&world);
    assert_true(world_last(&world, 0, ICE_CONNECTED)->pair.rtt_us == 20000);
    world_free(&world);
}

static void quiet_after_connecting(void **state)
{
    (void)state;
    world_pair(&world);
    world_tell(&world, 0);
    world_tell(&world, 1);
    connect_both(1000);
    world_run_ms(&world, 1000);
    unsigned before = world.sent[0] + world.sent[1];
    world_run_ms(&world, 60000);
    unsigned sent = world.sent[0] + world.sent[1] - before;
    /* A consent check and its answer each 4 to 6 s, both ways. */
    assert_in_range(sent, 40, 64);
    assert_int_equal(0, world_count(&world, 0, ICE_DISCONNECTED));
    assert_int_equal(0, world_count(&world, 1, ICE_DISCONNECTED));
    world_free(&world);
}

static void full_meets_lite(void **state)
{
    (void)state;
    for (int lite = 0; lite < 2; lite++) {
        /* Whichever began: the full one is controlling. */
        make_pair(lite == 0, lite == 1, ICE_CONTROLLING, ICE_CONTROLLED);
        introduce(lite == 0, lite == 1);
        connect_both(1000);
        assert_int_equal(ICE_CONTROLLED, ice_agent_role(world.sides[lite].agent));
        assert_int_equal(ICE_CONTROLLING, ice_agent_role(world.sides[1 - lite].agent));
        assert_int_equal(lite == 0 ? 1 : 0, world_count(&world, 0, ICE_ROLE_CHANGED));
        assert_true(world_last(&world, lite, ICE_CONNECTED)->pair.nominated);
        world_assert_data(&world);
        assert_int_equal(0, ice_agent_counters(world.sides[lite].agent)->checks_sent);
        world_run_ms(&world, 60000);
        assert_int_equal(0, world_count(&world, lite, ICE_FAILED));
        assert_int_equal(0, world_count(&world, lite, ICE_DISCONNECTED));
        world_free(&world);
    }
}

static void lite_meets_lite(void **state)
{
    (void)state;
    make_pair(true, true, ICE_CONTROLLING, ICE_CONTROLLED);
    world_add_socket(&world, 0, "198.51.100.1:1001", 200);
    world_add_socket(&world, 1, "198.51.100.2:2001", 50);
    introduce(true, true);
    connect_both(10);
    struct ice_pair_report a, b;
    assert_true(ice_selected(world.sides[0].agent, &a));
    assert_true(ice_selected(world.sides[1].agent, &b));
    assert_true(address_equal(&a.local.address, &b.remote.address));
    assert_true(address_equal(&a.remote.address, &b.local.address));
    world_assert_data(&world);
    world_run_ms(&world, 100000);
    world_assert_data(&world);
    assert_int_equal(0, world_count(&world, 0, ICE_FAILED));
    world_free(&world);
}

static void roles_in_conflict(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        for (uint64_t seed = 1; seed < 20; seed++) {
            make_pair(false, false, (enum ice_role)role, (enum ice_role)role);
            world.seed = seed;
            world_tell(&world, 0);
            world_run_ms(&world, (int64_t)seed % 3 * 7);
            world_tell(&world, 1);
            connect_both(2000);
            world_run_ms(&world, 500);
            assert_int_not_equal(ice_agent_role(world.sides[0].agent),
                                 ice_agent_role(world.sides[1].agent));
            world_assert_data(&world);
            assert_true(world_last(&world, 0, ICE_SELECTED)->pair.nominated);
            assert_true(world_last(&world, 1, ICE_SELECTED)->pair.nominated);
            world_free(&world);
        }
    }
}

static void checks_before_the_answer(void **state)
{
    (void)state;
    world_pair(&world);
    /* Side 1 knows side 0, which has not got the answer yet: it answers checks nevertheless. */
    world_tell(&world, 0);
    assert_true(world_run_until(&world, 1, ICE_CONNECTED, 1, 200));
    assert_int_equal(0, world_count(&world, 0, ICE_CONNECTED));
    /* What the peer sends by then is taken, it has proved to know our password. */
    assert_int_equal(0, world_send(&world, 1, "early"));
    world_run_ms(&world, 20);
    assert_string_equal("early", world.sides[0].last_data);
    world_run_ms(&world, 100);
    struct monotime answer = world.now;
    world_tell_credentials(&world, 1, false); /* no candidates at all: peer-reflexive */
    assert_true(world_run_until(&world, 0, ICE_CONNECTED, 1, 200));
    assert_int_equal(20, monotime_difference_us(world.now, answer) / MONOTIME_MILLISECOND);
    assert_int_equal(ICE_PEER_REFLEXIVE, world_last(&world, 0, ICE_CONNECTED)->pair.remote.type);
    world_assert_data(&world);
    /* The candidate comes after all: the pair stays, and gets its name. */
    world_tell_candidates(&world, 1);
    world_run_ms(&world, 500);
    struct ice_pair_report report;
    assert_true(ice_selected(world.sides[0].agent, &report));
    assert_int_equal(ICE_HOST, report.remote.type);
    assert_int_equal(1, world_count(&world, 0, ICE_CONNECTED));
    world_free(&world);
}

static void peer_restarts(void **state)
{
    (void)state;
    world_pair(&world);
    world_tell(&world, 0);
    world_tell(&world, 1);
    connect_both(1000);
    world_run_ms(&world, 500);
    for (int i = 0; i < 2; i++) {
        world.sides[i].candidate_count = 0;
        assert_int_equal(
            0, ice_agent_restart(world.sides[i].agent, world.now, &world.sides[i].outbox));
        world_settle(&world, i);
        assert_int_equal(1, world.sides[i].candidate_count);
        assert_string_equal(ice_local_ufrag(world.sides[i].agent),
                            world.sides[i].candidates[0].ufrag);
        world_assert_data(&world); /* by the pair of before */
        world_run_ms(&world, 30);
    }
    world_tell(&world, 0);
    world_assert_data(&world);
    world_tell(&world, 1);
    world_assert_data(&world);
    world_run_ms(&world, 500);
    world_assert_data(&world);
    assert_true(world_last(&world, 0, ICE_SELECTED)->pair.nominated);
    assert_int_equal(1, world_count(&world, 0, ICE_CONNECTED));
    world_run_ms(&world, 60000);
    world_assert_data(&world);
    assert_int_equal(0, world_count(&world, 0, ICE_DISCONNECTED));
    assert_int_equal(0, world_count(&world, 1, ICE_FAILED));
    world_free(&world);
}

static void restart_that_leads_nowhere(void **state)
{
    (void)state;
    world_pair(&world);
    world_tell(&world, 0);
    world_tell(&world, 1);
    connect_both(1000);
    world_run_ms(&world, 500);
    ice_agent_restart(world.sides[0].agent, world.now, &world.sides[0].outbox);
    assert_int_equal(0, ice_remote_credentials(world.sides[0].agent, world.now, "nobody",
                                               "there is nobody of this", false,
                                               &world.sides[0].outbox));
    world_settle(&world, 0);
    world_run_ms(&world, 29000);
    assert_int_equal(0, world_send(&world, 0, "still"));
    assert_int_equal(0, world_count(&world, 0, ICE_FAILED));
    world_run_ms(&world, 20000);
    assert_int_equal(1, world_count(&world, 0, ICE_DISCONNECTED));
    assert_int_equal(1, world_count(&world, 0, ICE_FAILED));
    world_free(&world);
}

static bool drop_all(struct small_world *in, struct world_packet *packet)
{
    (void)in;
    (void)packet;
    return false;
}

static void restart_gives_no_consent(void **state)
{
    (void)state;
    world_pair(&world);
    world_tell(&world, 0);
    world_tell(&world, 1);
    connect_both(1000);
    world_run_ms(&world, 500);
    world.route = drop_all;
    world_run_ms(&world, 20000);
    ice_agent_restart(world.sides[0].agent, world.now, &world.sides[0].outbox);
    world_settle(&world, 0);
    world_run_ms(&world, 8000);
    assert_int_equal(0, world_send(&world, 0, "still"));
    world_run_ms(&world, 4000); /* over 30 s since the last answer (RFC 7675 section 5.1) */
    assert_int_equal(-ENOTCONN, world_send(&world, 0, "no more"));
    world.route = NULL;
    world_free(&world);
}

static void patience_without_candidates(void **state)
{
    (void)state;
    world_pair(&world);
    world_tell_credentials(&world, 1, false);
    ice_remote_end_of_candidates(world.sides[0].agent, world.now);
    world_run_ms(&world, 39400);
    assert_int_equal(0, world_count(&world, 0, ICE_FAILED));
    world_run_ms(&world, 200);
    assert_int_equal(1, world_count(&world, 0, ICE_FAILED));
    /* A check of the peer brings it back. */
    world_tell(&world, 0);
    assert_true(world_run_until(&world, 0, ICE_CONNECTED, 1, 1000));
    world_assert_data(&world);
    world_free(&world);
}

static void patience_with_dead_candidates(void **state)
{
    (void)state;
    world_pair(&world);
    world.route = drop_all;
    world_tell(&world, 0);
    world_tell(&world, 1);
    world_run_ms(&world, 30000);
    world.route = NULL; /* a firewall that opens late: checks are still tried */
    assert_true(world_run_until(&world, 0, ICE_CONNECTED, 1, 4000));
    world_free(&world);

    world_pair(&world);
    world.route = drop_all;
    world_tell(&world, 0);
    world_tell(&world, 1);
    world_run_ms(&world, 39400);
    assert_int_equal(0, world_count(&world, 0, ICE_FAILED));
    world_run_ms(&world, 10000);
    assert_int_equal(1, world_count(&world, 0, ICE_FAILED));
    assert_int_equal(1, world_count(&world, 0, ICE_TRACE_PAIR_FAILED));
    world_free(&world);
}

static void closing(void **state)
{
    (void)state;
    world_pair(&world);
    world_tell(&world, 0);
    world_tell(&world, 1);
    connect_both(1000);
    ice_agent_close(world.sides[0].agent, world.now, &world.sides[0].outbox);
    world_settle(&world, 0);
    assert_int_equal(1, world_count(&world, 0, ICE_CLOSED));
    unsigned before = world.sent[0];
    assert_int_equal(-ENOTCONN, world_send(&world, 0, "x"));
    world_run_ms(&world, 60000);
    assert_int_equal(before, world.sent[0]);
    assert_int_equal(1, world_count(&world, 1, ICE_DISCONNECTED));
    assert_int_equal(1, world_count(&world, 1, ICE_FAILED));
    world_free(&world);
}

static void one_dead_interface(void **state)
{
    (void)state;
    world_pair(&world);
    world_add_socket(&world, 0, "198.51.100.1:1001", 60000);
    world_add_socket(&world, 1, "198.51.100.2:2001", 60000);
    world.sides[0].down[1] = true; /* the better one */
    struct monotime begin = world.now;
    world_tell(&world, 0);
    world_tell(&world, 1);
    connect_both(1000);
    assert_true(monotime_difference_us(world.now, begin) <= 20 * MONOTIME_MILLISECOND);
    world_assert_data(&world);
    assert_true(world_run_until(&world, 1, ICE_SELECTED, 1, 400));
    /* The socket is reported lost as well: nothing changes. */
    ice_socket_lost(world.sides[0].agent, world.now, 1, &world.sides[0].outbox);
    world_settle(&world, 0);
    world_run_ms(&world, 1000);
    world_assert_data(&world);
    world_free(&world);
}

static void bad_words(void **state)
{
    (void)state;
    world_pair(&world);
    struct ice_agent *agent = world.sides[0].agent;
    struct outbox *outbox = &world.sides[0].outbox;
    char big[400];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_int_equal(-EINVAL, ice_remote_credentials(agent, world.now, "abc",
                                                     "0123456789012345678901", false, outbox));
    assert_int_equal(-EINVAL, ice_remote_credentials(agent, world.now, "abcd",
                                                     "012345678901234567890", false, outbox));
    assert_int_equal(-EINVAL, ice_remote_credentials(agent, world.now, big,
                                                     "0123456789012345678901", false, outbox));
    assert_int_equal(-EINVAL, ice_remote_credentials(agent, world.now, "abcd", big, false, outbox));
    static const char *const addresses[] = {
        "224.0.0.1:5", "255.255.255.255:5", "0.0.0.0:5", "[ff02::1]:5", "[::]:5", "192.0.2.9:0"};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        struct ice_candidate candidate = world.sides[1].candidates[0];
        candidate.address = test_address(addresses[i]);
        assert_int_equal(-EINVAL, ice_remote_candidate(agent, world.now, &candidate, outbox));
    }
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_meets_full),
        cmocka_unit_test(quiet_after_connecting),
        cmocka_unit_test(full_meets_lite),
        cmocka_unit_test(lite_meets_lite),
        cmocka_unit_test(roles_in_conflict),
        cmocka_unit_test(checks_before_the_answer),
        cmocka_unit_test(peer_restarts),
        cmocka_unit_test(restart_that_leads_nowhere),
        cmocka_unit_test(restart_gives_no_consent),
        cmocka_unit_test(patience_without_candidates),
        cmocka_unit_test(patience_with_dead_candidates),
        cmocka_unit_test(closing),
        cmocka_unit_test(one_dead_interface),
        cmocka_unit_test(bad_words),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
