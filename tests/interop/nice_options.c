/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loaded before libnice into programs that leave no choice (GStreamer's webrtcbin): new agents
 * nominate aggressively or are lite, as the environment's NICE_OPTIONS says.
 */
#define _GNU_SOURCE
#include <agent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef NiceAgent *new_full(GMainContext *context, NiceCompatibility kind, NiceAgentOption options);

NiceAgent *nice_agent_new_full(GMainContext *context, NiceCompatibility kind,
                               NiceAgentOption options)
{
    new_full *original;
    const char *wanted = getenv("NICE_OPTIONS");
    /* A plugin has loaded it for itself, so RTLD_NEXT does not see it. */
    void *library = dlopen("libnice.so.10", RTLD_LAZY);
    void *found = dlsym(library, "nice_agent_new_full");

    memcpy(&original, &found, sizeof original);
    if (wanted != NULL && strcmp(wanted, "aggressive") == 0) {
        options &= (NiceAgentOption)~NICE_AGENT_OPTION_REGULAR_NOMINATION;
    }
    if (wanted != NULL && strcmp(wanted, "lite") == 0) {
        options |= NICE_AGENT_OPTION_LITE_MODE;
    }
    return original(context, kind, options);
}
