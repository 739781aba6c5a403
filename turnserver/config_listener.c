/* SPDX-License-Identifier: BSD-3-Clause */
/* Listeners: from the draft to what is bound. */
#include "base/address.h"
#include "turnserver/config_build.h"
#include "turnserver/config_host.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DEFAULT 3478 /* RFC 8489 §18.6 */

static void default_listeners(struct config_boot *boot)
{
    static const uint8_t families[] = {STUN_FAMILY_IPV4, STUN_FAMILY_IPV6};
    for (size_t i = 0; i < 2; i++) {
        if (!config_host_has_family(families[i]))
            continue;
        boot->listeners[boot->listener_count++] = (struct config_listener){
            .address = {.family = families[i], .port = PORT_DEFAULT}, .udp = true, .tcp = true};
    }
}

static struct config_place listener_place(const struct config_draft *draft, size_t index, char *key,
                                          size_t size)
{
    snprintf(key, size, "listeners[%zu]", index);
    return config_text_place(draft->text, draft->listeners[index].line, key);
}

static bool is_stream(const struct config_listener *listener)
{
    return listener->tcp || listener->tls;
}

static bool is_datagram(const struct config_listener *listener)
{
    return listener->udp || listener->dtls;
}

static void check_listener(const struct config_draft *draft, const struct config_boot *boot,
                           size_t index)
{
    const struct config_listener *listener = &boot->listeners[index];
    char key[32];
    char text[ADDRESS_TEXT_SIZE];
    struct config_place place = listener_place(draft, index, key, sizeof(key));
    for (size_t i = 0; i < index; i++) {
        const struct config_listener *other = &boot->listeners[i];
        if (!address_equal(&listener->address, &other->address) ||
            !((is_datagram(listener) && is_datagram(other)) ||
              (is_stream(listener) && is_stream(other))))
            continue;
        struct config_place first = config_text_place(draft->text, draft->listeners[i].line, NULL);
        config_report_error(draft->report, place,
                            "expected an address and port that no other listener has, got %s, as "
                            "in line %u",
                            address_format(&listener->address, text), first.line);
    }
    if (!address_is_unspecified(&listener->address) && !config_host_has(&listener->address))
        config_report_warning(draft->report, place,
                              "%s is not an address of this host now: listening there will fail",
                              address_format_ip(&listener->address, text));
}

/* ---- what concerns connections only ------------------------------------------------------------
 */

struct stream_keys {
    struct config_listener *listener;
    const struct config_draft *draft;
    size_t index;
};

static struct config_place stream_place(const struct stream_keys *keys, const char *name,
                                        char key[64])
{
    const struct draft_listener *from = &keys->draft->listeners[keys->index];
    snprintf(key, 64, "listeners[%zu].%s", keys->index, name);
    return config_text_place(keys->draft->text, from->line, key);
}

static void refuse_without(const struct stream_keys *keys, const char *name, const char *needed)
{
    char key[64];
    config_report_error(keys->draft->report, stream_place(keys, name, key),
                        "expected only beside %s", needed);
}

void config_listener_read_proxies(struct config_listener *listener, config_setting_t *list,
                                  struct config_report *report, struct config_place place)
{
    for (int i = 0; list && i < config_setting_length(list); i++) {
        const char *text = config_setting_get_string(config_setting_get_elem(list, (unsigned)i));
        struct address_range range;
        if (!address_range_parse(&range, text))
            config_report_error(report, place,
                                "expected an address, a prefix (\"10.0.0.0/8\", no bits beyond its "
                                "length) or a range, got \"%s\"",
                                text);
        else if (address_set_add(&listener->proxies, &range) < 0)
            config_report_error(report, place, "memory is out");
    }
}

static void read_proxies(const struct stream_keys *keys, config_setting_t *list)
{
    char key[64];
    if (list && !is_stream(keys->listener))
        refuse_without(keys, "proxy_protocol_from", "\"tcp\" or \"tls\" in transports");
    config_listener_read_proxies(keys->listener, list, keys->draft->report,
                                 stream_place(keys, "proxy_protocol_from", key));
}

char *config_host_copy(const char *text)
{
    size_t size = strlen(text);
    if (size > 0 && text[size - 1] == '.')
        size--;
    char *name = size > 0 && size < 256 ? strndup(text, size) : NULL;
    for (size_t i = name && strncmp(name, "*.", 2) == 0 ? 1 : 0; name && i < size; i++) {
        unsigned char character = (unsigned char)name[i];
        if (!isalnum(character) && character != '-' && character != '.' && character != '_') {
            free(name);
            return NULL;
        }
        name[i] = (char)tolower(character);
    }
    return name;
}

static void read_names(const struct stream_keys *keys, config_setting_t *list)
{
    struct config_listener *listener = keys->listener;
    char key[64];
    for (int i = 0; list && i < config_setting_length(list); i++) {
        const char *text = config_setting_get_string(config_setting_get_elem(list, (unsigned)i));
        char *name = config_host_copy(text);
        if (name && listener->server_name_count < CONFIG_SERVER_NAMES_MAX) {
            listener->server_names[listener->server_name_count++] = name;
            continue;
        }
        free(name);
        config_report_error(keys->draft->report, stream_place(keys, "server_names", key),
                            "expected a host name, got \"%s\"", text);
    }
}

static void read_upstream(const struct stream_keys *keys, const struct draft_listener *from)
{
    struct config_listener *listener = keys->listener;
    char key[64];
    if (!from->upstream) {
        if (from->server_names)
            refuse_without(keys, "server_names", "upstream");
        if (from->upstream_proxy_header)
            refuse_without(keys, "upstream_proxy_header", "upstream");
        return;
    }
    if (!listener->tls)
        refuse_without(keys, "upstream", "\"tls\" in transports");
    if (!address_parse(&listener->upstream, from->upstream) || listener->upstream.port == 0)
        config_report_error(keys->draft->report, stream_place(keys, "upstream", key),
                            "expected an address and a port such as \"127.0.0.1:8443\", got \"%s\"",
                            from->upstream);
    else if (address_equal(&listener->upstream, &listener->address))
        config_report_error(keys->draft->report, stream_place(keys, "upstream", key),
                            "expected another address than the listener's own, got \"%s\"",
                            from->upstream);
    listener->upstream_proxy_header = from->upstream_proxy_header;
    read_names(keys, from->server_names);
}

static void build_stream_keys(struct config_listener *listener, const struct config_draft *draft,
                              size_t index)
{
    const struct draft_listener *from = &draft->listeners[index];
    const struct stream_keys keys = {listener, draft, index};
    read_proxies(&keys, from->proxies);
    read_upstream(&keys, from);
}

/* ---- all of them -------------------------------------------------------------------------------
 */

void config_listeners_build(struct config_boot *boot, const struct config_draft *draft)
{
    if (!config_draft_has(draft, "listeners")) {
        default_listeners(boot);
        return;
    }
    for (size_t i = 0; i < draft->listener_count; i++) {
        const struct draft_listener *from = &draft->listeners[i];
        struct config_listener *to = &boot->listeners[boot->listener_count++];
        *to = (struct config_listener){.address = from->address,
                                       .udp = from->transports & CONFIG_TRANSPORT_UDP,
                                       .tcp = from->transports & CONFIG_TRANSPORT_TCP,
                                       .tls = from->transports & CONFIG_TRANSPORT_TLS,
                                       .dtls = from->transports & CONFIG_TRANSPORT_DTLS};
        to->address.port = (uint16_t)from->port;
        build_stream_keys(to, draft, i);
        if (to->address.family != STUN_FAMILY_NONE)
            check_listener(draft, boot, i);
    }
}

void config_listener_free(struct config_listener *listener)
{
    for (size_t i = 0; i < listener->server_name_count; i++)
        free(listener->server_names[i]);
    address_set_clear(&listener->proxies);
}

static bool same_names(const struct config_listener *a, const struct config_listener *b)
{
    bool same = a->server_name_count == b->server_name_count;
    for (size_t i = 0; same && i < a->server_name_count; i++)
        same = strcmp(a->server_names[i], b->server_names[i]) == 0;
    return same;
}

static bool same_proxies(const struct config_listener *a, const struct config_listener *b)
{
    bool same = a->proxies.count == b->proxies.count;
    for (size_t i = 0; same && i < a->proxies.count; i++)
        same = address_equal_ip(&a->proxies.ranges[i].first, &b->proxies.ranges[i].first) &&
               address_equal_ip(&a->proxies.ranges[i].last, &b->proxies.ranges[i].last);
    return same;
}

bool config_listener_equal(const struct config_listener *a, const struct config_listener *b)
{
    return address_equal(&a->address, &b->address) && a->udp == b->udp && a->tcp == b->tcp &&
           a->tls == b->tls && a->dtls == b->dtls && address_equal(&a->upstream, &b->upstream) &&
           a->upstream_proxy_header == b->upstream_proxy_header && same_names(a, b) &&
           same_proxies(a, b);
}
