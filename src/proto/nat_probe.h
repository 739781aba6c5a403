/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Measures mapping and filtering of the NATs between us and a server (RFC 5780 §4.3, §4.4), with a
 * socket of its own for each filtering test, and all tests at the same time.
 *
 * Silence is evidence only where an answer must have come through. So beside each request for an
 * answer from elsewhere goes an ordinary one; the loss of those tells how often to repeat. And a
 * socket that has sent to all four of the server's endpoints asks for the same change: it must get
 * its answer, or the server does not do what it says. Where such a check fails, the result is
 * unknown.
 *
 * The shell opens NAT_PROBE_SOCKETS unconnected UDP sockets; `via` of a flow is the socket's
 * number.
 */
#ifndef PROTO_NAT_PROBE_H
#define PROTO_NAT_PROBE_H

#include "base/monotime.h"
#include "base/outbox.h"
#include "proto/nat_report.h"

#include <postern/stun.h>

enum nat_probe_socket {
    NAT_SOCKET_MAPPING = 0,
    NAT_SOCKET_FILTER_BOTH, /* asks to be answered from the other address and port */
    NAT_SOCKET_FILTER_PORT, /* asks to be answered from the other port */
    NAT_PROBE_SOCKETS,
};

#define NAT_ATTEMPTS_MAX 32

struct nat_probe_setup {
    uint64_t (*random)(void *context);
    void *random_context;
    struct stun_address server;
    struct stun_address local[NAT_PROBE_SOCKETS]; /* as the sockets appear where there is no NAT */
    bool mapping, filtering;                      /* what to measure */
    struct monotime give_up;
    const char *software; /* SOFTWARE of our requests, or NULL */
};

/* One kind of request, sent again and again from one socket to one endpoint. */
struct nat_test {
    bool active;    /* still sending */
    uint8_t socket; /* enum nat_probe_socket */
    uint8_t change; /* CHANGE-REQUEST flags, 0: an ordinary request */
    uint8_t attempts;
    struct stun_address destination;
    uint8_t id[STUN_TRANSACTION_ID_SIZE]; /* the last byte is the attempt's number */
    struct monotime due;
    struct monotime sent[NAT_ATTEMPTS_MAX];
    uint32_t answered;          /* a bit an attempt; good answers only */
    struct stun_address mapped; /* of the first good answer */
    struct stun_address origin; /* where the last answer came from, good or not */
    bool refused;               /* an error response */
};

enum nat_test_name {
    NAT_TEST_MAPPING = 0, /* one an endpoint */
    NAT_TEST_FILTER_BOTH = NAT_ENDPOINTS,
    NAT_TEST_FILTER_BOTH_PLAIN,
    NAT_TEST_FILTER_PORT,
    NAT_TEST_FILTER_PORT_PLAIN,
    NAT_TEST_CONTROL_BOTH,
    NAT_TEST_CONTROL_PORT,
    NAT_TESTS,
};

struct nat_probe {
    struct nat_probe_setup setup;
    bool finished;
    struct nat_test tests[NAT_TESTS];
    struct nat_report report;
};

/* `setup` is copied. */
void nat_probe_init(struct nat_probe *probe, const struct nat_probe_setup *setup);
void nat_probe_start(struct nat_probe *probe, struct monotime now, struct outbox *outbox);
/* A datagram. Returns whether it was an answer to us. */
bool nat_probe_input(struct nat_probe *probe, struct monotime now, const struct flow *flow,
                     const struct packet *packet, struct outbox *outbox);
void nat_probe_tick(struct nat_probe *probe, struct monotime now, struct outbox *outbox);
/* MONOTIME_NEVER once it has finished. */
struct monotime nat_probe_due(const struct nat_probe *probe);
bool nat_probe_finished(const struct nat_probe *probe);
/* Good once it has finished; before, what is known so far. */
const struct nat_report *nat_probe_report(const struct nat_probe *probe);

#endif
