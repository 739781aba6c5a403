/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/address.h"
#include "turnserver/config_certificate.h"
#include "turnserver/config_text.h"
#include "turnserver/try.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_BYTES 32
#define CERTIFICATE_DAYS 397
#define CERTIFICATE_DAYS_LEFT_MIN 14

/* ---- the folder --------------------------------------------------------------------------------
 */

static char *default_folder(FILE *diagnostics)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    char *folder = NULL;
    if (state && state[0] == '/')
        folder = config_path_resolve(state, "postern");
    else if (home && home[0] == '/')
        folder = config_path_resolve(home, ".local/state/postern");
    else
        fprintf(diagnostics, "turnserver: neither XDG_STATE_HOME nor HOME says where secret and "
                             "certificate are kept: give --try=DIR\n");
    return folder;
}

/* Makes the folder and those above it, each closed to others. */
static int make_folders(const char *path)
{
    char *copy = strdup(path);
    int result = copy ? 0 : -ENOMEM;
    for (char *slash = copy; result == 0 && slash;) {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = '\0';
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            result = -errno;
        if (slash)
            *slash = '/';
    }
    free(copy);
    return result;
}

static bool open_folder(const struct try_state *state, FILE *diagnostics)
{
    struct stat status = {0};
    int result = make_folders(state->folder);
    if (result == 0 && stat(state->folder, &status) < 0)
        result = -errno;
    if (result < 0) {
        fprintf(diagnostics, "turnserver: cannot make %s: %s\n", state->folder, strerror(-result));
        return false;
    }
    if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 022)) {
        fprintf(diagnostics,
                "turnserver: %s keeps a secret: it must be a folder of yours that nobody else can "
                "write to (chmod 700)\n",
                state->folder);
        return false;
    }
    return true;
}

/* ---- files -------------------------------------------------------------------------------------
 */

/* A new file of mode 0600, which takes the place of an older one whole. */
static int write_file(const char *path, const char *bytes, size_t size)
{
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.new", path) < 0)
        return -ENOMEM;
    unlink(temporary);
    int result = 0;
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0 || write(descriptor, bytes, size) != (ssize_t)size || fsync(descriptor) < 0)
        result = errno ? -errno : -EIO;
    if (descriptor >= 0)
        close(descriptor);
    if (result == 0 && rename(temporary, path) < 0)
        result = -errno;
    free(temporary);
    return result;
}

static bool tell_write(const char *path, int result, FILE *diagnostics)
{
    if (result < 0)
        fprintf(diagnostics, "turnserver: cannot write %s: %s\n", path, strerror(-result));
    return result == 0;
}

static bool is_secret(const char *text)
{
    return strspn(text, "0123456789abcdef") == TRY_SECRET_SIZE - 1 &&
           strcmp(text + TRY_SECRET_SIZE - 1, "\n") == 0;
}

static bool make_secret(struct try_state *state, const char *path, FILE *diagnostics)
{
    unsigned char bytes[SECRET_BYTES];
    char text[TRY_SECRET_SIZE + 1];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        fprintf(diagnostics, "turnserver: the random generator failed\n");
        return false;
    }
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(state->secret + 2 * i, 3, "%02x", bytes[i]);
    snprintf(text, sizeof(text), "%s\n", state->secret);
    return tell_write(path, write_file(path, text, TRY_SECRET_SIZE), diagnostics);
}

static bool read_secret(struct try_state *state, const char *path, FILE *diagnostics)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0 && errno == ENOENT)
        return make_secret(state, path, diagnostics);
    struct stat status;
    char text[TRY_SECRET_SIZE + 2] = {0};
    bool read_whole = descriptor >= 0 && fstat(descriptor, &status) == 0 &&
                      read(descriptor, text, sizeof(text) - 1) == TRY_SECRET_SIZE;
    if (descriptor >= 0)
        close(descriptor);
    if (!read_whole || !is_secret(text) || (status.st_mode & 077)) {
        fprintf(diagnostics,
                "turnserver: %s is not what --try made: 64 hexadecimal digits that only you may "
                "read. Remove it, and a new one is made.\n",
                path);
        return false;
    }
    memcpy(state->secret, text, TRY_SECRET_SIZE - 1);
    return true;
}

/* ---- certificate -------------------------------------------------------------------------------
 */

static bool add_extension(X509 *certificate, int id, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
    bool good = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

static bool add_names(X509 *certificate, const struct stun_address *addresses, size_t count)
{
    char names[1024];
    size_t used = (size_t)snprintf(names, sizeof(names), "DNS:" TRY_REALM ",DNS:localhost");
    for (size_t i = 0; i < count && used < sizeof(names) - ADDRESS_TEXT_SIZE - 4; i++) {
        char text[ADDRESS_TEXT_SIZE];
        if (!address_is_unspecified(&addresses[i]))
            used += (size_t)snprintf(names + used, sizeof(names) - used, ",IP:%s",
                                     address_format_ip(&addresses[i], text));
    }
    return add_extension(certificate, NID_subject_alt_name, names);
}

static bool fill_certificate(X509 *certificate, EVP_PKEY *key, const struct stun_address *addresses,
                             size_t count)
{
    uint64_t serial = 0;
    X509_NAME *name = X509_get_subject_name(certificate);
    return RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
           X509_set_version(certificate, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), CERTIFICATE_DAYS * 86400L) &&
           X509_set_pubkey(certificate, key) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)TRY_REALM,
                                      -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
           add_names(certificate, addresses, count) &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

/* Both as PEM texts, which the caller frees with BIO_free. */
static bool write_pem(BIO *certificate_pem, BIO *key_pem, const struct stun_address *addresses,
                      size_t count)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    bool good = key && certificate && fill_certificate(certificate, key, addresses, count) &&
                PEM_write_bio_X509(certificate_pem, certificate) == 1 &&
                PEM_write_bio_PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL) == 1;
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good;
}

static bool make_certificate(const struct try_state *state, const struct stun_address *addresses,
                             size_t count, FILE *diagnostics)
{
    BIO *certificate = BIO_new(BIO_s_mem());
    BIO *key = BIO_new(BIO_s_mem());
    bool good = certificate && key && write_pem(certificate, key, addresses, count);
    if (!good)
        fprintf(diagnostics, "turnserver: OpenSSL made no certificate\n");
    char *bytes = NULL;
    if (good) {
        size_t size = (size_t)BIO_get_mem_data(key, &bytes);
        good = tell_write(state->key_path, write_file(state->key_path, bytes, size), diagnostics);
    }
    if (good) {
        size_t size = (size_t)BIO_get_mem_data(certificate, &bytes);
        good = tell_write(state->certificate_path, write_file(state->certificate_path, bytes, size),
                          diagnostics);
    }
    BIO_free(certificate);
    BIO_free(key);
    return good;
}

/* Whether the pair is there, belongs together, and lasts a while. */
static bool certificate_is_good(const struct try_state *state)
{
    struct config_certificate *certificate = NULL;
    char problem[256];
    bool good =
        config_certificate_load(&certificate, NULL, state->certificate_path, state->key_path,
                                problem, sizeof(problem)) == CONFIG_CERTIFICATE_GOOD &&
        config_certificate_days_left(certificate) >= CERTIFICATE_DAYS_LEFT_MIN;
    config_certificate_free(certificate);
    return good;
}

bool try_state_open(struct try_state *state, const char *folder,
                    const struct stun_address *addresses, size_t count, FILE *diagnostics)
{
    *state = (struct try_state){0};
    char *current = folder ? getcwd(NULL, 0) : NULL;
    state->folder = !folder   ? default_folder(diagnostics)
                    : current ? config_path_resolve(current, folder)
                              : NULL;
    free(current);
    if (!state->folder)
        return false;
    char *secret_path = config_path_resolve(state->folder, "secret");
    state->certificate_path = config_path_resolve(state->folder, "certificate.pem");
    state->key_path = config_path_resolve(state->folder, "key.pem");
    bool good =
        secret_path && state->certificate_path && state->key_path &&
        open_folder(state, diagnostics) && read_secret(state, secret_path, diagnostics) &&
        (certificate_is_good(state) || make_certificate(state, addresses, count, diagnostics));
    free(secret_path);
    if (good) {
        state->certificate = open(state->certificate_path, O_RDONLY | O_CLOEXEC);
        state->key = open(state->key_path, O_RDONLY | O_CLOEXEC);
    }
    return good;
}

int try_state_open_file(void *context, const char *path)
{
    const struct try_state *state = context;
    int kept = strcmp(path, state->certificate_path) == 0 ? state->certificate
               : strcmp(path, state->key_path) == 0       ? state->key
                                                          : -1;
    if (kept < 0)
        return -ENOENT;
    int descriptor = fcntl(kept, F_DUPFD_CLOEXEC, 0);
    if (descriptor < 0 || lseek(descriptor, 0, SEEK_SET) < 0)
        return -errno;
    return descriptor;
}

static void close_kept(int descriptor)
{
    if (descriptor >= 0)
        close(descriptor);
}

void try_state_free(struct try_state *state)
{
    free(state->folder);
    free(state->certificate_path);
    free(state->key_path);
    free(state->client);
    close_kept(state->certificate);
    close_kept(state->key);
    *state = (struct try_state){.certificate = -1, .key = -1};
}
