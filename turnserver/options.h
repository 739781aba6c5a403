/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line, as a table; man/turnserver.8 names every option. */
#ifndef TURNSERVER_OPTIONS_H
#define TURNSERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define OPTIONS_LISTEN_MAX 16

enum options_mode {
    MODE_RUN,          /* -c FILE */
    MODE_CHECK_CONFIG, /* -c FILE --check-config */
    MODE_TRY,          /* --try[=DIR] */
    MODE_MAKE_KEY,     /* --make-key USER */
    MODE_LIST_KEYS,
    MODE_PRINT_DNS, /* -c FILE --print-dns */
    MODE_HELP,
    MODE_VERSION,
};

struct options {
    enum options_mode mode;
    const char *config_file; /* NULL: not given */
    const char *folder;      /* of --try; NULL: the default */
    const char *listen[OPTIONS_LISTEN_MAX];
    size_t listen_count;
    const char *domain;       /* of --print-dns; NULL: the realm */
    const char *user, *realm; /* of --make-key; realm NULL: by the configuration */
};

/* Exit statuses of the program, documented in turnserver(8). */
enum exit_status {
    STATUS_GOOD = 0,
    STATUS_FAILED = 1,   /* at run time: a port is taken, a file cannot be made */
    STATUS_UNUSABLE = 2, /* command line or configuration */
};

/* Returns false after having told on `diagnostics` what is wrong. Strings are borrowed from argv.
 */
bool options_parse(struct options *out, int argc, char **argv, FILE *diagnostics);
void options_print_help(FILE *stream);

#endif
