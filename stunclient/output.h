/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stunclient prints: results on standard output, in words or as one JSON object, and
 * everything else on standard error.
 */
#ifndef STUNCLIENT_OUTPUT_H
#define STUNCLIENT_OUTPUT_H

#include "base/json_writer.h"
#include "stunclient/options.h"

enum output_style {
    STYLE_PLAIN,
    STYLE_STRONG, /* a result that matters */
    STYLE_GOOD,
    STYLE_WARN,
    STYLE_BAD,
    STYLE_FAINT,
};

/* For the whole run, by options, environment (NO_COLOR) and terminal. */
struct output {
    bool json;
    bool color;       /* of standard output */
    bool error_color; /* of standard error */
    int verbosity;
};

void output_init(struct output *output, const struct options *options);

/* ---- words ----------------------------------------------------------------------------------- */

/* A line "label   value"; all are aligned to each other. Prints nothing with --json. */
void output_row(const struct output *output, const char *label, enum output_style style,
                const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A paragraph, wrapped at 78 columns; an empty line before it. */
void output_paragraph(const struct output *output, const char *text);
/* Diagnostics on standard error, when --verbosity is at least `level`; with --json {"event":"note",
 * "text":…} on a line, without the program's name in front. */
void output_tell(const struct output *output, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- JSON ------------------------------------------------------------------------------------ */

/*
 * Every object begins alike: schema "postern.stunclient.VERB/1", exit_status, error (null, or an
 * object with code, text and advice), server as it was named. The caller adds its own members and
 * ends it.
 */
struct output_object {
    struct text_buffer buffer;
    struct json_writer json;
};

/* The member "error": null for no failure (NULL, or EXIT_OK). */
void output_put_failure(struct json_writer *json, const struct failure *failure);
void output_object_begin(struct output_object *object, const char *verb, const char *server,
                         enum exit_status status, const struct failure *failure);
void output_object_end(struct output_object *object);
/* Microseconds as milliseconds with three decimals; null when negative. */
void output_member_ms(struct json_writer *json, const char *key, int64_t us);

/* ---- failures -------------------------------------------------------------------------------- */

/* Prints a failure on standard error: "stunclient: TEXT", and the advice on a line of its own. */
void output_failure(const struct output *output, const struct failure *failure);
/* The same for a run that has nothing else to say: a JSON object with --json. Returns its status.
 */
enum exit_status output_fail(const struct output *output, const char *verb, const char *server,
                             const struct failure *failure);

#endif
