/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A server's DTLS, fed with datagrams from a few addresses while time passes. The input is a
 * program: an operation, its argument, and for a datagram its size (two bytes) and bytes. What
 * was counted in the limit is given back at the end, and nothing is sent to who was not heard.
 */
#include "net/associations.h"
#include "net/clock.h"
#include "net/dtls.h"
#include "net/tls_context.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/certificate.h"

#include <event2/event.h>
#include <string.h>

#define ADDRESSES 4
#define CONNECTIONS 6
#define DATAGRAM_MAX 2048

enum operation {
    OPERATION_DATAGRAM, /* argument: which address */
    OPERATION_HELLO,    /* the same; a cookie in it is made good before */
    OPERATION_TIME,     /* argument: seconds */
    OPERATION_SEND,     /* to an association, argument: bytes */
    OPERATIONS,
};

static const uint8_t key[DTLS_COOKIE_KEY_SIZE] = "the server's";

struct run {
    struct associations *associations;
    struct dtls_cookies *cookies;
    struct monotime now;
    unsigned heard; /* bits of addresses */
    uint32_t via;   /* of the last flow that ended or brought a frame */
};

static struct flow flow_from(unsigned number)
{
    return (struct flow){
        .via = 1,
        .remote = {STUN_FAMILY_IPV4, (uint16_t)(4000 + number), {192, 0, 2, 1}},
        .local = {STUN_FAMILY_IPV4, 3478, {192, 0, 2, 2}},
    };
}

static void on_frame(void *context, const struct flow *flow, struct packet *packet)
{
    struct run *run = context;

    REQUIRE(flow->transport == TRANSPORT_DTLS && flow->via >= ASSOCIATIONS_VIA_FIRST);
    memset(packet->bytes - packet->headroom, 0xAA,
           packet->headroom + packet->size + packet->tailroom);
    run->via = flow->via;
}

static void on_flush(void *context)
{
    (void)context;
}

static void on_closed(void *context, const struct flow *flow)
{
    struct run *run = context;

    run->via = flow->via;
}

static void on_send(void *context, const struct outbox_entry *entries, size_t count)
{
    const struct run *run = context;

    for (size_t i = 0; i < count; i++) {
        REQUIRE((run->heard & 1u << (entries[i].flow.remote.port - 4000)) != 0);
        REQUIRE(entries[i].flow.via == 1 && entries[i].size > 0);
    }
}

static bool admit(void *context, const struct stun_address *source)
{
    (void)context;
    (void)source;
    return true;
}

static void make_cookie_good(const struct run *run, const struct flow *flow, uint8_t *bytes,
                             size_t size)
{
    struct dtls_client_hello hello;
    uint8_t answer[DTLS_HELLO_VERIFY_SIZE];

    if (dtls_client_hello_parse(&hello, bytes, size) && hello.cookie_size == DTLS_COOKIE_SIZE &&
        dtls_cookie_answer(run->cookies, run->now, &flow->remote, &flow->local, &hello, answer)) {
        memcpy(bytes + (hello.cookie - bytes), answer + sizeof answer - DTLS_COOKIE_SIZE,
               DTLS_COOKIE_SIZE);
    }
}

/* Returns how much of the program it took. */
static size_t input(struct run *run, bool hello, unsigned number, const uint8_t *data, size_t left)
{
    size_t size = left < 2 ? 0 : (size_t)(data[0] << 8 | data[1]) % (DATAGRAM_MAX + 1);
    size_t begin = left < 2 ? left : 2;
    const struct flow flow = flow_from(number % ADDRESSES);

    size = size < left - begin ? size : left - begin;
    /* Of the exact size, so that a sanitizer sees a step beyond. */
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, data + begin, size);
    if (hello) {
        make_cookie_good(run, &flow, copy, size);
    }
    run->heard |= 1u << number % ADDRESSES;
    const struct packet packet = {.bytes = copy, .size = (uint32_t)size};
    (void)associations_input(run->associations, run->now, &flow, &packet);
    associations_flush(run->associations);
    associations_reclaim(run->associations);
    free(copy);
    return begin + size;
}

static void send_to(struct run *run, unsigned size)
{
    static const uint8_t bytes[256];
    const struct outbox_entry entry = {
        .flow = {.via = run->via != 0 ? run->via : ASSOCIATIONS_VIA_FIRST | 1},
        .bytes = bytes,
        .size = size,
    };

    associations_send(run->associations, &entry);
    associations_hold(run->associations, run->now, entry.flow.via, size % 2 == 0);
    associations_flush(run->associations);
}

static void run_program(struct run *run, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 2 <= size;) {
        enum operation operation = (enum operation)(data[i] % OPERATIONS);
        unsigned argument = data[i + 1];
        i += 2;
        switch (operation) {
        case OPERATION_DATAGRAM:
        case OPERATION_HELLO:
            i += input(run, operation == OPERATION_HELLO, argument, data + i, size - i);
            break;
        case OPERATION_TIME:
            run->now = monotime_add_seconds(run->now, argument);
            associations_expire(run->associations, run->now);
            break;
        default:
            send_to(run, argument);
        }
        REQUIRE(associations_counters(run->associations)->open <= CONNECTIONS);
    }
}

static SSL_CTX *new_context(void)
{
    struct certificate certificate;
    SSL_CTX *context =
        tls_context_new_server(&(struct tls_server_setup){.transport = TLS_OVER_DATAGRAM});

    REQUIRE(context != NULL && certificate_make(&certificate) &&
            certificate_use(&certificate, context));
    dtls_prepare_server(context);
    certificate_free(&certificate);
    return context;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static SSL_CTX *context;
    static struct event_base *base;
    static const struct siphash_key table_key = {{1, 2}};
    struct run run = {.now = clock_now()};
    struct connection_limit *limit = connection_limit_new(CONNECTIONS, 0, &table_key);
    const struct associations_setup setup = {
        .user = {&run, on_frame, on_flush, on_closed, on_send, admit},
        .cookie_key = key,
        .table_key = table_key,
        .limit = limit,
        .idle_seconds = 30,
    };

    if (context == NULL) {
        context = new_context();
        base = event_base_new();
    }
    run.cookies = dtls_cookies_new(key);
    run.associations = associations_new(base, &setup);
    REQUIRE(limit != NULL && run.cookies != NULL && run.associations != NULL);
    associations_set_context(run.associations, context);
    associations_listen(run.associations, 1, false);
    run_program(&run, data, size);
    associations_free(run.associations);
    dtls_cookies_free(run.cookies);
    const struct flow flow = flow_from(0);
    for (int i = 0; i < CONNECTIONS; i++) {
        REQUIRE(connection_limit_take(limit, &flow.remote) == CONNECTION_ALLOWED);
    }
    connection_limit_free(limit);
    return 0;
}
