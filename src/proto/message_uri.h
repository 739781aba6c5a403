/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a rendezvous service is, as people write it: "tcp://HOST[:PORT]", "tls://", "ws://" and
 * "wss://", the last two with a path if need be. HOST is a name, an IPv4 address, or an IPv6
 * address in brackets.
 */
#ifndef PROTO_MESSAGE_URI_H
#define PROTO_MESSAGE_URI_H

#include "proto/stun_uri.h"

#define MESSAGE_URI_PATH_SIZE 256
/* Where nothing is said: those of the example configuration; ws and wss have HTTP's. */
#define MESSAGE_URI_PORT 8080
#define MESSAGE_URI_TLS_PORT 8443

struct message_uri {
    bool websocket;                          /* ws: or wss: */
    bool secure;                             /* tls: or wss: */
    struct stun_host host;                   /* its port is always given */
    char authority[STUN_HOST_SIZE_MAX + 16]; /* WebSocket's Host: without a port that is HTTP's */
    char path[MESSAGE_URI_PATH_SIZE];        /* begins with '/' */
};

/* Parses a whole URI. Returns NULL, or what is wrong with it: the end of a sentence, for people. */
const char *message_uri_parse(struct message_uri *uri, const char *text);

#endif
