/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What gather.c, gather_leg.c, gather_server.c and relay.c share. A leg is one question: a server
 * asked from one socket, or by one connection. Legs run side by side, and none waits for another.
 */
#ifndef PROTO_ICE_GATHER_INTERNAL_H
#define PROTO_ICE_GATHER_INTERNAL_H

#include "proto/ice/ice_internal.h"
#include "proto/turn_client.h"

#define GATHER_SERVERS_MAX 16
#define GATHER_LEGS_MAX 64
/* A host with many interfaces does not ask everybody from everywhere. */
#define GATHER_LEGS_PER_SOCKET_MAX 6
#define GATHER_RELAYS_PER_SERVER_MAX 4
/* RFC 8445 §14.2: no faster than this, whoever is asked. */
#define GATHER_PACE_MS 5
/* The first five sendings of RFC 8489 §6.2.1, and two seconds for the answer to the last. */
#define GATHER_PATIENCE_MS 9500
/* A lost SYN costs a second, the next two. */
#define GATHER_CONNECT_PATIENCE_MS 15000
#define GATHER_KEEPALIVE_MS 15000 /* RFC 8445 §11 */
#define GATHER_CLOSE_MS 1500      /* how long a Refresh 0 is worth waiting for */
#define GATHER_RETRIES_MAX 3      /* of an allocation that was lost */
#define GATHER_STOOD_MS 60000     /* what stood so long is tried as often once more */

struct gather_server {
    struct stun_address address;
    uint8_t transport;
    bool turn;
    bool told;             /* ICE_SERVER_FAILED was given, and nothing good came since */
    char *user, *password; /* ours; NULL: none */
    struct long_term_challenge challenge; /* its texts are ours; realm NULL: not known */
    uint32_t number;
};

enum leg_state {
    LEG_WAITING = 0, /* begins at `due` */
    LEG_CONNECTING,
    LEG_ASKING,
    LEG_DONE,
    LEG_FAILED,
};

struct relay_peer {
    struct stun_address address;
    bool ready; /* what is sent there passes, or will when the server has read our request */
    bool preferred, refused; /* a channel was asked for; the server would not have it */
};

/* One allocation, or the attempt. */
struct ice_relay {
    struct turn_client *client; /* NULL: not begun */
    int base;                   /* the relayed address, or ICE_NONE */
    struct relay_peer peers[ICE_REMOTES_MAX];
    size_t peer_count;
};

struct ice_leg {
    struct ice_leg *next;
    struct gather_server *server;
    enum leg_state state;
    int socket;                  /* base of the socket, or ICE_NONE: a connection */
    struct stun_address address; /* who is asked: the server, or the one it named instead */
    bool redirected;
    bool any_family;       /* the server refused the family that was asked for */
    uint8_t retries;       /* after a loss; 0: the leg belongs to gathering as such */
    struct monotime found; /* when it had its answer; us 0: it has none */
    struct monotime due;
    uint32_t request, via; /* of a connection */
    bool connected;
    struct stun_address local;       /* of a connection */
    struct stun_transaction binding; /* of a server for STUN */
    struct ice_relay relay;          /* of a server for TURN */
};

struct ice_gather {
    struct gather_server servers[GATHER_SERVERS_MAX];
    size_t server_count;
    struct ice_leg *legs;
    size_t leg_count;
    uint16_t preferences[ICE_BASES_MAX]; /* of sockets, as the caller gave them */
    struct monotime next_start;
    uint32_t next_request;
    bool complete, told_gathered, closing, told_closed;
    struct monotime poke; /* something waits to be taken out of a machine; NEVER: nothing */
    struct monotime close_end;
};

/* ---- gather.c ---------------------------------------------------------------------------------
 */

/* Whether a reflexive address of the base may still come: one answer is enough, and a dead server
 * beside it keeps nobody waiting. */
void gather_note_pending(struct ice_agent *agent, int socket);
/* ICE_GATHERED when nothing is under way any more. */
void gather_check_gathered(struct ice_agent *agent);
/* ICE_SERVER_FAILED when nobody can reach it: one bad interface is not its fault. */
void gather_tell_server(struct ice_agent *agent, struct gather_server *server, const char *why);

/* Facts that legs report. After found, gather_check_gathered: there may be more to tell before. */
void gather_leg_found(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                      const struct stun_address *mapped, struct outbox *outbox);
void gather_leg_ended(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                      const char *why);
/* It could not be asked or got no good answer: tried again if there had been something before. */
void gather_leg_failed(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                       const char *why);
/* An allocation that was there is gone: it is tried again a few times. */
void gather_leg_lost(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                     const char *why);

/* ---- gather_server.c ---------------------------------------------------------------------------
 */

void gather_free_server(struct gather_server *server);

/* ---- gather_leg.c ------------------------------------------------------------------------------
 */

void leg_start(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
               struct outbox *outbox);
void leg_tick(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
              struct outbox *outbox);
struct monotime leg_due(const struct ice_leg *leg);
/* An answer to its Binding request. False: it is not. */
bool leg_input(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
               const struct stun_view *view, struct outbox *outbox);
/* ALTERNATE-SERVER (RFC 8489 §10): false when it must not be followed. */
bool leg_redirect(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                  const struct stun_address *address, struct outbox *outbox);
/* Lets the connection go. */
void leg_disconnect(struct ice_agent *agent, struct ice_leg *leg);
struct flow leg_flow(const struct ice_agent *agent, const struct ice_leg *leg);

/* ---- relay.c ----------------------------------------------------------------------------------
 */

void relay_start(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                 struct outbox *outbox);
/* Takes the events out of its machine. */
void relay_drain(struct ice_agent *agent, struct monotime now, struct ice_leg *leg,
                 struct outbox *outbox);
void relay_free(struct ice_relay *relay);

#endif
