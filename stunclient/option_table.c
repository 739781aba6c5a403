/* SPDX-License-Identifier: BSD-3-Clause */
/* Every option: who takes it, what it means, how its value is read. */
#include "base/address.h"
#include "base/text.h"
#include "net/interface.h"
#include "stunclient/option_call.h"
#include "stunclient/verbs.h"

#include <stdlib.h>
#include <string.h>

#define TESTS (VERB_QUERY | VERB_NAT | VERB_TURN)
#define CALLS (VERB_LISTEN | VERB_CALL)
#define ALL (TESTS | CALLS | VERB_KEY | VERB_HELP)

struct choice {
    const char *name;
    int value;
};

static bool choose(const struct choice *choices, const char *value, int *out)
{
    for (; choices->name != NULL; choices++) {
        if (strcmp(choices->name, value) == 0) {
            *out = choices->value;
            return true;
        }
    }
    return false;
}

static bool number(const char *value, uint64_t min, uint64_t max, uint32_t *out)
{
    uint64_t n;
    if (!text_parse_u64(value, strlen(value), max, &n) || n < min) {
        return false;
    }
    *out = (uint32_t)n;
    return true;
}

/* Seconds with up to three decimals, as milliseconds. */
static bool seconds(const char *value, uint32_t min_ms, uint32_t max_ms, uint32_t *out)
{
    const char *point = strchr(value, '.');
    size_t whole_size = point == NULL ? strlen(value) : (size_t)(point - value);
    uint64_t whole;
    uint64_t ms = 0;
    if (!text_parse_u64(value, whole_size, max_ms / 1000, &whole)) {
        return false;
    }
    if (point != NULL) {
        size_t digits = strlen(point + 1);
        if (digits == 0 || digits > 3 || strspn(point + 1, "0123456789") != digits) {
            return false;
        }
        for (size_t i = 0; i < 3; i++) {
            ms = 10 * ms + (i < digits ? (uint64_t)(point[1 + i] - '0') : 0);
        }
    }
    ms += 1000 * whole;
    if (ms < min_ms || ms > max_ms) {
        return false;
    }
    *out = (uint32_t)ms;
    return true;
}

static const char *set_protocol(struct options *options, char *value)
{
    static const struct choice choices[] = {
        {"udp", PROTOCOL_UDP},
        {"tcp", PROTOCOL_TCP},
        {"tls", PROTOCOL_TLS},
        {"dtls", PROTOCOL_DTLS},
        {NULL, 0},
    };
    int chosen;
    if (!choose(choices, value, &chosen)) {
        return "udp, tcp, tls or dtls";
    }
    options->protocol = (enum client_protocol)chosen;
    return NULL;
}

static const char *set_ca(struct options *options, char *value)
{
    options->ca_file = value;
    return NULL;
}

static const char *set_server_name(struct options *options, char *value)
{
    struct stun_host host;
    if (stun_host_parse(&host, value) != NULL || host.port != 0) {
        return "a host name or an IP address";
    }
    options->server_name = value;
    return NULL;
}

static const char *set_insecure(struct options *options, char *value)
{
    (void)value;
    options->insecure = true;
    return NULL;
}

static const struct choice families[] = {
    {"4", STUN_FAMILY_IPV4},
    {"6", STUN_FAMILY_IPV6},
    {NULL, 0},
};

static const char *set_family(struct options *options, char *value)
{
    int chosen;
    if (!choose(families, value, &chosen)) {
        return "4 or 6";
    }
    options->family = (uint8_t)chosen;
    return NULL;
}

static const char *set_ipv4(struct options *options, char *value)
{
    (void)value;
    options->family = STUN_FAMILY_IPV4;
    return NULL;
}

static const char *set_ipv6(struct options *options, char *value)
{
    (void)value;
    options->family = STUN_FAMILY_IPV6;
    return NULL;
}

static const char *set_relay_family(struct options *options, char *value)
{
    int chosen;
    if (!choose(families, value, &chosen)) {
        return "4 or 6";
    }
    options->relay_family = (uint8_t)chosen;
    return NULL;
}

static const char *set_tcp_relay(struct options *options, char *value)
{
    (void)value;
    options->tcp_relay = true;
    return NULL;
}

static const char *set_mobility(struct options *options, char *value)
{
    (void)value;
    options->mobility = true;
    return NULL;
}

static const char *set_dual_stack(struct options *options, char *value)
{
    (void)value;
    options->dual_stack = true;
    return NULL;
}

static const char *set_localaddr(struct options *options, char *value)
{
    uint16_t port = options->local.port;
    options->local_interface = NULL;
    if (address_parse_ip(&options->local, value)) {
        options->local.port = port;
        return NULL;
    }
    if (!interface_exists(value)) {
        return "an IP address or a network interface of this host";
    }
    options->local_interface = value; /* which of its addresses is known when the family is */
    return NULL;
}

static const char *set_localport(struct options *options, char *value)
{
    uint32_t port;
    if (!number(value, 1, UINT16_MAX, &port)) {
        return "a port of 1 to 65535";
    }
    options->local.port = (uint16_t)port;
    return NULL;
}

static const char *set_timeout(struct options *options, char *value)
{
    return seconds(value, 100, 3600000, &options->timeout_ms) ? NULL : "seconds, 0.1 to 3600";
}

static const char *set_rto(struct options *options, char *value)
{
    return number(value, 50, 60000, &options->rto_ms) ? NULL : "milliseconds, 50 to 60000";
}

static const char *set_dns(struct options *options, char *value)
{
    struct stun_host host;
    if (stun_host_parse(&host, value) != NULL || !host.is_ip) {
        return "an IP address, or ADDRESS:PORT";
    }
    options->dns = value;
    return NULL;
}

static const char *set_json(struct options *options, char *value)
{
    (void)value;
    options->json = true;
    return NULL;
}

static const char *set_verbosity(struct options *options, char *value)
{
    uint32_t level;
    if (!number(value, 0, 9, &level)) {
        return "a number of 0 to 9";
    }
    options->verbosity = (int)level;
    return NULL;
}

static const char *set_verbose(struct options *options, char *value)
{
    (void)value;
    options->verbosity++;
    return NULL;
}

static const char *set_color(struct options *options, char *value)
{
    static const struct choice choices[] = {
        {"auto", COLOR_AUTO}, {"always", COLOR_ALWAYS}, {"never", COLOR_NEVER}, {NULL, 0}};
    int chosen;
    if (!choose(choices, value, &chosen)) {
        return "auto, always or never";
    }
    options->color = (enum client_color)chosen;
    return NULL;
}

static const char *set_mode(struct options *options, char *value)
{
    static const struct choice choices[] = {
        {"basic", MODE_BASIC},
        {"behavior", MODE_BEHAVIOR},
        {"filtering", MODE_FILTERING},
        {"full", MODE_FULL},
        {NULL, 0},
    };
    int chosen;
    if (!choose(choices, value, &chosen)) {
        return "basic, behavior, filtering or full";
    }
    options->mode = (enum client_mode)chosen;
    return NULL;
}

static const char *set_hairpin(struct options *options, char *value)
{
    (void)value;
    options->hairpin = true;
    return NULL;
}

static const char *set_lifetime(struct options *options, char *value)
{
    return number(value, 5, 3600, &options->lifetime_max_s) ? NULL : "seconds, 5 to 3600";
}

static const char *set_user(struct options *options, char *value)
{
    if (value[0] == '\0' || strlen(value) > 508) {
        return "a name of 1 to 508 bytes";
    }
    options->user = value;
    return NULL;
}

/* A copy; what stands on the command line is overwritten, so that ps shows it no longer. */
static bool keep_secret(char **out, char *value)
{
    free(*out);
    *out = strdup(value);
    memset(value, '*', strlen(value));
    return *out != NULL;
}

static const char *set_password(struct options *options, char *value)
{
    return keep_secret(&options->password, value) ? NULL : "more memory";
}

static const char *set_password_file(struct options *options, char *value)
{
    options->password_file = value;
    return NULL;
}

static const char *set_secret(struct options *options, char *value)
{
    if (value[0] == '\0') {
        return "a secret of at least one character";
    }
    return keep_secret(&options->secret, value) ? NULL : "more memory";
}

static const char *set_secret_file(struct options *options, char *value)
{
    options->secret_file = value;
    return NULL;
}

static const char *set_access_token_file(struct options *options, char *value)
{
    options->access_token_file = value;
    return NULL;
}

static const char *set_count(struct options *options, char *value)
{
    return number(value, 1, 100000, &options->count) ? NULL : "a number of 1 to 100000";
}

static const char *set_size(struct options *options, char *value)
{
    return number(value, 32, 1200, &options->size) ? NULL : "bytes, 32 to 1200";
}

static const char *set_interval(struct options *options, char *value)
{
    return number(value, 1, 10000, &options->interval_ms) ? NULL : "milliseconds, 1 to 10000";
}

static const char *set_help(struct options *options, char *value)
{
    (void)value;
    options->help = true;
    return NULL;
}

static const char *set_version(struct options *options, char *value)
{
    (void)value;
    options->version = true;
    return NULL;
}

const struct option_entry option_entries[] = {
    {"protocol", "udp|tcp|tls|dtls", "transport to the server; udp unless a URI says otherwise",
     set_protocol, TESTS, 0},
    {"ca", "FILE", "trust the certificates in FILE (PEM) instead of the system's", set_ca,
     VERB_QUERY | VERB_TURN | CALLS, 0},
    {"server-name", "NAME",
     "the name that the server's certificate must have; the server's otherwise", set_server_name,
     VERB_QUERY | VERB_TURN | CALLS, 0},
    {"insecure", NULL, "accept any certificate, and tell what is wrong", set_insecure,
     VERB_QUERY | VERB_TURN | CALLS, 0},
    {"family", "4|6", "use only IPv4 or only IPv6; both are tried otherwise", set_family,
     TESTS | CALLS, 0},
    {"ipv4", NULL, "the same as --family 4", set_ipv4, TESTS | CALLS, '4'},
    {"ipv6", NULL, "the same as --family 6", set_ipv6, TESTS | CALLS, '6'},
    {"localaddr", "ADDRESS", "send from this address, or interface, of this host", set_localaddr,
     TESTS, 0},
    {"localport", "PORT", "send from this port", set_localport, TESTS | CALLS, 0},
    {"timeout", "SECONDS", "give up after this time, look-ups included; 5", set_timeout, TESTS, 0},
    {"rto", "MS", "first wait before a request is sent again; 500", set_rto, TESTS, 0},
    {"dns", "ADDRESS[:PORT]", "ask this DNS server instead of the system's", set_dns, TESTS | CALLS,
     0},
    {"mode", "MODE", "stuntman's modes: basic (query), behavior, filtering or full (nat)", set_mode,
     VERB_QUERY | VERB_NAT, 0},
    {"hairpin", NULL, "also test whether the NAT sends packets back inside", set_hairpin, VERB_NAT,
     0},
    {"lifetime", "SECONDS", "also measure how long an idle mapping lives, up to this long",
     set_lifetime, VERB_NAT, 0},
    {"user", "NAME", "user name", set_user, VERB_TURN | CALLS, 'u'},
    {"password", "PASSWORD", "its password; better: --password-file", set_password,
     VERB_TURN | CALLS, 0},
    {"password-file", "FILE", "read the password from FILE; - is standard input", set_password_file,
     VERB_TURN | CALLS, 0},
    {"secret", "SECRET", "make a time-limited name by the server's secret; better: --secret-file",
     set_secret, VERB_TURN, 0},
    {"secret-file", "FILE", "read the secret from FILE; - is standard input", set_secret_file,
     VERB_TURN, 0},
    {"access-token-file", "FILE", "an OAuth token: key id, session key and token, a line each",
     set_access_token_file, VERB_TURN, 0},
    {"relay-family", "4|6", "ask for an IPv4 or IPv6 relay", set_relay_family, VERB_TURN, 0},
    {"tcp-relay", NULL, "test relays of TCP (RFC 6062); with --protocol tcp or tls", set_tcp_relay,
     VERB_TURN, 0},
    {"dual-stack", NULL, "ask for an IPv4 and an IPv6 relay at once, and test both", set_dual_stack,
     VERB_TURN, 0},
    {"mobility", NULL, "also move the allocation to another port of this host (RFC 8016)",
     set_mobility, VERB_TURN, 0},
    {"count", "N", "packets to echo through the relay; 50", set_count, VERB_TURN, 0},
    {"size", "BYTES", "bytes of each packet; 160", set_size, VERB_TURN, 0},
    {"interval", "MS", "time between packets; 20", set_interval, VERB_TURN, 0},
    {"server", "URI", "the rendezvous service: tcp://, tls://, ws:// or wss://HOST[:PORT]",
     option_set_server, CALLS | VERB_KEY, 0},
    {"key", "FILE", "the file of this host's key; ~/.config/postern/key otherwise", option_set_key,
     CALLS | VERB_KEY, 0},
    {"list", NULL, "print the keys of peers that are noted", option_set_list, VERB_KEY, 0},
    {"trust", "NAME=KEY", "note one more key of this peer", option_set_trust, VERB_KEY, 0},
    {"forget", "NAME", "forget the keys of this peer", option_set_forget, VERB_KEY, 0},
    {"iface", "NAME", "use this network interface only; may be repeated", option_set_interface,
     CALLS, 0},
    {"relay-only", NULL, "tell the peer no address of ours: only relays", option_set_relay_only,
     CALLS, 0},
    {"no-relay", NULL, "direct or not at all", option_set_no_relay, CALLS, 0},
    {"lite", NULL, "be a lite ICE agent, on a host with a public address", option_set_lite, CALLS,
     0},
    {"keep", NULL, "go on after the first call", option_set_keep, VERB_LISTEN, 0},
    {"allow", "HOST:PORT", "let callers be connected there; may be repeated", option_set_allow,
     VERB_LISTEN, 0},
    {"from", "NAME", "take calls from this name or account only; may be repeated", option_set_from,
     VERB_LISTEN, 0},
    {"any-key", NULL, "take callers whose account shows another key than before",
     option_set_any_key, VERB_LISTEN, 0},
    {"forward", "PORT:HOST:PORT", "connect who comes to PORT here with HOST:PORT there",
     option_set_forward, VERB_CALL, 'L'},
    {"connect", "HOST:PORT", "have the peer connect standard input and output to HOST:PORT",
     option_set_connect, VERB_CALL, 'W'},
    {"report", "FILE", "write what happened to FILE, as one JSON object", option_set_report, CALLS,
     0},
    {"trace", NULL, "tell the story of the call as it happens", option_set_trace, CALLS, 0},
    {"json", NULL, "print one JSON object, in calls one a line on standard error; see docs/",
     set_json, TESTS | CALLS | VERB_KEY, 0},
    {"color", "WHEN", "auto (on a terminal), always or never", set_color, TESTS | CALLS, 0},
    {"verbose", NULL, "tell more on standard error; may be repeated", set_verbose, TESTS | CALLS,
     'v'},
    {"verbosity", "N", "the same as -v N times", set_verbosity, TESTS | CALLS, 0},
    {"help", NULL, "tell about the verb", set_help, ALL, 'h'},
    {"version", NULL, "print the version", set_version, ALL, 'V'},
};

const unsigned option_count = sizeof option_entries / sizeof option_entries[0];
