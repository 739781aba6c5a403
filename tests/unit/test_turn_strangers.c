/* SPDX-License-Identifier: BSD-3-Clause */
/* What those get who have not shown who they are, or who try to seem somebody else. */
#include "tests/unit/turn_test.h"

#include "tests/unit/seeded.h"

#include <malloc.h>

static const uint16_t turn_methods[] = {STUN_ALLOCATE, STUN_REFRESH, STUN_CREATE_PERMISSION,
                                        STUN_CHANNEL_BIND};
#define TURN_METHODS (sizeof turn_methods / sizeof turn_methods[0])

static void every_method_is_challenged_within_bounds(void **state)
{
    struct bench *bench = *state;

    for (size_t i = 0; i < TURN_METHODS; i++) {
        const struct shell_sent *sent;
        struct stun_view answer;
        uint16_t code;

        client_begin(&bench->alice, turn_methods[i]);
        client_send(&bench->alice);
        sent = shell_take(bench->shell);
        assert_non_null(sent);
        assert_int_equal(stun_view_parse(&answer, sent->bytes, sent->size), STUN_OK);
        assert_int_equal(stun_view_error(&answer, &code, NULL, NULL), STUN_OK);
        assert_int_equal(code, 401);
        assert_true(stun_view_has(&answer, STUN_REALM));
        assert_true(stun_view_has(&answer, STUN_NONCE));
        assert_false(stun_view_has(&answer, STUN_MESSAGE_INTEGRITY));
        assert_true(sent->size <= 10 * bench->alice.builder.size);
    }
    assert_int_equal(turn_server_counters(bench->shell->server)->challenges, TURN_METHODS);
}

static void a_challenge_that_would_amplify_is_not_sent(void **state)
{
    char realm[128];
    struct shell *shell = shell_new(1);
    struct flow flow = shell_flow_udp("198.51.100.9:40000");
    struct shell_client client;

    (void)state;
    memset(realm, 'r', sizeof realm - 1);
    realm[sizeof realm - 1] = '\0';
    auth_policy_free(shell->auth_policy);
    shell->auth_policy = auth_policy_new(realm, 600);
    shell_start(shell, NULL);
    client_init(&client, shell, &flow, "alice", "secret");
    client_begin(&client, STUN_REFRESH); /* 20 bytes */
    client_send(&client);
    assert_null(shell_take(shell));
    assert_int_equal(turn_server_counters(shell->server)->dropped_rate_limited, 1);
    client_begin(&client, STUN_ALLOCATE); /* what a client in earnest sends */
    stun_builder_put_u8_reserved(&client.builder, STUN_REQUESTED_TRANSPORT, 17);
    client_send(&client);
    assert_non_null(shell_take(shell));
    client.flow.transport = TRANSPORT_TCP; /* nobody forges the source of a connection */
    client_begin(&client, STUN_REFRESH);
    client_send(&client);
    assert_non_null(shell_take(shell));
    shell_free(shell);
}

static void a_wrong_password_is_401_for_ever(void **state)
{
    struct bench *bench = *state;
    struct shell_client liar;

    client_init(&liar, bench->shell, &bench->alice.flow, "alice", "guess");
    assert_int_equal(client_allocate(&liar, NULL), 401);
    client_init(&liar, bench->shell, &bench->alice.flow, "nobody", "secret");
    assert_int_equal(client_allocate(&liar, NULL), 401);
    assert_int_equal(bench->shell->open_count, 0);
}

static void a_nonce_from_elsewhere_is_438(void **state)
{
    struct bench *bench = *state;
    struct shell_client moved;
    struct stun_view answer;
    const struct shell_sent *sent;
    uint16_t code;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    client_init(&moved, bench->shell, &bench->bob.flow, "alice", "secret");
    memcpy(moved.nonce, bench->alice.nonce, sizeof moved.nonce);
    moved.nonce_size = bench->alice.nonce_size;
    client_begin(&moved, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&moved.builder, STUN_REQUESTED_TRANSPORT, 17);
    shell_clear(bench->shell);
    client_send(&moved);
    sent = shell_take(bench->shell);
    assert_int_equal(stun_view_parse(&answer, sent->bytes, sent->size), STUN_OK);
    assert_int_equal(stun_view_error(&answer, &code, NULL, NULL), STUN_OK);
    assert_int_equal(code, 438);
    assert_true(stun_view_has(&answer, STUN_NONCE));
    /* and from another time */
    shell_advance_ms(bench->shell, 3700 * 1000);
    client_begin(&bench->alice, STUN_REFRESH);
    shell_clear(bench->shell);
    client_send(&bench->alice);
    sent = shell_take(bench->shell);
    assert_int_equal(stun_view_parse(&answer, sent->bytes, sent->size), STUN_OK);
    assert_int_equal(stun_view_error(&answer, &code, NULL, NULL), STUN_OK);
    assert_int_equal(code, 438);
}

/* Attributes behind MESSAGE-INTEGRITY might be anybody's: they have no effect. */
static void what_follows_integrity_has_no_effect(void **state)
{
    struct bench *bench = *state;
    struct shell_client *alice = &bench->alice;
    struct stun_view answer;
    uint32_t lifetime_s;
    const struct shell_sent *sent;

    assert_int_equal(client_allocate(alice, NULL), 0);
    client_begin(alice, STUN_REFRESH);
    stun_builder_put_string(&alice->builder, STUN_USERNAME, "alice");
    stun_builder_put_string(&alice->builder, STUN_REALM, SHELL_REALM);
    stun_builder_put_bytes(&alice->builder, STUN_NONCE, alice->nonce, alice->nonce_size);
    stun_builder_put_integrity(&alice->builder, bench->shell->crypto, &alice->key);
    alice->builder.sealed = 0;
    stun_builder_put_u32(&alice->builder, STUN_LIFETIME, 0);
    stun_builder_put_flag(&alice->builder, STUN_DONT_FRAGMENT);
    shell_clear(bench->shell);
    client_repeat(alice);
    sent = shell_take(bench->shell);
    assert_non_null(sent);
    assert_int_equal(stun_view_parse(&answer, sent->bytes, sent->size), STUN_OK);
    assert_int_equal(answer.message_class, STUN_SUCCESS);
    assert_int_equal(stun_view_u32(&answer, STUN_LIFETIME, &lifetime_s), STUN_OK);
    assert_int_equal(lifetime_s, 600);
    assert_int_equal(bench->shell->open_count, 1);
}

static void answers_and_strange_methods_are_never_answered(void **state)
{
    struct bench *bench = *state;
    const struct turn_counters *counters = turn_server_counters(bench->shell->server);
    size_t expected = 0;

    for (unsigned method = 0; method < 0x20; method++) {
        for (int message_class = STUN_REQUEST; message_class <= STUN_ERROR; message_class++) {
            bool served =
                message_class == STUN_REQUEST &&
                (method == 1 || method == 3 || method == 4 || (method >= 8 && method <= 11));
            struct stun_builder builder;
            uint8_t bytes[64];

            stun_builder_begin(&builder, bytes, sizeof bytes, (enum stun_class)message_class,
                               (uint16_t)method, bench->alice.transaction_id);
            shell_input(bench->shell, &bench->alice.flow, bytes, builder.size);
            expected += served;
            assert_int_equal(shell_pending(bench->shell), expected);
        }
    }
    /* all but what is served, Binding indications (keepalives), and Send without allocation */
    assert_int_equal(counters->dropped_unexpected, 4 * 0x20 - 7 - 2);
    assert_int_equal(counters->dropped_no_allocation, 1);
}

static void classic_clients_are_not_answered(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[20] = {0, 1};

    shell_input(bench->shell, &bench->alice.flow, bytes, sizeof bytes);
    assert_null(shell_take(bench->shell));
    assert_int_equal(turn_server_counters(bench->shell->server)->dropped_malformed, 1);
}

static void noise_is_counted_and_dropped(void **state)
{
    struct bench *bench = *state;
    static const uint8_t begins[] = {0, 3, 0, 0, 0x21, 0x12, 0xA4, 0x42};
    uint64_t seed = 17;
    uint8_t bytes[600] = {0};

    shell_input(bench->shell, &bench->alice.flow, bytes, 0);
    for (unsigned i = 0; i < 20000; i++) {
        size_t size = seeded_below(&seed, sizeof bytes);

        for (size_t at = 0; at < size; at++) {
            bytes[at] = (uint8_t)seeded_next(&seed);
        }
        if (i % 2 == 0 && size >= 20) { /* half of it looks like STUN at first sight */
            memcpy(bytes, begins, sizeof begins);
            bytes[2] = (uint8_t)((size - 20) >> 8);
            bytes[3] = (uint8_t)((size - 20) & 0xFC);
        }
        shell_input(bench->shell, &bench->alice.flow, bytes, size);
        shell_clear(bench->shell);
    }
    assert_int_equal(bench->shell->open_count, 0);
    assert_true(turn_server_counters(bench->shell->server)->dropped_malformed > 10000);
}

static void truncations_and_wrong_lengths_are_dropped(void **state)
{
    struct bench *bench = *state;
    struct shell_client *alice = &bench->alice;
    uint8_t good[512];
    size_t size;

    assert_int_equal(client_allocate(alice, NULL), 0);
    size = alice->builder.size;
    memcpy(good, alice->bytes, size);
    for (size_t cut = 0; cut < size; cut++) {
        shell_clear(bench->shell);
        shell_input(bench->shell, &alice->flow, good, cut);
        assert_null(shell_take(bench->shell));
    }
    for (unsigned length = 0; length <= UINT16_MAX; length++) {
        if (length != size - 20) {
            good[2] = (uint8_t)(length >> 8);
            good[3] = (uint8_t)length;
            shell_clear(bench->shell);
            shell_input(bench->shell, &alice->flow, good, size);
            assert_null(shell_take(bench->shell));
        }
    }
}

/* One attribute's length field at a time says something else: no answer or an error, no harm. */
static void wrong_attribute_lengths_do_no_harm(void **state)
{
    struct bench *bench = *state;
    struct shell_client *alice = &bench->alice;
    uint8_t good[512], bad[512];
    size_t size;

    assert_int_equal(client_allocate(alice, NULL), 0);
    assert_int_equal(client_refresh(alice, 0), 0);
    client_begin(alice, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&alice->builder, STUN_REQUESTED_TRANSPORT, 17);
    client_send(alice);
    size = alice->builder.size;
    memcpy(good, alice->bytes, size);
    shell_clear(bench->shell);
    assert_int_equal(client_refresh(alice, 0), 0);
    for (size_t at = 20; at < size; at += 4 + ((size_t)(good[at + 3] + 3) & ~(size_t)3)) {
        for (unsigned length = 0; length < 300; length++) {
            const struct shell_sent *sent;

            memcpy(bad, good, size);
            bad[at + 2] = (uint8_t)(length >> 8);
            bad[at + 3] = (uint8_t)length;
            if (memcmp(bad, good, size) == 0) {
                continue;
            }
            shell_clear(bench->shell);
            shell_input(bench->shell, &alice->flow, bad, size);
            sent = shell_take(bench->shell);
            assert_true(sent == NULL || (sent->bytes[1] & 0x10) != 0);
        }
    }
    assert_int_equal(bench->shell->open_count, 0);
}

static void answers_to_one_source_are_limited(void **state)
{
    struct bench *bench = *state;
    struct flow flow = bench->alice.flow;
    struct stun_view answer;
    unsigned answered = 0;

    bench->shell->policy.unauthenticated_per_source = 20;
    for (unsigned i = 0; i < 1000; i++) {
        client_begin(&bench->alice, i % 2 == 0 ? STUN_BINDING : STUN_ALLOCATE);
        bench->alice.flow.remote.port = (uint16_t)(1000 + i);
        client_send(&bench->alice);
        answered += shell_take(bench->shell) != NULL;
    }
    assert_int_equal(answered, 20);
    assert_int_equal(turn_server_counters(bench->shell->server)->dropped_rate_limited, 980);
    assert_int_equal(client_allocate(&bench->bob, NULL), 0); /* another source */
    shell_advance_ms(bench->shell, 100);
    bench->alice.flow = flow;
    assert_int_equal(client_allocate(&bench->alice, NULL), 0); /* 401, then known */
    for (unsigned i = 0; i < 200; i++) {                       /* who is known is not limited */
        assert_int_equal(client_refresh(&bench->alice, 600), 0);
    }
    bench->alice.nonce_size = 0;
    bench->alice.flow.transport = TRANSPORT_TCP;
    for (unsigned i = 0; i < 200; i++) { /* nor is a connection */
        client_begin(&bench->alice, STUN_BINDING);
        assert_int_equal(client_ask(&bench->alice, &answer), 0);
    }
}

static void a_flood_takes_no_memory(void **state)
{
    struct bench *bench = *state;
    uint64_t seed = 23;
    size_t before = 0;

    bench->shell->policy.unauthenticated_per_source = 5;
    for (unsigned i = 0; i < 100000; i++) {
        for (size_t byte = 0; byte < 4; byte++) {
            bench->alice.flow.remote.ip[byte] = (uint8_t)seeded_next(&seed);
        }
        client_begin(&bench->alice, i % 2 == 0 ? STUN_BINDING : STUN_ALLOCATE);
        client_send(&bench->alice);
        shell_clear(bench->shell);
        if (i == 1000) {
            before = mallinfo2().uordblks;
        }
    }
    assert_in_range(mallinfo2().uordblks, 0, before + 1024);
}

/* Frames of a stream begin anywhere: a whole conversation at every distance from alignment. The
 * sanitizers see each access. */
static void no_alignment_is_needed(void **state)
{
    struct bench *bench = *state;
    struct shell_client *alice = &bench->alice;
    struct stun_address relayed, peer = test_address("198.51.100.77:9");

    for (bench->shell->offset = 0; bench->shell->offset < 8; bench->shell->offset++) {
        shell_clear(bench->shell);
        assert_int_equal(client_allocate(alice, &relayed), 0);
        assert_int_equal(client_permit(alice, &peer), 0);
        shell_clear(bench->shell);
        client_send_indication(alice, &peer, "one", 3);
        assert_memory_equal(shell_take(bench->shell)->bytes, "one", 3);
        shell_relayed(bench->shell, &relayed, &peer, "back", 4);
        assert_non_null(shell_take(bench->shell));
        assert_int_equal(client_bind(alice, 0x4001, &peer), 0);
        shell_clear(bench->shell);
        client_send_channel(alice, 0x4001, "three", 5);
        assert_memory_equal(shell_take(bench->shell)->bytes, "three", 5);
        shell_relayed(bench->shell, &relayed, &peer, "back", 4);
        assert_memory_equal(shell_take(bench->shell)->bytes,
                            "\x40\x01\x00\x04"
                            "back",
                            8);
        assert_int_equal(client_refresh(alice, 0), 0);
    }
    bench->shell->offset = 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_BENCH(every_method_is_challenged_within_bounds),
        cmocka_unit_test(a_challenge_that_would_amplify_is_not_sent),
        WITH_BENCH(a_wrong_password_is_401_for_ever),
        WITH_BENCH(a_nonce_from_elsewhere_is_438),
        WITH_BENCH(what_follows_integrity_has_no_effect),
        WITH_BENCH(answers_and_strange_methods_are_never_answered),
        WITH_BENCH(classic_clients_are_not_answered),
        WITH_BENCH(noise_is_counted_and_dropped),
        WITH_BENCH(truncations_and_wrong_lengths_are_dropped),
        WITH_BENCH(wrong_attribute_lengths_do_no_harm),
        WITH_BENCH(answers_to_one_source_are_limited),
        WITH_BENCH(a_flood_takes_no_memory),
        WITH_BENCH(no_alignment_is_needed),
    };

    return cmocka_run_group_tests_name("turn strangers", tests, NULL, NULL);
}
