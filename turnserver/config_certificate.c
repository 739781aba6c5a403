/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/config_certificate.h"

#include "net/tls_certificates.h"
#include "turnserver/config_text.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FILE_SIZE_MAX (256u << 10)
#define CHAIN_MAX 16

struct config_certificate {
    X509 *leaf;
    EVP_PKEY *key;
    STACK_OF(X509) * chain;
    char subject[256];
    char fingerprint[65];
};

struct problem {
    char *text;
    size_t size;
};

static bool __attribute__((format(printf, 2, 3)))
tell(const struct problem *problem, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem->text, problem->size, format, arguments);
    va_end(arguments);
    ERR_clear_error();
    return false;
}

/* A passphrase is never asked for: there is nobody at the terminal. */
static int refuse_passphrase(char *bytes, int size, int writing, void *context)
{
    (void)bytes;
    (void)size;
    (void)writing;
    *(bool *)context = true;
    return -1;
}

static BIO *open_pem(const struct config_files *files, const char *path, struct text_buffer *bytes,
                     const struct problem *problem)
{
    int result = config_files_read(files, path, FILE_SIZE_MAX, bytes, NULL);
    BIO *bio = NULL;
    if (result < 0)
        tell(problem, "expected a PEM file, but %s cannot be read: %s", path, strerror(-result));
    else if (!(bio = BIO_new_mem_buf(bytes->bytes ? bytes->bytes : "", (int)bytes->size)))
        tell(problem, "memory is out");
    return bio;
}

static bool read_chain(struct config_certificate *certificate, BIO *bio, const char *path,
                       const struct problem *problem)
{
    certificate->leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (!certificate->leaf)
        return tell(problem, "expected a certificate in PEM form, got none in %s", path);
    certificate->chain = sk_X509_new_null();
    for (X509 *next; certificate->chain && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL));) {
        if (sk_X509_num(certificate->chain) == CHAIN_MAX ||
            sk_X509_push(certificate->chain, next) == 0) {
            X509_free(next);
            return tell(problem, "expected at most 16 certificates in the chain of %s", path);
        }
    }
    unsigned long error = ERR_peek_last_error();
    if (ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
        return tell(problem, "expected certificates in PEM form, got a broken one in %s", path);
    ERR_clear_error();
    return certificate->chain || tell(problem, "memory is out");
}

static bool read_certificate(struct config_certificate *certificate,
                             const struct config_files *files, const char *path,
                             const struct problem *problem)
{
    struct text_buffer bytes;
    text_buffer_init_growing(&bytes);
    BIO *bio = open_pem(files, path, &bytes, problem);
    bool good = bio && read_chain(certificate, bio, path, problem);
    BIO_free(bio);
    text_buffer_free(&bytes);
    return good;
}

static bool read_key(struct config_certificate *certificate, const struct config_files *files,
                     const char *path, const struct problem *problem)
{
    struct text_buffer bytes;
    text_buffer_init_growing(&bytes);
    bool encrypted = false;
    BIO *bio = open_pem(files, path, &bytes, problem);
    if (bio) {
        certificate->key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &encrypted);
        if (encrypted)
            tell(problem, "expected a private key without a passphrase, got one in %s", path);
        else if (!certificate->key)
            tell(problem, "expected a private key in PEM form, got none in %s", path);
    }
    BIO_free(bio);
    if (bytes.bytes)
        OPENSSL_cleanse(bytes.bytes, bytes.size);
    text_buffer_free(&bytes);
    return certificate->key != NULL;
}

static void describe(struct config_certificate *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio) {
        X509_NAME_print_ex(bio, X509_get_subject_name(certificate->leaf), 0, XN_FLAG_RFC2253);
        int size = BIO_read(bio, certificate->subject, sizeof(certificate->subject) - 1);
        certificate->subject[size > 0 ? size : 0] = '\0';
    }
    BIO_free(bio);
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (X509_digest(certificate->leaf, EVP_sha256(), digest, &size) != 1)
        size = 0;
    for (unsigned i = 0; i < size && 2 * i + 2 < sizeof(certificate->fingerprint); i++)
        snprintf(certificate->fingerprint + (size_t)2 * i, 3, "%02x", digest[i]);
}

enum config_certificate_part config_certificate_load(struct config_certificate **out,
                                                     const struct config_files *files,
                                                     const char *certificate_path,
                                                     const char *key_path, char *text, size_t size)
{
    struct problem problem = {text, size};
    enum config_certificate_part bad = CONFIG_CERTIFICATE_BAD;
    struct config_certificate *certificate = calloc(1, sizeof(*certificate));
    if (!certificate) {
        tell(&problem, "memory is out");
        return bad;
    }
    if (!read_certificate(certificate, files, certificate_path, &problem))
        goto out;
    bad = CONFIG_CERTIFICATE_KEY_BAD;
    if (!read_key(certificate, files, key_path, &problem))
        goto out;
    if (X509_check_private_key(certificate->leaf, certificate->key) != 1) {
        tell(&problem, "expected the private key of the certificate %s, got another in %s",
             certificate_path, key_path);
        goto out;
    }
    describe(certificate);
    *out = certificate;
    return CONFIG_CERTIFICATE_GOOD;
out:
    config_certificate_free(certificate);
    return bad;
}

void config_certificate_free(struct config_certificate *certificate)
{
    if (!certificate)
        return;
    X509_free(certificate->leaf);
    EVP_PKEY_free(certificate->key);
    sk_X509_pop_free(certificate->chain, X509_free);
    free(certificate);
}

int config_certificate_days_left(const struct config_certificate *certificate)
{
    int days = 0;
    int seconds = 0;
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate->leaf)) != 1)
        return -1;
    return days + (seconds < 0 && days == 0 ? -1 : 0);
}

const char *config_certificate_subject(const struct config_certificate *certificate)
{
    return certificate->subject;
}

const char *config_certificate_fingerprint(const struct config_certificate *certificate)
{
    return certificate->fingerprint;
}

bool config_certificate_names(const struct config_certificate *certificate, const char *name)
{
    return X509_check_host(certificate->leaf, name, 0, 0, NULL) == 1;
}

bool config_certificate_use(const struct config_certificate *certificate, SSL_CTX *context)
{
    return SSL_CTX_use_cert_and_key(context, certificate->leaf, certificate->key,
                                    certificate->chain, 1) == 1;
}

bool config_certificate_add(const struct config_certificate *certificate, SSL_CTX *context)
{
    return tls_certificates_add(context, certificate->leaf, certificate->key, certificate->chain);
}
