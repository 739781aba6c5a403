/* SPDX-License-Identifier: BSD-3-Clause */
/* From a connection to a name: open, hello, registered, resume, and users kept elsewhere. */
#include "rendezvous_test.h"

#include "base/base64.h"

static struct world world;

static int set_up(void **state)
{
    (void)state;
    world_open(&world);
    return 0;
}

static int set_up_bare(void **state)
{
    (void)state;
    world_init(&world);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

/* ---- open ------------------------------------------------------------------------------------ */

static void test_welcome(void **state)
{
    (void)state;
    uint64_t client = connect_from(&world, "192.0.2.7:1414");

    say(&world, client, "{\"type\":\"open\",\"v\":1,\"rid\":\"o\",\"unknown\":[{}]}");
    const struct signal_message *welcome = hears(&world, client, SIGNAL_WELCOME);
    assert_string_equal(welcome->rid, "o");
    assert_int_equal(welcome->welcome.version, 1);
    assert_string_equal(welcome->welcome.server, "test");
    assert_string_equal(welcome->welcome.realm, REALM);
    assert_int_equal(welcome->welcome.ping_s, 25);
    assert_int_equal(strlen(welcome->welcome.nonce), 22);
    assert_int_equal(welcome->welcome.method_count, 2);
    assert_int_equal(welcome->welcome.methods[0], SIGNAL_METHOD_SHA256);
    assert_int_equal(welcome->welcome.methods[1], SIGNAL_METHOD_MD5);
    say(&world, client, "{\"type\":\"open\",\"v\":1}");
    hears_error(&world, client, SIGNAL_BAD_STATE);
}

static void test_other_version(void **state)
{
    (void)state;
    uint64_t client = connect_from(&world, "192.0.2.7:1414");

    say(&world, client, "{\"type\":\"open\",\"v\":2}");
    hears_error(&world, client, SIGNAL_UNSUPPORTED_VERSION);
    is_closed(&world, client, SIGNAL_UNSUPPORTED_VERSION);
}

static void test_out_of_order(void **state)
{
    static const char *const early[] = {
        "{\"type\":\"hello\",\"v\":1,\"user\":\"a\",\"proof\":\"p\"}",
        "{\"type\":\"call\",\"to\":\"bob\"}",
        "{\"type\":\"turn\"}",
        "{\"type\":\"bye\",\"call\":\"x\"}",
        "{\"type\":\"ok\"}",
        "{\"type\":\"welcome\",\"v\":1,\"realm\":\"r\",\"auth\":[],\"nonce\":\"n\"}",
        "{\"type\":\"dance\"}",
    };

    (void)state;
    uint64_t client = connect_from(&world, "192.0.2.7:1414");
    for (size_t i = 0; i < 6; i++) {
        say(&world, client, early[i]);
        hears_error(&world, client, SIGNAL_BAD_STATE);
    }
    say(&world, client, early[6]);
    hears_error(&world, client, SIGNAL_UNKNOWN_TYPE);
    say(&world, client, "{\"type\":\"ping\",\"rid\":\"p\"}");
    hears_text(&world, client, "{\"type\":\"pong\",\"rid\":\"p\"}");
    say(&world, client, "{\"type\":\"pong\",\"rid\":\"p\"}");
    hears_nothing(&world, client);
    assert_false(world.clients[client].closed);
}

static void test_strangers_are_not_heard_for_long(void **state)
{
    (void)state;
    uint64_t client = connect_from(&world, "192.0.2.7:1414");

    for (int i = 0; i < 16; i++) {
        say(&world, client, "{\"type\":\"ping\"}");
        hears(&world, client, SIGNAL_PONG);
    }
    say(&world, client, "{\"type\":\"ping\",\"rid\":\"x\"}");
    hears_error(&world, client, SIGNAL_RATE_LIMITED);
    assert_string_equal(world.message.rid, "x");
    assert_int_equal(world.message.error.retry_after_s, 1);
    assert_true(world.clients[client].closed);
}

static void test_strangers_who_speak_otherwise(void **state)
{
    static const char *const wrong[] = {"GET / HTTP/1.1", "", "{}", "{\"type\":\"open\"}", "[1,2"};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        uint64_t client = connect_from(&world, "192.0.2.7:1414");
        say(&world, client, wrong[i]);
        hears_error(&world, client, SIGNAL_BAD_MESSAGE);
        assert_true(world.clients[client].closed);
        say(&world, client, "{\"type\":\"open\",\"v\":1}");
        hears_nothing(&world, client);
    }
    uint64_t client = connect_from(&world, "192.0.2.7:1414");
    rendezvous_bad_input(world.rendezvous, world.now, client, SIGNAL_TOO_LARGE);
    world_drain(&world);
    hears_error(&world, client, SIGNAL_TOO_LARGE);
    is_closed(&world, client, SIGNAL_TOO_LARGE);
    assert_int_equal(rendezvous_counters(world.rendezvous)->bad_messages, 6);
    assert_int_equal(rendezvous_counters(world.rendezvous)->connections_now, 0);
}

static void test_no_hello_in_time(void **state)
{
    char nonce[SIGNAL_ID_MAX + 1];

    (void)state;
    uint64_t silent = connect_from(&world, "192.0.2.7:1414");
    pass(&world, 5);
    uint64_t slow = connect_from(&world, "192.0.2.7:1415");
    say_open(&world, slow, nonce);
    pass(&world, 4);
    hears_nothing(&world, silent);
    pass(&world, 2);
    hears_error(&world, silent, SIGNAL_TIMED_OUT);
    is_closed(&world, silent, SIGNAL_TIMED_OUT);
    hears_nothing(&world, slow);
    pass(&world, 5);
    hears_error(&world, slow, SIGNAL_TIMED_OUT);
    assert_int_equal(count_events(&world, RENDEZVOUS_REFUSED), 2);
}

/* ---- passwords ------------------------------------------------------------------------------- */

static void test_registered(void **state)
{
    (void)state;
    for (int method = SIGNAL_METHOD_SHA256; method <= SIGNAL_METHOD_MD5; method++) {
        uint64_t client =
            try_hello(&world, "192.0.2.7:1414", &(struct hello){.user = "alice", .method = method});
        const struct signal_message *message = hears(&world, client, SIGNAL_REGISTERED);
        assert_string_equal(message->rid, "h");
        assert_string_equal(message->registered.name, "alice");
        assert_string_equal(message->registered.reflexive, "192.0.2.7:1414");
        assert_int_equal(strlen(message->registered.session), 22);
        assert_int_equal(strlen(message->registered.resume), 22);
        assert_string_not_equal(message->registered.session, message->registered.resume);
        assert_int_equal(message->registered.resume_s, 60);
        assert_false(message->registered.resumed);
    }
    assert_int_equal(rendezvous_counters(world.rendezvous)->sessions_now, 1);
    assert_int_equal(rendezvous_counters(world.rendezvous)->registered, 2);
}

static void test_ice_servers(void **state)
{
    (void)state;
    struct rendezvous_connection how = {.local = test_address("[2001:db8::9]:8080")};
    uint64_t client = connect_as(&world, how, "[2001:db8::7]:1414");
    char nonce[SIGNAL_ID_MAX + 1];

    say_open(&world, client, nonce);
    say_hello_with(&world, client, nonce, &(struct hello){.user = "alice", .name = "alice/phone"});
    const struct signal_message *message = hears(&world, client, SIGNAL_REGISTERED);
    const struct signal_ice_servers *ice = &message->registered.ice;
    assert_string_equal(message->registered.reflexive, "[2001:db8::7]:1414");
    assert_string_equal(message->registered.name, "alice/phone");
    assert_int_equal(ice->ttl_s, 3600);
    assert_int_equal(ice->count, 2);
    assert_int_equal(ice->servers[0].url_count, 1);
    assert_string_equal(ice->servers[0].urls[0], "stun:[2001:db8::9]:3478");
    assert_null(ice->servers[0].username);
    assert_int_equal(ice->servers[1].url_count, 2);
    assert_string_equal(ice->servers[1].urls[0], "turn:[2001:db8::9]:3478?transport=udp");
    assert_string_equal(ice->servers[1].urls[1], "turns:turn.example.org:5349?transport=tcp");
    assert_string_equal(ice->servers[1].username, "1700003600:alice");

    /* The relay's door opens by them: so does this one. */
    char user[64], password[64];
    snprintf(user, sizeof user, "%s", ice->servers[1].username);
    snprintf(password, sizeof password, "%s", ice->servers[1].credential);
    enter_as(&world, &(struct hello){.user = user, .password = password, .name = "alice/x"});

    say(&world, client, "{\"type\":\"turn\",\"rid\":\"t\"}");
    message = hears(&world, client, SIGNAL_TURN);
    assert_string_equal(message->rid, "t");
    assert_int_equal(message->turn.ice.count, 2);
    assert_int_equal(message->turn.ice.ttl_s, 3600);
}

static void test_no_credentials_without_time_of_day(void **state)
{
    static const uint8_t nonce_key[AUTH_NONCE_KEY_SIZE] = {7};

    (void)state;
    auth_free(world.auth);
    world.auth = auth_new(world.auth_policy, nonce_key, world.crypto);
    world_start(&world);
    enter(&world, "alice");
    assert_int_equal(world.message.registered.ice.count, 1);
    assert_int_equal(world.message.registered.ice.servers[0].url_count, 1);
}

static void test_unauthorized(void **state)
{
    static const struct hello wrong[] = {
        {.user = "alice", .password = "Secret"},
        {.user = "mallory"},
        {.user = "alice", .realm = OTHER_REALM},
        {.user = "alice", .realm = "nowhere"},
        {.user = "bob", .realm = OTHER_REALM, .password = "x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint64_t client = try_hello(&world, "192.0.2.7:1414", &wrong[i]);
        hears_error(&world, client, SIGNAL_UNAUTHORIZED);
        assert_string_equal(world.message.rid, "h");
        assert_false(world.clients[client].closed);
    }
    assert_int_equal(count_events(&world, RENDEZVOUS_REFUSED), 5);
    assert_int_equal(rendezvous_counters(world.rendezvous)->unauthorized, 5);
}

/* What is proved is this hello, and no other. */
static void test_a_proof_is_of_its_hello(void **state)
{
    char nonce[SIGNAL_ID_MAX + 1];

    (void)state;
    uint64_t client = connect_from(&world, "192.0.2.7:1414");
    say_open(&world, client, nonce);
    say_hello_with(&world, client, "another-nonce", &(struct hello){.user = "alice"});
    hears_error(&world, client, SIGNAL_UNAUTHORIZED);

    struct stun_key key;
    char proof[SIGNAL_PROOF_TEXT_SIZE];
    const struct signal_claim claim = {
        .method = SIGNAL_METHOD_SHA256, .nonce = nonce, .realm = REALM, .user = "alice"};
    assert_int_equal(
        stun_key_long_term(world.crypto, &key, STUN_PASSWORD_SHA256, "alice", REALM, "secret"),
        STUN_OK);
    assert_true(signal_proof_make(&claim, &key, proof));
    struct signal_message hello = {
        .type = SIGNAL_HELLO,
        .hello = {.version = 1, .user = "alice", .proof = proof, .name = "alice/other"}};
    say_message(&world, client, &hello);
    hears_error(&world, client, SIGNAL_UNAUTHORIZED);
    hello.hello.name = NULL;
    say_message(&world, client, &hello);
    hears(&world, client, SIGNAL_REGISTERED);
}

static void test_three_hellos(void **state)
{
    char nonce[SIGNAL_ID_MAX + 1];
    const struct hello wrong = {.user = "alice", .password = "x"};

    (void)state;
    uint64_t client = connect_from(&world, "192.0.2.7:1414");
    say_open(&world, client, nonce);
    for (int i = 0; i < 3; i++) {
        assert_false(world.clients[client].closed);
        say_hello_with(&world, client, nonce, &wrong);
        hears_error(&world, client, SIGNAL_UNAUTHORIZED);
    }
    is_closed(&world, client, SIGNAL_UNAUTHORIZED);
}

static void test_a_second_hello(void **state)
{
    (void)state;
    uint64_t client = enter(&world, "alice");

    say_hello_with(&world, client, "n", &(struct hello){.user = "alice"});
    hears_error(&world, client, SIGNAL_BAD_STATE);
}

/* ---- tokens and keys ------------------------------------------------------------------------- */

/* As Python's hmac has it: secret "s3cret", account bob, good until 1700000600. */
#define TOKEN "1700000600:bob:ldhj7oawSETa-IAbDS_NcXXFZ3TMzn8XTNNETcViM7w"

static uint64_t hello_by_token(bool encrypted)
{
    struct rendezvous_connection how = {.encrypted = encrypted};
    uint64_t client = connect_as(&world, how, "192.0.2.7:1414");
    char nonce[SIGNAL_ID_MAX + 1];

    say_open(&world, client, nonce);
    assert_int_equal(world.message.welcome.method_count, encrypted ? 3 : 2);
    say(&world, client, "{\"type\":\"hello\",\"v\":1,\"token\":\"" TOKEN "\"}");
    return client;
}

static void test_tokens(void **state)
{
    (void)state;
    assert_int_equal(auth_policy_add_secret(world.auth_policy, "s3cret"), 0);
    world_start(&world);
    uint64_t client = hello_by_token(false);
    hears_error(&world, client, SIGNAL_UNAUTHORIZED);
    client = hello_by_token(true);
    assert_string_equal(hears(&world, client, SIGNAL_REGISTERED)->registered.name, "bob");
    pass(&world, 601);
    client = hello_by_token(true);
    hears_error(&world, client, SIGNAL_UNAUTHORIZED);
}

static uint64_t hello_by_key(const uint8_t private_key[32], const char *name)
{
    uint64_t client = connect_from(&world, "192.0.2.7:1414");
    char nonce[SIGNAL_ID_MAX + 1];
    char pub[SIGNAL_PUBLIC_KEY_TEXT_SIZE], sig[SIGNAL_SIGNATURE_TEXT_SIZE];

    say_open(&world, client, nonce);
    assert_int_equal(world.message.welcome.methods[2], SIGNAL_METHOD_ED25519);
    assert_true(signal_public_key(private_key, pub));
    const struct signal_claim claim = {
        .method = SIGNAL_METHOD_ED25519, .nonce = nonce, .realm = REALM, .user = pub, .name = name};
    assert_true(signal_sign(&claim, private_key, sig));
    say_message(&world, client,
                &(struct signal_message){.type = SIGNAL_HELLO,
                                         .hello = {.version = 1,
                                                   .method = SIGNAL_METHOD_ED25519,
                                                   .name = name,
                                                   .pub = pub,
                                                   .sig = sig}});
    return client;
}

static void test_keys(void **state)
{
    static const uint8_t known[32] = {1, 2, 3}, unknown[32] = {4, 5, 6};
    struct rendezvous_key key = {.account = "bob"};
    char pub[SIGNAL_PUBLIC_KEY_TEXT_SIZE], name[64];

    (void)state;
    assert_true(signal_public_key(known, pub));
    assert_true(base64_decode(pub, key.public_key, sizeof key.public_key));
    world.policy.keys = &key;
    world.policy.key_count = 1;
    world_start(&world);
    uint64_t client = hello_by_key(known, NULL);
    assert_string_equal(hears(&world, client, SIGNAL_REGISTERED)->registered.name, "bob");
    client = hello_by_key(unknown, NULL);
    hears_error(&world, client, SIGNAL_UNAUTHORIZED);

    world.policy.unknown_keys = true;
    client = hello_by_key(unknown, NULL);
    assert_true(signal_public_key(unknown, pub));
    snprintf(name, sizeof name, "key:%s", pub);
    assert_string_equal(hears(&world, client, SIGNAL_REGISTERED)->registered.name, name);
    client = hello_by_key(unknown, "bob");
    hears_error(&world, client, SIGNAL_FORBIDDEN_NAME);
    client = hello_by_key(known, "bob/desk");
    assert_string_equal(hears(&world, client, SIGNAL_REGISTERED)->registered.name, "bob/desk");
}

/* ---- names ----------------------------------------------------------------------------------- */

static void test_names(void **state)
{
    static const char *const foreign[] = {"bob",    "alicia",     "alice/", "alic",     "alice2/x",
                                          "/alice", "alice/a\\b", "Alice",  "bob/alice"};
    static const char *const own[] = {"alice", "alice/phone", "alice/a/b", "alice/\xC3\xA9"};

    (void)state;
    world.policy.hellos_per_source = 0;
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        uint64_t client = try_hello(&world, "192.0.2.7:1414",
                                    &(struct hello){.user = "alice", .name = foreign[i]});
        hears_error(&world, client, SIGNAL_FORBIDDEN_NAME);
    }
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        enter_as(&world, &(struct hello){.user = "alice", .name = own[i]});
        assert_string_equal(world.message.registered.name, own[i]);
    }
    assert_int_equal(rendezvous_counters(world.rendezvous)->sessions_now, 4);
}

static void test_a_name_in_two_realms(void **state)
{
    (void)state;
    uint64_t here = enter(&world, "bob");
    enter_as(&world, &(struct hello){.user = "bob", .realm = OTHER_REALM});
    assert_string_equal(world.message.registered.name, "bob");
    assert_false(world.clients[here].closed);
    assert_int_equal(rendezvous_counters(world.rendezvous)->sessions_now, 2);
}

static void test_the_newest_has_the_name(void **state)
{
    (void)state;
    uint64_t first = enter(&world, "alice");
    uint64_t second = enter(&world, "alice");

    hears_error(&world, first, SIGNAL_REPLACED);
    is_closed(&world, first, SIGNAL_REPLACED);
    assert_false(world.clients[second].closed);
    assert_int_equal(rendezvous_counters(world.rendezvous)->sessions_now, 1);
    assert_int_equal(count_events(&world, RENDEZVOUS_ENDED), 1);
}

static void test_bounds_of_sessions(void **state)
{
    (void)state;
    world.policy.sessions_per_account = 2;
    enter_as(&world, &(struct hello){.user = "alice", .name = "alice/1"});
    enter_as(&world, &(struct hello){.user = "alice", .name = "alice/2"});
    uint64_t client =
        try_hello(&world, "192.0.2.7:1414", &(struct hello){.user = "alice", .name = "alice/3"});
    hears_error(&world, client, SIGNAL_FULL);
    enter_as(&world, &(struct hello){.user = "alice", .name = "alice/2"});
    enter(&world, "bob");
    world.policy.sessions_max = (uint32_t)rendezvous_counters(world.rendezvous)->connections_now;
    assert_int_equal(connect_as(&world, (struct rendezvous_connection){0}, "192.0.2.7:1"), 0);
}

/* ---- resuming -------------------------------------------------------------------------------- */

static void test_resume(void **state)
{
    char first[SIGNAL_ID_MAX + 1], session[SIGNAL_ID_MAX + 1];

    (void)state;
    uint64_t old = enter(&world, "alice");
    snprintf(session, sizeof session, "%s", world.message.registered.session);
    snprintf(first, sizeof first, "%s", world.resume);
    hang_up(&world, old);
    pass(&world, 59);
    enter_as(&world, &(struct hello){.user = "alice", .resume = first});
    assert_true(world.message.registered.resumed);
    assert_string_equal(world.message.registered.session, session);
    assert_string_not_equal(world.resume, first);
    assert_int_equal(rendezvous_counters(world.rendezvous)->resumed, 1);

    /* It is good for once. */
    enter_as(&world, &(struct hello){.user = "alice", .resume = first});
    assert_false(world.message.registered.resumed);
}

static void test_resume_too_late(void **state)
{
    (void)state;
    uint64_t old = enter(&world, "alice");
    char resume[SIGNAL_ID_MAX + 1];

    snprintf(resume, sizeof resume, "%s", world.resume);
    hang_up(&world, old);
    assert_int_equal(rendezvous_counters(world.rendezvous)->sessions_now, 1);
    pass(&world, 61);
    assert_int_equal(rendezvous_counters(world.rendezvous)->sessions_now, 0);
    enter_as(&world, &(struct hello){.user = "alice", .resume = resume});
    assert_false(world.message.registered.resumed);
}

static void test_resume_is_the_accounts(void **state)
{
    (void)state;
    char resume[SIGNAL_ID_MAX + 1];

    uint64_t alice = enter(&world, "alice");
    snprintf(resume, sizeof resume, "%s", world.resume);
    enter_as(&world, &(struct hello){.user = "bob", .resume = resume});
    assert_false(world.message.registered.resumed);
    enter_as(&world, &(struct hello){.user = "alice", .name = "alice/2", .resume = resume});
    assert_false(world.message.registered.resumed);
    assert_false(world.clients[alice].closed);
    say(&world, alice, "{\"type\":\"ping\"}");
    hears(&world, alice, SIGNAL_PONG);
}

/* The client knows sooner than the server that a connection is dead. */
static void test_resume_takes_over(void **state)
{
    (void)state;
    uint64_t old = enter(&world, "alice");
    char resume[SIGNAL_ID_MAX + 1];

    snprintf(resume, sizeof resume, "%s", world.resume);
    uint64_t client = enter_as(&world, &(struct hello){.user = "alice", .resume = resume});
    assert_true(world.message.registered.resumed);
    hears_error(&world, old, SIGNAL_REPLACED);
    is_closed(&world, old, SIGNAL_REPLACED);
    rendezvous_closed(world.rendezvous, world.now, old);
    say(&world, client, "{\"type\":\"ping\"}");
    hears(&world, client, SIGNAL_PONG);
}

static void test_no_resuming(void **state)
{
    (void)state;
    world.policy.resume_s = 0;
    uint64_t old = enter(&world, "alice");

    assert_int_equal(world.message.registered.resume_s, 0);
    hang_up(&world, old);
    assert_int_equal(rendezvous_counters(world.rendezvous)->sessions_now, 0);
}

/* ---- users who are kept elsewhere ------------------------------------------------------------ */

static void answer_question(const struct auth_question *question, enum auth_finding_status status)
{
    struct auth_finding *finding = auth_finding_new(question->id);
    struct stun_key key;

    assert_non_null(finding);
    finding->status = status;
    finding->has_sha256 = true;
    assert_int_equal(stun_key_long_term(world.crypto, &key, STUN_PASSWORD_SHA256, question->name,
                                        REALM, "secret"),
                     STUN_OK);
    memcpy(finding->sha256_key, key.bytes, sizeof finding->sha256_key);
    rendezvous_answer(world.rendezvous, world.now, finding);
    auth_finding_free(finding);
    world_drain(&world);
}

static int set_up_source(void **state)
{
    static const struct auth_source_traits traits = {.sha256 = true, .lifetime_s = 30};

    (void)state;
    world_init(&world);
    auth_policy_set_source(world.auth_policy, &traits);
    world_start(&world);
    return 0;
}

static void test_look_up(void **state)
{
    struct auth_question question, more;

    (void)state;
    uint64_t first = try_hello(&world, "192.0.2.7:1", &(struct hello){.user = "erin"});
    uint64_t second =
        try_hello(&world, "192.0.2.8:1", &(struct hello){.user = "erin", .name = "erin/2"});
    uint64_t wrong =
        try_hello(&world, "192.0.2.9:1", &(struct hello){.user = "erin", .password = "x"});
    hears_nothing(&world, first);
    assert_true(rendezvous_next_question(world.rendezvous, &question));
    assert_false(rendezvous_next_question(world.rendezvous, &more));
    assert_string_equal(question.name, "erin");
    /* Meanwhile it may only ping, and others are not held up. */
    say(&world, first, "{\"type\":\"ping\"}");
    hears(&world, first, SIGNAL_PONG);
    say(&world, first, "{\"type\":\"call\",\"to\":\"bob\"}");
    hears_error(&world, first, SIGNAL_BAD_STATE);
    enter(&world, "alice");

    answer_question(&question, AUTH_FOUND);
    assert_string_equal(hears(&world, first, SIGNAL_REGISTERED)->registered.name, "erin");
    assert_string_equal(world.message.rid, "h");
    assert_string_equal(hears(&world, second, SIGNAL_REGISTERED)->registered.name, "erin/2");
    hears_error(&world, wrong, SIGNAL_UNAUTHORIZED);
    /* It is remembered. */
    enter_as(&world, &(struct hello){.user = "erin", .name = "erin/3"});
}

static void test_look_up_without_result(void **state)
{
    struct auth_question question;

    (void)state;
    uint64_t client = try_hello(&world, "192.0.2.7:1", &(struct hello){.user = "erin"});
    assert_true(rendezvous_next_question(world.rendezvous, &question));
    answer_question(&question, AUTH_ABSENT);
    hears_error(&world, client, SIGNAL_UNAUTHORIZED);

    client = try_hello(&world, "192.0.2.7:1", &(struct hello){.user = "frank"});
    assert_true(rendezvous_next_question(world.rendezvous, &question));
    answer_question(&question, AUTH_FAILED);
    hears_error(&world, client, SIGNAL_TRY_LATER);

    client = try_hello(&world, "192.0.2.7:1", &(struct hello){.user = "grace"});
    uint64_t gone = try_hello(&world, "192.0.2.7:1", &(struct hello){.user = "grace"});
    assert_true(rendezvous_next_question(world.rendezvous, &question));
    hang_up(&world, gone);
    pass(&world, 11);
    hears_error(&world, client, SIGNAL_TRY_LATER);
    is_closed(&world, client, SIGNAL_TRY_LATER);
    answer_question(&question, AUTH_FOUND);
    hears_nothing(&world, client);
}

static void test_too_many_questions(void **state)
{
    char name[16];
    struct auth_question question;

    (void)state;
    world.policy.hellos_per_source = 0;
    uint64_t client = 0;
    for (int i = 0; i < 257; i++) {
        snprintf(name, sizeof name, "user%d", i);
        if (client != 0) {
            hang_up(&world, client);
            world.last--;
            memset(&world.clients[client], 0, sizeof world.clients[client]);
        }
        client = try_hello(&world, "192.0.2.7:1", &(struct hello){.user = name});
    }
    hears_error(&world, client, SIGNAL_TRY_LATER);
    assert_true(rendezvous_next_question(world.rendezvous, &question));
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define BARE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up_bare, tear_down)
#define SOURCE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up_source, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_welcome),
        TEST(test_other_version),
        TEST(test_out_of_order),
        TEST(test_strangers_are_not_heard_for_long),
        TEST(test_strangers_who_speak_otherwise),
        TEST(test_no_hello_in_time),
        TEST(test_registered),
        TEST(test_ice_servers),
        BARE_TEST(test_no_credentials_without_time_of_day),
        TEST(test_unauthorized),
        TEST(test_a_proof_is_of_its_hello),
        TEST(test_three_hellos),
        TEST(test_a_second_hello),
        BARE_TEST(test_tokens),
        BARE_TEST(test_keys),
        TEST(test_names),
        TEST(test_a_name_in_two_realms),
        TEST(test_the_newest_has_the_name),
        TEST(test_bounds_of_sessions),
        TEST(test_resume),
        TEST(test_resume_too_late),
        TEST(test_resume_is_the_accounts),
        TEST(test_resume_takes_over),
        TEST(test_no_resuming),
        SOURCE_TEST(test_look_up),
        SOURCE_TEST(test_look_up_without_result),
        SOURCE_TEST(test_too_many_questions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
