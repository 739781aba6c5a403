/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rendezvous machine with users and virtual time, and clients who speak messages as texts. What
 * each is sent waits in a list of its own. Users: alice, bob, carol and dave, whose passwords are
 * "secret", dave in the realm example.net, the others in example.org.
 */
#ifndef UNIT_RENDEZVOUS_TEST_H
#define UNIT_RENDEZVOUS_TEST_H

#include "machine_test.h"

#include "turnserver/rendezvous/rendezvous.h"
#include "wire/signal_proof.h"

#include <stdio.h>
#include <stdlib.h>

#define REALM "example.org"
#define OTHER_REALM "example.net"
#define WALL_SECONDS INT64_C(1700000000)
#define CLIENTS_MAX 64
#define INBOX_MAX 64

/* Just what a connection has been sent, in order. */
struct test_client {
    char *inbox[INBOX_MAX];
    size_t first, count;
    bool closed;
    enum signal_code reason;
    bool deaf; /* not writable */
};

struct world {
    struct rendezvous_policy policy;
    struct rendezvous_url urls[3];
    struct auth_policy *auth_policy;
    struct stun_crypto *crypto;
    struct auth *auth;
    struct rendezvous *rendezvous;
    struct monotime now;
    uint64_t seed;
    struct test_client clients[CLIENTS_MAX]; /* by number; 0 is nobody */
    uint64_t last;                           /* number given out */
    struct signal_message message;           /* the last one taken */
    char *text;                              /* and its bytes */
    char resume[SIGNAL_ID_MAX + 1];          /* of the last registered */
};

static inline bool world_random(void *context, void *out, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)out)[i] = (uint8_t)test_random(context);
    }
    return true;
}

/* Before the machine is made the test may change the policies. */
static inline void world_init(struct world *world)
{
    static const uint8_t nonce_key[AUTH_NONCE_KEY_SIZE] = {7};
    struct auth_policy *other = auth_policy_new(OTHER_REALM, 600);
    static const char *const users[] = {"alice", "bob", "carol"};

    memset(world, 0, sizeof *world);
    world->now.us = 5000 * MONOTIME_SECOND;
    world->seed = 1;
    rendezvous_policy_defaults(&world->policy);
    world->policy.server = "test";
    world->urls[0] = (struct rendezvous_url){"stun", NULL, 3478, NULL};
    world->urls[1] = (struct rendezvous_url){"turn", NULL, 3478, "udp"};
    world->urls[2] = (struct rendezvous_url){"turns", "turn.example.org", 5349, "tcp"};
    world->policy.urls = world->urls;
    world->policy.url_count = 3;
    world->auth_policy = auth_policy_new(REALM, 600);
    world->crypto = stun_crypto_new();
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(auth_policy_add_user(world->auth_policy, users[i], "secret"), 0);
    }
    assert_int_equal(auth_policy_add_user(other, "dave", "secret"), 0);
    assert_int_equal(auth_policy_add_user(other, "bob", "secret"), 0);
    assert_int_equal(auth_policy_add_realm(world->auth_policy, other), 0);
    auth_policy_issue_credentials(world->auth_policy);
    world->auth = auth_new(world->auth_policy, nonce_key, world->crypto);
    assert_non_null(world->auth);
    auth_set_wall_clock(world->auth, world->now, WALL_SECONDS);
}

static inline void world_start(struct world *world)
{
    const struct rendezvous_setup setup = {
        .policy = &world->policy,
        .auth = world->auth,
        .random = world_random,
        .random_context = &world->seed,
    };

    world->rendezvous = rendezvous_new(&setup);
    assert_non_null(world->rendezvous);
}

static inline void world_open(struct world *world)
{
    world_init(world);
    world_start(world);
}

static inline void world_forget(struct world *world)
{
    signal_message_free(&world->message);
    free(world->text);
    world->text = NULL;
}

static inline void world_close(struct world *world)
{
    world_forget(world);
    rendezvous_free(world->rendezvous);
    auth_free(world->auth);
    stun_crypto_free(world->crypto);
    auth_policy_free(world->auth_policy);
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct test_client *client = &world->clients[i];
        for (; client->count > 0; client->count--) {
            free(client->inbox[client->first++]);
        }
    }
}

/* ---- the shell ------------------------------------------------------------------------------- */

/* tests/e2e/test_signal.py holds all of it to the schema. */
static inline void world_keep(const struct rendezvous_output *output)
{
    const char *path = getenv("RENDEZVOUS_MESSAGES");
    FILE *file = path != NULL ? fopen(path, "a") : NULL;

    if (file != NULL) {
        fwrite(output->bytes, 1, output->size + 1, file);
        fclose(file);
    }
}

/* Everything that is to be sent goes to whom it is for. */
static inline void world_drain(struct world *world)
{
    struct rendezvous_output output;

    while (rendezvous_next_output(world->rendezvous, &output)) {
        assert_in_range(output.connection, 1, CLIENTS_MAX - 1);
        struct test_client *client = &world->clients[output.connection];
        assert_false(client->closed);
        if (output.type == RENDEZVOUS_CLOSE) {
            client->closed = true;
            client->reason = output.reason;
            continue;
        }
        world_keep(&output);
        assert_in_range(output.size, 1, SIGNAL_MESSAGE_MAX);
        assert_int_equal(output.bytes[output.size], '\n');
        assert_null(memchr(output.bytes, '\n', output.size));
        assert_true(client->first + client->count < INBOX_MAX);
        client->inbox[client->first + client->count++] = strndup(output.bytes, output.size);
    }
}

static inline uint64_t connect_as(struct world *world, struct rendezvous_connection how,
                                  const char *remote)
{
    how.number = ++world->last;
    how.remote = test_address(remote);
    if (how.local.family == STUN_FAMILY_NONE) {
        how.local = test_address("192.0.2.9:8080");
    }
    bool opened = rendezvous_opened(world->rendezvous, world->now, &how);
    world_drain(world);
    return opened ? how.number : 0;
}

static inline uint64_t connect_from(struct world *world, const char *remote)
{
    uint64_t number = connect_as(world, (struct rendezvous_connection){0}, remote);

    assert_true(number > 0);
    return number;
}

static inline void say(struct world *world, uint64_t client, const char *text)
{
    rendezvous_input(world->rendezvous, world->now, client, text, strlen(text));
    world_drain(world);
}

static inline void say_message(struct world *world, uint64_t client,
                               const struct signal_message *message)
{
    char text[SIGNAL_MESSAGE_MAX + 1];

    assert_true(signal_message_build(message, text, sizeof text) > 0);
    say(world, client, text);
}

static inline void hang_up(struct world *world, uint64_t client)
{
    rendezvous_closed(world->rendezvous, world->now, client);
    world->clients[client].closed = true;
    world_drain(world);
}

/* Time goes on by steps that the machine asks for. */
static inline void pass(struct world *world, int64_t seconds)
{
    struct monotime end = monotime_add_seconds(world->now, seconds);

    while (!monotime_before(end, rendezvous_due(world->rendezvous))) {
        struct monotime due = rendezvous_due(world->rendezvous);
        world->now = monotime_before(world->now, due) ? due : world->now;
        rendezvous_tick(world->rendezvous, world->now);
        world_drain(world);
    }
    world->now = end;
    rendezvous_tick(world->rendezvous, world->now);
    world_drain(world);
}

/* ---- what a client hears --------------------------------------------------------------------- */

static inline void hears_nothing(struct world *world, uint64_t client)
{
    if (world->clients[client].count > 0) {
        fail_msg("heard: %s", world->clients[client].inbox[world->clients[client].first]);
    }
}

/* The next message, which must be of that type. It lives until the next one is taken. */
static inline const struct signal_message *hears(struct world *world, uint64_t client,
                                                 enum signal_type type)
{
    struct test_client *from = &world->clients[client];

    if (from->count == 0) {
        fail_msg("heard nothing, expected %s", signal_type_name(type));
    }
    world_forget(world);
    world->text = from->inbox[from->first++];
    from->count--;
    if (from->count == 0) {
        from->first = 0;
    }
    assert_true(signal_message_parse(&world->message, world->text, strlen(world->text), NULL));
    if (world->message.type != type) {
        fail_msg("heard %s, expected %s", world->text, signal_type_name(type));
    }
    return &world->message;
}

static inline void hears_text(struct world *world, uint64_t client, const char *text)
{
    struct signal_message expected;

    assert_true(signal_message_parse(&expected, text, strlen(text), NULL));
    hears(world, client, expected.type);
    signal_message_free(&expected);
    assert_string_equal(world->text, text);
}

static inline void hears_error(struct world *world, uint64_t client, enum signal_code code)
{
    const struct signal_message *message = hears(world, client, SIGNAL_ERROR);

    if (message->error.code != code) {
        fail_msg("heard %s, expected %s", world->text, signal_code_name(code));
    }
}

static inline void is_closed(struct world *world, uint64_t client, enum signal_code reason)
{
    assert_true(world->clients[client].closed);
    assert_int_equal(world->clients[client].reason, reason);
}

/* Takes all events; returns how many there were of the type, and the last of them. */
static inline size_t count_events(struct world *world, enum rendezvous_event_type type)
{
    struct rendezvous_event event;
    size_t count = 0;

    while (rendezvous_event(world->rendezvous, &event)) {
        count += event.type == type;
    }
    return count;
}

/* ---- who they are ---------------------------------------------------------------------------- */

static inline void say_open(struct world *world, uint64_t client, char nonce[SIGNAL_ID_MAX + 1])
{
    say(world, client, "{\"type\":\"open\",\"v\":1}");
    snprintf(nonce, SIGNAL_ID_MAX + 1, "%s", hears(world, client, SIGNAL_WELCOME)->welcome.nonce);
}

/* What a hello says beside who it is; zero: nothing. */
struct hello {
    const char *user, *password, *realm; /* realm NULL: not said, REALM */
    const char *name, *resume;
    enum signal_method method; /* SHA256 or MD5 */
    const char *const *allow;
    size_t allow_count;
};

static inline void say_hello_with(struct world *world, uint64_t client, const char *nonce,
                                  const struct hello *hello)
{
    const char *realm = hello->realm != NULL ? hello->realm : REALM;
    const struct signal_claim claim = {.method = hello->method,
                                       .nonce = nonce,
                                       .realm = realm,
                                       .user = hello->user,
                                       .name = hello->name,
                                       .resume = hello->resume};
    char proof[SIGNAL_PROOF_TEXT_SIZE];
    struct stun_key key;
    struct signal_message message = {
        .type = SIGNAL_HELLO,
        .rid = "h",
        .hello = {.version = 1,
                  .name = hello->name,
                  .method = hello->method,
                  .user = hello->user,
                  .realm = hello->realm,
                  .proof = proof,
                  .resume = hello->resume,
                  .has_allow = hello->allow != NULL,
                  .allow_count = hello->allow_count},
    };

    for (size_t i = 0; i < hello->allow_count; i++) {
        message.hello.allow[i] = hello->allow[i];
    }
    assert_int_equal(stun_key_long_term(world->crypto, &key,
                                        hello->method == SIGNAL_METHOD_MD5 ? STUN_PASSWORD_MD5
                                                                           : STUN_PASSWORD_SHA256,
                                        hello->user, realm,
                                        hello->password != NULL ? hello->password : "secret"),
                     STUN_OK);
    assert_true(signal_proof_make(&claim, &key, proof));
    say_message(world, client, &message);
}

/* Opens a connection and says hello. */
static inline uint64_t try_hello(struct world *world, const char *remote, const struct hello *hello)
{
    uint64_t client = connect_from(world, remote);
    char nonce[SIGNAL_ID_MAX + 1];

    say_open(world, client, nonce);
    say_hello_with(world, client, nonce, hello);
    return client;
}

/* A client who is registered; world->message is what it was told. */
static inline uint64_t enter_as(struct world *world, const struct hello *hello)
{
    uint64_t client = try_hello(world, "192.0.2.7:1414", hello);

    snprintf(world->resume, sizeof world->resume, "%s",
             hears(world, client, SIGNAL_REGISTERED)->registered.resume);
    return client;
}

static inline uint64_t enter(struct world *world, const char *user)
{
    return enter_as(world, &(struct hello){.user = user});
}

/* `caller` calls, and the callee hears of it; the id of the call is in `id`. */
static inline void call_up(struct world *world, uint64_t caller, const char *to, uint64_t callee,
                           char id[SIGNAL_ID_MAX + 1])
{
    say_message(world, caller,
                &(struct signal_message){.type = SIGNAL_CALL, .rid = "c", .invite.to = to});
    snprintf(id, SIGNAL_ID_MAX + 1, "%s", hears(world, caller, SIGNAL_OK)->call);
    assert_string_equal(world->message.rid, "c");
    assert_string_equal(hears(world, callee, SIGNAL_INCOMING)->call, id);
}

/* A message about a call that has nothing else in it. */
static inline void say_of(struct world *world, uint64_t client, const char *id,
                          enum signal_type type)
{
    say_message(world, client, &(struct signal_message){.type = type, .call = id});
}

#endif
