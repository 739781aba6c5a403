/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory: how much an allocation takes, and what happens when there is none. */
#include "tests/unit/short_memory.h"
#include "tests/unit/turn_test.h"

#include <malloc.h>

/* Hands over with memory short; only the machine's own calls count, not the shell's. */
static void short_input(struct bench *bench, const struct shell_client *client)
{
    uint8_t bytes[sizeof client->bytes];
    struct packet packet = {.bytes = bytes, .size = (uint32_t)client->builder.size};

    memcpy(bytes, client->bytes, client->builder.size);
    memory.armed = true;
    turn_server_input(bench->shell->server, bench->shell->now, &client->flow, &packet,
                      bench->shell->outbox);
    memory.armed = false;
    bench->shell->outbox->flush(bench->shell->outbox, bench->shell);
}

/* Closes the request, hands it over with memory short, and returns the code of the answer. */
static int short_ask(struct bench *bench, struct shell_client *client)
{
    const struct shell_sent *sent;
    struct stun_view answer;
    uint16_t code = 0;

    stun_builder_put_string(&client->builder, STUN_USERNAME, client->user);
    stun_builder_put_string(&client->builder, STUN_REALM, SHELL_REALM);
    stun_builder_put_bytes(&client->builder, STUN_NONCE, client->nonce, client->nonce_size);
    stun_builder_put_integrity(&client->builder, bench->shell->crypto, &client->key);
    shell_clear(bench->shell);
    short_input(bench, client);
    sent = shell_take(bench->shell);
    assert_non_null(sent);
    assert_int_equal(stun_view_parse(&answer, sent->bytes, sent->size), STUN_OK);
    if (answer.message_class == STUN_ERROR) {
        assert_int_equal(stun_view_error(&answer, &code, NULL, NULL), STUN_OK);
    }
    return code;
}

enum kind {
    PLAIN,
    PAIR,
    DUAL
};

static int short_allocate(struct bench *bench, enum kind kind)
{
    client_begin(&bench->alice, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&bench->alice.builder, STUN_REQUESTED_TRANSPORT, 17);
    if (kind == PAIR) {
        stun_builder_put_u8(&bench->alice.builder, STUN_EVEN_PORT, 0x80);
    } else if (kind == DUAL) {
        stun_builder_put_u8_reserved(&bench->alice.builder, STUN_ADDITIONAL_ADDRESS_FAMILY, 2);
    }
    return short_ask(bench, &bench->alice);
}

static void allocate_survives_it(void **state)
{
    struct bench *bench = *state;
    unsigned failures = 0;

    assert_int_equal(client_refresh(&bench->alice, 0), 437); /* the nonce is known now */
    for (enum kind kind = PLAIN; kind <= DUAL; kind++) {
        int code = 508;

        for (unsigned allowed = 0; code != 0; allowed++) {
            memory.allowed = allowed;
            code = short_allocate(bench, kind);
            if (code != 0) {
                failures++;
                assert_int_equal(code, 508);
                assert_int_equal(bench->shell->open_count, 0);
                assert_int_equal(bench->shell->users[0].count, 0);
            }
        }
        assert_int_equal(client_refresh(&bench->alice, 0), 0);
    }
    assert_true(failures >= 2);
}

static void permissions_survive_it(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.0:7000");
    unsigned failures = 0;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    for (uint8_t last = 0; last < 60; last++) {
        int code;

        peer.ip[3] = last;
        client_begin(&bench->alice, STUN_CREATE_PERMISSION);
        stun_builder_put_xor_address(&bench->alice.builder, STUN_XOR_PEER_ADDRESS, &peer);
        memory.allowed = 0;
        code = short_ask(bench, &bench->alice);
        if (code != 0) {
            failures++;
            assert_int_equal(code, 508);
            assert_int_equal(client_permit(&bench->alice, &peer), 0);
        }
    }
    assert_int_equal(failures, 4); /* at 4, 8, 16 and 32 */
}

static void channels_survive_it(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    unsigned failures = 0;

    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    for (uint16_t i = 0; i < 30; i++) {
        int code;

        peer.port++;
        client_begin(&bench->alice, STUN_CHANNEL_BIND);
        stun_builder_put_u16_reserved(&bench->alice.builder, STUN_CHANNEL_NUMBER, 0x4000 + i);
        stun_builder_put_xor_address(&bench->alice.builder, STUN_XOR_PEER_ADDRESS, &peer);
        memory.allowed = 0;
        code = short_ask(bench, &bench->alice);
        if (code != 0) {
            failures++;
            assert_int_equal(code, 508);
            assert_int_equal(client_bind(&bench->alice, 0x4000 + i, &peer), 0);
        }
    }
    assert_int_equal(failures, 4); /* at 2, 4, 8 and 16 */
}

static void a_server_is_made_whole_or_not(void **state)
{
    struct bench *bench = *state;
    const struct turn_setup setup = {
        .policy = &bench->shell->policy,
        .auth = bench->shell->auth,
        .crypto = bench->shell->crypto,
        .pool = bench->shell->pool,
        .random = test_random,
        .random_context = &bench->shell->seed,
    };
    struct turn_server *server = NULL;

    memory.refused = 0;
    for (unsigned allowed = 0; server == NULL; allowed++) {
        memory.allowed = allowed;
        memory.armed = true;
        server = turn_server_new(&setup);
        memory.armed = false;
    }
    assert_true(memory.refused >= 4);
    turn_server_free(server);
}

/* Idle: with a permission and a channel, as a browser's. Our own memory, without the socket. */
static void an_idle_allocation_is_small(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct flow flow = shell_flow_udp("198.51.100.9:1");
    struct turn_event event;
    struct shell_client client;
    size_t before = 0;

    for (unsigned i = 0; i <= 1000; i++) {
        if (i == 1) { /* what comes with the first of all is not counted */
            before = mallinfo2().uordblks;
        }
        flow.remote.port = (uint16_t)(1000 + i);
        client_init(&client, bench->shell, &flow, i % 2 ? "alice" : "bob", "secret");
        assert_int_equal(client_allocate(&client, NULL), i < 1000 ? 0 : 508);
        if (i < 1000) {
            assert_int_equal(client_bind(&client, 0x4000, &peer), 0);
        }
        shell_clear(bench->shell);
        while (turn_server_event(bench->shell->server, &event)) {
        }
    }
    print_message("# %zu bytes an idle allocation\n", (mallinfo2().uordblks - before) / 999);
    assert_in_range(mallinfo2().uordblks, 0, before + 999 * 700);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_BENCH(allocate_survives_it),        WITH_BENCH(permissions_survive_it),
        WITH_BENCH(channels_survive_it),         WITH_BENCH(a_server_is_made_whole_or_not),
        WITH_BENCH(an_idle_allocation_is_small),
    };

    return cmocka_run_group_tests_name("turn memory", tests, NULL, NULL);
}
