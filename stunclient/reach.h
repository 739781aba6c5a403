/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asks the addresses of a server for a Binding, a quarter of a second one after the other, and
 * takes the first that answers.
 */
#ifndef STUNCLIENT_REACH_H
#define STUNCLIENT_REACH_H

#include "net/resolver.h"
#include "stunclient/output.h"
#include "stunclient/shell.h"

enum reach_outcome {
    REACH_UNTRIED,
    REACH_WAITING,
    REACH_ANSWERED,
    REACH_SILENT,      /* no answer in time */
    REACH_REFUSED,     /* nothing listens there: ICMP port unreachable, or TCP reset */
    REACH_UNREACHABLE, /* no way there: see error */
    REACH_INSECURE,    /* TLS failed: see error */
};

#define REACH_TEXT_SIZE 128
#define REACH_ERROR_SIZE 256

struct reach_attempt {
    struct stun_address remote;
    enum reach_outcome outcome;
    char error[REACH_ERROR_SIZE]; /* REFUSED, UNREACHABLE, INSECURE: in words */
};

/* What the server that answered said. */
struct reach_result {
    size_t attempt_count;
    struct reach_attempt attempts[RESOLVER_ADDRESSES_MAX];
    struct stun_address server, local, mapped; /* mapped: family none when there is none */
    struct stun_address other;                 /* OTHER-ADDRESS, or family none */
    uint16_t code;                             /* the error code, 0: success */
    char reason[REACH_TEXT_SIZE];              /* of the error */
    char software[REACH_TEXT_SIZE];
    int64_t rtt_us;         /* -1: not known, since the request was sent several times */
    int64_t took_us;        /* from the first sending to anyone */
    unsigned requests_sent; /* to this server */
};

/* "answered", "silent" ... */
const char *reach_outcome_name(enum reach_outcome outcome);

/*
 * Returns true when a server answered, be it with an error (result->code); or false with the
 * failure filled. The result says in any case what was tried. `output` gets what is told on the
 * way.
 */
bool reach(struct shell *shell, const struct options *options, const struct output *output,
           const struct resolver_result *found, struct monotime deadline,
           struct reach_result *result, struct failure *failure);

#endif
