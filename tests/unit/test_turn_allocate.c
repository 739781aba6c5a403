/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/turn_shell.h"
#include "tests/unit/turn_test.h"

#include <errno.h>

static void begin(struct shell_client *client)
{
    client_begin(client, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&client->builder, STUN_REQUESTED_TRANSPORT, STUN_TRANSPORT_UDP);
}

static uint32_t lifetime_of(const struct stun_view *answer)
{
    uint32_t lifetime_s = 0;

    assert_int_equal(stun_view_u32(answer, STUN_LIFETIME, &lifetime_s), STUN_OK);
    return lifetime_s;
}

static struct stun_address relayed_of(const struct stun_view *answer)
{
    struct stun_address relayed;

    assert_int_equal(stun_view_xor_address(answer, STUN_XOR_RELAYED_ADDRESS, &relayed), STUN_OK);
    return relayed;
}

static void answers_with_all_that_is_needed(void **state)
{
    struct bench *bench = *state;
    struct stun_address relayed, mapped;
    struct turn_event event;
    struct stun_view answer;

    begin(&bench->alice);
    assert_int_equal(client_ask(&bench->alice, &answer), 0);
    relayed = relayed_of(&answer);
    assert_int_equal(relayed.family, STUN_FAMILY_IPV4);
    assert_in_range(relayed.port, 50000, 50999);
    assert_true(port_pool_is_live(bench->shell->pool, &relayed));
    assert_int_equal(stun_view_xor_address(&answer, STUN_XOR_MAPPED_ADDRESS, &mapped), 0);
    assert_true(address_equal(&mapped, &bench->alice.flow.remote));
    assert_int_equal(lifetime_of(&answer), 600);
    assert_false(stun_view_has(&answer, STUN_RESERVATION_TOKEN));
    assert_true(turn_server_event(bench->shell->server, &event));
    assert_int_equal(event.type, TURN_ALLOCATED);
    assert_string_equal(event.user, "alice");
    assert_true(address_equal(&event.client, &bench->alice.flow.remote));
    assert_true(address_equal(&event.relayed, &relayed));
    assert_int_equal(event.lifetime_s, 600);
    assert_false(turn_server_event(bench->shell->server, &event));
}

static void lifetimes_are_clamped(void **state)
{
    static const uint32_t cases[][2] = {{0, 600},     {1, 600},     {599, 600},        {900, 900},
                                        {3600, 3600}, {3601, 3600}, {UINT32_MAX, 3600}};
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stun_view answer;

        begin(&bench->alice);
        stun_builder_put_u32(&bench->alice.builder, STUN_LIFETIME, cases[i][0]);
        assert_int_equal(client_ask(&bench->alice, &answer), 0);
        assert_int_equal(lifetime_of(&answer), cases[i][1]);
        assert_int_equal(client_refresh(&bench->alice, 0), 0);
    }
}

static void a_repeated_request_is_answered_alike(void **state)
{
    struct bench *bench = *state;
    struct stun_address relayed;
    struct stun_view answer;
    const struct shell_sent *first, *second;

    assert_int_equal(client_allocate(&bench->alice, &relayed), 0);
    assert_int_equal(client_refresh(&bench->alice, 0), 0); /* the nonce is known now */
    shell_clear(bench->shell);
    begin(&bench->alice);
    client_send(&bench->alice);
    shell_advance_ms(bench->shell, 500);
    client_repeat(&bench->alice);
    first = shell_take(bench->shell);
    second = shell_take(bench->shell);
    assert_non_null(second);
    assert_int_equal(first->size, second->size);
    assert_memory_equal(first->bytes, second->bytes, first->size);
    assert_int_equal(bench->shell->open_count, 1);
    assert_int_equal(turn_server_counters(bench->shell->server)->allocations_now, 1);
    /* another request is a mismatch */
    begin(&bench->alice);
    assert_int_equal(client_ask(&bench->alice, &answer), 437);
}

static void another_user_on_the_same_flow_finds_a_mismatch(void **state)
{
    struct bench *bench = *state;
    struct shell_client mallory;
    struct stun_view answer;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    client_init(&mallory, bench->shell, &bench->alice.flow, "bob", "secret");
    assert_int_equal(client_allocate(&mallory, NULL), 437);
    /* even with the transaction id of the first */
    begin(&mallory);
    memcpy(mallory.transaction_id, bench->alice.transaction_id, STUN_TRANSACTION_ID_SIZE);
    memcpy(mallory.bytes + 8, bench->alice.transaction_id, STUN_TRANSACTION_ID_SIZE);
    assert_int_equal(client_ask(&mallory, &answer), 437);
}

static void the_transport_must_be_udp(void **state)
{
    struct bench *bench = *state;
    struct shell_client *alice = &bench->alice;
    struct stun_view answer;

    client_begin(alice, STUN_ALLOCATE);
    assert_int_equal(client_ask(alice, &answer), 400);
    client_begin(alice, STUN_ALLOCATE);
    stun_builder_put_bytes(&alice->builder, STUN_REQUESTED_TRANSPORT, "\x11\0\0", 3);
    assert_int_equal(client_ask(alice, &answer), 400);
    client_begin(alice, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&alice->builder, STUN_REQUESTED_TRANSPORT, 132);
    assert_int_equal(client_ask(alice, &answer), 442);
    assert_int_equal(bench->shell->open_count, 0);
}

static void families(void **state)
{
    static const struct {
        uint8_t family;
        int code;
    } cases[] = {{STUN_FAMILY_IPV4, 0}, {STUN_FAMILY_IPV6, 0}, {3, 440}, {0, 440}};
    struct bench *bench = *state;
    struct shell_client *alice = &bench->alice;
    struct stun_view answer;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(alice);
        stun_builder_put_u8_reserved(&alice->builder, STUN_REQUESTED_ADDRESS_FAMILY,
                                     cases[i].family);
        assert_int_equal(client_ask(alice, &answer), cases[i].code);
        if (cases[i].code == 0) {
            assert_int_equal(relayed_of(&answer).family, cases[i].family);
            assert_int_equal(client_refresh(alice, 0), 0);
        }
    }
    begin(alice);
    stun_builder_put_bytes(&alice->builder, STUN_REQUESTED_ADDRESS_FAMILY, "\1\0\0", 3);
    assert_int_equal(client_ask(alice, &answer), 400);
}

static void the_family_of_the_client_is_a_policy(void **state)
{
    struct bench *bench = *state;
    struct flow flow = shell_flow_udp("[2001:db8:7::9]:40000");
    struct shell_client client;
    struct stun_address relayed;

    client_init(&client, bench->shell, &flow, "alice", "secret");
    assert_int_equal(client_allocate(&client, &relayed), 0);
    assert_int_equal(relayed.family, STUN_FAMILY_IPV4);
    assert_int_equal(client_refresh(&client, 0), 0);
    bench->shell->policy.relay_family_of_client = true;
    assert_int_equal(client_allocate(&client, &relayed), 0);
    assert_int_equal(relayed.family, STUN_FAMILY_IPV6);
}

static void unknown_attributes_are_420(void **state)
{
    static const uint16_t types[] = {STUN_ACCESS_TOKEN, STUN_XOR_PEER_ADDRESS, STUN_CHANNEL_NUMBER,
                                     STUN_CONNECTION_ID, 0x7FFF};
    struct bench *bench = *state;
    struct stun_view answer;

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        begin(&bench->alice);
        stun_builder_put_flag(&bench->alice.builder, types[i]);
        assert_int_equal(client_ask(&bench->alice, &answer), 420);
        assert_memory_equal(stun_view_find(&answer, STUN_UNKNOWN_ATTRIBUTES)->value,
                            ((uint8_t[]){(uint8_t)(types[i] >> 8), (uint8_t)types[i]}), 2);
    }
    begin(&bench->alice); /* what need not be understood is passed over */
    stun_builder_put_flag(&bench->alice.builder, STUN_THIRD_PARTY_AUTHORIZATION);
    stun_builder_put_flag(&bench->alice.builder, 0xBEEF);
    assert_int_equal(client_ask(&bench->alice, &answer), 0);
}

static void wrong_lengths_are_400(void **state)
{
    static const struct {
        uint16_t type;
        size_t size;
    } cases[] = {{STUN_LIFETIME, 0},
                 {STUN_LIFETIME, 3},
                 {STUN_LIFETIME, 5},
                 {STUN_EVEN_PORT, 0},
                 {STUN_EVEN_PORT, 8},
                 {STUN_RESERVATION_TOKEN, 0},
                 {STUN_RESERVATION_TOKEN, 7},
                 {STUN_RESERVATION_TOKEN, 9},
                 {STUN_REQUESTED_ADDRESS_FAMILY, 0},
                 {STUN_REQUESTED_ADDRESS_FAMILY, 8}};
    struct bench *bench = *state;
    struct stun_view answer;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(&bench->alice);
        stun_builder_put_bytes(&bench->alice.builder, cases[i].type, "\1\1\1\1\1\1\1\1\1",
                               cases[i].size);
        assert_int_equal(client_ask(&bench->alice, &answer), 400);
    }
    assert_int_equal(bench->shell->open_count, 0);
}

static void an_even_port(void **state)
{
    struct bench *bench = *state;
    struct stun_view answer;

    for (unsigned i = 0; i < 20; i++) {
        begin(&bench->alice);
        stun_builder_put_u8(&bench->alice.builder, STUN_EVEN_PORT, 0);
        assert_int_equal(client_ask(&bench->alice, &answer), 0);
        assert_int_equal(relayed_of(&answer).port % 2, 0);
        assert_false(stun_view_has(&answer, STUN_RESERVATION_TOKEN));
        assert_int_equal(client_refresh(&bench->alice, 0), 0);
    }
}

/* Allocates an even port and returns its token; `next` is the port set aside. */
static uint64_t reserve(struct shell_client *client, struct stun_address *next)
{
    struct stun_view answer;
    uint64_t token;

    begin(client);
    stun_builder_put_u8(&client->builder, STUN_EVEN_PORT, 0x80);
    assert_int_equal(client_ask(client, &answer), 0);
    *next = relayed_of(&answer);
    assert_int_equal(next->port % 2, 0);
    next->port++;
    assert_int_equal(stun_view_u64(&answer, STUN_RESERVATION_TOKEN, &token), STUN_OK);
    return token;
}

static int redeem(struct shell_client *client, uint64_t token, struct stun_address *relayed)
{
    struct stun_view answer;
    int code;

    begin(client);
    stun_builder_put_u64(&client->builder, STUN_RESERVATION_TOKEN, token);
    code = client_ask(client, &answer);
    if (code == 0) {
        *relayed = relayed_of(&answer);
    }
    return code;
}

static void a_reserved_port_is_fetched_once(void **state)
{
    struct bench *bench = *state;
    struct stun_address next, relayed;
    uint64_t token = reserve(&bench->alice, &next);

    assert_true(port_pool_is_live(bench->shell->pool, &next));
    assert_int_equal(redeem(&bench->bob, token, &relayed), 0);
    assert_true(address_equal(&relayed, &next));
    assert_int_equal(client_refresh(&bench->bob, 0), 0);
    assert_false(port_pool_is_live(bench->shell->pool, &next));
    assert_int_equal(redeem(&bench->bob, token, &relayed), 508);
    /* the one who reserved ends later: the port has not been given back twice */
    assert_int_equal(client_refresh(&bench->alice, 0), 0);
}

static void a_reservation_lasts_30_seconds(void **state)
{
    struct bench *bench = *state;
    struct stun_address next, relayed;
    uint64_t token = reserve(&bench->alice, &next);

    shell_advance_ms(bench->shell, 29900);
    assert_true(port_pool_is_live(bench->shell->pool, &next));
    shell_advance_ms(bench->shell, 300);
    assert_false(port_pool_is_live(bench->shell->pool, &next));
    assert_int_equal(redeem(&bench->bob, token, &relayed), 508);
    assert_int_equal(turn_server_counters(bench->shell->server)->allocations_now, 1);
    shell_advance_ms(bench->shell, 570000);
    assert_int_equal(turn_server_counters(bench->shell->server)->allocations_now, 0);
}

static void a_reservation_ends_with_its_allocation(void **state)
{
    struct bench *bench = *state;
    struct stun_address next, relayed;
    uint64_t token = reserve(&bench->alice, &next);

    assert_int_equal(client_refresh(&bench->alice, 0), 0);
    assert_false(port_pool_is_live(bench->shell->pool, &next));
    assert_int_equal(redeem(&bench->bob, token, &relayed), 508);
}

static void a_token_stands_alone(void **state)
{
    struct bench *bench = *state;
    struct stun_address next, relayed;
    struct stun_view answer;
    uint64_t token = reserve(&bench->alice, &next);

    begin(&bench->bob);
    stun_builder_put_u64(&bench->bob.builder, STUN_RESERVATION_TOKEN, token);
    stun_builder_put_u8(&bench->bob.builder, STUN_EVEN_PORT, 0);
    assert_int_equal(client_ask(&bench->bob, &answer), 400);
    begin(&bench->bob);
    stun_builder_put_u64(&bench->bob.builder, STUN_RESERVATION_TOKEN, token);
    stun_builder_put_u8_reserved(&bench->bob.builder, STUN_REQUESTED_ADDRESS_FAMILY, 1);
    assert_int_equal(client_ask(&bench->bob, &answer), 400);
    assert_int_equal(redeem(&bench->bob, 0, &relayed), 508);
    assert_int_equal(redeem(&bench->bob, token ^ 1, &relayed), 508);
    assert_int_equal(redeem(&bench->bob, token, &relayed), 0);
}

static void a_reserved_port_that_cannot_be_opened_is_given_back(void **state)
{
    struct bench *bench = *state;
    struct stun_address next, relayed;
    uint64_t token = reserve(&bench->alice, &next);

    bench->shell->open_failures = 1;
    bench->shell->open_failure_errno = EADDRINUSE;
    assert_int_equal(redeem(&bench->bob, token, &relayed), 508);
    assert_false(port_pool_is_live(bench->shell->pool, &next));
    assert_int_equal(redeem(&bench->bob, token, &relayed), 508);
    assert_int_equal(client_refresh(&bench->alice, 0), 0);
}

/* A client of RFC 8489 that chose SHA-256: the answer is signed alike (§9.2.4). */
static void sha256_is_answered_with_sha256(void **state)
{
    struct bench *bench = *state;
    struct shell_client *alice = &bench->alice;
    const struct shell_sent *sent;
    struct stun_view answer;
    struct stun_key key;

    assert_int_equal(client_refresh(alice, 0), 437); /* learns the nonce */
    stun_key_long_term(bench->shell->crypto, &key, STUN_PASSWORD_SHA256, "alice", SHELL_REALM,
                       "secret");
    begin(alice);
    stun_builder_put_string(&alice->builder, STUN_USERNAME, "alice");
    stun_builder_put_string(&alice->builder, STUN_REALM, SHELL_REALM);
    stun_builder_put_bytes(&alice->builder, STUN_NONCE, alice->nonce, alice->nonce_size);
    stun_builder_put_password_algorithms(&alice->builder,
                                         (uint16_t[]){STUN_PASSWORD_SHA256, STUN_PASSWORD_MD5}, 2);
    stun_builder_put_password_algorithm(&alice->builder, STUN_PASSWORD_SHA256);
    stun_builder_put_integrity_sha256(&alice->builder, bench->shell->crypto, &key);
    shell_clear(bench->shell);
    client_repeat(alice);
    sent = shell_take(bench->shell);
    assert_non_null(sent);
    assert_int_equal(stun_view_parse(&answer, sent->bytes, sent->size), STUN_OK);
    assert_int_equal(answer.message_class, STUN_SUCCESS);
    assert_int_equal(stun_view_check_integrity_sha256(&answer, bench->shell->crypto, &key),
                     STUN_OK);
    assert_false(stun_view_has(&answer, STUN_MESSAGE_INTEGRITY));
}

static void quota_is_486_and_reported(void **state)
{
    struct bench *bench = *state;
    struct flow flow = shell_flow_udp("198.51.100.9:40001");
    struct shell_client second;
    struct turn_event event;

    bench->shell->quota = 1;
    client_init(&second, bench->shell, &flow, "alice", "secret");
    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(client_allocate(&second, NULL), 486);
    assert_int_equal(client_allocate(&bench->bob, NULL), 0);
    assert_int_equal(client_refresh(&bench->alice, 0), 0);
    assert_int_equal(client_allocate(&second, NULL), 0);
    do {
        assert_true(turn_server_event(bench->shell->server, &event));
    } while (event.type != TURN_QUOTA_REACHED);
    assert_string_equal(event.user, "alice");
    assert_string_equal(event.limit, "allocations");
    assert_true(address_equal(&event.client, &flow.remote));
}

/* Each port is charged until it is closed; what EVEN-PORT sets aside, until its reservation ends.
 */
static void ports_are_charged(void **state)
{
    struct bench *bench = *state;
    struct shell *shell = bench->shell;
    struct flow flow = shell_flow_udp("198.51.100.9:40001");
    struct shell_client second;
    struct stun_view answer;

    shell->port_quota = 2;
    client_init(&second, shell, &flow, "alice", "secret");
    client_begin(&bench->alice, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&bench->alice.builder, STUN_REQUESTED_TRANSPORT,
                                 STUN_TRANSPORT_UDP);
    stun_builder_put_u8(&bench->alice.builder, STUN_EVEN_PORT, 0x80);
    assert_int_equal(client_ask(&bench->alice, &answer), 0);
    assert_int_equal(shell->users[0].ports, 2);
    assert_int_equal(client_allocate(&second, NULL), 486);
    shell_advance_ms(shell, 31000);
    assert_int_equal(shell->users[0].ports, 1);
    assert_int_equal(client_allocate(&second, NULL), 0);
    assert_int_equal(client_refresh(&bench->alice, 0), 0);
    assert_int_equal(shell->users[0].ports, 1);
    assert_int_equal(client_refresh(&second, 0), 0);
    assert_int_equal(shell->users[0].ports, 0);
}

static void a_full_server_is_508(void **state)
{
    struct bench *bench = *state;

    bench->shell->policy.allocations_max = 1;
    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(client_allocate(&bench->bob, NULL), 508);
    assert_int_equal(client_refresh(&bench->alice, 0), 0);
    assert_int_equal(client_allocate(&bench->bob, NULL), 0);
}

static size_t live_ports(const struct shell *shell)
{
    struct stun_address address = test_address("192.0.2.1:1");
    size_t live = 0;

    for (unsigned port = 50000; port <= 50999; port++) {
        address.port = (uint16_t)port;
        live += port_pool_is_live(shell->pool, &address);
    }
    return live;
}

static void a_port_that_another_program_has_is_passed_over(void **state)
{
    struct bench *bench = *state;

    bench->shell->open_failures = 3;
    bench->shell->open_failure_errno = EADDRINUSE;
    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(live_ports(bench->shell), 1);
}

static void failure_to_open_gives_all_back(void **state)
{
    static const struct {
        int number, count;
    } cases[] = {{EADDRINUSE, 1000}, {EMFILE, 1}};
    struct bench *bench = *state;
    struct stun_view answer;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (unsigned even = 0; even < 2; even++) {
            bench->shell->open_failures = cases[i].count;
            bench->shell->open_failure_errno = cases[i].number;
            client_begin(&bench->alice, STUN_ALLOCATE);
            stun_builder_put_u8_reserved(&bench->alice.builder, STUN_REQUESTED_TRANSPORT, 17);
            if (even) {
                stun_builder_put_u8(&bench->alice.builder, STUN_EVEN_PORT, 0x80);
            }
            assert_int_equal(client_ask(&bench->alice, &answer), 508);
            bench->shell->open_failures = 0;
            assert_int_equal(live_ports(bench->shell), 0);
            assert_int_equal(bench->shell->users[0].count, 0);
        }
    }
    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
}

static void a_thousand_clients_use_every_port(void **state)
{
    struct bench *bench = *state;
    struct flow flow = shell_flow_udp("198.51.100.9:1");
    struct shell_client client;

    for (unsigned i = 0; i < 1000; i++) {
        flow.remote.port = (uint16_t)(1000 + i);
        client_init(&client, bench->shell, &flow, "alice", "secret");
        assert_int_equal(client_allocate(&client, NULL), 0);
    }
    assert_int_equal(live_ports(bench->shell), 1000);
    assert_int_equal(client_allocate(&bench->bob, NULL), 508);
    shell_advance_ms(bench->shell, 600200);
    assert_int_equal(live_ports(bench->shell), 0);
    assert_int_equal(client_allocate(&bench->bob, NULL), 0);
}

static void twenty_thousand_cycles_leak_nothing(void **state)
{
    struct bench *bench = *state;
    struct stun_view answer;

    for (unsigned i = 0; i < 20000; i++) {
        begin(&bench->alice);
        if (i % 4 > 1) {
            stun_builder_put_u8(&bench->alice.builder, STUN_EVEN_PORT, i % 4 == 2 ? 0 : 0x80);
        }
        assert_int_equal(client_ask(&bench->alice, &answer), 0);
        assert_int_equal(client_refresh(&bench->alice, 0), 0);
        shell_clear(bench->shell);
    }
    assert_int_equal(live_ports(bench->shell), 0);
    assert_int_equal(bench->shell->open_count, 0);
    assert_int_equal(turn_server_counters(bench->shell->server)->allocations_made, 20000);
    assert_int_equal(turn_server_counters(bench->shell->server)->allocations_now, 0);
    assert_true(turn_server_counters(bench->shell->server)->events_lost > 0);
}

static void without_relaying_turn_is_400(void **state)
{
    struct bench *bench = *state;
    struct stun_view answer;

    bench->shell->policy.relay_enabled = false;
    begin(&bench->alice);
    assert_int_equal(client_ask(&bench->alice, &answer), 400);
    assert_false(stun_view_has(&answer, STUN_NONCE));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_BENCH(answers_with_all_that_is_needed),
        WITH_BENCH(lifetimes_are_clamped),
        WITH_BENCH(a_repeated_request_is_answered_alike),
        WITH_BENCH(another_user_on_the_same_flow_finds_a_mismatch),
        WITH_BENCH(the_transport_must_be_udp),
        WITH_BENCH(families),
        WITH_BENCH(the_family_of_the_client_is_a_policy),
        WITH_BENCH(unknown_attributes_are_420),
        WITH_BENCH(wrong_lengths_are_400),
        WITH_BENCH(an_even_port),
        WITH_BENCH(a_reserved_port_is_fetched_once),
        WITH_BENCH(a_reservation_lasts_30_seconds),
        WITH_BENCH(a_reservation_ends_with_its_allocation),
        WITH_BENCH(a_token_stands_alone),
        WITH_BENCH(a_reserved_port_that_cannot_be_opened_is_given_back),
        WITH_BENCH(sha256_is_answered_with_sha256),
        WITH_BENCH(quota_is_486_and_reported),
        WITH_BENCH(ports_are_charged),
        WITH_BENCH(a_full_server_is_508),
        WITH_BENCH(a_port_that_another_program_has_is_passed_over),
        WITH_BENCH(failure_to_open_gives_all_back),
        WITH_BENCH(a_thousand_clients_use_every_port),
        WITH_BENCH(twenty_thousand_cycles_leak_nothing),
        WITH_BENCH(without_relaying_turn_is_400),
    };

    return cmocka_run_group_tests_name("turn allocate", tests, NULL, NULL);
}
