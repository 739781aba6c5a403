/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One STUN request and its answer: sent again until an answer comes or time is up (RFC 8489 §6.2.1,
 * §6.2.2). The owner builds the request in the transaction's buffer, starts it, looks for it with
 * stun_transaction_matches when a response arrives, and calls tick when it is due.
 *
 *     stun_new_id(transaction->id, random, context);
 *     size = build(transaction->request, sizeof transaction->request, transaction->id);
 *     stun_transaction_start(transaction, now, &timing, &flow, size, give_up, outbox);
 */
#ifndef PROTO_STUN_TRANSACTION_H
#define PROTO_STUN_TRANSACTION_H

#include "base/monotime.h"
#include "base/outbox.h"

#include <postern/stun.h>
#include <stdbool.h>
#include <stdint.h>

/* A request larger than the smallest IPv6 MTU would be fragmented (RFC 8489 §6.1). */
#define STUN_REQUEST_SIZE_MAX 1280

/* How often and how long. All in milliseconds but the two counts. */
struct stun_timing {
    uint32_t rto_ms;              /* first wait, doubled after each sending; 1..60000 */
    uint8_t requests_max;         /* Rc: how many times the request is sent; 1..16 */
    uint8_t last_wait_factor;     /* Rm: the last wait is this many times rto_ms; 1..64 */
    uint32_t reliable_timeout_ms; /* Ti: the wait on a stream, where nothing is sent again */
};

/* RFC 8489 §6.2.1 and §6.2.2: 500 ms, 7, 16, and 39.5 s. */
extern const struct stun_timing stun_timing_default;

enum stun_transaction_state {
    STUN_TRANSACTION_IDLE = 0, /* never started, or cancelled */
    STUN_TRANSACTION_WAITING,
    STUN_TRANSACTION_ANSWERED,
    STUN_TRANSACTION_TIMED_OUT,
};

struct stun_transaction {
    enum stun_transaction_state state;
    uint8_t id[STUN_TRANSACTION_ID_SIZE];
    struct flow flow;
    struct stun_timing timing;
    struct monotime first_sent, last_sent;
    struct monotime due;     /* next sending, or the end */
    struct monotime give_up; /* the owner's limit */
    uint8_t requests_sent;
    uint16_t request_size;
    uint8_t request[STUN_REQUEST_SIZE_MAX];
};

/* Writes an id of 96 bits out of `random`. */
void stun_new_id(uint8_t id[STUN_TRANSACTION_ID_SIZE], uint64_t (*random)(void *context),
                 void *random_context);
/* Whether the flow is a stream: what is sent arrives, or the connection ends. */
bool stun_flow_is_reliable(const struct flow *flow);

/*
 * Sends the request for the first time.
 *
 *   timing    copied
 *   flow      copied; a transport other than UDP and DTLS is reliable: the request is sent once
 *   size      bytes that stand in `request`, with `id` as transaction id
 *   give_up   the transaction ends at this moment at the latest; MONOTIME_NEVER: RFC times only
 */
void stun_transaction_start(struct stun_transaction *transaction, struct monotime now,
                            const struct stun_timing *timing, const struct flow *flow,
                            uint16_t size, struct monotime give_up, struct outbox *outbox);

/*
 * Whether `response` is a success or error response to this waiting transaction. The owner looks at
 * where it came from.
 */
bool stun_transaction_matches(const struct stun_transaction *transaction,
                              const struct stun_view *response);

/* The response is good: the transaction ends. */
void stun_transaction_answered(struct stun_transaction *transaction);
void stun_transaction_cancel(struct stun_transaction *transaction);

/* Sends again, or times out, when that is due. */
void stun_transaction_tick(struct stun_transaction *transaction, struct monotime now,
                           struct outbox *outbox);
/* MONOTIME_NEVER unless it waits. */
struct monotime stun_transaction_due(const struct stun_transaction *transaction);

/*
 * The round-trip time in microseconds of an answer that arrived at `now`, or -1 when it is not
 * known: after a second sending nobody can tell which of them was answered (Karn's rule).
 */
int64_t stun_transaction_rtt_us(const struct stun_transaction *transaction, struct monotime now);

#endif
