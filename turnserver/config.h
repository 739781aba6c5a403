/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration: parsed whole, validated whole, then immutable. `boot` needs a restart to
 * change; `policy` is swapped on reload and reference counted, since workers let go of the old one
 * in their own time. Keys are a table in config_keys.c; man/turnserver.conf.5 names every one.
 */
#ifndef TURNSERVER_CONFIG_H
#define TURNSERVER_CONFIG_H

#include "base/address_set.h"
#include "turnserver/auth/auth.h"
#include "turnserver/rendezvous/rendezvous.h"
#include "turnserver/turn/turn.h"
#include "turnserver/users/user_source.h"

#include <stdatomic.h>
#include <stdio.h>

#define CONFIG_LISTENERS_MAX 64
#define CONFIG_RELAY_ADDRESSES_MAX 16
#define CONFIG_ALTERNATES_MAX 16
#define CONFIG_SERVER_NAMES_MAX 32
#define CONFIG_CERTIFICATES_MAX 64 /* beside the first */
#define CONFIG_RENDEZVOUS_LISTENERS_MAX 16
#define CONFIG_RENDEZVOUS_KEYS_MAX 1024

struct config_listener {
    struct stun_address address; /* IP (may be unspecified) and port */
    bool udp, tcp, tls, dtls;
    /* Connections only. */
    struct address_set proxies;   /* who begins with a PROXY header */
    struct stun_address upstream; /* where TLS goes that is not ours; family NONE: nowhere */
    bool upstream_proxy_header;
    char *server_names[CONFIG_SERVER_NAMES_MAX]; /* ours, or patterns of ours, in small letters */
    size_t server_name_count;
};

enum config_datapath {
    CONFIG_DATAPATH_AUTO,
    CONFIG_DATAPATH_SOCKET,
};

struct config_certificate; /* config_certificate.h */

struct config_boot {
    struct config_listener listeners[CONFIG_LISTENERS_MAX];
    size_t listener_count;
    struct stun_address alternates[2]; /* RFC 5780, IP only: of different families */
    size_t alternate_count;            /* 0: no NAT behavior discovery */
    uint16_t alternate_port;
    struct stun_address relay_addresses[CONFIG_RELAY_ADDRESSES_MAX]; /* IP only */
    size_t relay_address_count;
    uint16_t relay_port_min, relay_port_max;
    bool relay_shared_ports;
    bool relay_ip_fields; /* TTL, DSCP and ECN go on with what is relayed */
    unsigned workers;     /* 1..256; the file's default is one a core */
    enum config_datapath datapath;
    uint32_t tcp_connections_max; /* of all workers together; this and the next do reload */
    uint32_t tcp_connections_per_source;
    uint32_t tcp_idle_timeout_s; /* a connection without allocation */
    char *user, *group;          /* what root becomes after binding; NULL: stay */
    char *pid_file;
    struct user_source_settings users_database; /* owns its strings */
    struct config_listener rendezvous_listeners[CONFIG_RENDEZVOUS_LISTENERS_MAX]; /* tcp, tls */
    size_t rendezvous_listener_count;    /* 0: there is no rendezvous service */
    uint32_t rendezvous_connections_max; /* this and the next do reload */
    uint32_t rendezvous_connections_per_source;
};

/* What the rendezvous service is told. */
struct config_rendezvous {
    struct rendezvous_policy policy; /* points to the rest */
    char *turn_token;                /* bearer of GET /turn; NULL: off */
    char *host, *server;
    char **origins;
    struct rendezvous_url *urls; /* with hosts of their own in `url_hosts` */
    char (*url_hosts)[48];
    struct rendezvous_key *keys;    /* own their accounts */
    struct ssl_ctx_st *tls_context; /* as the policy's, for WebSocket; NULL without a certificate */
};

struct config_policy {
    struct auth_policy *auth;
    struct config_rendezvous *rendezvous; /* NULL: there is no such service */
    struct peer_rules *peers;
    struct turn_alternate alternates[CONFIG_ALTERNATES_MAX]; /* turn.alternates points to them */
    struct turn_policy turn;                                 /* turn.peers points to `peers` */
    struct turn_holding user_quota, total_quota;             /* of each account, of all together */
    struct turn_realm_limit *realm_limits; /* of realms beside the first; names are `auth`'s */
    size_t realm_count;
    /* Read and checked; the first is for clients that name no host of another. */
    struct config_certificate *certificates[CONFIG_CERTIFICATES_MAX + 1];
    size_t certificate_count;
    struct ssl_ctx_st *tls_context;  /* made with them; NULL without */
    struct ssl_ctx_st *dtls_context; /* the same for DTLS */
    char *software;                  /* turn.software points to it */
    char *log_file;                  /* absolute, or NULL: standard error */
    int log_level;                   /* enum log_level */
    bool log_json;
    atomic_uint references; /* config_policy_acquire and _release */
};

struct config {
    struct config_boot boot;
    struct config_policy *policy; /* one reference */
};

/*
 * Opens a file for reading: returns a descriptor, which the caller closes, or -errno. After a drop
 * of privileges the monitor (priv/monitor.h) stands behind it.
 */
struct config_files {
    int (*open)(void *context, const char *path);
    void *context;
};

struct config_input {
    const char *path;                 /* as messages name it; relative paths start at its folder */
    const char *text;                 /* instead of the content of `path`, or NULL */
    const struct config_files *files; /* NULL: open(2) */
    /* A reload: the peer rules are made for what runs, whatever the file now says. NULL: start. */
    const struct config_boot *running;
};

/*
 * Reads a configuration. Every problem is one line on `diagnostics`: "FILE:LINE: KEY: expected ...,
 * got ..."; warnings have "warning:" before the text. Returns the configuration, owned by the
 * caller (config_free), or NULL when there was any problem but warnings.
 */
struct config *config_load_input(const struct config_input *input, FILE *diagnostics);
/* The same for a file that is opened directly. */
struct config *config_load(const char *path, FILE *diagnostics);
void config_free(struct config *config); /* NULL is allowed */

/* The listener that belongs to the alternate address of a family (RFC 5780): the first with UDP.
 * NULL when there is none. */
const struct config_listener *config_boot_primary(const struct config_boot *boot, uint8_t family);

/* Calls `changed` with the name of each key that differs and that only a restart brings in. */
void config_boot_compare(const struct config_boot *a, const struct config_boot *b,
                         void (*changed)(void *context, const char *key), void *context);

/* Safe from any thread. acquire returns `policy`. */
struct config_policy *config_policy_acquire(struct config_policy *policy);
void config_policy_release(struct config_policy *policy); /* NULL is allowed */

#endif
