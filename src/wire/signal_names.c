/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/signal.h"

#include <string.h>

static const char *const types[SIGNAL_TYPE_COUNT] = {
    [SIGNAL_OPEN] = "open",
    [SIGNAL_WELCOME] = "welcome",
    [SIGNAL_HELLO] = "hello",
    [SIGNAL_REGISTERED] = "registered",
    [SIGNAL_TURN] = "turn",
    [SIGNAL_CALL] = "call",
    [SIGNAL_INCOMING] = "incoming",
    [SIGNAL_RINGING] = "ringing",
    [SIGNAL_ACCEPT] = "accept",
    [SIGNAL_REJECT] = "reject",
    [SIGNAL_BYE] = "bye",
    [SIGNAL_DESCRIPTION] = "description",
    [SIGNAL_CANDIDATE] = "candidate",
    [SIGNAL_REPORT] = "report",
    [SIGNAL_PING] = "ping",
    [SIGNAL_PONG] = "pong",
    [SIGNAL_OK] = "ok",
    [SIGNAL_ERROR] = "error",
};

/* The published list of error codes; docs/rendezvous.md has the same, and a test compares. */
static const struct {
    const char *name, *words;
} codes[SIGNAL_CODE_COUNT] = {
    [SIGNAL_BAD_MESSAGE] = {"bad-message", "the message is malformed"},
    [SIGNAL_TOO_LARGE] = {"too-large", "the message has more than 16384 bytes"},
    [SIGNAL_UNKNOWN_TYPE] = {"unknown-type", "the server does not know messages of this type"},
    [SIGNAL_BAD_STATE] = {"bad-state", "the message does not fit in here"},
    [SIGNAL_UNSUPPORTED_VERSION] = {"unsupported-version",
                                    "the server speaks version 1 of the protocol only"},
    [SIGNAL_UNAUTHORIZED] = {"unauthorized", "the user, proof, token or key is not accepted"},
    [SIGNAL_FORBIDDEN_NAME] = {"forbidden-name", "the name belongs to another account"},
    [SIGNAL_UNAVAILABLE] = {"unavailable", "there is nobody of that name whom you may call"},
    [SIGNAL_BUSY] = {"busy", "one of both sides has too many calls already"},
    [SIGNAL_UNKNOWN_CALL] = {"unknown-call", "there is no such call, or it has ended"},
    [SIGNAL_RATE_LIMITED] = {"rate-limited", "that is more than the server takes at a time"},
    [SIGNAL_QUEUE_FULL] = {"queue-full", "the other side does not read its messages fast enough"},
    [SIGNAL_REPLACED] = {"replaced", "the same name has registered again"},
    [SIGNAL_TIMED_OUT] = {"timed-out", "nothing was heard for too long"},
    [SIGNAL_FULL] = {"full", "there are as many sessions as there may be"},
    [SIGNAL_TRY_LATER] = {"try-later", "users cannot be looked up now"},
    [SIGNAL_SHUTTING_DOWN] = {"shutting-down", "the server goes down"},
};

static const char *const methods[SIGNAL_METHOD_COUNT] = {
    [SIGNAL_METHOD_SHA256] = "SHA-256",
    [SIGNAL_METHOD_MD5] = "MD5",
    [SIGNAL_METHOD_TOKEN] = "token",
    [SIGNAL_METHOD_ED25519] = "Ed25519",
};

/* The place of `name` in a list, or `count`. */
static unsigned find(const char *const *names, unsigned count, const char *name)
{
    unsigned at = 0;

    while (at < count && strcmp(names[at], name) != 0) {
        at++;
    }
    return at;
}

const char *signal_type_name(enum signal_type type)
{
    return types[type];
}

const char *signal_code_name(enum signal_code code)
{
    return codes[code].name;
}

const char *signal_code_words(enum signal_code code)
{
    return codes[code].words;
}

const char *signal_method_name(enum signal_method method)
{
    return methods[method];
}

enum signal_type signal_type_find(const char *name)
{
    return (enum signal_type)find(types, SIGNAL_TYPE_COUNT, name);
}

enum signal_code signal_code_find(const char *name)
{
    unsigned at = 0;

    while (at < SIGNAL_CODE_COUNT && strcmp(codes[at].name, name) != 0) {
        at++;
    }
    return (enum signal_code)at;
}

enum signal_method signal_method_find(const char *name)
{
    return (enum signal_method)find(methods, SIGNAL_METHOD_COUNT, name);
}
