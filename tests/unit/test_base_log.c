/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIME_SIZE (sizeof "2026-11-22T10:20:00.123Z" - 1)

static char folder[64], path[96], rotated[96];
static char content[1 << 20];
static struct log *log_under_test;

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/postern-test-log-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/log", folder);
    snprintf(rotated, sizeof rotated, "%s/log.1", folder);
    return log_new(&log_under_test, path, LOG_INFO, false);
}

static int tear_down(void **state)
{
    (void)state;
    log_free(log_under_test);
    unlink(path);
    unlink(rotated);
    return rmdir(folder);
}

static const char *read_file(const char *name)
{
    FILE *file = fopen(name, "r");

    assert_non_null(file);
    size_t size = fread(content, 1, sizeof content - 1, file);
    fclose(file);
    content[size] = '\0';
    return content;
}

/* The only line, after its time. */
static const char *after_time(const char *text)
{
    assert_true(strlen(text) > TIME_SIZE);
    for (size_t i = 0; i < TIME_SIZE; i++) {
        char shape = "dddd-dd-ddTdd:dd:dd.dddZ"[i];
        assert_true(shape == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == shape);
    }
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    return text + TIME_SIZE;
}

static void log_one_of_each(void)
{
    struct stun_address client;

    assert_true(address_parse(&client, "192.0.2.1:5000"));
    log_event(log_under_test, LOG_INFO, "allocation made", log_string("user", "alice"),
              log_string("realm", "two words"), log_bytes("raw", "a\0b", 3),
              log_string("none", NULL), log_address("client", &client), log_ip("ip", &client),
              log_u64("count", UINT64_MAX), log_i64("offset", -5), log_bool("relayed", true),
              log_duration("took_s", 1500000), log_errno("error", -ENOENT));
}

static void test_text_line(void **state)
{
    (void)state;
    log_one_of_each();
    assert_string_equal(after_time(read_file(path)),
                        " info allocation made user=alice realm=\"two words\" raw=\"a\\x00b\""
                        " none=\"\" client=192.0.2.1:5000 ip=192.0.2.1 count=18446744073709551615"
                        " offset=-5 relayed=yes took_s=1.500000"
                        " error=\"No such file or directory\"\n");
}

static void test_json_line(void **state)
{
    (void)state;
    log_set_json(log_under_test, true);
    log_one_of_each();
    const char *line = read_file(path);
    assert_memory_equal(line, "{\"time\":\"20", 11);
    assert_string_equal(line + sizeof "{\"time\":\"" - 1 + TIME_SIZE,
                        "\",\"level\":\"info\",\"message\":\"allocation made\",\"user\":\"alice\","
                        "\"realm\":\"two words\",\"raw\":\"a\\u0000b\",\"none\":\"\","
                        "\"client\":\"192.0.2.1:5000\",\"ip\":\"192.0.2.1\","
                        "\"count\":18446744073709551615,\"offset\":-5,\"relayed\":true,"
                        "\"took_s\":1.500000,\"error\":\"No such file or directory\"}\n");
}

static void test_message_alone(void **state)
{
    (void)state;
    log_event(log_under_test, LOG_WARNING, "just words");
    assert_string_equal(after_time(read_file(path)), " warning just words\n");
}

static const char *never_called(void)
{
    fail_msg("a field of a line that is not written was evaluated");
    return NULL;
}

static void test_levels(void **state)
{
    (void)state;
    log_event(log_under_test, LOG_DEBUG, "quiet", log_string("x", never_called()));
    assert_string_equal(read_file(path), "");
    log_set_level(log_under_test, LOG_ERROR);
    log_event(log_under_test, LOG_WARNING, "quiet", log_string("x", never_called()));
    assert_string_equal(read_file(path), "");
    assert_true(log_enabled(log_under_test, LOG_ERROR));
    log_event(log_under_test, LOG_ERROR, "loud");
    assert_string_equal(after_time(read_file(path)), " error loud\n");

    enum log_level level = LOG_INFO;
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
        assert_true(log_level_parse(&level, log_level_name((enum log_level)i)));
        assert_int_equal(level, i);
    }
    assert_false(log_level_parse(&level, "loud"));
    assert_false(log_level_parse(&level, ""));
}

/* A peer must not be able to write lines of its own, or to speak to the operator's terminal. */
static void test_hostile_values_stay_in_their_line(void **state)
{
    static const char hostile[] = "x\n2026-01-01T00:00:00.000Z error fake \x1b[2J\xC2\x9B=\"\\ \xFF"
                                  "\xE2\x80\xAE\xC3\xA9";

    (void)state;
    log_event(log_under_test, LOG_INFO, "seen", log_bytes("name", hostile, sizeof hostile - 1));
    assert_string_equal(after_time(read_file(path)),
                        " info seen name=\"x\\x0a2026-01-01T00:00:00.000Z error fake "
                        "\\x1b[2J\\xc2\\x9b=\\\"\\\\ \\xff\\xe2\\x80\\xae\xC3\xA9\"\n");
}

static void check_long_lines(bool json)
{
    static char huge[100000];

    /* 'é' twice a character, so that a cut at a fixed byte would halve one. */
    for (size_t i = 0; i + 1 < sizeof huge; i += 2) {
        huge[i] = '\xC3';
        huge[i + 1] = '\xA9';
    }
    log_set_json(log_under_test, json);
    assert_int_equal(truncate(path, 0), 0);
    log_event(log_under_test, LOG_INFO, "long", log_bytes("a", huge, sizeof huge - 1),
              log_bytes("b", huge + 1, 600), log_bytes("c", huge, 600), log_bytes("d", huge, 599),
              log_bytes("e", huge, 601), log_bytes("f", huge, 600), log_bytes("g", huge, 600),
              log_u64("end", 1));
    const char *text = read_file(path);
    size_t size = strlen(text);
    assert_true(size <= LOG_LINE_SIZE_MAX);
    assert_ptr_equal(strchr(text, '\n'), text + size - 1);
    assert_true(text_utf8_valid(text, size));
    assert_non_null(strstr(text, "...\""));
    if (json) {
        assert_string_equal(text + size - 19, ",\"truncated\":true}\n");
    } else {
        assert_string_equal(text + size - 15, " truncated=yes\n");
    }
}

static void test_long_lines_are_cut(void **state)
{
    (void)state;
    check_long_lines(false);
    check_long_lines(true);
}

static void test_reopens(void **state)
{
    (void)state;
    log_event(log_under_test, LOG_INFO, "one");
    assert_int_equal(rename(path, rotated), 0);
    log_event(log_under_test, LOG_INFO, "two");
    assert_int_equal(log_reopen(log_under_test, path), 0);
    log_event(log_under_test, LOG_INFO, "three");
    assert_non_null(strstr(read_file(rotated), "two\n"));
    assert_string_equal(after_time(read_file(path)), " info three\n");

    /* Where it cannot open, it goes on where it was. */
    assert_int_equal(log_reopen(log_under_test, "/nowhere/at/all"), -ENOENT);
    log_event(log_under_test, LOG_INFO, "four");
    assert_non_null(strstr(read_file(path), "four\n"));

    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0037, 0);
}

static void test_cannot_open(void **state)
{
    struct log *other = NULL;

    (void)state;
    assert_int_equal(log_new(&other, "/nowhere/at/all", LOG_INFO, false), -ENOENT);
    assert_null(other);
    log_free(other);
}

static void test_standard_error_survives(void **state)
{
    struct log *other = NULL;

    (void)state;
    assert_int_equal(log_new(&other, NULL, LOG_INFO, false), 0);
    assert_int_equal(log_reopen(other, path), 0);
    log_event(other, LOG_INFO, "moved");
    log_free(other);
    assert_non_null(strstr(read_file(path), "moved\n"));
    assert_int_equal(fcntl(STDERR_FILENO, F_GETFD) >= 0, 1);
}

static void test_counts_lost_lines(void **state)
{
    (void)state;
    if (log_reopen(log_under_test, "/dev/full") != 0) {
        skip();
    }
    errno = 77;
    log_event(log_under_test, LOG_INFO, "lost");
    assert_int_equal(errno, 77);
    assert_int_equal(log_lost(log_under_test), 1);
}

#define THREADS 4
#define LINES 500

static void *log_many(void *argument)
{
    char filler[400];

    memset(filler, 'a' + *(int *)argument, sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    for (int i = 0; i < LINES; i++) {
        log_event(log_under_test, LOG_INFO, "thread", log_string("filler", filler));
    }
    return NULL;
}

static size_t count_whole_lines(const char *name)
{
    size_t lines = 0;

    for (char *line = strtok((char *)read_file(name), "\n"); line != NULL;
         line = strtok(NULL, "\n")) {
        const char *filler = strstr(line, " info thread filler=");
        assert_ptr_equal(filler, line + TIME_SIZE);
        filler += sizeof " info thread filler=" - 1;
        assert_int_equal(strlen(filler), 399);
        assert_int_equal(strspn(filler, (char[]){filler[0], '\0'}), 399);
        lines++;
    }
    return lines;
}

static void test_threads_do_not_mix_lines(void **state)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, &numbers[i]), 0);
    }
    rename(path, rotated);
    assert_int_equal(log_reopen(log_under_test, path), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    size_t lines = count_whole_lines(rotated) + count_whole_lines(path);
    assert_int_equal(lines, THREADS * LINES);
    assert_int_equal(log_lost(log_under_test), 0);
}

static void test_repeated_lines_are_limited(void **state)
{
    struct log *log;
    uint64_t repeated = 99;
    struct monotime now = {MONOTIME_SECOND * 100};

    (void)state;
    assert_int_equal(log_new(&log, NULL, LOG_INFO, false), 0);
    assert_true(log_is_news(log, now, "quota", "alice", 5, &repeated));
    assert_int_equal(repeated, 0);
    for (int i = 0; i < 7; i++) {
        assert_false(log_is_news(log, now, "quota", "alice", 5, &repeated));
    }
    now = monotime_add_us(now, LOG_REPEAT_SECONDS * MONOTIME_SECOND - 1);
    assert_false(log_is_news(log, now, "quota", "alice", 5, &repeated));
    now = monotime_add_us(now, 1);
    assert_true(log_is_news(log, now, "quota", "alice", 5, &repeated));
    assert_int_equal(repeated, 8);
    now = monotime_add_seconds(now, LOG_REPEAT_SECONDS);
    assert_true(log_is_news(log, now, "quota", "alice", 5, &repeated));
    assert_int_equal(repeated, 0);
    log_free(log);
}

/* A new name for each line gets no further than a new line for each slot. */
static void test_many_subjects_are_bounded(void **state)
{
    struct log *log;
    uint64_t repeated, told = 0, kept_back = 0;
    struct monotime now = {0}; /* a clock may begin there */

    (void)state;
    assert_int_equal(log_new(&log, NULL, LOG_INFO, false), 0);
    for (unsigned minute = 0; minute < 2; minute++) {
        for (unsigned i = 0; i < 100000; i++) {
            if (log_is_news(log, now, "refused", &i, sizeof i, &repeated)) {
                told++;
                kept_back += repeated;
            }
        }
        /* All slots are reached, but for a chance of 256 * (255/256)^100000. */
        assert_int_equal(told, LOG_REPEAT_SLOTS * (minute + 1));
        now = monotime_add_seconds(now, LOG_REPEAT_SECONDS);
    }
    assert_int_equal(kept_back, 100000 - LOG_REPEAT_SLOTS);
    log_free(log);
}

/* Another cause or another name is other news, but for the few that share a slot. */
static void test_causes_and_subjects_are_told_apart(void **state)
{
    static const char *const causes[] = {"one", "two", "three"};
    struct log *log;
    uint64_t repeated;
    unsigned told = 0;

    (void)state;
    assert_int_equal(log_new(&log, NULL, LOG_INFO, false), 0);
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned name = 0; name < 5; name++) {
            told +=
                log_is_news(log, (struct monotime){1}, causes[i], &name, sizeof name, &repeated);
        }
    }
    assert_in_range(told, 11, 15); /* four collisions among 15 of 256: once in 100,000 runs */
    log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_message_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_levels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_values_stay_in_their_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_lines_are_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reopens, set_up, tear_down),
        cmocka_unit_test(test_cannot_open),
        cmocka_unit_test_setup_teardown(test_standard_error_survives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_counts_lost_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_threads_do_not_mix_lines, set_up, tear_down),
        cmocka_unit_test(test_repeated_lines_are_limited),
        cmocka_unit_test(test_many_subjects_are_bounded),
        cmocka_unit_test(test_causes_and_subjects_are_told_apart),
    };

    return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
