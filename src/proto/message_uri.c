/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/message_uri.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct scheme {
    const char *name;
    bool websocket, secure;
    uint16_t port;
} schemes[] = {
    {"tcp://", false, false, MESSAGE_URI_PORT},
    {"tls://", false, true, MESSAGE_URI_TLS_PORT},
    {"ws://", true, false, 80},
    {"wss://", true, true, 443},
};

static const struct scheme *find_scheme(const char *text)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (strncasecmp(text, schemes[i].name, strlen(schemes[i].name)) == 0) {
            return &schemes[i];
        }
    }
    return NULL;
}

static const char *parse_path(struct message_uri *uri, const char *text)
{
    if (*text == '\0' || strcmp(text, "/") == 0) {
        memcpy(uri->path, "/", 2);
        return NULL;
    }
    if (!uri->websocket) {
        return "has a path, which only ws:// and wss:// may have";
    }
    if (strlen(text) >= sizeof uri->path) {
        return "has a path that is too long";
    }
    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~' || *c == '#') {
            return "has a character in its path that must be written as %XX";
        }
    }
    memcpy(uri->path, text, strlen(text) + 1);
    return NULL;
}

/* RFC 6455 §4.1, 4: as the URI has it, in brackets for IPv6. */
static void write_authority(struct message_uri *uri, uint16_t usual_port)
{
    const struct stun_host *host = &uri->host;
    bool ipv6 = host->is_ip && host->address.family == STUN_FAMILY_IPV6;
    char port[8] = "";

    if (host->port != usual_port) {
        snprintf(port, sizeof port, ":%u", host->port);
    }
    snprintf(uri->authority, sizeof uri->authority, "%s%s%s%s", ipv6 ? "[" : "", host->name,
             ipv6 ? "]" : "", port);
}

const char *message_uri_parse(struct message_uri *uri, const char *text)
{
    const struct scheme *scheme = find_scheme(text);
    char host[STUN_HOST_SIZE_MAX + 16];

    *uri = (struct message_uri){0};
    if (scheme == NULL) {
        return "must begin with tcp://, tls://, ws:// or wss://";
    }
    uri->websocket = scheme->websocket;
    uri->secure = scheme->secure;
    text += strlen(scheme->name);
    size_t size = strcspn(text, "/?");
    if (size >= sizeof host) {
        return "has a host name that is too long";
    }
    memcpy(host, text, size);
    host[size] = '\0';
    if (text[size] == '?') {
        return "has a '?' without a path before it";
    }
    const char *problem = stun_host_parse(&uri->host, host);
    if (problem == NULL) {
        problem = parse_path(uri, text + size);
    }
    if (problem == NULL && uri->host.port == 0) {
        uri->host.port = scheme->port;
    }
    write_authority(uri, scheme->port);
    return problem;
}
