/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/system_trust.h"

#include <dirent.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HASH_DIGITS 8

/* "4042bcee.0" */
static bool is_hashed(const char *name)
{
    return strspn(name, "0123456789abcdef") == HASH_DIGITS && name[HASH_DIGITS] == '.' &&
           name[HASH_DIGITS + 1] >= '0' && name[HASH_DIGITS + 1] <= '9';
}

static bool has_hashed_names(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    bool found = false;

    while (folder != NULL && !found && (entry = readdir(folder)) != NULL) {
        found = is_hashed(entry->d_name);
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return found;
}

void system_trust_use(SSL_CTX *context)
{
    const char *path = getenv(X509_get_default_cert_dir_env());
    bool file_named = getenv(X509_get_default_cert_file_env()) != NULL;

    path = path != NULL ? path : X509_get_default_cert_dir();
    if (!file_named && has_hashed_names(path)) {
        (void)SSL_CTX_set_default_verify_dir(context);
    } else {
        (void)SSL_CTX_set_default_verify_paths(context);
    }
}
