/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a TURN server must do, said as simply as possible: flat arrays, no parsing, no cleverness.
 * It is told what a message means and says what must come of it.
 */
#ifndef SIM_TURN_MODEL_H
#define SIM_TURN_MODEL_H

#include "tests/sim/turn_shell.h"

#define MODEL_CLIENTS 9
#define MODEL_PEERS_MAX 3
#define MODEL_ENTRIES 64

enum model_kind {
    KIND_ALLOCATE,
    KIND_REFRESH,
    KIND_CREATE_PERMISSION,
    KIND_CHANNEL_BIND,
    KIND_BINDING,
    KIND_SEND,
    KIND_CHANNEL_DATA,
    KIND_PEER_DATAGRAM,
    KIND_COUNT,
};

const char *model_kind_name(enum model_kind kind);

enum model_fault {
    FAULT_NONE,
    FAULT_ANONYMOUS, /* no credentials */
    FAULT_PASSWORD,  /* wrong ones */
    FAULT_USER,      /* right ones, of the other user */
    FAULT_UNKNOWN,   /* an attribute that nobody knows */
    FAULT_MISSING,   /* an attribute that must be there is not */
    FAULT_COUNT,
};

struct model_message {
    enum model_kind kind;
    enum model_fault fault;
    unsigned client;
    bool credentials; /* it carries some */
    unsigned user;    /* whose */
    uint8_t transaction_id[STUN_TRANSACTION_ID_SIZE];
    bool has_lifetime;
    uint32_t lifetime_s;
    uint16_t channel;
    size_t peer_count;
    struct stun_address peers[MODEL_PEERS_MAX]; /* the first: of whatever has one */
    struct stun_address relayed;                /* KIND_PEER_DATAGRAM: where it went */
    size_t payload_size;
    uint8_t payload[64];
};

struct model_outcome {
    enum {
        OUTCOME_NOTHING,
        OUTCOME_ANSWER,
        OUTCOME_FORWARD,
    } type;
    int code; /* of an answer, 0 for success */
    struct stun_address from, to;
    size_t framing, padding; /* bytes around the payload */
};

struct model_permission {
    struct stun_address peer; /* its IP */
    int64_t expires_us;
};

struct model_channel {
    uint16_t number;
    struct stun_address peer;
    int64_t expires_us;
};

struct model_client {
    struct flow flow;
    unsigned user;
    bool allocated;
    unsigned owner;              /* user of the allocation */
    struct stun_address relayed; /* as last learnt */
    int64_t expires_us;
    uint8_t allocate_id[STUN_TRANSACTION_ID_SIZE];
    uint8_t deleted_id[STUN_TRANSACTION_ID_SIZE];
    int64_t deleted_us; /* 0: never */
    struct model_permission permissions[MODEL_ENTRIES];
    size_t permission_count;
    struct model_channel channels[MODEL_ENTRIES];
    size_t channel_count;
};

struct model {
    size_t permissions_max, channels_max;
    struct model_client clients[MODEL_CLIENTS];
};

void model_init(struct model *model, size_t permissions_max, size_t channels_max);
const char *model_user_name(unsigned user);
/* What must come of the message, which arrives now. */
void model_arrive(struct model *model, struct monotime now, const struct model_message *message,
                  struct model_outcome *outcome);
/* After a successful Allocate: the address that the server chose. Returns false when it chose
 * another one for a repeated request, or one that is in use. */
bool model_learn_relayed(struct model *model, unsigned client, const struct stun_address *relayed);
size_t model_allocations(const struct model *model, struct monotime now);

#endif
