/* SPDX-License-Identifier: BSD-3-Clause */
/* Users in an SQLite file, and the thread that looks them up. */
#include "stun_test.h"

#include "turnserver/users/user_database.h"
#include "turnserver/users/user_source.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#define REALM "example.org"

static char folder[64], path[96];
static char problem[USER_DATABASE_PROBLEM_SIZE];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/postern-users-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/users.db", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    rmdir(folder);
    return 0;
}

static struct user_record record_of(const char *name, uint8_t filler)
{
    struct user_record record = {.has_md5 = true, .has_sha256 = true};

    strcpy(record.name, name);
    memset(record.userhash, filler, sizeof record.userhash);
    memset(record.md5_key, filler + 1, sizeof record.md5_key);
    memset(record.sha256_key, filler + 2, sizeof record.sha256_key);
    return record;
}

static struct user_database *open_to_write(void)
{
    struct user_database *database = NULL;

    assert_int_equal(user_database_open(&database, path, true, problem), 0);
    return database;
}

/* ---- the file -------------------------------------------------------------------------------- */

static void test_keeps_users_by_realm(void **state)
{
    (void)state;
    struct user_database *writer = open_to_write(), *reader = NULL;
    struct user_record alice = record_of("alice", 1), other = record_of("alice", 9), found;

    assert_int_equal(user_database_open(&reader, path, false, problem), 0);
    assert_int_equal(user_database_add(writer, REALM, &alice), 0);
    assert_int_equal(user_database_add(writer, REALM, &alice), -EEXIST);
    assert_int_equal(user_database_add(writer, "elsewhere", &other), 0);
    assert_int_equal(user_database_find(reader, REALM, "alice", &found), 0);
    assert_memory_equal(&found, &alice, sizeof found);
    assert_int_equal(user_database_find_userhash(reader, REALM, alice.userhash, &found), 0);
    assert_string_equal(found.name, "alice");
    assert_int_equal(user_database_find_userhash(reader, REALM, other.userhash, &found), -ENOENT);
    assert_int_equal(user_database_find(reader, REALM, "Alice", &found), -ENOENT);
    assert_int_equal(user_database_find(reader, REALM, "' OR 1 --", &found), -ENOENT);
    assert_int_equal(user_database_replace(writer, REALM, &other), 0);
    assert_int_equal(user_database_find(reader, REALM, "alice", &found), 0);
    assert_memory_equal(&found, &other, sizeof found);
    assert_int_equal(user_database_remove(writer, REALM, "alice"), 0);
    assert_int_equal(user_database_remove(writer, REALM, "alice"), -ENOENT);
    assert_int_equal(user_database_replace(writer, REALM, &other), -ENOENT);
    assert_int_equal(user_database_find(reader, REALM, "alice", &found), -ENOENT);
    assert_int_equal(user_database_find(reader, "elsewhere", "alice", &found), 0);
    assert_int_equal(user_database_add(reader, REALM, &alice), -EIO); /* it only reads */
    user_database_close(reader);
    user_database_close(writer);
}

static void join(void *context, const char *name)
{
    strcat(strcat(context, name), ";");
}

static void test_lists_in_order(void **state)
{
    (void)state;
    struct user_database *database = open_to_write();
    static const char *const names[] = {"bob", "alice", "\xc3\xa9ve"};
    char text[64] = "";

    for (size_t i = 0; i < COUNT(names); i++) {
        struct user_record record = record_of(names[i], (uint8_t)(i * 10));
        assert_int_equal(user_database_add(database, REALM, &record), 0);
    }
    assert_int_equal(user_database_list(database, REALM, join, text), 0);
    assert_string_equal(text, "alice;bob;\xc3\xa9ve;");
    user_database_close(database);
}

static void test_file_is_not_for_everybody(void **state)
{
    (void)state;
    struct stat status;

    user_database_close(open_to_write());
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07, 0);
}

static void test_refuses_other_files(void **state)
{
    (void)state;
    struct user_database *database = NULL;

    assert_int_equal(user_database_open(&database, path, false, problem), -ENOENT);
    assert_null(database);
    FILE *file = fopen(path, "w");
    fputs("This is not a database, but a text that is long enough to be taken for one, or so it "
          "seems to whoever looks at the first hundred bytes of a file.\n",
          file);
    fclose(file);
    assert_int_equal(user_database_open(&database, path, false, problem), -EIO);
    assert_int_equal(user_database_open(&database, path, true, problem), -EIO);
    assert_null(database);
    assert_string_equal(problem, "file is not a database");
}

static void test_sees_a_replaced_file(void **state)
{
    (void)state;
    struct user_database *reader = NULL;

    user_database_close(open_to_write());
    assert_int_equal(user_database_open(&reader, path, false, problem), 0);
    assert_false(user_database_has_moved(reader));
    unlink(path);
    assert_true(user_database_has_moved(reader));
    user_database_close(reader);
}

/* ---- the thread ------------------------------------------------------------------------------ */

struct inbox {
    pthread_mutex_t mutex;
    pthread_cond_t arrived;
    struct auth_finding *finding;
};

static void answered(void *receiver, struct auth_finding *finding)
{
    struct inbox *inbox = receiver;

    pthread_mutex_lock(&inbox->mutex);
    inbox->finding = finding;
    pthread_cond_signal(&inbox->arrived);
    pthread_mutex_unlock(&inbox->mutex);
}

static struct auth_finding *ask(struct user_source *source, const char *name)
{
    struct inbox inbox = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL};
    struct auth_question question = {.id = 77, .kind = AUTH_QUESTION_NAME, .realm = REALM};
    struct auth_source interface = user_source_interface(source);

    strcpy(question.name, name);
    assert_true(interface.ask(interface.context, &question, answered, &inbox));
    pthread_mutex_lock(&inbox.mutex);
    while (inbox.finding == NULL) {
        pthread_cond_wait(&inbox.arrived, &inbox.mutex);
    }
    pthread_mutex_unlock(&inbox.mutex);
    assert_int_equal(inbox.finding->id, 77);
    return inbox.finding;
}

static void expect(struct user_source *source, const char *name, enum auth_finding_status status)
{
    struct auth_finding *finding = ask(source, name);

    assert_int_equal(finding->status, status);
    auth_finding_free(finding);
}

static void test_source_answers(void **state)
{
    (void)state;
    struct user_record alice = record_of("alice", 1);
    struct user_source_settings settings = {.kind = USER_SOURCE_SQLITE, .path = path};
    struct log *log = NULL;
    struct user_database *writer = open_to_write();

    assert_int_equal(log_new(&log, "/dev/null", LOG_INFO, false), 0);
    assert_int_equal(user_database_add(writer, REALM, &alice), 0);
    struct user_source *source = user_source_new(&settings, log, stderr);
    assert_non_null(source);
    assert_int_equal(user_source_start(source), 0);
    struct auth_finding *finding = ask(source, "alice");
    assert_int_equal(finding->status, AUTH_FOUND);
    assert_memory_equal(finding->md5_key, alice.md5_key, 16);
    assert_memory_equal(finding->sha256_key, alice.sha256_key, 32);
    auth_finding_free(finding);
    expect(source, "bob", AUTH_ABSENT);
    user_database_close(writer);
    /* Another file in its place is followed. */
    unlink(path);
    writer = open_to_write();
    expect(source, "alice", AUTH_ABSENT);
    assert_int_equal(user_database_add(writer, REALM, &alice), 0);
    expect(source, "alice", AUTH_FOUND);
    user_database_close(writer);
    user_source_stop(source);
    /* Questions that come too late leave no trace. */
    struct auth_source interface = user_source_interface(source);
    struct auth_question question = {.id = 1};
    assert_true(interface.ask(interface.context, &question, answered, NULL));
    user_source_free(source);
    log_free(log);
}

static void test_source_needs_its_file(void **state)
{
    (void)state;
    struct user_source_settings settings = {.kind = USER_SOURCE_SQLITE, .path = path};
    char *text = NULL;
    size_t size = 0;
    FILE *diagnostics = open_memstream(&text, &size);

    assert_null(user_source_new(&settings, NULL, diagnostics));
    fclose(diagnostics);
    assert_non_null(strstr(text, "No such file"));
    assert_non_null(strstr(text, "turnserver user add"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keeps_users_by_realm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lists_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_file_is_not_for_everybody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_other_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sees_a_replaced_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_source_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_source_needs_its_file, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
