/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/config_keys.h"

#include "base/log.h"

#include <stddef.h>

static const struct config_choice transports[] = {
    {"udp", CONFIG_TRANSPORT_UDP, false},
    {"tcp", CONFIG_TRANSPORT_TCP, false},
    {"tls", CONFIG_TRANSPORT_TLS, false},
    {"dtls", CONFIG_TRANSPORT_DTLS, false},
    {0},
};

static const struct config_choice datapaths[] = {
    {"auto", CONFIG_DATAPATH_AUTO, false},
    {"socket", CONFIG_DATAPATH_SOCKET, false},
    {"steer", 0, true},
    {"offload", 0, true},
    {0},
};

static const struct config_choice families[] = {
    {"ipv4", 0, false}, /* RFC 8656 §7.2 */
    {"client", 1, false},
    {0},
};

static const struct config_choice channel_numbers[] = {
    {"rfc8656", 0, false}, /* 0x4000 to 0x4FFF */
    {"rfc5766", 1, false}, /* to 0x7FFF: coturn's tools choose among all of these */
    {0},
};

static const struct config_choice tls_versions[] = {
    {"1.2", 0, false},
    {"1.3", 1, false},
    {0},
};

static const struct config_choice token_algorithms[] = {
    {"A256GCM", TOKEN_A256GCM, false},
    {"A128GCM", TOKEN_A128GCM, false},
    {0},
};

static const struct config_choice alternate_times[] = {
    {"always", 0, false},
    {"full", 1, false}, /* no port is free, or limits.allocations_per_worker is reached */
    {0},
};

static const struct config_choice levels[] = {
    {"error", LOG_ERROR, false},
    {"warning", LOG_WARNING, false},
    {"info", LOG_INFO, false},
    {"debug", LOG_DEBUG, false},
    {0},
};

static const struct config_choice callers[] = {
    {"same_realm", RENDEZVOUS_CALLERS_SAME_REALM, false},
    {"anyone", RENDEZVOUS_CALLERS_ANYONE, false},
    {"listed", RENDEZVOUS_CALLERS_LISTED, false},
    {0},
};

#define AT(member) offsetof(struct config_draft, member)
#define IN_LISTENER(member) offsetof(struct draft_listener, member)
#define IN_REALM(member) offsetof(struct draft_realm, member)
#define IN_CERTIFICATE(member) offsetof(struct draft_certificate, member)
#define IN_TOKEN_KEY(member) offsetof(struct draft_token_key, member)
#define IN_ALTERNATE(member) offsetof(struct draft_alternate, member)
#define IN_USER(member) offsetof(struct draft_user, member)
#define IN_RENDEZVOUS_LISTENER(member) offsetof(struct draft_rendezvous_listener, member)
#define IN_RENDEZVOUS_KEY(member) offsetof(struct draft_rendezvous_key, member)
#define RATE_MIN 64000
#define RATE_MAX INT64_C(1000000000000)
#define RELOAD true
#define RESTART false

/* clang-format off */
const struct config_key config_keys[] = {
    {"listeners", CONFIG_GROUPS, RESTART, 1, CONFIG_LISTENERS_MAX, "(port 3478 of all addresses)", NULL, 0},
    {"listeners[].address", CONFIG_ADDRESS, RESTART, 0, 0, NULL, NULL, IN_LISTENER(address)},
    {"listeners[].port", CONFIG_INTEGER, RESTART, 1, 65535, "3478", NULL, IN_LISTENER(port)},
    {"listeners[].proxy_protocol_from", CONFIG_STRINGS, RESTART, 0, 1000, "(nobody)", NULL, IN_LISTENER(proxies)},
    {"listeners[].upstream", CONFIG_STRING, RESTART, 1, 64, "(none)", NULL, IN_LISTENER(upstream)},
    {"listeners[].upstream_proxy_header", CONFIG_BOOLEAN, RESTART, 0, 0, "false", NULL, IN_LISTENER(upstream_proxy_header)},
    {"listeners[].server_names", CONFIG_STRINGS, RESTART, 0, CONFIG_SERVER_NAMES_MAX, "(all)", NULL, IN_LISTENER(server_names)},
    {"listeners[].realm", CONFIG_STRING, RELOAD, 1, AUTH_REALM_SIZE_MAX - 1, "(the first)", NULL, IN_LISTENER(realm)},
    {"listeners[].transports", CONFIG_CHOICES, RESTART, 0, 0, "(udp and tcp)", transports, IN_LISTENER(transports)},

    {"tls", CONFIG_GROUP, RELOAD, 0, 0, "(none)", NULL, 0},
    {"tls.certificate", CONFIG_STRING, RELOAD, 1, 4096, "(none)", NULL, AT(certificate)},
    {"tls.key", CONFIG_STRING, RELOAD, 1, 4096, "(none)", NULL, AT(certificate_key)},
    {"tls.certificates", CONFIG_GROUPS, RELOAD, 0, CONFIG_CERTIFICATES_MAX, "(none)", NULL, 0},
    {"tls.certificates[].certificate", CONFIG_STRING, RELOAD, 1, 4096, NULL, NULL, IN_CERTIFICATE(certificate)},
    {"tls.certificates[].key", CONFIG_STRING, RELOAD, 1, 4096, NULL, NULL, IN_CERTIFICATE(key)},
    {"tls.min_version", CONFIG_CHOICE, RELOAD, 0, 0, "1.2", tls_versions, AT(tls_min_version)},
    {"tls.ciphers", CONFIG_STRING, RELOAD, 1, 1024, "(forward secrecy and AEAD)", NULL, AT(tls_ciphers)},

    {"realm", CONFIG_STRING, RELOAD, 1, AUTH_REALM_SIZE_MAX - 1, "postern", NULL, AT(realm)},
    {"users", CONFIG_GROUPS, RELOAD, 0, 1000000, "(none)", NULL, 0},
    {"users[].name", CONFIG_STRING, RELOAD, 1, 508, NULL, NULL, IN_USER(name)},
    {"users[].password", CONFIG_SECRET, RELOAD, 1, 512, "(none)", NULL, IN_USER(password)},
    {"users[].key", CONFIG_SECRET, RELOAD, 1, 128, "(none)", NULL, IN_USER(key)},
    {"users_database", CONFIG_GROUP, RESTART, 0, 0, "(none)", NULL, 0},
    {"users_database.sqlite", CONFIG_STRING, RESTART, 1, 4000, "(none)", NULL, AT(users_sqlite)},
    {"users_database.redis", CONFIG_GROUP, RESTART, 0, 0, "(none)", NULL, 0},
    {"users_database.redis.address", CONFIG_ADDRESS, RESTART, 0, 0, NULL, NULL, AT(redis_address)},
    {"users_database.redis.port", CONFIG_INTEGER, RESTART, 1, 65535, "6379", NULL, AT(redis_port)},
    {"users_database.redis.user", CONFIG_STRING, RESTART, 1, 256, "(none)", NULL, AT(redis_user)},
    {"users_database.redis.password", CONFIG_SECRET, RESTART, 1, 512, "(none)", NULL, AT(redis_password)},
    {"users_database.redis.database", CONFIG_INTEGER, RESTART, 0, 65535, "0", NULL, AT(redis_database)},
    {"users_database.lifetime", CONFIG_DURATION, RESTART, 1, 3600, "10s", NULL, AT(users_lifetime)},
    {"rest", CONFIG_GROUP, RELOAD, 0, 0, "(none)", NULL, 0},
    {"rest.secrets", CONFIG_SECRETS, RELOAD, 0, 16, "(none)", NULL, AT(secrets)},

    {"realms", CONFIG_GROUPS, RELOAD, 0, CONFIG_REALMS_MAX, "(none)", NULL, 0},
    {"realms[].name", CONFIG_STRING, RELOAD, 1, AUTH_REALM_SIZE_MAX - 1, NULL, NULL, IN_REALM(name)},
    {"realms[].origins", CONFIG_STRINGS, RELOAD, 0, 1000, "(none)", NULL, IN_REALM(origins)},
    {"realms[].server_names", CONFIG_STRINGS, RELOAD, 0, 1000, "(none)", NULL, IN_REALM(server_names)},
    {"realms[].secrets", CONFIG_SECRETS, RELOAD, 0, 16, "(none)", NULL, IN_REALM(secrets)},
    {"realms[].users", CONFIG_GROUPS, RELOAD, 0, 1000000, "(none)", NULL, 0},
    {"realms[].users[].name", CONFIG_STRING, RELOAD, 1, 508, NULL, NULL, IN_USER(name)},
    {"realms[].users[].password", CONFIG_SECRET, RELOAD, 1, 512, "(none)", NULL, IN_USER(password)},
    {"realms[].users[].key", CONFIG_SECRET, RELOAD, 1, 128, "(none)", NULL, IN_USER(key)},
    {"realms[].allocations", CONFIG_INTEGER, RELOAD, 0, 10000000, "0", NULL, IN_REALM(allocations)},
    {"realms[].ports", CONFIG_INTEGER, RELOAD, 0, 10000000, "0", NULL, IN_REALM(ports)},
    {"realms[].bandwidth", CONFIG_RATE, RELOAD, RATE_MIN, RATE_MAX, "(no limit)", NULL, IN_REALM(bandwidth)},
    {"username_anonymity", CONFIG_BOOLEAN, RELOAD, 0, 0, "(with stored users, without secrets)", NULL, AT(username_anonymity)},
    {"oauth", CONFIG_GROUP, RELOAD, 0, 0, "(none)", NULL, 0},
    {"oauth.server_name", CONFIG_STRING, RELOAD, 1, 255, "(the realm)", NULL, AT(oauth_server_name)},
    {"oauth.keys", CONFIG_GROUPS, RELOAD, 0, CONFIG_TOKEN_KEYS_MAX, "(none)", NULL, 0},
    {"oauth.keys[].kid", CONFIG_STRING, RELOAD, 1, TOKEN_KEY_ID_SIZE_MAX, NULL, NULL, IN_TOKEN_KEY(kid)},
    {"oauth.keys[].key", CONFIG_SECRET, RELOAD, 1, CONFIG_TOKEN_KEY_TEXT_MAX, NULL, NULL, IN_TOKEN_KEY(key)},
    {"oauth.keys[].algorithm", CONFIG_CHOICE, RELOAD, 0, 0, "A256GCM", token_algorithms, IN_TOKEN_KEY(algorithm)},
    {"oauth.keys[].not_before", CONFIG_STRING, RELOAD, 1, 20, "(always)", NULL, IN_TOKEN_KEY(not_before)},
    {"oauth.keys[].not_after", CONFIG_STRING, RELOAD, 1, 20, "(always)", NULL, IN_TOKEN_KEY(not_after)},

    {"relay", CONFIG_GROUP, RESTART, 0, 0, "(see its keys)", NULL, 0},
    {"relay.addresses", CONFIG_ADDRESSES, RESTART, 1, CONFIG_RELAY_ADDRESSES_MAX, "(the listeners' addresses)", NULL, AT(relay_addresses)},
    {"relay.ports", CONFIG_GROUP, RESTART, 0, 0, "(see its keys)", NULL, 0},
    {"relay.ports.min", CONFIG_INTEGER, RESTART, 1024, 65535, "49152", NULL, AT(relay_port_min)},
    {"relay.ports.max", CONFIG_INTEGER, RESTART, 1024, 65535, "65535", NULL, AT(relay_port_max)},
    {"relay.tcp", CONFIG_BOOLEAN, RELOAD, 0, 0, "true", NULL, AT(relay_tcp)},
    {"relay.shared_ports", CONFIG_BOOLEAN, RESTART, 0, 0, "false", NULL, AT(relay_shared_ports)},
    {"relay.copy_ip_fields", CONFIG_BOOLEAN, RESTART, 0, 0, "true", NULL, AT(relay_ip_fields)},
    {"relay.default_family", CONFIG_CHOICE, RELOAD, 0, 0, "ipv4", families, AT(relay_default_family)},

    {"peers", CONFIG_GROUP, RELOAD, 0, 0, "(see its keys)", NULL, 0},
    {"peers.allow", CONFIG_STRINGS, RELOAD, 0, 10000, "(none)", NULL, AT(allow)},
    {"peers.deny", CONFIG_STRINGS, RELOAD, 0, 10000, "(none)", NULL, AT(deny)},

    {"nat_behavior", CONFIG_GROUP, RESTART, 0, 0, "(where two public addresses are listeners)", NULL, 0},
    {"nat_behavior.enabled", CONFIG_BOOLEAN, RESTART, 0, 0, "true", NULL, AT(nat_behavior)},
    {"nat_behavior.alternate_address", CONFIG_ADDRESS, RESTART, 0, 0, "(none)", NULL, AT(alternate_address)},
    {"nat_behavior.alternate_addresses", CONFIG_ADDRESSES, RESTART, 1, 2, "(none)", NULL, AT(alternate_addresses)},
    {"nat_behavior.alternate_port", CONFIG_INTEGER, RESTART, 1, 65535, "3479", NULL, AT(alternate_port)},

    {"quotas", CONFIG_GROUP, RELOAD, 0, 0, "(see its keys)", NULL, 0},
    {"quotas.user", CONFIG_GROUP, RELOAD, 0, 0, "(see its keys)", NULL, 0},
    {"quotas.user.allocations", CONFIG_INTEGER, RELOAD, 0, 1000000, "100", NULL, AT(user_allocations)},
    {"quotas.user.ports", CONFIG_INTEGER, RELOAD, 0, 1000000, "0", NULL, AT(user_ports)},
    {"quotas.user.bandwidth", CONFIG_RATE, RELOAD, RATE_MIN, RATE_MAX, "(no limit)", NULL, AT(user_bandwidth)},
    {"quotas.total", CONFIG_GROUP, RELOAD, 0, 0, "(see its keys)", NULL, 0},
    {"quotas.total.allocations", CONFIG_INTEGER, RELOAD, 0, 10000000, "0", NULL, AT(total_allocations)},
    {"quotas.total.ports", CONFIG_INTEGER, RELOAD, 0, 10000000, "0", NULL, AT(total_ports)},
    {"quotas.total.bandwidth", CONFIG_RATE, RELOAD, RATE_MIN, RATE_MAX, "(no limit)", NULL, AT(total_bandwidth)},

    {"limits", CONFIG_GROUP, RELOAD, 0, 0, "(see its keys)", NULL, 0},
    {"limits.unauthenticated_per_source", CONFIG_INTEGER, RELOAD, 0, 1000000, "1000", NULL, AT(unauthenticated_per_source)},
    {"limits.allocations_per_worker", CONFIG_INTEGER, RELOAD, 0, 10000000, "0", NULL, AT(allocations_per_worker)},
    {"limits.permissions_per_allocation", CONFIG_INTEGER, RELOAD, 1, 65535, "256", NULL, AT(permissions_per_allocation)},
    {"limits.channels_per_allocation", CONFIG_INTEGER, RELOAD, 1, 4096, "256", NULL, AT(channels_per_allocation)},
    {"limits.tcp_peers_per_allocation", CONFIG_INTEGER, RELOAD, 1, 1000, "32", NULL, AT(tcp_peers_per_allocation)},
    {"limits.lifetime_default", CONFIG_DURATION, RELOAD, 60, 86400, "10m", NULL, AT(lifetime_default)},
    {"limits.lifetime_max", CONFIG_DURATION, RELOAD, 60, 86400, "1h", NULL, AT(lifetime_max)},
    {"limits.nonce_lifetime", CONFIG_DURATION, RELOAD, 1, 86400, "1h", NULL, AT(nonce_lifetime)},
    {"limits.tcp_connections", CONFIG_INTEGER, RELOAD, 1, 1000000, "20000", NULL, AT(tcp_connections)},
    {"limits.tcp_connections_per_source", CONFIG_INTEGER, RELOAD, 1, 1000000, "1000", NULL, AT(tcp_connections_per_source)},
    {"limits.tcp_idle_timeout", CONFIG_DURATION, RESTART, 1, 86400, "30s", NULL, AT(tcp_idle_timeout)},

    {"workers", CONFIG_INTEGER, RESTART, 1, 256, "(one a core)", NULL, AT(workers)},
    {"datapath", CONFIG_CHOICE, RESTART, 0, 0, "auto", datapaths, AT(datapath)},
    {"channel_numbers", CONFIG_CHOICE, RELOAD, 0, 0, "rfc5766", channel_numbers, AT(channel_numbers)},
    {"mobility", CONFIG_BOOLEAN, RELOAD, 0, 0, "true", NULL, AT(mobility)},
    {"classic_stun", CONFIG_BOOLEAN, RELOAD, 0, 0, "false", NULL, AT(classic_stun)},
    {"alternate_servers", CONFIG_GROUPS, RELOAD, 0, CONFIG_ALTERNATES_MAX, "(none)", NULL, 0},
    {"alternate_servers[].address", CONFIG_ADDRESS, RELOAD, 0, 0, NULL, NULL, IN_ALTERNATE(address)},
    {"alternate_servers[].port", CONFIG_INTEGER, RELOAD, 1, 65535, "3478", NULL, IN_ALTERNATE(port)},
    {"alternate_servers[].domain", CONFIG_STRING, RELOAD, 1, 255, "(none)", NULL, IN_ALTERNATE(domain)},
    {"alternate_when", CONFIG_CHOICE, RELOAD, 0, 0, "always", alternate_times, AT(alternate_when)},
    {"software", CONFIG_STRING, RELOAD, 1, 64, "(not told)", NULL, AT(software)},
    {"user", CONFIG_STRING, RESTART, 1, 32, "(stay)", NULL, AT(user)},
    {"group", CONFIG_STRING, RESTART, 1, 32, "(the user's)", NULL, AT(group)},
    {"pid_file", CONFIG_STRING, RESTART, 1, 4096, "(none)", NULL, AT(pid_file)},

    {"rendezvous", CONFIG_GROUP, RESTART, 0, 0, "(off)", NULL, 0},
    {"rendezvous.listeners", CONFIG_GROUPS, RESTART, 1, CONFIG_RENDEZVOUS_LISTENERS_MAX, "(none)", NULL, 0},
    {"rendezvous.listeners[].address", CONFIG_ADDRESS, RESTART, 0, 0, NULL, NULL, IN_RENDEZVOUS_LISTENER(address)},
    {"rendezvous.listeners[].port", CONFIG_INTEGER, RESTART, 1, 65535, "8080", NULL, IN_RENDEZVOUS_LISTENER(port)},
    {"rendezvous.listeners[].tls", CONFIG_BOOLEAN, RESTART, 0, 0, "false", NULL, IN_RENDEZVOUS_LISTENER(tls)},
    {"rendezvous.listeners[].plain", CONFIG_BOOLEAN, RESTART, 0, 0, "true", NULL, IN_RENDEZVOUS_LISTENER(plain)},
    {"rendezvous.listeners[].proxy_protocol_from", CONFIG_STRINGS, RESTART, 0, 1000, "(nobody)", NULL, IN_RENDEZVOUS_LISTENER(proxies)},
    {"rendezvous.host", CONFIG_STRING, RELOAD, 1, 253, "(where the client came in)", NULL, AT(rendezvous.host)},
    {"rendezvous.callers", CONFIG_CHOICE, RELOAD, 0, 0, "same_realm", callers, AT(rendezvous.callers)},
    {"rendezvous.origins", CONFIG_STRINGS, RELOAD, 0, 1000, "(no browser)", NULL, AT(rendezvous.origins)},
    {"rendezvous.turn_token", CONFIG_SECRET, RELOAD, 16, 256, "(off)", NULL, AT(rendezvous.turn_token)},
    {"rendezvous.keys", CONFIG_GROUPS, RELOAD, 0, CONFIG_RENDEZVOUS_KEYS_MAX, "(none)", NULL, 0},
    {"rendezvous.keys[].account", CONFIG_STRING, RELOAD, 1, 255, NULL, NULL, IN_RENDEZVOUS_KEY(account)},
    {"rendezvous.keys[].public_key", CONFIG_STRING, RELOAD, 43, 44, NULL, NULL, IN_RENDEZVOUS_KEY(public_key)},
    {"rendezvous.unknown_keys", CONFIG_BOOLEAN, RELOAD, 0, 0, "false", NULL, AT(rendezvous.unknown_keys)},
    {"rendezvous.tokens_in_clear", CONFIG_BOOLEAN, RELOAD, 0, 0, "false", NULL, AT(rendezvous.tokens_in_clear)},
    {"rendezvous.credential_lifetime", CONFIG_DURATION, RELOAD, 60, 86400, "1h", NULL, AT(rendezvous.credential_lifetime)},
    {"rendezvous.hello_timeout", CONFIG_DURATION, RELOAD, 1, 3600, "10s", NULL, AT(rendezvous.hello_timeout)},
    {"rendezvous.ping_interval", CONFIG_DURATION, RELOAD, 1, 3600, "25s", NULL, AT(rendezvous.ping_interval)},
    {"rendezvous.resume_time", CONFIG_DURATION, RELOAD, 1, 3600, "1m", NULL, AT(rendezvous.resume_time)},
    {"rendezvous.ring_timeout", CONFIG_DURATION, RELOAD, 1, 86400, "2m", NULL, AT(rendezvous.ring_timeout)},
    {"rendezvous.sessions", CONFIG_INTEGER, RELOAD, 1, 10000000, "100000", NULL, AT(rendezvous.sessions)},
    {"rendezvous.sessions_per_account", CONFIG_INTEGER, RELOAD, 1, 1000000, "16", NULL, AT(rendezvous.sessions_per_account)},
    {"rendezvous.calls_per_session", CONFIG_INTEGER, RELOAD, 1, 10000, "16", NULL, AT(rendezvous.calls_per_session)},
    {"rendezvous.queue_bytes", CONFIG_INTEGER, RELOAD, 32768, 16777216, "65536", NULL, AT(rendezvous.queue_bytes)},
    {"rendezvous.hellos_per_source", CONFIG_INTEGER, RELOAD, 0, 1000000, "20", NULL, AT(rendezvous.hellos_per_source)},
    {"rendezvous.messages_per_account", CONFIG_INTEGER, RELOAD, 0, 1000000, "100", NULL, AT(rendezvous.messages_per_account)},
    {"rendezvous.calls_per_account", CONFIG_INTEGER, RELOAD, 0, 1000000, "60", NULL, AT(rendezvous.calls_per_account)},
    {"rendezvous.connections", CONFIG_INTEGER, RELOAD, 1, 1000000, "20000", NULL, AT(rendezvous.connections)},
    {"rendezvous.connections_per_source", CONFIG_INTEGER, RELOAD, 1, 1000000, "1000", NULL, AT(rendezvous.connections_per_source)},

    {"log", CONFIG_GROUP, RELOAD, 0, 0, "(see its keys)", NULL, 0},
    {"log.file", CONFIG_STRING, RELOAD, 1, 4096, "(standard error)", NULL, AT(log_file)},
    {"log.level", CONFIG_CHOICE, RELOAD, 0, 0, "info", levels, AT(log_level)},
    {"log.json", CONFIG_BOOLEAN, RELOAD, 0, 0, "false", NULL, AT(log_json)},
    {0},
};
/* clang-format on */

_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX,
               "a draft has a line for every key");

/* ---- what a row says in words ------------------------------------------------------------------
 */

static const char *choice_names(const struct config_choice *choices, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (; choices->name && used < size; choices++)
        if (!choices->later)
            used += (size_t)snprintf(text + used, size - used, "%s\"%s\"", used > 0 ? ", " : "",
                                     choices->name);
    return text;
}

static const char *duration_text(int64_t seconds, char *text, size_t size)
{
    static const struct {
        int seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t i = 0;
    while (seconds % units[i].seconds != 0)
        i++;
    snprintf(text, size, "%d%c", (int)(seconds / units[i].seconds), units[i].unit);
    return text;
}

const char *config_key_expected(const struct config_key *key, char *text, size_t size)
{
    char a[256];
    char b[32];
    long long min = key->min;
    long long max = key->max;
    switch (key->kind) {
    case CONFIG_GROUP:
        snprintf(text, size, "a group { ... }");
        break;
    case CONFIG_GROUPS:
        snprintf(text, size, "a list of at most %lld groups ( { ... }, { ... } )", max);
        break;
    case CONFIG_STRING:
    case CONFIG_SECRET:
        snprintf(text, size, "a string of %lld to %lld bytes", min, max);
        break;
    case CONFIG_STRINGS:
    case CONFIG_SECRETS:
        snprintf(text, size, "at most %lld strings [ \"...\", \"...\" ]", max);
        break;
    case CONFIG_INTEGER:
        snprintf(text, size, "a number from %lld to %lld", min, max);
        break;
    case CONFIG_BOOLEAN:
        snprintf(text, size, "true or false");
        break;
    case CONFIG_DURATION:
        snprintf(text, size, "a duration from \"%s\" to \"%s\"", duration_text(min, a, sizeof(a)),
                 duration_text(max, b, sizeof(b)));
        break;
    case CONFIG_RATE:
        snprintf(text, size, "a rate from \"64 kbit/s\" to \"1000 Gbit/s\", such as \"10 Mbit/s\"");
        break;
    case CONFIG_ADDRESS:
        snprintf(text, size, "an IP address such as \"192.0.2.1\" or \"2001:db8::1\"");
        break;
    case CONFIG_ADDRESSES:
        snprintf(text, size, "%lld to %lld IP addresses [ \"192.0.2.1\", \"2001:db8::1\" ]", min,
                 max);
        break;
    case CONFIG_CHOICE:
        snprintf(text, size, "one of %s", choice_names(key->choices, a, sizeof(a)));
        break;
    case CONFIG_CHOICES:
        snprintf(text, size, "an array of %s", choice_names(key->choices, a, sizeof(a)));
        break;
    }
    return text;
}

void config_keys_list(FILE *stream)
{
    for (const struct config_key *key = config_keys; key->path; key++) {
        char expected[512];
        fprintf(stream, "%s\t%s\t%s\t%s\n", key->path,
                config_key_expected(key, expected, sizeof(expected)),
                key->default_text ? key->default_text : "(required)",
                key->reload ? "reload" : "restart");
    }
}
