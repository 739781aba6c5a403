/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/siphash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

static const struct siphash_key key = {
    {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};

/* The example of the SipHash paper, appendix A: bytes 00 to 0e under key 00 to 0f. */
static void test_paper_vector(void **state)
{
    uint8_t bytes[15];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)i;
    }
    assert_true(siphash_rounds(&key, bytes, sizeof bytes, 2, 4) == UINT64_C(0xa129ca6149be45e5));
}

static uint64_t openssl_siphash(EVP_MAC *mac, const uint8_t *bytes, size_t size, unsigned c,
                                unsigned d)
{
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
    size_t tag_size = 8;
    uint8_t key_bytes[16], tag[8];
    uint64_t word = 0;
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &tag_size),
        OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &c),
        OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &d),
        OSSL_PARAM_construct_end(),
    };

    for (int i = 0; i < 16; i++) {
        key_bytes[i] = (uint8_t)i;
    }
    assert_non_null(context);
    assert_int_equal(EVP_MAC_init(context, key_bytes, sizeof key_bytes, parameters), 1);
    assert_int_equal(EVP_MAC_update(context, bytes, size), 1);
    assert_int_equal(EVP_MAC_final(context, tag, &tag_size, sizeof tag), 1);
    EVP_MAC_CTX_free(context);
    for (int i = 0; i < 8; i++) {
        word |= (uint64_t)tag[i] << (8 * i);
    }
    return word;
}

static void test_agrees_with_openssl(void **state)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    uint8_t bytes[64];

    (void)state;
    if (mac == NULL) {
        skip();
    }
    for (size_t size = 0; size <= sizeof bytes; size++) {
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)(i * 37 + size);
        }
        assert_true(siphash(&key, bytes, size) == openssl_siphash(mac, bytes, size, 1, 3));
        assert_true(siphash_rounds(&key, bytes, size, 2, 4) ==
                    openssl_siphash(mac, bytes, size, 2, 4));
    }
    EVP_MAC_free(mac);
}

static void test_key_matters(void **state)
{
    struct siphash_key other = key;

    (void)state;
    other.words[1] ^= 1;
    assert_true(siphash(&key, "x", 1) != siphash(&other, "x", 1));
    assert_true(siphash(&key, "x\0", 2) != siphash(&key, "x", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paper_vector),
        cmocka_unit_test(test_agrees_with_openssl),
        cmocka_unit_test(test_key_matters),
    };

    return cmocka_run_group_tests_name("base/siphash", tests, NULL, NULL);
}
