/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/credentials.h"

#include "base/base64.h"
#include "base/normal_form.h"
#include "stunclient/verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define REST_LIFETIME_S 3600
#define REST_NAME "stunclient"
#define SHA1_SIZE 20

void credentials_wipe(struct credentials *credentials)
{
    OPENSSL_cleanse(credentials, sizeof *credentials);
}

static bool fail_size(const char *what, struct failure *failure)
{
    failure_set(failure, EXIT_USAGE, "the %s is longer than %d bytes", what,
                CREDENTIAL_SIZE_MAX - 1);
    return false;
}

/* The first line of a file. */
static bool read_file(const char *path, const char *what, char *out, struct failure *failure)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    char line[CREDENTIAL_SIZE_MAX + 1];
    bool ok = false;
    if (file == NULL) {
        failure_set(failure, EXIT_USAGE, "the %s cannot be read from %s: %s", what, path,
                    strerror(errno));
        return false;
    }
    if (fgets(line, sizeof line, file) == NULL) {
        line[0] = '\0';
    }
    size_t size = strcspn(line, "\r\n");
    if (size >= CREDENTIAL_SIZE_MAX) {
        fail_size(what, failure);
    } else if (size == 0) {
        failure_set(failure, EXIT_USAGE, "%s holds no %s in its first line",
                    is_stdin ? "standard input" : path, what);
    } else {
        memcpy(out, line, size);
        out[size] = '\0';
        ok = true;
    }
    OPENSSL_cleanse(line, sizeof line);
    if (!is_stdin) {
        fclose(file);
    }
    return ok;
}

/* Returns false after a failure; `out` stays empty when the source is nowhere. */
static bool load(const char *option, const char *path, const char *variable, const char *what,
                 char *out, struct failure *failure)
{
    const char *value = option;
    out[0] = '\0';
    if (value == NULL && path != NULL) {
        return read_file(path, what, out, failure);
    }
    if (value == NULL && variable != NULL) {
        value = getenv(variable);
    }
    if (value == NULL) {
        return true;
    }
    if (strlen(value) >= CREDENTIAL_SIZE_MAX) {
        return fail_size(what, failure);
    }
    memcpy(out, value, strlen(value) + 1);
    return true;
}

static bool make_rest(struct credentials *credentials, const char *secret, int64_t unix_seconds,
                      struct failure *failure)
{
    char name[CREDENTIAL_SIZE_MAX];
    unsigned char digest[SHA1_SIZE];
    unsigned size = sizeof digest;
    snprintf(name, sizeof name, "%s", credentials->user[0] == '\0' ? REST_NAME : credentials->user);
    int length = snprintf(credentials->user, sizeof credentials->user, "%" PRId64 ":%s",
                          unix_seconds + REST_LIFETIME_S, name);
    if (length >= (int)sizeof credentials->user) {
        return fail_size("user name", failure);
    }
    if (HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)credentials->user,
             (size_t)length, digest, &size) == NULL) {
        failure_set(failure, EXIT_USAGE, "OpenSSL does not offer HMAC-SHA1");
        return false;
    }
    EVP_EncodeBlock((unsigned char *)credentials->password, digest, (int)size);
    credentials->given = true;
    return true;
}

static bool combine(struct credentials *credentials, const char *secret, int64_t unix_seconds,
                    struct failure *failure)
{
    if (secret[0] != '\0') {
        if (credentials->password[0] != '\0') {
            failure_set(failure, EXIT_USAGE, "both a password and a secret are given");
            failure_advise(failure, "A password belongs to one user; a secret makes names itself.");
            return false;
        }
        return make_rest(credentials, secret, unix_seconds, failure);
    }
    bool has_user = credentials->user[0] != '\0';
    bool has_password = credentials->password[0] != '\0';
    if (has_user != has_password) {
        failure_set(failure, EXIT_USAGE,
                    has_user ? "user %s has no password" : "there is a password, but no --user%s",
                    has_user ? credentials->user : "");
        failure_advise(failure, has_user ? "Give it by --password-file, POSTERN_PASSWORD or "
                                           "--password."
                                         : "Give the name by --user or POSTERN_USER.");
        return false;
    }
    credentials->given = has_user;
    return true;
}

/* ---- OAuth tokens ------------------------------------------------------------------------------
 */

static bool decode(const char *text, uint8_t *out, size_t capacity, uint16_t *size)
{
    size_t decoded = strcspn(text, "=") * 3 / 4;
    if (decoded == 0 || decoded > capacity || !base64_decode(text, out, decoded)) {
        return false;
    }
    *size = (uint16_t)decoded;
    return true;
}

static bool read_token(struct credentials *credentials, FILE *file)
{
    char lines[3][CREDENTIAL_SIZE_MAX + 256] = {{0}};
    bool whole = true;
    for (unsigned i = 0; i < 3 && whole; i++) {
        whole = fgets(lines[i], sizeof lines[i], file) != NULL;
        lines[i][strcspn(lines[i], "\r\n")] = '\0';
    }
    size_t name_size = strlen(lines[0]);
    bool good =
        whole && name_size > 0 && name_size < sizeof credentials->user &&
        decode(lines[1], credentials->token_key, sizeof credentials->token_key,
               &credentials->token_key_size) &&
        decode(lines[2], credentials->token, sizeof credentials->token, &credentials->token_size);
    if (good) {
        memcpy(credentials->user, lines[0], name_size + 1);
    }
    credentials->given = good;
    OPENSSL_cleanse(lines, sizeof lines);
    return good;
}

static bool load_token(struct credentials *credentials, const char *path, struct failure *failure)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    if (file == NULL) {
        failure_set(failure, EXIT_USAGE, "the access token cannot be read from %s: %s", path,
                    strerror(errno));
        return false;
    }
    bool good = read_token(credentials, file);
    if (!good) {
        failure_set(failure, EXIT_USAGE, "%s holds no access token",
                    is_stdin ? "standard input" : path);
        failure_advise(failure, "Three lines are expected: the id of the key (kid), the session "
                                "key in base64, and the token in base64.");
    }
    if (!is_stdin) {
        fclose(file);
    }
    return good;
}

static void fill_in(struct credentials *credentials, const struct credentials *otherwise)
{
    if (otherwise == NULL) {
        return;
    }
    if (credentials->user[0] == '\0') {
        memcpy(credentials->user, otherwise->user, sizeof credentials->user);
    }
    if (credentials->password[0] == '\0' && strcmp(credentials->user, otherwise->user) == 0) {
        memcpy(credentials->password, otherwise->password, sizeof credentials->password);
    }
}

bool credentials_load(struct credentials *credentials, const struct options *options,
                      const struct credentials *otherwise, int64_t unix_seconds,
                      struct failure *failure)
{
    char secret[CREDENTIAL_SIZE_MAX];
    bool is_call = (options->verb->bit & (VERB_LISTEN | VERB_CALL)) != 0; /* knows no secrets */
    bool told_password = is_call || options->password != NULL || options->password_file != NULL;
    bool told_secret = options->secret != NULL || options->secret_file != NULL;
    *credentials = (struct credentials){0};
    if (options->access_token_file != NULL) {
        return load_token(credentials, options->access_token_file, failure);
    }
    /* What stands on the command line makes the other kind in the environment not count. */
    bool ok =
        load(options->user, NULL, "POSTERN_USER", "user name", credentials->user, failure) &&
        load(options->password, options->password_file, told_secret ? NULL : "POSTERN_PASSWORD",
             "password", credentials->password, failure) &&
        load(options->secret, options->secret_file, told_password ? NULL : "POSTERN_SECRET",
             "secret", secret, failure);
    if (ok) {
        fill_in(credentials, otherwise);
        /* What is no UTF-8 is sent as it was given. */
        (void)normal_form_apply(credentials->user, sizeof credentials->user);
        (void)normal_form_apply(credentials->password, sizeof credentials->password);
        ok = combine(credentials, secret, unix_seconds, failure);
    }
    OPENSSL_cleanse(secret, sizeof secret);
    return ok;
}
