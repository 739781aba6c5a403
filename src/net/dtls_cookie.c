/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/dtls_cookie.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

/* RFC 6347 §4.1 and §4.2.2 */
#define RECORD_HEADER_SIZE 13
#define HANDSHAKE_HEADER_SIZE 12
#define CONTENT_HANDSHAKE 22
#define CLIENT_HELLO 1
#define HELLO_VERIFY_REQUEST 3
#define VERSION_MAJOR 254
#define SESSION_ID_SIZE_MAX 32
#define DIGEST_SIZE 32

struct dtls_cookies {
    EVP_MAC_CTX *mac; /* keyed */
};

/* ---- life ------------------------------------------------------------------------------------ */

struct dtls_cookies *dtls_cookies_new(const uint8_t key[DTLS_COOKIE_KEY_SIZE])
{
    struct dtls_cookies *cookies = calloc(1, sizeof *cookies);
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    if (cookies != NULL && hmac != NULL) {
        cookies->mac = EVP_MAC_CTX_new(hmac);
    }
    EVP_MAC_free(hmac);
    if (cookies == NULL || cookies->mac == NULL ||
        EVP_MAC_init(cookies->mac, key, DTLS_COOKIE_KEY_SIZE, parameters) != 1) {
        dtls_cookies_free(cookies);
        return NULL;
    }
    return cookies;
}

void dtls_cookies_free(struct dtls_cookies *cookies)
{
    if (cookies != NULL) {
        EVP_MAC_CTX_free(cookies->mac);
        free(cookies);
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

/* What is left to read; once it has failed it gives nothing more. */
struct reader {
    const uint8_t *at;
    size_t left;
    bool failed;
};

static const uint8_t *take(struct reader *reader, size_t size)
{
    const uint8_t *bytes = reader->at;

    if (reader->failed || size > reader->left) {
        reader->failed = true;
        return NULL;
    }
    reader->at += size;
    reader->left -= size;
    return bytes;
}

static uint32_t take_number(struct reader *reader, size_t size)
{
    const uint8_t *bytes = take(reader, size);
    uint32_t number = 0;

    for (size_t i = 0; bytes != NULL && i < size; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

/* A whole ClientHello in one record of epoch 0; leaves `reader` at its body and nothing after. */
static bool enter_hello(struct reader *reader)
{
    uint32_t type = take_number(reader, 1);
    uint32_t major = take_number(reader, 1);
    uint32_t epoch;

    (void)take_number(reader, 1);
    epoch = take_number(reader, 2);
    (void)take(reader, 6);
    uint32_t record_size = take_number(reader, 2);
    if (reader->failed || type != CONTENT_HANDSHAKE || major != VERSION_MAJOR || epoch != 0 ||
        record_size > reader->left) {
        return false;
    }
    reader->left = record_size;
    type = take_number(reader, 1);
    uint32_t size = take_number(reader, 3);
    (void)take_number(reader, 2);
    uint32_t offset = take_number(reader, 3);
    uint32_t fragment_size = take_number(reader, 3);
    return !reader->failed && type == CLIENT_HELLO && offset == 0 && fragment_size == size &&
           size == reader->left;
}

bool dtls_client_hello_parse(struct dtls_client_hello *hello, const uint8_t *bytes, size_t size)
{
    struct reader reader = {bytes, size, false};

    if (!enter_hello(&reader)) {
        return false;
    }
    hello->record = bytes;
    hello->before = reader.at;
    (void)take(&reader, 2);
    hello->random = take(&reader, DTLS_RANDOM_SIZE);
    uint32_t session_id_size = take_number(&reader, 1);
    (void)take(&reader, session_id_size);
    hello->before_size = (uint16_t)(reader.at - hello->before);
    hello->cookie_size = (uint8_t)take_number(&reader, 1);
    hello->cookie = take(&reader, hello->cookie_size);
    hello->after = reader.at;
    uint32_t ciphers_size = take_number(&reader, 2);
    (void)take(&reader, ciphers_size);
    uint32_t methods_size = take_number(&reader, 1);
    (void)take(&reader, methods_size);
    hello->after_size = (uint16_t)(reader.at - hello->after);
    if (reader.left > 0) {
        uint32_t extensions_size = take_number(&reader, 2);
        reader.failed = reader.failed || extensions_size != reader.left;
    }
    return !reader.failed && session_id_size <= SESSION_ID_SIZE_MAX && ciphers_size >= 2 &&
           ciphers_size % 2 == 0 && methods_size >= 1;
}

/* ---- cookies --------------------------------------------------------------------------------- */

static size_t put_address(uint8_t *out, const struct stun_address *address)
{
    out[0] = address->family;
    out[1] = (uint8_t)(address->port >> 8);
    out[2] = (uint8_t)address->port;
    memcpy(out + 3, address->ip, sizeof address->ip);
    return 3 + sizeof address->ip;
}

static bool make_cookie(struct dtls_cookies *cookies, int64_t period,
                        const struct stun_address *client, const struct stun_address *server,
                        const struct dtls_client_hello *hello, uint8_t cookie[DTLS_COOKIE_SIZE])
{
    uint8_t digest[DIGEST_SIZE];
    uint8_t covered[8 + 2 * (3 + sizeof client->ip)];
    size_t size = 0;
    size_t digest_size = 0;

    for (; size < 8; size++) {
        covered[size] = (uint8_t)((uint64_t)period >> (8 * size));
    }
    size += put_address(covered + size, client);
    size += put_address(covered + size, server);
    if (EVP_MAC_init(cookies->mac, NULL, 0, NULL) != 1 ||
        EVP_MAC_update(cookies->mac, covered, size) != 1 ||
        EVP_MAC_update(cookies->mac, hello->before, hello->before_size) != 1 ||
        EVP_MAC_update(cookies->mac, hello->after, hello->after_size) != 1 ||
        EVP_MAC_final(cookies->mac, digest, &digest_size, sizeof digest) != 1 ||
        digest_size != sizeof digest) {
        return false;
    }
    memcpy(cookie, digest, DTLS_COOKIE_SIZE);
    return true;
}

static int64_t period_of(struct monotime now)
{
    return now.us / (DTLS_COOKIE_SECONDS * MONOTIME_SECOND);
}

bool dtls_cookie_is_good(struct dtls_cookies *cookies, struct monotime now,
                         const struct stun_address *client, const struct stun_address *server,
                         const struct dtls_client_hello *hello)
{
    bool good = false;

    for (int64_t age = 0; hello->cookie_size == DTLS_COOKIE_SIZE && !good && age < 2; age++) {
        uint8_t expected[DTLS_COOKIE_SIZE];
        good = make_cookie(cookies, period_of(now) - age, client, server, hello, expected) &&
               CRYPTO_memcmp(expected, hello->cookie, DTLS_COOKIE_SIZE) == 0;
    }
    return good;
}

bool dtls_cookie_answer(struct dtls_cookies *cookies, struct monotime now,
                        const struct stun_address *client, const struct stun_address *server,
                        const struct dtls_client_hello *hello,
                        uint8_t answer[DTLS_HELLO_VERIFY_SIZE])
{
    /* Version 1.0 whatever is offered, and the ClientHello's sequence number: RFC 6347 §4.2.1. */
    static const uint8_t body_size = 2 + 1 + DTLS_COOKIE_SIZE;
    const uint8_t record[RECORD_HEADER_SIZE] = {
        [0] = CONTENT_HANDSHAKE,
        [1] = VERSION_MAJOR,
        [2] = 255,
        [12] = HANDSHAKE_HEADER_SIZE + body_size,
    };
    const uint8_t handshake[HANDSHAKE_HEADER_SIZE + 3] = {
        [0] = HELLO_VERIFY_REQUEST, [3] = body_size, [11] = body_size,
        [12] = VERSION_MAJOR,       [13] = 255,      [14] = DTLS_COOKIE_SIZE,
    };

    memcpy(answer, record, sizeof record);
    memcpy(answer + 5, hello->record + 5, 6);
    memcpy(answer + sizeof record, handshake, sizeof handshake);
    return make_cookie(cookies, period_of(now), client, server, hello,
                       answer + sizeof record + sizeof handshake);
}
