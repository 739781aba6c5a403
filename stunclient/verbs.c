/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/verbs.h"

#include <string.h>

const struct verb verbs[] = {
    {
        .name = "query",
        .bit = VERB_QUERY,
        .schema = "query",
        .arguments = "HOST[:PORT]",
        .summary = "ask a STUN server for this host's address as the world sees it",
        .text = "The verb may be left out. Prints the mapped address, whether this host is behind\n"
                "a NAT, and how long the server took.\n",
        .run = cmd_query,
    },
    {
        .name = "nat",
        .bit = VERB_NAT,
        .schema = "nat",
        .arguments = "HOST[:PORT]",
        .summary = "find out how the NAT maps and filters, and what that means",
        .text =
            "Needs a server with two addresses (RFC 5780). What the server or the network leave\n"
            "open is reported as unknown.\n",
        .run = cmd_nat,
    },
    {
        .name = "turn",
        .bit = VERB_TURN,
        .schema = "turn",
        .arguments = "HOST[:PORT]",
        .summary = "test a TURN relay step by step",
        .text = "Makes two allocations, sends packets from one to the other and back, and reports\n"
                "the time of each step, loss, round-trip time and jitter; and whether the server\n"
                "relays to private addresses.\n",
        .run = cmd_turn,
    },
    {
        .name = "listen",
        .bit = VERB_LISTEN,
        .schema = "call",
        .arguments = "[NAME]",
        .summary = "wait for a call, and join it to standard input and output",
        .text =
            "Registers with a rendezvous service by NAME (the account's, if left out), answers\n"
            "the first call, and ends with it. Programs and browsers can call.\n",
        .run = cmd_listen,
    },
    {
        .name = "call",
        .bit = VERB_CALL,
        .schema = "call",
        .arguments = "NAME",
        .summary = "call a peer, and join it to standard input and output",
        .text =
            "Finds NAME by a rendezvous service, opens a way through the firewalls of both, or\n"
            "takes a relay, and carries bytes both ways, encrypted from end to end.\n",
        .run = cmd_call,
    },
    {
        .name = "key",
        .bit = VERB_KEY,
        .schema = "key",
        .arguments = "",
        .summary = "print the key by which peers know this host; manage those of peers",
        .text = "Makes it if need be. Its private half stays in ~/.config/postern/key, or the file "
                "that\n"
                "--key names; the keys of peers are in ~/.config/postern/known_peers.\n",
        .run = cmd_key,
    },
    {
        .name = "help",
        .bit = VERB_HELP,
        .schema = "error",
        .arguments = "[VERB]",
        .summary = "tell about a verb and its options",
        .text = "",
        .run = cmd_help,
    },
};

const unsigned verb_count = sizeof verbs / sizeof verbs[0];

const struct verb *verb_find(const char *name)
{
    for (unsigned i = 0; i < verb_count; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}
