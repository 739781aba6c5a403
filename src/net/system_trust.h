/* SPDX-License-Identifier: BSD-3-Clause */
/* The certificate authorities that this system trusts, found as OpenSSL finds them: in the file and
 * the folder that SSL_CERT_FILE and SSL_CERT_DIR name, or those that it was built with. */
#ifndef NET_SYSTEM_TRUST_H
#define NET_SYSTEM_TRUST_H

#include <openssl/types.h>

/* Lets `context` trust them. Where the folder is hashed (openssl-rehash(1)), certificates are read
 * when they are asked for: reading the whole file takes OpenSSL 3.0 a tenth of a second and more.
 */
void system_trust_use(SSL_CTX *context);

#endif
