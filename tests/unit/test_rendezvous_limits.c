/* SPDX-License-Identifier: BSD-3-Clause */
/* Bounds: pings, rates, queues, origins, the end of the server, and memory. */
#include "rendezvous_test.h"

static struct world world;
static uint64_t alice, bob;
static char id[SIGNAL_ID_MAX + 1];

static int set_up(void **state)
{
    (void)state;
    world_open(&world);
    alice = enter(&world, "alice");
    bob = enter(&world, "bob");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

/* ---- pings ----------------------------------------------------------------------------------- */

static void test_two_missed_pings(void **state)
{
    (void)state;
    call_up(&world, alice, "bob", bob, id);
    for (int i = 0; i < 3; i++) {
        pass(&world, 25);
        hears_text(&world, alice, "{\"type\":\"ping\"}");
        say(&world, alice, "{\"type\":\"pong\"}");
        if (i < 2) {
            hears(&world, bob, SIGNAL_PING);
            assert_false(world.clients[bob].closed);
        }
    }
    pass(&world, 1);
    hears_error(&world, bob, SIGNAL_TIMED_OUT);
    is_closed(&world, bob, SIGNAL_TIMED_OUT);
    hears(&world, alice, SIGNAL_BYE);
    assert_string_equal(world.message.end.reason, "gone");
    assert_int_equal(rendezvous_counters(world.rendezvous)->timed_out, 1);
    assert_int_equal(rendezvous_counters(world.rendezvous)->sessions_now, 1);
}

/* Whatever is heard is a sign of life, and nobody is pinged who speaks. */
static void test_no_ping_for_who_speaks(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        pass(&world, 20);
        say(&world, alice, "{\"type\":\"ping\"}");
        hears(&world, alice, SIGNAL_PONG);
        hears_nothing(&world, alice);
    }
    assert_true(world.clients[bob].closed);
}

static void test_idle_sessions_cost_only_pings(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        pass(&world, 25);
        hears(&world, alice, SIGNAL_PING);
        hears(&world, bob, SIGNAL_PING);
        hears_nothing(&world, alice);
        say(&world, alice, "{\"type\":\"pong\"}");
        say(&world, bob, "{\"type\":\"pong\"}");
    }
    assert_int_equal(rendezvous_counters(world.rendezvous)->sessions_now, 2);
}

/* ---- rates ----------------------------------------------------------------------------------- */

static void test_messages_of_an_account(void **state)
{
    (void)state;
    world.policy.messages_per_account = 2;
    pass(&world, 1);
    uint64_t phone = enter_as(&world, &(struct hello){.user = "alice", .name = "alice/phone"});
    for (int i = 0; i < 10; i++) {
        say(&world, i % 2 == 0 ? alice : phone, "{\"type\":\"ping\"}");
        hears(&world, i % 2 == 0 ? alice : phone, SIGNAL_PONG);
    }
    say(&world, phone, "{\"type\":\"ping\",\"rid\":\"x\"}");
    hears_error(&world, phone, SIGNAL_RATE_LIMITED);
    assert_string_equal(world.message.rid, "x");
    assert_int_equal(world.message.error.retry_after_s, 1);
    say(&world, alice, "not even JSON");
    hears_error(&world, alice, SIGNAL_RATE_LIMITED);
    say(&world, bob, "{\"type\":\"ping\"}");
    hears(&world, bob, SIGNAL_PONG);
    pass(&world, 1);
    say(&world, alice, "{\"type\":\"ping\"}");
    hears(&world, alice, SIGNAL_PONG);
}

static void test_calls_of_an_account(void **state)
{
    (void)state;
    world.policy.calls_per_account = 3;
    for (int i = 0; i < 3; i++) {
        call_up(&world, alice, "bob", bob, id);
        say_of(&world, alice, id, SIGNAL_BYE);
        hears(&world, bob, SIGNAL_BYE);
    }
    /* Nobody finds out by trying who is there. */
    say(&world, alice, "{\"type\":\"call\",\"to\":\"bob\"}");
    hears_error(&world, alice, SIGNAL_RATE_LIMITED);
    assert_int_equal(world.message.error.retry_after_s, 20);
    say(&world, alice, "{\"type\":\"call\",\"to\":\"nobody\"}");
    hears_error(&world, alice, SIGNAL_RATE_LIMITED);
    pass(&world, 20);
    call_up(&world, alice, "bob", bob, id);
}

/* Going and coming back does not help. */
static void test_rates_outlive_sessions(void **state)
{
    (void)state;
    world.policy.calls_per_account = 1;
    world.policy.resume_s = 0;
    call_up(&world, alice, "bob", bob, id);
    hang_up(&world, alice);
    hears(&world, bob, SIGNAL_BYE);
    alice = enter(&world, "alice");
    say(&world, alice, "{\"type\":\"call\",\"to\":\"bob\"}");
    hears_error(&world, alice, SIGNAL_RATE_LIMITED);
    hang_up(&world, alice);
    say(&world, bob, "{\"type\":\"ping\"}");
    pass(&world, 24);
    say(&world, bob, "{\"type\":\"ping\"}");
    pass(&world, 24);
    say(&world, bob, "{\"type\":\"ping\"}");
    pass(&world, 24);
    alice = enter(&world, "alice");
    for (int i = 0; i < 3; i++) {
        hears(&world, bob, SIGNAL_PONG);
    }
    call_up(&world, alice, "bob", bob, id);
}

static void test_hellos_of_a_source(void **state)
{
    (void)state;
    world.policy.hellos_per_source = 4;
    pass(&world, 2);
    for (int i = 0; i < 4; i++) {
        uint64_t client =
            try_hello(&world, "[2001:db8::1]:1", &(struct hello){.user = "alice", .password = "x"});
        hears_error(&world, client, SIGNAL_UNAUTHORIZED);
    }
    /* The same /64. */
    uint64_t client = try_hello(&world, "[2001:db8::ffff]:1", &(struct hello){.user = "carol"});
    hears_error(&world, client, SIGNAL_RATE_LIMITED);
    assert_int_equal(world.message.error.retry_after_s, 1);
    assert_true(world.clients[client].closed);
    enter(&world, "carol");
    pass(&world, 1);
    client = try_hello(&world, "[2001:db8::ffff]:1", &(struct hello){.user = "carol"});
    hears(&world, client, SIGNAL_REGISTERED);
}

static void test_calls_of_a_session(void **state)
{
    (void)state;
    world.policy.calls_per_session = 2;
    uint64_t carol = enter(&world, "carol");
    call_up(&world, alice, "bob", bob, id);
    call_up(&world, alice, "bob", bob, id);
    say(&world, alice, "{\"type\":\"call\",\"to\":\"carol\"}");
    hears_error(&world, alice, SIGNAL_BUSY);
    say(&world, carol, "{\"type\":\"call\",\"to\":\"bob\"}");
    hears_error(&world, carol, SIGNAL_BUSY);
    say_of(&world, alice, id, SIGNAL_BYE);
    hears(&world, bob, SIGNAL_BYE);
    call_up(&world, carol, "bob", bob, id);
}

/* ---- queues ---------------------------------------------------------------------------------- */

static void set_deaf(uint64_t client, bool deaf)
{
    rendezvous_set_writable(world.rendezvous, client, !deaf);
    world_drain(&world);
}

/* Says so many candidates of a kilobyte; returns how many were passed on. */
static int say_candidates(uint64_t client, int count)
{
    char candidate[1001];
    int taken = 0;

    memset(candidate, 'c', 1000);
    candidate[1000] = '\0';
    for (int i = 0; i < count; i++) {
        say_message(
            &world, client,
            &(struct signal_message){.type = SIGNAL_CANDIDATE,
                                     .rid = "k",
                                     .call = id,
                                     .candidate = {.candidate = candidate, .sdp_mline_index = -1}});
        taken +=
            hears(&world, client,
                  world.clients[client].inbox[world.clients[client].first][9] == 'o' ? SIGNAL_OK
                                                                                     : SIGNAL_ERROR)
                ->type == SIGNAL_OK;
        if (world.message.type == SIGNAL_ERROR) {
            assert_int_equal(world.message.error.code, SIGNAL_QUEUE_FULL);
        }
    }
    return taken;
}

static void test_who_does_not_read_is_not_hurt(void **state)
{
    (void)state;
    call_up(&world, alice, "bob", bob, id);
    set_deaf(bob, true);
    int taken = say_candidates(alice, 60);
    assert_in_range(taken, 25, 35); /* half of 65536 */
    hears_nothing(&world, bob);
    assert_false(world.clients[bob].closed);
    assert_int_equal(rendezvous_counters(world.rendezvous)->queue_full, 60 - taken);
    set_deaf(bob, false);
    for (int i = 0; i < taken; i++) {
        hears(&world, bob, SIGNAL_CANDIDATE);
    }
    hears_nothing(&world, bob);
    assert_int_equal(say_candidates(alice, 5), 5);
}

static void test_who_is_away_is_kept_as_much(void **state)
{
    char resume[SIGNAL_ID_MAX + 1];

    (void)state;
    snprintf(resume, sizeof resume, "%s", world.resume);
    call_up(&world, alice, "bob", bob, id);
    hang_up(&world, bob);
    int taken = say_candidates(alice, 60);
    assert_in_range(taken, 25, 35);
    bob = enter_as(&world, &(struct hello){.user = "bob", .resume = resume});
    for (int i = 0; i < taken; i++) {
        hears(&world, bob, SIGNAL_CANDIDATE);
    }
}

/* What was not sent yet moves to the new connection, in order. */
static void test_what_waits_moves_along(void **state)
{
    char resume[SIGNAL_ID_MAX + 1];

    (void)state;
    snprintf(resume, sizeof resume, "%s", world.resume);
    call_up(&world, alice, "bob", bob, id);
    set_deaf(bob, true);
    assert_int_equal(say_candidates(alice, 3), 3);
    say_of(&world, alice, id, SIGNAL_BYE);
    uint64_t back = enter_as(&world, &(struct hello){.user = "bob", .resume = resume});
    for (int i = 0; i < 3; i++) {
        hears(&world, back, SIGNAL_CANDIDATE);
    }
    hears(&world, back, SIGNAL_BYE);
    hears_error(&world, bob, SIGNAL_REPLACED);
}

/* Who asks and asks and reads no answer is cut off. */
static void test_who_asks_and_does_not_read(void **state)
{
    (void)state;
    world.policy.messages_per_account = 0;
    set_deaf(alice, true);
    char text[128];
    int said = 0;
    for (; said < 2000 && !world.clients[alice].closed; said++) {
        snprintf(text, sizeof text, "{\"type\":\"turn\",\"rid\":\"%060d\"}", said);
        rendezvous_input(world.rendezvous, world.now, alice, text, strlen(text));
        if (rendezvous_counters(world.rendezvous)->sessions_now == 1) {
            break;
        }
    }
    assert_in_range(said, 100, 300);
    struct rendezvous_output output;
    size_t bytes = 0;
    while (rendezvous_next_output(world.rendezvous, &output)) {
        assert_int_equal(output.connection, alice);
        bytes += output.type == RENDEZVOUS_SEND ? output.size : 0;
        if (output.type == RENDEZVOUS_CLOSE) {
            assert_int_equal(output.reason, SIGNAL_QUEUE_FULL);
        }
    }
    assert_in_range(bytes, 60000, 65536);
}

/* Each connection has its turn. */
static void test_output_is_fair(void **state)
{
    struct rendezvous_output output;

    (void)state;
    for (int i = 0; i < 3; i++) {
        rendezvous_input(world.rendezvous, world.now, alice, "{\"type\":\"ping\"}", 15);
    }
    rendezvous_input(world.rendezvous, world.now, bob, "{\"type\":\"ping\"}", 15);
    static const int order[] = {0, 1, 0, 0};
    for (size_t i = 0; i < 4; i++) {
        assert_true(rendezvous_next_output(world.rendezvous, &output));
        assert_int_equal(output.connection, order[i] == 0 ? alice : bob);
    }
    assert_false(rendezvous_next_output(world.rendezvous, &output));
}

/* ---- the door -------------------------------------------------------------------------------- */

static void test_origins(void **state)
{
    static const char *const origins[] = {"https://example.org", "null"};
    const struct rendezvous_connection evil = {.origin = "https://evil.example", .websocket = true};
    const struct rendezvous_connection good = {.origin = "https://example.org", .websocket = true};

    (void)state;
    assert_int_equal(connect_as(&world, good, "192.0.2.7:1"), 0);
    world.policy.origins = origins;
    world.policy.origin_count = 2;
    assert_int_equal(connect_as(&world, evil, "192.0.2.7:1"), 0);
    assert_true(connect_as(&world, good, "192.0.2.7:1") > 0);
    assert_true(rendezvous_origin_allowed(&world.policy, "null"));
    assert_false(rendezvous_origin_allowed(&world.policy, "https://example.org.evil.example"));
    assert_false(rendezvous_origin_allowed(&world.policy, "*"));
    assert_false(rendezvous_origin_allowed(&world.policy, ""));
    static const char *const any[] = {"*"};
    world.policy.origins = any;
    world.policy.origin_count = 1;
    assert_true(connect_as(&world, evil, "192.0.2.7:1") > 0);
}

static void test_shut_down(void **state)
{
    (void)state;
    uint64_t stranger = connect_from(&world, "192.0.2.7:9");
    rendezvous_shut_down(world.rendezvous, world.now);
    world_drain(&world);
    const uint64_t all[] = {alice, bob, stranger};
    for (size_t i = 0; i < 3; i++) {
        hears_error(&world, all[i], SIGNAL_SHUTTING_DOWN);
        assert_in_range(world.message.error.retry_after_s, 1, 10);
        is_closed(&world, all[i], SIGNAL_SHUTTING_DOWN);
    }
    assert_int_equal(connect_as(&world, (struct rendezvous_connection){0}, "192.0.2.7:1"), 0);
}

static void test_numbers_that_are_not_known(void **state)
{
    (void)state;
    hang_up(&world, alice);
    rendezvous_closed(world.rendezvous, world.now, alice);
    rendezvous_input(world.rendezvous, world.now, alice, "{}", 2);
    rendezvous_set_writable(world.rendezvous, alice, false);
    rendezvous_bad_input(world.rendezvous, world.now, 99, SIGNAL_TOO_LARGE);
    world_drain(&world);
}

static void test_credentials_for_web_back_ends(void **state)
{
    struct text_buffer out;
    char text[2048];
    struct stun_address local = test_address("192.0.2.9:8080");

    (void)state;
    text_buffer_init_fixed(&out, text, sizeof text);
    assert_true(rendezvous_put_credentials(world.rendezvous, world.now, "zoe", &local, &out));
    static const char start[] =
        "{\"iceServers\":[{\"urls\":[\"stun:192.0.2.9:3478\"]},{\"urls\":["
        "\"turn:192.0.2.9:3478?transport=udp\",\"turns:turn.example.org:5349?transport=tcp\"],"
        "\"username\":\"1700003600:zoe\",\"credential\":\"";
    assert_memory_equal(text, start, sizeof start - 1);
    assert_string_equal(text + strlen(text) - 16, "=\"}],\"ttl\":3600}");
    text_buffer_init_fixed(&out, text, sizeof text);
    assert_false(rendezvous_put_credentials(world.rendezvous, world.now, "", &local, &out));
    text_buffer_init_fixed(&out, text, 64);
    assert_false(rendezvous_put_credentials(world.rendezvous, world.now, "zoe", &local, &out));
}

static void test_events_are_bounded(void **state)
{
    struct rendezvous_event event;
    size_t count = 0;

    (void)state;
    for (int i = 0; i < 300; i++) {
        say(&world, alice, "{\"type\":\"call\",\"to\":\"nobody\"}");
        hears(&world, alice, SIGNAL_ERROR);
        world.policy.calls_per_account = 0;
        pass(&world, 1);
        while (world.clients[bob].count > 0) {
            hears(&world, bob, world.clients[bob].closed ? SIGNAL_ERROR : SIGNAL_PING);
        }
    }
    while (rendezvous_event(world.rendezvous, &event)) {
        count++;
    }
    assert_int_equal(count, 256);
    assert_int_equal(rendezvous_counters(world.rendezvous)->events_lost, 300 + 3 - 256);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_two_missed_pings),
        TEST(test_no_ping_for_who_speaks),
        TEST(test_idle_sessions_cost_only_pings),
        TEST(test_messages_of_an_account),
        TEST(test_calls_of_an_account),
        TEST(test_rates_outlive_sessions),
        TEST(test_hellos_of_a_source),
        TEST(test_calls_of_a_session),
        TEST(test_who_does_not_read_is_not_hurt),
        TEST(test_who_is_away_is_kept_as_much),
        TEST(test_what_waits_moves_along),
        TEST(test_who_asks_and_does_not_read),
        TEST(test_output_is_fair),
        TEST(test_origins),
        TEST(test_shut_down),
        TEST(test_numbers_that_are_not_known),
        TEST(test_credentials_for_web_back_ends),
        TEST(test_events_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
