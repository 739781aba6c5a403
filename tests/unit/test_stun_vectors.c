/* SPDX-License-Identifier: BSD-3-Clause */
/* The published messages: read field by field, checked, and built again byte for byte. */
#include "stun_test.h"
#include "tests/vectors/stun_messages.h"

struct fixture {
    struct stun_crypto *crypto;
    struct stun_key short_term, md5, sha256;
};

static int set_up(void **state)
{
    static struct fixture fixture;

    fixture.crypto = stun_crypto_new();
    *state = &fixture;
    return fixture.crypto == NULL ||
           stun_key_short_term(&fixture.short_term, VECTOR_PASSWORD, strlen(VECTOR_PASSWORD)) ||
           stun_key_long_term(fixture.crypto, &fixture.md5, STUN_PASSWORD_MD5,
                              VECTOR_LONG_TERM_USERNAME, VECTOR_LONG_TERM_REALM,
                              VECTOR_LONG_TERM_PASSWORD) ||
           stun_key_long_term(fixture.crypto, &fixture.sha256, STUN_PASSWORD_SHA256,
                              VECTOR_LONG_TERM_USERNAME, VECTOR_LONG_TERM_REALM,
                              VECTOR_LONG_TERM_PASSWORD);
}

static int tear_down(void **state)
{
    stun_crypto_free(((struct fixture *)*state)->crypto);
    return 0;
}

static void assert_text(const struct stun_view *view, uint16_t type, const char *expected)
{
    const char *text;
    size_t size;

    assert_int_equal(stun_view_string(view, type, &text, &size), STUN_OK);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(text, expected, size);
}

/* The builder pads with zero bytes, the RFC 5769 vectors with spaces: both are allowed. */
static void assert_built_but_padding(const struct stun_builder *builder, const uint8_t *vector,
                                     size_t size, size_t covered)
{
    assert_int_equal(stun_builder_finish(builder), size);
    for (size_t i = 0; i < covered; i++)
        if (builder->bytes[i] != vector[i]) {
            assert_int_equal(builder->bytes[i], 0);
            assert_int_equal(vector[i], ' ');
        }
}

static void reads_request(void **state)
{
    struct fixture *fixture = *state;
    struct stun_view view;
    uint32_t priority;
    uint64_t tie_breaker;

    assert_int_equal(stun_view_parse(&view, vector_request, sizeof vector_request), STUN_OK);
    assert_int_equal(view.method, STUN_BINDING);
    assert_int_equal(view.message_class, STUN_REQUEST);
    assert_false(view.classic);
    assert_int_equal(view.attribute_count, 6);
    assert_memory_equal(view.transaction_id, vector_transaction_id, 12);
    assert_text(&view, STUN_SOFTWARE, "STUN test client");
    assert_text(&view, STUN_USERNAME, VECTOR_USERNAME);
    assert_int_equal(stun_view_u32(&view, STUN_PRIORITY, &priority), STUN_OK);
    assert_int_equal(priority, 0x6e0001ff);
    assert_int_equal(stun_view_u64(&view, STUN_ICE_CONTROLLED, &tie_breaker), STUN_OK);
    assert_true(tie_breaker == 0x932ff9b151263b36);
    assert_int_equal(stun_view_check_integrity(&view, fixture->crypto, &fixture->short_term),
                     STUN_OK);
    assert_int_equal(stun_view_check_integrity(&view, fixture->crypto, &fixture->md5),
                     STUN_ERROR_MISMATCH);
    assert_int_equal(stun_view_check_fingerprint(&view), STUN_OK);
}

static void reads_response(const struct fixture *fixture, const uint8_t *vector, size_t size,
                           const struct stun_address *expected)
{
    struct stun_view view;
    struct stun_address mapped;

    assert_int_equal(stun_view_parse(&view, vector, size), STUN_OK);
    assert_int_equal(view.method, STUN_BINDING);
    assert_int_equal(view.message_class, STUN_SUCCESS);
    assert_text(&view, STUN_SOFTWARE, "test vector");
    assert_int_equal(stun_view_xor_address(&view, STUN_XOR_MAPPED_ADDRESS, &mapped), STUN_OK);
    assert_int_equal(mapped.family, expected->family);
    assert_int_equal(mapped.port, 32853);
    assert_memory_equal(mapped.ip, expected->ip, sizeof mapped.ip);
    assert_int_equal(stun_view_check_integrity(&view, fixture->crypto, &fixture->short_term),
                     STUN_OK);
    assert_int_equal(stun_view_check_fingerprint(&view), STUN_OK);
}

static const struct stun_address mapped_ipv4 = {
    .family = STUN_FAMILY_IPV4, .port = 32853, .ip = {192, 0, 2, 1}};
static const struct stun_address mapped_ipv6 = {.family = STUN_FAMILY_IPV6,
                                                .port = 32853,
                                                .ip = {0x20, 0x01, 0x0d, 0xb8, 0x12, 0x34, 0x56,
                                                       0x78, 0x00, 0x11, 0x22, 0x33, 0x44, 0x55,
                                                       0x66, 0x77}};

static void reads_responses(void **state)
{
    reads_response(*state, vector_response_ipv4, sizeof vector_response_ipv4, &mapped_ipv4);
    reads_response(*state, vector_response_ipv6, sizeof vector_response_ipv6, &mapped_ipv6);
}

static void reads_long_term(void **state)
{
    struct fixture *fixture = *state;
    struct stun_view view;

    assert_int_equal(
        stun_view_parse(&view, vector_request_long_term, sizeof vector_request_long_term), STUN_OK);
    assert_text(&view, STUN_USERNAME, VECTOR_LONG_TERM_USERNAME);
    assert_text(&view, STUN_NONCE, VECTOR_LONG_TERM_NONCE);
    assert_text(&view, STUN_REALM, VECTOR_LONG_TERM_REALM);
    assert_int_equal(stun_view_check_integrity(&view, fixture->crypto, &fixture->md5), STUN_OK);
    assert_int_equal(stun_view_check_integrity(&view, fixture->crypto, &fixture->sha256),
                     STUN_ERROR_MISMATCH);
    assert_int_equal(stun_view_check_fingerprint(&view), STUN_ERROR_ABSENT);
}

static void reads_sha256(void **state)
{
    struct fixture *fixture = *state;
    struct stun_view view;
    struct stun_password_algorithm_view algorithm;
    uint8_t userhash[STUN_SHA256_SIZE];

    assert_int_equal(stun_view_parse(&view, vector_request_sha256, sizeof vector_request_sha256),
                     STUN_OK);
    assert_int_equal(view.attribute_count, 5);
    assert_text(&view, STUN_NONCE, VECTOR_SHA256_NONCE);
    assert_int_equal(stun_view_password_algorithm(&view, &algorithm), STUN_OK);
    assert_int_equal(algorithm.algorithm, STUN_PASSWORD_SHA256);
    assert_int_equal(algorithm.parameters_size, 0);
    assert_int_equal(
        stun_userhash(fixture->crypto, VECTOR_LONG_TERM_USERNAME, VECTOR_LONG_TERM_REALM, userhash),
        STUN_OK);
    assert_int_equal(stun_view_find(&view, STUN_USERHASH)->size, sizeof userhash);
    assert_memory_equal(stun_view_find(&view, STUN_USERHASH)->value, userhash, sizeof userhash);
    assert_int_equal(stun_view_check_integrity_sha256(&view, fixture->crypto, &fixture->sha256),
                     STUN_OK);
    assert_int_equal(stun_view_check_integrity_sha256(&view, fixture->crypto, &fixture->md5),
                     STUN_ERROR_MISMATCH);
    assert_int_equal(stun_view_check_integrity(&view, fixture->crypto, &fixture->sha256),
                     STUN_ERROR_ABSENT);
}

static void builds_request(void **state)
{
    struct fixture *fixture = *state;
    struct stun_builder builder;
    struct stun_view view;
    uint8_t bytes[sizeof vector_request];

    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_REQUEST, STUN_BINDING,
                       vector_transaction_id);
    stun_builder_put_string(&builder, STUN_SOFTWARE, "STUN test client");
    stun_builder_put_u32(&builder, STUN_PRIORITY, 0x6e0001ff);
    stun_builder_put_u64(&builder, STUN_ICE_CONTROLLED, 0x932ff9b151263b36);
    stun_builder_put_string(&builder, STUN_USERNAME, VECTOR_USERNAME);
    stun_builder_put_integrity(&builder, fixture->crypto, &fixture->short_term);
    stun_builder_put_fingerprint(&builder);
    /* Integrity covers the padding, which differs. */
    assert_built_but_padding(&builder, vector_request, sizeof vector_request,
                             sizeof vector_request - 20 - 8);
    assert_int_equal(stun_view_parse(&view, bytes, sizeof bytes), STUN_OK);
    assert_int_equal(stun_view_check_integrity(&view, fixture->crypto, &fixture->short_term),
                     STUN_OK);
    assert_int_equal(stun_view_check_fingerprint(&view), STUN_OK);
}

/* With the vector's own padding in place, integrity and fingerprint are the vector's too. */
static void builds_responses(void **state)
{
    struct fixture *fixture = *state;
    struct stun_builder builder;
    uint8_t bytes[128];

    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_SUCCESS, STUN_BINDING,
                       vector_transaction_id);
    stun_builder_put_string(&builder, STUN_SOFTWARE, "test vector");
    bytes[builder.size - 1] = ' ';
    stun_builder_put_xor_address(&builder, STUN_XOR_MAPPED_ADDRESS, &mapped_ipv4);
    stun_builder_put_integrity(&builder, fixture->crypto, &fixture->short_term);
    stun_builder_put_fingerprint(&builder);
    assert_int_equal(stun_builder_finish(&builder), sizeof vector_response_ipv4);
    assert_memory_equal(bytes, vector_response_ipv4, sizeof vector_response_ipv4);

    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_SUCCESS, STUN_BINDING,
                       vector_transaction_id);
    stun_builder_put_string(&builder, STUN_SOFTWARE, "test vector");
    bytes[builder.size - 1] = ' ';
    stun_builder_put_xor_address(&builder, STUN_XOR_MAPPED_ADDRESS, &mapped_ipv6);
    stun_builder_put_integrity(&builder, fixture->crypto, &fixture->short_term);
    stun_builder_put_fingerprint(&builder);
    assert_int_equal(stun_builder_finish(&builder), sizeof vector_response_ipv6);
    assert_memory_equal(bytes, vector_response_ipv6, sizeof vector_response_ipv6);
}

static void builds_long_term(void **state)
{
    struct fixture *fixture = *state;
    struct stun_builder builder;
    uint8_t bytes[256];

    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_REQUEST, STUN_BINDING,
                       vector_long_term_transaction_id);
    stun_builder_put_string(&builder, STUN_USERNAME, VECTOR_LONG_TERM_USERNAME);
    stun_builder_put_string(&builder, STUN_NONCE, VECTOR_LONG_TERM_NONCE);
    stun_builder_put_string(&builder, STUN_REALM, VECTOR_LONG_TERM_REALM);
    stun_builder_put_integrity(&builder, fixture->crypto, &fixture->md5);
    assert_int_equal(stun_builder_finish(&builder), sizeof vector_request_long_term);
    assert_memory_equal(bytes, vector_request_long_term, sizeof vector_request_long_term);
}

static void builds_sha256(void **state)
{
    struct fixture *fixture = *state;
    struct stun_builder builder;
    uint8_t bytes[256], userhash[STUN_SHA256_SIZE];

    assert_int_equal(
        stun_userhash(fixture->crypto, VECTOR_LONG_TERM_USERNAME, VECTOR_LONG_TERM_REALM, userhash),
        STUN_OK);
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_REQUEST, STUN_BINDING,
                       vector_long_term_transaction_id);
    stun_builder_put_bytes(&builder, STUN_USERHASH, userhash, sizeof userhash);
    stun_builder_put_string(&builder, STUN_NONCE, VECTOR_SHA256_NONCE);
    stun_builder_put_string(&builder, STUN_REALM, VECTOR_LONG_TERM_REALM);
    stun_builder_put_password_algorithm(&builder, STUN_PASSWORD_SHA256);
    stun_builder_put_integrity_sha256(&builder, fixture->crypto, &fixture->sha256);
    assert_int_equal(stun_builder_finish(&builder), sizeof vector_request_sha256);
    assert_memory_equal(bytes, vector_request_sha256, sizeof vector_request_sha256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_request),    cmocka_unit_test(reads_responses),
        cmocka_unit_test(reads_long_term),  cmocka_unit_test(reads_sha256),
        cmocka_unit_test(builds_request),   cmocka_unit_test(builds_responses),
        cmocka_unit_test(builds_long_term), cmocka_unit_test(builds_sha256),
    };
    return cmocka_run_group_tests_name("stun_vectors", tests, set_up, tear_down);
}
