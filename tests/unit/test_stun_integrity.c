/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys, integrity and fingerprint. */
#include "stun_test.h"
#include "wire/wire_internal.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static const uint8_t id[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static struct stun_crypto *crypto;

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

static struct stun_key key_of(const char *text)
{
    struct stun_key key;

    assert_int_equal(stun_key_short_term(&key, text, strlen(text)), STUN_OK);
    return key;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void short_term_keys(void **state)
{
    (void)state;
    char password[257];
    struct stun_key key = key_of("secret");

    memset(password, 'p', sizeof password);
    assert_int_equal(key.size, 6);
    assert_memory_equal(key.bytes, "secret", 6);
    assert_int_equal(stun_key_short_term(&key, password, 0), STUN_OK);
    assert_int_equal(key.size, 0);
    assert_int_equal(stun_key_short_term(&key, password, 256), STUN_OK);
    assert_int_equal(key.size, 256);
    assert_int_equal(stun_key_short_term(&key, password, 257), STUN_ERROR_VALUE);
}

/* RFC 8489 §9.2.2's example: user "user", realm "realm", password "pass". */
static void long_term_keys(void **state)
{
    (void)state;
    struct stun_key key;
    uint8_t expected[32];

    assert_int_equal(stun_key_long_term(crypto, &key, STUN_PASSWORD_MD5, "user", "realm", "pass"),
                     STUN_OK);
    assert_int_equal(key.size, 16);
    from_hex("8493fbc53ba582fb4c044c456bdc40eb", expected, 16);
    assert_memory_equal(key.bytes, expected, 16);
    assert_int_equal(
        stun_key_long_term(crypto, &key, STUN_PASSWORD_SHA256, "user", "realm", "pass"), STUN_OK);
    assert_int_equal(key.size, 32);
    EVP_Q_digest(NULL, "SHA256", NULL, "user:realm:pass", 15, expected, NULL);
    assert_memory_equal(key.bytes, expected, 32);
    assert_int_equal(
        stun_key_long_term(crypto, &key, (enum stun_password_algorithm)0, "u", "r", "p"),
        STUN_ERROR_VALUE);
    assert_int_equal(
        stun_key_long_term(crypto, &key, (enum stun_password_algorithm)3, "u", "r", "p"),
        STUN_ERROR_VALUE);
}

static void userhash(void **state)
{
    (void)state;
    uint8_t hash[STUN_SHA256_SIZE], expected[32];

    assert_int_equal(stun_userhash(crypto, "user", "realm", hash), STUN_OK);
    EVP_Q_digest(NULL, "SHA256", NULL, "user:realm", 10, expected, NULL);
    assert_memory_equal(hash, expected, 32);
}

/* ---- HMAC ------------------------------------------------------------------------------------ */

/* Against OpenSSL's own HMAC, for keys on both sides of a block and bodies on both sides of two. */
static void hmac_is_hmac(void **state)
{
    (void)state;
    static const uint16_t key_sizes[] = {0, 1, 16, 20, 32, 63, 64, 65, 128, 256};
    uint8_t message[20 + 200];
    struct stun_key key;

    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)(7 * i);
    for (size_t i = 0; i < sizeof key.bytes; i++)
        key.bytes[i] = (uint8_t)(3 * i + 1);
    for (size_t i = 0; i < COUNT(key_sizes); i++)
        for (size_t body = 0; body <= 200; body++) {
            uint8_t ours[32], theirs[32];
            key.size = key_sizes[i];
            assert_int_equal(
                wire_hmac(crypto, WIRE_HMAC_SHA1, &key, message, message + 20, body, ours),
                STUN_OK);
            HMAC(EVP_sha1(), key.bytes, key.size, message, 20 + body, theirs, NULL);
            assert_memory_equal(ours, theirs, 20);
            assert_int_equal(
                wire_hmac(crypto, WIRE_HMAC_SHA256, &key, message, message + 20, body, ours),
                STUN_OK);
            HMAC(EVP_sha256(), key.bytes, key.size, message, 20 + body, theirs, NULL);
            assert_memory_equal(ours, theirs, 32);
        }
}

/* The kept key is no other key: neither one that begins alike nor one of the same size. */
static void keys_do_not_mix(void **state)
{
    (void)state;
    static const char *const passwords[] = {"a", "ab", "a", "b", "ab", "", "a", "ab\1"};
    uint8_t message[24] = {0};

    for (size_t i = 0; i < COUNT(passwords); i++) {
        struct stun_key key = key_of(passwords[i]);
        uint8_t ours[32], theirs[32];
        assert_int_equal(wire_hmac(crypto, WIRE_HMAC_SHA1, &key, message, message + 20, 4, ours),
                         STUN_OK);
        HMAC(EVP_sha1(), key.bytes, key.size, message, 24, theirs, NULL);
        assert_memory_equal(ours, theirs, 20);
    }
}

/* ---- integrity ------------------------------------------------------------------------------- */

struct message {
    uint8_t bytes[256];
    struct stun_builder builder;
    struct stun_view view;
};

static void begin(struct message *message)
{
    stun_builder_begin(&message->builder, message->bytes, sizeof message->bytes, STUN_REQUEST,
                       STUN_ALLOCATE, id);
    stun_builder_put_string(&message->builder, STUN_USERNAME, "alice");
}

static void parse(struct message *message)
{
    int size = stun_builder_finish(&message->builder);

    assert_true(size > 0);
    assert_int_equal(stun_view_parse(&message->view, message->bytes, (size_t)size), STUN_OK);
}

static void checks_all_three(void **state)
{
    (void)state;
    struct stun_key key = key_of("secret"), other = key_of("secreT");
    struct message message;

    begin(&message);
    stun_builder_put_integrity(&message.builder, crypto, &key);
    stun_builder_put_integrity_sha256(&message.builder, crypto, &key);
    stun_builder_put_fingerprint(&message.builder);
    parse(&message);
    assert_int_equal(stun_view_check_integrity(&message.view, crypto, &key), STUN_OK);
    assert_int_equal(stun_view_check_integrity(&message.view, crypto, &other), STUN_ERROR_MISMATCH);
    assert_int_equal(stun_view_check_integrity_sha256(&message.view, crypto, &key), STUN_OK);
    assert_int_equal(stun_view_check_integrity_sha256(&message.view, crypto, &other),
                     STUN_ERROR_MISMATCH);
    assert_int_equal(stun_view_check_fingerprint(&message.view), STUN_OK);
}

static void absent_integrity(void **state)
{
    (void)state;
    struct stun_key key = key_of("secret");
    struct message message;

    begin(&message);
    parse(&message);
    assert_int_equal(stun_view_check_integrity(&message.view, crypto, &key), STUN_ERROR_ABSENT);
    assert_int_equal(stun_view_check_integrity_sha256(&message.view, crypto, &key),
                     STUN_ERROR_ABSENT);
    assert_int_equal(stun_view_check_fingerprint(&message.view), STUN_ERROR_ABSENT);
}

/* The length field is taken as it was at the attribute, whatever follows: RFC 8489 §14.5. */
static void integrity_ignores_what_follows(void **state)
{
    (void)state;
    struct stun_key key = key_of("secret");
    struct message message;

    begin(&message);
    stun_builder_put_integrity(&message.builder, crypto, &key);
    size_t size = message.builder.size;
    size += from_hex("0012 0008 00 01 2c84 e112a663", message.bytes + size, 12);
    message.bytes[3] = (uint8_t)(size - 20);
    uint8_t *copy = exact_copy(message.bytes, size);
    assert_int_equal(stun_view_parse(&message.view, message.bytes, size), STUN_OK);
    assert_int_equal(stun_view_check_integrity(&message.view, crypto, &key), STUN_OK);
    assert_false(stun_view_has(&message.view, STUN_XOR_PEER_ADDRESS));
    assert_memory_equal(message.bytes, copy, size); /* the borrowed bytes are left alone */
    free(copy);
}

static void integrity_covers_every_byte(void **state)
{
    (void)state;
    struct stun_key key = key_of("secret");
    struct message message;

    begin(&message);
    stun_builder_put_integrity(&message.builder, crypto, &key);
    stun_builder_put_integrity_sha256(&message.builder, crypto, &key);
    parse(&message);
    size_t covered = 20 + 12;
    for (size_t bit = 0; bit < 8 * (covered + 24); bit++) {
        struct stun_view view;
        message.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (stun_view_parse(&view, message.bytes, message.view.size) == STUN_OK) {
            assert_int_not_equal(stun_view_check_integrity(&view, crypto, &key), STUN_OK);
            assert_int_not_equal(stun_view_check_integrity_sha256(&view, crypto, &key), STUN_OK);
        }
        message.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void wrong_sizes_of_integrity(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 16, 19, 21, 24, 32};
    struct stun_key key = key_of("secret");
    uint8_t mac[64] = {0};
    struct message message;

    for (size_t i = 0; i < COUNT(sizes); i++) {
        begin(&message);
        stun_builder_put_bytes(&message.builder, STUN_MESSAGE_INTEGRITY, mac, sizes[i]);
        parse(&message);
        assert_int_equal(stun_view_check_integrity(&message.view, crypto, &key), STUN_ERROR_VALUE);
    }
}

/* Its size is in the length field that it covers, so a truncated one is not the front of a whole.
 */
static void put_truncated(struct message *message, const struct stun_key *key, size_t size)
{
    uint8_t mac[40] = {0};

    begin(message);
    size_t covered = message->builder.size;
    stun_builder_put_bytes(&message->builder, STUN_MESSAGE_INTEGRITY_SHA256, mac, size);
    HMAC(EVP_sha256(), key->bytes, key->size, message->bytes, covered, mac, NULL);
    memcpy(message->bytes + covered + 4, mac, size < 32 ? size : 32);
    parse(message);
}

/* Only a usage that allows truncation takes less than all 32 bytes: RFC 8489 §14.6. */
static void truncated_sha256(void **state)
{
    (void)state;
    static const size_t minimums[] = {0, 16, 20, 32};
    struct stun_key key = key_of("secret");
    struct message message;

    for (size_t size = 0; size <= 40; size++) {
        put_truncated(&message, &key, size);
        assert_int_equal(stun_view_check_integrity_sha256(&message.view, crypto, &key),
                         size == 32 ? STUN_OK : STUN_ERROR_VALUE);
        for (size_t i = 0; i < COUNT(minimums); i++) {
            bool valid = size >= 16 && size >= minimums[i] && size <= 32 && size % 4 == 0;
            assert_int_equal(stun_view_check_integrity_sha256_truncated(&message.view, crypto, &key,
                                                                        minimums[i]),
                             valid ? STUN_OK : STUN_ERROR_VALUE);
            if (!valid)
                continue;
            message.bytes[message.view.size - 1] ^= 1;
            assert_int_equal(stun_view_check_integrity_sha256_truncated(&message.view, crypto, &key,
                                                                        minimums[i]),
                             STUN_ERROR_MISMATCH);
            message.bytes[message.view.size - 1] ^= 1;
        }
    }
    stun_builder_begin(&message.builder, message.bytes, sizeof message.bytes, STUN_REQUEST,
                       STUN_BINDING, id);
    parse(&message);
    assert_int_equal(stun_view_check_integrity_sha256_truncated(&message.view, crypto, &key, 16),
                     STUN_ERROR_ABSENT);
}

/* ---- fingerprint ----------------------------------------------------------------------------- */

static uint32_t crc32_bit_by_bit(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0xFFFFFFFF;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    }
    return ~crc;
}

static void fingerprint_is_crc32(void **state)
{
    (void)state;
    uint8_t bytes[20 + 300];

    assert_int_equal(crc32_bit_by_bit((const uint8_t *)"123456789", 9), 0xCBF43926);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * i + 11 * i);
    for (size_t body = 0; body <= 300; body++)
        assert_int_equal(wire_fingerprint(bytes, bytes + 20, body),
                         crc32_bit_by_bit(bytes, 20 + body) ^ 0x5354554E);
    /* every entry of every row of the table, with 0 to 7 bytes after it */
    for (int value = 0; value < 256; value++)
        for (size_t at = 0; at < 8; at++) {
            memset(bytes, 0, 28);
            bytes[20 + at] = (uint8_t)value;
            assert_int_equal(wire_fingerprint(bytes, bytes + 20, 8),
                             crc32_bit_by_bit(bytes, 28) ^ 0x5354554E);
        }
}

static void fingerprint_covers_every_byte(void **state)
{
    (void)state;
    struct message message;

    begin(&message);
    stun_builder_put_fingerprint(&message.builder);
    parse(&message);
    for (size_t bit = 0; bit < 8 * message.view.size; bit++) {
        struct stun_view view;
        message.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (stun_view_parse(&view, message.bytes, message.view.size) == STUN_OK)
            assert_int_not_equal(stun_view_check_fingerprint(&view), STUN_OK);
        message.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void fingerprint_must_be_last(void **state)
{
    (void)state;
    struct message message;

    begin(&message);
    stun_builder_put_fingerprint(&message.builder);
    size_t size = message.builder.size;
    size += from_hex("8022 0000", message.bytes + size, 4);
    message.bytes[3] = (uint8_t)(size - 20);
    assert_int_equal(stun_view_parse(&message.view, message.bytes, size), STUN_OK);
    assert_int_equal(stun_view_check_fingerprint(&message.view), STUN_ERROR_VALUE);

    begin(&message);
    stun_builder_put_bytes(&message.builder, STUN_FINGERPRINT, "12345", 5);
    parse(&message);
    assert_int_equal(stun_view_check_fingerprint(&message.view), STUN_ERROR_VALUE);
    begin(&message);
    stun_builder_put_flag(&message.builder, STUN_FINGERPRINT);
    parse(&message);
    assert_int_equal(stun_view_check_fingerprint(&message.view), STUN_ERROR_VALUE);
    begin(&message);
    stun_builder_put_bytes(&message.builder, STUN_FINGERPRINT, "123", 3);
    parse(&message);
    assert_int_equal(stun_view_check_fingerprint(&message.view), STUN_ERROR_VALUE);
}

static void freeing_nothing(void **state)
{
    (void)state;
    stun_crypto_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_term_keys),
        cmocka_unit_test(long_term_keys),
        cmocka_unit_test(userhash),
        cmocka_unit_test(hmac_is_hmac),
        cmocka_unit_test(keys_do_not_mix),
        cmocka_unit_test(checks_all_three),
        cmocka_unit_test(absent_integrity),
        cmocka_unit_test(integrity_ignores_what_follows),
        cmocka_unit_test(integrity_covers_every_byte),
        cmocka_unit_test(wrong_sizes_of_integrity),
        cmocka_unit_test(truncated_sha256),
        cmocka_unit_test(fingerprint_is_crc32),
        cmocka_unit_test(fingerprint_covers_every_byte),
        cmocka_unit_test(fingerprint_must_be_last),
        cmocka_unit_test(freeing_nothing),
    };
    return cmocka_run_group_tests_name("stun_integrity", tests, set_up, tear_down);
}
