/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients sent to another server: error 300, RFC 8489 §10. */
#include "tests/unit/raw_message.h"
#include "tests/unit/turn_test.h"

#include <errno.h>

static struct turn_alternate alternates[] = {
    {{.family = STUN_FAMILY_IPV4, .port = 3478, .ip = {192, 0, 2, 9}}, "turn2.example.org"},
    {{.family = STUN_FAMILY_IPV4, .port = 3479, .ip = {192, 0, 2, 10}}, ""},
    {{.family = STUN_FAMILY_IPV6, .port = 3478, .ip = {0x20, 1, 0x0d, 0xb8, [15] = 9}}, ""},
};

static void redirect(struct bench *bench, size_t count, bool always)
{
    bench->shell->policy.alternates = alternates;
    bench->shell->policy.alternate_count = count;
    bench->shell->policy.redirect_always = always;
}

static int ask(struct shell_client *client, struct stun_view *answer)
{
    client_begin(client, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&client->builder, STUN_REQUESTED_TRANSPORT, 17);
    return client_ask(client, answer);
}

static void only_those_with_a_credential_are_sent(void **state)
{
    struct bench *bench = *state;
    struct shell_client stranger;
    struct stun_address address;
    struct stun_view answer;

    redirect(bench, 1, true);
    client_init(&stranger, bench->shell, &bench->alice.flow, "alice", "wrong");
    assert_int_equal(ask(&stranger, &answer), 401);
    assert_false(stun_view_has(&answer, STUN_ALTERNATE_SERVER));
    shell_clear(bench->shell);
    assert_int_equal(ask(&bench->alice, &answer), 300); /* whose integrity client_ask checks */
    assert_int_equal(stun_view_address(&answer, STUN_ALTERNATE_SERVER, &address), STUN_OK);
    assert_true(address_equal(&address, &alternates[0].address));
    assert_memory_equal(stun_view_find(&answer, STUN_ALTERNATE_DOMAIN)->value, "turn2.example.org",
                        17);
    assert_int_equal(bench->shell->open_count, 0);
    assert_int_equal(turn_server_counters(bench->shell->server)->redirected, 1);
}

static void the_family_is_the_clients(void **state)
{
    struct bench *bench = *state;
    struct flow flow = shell_flow_udp("[2001:db8:7::1]:1000");
    struct shell_client six;
    struct stun_address address;
    struct stun_view answer;
    unsigned seen = 0;

    client_init(&six, bench->shell, &flow, "alice", "secret");
    redirect(bench, 2, true);
    assert_int_equal(ask(&six, &answer), 0); /* there is none for it */
    assert_int_equal(client_refresh(&six, 0), 0);
    redirect(bench, 3, true);
    assert_int_equal(ask(&six, &answer), 300);
    assert_int_equal(stun_view_address(&answer, STUN_ALTERNATE_SERVER, &address), STUN_OK);
    assert_int_equal(address.family, STUN_FAMILY_IPV6);
    assert_false(stun_view_has(&answer, STUN_ALTERNATE_DOMAIN));
    for (unsigned i = 0; i < 64; i++) { /* each of the two in turn, at random */
        assert_int_equal(ask(&bench->alice, &answer), 300);
        assert_int_equal(stun_view_address(&answer, STUN_ALTERNATE_SERVER, &address), STUN_OK);
        assert_int_equal(address.family, STUN_FAMILY_IPV4);
        seen |= 1u << (address.port - 3478);
    }
    assert_int_equal(seen, 3);
}

static void what_stands_stays(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    redirect(bench, 3, true);
    shell_clear(bench->shell);
    client_repeat(&bench->alice); /* the Allocate that stands is answered again */
    assert_memory_equal(shell_take(bench->shell)->bytes, ((uint8_t[]){0x01, 0x03}), 2);
    assert_int_equal(client_allocate(&bench->alice, NULL), 437);
    assert_int_equal(client_refresh(&bench->alice, 600), 0);
    assert_int_equal(client_bind(&bench->alice, 0x4000, &peer), 0);
}

static void or_only_when_it_is_full_here(void **state)
{
    struct bench *bench = *state;
    struct stun_view answer;

    redirect(bench, 1, false);
    assert_int_equal(ask(&bench->alice, &answer), 0);
    bench->shell->policy.allocations_max = 1;
    assert_int_equal(ask(&bench->bob, &answer), 300);
    bench->shell->policy.allocations_max = 0;
    bench->shell->open_failures = 1;
    bench->shell->open_failure_errno = EMFILE;
    assert_int_equal(ask(&bench->bob, &answer), 300);
    assert_int_equal(bench->shell->users[1].count, 0);
    client_begin(&bench->bob, STUN_ALLOCATE); /* a reservation is here or nowhere */
    stun_builder_put_u8_reserved(&bench->bob.builder, STUN_REQUESTED_TRANSPORT, 17);
    stun_builder_put_u64(&bench->bob.builder, STUN_RESERVATION_TOKEN, 77);
    assert_int_equal(client_ask(&bench->bob, &answer), 508);
}

static void bytes(void **state)
{
    struct bench *bench = *state;
    struct raw raw = {.size = 0};
    const struct shell_sent *sent;
    const uint8_t *value;
    size_t size = 0;

    client_refresh(&bench->alice, 0); /* learns the nonce */
    shell_clear(bench->shell);
    redirect(bench, 1, true);
    raw_hex(&raw, "0003 0008 2112a442 0102030405060708090a0b0c 0019 0004 11000000");
    raw_authenticate(&raw, bench->alice.nonce, bench->alice.nonce_size);
    shell_input(bench->shell, &bench->alice.flow, raw.bytes, raw.size);
    sent = shell_take(bench->shell);
    assert_memory_equal(sent->bytes, ((uint8_t[]){0x01, 0x13}), 2);
    value = raw_find(sent->bytes, sent->size, 0x0009, &size);
    assert_memory_equal(value, ((uint8_t[]){0, 0, 3, 0}), 4);
    value = raw_find(sent->bytes, sent->size, 0x8023, &size);
    assert_int_equal(size, 8); /* not XORed */
    assert_memory_equal(value, ((uint8_t[]){0, 1, 0x0d, 0x96, 192, 0, 2, 9}), 8);
    assert_non_null(raw_find(sent->bytes, sent->size, 0x8003, &size));
    assert_non_null(raw_find(sent->bytes, sent->size, 0x0008, &size));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_BENCH(only_those_with_a_credential_are_sent),
        WITH_BENCH(the_family_is_the_clients),
        WITH_BENCH(what_stands_stays),
        WITH_BENCH(or_only_when_it_is_full_here),
        WITH_BENCH(bytes),
    };

    return cmocka_run_group_tests_name("alternate servers", tests, NULL, NULL);
}
