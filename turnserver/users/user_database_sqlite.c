/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/users/user_database.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long a writer elsewhere is waited for. */
#define BUSY_TIMEOUT_MS 1000
/* "PstU": what we know the file by; and the version of its tables. */
#define APPLICATION_ID 1349743701
#define SCHEMA_VERSION 1
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

enum statement {
    FIND_NAME,
    FIND_USERHASH,
    ADD,
    REPLACE,
    REMOVE,
    LIST,
    STATEMENTS,
};

#define COLUMNS "name, userhash, md5_key, sha256_key"

static const char *const statements[STATEMENTS] = {
    [FIND_NAME] = "SELECT " COLUMNS " FROM users WHERE realm = ?1 AND name = ?2",
    [FIND_USERHASH] = "SELECT " COLUMNS " FROM users WHERE userhash = ?2 AND realm = ?1",
    [ADD] = "INSERT INTO users (realm, name, userhash, md5_key, sha256_key) "
            "VALUES (?1, ?2, ?3, ?4, ?5)",
    [REPLACE] = "UPDATE users SET userhash = ?3, md5_key = ?4, sha256_key = ?5 "
                "WHERE realm = ?1 AND name = ?2",
    [REMOVE] = "DELETE FROM users WHERE realm = ?1 AND name = ?2",
    [LIST] = "SELECT name FROM users WHERE realm = ?1 ORDER BY name",
};

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS users ("
    " realm TEXT NOT NULL, name TEXT NOT NULL, userhash BLOB NOT NULL,"
    " md5_key BLOB, sha256_key BLOB,"
    " PRIMARY KEY (realm, name)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS users_by_userhash ON users (userhash);"
    "PRAGMA application_id = " TEXT(APPLICATION_ID) ";"
                                                    "PRAGMA user_version = " TEXT(
                                                        SCHEMA_VERSION) ";"
                                                                        "COMMIT;";

struct user_database {
    sqlite3 *connection;
    sqlite3_stmt *prepared[STATEMENTS];
};

bool user_database_is_available(void)
{
    return true;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int read_number(sqlite3 *connection, const char *pragma)
{
    sqlite3_stmt *statement = NULL;
    int number = -1;

    if (sqlite3_prepare_v2(connection, pragma, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        number = sqlite3_column_int(statement, 0);
    }
    sqlite3_finalize(statement);
    return number;
}

/* Whether the file has our tables, or none and may get them. */
static bool check_schema(sqlite3 *connection, bool write, char *problem)
{
    int version = read_number(connection, "PRAGMA user_version");
    int application = read_number(connection, "PRAGMA application_id");

    if (version == SCHEMA_VERSION && application == APPLICATION_ID) {
        return true;
    }
    if (version < 0) {
        snprintf(problem, USER_DATABASE_PROBLEM_SIZE, "%s", sqlite3_errmsg(connection));
        return false;
    }
    if (version == 0 && write &&
        read_number(connection, "SELECT count(*) FROM sqlite_master") == 0) {
        bool made = sqlite3_exec(connection, schema, NULL, NULL, NULL) == SQLITE_OK;
        if (!made) {
            snprintf(problem, USER_DATABASE_PROBLEM_SIZE, "%s", sqlite3_errmsg(connection));
        }
        return made;
    }
    snprintf(problem, USER_DATABASE_PROBLEM_SIZE,
             "it is not a database of users that \"turnserver "
             "user\" of this version made");
    return false;
}

/* Others than owner and group need not read keys. */
static void make_file(const char *path)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

    if (descriptor >= 0) {
        close(descriptor);
    }
}

int user_database_open(struct user_database **out, const char *path, bool write,
                       char problem[USER_DATABASE_PROBLEM_SIZE])
{
    int flags = write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    struct user_database *database = calloc(1, sizeof *database);

    *out = NULL;
    snprintf(problem, USER_DATABASE_PROBLEM_SIZE, "memory is out");
    if (database == NULL) {
        return -EIO;
    }
    if (write) {
        make_file(path);
    } else if (access(path, F_OK) != 0) {
        snprintf(problem, USER_DATABASE_PROBLEM_SIZE, "%s", strerror(errno));
        free(database);
        return -ENOENT;
    }
    if (sqlite3_open_v2(path, &database->connection, flags, NULL) != SQLITE_OK) {
        snprintf(problem, USER_DATABASE_PROBLEM_SIZE, "%s", sqlite3_errmsg(database->connection));
        user_database_close(database);
        return -EIO;
    }
    sqlite3_busy_timeout(database->connection, BUSY_TIMEOUT_MS);
    /* What is removed is overwritten: it may be a key. */
    (void)sqlite3_exec(database->connection, "PRAGMA secure_delete = ON", NULL, NULL, NULL);
    if (!check_schema(database->connection, write, problem)) {
        user_database_close(database);
        return -EIO;
    }
    *out = database;
    return 0;
}

void user_database_close(struct user_database *database)
{
    if (database == NULL) {
        return;
    }
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(database->prepared[i]);
    }
    sqlite3_close(database->connection);
    free(database);
}

const char *user_database_problem(const struct user_database *database)
{
    return sqlite3_errmsg(database->connection);
}

bool user_database_has_moved(struct user_database *database)
{
    int moved = 0;

    return sqlite3_file_control(database->connection, "main", SQLITE_FCNTL_HAS_MOVED, &moved) ==
               SQLITE_OK &&
           moved != 0;
}

/* ---- statements ------------------------------------------------------------------------------ */

/* The statement with the realm in its first place, or NULL. */
static sqlite3_stmt *begin(struct user_database *database, enum statement which, const char *realm)
{
    sqlite3_stmt **statement = &database->prepared[which];

    if (*statement == NULL &&
        sqlite3_prepare_v3(database->connection, statements[which], -1, SQLITE_PREPARE_PERSISTENT,
                           statement, NULL) != SQLITE_OK) {
        return NULL;
    }
    sqlite3_bind_text(*statement, 1, realm, -1, SQLITE_STATIC);
    return *statement;
}

/* Ends it: nothing stays locked, nothing bound. */
static int end(sqlite3_stmt *statement, int result)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result;
}

/* Copies a column of exactly `size` bytes; false when it is not there. */
static bool read_bytes(sqlite3_stmt *statement, int column, uint8_t *out, int size)
{
    const void *bytes = sqlite3_column_blob(statement, column);

    if (bytes == NULL || sqlite3_column_bytes(statement, column) != size) {
        return false;
    }
    memcpy(out, bytes, (size_t)size);
    return true;
}

static int read_record(sqlite3_stmt *statement, struct user_record *record)
{
    const char *name = (const char *)sqlite3_column_text(statement, 0);

    *record = (struct user_record){0};
    if (name == NULL || strlen(name) >= sizeof record->name) {
        return -ENOENT;
    }
    memcpy(record->name, name, strlen(name) + 1);
    read_bytes(statement, 1, record->userhash, sizeof record->userhash);
    record->has_md5 = read_bytes(statement, 2, record->md5_key, sizeof record->md5_key);
    record->has_sha256 = read_bytes(statement, 3, record->sha256_key, sizeof record->sha256_key);
    return 0;
}

static int step_find(sqlite3_stmt *statement, struct user_record *record)
{
    switch (sqlite3_step(statement)) {
    case SQLITE_ROW:
        return end(statement, read_record(statement, record));
    case SQLITE_DONE:
        return end(statement, -ENOENT);
    default:
        return end(statement, -EIO);
    }
}

int user_database_find(struct user_database *database, const char *realm, const char *name,
                       struct user_record *record)
{
    sqlite3_stmt *statement = begin(database, FIND_NAME, realm);

    if (statement == NULL) {
        return -EIO;
    }
    sqlite3_bind_text(statement, 2, name, -1, SQLITE_STATIC);
    return step_find(statement, record);
}

int user_database_find_userhash(struct user_database *database, const char *realm,
                                const uint8_t userhash[STUN_SHA256_SIZE],
                                struct user_record *record)
{
    sqlite3_stmt *statement = begin(database, FIND_USERHASH, realm);

    if (statement == NULL) {
        return -EIO;
    }
    sqlite3_bind_blob(statement, 2, userhash, STUN_SHA256_SIZE, SQLITE_STATIC);
    return step_find(statement, record);
}

/* ---- changes --------------------------------------------------------------------------------- */

static void bind_record(sqlite3_stmt *statement, const struct user_record *record)
{
    sqlite3_bind_text(statement, 2, record->name, -1, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 3, record->userhash, sizeof record->userhash, SQLITE_STATIC);
    if (record->has_md5) {
        sqlite3_bind_blob(statement, 4, record->md5_key, sizeof record->md5_key, SQLITE_STATIC);
    }
    if (record->has_sha256) {
        sqlite3_bind_blob(statement, 5, record->sha256_key, sizeof record->sha256_key,
                          SQLITE_STATIC);
    }
}

/* A change of one row, which is there or not. */
static int step_change(struct user_database *database, sqlite3_stmt *statement)
{
    int status = sqlite3_step(statement);

    if ((status & 0xFF) == SQLITE_CONSTRAINT) {
        return end(statement, -EEXIST);
    }
    if (status != SQLITE_DONE) {
        return end(statement, -EIO);
    }
    return end(statement, sqlite3_changes(database->connection) > 0 ? 0 : -ENOENT);
}

static int put(struct user_database *database, enum statement which, const char *realm,
               const struct user_record *record)
{
    sqlite3_stmt *statement = begin(database, which, realm);

    if (statement == NULL) {
        return -EIO;
    }
    bind_record(statement, record);
    return step_change(database, statement);
}

int user_database_add(struct user_database *database, const char *realm,
                      const struct user_record *record)
{
    return put(database, ADD, realm, record);
}

int user_database_replace(struct user_database *database, const char *realm,
                          const struct user_record *record)
{
    return put(database, REPLACE, realm, record);
}

int user_database_remove(struct user_database *database, const char *realm, const char *name)
{
    sqlite3_stmt *statement = begin(database, REMOVE, realm);

    if (statement == NULL) {
        return -EIO;
    }
    sqlite3_bind_text(statement, 2, name, -1, SQLITE_STATIC);
    return step_change(database, statement);
}

int user_database_list(struct user_database *database, const char *realm,
                       void (*each)(void *context, const char *name), void *context)
{
    sqlite3_stmt *statement = begin(database, LIST, realm);
    int status = SQLITE_ERROR;

    while (statement != NULL && (status = sqlite3_step(statement)) == SQLITE_ROW) {
        each(context, (const char *)sqlite3_column_text(statement, 0));
    }
    return statement == NULL ? -EIO : end(statement, status == SQLITE_DONE ? 0 : -EIO);
}
