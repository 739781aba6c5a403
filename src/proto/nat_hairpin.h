/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does the NAT send back inside what one of its hosts sends to another one's outside address
 * (RFC 4787 §6, RFC 5780 §3.4)? Two sockets learn their outside addresses from the server, then
 * send to each other's, both ways at the same time, so that a filter lets it through.
 *
 * The shell opens two UDP sockets; `via` of a flow is the socket's number, 0 or 1.
 */
#ifndef PROTO_NAT_HAIRPIN_H
#define PROTO_NAT_HAIRPIN_H

#include "base/monotime.h"
#include "base/outbox.h"

#include <postern/stun.h>

enum nat_hairpin_verdict {
    NAT_HAIRPIN_UNKNOWN = 0,
    NAT_HAIRPIN_NOT_NEEDED, /* no translation: the outside address is our own */
    NAT_HAIRPIN_YES,
    NAT_HAIRPIN_NO,
};

struct nat_hairpin_setup {
    uint64_t (*random)(void *context);
    void *random_context;
    struct stun_address server;
    struct stun_address local[2]; /* as the sockets appear where there is no NAT */
    bool stable; /* the mapping does not depend on the destination: silence then means no */
    struct monotime give_up;
};

struct nat_hairpin_socket {
    uint8_t server_id[STUN_TRANSACTION_ID_SIZE];
    uint8_t peer_id[STUN_TRANSACTION_ID_SIZE]; /* of what this one sends to the other */
    struct stun_address mapped;
};

struct nat_hairpin {
    struct nat_hairpin_setup setup;
    enum nat_hairpin_verdict verdict;
    bool finished;
    unsigned rounds; /* of sending to each other */
    struct monotime due;
    struct nat_hairpin_socket sockets[2];
};

void nat_hairpin_init(struct nat_hairpin *hairpin, const struct nat_hairpin_setup *setup);
void nat_hairpin_start(struct nat_hairpin *hairpin, struct monotime now, struct outbox *outbox);
bool nat_hairpin_input(struct nat_hairpin *hairpin, struct monotime now, const struct flow *flow,
                       const struct packet *packet, struct outbox *outbox);
void nat_hairpin_tick(struct nat_hairpin *hairpin, struct monotime now, struct outbox *outbox);
struct monotime nat_hairpin_due(const struct nat_hairpin *hairpin);
bool nat_hairpin_finished(const struct nat_hairpin *hairpin);
enum nat_hairpin_verdict nat_hairpin_verdict(const struct nat_hairpin *hairpin);

#endif
