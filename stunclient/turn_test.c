/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/turn_test.h"

#include "base/address.h"

#include <stdlib.h>
#include <string.h>

#define NEAR 0 /* sends and measures */
#define FAR 1  /* sends back what arrives */

#define PROBE_INTERVAL_MS 250
#define PROBES_MAX 12
#define LATE_MIN_US (MONOTIME_SECOND / 2) /* how long the last packet may take */
#define BURST_MAX 8                       /* packets of one call; their buffers are borrowed */
#define BUFFER_SIZE (TURN_CLIENT_HEADROOM + 1232 + TURN_CLIENT_TAILROOM)

/* A packet: 8 bytes that are ours alone, its kind and number, and a pattern. */
#define MARK_SIZE 8
#define HEAD_SIZE (MARK_SIZE + 8)
#define PROBE_SIZE 32

enum packet_kind {
    KIND_PROBE = 1,
    KIND_ECHO = 2,
};

#define DATA 2 /* plus the side: its data connection */
#define CLIENTS_MAX 4

/* Bytes of a data connection, until they are a packet. */
struct assembly {
    uint32_t size;
    uint8_t bytes[1232];
};

struct turn_test {
    struct turn_test_setup setup;
    unsigned client_count; /* 2, or 4 with data connections */
    struct turn_client *clients[CLIENTS_MAX];
    bool joined[2];
    struct assembly assemblies[2];
    bool ended[2];
    unsigned done; /* how many sides have done the step */
    bool deleting, delete_failed, finished;
    struct turn_test_side sides[2];
    struct turn_step steps[TURN_STEPS];
    enum turn_step_name step;
    struct monotime due; /* of the step itself */

    uint8_t mark[MARK_SIZE];
    unsigned probes;
    struct turn_echo echo;
    struct monotime *sent_at; /* by number */
    uint8_t *returned;        /* a flag by number */
    uint32_t highest;         /* the highest number that returned */
    int64_t last_rtt_us;
    unsigned burst; /* buffers used in this call */
    uint8_t buffers[BURST_MAX][BUFFER_SIZE];
};

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
    test->client_count = setup->tcp ? CLIENTS_MAX : 2;
    bool made = true;
    for (unsigned side = 0; side < test->client_count; side++) {
        struct turn_client_setup client = setup->client;
        client.flow = setup->flows[side];
        client.tcp = setup->tcp;
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

bool turn_test_finished(const struct turn_test *test)
{
    return test->finished;
}

/* ---- packets --------------------------------------------------------------------------------- */

static void put_u32(uint8_t *out, uint32_t number)
{
    out[0] = (uint8_t)(number >> 24);
    out[1] = (uint8_t)(number >> 16);
    out[2] = (uint8_t)(number >> 8);
    out[3] = (uint8_t)number;
}

static uint32_t get_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint8_t pattern(uint32_t number, uint32_t at)
{
    return (uint8_t)(number * 31 + at * 7);
}

/* A buffer with room around it, lent until the outbox is sent; NULL: too many in one call. */
static uint8_t *take_buffer(struct turn_test *test, struct packet *packet, uint32_t size)
{
    if (test->burst == BURST_MAX) {
        return NULL;
    }
    *packet = (struct packet){test->buffers[test->burst++] + TURN_CLIENT_HEADROOM, size,
                              TURN_CLIENT_HEADROOM, TURN_CLIENT_TAILROOM};
    return packet->bytes;
}

static void deliver(struct turn_test *test, struct monotime now, unsigned side,
                    struct packet *packet, struct outbox *outbox)
{
    if (test->setup.tcp) {
        outbox_add(outbox, &test->setup.flows[DATA + side], packet->bytes, packet->size);
    } else {
        turn_client_send(test->clients[side], now, &test->sides[1 - side].relayed, packet, outbox);
    }
}

static bool send_packet(struct turn_test *test, struct monotime now, enum packet_kind kind,
                        uint32_t number, uint32_t size, struct outbox *outbox)
{
    struct packet packet;
    uint8_t *bytes = take_buffer(test, &packet, size);
    if (bytes == NULL) {
        return false;
    }
    memcpy(bytes, test->mark, MARK_SIZE);
    put_u32(bytes + MARK_SIZE, kind);
    put_u32(bytes + MARK_SIZE + 4, number);
    for (uint32_t at = HEAD_SIZE; at < size; at++) {
        bytes[at] = pattern(number, at);
    }
    deliver(test, now, NEAR, &packet, outbox);
    return true;
}

static bool is_intact(const struct packet *packet, uint32_t number, uint32_t size)
{
    for (uint32_t at = HEAD_SIZE; at < packet->size; at++) {
        if (packet->bytes[at] != pattern(number, at)) {
            return false;
        }
    }
    return packet->size == size;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void begin_step(struct turn_test *test, struct monotime now, enum turn_step_name step,
                       struct outbox *outbox);

static enum turn_step_name step_after(const struct turn_test *test)
{
    switch (test->step) {
    case STEP_PERMISSION:
        return test->setup.tcp ? STEP_CONNECT : STEP_INDICATION;
    case STEP_CHANNEL:
        return STEP_ECHO;
    default:
        return test->step + 1;
    }
}

static void end_step(struct turn_test *test, struct monotime now, struct outbox *outbox)
{
    struct turn_step *step = &test->steps[test->step];
    step->state = STEP_OK;
    step->took_us = monotime_difference_us(now, step->began);
    if (test->step == STEP_DELETE) {
        test->finished = true;
    } else {
        begin_step(test, now, step_after(test), outbox);
    }
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
        end_step(test, now, outbox);
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
    send_packet(test, now, KIND_PROBE, test->probes++, PROBE_SIZE, outbox);
    test->due = monotime_add_ms(now, PROBE_INTERVAL_MS);
}

static void begin_step(struct turn_test *test, struct monotime now, enum turn_step_name step,
                       struct outbox *outbox)
{
    test->step = step;
    test->done = 0;
    test->due = MONOTIME_NEVER;
    test->steps[step].state = STEP_RUNNING;
    test->steps[step].began = now;
    switch (step) {
    case STEP_ALLOCATE:
        turn_client_allocate(test->clients[NEAR], now, outbox);
        turn_client_allocate(test->clients[FAR], now, outbox);
        break;
    case STEP_PERMISSION:
        turn_client_permit(test->clients[NEAR], now, &test->sides[FAR].relayed, outbox);
        turn_client_permit(test->clients[FAR], now, &test->sides[NEAR].relayed, outbox);
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
    default:
        begin_delete(test, now, outbox);
        break;
    }
}

/* ---- echo ------------------------------------------------------------------------------------ */

static void record_return(struct turn_test *test, struct monotime now, const struct packet *packet,
                          uint32_t number)
{
    struct turn_echo *echo = &test->echo;
    if (!is_intact(packet, number, test->setup.size)) {
        echo->corrupted++;
        return;
    }
    if (test->returned[number]) {
        echo->duplicates++;
        return;
    }
    int64_t rtt_us = monotime_difference_us(now, test->sent_at[number]);
    test->returned[number] = 1;
    echo->reordered += echo->returned > 0 && number < test->highest;
    test->highest = number > test->highest ? number : test->highest;
    echo->rtt_min_us = echo->returned == 0 || rtt_us < echo->rtt_min_us ? rtt_us : echo->rtt_min_us;
    echo->rtt_max_us = rtt_us > echo->rtt_max_us ? rtt_us : echo->rtt_max_us;
    echo->rtt_sum_us += rtt_us;
    if (test->last_rtt_us >= 0) {
        echo->jitter_sum_us += llabs(rtt_us - test->last_rtt_us);
    }
    test->last_rtt_us = rtt_us;
    echo->returned++;
}

/* Time for the next packets, or, when all were sent, for no more waiting. */
static void echo_due(struct turn_test *test, struct monotime now, struct outbox *outbox)
{
    struct turn_echo *echo = &test->echo;
    if (echo->sent == test->setup.count) {
        end_step(test, now, outbox);
        return;
    }
    while (echo->sent < test->setup.count && monotime_reached(now, test->due) &&
           send_packet(test, now, KIND_ECHO, echo->sent, test->setup.size, outbox)) {
        test->sent_at[echo->sent++] = now;
        test->due = monotime_add_ms(test->due, test->setup.interval_ms);
    }
    if (echo->sent == test->setup.count) {
        int64_t late_us = 4 * echo->rtt_max_us > LATE_MIN_US ? 4 * echo->rtt_max_us : LATE_MIN_US;
        test->due = monotime_add_us(now, late_us);
    }
}

static void send_back(struct turn_test *test, struct monotime now, const struct packet *data,
                      struct outbox *outbox)
{
    struct packet packet;
    uint8_t *bytes;
    if (data->size > BUFFER_SIZE - TURN_CLIENT_HEADROOM - TURN_CLIENT_TAILROOM ||
        (bytes = take_buffer(test, &packet, data->size)) == NULL) {
        return;
    }
    memcpy(bytes, data->bytes, data->size);
    deliver(test, now, FAR, &packet, outbox);
}

static void take_data(struct turn_test *test, struct monotime now, unsigned side,
                      const struct turn_client_data *data, struct outbox *outbox)
{
    const struct packet *packet = &data->packet;
    if (packet->size < HEAD_SIZE || memcmp(packet->bytes, test->mark, MARK_SIZE) != 0 ||
        !address_equal(&data->peer, &test->sides[1 - side].relayed)) {
        return;
    }
    uint32_t kind = get_u32(packet->bytes + MARK_SIZE);
    uint32_t number = get_u32(packet->bytes + MARK_SIZE + 4);
    if (side == FAR) {
        test->echo.arrived += kind == KIND_ECHO;
        send_back(test, now, packet, outbox);
    } else if (kind == KIND_PROBE && test->step == STEP_INDICATION) {
        end_step(test, now, outbox);
    } else if (kind == KIND_ECHO && test->step == STEP_ECHO && number < test->echo.sent) {
        record_return(test, now, packet, number);
        if (test->echo.returned == test->setup.count) {
            end_step(test, now, outbox);
        }
    }
}

/* ---- events ---------------------------------------------------------------------------------- */

static void allocated(struct turn_test *test, struct monotime now, unsigned side,
                      const struct turn_client_event *event, struct outbox *outbox)
{
    test->sides[side].relayed = event->relayed;
    test->sides[side].mapped = event->mapped;
    test->sides[side].lifetime_s = event->lifetime_s;
    test->sides[side].allocate_us = event->took_us;
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
        end_step(test, now, outbox);
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
        if (test->step == STEP_PERMISSION) {
            side_done(test, now, outbox);
        }
        break;
    case TURN_CLIENT_BOUND:
        if (test->step == STEP_CHANNEL) {
            side_done(test, now, outbox);
        }
        break;
    case TURN_CLIENT_CONNECTED:
    case TURN_CLIENT_ATTEMPT:
        if (test->step == STEP_CONNECT) {
            turn_client_join(test->clients[DATA + side], now, event->connection_id, outbox);
        }
        break;
    case TURN_CLIENT_PEER_FAILED:
        if (!test->deleting) {
            fail_step(test, now, event, outbox);
        }
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
    bool was_data = test->setup.tcp && (via == test->setup.flows[DATA + NEAR].via ||
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
    if (test->step == STEP_INDICATION) {
        send_probe(test, now, outbox);
    } else if (test->step == STEP_ECHO) {
        echo_due(test, now, outbox);
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
