/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cryptographic library runs out of memory at its first, second, third … allocation: the codec
 * says so, and leaks nothing (under sanitizers).
 */
#include "stun_test.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

static long allocations_left; /* LONG_MAX: no limit */

static bool may_allocate(void)
{
    if (allocations_left == LONG_MAX)
        return true;
    return allocations_left-- > 0;
}

static void *limited_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return may_allocate() ? malloc(size) : NULL;
}

static void *limited_realloc(void *memory, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return may_allocate() ? realloc(memory, size) : NULL;
}

static void plain_free(void *memory, const char *file, int line)
{
    (void)file, (void)line;
    free(memory);
}

/* Builds and checks a message; every failure must be the library's. */
static int use(struct stun_crypto *crypto)
{
    static const uint8_t id[12] = {1};
    struct stun_builder builder;
    struct stun_view view;
    struct stun_key key, sha256;
    uint8_t bytes[128], hash[STUN_SHA256_SIZE];
    int status;

    if ((status = stun_key_long_term(crypto, &key, STUN_PASSWORD_MD5, "u", "r", "p")) != STUN_OK ||
        (status = stun_key_long_term(crypto, &sha256, STUN_PASSWORD_SHA256, "u", "r", "p")) !=
            STUN_OK ||
        (status = stun_userhash(crypto, "u", "r", hash)) != STUN_OK)
        return status;
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_REQUEST, STUN_BINDING, id);
    stun_builder_put_integrity(&builder, crypto, &key);
    stun_builder_put_integrity_sha256(&builder, crypto, &sha256);
    status = stun_builder_finish(&builder);
    if (status < 0)
        return status;
    assert_int_equal(stun_view_parse(&view, bytes, (size_t)status), STUN_OK);
    if ((status = stun_view_check_integrity(&view, crypto, &key)) != STUN_OK)
        return status;
    return stun_view_check_integrity_sha256(&view, crypto, &sha256);
}

static void survives_every_shortage(void **state)
{
    (void)state;
    int failures = 0;

    for (long limit = 0;; limit++) {
        allocations_left = limit;
        struct stun_crypto *crypto = stun_crypto_new();
        int status = crypto == NULL ? STUN_ERROR_CRYPTO : use(crypto);
        bool was_short = allocations_left < 0;
        allocations_left = LONG_MAX;
        stun_crypto_free(crypto);
        assert_true(status == STUN_OK || status == STUN_ERROR_CRYPTO);
        failures += status != STUN_OK;
        if (!was_short) {
            assert_int_equal(status, STUN_OK);
            break;
        }
    }
    assert_true(failures > 10);
}

/* A shortage that passes leaves contexts that work again. */
static void recovers(void **state)
{
    (void)state;
    struct stun_crypto *crypto = stun_crypto_new();

    assert_non_null(crypto);
    for (long limit = 0; limit < 30; limit++) {
        allocations_left = limit;
        int status = use(crypto);
        allocations_left = LONG_MAX;
        assert_true(status == STUN_OK || status == STUN_ERROR_CRYPTO);
        assert_int_equal(use(crypto), STUN_OK);
    }
    stun_crypto_free(crypto);
}

static void no_such_digest(void **state)
{
    (void)state;
    assert_int_equal(EVP_set_default_properties(NULL, "provider=none"), 1);
    assert_null(stun_crypto_new());
    assert_int_equal(EVP_set_default_properties(NULL, ""), 1);
    struct stun_crypto *crypto = stun_crypto_new();
    assert_non_null(crypto);
    assert_int_equal(use(crypto), STUN_OK);
    stun_crypto_free(crypto);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_every_shortage),
        cmocka_unit_test(recovers),
        cmocka_unit_test(no_such_digest),
    };

    allocations_left = LONG_MAX;
    /* before the library's first allocation */
    if (CRYPTO_set_mem_functions(limited_malloc, limited_realloc, plain_free) != 1)
        return EXIT_FAILURE;
    stun_crypto_free(stun_crypto_new()); /* what the library makes once is no part of the test */
    return cmocka_run_group_tests_name("stun_memory", tests, NULL, NULL);
}
