/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/known_peers.h"

#include "stunclient/peer/home.h"
#include "stunclient/peer/host_key.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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

static bool is_coded(const char *text)
{
    return text[0] == '%' && isxdigit((unsigned char)text[1]) != 0 &&
           isxdigit((unsigned char)text[2]) != 0;
}

void known_peers_read_name(char out[KNOWN_PEER_NAME_SIZE], const char *typed)
{
    size_t size = 0;
    while (*typed != '\0' && size + 1 < KNOWN_PEER_NAME_SIZE) {
        if (is_coded(typed)) {
            const char digits[] = {typed[1], typed[2], '\0'};
            out[size++] = (char)strtoul(digits, NULL, 16);
            typed += 3;
        } else {
            out[size++] = *typed++;
        }
    }
    out[size] = '\0';
}

/* ---- lines ----------------------------------------------------------------------------------- */

#define LINE_SIZE (2 * WORD_SIZE + 128)

struct line {
    char text[LINE_SIZE]; /* as it stands there */
    char words[LINE_SIZE];
    char *service, *name, *key; /* in `words`, escaped; NULL: no line of ours */
};

static bool read_line(FILE *file, struct line *line)
{
    char *rest = line->words;
    if (fgets(line->text, sizeof line->text, file) == NULL) {
        return false;
    }
    memcpy(line->words, line->text, sizeof line->words);
    line->service = strsep(&rest, " \n");
    line->name = strsep(&rest, " \n");
    const char *kind = strsep(&rest, " \n");
    line->key = strsep(&rest, " \n");
    if (kind == NULL || line->key == NULL || strcmp(kind, "ed25519") != 0) {
        line->service = line->name = line->key = NULL;
    }
    return true;
}

/* `service`: NULL means any. */
static bool is_of(const struct line *line, const char *service, const char *name)
{
    return line->key != NULL && strcmp(line->name, name) == 0 &&
           (service == NULL || strcmp(line->service, service) == 0);
}

struct search {
    unsigned count; /* keys that the peer has */
    bool found;     /* this one among them */
};

static struct search look_up(const char *path, const char *service, const char *name,
                             const char *public_text)
{
    struct search search = {0};
    struct line line;
    FILE *file = path == NULL ? NULL : fopen(path, "re");
    while (file != NULL && read_line(file, &line)) {
        if (is_of(&line, service, name)) {
            search.count++;
            search.found |= public_text != NULL && strcmp(line.key, public_text) == 0;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return search;
}

static int append(const char *path, const char *service, const char *name, const char *public_text)
{
    char line[LINE_SIZE];
    int size = snprintf(line, sizeof line, "%s %s ed25519 %s\n", service, name, public_text);
    int status = home_make_folder(path);
    int descriptor = status == 0 ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (status == 0 && (descriptor < 0 || write(descriptor, line, (size_t)size) != size)) {
        status = errno != 0 ? -errno : -EIO;
    }
    if (descriptor >= 0 && close(descriptor) != 0 && status == 0) {
        status = -errno;
    }
    return status;
}

/* ---- who it is ------------------------------------------------------------------------------- */

static void tell_changed(struct failure *failure, const char *name, const char *public_text)
{
    if (public_text == NULL) {
        failure_set(failure, EXIT_IDENTITY,
                    "%s shows no key, but did so before: somebody else may speak in its name",
                    name);
        failure_advise(failure,
                       "If it has none any more, as a browser, `stunclient key --forget %s` "
                       "forgets the one that is known.",
                       name);
        return;
    }
    failure_set(failure, EXIT_IDENTITY,
                "%s shows another key than before: %s. Somebody else may speak in its name, the "
                "rendezvous service included; or it has another host, or a new key",
                name, public_text);
    failure_advise(failure,
                   "Ask %s, by another way, what `stunclient key` prints there. If it is that, "
                   "`stunclient key --trust %s=%s` takes it too; `stunclient key --forget %s` "
                   "forgets those before.",
                   name, name, public_text, name);
}

static const char *usual_path(const char *path, char usual[HOME_PATH_SIZE])
{
    return path != NULL ? path : home_path(usual, "known_peers") ? usual : NULL;
}

enum known_peer known_peers_check(const char *path, const char *service, const char *name,
                                  const char *public_text, struct failure *failure)
{
    char usual[HOME_PATH_SIZE];
    char service_word[WORD_SIZE];
    char name_word[WORD_SIZE];
    path = usual_path(path, usual);
    escape(service_word, service);
    escape(name_word, name);
    struct search search = look_up(path, service_word, name_word, public_text);
    if (search.count == 0 && public_text == NULL) {
        return KNOWN_PEER_UNKNOWN;
    }
    if (search.count == 0) {
        bool saved = path != NULL && append(path, service_word, name_word, public_text) == 0;
        return saved ? KNOWN_PEER_NEW : KNOWN_PEER_UNSAVED;
    }
    if (search.found) {
        return KNOWN_PEER_SAME;
    }
    tell_changed(failure, name_word, public_text);
    return public_text == NULL ? KNOWN_PEER_WITHDRAWN : KNOWN_PEER_CHANGED;
}

/* ---- what the user says ---------------------------------------------------------------------- */

int known_peers_add(const char *path, const char *service, const char *name,
                    const char *public_text)
{
    char usual[HOME_PATH_SIZE];
    char service_word[WORD_SIZE];
    char name_word[WORD_SIZE];
    path = usual_path(path, usual);
    escape(service_word, service);
    escape(name_word, name);
    if (path == NULL) {
        return -ENOENT;
    }
    return look_up(path, service_word, name_word, public_text).found
               ? 0
               : append(path, service_word, name_word, public_text);
}

/* Copies all lines but those. Returns how many it left out, or -errno. */
static int copy_without(FILE *from, FILE *to, const char *service, const char *name)
{
    struct line line;
    int count = 0;
    while (read_line(from, &line)) {
        if (is_of(&line, service, name)) {
            count++;
        } else if (fputs(line.text, to) < 0) {
            return -errno;
        }
    }
    return ferror(from) != 0 || fflush(to) != 0 ? -EIO : count;
}

int known_peers_forget(const char *path, const char *service, const char *name)
{
    char usual[HOME_PATH_SIZE];
    char beside[HOME_PATH_SIZE + 8];
    char service_word[WORD_SIZE];
    char name_word[WORD_SIZE];
    int count = 0;
    path = usual_path(path, usual);
    FILE *from = path == NULL ? NULL : fopen(path, "re");
    if (from == NULL) {
        return path == NULL || errno == ENOENT ? 0 : -errno;
    }
    escape(service_word, service == NULL ? "" : service);
    escape(name_word, name);
    snprintf(beside, sizeof beside, "%s.XXXXXX", path);
    int descriptor = mkstemp(beside);
    FILE *to = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    count = to == NULL ? -errno
                       : copy_without(from, to, service == NULL ? NULL : service_word, name_word);
    if (to != NULL && fclose(to) != 0 && count >= 0) {
        count = -errno;
    }
    if (count > 0 && rename(beside, path) != 0) {
        count = -errno;
    }
    if (descriptor >= 0 && count <= 0) {
        unlink(beside);
    }
    fclose(from);
    return count;
}

int known_peers_list(const char *path,
                     void (*visit)(void *context, const struct known_peer_line *line),
                     void *context)
{
    char usual[HOME_PATH_SIZE];
    struct line line;
    path = usual_path(path, usual);
    FILE *file = path == NULL ? NULL : fopen(path, "re");
    if (file == NULL) {
        return path == NULL || errno == ENOENT ? 0 : -errno;
    }
    while (read_line(file, &line)) {
        if (line.key != NULL) {
            const struct known_peer_line told = {line.service, line.name, line.key};
            visit(context, &told);
        }
    }
    fclose(file);
    return 0;
}
