/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every method once, with requests written out by hand and answers read by hand. Where an answer
 * holds nothing random, all of its bytes are compared.
 */
#include "tests/sim/turn_shell.h"
#include "tests/unit/machine_test.h"

#include "tests/unit/raw_message.h"

#define CREDENTIALS "alice:example.org:secret"

struct bench {
    struct shell *shell;
    struct flow flow;
    uint8_t nonce[128];
    size_t nonce_size;
};

static const struct shell_sent *exchange(struct bench *bench, const struct raw *raw)
{
    assert_int_equal(shell_pending(bench->shell), 0);
    shell_input(bench->shell, &bench->flow, raw->bytes, raw->size);
    return shell_take(bench->shell);
}

static void expect_type(const struct shell_sent *sent, unsigned type)
{
    assert_non_null(sent);
    assert_int_equal(sent->bytes[0] << 8 | sent->bytes[1], type);
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct raw raw = {.size = 0};
    const struct shell_sent *sent;
    const uint8_t *nonce;

    bench->shell = shell_new(5);
    bench->shell->policy.software = NULL;
    shell_start(bench->shell, NULL);
    bench->flow = shell_flow_udp("198.51.100.9:40000");
    raw_hex(&raw, "0003 0008 2112a442 0102030405060708090a0b0c 0019 0004 11000000");
    sent = exchange(bench, &raw);
    expect_type(sent, 0x0113);
    nonce = raw_find(sent->bytes, sent->size, 0x0015, &bench->nonce_size);
    assert_non_null(nonce);
    memcpy(bench->nonce, nonce, bench->nonce_size);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    shell_free(bench->shell);
    free(bench);
    return 0;
}

/* Returns the port of the relayed address. */
static unsigned allocate(struct bench *bench)
{
    struct raw raw = {.size = 0};
    const struct shell_sent *sent;
    const uint8_t *value;
    size_t size = 0;

    raw_hex(&raw, "0003 0008 2112a442 a10203040506070809101112 0019 0004 11000000");
    raw_authenticate(&raw, bench->nonce, bench->nonce_size);
    sent = exchange(bench, &raw);
    expect_type(sent, 0x0103);
    value = raw_find(sent->bytes, sent->size, 0x0016, &size);
    assert_non_null(value);
    assert_int_equal(size, 8);
    assert_int_equal(value[1], 1);
    assert_memory_equal(value + 4, ((uint8_t[]){192 ^ 0x21, 0 ^ 0x12, 2 ^ 0xA4, 1 ^ 0x42}), 4);
    return (unsigned)(value[2] << 8 | value[3]) ^ 0x2112;
}

static void binding(void **state)
{
    struct raw raw = {.size = 0}, expected = {.size = 0};
    const struct shell_sent *sent;

    raw_hex(&raw, "0001 0000 2112a442 0102030405060708090a0b0c");
    /* 198.51.100.9 is c6336409, port 40000 is 9c40; both XORed with the cookie */
    raw_hex(&expected, "0101 000c 2112a442 0102030405060708090a0b0c"
                       "0020 0008 0001 bd52 e721c04b");
    sent = exchange(*state, &raw);
    assert_non_null(sent);
    assert_int_equal(sent->size, expected.size);
    assert_memory_equal(sent->bytes, expected.bytes, expected.size);
}

static void challenge(void **state)
{
    struct raw raw = {.size = 0};
    const struct shell_sent *sent;
    const uint8_t *value;
    size_t size = 0;

    raw_hex(&raw, "0003 0008 2112a442 0102030405060708090a0b0c 0019 0004 11000000");
    sent = exchange(*state, &raw);
    expect_type(sent, 0x0113);
    value = raw_find(sent->bytes, sent->size, 0x0009, &size);
    assert_memory_equal(value, ((uint8_t[]){0, 0, 4, 1}), 4);
    value = raw_find(sent->bytes, sent->size, 0x0014, &size);
    assert_int_equal(size, 11);
    assert_memory_equal(value, "example.org", 11);
    assert_non_null(raw_find(sent->bytes, sent->size, 0x0015, &size));
    assert_null(raw_find(sent->bytes, sent->size, 0x0008, &size));
    assert_true(sent->size <= 10 * raw.size);
}

static void allocate_and_its_answer(void **state)
{
    struct bench *bench = *state;
    struct raw raw = {.size = 0}, signed_again = {.size = 0};
    const struct shell_sent *sent;
    const uint8_t *value;
    size_t size = 0;

    raw_hex(&raw, "0003 0010 2112a442 a10203040506070809101112"
                  "0019 0004 11000000 000d 0004 00000384");
    raw_authenticate(&raw, bench->nonce, bench->nonce_size);
    sent = exchange(bench, &raw);
    expect_type(sent, 0x0103);
    value = raw_find(sent->bytes, sent->size, 0x000D, &size);
    assert_int_equal(size, 4);
    assert_memory_equal(value, ((uint8_t[]){0, 0, 0x03, 0x84}), 4);
    value = raw_find(sent->bytes, sent->size, 0x0020, &size);
    assert_memory_equal(value, ((uint8_t[]){0, 1, 0xBD, 0x52, 0xE7, 0x21, 0xC0, 0x4B}), 8);
    /* its integrity: what stands before it, signed again */
    value = raw_find(sent->bytes, sent->size, 0x0008, &size);
    assert_ptr_equal(value + 20, sent->bytes + sent->size);
    signed_again.size = sent->size - 24;
    memcpy(signed_again.bytes, sent->bytes, signed_again.size);
    raw_sign(&signed_again, CREDENTIALS);
    assert_memory_equal(signed_again.bytes, sent->bytes, sent->size);
}

static void refresh(void **state)
{
    struct bench *bench = *state;
    struct raw raw = {.size = 0}, expected = {.size = 0};
    const struct shell_sent *sent;

    allocate(bench);
    raw_hex(&raw, "0004 0008 2112a442 b10203040506070809101112 000d 0004 00000000");
    raw_authenticate(&raw, bench->nonce, bench->nonce_size);
    raw_hex(&expected, "0104 0008 2112a442 b10203040506070809101112 000d 0004 00000000");
    raw_sign(&expected, CREDENTIALS);
    sent = exchange(bench, &raw);
    assert_non_null(sent);
    assert_int_equal(sent->size, expected.size);
    assert_memory_equal(sent->bytes, expected.bytes, expected.size);
    assert_int_equal(bench->shell->open_count, 0);
}

/* 203.0.113.5 XOR cookie is ea12d547, port 7000 (1b58) is 3a4a. */
#define XOR_PEER "0012 0008 0001 3a4a ea12d547"

static void permit(struct bench *bench)
{
    struct raw raw = {.size = 0}, expected = {.size = 0};
    const struct shell_sent *sent;

    raw_hex(&raw, "0008 000c 2112a442 c10203040506070809101112" XOR_PEER);
    raw_authenticate(&raw, bench->nonce, bench->nonce_size);
    raw_hex(&expected, "0108 0000 2112a442 c10203040506070809101112");
    raw_sign(&expected, CREDENTIALS);
    sent = exchange(bench, &raw);
    assert_non_null(sent);
    assert_int_equal(sent->size, expected.size);
    assert_memory_equal(sent->bytes, expected.bytes, expected.size);
}

static struct stun_address relayed_at(unsigned port)
{
    struct stun_address relayed = test_address("192.0.2.1:1");

    relayed.port = (uint16_t)port;
    return relayed;
}

static void send_and_data_indications(void **state)
{
    struct bench *bench = *state;
    struct raw raw = {.size = 0}, expected = {.size = 0};
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct stun_address relayed = relayed_at(allocate(bench));
    const struct shell_sent *sent;

    permit(bench);
    raw_hex(&raw,
            "0016 0018 2112a442 d10203040506070809101112" XOR_PEER "0013 0005 68656c6c 6f000000");
    sent = exchange(bench, &raw);
    assert_non_null(sent);
    assert_true(address_equal(&sent->flow.remote, &peer));
    assert_true(address_equal(&sent->flow.local, &relayed));
    assert_int_equal(sent->size, 5);
    assert_memory_equal(sent->bytes, "hello", 5);

    shell_relayed(bench->shell, &relayed, &peer, "hi you", 6);
    sent = shell_take(bench->shell);
    raw_hex(&expected,
            "0017 0018 2112a442 000000000000000000000000" XOR_PEER "0013 0006 68692079 6f750000");
    assert_non_null(sent);
    assert_int_equal(sent->size, expected.size);
    assert_memory_equal(sent->bytes, expected.bytes, 8);
    assert_memory_equal(sent->bytes + 20, expected.bytes + 20, expected.size - 20);
    assert_true(address_equal(&sent->flow.remote, &bench->flow.remote));
}

static void channel_bind_and_channel_data(void **state)
{
    struct bench *bench = *state;
    struct raw raw = {.size = 0}, expected = {.size = 0}, data = {.size = 0};
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct stun_address relayed = relayed_at(allocate(bench));
    const struct shell_sent *sent;

    raw_hex(&raw, "0009 0014 2112a442 e10203040506070809101112 000c 0004 4001 0000" XOR_PEER);
    raw_authenticate(&raw, bench->nonce, bench->nonce_size);
    raw_hex(&expected, "0109 0000 2112a442 e10203040506070809101112");
    raw_sign(&expected, CREDENTIALS);
    sent = exchange(bench, &raw);
    assert_non_null(sent);
    assert_memory_equal(sent->bytes, expected.bytes, expected.size);

    raw_hex(&data, "4001 0003 616263");
    sent = exchange(bench, &data);
    assert_non_null(sent);
    assert_int_equal(sent->size, 3);
    assert_memory_equal(sent->bytes, "abc", 3);
    assert_true(address_equal(&sent->flow.remote, &peer));

    shell_relayed(bench->shell, &relayed, &peer, "defgh", 5);
    sent = shell_take(bench->shell);
    assert_non_null(sent);
    assert_int_equal(sent->size, 9); /* no padding in a datagram */
    assert_memory_equal(sent->bytes,
                        "\x40\x01\x00\x05"
                        "defgh",
                        9);
}

static void unknown_attribute(void **state)
{
    struct raw raw = {.size = 0}, expected = {.size = 0};
    const struct shell_sent *sent;

    raw_hex(&raw, "0001 0008 2112a442 0102030405060708090a0b0c 7abc 0002 0000 0000");
    raw_hex(&expected, "0111 0020 2112a442 0102030405060708090a0b0c"
                       "0009 0015 00000414 556e6b6e6f776e20417474726962757465 000000"
                       "000a 0002 7abc 0000");
    expected.bytes[3] = (uint8_t)(expected.size - 20);
    sent = exchange(*state, &raw);
    assert_non_null(sent);
    assert_int_equal(sent->size, expected.size);
    assert_memory_equal(sent->bytes, expected.bytes, expected.size);
}

int main(void)
{
#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        WITH_BENCH(binding),
        WITH_BENCH(challenge),
        WITH_BENCH(allocate_and_its_answer),
        WITH_BENCH(refresh),
        WITH_BENCH(send_and_data_indications),
        WITH_BENCH(channel_bind_and_channel_data),
        WITH_BENCH(unknown_attribute),
    };

    return cmocka_run_group_tests_name("turn bytes", tests, NULL, NULL);
}
