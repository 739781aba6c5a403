/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Users in an SQLite file: for each realm and name the keys, never the password. The server reads
 * it, `turnserver user` changes it. The file has a rollback journal, not a write-ahead log: whoever
 * reads a database with a write-ahead log must be able to write beside it, and the server has no
 * business to.
 *
 * One thread at a time. Where SQLite is absent (user_database_absent.c) nothing can be opened.
 */
#ifndef USERS_USER_DATABASE_H
#define USERS_USER_DATABASE_H

#include <postern/stun.h>

struct user_database;

struct user_record {
    char name[STUN_USERNAME_SIZE_MAX + 1];
    uint8_t userhash[STUN_SHA256_SIZE];
    bool has_md5, has_sha256;
    uint8_t md5_key[16];
    uint8_t sha256_key[STUN_SHA256_SIZE];
};

/* Whether this build has SQLite. */
bool user_database_is_available(void);

#define USER_DATABASE_PROBLEM_SIZE 256

/*
 * Opens a file; to write, it is made when it is not there. Returns 0 and sets `out`, or -errno with
 * the reason in `problem`: -ENOENT when there is no such file, -ENOSYS without SQLite, -EIO for
 * every other reason.
 */
int user_database_open(struct user_database **out, const char *path, bool write,
                       char problem[USER_DATABASE_PROBLEM_SIZE]);
void user_database_close(struct user_database *database); /* NULL is allowed */
/* What went wrong, after -EIO. */
const char *user_database_problem(const struct user_database *database);
/* Whether another file stands at the path now: this one was replaced. */
bool user_database_has_moved(struct user_database *database);

/* Each returns 0, -ENOENT when there is no such user, or -EIO. */
int user_database_find(struct user_database *database, const char *realm, const char *name,
                       struct user_record *record);
int user_database_find_userhash(struct user_database *database, const char *realm,
                                const uint8_t userhash[STUN_SHA256_SIZE],
                                struct user_record *record);
int user_database_replace(struct user_database *database, const char *realm,
                          const struct user_record *record);
int user_database_remove(struct user_database *database, const char *realm, const char *name);
/* Returns 0, -EEXIST, or -EIO. */
int user_database_add(struct user_database *database, const char *realm,
                      const struct user_record *record);
/* Calls `each` for every name of the realm, in order. Returns 0 or -EIO. */
int user_database_list(struct user_database *database, const char *realm,
                       void (*each)(void *context, const char *name), void *context);

#endif
