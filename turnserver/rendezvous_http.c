/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GET /turn: TURN credentials for web back ends, which show a bearer token (RFC 6750) and say in
 * ?user=NAME for whom. Without a token in the configuration there is no such thing.
 */
#include "turnserver/rendezvous_service_internal.h"

#include "net/clock.h"
#include "wire/http_head.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define USER_SIZE 256
#define ANSWER_SIZE 8192
#define DEFAULT_USER "web"
#define DIGEST_SIZE 32

/* ---- what is asked -----------------------------------------------------------------------------
 */

static int hexadecimal_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes %XX up to '&' or the end. False for what is malformed or too long. */
static bool decode(const char *text, char out[USER_SIZE])
{
    size_t size = 0;
    for (; *text && *text != '&'; text++) {
        int byte = (unsigned char)*text;
        if (*text == '%') {
            int high = hexadecimal_digit(text[1]);
            int low = high < 0 ? -1 : hexadecimal_digit(text[2]);
            if (low < 0)
                return false;
            byte = high << 4 | low;
            text += 2;
        }
        if (byte == 0 || size == USER_SIZE - 1)
            return false;
        out[size++] = (char)byte;
    }
    out[size] = '\0';
    return size > 0;
}

/* The user of a query; without one, the default. */
static bool find_user(const char *query, char out[USER_SIZE])
{
    for (const char *part = query; part && *part;) {
        if (strncmp(part, "user=", 5) == 0)
            return decode(part + 5, out);
        part = strchr(part, '&');
        part = part ? part + 1 : NULL;
    }
    memcpy(out, DEFAULT_USER, sizeof DEFAULT_USER);
    return true;
}

static bool digest(const char *text, unsigned char out[DIGEST_SIZE])
{
    return EVP_Digest(text, strlen(text), out, NULL, EVP_sha256(), NULL) == 1;
}

/* In a time that does not depend on how much of it is right. */
static bool is_token(const char *given, const char *expected)
{
    unsigned char a[DIGEST_SIZE];
    unsigned char b[DIGEST_SIZE];
    return given && digest(given, a) && digest(expected, b) &&
           CRYPTO_memcmp(a, b, DIGEST_SIZE) == 0;
}

/* ---- what is answered --------------------------------------------------------------------------
 */

static void answer_problem(struct message_stream *stream, unsigned status, const char *headers,
                           const char *problem)
{
    char body[256];
    int size = snprintf(body, sizeof(body), "{\"error\":\"%s\"}\n", problem);
    message_stream_answer(stream, status, headers, "application/json", body, (size_t)size);
}

static void answer_credentials(struct message_stream *stream, const struct rendezvous_link *link,
                               const char *user)
{
    char body[ANSWER_SIZE];
    struct text_buffer buffer;
    text_buffer_init_fixed(&buffer, body, sizeof(body));
    if (rendezvous_put_credentials(link->service->machine, clock_now(), user,
                                   connection_local(link->connection), &buffer) &&
        !buffer.failed)
        message_stream_answer(stream, 200, NULL, "application/json", buffer.bytes, buffer.size);
    else
        answer_problem(stream, 400, NULL, "there are no credentials for such a user");
    OPENSSL_cleanse(body, sizeof(body));
}

/* Who shows no good token may try again, but not without end. */
static void refuse(struct message_stream *stream, const struct rendezvous_link *link)
{
    if (rendezvous_refuse_token(link->service->machine, clock_now(),
                                connection_remote(link->connection),
                                message_stream_tls(stream) != NULL))
        answer_problem(stream, 401, "WWW-Authenticate: Bearer realm=\"turn\"\r\n",
                       "expected the bearer token of rendezvous.turn_token");
    else
        answer_problem(stream, 429, "Retry-After: 1\r\n", "too many without a good bearer token");
    rendezvous_service_turn(link->service);
}

bool rendezvous_http_request(struct message_stream *stream, const struct http_head *head,
                             void *context)
{
    const struct rendezvous_link *link = context;
    struct rendezvous_service *service = link->service;
    const char *token = service->policy->rendezvous->turn_token;
    char user[USER_SIZE];
    service->http++;
    if (!token || strcmp(head->path, "/turn") != 0)
        return false;
    if (strcmp(head->method, "GET") != 0)
        answer_problem(stream, 405, "Allow: GET\r\n", "use GET");
    else if (!is_token(http_head_bearer(head), token))
        refuse(stream, link);
    else if (!find_user(head->query, user))
        answer_problem(stream, 400, NULL, "user is empty, too long or malformed");
    else
        answer_credentials(stream, link, user);
    return true;
}
