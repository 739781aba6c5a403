/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What came of a call: kept while it goes, told at its end in words, written by --report as one
 * JSON object (docs/stunclient-call.schema.json).
 */
#ifndef STUNCLIENT_PEER_REPORT_H
#define STUNCLIENT_PEER_REPORT_H

#include "proto/ice/ice.h"
#include "stunclient/output.h"
#include "stunclient/peer/host_key.h"

#define REPORT_NAME_SIZE 256

struct report {
    struct failure failure; /* EXIT_OK: the call went well */
    bool caller;
    bool relay_only;     /* by our own wish */
    bool peer_told_more; /* than relays: an address of its own */
    char server[512];
    char name[REPORT_NAME_SIZE], peer[REPORT_NAME_SIZE];
    char peer_key[HOST_KEY_TEXT_SIZE]; /* "": it showed none */
    const char *peer_key_is;           /* "known", "new", "unsaved", "none" */
    const char *farewell;  /* to the peer, when the call failed: of docs/rendezvous.md */
    struct monotime began; /* the call; us 0: it did not come to that */
    int64_t registered_us; /* from the start of the program */
    int64_t valid_us;      /* from here on: since `began`; -1: not reached */
    int64_t secured_us, ready_us, first_data_us;
    bool has_pair;
    struct ice_pair_report pair;  /* by which data came in last; before: in use */
    struct ice_pair_report first; /* the first that worked */
    bool was_direct;              /* data came in by a direct way before `pair` */
    bool lost;                    /* nothing came in any more, and so the call ended */
    unsigned pairs_failed;        /* direct ones */
    uint64_t bytes_sent, bytes_received;
    struct ice_counters counters;
};

void report_init(struct report *report, bool caller);
/* Data have come in by that way. */
void report_note_carrier(struct report *report, const struct ice_pair_report *pair);
/* The peer has told of a candidate: an address that was known by its checks alone may be a relay's.
 */
void report_note_candidate(struct report *report, const struct ice_candidate *candidate);
/* "direct" or "relay". */
const char *report_pair_path(const struct ice_pair_report *pair);
/* The same of the way by which data came in last, or NULL. */
const char *report_path(const struct report *report);
/* The path and why, on standard error; with --json the whole object. */
void report_print(const struct report *report, const struct output *output);
/* Writes the object. Returns 0 or -errno. */
int report_write(const struct report *report, const char *path);

#endif
