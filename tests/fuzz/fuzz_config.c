/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a configuration. What follows the first zero byte is the content of every file that
 * it includes or names. A configuration is refused with a line on the diagnostics, or taken.
 */
#include "tests/fuzz/fuzz.h"

#include "turnserver/config.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE_MAX_HERE 65536

struct rest {
    const uint8_t *data;
    size_t size;
    unsigned opened; /* an include that includes itself is bounded, but slow */
};

static int open_rest(void *context, const char *path)
{
    struct rest *rest = context;
    int descriptor;

    (void)path;
    if (rest->size == 0 || rest->opened++ > 8)
        return -ENOENT;
    descriptor = memfd_create("fuzz", MFD_CLOEXEC);
    REQUIRE(descriptor >= 0);
    REQUIRE(write(descriptor, rest->data, rest->size) == (ssize_t)rest->size);
    REQUIRE(lseek(descriptor, 0, SEEK_SET) == 0);
    return descriptor;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero;
    struct rest rest = {0};
    struct config_files files = {.open = open_rest, .context = &rest};
    struct config_input input = {.path = "/f.conf", .files = &files};
    struct config *config;
    char *text, *told = NULL;
    size_t text_size, told_size = 0;
    FILE *diagnostics;

    if (size > SIZE_MAX_HERE)
        return 0;
    zero = memchr(data, '\0', size);
    text_size = zero ? (size_t)(zero - data) : size;
    if (zero)
        rest = (struct rest){zero + 1, size - text_size - 1, 0};
    text = strndup((const char *)data, text_size);
    REQUIRE(text);
    input.text = text;
    diagnostics = open_memstream(&told, &told_size);
    REQUIRE(diagnostics);
    config = config_load_input(&input, diagnostics);
    fclose(diagnostics);
    REQUIRE(config || told_size > 0);
    REQUIRE(told_size == 0 || told[told_size - 1] == '\n');
    if (config)
        REQUIRE(config->boot.listener_count > 0 && config->boot.workers > 0 && config->policy);
    config_free(config);
    free(text);
    free(told);
    return 0;
}
