/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/stun_transaction.h"

#include <assert.h>
#include <string.h>

const struct stun_timing stun_timing_default = {
    .rto_ms = 500,
    .requests_max = 7,
    .last_wait_factor = 16,
    .reliable_timeout_ms = 39500,
};

void stun_new_id(uint8_t id[STUN_TRANSACTION_ID_SIZE], uint64_t (*random)(void *context),
                 void *random_context)
{
    uint64_t bits[2] = {random(random_context), random(random_context)};
    memcpy(id, bits, STUN_TRANSACTION_ID_SIZE);
}

bool stun_flow_is_reliable(const struct flow *flow)
{
    return flow->transport == TRANSPORT_TCP || flow->transport == TRANSPORT_TLS;
}

static void send_request(struct stun_transaction *transaction, struct monotime now,
                         struct outbox *outbox)
{
    /* A copy: the owner may cancel and build another request before the outbox is sent. */
    uint8_t *bytes = outbox_reserve(outbox, transaction->request_size);
    memcpy(bytes, transaction->request, transaction->request_size);
    outbox_add(outbox, &transaction->flow, bytes, transaction->request_size);
    transaction->last_sent = now;
    transaction->requests_sent++;
}

/* How long to wait after what was sent just now. */
static int64_t wait_ms(const struct stun_transaction *transaction)
{
    const struct stun_timing *timing = &transaction->timing;
    if (stun_flow_is_reliable(&transaction->flow)) {
        return timing->reliable_timeout_ms;
    }
    if (transaction->requests_sent >= timing->requests_max) {
        return (int64_t)timing->rto_ms * timing->last_wait_factor;
    }
    return (int64_t)timing->rto_ms << (transaction->requests_sent - 1);
}

static void arm(struct stun_transaction *transaction, struct monotime now)
{
    transaction->due =
        monotime_earlier(monotime_add_ms(now, wait_ms(transaction)), transaction->give_up);
}

void stun_transaction_start(struct stun_transaction *transaction, struct monotime now,
                            const struct stun_timing *timing, const struct flow *flow,
                            uint16_t size, struct monotime give_up, struct outbox *outbox)
{
    assert(size >= STUN_HEADER_SIZE && size <= sizeof transaction->request);
    transaction->state = STUN_TRANSACTION_WAITING;
    transaction->flow = *flow;
    transaction->timing = *timing;
    transaction->first_sent = now;
    transaction->give_up = give_up;
    transaction->requests_sent = 0;
    transaction->request_size = size;
    send_request(transaction, now, outbox);
    arm(transaction, now);
}

/* The first two bytes without the class bits (RFC 8489 §5). */
static unsigned method_bits(const uint8_t *message)
{
    return (((unsigned)message[0] << 8) | message[1]) & ~0x0110u;
}

bool stun_transaction_matches(const struct stun_transaction *transaction,
                              const struct stun_view *response)
{
    return transaction->state == STUN_TRANSACTION_WAITING && !response->classic &&
           (response->message_class == STUN_SUCCESS || response->message_class == STUN_ERROR) &&
           method_bits(response->bytes) == method_bits(transaction->request) &&
           memcmp(response->transaction_id, transaction->id, sizeof transaction->id) == 0;
}

void stun_transaction_answered(struct stun_transaction *transaction)
{
    transaction->state = STUN_TRANSACTION_ANSWERED;
}

void stun_transaction_cancel(struct stun_transaction *transaction)
{
    transaction->state = STUN_TRANSACTION_IDLE;
}

void stun_transaction_tick(struct stun_transaction *transaction, struct monotime now,
                           struct outbox *outbox)
{
    if (!monotime_reached(now, stun_transaction_due(transaction))) {
        return;
    }
    bool last = stun_flow_is_reliable(&transaction->flow) ||
                transaction->requests_sent >= transaction->timing.requests_max ||
                monotime_reached(now, transaction->give_up);
    if (last) {
        transaction->state = STUN_TRANSACTION_TIMED_OUT;
        return;
    }
    send_request(transaction, now, outbox);
    arm(transaction, now);
}

struct monotime stun_transaction_due(const struct stun_transaction *transaction)
{
    return transaction->state == STUN_TRANSACTION_WAITING ? transaction->due : MONOTIME_NEVER;
}

int64_t stun_transaction_rtt_us(const struct stun_transaction *transaction, struct monotime now)
{
    if (transaction->requests_sent != 1) {
        return -1;
    }
    return monotime_difference_us(now, transaction->first_sent);
}
