/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/account.h"

#include "net/clock.h"
#include "stunclient/peer/home.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 1024

void account_wipe(struct account *account)
{
    OPENSSL_cleanse(account, sizeof *account);
}

/* "KEY VALUE"; empty lines and those that begin with # say nothing. */
static bool take_line(struct account *account, char *line)
{
    const struct {
        const char *key;
        char *value;
        size_t size;
    } keys[] = {
        {"server", account->server, sizeof account->server},
        {"user", account->credentials.user, sizeof account->credentials.user},
        {"password", account->credentials.password, sizeof account->credentials.password},
    };
    line[strcspn(line, "\r\n")] = '\0';
    size_t key_size = strcspn(line, " \t");
    const char *value = line + key_size + strspn(line + key_size, " \t");
    if (line[0] == '\0' || line[0] == '#') {
        return true;
    }
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strlen(keys[i].key) == key_size && memcmp(keys[i].key, line, key_size) == 0) {
            return value[0] != '\0' &&
                   snprintf(keys[i].value, keys[i].size, "%s", value) < (int)keys[i].size;
        }
    }
    return false;
}

static bool read_lines(struct account *account, FILE *file, const char *path,
                       struct failure *failure)
{
    char line[LINE_SIZE];
    bool ok = true;
    for (unsigned number = 1; ok && fgets(line, sizeof line, file) != NULL; number++) {
        ok = take_line(account, line);
        if (!ok) {
            failure_set(failure, EXIT_USAGE,
                        "%s, line %u: expected \"server URI\", \"user NAME\" or \"password "
                        "PASSWORD\"",
                        path, number);
        }
    }
    OPENSSL_cleanse(line, sizeof line);
    return ok;
}

static bool read_file(struct account *account, struct failure *failure)
{
    char path[HOME_PATH_SIZE];
    char problem[128];
    if (!home_path(path, "account")) {
        return true;
    }
    FILE *file = home_open_secret(path, problem, sizeof problem);
    if (file == NULL) {
        if (problem[0] != '\0') {
            failure_set(failure, EXIT_USAGE, "%s %s", path, problem);
        }
        return problem[0] == '\0';
    }
    bool ok = read_lines(account, file, path, failure);
    fclose(file);
    return ok;
}

/* The command line comes before the environment, that before the file. */
static bool choose_server(struct account *account, const struct options *options,
                          struct failure *failure)
{
    const char *server = options->call.server;
    if (server == NULL) {
        server = getenv("POSTERN_SERVER");
    }
    if (server != NULL && server[0] != '\0' &&
        snprintf(account->server, sizeof account->server, "%s", server) >=
            (int)sizeof account->server) {
        failure_set(failure, EXIT_USAGE, "the URI of the rendezvous service is too long");
        return false;
    }
    if (account->server[0] == '\0') {
        failure_set(failure, EXIT_USAGE, "no rendezvous service is named");
        failure_advise(failure, "Name it by --server tcp://HOST:PORT, by POSTERN_SERVER, or in "
                                "~/.config/postern/account.");
        return false;
    }
    return true;
}

bool account_find_server(char out[ACCOUNT_SERVER_SIZE], const struct options *options,
                         struct failure *failure)
{
    struct account account = {0};
    bool ok = read_file(&account, failure) && choose_server(&account, options, failure);
    memcpy(out, account.server, sizeof account.server);
    account_wipe(&account);
    return ok;
}

bool account_load(struct account *account, const struct options *options, struct failure *failure)
{
    struct account file = {0};
    *account = (struct account){0};
    bool ok = read_file(&file, failure);
    if (ok) {
        memcpy(account->server, file.server, sizeof account->server);
        ok = choose_server(account, options, failure) &&
             credentials_load(&account->credentials, options, &file.credentials,
                              clock_unix_seconds(), failure);
    }
    account_wipe(&file);
    return ok;
}
