/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rendezvous machine under a script of lines. The first letter of a line is what happens, the
 * second which of ten connections it happens to:
 *
 *   o3            connection 3 is there             c3      it breaks
 *   h3a/desk      it proves to be alice (a: alice, b: bob, c: carol of another realm, e: erin, who
 *                 is kept elsewhere) and wants that name behind hers; "h3a~" resumes, too
 *   m3{…}         it says that; %0 to %9 in it is the id of one of the last ten calls
 *   w3            it does not read                  r3      it reads again
 *   t5            five seconds go by; T: a hundred  q       a question is answered
 *   p             other rules hold                  b3      what it sent cannot be a message
 *   x             the server goes down
 */
#include "tests/fuzz/fuzz.h"

#include "base/address.h"
#include "turnserver/rendezvous/rendezvous.h"
#include "wire/signal_proof.h"

#include <string.h>

#define CONNECTIONS 10
#define REALM "example.org"
#define OTHER_REALM "example.net"

struct client {
    uint64_t number; /* 0: not there */
    char nonce[SIGNAL_ID_MAX + 1], resume[SIGNAL_ID_MAX + 1];
};

static struct auth_policy *auth_policy;
static struct stun_crypto *crypto;

static struct rendezvous *rendezvous;
static struct rendezvous_policy policy;
static struct auth *auth;
static struct monotime now;
static struct client clients[CONNECTIONS];
static char calls[10][SIGNAL_ID_MAX + 1];
static size_t next_call;
static uint64_t last_number, dice;

static bool roll(void *context, void *out, size_t size)
{
    uint64_t *state = context;

    for (size_t i = 0; i < size; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ((uint8_t *)out)[i] = (uint8_t)(*state >> 56);
    }
    return true;
}

static void set_up_once(void)
{
    static const struct auth_source_traits traits = {.sha256 = true, .lifetime_s = 5};
    struct auth_policy *other = auth_policy_new(OTHER_REALM, 600);

    auth_policy = auth_policy_new(REALM, 600);
    crypto = stun_crypto_new();
    REQUIRE(auth_policy_add_user(auth_policy, "alice", "secret") == 0);
    REQUIRE(auth_policy_add_user(auth_policy, "bob", "secret") == 0);
    REQUIRE(auth_policy_add_user(other, "carol", "secret") == 0);
    REQUIRE(auth_policy_add_secret(auth_policy, "s3cret") == 0);
    auth_policy_set_source(auth_policy, &traits);
    REQUIRE(auth_policy_add_realm(auth_policy, other) == 0);
    auth_policy_issue_credentials(auth_policy);
}

static void start(void)
{
    static const uint8_t nonce_key[AUTH_NONCE_KEY_SIZE];
    static const struct rendezvous_url urls[] = {{"stun", NULL, 3478, NULL},
                                                 {"turn", "relay.example.org", 3478, "udp"}};

    dice = 1;
    now.us = 1000 * MONOTIME_SECOND;
    memset(clients, 0, sizeof clients);
    memset(calls, 0, sizeof calls);
    memset(&policy, 0, sizeof policy);
    rendezvous_policy_defaults(&policy);
    policy.urls = urls;
    policy.url_count = 2;
    policy.sessions_max = 8;
    policy.sessions_per_account = 3;
    policy.calls_per_session = 3;
    policy.queue_bytes = 32768;
    policy.unknown_keys = true;
    auth = auth_new(auth_policy, nonce_key, crypto);
    auth_set_wall_clock(auth, now, 1700000000);
    const struct rendezvous_setup setup = {
        .policy = &policy, .auth = auth, .random = roll, .random_context = &dice};
    rendezvous = rendezvous_new(&setup);
    REQUIRE(rendezvous != NULL);
}

static struct client *find(uint64_t number)
{
    struct client *found = NULL;

    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (clients[i].number == number) {
            found = &clients[i];
        }
    }
    REQUIRE(found != NULL);
    return found;
}

/* Clients note what they need later. */
static void hear(struct client *client, const struct signal_message *message)
{
    switch (message->type) {
    case SIGNAL_WELCOME:
        snprintf(client->nonce, sizeof client->nonce, "%s", message->welcome.nonce);
        break;
    case SIGNAL_REGISTERED:
        snprintf(client->resume, sizeof client->resume, "%s", message->registered.resume);
        break;
    case SIGNAL_INCOMING:
        snprintf(calls[next_call++ % 10], sizeof calls[0], "%s", message->call);
        break;
    default:
        break;
    }
}

static void drain(void)
{
    struct rendezvous_output output;
    struct rendezvous_event event;

    while (rendezvous_next_output(rendezvous, &output)) {
        struct client *client = find(output.connection);
        struct signal_message message;
        if (output.type == RENDEZVOUS_CLOSE) {
            client->number = 0;
            continue;
        }
        REQUIRE(output.size <= SIGNAL_MESSAGE_MAX && output.bytes[output.size] == '\n');
        REQUIRE(signal_message_parse(&message, output.bytes, output.size, NULL));
        hear(client, &message);
        signal_message_free(&message);
    }
    while (rendezvous_event(rendezvous, &event)) {
        REQUIRE(strlen(event.name) + strlen(event.peer) < 1024);
    }
    const struct rendezvous_counters *counters = rendezvous_counters(rendezvous);
    REQUIRE(counters->connections_now <= policy.sessions_max);
    REQUIRE(counters->sessions_now <= 3 * 5 + policy.sessions_max);
    REQUIRE(counters->calls_now <= counters->sessions_now * 3);
}

/* ---- what happens ---------------------------------------------------------------------------- */

static void open_connection(struct client *client)
{
    struct rendezvous_connection connection = {.number = ++last_number, .encrypted = true};

    if (client->number != 0) {
        return;
    }
    REQUIRE(address_parse(&connection.remote, "192.0.2.7:1414"));
    REQUIRE(address_parse(&connection.local, "192.0.2.9:8080"));
    if (rendezvous_opened(rendezvous, now, &connection)) {
        client->number = connection.number;
        rendezvous_input(rendezvous, now, client->number, "{\"type\":\"open\",\"v\":1}", 21);
    }
}

static void say_hello(struct client *client, const char *text, size_t size)
{
    static const char *const users[] = {"alice", "bob", "carol", "erin"};
    const char *user = users[0];
    char name[600] = "", built[SIGNAL_MESSAGE_MAX + 1], proof[SIGNAL_PROOF_TEXT_SIZE];
    struct signal_message hello = {.type = SIGNAL_HELLO, .hello = {.version = 1, .proof = proof}};
    struct stun_key key;

    for (size_t i = 0; size > 0 && i < 4; i++) {
        user = users[i][0] == text[0] ? users[i] : user;
    }
    hello.hello.user = user;
    hello.hello.realm = user == users[2] ? OTHER_REALM : REALM;
    size_t behind = size > 1 && size < 300 ? size - 1 : 0;
    if (behind > 0 && text[1] == '~') {
        hello.hello.resume = client->resume[0] != '\0' ? client->resume : NULL;
        text++;
        behind--;
    }
    if (behind > 0) {
        snprintf(name, sizeof name, "%s%.*s", user, (int)behind, text + 1);
        hello.hello.name = name;
    }
    const struct signal_claim claim = {SIGNAL_METHOD_SHA256, client->nonce,
                                       hello.hello.realm,    user,
                                       hello.hello.name,     hello.hello.resume};
    REQUIRE(stun_key_long_term(crypto, &key, STUN_PASSWORD_SHA256, user, hello.hello.realm,
                               "secret") == STUN_OK);
    REQUIRE(signal_proof_make(&claim, &key, proof));
    size_t built_size = signal_message_build(&hello, built, sizeof built);
    rendezvous_input(rendezvous, now, client->number, built, built_size);
}

static void say(const struct client *client, const char *text, size_t size)
{
    static char said[SIGNAL_MESSAGE_MAX + 64];
    size_t written = 0;

    for (size_t i = 0; i < size && written < SIGNAL_MESSAGE_MAX; i++) {
        if (text[i] == '%' && i + 1 < size && text[i + 1] >= '0' && text[i + 1] <= '9') {
            written +=
                (size_t)snprintf(said + written, SIGNAL_ID_MAX + 1, "%s", calls[text[++i] - '0']);
        } else {
            said[written++] = text[i];
        }
    }
    rendezvous_input(rendezvous, now, client->number, said, written);
}

static void answer_question(void)
{
    struct auth_question question;
    struct stun_key key;

    if (!rendezvous_next_question(rendezvous, &question)) {
        return;
    }
    struct auth_finding *finding = auth_finding_new(question.id);
    REQUIRE(finding != NULL);
    finding->status = strcmp(question.name, "erin") == 0 ? AUTH_FOUND : AUTH_ABSENT;
    finding->has_sha256 = true;
    REQUIRE(stun_key_long_term(crypto, &key, STUN_PASSWORD_SHA256, question.name, REALM,
                               "secret") == STUN_OK);
    memcpy(finding->sha256_key, key.bytes, sizeof finding->sha256_key);
    rendezvous_answer(rendezvous, now, finding);
    auth_finding_free(finding);
}

static void pass(int64_t seconds)
{
    now = monotime_add_seconds(now, seconds);
    rendezvous_tick(rendezvous, now);
}

static void change_policy(void)
{
    static struct rendezvous_policy other;

    other = policy;
    other.callers = (enum rendezvous_callers)((policy.callers + 1) % 3);
    other.resume_s = policy.resume_s == 0 ? 60 : 0;
    policy = other;
    rendezvous_set_policy(rendezvous, now, &policy);
}

static void happen(const char *line, size_t size)
{
    size_t slot = size > 1 && line[1] >= '0' && line[1] <= '9' ? (size_t)(line[1] - '0') : 0;
    struct client *client = &clients[slot];
    const char *rest = line + (size > 2 ? 2 : size);
    size_t rest_size = size > 2 ? size - 2 : 0;

    switch (size > 0 ? line[0] : 0) {
    case 'o':
        open_connection(client);
        break;
    case 'c':
        rendezvous_closed(rendezvous, now, client->number);
        break;
    case 'h':
        say_hello(client, rest, rest_size);
        break;
    case 'm':
        say(client, rest, rest_size);
        break;
    case 'w':
        rendezvous_set_writable(rendezvous, client->number, false);
        break;
    case 'r':
        rendezvous_set_writable(rendezvous, client->number, true);
        break;
    case 't':
        pass((int64_t)slot);
        break;
    case 'T':
        pass(100);
        break;
    case 'q':
        answer_question();
        break;
    case 'p':
        change_policy();
        break;
    case 'b':
        rendezvous_bad_input(rendezvous, now, client->number, SIGNAL_TOO_LARGE);
        break;
    case 'x':
        rendezvous_shut_down(rendezvous, now);
        break;
    default:
        break;
    }
    drain();
    if (size > 0 && line[0] == 'c') {
        client->number = 0;
    }
    /* What was due has been done, and nothing asks to be called again at once. */
    rendezvous_tick(rendezvous, now);
    drain();
    REQUIRE(monotime_before(now, rendezvous_due(rendezvous)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data;
    size_t left = size;

    if (signal_absent() != NULL) { /* nobody could hear what is said */
        return 0;
    }
    if (auth_policy == NULL) {
        set_up_once();
    }
    start();
    for (int lines = 0; left > 0 && lines < 200; lines++) {
        const char *end = memchr(at, '\n', left);
        size_t line_size = end != NULL ? (size_t)(end - at) : left;
        happen(at, line_size);
        at += line_size + (end != NULL);
        left -= line_size + (end != NULL);
    }
    rendezvous_free(rendezvous);
    auth_free(auth);
    return 0;
}
