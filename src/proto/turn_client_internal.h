/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the TURN client share. */
#ifndef PROTO_TURN_CLIENT_INTERNAL_H
#define PROTO_TURN_CLIENT_INTERNAL_H

#include "proto/long_term.h"
#include "proto/turn_client.h"

#define REQUESTS_MAX 16  /* under way at the same time; the others wait */
#define CHALLENGES_MAX 4 /* a request is built anew this often at most */
#define EVENTS_MAX 32
#define TICKET_SIZE_MAX 256
#define PERMISSION_LIFETIME_S 300 /* RFC 8656 §9 */
#define REFRESH_MARGIN_S 60       /* RFC 8656 §8: about a minute before it ends */

enum turn_client_state {
    CLIENT_IDLE,
    CLIENT_ALLOCATING,
    CLIENT_ALLOCATED,
    CLIENT_DELETING,
    CLIENT_ENDED,
};

enum turn_request_kind {
    REQUEST_ALLOCATE,
    REQUEST_REFRESH,
    REQUEST_DELETE,
    REQUEST_PERMIT,
    REQUEST_BIND,
    REQUEST_CONNECT,
    REQUEST_JOIN,
    REQUEST_MOVE,
};

struct turn_request {
    struct turn_request *next;
    enum turn_request_kind kind;
    size_t peer; /* PERMIT and BIND: index of the peer */
    bool was_signed;
    uint8_t challenges;
    struct monotime started; /* the first sending, before any challenge */
    struct monotime give_up;
    struct stun_transaction transaction;
};

/* How a request ended. */
struct turn_outcome {
    enum turn_client_failure failure; /* NONE: success */
    uint16_t code;
    char reason[TURN_CLIENT_REASON_SIZE];
    const struct stun_view *response; /* NULL when there is none */
};

struct turn_peer {
    struct stun_address address;
    bool kept;          /* refreshed as long as this holds */
    bool wants_channel; /* ChannelBind in place of CreatePermission */
    bool asking;        /* a request is under way */
    bool bound;
    struct monotime due;     /* when to ask again */
    struct monotime expires; /* when the server forgets; in the past: no permission */
};

struct turn_client {
    struct turn_client_setup setup; /* user and password: NULL, they live in `credentials` */
    bool has_credentials;
    struct long_term credentials;
    enum turn_client_state state;

    struct turn_request *requests;
    size_t request_count;

    struct turn_peer *peers; /* the channel of peer i is STUN_CHANNEL_MIN + i */
    size_t peer_count, peer_capacity;

    struct stun_address connect_peer; /* of REQUEST_CONNECT */
    uint32_t connection_id;           /* of REQUEST_JOIN */
    uint8_t ticket[TICKET_SIZE_MAX];  /* MOBILITY-TICKET, to be shown at another flow */
    uint16_t ticket_size;
    bool moving; /* peers wait until the server knows the new flow */

    struct monotime refresh_due, expires, last_sent;
    struct monotime due; /* the earliest of all timers, kept by turn_client_settle */

    struct turn_client_event events[EVENTS_MAX];
    size_t event_first, event_count;
    struct turn_client_counters counters;
    char software[TURN_CLIENT_REASON_SIZE];
};

/* ---- turn_client.c --------------------------------------------------------------------------- */

/* An empty event at the end of the queue, to be filled. */
struct turn_client_event *turn_client_add_event(struct turn_client *client,
                                                enum turn_client_event_type type,
                                                const struct turn_outcome *outcome);
/* Computes `due` anew; every public function that changes a timer ends with it. */
void turn_client_settle(struct turn_client *client);
void turn_client_sent(struct turn_client *client, struct monotime now);
/* Ends the allocation and everything under way. */
void turn_client_end(struct turn_client *client, const struct turn_outcome *outcome,
                     struct monotime started, struct monotime now);

void turn_client_allocate_ended(struct turn_client *client, struct monotime now,
                                const struct turn_request *request,
                                const struct turn_outcome *outcome, struct outbox *outbox);
void turn_client_refresh_ended(struct turn_client *client, struct monotime now,
                               const struct turn_request *request,
                               const struct turn_outcome *outcome, struct outbox *outbox);
/* Takes LIFETIME of an answer and sets the timers by it. Returns the seconds. */
uint32_t turn_client_take_lifetime(struct turn_client *client, struct monotime now,
                                   const struct stun_view *response);
void turn_client_delete_ended(struct turn_client *client, struct monotime now,
                              const struct turn_request *request,
                              const struct turn_outcome *outcome, struct outbox *outbox);

/* ---- turn_client_request.c ------------------------------------------------------------------- */

/* Begins a request. Returns false when too many are under way or memory is out: try again later. */
bool turn_request_begin(struct turn_client *client, struct monotime now,
                        enum turn_request_kind kind, size_t peer, struct outbox *outbox);
/* A response. Returns false when it belongs to no request. */
bool turn_request_input(struct turn_client *client, struct monotime now,
                        const struct stun_view *response, struct outbox *outbox);
void turn_request_tick(struct turn_client *client, struct monotime now, struct outbox *outbox);
struct monotime turn_request_due(const struct turn_client *client);
void turn_request_cancel_all(struct turn_client *client);

/* ---- turn_client_peer.c ---------------------------------------------------------------------- */

/* Begins what is due, as far as requests are free. */
void turn_peer_tick(struct turn_client *client, struct monotime now, struct outbox *outbox);
struct monotime turn_peer_due(const struct turn_client *client);
/* Whether the server lets data pass to and from that IP address, or will when it has read what we
 * have sent already: it deals with one client's packets in their order. */
bool turn_peer_permits(const struct turn_client *client, struct monotime now,
                       const struct stun_address *address);
/* The peer with a bound channel and that address, or NULL. */
const struct turn_peer *turn_peer_find_bound(const struct turn_client *client, struct monotime now,
                                             const struct stun_address *address);
void turn_peer_permit_ended(struct turn_client *client, struct monotime now,
                            const struct turn_request *request, const struct turn_outcome *outcome,
                            struct outbox *outbox);
void turn_peer_bind_ended(struct turn_client *client, struct monotime now,
                          const struct turn_request *request, const struct turn_outcome *outcome,
                          struct outbox *outbox);

/* Nothing is under way any more; what was being asked for is asked for again. */
void turn_peer_restart(struct turn_client *client, struct monotime now);

/* ---- turn_client_move.c ---------------------------------------------------------------------- */

/* Keeps the MOBILITY-TICKET of an answer; without one there is none any more. */
void turn_move_take_ticket(struct turn_client *client, const struct stun_view *response);
void turn_move_ended(struct turn_client *client, struct monotime now,
                     const struct turn_request *request, const struct turn_outcome *outcome,
                     struct outbox *outbox);

/* ---- turn_client_tcp.c ----------------------------------------------------------------------- */

void turn_tcp_connect_ended(struct turn_client *client, struct monotime now,
                            const struct turn_request *request, const struct turn_outcome *outcome,
                            struct outbox *outbox);
void turn_tcp_join_ended(struct turn_client *client, struct monotime now,
                         const struct turn_request *request, const struct turn_outcome *outcome,
                         struct outbox *outbox);
enum turn_client_input turn_tcp_attempt(struct turn_client *client, const struct stun_view *view);

/* ---- turn_client_relay.c --------------------------------------------------------------------- */

enum turn_client_input turn_relay_channel(struct turn_client *client, struct monotime now,
                                          const struct packet *packet,
                                          struct turn_client_data *data);
enum turn_client_input turn_relay_indication(struct turn_client *client, struct monotime now,
                                             const struct stun_view *view,
                                             const struct packet *packet,
                                             struct turn_client_data *data);

#endif
