/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/known_peers.h"

#include "stunclient/peer/home.h"
#include "stunclient/peer/host_key.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WORD_SIZE 1024 /* 255 bytes as %XX, and more */

static void escape(char out[WORD_SIZE], const char *text)
{
    static const char plain[] = "-._@:[]+";
    size_t size = 0;
    for (; *text != '\0' && size + 4 < WORD_SIZE; text++) {
        unsigned char byte = (unsigned char)*text;
        if ((byte < 0x80 && isalnum(byte)) || strchr(plain, byte) != NULL) {
            out[size++] = (char)byte;
        } else {
            size += (size_t)snprintf(out + size, WORD_SIZE - size, "%%%02X", byte);
        }
    }
    out[size] = '\0';
}

/* Looks for the peer's line. Returns its number, or 0; fills the key. */
static unsigned find(FILE *file, const char *service, const char *name,
                     char key[HOST_KEY_TEXT_SIZE])
{
    char line[2 * WORD_SIZE + 128];
    char start[2 * WORD_SIZE + 16];
    int size = snprintf(start, sizeof start, "%s %s ed25519 ", service, name);
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        if (strncmp(line, start, (size_t)size) == 0) {
            const char *found = line + size;
            snprintf(key, HOST_KEY_TEXT_SIZE, "%.*s", (int)strcspn(found, " \n"), found);
            return number;
        }
    }
    return 0;
}

static bool append(const char *path, const char *service, const char *name, const char *public_text)
{
    char line[2 * WORD_SIZE + 128];
    int size = snprintf(line, sizeof line, "%s %s ed25519 %s\n", service, name, public_text);
    if (home_make_folder(path) != 0) {
        return false;
    }
    int descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    bool ok = descriptor >= 0 && write(descriptor, line, (size_t)size) == size;
    if (descriptor >= 0) {
        ok = close(descriptor) == 0 && ok;
    }
    return ok;
}

static void tell_changed(struct failure *failure, const char *name, const char *public_text,
                         const char *path, unsigned line)
{
    if (public_text == NULL) {
        failure_set(failure, EXIT_IDENTITY,
                    "%s shows no key, but did so before: somebody else may answer in its name",
                    name);
    } else {
        failure_set(failure, EXIT_IDENTITY,
                    "%s shows another key than before: %s. Somebody else may answer in its name, "
                    "the rendezvous service included; or it has a new key",
                    name, public_text);
    }
    failure_advise(failure,
                   "Ask %s, by another way, what `stunclient key` prints there. If that is the "
                   "new key, remove line %u of %s.",
                   name, line, path);
}

enum known_peer known_peers_check(const char *path, const char *service, const char *name,
                                  const char *public_text, struct failure *failure)
{
    char usual[HOME_PATH_SIZE];
    char service_word[WORD_SIZE];
    char name_word[WORD_SIZE];
    char key[HOST_KEY_TEXT_SIZE] = "";
    unsigned line = 0;
    if (path == NULL && home_path(usual, "known_peers")) {
        path = usual;
    }
    escape(service_word, service);
    escape(name_word, name);
    FILE *file = path == NULL ? NULL : fopen(path, "re");
    if (file != NULL) {
        line = find(file, service_word, name_word, key);
        fclose(file);
    }
    if (line == 0 && public_text == NULL) {
        return KNOWN_PEER_UNKNOWN;
    }
    if (line == 0) {
        bool saved = path != NULL && append(path, service_word, name_word, public_text);
        return saved ? KNOWN_PEER_NEW : KNOWN_PEER_UNSAVED;
    }
    if (public_text != NULL && strcmp(key, public_text) == 0) {
        return KNOWN_PEER_SAME;
    }
    tell_changed(failure, name_word, public_text, path, line);
    return public_text == NULL ? KNOWN_PEER_WITHDRAWN : KNOWN_PEER_CHANGED;
}
