/* SPDX-License-Identifier: BSD-3-Clause */
/* What the other side or the service says at the end of a call that did not come about, for people:
 * what happened, why, what to do next. */
#include "stunclient/peer/phone_internal.h"

#include <stdio.h>
#include <string.h>

struct explanation {
    const char *reason; /* a word of docs/rendezvous.md */
    const char *text;   /* behind the peer's name */
    const char *advice;
};

static const struct explanation explanations[] = {
    {"busy", "is in a call already", "Try again when that is over."},
    {"crossed", "calls us at the same time, and that call counts",
     "One side should listen, the other call."},
    {"declined", "does not take the call", ""},
    {"failed", "gave up before a connection came about",
     "The reason stands in the messages at its side."},
    {"gone", "has left the rendezvous service before a connection came about",
     "Check that it still runs and has its network."},
    {"interrupted", "was interrupted before a connection came about", ""},
    {"no-answer", "did not answer in time",
     "It is registered, but its program may hang or its network be gone."},
    {"no-way", "found no way to us that works, direct or by a relay",
     "`stunclient nat` tells what a side's NAT does, --trace what was tried."},
    {"unknown-key", "does not accept our key, which is another than it has noted for our account",
     "Tell it, by another way, what `stunclient key` prints here: `stunclient key --trust` there "
     "takes it too, as does listen --any-key."},
};

static const struct explanation *find(const char *reason)
{
    for (size_t i = 0; i < sizeof explanations / sizeof explanations[0]; i++) {
        if (strcmp(explanations[i].reason, reason) == 0) {
            return &explanations[i];
        }
    }
    return NULL;
}

static const struct {
    enum signal_code code;
    const char *advice;
} refusals[] = {
    {SIGNAL_UNAUTHORIZED,
     "Check --user and --password; `turnserver user list` tells whom it knows, "
     "when they are in a file."},
    {SIGNAL_FORBIDDEN_NAME,
     "Listen without a name, or as ACCOUNT/SOMETHING; others belong to other accounts."},
    {SIGNAL_REPLACED, "Another program has registered by it with this account, and calls go there "
                      "now: give each a name of its own, as ACCOUNT/SOMETHING."},
    {SIGNAL_FULL, "The operator may raise rendezvous.sessions."},
    {SIGNAL_UNSUPPORTED_VERSION, "Client and server are of versions that do not fit."},
};

void phone_explain_refusal(struct failure *failure, const struct rendezvous_client_event *event,
                           const char *server)
{
    const char *advice = "Check host and port in --server, and that turnserver has a rendezvous "
                         "section there.";
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        advice = refusals[i].code == event->code ? refusals[i].advice : advice;
    }
    bool who = event->code == SIGNAL_UNAUTHORIZED || event->code == SIGNAL_FORBIDDEN_NAME;
    failure_set(failure, who ? EXIT_AUTHENTICATION : EXIT_REFUSED,
                "the rendezvous service %s refuses us: %s", server, event->text);
    failure_advise(failure, "%s", advice);
}

static void explain_refusal(struct failure *failure, enum signal_code code, const char *peer,
                            const char *why)
{
    failure_set(failure, EXIT_NO_CONNECTION, "%s cannot be called: %s", peer, why);
    if (code == SIGNAL_UNAVAILABLE) {
        failure_advise(failure, "Check the name, that the peer runs `stunclient listen`, and that "
                                "it lets this account call (listen --from).");
    } else if (code == SIGNAL_BUSY || code == SIGNAL_RATE_LIMITED) {
        failure_advise(failure, "Try again in a minute.");
    }
}

void phone_explain_end(struct failure *failure, const struct rendezvous_client_event *event,
                       const char *peer)
{
    const char *why = event->text[0] != '\0' ? event->text : "no reason was given";
    const struct explanation *known = find(event->text);
    if (event->ended == RENDEZVOUS_END_REFUSED) {
        explain_refusal(failure, event->code, peer, why);
    } else if (event->ended == RENDEZVOUS_END_LOST) {
        failure_set(failure, EXIT_NO_CONNECTION, "the call to %s is lost: %s", peer, why);
        failure_advise(failure, "The service was restarted, or out of reach for long: call again.");
    } else if (known != NULL) {
        failure_set(failure, EXIT_NO_CONNECTION, "%s %s", peer, known->text);
        failure_advise(failure, "%s", known->advice);
    } else {
        failure_set(failure, EXIT_NO_CONNECTION, "%s %s: %s", peer,
                    event->ended == RENDEZVOUS_END_REJECTED
                        ? "does not take the call"
                        : "hung up before a connection came about",
                    why);
    }
}
