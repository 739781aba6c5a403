/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the TURN machine share with one another, and with nobody else. */
#ifndef TURN_TURN_INTERNAL_H
#define TURN_TURN_INTERNAL_H

#include "base/source_limit.h"
#include "turnserver/turn/account.h"
#include "turnserver/turn/allocation.h"
#include "turnserver/turn/event_queue.h"
#include "turnserver/turn/mobility.h"
#include "turnserver/turn/parking.h"
#include "turnserver/turn/reservation.h"
#include "turnserver/turn/tcp_connection.h"
#include "turnserver/turn/turn.h"

/* Refreshes that deleted an allocation, so that a retransmission of one is answered alike. */
#define DELETIONS_MAX 256 /* a power of two */

struct deletion {
    uint64_t flow_hash;
    struct monotime forgotten;
    uint8_t transaction_id[STUN_TRANSACTION_ID_SIZE];
};

struct turn_server {
    struct turn_setup setup;
    const struct turn_policy *policy;
    struct allocation_table allocations;
    struct tcp_table tcp;
    struct account_table accounts;
    struct event_queue events;
    struct source_limit *sources;
    struct source_limit *icmp; /* by client */
    struct parking parking;
    struct shared_port *shared; /* all of them; NULL where ports are not shared */
    struct hash_map tickets;    /* of mobile allocations */
    struct move_queue moves;
    struct reservation_table *reservations;
    bool reservations_are_ours;
    uint64_t indication_id[2]; /* random, and a count: transaction ids of Data indications */
    struct turn_counters counters;
    struct deletion deletions[DELETIONS_MAX];
};

/* A request on its way through the machine. */
struct turn_request {
    struct turn_server *server;
    struct monotime now;
    const struct flow *flow;
    const struct packet *packet; /* that it came in */
    const struct stun_view *view;
    struct outbox *outbox;
    struct allocation *allocation;        /* of this flow, or NULL */
    const struct auth_identity *identity; /* NULL: not authenticated */
    enum turn_move_status move_status;    /* what another worker said of its ticket */
};

uint64_t turn_server_random(struct turn_server *server);
/* Handles a request that has waited, and frees it. */
void turn_server_resume(struct turn_server *server, struct monotime now, struct parked *parked,
                        enum turn_move_status status, struct outbox *outbox);
/* The lifetime that is given when `wanted_s` is asked for (RFC 8656 §7.2). */
uint32_t turn_policy_lifetime(const struct turn_policy *policy, uint32_t wanted_s);
/* The same for who asks: not longer than a token holds (RFC 7635 §9). */
uint32_t request_lifetime(const struct turn_request *request, uint32_t wanted_s);

/* ---- methods, a file each ------------------------------------------------------------------- */

void binding_handle(struct turn_request *request);
void allocate_handle(struct turn_request *request);
void refresh_handle(struct turn_request *request);
void permission_handle(struct turn_request *request);
void channel_handle(struct turn_request *request);
void connect_handle(struct turn_request *request);
void connection_bind_handle(struct turn_request *request);
/* Forgets claims that are not answered in time. */
void connection_bind_expire(struct turn_server *server, struct monotime now);

/* A Send indication; nobody is told when it cannot be obeyed. */
void send_handle(struct turn_request *request);

/*
 * Whether the request's flow has an allocation that belongs to its user. Answers 437 or 441 when
 * not. RFC 8656 §5.
 */
bool request_owns_allocation(struct turn_request *request);
/*
 * Whether the relay of the request's allocation may get a permission for `peer`; fills in the
 * verdict. Answers 443 or 403 when not, and reports a refused peer.
 */
bool request_may_permit(struct turn_request *request, const struct stun_address *peer,
                        enum peer_verdict *verdict);
/* Sends the client to an alternate server. Returns false, without an answer, when there is none for
 * it. */
bool request_redirect(struct turn_request *request);
/*
 * Where relayed ports are shared: makes the peer's IP this allocation's. Answers 508 and reports it
 * when the port has it for another one.
 */
bool request_claim(struct turn_request *request, const struct stun_address *peer);
/* Before it claims: makes room for that among what earlier requests have claimed for nothing. */
void request_tidy_claims(struct turn_request *request);
/*
 * Answers 420 and returns true when the request has a comprehension-required attribute that is not
 * among `known` nor one of those that every STUN agent knows.
 */
bool request_refuse_unknown(struct turn_request *request, const uint16_t *known, size_t count);

/* ---- relay: the data path -------------------------------------------------------------------- */

/* Whether a datagram may go to a peer with this verdict now; counts it when not. */
bool relay_may_send(struct turn_server *server, enum peer_verdict verdict,
                    const struct stun_address *peer);
struct relay_datagram {
    const uint8_t *bytes; /* lent, as the packet is that they stand in */
    uint32_t size;
    bool unfragmented;
    const struct packet *packet; /* what its IP header said goes on with it */
};
void relay_to_peer(struct turn_server *server, struct monotime now, struct allocation *allocation,
                   const struct stun_address *peer, const struct relay_datagram *datagram,
                   struct outbox *outbox);
/* Fills in a transaction id that no other indication of this server has. */
void relay_indication_id(struct turn_server *server, uint8_t id[STUN_TRANSACTION_ID_SIZE]);
void relay_channel_data(struct turn_server *server, struct monotime now, const struct flow *flow,
                        const struct packet *packet, struct outbox *outbox);

/* ---- reply: the one place that writes answers ------------------------------------------------ */

/* Begins an answer in the outbox's arena; reply_send must follow before anything else is sent. */
void reply_begin(const struct turn_request *request, struct stun_builder *builder,
                 enum stun_class message_class);
/* Closes it with SOFTWARE, integrity and FINGERPRINT as they are due, and sends it to `flow`. */
void reply_send_to(struct turn_request *request, struct stun_builder *builder,
                   const struct flow *flow);
void reply_send(struct turn_request *request, struct stun_builder *builder);
/* A success without attributes of its own. */
void reply_success(struct turn_request *request);
/* `reason` NULL: the RFC's own phrase. */
void reply_error(struct turn_request *request, uint16_t code, const char *reason);
/* What auth has refused: 400, 401 or 438, with what the client needs to try again. */
void reply_challenge(struct turn_request *request, uint16_t code);
/* 420 with UNKNOWN-ATTRIBUTES. */
void reply_unknown(struct turn_request *request, const uint16_t *types, size_t count);

#endif
