/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/servers.h"

#include "base/address.h"
#include "net/clock.h"
#include "net/resolver.h"
#include "stunclient/locate.h"
#include "stunclient/secure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESOLVE_MS 5000
#define CONNECTIONS_MAX 16
#define NAME_SIZE 320

struct server {
    struct servers *servers;
    struct server_url url;
    struct resolver *resolver;                             /* while it is looked up */
    struct secure *secure;                                 /* of turns: */
    struct stun_address addresses[RESOLVER_ADDRESSES_MAX]; /* that were found */
    size_t address_count;
    char name[NAME_SIZE];
};

struct connection {
    bool in_use;
    uint32_t request, via;
};

struct servers {
    struct servers_setup setup;
    struct server servers[SERVERS_MAX];
    size_t count;
    size_t pending; /* look-ups under way */
    bool all_added, complete;
    struct connection connections[CONNECTIONS_MAX];
};

/* ---- the list -------------------------------------------------------------------------------- */

/* The number of an algorithm that we can sign with, or 0. */
static uint16_t algorithm_of(const char *name)
{
    return strcmp(name, "SHA-256") == 0 ? STUN_PASSWORD_SHA256
           : strcmp(name, "MD5") == 0   ? STUN_PASSWORD_MD5
                                        : 0;
}

/* The list of algorithms must go back to the server as it is: one that we do not know all of is of
 * no use. */
static void take_challenge(struct server_url *url, const struct signal_challenge *told)
{
    if (told->realm == NULL || strlen(told->realm) >= sizeof url->realm ||
        strlen(told->nonce) >= sizeof url->nonce) {
        return;
    }
    for (size_t i = 0; i < told->algorithm_count; i++) {
        url->algorithms[i] = algorithm_of(told->algorithms[i]);
        if (url->algorithms[i] == 0) {
            return;
        }
    }
    url->algorithm_count = told->algorithm_count;
    snprintf(url->realm, sizeof url->realm, "%s", told->realm);
    snprintf(url->nonce, sizeof url->nonce, "%s", told->nonce);
}

void server_list_take(struct server_list *list, const struct signal_ice_servers *told)
{
    *list = (struct server_list){0};
    for (size_t i = 0; i < told->count; i++) {
        const struct signal_ice_server *server = &told->servers[i];
        for (size_t j = 0; j < server->url_count && list->count < SERVERS_MAX; j++) {
            struct server_url *url = &list->urls[list->count];
            if (stun_uri_parse(&url->uri, server->urls[j]) != NULL) {
                continue;
            }
            snprintf(url->user, sizeof url->user, "%s",
                     server->username == NULL ? "" : server->username);
            snprintf(url->password, sizeof url->password, "%s",
                     server->credential == NULL ? "" : server->credential);
            take_challenge(url, &server->challenge);
            list->count++;
        }
    }
}

/* ---- finding them ---------------------------------------------------------------------------- */

static void complain(struct servers *servers, const struct server *server, const char *text)
{
    char words[NAME_SIZE + 256];
    snprintf(words, sizeof words, "%s %s", server->name, text);
    servers->setup.complain(servers->setup.context, words);
}

static enum outbox_transport transport_of(const struct stun_uri *uri)
{
    if (uri->secure) {
        return TRANSPORT_TLS; /* "?transport=udp" would be DTLS, which relays hardly have */
    }
    return uri->transport == STUN_URI_TCP ? TRANSPORT_TCP : TRANSPORT_UDP;
}

static void complete_if_done(struct servers *servers)
{
    if (servers->all_added && servers->pending == 0 && !servers->complete) {
        servers->complete = true;
        ice_gathering_complete(servers->setup.agent, clock_now());
    }
}

static void give_addresses(struct server *server)
{
    struct servers *servers = server->servers;
    const struct server_url *url = &server->url;
    struct long_term_challenge challenge = {
        .realm = url->realm, .nonce = url->nonce, .algorithm_count = url->algorithm_count};
    memcpy(challenge.algorithms, url->algorithms, sizeof url->algorithms);
    for (size_t i = 0; i < server->address_count; i++) {
        const struct ice_server add = {
            .address = server->addresses[i],
            .transport = (uint8_t)transport_of(&url->uri),
            .turn = url->uri.turn,
            .user = url->user,
            .password = url->password,
            .challenge = url->realm[0] != '\0' ? &challenge : NULL,
            .number = (uint32_t)(server - servers->servers),
        };
        int status = ice_add_server(servers->setup.agent, clock_now(), &add,
                                    shell_outbox(servers->setup.shell));
        if (status != 0) {
            complain(servers, server, "is one server too many");
        }
    }
}

static void add_addresses(struct server *server, const struct resolver_result *found)
{
    if (found->count == 0) {
        complain(server->servers, server, found->problem);
    }
    server->address_count = found->count;
    memcpy(server->addresses, found->addresses, sizeof server->addresses);
    give_addresses(server);
}

static void on_resolved(const struct resolver_result *result, void *context)
{
    struct server *server = context;
    struct servers *servers = server->servers;
    servers->pending--;
    add_addresses(server, result);
    complete_if_done(servers);
    shell_settle(servers->setup.shell);
}

static void look_up(struct server *server, uint16_t default_port)
{
    struct servers *servers = server->servers;
    const struct options *options = servers->setup.options;
    const struct stun_uri *uri = &server->url.uri;
    const struct resolver_request request = {
        .host = uri->host.name,
        .service = uri->turn ? (uri->secure ? "turns" : "turn") : "stun",
        .protocol = transport_of(uri) == TRANSPORT_UDP ? "udp" : "tcp",
        .port = uri->host.port,
        .default_port = default_port,
        .family = options->family,
        .timeout_ms = RESOLVE_MS,
    };
    server->resolver = locate_resolver(shell_base(servers->setup.shell), options);
    if (server->resolver != NULL &&
        resolver_start(server->resolver, &request, on_resolved, server) == 0) {
        servers->pending++;
    } else {
        complain(servers, server, "cannot be looked up");
    }
}

static void find(struct server *server)
{
    const struct stun_host *host = &server->url.uri.host;
    uint16_t default_port = server->url.uri.secure ? STUN_TLS_PORT : STUN_PORT;
    if (!host->is_ip) {
        look_up(server, default_port);
        return;
    }
    struct resolver_result result = {.count = 1, .addresses = {host->address}};
    result.addresses[0].port = host->port != 0 ? host->port : default_port;
    add_addresses(server, &result);
}

static void add_server(struct servers *servers, const struct server_url *url)
{
    struct server *server = &servers->servers[servers->count++];
    const struct stun_uri *uri = &url->uri;
    char address[ADDRESS_TEXT_SIZE];
    server->servers = servers;
    server->url = *url;
    snprintf(server->name, sizeof server->name, "%s%s:%s%s", uri->turn ? "turn" : "stun",
             uri->secure ? "s" : "",
             uri->host.is_ip ? address_format_ip(&uri->host.address, address) : uri->host.name,
             uri->transport == STUN_URI_TCP ? " over TCP" : "");
    find(server);
}

static enum servers_kind kind_of(const struct server_url *url)
{
    if (!url->uri.turn) {
        return SERVERS_STUN;
    }
    return transport_of(&url->uri) == TRANSPORT_UDP && url->realm[0] != '\0' ? SERVERS_RELAY_QUICK
                                                                             : SERVERS_RELAY;
}

void servers_add(struct servers *servers, const struct server_list *list, enum servers_kind kind)
{
    for (size_t i = 0; i < list->count && servers->count < SERVERS_MAX; i++) {
        if (kind_of(&list->urls[i]) == kind && !servers->all_added) {
            add_server(servers, &list->urls[i]);
        }
    }
}

static bool is_same_server(const struct stun_uri *a, const struct stun_uri *b)
{
    bool same_host = a->host.is_ip
                         ? b->host.is_ip && address_equal_ip(&a->host.address, &b->host.address)
                         : !b->host.is_ip && strcmp(a->host.name, b->host.name) == 0;
    return same_host && a->host.port == b->host.port && a->turn == b->turn &&
           a->secure == b->secure && a->transport == b->transport;
}

void servers_renew(struct servers *servers, const struct server_list *list)
{
    for (size_t i = 0; i < servers->count; i++) {
        struct server *server = &servers->servers[i];
        for (size_t j = 0; j < list->count && server->url.uri.turn; j++) {
            if (is_same_server(&server->url.uri, &list->urls[j].uri)) {
                server->url = list->urls[j];
                give_addresses(server);
                break;
            }
        }
    }
}

void servers_complete(struct servers *servers)
{
    servers->all_added = true;
    complete_if_done(servers);
}

/* ---- connections ----------------------------------------------------------------------------- */

static int open_connection(struct servers *servers, const struct ice_event *event, uint32_t *via)
{
    struct server *server = &servers->servers[event->number];
    const struct stun_host *host = &server->url.uri.host;
    char address[ADDRESS_TEXT_SIZE];
    struct failure failure;
    if (event->transport != TRANSPORT_TLS) {
        return shell_open_tcp(servers->setup.shell, &event->address, NULL, via);
    }
    if (server->secure == NULL) {
        const char *name = host->is_ip ? address_format_ip(&host->address, address) : host->name;
        server->secure = secure_new_stream(servers->setup.options, name, false, NULL, &failure);
    }
    if (server->secure == NULL) {
        complain(servers, server, failure.text);
        return -1;
    }
    return shell_open_tls(servers->setup.shell, server->secure, &event->address, NULL, via);
}

void servers_connect(struct servers *servers, struct monotime now, const struct ice_event *event,
                     struct outbox *outbox)
{
    struct connection *connection = NULL;
    for (size_t i = 0; i < CONNECTIONS_MAX && connection == NULL; i++) {
        connection = servers->connections[i].in_use ? NULL : &servers->connections[i];
    }
    uint32_t via;
    if (connection == NULL || event->number >= servers->count ||
        open_connection(servers, event, &via) != 0) {
        ice_server_lost(servers->setup.agent, now, event->request, outbox);
        return;
    }
    *connection = (struct connection){true, event->request, via};
}

void servers_disconnect(struct servers *servers, uint32_t request)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &servers->connections[i];
        if (connection->in_use && connection->request == request) {
            shell_close(servers->setup.shell, connection->via);
            connection->in_use = false;
        }
    }
}

/* The place of the connection, or CONNECTIONS_MAX. */
static size_t find_via(const struct servers *servers, uint32_t via)
{
    size_t i = 0;
    while (i < CONNECTIONS_MAX &&
           !(servers->connections[i].in_use && servers->connections[i].via == via)) {
        i++;
    }
    return i;
}

bool servers_owns(const struct servers *servers, uint32_t via)
{
    return find_via(servers, via) < CONNECTIONS_MAX;
}

bool servers_connected(struct servers *servers, struct monotime now, uint32_t via,
                       struct outbox *outbox)
{
    size_t place = find_via(servers, via);
    struct stun_address local = {0};
    if (place == CONNECTIONS_MAX) {
        return false;
    }
    const struct connection *connection = &servers->connections[place];
    shell_local(servers->setup.shell, via, &local, &local);
    ice_server_connected(servers->setup.agent, now, connection->request, via, &local, outbox);
    return true;
}

bool servers_lost(struct servers *servers, struct monotime now, uint32_t via, const char *text,
                  struct outbox *outbox)
{
    size_t place = find_via(servers, via);
    char words[256];
    if (place == CONNECTIONS_MAX) {
        return false;
    }
    struct connection *connection = &servers->connections[place];
    snprintf(words, sizeof words, "a connection to a relay is gone: %s", text);
    servers->setup.complain(servers->setup.context, words);
    uint32_t request = connection->request;
    shell_close(servers->setup.shell, via);
    connection->in_use = false;
    ice_server_lost(servers->setup.agent, now, request, outbox);
    return true;
}

/* ---- life ------------------------------------------------------------------------------------ */

struct servers *servers_new(const struct servers_setup *setup)
{
    struct servers *servers = calloc(1, sizeof *servers);
    if (servers != NULL) {
        servers->setup = *setup;
    }
    return servers;
}

void servers_free(struct servers *servers)
{
    if (servers == NULL) {
        return;
    }
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (servers->connections[i].in_use) {
            shell_close(servers->setup.shell, servers->connections[i].via);
        }
    }
    for (size_t i = 0; i < SERVERS_MAX; i++) {
        resolver_free(servers->servers[i].resolver);
        secure_free(servers->servers[i].secure);
    }
    free(servers);
}

const char *servers_name(const struct servers *servers, uint32_t number)
{
    return number < servers->count ? servers->servers[number].name : "";
}
