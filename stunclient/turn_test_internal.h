/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the test of a TURN server share.
 *
 *   turn_test.c           the steps, and what makes each of them end
 *   turn_test_packet.c    the packets that go through the relays
 *   turn_test_echo.c      many of them there and back, measured
 *   turn_test_private.c   whether the server would relay to addresses of its own network
 */
#ifndef STUNCLIENT_TURN_TEST_INTERNAL_H
#define STUNCLIENT_TURN_TEST_INTERNAL_H

#include "stunclient/turn_test.h"

#define NEAR 0  /* sends and measures */
#define FAR 1   /* sends back what arrives */
#define DATA 2  /* plus the side: its data connection */
#define MOVED 4 /* where NEAR moves to */
#define CLIENTS_MAX 4

#define BURST_MAX 8 /* packets of one call; their buffers are borrowed */
#define PACKET_SIZE_MAX 1232
#define BUFFER_SIZE (TURN_CLIENT_HEADROOM + PACKET_SIZE_MAX + TURN_CLIENT_TAILROOM)
#define MARK_SIZE 8
#define PROBE_SIZE 32

/* What a packet says of itself, and number. */
enum packet_kind {
    KIND_PROBE = 1,
    KIND_ECHO = 2,
};

/* Bytes of a data connection, until they are a packet. */
struct assembly {
    uint32_t size;
    uint8_t bytes[PACKET_SIZE_MAX];
};

struct private_peer {
    struct stun_address address;
    bool answered, permitted;
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
    unsigned probes; /* sent in this step */
    struct turn_echo echo;
    struct monotime *sent_at; /* by number */
    uint8_t *returned;        /* a flag by number */
    uint32_t highest;         /* the highest number that returned */
    int64_t last_rtt_us;
    unsigned burst; /* buffers used in this call */
    uint8_t buffers[BURST_MAX][BUFFER_SIZE];

    struct private_peer private_peers[TURN_TEST_PRIVATE_MAX];
    size_t private_count;
};

/* ---- turn_test.c ----------------------------------------------------------------------------- */

void test_end_step(struct turn_test *test, struct monotime now, struct outbox *outbox);
/* The relay of the other side that packets go to in this step. */
const struct stun_address *test_target(const struct turn_test *test, unsigned side);

/* ---- turn_test_packet.c ---------------------------------------------------------------------- */

/* Sends from NEAR to FAR. Returns false when this call has sent too many: send the rest later. */
bool test_send(struct turn_test *test, struct monotime now, enum packet_kind kind, uint32_t number,
               uint32_t size, struct outbox *outbox);
/* Sends from FAR to NEAR what has arrived there. */
void test_send_back(struct turn_test *test, struct monotime now, const struct packet *data,
                    struct outbox *outbox);
/* Whether the packet is one of ours; sets what it says. */
bool test_packet_is_ours(const struct turn_test *test, const struct packet *packet,
                         enum packet_kind *kind, uint32_t *number);
bool test_packet_is_intact(const struct packet *packet, uint32_t number, uint32_t size);

/* ---- turn_test_echo.c ------------------------------------------------------------------------ */

/* Time for the next packets, or, when all were sent, for no more waiting. */
void test_echo_due(struct turn_test *test, struct monotime now, struct outbox *outbox);
void test_echo_returned(struct turn_test *test, struct monotime now, const struct packet *packet,
                        uint32_t number);

/* ---- turn_test_private.c --------------------------------------------------------------------- */

void test_private_begin(struct turn_test *test, struct monotime now, struct outbox *outbox);
/* A permission was given or refused. Returns whether all have been answered. */
bool test_private_answered(struct turn_test *test, const struct stun_address *peer, bool permitted);

#endif
