/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/turn_test_internal.h"

#include "base/address.h"

#include <stdlib.h>
#include <string.h>

#define PROBE_INTERVAL_MS 250
#define PROBES_MAX 12

/* ---- life ------------------------------------------------------------------------------------ */

struct turn_test *turn_test_new(const struct turn_test_setup *setup)
{
    struct turn_test *test = calloc(1, sizeof *test);
    if (test == NULL) {
        return NULL;
    }
    test->setup = *setup;
    test->due = MONOTIME_NEVER;
    test->last_rtt_us = -1;
    test->sent_at = calloc(setup->count, sizeof *test->sent_at);
    test->returned = calloc(setup->count, sizeof *test->returned);
    test->client_count = setup->client.tcp ? CLIENTS_MAX : 2;
    bool made = true;
    for (unsigned side = 0; side < test->client_count; side++) {
        struct turn_client_setup client = setup->client;
        client.flow = setup->flows[side];
        test->clients[side] = turn_client_new(&client);
        made = made && test->clients[side] != NULL;
    }
    if (test->sent_at == NULL || test->returned == NULL || !made) {
        turn_test_free(test);
        return NULL;
    }
    uint64_t mark = setup->client.random(setup->client.random_context);
    memcpy(test->mark, &mark, sizeof test->mark);
    return test;
}

void turn_test_free(struct turn_test *test)
{
    if (test == NULL) {
        return;
    }
    for (unsigned side = 0; side < CLIENTS_MAX; side++) {
        turn_client_free(test->clients[side]);
    }
    free(test->sent_at);
    free(test->returned);
    free(test);
}

const struct turn_step *turn_test_step(const struct turn_test *test, enum turn_step_name name)
{
    return &test->steps[name];
}

const struct turn_echo *turn_test_echo(const struct turn_test *test)
{
    return &test->echo;
}

const struct turn_test_side *turn_test_side(const struct turn_test *test, unsigned side)
{
    return &test->sides[side];
}

const char *turn_test_software(const struct turn_test *test)
{
    return turn_client_software(test->clients[NEAR]);
}

struct turn_client_signing turn_test_signing(const struct turn_test *test)
{
    return turn_client_signing(test->clients[NEAR]);
}

bool turn_test_finished(const struct turn_test *test)
{
    return test->finished;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void begin_step(struct turn_test *test, struct monotime now, enum turn_step_name step,
                       struct outbox *outbox);

static bool is_wanted(const struct turn_test *test, enum turn_step_name step)
{
    const struct turn_client_setup *client = &test->setup.client;
    switch (step) {
    case STEP_INDICATION:
    case STEP_CHANNEL:
        return !client->tcp;
    case STEP_CONNECT:
        return client->tcp;
    case STEP_SECOND:
        return client->dual;
    case STEP_MOVE:
        return client->mobile;
    default:
        return true;
    }
}

void test_end_step(struct turn_test *test, struct monotime now, struct outbox *outbox)
{
    struct turn_step *step = &test->steps[test->step];
    enum turn_step_name next = test->step + 1;
    step->state = STEP_OK;
    step->took_us = monotime_difference_us(now, step->began);
    if (test->step == STEP_DELETE) {
        test->finished = true;
        return;
    }
    while (!is_wanted(test, next)) {
        next++;
    }
    begin_step(test, now, next, outbox);
}

/* Whether there was anything that a failed delete leaves behind. */
static bool had_allocation(const struct turn_test *test)
{
    return test->sides[NEAR].relayed.family != STUN_FAMILY_NONE ||
           test->sides[FAR].relayed.family != STUN_FAMILY_NONE;
}

/* What stands is deleted, and that ends the test. */
static void fail_step(struct turn_test *test, struct monotime now,
                      const struct turn_client_event *event, struct outbox *outbox)
{
    struct turn_step *step = &test->steps[test->step];
    step->state = STEP_FAILED;
    step->took_us = monotime_difference_us(now, step->began);
    if (event != NULL) {
        step->event = *event;
    }
    if (test->step == STEP_DELETE) {
        step->state = had_allocation(test) ? STEP_FAILED : STEP_UNTRIED;
        test->finished = true;
    } else {
        begin_step(test, now, STEP_DELETE, outbox);
    }
}

static void side_done(struct turn_test *test, struct monotime now, struct outbox *outbox)
{
    if (++test->done == 2) {
        test_end_step(test, now, outbox);
    }
}

static void begin_delete(struct turn_test *test, struct monotime now, struct outbox *outbox)
{
    test->deleting = true;
    for (unsigned side = 0; side < 2; side++) {
        if (test->ended[side]) {
            test->done++;
        } else {
            turn_client_delete(test->clients[side], now, outbox);
        }
    }
    if (test->done == 2) { /* nothing is left to be deleted: the step was not needed */
        test->steps[STEP_DELETE].state = STEP_UNTRIED;
        test->finished = true;
    }
}

static void send_probe(struct turn_test *test, struct monotime now, struct outbox *outbox)
{
    if (test->probes == PROBES_MAX) {
        fail_step(test, now, NULL, outbox);
        return;
    }
    test_send(test, now, KIND_PROBE, test->probes++, PROBE_SIZE, outbox);
    test->due = monotime_add_ms(now, PROBE_INTERVAL_MS);
}

const struct stun_address *test_target(const struct turn_test *test, unsigned side)
{
    const struct turn_test_side *other = &test->sides[1 - side];
    return test->step == STEP_SECOND ? &other->second : &other->relayed;
}

static void permit_both(struct turn_test *test, struct monotime now, struct outbox *outbox)
{
    turn_client_permit(test->clients[NEAR], now, test_target(test, NEAR), outbox);
    turn_client_permit(test->clients[FAR], now, test_target(test, FAR), outbox);
}

static void begin_second(struct turn_test *test, struct monotime now, struct outbox *outbox)
{
    for (unsigned side = NEAR; side <= FAR; side++) {
        if (test->sides[side].second.family == STUN_FAMILY_NONE) {
            fail_step(test, now,
                      &(struct turn_client_event){.type = TURN_CLIENT_FAILED,
                                                  .failure = TURN_CLIENT_FAMILY,
                                                  .code = test->sides[side].second_code},
                      outbox);
            return;
        }
    }
    permit_both(test, now, outbox);
}

/* From now on NEAR's flow is the other one. */
static void begin_move(struct turn_test *test, struct monotime now, struct outbox *outbox)
{
    struct flow *flows = test->setup.flows;
    if (turn_client_move(test->clients[NEAR], now, &flows[MOVED], outbox) != 0) {
        fail_step(
            test, now,
            &(struct turn_client_event){.type = TURN_CLIENT_FAILED, .failure = TURN_CLIENT_REFUSED},
            outbox);
        return;
    }
    flows[NEAR] = flows[MOVED];
}

static void begin_step(struct turn_test *test, struct monotime now, enum turn_step_name step,
                       struct outbox *outbox)
{
    test->step = step;
    test->done = 0;
    test->due = MONOTIME_NEVER;
    test->probes = 0;
    test->steps[step].state = STEP_RUNNING;
    test->steps[step].began = now;
    switch (step) {
    case STEP_ALLOCATE:
        turn_client_allocate(test->clients[NEAR], now, outbox);
        turn_client_allocate(test->clients[FAR], now, outbox);
        break;
    case STEP_PERMISSION:
        permit_both(test, now, outbox);
        break;
    case STEP_INDICATION:
        send_probe(test, now, outbox);
        break;
    case STEP_CHANNEL:
        turn_client_bind(test->clients[NEAR], now, &test->sides[FAR].relayed, outbox);
        turn_client_bind(test->clients[FAR], now, &test->sides[NEAR].relayed, outbox);
        break;
    case STEP_CONNECT:
        turn_client_connect(test->clients[NEAR], now, &test->sides[FAR].relayed, outbox);
        break;
    case STEP_ECHO:
        test->due = now;
        break;
    case STEP_SECOND:
        begin_second(test, now, outbox);
        break;
    case STEP_MOVE:
        begin_move(test, now, outbox);
        break;
    case STEP_PRIVATE:
        test_private_begin(test, now, outbox);
        break;
    default:
        begin_delete(test, now, outbox);
        break;
    }
}

/* ---- what arrives ------------------------------------------------------------------------------
 */

static bool is_probing(const struct turn_test *test)
{
    return test->probes > 0 &&
           (test->step == STEP_INDICATION || test->step == STEP_SECOND || test->step == STEP_MOVE);
}

static void take_data(struct turn_test *test, struct monotime now, unsigned side,
                      const struct turn_client_data *data, struct outbox *outbox)
{
    const struct packet *packet = &data->packet;
    enum packet_kind kind;
    uint32_t number;
    if (!address_equal(&data->peer, test_target(test, side)) ||
        !test_packet_is_ours(test, packet, &kind, &number)) {
        return;
    }
    if (side == FAR) {
        test->echo.arrived += kind == KIND_ECHO;
        test_send_back(test, now, packet, outbox);
    } else if (kind == KIND_PROBE && is_probing(test)) {
        test_end_step(test, now, outbox);
    } else if (kind == KIND_ECHO && test->step == STEP_ECHO && number < test->echo.sent) {
        test_echo_returned(test, now, packet, number);
        if (test->echo.returned == test->setup.count) {
            test_end_step(test, now, outbox);
        }
    }
}

/* ---- events ---------------------------------------------------------------------------------- */

static void allocated(struct turn_test *test, struct monotime now, unsigned side,
                      const struct turn_client_event *event, struct outbox *outbox)
{
    bool swapped = event->second.family == STUN_FAMILY_IPV4; /* IPv4 first, on both sides */
    test->sides[side] = (struct turn_test_side){
        .relayed = swapped ? event->second : event->relayed,
        .second = swapped ? event->relayed : event->second,
        .second_code = event->second_code,
        .mapped = event->mapped,
        .lifetime_s = event->lifetime_s,
        .allocate_us = event->took_us,
    };
    if (test->step == STEP_ALLOCATE) {
        side_done(test, now, outbox);
    }
}

static void ended(struct turn_test *test, struct monotime now, unsigned side,
                  const struct turn_client_event *event, struct outbox *outbox)
{
    test->ended[side] = true;
    if (!test->deleting) {
        fail_step(test, now, event, outbox);
        return;
    }
    if (event->failure != TURN_CLIENT_NONE) {
        test->delete_failed = true;
        test->steps[STEP_DELETE].event = *event;
    }
    if (++test->done < 2) {
        return;
    }
    if (test->delete_failed) {
        fail_step(test, now, NULL, outbox);
    } else {
        test_end_step(test, now, outbox);
    }
}

/* What happens to a data connection. */
static void take_data_event(struct turn_test *test, struct monotime now, unsigned side,
                            const struct turn_client_event *event, struct outbox *outbox)
{
    if (event->type == TURN_CLIENT_JOINED) {
        test->joined[side] = true;
        test->setup.leave_framing(test->setup.context, test->setup.flows[DATA + side].via);
        if (test->step == STEP_CONNECT) {
            side_done(test, now, outbox);
        }
    } else if (!test->deleting) {
        fail_step(test, now, event, outbox);
    }
}

static void permitted(struct turn_test *test, struct monotime now,
                      const struct turn_client_event *event, struct outbox *outbox)
{
    if (test->step == STEP_PERMISSION) {
        side_done(test, now, outbox);
    } else if (test->step == STEP_SECOND && ++test->done == 2) {
        send_probe(test, now, outbox);
    } else if (test->step == STEP_PRIVATE && test_private_answered(test, &event->peer, true)) {
        test_end_step(test, now, outbox);
    }
}

static void peer_failed(struct turn_test *test, struct monotime now,
                        const struct turn_client_event *event, struct outbox *outbox)
{
    if (test->step == STEP_PRIVATE) {
        if (test_private_answered(test, &event->peer, false)) {
            test_end_step(test, now, outbox);
        }
    } else if (!test->deleting) {
        fail_step(test, now, event, outbox);
    }
}

static void take_event(struct turn_test *test, struct monotime now, unsigned side,
                       const struct turn_client_event *event, struct outbox *outbox)
{
    if (side >= DATA) {
        take_data_event(test, now, side - DATA, event, outbox);
        return;
    }
    switch (event->type) {
    case TURN_CLIENT_ALLOCATED:
        allocated(test, now, side, event, outbox);
        break;
    case TURN_CLIENT_FAILED:
    case TURN_CLIENT_REDIRECTED:
    case TURN_CLIENT_ENDED:
        ended(test, now, side, event, outbox);
        break;
    case TURN_CLIENT_PERMITTED:
        permitted(test, now, event, outbox);
        break;
    case TURN_CLIENT_BOUND:
        if (test->step == STEP_CHANNEL) {
            side_done(test, now, outbox);
        }
        break;
    case TURN_CLIENT_MOVED:
        send_probe(test, now, outbox);
        break;
    case TURN_CLIENT_CONNECTED:
    case TURN_CLIENT_ATTEMPT:
        if (test->step == STEP_CONNECT) {
            turn_client_know(test->clients[DATA + side], test->clients[side]);
            turn_client_join(test->clients[DATA + side], now, event->connection_id, outbox);
        }
        break;
    case TURN_CLIENT_PEER_FAILED:
        peer_failed(test, now, event, outbox);
        break;
    default:
        break;
    }
}

static void drain(struct turn_test *test, struct monotime now, struct outbox *outbox)
{
    struct turn_client_event event;
    bool more = true;
    while (more) { /* an event of one side may make events of the other */
        more = false;
        for (unsigned side = 0; side < test->client_count; side++) {
            while (turn_client_event(test->clients[side], &event)) {
                more = true;
                take_event(test, now, side, &event, outbox);
            }
        }
    }
}

/* ---- the machine's face ---------------------------------------------------------------------- */

void turn_test_start(struct turn_test *test, struct monotime now, struct outbox *outbox)
{
    begin_step(test, now, STEP_ALLOCATE, outbox);
    drain(test, now, outbox);
}

/* Returns false when they are no bytes of a peer. */
static bool take_bytes(struct turn_test *test, struct monotime now, uint32_t via,
                       const struct packet *packet, struct outbox *outbox)
{
    unsigned side = NEAR;
    while (side <= FAR && !(test->joined[side] && test->setup.flows[DATA + side].via == via)) {
        side++;
    }
    if (side > FAR) {
        return false;
    }
    struct assembly *assembly = &test->assemblies[side];
    for (uint32_t at = 0; at < packet->size; at++) {
        assembly->bytes[assembly->size++] = packet->bytes[at];
        if (assembly->size == test->setup.size) {
            const struct turn_client_data data = {
                test->sides[1 - side].relayed,
                {.bytes = assembly->bytes, .size = assembly->size},
            };
            assembly->size = 0;
            if (test->burst == BURST_MAX) { /* a stream brings many at once */
                outbox->flush(outbox, outbox->context);
                test->burst = 0;
            }
            take_data(test, now, side, &data, outbox);
        }
    }
    return true;
}

void turn_test_input(struct turn_test *test, struct monotime now, const struct flow *flow,
                     struct packet *packet, struct outbox *outbox)
{
    struct turn_client_data data;
    test->burst = 0;
    if (take_bytes(test, now, flow->via, packet, outbox)) {
        drain(test, now, outbox);
        return;
    }
    for (unsigned side = 0; side < test->client_count; side++) {
        enum turn_client_input input =
            turn_client_input(test->clients[side], now, flow, packet, &data, outbox);
        if (input == TURN_CLIENT_DATA) {
            take_data(test, now, side, &data, outbox);
        }
        if (input != TURN_CLIENT_NOT_OURS) {
            break;
        }
    }
    drain(test, now, outbox);
}

void turn_test_flow_closed(struct turn_test *test, struct monotime now, uint32_t via,
                           struct outbox *outbox)
{
    for (unsigned side = 0; side < test->client_count; side++) {
        if (test->setup.flows[side].via == via) {
            turn_client_flow_closed(test->clients[side], now);
        }
    }
    bool was_data = test->setup.client.tcp && (via == test->setup.flows[DATA + NEAR].via ||
                                               via == test->setup.flows[DATA + FAR].via);
    if (was_data && !test->deleting) {
        fail_step(test, now,
                  &(struct turn_client_event){.type = TURN_CLIENT_PEER_FAILED,
                                              .failure = TURN_CLIENT_DISCONNECTED},
                  outbox);
    }
    drain(test, now, outbox);
}

void turn_test_stop(struct turn_test *test, struct monotime now, struct outbox *outbox)
{
    if (!test->deleting) {
        fail_step(test, now, NULL, outbox);
        drain(test, now, outbox);
    }
}

void turn_test_tick(struct turn_test *test, struct monotime now, struct outbox *outbox)
{
    test->burst = 0;
    for (unsigned side = 0; side < test->client_count; side++) {
        turn_client_tick(test->clients[side], now, outbox);
    }
    drain(test, now, outbox);
    if (!monotime_reached(now, test->due) || test->finished) {
        return;
    }
    if (is_probing(test)) {
        send_probe(test, now, outbox);
    } else if (test->step == STEP_ECHO) {
        test_echo_due(test, now, outbox);
    } else if (test->step == STEP_PRIVATE) {
        test_end_step(test, now, outbox);
    }
    drain(test, now, outbox);
}

struct monotime turn_test_due(const struct turn_test *test)
{
    struct monotime due = MONOTIME_NEVER;
    for (unsigned side = 0; side < test->client_count; side++) {
        due = monotime_earlier(due, turn_client_due(test->clients[side]));
    }
    return test->finished ? MONOTIME_NEVER : monotime_earlier(due, test->due);
}
