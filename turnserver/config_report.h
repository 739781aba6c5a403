/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the problems of a configuration go: one line each, all of them. */
#ifndef TURNSERVER_CONFIG_REPORT_H
#define TURNSERVER_CONFIG_REPORT_H

#include <stdio.h>

struct config_report {
    FILE *stream;
    unsigned errors, warnings;
    unsigned silenced; /* errors beyond CONFIG_ERRORS_MAX, counted only */
};

/* More than this many are not read by anybody. */
#define CONFIG_ERRORS_MAX 100

/* Where something stands. `line` 0: the file as a whole. `key` NULL or "": no key is to blame. */
struct config_place {
    const char *file;
    unsigned line;
    const char *key;
};

/* Writes "FILE:LINE: KEY: " and the text. Characters that a terminal would obey become '?'. */
void config_report_error(struct config_report *report, struct config_place place,
                         const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same with "warning: " before the text; it does not make the configuration invalid. */
void config_report_warning(struct config_report *report, struct config_place place,
                           const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Says how many errors were not shown, if any. */
void config_report_finish(struct config_report *report, const char *file);

#endif
