/* SPDX-License-Identifier: BSD-3-Clause */
/* Users of an SQLite file for the server. A question takes microseconds, so they go one by one. */
#include "turnserver/users/user_backend.h"
#include "turnserver/users/user_database.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

struct user_backend {
    const char *path;
    struct user_database *database;
    struct user_health health;
};

static struct user_backend *create(const struct user_source_settings *settings,
                                   struct origin_table *origins, struct log *log, FILE *diagnostics)
{
    (void)origins;
    char problem[USER_DATABASE_PROBLEM_SIZE];
    struct user_backend *backend = calloc(1, sizeof *backend);

    if (backend == NULL) {
        fprintf(diagnostics, "turnserver: memory is out\n");
        return NULL;
    }
    backend->path = settings->path;
    backend->health = (struct user_health){.log = log, .key = "users_database.sqlite"};
    int status = user_database_open(&backend->database, settings->path, false, problem);
    if (status != 0) {
        fprintf(diagnostics, "turnserver: cannot open users_database.sqlite %s: %s%s\n",
                settings->path, problem,
                status == -ENOENT ? "; \"turnserver user add NAME\" makes it" : "");
        free(backend);
        return NULL;
    }
    return backend;
}

static void start(struct user_backend *backend, struct event_base *base)
{
    (void)backend;
    (void)base;
}

/* Somebody has put another file in its place: a backup, perhaps. */
static void follow(struct user_backend *backend)
{
    char problem[USER_DATABASE_PROBLEM_SIZE];
    struct user_database *database = NULL;

    if (user_database_has_moved(backend->database) &&
        user_database_open(&database, backend->path, false, problem) == 0) {
        user_database_close(backend->database);
        backend->database = database;
    }
}

static void fill(struct auth_finding *finding, const struct user_record *record)
{
    finding->status = AUTH_FOUND;
    memcpy(finding->name, record->name, sizeof finding->name);
    finding->has_md5 = record->has_md5;
    finding->has_sha256 = record->has_sha256;
    memcpy(finding->md5_key, record->md5_key, sizeof finding->md5_key);
    memcpy(finding->sha256_key, record->sha256_key, sizeof finding->sha256_key);
}

static void ask(struct user_backend *backend, struct user_request *request)
{
    const struct auth_question *question = &request->question;
    struct user_record record = {0};

    follow(backend);
    int status =
        question->kind == AUTH_QUESTION_USERHASH
            ? user_database_find_userhash(backend->database, question->realm, question->userhash,
                                          &record)
            : user_database_find(backend->database, question->realm, question->name, &record);
    if (status == 0) {
        fill(request->finding, &record);
    } else if (status == -ENOENT) {
        request->finding->status = AUTH_ABSENT;
    }
    user_health_note(&backend->health, status != -EIO, user_database_problem(backend->database));
    OPENSSL_cleanse(&record, sizeof record);
    user_request_finish(request);
}

static void stop(struct user_backend *backend)
{
    (void)backend;
}

static void destroy(struct user_backend *backend)
{
    user_database_close(backend->database);
    free(backend);
}

const struct user_backend_operations user_backend_sqlite = {
    .is_available = user_database_is_available,
    .missing = "expected no sqlite: this turnserver was built without SQLite",
    .traits = {.md5 = true, .sha256 = true, .userhash = true},
    .create = create,
    .start = start,
    .ask = ask,
    .stop = stop,
    .destroy = destroy,
};
