/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/host_key.h"

#include "base/base64.h"
#include "base/text.h"
#include "stunclient/peer/home.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

#define SIGNATURE_TEXT_SIZE BASE64_TEXT_SIZE(ED25519_SIGNATURE_SIZE)
#define SIGNED_SIZE_MAX 1024
#define HEAD "postern ed25519 private key 1\n" /* the first line of the file */

/* `size` bytes from the first `text_size` characters. */
static bool decode(uint8_t *out, size_t size, const char *text, size_t text_size)
{
    char copy[SIGNATURE_TEXT_SIZE];
    if (text_size >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, text_size);
    copy[text_size] = '\0';
    bool ok = base64_decode(copy, out, size);
    OPENSSL_cleanse(copy, sizeof copy);
    return ok;
}

/* ---- the file -------------------------------------------------------------------------------- */

bool host_key_path(char *path, size_t size)
{
    char whole[HOME_PATH_SIZE];
    return home_path(whole, "key") && snprintf(path, size, "%s", whole) < (int)size;
}

void host_key_wipe(struct host_key *key)
{
    OPENSSL_cleanse(key, sizeof *key);
}

static bool derive(struct host_key *key)
{
    uint8_t public_key[ED25519_KEY_SIZE];
    if (!ed25519_public_key(key->private_key, public_key)) {
        return false;
    }
    base64_encode(public_key, sizeof public_key, key->public_text);
    return true;
}

static bool read_key(struct host_key *key, FILE *file)
{
    char head[64];
    char line[64];
    bool ok = fgets(head, sizeof head, file) != NULL && strcmp(head, HEAD) == 0 &&
              fgets(line, sizeof line, file) != NULL &&
              decode(key->private_key, ED25519_KEY_SIZE, line, strcspn(line, "\n"));
    OPENSSL_cleanse(line, sizeof line);
    return ok && derive(key);
}

/* The file appears whole or not at all: another process may make one at the same time. */
static int write_key(const struct host_key *key, const char *path)
{
    char temporary[HOME_PATH_SIZE + 16];
    char encoded[HOST_KEY_TEXT_SIZE];
    char text[sizeof HEAD + HOST_KEY_TEXT_SIZE + 1];
    int status = home_make_folder(path);
    if (status != 0) {
        return status;
    }
    snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        return -errno;
    }
    base64_encode(key->private_key, ED25519_KEY_SIZE, encoded);
    ssize_t size = snprintf(text, sizeof text, "%s%s\n", HEAD, encoded);
    if (write(descriptor, text, (size_t)size) != size || link(temporary, path) != 0) {
        status = errno == EEXIST ? -EEXIST : errno != 0 ? -errno : -EIO;
    }
    OPENSSL_cleanse(text, sizeof text);
    OPENSSL_cleanse(encoded, sizeof encoded);
    close(descriptor);
    unlink(temporary);
    return status;
}

static bool make_key(struct host_key *key, const char *path, struct failure *failure)
{
    if (RAND_priv_bytes(key->private_key, ED25519_KEY_SIZE) != 1 || !derive(key)) {
        failure_set(failure, EXIT_USAGE, "OpenSSL makes no Ed25519 key");
        return false;
    }
    int status = write_key(key, path);
    if (status != 0 && status != -EEXIST) {
        failure_set(failure, EXIT_USAGE, "the key cannot be written to %s: %s", path,
                    strerror(-status));
        failure_advise(failure, "Name another file by --key.");
    }
    return status == 0 || status == -EEXIST;
}

bool host_key_load(struct host_key *key, const char *path, struct failure *failure)
{
    char problem[128];
    /* A second round reads what somebody else has made at the same moment. */
    for (int round = 0; round < 2; round++) {
        FILE *file = home_open_secret(path, problem, sizeof problem);
        if (file != NULL) {
            bool ok = read_key(key, file);
            fclose(file);
            if (!ok) {
                failure_set(failure, EXIT_USAGE, "%s holds no key of stunclient", path);
                failure_advise(failure, "Move it away, and a new key is made; peers who know the "
                                        "old one will refuse it.");
            }
            return ok;
        }
        if (problem[0] != '\0') {
            failure_set(failure, EXIT_USAGE, "%s %s", path, problem);
            return false;
        }
        if (round == 0 && !make_key(key, path, failure)) {
            return false;
        }
    }
    failure_set(failure, EXIT_USAGE, "%s vanishes again and again", path);
    return false;
}

/* ---- signing --------------------------------------------------------------------------------- */

static size_t put_signed(uint8_t out[SIGNED_SIZE_MAX], const struct host_key_claim *claim)
{
    const char *const texts[] = {"postern-identity-1", claim->type, claim->fingerprint,
                                 claim->other};
    return text_put_terminated(out, SIGNED_SIZE_MAX, texts, sizeof texts / sizeof texts[0]);
}

bool host_key_sign(const struct host_key *key, const struct host_key_claim *claim,
                   char out[HOST_KEY_IDENTITY_SIZE])
{
    uint8_t text[SIGNED_SIZE_MAX];
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    char encoded[SIGNATURE_TEXT_SIZE];
    size_t size = put_signed(text, claim);
    if (size == 0 || !ed25519_sign(key->private_key, text, size, signature)) {
        return false;
    }
    base64_encode(signature, sizeof signature, encoded);
    snprintf(out, HOST_KEY_IDENTITY_SIZE, "ed25519 %s %s", key->public_text, encoded);
    return true;
}

static bool is_signed(const uint8_t public_key[ED25519_KEY_SIZE],
                      const uint8_t signature[ED25519_SIGNATURE_SIZE],
                      const struct host_key_claim *claim)
{
    uint8_t text[SIGNED_SIZE_MAX];
    size_t size = put_signed(text, claim);
    return size > 0 && ed25519_verify(public_key, signature, text, size);
}

const char *host_key_verify(const char *identity, const struct host_key_claim *claim,
                            char *public_text)
{
    static const char scheme[] = "ed25519 ";
    uint8_t public_key[ED25519_KEY_SIZE];
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    if (strncmp(identity, scheme, strlen(scheme)) != 0) {
        return "is of a kind that is not known here";
    }
    const char *pub = identity + strlen(scheme);
    size_t pub_size = strcspn(pub, " ");
    const char *sig = pub + pub_size + (pub[pub_size] == ' ');
    if (pub_size != HOST_KEY_TEXT_SIZE - 1 ||
        !decode(public_key, sizeof public_key, pub, pub_size) ||
        !decode(signature, sizeof signature, sig, strcspn(sig, " "))) {
        return "cannot be read";
    }
    if (!is_signed(public_key, signature, claim)) {
        return "does not sign the certificate";
    }
    memcpy(public_text, pub, pub_size);
    public_text[pub_size] = '\0';
    return NULL;
}
