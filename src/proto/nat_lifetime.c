/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/nat_lifetime.h"

#include "base/address.h"
#include "proto/stun_transaction.h"

#include <string.h>

#define CONTROL_AGE_US (MONOTIME_SECOND / 5)
#define OPEN_INTERVAL_MS 300
#define OPEN_ATTEMPTS_MAX 10
#define ASK_INTERVAL_MS 150
#define ASK_ATTEMPTS_MAX 5
/* How much older than planned a mapping was when it was asked for the last time. */
#define ASK_SPAN_US ((ASK_ATTEMPTS_MAX - 1) * ASK_INTERVAL_MS * MONOTIME_MILLISECOND)
/* Bounds closer than this, or than 5%, are good enough. */
#define RESOLUTION_US (ASK_SPAN_US + MONOTIME_SECOND)
#define REQUEST_SIZE_MAX 32

void nat_lifetime_init(struct nat_lifetime *lifetime, const struct nat_lifetime_setup *setup)
{
    *lifetime = (struct nat_lifetime){.setup = *setup, .result.doubt = NAT_NOT_MEASURED};
}

static void end(struct nat_lifetime *lifetime, enum nat_doubt doubt)
{
    lifetime->result.doubt = doubt;
    lifetime->finished = true;
}

/* ---- sending --------------------------------------------------------------------------------- */

static void send_request(const struct nat_lifetime *lifetime, uint32_t via, const uint8_t *id,
                         uint16_t response_port, struct outbox *outbox)
{
    struct flow flow = {.via = via, .transport = TRANSPORT_UDP, .remote = lifetime->setup.server};
    struct stun_builder builder;
    uint8_t *bytes = outbox_reserve(outbox, REQUEST_SIZE_MAX);
    stun_builder_begin(&builder, bytes, REQUEST_SIZE_MAX, STUN_REQUEST, STUN_BINDING, id);
    if (response_port != 0) {
        stun_builder_put_u16_reserved(&builder, STUN_RESPONSE_PORT, response_port);
    }
    int size = stun_builder_finish(&builder);
    if (size > 0) {
        outbox_add(outbox, &flow, bytes, (uint32_t)size);
    }
}

static uint32_t via_of(const struct nat_lifetime *lifetime, const struct nat_trial *trial)
{
    return (uint32_t)(trial - lifetime->trials) + 1;
}

/* Each sending makes the mapping young again. */
static void open_mapping(struct nat_lifetime *lifetime, struct nat_trial *trial,
                         struct monotime now, struct outbox *outbox)
{
    if (trial->attempts++ == OPEN_ATTEMPTS_MAX) {
        trial->state = NAT_TRIAL_FAILED;
        return;
    }
    trial->born = now;
    trial->due = monotime_add_ms(now, OPEN_INTERVAL_MS);
    send_request(lifetime, via_of(lifetime, trial), trial->open_id, 0, outbox);
}

static void ask(struct nat_lifetime *lifetime, struct nat_trial *trial, struct monotime now,
                struct outbox *outbox)
{
    if (trial->attempts++ == ASK_ATTEMPTS_MAX) {
        trial->state = NAT_TRIAL_DEAD;
        return;
    }
    trial->due = monotime_add_ms(now, ASK_INTERVAL_MS);
    send_request(lifetime, 0, trial->ask_id, trial->port, outbox);
}

static void begin_trial(struct nat_lifetime *lifetime, int64_t age_us, struct monotime now,
                        struct outbox *outbox)
{
    struct nat_trial *trial = &lifetime->trials[lifetime->used++];
    *trial = (struct nat_trial){.state = NAT_TRIAL_OPENING, .age_us = age_us};
    stun_new_id(trial->open_id, lifetime->setup.random, lifetime->setup.random_context);
    stun_new_id(trial->ask_id, lifetime->setup.random, lifetime->setup.random_context);
    open_mapping(lifetime, trial, now, outbox);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/* The first round halves from the oldest age downwards; it has no upper bound yet. */
static void begin_first_round(struct nat_lifetime *lifetime, struct monotime now,
                              struct outbox *outbox)
{
    lifetime->round_first = lifetime->used;
    for (int i = NAT_LIFETIME_AT_ONCE - 1; i >= 0; i--) {
        begin_trial(lifetime, (lifetime->setup.max_s * MONOTIME_SECOND) >> i, now, outbox);
    }
}

static bool is_close(const struct nat_lifetime_result *result)
{
    int64_t gap_us = result->at_most_us - result->at_least_us;
    return gap_us <= RESOLUTION_US || gap_us <= result->at_most_us / 20;
}

static void begin_next_round(struct nat_lifetime *lifetime, struct monotime now,
                             struct outbox *outbox)
{
    const struct nat_lifetime_result *result = &lifetime->result;
    size_t left = NAT_LIFETIME_TRIALS - lifetime->used;
    size_t count = left < NAT_LIFETIME_AT_ONCE ? left : NAT_LIFETIME_AT_ONCE;
    int64_t gap_us = result->at_most_us - result->at_least_us;
    int64_t least_us = result->at_least_us;
    if (result->at_most_us == 0 || is_close(result) || count == 0) {
        end(lifetime, NAT_CERTAIN);
        return;
    }
    lifetime->round_first = lifetime->used;
    for (size_t i = 1; i <= count; i++) {
        begin_trial(lifetime, least_us + gap_us * (int64_t)i / (int64_t)(count + 1), now, outbox);
    }
}

/*
 * Reads the round from the youngest age on. Returns whether it is decided: once one has died, those
 * that are to grow older do not matter.
 */
static bool read_round(struct nat_lifetime *lifetime)
{
    for (size_t i = lifetime->round_first; i < lifetime->used; i++) {
        const struct nat_trial *trial = &lifetime->trials[i];
        switch (trial->state) {
        case NAT_TRIAL_ALIVE:
            if (trial->age_us > lifetime->result.at_least_us) {
                lifetime->result.at_least_us = trial->age_us;
            }
            break;
        case NAT_TRIAL_DEAD:
            lifetime->result.at_most_us = trial->age_us + ASK_SPAN_US;
            return true;
        case NAT_TRIAL_FAILED:
            end(lifetime, NAT_LOSS);
            return true;
        default:
            return false;
        }
    }
    return true;
}

static void read_control(struct nat_lifetime *lifetime, struct monotime now, struct outbox *outbox)
{
    switch (lifetime->trials[0].state) {
    case NAT_TRIAL_ALIVE:
        lifetime->controlled = true;
        begin_first_round(lifetime, now, outbox);
        break;
    case NAT_TRIAL_DEAD:
        end(lifetime, NAT_CHANGE_SILENT);
        break;
    case NAT_TRIAL_FAILED:
        end(lifetime, NAT_LOSS);
        break;
    default:
        break;
    }
}

static void advance(struct nat_lifetime *lifetime, struct monotime now, struct outbox *outbox)
{
    if (lifetime->finished) {
        return;
    }
    if (!lifetime->controlled) {
        read_control(lifetime, now, outbox);
    } else if (read_round(lifetime) && !lifetime->finished) {
        begin_next_round(lifetime, now, outbox);
    }
}

/* A young mapping must get its answer, or the server cannot help us. */
void nat_lifetime_start(struct nat_lifetime *lifetime, struct monotime now, struct outbox *outbox)
{
    begin_trial(lifetime, CONTROL_AGE_US, now, outbox);
}

/* ---- input and time -------------------------------------------------------------------------- */

static void opened(struct nat_trial *trial, const struct stun_view *view)
{
    struct stun_address mapped;
    if (trial->state != NAT_TRIAL_OPENING ||
        (stun_view_xor_address(view, STUN_XOR_MAPPED_ADDRESS, &mapped) != STUN_OK &&
         stun_view_address(view, STUN_MAPPED_ADDRESS, &mapped) != STUN_OK)) {
        return;
    }
    trial->port = mapped.port;
    trial->state = NAT_TRIAL_AGING;
    trial->attempts = 0;
    trial->due = monotime_add_us(trial->born, trial->age_us);
}

/* An error to what socket 0 asked: 420, the server does not know RESPONSE-PORT. */
static bool is_refusal(const struct nat_lifetime *lifetime, const struct stun_view *view)
{
    for (size_t i = 0; i < lifetime->used; i++) {
        if (memcmp(view->transaction_id, lifetime->trials[i].ask_id, STUN_TRANSACTION_ID_SIZE) ==
            0) {
            return view->message_class == STUN_ERROR;
        }
    }
    return false;
}

bool nat_lifetime_input(struct nat_lifetime *lifetime, struct monotime now, const struct flow *flow,
                        const struct packet *packet, struct outbox *outbox)
{
    struct stun_view view;
    if (lifetime->finished || flow->via > lifetime->used ||
        !address_equal(&flow->remote, &lifetime->setup.server) ||
        stun_view_parse(&view, packet->bytes, packet->size) != STUN_OK ||
        view.message_class == STUN_REQUEST || view.message_class == STUN_INDICATION) {
        return false;
    }
    if (flow->via == 0) {
        if (is_refusal(lifetime, &view)) {
            end(lifetime, NAT_CHANGE_REFUSED);
        }
        return true;
    }
    struct nat_trial *trial = &lifetime->trials[flow->via - 1];
    if (view.message_class == STUN_SUCCESS &&
        memcmp(view.transaction_id, trial->open_id, STUN_TRANSACTION_ID_SIZE) == 0) {
        opened(trial, &view);
    } else if (trial->state == NAT_TRIAL_ASKING &&
               memcmp(view.transaction_id, trial->ask_id, STUN_TRANSACTION_ID_SIZE) == 0) {
        trial->state = NAT_TRIAL_ALIVE;
    } else {
        return false;
    }
    advance(lifetime, now, outbox);
    return true;
}

static bool is_timed(const struct nat_trial *trial)
{
    return trial->state == NAT_TRIAL_OPENING || trial->state == NAT_TRIAL_AGING ||
           trial->state == NAT_TRIAL_ASKING;
}

void nat_lifetime_tick(struct nat_lifetime *lifetime, struct monotime now, struct outbox *outbox)
{
    for (size_t i = 0; i < lifetime->used && !lifetime->finished; i++) {
        struct nat_trial *trial = &lifetime->trials[i];
        /* Those of earlier rounds do not matter any more. */
        if (i < lifetime->round_first || !is_timed(trial) || !monotime_reached(now, trial->due)) {
            continue;
        }
        if (trial->state == NAT_TRIAL_OPENING) {
            open_mapping(lifetime, trial, now, outbox);
        } else {
            trial->state = NAT_TRIAL_ASKING;
            ask(lifetime, trial, now, outbox);
        }
    }
    advance(lifetime, now, outbox);
}

struct monotime nat_lifetime_due(const struct nat_lifetime *lifetime)
{
    struct monotime due = MONOTIME_NEVER;
    if (lifetime->finished) {
        return due;
    }
    for (size_t i = lifetime->round_first; i < lifetime->used; i++) {
        if (is_timed(&lifetime->trials[i])) {
            due = monotime_earlier(due, lifetime->trials[i].due);
        }
    }
    return due;
}

bool nat_lifetime_finished(const struct nat_lifetime *lifetime)
{
    return lifetime->finished;
}

const struct nat_lifetime_result *nat_lifetime_result(const struct nat_lifetime *lifetime)
{
    return &lifetime->result;
}
