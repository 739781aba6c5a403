/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Properties over seeded random messages: build, parse and build again gives equal bytes; every
 * truncation is refused; no bit flip is read out of bounds (under sanitizers) or believed.
 *
 * Each case has a seed of its own, which a failure prints; TEST_SEED=N runs that case alone.
 */
#include "stun_test.h"
#include "tests/fuzz/stun_reads.h"

#define CASES 5000
#define MUTATIONS 40 /* a case */

static struct stun_crypto *crypto;

/* ---- random numbers: splitmix64 -------------------------------------------------------------- */

static uint64_t random_state;

static uint64_t random_u64(void)
{
    uint64_t z = random_state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static size_t random_below(size_t limit)
{
    return (size_t)(random_u64() % limit);
}

static void random_bytes(void *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)out)[i] = (uint8_t)random_u64();
}

/* ---- a random message ------------------------------------------------------------------------ */

struct address_case {
    bool is_xored;
    uint16_t type;
};

static const struct address_case address_cases[] = {
    {false, STUN_MAPPED_ADDRESS},     {false, STUN_RESPONSE_ORIGIN},
    {false, STUN_OTHER_ADDRESS},      {false, STUN_ALTERNATE_SERVER},
    {true, STUN_XOR_MAPPED_ADDRESS},  {true, STUN_XOR_PEER_ADDRESS},
    {true, STUN_XOR_RELAYED_ADDRESS},
};

static struct stun_address random_address(void)
{
    struct stun_address address = {.family = random_below(2) ? STUN_FAMILY_IPV4 : STUN_FAMILY_IPV6,
                                   .port = (uint16_t)random_u64()};

    random_bytes(address.ip, address.family == STUN_FAMILY_IPV4 ? 4 : 16);
    return address;
}

static void put_random_address(struct stun_builder *builder)
{
    const struct address_case *which = &address_cases[random_below(COUNT(address_cases))];
    struct stun_address address = random_address();

    if (which->is_xored)
        stun_builder_put_xor_address(builder, which->type, &address);
    else
        stun_builder_put_address(builder, which->type, &address);
}

static void put_random_text(struct stun_builder *builder)
{
    static const uint16_t types[] = {STUN_USERNAME, STUN_REALM, STUN_NONCE, STUN_SOFTWARE,
                                     STUN_ALTERNATE_DOMAIN};
    char text[64];
    size_t size = random_below(sizeof text);

    for (size_t i = 0; i < size; i++)
        text[i] = (char)(1 + random_below(255));
    text[size] = '\0';
    stun_builder_put_string(builder, types[random_below(COUNT(types))], text);
}

static void put_random_bytes(struct stun_builder *builder)
{
    uint8_t value[300];
    size_t size = random_below(sizeof value);
    uint16_t type = (uint16_t)random_u64();

    if (type == STUN_MESSAGE_INTEGRITY || type == STUN_MESSAGE_INTEGRITY_SHA256 ||
        type == STUN_FINGERPRINT)
        type = STUN_DATA_VALUE;
    random_bytes(value, size);
    stun_builder_put_bytes(builder, type, value, size);
}

static void put_random_number(struct stun_builder *builder)
{
    switch (random_below(6)) {
    case 0:
        stun_builder_put_u8(builder, STUN_EVEN_PORT, (uint8_t)random_u64());
        break;
    case 1:
        stun_builder_put_u8_reserved(builder, STUN_REQUESTED_TRANSPORT, (uint8_t)random_u64());
        break;
    case 2:
        stun_builder_put_u16_reserved(builder, STUN_CHANNEL_NUMBER, (uint16_t)random_u64());
        break;
    case 3:
        stun_builder_put_u32(builder, STUN_PRIORITY, (uint32_t)random_u64());
        break;
    case 4:
        stun_builder_put_u64(builder, STUN_ICE_CONTROLLING, random_u64());
        break;
    default:
        stun_builder_put_flag(builder, STUN_USE_CANDIDATE);
        break;
    }
}

static void put_random_list(struct stun_builder *builder)
{
    uint16_t numbers[STUN_PASSWORD_ALGORITHMS_MAX];
    struct stun_icmp icmp = {.type = (uint8_t)random_below(128),
                             .code = (uint16_t)random_below(512),
                             .data = (uint32_t)random_u64()};

    random_bytes(numbers, sizeof numbers);
    switch (random_below(5)) {
    case 0:
        stun_builder_put_error(builder, (uint16_t)(300 + random_below(400)), NULL);
        break;
    case 1:
        stun_builder_put_address_error(builder, STUN_FAMILY_IPV6,
                                       (uint16_t)(300 + random_below(400)), "reason");
        break;
    case 2:
        stun_builder_put_unknown(builder, numbers, random_below(COUNT(numbers) + 1));
        break;
    case 3:
        stun_builder_put_password_algorithms(builder, numbers, 1 + random_below(COUNT(numbers)));
        break;
    default:
        stun_builder_put_icmp(builder, &icmp);
        break;
    }
}

struct random_message {
    uint8_t bytes[16384];
    size_t size;
    struct stun_key key;
    unsigned closing; /* bits: integrity, SHA-256, fingerprint */
};

static void close_message(struct stun_builder *builder, const struct random_message *message)
{
    if (message->closing & 1)
        stun_builder_put_integrity(builder, crypto, &message->key);
    if (message->closing & 2)
        stun_builder_put_integrity_sha256(builder, crypto, &message->key);
    if (message->closing & 4)
        stun_builder_put_fingerprint(builder);
}

static void build_random(struct random_message *message)
{
    static void (*const puts[])(struct stun_builder *) = {
        put_random_address, put_random_text, put_random_bytes, put_random_number, put_random_list};
    struct stun_builder builder;
    uint8_t id[12];

    random_bytes(id, sizeof id);
    message->key.size = (uint16_t)random_below(sizeof message->key.bytes + 1);
    random_bytes(message->key.bytes, message->key.size);
    message->closing = (unsigned)random_below(8);
    stun_builder_begin(&builder, message->bytes, sizeof message->bytes,
                       (enum stun_class)random_below(4), (uint16_t)random_below(0x1000), id);
    for (size_t left = random_below(STUN_ATTRIBUTES_MAX - 2); left > 0; left--)
        puts[random_below(COUNT(puts))](&builder);
    close_message(&builder, message);
    int size = stun_builder_finish(&builder);
    assert_true(size >= STUN_HEADER_SIZE);
    message->size = (size_t)size;
}

/* ---- building again -------------------------------------------------------------------------- */

/* Puts an attribute again by the typed call that fits what the typed read gave. */
static void put_again(struct stun_builder *builder, const struct stun_view *view,
                      const struct stun_attribute_view *attribute)
{
    struct stun_view one = *view; /* so that the typed reads find this one */
    struct stun_address address;
    struct stun_icmp icmp;
    uint16_t code;
    uint8_t family;
    const char *reason;
    size_t reason_size;
    char text[512];

    one.attributes[0] = *attribute;
    one.attribute_count = 1;
    for (size_t i = 0; i < COUNT(address_cases); i++) {
        uint16_t type = address_cases[i].type;
        if (address_cases[i].is_xored && stun_view_xor_address(&one, type, &address) == STUN_OK) {
            stun_builder_put_xor_address(builder, type, &address);
            return;
        }
        if (!address_cases[i].is_xored && stun_view_address(&one, type, &address) == STUN_OK) {
            stun_builder_put_address(builder, type, &address);
            return;
        }
    }
    if (stun_view_icmp(&one, &icmp) == STUN_OK) {
        stun_builder_put_icmp(builder, &icmp);
    } else if (stun_view_error(&one, &code, &reason, &reason_size) == STUN_OK &&
               reason_size < sizeof text) {
        memcpy(text, reason, reason_size);
        text[reason_size] = '\0';
        stun_builder_put_error(builder, code, text);
    } else if (stun_view_address_error(&one, &family, &code, &reason, &reason_size) == STUN_OK &&
               reason_size < sizeof text) {
        memcpy(text, reason, reason_size);
        text[reason_size] = '\0';
        stun_builder_put_address_error(builder, family, code, text);
    } else {
        stun_builder_put_bytes(builder, attribute->type, attribute->value, attribute->size);
    }
}

static void assert_builds_again(const struct random_message *message, const struct stun_view *view)
{
    static uint8_t bytes[sizeof message->bytes];
    struct stun_builder builder;

    stun_builder_begin(&builder, bytes, sizeof bytes, (enum stun_class)view->message_class,
                       view->method, view->transaction_id);
    for (size_t i = 0; i < view->attribute_count; i++) {
        uint16_t type = view->attributes[i].type;
        if (type == STUN_MESSAGE_INTEGRITY || type == STUN_MESSAGE_INTEGRITY_SHA256 ||
            type == STUN_FINGERPRINT)
            break;
        put_again(&builder, view, &view->attributes[i]);
    }
    close_message(&builder, message);
    assert_int_equal(stun_builder_finish(&builder), message->size);
    assert_memory_equal(bytes, message->bytes, message->size);
}

static void assert_checks(const struct random_message *message, const struct stun_view *view)
{
    assert_int_equal(stun_view_check_integrity(view, crypto, &message->key),
                     message->closing & 1 ? STUN_OK : STUN_ERROR_ABSENT);
    assert_int_equal(stun_view_check_integrity_sha256(view, crypto, &message->key),
                     message->closing & 2 ? STUN_OK : STUN_ERROR_ABSENT);
    assert_int_equal(stun_view_check_fingerprint(view),
                     message->closing & 4 ? STUN_OK : STUN_ERROR_ABSENT);
}

/* ---- the properties -------------------------------------------------------------------------- */

static void run_build_parse_build(void)
{
    static struct random_message message;
    struct stun_view view;

    build_random(&message);
    uint8_t *copy = exact_copy(message.bytes, message.size);
    assert_int_equal(stun_view_parse(&view, copy, message.size), STUN_OK);
    assert_checks(&message, &view);
    assert_builds_again(&message, &view);
    free(copy);
}

/* As a datagram a cut message is refused; as a stream it waits for the rest. */
static void run_truncation(void)
{
    static struct random_message message;

    build_random(&message);
    size_t step = message.size < 400 ? 1 : 1 + random_below(17);
    for (size_t size = 0; size < message.size; size += step) {
        struct stun_view view;
        size_t frame_size;
        uint8_t *copy = exact_copy(message.bytes, size);
        assert_int_equal(stun_view_parse(&view, copy, size), STUN_ERROR_TRUNCATED);
        int status = stun_stream_next(copy, size, &frame_size);
        bool is_framed = size == 0 || stun_first_byte(message.bytes[0]) == STUN_PROTOCOL_STUN;
        if (is_framed) {
            assert_int_equal(status, STUN_ERROR_TRUNCATED);
            assert_int_equal(frame_size, size < 4 ? 0 : message.size);
        } else if (stun_first_byte(message.bytes[0]) != STUN_PROTOCOL_CHANNEL) {
            assert_int_equal(status, STUN_ERROR_NOT_STUN);
        }
        free(copy);
    }
}

static void read_everything(const struct stun_view *view, const struct stun_key *key)
{
    assert_true(stun_reads_attributes(view));
    assert_true(stun_reads_lists(view));
    stun_reads_checks(view, crypto, key);
}

/* One flipped bit under a seal is never believed; several, and a lie in a length, never hurt. */
static void run_mutation(void)
{
    static struct random_message message;
    struct stun_view view;

    build_random(&message);
    for (int round = 0; round < MUTATIONS; round++) {
        uint8_t *copy = exact_copy(message.bytes, message.size);
        size_t flips = 1 + random_below(4);
        for (size_t i = 0; i < flips; i++)
            copy[random_below(message.size)] ^= (uint8_t)(1 << random_below(8));
        bool is_changed = memcmp(copy, message.bytes, message.size) != 0;
        if (stun_view_parse(&view, copy, message.size) == STUN_OK) {
            read_everything(&view, &message.key);
            /* a CRC misses one change of 2^32, and the seeds are fixed */
            if (is_changed && message.closing & 4)
                assert_int_not_equal(stun_view_check_fingerprint(&view), STUN_OK);
        }
        free(copy);
    }
}

static void run_noise(void)
{
    uint8_t bytes[256];
    struct stun_view view;
    struct stun_channel_view channel;
    struct stun_key key = {0};
    size_t size = random_below(sizeof bytes), frame_size;

    random_bytes(bytes, size);
    if (size >= 8 && random_below(4) != 0) { /* mostly with a header that lets it in */
        bytes[0] &= 3;
        bytes[2] = 0;
        bytes[3] = (uint8_t)(size - 20);
        memcpy(bytes + 4, "\x21\x12\xa4\x42", 4);
    }
    for (size_t at = 22; at + 1 < size; at += 4) /* and attributes that are small */
        bytes[at] = 0, bytes[at + 1] &= 31;
    uint8_t *copy = exact_copy(bytes, size);
    if (stun_view_parse(&view, copy, size) == STUN_OK)
        read_everything(&view, &key);
    stun_stream_next(copy, size, &frame_size);
    if (stun_channel_parse(&channel, copy, size) == STUN_OK)
        assert_true(channel.data + channel.size <= copy + size);
    free(copy);
}

/* ---- running --------------------------------------------------------------------------------- */

static uint64_t current_seed;

static void run_cases(void (*run)(void), uint64_t base)
{
    const char *chosen = getenv("TEST_SEED");

    if (chosen != NULL) {
        current_seed = random_state = strtoull(chosen, NULL, 0);
        run();
        return;
    }
    for (uint64_t i = 0; i < CASES; i++) {
        current_seed = random_state = base + i;
        run();
    }
}

/* cmocka leaves a failed test by longjmp, so the seed is told on the way out. */
static int tell_seed(void **state)
{
    (void)state;
    print_message("# last seed: %llu\n", (unsigned long long)current_seed);
    return 0;
}

static void build_parse_build(void **state)
{
    (void)state;
    run_cases(run_build_parse_build, 1000000);
}

static void truncation(void **state)
{
    (void)state;
    run_cases(run_truncation, 2000000);
}

static void mutation(void **state)
{
    (void)state;
    run_cases(run_mutation, 3000000);
}

static void noise(void **state)
{
    (void)state;
    run_cases(run_noise, 4000000);
}

static int set_up(void **state)
{
    (void)state;
    crypto = stun_crypto_new();
    return crypto == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    stun_crypto_free(crypto);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(build_parse_build, tell_seed),
        cmocka_unit_test_teardown(truncation, tell_seed),
        cmocka_unit_test_teardown(mutation, tell_seed),
        cmocka_unit_test_teardown(noise, tell_seed),
    };
    return cmocka_run_group_tests_name("stun_random", tests, set_up, tear_down);
}
