/* SPDX-License-Identifier: BSD-3-Clause */
/* Allocations with a relayed address of each family: ADDITIONAL-ADDRESS-FAMILY, RFC 8656 §7.2. */
#include "tests/unit/raw_message.h"
#include "tests/unit/turn_test.h"

#include <errno.h>

static void begin(struct shell_client *client)
{
    client_begin(client, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&client->builder, STUN_REQUESTED_TRANSPORT, STUN_TRANSPORT_UDP);
    stun_builder_put_u8_reserved(&client->builder, STUN_ADDITIONAL_ADDRESS_FAMILY,
                                 STUN_FAMILY_IPV6);
}

/* Reads every XOR-RELAYED-ADDRESS, at most two; returns how many there are. */
static size_t relayed_of(const struct stun_view *answer, struct stun_address *relayed)
{
    size_t count = 0;

    for (size_t i = 0; i < answer->attribute_count; i++) {
        if (answer->attributes[i].type == STUN_XOR_RELAYED_ADDRESS) {
            assert_in_range(count, 0, 1);
            assert_int_equal(
                stun_view_xor_address_of(answer, &answer->attributes[i], &relayed[count]), STUN_OK);
            count++;
        }
    }
    return count;
}

static void allocate_dual(struct shell_client *client, struct stun_address *relayed)
{
    struct stun_view answer;

    begin(client);
    assert_int_equal(client_ask(client, &answer), 0);
    assert_int_equal(relayed_of(&answer, relayed), 2);
    assert_false(stun_view_has(&answer, STUN_ADDRESS_ERROR_CODE));
}

static int refresh_family(struct shell_client *client, uint8_t family, uint32_t lifetime_s)
{
    struct stun_view answer;

    client_begin(client, STUN_REFRESH);
    stun_builder_put_u32(&client->builder, STUN_LIFETIME, lifetime_s);
    stun_builder_put_u8_reserved(&client->builder, STUN_REQUESTED_ADDRESS_FAMILY, family);
    return client_ask(client, &answer);
}

static uint64_t allocations(const struct bench *bench)
{
    return turn_server_counters(bench->shell->server)->allocations_now;
}

static void has_an_address_of_each_family(void **state)
{
    struct bench *bench = *state;
    struct stun_address relayed[2];
    struct turn_event event;

    allocate_dual(&bench->alice, relayed);
    assert_int_equal(relayed[0].family, STUN_FAMILY_IPV4);
    assert_int_equal(relayed[1].family, STUN_FAMILY_IPV6);
    assert_int_equal(bench->shell->open_count, 2);
    assert_int_equal(allocations(bench), 1);
    assert_true(turn_server_event(bench->shell->server, &event));
    assert_true(address_equal(&event.relayed, &relayed[0]));
    assert_true(address_equal(&event.relayed_second, &relayed[1]));
    assert_int_equal(client_refresh(&bench->alice, 0), 0);
    assert_int_equal(bench->shell->open_count, 0);
}

static void relays_for_both_families(void **state)
{
    static const char *const texts[] = {"203.0.113.5:7000", "[2001:db8:1::5]:7000"};
    struct bench *bench = *state;
    struct stun_address relayed[2];

    allocate_dual(&bench->alice, relayed);
    for (uint16_t i = 0; i < 2; i++) {
        struct stun_address peer = test_address(texts[i]);
        const struct shell_sent *sent;

        assert_int_equal(client_permit(&bench->alice, &peer), 0);
        shell_clear(bench->shell);
        client_send_indication(&bench->alice, &peer, "one", 3);
        sent = shell_take(bench->shell);
        assert_non_null(sent);
        assert_true(address_equal(&sent->flow.local, &relayed[i]));
        assert_true(address_equal(&sent->flow.remote, &peer));
        assert_int_equal(client_bind(&bench->alice, 0x4000 + i, &peer), 0);
        shell_clear(bench->shell);
        client_send_channel(&bench->alice, 0x4000 + i, "two", 3);
        sent = shell_take(bench->shell);
        assert_true(address_equal(&sent->flow.local, &relayed[i]));
        shell_relayed(bench->shell, &relayed[i], &peer, "back", 4);
        sent = shell_take(bench->shell);
        assert_memory_equal(sent->bytes, ((uint8_t[]){0x40, (uint8_t)i, 0, 4}), 4);
    }
}

static void one_family_can_be_deleted(void **state)
{
    struct bench *bench = *state;
    struct stun_address relayed[2];
    struct stun_address peers[2] = {test_address("203.0.113.5:7000"),
                                    test_address("[2001:db8:1::5]:7000")};

    for (uint8_t gone = 0; gone < 2; gone++) {
        struct stun_view answer;

        allocate_dual(&bench->alice, relayed);
        assert_int_equal(client_bind(&bench->alice, 0x4000, &peers[gone]), 0);
        assert_int_equal(refresh_family(&bench->alice, relayed[gone].family, 0), 0);
        shell_clear(bench->shell);
        client_repeat(&bench->alice); /* the answer was lost */
        assert_int_equal(
            stun_view_parse(&answer, shell_take(bench->shell)->bytes, bench->shell->sent[0].size),
            STUN_OK);
        assert_int_equal(answer.message_class, STUN_SUCCESS);
        assert_int_equal(bench->shell->open_count, 1);
        assert_int_equal(allocations(bench), 1);
        assert_false(port_pool_is_live(bench->shell->pool, &relayed[gone]));
        assert_true(port_pool_is_live(bench->shell->pool, &relayed[!gone]));
        /* nothing is left of it … */
        assert_int_equal(refresh_family(&bench->alice, relayed[gone].family, 600), 443);
        assert_int_equal(client_permit(&bench->alice, &peers[gone]), 443);
        shell_clear(bench->shell);
        client_send_channel(&bench->alice, 0x4000, "gone", 4);
        client_send_indication(&bench->alice, &peers[gone], "gone", 4);
        assert_int_equal(shell_pending(bench->shell), 0);
        /* … and the other one lives */
        assert_int_equal(client_permit(&bench->alice, &peers[!gone]), 0);
        assert_int_equal(client_refresh(&bench->alice, 600), 0);
        assert_int_equal(refresh_family(&bench->alice, relayed[!gone].family, 0), 0);
        assert_int_equal(allocations(bench), 0);
        assert_int_equal(bench->shell->open_count, 0);
    }
}

static void one_family_can_be_kept_longer(void **state)
{
    struct bench *bench = *state;
    struct stun_address relayed[2];

    for (uint8_t kept = 0; kept < 2; kept++) {
        allocate_dual(&bench->alice, relayed);
        assert_int_equal(refresh_family(&bench->alice, relayed[kept].family, 1200), 0);
        shell_advance_ms(bench->shell, 601000);
        assert_int_equal(bench->shell->open_count, 1);
        assert_true(port_pool_is_live(bench->shell->pool, &relayed[kept]));
        shell_advance_ms(bench->shell, 600000);
        assert_int_equal(allocations(bench), 0);
    }
    allocate_dual(&bench->alice, relayed);
    assert_int_equal(client_refresh(&bench->alice, 1200), 0); /* without a family: both */
    shell_advance_ms(bench->shell, 1199000);
    assert_int_equal(bench->shell->open_count, 2);
    shell_advance_ms(bench->shell, 1200);
    assert_int_equal(bench->shell->open_count, 0);
}

static void a_family_that_cannot_be_had_is_told(void **state)
{
    struct bench *bench = *state;
    struct stun_address relayed[2];
    struct stun_view answer;
    uint8_t family;
    uint16_t code;

    begin(&bench->alice);
    client_ask(&bench->alice, &answer);
    client_refresh(&bench->alice, 0);
    bench->shell->open_failures = 1; /* IPv4 */
    bench->shell->open_failure_errno = EMFILE;
    begin(&bench->alice);
    assert_int_equal(client_ask(&bench->alice, &answer), 0);
    assert_int_equal(relayed_of(&answer, relayed), 1);
    assert_int_equal(relayed[0].family, STUN_FAMILY_IPV6);
    assert_int_equal(stun_view_address_error(&answer, &family, &code, NULL, NULL), STUN_OK);
    assert_int_equal(family, STUN_FAMILY_IPV4);
    assert_int_equal(code, 508);
    shell_clear(bench->shell);
    client_repeat(&bench->alice);
    assert_int_equal(
        stun_view_parse(&answer, shell_take(bench->shell)->bytes, bench->shell->sent[0].size),
        STUN_OK);
    assert_int_equal(stun_view_address_error(&answer, &family, &code, NULL, NULL), STUN_OK);
    client_refresh(&bench->alice, 0);

    bench->shell->open_failures = 2; /* both */
    begin(&bench->alice);
    assert_int_equal(client_ask(&bench->alice, &answer), 508);
    assert_int_equal(bench->shell->open_count, 0);
}

static void what_excludes_it_is_400(void **state)
{
    static const struct {
        uint16_t type;
        uint8_t value[8];
        size_t size;
        int code;
    } cases[] = {
        {STUN_REQUESTED_ADDRESS_FAMILY, {1}, 4, 400},
        {STUN_REQUESTED_ADDRESS_FAMILY, {2}, 4, 400},
        {STUN_RESERVATION_TOKEN, {1}, 8, 400},
        {STUN_EVEN_PORT, {0x80}, 1, 400},
        {STUN_EVEN_PORT, {0}, 1, 0},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stun_view answer;

        begin(&bench->alice);
        stun_builder_put_bytes(&bench->alice.builder, cases[i].type, cases[i].value, cases[i].size);
        assert_int_equal(client_ask(&bench->alice, &answer), cases[i].code);
    }
    for (uint8_t family = 0; family < 4; family++) {
        struct stun_view answer;

        client_refresh(&bench->alice, 0);
        client_begin(&bench->alice, STUN_ALLOCATE);
        stun_builder_put_u8_reserved(&bench->alice.builder, STUN_REQUESTED_TRANSPORT, 17);
        stun_builder_put_u8_reserved(&bench->alice.builder, STUN_ADDITIONAL_ADDRESS_FAMILY, family);
        assert_int_equal(client_ask(&bench->alice, &answer), family == 2 ? 0 : 400);
    }
}

static void even_ports_are_even_in_both(void **state)
{
    struct bench *bench = *state;

    for (unsigned i = 0; i < 8; i++) {
        struct stun_address relayed[2];
        struct stun_view answer;

        begin(&bench->alice);
        stun_builder_put_u8(&bench->alice.builder, STUN_EVEN_PORT, 0);
        assert_int_equal(client_ask(&bench->alice, &answer), 0);
        assert_int_equal(relayed_of(&answer, relayed), 2);
        assert_int_equal(relayed[0].port % 2 + relayed[1].port % 2, 0);
        assert_int_equal(client_refresh(&bench->alice, 0), 0);
    }
}

/* The request and its answer, byte by byte: nothing here was made by our codec. */
static void bytes(void **state)
{
    struct bench *bench = *state;
    struct raw raw = {.size = 0};
    const struct shell_sent *sent;
    const uint8_t *value;
    size_t size = 0, relayed_count = 0;

    client_allocate(&bench->alice, NULL); /* learns the nonce */
    client_refresh(&bench->alice, 0);
    shell_clear(bench->shell);
    raw_hex(&raw, "0003 0010 2112a442 0102030405060708090a0b0c 0019 0004 11000000"
                  "8000 0004 02000000");
    raw_authenticate(&raw, bench->alice.nonce, bench->alice.nonce_size);
    shell_input(bench->shell, &bench->alice.flow, raw.bytes, raw.size);
    sent = shell_take(bench->shell);
    assert_memory_equal(sent->bytes, ((uint8_t[]){0x01, 0x03}), 2);
    for (size_t at = 20; at < sent->size;) {
        size_t length = (size_t)sent->bytes[at + 2] << 8 | sent->bytes[at + 3];

        if (sent->bytes[at] == 0 && sent->bytes[at + 1] == 0x16) {
            assert_int_equal(length, relayed_count == 0 ? 8 : 20);
            assert_int_equal(sent->bytes[at + 5], relayed_count == 0 ? 1 : 2);
            relayed_count++;
        }
        at += 4 + (length + 3) / 4 * 4;
    }
    assert_int_equal(relayed_count, 2);
    value = raw_find(sent->bytes, sent->size, 0x000d, &size);
    assert_memory_equal(value, ((uint8_t[]){0, 0, 2, 0x58}), 4);
}

static int set_up_without_ipv6(void **state)
{
    struct stun_address own = {.family = STUN_FAMILY_IPV4, .ip = {192, 0, 2, 1}};
    struct bench *bench = calloc(1, sizeof *bench);
    struct flow a = shell_flow_udp("198.51.100.9:40000");

    bench->shell = shell_new(3);
    port_pool_free(bench->shell->pool);
    bench->shell->pool = port_pool_new(&own, 1, 50000, 50999);
    shell_start(bench->shell, NULL);
    client_init(&bench->alice, bench->shell, &a, "alice", "secret");
    *state = bench;
    return 0;
}

static void a_server_with_one_family_says_440(void **state)
{
    struct bench *bench = *state;
    struct stun_address relayed[2];
    struct stun_view answer;
    uint8_t family;
    uint16_t code;

    begin(&bench->alice);
    assert_int_equal(client_ask(&bench->alice, &answer), 0);
    assert_int_equal(relayed_of(&answer, relayed), 1);
    assert_int_equal(stun_view_address_error(&answer, &family, &code, NULL, NULL), STUN_OK);
    assert_int_equal(family, STUN_FAMILY_IPV6);
    assert_int_equal(code, 440);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_BENCH(has_an_address_of_each_family),
        WITH_BENCH(relays_for_both_families),
        WITH_BENCH(one_family_can_be_deleted),
        WITH_BENCH(one_family_can_be_kept_longer),
        WITH_BENCH(a_family_that_cannot_be_had_is_told),
        WITH_BENCH(what_excludes_it_is_400),
        WITH_BENCH(even_ports_are_even_in_both),
        WITH_BENCH(bytes),
        cmocka_unit_test_setup_teardown(a_server_with_one_family_says_440, set_up_without_ipv6,
                                        tear_down),
    };

    return cmocka_run_group_tests_name("dual allocations", tests, NULL, NULL);
}
