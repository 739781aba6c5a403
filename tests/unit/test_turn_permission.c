/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/turn_test.h"

static bool may_send(struct bench *bench, const char *text)
{
    struct stun_address peer = test_address(text);
    const struct shell_sent *sent;

    client_send_indication(&bench->alice, &peer, "x", 1);
    sent = shell_take(bench->shell);
    if (sent != NULL) {
        assert_true(address_equal(&sent->flow.remote, &peer));
    }
    return sent != NULL;
}

static int permit(struct bench *bench, const char *text)
{
    struct stun_address peer = test_address(text);

    return client_permit(&bench->alice, &peer);
}

/* As many peers as there are texts, in one request. */
static int permit_all(struct bench *bench, const char *const *texts, size_t count,
                      struct stun_view *answer)
{
    client_begin(&bench->alice, STUN_CREATE_PERMISSION);
    for (size_t i = 0; i < count; i++) {
        struct stun_address peer = test_address(texts[i]);

        stun_builder_put_xor_address(&bench->alice.builder, STUN_XOR_PEER_ADDRESS, &peer);
    }
    return client_ask(&bench->alice, answer);
}

static void a_permission_is_for_an_ip(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_false(may_send(bench, "203.0.113.5:7000"));
    assert_int_equal(permit(bench, "203.0.113.5:7000"), 0);
    assert_true(may_send(bench, "203.0.113.5:7000"));
    assert_true(may_send(bench, "203.0.113.5:1"));
    assert_false(may_send(bench, "203.0.113.6:7000"));
    assert_int_equal(turn_server_counters(bench->shell->server)->dropped_no_permission, 2);
}

static void it_lasts_300_seconds_and_is_refreshed(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(permit(bench, "203.0.113.5:7000"), 0);
    shell_advance_ms(bench->shell, 299999);
    assert_true(may_send(bench, "203.0.113.5:7000"));
    shell_advance_ms(bench->shell, 1);
    assert_false(may_send(bench, "203.0.113.5:7000"));
    assert_int_equal(permit(bench, "203.0.113.5:7000"), 0);
    shell_advance_ms(bench->shell, 200000);
    assert_int_equal(permit(bench, "203.0.113.5:7000"), 0);
    shell_advance_ms(bench->shell, 99000);
    assert_true(may_send(bench, "203.0.113.5:7000"));
    assert_int_equal(client_refresh(&bench->alice, 600), 0); /* refreshes no permission */
    shell_advance_ms(bench->shell, 201000);
    assert_false(may_send(bench, "203.0.113.5:7000"));
}

static void many_at_once(void **state)
{
    static const char *const peers[] = {"203.0.113.1:1", "203.0.113.2:1", "203.0.113.3:1",
                                        "203.0.113.4:1", "203.0.113.5:1", "203.0.113.6:1",
                                        "203.0.113.1:2"};
    struct bench *bench = *state;
    struct stun_view answer;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(permit_all(bench, peers, 7, &answer), 0);
    for (size_t i = 0; i < 7; i++) {
        assert_true(may_send(bench, peers[i]));
    }
}

static void all_or_nothing(void **state)
{
    static const char *const cases[][3] = {
        {"203.0.113.1:1", "10.0.0.1:1", "203.0.113.2:1"},
        {"203.0.113.1:1", "203.0.113.2:1", "[2001:db8:1::1]:1"},
    };
    static const int codes[] = {403, 443};
    struct bench *bench = *state;
    struct stun_view answer;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(permit_all(bench, cases[i], 3, &answer), codes[i]);
        assert_false(may_send(bench, "203.0.113.1:1"));
        assert_false(may_send(bench, "203.0.113.2:1"));
    }
}

static void refused_peers_are_explained_and_reported_once(void **state)
{
    struct bench *bench = *state;
    static const char *const private_peer[] = {"192.168.1.1:1"};
    struct turn_event event;
    struct stun_view answer;
    const char *reason;
    size_t reason_size, reports = 0;
    uint16_t code;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(permit_all(bench, private_peer, 1, &answer), 403);
    assert_int_equal(stun_view_error(&answer, &code, &reason, &reason_size), STUN_OK);
    assert_true(reason_size > 12);
    assert_memory_equal(reason, "Forbidden IP", 12);
    assert_int_equal(permit(bench, "10.1.1.1:1"), 403);
    assert_int_equal(permit(bench, "224.0.0.1:1"), 403);
    assert_int_equal(permit(bench, "0.0.0.0:1"), 403);
    while (turn_server_event(bench->shell->server, &event)) {
        if (event.type == TURN_PEER_REFUSED) {
            reports++;
            assert_string_equal(event.user, "alice");
            assert_int_equal(event.verdict,
                             reports == 1 ? PEER_REFUSED_SPECIAL : PEER_REFUSED_ALWAYS);
            assert_int_equal(event.peer.ip[0], reports == 1 ? 192 : 224);
        }
    }
    assert_int_equal(reports, 2);
}

static void needs_an_allocation_and_its_owner(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct shell_client mallory;

    assert_int_equal(permit(bench, "203.0.113.5:7000"), 437);
    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    client_init(&mallory, bench->shell, &bench->alice.flow, "bob", "secret");
    assert_int_equal(client_permit(&mallory, &peer), 441);
    assert_false(may_send(bench, "203.0.113.5:7000"));
}

static void malformed_is_400_and_unknown_420(void **state)
{
    static const struct {
        const char *value;
        size_t size;
    } cases[] = {{"", 0},
                 {"\0\1", 2},
                 {"\0\1\0\1\1\1\1", 7},
                 {"\0\1\0\1\1\1\1\1\1", 9},
                 {"\0\2\0\1\1\1\1\1", 8},
                 {"\0\3\0\1\1\1\1\1", 8},
                 {"\0\2\0\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 19}};
    struct bench *bench = *state;
    struct shell_client *alice = &bench->alice;
    struct stun_view answer;

    assert_int_equal(client_allocate(alice, NULL), 0);
    client_begin(alice, STUN_CREATE_PERMISSION);
    assert_int_equal(client_ask(alice, &answer), 400);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        client_begin(alice, STUN_CREATE_PERMISSION);
        stun_builder_put_bytes(&alice->builder, STUN_XOR_PEER_ADDRESS, cases[i].value,
                               cases[i].size);
        assert_int_equal(client_ask(alice, &answer), 400);
    }
    client_begin(alice, STUN_CREATE_PERMISSION);
    stun_builder_put_u32(&alice->builder, STUN_LIFETIME, 1);
    assert_int_equal(client_ask(alice, &answer), 420);
}

static void the_table_is_bounded(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.0:1");

    bench->shell->policy.permissions_per_allocation = 10;
    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    for (uint8_t i = 0; i < 10; i++) {
        peer.ip[3] = i;
        assert_int_equal(client_permit(&bench->alice, &peer), 0);
    }
    assert_int_equal(client_permit(&bench->alice, &peer), 0); /* a refresh needs no room */
    peer.ip[3] = 99;
    assert_int_equal(client_permit(&bench->alice, &peer), 508);
    assert_int_equal(client_bind(&bench->alice, 0x4000, &peer), 508);
    shell_advance_ms(bench->shell, 300000);
    assert_int_equal(client_permit(&bench->alice, &peer), 0);
}

/* Addresses of this host: a permission yes, datagrams only to live relayed ports. */
static void own_addresses(void **state)
{
    struct bench *bench = *state;
    struct stun_address bobs;
    char text[ADDRESS_TEXT_SIZE];

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(client_allocate(&bench->bob, &bobs), 0);
    assert_int_equal(permit(bench, "192.0.2.1:3478"), 0);
    assert_true(may_send(bench, address_format(&bobs, text)));
    assert_false(may_send(bench, "192.0.2.1:3478"));
    assert_false(may_send(bench, "192.0.2.1:22"));
    assert_int_equal(turn_server_counters(bench->shell->server)->dropped_peer_rule, 2);
    assert_int_equal(client_refresh(&bench->bob, 0), 0);
    assert_false(may_send(bench, address_format(&bobs, text)));
}

/* Even where the operator allows the server's own address, what it listens on gets nothing. */
static void protected_endpoints_get_nothing(void **state)
{
    struct bench *bench = *state;

    peer_rules_add_allow(bench->shell->rules, "192.0.2.1");
    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(permit(bench, "192.0.2.1:22"), 0);
    assert_true(may_send(bench, "192.0.2.1:22"));
    assert_false(may_send(bench, "192.0.2.1:3478"));
}

/* Port 0 cannot be sent to, whoever has it. */
static void port_zero_gets_nothing(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(permit(bench, "203.0.113.5:0"), 0);
    assert_false(may_send(bench, "203.0.113.5:0"));
    assert_true(may_send(bench, "203.0.113.5:9"));
}

static void a_reload_is_obeyed_at_once(void **state)
{
    struct bench *bench = *state;
    struct turn_policy strict = bench->shell->policy;
    struct peer_rules *rules = peer_rules_new();
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct stun_address relayed;

    strict.peers = rules;
    assert_int_equal(peer_rules_add_deny(rules, "203.0.113.5"), 0);
    assert_int_equal(client_allocate(&bench->alice, &relayed), 0);
    assert_int_equal(permit(bench, "203.0.113.5:7000"), 0);
    assert_int_equal(client_bind(&bench->alice, 0x4000, &peer), 0);
    turn_server_set_policy(bench->shell->server, &strict);
    assert_false(may_send(bench, "203.0.113.5:7000"));
    client_send_channel(&bench->alice, 0x4000, "x", 1);
    shell_relayed(bench->shell, &relayed, &peer, "x", 1);
    assert_null(shell_take(bench->shell));
    assert_int_equal(permit(bench, "203.0.113.5:7000"), 403);
    turn_server_set_policy(bench->shell->server, &bench->shell->policy);
    peer_rules_free(rules);
    client_send_channel(&bench->alice, 0x4000, "x", 1);
    shell_relayed(bench->shell, &relayed, &peer, "x", 1);
    assert_int_equal(shell_pending(bench->shell), 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_BENCH(a_permission_is_for_an_ip),
        WITH_BENCH(it_lasts_300_seconds_and_is_refreshed),
        WITH_BENCH(many_at_once),
        WITH_BENCH(all_or_nothing),
        WITH_BENCH(refused_peers_are_explained_and_reported_once),
        WITH_BENCH(needs_an_allocation_and_its_owner),
        WITH_BENCH(malformed_is_400_and_unknown_420),
        WITH_BENCH(the_table_is_bounded),
        WITH_BENCH(own_addresses),
        WITH_BENCH(protected_endpoints_get_nothing),
        WITH_BENCH(port_zero_gets_nothing),
        WITH_BENCH(a_reload_is_obeyed_at_once),
    };

    return cmocka_run_group_tests_name("turn permission", tests, NULL, NULL);
}
