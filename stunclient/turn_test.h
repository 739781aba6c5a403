/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests a TURN server with two allocations that send to each other: allocate, permission, a Send
 * indication there and back, channel, many packets there and back, delete. A machine: packets and
 * time in, packets and findings out.
 *
 * With `tcp` it tests relays of TCP (RFC 6062): one relay connects to the other, each side binds a
 * data connection, and the packets go through these as bytes. A dual allocation is tested in its
 * second family too, and a mobile one at another flow. At the end the server is asked for
 * permissions that a careful one does not give.
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
    STEP_SECOND,  /* a dual allocation: there and back between the relays of the other family */
    STEP_MOVE,    /* a mobile allocation: from another flow, and there and back through it */
    STEP_PRIVATE, /* permissions for private addresses */
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

#define TURN_TEST_FLOWS 5
#define TURN_TEST_PRIVATE_MAX 8

struct turn_test_setup {
    /* Of both, but flow; user and password as they are there. `dual` and `mobile` are not for
     * `tcp`. */
    struct turn_client_setup client;
    /* Of both sides; with `tcp` also their data connections; with `mobile` another of the first */
    struct flow flows[TURN_TEST_FLOWS];
    /* From now on what comes at `via` is bytes, and not messages. */
    void (*leave_framing)(void *context, uint32_t via);
    void *context;
    uint32_t count, size, interval_ms; /* of the packets; size 32..1200 */
};

struct turn_test_side {
    struct stun_address relayed, mapped;
    struct stun_address second; /* the relay of the other family, or family NONE */
    uint16_t second_code;       /* why there is none */
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
struct turn_client_signing turn_test_signing(const struct turn_test *test);
const char *turn_test_software(const struct turn_test *test);
/* The private addresses for which the server gave a permission. Returns how many. */
size_t turn_test_private(const struct turn_test *test,
                         struct stun_address out[TURN_TEST_PRIVATE_MAX]);

#endif
