/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/turn_shell.h"
#include "tests/unit/machine_test.h"

static const uint8_t id[STUN_TRANSACTION_ID_SIZE] = {1, 2, 3};

static struct shell *start_behavior(void)
{
    struct shell *shell = shell_new(1);
    struct turn_nat_behavior behavior = {
        .enabled = true,
        .port = {3478, 3479},
        .via = {{1, 2}, {3, 4}},
    };

    behavior.address[0] = test_address("192.0.2.1:3478");
    behavior.address[1] = test_address("192.0.2.2:3478");
    shell_start(shell, &behavior);
    return shell;
}

static void begin(struct stun_builder *builder, uint8_t *bytes, size_t capacity)
{
    stun_builder_begin(builder, bytes, capacity, STUN_REQUEST, STUN_BINDING, id);
}

/* Hands the request over and parses the answer; NULL when there is none. */
static const struct shell_sent *ask(struct shell *shell, const struct flow *flow,
                                    const struct stun_builder *builder, struct stun_view *answer)
{
    const struct shell_sent *sent;

    assert_int_equal(stun_builder_finish(builder), builder->size);
    shell_input(shell, flow, builder->bytes, builder->size);
    sent = shell_take(shell);
    if (sent != NULL) {
        assert_int_equal(stun_view_parse(answer, sent->bytes, sent->size), STUN_OK);
        assert_int_equal(shell_pending(shell), 0);
    }
    return sent;
}

static int error_of(const struct stun_view *answer)
{
    uint16_t code = 0;

    assert_int_equal(answer->message_class, STUN_ERROR);
    assert_int_equal(stun_view_error(answer, &code, NULL, NULL), STUN_OK);
    return code;
}

static void tells_the_mapped_address(void **state)
{
    static const char *const clients[] = {"198.51.100.9:40000", "[2001:db8:7::9]:40000"};
    struct shell *shell = shell_new(1);

    (void)state;
    shell_start(shell, NULL);
    for (size_t i = 0; i < 2; i++) {
        struct flow flow = shell_flow_udp(clients[i]);
        struct stun_builder builder;
        struct stun_view answer = {0};
        struct stun_address mapped = {0};
        const struct shell_sent *sent;
        uint8_t bytes[64];

        begin(&builder, bytes, sizeof bytes);
        sent = ask(shell, &flow, &builder, &answer);
        assert_non_null(sent);
        assert_int_equal(answer.message_class, STUN_SUCCESS);
        assert_int_equal(stun_view_xor_address(&answer, STUN_XOR_MAPPED_ADDRESS, &mapped), 0);
        assert_true(address_equal(&mapped, &flow.remote));
        assert_true(stun_view_has(&answer, STUN_SOFTWARE));
        assert_false(stun_view_has(&answer, STUN_FINGERPRINT));
        assert_false(stun_view_has(&answer, STUN_OTHER_ADDRESS));
        assert_true(sent->size <= 6 * builder.size);
    }
    shell_free(shell);
}

static void fingerprint_is_returned_and_checked(void **state)
{
    struct shell *shell = shell_new(1);
    struct flow flow = shell_flow_udp("198.51.100.9:40000");
    struct stun_builder builder;
    struct stun_view answer = {0};
    uint8_t bytes[64];

    (void)state;
    shell_start(shell, NULL);
    begin(&builder, bytes, sizeof bytes);
    stun_builder_put_fingerprint(&builder);
    assert_non_null(ask(shell, &flow, &builder, &answer));
    assert_int_equal(stun_view_check_fingerprint(&answer), STUN_OK);
    bytes[builder.size - 1] ^= 1;
    assert_null(ask(shell, &flow, &builder, &answer));
    assert_int_equal(turn_server_counters(shell->server)->dropped_malformed, 1);
    shell_free(shell);
}

static void software_is_left_out_where_it_would_amplify(void **state)
{
    struct shell *shell = shell_new(1);
    struct flow flow = shell_flow_udp("[2001:db8:7::9]:40000");
    struct stun_builder builder;
    struct stun_view answer = {0};
    const struct shell_sent *sent;
    uint8_t bytes[64];

    (void)state;
    shell->policy.software = "A name that is much too long to go into an answer to a stranger, who "
                             "may have forged the address that we are about to answer";
    shell_start(shell, NULL);
    begin(&builder, bytes, sizeof bytes);
    sent = ask(shell, &flow, &builder, &answer);
    assert_non_null(sent);
    assert_false(stun_view_has(&answer, STUN_SOFTWARE));
    assert_true(sent->size <= 6 * builder.size);
    shell_free(shell);
}

static void other_address_and_origin(void **state)
{
    struct shell *shell = start_behavior();
    struct flow flow = shell_flow_udp("198.51.100.9:40000");
    struct stun_address other = {0}, origin = {0};
    struct stun_builder builder;
    struct stun_view answer = {0};
    uint8_t bytes[64];

    (void)state;
    flow.via = 3; /* the alternate address, the primary port */
    flow.local = test_address("192.0.2.2:3478");
    begin(&builder, bytes, sizeof bytes);
    assert_non_null(ask(shell, &flow, &builder, &answer));
    assert_int_equal(stun_view_address(&answer, STUN_OTHER_ADDRESS, &other), STUN_OK);
    assert_int_equal(stun_view_address(&answer, STUN_RESPONSE_ORIGIN, &origin), STUN_OK);
    assert_true(address_equal(&origin, &flow.local));
    flow.local = test_address("192.0.2.1:3479");
    assert_true(address_equal(&other, &flow.local));
    shell_free(shell);
}

static void each_family_has_its_endpoints(void **state)
{
    struct shell *shell = shell_new(1);
    struct turn_nat_behavior behavior = {
        .enabled = true, .port = {3478, 3479}, .via = {{1, 2}, {3, 4}}};
    struct flow flow = shell_flow_udp("[2001:db8:7::9]:40000");
    struct stun_address other = {0}, expected = test_address("[2001:db8::1]:3479");
    struct stun_builder builder;
    struct stun_view answer = {0};
    const struct shell_sent *sent;
    uint8_t bytes[64];

    (void)state;
    behavior.address[0] = test_address("192.0.2.1:3478");
    behavior.address[1] = test_address("192.0.2.2:3478");
    shell->second_behavior = behavior;
    shell->second_behavior.address[0] = test_address("[2001:db8::1]:3478");
    shell->second_behavior.address[1] = test_address("[2001:db8::2]:3478");
    for (unsigned i = 0; i < 4; i++) {
        shell->second_behavior.via[i / 2][i % 2] = 5 + i;
    }
    shell_start(shell, &behavior);
    flow.via = 7;
    flow.local = test_address("[2001:db8::2]:3478");
    begin(&builder, bytes, sizeof bytes);
    stun_builder_put_u32(&builder, STUN_CHANGE_REQUEST, STUN_CHANGE_IP | STUN_CHANGE_PORT);
    sent = ask(shell, &flow, &builder, &answer);
    assert_non_null(sent);
    assert_int_equal(sent->flow.via, 6);
    assert_int_equal(stun_view_address(&answer, STUN_OTHER_ADDRESS, &other), STUN_OK);
    assert_true(address_equal(&other, &expected));
    shell_free(shell);
}

static void change_request_changes_where_the_answer_leaves(void **state)
{
    static const struct {
        uint32_t change;
        uint32_t via;
        const char *from;
    } cases[] = {
        {0, 1, "192.0.2.1:3478"},
        {STUN_CHANGE_PORT, 2, "192.0.2.1:3479"},
        {STUN_CHANGE_IP, 3, "192.0.2.2:3478"},
        {STUN_CHANGE_IP | STUN_CHANGE_PORT, 4, "192.0.2.2:3479"},
    };
    struct shell *shell = start_behavior();
    struct flow flow = shell_flow_udp("198.51.100.9:40000");

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stun_address from = test_address(cases[i].from);
        struct stun_address origin = {0};
        struct stun_builder builder;
        struct stun_view answer = {0};
        const struct shell_sent *sent;
        uint8_t bytes[64];

        begin(&builder, bytes, sizeof bytes);
        stun_builder_put_u32(&builder, STUN_CHANGE_REQUEST, cases[i].change);
        sent = ask(shell, &flow, &builder, &answer);
        assert_non_null(sent);
        assert_int_equal(sent->flow.via, cases[i].via);
        assert_true(address_equal(&sent->flow.local, &from));
        assert_true(address_equal(&sent->flow.remote, &flow.remote));
        assert_int_equal(stun_view_address(&answer, STUN_RESPONSE_ORIGIN, &origin), STUN_OK);
        assert_true(address_equal(&origin, &from));
    }
    shell_free(shell);
}

static void response_port_changes_the_port_only(void **state)
{
    struct shell *shell = start_behavior();
    struct flow flow = shell_flow_udp("198.51.100.9:40000");
    struct stun_address mapped = {0};
    struct stun_builder builder;
    struct stun_view answer = {0};
    const struct shell_sent *sent;
    uint8_t bytes[64];

    (void)state;
    begin(&builder, bytes, sizeof bytes);
    stun_builder_put_u16_reserved(&builder, STUN_RESPONSE_PORT, 41000);
    sent = ask(shell, &flow, &builder, &answer);
    assert_non_null(sent);
    assert_true(address_equal_ip(&sent->flow.remote, &flow.remote));
    assert_int_equal(sent->flow.remote.port, 41000);
    assert_int_equal(stun_view_xor_address(&answer, STUN_XOR_MAPPED_ADDRESS, &mapped), STUN_OK);
    assert_int_equal(mapped.port, 40000);
    shell_free(shell);
}

static void padding_is_as_long_as_the_requests(void **state)
{
    static const size_t sizes[] = {4, 1200, 1500, 3000};
    static const uint8_t zeros[3000];
    struct shell *shell = start_behavior();
    struct flow flow = shell_flow_udp("198.51.100.9:40000");

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct stun_builder builder;
        struct stun_view answer = {0};
        uint8_t bytes[4000];

        begin(&builder, bytes, sizeof bytes);
        stun_builder_put_bytes(&builder, STUN_PADDING, zeros, sizes[i]);
        assert_non_null(ask(shell, &flow, &builder, &answer));
        assert_int_equal(stun_view_find(&answer, STUN_PADDING)->size, sizes[i]);
    }
    shell_free(shell);
}

static void padding_of_a_giant_is_cut(void **state)
{
    static uint8_t zeros[60000], bytes[61000];
    struct shell *shell = start_behavior();
    struct flow flow = shell_flow_udp("198.51.100.9:40000");
    struct stun_builder builder;
    struct stun_view answer = {0};

    (void)state;
    begin(&builder, bytes, sizeof bytes);
    stun_builder_put_bytes(&builder, STUN_PADDING, zeros, sizeof zeros);
    assert_non_null(ask(shell, &flow, &builder, &answer));
    assert_in_range(stun_view_find(&answer, STUN_PADDING)->size, 1500, 4096);
    shell_free(shell);
}

static void refuses_what_would_reflect(void **state)
{
    struct shell *shell = start_behavior();
    struct flow flow = shell_flow_udp("198.51.100.9:40000");
    struct stun_builder builder;
    struct stun_view answer = {0};
    const struct shell_sent *sent;
    uint8_t bytes[256];

    (void)state;
    begin(&builder, bytes, sizeof bytes);
    stun_builder_put_u16_reserved(&builder, STUN_RESPONSE_PORT, 41000);
    stun_builder_put_bytes(&builder, STUN_PADDING, "1234", 4);
    sent = ask(shell, &flow, &builder, &answer);
    assert_int_equal(error_of(&answer), 400);
    assert_int_equal(sent->flow.remote.port, 40000); /* an error never goes elsewhere */

    begin(&builder, bytes, sizeof bytes);
    stun_builder_put_u16_reserved(&builder, STUN_RESPONSE_PORT, 0);
    assert_non_null(ask(shell, &flow, &builder, &answer));
    assert_int_equal(error_of(&answer), 400);

    begin(&builder, bytes, sizeof bytes); /* RFC 3489's: the answer to another address */
    stun_builder_put_address(&builder, STUN_RESPONSE_ADDRESS, &flow.local);
    assert_non_null(ask(shell, &flow, &builder, &answer));
    assert_int_equal(error_of(&answer), 420);
    shell_free(shell);
}

static void wrong_lengths_are_400(void **state)
{
    static const struct {
        uint16_t type;
        size_t size;
    } cases[] = {
        {STUN_CHANGE_REQUEST, 0}, {STUN_CHANGE_REQUEST, 3}, {STUN_CHANGE_REQUEST, 8},
        {STUN_RESPONSE_PORT, 0},  {STUN_RESPONSE_PORT, 1},  {STUN_RESPONSE_PORT, 8},
    };
    struct shell *shell = start_behavior();
    struct flow flow = shell_flow_udp("198.51.100.9:40000");

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stun_builder builder;
        struct stun_view answer = {0};
        uint8_t bytes[64];

        begin(&builder, bytes, sizeof bytes);
        stun_builder_put_bytes(&builder, cases[i].type, "\1\1\1\1\1\1\1\1", cases[i].size);
        assert_non_null(ask(shell, &flow, &builder, &answer));
        assert_int_equal(error_of(&answer), 400);
    }
    shell_free(shell);
}

static void without_a_second_address_behavior_is_unknown(void **state)
{
    static const uint16_t types[] = {STUN_CHANGE_REQUEST, STUN_RESPONSE_PORT};
    struct shell *shell = shell_new(1);
    struct flow flow = shell_flow_udp("198.51.100.9:40000");

    (void)state;
    shell_start(shell, NULL);
    for (size_t i = 0; i < 2; i++) {
        struct stun_builder builder;
        struct stun_view answer = {0};
        uint8_t bytes[64];

        begin(&builder, bytes, sizeof bytes);
        stun_builder_put_u32(&builder, types[i], 0x10000);
        assert_non_null(ask(shell, &flow, &builder, &answer));
        assert_int_equal(error_of(&answer), 420);
        assert_memory_equal(stun_view_find(&answer, STUN_UNKNOWN_ATTRIBUTES)->value,
                            ((uint8_t[]){0, (uint8_t)types[i]}), 2);
    }
    shell_free(shell);
}

/* Over a connection the answer can only come back on it. */
static void a_connection_has_no_behavior(void **state)
{
    struct shell *shell = start_behavior();
    struct flow flow = shell_flow_tcp("198.51.100.9:40000", 5);
    struct stun_builder builder;
    struct stun_view answer = {0};
    uint8_t bytes[64];

    (void)state;
    begin(&builder, bytes, sizeof bytes);
    assert_non_null(ask(shell, &flow, &builder, &answer));
    assert_false(stun_view_has(&answer, STUN_OTHER_ADDRESS));
    begin(&builder, bytes, sizeof bytes);
    stun_builder_put_u32(&builder, STUN_CHANGE_REQUEST, STUN_CHANGE_PORT);
    assert_non_null(ask(shell, &flow, &builder, &answer));
    assert_int_equal(error_of(&answer), 420);
    shell_free(shell);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_mapped_address),
        cmocka_unit_test(fingerprint_is_returned_and_checked),
        cmocka_unit_test(software_is_left_out_where_it_would_amplify),
        cmocka_unit_test(other_address_and_origin),
        cmocka_unit_test(each_family_has_its_endpoints),
        cmocka_unit_test(change_request_changes_where_the_answer_leaves),
        cmocka_unit_test(response_port_changes_the_port_only),
        cmocka_unit_test(padding_is_as_long_as_the_requests),
        cmocka_unit_test(padding_of_a_giant_is_cut),
        cmocka_unit_test(refuses_what_would_reflect),
        cmocka_unit_test(wrong_lengths_are_400),
        cmocka_unit_test(without_a_second_address_behavior_is_unknown),
        cmocka_unit_test(a_connection_has_no_behavior),
    };

    return cmocka_run_group_tests_name("turn binding", tests, NULL, NULL);
}
