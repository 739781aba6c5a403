/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests a TURN server with two allocations that send to each other: allocate, permission, a Send
 * indication there and back, channel, many packets there and back, delete. A machine: packets and
 * time in, packets and findings out.
 *
 * With `tcp` it tests relays of TCP (RFC 6062): one relay connects to the other, each side binds a
 * data connection, and the packets go through these as bytes.
 */
#ifndef STUNCLIENT_TURN_TEST_H
#define STUNCLIENT_TURN_TEST_H

#include "proto/turn_client.h"

enum turn_step_name {
    STEP_ALLOCATE = 0,
    STEP_PERMISSION,
    STEP_INDICATION,
    STEP_CHANNEL,
    STEP_CONNECT, /* in the place of indication and channel when TCP is relayed */
    STEP_ECHO,
    STEP_DELETE,
    TURN_STEPS,
};

enum turn_step_state {
    STEP_UNTRIED = 0,
    STEP_RUNNING,
    STEP_OK,
    STEP_FAILED,
};

struct turn_step {
    enum turn_step_state state;
    struct monotime began;
    int64_t took_us;
    struct turn_client_event event; /* FAILED: what the client reported; type may be any */
};

struct turn_echo {
    uint32_t sent, arrived, returned; /* by us, at the other allocation, back again */
    uint32_t duplicates, corrupted, reordered;
    int64_t rtt_min_us, rtt_max_us, rtt_sum_us;
    int64_t jitter_sum_us; /* of the differences between one round trip and the next */
};

struct turn_test_setup {
    struct turn_client_setup client; /* of both, but flow; user and password as they are there */
    bool tcp;
    struct flow flows[4]; /* of both sides; with `tcp` also their data connections */
    /* From now on what comes at `via` is bytes, and not messages. */
    void (*leave_framing)(void *context, uint32_t via);
    void *context;
    uint32_t count, size, interval_ms; /* of the packets; size 32..1200 */
};

struct turn_test_side {
    struct stun_address relayed, mapped;
    uint32_t lifetime_s;
    int64_t allocate_us;
};

struct turn_test;

/* `setup` is copied. Returns NULL when memory is out or the credentials cannot be used. */
struct turn_test *turn_test_new(const struct turn_test_setup *setup);
void turn_test_free(struct turn_test *test);
void turn_test_start(struct turn_test *test, struct monotime now, struct outbox *outbox);
void turn_test_input(struct turn_test *test, struct monotime now, const struct flow *flow,
                     struct packet *packet, struct outbox *outbox);
/* The connection `via` is gone, or nothing listens at the other end. */
void turn_test_flow_closed(struct turn_test *test, struct monotime now, uint32_t via,
                           struct outbox *outbox);
/* Ends what is under way and deletes the allocations: a signal came, or time is up. */
void turn_test_stop(struct turn_test *test, struct monotime now, struct outbox *outbox);
void turn_test_tick(struct turn_test *test, struct monotime now, struct outbox *outbox);
struct monotime turn_test_due(const struct turn_test *test);
bool turn_test_finished(const struct turn_test *test);

const struct turn_step *turn_test_step(const struct turn_test *test, enum turn_step_name name);
const struct turn_echo *turn_test_echo(const struct turn_test *test);
const struct turn_test_side *turn_test_side(const struct turn_test *test, unsigned side);
const char *turn_test_software(const struct turn_test *test);

#endif
