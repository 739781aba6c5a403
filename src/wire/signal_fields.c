/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/signal_fields.h"

#include <stddef.h>

#define AT(member) (uint16_t) offsetof(struct signal_message, member)
#define REQUIRED true
#define OPTIONAL false

#define CALL_ID                                                   \
    {                                                             \
        "call", SIGNAL_KIND_ID, REQUIRED, SIGNAL_ID_MAX, AT(call) \
    }

#define REALM_MAX 127
#define MILLISECONDS_MAX 1000000000

/* One line a member. */
/* clang-format off */
static const struct signal_field fields[SIGNAL_TYPE_COUNT][SIGNAL_FIELDS_MAX + 1] = {
    [SIGNAL_OPEN] = {
        {"v", SIGNAL_KIND_U32, REQUIRED, UINT32_MAX, AT(open.version)},
    },
    [SIGNAL_WELCOME] = {
        {"v", SIGNAL_KIND_U32, REQUIRED, UINT32_MAX, AT(welcome.version)},
        {"server", SIGNAL_KIND_TEXT, OPTIONAL, SIGNAL_TEXT_MAX, AT(welcome.server)},
        {"realm", SIGNAL_KIND_NAME, REQUIRED, REALM_MAX, AT(welcome.realm)},
        {"auth", SIGNAL_KIND_METHODS, REQUIRED, 0, AT(welcome.methods)},
        {"nonce", SIGNAL_KIND_ID, REQUIRED, SIGNAL_ID_MAX, AT(welcome.nonce)},
        {"ping", SIGNAL_KIND_U32, OPTIONAL, UINT32_MAX, AT(welcome.ping_s)},
    },
    [SIGNAL_HELLO] = {
        {"v", SIGNAL_KIND_U32, REQUIRED, UINT32_MAX, AT(hello.version)},
        {"name", SIGNAL_KIND_NAME, OPTIONAL, SIGNAL_NAME_MAX, AT(hello.name)},
        {"auth", SIGNAL_KIND_METHOD, OPTIONAL, 0, AT(hello.method)},
        {"user", SIGNAL_KIND_NAME, OPTIONAL, SIGNAL_NAME_MAX, AT(hello.user)},
        {"realm", SIGNAL_KIND_NAME, OPTIONAL, REALM_MAX, AT(hello.realm)},
        {"proof", SIGNAL_KIND_TEXT, OPTIONAL, SIGNAL_WORD_MAX, AT(hello.proof)},
        {"token", SIGNAL_KIND_TEXT, OPTIONAL, SIGNAL_TOKEN_MAX, AT(hello.token)},
        {"pub", SIGNAL_KIND_TEXT, OPTIONAL, SIGNAL_WORD_MAX, AT(hello.pub)},
        {"sig", SIGNAL_KIND_TEXT, OPTIONAL, 2 * SIGNAL_WORD_MAX, AT(hello.sig)},
        {"resume", SIGNAL_KIND_ID, OPTIONAL, SIGNAL_ID_MAX, AT(hello.resume)},
        {"allow", SIGNAL_KIND_ALLOW, OPTIONAL, 0, AT(hello.allow)},
    },
    [SIGNAL_REGISTERED] = {
        {"name", SIGNAL_KIND_NAME, REQUIRED, SIGNAL_NAME_MAX, AT(registered.name)},
        {"session", SIGNAL_KIND_ID, REQUIRED, SIGNAL_ID_MAX, AT(registered.session)},
        {"resume", SIGNAL_KIND_ID, OPTIONAL, SIGNAL_ID_MAX, AT(registered.resume)},
        {"resume_ttl", SIGNAL_KIND_U32, OPTIONAL, UINT32_MAX, AT(registered.resume_s)},
        {"resumed", SIGNAL_KIND_BOOL, OPTIONAL, 0, AT(registered.resumed)},
        {"reflexive", SIGNAL_KIND_TEXT, OPTIONAL, SIGNAL_WORD_MAX, AT(registered.reflexive)},
        {"iceServers", SIGNAL_KIND_ICE_SERVERS, OPTIONAL, 0, AT(registered.ice)},
        {"ttl", SIGNAL_KIND_U32, OPTIONAL, UINT32_MAX, AT(registered.ice.ttl_s)},
    },
    [SIGNAL_TURN] = {
        {"iceServers", SIGNAL_KIND_ICE_SERVERS, OPTIONAL, 0, AT(turn.ice)},
        {"ttl", SIGNAL_KIND_U32, OPTIONAL, UINT32_MAX, AT(turn.ice.ttl_s)},
    },
    [SIGNAL_CALL] = {
        {"to", SIGNAL_KIND_NAME, REQUIRED, SIGNAL_NAME_MAX, AT(invite.to)},
        {"description", SIGNAL_KIND_DESCRIPTION, OPTIONAL, 0, AT(invite.description)},
    },
    [SIGNAL_INCOMING] = {
        CALL_ID,
        {"from", SIGNAL_KIND_NAME, REQUIRED, SIGNAL_NAME_MAX, AT(incoming.from)},
        {"description", SIGNAL_KIND_DESCRIPTION, OPTIONAL, 0, AT(incoming.description)},
    },
    [SIGNAL_RINGING] = {CALL_ID},
    [SIGNAL_ACCEPT] = {
        CALL_ID,
        {"description", SIGNAL_KIND_DESCRIPTION, OPTIONAL, 0, AT(accept.description)},
    },
    [SIGNAL_REJECT] = {
        CALL_ID,
        {"reason", SIGNAL_KIND_NAME, OPTIONAL, SIGNAL_WORD_MAX, AT(end.reason)},
    },
    [SIGNAL_BYE] = {
        CALL_ID,
        {"reason", SIGNAL_KIND_NAME, OPTIONAL, SIGNAL_WORD_MAX, AT(end.reason)},
    },
    [SIGNAL_DESCRIPTION] = {
        CALL_ID,
        {"description", SIGNAL_KIND_DESCRIPTION, REQUIRED, 0, AT(description)},
    },
    [SIGNAL_CANDIDATE] = {
        CALL_ID,
        {"candidate", SIGNAL_KIND_CANDIDATE, REQUIRED, 0, AT(candidate)},
    },
    [SIGNAL_REPORT] = {
        CALL_ID,
        {"path", SIGNAL_KIND_PATH, REQUIRED, SIGNAL_WORD_MAX, AT(report.path)},
        {"ms", SIGNAL_KIND_REAL, OPTIONAL, MILLISECONDS_MAX, AT(report.ms)},
        {"rtt", SIGNAL_KIND_REAL, OPTIONAL, MILLISECONDS_MAX, AT(report.rtt)},
    },
    [SIGNAL_PING] = {{0}},
    [SIGNAL_PONG] = {{0}},
    [SIGNAL_OK] = {
        {"call", SIGNAL_KIND_ID, OPTIONAL, SIGNAL_ID_MAX, AT(call)},
    },
    [SIGNAL_ERROR] = {
        {"call", SIGNAL_KIND_ID, OPTIONAL, SIGNAL_ID_MAX, AT(call)},
        {"code", SIGNAL_KIND_CODE, REQUIRED, SIGNAL_WORD_MAX, AT(error.code)},
        {"message", SIGNAL_KIND_TEXT, OPTIONAL, SIGNAL_TEXT_MAX, AT(error.message)},
        {"retry_after", SIGNAL_KIND_U32, OPTIONAL, UINT32_MAX, AT(error.retry_after_s)},
    },
};
/* clang-format on */

const struct signal_field *signal_fields(enum signal_type type)
{
    return fields[type];
}
