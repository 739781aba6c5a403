/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of a call share. Functions are grouped by the file that holds them. */
#ifndef STUNCLIENT_PEER_PEER_INTERNAL_H
#define STUNCLIENT_PEER_PEER_INTERNAL_H

#include "proto/negotiation.h"
#include "stunclient/peer/channels.h"
#include "stunclient/peer/data_channel.h"
#include "stunclient/peer/peer.h"
#include "stunclient/peer/sockets.h"
#include "wire/session_description.h"

/* The peer's DTLS may come before a check of ours is answered. We could not answer it then, and
 * DTLS would say it again much later; so it waits for a path. */
#define EARLY_MAX 6
#define EARLY_SIZE 1500

/* How long a call that stood waits for another way, and the least time between two attempts. */
#define REPAIR_MS 60000
#define RESTART_PAUSE_MS 5000

struct early_datagram {
    size_t size;
    uint8_t bytes[EARLY_SIZE];
};

struct peer {
    struct peer_setup setup;
    struct ice_agent *agent;
    struct data_session *session;
    struct channels *channels;
    struct servers *servers;
    struct peer_socket sockets[SOCKETS_MAX];
    size_t socket_count;

    struct session_description local, remote;
    struct negotiation negotiation;
    bool mirrors;         /* the sections of `remote` are those of an offer: ours have the same */
    bool dtls_client;     /* of the association, for as long as the call lasts */
    bool has_stun;        /* STUN servers were given to the agent */
    bool retells;         /* of candidates that a trace has told already */
    bool described;       /* our description is out: candidates follow one by one */
    bool has_path, ready; /* a pair is valid; the association stands */
    bool carried;         /* data have come in */
    bool silent;          /* ICE hears nothing, and no data have come since */
    bool told_use;        /* `use` has been told as selected */
    struct ice_pair_report use; /* by which we send */
    bool closing;               /* data_session_close was called */
    bool over, gone;            /* gone: the agent has nothing to say any more */
    bool cut;                   /* the peer closed before our input had ended */
    bool done;                  /* the peer has written all that we sent, and we all that it sent */
    char relay_problem[256];    /* why our relay is of no use, or "" */
    struct monotime repair_by;  /* there is no way, and the call ends then; NEVER: there is one */
    struct monotime lost;       /* since when, while repair_by is set */
    struct monotime restarted;  /* by either side, the last time; us 0: never */
    struct early_datagram early[EARLY_MAX];
    size_t early_count;
    unsigned busy; /* inside of a machine: events wait */
};

/* ---- peer.c: life, the shell's events, the end -------------------------------------------------
 */

int64_t peer_since_began_us(const struct peer *peer);
const char *peer_name(const struct peer *peer); /* for words */
void peer_finish(struct peer *peer);            /* it is over, and the figures are noted */
/* Notes the first failure; later ones come of it. */
void peer_fail(struct peer *peer, enum exit_status status, const char *text);
/* Only connections are forwarded at our end (-L): a signal ends the call, and nothing else. */
bool peer_forwards_alone(const struct peer *peer);

/* ---- peer_session.c: DTLS, SCTP, channels ------------------------------------------------------
 */

bool peer_make_session(struct peer *peer, enum data_role role);
bool peer_make_channels(struct peer *peer);
void peer_tell(void *context, const char *text); /* context: the peer; for a trace */
/* What ICE has let in: given to the session, or kept until there is a path to answer by. */
void peer_take_data(struct peer *peer, struct monotime now, const struct packet *data);
void peer_take_early(struct peer *peer);
bool peer_take_session_events(struct peer *peer); /* whether there was something */

/* ---- peer_path.c: ICE --------------------------------------------------------------------------
 */

bool peer_take_path_events(struct peer *peer); /* whether there was something */
bool peer_is_same_way(const struct ice_pair_report *one, const struct ice_pair_report *other);
void peer_add_sockets(struct peer *peer); /* on addresses that have none yet */
/* Begins a new session of ICE, whose candidates are collected until it is described. */
void peer_restart(struct peer *peer);
void peer_end_without_way(struct peer *peer);

#endif
