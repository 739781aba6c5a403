/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A shell for the TURN machine without sockets or clock: what a worker is to it in earnest. It
 * keeps what the machine sends, knows which relayed ports are open, and stops the program (assert)
 * when the machine breaks a promise: a port opened twice, something sent from a port that is
 * closed.
 */
#ifndef SIM_TURN_SHELL_H
#define SIM_TURN_SHELL_H

#include "base/address.h"
#include "turnserver/turn/turn.h"

#define SHELL_REALM "example.org"
#define SHELL_VIA_LISTENER 1 /* 1..9: listeners and connections; relayed ports come after */
#define SHELL_VIA_RELAY 10
#define SHELL_VIAS_MAX 4096
#define SHELL_USERS_MAX 16
#define SHELL_PACKET_MAX 66000

struct shell_sent {
    struct flow flow;
    uint32_t size;
    uint8_t *bytes; /* the shell's, until shell_clear */
    bool unfragmented;
    uint8_t hop_limit, traffic_class;
};

struct shell_user_count {
    char name[32];
    unsigned count, ports;
};

struct shell {
    struct turn_policy policy;
    struct auth_policy *auth_policy;
    struct peer_rules *rules;
    struct port_pool *pool;
    struct stun_crypto *crypto;
    struct auth *auth;
    struct turn_server *server;
    struct outbox *outbox;
    struct monotime now;
    uint64_t seed;
    struct turn_nat_behavior second_behavior; /* beside the one that shell_start gets */

    struct shell_sent *sent;
    size_t sent_count, sent_capacity, sent_read;

    struct stun_address relayed[SHELL_VIAS_MAX]; /* family 0: closed */
    uint32_t next_via;
    uint32_t open_count;
    int open_failures;      /* so many of the next opens fail … */
    int open_failure_errno; /* … with this number */

    uint32_t worker, worker_count;
    struct turn_bandwidth bandwidth;
    uint32_t shared_ports;

    struct turn_tcp_ports tcp; /* all NULL unless a test sets them before shell_start */
    unsigned quota;            /* allocations a user, 0: no limit */
    unsigned port_quota;       /* relayed ports a user, 0: no limit */
    struct shell_user_count users[SHELL_USERS_MAX];

    uint8_t hop_limit, traffic_class; /* of packets that arrive */
    unsigned offset; /* 0..7: packets are handed over that far behind an aligned address */
    _Alignas(8) uint8_t packet[8 + PACKET_HEADROOM + SHELL_PACKET_MAX + PACKET_TAILROOM];
};

/* When it begins, by its clock and by the calendar's. */
#define SHELL_START ((struct monotime){1000 * MONOTIME_SECOND})
#define SHELL_WALL_S 1800000000

/*
 * A policy with two users (alice and bob, password "secret"), relays at 192.0.2.1 and 2001:db8::1,
 * ports 50000..50999, everybody else's documentation addresses allowed as peers. Change what
 * shell_new has set up, then call shell_start.
 */
struct shell *shell_new(uint64_t seed);
void shell_start(struct shell *shell, const struct turn_nat_behavior *behavior);
void shell_free(struct shell *shell);

/* With every tick that is due. */
void shell_advance_us(struct shell *shell, int64_t us);
void shell_advance_ms(struct shell *shell, int64_t ms);

/* A client's flow over UDP to 192.0.2.1:3478 or [2001:db8::1]:3478, or over a connection. */
struct flow shell_flow_udp(const char *client);
struct flow shell_flow_tcp(const char *client, uint32_t via);

/* Each hands over a copy of the bytes with headroom around it, and keeps what is sent for it. */
void shell_input(struct shell *shell, const struct flow *flow, const void *bytes, size_t size);
void shell_relayed(struct shell *shell, const struct stun_address *relayed,
                   const struct stun_address *peer, const void *bytes, size_t size);

/* An ICMP error about what left `relayed` for the peer. */
void shell_icmp(struct shell *shell, const struct stun_address *relayed,
                const struct stun_address *peer, const struct stun_icmp *icmp);

/* The next packet that was sent, or NULL when there is none. */
const struct shell_sent *shell_take(struct shell *shell);
size_t shell_pending(const struct shell *shell);
void shell_clear(struct shell *shell); /* forgets what was sent */

/* ---- a client -------------------------------------------------------------------------------- */

struct shell_client {
    struct shell *shell;
    struct flow flow;
    const char *user, *password;
    struct stun_key key;
    uint8_t nonce[128];
    size_t nonce_size;
    uint8_t transaction_id[STUN_TRANSACTION_ID_SIZE]; /* of the request begun last */
    uint8_t bytes[2048];                              /* that request */
    struct stun_builder builder;
};

void client_init(struct shell_client *client, struct shell *shell, const struct flow *flow,
                 const char *user, const char *password);
/* Begins a request with a fresh transaction id; attributes may follow. */
void client_begin(struct shell_client *client, uint16_t method);
/* Closes it with the credentials and hands it over. */
void client_send(struct shell_client *client);
/* Hands the request over again, byte for byte. */
void client_repeat(struct shell_client *client);
/*
 * Closes, hands over, and reads the answer into `answer` (which lives until shell_clear); learns a
 * new nonce and tries again when challenged. Returns the error code, 0 for success, -1 for no
 * answer.
 */
int client_ask(struct shell_client *client, struct stun_view *answer);

/* Whole requests; each returns what client_ask does. */
int client_allocate(struct shell_client *client, struct stun_address *relayed);
int client_refresh(struct shell_client *client, uint32_t lifetime_s);
int client_permit(struct shell_client *client, const struct stun_address *peer);
int client_bind(struct shell_client *client, uint16_t channel, const struct stun_address *peer);
/* Data to a peer; nothing is answered. */
void client_send_indication(struct shell_client *client, const struct stun_address *peer,
                            const void *data, size_t size);
void client_send_channel(struct shell_client *client, uint16_t channel, const void *data,
                         size_t size);

#endif
