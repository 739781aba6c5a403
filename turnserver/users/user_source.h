/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where users are kept that the configuration does not name: a thread of its own with a loop, and
 * behind it SQLite or Redis. Workers put questions into its mailbox and are called back from its
 * thread, so that no worker ever waits for a disk or for a server.
 *
 *   user_source     the thread                                     (user_source.c)
 *   user_backend    the table that SQLite and Redis fill           (user_backend.h)
 *   user_database   the SQLite file, also for `turnserver user`    (user_database_*.c)
 */
#ifndef USERS_USER_SOURCE_H
#define USERS_USER_SOURCE_H

#include "base/log.h"
#include "turnserver/auth/auth.h"

#include <stdio.h>

enum user_source_kind {
    USER_SOURCE_NONE,
    USER_SOURCE_SQLITE,
    USER_SOURCE_REDIS,
};

struct user_source_settings {
    enum user_source_kind kind;
    unsigned lifetime_s; /* for how long an answer holds */
    char *path;          /* SQLite: the file */
    struct stun_address redis_address;
    char *redis_user, *redis_password; /* NULL: none */
    uint32_t redis_database;
    bool several_realms; /* so that it matters where clients come from */
};

/* Whether this build can do it; tells on `diagnostics` when not. */
bool user_source_is_available(const struct user_source_settings *settings, FILE *diagnostics);
/* What authentication may ask of it. */
struct auth_source_traits user_source_traits(const struct user_source_settings *settings);

struct user_source;

/*
 * Opens what must be opened with the privileges of the start; `settings` and `log` are borrowed.
 * Returns NULL after having told on `diagnostics` what is wrong. The kind is not USER_SOURCE_NONE.
 */
struct user_source *user_source_new(const struct user_source_settings *settings, struct log *log,
                                    FILE *diagnostics);
/* Starts the thread. Returns 0 or -errno. */
int user_source_start(struct user_source *source);
/* Ends the thread: nobody is called back any more, questions may still be put. NULL is allowed. */
void user_source_stop(struct user_source *source);
/* When nobody asks any more. NULL is allowed. */
void user_source_free(struct user_source *source);

/* What workers are given; it borrows `source`. */
struct auth_source user_source_interface(struct user_source *source);

#endif
