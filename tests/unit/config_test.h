/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of the configuration share: files that exist only in the test. */
#ifndef UNIT_CONFIG_TEST_H
#define UNIT_CONFIG_TEST_H

#include "stun_test.h"

#include "turnserver/config.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct test_file {
    const char *path;
    const char *content;
};

struct test_files {
    struct test_file files[8];
    const char *shared; /* names of files that everybody may read */
};

static inline int open_test_file(void *context, const char *path)
{
    const struct test_files *files = context;
    for (size_t i = 0; i < COUNT(files->files) && files->files[i].path; i++) {
        if (strcmp(files->files[i].path, path) != 0)
            continue;
        mode_t mode = files->shared && strstr(files->shared, path) ? 0644 : 0600;
        int descriptor = memfd_create("test", MFD_CLOEXEC);
        size_t size = strlen(files->files[i].content);
        assert_true(descriptor >= 0);
        assert_int_equal(fchmod(descriptor, mode), 0);
        assert_int_equal(write(descriptor, files->files[i].content, size), size);
        assert_int_equal(lseek(descriptor, 0, SEEK_SET), 0);
        return descriptor;
    }
    return -ENOENT;
}

/* Loads a text as /etc/t.conf. `diagnostics` is set to what was told; the caller frees it. */
static inline struct config *load_with(const char *text, struct test_files *files,
                                       const struct config_boot *running, char **diagnostics)
{
    size_t size = 0;
    FILE *stream = open_memstream(diagnostics, &size);
    struct config_files functions = {.open = open_test_file, .context = files};
    struct config *config = config_load_input(
        &(struct config_input){
            .path = "/etc/t.conf", .text = text, .files = &functions, .running = running},
        stream);
    fclose(stream);
    return config;
}

/* Loads a text that must be good, and without a warning. */
static inline struct config *load_good(const char *text)
{
    struct test_files none = {0};
    char *diagnostics = NULL;
    struct config *config = load_with(text, &none, NULL, &diagnostics);
    assert_string_equal(diagnostics, "");
    assert_non_null(config);
    free(diagnostics);
    return config;
}

/* Loads a text that must be refused, with exactly these lines. */
static inline void load_bad_with(const char *text, struct test_files *files, const char *expected)
{
    char *diagnostics = NULL;
    struct config *config = load_with(text, files, NULL, &diagnostics);
    assert_string_equal(diagnostics, expected);
    assert_null(config);
    free(diagnostics);
}

static inline void load_bad(const char *text, const char *expected)
{
    struct test_files none = {0};
    load_bad_with(text, &none, expected);
}

/* Loads a text that is good but for these warnings. */
static inline struct config *load_warned(const char *text, struct test_files *files,
                                         const char *expected)
{
    char *diagnostics = NULL;
    struct config *config = load_with(text, files, NULL, &diagnostics);
    assert_string_equal(diagnostics, expected);
    assert_non_null(config);
    free(diagnostics);
    return config;
}

#endif
