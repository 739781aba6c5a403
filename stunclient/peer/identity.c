/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/identity.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The certificate is good from yesterday on: the peer's clock may be slow. */
#define VALID_BEFORE_SECONDS (24 * 60 * 60L)
#define VALID_AFTER_SECONDS (30 * 24 * 60 * 60L)
/* Says nothing about who we are: who listens on the way sees it. */
#define COMMON_NAME "postern"

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
    char fingerprint[FINGERPRINT_TEXT_SIZE];
};

/* ---- identity -------------------------------------------------------------------------------- */

static bool set_serial(X509 *certificate)
{
    uint64_t serial;

    return RAND_bytes((unsigned char *)&serial, sizeof serial) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1;
}

static bool make_certificate(X509 *certificate, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(certificate);

    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -VALID_BEFORE_SECONDS) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_AFTER_SECONDS) != NULL &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)COMMON_NAME,
                                      -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

struct identity *identity_new(void)
{
    struct identity *identity = calloc(1, sizeof *identity);
    struct fingerprint fingerprint;

    if (identity == NULL) {
        return NULL;
    }
    identity->key = EVP_EC_gen("P-256");
    identity->certificate = X509_new();
    if (identity->key == NULL || identity->certificate == NULL ||
        !make_certificate(identity->certificate, identity->key) ||
        !fingerprint_of(&fingerprint, identity->certificate, "sha-256")) {
        identity_free(identity);
        return NULL;
    }
    fingerprint_text(&fingerprint, identity->fingerprint);
    return identity;
}

void identity_free(struct identity *identity)
{
    if (identity != NULL) {
        X509_free(identity->certificate);
        EVP_PKEY_free(identity->key);
        free(identity);
    }
}

const char *identity_fingerprint(const struct identity *identity)
{
    return identity->fingerprint;
}

bool identity_use(const struct identity *identity, SSL_CTX *context)
{
    return SSL_CTX_use_certificate(context, identity->certificate) == 1 &&
           SSL_CTX_use_PrivateKey(context, identity->key) == 1;
}

/* ---- fingerprints ---------------------------------------------------------------------------- */

/* RFC 8122 §5 names more, but those are broken or too short. */
static const struct hash {
    const char *name;
    const EVP_MD *(*digest)(void);
    uint8_t size;
} hashes[] = {
    {"sha-256", EVP_sha256, 32},
    {"sha-384", EVP_sha384, 48},
    {"sha-512", EVP_sha512, 64},
};
#define HASH_COUNT (sizeof hashes / sizeof hashes[0])

/* Names are matched without regard to case (RFC 8122 §5). */
static const struct hash *find_hash(const char *name, size_t size)
{
    for (size_t i = 0; i < HASH_COUNT; i++) {
        if (size == strlen(hashes[i].name) && strncasecmp(name, hashes[i].name, size) == 0) {
            return &hashes[i];
        }
    }
    return NULL;
}

static int hex_digit(char character)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = character != '\0' ? strchr(digits, character) : NULL;

    return at != NULL ? (int)(at - digits) % 16 : -1;
}

/* "AB:CD:…", `count` of them in 3 * count - 1 characters. */
static bool parse_bytes(uint8_t *out, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++, text += 3) {
        int high = hex_digit(text[0]);
        int low = hex_digit(text[1]);
        if (high < 0 || low < 0 || (i + 1 < count && text[2] != ':')) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool fingerprint_parse(struct fingerprint *fingerprint, const char *text, size_t size)
{
    const char *space = memchr(text, ' ', size);
    const struct hash *hash = space != NULL ? find_hash(text, (size_t)(space - text)) : NULL;

    if (hash == NULL || size - (size_t)(space + 1 - text) != 3U * hash->size - 1) {
        return false;
    }
    *fingerprint = (struct fingerprint){.hash = hash->name, .size = hash->size};
    return parse_bytes(fingerprint->bytes, hash->size, space + 1);
}

bool fingerprint_of(struct fingerprint *fingerprint, const X509 *certificate, const char *name)
{
    const struct hash *hash = find_hash(name, strlen(name));
    unsigned size = 0;

    if (hash == NULL) {
        return false;
    }
    *fingerprint = (struct fingerprint){.hash = hash->name, .size = hash->size};
    return X509_digest(certificate, hash->digest(), fingerprint->bytes, &size) == 1 &&
           size == hash->size;
}

bool fingerprint_equal(const struct fingerprint *a, const struct fingerprint *b)
{
    return a->size == b->size && CRYPTO_memcmp(a->bytes, b->bytes, a->size) == 0;
}

const char *fingerprint_text(const struct fingerprint *fingerprint, char *text)
{
    int at = snprintf(text, FINGERPRINT_TEXT_SIZE, "%s ", fingerprint->hash);

    for (size_t i = 0; i < fingerprint->size; i++) {
        at += snprintf(text + at, FINGERPRINT_TEXT_SIZE - (size_t)at, i == 0 ? "%02X" : ":%02X",
                       fingerprint->bytes[i]);
    }
    return text;
}
