/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls: what each side says and the other hears, who may call whom, and how calls end. */
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

/* Says a message about the call; %s in the text is its id. */
static void say_in_call(uint64_t client, const char *format)
{
    char text[1024];
    const char *at = strstr(format, "%s");

    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - format), format, id, at + 2);
    say(&world, client, text);
}

static void hears_in_call(uint64_t client, const char *format)
{
    char text[1024];
    const char *at = strstr(format, "%s");

    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - format), format, id, at + 2);
    hears_text(&world, client, text);
}

static void calls_to(uint64_t client, const char *to)
{
    say_message(&world, client,
                &(struct signal_message){.type = SIGNAL_CALL, .rid = "c", .invite.to = to});
}

/* ---- one call -------------------------------------------------------------------------------- */

static void test_the_whole_way(void **state)
{
    (void)state;
    say(&world, alice,
        "{\"type\":\"call\",\"rid\":\"7\",\"to\":\"bob\",\"from\":\"carol\",\"description\":"
        "{\"type\":\"offer\",\"sdp\":\"v=0\\r\\n\",\"more\":1}}");
    snprintf(id, sizeof id, "%s", hears(&world, alice, SIGNAL_OK)->call);
    assert_string_equal(world.message.rid, "7");
    assert_int_equal(strlen(id), 22);
    hears_in_call(bob, "{\"type\":\"incoming\",\"call\":\"%s\",\"from\":\"alice\",\"description\":"
                       "{\"type\":\"offer\",\"sdp\":\"v=0\\r\\n\"}}");

    say_in_call(bob, "{\"type\":\"ringing\",\"call\":\"%s\"}");
    hears_nothing(&world, bob);
    hears_in_call(alice, "{\"type\":\"ringing\",\"call\":\"%s\"}");

    say_in_call(alice, "{\"type\":\"candidate\",\"call\":\"%s\",\"rid\":\"a\",\"candidate\":"
                       "{\"candidate\":\"candidate:1 1 udp 1 192.0.2.1 1 typ host\","
                       "\"sdpMid\":\"0\",\"sdpMLineIndex\":0,\"usernameFragment\":\"u\"}}");
    hears_text(&world, alice, "{\"type\":\"ok\",\"rid\":\"a\"}");
    hears_in_call(bob, "{\"type\":\"candidate\",\"call\":\"%s\",\"candidate\":"
                       "{\"candidate\":\"candidate:1 1 udp 1 192.0.2.1 1 typ host\","
                       "\"sdpMid\":\"0\",\"sdpMLineIndex\":0,\"usernameFragment\":\"u\"}}");
    say_in_call(alice,
                "{\"type\":\"candidate\",\"call\":\"%s\",\"candidate\":{\"candidate\":\"\"}}");
    hears_in_call(bob,
                  "{\"type\":\"candidate\",\"call\":\"%s\",\"candidate\":{\"candidate\":\"\"}}");

    say_in_call(bob, "{\"type\":\"accept\",\"call\":\"%s\",\"rid\":\"b\","
                     "\"description\":{\"type\":\"answer\",\"sdp\":\"w\"}}");
    hears_text(&world, bob, "{\"type\":\"ok\",\"rid\":\"b\"}");
    hears_in_call(alice, "{\"type\":\"accept\",\"call\":\"%s\","
                         "\"description\":{\"type\":\"answer\",\"sdp\":\"w\"}}");
    say_in_call(bob, "{\"type\":\"candidate\",\"call\":\"%s\",\"candidate\":null}");
    hears_in_call(alice, "{\"type\":\"candidate\",\"call\":\"%s\",\"candidate\":null}");
    say_in_call(bob, "{\"type\":\"description\",\"call\":\"%s\","
                     "\"description\":{\"type\":\"offer\",\"sdp\":\"again\"}}");
    hears_in_call(alice, "{\"type\":\"description\",\"call\":\"%s\","
                         "\"description\":{\"type\":\"offer\",\"sdp\":\"again\"}}");
    assert_int_equal(rendezvous_counters(world.rendezvous)->calls_now, 1);

    say_in_call(alice, "{\"type\":\"bye\",\"call\":\"%s\",\"reason\":\"done\",\"rid\":\"z\"}");
    hears_text(&world, alice, "{\"type\":\"ok\",\"rid\":\"z\"}");
    hears_in_call(bob, "{\"type\":\"bye\",\"call\":\"%s\",\"reason\":\"done\"}");
    assert_int_equal(rendezvous_counters(world.rendezvous)->calls_now, 0);
    say_in_call(bob, "{\"type\":\"bye\",\"call\":\"%s\"}");
    hears_error(&world, bob, SIGNAL_UNKNOWN_CALL);
    assert_string_equal(world.message.call, id);
}

static void test_events_of_a_call(void **state)
{
    static const enum rendezvous_event_type expected[] = {
        RENDEZVOUS_REGISTERED, RENDEZVOUS_REGISTERED, RENDEZVOUS_CALLED,
        RENDEZVOUS_ANSWERED,   RENDEZVOUS_REPORTED,   RENDEZVOUS_CALL_ENDED};
    struct rendezvous_event event;

    (void)state;
    call_up(&world, alice, "bob", bob, id);
    pass(&world, 3);
    say_of(&world, bob, id, SIGNAL_ACCEPT);
    say_in_call(bob, "{\"type\":\"report\",\"call\":\"%s\",\"path\":\"direct\",\"ms\":31.5}");
    say_of(&world, alice, id, SIGNAL_BYE);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_true(rendezvous_event(world.rendezvous, &event));
        assert_int_equal(event.type, expected[i]);
        if (event.type >= RENDEZVOUS_CALLED) {
            bool report = event.type == RENDEZVOUS_REPORTED;
            assert_string_equal(event.name, report ? "bob" : "alice");
            assert_string_equal(event.peer, report ? "alice" : "bob");
            assert_string_equal(event.call, id);
            assert_int_equal(event.duration_us,
                             event.type == RENDEZVOUS_CALLED ? 0 : 3 * MONOTIME_SECOND);
            assert_string_equal(event.path, report ? "direct" : "");
            assert_true(event.ms == (report ? 31.5 : -1));
            assert_true(event.rtt == -1);
        }
    }
    assert_false(rendezvous_event(world.rendezvous, &event));
}

static void test_reject(void **state)
{
    (void)state;
    call_up(&world, alice, "bob", bob, id);
    say_in_call(bob, "{\"type\":\"reject\",\"call\":\"%s\",\"reason\":\"busy\"}");
    hears_in_call(alice, "{\"type\":\"reject\",\"call\":\"%s\",\"reason\":\"busy\"}");
    say_of(&world, alice, id, SIGNAL_BYE);
    hears_error(&world, alice, SIGNAL_UNKNOWN_CALL);
    hears_nothing(&world, bob);
}

static void test_hanging_up_while_it_rings(void **state)
{
    (void)state;
    call_up(&world, alice, "bob", bob, id);
    say_of(&world, alice, id, SIGNAL_BYE);
    hears_in_call(bob, "{\"type\":\"bye\",\"call\":\"%s\"}");
    say_of(&world, bob, id, SIGNAL_ACCEPT);
    hears_error(&world, bob, SIGNAL_UNKNOWN_CALL);
}

static void test_who_may_say_what(void **state)
{
    static const enum signal_type callees[] = {SIGNAL_RINGING, SIGNAL_ACCEPT, SIGNAL_REJECT};

    (void)state;
    call_up(&world, alice, "bob", bob, id);
    for (size_t i = 0; i < 3; i++) {
        say_of(&world, alice, id, callees[i]);
        hears_error(&world, alice, SIGNAL_BAD_STATE);
    }
    say_of(&world, bob, id, SIGNAL_ACCEPT);
    hears(&world, alice, SIGNAL_ACCEPT);
    for (size_t i = 0; i < 3; i++) {
        say_of(&world, bob, id, callees[i]);
        hears_error(&world, bob, SIGNAL_BAD_STATE);
    }
    hears_nothing(&world, alice);
}

static void test_a_call_is_of_two(void **state)
{
    static const enum signal_type types[] = {SIGNAL_RINGING, SIGNAL_ACCEPT, SIGNAL_REJECT,
                                             SIGNAL_BYE};

    (void)state;
    uint64_t carol = enter(&world, "carol");
    call_up(&world, alice, "bob", bob, id);
    for (size_t i = 0; i < 4; i++) {
        say_of(&world, carol, id, types[i]);
        hears_error(&world, carol, SIGNAL_UNKNOWN_CALL);
    }
    say_in_call(carol, "{\"type\":\"candidate\",\"call\":\"%s\",\"candidate\":null}");
    hears_error(&world, carol, SIGNAL_UNKNOWN_CALL);
    say_in_call(carol, "{\"type\":\"description\",\"call\":\"%s\","
                       "\"description\":{\"type\":\"offer\",\"sdp\":\"\"}}");
    hears_error(&world, carol, SIGNAL_UNKNOWN_CALL);
    say_in_call(carol, "{\"type\":\"report\",\"call\":\"%s\",\"path\":\"none\"}");
    hears_error(&world, carol, SIGNAL_UNKNOWN_CALL);
    hears_nothing(&world, alice);
    hears_nothing(&world, bob);
}

/* Each calls the other at the same time: two calls, which know nothing of each other. */
static void test_crossing_calls(void **state)
{
    char first[SIGNAL_ID_MAX + 1], second[SIGNAL_ID_MAX + 1];

    (void)state;
    call_up(&world, alice, "bob", bob, first);
    call_up(&world, bob, "alice", alice, second);
    assert_string_not_equal(first, second);
    say_of(&world, bob, first, SIGNAL_REJECT);
    assert_string_equal(hears(&world, alice, SIGNAL_REJECT)->call, first);
    say_of(&world, alice, second, SIGNAL_ACCEPT);
    assert_string_equal(hears(&world, bob, SIGNAL_ACCEPT)->call, second);
    assert_int_equal(rendezvous_counters(world.rendezvous)->calls_now, 1);
    say_of(&world, bob, second, SIGNAL_BYE);
    hears(&world, alice, SIGNAL_BYE);
    assert_int_equal(rendezvous_counters(world.rendezvous)->calls_now, 0);
}

/* Three calls of one session; the one in the middle of its list ends first. */
static void test_several_calls(void **state)
{
    char ids[3][SIGNAL_ID_MAX + 1];
    static const size_t order[] = {1, 2, 0};

    (void)state;
    uint64_t carol = enter(&world, "carol");
    call_up(&world, alice, "bob", bob, ids[0]);
    call_up(&world, carol, "alice", alice, ids[1]);
    call_up(&world, alice, "bob", bob, ids[2]);
    for (size_t i = 0; i < 3; i++) {
        say_of(&world, alice, ids[order[i]], SIGNAL_BYE);
        uint64_t other = order[i] == 1 ? carol : bob;
        assert_string_equal(hears(&world, other, SIGNAL_BYE)->call, ids[order[i]]);
        hears_nothing(&world, alice);
    }
    assert_int_equal(rendezvous_counters(world.rendezvous)->calls_now, 0);
}

static void test_nobody_answers(void **state)
{
    (void)state;
    call_up(&world, alice, "bob", bob, id);
    say_of(&world, bob, id, SIGNAL_RINGING);
    hears(&world, alice, SIGNAL_RINGING);
    world.policy.ping_s = 1000;
    pass(&world, 119);
    hears_nothing(&world, alice);
    pass(&world, 2);
    hears_in_call(alice, "{\"type\":\"bye\",\"call\":\"%s\",\"reason\":\"no-answer\"}");
    hears_in_call(bob, "{\"type\":\"bye\",\"call\":\"%s\",\"reason\":\"no-answer\"}");
}

static void test_an_accepted_call_does_not_ring_out(void **state)
{
    (void)state;
    world.policy.ping_s = 1000;
    call_up(&world, alice, "bob", bob, id);
    say_of(&world, bob, id, SIGNAL_ACCEPT);
    hears(&world, alice, SIGNAL_ACCEPT);
    pass(&world, 900);
    assert_int_equal(rendezvous_counters(world.rendezvous)->calls_now, 1);
    hears_nothing(&world, alice);
}

/* ---- connections that break ------------------------------------------------------------------ */

static void test_calls_live_through_a_broken_connection(void **state)
{
    char resume[SIGNAL_ID_MAX + 1];

    (void)state;
    enter_as(&world, &(struct hello){.user = "bob", .name = "bob/2"});
    uint64_t second = world.last;
    snprintf(resume, sizeof resume, "%s", world.resume);
    call_up(&world, alice, "bob/2", second, id);
    hang_up(&world, second);
    hears_nothing(&world, alice);
    say_in_call(alice, "{\"type\":\"candidate\",\"call\":\"%s\",\"candidate\":null,\"rid\":\"1\"}");
    hears(&world, alice, SIGNAL_OK);
    pass(&world, 20);
    uint64_t back =
        enter_as(&world, &(struct hello){.user = "bob", .name = "bob/2", .resume = resume});
    assert_true(world.message.registered.resumed);
    hears_in_call(back, "{\"type\":\"candidate\",\"call\":\"%s\",\"candidate\":null}");
    say_of(&world, back, id, SIGNAL_ACCEPT);
    hears(&world, alice, SIGNAL_ACCEPT);
}

static void test_who_does_not_come_back(void **state)
{
    (void)state;
    call_up(&world, alice, "bob", bob, id);
    hang_up(&world, bob);
    pass(&world, 20);
    hears_nothing(&world, alice);
    say(&world, alice, "{\"type\":\"ping\"}");
    hears(&world, alice, SIGNAL_PONG);
    pass(&world, 21);
    say(&world, alice, "{\"type\":\"ping\"}");
    hears(&world, alice, SIGNAL_PONG);
    pass(&world, 20);
    hears_in_call(alice, "{\"type\":\"bye\",\"call\":\"%s\",\"reason\":\"gone\"}");
    calls_to(alice, "bob");
    hears_error(&world, alice, SIGNAL_UNAVAILABLE);
}

/* Somebody who was called while away hears of it when back; a call then is as any other. */
static void test_called_while_away(void **state)
{
    char resume[SIGNAL_ID_MAX + 1];

    (void)state;
    snprintf(resume, sizeof resume, "%s", world.resume);
    hang_up(&world, bob);
    calls_to(alice, "bob");
    snprintf(id, sizeof id, "%s", hears(&world, alice, SIGNAL_OK)->call);
    bob = enter_as(&world, &(struct hello){.user = "bob", .resume = resume});
    assert_string_equal(hears(&world, bob, SIGNAL_INCOMING)->call, id);
}

static void test_a_name_that_registers_anew_ends_its_calls(void **state)
{
    (void)state;
    call_up(&world, alice, "bob", bob, id);
    uint64_t again = enter(&world, "bob");
    hears_in_call(alice, "{\"type\":\"bye\",\"call\":\"%s\",\"reason\":\"gone\"}");
    hears_error(&world, bob, SIGNAL_REPLACED);
    hears_nothing(&world, again);
}

/* ---- who may call whom ----------------------------------------------------------------------- */

/* Absent, not allowed, oneself, nonsense: all the same, byte for byte. */
static void test_absent_and_forbidden_look_alike(void **state)
{
    static const char *const alice_only[] = {"alice"};
    static const char *const names[] = {"bob",  "nobody", "carol",  "dave\\" OTHER_REALM,
                                        "dave", "x\\y",   "alice/", "\\" OTHER_REALM};

    (void)state;
    enter_as(&world, &(struct hello){.user = "bob", .allow = alice_only, .allow_count = 1});
    enter_as(&world, &(struct hello){.user = "dave", .realm = OTHER_REALM});
    uint64_t carol = enter(&world, "carol");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        calls_to(carol, names[i]);
        hears_text(&world, carol,
                   "{\"type\":\"error\",\"rid\":\"c\",\"code\":\"unavailable\",\"message\":"
                   "\"there is nobody of that name whom you may call\"}");
    }
    assert_int_equal(rendezvous_counters(world.rendezvous)->unavailable, 8);
    struct rendezvous_event event;
    for (size_t refused = 0; rendezvous_event(world.rendezvous, &event);) {
        if (event.type == RENDEZVOUS_REFUSED) {
            assert_string_equal(event.name, "carol");
            assert_string_equal(event.peer, names[refused++]);
            assert_int_equal(event.code, SIGNAL_UNAVAILABLE);
        }
    }
    calls_to(alice, "bob");
    hears(&world, alice, SIGNAL_OK);
}

static void test_allow_lists(void **state)
{
    static const char *const phone[] = {"alice/phone", "carol"};

    (void)state;
    uint64_t choosy = enter_as(
        &world,
        &(struct hello){.user = "bob", .name = "bob/choosy", .allow = phone, .allow_count = 2});
    uint64_t closed =
        enter_as(&world, &(struct hello){.user = "bob", .name = "bob/closed", .allow = phone});
    uint64_t alices = enter_as(&world, &(struct hello){.user = "alice", .name = "alice/phone"});
    uint64_t carols = enter_as(&world, &(struct hello){.user = "carol", .name = "carol/x"});

    calls_to(alice, "bob/choosy");
    hears_error(&world, alice, SIGNAL_UNAVAILABLE);
    call_up(&world, alices, "bob/choosy", choosy, id);
    call_up(&world, carols, "bob/choosy", choosy, id); /* by account */
    calls_to(carols, "bob/closed");
    hears_error(&world, carols, SIGNAL_UNAVAILABLE);
    hears_nothing(&world, closed);
}

static void test_realms(void **state)
{
    static const char *const daves[] = {"dave\\" OTHER_REALM};

    (void)state;
    uint64_t dave = enter_as(&world, &(struct hello){.user = "dave", .realm = OTHER_REALM});
    uint64_t other_bob = enter_as(&world, &(struct hello){.user = "bob", .realm = OTHER_REALM});
    call_up(&world, dave, "bob", other_bob, id);
    assert_string_equal(world.message.incoming.from, "dave");
    calls_to(dave, "bob\\" REALM);
    hears_error(&world, dave, SIGNAL_UNAVAILABLE);

    world.policy.callers = RENDEZVOUS_CALLERS_ANYONE;
    call_up(&world, dave, "bob\\" REALM, bob, id);
    assert_string_equal(world.message.incoming.from, "dave\\" OTHER_REALM);
    call_up(&world, alice, "dave\\" OTHER_REALM, dave, id);
    assert_string_equal(world.message.incoming.from, "alice\\" REALM);
    call_up(&world, alice, "bob\\" REALM, bob, id);
    assert_string_equal(world.message.incoming.from, "alice");

    world.policy.callers = RENDEZVOUS_CALLERS_LISTED;
    calls_to(alice, "bob");
    hears_error(&world, alice, SIGNAL_UNAVAILABLE);
    bob = enter_as(&world, &(struct hello){.user = "bob", .allow = daves, .allow_count = 1});
    while (world.clients[alice].count > 0) {
        hears(&world, alice, SIGNAL_BYE);
    }
    calls_to(alice, "bob");
    hears_error(&world, alice, SIGNAL_UNAVAILABLE);
    while (world.clients[dave].count > 0) {
        hears(&world, dave, SIGNAL_BYE);
    }
    call_up(&world, dave, "bob\\" REALM, bob, id);
}

static void test_oneself(void **state)
{
    (void)state;
    calls_to(alice, "alice");
    hears_error(&world, alice, SIGNAL_UNAVAILABLE);
    uint64_t phone = enter_as(&world, &(struct hello){.user = "alice", .name = "alice/phone"});
    call_up(&world, alice, "alice/phone", phone, id);
    assert_string_equal(world.message.incoming.from, "alice");
}

/* A message that fits on the way in may not on the way out: another name, another id. */
static void test_a_description_that_just_fits(void **state)
{
    static char sdp[SIGNAL_SDP_MAX + 1], text[SIGNAL_MESSAGE_MAX + 1];
    char name[SIGNAL_NAME_MAX + 1];

    (void)state;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    memcpy(name, "alice/", 6);
    uint64_t caller = enter_as(&world, &(struct hello){.user = "alice", .name = name});
    memset(sdp, 's', SIGNAL_SDP_MAX);
    for (size_t i = 0; i < 900; i++) {
        sdp[i] = '\n';
    }
    struct signal_message call = {
        .type = SIGNAL_CALL, .rid = "c", .invite = {"bob", {"offer", sdp}}};
    assert_true(signal_message_build(&call, text, sizeof text) > 0);
    say(&world, caller, text);
    hears_error(&world, caller, SIGNAL_TOO_LARGE);
    assert_int_equal(rendezvous_counters(world.rendezvous)->calls_now, 0);
    hears_nothing(&world, bob);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_the_whole_way),
        TEST(test_events_of_a_call),
        TEST(test_reject),
        TEST(test_hanging_up_while_it_rings),
        TEST(test_who_may_say_what),
        TEST(test_a_call_is_of_two),
        TEST(test_crossing_calls),
        TEST(test_several_calls),
        TEST(test_nobody_answers),
        TEST(test_an_accepted_call_does_not_ring_out),
        TEST(test_calls_live_through_a_broken_connection),
        TEST(test_who_does_not_come_back),
        TEST(test_called_while_away),
        TEST(test_a_name_that_registers_anew_ends_its_calls),
        TEST(test_absent_and_forbidden_look_alike),
        TEST(test_allow_lists),
        TEST(test_realms),
        TEST(test_oneself),
        TEST(test_a_description_that_just_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
