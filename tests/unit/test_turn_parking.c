/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of users who are looked up: they wait, and go on by themselves. */
#include "turn_test.h"

#include "turnserver/turn/parking.h"

#include <stdio.h>

#define LIFETIME 10

static void keep_users_elsewhere(struct bench *bench)
{
    auth_policy_set_source(bench->shell->auth_policy,
                           &(struct auth_source_traits){.md5 = true, .lifetime_s = LIFETIME});
}

/* Answers the question under way: everybody's password is "word". */
static void answer(struct shell *shell, enum auth_finding_status status)
{
    struct auth_question question;
    struct stun_key key;

    assert_true(auth_next_question(shell->auth, &question));
    struct auth_finding *finding = auth_finding_new(question.id);
    finding->status = status;
    stun_key_long_term(shell->crypto, &key, STUN_PASSWORD_MD5, question.name, SHELL_REALM, "word");
    memcpy(finding->md5_key, key.bytes, sizeof finding->md5_key);
    finding->has_md5 = true;
    turn_server_answer(shell->server, shell->now, finding, shell->outbox);
    shell->outbox->flush(shell->outbox, shell->outbox->context);
    auth_finding_free(finding);
}

static int code_of(const struct shell_sent *sent)
{
    struct stun_view view;
    uint16_t code = 0;

    assert_non_null(sent);
    assert_int_equal(stun_view_parse(&view, sent->bytes, sent->size), STUN_OK);
    return stun_view_error(&view, &code, NULL, NULL) == STUN_OK ? code : 0;
}

/* A client of that name who has a nonce, and has just sent Allocate. */
static void send_allocate(struct bench *bench, struct shell_client *client, const char *address,
                          const char *user)
{
    struct flow flow = shell_flow_udp(address);

    client_init(client, bench->shell, &flow, user, "word");
    memcpy(client->nonce, bench->alice.nonce, sizeof client->nonce);
    client->nonce_size = bench->alice.nonce_size;
    client_begin(client, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&client->builder, STUN_REQUESTED_TRANSPORT, STUN_TRANSPORT_UDP);
    client_send(client);
}

/* Gives alice's address a nonce. */
static void learn_nonce(struct bench *bench)
{
    struct stun_address relayed;

    assert_int_equal(client_allocate(&bench->alice, &relayed), 0);
    shell_clear(bench->shell);
}

static const struct turn_counters *counters(const struct bench *bench)
{
    return turn_server_counters(bench->shell->server);
}

/* ---- the machine ----------------------------------------------------------------------------- */

static void test_goes_on_when_found(void **state)
{
    struct bench *bench = *state;
    struct shell *shell = bench->shell;
    struct shell_client carol;

    keep_users_elsewhere(bench);
    learn_nonce(bench);
    send_allocate(bench, &carol, "198.51.100.9:41000", "carol");
    assert_int_equal(shell_pending(shell), 0);
    client_repeat(&carol); /* a retransmission waits with the first */
    assert_int_equal(counters(bench)->requests_parked, 1);
    assert_int_equal(counters(bench)->dropped_parking, 0);
    answer(shell, AUTH_FOUND);
    assert_int_equal(shell_pending(shell), 1);
    const struct shell_sent *sent = shell_take(shell);
    assert_int_equal(code_of(sent), 0);
    assert_true(address_equal(&sent->flow.remote, &carol.flow.remote));
    assert_int_equal(counters(bench)->allocations_now, 2);
    /* Known now: no more waiting. */
    client_repeat(&carol);
    assert_int_equal(shell_pending(shell), 1);
    assert_int_equal(code_of(shell_take(shell)), 0);
}

static void test_refused_when_absent_or_failed(void **state)
{
    struct bench *bench = *state;
    struct shell_client client;

    keep_users_elsewhere(bench);
    learn_nonce(bench);
    send_allocate(bench, &client, "198.51.100.9:41000", "carol");
    answer(bench->shell, AUTH_ABSENT);
    assert_int_equal(code_of(shell_take(bench->shell)), 401);
    send_allocate(bench, &client, "198.51.100.9:41001", "dora");
    answer(bench->shell, AUTH_FAILED);
    assert_int_equal(code_of(shell_take(bench->shell)), 500);
    assert_int_equal(counters(bench)->allocations_now, 1);
}

/* A TCP client sends several requests at once: they go on in order. */
static void test_keeps_order(void **state)
{
    struct bench *bench = *state;
    struct shell_client carol;

    keep_users_elsewhere(bench);
    learn_nonce(bench);
    send_allocate(bench, &carol, "198.51.100.9:41000", "carol");
    client_begin(&carol, STUN_REFRESH);
    stun_builder_put_u32(&carol.builder, STUN_LIFETIME, 0);
    client_send(&carol);
    assert_int_equal(shell_pending(bench->shell), 0);
    answer(bench->shell, AUTH_FOUND);
    assert_int_equal(code_of(shell_take(bench->shell)), 0);
    assert_int_equal(code_of(shell_take(bench->shell)), 0);
    assert_int_equal(counters(bench)->allocations_made, 2);
    assert_int_equal(counters(bench)->allocations_now, 1);
}

static void test_does_not_wait_for_ever(void **state)
{
    struct bench *bench = *state;
    struct shell_client carol;

    keep_users_elsewhere(bench);
    learn_nonce(bench);
    send_allocate(bench, &carol, "198.51.100.9:41000", "carol");
    shell_advance_ms(bench->shell, PARKING_SECONDS * 1000 + 1);
    assert_int_equal(counters(bench)->dropped_parking, 1);
    answer(bench->shell, AUTH_FOUND);
    assert_int_equal(shell_pending(bench->shell), 0);
}

static void test_forgets_closed_connections(void **state)
{
    struct bench *bench = *state;
    struct shell_client carol;
    struct flow flow = shell_flow_tcp("198.51.100.9:41000", 2);

    keep_users_elsewhere(bench);
    learn_nonce(bench);
    client_init(&carol, bench->shell, &flow, "carol", "word");
    memcpy(carol.nonce, bench->alice.nonce, sizeof carol.nonce);
    carol.nonce_size = bench->alice.nonce_size;
    client_begin(&carol, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&carol.builder, STUN_REQUESTED_TRANSPORT, STUN_TRANSPORT_UDP);
    client_send(&carol);
    assert_int_equal(counters(bench)->requests_parked, 1);
    turn_server_flow_closed(bench->shell->server, bench->shell->now, &flow);
    answer(bench->shell, AUTH_FOUND);
    assert_int_equal(shell_pending(bench->shell), 0);
    assert_int_equal(counters(bench)->allocations_now, 1);
}

static void test_one_source_gets_a_part(void **state)
{
    struct bench *bench = *state;
    struct shell_client client;

    keep_users_elsewhere(bench);
    learn_nonce(bench);
    for (unsigned i = 0; i < PARKING_PLACES_PER_SOURCE + 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "user%u", i);
        send_allocate(bench, &client, "198.51.100.9:41000", name);
    }
    assert_int_equal(counters(bench)->requests_parked, PARKING_PLACES_PER_SOURCE);
    assert_int_equal(counters(bench)->dropped_parking, 5);
}

/* ---- the place ------------------------------------------------------------------------------- */

static void test_place_is_bounded(void **state)
{
    (void)state;
    struct parking parking = {0};
    const struct monotime now = {0};
    static uint8_t bytes[PARKING_SIZE_MAX + 4];
    size_t taken = 0;

    for (unsigned i = 0; i < 2 * PARKING_PLACES; i++) {
        struct flow flow = shell_flow_udp("198.51.100.9:41000");
        flow.remote.ip[3] = (uint8_t)i;
        flow.remote.port = (uint16_t)i;
        taken += parking_put(&parking, now, &flow, i + 1, bytes, 20) == PARKING_TAKEN;
    }
    assert_int_equal(taken, PARKING_PLACES);
    for (unsigned i = PARKING_PLACES; i > 0; i -= 2) { /* out of order */
        free(parking_take(&parking, i));
    }
    assert_int_equal(parking.count, PARKING_PLACES / 2);
    struct flow flow = shell_flow_udp("198.51.100.9:41000");
    assert_int_equal(parking_put(&parking, now, &flow, 7, bytes, sizeof bytes), PARKING_REFUSED);
    assert_int_equal(parking_put(&parking, now, &flow, 7777, bytes, PARKING_SIZE_MAX),
                     PARKING_TAKEN);
    assert_int_equal(parking_put(&parking, now, &flow, 7777, bytes, PARKING_SIZE_MAX),
                     PARKING_REPEATED);
    assert_int_equal(parking_due(&parking).us, PARKING_SECONDS * MONOTIME_SECOND);
    assert_int_equal(parking_expire(&parking, parking_due(&parking)), PARKING_PLACES / 2 + 1);
    assert_int_equal(parking_due(&parking).us, MONOTIME_NEVER.us);
    assert_int_equal(parking_put(&parking, now, &flow, 1, bytes, 20), PARKING_TAKEN);
    parking_clear(&parking);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_goes_on_when_found),
        WITH_BENCH(test_refused_when_absent_or_failed),
        WITH_BENCH(test_keeps_order),
        WITH_BENCH(test_does_not_wait_for_ever),
        WITH_BENCH(test_forgets_closed_connections),
        WITH_BENCH(test_one_source_gets_a_part),
        cmocka_unit_test(test_place_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
