/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory: how much an idle session and a call take, and what happens when there is none. */
#include "rendezvous_test.h"
#include "short_memory.h"

static struct world world;

#define SESSIONS 1000

/* The machine alone: nobody keeps what it says. */
static void throw_away(void)
{
    struct rendezvous_output output;

    while (rendezvous_next_output(world.rendezvous, &output)) {
    }
}

static void input(uint64_t number, const struct signal_message *message)
{
    char text[SIGNAL_MESSAGE_MAX + 1];
    size_t size = signal_message_build(message, text, sizeof text);

    rendezvous_input(world.rendezvous, world.now, number, text, size);
}

/* A session of an account of its own; the nonce is heard from the welcome. */
static void register_one(uint64_t number)
{
    struct rendezvous_connection connection = {.number = number};
    struct signal_message hello = {.type = SIGNAL_HELLO, .hello = {.version = 1}};
    struct signal_message welcome;
    struct rendezvous_output output;
    char user[32], proof[SIGNAL_PROOF_TEXT_SIZE];
    struct stun_key key;

    connection.remote = test_address("192.0.2.7:1414");
    connection.local = test_address("192.0.2.9:8080");
    assert_true(rendezvous_opened(world.rendezvous, world.now, &connection));
    input(number, &(struct signal_message){.type = SIGNAL_OPEN, .open.version = 1});
    assert_true(rendezvous_next_output(world.rendezvous, &output));
    assert_true(signal_message_parse(&welcome, output.bytes, output.size, NULL));
    snprintf(user, sizeof user, "user%u", (unsigned)number);
    const struct signal_claim claim = {.method = SIGNAL_METHOD_SHA256,
                                       .nonce = welcome.welcome.nonce,
                                       .realm = REALM,
                                       .user = user};
    assert_int_equal(
        stun_key_long_term(world.crypto, &key, STUN_PASSWORD_SHA256, user, REALM, "secret"),
        STUN_OK);
    assert_true(signal_proof_make(&claim, &key, proof));
    hello.hello.user = user;
    hello.hello.proof = proof;
    input(number, &hello);
    signal_message_free(&welcome);
    throw_away();
}

static void open_crowd(void)
{
    char user[32];
    struct rendezvous_event event;

    world_init(&world);
    world.policy.hellos_per_source = 0;
    for (unsigned i = 1; i <= SESSIONS; i++) {
        snprintf(user, sizeof user, "user%u", i);
        assert_int_equal(auth_policy_add_user(world.auth_policy, user, "secret"), 0);
    }
    world_start(&world);
    for (uint64_t i = 1; i <= SESSIONS; i++) {
        register_one(i);
        while (rendezvous_event(world.rendezvous, &event)) {
        }
    }
    assert_int_equal(rendezvous_counters(world.rendezvous)->sessions_now, SESSIONS);
}

static void test_sessions_and_calls(void **state)
{
    struct rendezvous_event event;
    char to[32];

    (void)state;
    open_crowd();
    size_t before = memory.live;
    for (uint64_t i = 1; i <= SESSIONS; i++) {
        rendezvous_closed(world.rendezvous, world.now, i);
    }
    pass(&world, 61);
    pass(&world, 61);
    while (rendezvous_event(world.rendezvous, &event)) {
    }
    assert_int_equal(rendezvous_counters(world.rendezvous)->sessions_now, 0);
    size_t session = (before - memory.live) / SESSIONS;
    print_message("# an idle session and its account: %zu bytes, without tables\n", session);
    assert_in_range(session, 300, 900);
    world_close(&world);

    open_crowd();
    before = memory.live;
    for (uint64_t i = 1; i < SESSIONS; i += 2) {
        snprintf(to, sizeof to, "user%u", (unsigned)i + 1);
        input(i, &(struct signal_message){.type = SIGNAL_CALL, .invite.to = to});
        throw_away();
        while (rendezvous_event(world.rendezvous, &event)) {
        }
    }
    assert_int_equal(rendezvous_counters(world.rendezvous)->calls_now, SESSIONS / 2);
    size_t call = (memory.live - before) / (SESSIONS / 2);
    print_message("# a call: %zu bytes with its table\n", call);
    assert_in_range(call, 100, 400);
    world_close(&world);
}

/* One scene: two come, call, talk, break and come back. Everybody's memory may run out anywhere. */
static void scene(void)
{
    struct rendezvous_connection connection = {.remote = test_address("192.0.2.7:1"),
                                               .local = test_address("192.0.2.9:8080")};

    connection.number = CLIENTS_MAX - 1;
    memory.armed = true;
    if (rendezvous_opened(world.rendezvous, world.now, &connection)) {
        input(connection.number, &(struct signal_message){.type = SIGNAL_OPEN, .open.version = 1});
    }
    say(&world, 1, "{\"type\":\"call\",\"rid\":\"c\",\"to\":\"bob\"}");
    rendezvous_closed(world.rendezvous, world.now, 2);
    say(&world, 1, "{\"type\":\"call\",\"rid\":\"c\",\"to\":\"bob\"}");
    say(&world, 1, "{\"type\":\"turn\"}");
    pass(&world, 61);
    memory.armed = false;
}

static void test_out_of_memory(void **state)
{
    unsigned refused = 1;

    (void)state;
    for (unsigned allowed = 0; refused > 0 && allowed < 100; allowed++) {
        world_open(&world);
        enter(&world, "alice");
        enter_as(&world, &(struct hello){.user = "bob"});
        memory.allowed = allowed;
        memory.refused = 0;
        scene();
        refused = memory.refused;
        world_close(&world);
    }
    assert_int_equal(refused, 0);
}

/* The door when memory is short: either one is in, or one hears why not, or is closed. */
static void test_out_of_memory_at_the_door(void **state)
{
    static const char *const allow[] = {"bob"};
    unsigned refused = 1;

    (void)state;
    for (unsigned allowed = 0; refused > 0 && allowed < 100; allowed++) {
        char nonce[SIGNAL_ID_MAX + 1];
        world_open(&world);
        uint64_t client = connect_from(&world, "192.0.2.7:1");
        say_open(&world, client, nonce);
        memory.allowed = allowed;
        memory.refused = 0;
        memory.armed = true;
        say_hello_with(&world, client, nonce,
                       &(struct hello){.user = "alice", .allow = allow, .allow_count = 1});
        memory.armed = false;
        refused = memory.refused;
        assert_true(world.clients[client].count > 0 || world.clients[client].closed);
        world_close(&world);
    }
    assert_int_equal(refused, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sessions_and_calls),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_out_of_memory_at_the_door),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
