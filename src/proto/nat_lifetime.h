/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long does a mapping live that nobody uses (RFC 5780 §4.6)? A socket makes a mapping and keeps
 * quiet; after a time another socket asks the server to answer to that mapping (RESPONSE-PORT). If
 * the answer arrives, the mapping was alive at that age. Several ages are tried at once, then ages
 * between the oldest that lived and the youngest that did not.
 *
 * The shell opens NAT_LIFETIME_SOCKETS UDP sockets; `via` of a flow is the socket's number.
 */
#ifndef PROTO_NAT_LIFETIME_H
#define PROTO_NAT_LIFETIME_H

#include "base/monotime.h"
#include "base/outbox.h"
#include "proto/nat_report.h"

#include <postern/stun.h>

#define NAT_LIFETIME_TRIALS 24
#define NAT_LIFETIME_SOCKETS (1 + NAT_LIFETIME_TRIALS) /* 0 asks, the others keep mappings */
#define NAT_LIFETIME_AT_ONCE 5

struct nat_lifetime_setup {
    uint64_t (*random)(void *context);
    void *random_context;
    struct stun_address server;
    uint32_t max_s; /* the oldest age that is tried; 5..3600 */
};

enum nat_trial_state {
    NAT_TRIAL_UNUSED = 0,
    NAT_TRIAL_OPENING, /* its mapping is being made */
    NAT_TRIAL_AGING,
    NAT_TRIAL_ASKING, /* an answer to it was asked for */
    NAT_TRIAL_ALIVE,
    NAT_TRIAL_DEAD,
    NAT_TRIAL_FAILED, /* no mapping could be made */
};

struct nat_trial {
    enum nat_trial_state state;
    int64_t age_us;
    struct monotime born, due;
    unsigned attempts; /* in this state */
    uint16_t port;     /* of the mapping */
    uint8_t open_id[STUN_TRANSACTION_ID_SIZE], ask_id[STUN_TRANSACTION_ID_SIZE];
};

struct nat_lifetime_result {
    enum nat_doubt doubt; /* NAT_CERTAIN: the bounds hold */
    int64_t at_least_us;  /* a mapping of this age was alive */
    int64_t at_most_us;   /* one of this age was not; 0: none was tried that had died */
};

struct nat_lifetime {
    struct nat_lifetime_setup setup;
    struct nat_trial trials[NAT_LIFETIME_TRIALS];
    size_t used;        /* trials that were begun */
    size_t round_first; /* of the round that is under way */
    bool controlled;    /* the server has proved that it honours RESPONSE-PORT */
    bool finished;
    struct nat_lifetime_result result;
};

void nat_lifetime_init(struct nat_lifetime *lifetime, const struct nat_lifetime_setup *setup);
void nat_lifetime_start(struct nat_lifetime *lifetime, struct monotime now, struct outbox *outbox);
bool nat_lifetime_input(struct nat_lifetime *lifetime, struct monotime now, const struct flow *flow,
                        const struct packet *packet, struct outbox *outbox);
void nat_lifetime_tick(struct nat_lifetime *lifetime, struct monotime now, struct outbox *outbox);
struct monotime nat_lifetime_due(const struct nat_lifetime *lifetime);
bool nat_lifetime_finished(const struct nat_lifetime *lifetime);
/* Bounds so far; good once it has finished. */
const struct nat_lifetime_result *nat_lifetime_result(const struct nat_lifetime *lifetime);

#endif
