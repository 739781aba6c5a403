/* SPDX-License-Identifier: BSD-3-Clause */
/* A self-signed certificate for 127.0.0.1 and server.test, made anew each time. */
#ifndef TESTS_UNIT_CERTIFICATE_H
#define TESTS_UNIT_CERTIFICATE_H

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

struct certificate {
    EVP_PKEY *key;
    X509 *leaf;
};

static inline bool certificate_add(X509 *leaf, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, leaf, leaf, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool good = extension != NULL && X509_add_ext(leaf, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

static inline bool certificate_make(struct certificate *certificate)
{
    X509 *leaf = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");

    *certificate = (struct certificate){key, leaf};
    return leaf != NULL && key != NULL && X509_set_version(leaf, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(leaf), 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(leaf), -3600) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(leaf), 3600) != NULL &&
           X509_set_pubkey(leaf, key) == 1 &&
           X509_NAME_add_entry_by_txt(X509_get_subject_name(leaf), "CN", MBSTRING_ASC,
                                      (const unsigned char *)"server.test", -1, -1, 0) == 1 &&
           X509_set_issuer_name(leaf, X509_get_subject_name(leaf)) == 1 &&
           certificate_add(leaf, NID_subject_alt_name, "IP:127.0.0.1,DNS:server.test") &&
           certificate_add(leaf, NID_basic_constraints, "CA:TRUE") &&
           X509_sign(leaf, key, EVP_sha256()) > 0;
}

static inline bool certificate_use(const struct certificate *certificate, SSL_CTX *context)
{
    return SSL_CTX_use_cert_and_key(context, certificate->leaf, certificate->key, NULL, 1) == 1;
}

static inline bool certificate_trust(const struct certificate *certificate, SSL_CTX *context)
{
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate->leaf) == 1;
}

static inline void certificate_free(struct certificate *certificate)
{
    X509_free(certificate->leaf);
    EVP_PKEY_free(certificate->key);
}

#endif
