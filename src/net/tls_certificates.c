/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/tls_certificates.h"

#include <openssl/crypto.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct tls_certificate {
    struct tls_certificate *next;
    X509 *leaf;
    EVP_PKEY *key;
    STACK_OF(X509) * chain;
};

/* A list belongs to its context, which outlives a reload as long as a handshake goes on. */
struct tls_certificates {
    struct tls_certificate *first, **end;
};

static void free_list(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long number,
                      void *pointer)
{
    struct tls_certificates *list = data;

    (void)parent;
    (void)all;
    (void)index;
    (void)number;
    (void)pointer;
    while (list != NULL && list->first != NULL) {
        struct tls_certificate *one = list->first;
        list->first = one->next;
        X509_free(one->leaf);
        EVP_PKEY_free(one->key);
        sk_X509_pop_free(one->chain, X509_free);
        free(one);
    }
    free(list);
}

static int list_index = -1;
static CRYPTO_ONCE list_index_once = CRYPTO_ONCE_STATIC_INIT;

/* Constant once it is made, as in dtls.c. */
static void make_list_index(void)
{
    list_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_list);
}

static bool is_for(X509 *leaf, const char *name)
{
    return X509_check_host(leaf, name, 0, 0, NULL) == 1;
}

/* Of a handshake, before it is decided what is shown. OpenSSL would take the first certificate for
 * another one's if the two have keys of different types: it has to go. */
static int choose(SSL *ssl, void *context)
{
    const struct tls_certificates *list = context;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    if (name == NULL || is_for(SSL_get_certificate(ssl), name)) {
        return 1;
    }
    for (const struct tls_certificate *one = list->first; one != NULL; one = one->next) {
        if (is_for(one->leaf, name)) {
            SSL_certs_clear(ssl);
            return SSL_use_cert_and_key(ssl, one->leaf, one->key, one->chain, 1);
        }
    }
    return 1;
}

static struct tls_certificates *list_of(SSL_CTX *context)
{
    struct tls_certificates *list = NULL;

    if (CRYPTO_THREAD_run_once(&list_index_once, make_list_index) != 1 || list_index < 0) {
        return NULL;
    }
    list = SSL_CTX_get_ex_data(context, list_index);
    if (list != NULL || (list = calloc(1, sizeof *list)) == NULL) {
        return list;
    }
    list->end = &list->first;
    if (SSL_CTX_set_ex_data(context, list_index, list) != 1) {
        free(list);
        return NULL;
    }
    SSL_CTX_set_cert_cb(context, choose, list);
    return list;
}

bool tls_certificates_add(SSL_CTX *context, X509 *leaf, EVP_PKEY *key, STACK_OF(X509) * chain)
{
    struct tls_certificates *list = list_of(context);
    struct tls_certificate *one = list != NULL ? calloc(1, sizeof *one) : NULL;

    if (one == NULL) {
        return false;
    }
    one->chain = chain != NULL ? X509_chain_up_ref(chain) : NULL;
    if (chain != NULL && one->chain == NULL) {
        free(one);
        return false;
    }
    X509_up_ref(leaf);
    EVP_PKEY_up_ref(key);
    one->leaf = leaf;
    one->key = key;
    *list->end = one;
    list->end = &one->next;
    return true;
}
