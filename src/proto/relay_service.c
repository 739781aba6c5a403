/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/relay_service.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *tag;
    enum relay_transport transport;
} tags[] = {
    {"turn.udp", RELAY_UDP},
    {"turn.tcp", RELAY_TCP},
    {"turn.dtls", RELAY_DTLS},
    {"turn.tls", RELAY_TLS},
};

#define TAG_COUNT (sizeof tags / sizeof tags[0])

/* Application service tags and protocol tags are compared without regard to case (RFC 3958 §6.5).
 */
static unsigned transport_of(const char *tag, size_t size)
{
    for (size_t i = 0; i < TAG_COUNT; i++) {
        if (strlen(tags[i].tag) == size && strncasecmp(tags[i].tag, tag, size) == 0) {
            return tags[i].transport;
        }
    }
    return RELAY_NONE;
}

enum relay_transport relay_service_choose(const char *service, unsigned wanted)
{
    size_t size = strcspn(service, ":");
    unsigned offered = 0;
    if (size != strlen("RELAY") || strncasecmp(service, "RELAY", size) != 0) {
        return RELAY_NONE;
    }
    while (service[size] == ':') {
        service += size + 1;
        size = strcspn(service, ":");
        offered |= transport_of(service, size);
    }
    for (size_t i = 0; i < TAG_COUNT; i++) {
        if ((tags[i].transport & offered & wanted) != 0) {
            return tags[i].transport;
        }
    }
    return RELAY_NONE;
}
