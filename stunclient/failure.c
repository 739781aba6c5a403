/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/failure.h"

#include <stdarg.h>
#include <stdio.h>

/* The word for scripts of an exit status. */
static const char *code_of(enum exit_status status)
{
    static const char *const codes[] = {
        [EXIT_OK] = "ok",
        [EXIT_DEGRADED] = "degraded",
        [EXIT_USAGE] = "usage",
        [EXIT_NAME] = "name",
        [EXIT_NO_REPLY] = "no-reply",
        [EXIT_TLS] = "tls",
        [EXIT_AUTHENTICATION] = "authentication",
        [EXIT_REFUSED] = "refused",
        [EXIT_INCONCLUSIVE] = "inconclusive",
        [EXIT_NO_CONNECTION] = "no-connection",
        [EXIT_IDENTITY] = "identity",
    };
    return codes[status];
}

void failure_set(struct failure *failure, enum exit_status status, const char *format, ...)
{
    va_list arguments;
    failure->status = status;
    failure->code = code_of(status);
    failure->advice[0] = '\0';
    va_start(arguments, format);
    vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
}

void failure_advise(struct failure *failure, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->advice, sizeof failure->advice, format, arguments);
    va_end(arguments);
}
