/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS or DTLS of one run: whom we trust, whom we expect, and what the handshakes showed.
 */
#ifndef STUNCLIENT_SECURE_H
#define STUNCLIENT_SECURE_H

#include "base/json_writer.h"
#include "net/dtls.h"
#include "stunclient/output.h"

#include <openssl/ssl.h>

#define SECURE_TEXT_SIZE 256

/* What a handshake came to. Texts are printable, and may be empty. */
struct secure_findings {
    bool done; /* a handshake was finished, and the rest is filled */
    char version[SECURE_TEXT_SIZE], cipher[SECURE_TEXT_SIZE], alpn[SECURE_TEXT_SIZE];
    char subject[SECURE_TEXT_SIZE], issuer[SECURE_TEXT_SIZE];
    char not_after[SECURE_TEXT_SIZE]; /* "2026-11-22T10:02:00Z" */
    char sha256[65];                  /* fingerprint of the certificate */
    char problem[SECURE_TEXT_SIZE];   /* why the certificate is not to be trusted (--insecure) */
};

struct secure;

/*
 * Makes what the options ask for; sets `secure` to NULL when they ask for no TLS. Returns false
 * with the failure filled. `options` are borrowed.
 */
bool secure_new(struct secure **secure, const struct options *options, struct failure *failure);
/*
 * TLS with `name` (a host name or an IP address, which --server-name may overrule when `named` by
 * the user), whatever --protocol says; `alpn` as in tls_client_setup. Returns NULL with the failure
 * filled.
 */
struct secure *secure_new_stream(const struct options *options, const char *name, bool named,
                                 const char *alpn, struct failure *failure);
void secure_free(struct secure *secure); /* NULL is allowed */

/* A new end of a connection, the caller's; NULL: memory is out. */
SSL *secure_connect(const struct secure *secure);
/* The same for DTLS, not started. */
struct dtls *secure_associate(const struct secure *secure, const struct dtls_setup *setup);
/* Notes what a finished handshake showed; the latest is kept. */
void secure_note(struct secure *secure, const SSL *ssl);
/* From now on another name is expected in certificates; NULL or "": the same. `secure` may be NULL.
 */
void secure_expect(struct secure *secure, const char *name);
/* NULL when `secure` is. */
const struct secure_findings *secure_findings(const struct secure *secure);

/* Tells of a failure of `protocol` ("TLS", "DTLS") with `server`, for the reason `text`. */
void secure_explain(struct failure *failure, const char *protocol, const char *server,
                    const char *text);
/* Prints rows about the connection; nothing for NULL or without a handshake. */
void secure_print(const struct secure_findings *findings, const struct output *output);
/* Adds the member "tls": an object, or null. */
void secure_put_json(const struct secure_findings *findings, struct json_writer *json);

#endif
