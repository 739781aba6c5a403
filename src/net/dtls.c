/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/dtls.h"

#include "net/tls_context.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

/* Every IPv6 link carries this much (RFC 8200 §5), and nearly every IPv4 one. */
#define LINK_MTU 1280
/* IPv6 and UDP headers. */
#define LINK_OVERHEAD 48

/* RFC 6347 §4.2.4.1 */
#define RESEND_FIRST_US 1000000
#define RESEND_MAX_US 60000000

/* Clearing a queue that is empty costs more than a short record. */
static void clear_errors(void)
{
    if (ERR_peek_error() != 0) {
        ERR_clear_error();
    }
}

struct dtls {
    SSL *ssl;
    struct dtls_setup setup;
    enum dtls_status status;
    bool listening; /* a server that waits for the ClientHello with the cookie */
    unsigned long error;
    const uint8_t *datagram; /* lent during dtls_input; NULL: taken */
    size_t datagram_size;
};

/* ---- OpenSSL's way to the network --------------------------------------------------------------
 */

static int bio_read(BIO *bio, char *out, int capacity)
{
    struct dtls *dtls = BIO_get_data(bio);
    int size = (int)dtls->datagram_size;

    BIO_clear_retry_flags(bio);
    if (dtls->datagram == NULL) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size = size < capacity ? size : capacity; /* cut, as recvfrom would */
    memcpy(out, dtls->datagram, (size_t)size);
    dtls->datagram = NULL;
    return size;
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
    struct dtls *dtls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    dtls->setup.send(dtls->setup.context, (const uint8_t *)bytes, (size_t)size);
    return size;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    const struct dtls *dtls = BIO_get_data(bio);

    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return dtls->setup.datagram_max;
    case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD:
        return LINK_OVERHEAD;
    default:
        return 0;
    }
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *bio_method;
static CRYPTO_ONCE bio_method_once = CRYPTO_ONCE_STATIC_INIT;

/* Constant once it is made: OpenSSL has no way to write one down. */
static void make_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagram");

    if (method != NULL && BIO_meth_set_read(method, bio_read) == 1 &&
        BIO_meth_set_write(method, bio_write) == 1 && BIO_meth_set_ctrl(method, bio_control) == 1 &&
        BIO_meth_set_create(method, bio_create) == 1) {
        bio_method = method;
    } else {
        BIO_meth_free(method);
    }
}

static bool attach_bio(struct dtls *dtls)
{
    BIO *bio;

    if (CRYPTO_THREAD_run_once(&bio_method_once, make_bio_method) != 1 || bio_method == NULL ||
        (bio = BIO_new(bio_method)) == NULL) {
        return false;
    }
    BIO_set_data(bio, dtls);
    SSL_set_bio(dtls->ssl, bio, bio);
    return true;
}

/* ---- life ------------------------------------------------------------------------------------ */

/* The wait after one of `before_us`; 0: the first. */
static unsigned next_wait_us(SSL *ssl, unsigned before_us)
{
    const struct dtls *dtls = BIO_get_data(SSL_get_rbio(ssl));
    unsigned wait_us = before_us == 0 ? dtls->setup.resend_us : 2 * before_us;

    return wait_us < dtls->setup.resend_max_us ? wait_us : dtls->setup.resend_max_us;
}

static void set_defaults(struct dtls_setup *setup)
{
    if (setup->resend_us == 0) {
        setup->resend_us = RESEND_FIRST_US;
    }
    if (setup->resend_max_us == 0) {
        setup->resend_max_us = RESEND_MAX_US;
    }
    if (setup->datagram_max == 0) {
        setup->datagram_max = LINK_MTU - LINK_OVERHEAD;
    }
}

static struct dtls *new_dtls(SSL_CTX *context, const struct dtls_setup *setup)
{
    struct dtls *dtls = calloc(1, sizeof *dtls);

    if (dtls == NULL) {
        return NULL;
    }
    dtls->setup = *setup;
    set_defaults(&dtls->setup);
    dtls->ssl = SSL_new(context);
    if (dtls->ssl == NULL || !attach_bio(dtls)) {
        dtls_free(dtls);
        return NULL;
    }
    SSL_set_options(dtls->ssl, SSL_OP_NO_QUERY_MTU);
    DTLS_set_link_mtu(dtls->ssl, dtls->setup.datagram_max + LINK_OVERHEAD);
    DTLS_set_timer_cb(dtls->ssl, next_wait_us);
    return dtls;
}

struct dtls *dtls_new_client(SSL_CTX *context, const char *name, const struct dtls_setup *setup)
{
    struct dtls *dtls = new_dtls(context, setup);

    if (dtls != NULL && !tls_expect_name(dtls->ssl, name)) {
        dtls_free(dtls);
        return NULL;
    }
    if (dtls != NULL) {
        SSL_set_connect_state(dtls->ssl);
    }
    return dtls;
}

static int take_any_cookie(SSL *ssl, const unsigned char *cookie, unsigned size)
{
    (void)ssl;
    (void)cookie;
    (void)size;
    return 1;
}

void dtls_prepare_server(SSL_CTX *context)
{
    SSL_CTX_set_cookie_verify_cb(context, take_any_cookie);
}

struct dtls *dtls_new_server(SSL_CTX *context, const struct dtls_setup *setup)
{
    struct dtls *dtls = new_dtls(context, setup);

    if (dtls != NULL) {
        SSL_set_accept_state(dtls->ssl);
        dtls->listening = true;
    }
    return dtls;
}

struct dtls *dtls_new_peer(SSL_CTX *context, bool server, const struct dtls_setup *setup)
{
    struct dtls *dtls = new_dtls(context, setup);

    if (dtls != NULL && server) {
        SSL_set_accept_state(dtls->ssl);
    } else if (dtls != NULL) {
        SSL_set_connect_state(dtls->ssl);
    }
    return dtls;
}

void dtls_free(struct dtls *dtls)
{
    if (dtls != NULL) {
        SSL_free(dtls->ssl);
        free(dtls);
    }
}

/* ---- in and out ------------------------------------------------------------------------------ */

static void fail(struct dtls *dtls)
{
    dtls->status = DTLS_FAILED;
    dtls->error = ERR_peek_last_error();
    clear_errors();
}

/* What a call that did not succeed means for the association. */
static void note_result(struct dtls *dtls, int result)
{
    switch (SSL_get_error(dtls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        clear_errors();
        break;
    case SSL_ERROR_ZERO_RETURN:
        dtls->status = DTLS_CLOSED;
        break;
    default:
        fail(dtls);
    }
}

static void shake_hands(struct dtls *dtls)
{
    clear_errors();
    int result = SSL_do_handshake(dtls->ssl);
    if (result == 1) {
        dtls->status = DTLS_OPEN;
    } else {
        note_result(dtls, result);
    }
}

/* Makes OpenSSL go on where a HelloVerifyRequest of its own would have left it. */
static void take_hello(struct dtls *dtls)
{
    BIO_ADDR *unused = BIO_ADDR_new();

    clear_errors();
    if (unused != NULL && DTLSv1_listen(dtls->ssl, unused) > 0) {
        dtls->listening = false;
    } else {
        fail(dtls);
    }
    BIO_ADDR_free(unused);
}

/* 33 KiB of buffers are for a datagram that is being worked on, not for an idle association. */
static void release_buffers(struct dtls *dtls)
{
    if (dtls->status == DTLS_OPEN && !dtls->setup.keeps_buffers) {
        (void)SSL_free_buffers(dtls->ssl);
    }
}

void dtls_start(struct dtls *dtls)
{
    shake_hands(dtls);
}

enum dtls_status dtls_input(struct dtls *dtls, const uint8_t *bytes, size_t size)
{
    dtls->datagram = size > 0 ? bytes : NULL; /* an empty one would look like an end */
    dtls->datagram_size = size;
    if (dtls->listening) {
        take_hello(dtls);
    }
    if (dtls->status == DTLS_CONNECTING) {
        shake_hands(dtls);
    }
    return dtls->status;
}

size_t dtls_read(struct dtls *dtls, uint8_t *out, size_t capacity)
{
    size_t size = 0;

    if (dtls->status != DTLS_OPEN) {
        dtls->datagram = NULL;
        return 0;
    }
    clear_errors();
    int result = SSL_read_ex(dtls->ssl, out, capacity, &size);
    if (result != 1) {
        dtls->datagram = NULL;
        note_result(dtls, result);
        release_buffers(dtls);
        return 0;
    }
    return size;
}

int dtls_write(struct dtls *dtls, const uint8_t *bytes, size_t size)
{
    size_t written;

    if (dtls->status != DTLS_OPEN) {
        return -ENOTCONN;
    }
    if (size > DTLS_PLAINTEXT_MAX) {
        return -EMSGSIZE;
    }
    if (size == 0) {
        return 0;
    }
    clear_errors();
    int result =
        SSL_alloc_buffers(dtls->ssl) == 1 ? SSL_write_ex(dtls->ssl, bytes, size, &written) : 0;
    if (result != 1) {
        note_result(dtls, result);
    }
    release_buffers(dtls);
    return result == 1 ? 0 : -EIO;
}

void dtls_close(struct dtls *dtls)
{
    if (dtls->status == DTLS_OPEN && SSL_alloc_buffers(dtls->ssl) == 1) {
        clear_errors();
        (void)SSL_shutdown(dtls->ssl);
        clear_errors();
        dtls->status = DTLS_CLOSED;
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

int64_t dtls_due_us(struct dtls *dtls)
{
    struct timeval left;

    if (dtls->status == DTLS_FAILED || dtls->status == DTLS_CLOSED ||
        DTLSv1_get_timeout(dtls->ssl, &left) != 1) {
        return -1;
    }
    return (int64_t)left.tv_sec * 1000000 + left.tv_usec;
}

void dtls_tick(struct dtls *dtls)
{
    clear_errors();
    if (dtls_due_us(dtls) == 0 && DTLSv1_handle_timeout(dtls->ssl) < 0) {
        fail(dtls);
    }
}

/* ---- seen from outside ----------------------------------------------------------------------- */

enum dtls_status dtls_status(const struct dtls *dtls)
{
    return dtls->status;
}

const SSL *dtls_ssl(const struct dtls *dtls)
{
    return dtls->ssl;
}

unsigned long dtls_error(const struct dtls *dtls)
{
    return dtls->error;
}
