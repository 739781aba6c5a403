/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/output.h"
#include "stunclient/verbs.h"

#include <string.h>

#define HELP_COLUMN 26

static void print_overview(void)
{
    printf("usage: stunclient [VERB] HOST[:PORT] [OPTION...]\n\n");
    for (unsigned i = 0; i < verb_count; i++) {
        printf("  %-8s %s\n", verbs[i].name, verbs[i].summary);
    }
    printf("\nWithout a verb: query. HOST is a name, an IP address, or a stun: or turn: URI.\n"
           "Options of a verb: stunclient help VERB. Everything: man stunclient.\n");
}

static void print_option(const struct option_entry *entry)
{
    char left[64];
    char letter[8] = "    ";
    if (entry->letter != 0) {
        snprintf(letter, sizeof letter, "-%c, ", entry->letter);
    }
    snprintf(left, sizeof left, "%s--%s%s%s", letter, entry->name,
             entry->argument == NULL ? "" : " ", entry->argument == NULL ? "" : entry->argument);
    if (strlen(left) >= HELP_COLUMN) {
        printf("  %s\n  %-*s %s\n", left, HELP_COLUMN, "", entry->help);
    } else {
        printf("  %-*s %s\n", HELP_COLUMN, left, entry->help);
    }
}

static void print_verb(const struct verb *verb)
{
    printf("usage: stunclient %s %s [OPTION...]\n\n", verb->name, verb->arguments);
    printf("%c%s.\n%s\n", verb->summary[0] - 'a' + 'A', verb->summary + 1, verb->text);
    for (unsigned i = 0; i < option_count; i++) {
        if ((option_entries[i].verbs & verb->bit) != 0) {
            print_option(&option_entries[i]);
        }
    }
}

enum exit_status cmd_help(const struct options *options)
{
    struct failure failure;
    struct output output;
    const struct verb *verb = options->verb->bit == VERB_HELP ? NULL : options->verb;
    if (options->topic != NULL && (verb = verb_find(options->topic)) == NULL) {
        output_init(&output, options);
        failure_set(&failure, EXIT_USAGE, "\"%s\" is no verb", options->topic);
        failure_advise(&failure, "The verbs are listed by: stunclient help");
        return output_fail(&output, "help", NULL, &failure);
    }
    if (verb == NULL) {
        print_overview();
    } else {
        print_verb(verb);
    }
    return EXIT_OK;
}
