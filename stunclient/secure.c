/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/secure.h"

#include "base/text.h"

#include "base/address.h"
#include "net/tls_context.h"
#include "stunclient/reach.h"
#include "stunclient/verbs.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct secure {
    SSL_CTX *context;
    char name[STUN_HOST_SIZE_MAX + 1]; /* whom we expect: a host name, or an IP address */
    struct secure_findings findings;
};

static struct secure *new_secure(const struct tls_client_setup *setup, const char *name,
                                 struct failure *failure)
{
    char problem[TLS_TEXT_SIZE];
    struct secure *secure = calloc(1, sizeof *secure);
    if (secure == NULL) {
        failure_set(failure, EXIT_TLS, "memory is out");
        return NULL;
    }
    secure->context = tls_context_new_client(setup, problem);
    if (secure->context == NULL) {
        failure_set(failure, EXIT_USAGE, "%s", problem);
        failure_advise(failure, "--ca names a file with the certificates to trust, in PEM form.");
        secure_free(secure);
        return NULL;
    }
    snprintf(secure->name, sizeof secure->name, "%s", name);
    return secure;
}

bool secure_new(struct secure **out, const struct options *options, struct failure *failure)
{
    const struct tls_client_setup setup = {
        .transport = options->protocol == PROTOCOL_TLS ? TLS_OVER_STREAM : TLS_OVER_DATAGRAM,
        .ca_file = options->ca_file,
        .verified = !options->insecure,
        .alpn = options->verb->bit == VERB_TURN ? TLS_ALPN_TURN : TLS_ALPN_STUN,
    };
    const struct stun_host *host = &options->uri.host;
    char address[ADDRESS_TEXT_SIZE];
    const char *name = host->is_ip ? address_format_ip(&host->address, address) : host->name;
    *out = NULL;
    if (options->protocol != PROTOCOL_TLS && options->protocol != PROTOCOL_DTLS) {
        return true;
    }
    *out = new_secure(&setup, options->server_name != NULL ? options->server_name : name, failure);
    return *out != NULL;
}

struct secure *secure_new_stream(const struct options *options, const char *name, bool named,
                                 const char *alpn, struct failure *failure)
{
    const struct tls_client_setup setup = {.transport = TLS_OVER_STREAM,
                                           .ca_file = options->ca_file,
                                           .verified = !options->insecure,
                                           .alpn = alpn};
    bool overruled = named && options->server_name != NULL;
    return new_secure(&setup, overruled ? options->server_name : name, failure);
}

void secure_free(struct secure *secure)
{
    if (secure != NULL) {
        SSL_CTX_free(secure->context);
        free(secure);
    }
}

SSL *secure_connect(const struct secure *secure)
{
    SSL *ssl = SSL_new(secure->context);
    if (ssl != NULL && !tls_expect_name(ssl, secure->name)) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}

struct dtls *secure_associate(const struct secure *secure, const struct dtls_setup *setup)
{
    return dtls_new_client(secure->context, secure->name, setup);
}

/* ---- what a handshake shows ------------------------------------------------------------------ */

static void copy(char out[SECURE_TEXT_SIZE], const char *text)
{
    text_copy_printable(out, SECURE_TEXT_SIZE, text, strlen(text));
}

static void note_name(char out[SECURE_TEXT_SIZE], const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char text[SECURE_TEXT_SIZE];
    int size = 0;
    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
        size = BIO_read(bio, text, sizeof text);
    }
    text_copy_printable(out, SECURE_TEXT_SIZE, text, size > 0 ? (size_t)size : 0);
    BIO_free(bio);
}

static void note_certificate(struct secure_findings *findings, const X509 *certificate)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    struct tm end;
    note_name(findings->subject, X509_get_subject_name(certificate));
    note_name(findings->issuer, X509_get_issuer_name(certificate));
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1) {
        strftime(findings->not_after, sizeof findings->not_after, "%Y-%m-%dT%H:%M:%SZ", &end);
    }
    if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1) {
        size = 0;
    }
    for (unsigned i = 0; i < size && 2 * i + 2 < sizeof findings->sha256; i++) {
        snprintf(findings->sha256 + (size_t)2 * i, 3, "%02x", digest[i]);
    }
}

void secure_note(struct secure *secure, const SSL *ssl)
{
    struct secure_findings *findings = &secure->findings;
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    const char *problem = tls_verify_text(ssl);
    char alpn[TLS_TEXT_SIZE];
    *findings = (struct secure_findings){.done = true};
    copy(findings->version, SSL_get_version(ssl));
    copy(findings->cipher, SSL_get_cipher_name(ssl));
    copy(findings->alpn, tls_alpn_text(ssl, alpn));
    copy(findings->problem, problem != NULL ? problem : "");
    if (certificate != NULL) {
        note_certificate(findings, certificate);
    }
    ERR_clear_error();
}

void secure_expect(struct secure *secure, const char *name)
{
    if (secure != NULL && name != NULL && name[0] != '\0') {
        snprintf(secure->name, sizeof secure->name, "%s", name);
    }
}

const struct secure_findings *secure_findings(const struct secure *secure)
{
    return secure != NULL ? &secure->findings : NULL;
}

/* ---- telling --------------------------------------------------------------------------------- */

void secure_explain(struct failure *failure, const char *protocol, const char *server,
                    const char *text)
{
    failure_set(failure, EXIT_TLS, "%s with %s: %s", protocol, server, text);
    if (strstr(text, "issuer") != NULL || strstr(text, "self-signed") != NULL) {
        failure_advise(failure,
                       "Name the authority's certificate by --ca; the server must send its "
                       "whole chain.");
    } else if (strstr(text, "expired") != NULL || strstr(text, "not valid yet") != NULL) {
        failure_advise(failure, "Have the certificate renewed, and check the clock of this host.");
    } else if (strstr(text, "name") != NULL) {
        failure_advise(failure,
                       "Use the name that the certificate is for, by --server-name if need "
                       "be.");
    } else {
        failure_advise(failure,
                       "Check that the server speaks %s at this port; 5349 is the usual one of "
                       "STUN and TURN, 8443 of the rendezvous service.",
                       protocol);
    }
}

void secure_print(const struct secure_findings *findings, const struct output *output)
{
    if (findings == NULL || !findings->done) {
        return;
    }
    output_row(output, "TLS", STYLE_PLAIN, "%s, %s, ALPN %s", findings->version, findings->cipher,
               findings->alpn[0] != '\0' ? findings->alpn : "not chosen");
    output_row(output, "certificate", STYLE_PLAIN, "%s, by %s, until %s", findings->subject,
               findings->issuer, findings->not_after);
    if (findings->problem[0] != '\0') {
        output_row(output, "", STYLE_BAD, "not to be trusted: %s", findings->problem);
    }
}

static void put_text(struct json_writer *json, const char *key, const char *text)
{
    json_member_string(json, key, text[0] == '\0' ? NULL : text);
}

void secure_put_json(const struct secure_findings *findings, struct json_writer *json)
{
    json_put_key(json, "tls");
    if (findings == NULL || !findings->done) {
        json_put_null(json);
        return;
    }
    json_begin_object(json);
    put_text(json, "version", findings->version);
    put_text(json, "cipher", findings->cipher);
    put_text(json, "alpn", findings->alpn);
    put_text(json, "subject", findings->subject);
    put_text(json, "issuer", findings->issuer);
    put_text(json, "not_after", findings->not_after);
    put_text(json, "sha256", findings->sha256);
    put_text(json, "problem", findings->problem);
    json_end_object(json);
}
