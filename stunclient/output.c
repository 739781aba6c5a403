/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LABEL_WIDTH 18
#define LINE_WIDTH 78
#define TELL_SIZE 1024

static bool want_color(enum client_color color, int descriptor)
{
    const char *no_color = getenv("NO_COLOR"); /* https://no-color.org */
    const char *terminal = getenv("TERM");
    if (color != COLOR_AUTO) {
        return color == COLOR_ALWAYS;
    }
    return isatty(descriptor) == 1 && (no_color == NULL || no_color[0] == '\0') &&
           terminal != NULL && strcmp(terminal, "dumb") != 0;
}

void output_init(struct output *output, const struct options *options)
{
    output->json = options->json;
    output->verbosity = options->verbosity;
    output->color = want_color(options->color, STDOUT_FILENO);
    output->error_color = want_color(options->color, STDERR_FILENO);
}

/* ---- words ----------------------------------------------------------------------------------- */

static const char *style_begin(bool color, enum output_style style)
{
    static const char *const codes[] = {
        [STYLE_PLAIN] = "",        [STYLE_STRONG] = "\033[1m", [STYLE_GOOD] = "\033[32m",
        [STYLE_WARN] = "\033[33m", [STYLE_BAD] = "\033[31m",   [STYLE_FAINT] = "\033[2m",
    };
    return color ? codes[style] : "";
}

static const char *style_end(bool color, enum output_style style)
{
    return color && style != STYLE_PLAIN ? "\033[0m" : "";
}

void output_row(const struct output *output, const char *label, enum output_style style,
                const char *format, ...)
{
    va_list arguments;
    if (output->json) {
        return;
    }
    printf("%-*s %s", LABEL_WIDTH, label, style_begin(output->color, style));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("%s\n", style_end(output->color, style));
}

void output_paragraph(const struct output *output, const char *text)
{
    size_t column = 0;
    if (output->json) {
        return;
    }
    putchar('\n');
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (column > 0) {
            bool fits = column + 1 + word <= LINE_WIDTH;
            putchar(fits ? ' ' : '\n');
            column = fits ? column + 1 : 0;
        }
        fwrite(text, 1, word, stdout);
        column += word;
        text += word;
        text += strspn(text, " ");
    }
    putchar('\n');
}

/* A line of JSON for programs, which read all of standard error. */
static void tell_program(const char *text)
{
    static const char self[] = "stunclient: ";
    struct text_buffer buffer;
    struct json_writer json;
    text_buffer_init_growing(&buffer);
    json_init(&json, &buffer);
    json_begin_object(&json);
    json_member_string(&json, "event", "note");
    json_member_string(&json, "text",
                       strncmp(text, self, sizeof self - 1) == 0 ? text + sizeof self - 1 : text);
    json_end_object(&json);
    json_print(&json, stderr);
    text_buffer_free(&buffer);
}

void output_tell(const struct output *output, int level, const char *format, ...)
{
    char text[TELL_SIZE];
    va_list arguments;
    if (output->verbosity < level) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (output->json) {
        tell_program(text);
    } else {
        fprintf(stderr, "%s%s%s\n", style_begin(output->error_color, STYLE_FAINT), text,
                style_end(output->error_color, STYLE_FAINT));
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

void output_put_failure(struct json_writer *json, const struct failure *failure)
{
    json_put_key(json, "error");
    if (failure == NULL || failure->status == EXIT_OK) {
        json_put_null(json);
        return;
    }
    json_begin_object(json);
    json_member_string(json, "code", failure->code);
    json_member_string(json, "text", failure->text);
    json_member_string(json, "advice", failure->advice[0] == '\0' ? NULL : failure->advice);
    json_end_object(json);
}

void output_object_begin(struct output_object *object, const char *verb, const char *server,
                         enum exit_status status, const struct failure *failure)
{
    char schema[64];
    snprintf(schema, sizeof schema, "postern.stunclient.%s/1", verb);
    text_buffer_init_growing(&object->buffer);
    json_init(&object->json, &object->buffer);
    json_begin_object(&object->json);
    json_member_string(&object->json, "schema", schema);
    json_member_i64(&object->json, "exit_status", status);
    output_put_failure(&object->json, failure);
    json_member_string(&object->json, "server", server);
}

void output_object_end(struct output_object *object)
{
    json_end_object(&object->json);
    json_print(&object->json, stdout);
    text_buffer_free(&object->buffer);
}

void output_member_ms(struct json_writer *json, const char *key, int64_t us)
{
    if (us < 0) {
        json_member_null(json, key);
    } else {
        json_member_real(json, key, (double)us / 1000, 3);
    }
}

/* ---- failures -------------------------------------------------------------------------------- */

void output_failure(const struct output *output, const struct failure *failure)
{
    fflush(stdout);
    fprintf(stderr, "%sstunclient: %s%s\n", style_begin(output->error_color, STYLE_BAD),
            failure->text, style_end(output->error_color, STYLE_BAD));
    if (failure->advice[0] != '\0') {
        fprintf(stderr, "%s\n", failure->advice);
    }
}

enum exit_status output_fail(const struct output *output, const char *verb, const char *server,
                             const struct failure *failure)
{
    if (output->json) {
        struct output_object object;
        output_object_begin(&object, verb, server, failure->status, failure);
        output_object_end(&object);
    } else {
        output_failure(output, failure);
    }
    return failure->status;
}
