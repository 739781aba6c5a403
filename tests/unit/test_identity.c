/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/tls_context.h"
#include "stunclient/peer/identity.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

/* "sha-256 " and the digest of the certificate as anybody would write it. */
static void test_identity(void **state)
{
    struct identity *identity = identity_new();
    struct identity *other = identity_new();
    SSL_CTX *context = tls_context_new_peer();
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    char text[FINGERPRINT_TEXT_SIZE] = "sha-256 ";

    (void)state;
    assert_non_null(identity);
    assert_non_null(other);
    assert_true(identity_use(identity, context));
    X509 *certificate = SSL_CTX_get0_certificate(context);
    assert_int_equal(X509_digest(certificate, EVP_sha256(), digest, &size), 1);
    for (unsigned i = 0; i < size; i++) {
        static const char digits[] = "0123456789ABCDEF";
        char pair[4] = {i > 0 ? ':' : digits[digest[i] >> 4]};
        size_t at = i > 0 ? 1 : 0;
        pair[at] = digits[digest[i] >> 4];
        pair[at + 1] = digits[digest[i] & 15];
        strcat(text, pair);
    }
    assert_string_equal(identity_fingerprint(identity), text);
    assert_string_not_equal(identity_fingerprint(identity), identity_fingerprint(other));

    /* What browsers ask of it: P-256, good now, for no longer than a year. */
    assert_int_equal(EVP_PKEY_get_bits(X509_get0_pubkey(certificate)), 256);
    assert_true(X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0);
    assert_true(X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0);
    int days;
    int seconds;
    assert_int_equal(ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(certificate),
                                    X509_get0_notAfter(certificate)),
                     1);
    assert_true(days <= 365);
    assert_int_equal(X509_verify(certificate, X509_get0_pubkey(certificate)), 1);
    SSL_CTX_free(context);
    identity_free(identity);
    identity_free(other);
    identity_free(NULL);
}

static bool parse(struct fingerprint *fingerprint, const char *text)
{
    return fingerprint_parse(fingerprint, text, strlen(text));
}

#define SHA_256_END \
    "AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:3D:AA:44:01:25:A1:12:DF:3E:5D:49:0B"
#define SHA_256 "4A:" SHA_256_END

static void test_parse(void **state)
{
    struct fingerprint one, two;
    char text[FINGERPRINT_TEXT_SIZE];

    (void)state;
    assert_true(parse(&one, "sha-256 " SHA_256));
    assert_int_equal(one.size, 32);
    assert_int_equal(one.bytes[0], 0x4A);
    assert_int_equal(one.bytes[31], 0x0B);
    assert_string_equal(fingerprint_text(&one, text), "sha-256 " SHA_256);
    assert_true(parse(&two, "SHA-256 "
                            "4a:ad:b9:b1:3f:82:18:3b:54:02:12:df:3e:5d:49:6b:19:e5:7c:ab:3d:aa:44:"
                            "01:25:a1:12:df:3e:5d:49:0b"));
    assert_true(fingerprint_equal(&one, &two));
    two.bytes[31] ^= 1;
    assert_false(fingerprint_equal(&one, &two));
    two = one;
    two.size = 0;
    assert_false(fingerprint_equal(&one, &two));
}

static void test_parse_bad(void **state)
{
    static const char *const bad[] = {
        "",
        "sha-256",
        "sha-256 ",
        "sha-256  " SHA_256,
        "sha-256 " SHA_256 ":00",
        "sha-256 " SHA_256 " ",
        "sha-384 " SHA_256,
        "sha-1 " SHA_256,
        "sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB",
        "md5 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B",
        SHA_256,
        "sha-256 GA:" SHA_256_END,
        "sha-256 4A-" SHA_256_END,
    };
    struct fingerprint fingerprint;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(parse(&fingerprint, bad[i]));
    }
    assert_false(fingerprint_parse(&fingerprint, "sha-256 " SHA_256, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
