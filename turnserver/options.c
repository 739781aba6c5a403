/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/options.h"

#include "turnserver/installation.h"

#include <getopt.h>
#include <string.h>

enum option_id {
    OPTION_CONFIG = 'c',
    OPTION_HELP = 'h',
    OPTION_VERSION = 'V',
    OPTION_CHECK_CONFIG = 256,
    OPTION_TRY,
    OPTION_LISTEN,
    OPTION_MAKE_KEY,
    OPTION_REALM,
    OPTION_LIST_KEYS,
    OPTION_DATABASE,
    OPTION_PRINT_DNS,
    OPTION_DOMAIN,
};

struct option_row {
    const char *name;
    const char *argument; /* NULL: none; "[=X]": may follow after = */
    const char *help;
    enum option_id id;
};

static const struct option_row rows[] = {
    {"config", "FILE", "the configuration", OPTION_CONFIG},
    {"check-config", NULL, "read the configuration, tell its problems, and end",
     OPTION_CHECK_CONFIG},
    {"try", "[=DIR]", "run on a safe configuration of its own; DIR keeps secret and certificate",
     OPTION_TRY},
    {"listen", "ADDRESS[:PORT]", "with --try: listen here instead; may be repeated", OPTION_LISTEN},
    {"make-key", "USER", "read a password, write users entries with its keys, and end",
     OPTION_MAKE_KEY},
    {"realm", "REALM", "with --make-key or user: the realm, if not the configuration's",
     OPTION_REALM},
    {"database", "FILE", "with user: the SQLite file, if not the configuration's", OPTION_DATABASE},
    {"list-keys", NULL, "write every key with its type, default, and how it changes, and end",
     OPTION_LIST_KEYS},
    {"print-dns", NULL, "write the DNS records that lead to this configuration's server, and end",
     OPTION_PRINT_DNS},
    {"domain", "DOMAIN", "with --print-dns: for this domain, if the realm is not it",
     OPTION_DOMAIN},
    {"help", NULL, "this text", OPTION_HELP},
    {"version", NULL, "the version", OPTION_VERSION},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static bool is_short(const struct option_row *row)
{
    return row->id < 256;
}

void options_print_help(FILE *stream)
{
    fprintf(stream,
            "Usage: turnserver -c FILE [--check-config]\n"
            "       turnserver --try[=DIR] [--listen ADDRESS[:PORT]]...\n"
            "       turnserver --make-key USER [-c FILE | --realm REALM]\n"
            "       turnserver --print-dns [--domain DOMAIN] [-c FILE]\n"
            "       turnserver user add|passwd|del NAME [-c FILE | --database FILE --realm REALM]\n"
            "       turnserver user list [-c FILE | --database FILE --realm REALM]\n"
            "\n"
            "A STUN and TURN server. It runs in the foreground until SIGTERM; SIGHUP reads "
            "the\nconfiguration again, SIGUSR1 writes the counters to the log.\n"
            "\n");
    for (size_t i = 0; i < ROWS; i++) {
        char left[64];
        const char *argument = rows[i].argument ? rows[i].argument : "";
        bool optional = argument[0] == '[';
        snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, *argument && !optional ? " " : "",
                 argument);
        fprintf(stream, "  %c%c%s %-26s %s\n", is_short(&rows[i]) ? '-' : ' ',
                is_short(&rows[i]) ? (char)rows[i].id : ' ', is_short(&rows[i]) ? "," : " ", left,
                rows[i].help);
    }
    fprintf(stream, "\nWithout -c the configuration is %s.\n", installation_config_file);
    fprintf(stream, "Exit status: 0 ended as asked, 1 failed at run time, 2 command line or "
                    "configuration.\nSee turnserver(8) and turnserver.conf(5).\n");
}

static bool complain(FILE *diagnostics, const char *problem, const char *detail)
{
    fprintf(diagnostics, "turnserver: %s%s\nturnserver --help lists the options.\n", problem,
            detail);
    return false;
}

/* One action at a time: two of these on one command line are a mistake. */
static bool set_mode(struct options *out, enum options_mode mode, FILE *diagnostics)
{
    if (out->mode != MODE_RUN && out->mode != mode)
        return complain(diagnostics, "two options that ask for different things", "");
    out->mode = mode;
    return true;
}

static bool apply(struct options *out, int id, char *argument, FILE *diagnostics)
{
    switch (id) {
    case OPTION_CONFIG:
        out->config_file = argument;
        return true;
    case OPTION_CHECK_CONFIG:
        return set_mode(out, MODE_CHECK_CONFIG, diagnostics);
    case OPTION_TRY:
        out->folder = argument;
        return set_mode(out, MODE_TRY, diagnostics);
    case OPTION_LISTEN:
        if (out->listen_count == OPTIONS_LISTEN_MAX)
            return complain(diagnostics, "more than 16 times --listen", "");
        out->listen[out->listen_count++] = argument;
        return true;
    case OPTION_MAKE_KEY:
        out->user = argument;
        return set_mode(out, MODE_MAKE_KEY, diagnostics);
    case OPTION_REALM:
        out->realm = argument;
        return true;
    case OPTION_DATABASE:
        return complain(diagnostics, "--database goes with turnserver user, which comes first", "");
    case OPTION_LIST_KEYS:
        return set_mode(out, MODE_LIST_KEYS, diagnostics);
    case OPTION_PRINT_DNS:
        return set_mode(out, MODE_PRINT_DNS, diagnostics);
    case OPTION_DOMAIN:
        out->domain = argument;
        return true;
    case OPTION_HELP:
        return set_mode(out, MODE_HELP, diagnostics);
    case OPTION_VERSION:
        return set_mode(out, MODE_VERSION, diagnostics);
    default:
        return false;
    }
}

static bool check_together(const struct options *out, FILE *diagnostics)
{
    if (out->listen_count > 0 && out->mode != MODE_TRY)
        return complain(diagnostics,
                        "--listen goes with --try; otherwise the configuration's listeners say "
                        "where to listen",
                        "");
    if (out->config_file && out->mode == MODE_TRY)
        return complain(diagnostics, "--try has a configuration of its own: leave out -c", "");
    if (out->realm && out->mode != MODE_MAKE_KEY)
        return complain(diagnostics, "--realm goes with --make-key", "");
    if (out->domain && out->mode != MODE_PRINT_DNS)
        return complain(diagnostics, "--domain goes with --print-dns", "");
    if (out->realm && out->config_file)
        return complain(diagnostics, "either --realm or -c tells the realm, not both", "");
    return true;
}

bool options_parse(struct options *out, int argc, char **argv, FILE *diagnostics)
{
    struct option table[ROWS + 1] = {{0}};
    for (size_t i = 0; i < ROWS; i++) {
        const char *argument = rows[i].argument;
        table[i] = (struct option){.name = rows[i].name,
                                   .has_arg = !argument            ? no_argument
                                              : argument[0] == '[' ? optional_argument
                                                                   : required_argument,
                                   .val = (int)rows[i].id};
    }
    *out = (struct options){.mode = MODE_RUN};
    opterr = 0;
    for (;;) {
        int at = optind;
        int id = getopt_long(argc, argv, ":c:hV", table, NULL);
        if (id == -1)
            break;
        if (id == '?')
            return complain(diagnostics, "unknown option ", argv[at]);
        if (id == ':')
            return complain(diagnostics, "an argument is missing after ", argv[at]);
        if (!apply(out, id, optarg, diagnostics))
            return false;
    }
    if (optind < argc)
        return complain(diagnostics, "expected options only, got ", argv[optind]);
    return check_together(out, diagnostics);
}
