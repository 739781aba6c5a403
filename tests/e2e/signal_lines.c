/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads messages of the rendezvous protocol, a line each, and writes what was understood: the
 * message as we build it, or "! CODE PROBLEM". For test_signal.py. */
#include "wire/signal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer(const char *line, size_t size)
{
    static char built[SIGNAL_MESSAGE_MAX + 1];
    struct signal_message message;
    struct signal_fault fault;

    if (!signal_message_parse(&message, line, size, &fault)) {
        printf("! %s %s\n", signal_code_name(fault.code), fault.problem);
        return;
    }
    puts(signal_message_build(&message, built, sizeof built) > 0 ? built : "! does not fit");
    signal_message_free(&message);
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;

    if (signal_absent() != NULL) {
        puts(signal_absent());
        return 77;
    }
    while ((size = getline(&line, &capacity, stdin)) > 0) {
        answer(line, (size_t)size - (line[size - 1] == '\n'));
    }
    free(line);
    return 0;
}
