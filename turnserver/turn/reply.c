/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/turn_internal.h"

#include <stdio.h>
#include <string.h>

/*
 * How much larger than its datagram an answer to somebody unknown may be, so that a forged source
 * address gains nothing: Binding 6 times, errors 10 times.
 */
#define AMPLIFICATION_SUCCESS 6
#define AMPLIFICATION_ERROR 10
#define CLASSIC_REASON_MAX 124 /* a multiple of four */
#define ATTRIBUTE_SIZE(value_size) (4 + (((value_size) + 3) & ~(size_t)3))
#define FINGERPRINT_SIZE ATTRIBUTE_SIZE(4)

void reply_begin(const struct turn_request *request, struct stun_builder *builder,
                 enum stun_class message_class)
{
    uint8_t *bytes = outbox_reserve(request->outbox, OUTBOX_RESERVE_MAX);

    stun_builder_begin_answer(builder, bytes, OUTBOX_RESERVE_MAX, message_class, request->view);
}

/* Whether the source address may be forged: only then are size and number of answers limited. */
static bool request_is_from_stranger(const struct turn_request *request)
{
    return request->identity == NULL && request->flow->transport == TRANSPORT_UDP;
}

/* Whether it says so in its type: of the two bits of the class, the lower one is not set. */
static bool answer_is_success(const struct stun_builder *builder)
{
    return (builder->bytes[1] & 0x10) == 0;
}

static size_t answer_size_max(const struct turn_request *request,
                              const struct stun_builder *builder)
{
    if (!request_is_from_stranger(request)) {
        return OUTBOX_RESERVE_MAX;
    }
    return request->view->size *
           (answer_is_success(builder) ? AMPLIFICATION_SUCCESS : AMPLIFICATION_ERROR);
}

static void put_software(const struct turn_request *request, struct stun_builder *builder,
                         size_t size_max)
{
    const char *software = request->server->policy->software;

    if (software != NULL && !request->view->classic &&
        builder->size + ATTRIBUTE_SIZE(strlen(software)) + FINGERPRINT_SIZE <= size_max) {
        stun_builder_put_string(builder, STUN_SOFTWARE, software);
    }
}

static void put_integrity(const struct turn_request *request, struct stun_builder *builder)
{
    struct stun_crypto *crypto = request->server->setup.crypto;
    const struct auth_identity *identity = request->identity;

    if (identity == NULL) {
        return;
    }
    if (identity->sha256) {
        stun_builder_put_integrity_sha256(builder, crypto, &identity->key);
    } else {
        stun_builder_put_integrity(builder, crypto, &identity->key);
    }
}

static bool source_may_be_answered(const struct turn_request *request)
{
    struct turn_server *server = request->server;

    return server->policy->unauthenticated_per_source == 0 || !request_is_from_stranger(request) ||
           source_limit_take(server->sources, request->now, &request->flow->remote,
                             server->policy->unauthenticated_per_source);
}

void reply_send_to(struct turn_request *request, struct stun_builder *builder,
                   const struct flow *flow)
{
    size_t size_max = answer_size_max(request, builder);
    int size;

    put_software(request, builder, size_max);
    put_integrity(request, builder);
    if (stun_view_has(request->view, STUN_FINGERPRINT)) {
        stun_builder_put_fingerprint(builder);
    }
    size = stun_builder_finish(builder);
    if (size < 0 || (size_t)size > size_max || !source_may_be_answered(request)) {
        request->server->counters.dropped_rate_limited++;
        return;
    }
    outbox_add(request->outbox, flow, builder->bytes, (uint32_t)size);
}

void reply_send(struct turn_request *request, struct stun_builder *builder)
{
    reply_send_to(request, builder, request->flow);
}

void reply_success(struct turn_request *request)
{
    struct stun_builder builder;

    reply_begin(request, &builder, STUN_SUCCESS);
    reply_send(request, &builder);
}

/*
 * RFC 3489 knows no padding, so what it is told is a multiple of four bytes long: texts end with
 * spaces (§11.2.9), and of an odd number of types one stands there twice (§11.2.10).
 */
static void put_error(const struct turn_request *request, struct stun_builder *builder,
                      uint16_t code, const char *reason)
{
    char padded[CLASSIC_REASON_MAX + 1];
    const char *text = reason != NULL ? reason : stun_error_reason(code);

    if (request->view->classic) {
        snprintf(padded, sizeof padded, "%-*s", (int)((strlen(text) + 3) & ~(size_t)3), text);
        text = padded;
    }
    stun_builder_put_error(builder, code, text);
}

void reply_error(struct turn_request *request, uint16_t code, const char *reason)
{
    struct stun_builder builder;

    request->server->counters.refused++;
    reply_begin(request, &builder, STUN_ERROR);
    put_error(request, &builder, code, reason);
    reply_send(request, &builder);
}

void reply_challenge(struct turn_request *request, uint16_t code)
{
    struct stun_builder builder;

    if (code != 401 && code != 438) {
        reply_error(request, code, NULL);
        return;
    }
    request->server->counters.challenges++;
    reply_begin(request, &builder, STUN_ERROR);
    stun_builder_put_error(&builder, code, NULL);
    auth_put_challenge(request->server->setup.auth, request->now, request->flow, request->view,
                       &builder);
    reply_send(request, &builder);
}

void reply_unknown(struct turn_request *request, const uint16_t *types, size_t count)
{
    struct stun_builder builder;
    uint16_t listed[STUN_UNKNOWN_MAX + 1] = {0};

    memcpy(listed, types, count * sizeof *types);
    if (request->view->classic && count % 2 != 0) {
        listed[count] = listed[count - 1];
        count++;
    }
    request->server->counters.refused++;
    reply_begin(request, &builder, STUN_ERROR);
    put_error(request, &builder, 420, NULL);
    stun_builder_put_unknown(&builder, listed, count);
    reply_send(request, &builder);
}
