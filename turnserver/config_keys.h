/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every key of the configuration, as a table: type, range, default, whether a reload is enough, and
 * where its value goes in a draft. config_keys_read checks each setting against its row and stores
 * it; what concerns several keys at once is config_check.c's.
 */
#ifndef TURNSERVER_CONFIG_KEYS_H
#define TURNSERVER_CONFIG_KEYS_H

#include "turnserver/config.h"
#include "turnserver/config_report.h"
#include "turnserver/config_syntax.h"
#include "turnserver/config_text.h"

#include <libconfig.h>

/* ---- the draft: what the file says, by itself --------------------------------------------------
 * Strings and settings are borrowed from libconfig's tree. Numbers are all uint32_t, durations in
 * seconds, so that the table can store them by offset. */

#define CONFIG_KEYS_MAX 160

enum config_transport {
    CONFIG_TRANSPORT_UDP = 1,
    CONFIG_TRANSPORT_TCP = 2,
    CONFIG_TRANSPORT_TLS = 4,
    CONFIG_TRANSPORT_DTLS = 8,
};

struct draft_listener {
    unsigned line;
    struct stun_address address;
    uint32_t port;
    uint32_t transports; /* of enum config_transport */
    config_setting_t *proxies, *server_names;
    const char *upstream, *realm;
    bool upstream_proxy_header;
};

struct draft_user {
    unsigned line;
    size_t realm; /* 0: the first; else realms[realm - 1] */
    const char *name, *password, *key;
};

#define CONFIG_REALMS_MAX AUTH_REALMS_MAX

struct draft_realm {
    unsigned line;
    const char *name;
    config_setting_t *origins, *server_names, *secrets;
    uint32_t allocations, ports;
    uint64_t bandwidth; /* bytes a second; 0: no limit */
};

struct draft_certificate {
    unsigned line;
    const char *certificate, *key;
};

#define CONFIG_TOKEN_KEYS_MAX 64
#define CONFIG_TOKEN_KEY_TEXT_MAX TOKEN_KEY_TEXT_MAX

struct draft_token_key {
    unsigned line;
    const char *kid, *key, *not_before, *not_after;
    uint32_t algorithm; /* enum token_algorithm */
};

struct draft_alternate {
    unsigned line;
    struct stun_address address;
    uint32_t port;
    const char *domain;
};

struct draft_rendezvous_listener {
    unsigned line;
    struct stun_address address;
    uint32_t port;
    bool tls, plain;
    config_setting_t *proxies;
};

struct draft_rendezvous_key {
    unsigned line;
    const char *account, *public_key;
};

/* The section `rendezvous`. */
struct draft_rendezvous {
    struct draft_rendezvous_listener listeners[CONFIG_RENDEZVOUS_LISTENERS_MAX];
    size_t listener_count;
    struct draft_rendezvous_key keys[CONFIG_RENDEZVOUS_KEYS_MAX];
    size_t key_count;
    const char *host, *turn_token;
    config_setting_t *origins;
    uint32_t callers; /* enum rendezvous_callers */
    uint32_t credential_lifetime, hello_timeout, ping_interval, resume_time, ring_timeout;
    uint32_t sessions, sessions_per_account, calls_per_session, queue_bytes;
    uint32_t hellos_per_source, messages_per_account, calls_per_account;
    uint32_t connections, connections_per_source;
    bool unknown_keys, tokens_in_clear;
};

struct config_draft {
    struct config_report *report;
    const struct config_text *text;
    unsigned lines[CONFIG_KEYS_MAX]; /* by row: where the key stands; 0: it does not */

    struct draft_listener listeners[CONFIG_LISTENERS_MAX];
    size_t listener_count;
    struct draft_user *users;
    size_t user_count, user_capacity;

    const char *realm, *software;
    struct draft_realm realms[CONFIG_REALMS_MAX];
    size_t realm_count;
    const char *users_sqlite;
    struct stun_address redis_address;
    uint32_t redis_port, redis_database;
    const char *redis_user, *redis_password;
    uint32_t users_lifetime;
    struct draft_rendezvous rendezvous;
    const char *oauth_server_name;
    struct draft_token_key token_keys[CONFIG_TOKEN_KEYS_MAX];
    size_t token_key_count;
    const char *certificate, *certificate_key, *tls_ciphers;
    struct draft_certificate certificates[CONFIG_CERTIFICATES_MAX];
    size_t certificate_count;
    uint32_t tls_min_version;
    config_setting_t *secrets, *allow, *deny, *relay_addresses;
    uint32_t relay_port_min, relay_port_max, relay_default_family;
    uint32_t channel_numbers;
    struct draft_alternate alternates[CONFIG_ALTERNATES_MAX];
    size_t alternate_count;
    uint32_t alternate_when;
    struct stun_address alternate_address;
    config_setting_t *alternate_addresses;
    uint32_t alternate_port;
    uint32_t user_allocations, total_allocations, user_ports, total_ports;
    uint64_t user_bandwidth, total_bandwidth; /* bytes a second; 0: no limit */
    uint32_t unauthenticated_per_source, allocations_per_worker;
    uint32_t permissions_per_allocation, channels_per_allocation, tcp_peers_per_allocation;
    uint32_t lifetime_default, lifetime_max, nonce_lifetime;
    uint32_t tcp_connections, tcp_connections_per_source, tcp_idle_timeout;
    uint32_t workers, datapath;
    const char *user, *group, *pid_file;
    const char *log_file;
    uint32_t log_level;
    bool log_json, username_anonymity, nat_behavior, relay_tcp, relay_shared_ports, relay_ip_fields,
        mobility, classic_stun;
};

/* ---- the table --------------------------------------------------------------------------------
 */

enum config_kind {
    CONFIG_GROUP,
    CONFIG_GROUPS,  /* a list of groups; their keys are PATH[].KEY */
    CONFIG_STRING,  /* range: bytes */
    CONFIG_SECRET,  /* a string that no message shows */
    CONFIG_STRINGS, /* an array or a list of strings */
    CONFIG_SECRETS,
    CONFIG_INTEGER,
    CONFIG_BOOLEAN,
    CONFIG_RATE,     /* a string with a unit; range in bits a second, stored in bytes */
    CONFIG_DURATION, /* a string with a unit; range in seconds */
    CONFIG_ADDRESS,  /* an IP address */
    CONFIG_ADDRESSES,
    CONFIG_CHOICE,  /* one of a few words */
    CONFIG_CHOICES, /* an array of them */
};

struct config_choice {
    const char *name;
    uint32_t value; /* CONFIG_CHOICES: a bit */
    bool later;     /* a word of a version to come */
};

struct config_key {
    const char *path;
    enum config_kind kind;
    bool reload; /* SIGHUP is enough */
    int64_t min, max;
    const char *default_text;            /* a value, or words in parentheses; NULL: required */
    const struct config_choice *choices; /* ends with a NULL name */
    size_t offset;                       /* in struct config_draft, or in the element's struct */
};

/* The rows; the last has a NULL path. */
extern const struct config_key config_keys[];

/* "a number from 1 to 65535": what an error expects and the manual says. Returns `text`. */
const char *config_key_expected(const struct config_key *key, char *text, size_t size);

/* Writes path, type, default and "reload" or "restart" of each row, a line each, tabs between. */
void config_keys_list(FILE *stream);

/* ---- reading ----------------------------------------------------------------------------------
 */

/*
 * Fills `draft` with defaults and then with the settings of `root`, whose hooks hold their
 * positions. Problems go to draft->report. Free with config_draft_free.
 */
void config_keys_read(struct config_draft *draft, config_setting_t *root);
void config_draft_free(struct config_draft *draft);
/* One more element, zeroed but for its line, of the list of groups at `path`, whose bound has been
 * looked at. NULL when memory is out. */
void *config_draft_new_element(struct config_draft *draft, const char *path, unsigned line);

/* Where the key of a row stands, for problems that concern several keys. */
struct config_place config_draft_place(const struct config_draft *draft, const char *path);
/* Whether the file has the key. */
bool config_draft_has(const struct config_draft *draft, const char *path);
/* The line (of the whole text) of a setting, by its position. */
unsigned config_line_of(config_setting_t *setting);

/* "10m" and its like, units s, m, h and d. Returns false for anything else. */
bool config_parse_duration(const char *text, uint32_t *seconds);

#endif
