/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/options.h"

#include "base/text.h"
#include "net/interface.h"
#include "stunclient/verbs.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define POSITIONALS_MAX 2

/* The command line while it is read. */
struct reader {
    struct options *options;
    struct failure *failure;
    int argc;
    char **argv;
    int at;                /* the next argument */
    bool only_positionals; /* after "--" */
    unsigned used[64]; /* indices of option_entries, to be checked against the verb at the end */
    unsigned used_count;
    const char *positionals[POSITIONALS_MAX];
    unsigned positional_count;
};

bool options_want_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            return true;
        }
    }
    return false;
}

static bool usage(struct reader *reader, const char *verb)
{
    if (verb == NULL) {
        failure_advise(reader->failure, "See: stunclient help");
    } else {
        failure_advise(reader->failure, "See: stunclient help %s", verb);
    }
    return false;
}

/* ---- options --------------------------------------------------------------------------------- */

static const struct option_entry *find_long(const char *name, size_t size)
{
    for (unsigned i = 0; i < option_count; i++) {
        if (strlen(option_entries[i].name) == size &&
            memcmp(option_entries[i].name, name, size) == 0) {
            return &option_entries[i];
        }
    }
    return NULL;
}

static const struct option_entry *find_letter(char letter)
{
    for (unsigned i = 0; i < option_count; i++) {
        if (option_entries[i].letter != 0 && option_entries[i].letter == letter) {
            return &option_entries[i];
        }
    }
    return NULL;
}

static bool apply(struct reader *reader, const struct option_entry *entry, char *value)
{
    if (entry->argument != NULL && value == NULL) {
        if (reader->at >= reader->argc) {
            failure_set(reader->failure, EXIT_USAGE, "--%s needs a value: %s", entry->name,
                        entry->argument);
            return usage(reader, NULL);
        }
        value = reader->argv[reader->at++];
    } else if (entry->argument == NULL && value != NULL) {
        failure_set(reader->failure, EXIT_USAGE, "--%s takes no value", entry->name);
        return usage(reader, NULL);
    }
    const char *expected = entry->set(reader->options, value);
    if (expected != NULL) {
        failure_set(reader->failure, EXIT_USAGE, "--%s: expected %s, not \"%.60s\"", entry->name,
                    expected, value);
        return usage(reader, NULL);
    }
    if (reader->used_count < sizeof reader->used / sizeof reader->used[0]) {
        reader->used[reader->used_count++] = (unsigned)(entry - option_entries);
    }
    return true;
}

static bool read_long(struct reader *reader, char *text)
{
    char *equals = strchr(text, '=');
    size_t size = equals == NULL ? strlen(text) : (size_t)(equals - text);
    const struct option_entry *entry = find_long(text, size);
    if (entry == NULL) {
        failure_set(reader->failure, EXIT_USAGE, "unknown option --%.*s", (int)size, text);
        return usage(reader, NULL);
    }
    return apply(reader, entry, equals == NULL ? NULL : equals + 1);
}

/* "-v", "-vv", "-4", "-u NAME", "-uNAME". */
static bool read_letters(struct reader *reader, char *text)
{
    for (; *text != '\0'; text++) {
        const struct option_entry *entry = find_letter(*text);
        if (entry == NULL) {
            failure_set(reader->failure, EXIT_USAGE, "unknown option -%c", *text);
            return usage(reader, NULL);
        }
        if (entry->argument != NULL) {
            return apply(reader, entry, text[1] == '\0' ? NULL : text + 1);
        }
        if (!apply(reader, entry, NULL)) {
            return false;
        }
    }
    return true;
}

static bool read_positional(struct reader *reader, const char *text)
{
    const struct verb *verb = reader->options->verb;
    if (verb == NULL && reader->positional_count == 0 && (verb = verb_find(text)) != NULL) {
        reader->options->verb = verb;
        return true;
    }
    if (reader->positional_count == POSITIONALS_MAX) {
        failure_set(reader->failure, EXIT_USAGE, "\"%s\" is one argument too many", text);
        return usage(reader, verb == NULL ? NULL : verb->name);
    }
    reader->positionals[reader->positional_count++] = text;
    return true;
}

static bool read_argument(struct reader *reader, char *text)
{
    if (reader->only_positionals || text[0] != '-' || text[1] == '\0') {
        return read_positional(reader, text);
    }
    if (strcmp(text, "--") == 0) {
        reader->only_positionals = true;
        return true;
    }
    return text[1] == '-' ? read_long(reader, text + 2) : read_letters(reader, text + 1);
}

/* ---- what it all means ----------------------------------------------------------------------- */

/* stuntman's --mode chooses the verb where none is named. */
static bool choose_verb(struct reader *reader)
{
    struct options *options = reader->options;
    bool nat_mode = options->mode == MODE_BEHAVIOR || options->mode == MODE_FILTERING ||
                    options->mode == MODE_FULL;
    if (options->verb == NULL) {
        bool asks = (options->help || options->version) && reader->positional_count == 0;
        options->verb = verb_find(nat_mode ? "nat" : asks ? "help" : "query");
    }
    if (options->help || options->version) {
        return true;
    }
    if (options->mode != MODE_UNSET && nat_mode != (options->verb->bit == VERB_NAT)) {
        failure_set(reader->failure, EXIT_USAGE, "this --mode does not belong to the verb %s",
                    options->verb->name);
        return usage(reader, options->verb->name);
    }
    for (unsigned i = 0; i < reader->used_count; i++) {
        const struct option_entry *entry = &option_entries[reader->used[i]];
        if ((entry->verbs & options->verb->bit) == 0) {
            failure_set(reader->failure, EXIT_USAGE, "--%s is no option of the verb %s",
                        entry->name, options->verb->name);
            return usage(reader, options->verb->name);
        }
    }
    return true;
}

static bool take_second_port(struct reader *reader, const char *text)
{
    struct options *options = reader->options;
    uint64_t port;
    if (!text_parse_u64(text, strlen(text), UINT16_MAX, &port) || port == 0) {
        failure_set(reader->failure, EXIT_USAGE, "port \"%s\": expected a number of 1 to 65535",
                    text);
        return usage(reader, options->verb->name);
    }
    if (options->uri.host.port != 0) {
        failure_set(reader->failure, EXIT_USAGE, "the port is given twice: %s and %s",
                    options->target, text);
        return usage(reader, options->verb->name);
    }
    options->uri.host.port = (uint16_t)port;
    return true;
}

/* The server: a URI, HOST, HOST:PORT or stuntman's HOST PORT. */
static bool take_target(struct reader *reader)
{
    struct options *options = reader->options;
    if (reader->positional_count == 0) {
        failure_set(reader->failure, EXIT_USAGE, "no server is named");
        return usage(reader, options->verb->name);
    }
    options->target = reader->positionals[0];
    options->is_uri = stun_uri_has_scheme(options->target);
    const char *problem = options->is_uri ? stun_uri_parse(&options->uri, options->target)
                                          : stun_host_parse(&options->uri.host, options->target);
    if (problem != NULL) {
        failure_set(reader->failure, EXIT_USAGE, "\"%s\" %s", options->target, problem);
        return usage(reader, options->verb->name);
    }
    if (!options->is_uri) {
        options->uri.turn = options->verb->bit == VERB_TURN;
    }
    return reader->positional_count < 2 || take_second_port(reader, reader->positionals[1]);
}

static bool check_family(struct reader *reader, const struct stun_address *address,
                         const char *what)
{
    struct options *options = reader->options;
    if (address->family == STUN_FAMILY_NONE) {
        return true;
    }
    if (options->family != STUN_FAMILY_NONE && options->family != address->family) {
        failure_set(reader->failure, EXIT_USAGE,
                    "%s is not of the address family that was asked for", what);
        return usage(reader, options->verb->name);
    }
    options->family = address->family;
    return true;
}

/* An interface's address of the family that the other options leave. */
static bool choose_local_address(struct reader *reader)
{
    struct options *options = reader->options;
    uint8_t family = options->family;
    uint16_t port = options->local.port;
    if (options->local_interface == NULL) {
        return true;
    }
    if (family == STUN_FAMILY_NONE) {
        family = options->uri.host.address.family;
    }
    if (!interface_find_address(options->local_interface, family, &options->local)) {
        failure_set(reader->failure, EXIT_USAGE, "interface %s has no address to send from%s",
                    options->local_interface,
                    family == STUN_FAMILY_NONE   ? ""
                    : family == STUN_FAMILY_IPV4 ? " over IPv4"
                                                 : " over IPv6");
        return usage(reader, options->verb->name);
    }
    options->local.port = port;
    return true;
}

/* The URI and --protocol may say the same, but not different things. */
static bool choose_protocol(struct reader *reader)
{
    static const enum client_protocol of_transport[] = {
        [STUN_URI_TRANSPORT_NONE] = PROTOCOL_UNSET,
        [STUN_URI_UDP] = PROTOCOL_UDP,
        [STUN_URI_TCP] = PROTOCOL_TCP,
    };
    struct options *options = reader->options;
    enum client_protocol told = of_transport[options->uri.transport];
    options->protocol_open = told == PROTOCOL_UNSET && options->protocol == PROTOCOL_UNSET;
    if (options->uri.secure) {
        /* A stuns: URI has no transport, so --protocol may say it (RFC 7350). */
        bool open = told == PROTOCOL_UNSET && options->protocol == PROTOCOL_DTLS;
        told = told == PROTOCOL_UDP || open ? PROTOCOL_DTLS : PROTOCOL_TLS;
    }
    if (told != PROTOCOL_UNSET && options->protocol != PROTOCOL_UNSET &&
        told != options->protocol) {
        failure_set(reader->failure, EXIT_USAGE, "\"%s\" and --protocol contradict each other",
                    options->target);
        return usage(reader, options->verb->name);
    }
    if (options->protocol == PROTOCOL_UNSET) {
        options->protocol = told == PROTOCOL_UNSET ? PROTOCOL_UDP : told;
    }
    if (options->protocol != PROTOCOL_UDP && options->verb->bit == VERB_NAT) {
        failure_set(reader->failure, EXIT_USAGE, "the verb nat works over UDP only");
        failure_advise(reader->failure, "Leave out --protocol.");
        return false;
    }
    return true;
}

static const struct {
    const char *text, *name;
} protocols[] = {
    [PROTOCOL_UDP] = {"UDP", "udp"},
    [PROTOCOL_TCP] = {"TCP", "tcp"},
    [PROTOCOL_TLS] = {"TLS", "tls"},
    [PROTOCOL_DTLS] = {"DTLS", "dtls"},
};

const char *options_protocol_text(const struct options *options)
{
    return protocols[options->protocol].text;
}

enum outbox_transport options_transport(const struct options *options)
{
    static const enum outbox_transport transports[] = {
        [PROTOCOL_UDP] = TRANSPORT_UDP,
        [PROTOCOL_TCP] = TRANSPORT_TCP,
        [PROTOCOL_TLS] = TRANSPORT_TCP,
        [PROTOCOL_DTLS] = TRANSPORT_DTLS,
    };
    return transports[options->protocol];
}

const char *options_protocol_name(const struct options *options)
{
    return protocols[options->protocol].name;
}

static void free_secret(char *secret)
{
    if (secret != NULL) {
        OPENSSL_cleanse(secret, strlen(secret));
        free(secret);
    }
}

void options_free(struct options *options)
{
    free_secret(options->password);
    free_secret(options->secret);
}

/* Whom to call, or as whom to listen; nobody for key. */
static bool take_peer(struct reader *reader)
{
    struct options *options = reader->options;
    bool is_key = options->verb->bit == VERB_KEY;
    if (reader->positional_count > (is_key ? 0u : 1u)) {
        failure_set(reader->failure, EXIT_USAGE, "\"%s\" is one argument too many",
                    reader->positionals[is_key ? 0 : 1]);
        return usage(reader, options->verb->name);
    }
    options->target = reader->positional_count > 0 ? reader->positionals[0] : NULL;
    if (options->verb->bit == VERB_CALL && options->target == NULL) {
        failure_set(reader->failure, EXIT_USAGE, "nobody is named to be called");
        return usage(reader, options->verb->name);
    }
    if (options->password_file != NULL && strcmp(options->password_file, "-") == 0) {
        failure_set(reader->failure, EXIT_USAGE,
                    "--password-file: standard input is what the call carries");
        return usage(reader, options->verb->name);
    }
    if (options->call.relay_only && options->call.no_relay) {
        failure_set(reader->failure, EXIT_USAGE,
                    "--relay-only and --no-relay contradict each "
                    "other");
        return usage(reader, options->verb->name);
    }
    if (options->call.relay_only && options->call.lite) {
        failure_set(reader->failure, EXIT_USAGE,
                    "--relay-only and --lite contradict each other: a lite agent has no relay");
        return usage(reader, options->verb->name);
    }
    if (options->call.list_keys + (options->call.trust != NULL) + (options->call.forget != NULL) >
        1) {
        failure_set(reader->failure, EXIT_USAGE, "--list, --trust and --forget exclude each other");
        return usage(reader, options->verb->name);
    }
    if (options->call.connect != NULL && options->call.forward_count > 0) {
        failure_set(reader->failure, EXIT_USAGE, "--connect and --forward exclude each other");
        return usage(reader, options->verb->name);
    }
    return true;
}

static bool check(struct reader *reader)
{
    struct options *options = reader->options;
    if (!choose_verb(reader)) {
        return false;
    }
    if (options->help || options->version) {
        return true;
    }
    if (options->verb->bit == VERB_HELP) {
        options->topic = reader->positional_count > 0 ? reader->positionals[0] : NULL;
        return true;
    }
    if ((options->verb->bit & (VERB_LISTEN | VERB_CALL | VERB_KEY)) != 0) {
        return take_peer(reader);
    }
    return take_target(reader) && choose_local_address(reader) &&
           check_family(reader, &options->local, "--localaddr") &&
           check_family(reader, &options->uri.host.address, "the server's address") &&
           choose_protocol(reader);
}

bool options_parse(struct options *options, int argc, char **argv, struct failure *failure)
{
    struct reader reader = {
        .options = options, .failure = failure, .argc = argc, .argv = argv, .at = 1};
    *options = (struct options){
        .timeout_ms = 5000,
        .rto_ms = 500,
        .count = 50,
        .size = 160,
        .interval_ms = 20,
    };
    failure->status = EXIT_OK;
    while (reader.at < argc) {
        if (!read_argument(&reader, argv[reader.at++])) {
            return false;
        }
    }
    return check(&reader);
}
