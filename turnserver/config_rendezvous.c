/* SPDX-License-Identifier: BSD-3-Clause */
/* The section `rendezvous`: from the draft to listeners, and to what the service is told. */
#include "base/address.h"
#include "net/message_stream.h"
#include "turnserver/config_build.h"
#include "turnserver/config_host.h"
#include "wire/signal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#define PUBLIC_KEY_SIZE 32
#define SERVER_NAME "Postern" /* where the operator tells no other */
/* Of one kind in one answer (SIGNAL_URLS_MAX). */
#define URLS_MAX 8

/* ---- listeners ---------------------------------------------------------------------------------
 */

static struct config_place listener_place(const struct config_draft *draft, size_t index, char *key,
                                          size_t size)
{
    snprintf(key, size, "rendezvous.listeners[%zu]", index);
    return config_text_place(draft->text, draft->rendezvous.listeners[index].line, key);
}

static bool is_taken(const struct config_boot *boot, const struct stun_address *address,
                     size_t index)
{
    bool taken = false;
    for (size_t i = 0; i < boot->listener_count; i++)
        taken = taken || ((boot->listeners[i].tcp || boot->listeners[i].tls) &&
                          address_equal(&boot->listeners[i].address, address));
    for (size_t i = 0; i < index; i++)
        taken = taken || address_equal(&boot->rendezvous_listeners[i].address, address);
    return taken;
}

static void check_listener(const struct config_draft *draft, const struct config_boot *boot,
                           size_t index)
{
    const struct config_listener *listener = &boot->rendezvous_listeners[index];
    char key[48];
    char text[ADDRESS_TEXT_SIZE];
    struct config_place place = listener_place(draft, index, key, sizeof(key));
    if (!listener->tcp && !listener->tls)
        config_report_error(draft->report, place,
                            "expected tls = true beside plain = false, or nobody can come in");
    if (is_taken(boot, &listener->address, index))
        config_report_error(draft->report, place,
                            "expected an address and port that no other listener has, got %s",
                            address_format(&listener->address, text));
    if (!address_is_unspecified(&listener->address) && !config_host_has(&listener->address))
        config_report_warning(draft->report, place,
                              "%s is not an address of this host now: listening there will fail",
                              address_format_ip(&listener->address, text));
}

static void build_listener(struct config_boot *boot, const struct config_draft *draft, size_t index)
{
    const struct draft_rendezvous_listener *from = &draft->rendezvous.listeners[index];
    struct config_listener *to = &boot->rendezvous_listeners[boot->rendezvous_listener_count++];
    char key[48];
    struct config_place place = listener_place(draft, index, key, sizeof(key));
    *to = (struct config_listener){.address = from->address, .tcp = from->plain, .tls = from->tls};
    to->address.port = (uint16_t)from->port;
    config_listener_read_proxies(to, from->proxies, draft->report, place);
    if (to->address.family != STUN_FAMILY_NONE)
        check_listener(draft, boot, index);
}

void config_rendezvous_boot_build(struct config_boot *boot, const struct config_draft *draft)
{
    struct config_place place = config_draft_place(draft, "rendezvous");
    if (!config_draft_has(draft, "rendezvous"))
        return;
    if (signal_absent())
        config_report_error(draft->report, place, "expected no such section: %s", signal_absent());
    if (!config_draft_has(draft, "rendezvous.listeners"))
        config_report_error(draft->report, place,
                            "expected listeners = ( { address = ...; port = ...; } ), got none");
    for (size_t i = 0; i < draft->rendezvous.listener_count; i++)
        build_listener(boot, draft, i);
    boot->rendezvous_connections_max = draft->rendezvous.connections;
    boot->rendezvous_connections_per_source = draft->rendezvous.connections_per_source;
}

/* ---- where STUN and TURN are -------------------------------------------------------------------
 */

struct url_list {
    struct config_rendezvous *rendezvous;
    size_t capacity, of_kind;
    const char *scheme, *transport;
};

/* A host literal as URLs have it. */
static void write_host(char out[48], const struct stun_address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    bool ipv6 = address->family == STUN_FAMILY_IPV6;
    snprintf(out, 48, "%s%.45s%s", ipv6 ? "[" : "", address_format_ip(address, text),
             ipv6 ? "]" : "");
}

static bool same_host(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void add_url(struct url_list *list, const struct stun_address *address)
{
    struct config_rendezvous *to = list->rendezvous;
    struct rendezvous_policy *policy = &to->policy;
    size_t number = policy->url_count;
    const char *host = to->host;
    if (list->of_kind == URLS_MAX || number == list->capacity)
        return;
    if (!host && !address_is_unspecified(address)) {
        write_host(to->url_hosts[number], address);
        host = to->url_hosts[number];
    }
    for (size_t i = 0; i < number; i++) {
        const struct rendezvous_url *other = &to->urls[i];
        if (strcmp(other->scheme, list->scheme) == 0 && other->port == address->port &&
            same_host(other->host, host) && same_host(other->transport, list->transport))
            return;
    }
    to->urls[number] = (struct rendezvous_url){
        .scheme = list->scheme, .host = host, .port = address->port, .transport = list->transport};
    policy->url_count++;
    list->of_kind++;
}

enum way {
    WAY_UDP,
    WAY_TCP,
    WAY_TLS
};

static bool listener_has(const struct config_listener *listener, enum way way)
{
    switch (way) {
    case WAY_UDP:
        return listener->udp;
    case WAY_TCP:
        return listener->tcp;
    case WAY_TLS:
        return listener->tls;
    }
    return false;
}

static bool has_outward(const struct config_boot *boot)
{
    bool found = false;
    for (size_t i = 0; i < boot->listener_count; i++)
        found = found || !address_is_loopback(&boot->listeners[i].address);
    return found;
}

/* Loopback only where there is nothing else: it is of no use to a client elsewhere. */
static void add_urls(struct url_list *list, const struct config_boot *boot, enum way way)
{
    bool outward = has_outward(boot);
    for (size_t i = 0; i < boot->listener_count; i++) {
        const struct config_listener *listener = &boot->listeners[i];
        if (listener_has(listener, way) && !(outward && address_is_loopback(&listener->address)))
            add_url(list, &listener->address);
    }
}

static bool build_urls(struct config_rendezvous *to, const struct config_boot *boot, bool relay)
{
    struct url_list list = {.rendezvous = to, .capacity = 4 * boot->listener_count};
    to->urls = calloc(list.capacity + 1, sizeof(*to->urls));
    to->url_hosts = calloc(list.capacity + 1, sizeof(*to->url_hosts));
    if (!to->urls || !to->url_hosts)
        return false;
    to->policy.urls = to->urls;
    list.scheme = "stun";
    add_urls(&list, boot, WAY_UDP);
    list.of_kind = 0;
    list.scheme = "turn";
    list.transport = "udp";
    if (relay)
        add_urls(&list, boot, WAY_UDP);
    list.transport = "tcp";
    if (relay)
        add_urls(&list, boot, WAY_TCP);
    list.scheme = "turns";
    if (relay)
        add_urls(&list, boot, WAY_TLS);
    return true;
}

/* ---- who ---------------------------------------------------------------------------------------
 */

/* Base64url or base64 of 32 bytes, with or without its padding. */
static bool decode_key(const char *text, uint8_t out[PUBLIC_KEY_SIZE])
{
    char copy[45];
    uint8_t bytes[PUBLIC_KEY_SIZE + 1];
    size_t size = strlen(text);
    if (size == 44 && text[43] == '=')
        size = 43;
    if (size != 43 || memchr(text, '=', size))
        return false;
    for (size_t i = 0; i < size; i++)
        copy[i] = (char)(text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i]);
    memcpy(copy + size, "=", 2);
    if (EVP_DecodeBlock(bytes, (const unsigned char *)copy, 44) != PUBLIC_KEY_SIZE + 1)
        return false;
    memcpy(out, bytes, PUBLIC_KEY_SIZE);
    return true;
}

static bool build_keys(struct config_rendezvous *to, const struct config_draft *draft)
{
    const struct draft_rendezvous *from = &draft->rendezvous;
    to->keys = calloc(from->key_count + 1, sizeof(*to->keys));
    if (!to->keys)
        return false;
    to->policy.keys = to->keys;
    for (size_t i = 0; i < from->key_count; i++) {
        struct rendezvous_key *key = &to->keys[to->policy.key_count];
        if (!from->keys[i].account || !from->keys[i].public_key)
            continue; /* reported as missing or wrong */
        if (!decode_key(from->keys[i].public_key, key->public_key)) {
            char name[64];
            snprintf(name, sizeof(name), "rendezvous.keys[%zu].public_key", i);
            config_report_error(draft->report,
                                config_text_place(draft->text, from->keys[i].line, name),
                                "expected base64url of the 32 bytes of an Ed25519 key, as "
                                "\"stunclient key\" shows it, got \"%s\"",
                                from->keys[i].public_key);
            continue;
        }
        key->account = strdup(from->keys[i].account);
        if (!key->account)
            return false;
        to->policy.key_count++;
    }
    return true;
}

/* As browsers write an origin (RFC 6454 §6.2), or "*". */
static bool is_origin(const char *text)
{
    const char *host = strstr(text, "://");
    return strcmp(text, "*") == 0 || strcmp(text, "null") == 0 ||
           (host && host > text && host[3] && !strchr(host + 3, '/') && !strchr(text, ' '));
}

static bool build_origins(struct config_rendezvous *to, const struct config_draft *draft)
{
    config_setting_t *list = draft->rendezvous.origins;
    int count = list ? config_setting_length(list) : 0;
    to->origins = calloc((size_t)count + 1, sizeof(*to->origins));
    if (!to->origins)
        return false;
    for (int i = 0; i < count; i++) {
        const char *text = config_setting_get_string_elem(list, i);
        char key[48];
        snprintf(key, sizeof(key), "rendezvous.origins[%d]", i);
        if (!is_origin(text))
            config_report_error(
                draft->report,
                config_text_place(draft->text,
                                  config_line_of(config_setting_get_elem(list, (unsigned)i)), key),
                "expected an origin as browsers write it (\"https://example.org\", "
                "\"http://localhost:8000\") or \"*\", got \"%s\"",
                text);
        to->origins[i] = strdup(text);
        if (!to->origins[i])
            return false;
    }
    to->policy.origins = (const char *const *)to->origins;
    to->policy.origin_count = (size_t)count;
    if (count > 0 && !message_stream_has_websocket())
        config_report_warning(draft->report, config_draft_place(draft, "rendezvous.origins"),
                              "browsers cannot come in: this turnserver was built without "
                              "WebSocket; install libwslay (libwslay-dev) and build it again");
    return true;
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

static void set_numbers(struct rendezvous_policy *policy, const struct draft_rendezvous *from)
{
    policy->callers = (enum rendezvous_callers)from->callers;
    policy->unknown_keys = from->unknown_keys;
    policy->tokens_in_clear = from->tokens_in_clear;
    policy->credential_lifetime_s = from->credential_lifetime;
    policy->hello_timeout_s = from->hello_timeout;
    policy->ping_s = from->ping_interval;
    policy->resume_s = from->resume_time;
    policy->ring_timeout_s = from->ring_timeout;
    policy->sessions_max = from->sessions;
    policy->sessions_per_account = from->sessions_per_account;
    policy->calls_per_session = from->calls_per_session;
    policy->queue_bytes = from->queue_bytes;
    policy->hellos_per_source = from->hellos_per_source;
    policy->messages_per_account = from->messages_per_account;
    policy->calls_per_account = from->calls_per_account;
}

static bool copy(char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return *out || !text;
}

static void warn(const struct config_draft *draft, bool relay_enabled)
{
    if (!relay_enabled)
        config_report_warning(draft->report, config_draft_place(draft, "rendezvous"),
                              "nobody can register: there are neither users, secrets nor keys");
}

struct config_rendezvous *config_rendezvous_build(const struct config_draft *draft,
                                                  const struct config_boot *boot,
                                                  bool relay_enabled)
{
    if (boot->rendezvous_listener_count == 0)
        return NULL;
    struct config_rendezvous *to = calloc(1, sizeof(*to));
    if (to && copy(&to->host, draft->rendezvous.host) &&
        copy(&to->server, draft->software ? draft->software : SERVER_NAME) &&
        copy(&to->turn_token, draft->rendezvous.turn_token) && build_origins(to, draft) &&
        build_keys(to, draft) && build_urls(to, boot, relay_enabled)) {
        set_numbers(&to->policy, &draft->rendezvous);
        to->policy.server = to->server;
        warn(draft, relay_enabled);
        return to;
    }
    config_report_error(draft->report, config_draft_place(draft, "rendezvous"), "memory is out");
    config_rendezvous_free(to);
    return NULL;
}

void config_rendezvous_free(struct config_rendezvous *rendezvous)
{
    if (!rendezvous)
        return;
    for (size_t i = 0; i < rendezvous->policy.key_count; i++)
        free((char *)rendezvous->keys[i].account);
    for (size_t i = 0; rendezvous->origins && rendezvous->origins[i]; i++)
        free(rendezvous->origins[i]);
    if (rendezvous->turn_token)
        OPENSSL_cleanse(rendezvous->turn_token, strlen(rendezvous->turn_token));
    free(rendezvous->turn_token);
    free(rendezvous->host);
    free(rendezvous->server);
    free((void *)rendezvous->origins);
    free(rendezvous->urls);
    free(rendezvous->url_hosts);
    free(rendezvous->keys);
    SSL_CTX_free(rendezvous->tls_context);
    free(rendezvous);
}
