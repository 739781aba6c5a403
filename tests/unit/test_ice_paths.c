/* SPDX-License-Identifier: BSD-3-Clause */
/* Which path is in use as time goes on: nomination, upgrade, consent, openers. */
#include "small_world.h"

#include "proto/ice/ice_internal.h"

#include <errno.h>
#include <stdio.h>

static struct small_world world;

static void connect_all(void)
{
    world_tell(&world, 0);
    world_tell(&world, 1);
    assert_true(world_run_until(&world, 0, ICE_CONNECTED, 1, 2000));
    assert_true(world_run_until(&world, 1, ICE_CONNECTED, 1, 2000));
}

/* ---- nomination ------------------------------------------------------------------------------ */

/* Two paths; the better one, by 198.51.100.0/24, as `better` says. */
static struct monotime better_from;

static bool better_opens_late(struct small_world *in, struct world_packet *packet)
{
    bool better = packet->to.ip[0] == 198;
    return !better || monotime_reached(in->now, better_from);
}

static void two_paths(bool (*route)(struct small_world *, struct world_packet *))
{
    world_pair(&world);
    world_add_socket(&world, 0, "198.51.100.1:1001", 60000);
    world_add_socket(&world, 1, "198.51.100.2:2001", 60000);
    world.route = route;
}

static unsigned paths_in_use(void)
{
    struct ice_pair_report a, b;
    if (!ice_selected(world.sides[0].agent, &a) || !ice_selected(world.sides[1].agent, &b)) {
        return 0;
    }
    assert_true(address_equal(&a.local.address, &b.remote.address));
    assert_true(address_equal(&a.remote.address, &b.local.address));
    return a.local.address.ip[0];
}

static bool mixed_is_dropped(struct small_world *in, struct world_packet *packet)
{
    (void)in;
    return packet->from.ip[0] == packet->to.ip[0];
}

static void best_pair_is_nominated_once(void **state)
{
    (void)state;
    two_paths(mixed_is_dropped);
    connect_all();
    world_run_ms(&world, 1000);
    assert_int_equal(198, paths_in_use());
    for (int i = 0; i < 2; i++) {
        unsigned nominated = 0;
        for (size_t k = 0; k < ICE_PAIRS_MAX; k++) {
            nominated += world.sides[i].agent->pairs[k].nominated;
        }
        assert_int_equal(1, nominated);
    }
    world_assert_data(&world);
    world_free(&world);
}

static bool late_and_not_mixed(struct small_world *in, struct world_packet *packet)
{
    return mixed_is_dropped(in, packet) && better_opens_late(in, packet);
}

static void upgrade_loses_nothing(void **state)
{
    (void)state;
    two_paths(late_and_not_mixed);
    better_from = at_ms(3000);
    connect_all();
    world_run_ms(&world, 500);
    assert_int_equal(192, paths_in_use());
    for (int i = 0; i < 40; i++) {
        world_assert_data(&world);
        world_run_ms(&world, 100);
    }
    assert_int_equal(198, paths_in_use());
    assert_true(world_last(&world, 0, ICE_SELECTED)->pair.nominated);
    assert_int_equal(1, world_count(&world, 0, ICE_CONNECTED));
    world_free(&world);
}

static void no_upgrade_after_its_time(void **state)
{
    (void)state;
    two_paths(late_and_not_mixed);
    better_from = at_ms(40000);
    connect_all();
    world_run_ms(&world, 60000);
    assert_int_equal(192, paths_in_use());
    world_assert_data(&world);
    world_free(&world);
}

/* A peer of the test's own that is side 1's agent made to nominate with every check. */
static void aggressive_nominator(void **state)
{
    (void)state;
    two_paths(mixed_is_dropped);
    struct ice_agent *agent = world.sides[1].agent;
    world_tell(&world, 0);
    world_tell(&world, 1);
    /* As soon as a pair exists it is marked as nominating, on the controlling side. */
    for (int i = 0; i < 30; i++) {
        for (size_t k = 0; k < ICE_PAIRS_MAX; k++) {
            world.sides[0].agent->pairs[k].nominate = true;
        }
        world_run_ms(&world, 10);
    }
    assert_int_equal(198, paths_in_use());
    assert_true(agent->pairs[agent->selected].nominated);
    world_assert_data(&world);
    world_free(&world);
}

/* The controlling side thinks better of it, though the better path works. */
static void repeated_nomination(void **state)
{
    (void)state;
    two_paths(mixed_is_dropped);
    connect_all();
    world_run_ms(&world, 5000);
    assert_int_equal(198, paths_in_use());
    struct ice_agent *agent = world.sides[0].agent;
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (pair->valid && !pair->nominated) {
            pair->nominate = true;
            ice_checklist_trigger(agent, world.now, pair);
        }
    }
    world_run_ms(&world, 1000);
    struct ice_pair_report report;
    assert_true(ice_selected(world.sides[1].agent, &report));
    assert_int_equal(192, report.local.address.ip[0]);
    assert_true(report.nominated);
    world_assert_data(&world);
    world_free(&world);
}

static bool only_worse(struct small_world *in, struct world_packet *packet)
{
    (void)in;
    return packet->to.ip[0] == 192 && packet->from.ip[0] == 192;
}

/* The better path dies in mid-call: the spare one takes over, and is nominated again. */
static void falls_back_to_the_spare(void **state)
{
    (void)state;
    two_paths(mixed_is_dropped);
    connect_all();
    world_run_ms(&world, 20000);
    assert_int_equal(198, paths_in_use());
    world.route = only_worse;
    world_run_ms(&world, 12000);
    assert_int_equal(192, paths_in_use());
    world_assert_data(&world);
    world_run_ms(&world, 60000);
    world_assert_data(&world);
    assert_int_equal(0, world_count(&world, 0, ICE_FAILED));
    assert_int_equal(0, world_count(&world, 1, ICE_FAILED));
    world_free(&world);
}

/* With data on their way it is noticed sooner. */
static void falls_back_quickly_when_it_sends(void **state)
{
    (void)state;
    two_paths(mixed_is_dropped);
    connect_all();
    world_run_ms(&world, 20000);
    world_assert_data(&world);
    world.route = only_worse;
    for (int i = 0; i < 100; i++) {
        world_send(&world, 0, "a");
        world_send(&world, 1, "b");
        world_run_ms(&world, 50);
    }
    assert_int_equal(192, paths_in_use());
    world_assert_data(&world);
    /* And back to nothing but what works, for good. */
    unsigned changes = world_count(&world, 0, ICE_SELECTED);
    world_run_ms(&world, 60000);
    assert_int_equal(192, paths_in_use());
    assert_in_range(world_count(&world, 0, ICE_SELECTED), changes, changes + 1);
    world_assert_data(&world);
    assert_int_equal(0, world_count(&world, 0, ICE_DISCONNECTED));
    world_free(&world);
}

/* The only socket that works is lost while another, dead till then, comes to life. */
static void socket_lost_and_another_found(void **state)
{
    (void)state;
    two_paths(late_and_not_mixed);
    better_from = at_ms(1000000);
    connect_all();
    world_run_ms(&world, 60000);
    assert_int_equal(192, paths_in_use());
    better_from = world.now;
    ice_socket_lost(world.sides[0].agent, world.now, 0, &world.sides[0].outbox);
    world_settle(&world, 0);
    assert_true(world_run_until(&world, 0, ICE_DISCONNECTED, 1, 100));
    assert_true(world_run_until(&world, 0, ICE_CONNECTED, 2, 1000));
    world_run_ms(&world, 10000);
    assert_int_equal(198, paths_in_use());
    world_assert_data(&world);
    world_free(&world);
}

static void socket_lost_and_no_other(void **state)
{
    (void)state;
    world_pair(&world);
    connect_all();
    ice_socket_lost(world.sides[0].agent, world.now, 0, &world.sides[0].outbox);
    world_settle(&world, 0);
    assert_true(world_run_until(&world, 0, ICE_DISCONNECTED, 1, 100));
    assert_int_equal(-ENOTCONN, world_send(&world, 0, "x"));
    assert_true(world_run_until(&world, 0, ICE_FAILED, 1, 31000));
    assert_false(world_run_until(&world, 0, ICE_FAILED, 2, 100000));
    world_free(&world);
}

/* ---- consent --------------------------------------------------------------------------------- */

static bool nothing(struct small_world *in, struct world_packet *packet)
{
    (void)in;
    (void)packet;
    return false;
}

static void consent_expires(void **state)
{
    (void)state;
    world_pair(&world);
    connect_all();
    world_run_ms(&world, 20000);
    world.route = nothing;
    struct monotime cut = world.now;
    assert_true(world_run_until(&world, 0, ICE_DISCONNECTED, 1, 10000));
    assert_true(world_run_until(&world, 0, ICE_FAILED, 1, 40000));
    int64_t took = monotime_difference_us(world.now, cut);
    assert_in_range(took / MONOTIME_SECOND, 23, 31);
    assert_int_equal(-ENOTCONN, world_send(&world, 0, "x"));
    world_free(&world);
}

static void comes_back_before_consent_ends(void **state)
{
    (void)state;
    world_pair(&world);
    connect_all();
    world_run_ms(&world, 20000);
    world.route = nothing;
    world_run_ms(&world, 20000);
    assert_int_equal(1, world_count(&world, 0, ICE_DISCONNECTED));
    world.route = NULL;
    world_run_ms(&world, 5000);
    assert_int_equal(2, world_count(&world, 0, ICE_CONNECTED));
    assert_int_equal(2, world_count(&world, 1, ICE_CONNECTED));
    world_assert_data(&world);
    world_run_ms(&world, 60000);
    assert_int_equal(1, world_count(&world, 0, ICE_DISCONNECTED));
    world_free(&world);
}

static bool one_way_only(struct small_world *in, struct world_packet *packet)
{
    (void)in;
    return packet->sender == 1;
}

/* Hearing somebody is no consent: only an answer is (RFC 7675 §5.1). */
static void hearing_is_no_consent(void **state)
{
    (void)state;
    world_pair(&world);
    connect_all();
    world_run_ms(&world, 1000);
    world.route = one_way_only;
    for (int i = 0; i < 35; i++) {
        world_send(&world, 1, "media");
        world_run_ms(&world, 1000);
    }
    assert_int_equal(1, world_count(&world, 0, ICE_FAILED));
    world_free(&world);
}

static void survives_a_third_of_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        world_pair(&world);
        world.seed = seed;
        world.loss_percent = 30;
        world_tell(&world, 0);
        world_tell(&world, 1);
        assert_true(world_run_until(&world, 0, ICE_CONNECTED, 1, 8000));
        assert_true(world_run_until(&world, 1, ICE_CONNECTED, 1, 8000));
        world_run_ms(&world, 300000);
        assert_int_equal(0, world_count(&world, 0, ICE_FAILED));
        assert_int_equal(0, world_count(&world, 1, ICE_FAILED));
        world_free(&world);
    }
}

static void port_unreachable_makes_it_look(void **state)
{
    (void)state;
    two_paths(mixed_is_dropped);
    connect_all();
    world_run_ms(&world, 2000);
    struct stun_address peer = test_address("198.51.100.2:2001");
    unsigned before = world.sent[0];
    ice_unreachable(world.sides[0].agent, world.now, 1, &peer, &world.sides[0].outbox);
    world_settle(&world, 0);
    assert_true(world.sent[0] > before);
    world_run_ms(&world, 20000);
    assert_int_equal(0, world_count(&world, 0, ICE_DISCONNECTED));
    assert_int_equal(198, paths_in_use());
    world_free(&world);
}

/* ---- openers --------------------------------------------------------------------------------- */

/*
 * Two of Linux's masquerading routers, `between` routers between them: a port is kept unless the
 * peer's packet came first and took the tuple.
 */
struct router {
    struct stun_address inside, outside;
    bool sent, poisoned;
    unsigned openers, full;
};
static struct router routers[2];
static unsigned between;

static bool masquerade(struct small_world *in, struct world_packet *packet)
{
    (void)in;
    struct router *ours = &routers[packet->sender], *theirs = &routers[1 - packet->sender];
    if (packet->to.ip[0] != 203) {
        return false;
    }
    ours->openers += packet->hops != 0;
    ours->full += packet->hops == 0;
    packet->from = ours->outside;
    if (ours->poisoned) {
        packet->from.port = (uint16_t)(packet->from.port + 1000);
    }
    ours->sent = true;
    if (packet->hops != 0 && packet->hops < between + 2) {
        return false; /* died on the way */
    }
    if (packet->to.port != theirs->outside.port) {
        return false;
    }
    if (!theirs->sent || theirs->poisoned || packet->from.port != ours->outside.port) {
        theirs->poisoned = theirs->poisoned || !theirs->sent;
        return false;
    }
    packet->to = theirs->inside;
    return true;
}

static void behind_masquerade(unsigned routers_between)
{
    world_init(&world);
    memset(routers, 0, sizeof routers);
    between = routers_between;
    world.route = masquerade;
    world.delay_us = 30 * MONOTIME_MILLISECOND;
    for (int i = 0; i < 2; i++) {
        struct ice_setup setup = world_setup(&world, i);
        world_make(&world, i, &setup);
        world_add_socket(&world, i, i == 0 ? "10.0.0.1:1414" : "10.1.0.1:2828", 100);
        routers[i].inside = world.sides[i].sockets[0];
        routers[i].outside = test_address(i == 0 ? "203.0.113.1:1414" : "203.0.113.2:2828");
        const struct ice_local_source source = {
            .type = ICE_SERVER_REFLEXIVE,
            .address = routers[i].outside,
            .related = routers[i].inside,
            .server = test_address("198.51.100.1:3478"),
        };
        ice_local_add(world.sides[i].agent, world.now, 0, &source, &world.sides[i].outbox);
        world_settle(&world, i);
    }
    world_run_ms(&world, 5);
}

/* Offer and answer by way of a server: Bob (1) knows Alice first. */
static void call(int64_t server_ms)
{
    world_tell(&world, 0);
    world_run_ms(&world, server_ms);
    world_tell(&world, 1);
}

static void opens_without_being_heard(void **state)
{
    (void)state;
    static const int64_t server_ms[] = {1, 40, 150, 300};
    for (unsigned routers_between = 1; routers_between < 4; routers_between++) {
        for (size_t i = 0; i < sizeof server_ms / sizeof server_ms[0]; i++) {
            behind_masquerade(routers_between);
            struct monotime begin = world.now;
            call(server_ms[i]);
            assert_true(world_run_until(&world, 0, ICE_CONNECTED, 1, 3000));
            assert_true(world_run_until(&world, 1, ICE_CONNECTED, 1, 3000));
            assert_false(routers[0].poisoned || routers[1].poisoned);
            assert_int_equal(1, routers[1].openers);
            assert_int_equal(0, routers[0].openers);
            assert_true(monotime_difference_us(world.now, begin) <=
                        (server_ms[i] + 90) * MONOTIME_MILLISECOND);
            world_assert_data(&world);
            assert_int_equal(2, world_last(&world, 1, ICE_TRACE_OPENER)->hops);
            world_free(&world);
        }
    }
}

/* Seven more interfaces on each side, none of which leads anywhere: the good pair is not the last.
 */
static void many_interfaces(void **state)
{
    (void)state;
    behind_masquerade(2);
    for (int side = 0; side < 2; side++) {
        for (unsigned i = 0; i < WORLD_SOCKETS - 1; i++) {
            char text[32];
            snprintf(text, sizeof text, "172.16.%u.%d:1000", i, side + 1);
            world_add_socket(&world, side, text, (uint16_t)(800 + 8 * i));
        }
    }
    world_run_ms(&world, 5);
    struct monotime begin = world.now;
    call(40);
    assert_true(world_run_until(&world, 0, ICE_CONNECTED, 1, 3000));
    assert_true(world_run_until(&world, 1, ICE_CONNECTED, 1, 3000));
    assert_true(monotime_difference_us(world.now, begin) <= (40 + 90) * MONOTIME_MILLISECOND);
    world_free(&world);
}

/* The control: without openers the hole is in the wrong place. */
static void poisoned_without_openers(void **state)
{
    (void)state;
    behind_masquerade(2);
    ice_agent_free(world.sides[1].agent);
    struct ice_setup setup = world_setup(&world, 1);
    setup.opener_hops = 255;
    world_make(&world, 1, &setup);
    world.sides[1].socket_count = 0;
    world.sides[1].candidate_count = 0;
    world_add_socket(&world, 1, "10.1.0.1:2828", 100);
    world.sides[1].candidates[world.sides[1].candidate_count] = world.sides[1].candidates[0];
    world.sides[1].candidates[1].type = ICE_SERVER_REFLEXIVE;
    world.sides[1].candidates[1].address = routers[1].outside;
    world.sides[1].candidate_count = 2;
    call(100);
    world_run_ms(&world, 5000);
    assert_true(routers[0].poisoned);
    assert_int_equal(0, world_count(&world, 0, ICE_CONNECTED));
    world_free(&world);
}

/* Nobody has said that the other knows: both take themselves for the first, and end it. */
static void both_think_they_are_first(void **state)
{
    (void)state;
    behind_masquerade(20);
    world.sides[0].agent->bases[0].reflexive_pending = true;
    call(1);
    struct monotime begin = world.now;
    assert_true(world_run_until(&world, 0, ICE_CONNECTED, 1, 3000));
    assert_in_range(routers[0].openers, 1, 4);
    assert_in_range(routers[1].openers, 1, 4);
    assert_true(monotime_difference_us(world.now, begin) <= 900 * MONOTIME_MILLISECOND);
    world_free(&world);
}

/* Other candidates that are found meanwhile are no reason to open again, with more hops. */
static void one_opener_while_the_address_is_awaited(void **state)
{
    (void)state;
    behind_masquerade(2);
    world.sides[0].agent->bases[0].reflexive_pending = true;
    call(1);
    assert_int_equal(1, routers[0].openers);
    for (int i = 0; i < 3; i++) {
        const struct ice_local_source source = {
            .type = ICE_SERVER_REFLEXIVE,
            .address = test_address("203.0.113.9:1414"),
            .related = routers[0].inside,
            .server = test_address("198.51.100.1:3478"),
        };
        struct ice_local_source another = source;
        another.address.port = (uint16_t)(2000 + i);
        ice_local_add(world.sides[0].agent, world.now, 0, &another, &world.sides[0].outbox);
        ice_remote_informed(world.sides[0].agent, world.now, &world.sides[0].outbox);
        world_settle(&world, 0);
        world_run_ms(&world, 1);
    }
    assert_int_equal(1, routers[0].openers);
    world_free(&world);
}

static void informed_agent_speaks_out(void **state)
{
    (void)state;
    behind_masquerade(20);
    world_tell(&world, 0);
    world_run_ms(&world, 20);
    assert_int_equal(1, routers[1].openers);
    assert_int_equal(0, routers[1].full);
    ice_remote_informed(world.sides[1].agent, world.now, &world.sides[1].outbox);
    world_settle(&world, 1);
    assert_int_equal(1, routers[1].full);
    world_free(&world);
}

/*
 * Alice's NAT has one port for all, which is not her socket's, and lets in whom she has sent to;
 * Bob's takes another port for her than for the server, so that she can only wait for his check.
 */
static bool unpredictable(struct small_world *in, struct world_packet *packet)
{
    (void)in;
    if (packet->to.ip[0] != 203) {
        return false;
    }
    routers[packet->sender].full += packet->hops == 0;
    routers[packet->sender].openers += packet->hops != 0;
    packet->from = routers[packet->sender].outside;
    if (packet->sender == 0) {
        routers[0].sent = true;
        packet->to = routers[1].inside;
        return routers[1].poisoned; /* she knows his port by now */
    }
    packet->from.port++;
    routers[1].poisoned = routers[0].sent;
    packet->to = routers[0].inside;
    return routers[0].sent;
}

static void behind_unpredictable(void)
{
    behind_masquerade(2);
    world.route = unpredictable;
    routers[0].outside.port = 5000;
    world.sides[0].candidates[1].address.port = 5000;
}

static void answerer_knocks_until_it_is_let_in(void **state)
{
    (void)state;
    for (int64_t server_ms = 20; server_ms <= 260; server_ms += 60) {
        behind_unpredictable();
        struct monotime begin = world.now;
        call(server_ms);
        assert_true(world_run_until(&world, 1, ICE_CONNECTED, 1, 3000));
        assert_true(monotime_difference_us(world.now, begin) <=
                    (server_ms + 60 + 30) * MONOTIME_MILLISECOND);
        assert_int_equal(0, routers[1].openers);
        world_free(&world);
    }
}

static void expected_peer_is_asked_once_more(void **state)
{
    (void)state;
    behind_unpredictable();
    world_tell(&world, 0);
    world_run_ms(&world, 1000); /* it has given up to hurry */
    unsigned before = routers[1].full;
    assert_in_range(before, 13, 15);
    ice_remote_expected(world.sides[1].agent, world.now, &world.sides[1].outbox);
    world_settle(&world, 1);
    world_run_ms(&world, 12);
    assert_int_equal(before + 1, routers[1].full);
    world_free(&world);
}

static unsigned limited;

static bool count_limited(struct small_world *in, struct world_packet *packet)
{
    (void)in;
    limited += packet->hops != 0;
    return true;
}

/* On one LAN, and where a firewall does not translate, nobody needs them. */
static void no_openers_to_host_candidates(void **state)
{
    (void)state;
    world_pair(&world);
    limited = 0;
    world.route = count_limited;
    struct monotime begin = world.now;
    world_tell(&world, 0);
    world_run_ms(&world, 5);
    world_tell(&world, 1);
    assert_true(world_run_until(&world, 0, ICE_CONNECTED, 1, 1000));
    assert_int_equal(0, limited);
    assert_true(monotime_difference_us(world.now, begin) <= 25 * MONOTIME_MILLISECOND);
    /* The story still says that Bob's first check was one that opens. */
    assert_int_equal(1, world_count(&world, 1, ICE_TRACE_OPENER));
    assert_int_equal(0, world_last(&world, 1, ICE_TRACE_OPENER)->hops);
    world_free(&world);
}

static bool stateful_firewalls(struct small_world *in, struct world_packet *packet)
{
    bool *sent = in->context;
    sent[packet->sender] = true;
    return sent[1 - packet->sender];
}

/* The article's case: Bob's check is what Alice's firewall discards, hers goes through the hole. */
static void holes_in_two_firewalls(void **state)
{
    (void)state;
    bool sent[2] = {false, false};
    world_pair(&world);
    world.route = stateful_firewalls;
    world.context = sent;
    world_tell(&world, 0); /* Bob knows Alice */
    assert_int_equal(1, world.sent[1]);
    assert_int_equal(0, world.packet_count);
    world_run_ms(&world, 50);
    world_tell(&world, 1);
    struct monotime begin = world.now;
    assert_true(world_run_until(&world, 0, ICE_CONNECTED, 1, 1000));
    assert_int_equal(20, monotime_difference_us(world.now, begin) / MONOTIME_MILLISECOND);
    assert_true(world_run_until(&world, 1, ICE_CONNECTED, 1, 1000));
    assert_int_equal(30, monotime_difference_us(world.now, begin) / MONOTIME_MILLISECOND);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_pair_is_nominated_once),
        cmocka_unit_test(upgrade_loses_nothing),
        cmocka_unit_test(no_upgrade_after_its_time),
        cmocka_unit_test(aggressive_nominator),
        cmocka_unit_test(repeated_nomination),
        cmocka_unit_test(falls_back_to_the_spare),
        cmocka_unit_test(falls_back_quickly_when_it_sends),
        cmocka_unit_test(socket_lost_and_another_found),
        cmocka_unit_test(socket_lost_and_no_other),
        cmocka_unit_test(consent_expires),
        cmocka_unit_test(comes_back_before_consent_ends),
        cmocka_unit_test(hearing_is_no_consent),
        cmocka_unit_test(survives_a_third_of_loss),
        cmocka_unit_test(port_unreachable_makes_it_look),
        cmocka_unit_test(opens_without_being_heard),
        cmocka_unit_test(many_interfaces),
        cmocka_unit_test(poisoned_without_openers),
        cmocka_unit_test(both_think_they_are_first),
        cmocka_unit_test(one_opener_while_the_address_is_awaited),
        cmocka_unit_test(informed_agent_speaks_out),
        cmocka_unit_test(answerer_knocks_until_it_is_let_in),
        cmocka_unit_test(expected_peer_is_asked_once_more),
        cmocka_unit_test(no_openers_to_host_candidates),
        cmocka_unit_test(holes_in_two_firewalls),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
