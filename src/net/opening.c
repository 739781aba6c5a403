/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/opening.h"

#include "base/text.h"
#include "net/tls_context.h"
#include "wire/client_hello.h"
#include "wire/proxy_header.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The first byte of TLS (RFC 8446 §5.1: handshake); those of STUN are 0 to 3 and 64 to 79. */
#define FIRST_BYTE_TLS 22

struct opening {
    struct event readable;
    int descriptor;
    const struct opening_rules *rules;
    void (*done)(void *context, const struct opening_result *result);
    void *context;
    bool headed; /* the PROXY header is behind us, or none is expected */
    int wanted;  /* bytes that wake us */
    struct opening_result result;
};

_Static_assert(PROXY_HEADER_SIZE_MAX <= CLIENT_HELLO_SIZE_MAX, "one buffer holds either");

/* What a look at the waiting bytes comes to. */
enum look {
    LOOK_MORE,   /* `needed` bytes are wanted */
    LOOK_HEADER, /* a PROXY header is whole: `needed` bytes of it */
    LOOK_DONE,   /* result says */
};

static enum look refuse(struct opening *opening, const char *text)
{
    opening->result.way = OPENING_REFUSED;
    opening->result.text = text;
    return LOOK_DONE;
}

static enum look go(struct opening *opening, enum opening_way way)
{
    opening->result.way = way;
    return LOOK_DONE;
}

/* ---- the PROXY header --------------------------------------------------------------------------
 */

static enum look look_for_header(struct opening *opening, const uint8_t *bytes, size_t size,
                                 size_t *needed)
{
    struct proxy_header header;

    switch (proxy_header_parse(bytes, size, &header, needed)) {
    case 0:
        opening->result.source = header.source;
        *needed = header.size;
        return LOOK_HEADER;
    case -EAGAIN:
        return LOOK_MORE;
    default:
        return refuse(opening, "no good PROXY header came from a trusted proxy");
    }
}

/* ---- TLS ---------------------------------------------------------------------------------------
 */

static bool is_ours(const struct opening_rules *rules, const struct client_hello *hello)
{
    if (hello->protocols_size > 0) {
        return client_hello_offers(hello, TLS_ALPN_TURN) ||
               client_hello_offers(hello, TLS_ALPN_STUN);
    }
    bool named = hello->server_name[0] == '\0' || rules->name_count == 0;
    for (size_t i = 0; !named && i < rules->name_count; i++) {
        named = text_host_matches(rules->names[i], hello->server_name);
    }
    return named;
}

static enum look look_at_hello(struct opening *opening, const uint8_t *bytes, size_t size,
                               size_t *needed)
{
    struct client_hello hello;

    switch (client_hello_parse(&hello, bytes, size, needed)) {
    case 0:
        return go(opening, is_ours(opening->rules, &hello) ? OPENING_TLS : OPENING_UPSTREAM);
    case -EAGAIN:
        return LOOK_MORE;
    default:
        return refuse(opening, "a ClientHello that is malformed or too long");
    }
}

static enum look look(struct opening *opening, const uint8_t *bytes, size_t size, size_t *needed)
{
    const struct opening_rules *rules = opening->rules;

    if (!opening->headed) {
        return look_for_header(opening, bytes, size, needed);
    }
    if (rules->plain && (!rules->tls || bytes[0] != FIRST_BYTE_TLS)) {
        return go(opening, OPENING_PLAIN);
    }
    if (bytes[0] != FIRST_BYTE_TLS) {
        return refuse(opening, "the other end does not speak TLS here");
    }
    return rules->upstream ? look_at_hello(opening, bytes, size, needed) : go(opening, OPENING_TLS);
}

/* ---- the socket --------------------------------------------------------------------------------
 */

/* Lets the kernel wake us only once that many bytes wait. */
static void want(struct opening *opening, size_t size)
{
    int wanted = (int)size;

    if (opening->wanted != wanted) {
        opening->wanted = wanted;
        (void)setsockopt(opening->descriptor, SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof wanted);
    }
}

/* Whether no more bytes can come: those that wait would wake us for ever. */
static bool is_ended(int descriptor)
{
    struct pollfd one = {.fd = descriptor, .events = POLLRDHUP};

    return poll(&one, 1, 0) == 1;
}

/* Returns false once the opening is clear. */
static bool go_on(struct opening *opening)
{
    uint8_t bytes[CLIENT_HELLO_SIZE_MAX];
    size_t needed = 1;

    ssize_t size = recv(opening->descriptor, bytes, sizeof bytes, MSG_PEEK);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (size <= 0) {
        (void)refuse(opening, "the other end closed the connection");
        return false;
    }
    switch (look(opening, bytes, (size_t)size, &needed)) {
    case LOOK_DONE:
        return false;
    case LOOK_HEADER:
        opening->headed = true;
        want(opening, 1);
        return recv(opening->descriptor, bytes, needed, 0) == (ssize_t)needed ||
               refuse(opening, "the PROXY header is gone") != LOOK_DONE;
    case LOOK_MORE:
        break;
    }
    if (is_ended(opening->descriptor)) {
        (void)refuse(opening, "the other end closed the connection");
        return false;
    }
    want(opening, needed);
    return true;
}

static void on_readable(evutil_socket_t descriptor, short what, void *context)
{
    struct opening *opening = context;

    (void)descriptor;
    (void)what;
    if (!go_on(opening)) {
        want(opening, 1);
        event_del(&opening->readable);
        opening->done(opening->context, &opening->result);
    }
}

struct opening *opening_new(struct event_base *base, int descriptor,
                            const struct opening_rules *rules,
                            void (*done)(void *context, const struct opening_result *result),
                            void *context)
{
    struct opening *opening = calloc(1, sizeof *opening);

    if (opening == NULL) {
        return NULL;
    }
    opening->descriptor = descriptor;
    opening->rules = rules;
    opening->done = done;
    opening->context = context;
    opening->headed = !rules->proxied;
    opening->wanted = 1;
    event_assign(&opening->readable, base, descriptor, EV_READ | EV_PERSIST, on_readable, opening);
    if (event_add(&opening->readable, NULL) != 0) {
        free(opening);
        return NULL;
    }
    return opening;
}

void opening_free(struct opening *opening)
{
    if (opening != NULL) {
        event_del(&opening->readable);
        free(opening);
    }
}
