/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/user_command.h"

#include "turnserver/auth/opaque_string.h"
#include "turnserver/config.h"
#include "turnserver/password.h"
#include "turnserver/users/user_database.h"

#include <errno.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

struct command {
    const char *config_file, *file, *realm; /* as given, or NULL */
    const char *name;                       /* as given, or NULL */
    char path[4096];
    char realm_used[AUTH_REALM_SIZE_MAX];
    struct user_database *database;
};

/* Returns a status after having told the user why it is not good. */
typedef enum exit_status run_verb(struct command *command);

static run_verb add, passwd, del, list;

static const struct verb {
    const char *name;
    bool takes_name, writes;
    run_verb *run;
} verbs[] = {
    {"add", true, true, add},
    {"passwd", true, true, passwd},
    {"del", true, true, del},
    {"list", false, false, list},
};

static enum exit_status usage(const char *problem, const char *detail)
{
    fprintf(stderr,
            "turnserver user: %s%s\n"
            "usage: turnserver user add|passwd|del NAME [-c FILE | --database FILE --realm REALM]\n"
            "       turnserver user list [-c FILE | --database FILE --realm REALM]\n"
            "The password is read from the terminal, or is a line of standard input.\n",
            problem, detail);
    return STATUS_UNUSABLE;
}

static enum exit_status fail(const struct command *command, const char *problem)
{
    fprintf(stderr, "turnserver user: %s: %s\n", command->path, problem);
    return STATUS_FAILED;
}

static enum exit_status tell(const struct command *command, int status)
{
    if (status == 0)
        return STATUS_GOOD;
    if (status == -EEXIST)
        fprintf(stderr,
                "turnserver user: there is \"%s\" in realm \"%s\" already; \"passwd\" changes the "
                "password\n",
                command->name, command->realm_used);
    else if (status == -ENOENT)
        fprintf(stderr, "turnserver user: there is no \"%s\" in realm \"%s\"\n", command->name,
                command->realm_used);
    else
        return fail(command, user_database_problem(command->database));
    return STATUS_FAILED;
}

/* ---- verbs ------------------------------------------------------------------------------------
 */

/* Both keys and the hash of the name. MD5 may be missing from the library (FIPS). */
static bool make_keys(struct user_record *record, const char *realm, const char *password)
{
    struct stun_crypto *crypto = stun_crypto_new();
    struct stun_key key = {0};
    bool good = crypto && stun_userhash(crypto, record->name, realm, record->userhash) == STUN_OK;
    if (good && stun_key_long_term(crypto, &key, STUN_PASSWORD_MD5, record->name, realm,
                                   password) == STUN_OK) {
        record->has_md5 = true;
        memcpy(record->md5_key, key.bytes, sizeof(record->md5_key));
    }
    good = good && stun_key_long_term(crypto, &key, STUN_PASSWORD_SHA256, record->name, realm,
                                      password) == STUN_OK;
    if (good) {
        record->has_sha256 = true;
        memcpy(record->sha256_key, key.bytes, sizeof(record->sha256_key));
    }
    OPENSSL_cleanse(&key, sizeof(key));
    stun_crypto_free(crypto);
    return good;
}

static void free_secret(char *text)
{
    if (text)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}

/* Reads the password and makes the record of `command->name`, which is prepared already. */
static enum exit_status make_record(const struct command *command, struct user_record *record)
{
    char password[PASSWORD_SIZE_MAX + 2] = {0};
    enum exit_status status = STATUS_UNUSABLE;
    *record = (struct user_record){0};
    memcpy(record->name, command->name, strlen(command->name));
    bool read = password_read(password, stdin);
    char *prepared = read ? opaque_string_prepare(password) : NULL;
    if (!read)
        fprintf(stderr, "turnserver user: expected a password of 1 to 512 bytes on a line of "
                        "standard input\n");
    else if (!prepared)
        fprintf(stderr, "turnserver user: expected a password without control characters (RFC "
                        "8265)\n");
    else if (!make_keys(record, command->realm_used, prepared))
        status = STATUS_FAILED;
    else
        status = STATUS_GOOD;
    OPENSSL_cleanse(password, sizeof(password));
    free_secret(prepared);
    return status;
}

static enum exit_status put(struct command *command,
                            int (*put_record)(struct user_database *database, const char *realm,
                                              const struct user_record *record))
{
    struct user_record record;
    enum exit_status status = make_record(command, &record);
    if (status == STATUS_GOOD)
        status = tell(command, put_record(command->database, command->realm_used, &record));
    OPENSSL_cleanse(&record, sizeof(record));
    return status;
}

static enum exit_status add(struct command *command)
{
    return put(command, user_database_add);
}

static enum exit_status passwd(struct command *command)
{
    return put(command, user_database_replace);
}

static enum exit_status del(struct command *command)
{
    return tell(command,
                user_database_remove(command->database, command->realm_used, command->name));
}

static void print_name(void *context, const char *name)
{
    fprintf((FILE *)context, "%s\n", name);
}

static enum exit_status list(struct command *command)
{
    return tell(command,
                user_database_list(command->database, command->realm_used, print_name, stdout));
}

/* ---- which file and realm ---------------------------------------------------------------------
 */

static bool keep(char *out, size_t size, const char *text)
{
    bool fits = strlen(text) < size;
    snprintf(out, size, "%s", text);
    return fits;
}

/* By the configuration; what the command line names as well goes before. */
static enum exit_status find_by_config(struct command *command, const char *default_config)
{
    const char *file = command->config_file ? command->config_file : default_config;
    struct config *config = config_load(file, stderr);
    if (!config)
        return STATUS_UNUSABLE;
    const struct user_source_settings *settings = &config->boot.users_database;
    enum exit_status status = STATUS_GOOD;
    if (settings->kind != USER_SOURCE_SQLITE) {
        fprintf(stderr,
                "turnserver user: %s has no users_database.sqlite; --database FILE --realm REALM "
                "names a file without a configuration\n",
                file);
        status = STATUS_UNUSABLE;
    } else if (!keep(command->path, sizeof(command->path), settings->path) ||
               !keep(command->realm_used, sizeof(command->realm_used),
                     command->realm ? command->realm : auth_policy_realm(config->policy->auth))) {
        status = usage("the path or the realm is too long", "");
    }
    config_free(config);
    return status;
}

static enum exit_status find_place(struct command *command, const char *default_config)
{
    if (command->realm && !auth_realm_is_valid(command->realm))
        return usage("expected a realm of printable ASCII without quotes and backslashes, got ",
                     command->realm);
    if (!command->file)
        return find_by_config(command, default_config);
    if (command->config_file || !command->realm)
        return usage("--database goes with --realm, and without -c", "");
    return keep(command->path, sizeof(command->path), command->file) &&
                   keep(command->realm_used, sizeof(command->realm_used), command->realm)
               ? STATUS_GOOD
               : usage("the path is too long", "");
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static bool parse(struct command *command, int count, char **arguments, const char **verb)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"database", required_argument, NULL, 'd'},
                                            {"realm", required_argument, NULL, 'r'},
                                            {0}};
    opterr = 0;
    for (int id; (id = getopt_long(count, arguments, ":c:", options, NULL)) != -1;) {
        if (id == 'c')
            command->config_file = optarg;
        else if (id == 'd')
            command->file = optarg;
        else if (id == 'r')
            command->realm = optarg;
        else
            return false;
    }
    *verb = optind < count ? arguments[optind] : NULL;
    command->name = optind + 1 < count ? arguments[optind + 1] : NULL;
    return *verb && optind + 2 >= count;
}

static enum exit_status run(struct command *command, const struct verb *verb)
{
    char problem[USER_DATABASE_PROBLEM_SIZE];
    int status = user_database_open(&command->database, command->path, verb->writes, problem);
    if (status < 0)
        return fail(command, problem);
    enum exit_status result = verb->run(command);
    user_database_close(command->database);
    return result;
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

enum exit_status user_command(int count, char **arguments, const char *default_config)
{
    struct command command = {0};
    const char *word = NULL;
    if (!parse(&command, count, arguments, &word))
        return usage("expected a verb, a name and known options", "");
    const struct verb *verb = find_verb(word);
    if (!verb)
        return usage("unknown verb ", word);
    if (verb->takes_name != (command.name != NULL))
        return usage(verb->takes_name ? "expected a name after " : "expected no name after ", word);
    char *prepared = command.name ? opaque_string_prepare(command.name) : NULL;
    if (command.name && (!prepared || strlen(prepared) > 508)) {
        free(prepared);
        return usage("expected a name of at most 508 bytes without control characters, got ",
                     command.name);
    }
    command.name = prepared;
    enum exit_status status = find_place(&command, default_config);
    if (status == STATUS_GOOD)
        status = run(&command, verb);
    free(prepared);
    return status;
}
