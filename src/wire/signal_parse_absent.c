/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading messages in a build without jansson. */
#include "wire/signal.h"

#include <stdio.h>

bool signal_message_parse(struct signal_message *message, const char *bytes, size_t size,
                          struct signal_fault *fault)
{
    (void)bytes;
    (void)size;
    *message = (struct signal_message){0};
    if (fault != NULL) {
        *fault = (struct signal_fault){.code = SIGNAL_BAD_MESSAGE};
        snprintf(fault->problem, sizeof fault->problem, "%s", signal_absent());
    }
    return false;
}

void signal_message_free(struct signal_message *message)
{
    *message = (struct signal_message){0};
}

const char *signal_absent(void)
{
    return "this build reads no JSON: install libjansson-dev, configure and build again";
}
