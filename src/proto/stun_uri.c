/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/stun_uri.h"

#include "base/address.h"
#include "base/text.h"

#include <string.h>
#include <strings.h>

#define LABEL_SIZE_MAX 63

static const struct scheme {
    const char *text;
    bool turn, secure;
} schemes[] = {
    {"stun:", false, false},
    {"stuns:", false, true},
    {"turn:", true, false},
    {"turns:", true, true},
};

static const struct scheme *find_scheme(const char *text)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (strncasecmp(text, schemes[i].text, strlen(schemes[i].text)) == 0) {
            return &schemes[i];
        }
    }
    return NULL;
}

bool stun_uri_has_scheme(const char *text)
{
    return find_scheme(text) != NULL;
}

/* ---- hosts ----------------------------------------------------------------------------------- */

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* Labels of 1..63 characters; the last one is not a number, or it would be a broken IPv4 address.
 */
static const char *check_name(const char *name, size_t size)
{
    size_t label = 0;
    bool digits_only = true;
    for (size_t i = 0; i < size; i++) {
        if (name[i] == '.') {
            if (label == 0) {
                return "has an empty label in its host name";
            }
            label = 0;
            digits_only = true;
        } else if (name[i] == '%') {
            return "has a percent sign in its host name: write the name in its ASCII form "
                   "(xn--...)";
        } else if (!is_name_character(name[i])) {
            return "has a character that no host name has";
        } else if (++label > LABEL_SIZE_MAX) {
            return "has a label of more than 63 characters in its host name";
        } else {
            digits_only = digits_only && name[i] >= '0' && name[i] <= '9';
        }
    }
    return digits_only ? "looks like an IPv4 address, but is none" : NULL;
}

static const char *take_name(struct stun_host *host, const char *text, size_t size)
{
    if (size > 1 && text[size - 1] == '.') {
        size--;
    }
    if (size == 0) {
        return "has no host";
    }
    if (size > STUN_HOST_SIZE_MAX) {
        return "has a host name of more than 253 characters";
    }
    memcpy(host->name, text, size);
    host->name[size] = '\0';
    if (address_parse_ip(&host->address, host->name)) {
        host->is_ip = true;
        return NULL;
    }
    return check_name(text, size);
}

static const char *take_port(struct stun_host *host, const char *text, size_t size)
{
    uint64_t port;
    if (!text_parse_u64(text, size, UINT16_MAX, &port) || port == 0) {
        return "has a port that is not a number of 1 to 65535";
    }
    host->port = (uint16_t)port;
    return NULL;
}

/* `text` begins with '['. */
static const char *take_bracketed(struct stun_host *host, const char *text, size_t size)
{
    const char *end = memchr(text, ']', size);
    size_t inside = end == NULL ? 0 : (size_t)(end - text) - 1;
    if (inside == 0 || inside > STUN_HOST_SIZE_MAX) {
        return "has a bracket that nothing closes, or nothing in it";
    }
    memcpy(host->name, text + 1, inside);
    host->name[inside] = '\0';
    if (!address_parse_ip(&host->address, host->name) || host->address.family != STUN_FAMILY_IPV6) {
        return "has something in brackets that is not an IPv6 address";
    }
    host->is_ip = true;
    size_t rest = size - inside - 2;
    if (rest == 0) {
        return NULL;
    }
    return end[1] == ':' ? take_port(host, end + 2, rest - 1)
                         : "has something other than a port behind the bracket";
}

static const char *take_host(struct stun_host *host, const char *text, size_t size)
{
    *host = (struct stun_host){0};
    if (size > 0 && text[0] == '[') {
        return take_bracketed(host, text, size);
    }
    const char *colon = memchr(text, ':', size);
    if (colon == NULL) {
        return take_name(host, text, size);
    }
    size_t name_size = (size_t)(colon - text);
    if (memchr(colon + 1, ':', size - name_size - 1) != NULL) {
        return "has an IPv6 address without brackets, or two ports";
    }
    const char *problem = take_name(host, text, name_size);
    return problem != NULL ? problem : take_port(host, colon + 1, size - name_size - 1);
}

const char *stun_host_parse(struct stun_host *host, const char *text)
{
    size_t size = strlen(text);
    struct stun_address address;
    if (size <= STUN_HOST_SIZE_MAX && text[0] != '[' && address_parse_ip(&address, text)) {
        *host = (struct stun_host){.is_ip = true, .address = address};
        memcpy(host->name, text, size + 1);
        return NULL;
    }
    return take_host(host, text, size);
}

/* ---- URIs ------------------------------------------------------------------------------------ */

static const char *take_query(struct stun_uri *uri, const char *query)
{
    if (!uri->turn) {
        return "has a query, which stun: and stuns: do not have (RFC 7064)";
    }
    if (strcasecmp(query, "transport=udp") == 0) {
        uri->transport = STUN_URI_UDP;
    } else if (strcasecmp(query, "transport=tcp") == 0) {
        uri->transport = STUN_URI_TCP;
    } else {
        return "has a query other than ?transport=udp or ?transport=tcp (RFC 7065)";
    }
    return NULL;
}

const char *stun_uri_parse(struct stun_uri *uri, const char *text)
{
    const struct scheme *scheme = find_scheme(text);
    *uri = (struct stun_uri){0};
    if (scheme == NULL) {
        return "does not begin with stun:, stuns:, turn: or turns:";
    }
    uri->turn = scheme->turn;
    uri->secure = scheme->secure;
    const char *host = text + strlen(scheme->text);
    if (strncmp(host, "//", 2) == 0) {
        return "has \"//\", which these URIs do not have";
    }
    if (strchr(host, '@') != NULL) {
        return "has a user name: give it by --user and --password";
    }
    size_t host_size = strcspn(host, "?");
    const char *problem = take_host(&uri->host, host, host_size);
    if (problem == NULL && host[host_size] == '?') {
        problem = take_query(uri, host + host_size + 1);
    }
    return problem;
}
