/* SPDX-License-Identifier: BSD-3-Clause */
/* URIs and hosts: what is taken is sound, and says the same when it is written out again. */
#include "proto/stun_uri.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <strings.h>

#define TEXT_SIZE_MAX 512

static void check_host(const struct stun_host *host)
{
    size_t size = strnlen(host->name, sizeof host->name);
    REQUIRE(size > 0 && size < sizeof host->name);
    REQUIRE(host->is_ip == (host->address.family != STUN_FAMILY_NONE));
    REQUIRE(host->address.port == 0);
    for (size_t i = 0; i < size; i++) {
        REQUIRE(host->name[i] > ' ' && host->name[i] < 0x7f &&
                strchr("/?#@[]%\\", host->name[i]) == NULL);
    }
}

static void same_host(const struct stun_host *a, const struct stun_host *b)
{
    REQUIRE(strcmp(a->name, b->name) == 0 && a->port == b->port && a->is_ip == b->is_ip);
}

static int write_host(char *out, size_t capacity, const struct stun_host *host)
{
    bool ipv6 = strchr(host->name, ':') != NULL;
    int size = snprintf(out, capacity, "%s%s%s", ipv6 ? "[" : "", host->name, ipv6 ? "]" : "");
    return host->port == 0
               ? size
               : size + snprintf(out + size, capacity - (size_t)size, ":%u", host->port);
}

static void try_uri(const char *text)
{
    struct stun_uri uri;
    struct stun_uri again;
    char written[TEXT_SIZE_MAX];
    if (stun_uri_parse(&uri, text) != NULL) {
        return;
    }
    check_host(&uri.host);
    REQUIRE(stun_uri_has_scheme(text));
    REQUIRE(uri.turn || uri.transport == STUN_URI_TRANSPORT_NONE);
    int size = snprintf(written, sizeof written, "%s%s:", uri.turn ? "turn" : "stun",
                        uri.secure ? "s" : "");
    size += write_host(written + size, sizeof written - (size_t)size, &uri.host);
    if (uri.transport != STUN_URI_TRANSPORT_NONE) {
        snprintf(written + size, sizeof written - (size_t)size, "?transport=%s",
                 uri.transport == STUN_URI_UDP ? "udp" : "tcp");
    }
    REQUIRE(stun_uri_parse(&again, written) == NULL);
    REQUIRE(uri.turn == again.turn && uri.secure == again.secure &&
            uri.transport == again.transport);
    same_host(&uri.host, &again.host);
}

static void try_host(const char *text)
{
    struct stun_host host;
    struct stun_host again;
    char written[TEXT_SIZE_MAX];
    if (stun_host_parse(&host, text) != NULL) {
        return;
    }
    check_host(&host);
    write_host(written, sizeof written, &host);
    REQUIRE(stun_host_parse(&again, written) == NULL);
    same_host(&host, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_SIZE_MAX];
    size = size < sizeof text - 1 ? size : sizeof text - 1;
    memcpy(text, data, size);
    text[size] = '\0';
    try_uri(text);
    try_host(text);
    return 0;
}
