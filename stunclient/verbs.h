/* SPDX-License-Identifier: BSD-3-Clause */
/* The verbs of stunclient: one cmd_*.c each. */
#ifndef STUNCLIENT_VERBS_H
#define STUNCLIENT_VERBS_H

#include "stunclient/options.h"

enum verb_bit {
    VERB_QUERY = 1u << 0,
    VERB_NAT = 1u << 1,
    VERB_TURN = 1u << 2,
    VERB_HELP = 1u << 3,
    VERB_LISTEN = 1u << 4,
    VERB_CALL = 1u << 5,
    VERB_KEY = 1u << 6,
};

struct verb {
    const char *name;
    unsigned bit;
    const char *schema;    /* docs/stunclient-SCHEMA.schema.json has its JSON */
    const char *arguments; /* what stands behind the verb in its usage line */
    const char *summary;   /* one line */
    const char *text;      /* more, for help; ends with a newline */
    enum exit_status (*run)(const struct options *options);
};

extern const struct verb verbs[];
extern const unsigned verb_count;

/* NULL when there is no such verb. */
const struct verb *verb_find(const char *name);

enum exit_status cmd_query(const struct options *options);
enum exit_status cmd_nat(const struct options *options);
enum exit_status cmd_turn(const struct options *options);
enum exit_status cmd_listen(const struct options *options);
enum exit_status cmd_call(const struct options *options);
enum exit_status cmd_key(const struct options *options);
enum exit_status cmd_help(const struct options *options);

#endif
