/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/users/user_database.h"

#include <errno.h>
#include <stdio.h>

bool user_database_is_available(void)
{
    return false;
}

int user_database_open(struct user_database **out, const char *path, bool write,
                       char problem[USER_DATABASE_PROBLEM_SIZE])
{
    (void)path;
    (void)write;
    *out = NULL;
    snprintf(problem, USER_DATABASE_PROBLEM_SIZE, "this turnserver was built without SQLite");
    return -ENOSYS;
}

void user_database_close(struct user_database *database)
{
    (void)database;
}

const char *user_database_problem(const struct user_database *database)
{
    (void)database;
    return "this turnserver was built without SQLite";
}

bool user_database_has_moved(struct user_database *database)
{
    (void)database;
    return false;
}

int user_database_find(struct user_database *database, const char *realm, const char *name,
                       struct user_record *record)
{
    (void)database;
    (void)realm;
    (void)name;
    (void)record;
    return -EIO;
}

int user_database_find_userhash(struct user_database *database, const char *realm,
                                const uint8_t userhash[STUN_SHA256_SIZE],
                                struct user_record *record)
{
    (void)userhash;
    return user_database_find(database, realm, "", record);
}

int user_database_replace(struct user_database *database, const char *realm,
                          const struct user_record *record)
{
    (void)database;
    (void)realm;
    (void)record;
    return -EIO;
}

int user_database_remove(struct user_database *database, const char *realm, const char *name)
{
    (void)database;
    (void)realm;
    (void)name;
    return -EIO;
}

int user_database_add(struct user_database *database, const char *realm,
                      const struct user_record *record)
{
    return user_database_replace(database, realm, record);
}

int user_database_list(struct user_database *database, const char *realm,
                       void (*each)(void *context, const char *name), void *context)
{
    (void)database;
    (void)realm;
    (void)each;
    (void)context;
    return -EIO;
}
