/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line. Options are a table (option_table.c), each with the verbs that take it; verbs
 * are a table too (verbs.c). stuntman's options and its "HOST PORT" work as well.
 */
#ifndef STUNCLIENT_OPTIONS_H
#define STUNCLIENT_OPTIONS_H

#include "base/outbox.h"
#include "proto/stun_uri.h"
#include "stunclient/failure.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum client_protocol {
    PROTOCOL_UNSET = 0,
    PROTOCOL_UDP,
    PROTOCOL_TCP,
    PROTOCOL_TLS,
    PROTOCOL_DTLS,
};

/* stuntman's --mode. */
enum client_mode {
    MODE_UNSET = 0,
    MODE_BASIC,     /* the verb query */
    MODE_BEHAVIOR,  /* nat: mapping only */
    MODE_FILTERING, /* nat: filtering only */
    MODE_FULL,      /* nat: both */
};

enum client_color {
    COLOR_AUTO = 0,
    COLOR_ALWAYS,
    COLOR_NEVER,
};

#define CALL_INTERFACES_MAX 16
#define CALL_FORWARDS_MAX 16
#define CALL_CALLERS_MAX 16

/* -L: who connects to `port` here is connected to `target` by the peer. */
struct forward_option {
    uint16_t port;
    const char *target; /* HOST:PORT, as given */
};

/* What only listen and call take. */
struct call_options {
    const char *server; /* URI of the rendezvous service; NULL: environment or file say it */
    const char *report_file;
    const char *key_file; /* of this host's identity; NULL: the usual place */
    bool trace, relay_only, no_relay, lite, keep;
    bool any_key;               /* callers with a key that is not noted for them are taken */
    bool list_keys;             /* of the verb key: one of these three, or none */
    const char *trust, *forget; /* NAME=KEY; NAME */
    const char *interfaces[CALL_INTERFACES_MAX]; /* none: all */
    unsigned interface_count;
    struct forward_option forwards[CALL_FORWARDS_MAX];
    unsigned forward_count;
    const char
        *connect; /* HOST:PORT that the peer connects standard input and output to; or NULL */
    const char *allowed[CALL_FORWARDS_MAX]; /* targets that a caller may be connected to */
    unsigned allowed_count;
    const char *callers[CALL_CALLERS_MAX]; /* who may call; none: whoever the service lets */
    unsigned caller_count;
};

struct options {
    const struct verb *verb;
    const char *target;  /* as given; NULL: none */
    struct stun_uri uri; /* the parsed target; also of HOST[:PORT] */
    const char *topic;   /* of the verb help */
    bool help;           /* --help: tell about `verb` instead of running it */
    bool version;
    bool is_uri;
    bool protocol_open; /* neither --protocol nor a URI's transport says it: DNS may */
    bool json;
    bool insecure; /* any certificate will do */
    bool hairpin;
    bool tcp_relay;
    bool mobility;
    bool dual_stack;

    uint8_t family; /* enum stun_family; NONE: both */
    uint8_t relay_family;
    struct stun_address local;   /* family NONE: any; port 0: a free one */
    const char *local_interface; /* what --localaddr named instead of an address, or NULL */
    enum client_protocol protocol;
    enum client_mode mode;
    enum client_color color;
    int verbosity;
    const char *ca_file;     /* authorities to trust; NULL: the system's */
    const char *server_name; /* to expect in the certificate; NULL: the target's */
    const char *dns;         /* HOST[:PORT] of the DNS server to ask; NULL: the system's */
    uint32_t timeout_ms;
    uint32_t rto_ms;
    uint32_t lifetime_max_s; /* 0: not asked for */
    uint32_t count, size, interval_ms;

    const char *user, *password_file, *secret_file, *access_token_file;
    char *password, *secret; /* copies */

    struct call_options call;
};

/* What the table of options says about one. */
struct option_entry {
    const char *name;     /* without "--" */
    const char *argument; /* the placeholder of its value; NULL: it has none */
    const char *help;     /* one line */
    /* Returns NULL, or what was expected. `value` lives as long as the command line. */
    const char *(*set)(struct options *options, char *value);
    unsigned verbs; /* bits of the verbs that take it: enum verb_bit */
    char letter;    /* 0: none */
};

extern const struct option_entry option_entries[];
extern const unsigned option_count;

/*
 * Reads the command line. Secrets on it are blotted out in place, so that ps does not show them for
 * longer than needed. Returns true, or false with the failure filled.
 */
bool options_parse(struct options *options, int argc, char **argv, struct failure *failure);

/* "UDP", "TCP" or "TLS". */
const char *options_protocol_text(const struct options *options);
/* The same as --protocol writes it. */
const char *options_protocol_name(const struct options *options);

/* What a flow to the server is: TRANSPORT_TCP stands for TLS as well. */
enum outbox_transport options_transport(const struct options *options);

/* Overwrites and frees the copies of secrets. */
void options_free(struct options *options);

/* Whether --json stands on the command line, be it right or wrong otherwise. */
bool options_want_json(int argc, char **argv);

#endif
