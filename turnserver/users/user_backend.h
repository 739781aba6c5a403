/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands behind a user_source: a table of functions that SQLite and Redis fill. */
#ifndef USERS_USER_BACKEND_H
#define USERS_USER_BACKEND_H

#include "turnserver/users/origin_table.h"
#include "turnserver/users/user_source.h"

struct event_base;
struct user_backend;

/* A question on its way; the backend ends each with user_request_finish, sooner or later. */
struct user_request {
    struct auth_question question;
    auth_answered *answered;
    void *receiver;
    struct auth_finding *finding; /* to be filled; AUTH_FAILED from the start */
};

/* Sends the finding, and frees the request. */
void user_request_finish(struct user_request *request);

struct user_backend_operations {
    bool (*is_available)(void);
    const char *missing; /* what a build without it says */
    struct auth_source_traits traits;
    /* With the privileges of the start; `origins` may be filled. Returns NULL after telling why on
     * `diagnostics`. */
    struct user_backend *(*create)(const struct user_source_settings *settings,
                                   struct origin_table *origins, struct log *log,
                                   FILE *diagnostics);
    /* In the source's thread, from here on. */
    void (*start)(struct user_backend *backend, struct event_base *base);
    void (*ask)(struct user_backend *backend, struct user_request *request);
    void (*stop)(struct user_backend *backend); /* finishes all requests */
    void (*destroy)(struct user_backend *backend);
};

extern const struct user_backend_operations user_backend_sqlite, user_backend_redis;

/*
 * How a backend is, for the log: one line when it begins to fail, one when it works again. `key` is
 * what the operator can change.
 */
struct user_health {
    struct log *log;
    const char *key;
    bool failing;
};

void user_health_note(struct user_health *health, bool good, const char *problem);

#endif
