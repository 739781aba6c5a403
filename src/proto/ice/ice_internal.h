/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of an ICE agent share. Functions are grouped by the file that holds them.
 *
 * A base is a way to send: a socket of the shell, or a relayed address on a server. A pair is a
 * base and a remote candidate, since RFC 8445 §6.1.2.4 replaces reflexive local candidates by their
 * bases anyway; the local candidate that a check found (XOR-MAPPED-ADDRESS) is noted in the pair.
 *
 * All tables are arrays of their bound inside the agent, and rows are known by their index: nothing
 * is allocated for a packet.
 */
#ifndef PROTO_ICE_INTERNAL_H
#define PROTO_ICE_INTERNAL_H

#include "proto/ice/ice.h"

#define ICE_BASES_MAX 48
#define ICE_LOCALS_MAX 64
#define ICE_REMOTES_MAX 64
#define ICE_PAIRS_MAX 100 /* RFC 8445 §6.1.2.5 */
#define ICE_EARLY_MAX 16
#define ICE_OLD_WAYS_MAX 32
#define ICE_EVENTS_MAX 192
#define ICE_TRACES_MAX 96 /* with so many events waiting, a trace is dropped */
#define ICE_ATTEMPTS_MAX 8
#define ICE_NONE (-1)

/* ---- rows ------------------------------------------------------------------------------------ */

struct ice_relay; /* gather's: one allocation */

struct ice_base {
    bool in_use;
    struct ice_relay *relay;     /* NULL: a socket */
    uint32_t via;                /* of the socket; a relay's own affair otherwise */
    struct stun_address address; /* of the socket, or the relayed one */
    uint8_t server_transport;    /* of a relay: enum outbox_transport to the server */
    uint16_t local_preference;   /* RFC 8445 §5.1.2.1, RFC 8421: unique where possible */
    bool reflexive_pending;      /* gather: a server is being asked what we look like from here */
    struct monotime told; /* when the peer was last told of a candidate with this base, or NEVER */
    uint8_t mappings;     /* different reflexive addresses seen: more than one is symmetric */
};

struct ice_local {
    bool in_use;
    uint8_t base;
    enum ice_candidate_type type;
    struct stun_address address, related;
    uint32_t priority;
    uint16_t foundation;
    struct stun_address server; /* who found it, for foundations; family NONE: nobody */
    uint8_t server_transport;
};

struct ice_remote {
    bool in_use;
    enum ice_candidate_type type;
    struct stun_address address, related;
    uint32_t priority;
    char foundation[ICE_FOUNDATION_SIZE];
    uint32_t ufrag_hash; /* of the ufrag that came with it; 0: none */
};

enum ice_pair_state {
    PAIR_FROZEN = 0,
    PAIR_WAITING,
    PAIR_IN_PROGRESS,
    PAIR_SUCCEEDED,
    PAIR_FAILED,
};

/* One transaction of a pair. Several may be unanswered: a triggered check does not wait. */
struct ice_attempt {
    uint8_t id[STUN_TRANSACTION_ID_SIZE];
    bool in_use, nominates, controlling;
    uint8_t sends;
    uint64_t tie_breaker;
    struct monotime sent; /* first */
};

struct ice_pair {
    bool in_use;
    uint8_t base, remote;
    enum ice_pair_state state;
    uint64_t priority;
    int16_t mapped;        /* the local candidate of the valid pair, or ICE_NONE */
    bool valid;            /* a check of ours was answered */
    bool heard;            /* a good check of the peer came by it */
    bool triggered;        /* waits in the triggered-check queue */
    bool nominate;         /* the next check of it says USE-CANDIDATE (controlling) */
    bool remote_nominates; /* the peer said USE-CANDIDATE (controlled) */
    uint8_t nomination[STUN_TRANSACTION_ID_SIZE]; /* the transaction in which it said so last */
    bool nominated;
    bool doubted; /* silent although it was asked: another one is used if there is one */
    bool retired; /* consent is gone: no data go by it */
    bool opener_told, check_told; /* traces that were given */
    uint8_t hops;                 /* hop limit of the last sending */
    uint8_t openers;              /* how many were sent */
    uint8_t knocks;               /* how many followed the first check */
    uint8_t sends;                /* of the check under way, over all its transactions */
    uint32_t rto_ms;
    uint32_t trigger_order;
    int64_t rtt_us; /* -1: not measured */
    struct monotime created;
    struct monotime begun;    /* the check under way: its first sending … */
    bool begun_heard;         /* … and the peer had been heard there before */
    struct monotime due;      /* next sending, or the end of the check under way */
    struct monotime answered; /* last good answer: consent */
    struct monotime heard_at; /* anything good from there, data too */
    struct monotime sent_at;  /* anything to there */
    struct monotime nominated_at;
    struct monotime valid_since;
    struct ice_attempt attempts[ICE_ATTEMPTS_MAX]; /* newest at attempt_next - 1 */
    uint8_t attempt_next;
};

/* A good check that came before the peer's credentials were known (RFC 8445 §7.3). */
struct ice_early {
    uint8_t base;
    struct stun_address source;
    uint32_t priority;
    bool nominates;
    uint16_t ufrag_size;
    char ufrag[ICE_UFRAG_SIZE];
};

/* What a session before a restart had proved. */
struct ice_old_way {
    uint8_t base;
    struct stun_address address;
};

struct ice_credentials {
    char ufrag[ICE_UFRAG_SIZE];
    char password[ICE_PASSWORD_SIZE];
};

/* A candidate without its texts: what events keep. */
struct ice_endpoint {
    enum ice_candidate_type type;
    struct stun_address address, related;
    uint32_t priority;
    char foundation[ICE_FOUNDATION_SIZE];
};

struct ice_event_entry {
    enum ice_event_type type;
    struct ice_endpoint local, remote; /* ICE_LOCAL_CANDIDATE: `local` */
    int64_t rtt_us;
    uint32_t request, number;
    uint8_t server_transport, transport, hops;
    bool nominated;
    struct stun_address address;
    char failure_text[160];
};

enum ice_state {
    ICE_STATE_NEW = 0, /* the peer's credentials are not known */
    ICE_STATE_CHECKING,
    ICE_STATE_CONNECTED,
    ICE_STATE_DISCONNECTED,
    ICE_STATE_FAILED,
    ICE_STATE_CLOSED,
};

struct ice_gather; /* gather's state: servers, legs, requests */

struct ice_agent {
    struct ice_setup setup; /* defaults filled in */
    struct ice_gather *gather;
    enum ice_state state;
    enum ice_role role;
    uint64_t tie_breaker;
    struct ice_credentials local, remote;
    /* Of the session before a restart, while its pair is in use. */
    struct ice_credentials old_local;
    bool has_remote, remote_lite, has_old, remote_ended, gathering_ended;
    struct ice_pair old_pair; /* base and address of the old session's pair */
    struct ice_remote old_peer;
    struct ice_old_way old_ways[ICE_OLD_WAYS_MAX];
    size_t old_way_count;

    struct ice_base bases[ICE_BASES_MAX];
    struct ice_local locals[ICE_LOCALS_MAX];
    struct ice_remote remotes[ICE_REMOTES_MAX];
    struct ice_pair pairs[ICE_PAIRS_MAX];
    struct ice_early early[ICE_EARLY_MAX];
    size_t early_count;
    uint16_t next_foundation;
    uint32_t next_trigger;
    int selected; /* index of the pair in use, or ICE_NONE */
    int carrier;  /* of the one by which data came in last */

    struct monotime informed;     /* last ice_remote_informed, or NEVER */
    struct monotime expected;     /* ice_remote_expected, or NEVER */
    struct monotime remote_known; /* when the peer's credentials came, or NEVER */
    struct monotime described;    /* when it was first told of a candidate, or NEVER */
    struct monotime patience_end; /* RFC 8863 */
    struct monotime first_valid, first_nominated; /* or NEVER */
    struct monotime consent_due;
    struct monotime suspect_due, suspect_since; /* of the selected pair's silence */
    struct monotime old_end;                    /* of the peer's consent to the old pair */
    struct monotime old_heard_end;              /* how long what comes by old ways is taken */
    struct monotime old_hold_end; /* it works: how long only a nominated pair takes its place */
    struct monotime lost_end;     /* the pair in use is gone: how long another one is looked for */
    bool used_nominated;          /* the pair in use was announced as nominated */
    bool both_lite;
    struct monotime heard;     /* anything from the peer */
    struct monotime tokens_at; /* pacing: when the bucket was filled last */
    uint32_t tokens;
    uint8_t knocks;      /* of all pairs */
    struct monotime due; /* of all but gather */

    struct ice_event_entry events[ICE_EVENTS_MAX];
    size_t event_first, event_count;
    struct ice_event_entry dropped_event;
    struct ice_counters counters;
};

/* ---- agent.c --------------------------------------------------------------------------------- */

/*
 * What arrived at a base from `source`: a check, an answer, or data of the peer. The socket's way
 * calls it, and gather for what a relay unwraps. `packet` and `data` as in ice_input.
 */
enum ice_input ice_arrived(struct ice_agent *agent, struct monotime now, int base,
                           const struct stun_address *source, struct packet *packet,
                           struct packet *data, struct outbox *outbox);
/* Room for a message of ours, with what a relay needs around it; and the packet that it makes. */
uint8_t *ice_reserve(struct outbox *outbox, uint32_t capacity);
struct packet ice_packet(uint8_t *bytes, int size);
/* Sends by a base: 0, or a negative errno of the relay. `hops` 0: no limit; relays ignore it. */
int ice_base_send(struct ice_agent *agent, struct monotime now, int base,
                  const struct stun_address *remote, struct packet *packet, uint8_t hops,
                  struct outbox *outbox);
/* What the shell waits for next may have changed: after every call that changed something. */
void ice_run(struct ice_agent *agent, struct monotime now, struct outbox *outbox);

/* ---- event.c --------------------------------------------------------------------------------- */

/* A zeroed entry at the end of the queue; never NULL. A dropped trace's entry is written for
 * nobody. */
struct ice_event_entry *ice_event_add(struct ice_agent *agent, enum ice_event_type type);
struct ice_event_entry *ice_event_add_pair(struct ice_agent *agent, enum ice_event_type type,
                                           const struct ice_pair *pair);

void ice_event_describe_pair(const struct ice_event_entry *entry, struct ice_pair_report *out);

/* ---- candidate_table.c ----------------------------------------------------------------------- */

/*
 * A new way to send. `relay` NULL: a socket. `preference` is the caller's order of interfaces
 * (0..65535, higher is better); among equals, IPv6 and IPv4 take turns (RFC 8421). Returns its
 * index or -ENOSPC.
 */
int ice_base_add(struct ice_agent *agent, uint32_t via, const struct stun_address *address,
                 uint16_t preference, struct ice_relay *relay, uint8_t server_transport);
/* The socket base of that via, or ICE_NONE. */
int ice_base_of_via(const struct ice_agent *agent, uint32_t via);
/* The way is gone: its candidates and pairs with it. */
void ice_base_lost(struct ice_agent *agent, struct monotime now, int base, struct outbox *outbox);

struct ice_local_source {
    enum ice_candidate_type type; /* ICE_HOST, ICE_SERVER_REFLEXIVE, ICE_RELAYED */
    struct stun_address address;
    struct stun_address related; /* RFC 8839 §5.1: of a reflexive one its base, of a relayed one
                                    what the server saw; family NONE: none */
    struct stun_address server;  /* who found it, family NONE for host */
    uint8_t server_transport;    /* enum outbox_transport */
};
/*
 * A local candidate was found. It becomes an event unless it is redundant (RFC 8445 §5.1.3) or the
 * policy hides it, and is paired with all remote ones. Returns its index, or ICE_NONE when it was
 * redundant or there are too many.
 */
int ice_local_add(struct ice_agent *agent, struct monotime now, int base,
                  const struct ice_local_source *source, struct outbox *outbox);
/* Index of the local candidate with that base and address, or ICE_NONE. */
int ice_local_find(const struct ice_agent *agent, int base, const struct stun_address *address);
/* A peer-reflexive one, learnt from an answer: no event. */
int ice_local_learn(struct ice_agent *agent, int base, const struct stun_address *address);
/* The local candidate that the base itself is: host or relayed; ICE_NONE while it has none. */
int ice_local_of_base(const struct ice_agent *agent, int base);
/* Tells the peer of all local candidates again, after a restart. */
void ice_local_tell_all(struct ice_agent *agent, struct monotime now);
int ice_remote_find(const struct ice_agent *agent, const struct stun_address *address);
/* A peer-reflexive one, from a check: its index or -ENOSPC. One that came to nothing makes room. */
int ice_remote_learn(struct ice_agent *agent, struct monotime now,
                     const struct stun_address *address, uint32_t priority);
/* With its pairs. */
void ice_remote_drop(struct ice_agent *agent, struct monotime now, int remote);
uint32_t ice_priority(enum ice_candidate_type type, uint16_t local_preference);
/* What stands for a pair's own side: the candidate `mapped` that its checks found, else the base.
 */
void ice_local_describe(const struct ice_agent *agent, int base, int mapped,
                        struct ice_endpoint *out);
/* Whether the policy lets pairs have this base. */
bool ice_base_is_paired(const struct ice_agent *agent, int base);
/* Whether a remote candidate came with the peer's present ufrag, or with none. */
bool ice_remote_is_current(const struct ice_agent *agent, const struct ice_remote *remote);
bool ice_address_is_public(const struct stun_address *address);
bool ice_address_is_link_local(const struct stun_address *address);
/* One host and a port: something to send to. */
bool ice_address_is_host(const struct stun_address *address);

/* ---- gather.c, relay.c ----------------------------------------------------------------------- */

/* NULL: out of memory. */
struct ice_gather *ice_gather_new(void);
void ice_gather_free(struct ice_gather *gather); /* NULL is allowed */
/* Refresh 0 to whoever holds something for us. ICE_CLOSED may follow at once. */
void ice_gather_close(struct ice_agent *agent, struct monotime now, struct outbox *outbox);
/*
 * First look at a packet: answers of STUN servers, frames of TURN servers. Sets `*taken` when it
 * was for gather. A peer's packet in a relay's frame is unwrapped and given to ice_arrived, whose
 * result is returned then.
 */
enum ice_input ice_gather_input(struct ice_agent *agent, struct monotime now,
                                const struct flow *flow, struct packet *packet, struct packet *data,
                                struct outbox *outbox, bool *taken);
void ice_gather_tick(struct ice_agent *agent, struct monotime now, struct outbox *outbox);
struct monotime ice_gather_due(const struct ice_agent *agent);

/*
 * A pair of this relay with `remote` exists: gets a permission, and keeps it. The answer comes by
 * ice_relay_permitted; ice_relay_is_ready tells it too.
 */
void ice_relay_prepare(struct ice_agent *agent, struct monotime now, int base,
                       const struct stun_address *remote, struct outbox *outbox);
bool ice_relay_is_ready(const struct ice_agent *agent, int base, const struct stun_address *remote);
/* The pair is in use: a channel is worth its while. */
void ice_relay_prefer(struct ice_agent *agent, struct monotime now, int base,
                      const struct stun_address *remote, struct outbox *outbox);
/* No pair with `remote` is left on that relay. */
void ice_relay_forget(struct ice_agent *agent, struct monotime now, int base,
                      const struct stun_address *remote);
/* 0 or a negative errno, as turn_client_send. */
int ice_relay_send(struct ice_agent *agent, struct monotime now, int base,
                   const struct stun_address *remote, struct packet *packet, struct outbox *outbox);

/* ---- pair.c ---------------------------------------------------------------------------------- */

/* Index of the pair, or ICE_NONE. */
int ice_pair_find(const struct ice_agent *agent, int base, int remote);
/* Makes it when it may be (RFC 8445 §6.1.2.2), replacing the worst when there are too many. Returns
 * its index, or ICE_NONE. */
int ice_pair_add(struct ice_agent *agent, struct monotime now, int base, int remote,
                 struct outbox *outbox);
void ice_pair_drop(struct ice_agent *agent, struct monotime now, int pair);
/* RFC 8445 §6.1.2.3, for all: after a change of role or of a candidate. */
void ice_pair_prioritize(struct ice_agent *agent);
void ice_pair_describe(const struct ice_agent *agent, const struct ice_pair *pair,
                       struct ice_endpoint *local, struct ice_endpoint *remote);
/* Whether a better one than this is still being checked or waits for it. */
bool ice_pair_has_rival(const struct ice_agent *agent, const struct ice_pair *pair);

/* ---- checklist.c ----------------------------------------------------------------------------- */

/* All pairs of a new local base or of a new remote candidate. */
void ice_checklist_pair_base(struct ice_agent *agent, struct monotime now, int base,
                             struct outbox *outbox);
void ice_checklist_pair_remote(struct ice_agent *agent, struct monotime now, int remote,
                               struct outbox *outbox);
/* Puts it before the ordinary ones (RFC 8445 §6.1.4.1, §7.3.1.4). */
void ice_checklist_trigger(struct ice_agent *agent, struct monotime now, struct ice_pair *pair);
/* RFC 8445 §7.2.5.3.3: pairs of the same foundation as one that succeeded may go. */
void ice_checklist_thaw(struct ice_agent *agent, const struct ice_pair *pair);
void ice_checklist_tick(struct ice_agent *agent, struct monotime now, struct outbox *outbox);
struct monotime ice_checklist_due(struct ice_agent *agent, struct monotime now);
/* Gather: the permission for `remote` is there, or was refused (`refusal` says why, else NULL). */
void ice_relay_permitted(struct ice_agent *agent, struct monotime now, int base,
                         const struct stun_address *remote, const char *refusal,
                         struct outbox *outbox);

/* No more checks of it, unless the peer sends one. */
void ice_checklist_fail(struct ice_agent *agent, struct ice_pair *pair);
enum ice_pair_state ice_checklist_first_state(const struct ice_agent *agent,
                                              const struct ice_pair *pair);
/* Whether nothing is valid or under way. */
bool ice_checklist_has_failed(const struct ice_agent *agent);
/* Openers that are no longer called for become full checks at once. */
void ice_checklist_review_openers(struct ice_agent *agent, struct monotime now);
/* Checks without an answer go out once more, for a peer that is about to send: ice_remote_expected.
 */
void ice_checklist_repeat(struct ice_agent *agent, struct monotime now);

/* ---- check.c, check_in.c --------------------------------------------------------------------- */

/* A new transaction, or the same once more. False when the base could not send. */
bool ice_check_send(struct ice_agent *agent, struct monotime now, struct ice_pair *pair, bool again,
                    uint8_t hops, struct outbox *outbox);
void ice_check_request(struct ice_agent *agent, struct monotime now, int base,
                       const struct stun_address *source, const struct stun_view *request,
                       struct outbox *outbox);
void ice_check_response(struct ice_agent *agent, struct monotime now, int base,
                        const struct stun_address *source, const struct stun_view *response,
                        struct outbox *outbox);
/* Triggers for what came before the peer's credentials. */
void ice_check_early(struct ice_agent *agent, struct monotime now, struct outbox *outbox);
void ice_early_forget_base(struct ice_agent *agent, int base);
bool ice_early_knows(const struct ice_agent *agent, int base, const struct stun_address *source);
void ice_role_switch(struct ice_agent *agent, enum ice_role role);

/* ---- opener.c -------------------------------------------------------------------------------- */

/* The hop limit for the next sending on the pair: 0 for none. */
uint8_t ice_opener_hops(const struct ice_agent *agent, struct monotime now,
                        const struct ice_pair *pair);
/* When an opener that is sent now is followed by another packet. */
struct monotime ice_opener_due(const struct ice_agent *agent, struct monotime now,
                               const struct ice_pair *pair);
/* When the peer surely sends to the sockets of `base`, as far as we were told; or NEVER. */
struct monotime ice_opener_end(const struct ice_agent *agent, const struct ice_base *base);
/* Whether the peer, as far as we know, has not begun to send by this pair. */
/* Until when the pair of a relay waits for the peer, whose NAT it would spoil; long ago: not at
 * all. */
struct monotime ice_opener_hold_end(const struct ice_agent *agent, const struct ice_pair *pair);
bool ice_opener_is_unexpected(const struct ice_agent *agent, struct monotime now,
                              const struct ice_pair *pair);

/* ---- knock.c --------------------------------------------------------------------------------- */

/* Whether the full check that was sent just now is to be said again soon: `due` of the pair is set
 * then. */
bool ice_knock_follows(struct ice_agent *agent, struct monotime now, struct ice_pair *pair);
/* Whether what is due on the pair is a knock that is a transaction of its own. */
bool ice_knock_is_new(const struct ice_agent *agent, const struct ice_pair *pair);

/* ---- nomination.c ---------------------------------------------------------------------------- */

/* Facts: a check of ours was answered (`nominated`: it had said USE-CANDIDATE); the peer said
 * USE-CANDIDATE. */
void ice_nomination_answered(struct ice_agent *agent, struct monotime now, struct ice_pair *pair,
                             bool nominated, struct outbox *outbox);
void ice_nomination_asked(struct ice_agent *agent, struct monotime now, struct ice_pair *pair,
                          struct outbox *outbox);
/* Chooses the pair in use, and what is to be nominated. */
void ice_nomination_review(struct ice_agent *agent, struct monotime now, struct outbox *outbox);
struct monotime ice_nomination_due(struct ice_agent *agent, struct monotime now);

/* ---- consent.c ------------------------------------------------------------------------------- */

/* Another pair is in use from now on. */
void ice_consent_begin(struct ice_agent *agent, struct monotime now);
/* Something says that the pair in use may be dead. */
void ice_consent_suspect(struct ice_agent *agent, struct monotime now);
/* Data are about to be sent by the pair in use. */
void ice_consent_sending(struct ice_agent *agent, struct monotime now, struct ice_pair *pair);
void ice_consent_heard(struct ice_agent *agent, struct monotime now, struct ice_pair *pair);
/* When the peer's consent to be sent to by the pair ends; NEVER: it has not been given. */
struct monotime ice_consent_expiry(const struct ice_agent *agent, const struct ice_pair *pair);
void ice_consent_tick(struct ice_agent *agent, struct monotime now, struct outbox *outbox);
struct monotime ice_consent_due(const struct ice_agent *agent);

/* ---- old_session.c ---------------------------------------------------------------------------
 */

/* A restart: what is in use goes on without its tables. Before they are emptied. */
void ice_old_keep(struct ice_agent *agent, struct monotime now);
/* Whether it had proved this way; and whether checks with its credentials are answered. */
bool ice_old_knows(const struct ice_agent *agent, struct monotime now, int base,
                   const struct stun_address *address);
bool ice_old_answers(const struct ice_agent *agent, struct monotime now);
/* Whether its pair works and is not left but for one that is nominated. */
bool ice_old_holds(const struct ice_agent *agent);
void ice_old_forget_base(struct ice_agent *agent, int base);
void ice_old_tick(struct ice_agent *agent, struct monotime now);
struct monotime ice_old_due(const struct ice_agent *agent);

/* ---- lite.c ---------------------------------------------------------------------------------- */

/* Both are lite: nobody checks, the best pair is in use (RFC 8445 §8.2). */
void ice_lite_review(struct ice_agent *agent, struct monotime now, struct outbox *outbox);

#endif
