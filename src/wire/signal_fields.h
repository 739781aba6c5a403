/* SPDX-License-Identifier: BSD-3-Clause */
/* The members of each message: one table, by which signal_parse.c reads and signal_build.c writes.
 */
#ifndef WIRE_SIGNAL_FIELDS_H
#define WIRE_SIGNAL_FIELDS_H

#include "wire/signal.h"

/* What a member is, which says also what stands in the struct. */
enum signal_kind {
    SIGNAL_KIND_TEXT,        /* const char *: UTF-8 of at most `max` bytes */
    SIGNAL_KIND_NAME,        /* the same: 1..max bytes that a terminal may be shown */
    SIGNAL_KIND_ID,          /* the same: 1..max of the letters of base64url */
    SIGNAL_KIND_U32,         /* uint32_t: 1..max; 0 is absent */
    SIGNAL_KIND_REAL,        /* double: 0..max; negative is absent */
    SIGNAL_KIND_PATH,        /* report's: const char * */
    SIGNAL_KIND_BOOL,        /* bool */
    SIGNAL_KIND_METHOD,      /* enum signal_method */
    SIGNAL_KIND_METHODS,     /* welcome's list */
    SIGNAL_KIND_ALLOW,       /* hello's list */
    SIGNAL_KIND_CODE,        /* error's: enum signal_code, and its name */
    SIGNAL_KIND_DESCRIPTION, /* struct signal_description */
    SIGNAL_KIND_CANDIDATE,   /* struct signal_candidate */
    SIGNAL_KIND_ICE_SERVERS, /* struct signal_ice_servers, but for its ttl_s */
    SIGNAL_KIND_COUNT,
};

struct signal_field {
    const char *key;
    enum signal_kind kind;
    bool required;
    uint32_t max;
    uint16_t offset; /* in struct signal_message */
};

#define SIGNAL_FIELDS_MAX 12

/* The members of a type, ended by one without key. `type` and `rid` are not among them. */
const struct signal_field *signal_fields(enum signal_type type);

#endif
