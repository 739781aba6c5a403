/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several certificates behind one context of a server: which one a client sees is decided by the
 * name that it asks for (SNI, RFC 6066 §3), over TLS and DTLS alike.
 */
#ifndef NET_TLS_CERTIFICATES_H
#define NET_TLS_CERTIFICATES_H

#include <openssl/ssl.h>
#include <stdbool.h>

/*
 * Adds one to a context that has a certificate already. That first one is for clients that name a
 * host of its own, no host, or one that no certificate names; the others, in order, for those whose
 * host they name, as a client would check it (RFC 6125: wildcards too). References are taken, and
 * live as long as the context. Returns false, with the context as it was, when memory is out.
 */
bool tls_certificates_add(SSL_CTX *context, X509 *leaf, EVP_PKEY *key, STACK_OF(X509) * chain);

#endif
