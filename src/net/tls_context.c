/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/tls_context.h"

#include "net/system_trust.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Of version 1.2; 1.3 has none without forward secrecy. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20"
#define PEER_CIPHERS "ECDHE+AESGCM+AES128:ECDHE+CHACHA20:ECDHE+AESGCM"
#define PEER_SRTP "SRTP_AES128_CM_SHA1_80"
#define NAME_SIZE_MAX 254

/* Names with their lengths before them (RFC 7301 §3.1), the more able one first. */
static const unsigned char alpn_names[] = "\x09" TLS_ALPN_TURN "\x12" TLS_ALPN_STUN;
#define ALPN_SIZE (sizeof alpn_names - 1)
#define ALPN_NAME_SIZE_MAX 31

/* ---- both ends ---------------------------------------------------------------------------------
 */

/* A list of one name, of ALPN_NAME_SIZE_MAX bytes at most; returns its size. */
static unsigned write_name(unsigned char out[ALPN_NAME_SIZE_MAX + 1], const char *name)
{
    size_t size = strnlen(name, ALPN_NAME_SIZE_MAX);

    out[0] = (unsigned char)size;
    memcpy(out + 1, name, size);
    return (unsigned)size + 1;
}

static SSL_CTX *new_context(const SSL_METHOD *method, enum tls_transport transport,
                            const char *ciphers)
{
    int least = transport == TLS_OVER_STREAM ? TLS1_2_VERSION : DTLS1_2_VERSION;
    SSL_CTX *context = SSL_CTX_new(method);

    if (context == NULL) {
        return NULL;
    }
    /* STUN and ChannelData say their own length: an end without close_notify hides nothing. */
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* An idle connection then keeps no record buffers, 34 KiB of them. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version(context, least) != 1 ||
        SSL_CTX_set_cipher_list(context, ciphers != NULL ? ciphers : CIPHERS) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

/* ---- the server's end --------------------------------------------------------------------------
 */

/* `context`: the one name that is ours, or NULL: those of RFC 7443. */
static int select_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_size,
                       const unsigned char *offered, unsigned offered_size, void *context)
{
    unsigned char *found = NULL;
    unsigned char one[ALPN_NAME_SIZE_MAX + 1];
    const unsigned char *names = context != NULL ? one : alpn_names;
    unsigned size = context != NULL ? write_name(one, context) : ALPN_SIZE;

    (void)ssl;
    if (SSL_select_next_proto(&found, chosen_size, names, size, offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    /* `found` may be ours on the stack; the client's own is the same and lives longer. */
    *chosen = memmem(offered, offered_size, found, *chosen_size);
    return SSL_TLSEXT_ERR_OK;
}

/* Any name will do, but only one that was accepted is still known when a session is resumed. */
static int accept_name(SSL *ssl, int *alert, void *context)
{
    (void)ssl;
    (void)alert;
    (void)context;
    return SSL_TLSEXT_ERR_OK;
}

SSL_CTX *tls_context_new_server(const struct tls_server_setup *setup)
{
    static const unsigned char session_context[] = "postern";
    bool stream = setup->transport == TLS_OVER_STREAM;
    SSL_CTX *context = new_context(stream ? TLS_server_method() : DTLS_server_method(),
                                   setup->transport, setup->ciphers);

    if (context == NULL) {
        return NULL;
    }
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_alpn_select_cb(context, select_alpn, (void *)setup->protocol);
    SSL_CTX_set_tlsext_servername_callback(context, accept_name);
    /* Tickets resume sessions; a cache would cost memory and a lock. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(context, session_context, sizeof session_context - 1);
    SSL_CTX_set_dh_auto(context, 1);
    if (setup->version_1_3_only && stream &&
        SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

bool tls_context_keep_tickets(SSL_CTX *from, SSL_CTX *to)
{
    unsigned char keys[128];
    long size = SSL_CTX_set_tlsext_ticket_keys(from, NULL, 0); /* how it is asked for */
    bool kept = size > 0 && size <= (long)sizeof keys &&
                SSL_CTX_get_tlsext_ticket_keys(from, keys, size) == 1 &&
                SSL_CTX_set_tlsext_ticket_keys(to, keys, size) == 1;

    OPENSSL_cleanse(keys, sizeof keys);
    return kept;
}

/* ---- the client's end --------------------------------------------------------------------------
 */

static int set_alpn(SSL_CTX *context, const char *name)
{
    unsigned char one[ALPN_NAME_SIZE_MAX + 1];

    if (name == NULL) {
        return SSL_CTX_set_alpn_protos(context, alpn_names, ALPN_SIZE); /* 0 is good */
    }
    return name[0] == '\0' ? 0 : SSL_CTX_set_alpn_protos(context, one, write_name(one, name));
}

static int accept_any(int preverified, X509_STORE_CTX *store)
{
    (void)preverified;
    (void)store;
    return 1;
}

SSL_CTX *tls_context_new_client(const struct tls_client_setup *setup, char *problem)
{
    bool stream = setup->transport == TLS_OVER_STREAM;
    SSL_CTX *context =
        new_context(stream ? TLS_client_method() : DTLS_client_method(), setup->transport, NULL);

    if (context == NULL || set_alpn(context, setup->alpn) != 0) {
        snprintf(problem, TLS_TEXT_SIZE, "memory is out");
        goto fail;
    }
    if (setup->ca_file != NULL &&
        SSL_CTX_load_verify_locations(context, setup->ca_file, NULL) != 1) {
        snprintf(problem, TLS_TEXT_SIZE, "no certificates in PEM form can be read from %.160s",
                 setup->ca_file);
        goto fail;
    }
    if (setup->ca_file == NULL) {
        system_trust_use(context);
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, setup->verified ? NULL : accept_any);
    ERR_clear_error();
    return context;

fail:
    ERR_clear_error();
    SSL_CTX_free(context);
    return NULL;
}

bool tls_expect_name(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
    char host[NAME_SIZE_MAX + 1];
    size_t size = strlen(name);

    if (X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1) {
        return true;
    }
    ERR_clear_error();
    if (size > 0 && name[size - 1] == '.') {
        size--;
    }
    if (size == 0 || size > NAME_SIZE_MAX) {
        return false;
    }
    memcpy(host, name, size);
    host[size] = '\0';
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

/* ---- between peers -----------------------------------------------------------------------------
 */

SSL_CTX *tls_context_new_peer(void)
{
    SSL_CTX *context = new_context(DTLS_method(), TLS_OVER_DATAGRAM, PEER_CIPHERS);

    if (context != NULL && SSL_CTX_set_tlsext_use_srtp(context, PEER_SRTP) != 0) { /* 0 is good */
        SSL_CTX_free(context);
        return NULL;
    }
    if (context != NULL) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_any);
        SSL_CTX_clear_mode(context, SSL_MODE_RELEASE_BUFFERS);
    }
    return context;
}

/* ---- in words ----------------------------------------------------------------------------------
 */

const char *tls_verify_text(const SSL *ssl)
{
    long result = SSL_get_verify_result(ssl);

    switch (result) {
    case X509_V_OK:
        return NULL;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "the certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "the certificate is not valid yet";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return "the certificate is self-signed and not among those that are trusted";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "the certificate comes from an issuer that is not known";
    case X509_V_ERR_HOSTNAME_MISMATCH:
        return "the certificate is for another name";
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "the certificate does not name this IP address";
    default:
        return X509_verify_cert_error_string(result);
    }
}

/* What an alert of the other end means; NULL when it is none that we know. */
static const char *alert_text(int reason)
{
    switch (reason) {
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
        return "the other end speaks none of our application protocols (ALPN)";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
        return "the other end does not know the issuer of our certificate";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
        return "the other end does not accept our certificate";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
        return "the other end says that our certificate has expired";
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
        return "the other end found no common parameters for TLS";
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return "the other end refuses our version of TLS";
    case SSL_R_TLSV1_UNRECOGNIZED_NAME:
        return "the other end does not serve this name";
    default:
        return NULL;
    }
}

static const char *reason_text(int reason)
{
    switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
        return "the other end does not speak TLS here";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
        return "the other end speaks only old versions of TLS";
    case SSL_R_NO_SHARED_CIPHER:
        return "the other end has no cipher in common with us";
    case SSL_R_NO_APPLICATION_PROTOCOL:
        return "the other end asked for another application protocol (ALPN)";
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        return "the other end closed the connection in the middle of TLS";
    default:
        return alert_text(reason);
    }
}

const char *tls_error_text(const SSL *ssl, unsigned long error, char *text)
{
    int reason = ERR_GET_REASON(error);
    const char *verify = ssl != NULL && !SSL_is_server(ssl) ? tls_verify_text(ssl) : NULL;
    const char *words = error != 0 ? reason_text(reason) : NULL;
    const char *library = error != 0 ? ERR_reason_error_string(error) : NULL;

    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != NULL) {
        snprintf(text, TLS_TEXT_SIZE, "%s", verify);
    } else if (words != NULL) {
        snprintf(text, TLS_TEXT_SIZE, "%s", words);
    } else {
        snprintf(text, TLS_TEXT_SIZE, "TLS failed: %s",
                 library != NULL ? library : "unknown error");
    }
    return text;
}

const char *tls_alpn_text(const SSL *ssl, char *text)
{
    const unsigned char *name = NULL;
    unsigned size = 0;

    SSL_get0_alpn_selected(ssl, &name, &size);
    snprintf(text, TLS_TEXT_SIZE, "%.*s", (int)size, name != NULL ? (const char *)name : "");
    return text;
}

unsigned long tls_take_error(struct bufferevent *bufferevent)
{
    unsigned long error;

    /* Results of SSL_get_error, which name no library, are among them. */
    do {
        error = bufferevent_get_openssl_error(bufferevent);
    } while (error != 0 && ERR_GET_LIB(error) == 0);
    return error;
}
