/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzz target without a fuzzer. Without arguments: every file of its corpus, as TAP, from
 * $POSTERN_SOURCE/tests/fuzz/corpus/NAME, NAME being the program's own. With arguments: these
 * files, such as one that a fuzzer found.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#define SECONDS_A_FILE 30

/* Gives the target a heap block of the file's size, so that a sanitizer sees reads beyond it. */
static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t size = 0, capacity = 0, got;

    if (file == NULL) {
        perror(path);
        return -1;
    }
    do {
        if (size == capacity) {
            capacity = capacity == 0 ? 4096 : 2 * capacity;
            data = realloc(data, capacity);
            REQUIRE(data != NULL);
        }
        got = fread(data + size, 1, capacity - size, file);
        size += got;
    } while (got > 0);
    fclose(file);
    /* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): an empty file is an input, too */
    uint8_t *exact = malloc(size);
    if (size > 0)
        memcpy(exact, data, size);
    free(data);
    alarm(SECONDS_A_FILE);
    LLVMFuzzerTestOneInput(exact, size);
    alarm(0);
    free(exact);
    return 0;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int replay_corpus(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_visible, alphasort);
    int failed = 0;

    if (count <= 0) {
        printf("1..1\nnot ok 1 - no corpus in %s\n", folder);
        return EXIT_FAILURE;
    }
    printf("1..%d\n", count);
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        printf("# %s\n", path); /* the last one told is the one that crashed */
        fflush(stdout);
        int status = replay(path);
        printf("%s %d - %s\n", status == 0 ? "ok" : "not ok", i + 1, entries[i]->d_name);
        failed += status != 0;
        free(entries[i]);
    }
    free(entries);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    const char *source = getenv("POSTERN_SOURCE");
    const char *slash = strrchr(argv[0], '/');
    char folder[2048];
    int failed = 0;

    if (argc == 1) {
        snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", source != NULL ? source : ".",
                 slash != NULL ? slash + 1 : argv[0]);
        return replay_corpus(folder);
    }
    for (int i = 1; i < argc; i++)
        failed += replay(argv[i]) != 0;
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
