/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/config_report.h"

#include "base/text.h"

#include <stdarg.h>
#include <string.h>

#define TEXT_SIZE_MAX 1024

/* What an operator wrote is shown back to him, but a terminal must not obey it. */
static void print_safely(FILE *stream, const char *text)
{
    size_t size = strlen(text);
    while (size > 0) {
        uint32_t code_point = 0;
        size_t length = text_utf8_next(text, size, &code_point);
        if (length > 0 && text_is_printable(code_point))
            fwrite(text, 1, length, stream);
        else
            fputc('?', stream);
        length = length > 0 ? length : 1;
        text += length;
        size -= length;
    }
}

static void __attribute__((format(printf, 4, 0)))
print_line(struct config_report *report, const struct config_place *place, const char *label,
           const char *format, va_list arguments)
{
    char text[TEXT_SIZE_MAX];
    vsnprintf(text, sizeof(text), format, arguments);
    print_safely(report->stream, place->file);
    if (place->line > 0)
        fprintf(report->stream, ":%u", place->line);
    fputs(": ", report->stream);
    if (place->key && *place->key) {
        print_safely(report->stream, place->key);
        fputs(": ", report->stream);
    }
    fputs(label, report->stream);
    print_safely(report->stream, text);
    fputc('\n', report->stream);
}

void config_report_error(struct config_report *report, struct config_place place,
                         const char *format, ...)
{
    report->errors++;
    if (report->errors > CONFIG_ERRORS_MAX) {
        report->silenced++;
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    print_line(report, &place, "", format, arguments);
    va_end(arguments);
}

void config_report_warning(struct config_report *report, struct config_place place,
                           const char *format, ...)
{
    report->warnings++;
    if (report->warnings > CONFIG_ERRORS_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    print_line(report, &place, "warning: ", format, arguments);
    va_end(arguments);
}

void config_report_finish(struct config_report *report, const char *file)
{
    if (report->silenced > 0)
        fprintf(report->stream, "%s: and %u more errors like these\n", file, report->silenced);
    report->silenced = 0;
}
