/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/config_keys.h"
#include "turnserver/config_text.h"
#include "turnserver/dns_records.h"
#include "turnserver/installation.h"
#include "turnserver/make_key.h"
#include "turnserver/options.h"
#include "turnserver/service.h"
#include "turnserver/try.h"
#include "turnserver/user_command.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads the configuration that the options name. NULL after its problems have been told. */
static struct config *load(const struct options *options)
{
    const char *file = options->config_file ? options->config_file : installation_config_file;
    struct config *config = config_load(file, stderr);
    if (!config && !options->config_file && access(file, F_OK) < 0)
        fprintf(stderr, "turnserver: -c FILE names another configuration; --try needs none\n");
    if (config && !user_source_is_available(&config->boot.users_database, stderr)) {
        config_free(config);
        config = NULL;
    }
    return config;
}

static enum exit_status check_config(const struct options *options)
{
    struct config *config = load(options);
    if (!config)
        return STATUS_UNUSABLE;
    printf("%s: the configuration is good%s\n",
           options->config_file ? options->config_file : installation_config_file,
           config->policy->turn.relay_enabled
               ? ""
               : "; without users and rest.secrets it serves STUN only");
    config_free(config);
    return STATUS_GOOD;
}

static enum exit_status run(const struct options *options)
{
    struct config *config = load(options);
    if (!config)
        return STATUS_UNUSABLE;
    const char *file = options->config_file ? options->config_file : installation_config_file;
    char *current = getcwd(NULL, 0);
    char *absolute = config_path_resolve(current ? current : "/", file);
    enum exit_status status = STATUS_FAILED;
    if (absolute)
        status = service_run(&(struct service_setup){.config_file = absolute}, config, stderr);
    else
        config_free(config);
    free(absolute);
    free(current);
    return status;
}

static enum exit_status print_key(const struct options *options)
{
    if (options->realm)
        return make_key(options->user, options->realm, stdin, stdout);
    struct config *config = load(options);
    if (!config)
        return STATUS_UNUSABLE;
    enum exit_status status =
        make_key(options->user, auth_policy_realm(config->policy->auth), stdin, stdout);
    config_free(config);
    return status;
}

/* A realm often is the domain; it need not be one. */
static enum exit_status print_dns(const struct options *options)
{
    struct config *config = load(options);
    if (!config)
        return STATUS_UNUSABLE;
    const char *domain =
        options->domain ? options->domain : auth_policy_realm(config->policy->auth);
    enum exit_status status = STATUS_UNUSABLE;
    if (!dns_records_is_domain(domain))
        fprintf(stderr,
                "turnserver: --domain: expected a domain name such as example.org, got \"%s\"\n",
                domain);
    else if (!options->domain && !strchr(domain, '.'))
        fprintf(stderr,
                "turnserver: the realm \"%s\" is not a domain: --domain DOMAIN tells for which one "
                "the records are\n",
                domain);
    else
        status = dns_records_print(config, domain, stdout) ? STATUS_GOOD : STATUS_FAILED;
    config_free(config);
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    if (argc > 1 && strcmp(argv[1], "user") == 0)
        return user_command(argc - 1, argv + 1, installation_config_file);
    if (!options_parse(&options, argc, argv, stderr))
        return STATUS_UNUSABLE;
    umask(022);
    switch (options.mode) {
    case MODE_RUN:
        return run(&options);
    case MODE_CHECK_CONFIG:
        return check_config(&options);
    case MODE_TRY:
        return try_run(&options);
    case MODE_MAKE_KEY:
        return print_key(&options);
    case MODE_LIST_KEYS:
        config_keys_list(stdout);
        return STATUS_GOOD;
    case MODE_PRINT_DNS:
        return print_dns(&options);
    case MODE_HELP:
        options_print_help(stdout);
        return STATUS_GOOD;
    case MODE_VERSION:
        printf("turnserver (Postern) %s\n", installation_version);
        return STATUS_GOOD;
    }
    return STATUS_UNUSABLE;
}
