/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/make_key.h"

#include "turnserver/auth/auth.h"
#include "turnserver/auth/opaque_string.h"
#include "turnserver/password.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* As the server prepares them when it reads a password (RFC 8265). */
struct prepared {
    char *user, *password;
};

static bool prepare(struct prepared *out, const char *user, const char *realm, const char *password)
{
    out->user = opaque_string_prepare(user);
    out->password = opaque_string_prepare(password);
    return out->user && out->password && !strpbrk(user, "\"\\") && auth_realm_is_valid(realm);
}

static void free_prepared(struct prepared *prepared)
{
    if (prepared->password)
        OPENSSL_cleanse(prepared->password, strlen(prepared->password));
    free(prepared->password);
    free(prepared->user);
}

static bool print_entry(FILE *output, struct stun_crypto *crypto, const struct prepared *prepared,
                        const char *realm, enum stun_password_algorithm algorithm)
{
    struct stun_key key;
    if (stun_key_long_term(crypto, &key, algorithm, prepared->user, realm, prepared->password) !=
        STUN_OK)
        return false;
    fprintf(output, "{ name = \"%s\"; key = \"%s", prepared->user,
            algorithm == STUN_PASSWORD_SHA256 ? "sha256:" : "");
    for (size_t i = 0; i < key.size; i++)
        fprintf(output, "%02x", key.bytes[i]);
    fputs("\"; }", output);
    OPENSSL_cleanse(&key, sizeof(key));
    return true;
}

enum exit_status make_key(const char *user, const char *realm, FILE *input, FILE *output)
{
    char password[PASSWORD_SIZE_MAX + 2] = {0};
    struct prepared prepared = {0};
    struct stun_crypto *crypto = stun_crypto_new();
    enum exit_status status = STATUS_UNUSABLE;
    if (!password_read(password, input)) {
        fprintf(stderr, "turnserver: --make-key: expected a password of 1 to 512 bytes on a line "
                        "of standard input\n");
    } else if (!prepare(&prepared, user, realm, password)) {
        fprintf(stderr, "turnserver: --make-key: expected a realm of printable ASCII, and user and "
                        "password without control characters (RFC 8265), quotes or backslashes\n");
    } else {
        bool good = crypto && print_entry(output, crypto, &prepared, realm, STUN_PASSWORD_MD5);
        fputs(",\n", output);
        good = good && print_entry(output, crypto, &prepared, realm, STUN_PASSWORD_SHA256);
        fputc('\n', output);
        status = good ? STATUS_GOOD : STATUS_FAILED;
    }
    OPENSSL_cleanse(password, sizeof(password));
    stun_crypto_free(crypto);
    free_prepared(&prepared);
    return status;
}
