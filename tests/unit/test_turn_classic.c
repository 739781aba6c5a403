/* SPDX-License-Identifier: BSD-3-Clause */
/* RFC 3489 clients: requests written by hand, and every byte of the answers. */
#include "tests/sim/turn_shell.h"
#include "tests/unit/machine_test.h"
#include "tests/unit/raw_message.h"

static const struct turn_nat_behavior behavior = {
    .enabled = true,
    .address = {{.family = STUN_FAMILY_IPV4, .ip = {192, 0, 2, 1}},
                {.family = STUN_FAMILY_IPV4, .ip = {192, 0, 2, 2}}},
    .port = {3478, 3479},
    .via = {{1, 7}, {8, 9}},
};

static struct shell *start(const struct turn_nat_behavior *of, bool classic)
{
    struct shell *shell = shell_new(11);

    shell->policy.software = NULL;
    shell->policy.classic_stun = classic;
    shell_start(shell, of);
    return shell;
}

static const struct shell_sent *exchange(struct shell *shell, const char *hex)
{
    struct flow flow = shell_flow_udp("198.51.100.9:40000");
    struct raw raw = {.size = 0};

    raw_hex(&raw, hex);
    shell_clear(shell);
    shell_input(shell, &flow, raw.bytes, raw.size);
    return shell_take(shell);
}

static void expect(const struct shell_sent *sent, const char *hex)
{
    struct raw expected = {.size = 0};

    raw_hex(&expected, hex);
    assert_non_null(sent);
    assert_int_equal(sent->size, expected.size);
    assert_memory_equal(sent->bytes, expected.bytes, expected.size);
}

#define ID "0a0b0c0d 0102030405060708090a0b0c" /* 128 bits, no cookie among them */

static void by_default_it_is_silence(void **state)
{
    struct shell *shell = start(&behavior, false);

    (void)state;
    assert_null(exchange(shell, "0001 0000 " ID));
    assert_int_equal(turn_server_counters(shell->server)->dropped_malformed, 1);
    shell_free(shell);
}

static void a_classic_client_is_answered(void **state)
{
    struct shell *shell = start(NULL, true);

    (void)state;
    /* MAPPED-ADDRESS 198.51.100.9:40000, SOURCE-ADDRESS 192.0.2.1:3478 */
    expect(exchange(shell, "0001 0000 " ID), "0101 0018 " ID "0001 0008 0001 9c40 c6336409"
                                             "0004 0008 0001 0d96 c0000201");
    /* the others are answered as ever */
    expect(exchange(shell, "0001 0000 2112a442 0102030405060708090a0b0c"),
           "0101 000c 2112a442 0102030405060708090a0b0c 0020 0008 0001 bd52 e721c04b");
    shell_free(shell);
}

static void with_two_addresses_it_can_change(void **state)
{
    struct shell *shell = start(&behavior, true);
    const struct shell_sent *sent;

    (void)state;
    /* CHANGED-ADDRESS 192.0.2.2:3479 */
    expect(exchange(shell, "0001 0000 " ID), "0101 0024 " ID "0001 0008 0001 9c40 c6336409"
                                             "0004 0008 0001 0d96 c0000201"
                                             "0005 0008 0001 0d97 c0000202");
    sent = exchange(shell, "0001 0008 " ID "0003 0004 00000006");
    expect(sent, "0101 0024 " ID "0001 0008 0001 9c40 c6336409"
                 "0004 0008 0001 0d97 c0000202"
                 "0005 0008 0001 0d97 c0000202");
    assert_int_equal(sent->flow.via, 9);
    sent = exchange(shell, "0001 0008 " ID "0003 0004 00000002");
    assert_int_equal(sent->flow.via, 7);
    shell_free(shell);
}

/* RESPONSE-ADDRESS would make a reflector of the server: 420, to the sender. */
static void it_reflects_nothing(void **state)
{
    struct shell *shell = start(&behavior, true);
    const struct shell_sent *sent = exchange(shell, "0001 000c " ID "0002 0008 0001 1234 cb007105");

    (void)state;
    /* ERROR-CODE 420 "Unknown Attribute   ", UNKNOWN-ATTRIBUTES with one type twice */
    expect(sent, "0111 0024 " ID "0009 0018 00000414 556e6b6e 6f776e20 41747472 69627574 65202020"
                 "000a 0004 0002 0002");
    assert_true(address_equal(&sent->flow.remote, &(struct stun_address){
                                                      .family = STUN_FAMILY_IPV4,
                                                      .port = 40000,
                                                      .ip = {198, 51, 100, 9},
                                                  }));
    shell_free(shell);
}

static void nothing_else_is_for_them(void **state)
{
    static const char *const heads[] = {"0003", "0002", "0004", "0008",
                                        "0011", "0101", "0111", "0016"};
    struct shell *shell = start(NULL, true);

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        char hex[128];

        snprintf(hex, sizeof hex, "%s 0000 " ID, heads[i]);
        assert_null(exchange(shell, hex));
    }
    shell_free(shell);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_default_it_is_silence),
        cmocka_unit_test(a_classic_client_is_answered),
        cmocka_unit_test(with_two_addresses_it_can_change),
        cmocka_unit_test(it_reflects_nothing),
        cmocka_unit_test(nothing_else_is_for_them),
    };

    return cmocka_run_group_tests_name("RFC 3489 clients", tests, NULL, NULL);
}
