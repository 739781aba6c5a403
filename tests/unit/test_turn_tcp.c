/* SPDX-License-Identifier: BSD-3-Clause */
/* Relaying of TCP (RFC 6062): what the machine decides, in virtual time, over ports that are fake.
 */
#include "tests/sim/turn_shell.h"
#include "tests/unit/machine_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEERS_MAX 64
#define ALLOWED 4 /* connections an allocation */
#define OTHER_WORKER 7
#define OUR_WORKER 2
#define VIA_LISTEN 0xC0000000u
#define CLAIM_SIZE 32

enum fake_state {
    FREE,
    CONNECTING,
    CONNECTED,
    JOINED
};

struct fake_peer {
    enum fake_state state;
    uint32_t id;
    struct stun_address address;
    struct flow client;
};

/* What stands behind the ports. Breaking a promise stops the test. */
struct fake {
    struct shell *shell;
    struct shell_client alice;
    struct stun_address listening; /* of the one relay; family NONE: closed */
    struct fake_peer peers[PEERS_MAX];
    uint32_t closed_elsewhere; /* the id that another worker was told to close */
    int connect_status, join_status;
    struct turn_tcp_bytes carried; /* what a closed connection is said to have carried */
    uint32_t claim_number, claim_id;
    char claim_user[CLAIM_SIZE];
};

static struct fake_peer *fake_find(struct fake *fake, uint32_t id)
{
    for (size_t i = 0; i < PEERS_MAX; i++) {
        if (fake->peers[i].state != FREE && fake->peers[i].id == id) {
            return &fake->peers[i];
        }
    }
    return NULL;
}

static struct fake_peer *fake_add(struct fake *fake, uint32_t id, enum fake_state state,
                                  const struct stun_address *address)
{
    struct fake_peer *peer = fake->peers;

    assert_null(fake_find(fake, id));
    while (peer->state != FREE) {
        peer++;
    }
    *peer = (struct fake_peer){.state = state, .id = id, .address = *address};
    return peer;
}

static size_t fake_count(const struct fake *fake)
{
    size_t count = 0;

    for (size_t i = 0; i < PEERS_MAX; i++) {
        count += fake->peers[i].state != FREE;
    }
    return count;
}

static int fake_listen(void *context, const struct stun_address *relayed, uint32_t *via)
{
    struct fake *fake = context;

    assert_int_equal(fake->listening.family, STUN_FAMILY_NONE);
    fake->listening = *relayed;
    *via = VIA_LISTEN;
    return 0;
}

static void fake_unlisten(void *context, uint32_t via)
{
    struct fake *fake = context;

    assert_int_equal(via, VIA_LISTEN);
    assert_int_not_equal(fake->listening.family, STUN_FAMILY_NONE);
    fake->listening = (struct stun_address){0};
}

static int fake_connect(void *context, uint32_t id, const struct stun_address *relayed,
                        const struct stun_address *peer)
{
    struct fake *fake = context;

    assert_true(address_equal(relayed, &fake->listening));
    if (fake->connect_status == 0) {
        fake_add(fake, id, CONNECTING, peer);
    }
    return fake->connect_status;
}

static void fake_close(void *context, uint32_t id, uint32_t holder, struct turn_tcp_bytes *bytes)
{
    struct fake *fake = context;
    struct fake_peer *peer = fake_find(fake, id);

    if (holder != OUR_WORKER) {
        assert_int_equal(holder, OTHER_WORKER);
        fake->closed_elsewhere = id;
    } else if (peer != NULL) {
        peer->state = FREE;
        *bytes = fake->carried;
    }
}

static int fake_join(void *context, uint32_t id, const struct flow *client, const char *account)
{
    struct fake *fake = context;
    struct fake_peer *peer = fake_find(fake, id);

    assert_non_null(peer);
    assert_int_equal(peer->state, CONNECTED);
    if (fake->join_status == 0) {
        peer->state = JOINED;
        peer->client = *client;
        assert_string_equal(account, "alice");
    }
    return fake->join_status;
}

static bool fake_claim(void *context, uint32_t number, uint32_t id, const char *user)
{
    struct fake *fake = context;

    if ((id & 0xFF) != OTHER_WORKER) {
        return false;
    }
    fake->claim_number = number;
    fake->claim_id = id;
    strncpy(fake->claim_user, user, CLAIM_SIZE - 1);
    return true;
}

/* ---- a bench with them ----------------------------------------------------------------------- */

static int set_up_tcp(void **state)
{
    struct fake *fake = calloc(1, sizeof *fake);
    struct flow a = shell_flow_tcp("198.51.100.9:40000", 2);
    struct shell *shell = shell_new(3);

    assert_non_null(fake);
    shell->tcp = (struct turn_tcp_ports){fake,       fake_listen, fake_unlisten, fake_connect,
                                         fake_close, fake_join,   fake_claim};
    shell->worker = OUR_WORKER;
    shell->policy.tcp_connections_per_allocation = ALLOWED;
    shell_start(shell, NULL);
    fake->shell = shell;
    client_init(&fake->alice, shell, &a, "alice", "secret");
    *state = fake;
    return 0;
}

static int tear_down_tcp(void **state)
{
    struct fake *fake = *state;

    shell_free(fake->shell);
    assert_int_equal(fake->listening.family, STUN_FAMILY_NONE);
    free(fake);
    return 0;
}

#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, set_up_tcp, tear_down_tcp)

static const struct turn_counters *counters(const struct fake *fake)
{
    return turn_server_counters(fake->shell->server);
}

static int allocate(struct shell_client *client)
{
    struct stun_view answer;

    client_begin(client, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&client->builder, STUN_REQUESTED_TRANSPORT, STUN_TRANSPORT_TCP);
    return client_ask(client, &answer);
}

/* The code of the error; -1: no answer yet, which is how a Connect begins. */
static int ask_connect(struct shell_client *client, const char *peer)
{
    struct stun_address address = test_address(peer);
    struct stun_view answer;

    client_begin(client, STUN_CONNECT);
    stun_builder_put_xor_address(&client->builder, STUN_XOR_PEER_ADDRESS, &address);
    return client_ask(client, &answer);
}

static int ask_bind(struct shell_client *client, uint32_t id)
{
    struct stun_view answer;

    client_begin(client, STUN_CONNECTION_BIND);
    stun_builder_put_u32(&client->builder, STUN_CONNECTION_ID, id);
    return client_ask(client, &answer);
}

/* A client on a connection of its own that has learned its nonce. */
static struct shell_client data_client(struct fake *fake, const char *user, uint32_t via)
{
    struct flow flow = shell_flow_tcp("198.51.100.9:41000", via);
    struct shell_client client;

    client_init(&client, fake->shell, &flow, user, "secret");
    assert_int_equal(ask_bind(&client, OUR_WORKER), 400);
    return client;
}

/* The answer to the request of that transaction, or to whatever: sent since the last call. */
static int take_answer(struct fake *fake, struct stun_view *view)
{
    const char *reason;
    size_t reason_size;
    uint16_t code = 0;
    const struct shell_sent *sent;

    shell_advance_ms(fake->shell, 0);
    fake->shell->outbox->flush(fake->shell->outbox, fake->shell->outbox->context);
    sent = shell_take(fake->shell);
    if (sent == NULL) {
        return -1;
    }
    assert_int_equal(stun_view_parse(view, sent->bytes, sent->size), STUN_OK);
    if (view->message_class == STUN_ERROR) {
        assert_int_equal(stun_view_error(view, &code, &reason, &reason_size), STUN_OK);
    }
    return code;
}

/* The fake's newest attempt comes to an end. */
static int finish_connect(struct fake *fake, int status, uint32_t *id)
{
    struct shell *shell = fake->shell;
    struct fake_peer *peer = fake->peers;
    struct stun_view view;
    int code;

    while (peer->state != CONNECTING) {
        peer++;
        assert_true(peer < fake->peers + PEERS_MAX);
    }
    peer->state = status == 0 ? CONNECTED : FREE;
    turn_server_tcp_connected(shell->server, shell->now, peer->id, status, shell->outbox);
    code = take_answer(fake, &view);
    if (code == 0) {
        assert_int_equal(view.method, STUN_CONNECT);
        assert_int_equal(stun_view_u32(&view, STUN_CONNECTION_ID, id), STUN_OK);
        assert_int_equal(*id, peer->id);
        assert_int_equal(*id & 0xFF, OUR_WORKER);
        assert_int_equal(stun_view_check_integrity(&view, shell->crypto, &fake->alice.key),
                         STUN_OK);
    }
    return code;
}

static uint32_t connected(struct fake *fake, const char *peer)
{
    uint32_t id = 0;

    assert_int_equal(ask_connect(&fake->alice, peer), -1);
    assert_int_equal(finish_connect(fake, 0, &id), 0);
    return id;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void connect_and_bind(void **state)
{
    struct fake *fake = *state;
    struct shell_client data = data_client(fake, "alice", 4);
    uint32_t id;

    assert_int_equal(allocate(&fake->alice), 0);
    id = connected(fake, "203.0.113.5:7000");
    assert_int_equal(ask_connect(&fake->alice, "203.0.113.5:7000"), 446);
    assert_int_equal(ask_bind(&data, id), 0);
    assert_int_equal(fake_find(fake, id)->state, JOINED);
    assert_int_equal(fake_find(fake, id)->client.via, 4);
    assert_int_equal(ask_bind(&data, id), 400); /* once */
    assert_int_equal(ask_connect(&fake->alice, "203.0.113.5:7000"), 446);
    assert_int_equal(counters(fake)->tcp_connections_now, 1);
    fake_find(fake, id)->state = FREE;
    turn_server_tcp_ended(fake->shell->server, fake->shell->now, id,
                          &(struct turn_tcp_bytes){1000, 2000});
    assert_int_equal(counters(fake)->relayed_to_peer_bytes, 1000);
    assert_int_equal(counters(fake)->relayed_to_client_bytes, 2000);
    assert_int_equal(counters(fake)->tcp_connections_now, 0);
    assert_int_not_equal(connected(fake, "203.0.113.5:7000"), id);
}

static void an_attempt_takes_thirty_seconds_at_most(void **state)
{
    struct fake *fake = *state;
    struct stun_view view;
    uint32_t id;

    assert_int_equal(allocate(&fake->alice), 0);
    assert_int_equal(ask_connect(&fake->alice, "203.0.113.5:7000"), -1);
    id = fake->peers[0].id;
    shell_advance_ms(fake->shell, 29900);
    assert_int_equal(take_answer(fake, &view), -1);
    shell_advance_ms(fake->shell, 200);
    assert_int_equal(take_answer(fake, &view), 447);
    assert_int_equal(fake_count(fake), 0);
    /* Too late. */
    turn_server_tcp_connected(fake->shell->server, fake->shell->now, id, 0, fake->shell->outbox);
    assert_int_equal(take_answer(fake, &view), -1);
    assert_int_equal(counters(fake)->tcp_connect_failures, 1);
}

static void a_failed_attempt_is_447(void **state)
{
    struct fake *fake = *state;
    uint32_t id;

    assert_int_equal(allocate(&fake->alice), 0);
    assert_int_equal(ask_connect(&fake->alice, "203.0.113.5:7000"), -1);
    assert_int_equal(finish_connect(fake, -ECONNREFUSED, &id), 447);
    fake->connect_status = -ENETUNREACH;
    assert_int_equal(ask_connect(&fake->alice, "203.0.113.5:7000"), 447);
    assert_int_equal(counters(fake)->tcp_connections_now, 0);
}

static void nobody_waits_longer_than_thirty_seconds_to_be_bound(void **state)
{
    struct fake *fake = *state;
    struct shell_client data = data_client(fake, "alice", 4);
    uint32_t id;

    assert_int_equal(allocate(&fake->alice), 0);
    id = connected(fake, "203.0.113.5:7000");
    shell_advance_ms(fake->shell, 29900);
    assert_int_equal(fake_count(fake), 1);
    shell_advance_ms(fake->shell, 200);
    assert_int_equal(fake_count(fake), 0);
    assert_int_equal(counters(fake)->tcp_unbound, 1);
    assert_int_equal(ask_bind(&data, id), 400);
    id = connected(fake, "203.0.113.5:7000");
    assert_int_equal(ask_bind(&data, id), 0);
    assert_int_equal(client_refresh(&fake->alice, 3600), 0);
    shell_advance_ms(fake->shell, 3500000); /* once it is bound it may be idle */
    assert_int_equal(fake_count(fake), 1);
}

static void a_peer_needs_a_permission(void **state)
{
    struct fake *fake = *state;
    struct shell *shell = fake->shell;
    struct stun_address peer = test_address("203.0.113.5:7000"), told;
    struct shell_client data = data_client(fake, "alice", 4);
    struct stun_view view;
    uint32_t id = 0, told_id = 0;

    assert_int_equal(allocate(&fake->alice), 0);
    assert_false(
        turn_server_tcp_accepted(shell->server, shell->now, VIA_LISTEN, &peer, &id, shell->outbox));
    assert_int_equal(client_permit(&fake->alice, &peer), 0);
    assert_false(turn_server_tcp_accepted(shell->server, shell->now, VIA_LISTEN + 1, &peer, &id,
                                          shell->outbox));
    assert_true(
        turn_server_tcp_accepted(shell->server, shell->now, VIA_LISTEN, &peer, &id, shell->outbox));
    fake_add(fake, id, CONNECTED, &peer);
    assert_int_equal(take_answer(fake, &view), 0);
    assert_int_equal(view.method, STUN_CONNECTION_ATTEMPT);
    assert_int_equal(view.message_class, STUN_INDICATION);
    assert_int_equal(stun_view_u32(&view, STUN_CONNECTION_ID, &told_id), STUN_OK);
    assert_int_equal(told_id, id);
    assert_int_equal(stun_view_xor_address(&view, STUN_XOR_PEER_ADDRESS, &told), STUN_OK);
    assert_true(address_equal(&told, &peer));
    assert_int_equal(ask_bind(&data, id), 0);
    shell_advance_ms(shell, 301000); /* the permission is for new connections */
    assert_int_equal(fake_count(fake), 1);
    assert_false(
        turn_server_tcp_accepted(shell->server, shell->now, VIA_LISTEN, &peer, &id, shell->outbox));
}

static void an_allocation_has_a_bound(void **state)
{
    struct fake *fake = *state;
    struct shell *shell = fake->shell;
    struct stun_address peer = test_address("203.0.113.9:9");
    uint32_t id;

    assert_int_equal(allocate(&fake->alice), 0);
    for (int i = 0; i < ALLOWED; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "203.0.113.5:%d", 7000 + i);
        connected(fake, text);
    }
    assert_int_equal(ask_connect(&fake->alice, "203.0.113.6:7000"), 508);
    assert_int_equal(client_permit(&fake->alice, &peer), 0);
    assert_false(
        turn_server_tcp_accepted(shell->server, shell->now, VIA_LISTEN, &peer, &id, shell->outbox));
    assert_int_equal(counters(fake)->tcp_refused, 2);
}

static void only_its_user_may_bind(void **state)
{
    struct fake *fake = *state;
    struct shell_client bob = data_client(fake, "bob", 4);
    struct shell_client data = data_client(fake, "alice", 5);
    uint32_t id;

    assert_int_equal(allocate(&fake->alice), 0);
    id = connected(fake, "203.0.113.5:7000");
    assert_int_equal(ask_bind(&bob, id), 441);
    assert_int_equal(ask_bind(&fake->alice, id), 400); /* the control connection */
    data.flow.transport = TRANSPORT_UDP;
    assert_int_equal(ask_bind(&data, id), 400);
    data.flow.transport = TRANSPORT_TLS;
    assert_int_equal(ask_bind(&data, id), 0);
}

static void a_client_that_is_gone_ends_it(void **state)
{
    struct fake *fake = *state;
    struct shell_client data = data_client(fake, "alice", 4);
    uint32_t id;

    assert_int_equal(allocate(&fake->alice), 0);
    id = connected(fake, "203.0.113.5:7000");
    fake->join_status = -EPIPE;
    (void)ask_bind(&data, id);
    assert_int_equal(fake_count(fake), 0);
    assert_int_equal(counters(fake)->tcp_connections_now, 0);
}

static void all_end_with_the_allocation(void **state)
{
    struct fake *fake = *state;
    struct shell *shell = fake->shell;
    struct shell_client data = data_client(fake, "alice", 4);
    struct turn_event event;
    uint32_t id, remote;

    assert_int_equal(allocate(&fake->alice), 0);
    id = connected(fake, "203.0.113.5:7000");
    remote = connected(fake, "203.0.113.6:7000");
    assert_int_equal(ask_bind(&data, id), 0);
    assert_int_equal(
        turn_server_tcp_claim(shell->server, shell->now, remote, "alice", OTHER_WORKER), 0);
    connected(fake, "203.0.113.7:7000");
    assert_int_equal(ask_connect(&fake->alice, "203.0.113.8:7000"), -1);
    fake_find(fake, remote)->state = FREE; /* it went to the other worker */
    fake->carried = (struct turn_tcp_bytes){10, 20};
    assert_int_equal(client_refresh(&fake->alice, 0), 0);
    assert_int_equal(fake_count(fake), 0);
    assert_int_equal(fake->closed_elsewhere, remote);
    assert_int_equal(counters(fake)->tcp_connections_now, 0);
    do {
        assert_true(turn_server_event(shell->server, &event));
    } while (event.type != TURN_ENDED);
    assert_int_equal(event.sent_bytes, 10);
    assert_int_equal(event.received_bytes, 20);
}

static void a_new_policy_ends_what_it_forbids(void **state)
{
    struct fake *fake = *state;
    struct shell *shell = fake->shell;
    struct turn_policy stricter = shell->policy;
    struct peer_rules *rules = peer_rules_new();
    struct stun_view view;
    uint32_t id;

    assert_int_equal(allocate(&fake->alice), 0);
    id = connected(fake, "8.8.8.8:7000");
    connected(fake, "203.0.113.5:7000");
    assert_int_equal(ask_connect(&fake->alice, "203.0.113.6:7000"), -1);
    stricter.peers = rules;
    turn_server_set_policy(shell->server, &stricter);
    assert_int_equal(turn_server_due(shell->server).us, 0);
    assert_int_equal(take_answer(fake, &view), 447);
    assert_int_equal(fake_count(fake), 1);
    assert_non_null(fake_find(fake, id));
    assert_true(turn_server_due(shell->server).us > shell->now.us);
    turn_server_set_policy(shell->server, &shell->policy);
    peer_rules_free(rules);
}

/* ---- between workers ------------------------------------------------------------------------- */

static void another_worker_is_asked(void **state)
{
    struct fake *fake = *state;
    struct shell *shell = fake->shell;
    struct shell_client data = data_client(fake, "alice", 4);
    struct stun_address peer = test_address("203.0.113.5:7000");
    const uint32_t id = 0xABCDEF00 | OTHER_WORKER;
    struct stun_view view;

    assert_int_equal(ask_bind(&data, id), -1);
    assert_int_equal(fake->claim_id, id);
    assert_string_equal(fake->claim_user, "alice");
    fake_add(fake, id, CONNECTED, &peer);
    assert_true(
        turn_server_tcp_claimed(shell->server, shell->now, fake->claim_number, 0, shell->outbox));
    assert_int_equal(take_answer(fake, &view), 0);
    assert_int_equal(view.method, STUN_CONNECTION_BIND);
    assert_int_equal(fake_find(fake, id)->state, JOINED);
    /* It is answered once. */
    assert_false(
        turn_server_tcp_claimed(shell->server, shell->now, fake->claim_number, 0, shell->outbox));
    fake_find(fake, id)->state = FREE;
}

static void another_worker_refuses_or_is_silent(void **state)
{
    struct fake *fake = *state;
    struct shell *shell = fake->shell;
    struct shell_client data = data_client(fake, "alice", 4);
    const uint32_t id = 0xABCDEF00 | OTHER_WORKER;
    struct stun_view view;

    assert_int_equal(ask_bind(&data, id), -1);
    assert_false(
        turn_server_tcp_claimed(shell->server, shell->now, fake->claim_number, 441, shell->outbox));
    assert_int_equal(take_answer(fake, &view), 441);
    assert_int_equal(ask_bind(&data, id + 1), 400); /* no such worker */
    assert_int_equal(ask_bind(&data, id), -1);
    shell_advance_ms(shell, 10001);
    assert_false(
        turn_server_tcp_claimed(shell->server, shell->now, fake->claim_number, 0, shell->outbox));
    assert_int_equal(ask_bind(&data, id), -1); /* forgotten with the server */
}

static void claims_are_bounded(void **state)
{
    struct fake *fake = *state;
    struct shell_client data = data_client(fake, "alice", 4);

    for (int i = 0; i < 256; i++) {
        assert_int_equal(ask_bind(&data, (uint32_t)i << 8 | OTHER_WORKER), -1);
    }
    assert_int_equal(ask_bind(&data, OTHER_WORKER), 508);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FAKE(connect_and_bind),
        WITH_FAKE(an_attempt_takes_thirty_seconds_at_most),
        WITH_FAKE(a_failed_attempt_is_447),
        WITH_FAKE(nobody_waits_longer_than_thirty_seconds_to_be_bound),
        WITH_FAKE(a_peer_needs_a_permission),
        WITH_FAKE(an_allocation_has_a_bound),
        WITH_FAKE(only_its_user_may_bind),
        WITH_FAKE(a_client_that_is_gone_ends_it),
        WITH_FAKE(all_end_with_the_allocation),
        WITH_FAKE(a_new_policy_ends_what_it_forbids),
        WITH_FAKE(another_worker_is_asked),
        WITH_FAKE(another_worker_refuses_or_is_silent),
        WITH_FAKE(claims_are_bounded),
    };

    return cmocka_run_group_tests_name("turn TCP", tests, NULL, NULL);
}
