/* SPDX-License-Identifier: BSD-3-Clause */
/* A certificate with its chain and key, read whole at start and at each reload, so that nobody
 * needs the files in between. */
#ifndef TURNSERVER_CONFIG_CERTIFICATE_H
#define TURNSERVER_CONFIG_CERTIFICATE_H

#include "turnserver/config.h"

#include <openssl/ssl.h>
#include <stdint.h>

struct config_certificate;

enum config_certificate_part {
    CONFIG_CERTIFICATE_GOOD,
    CONFIG_CERTIFICATE_BAD, /* the certificate's file is to blame */
    CONFIG_CERTIFICATE_KEY_BAD,
};

/*
 * Reads two PEM files: the certificate, its chain after it; and its private key, not encrypted.
 * `problem` (of `size` bytes) is filled when the result is not CONFIG_CERTIFICATE_GOOD. Free `out`
 * with config_certificate_free.
 */
enum config_certificate_part config_certificate_load(struct config_certificate **out,
                                                     const struct config_files *files,
                                                     const char *certificate_path,
                                                     const char *key_path, char *problem,
                                                     size_t size);
void config_certificate_free(struct config_certificate *certificate); /* NULL is allowed */

/* Days until it expires; negative: days ago. */
int config_certificate_days_left(const struct config_certificate *certificate);
/* "CN=example.org", and the SHA-256 fingerprint as hexadecimal digits; both live with it. */
const char *config_certificate_subject(const struct config_certificate *certificate);
const char *config_certificate_fingerprint(const struct config_certificate *certificate);
/* Whether it is one for the host `name`, as clients check it (RFC 6125). */
bool config_certificate_names(const struct config_certificate *certificate, const char *name);
/* Gives it to a TLS context as the first, or adds it for clients that name a host of its own
 * (net/tls_certificates.h). Return false when OpenSSL refuses. */
bool config_certificate_use(const struct config_certificate *certificate, SSL_CTX *context);
bool config_certificate_add(const struct config_certificate *certificate, SSL_CTX *context);

#endif
