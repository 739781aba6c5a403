/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/priv/trusted_open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel's own limit */
#define FILE_MODE 0640

struct walk {
    int folder;  /* O_PATH */
    bool shared; /* others may make entries here, but not replace root's (sticky, as /tmp) */
    char rest[PATH_MAX]; /* what is still to be walked */
    unsigned links;
};

/* Goes on from `folder`, which the walk then owns. */
static int enter(struct walk *walk, int folder)
{
    struct stat status;
    if (folder < 0)
        return -errno;
    int result = fstat(folder, &status) < 0 ? -errno : 0;
    bool writable = result == 0 && (status.st_mode & (S_IWGRP | S_IWOTH));
    if (result == 0 && (status.st_uid != 0 || (writable && !(status.st_mode & S_ISVTX))))
        result = -EPERM;
    if (result < 0) {
        close(folder);
        return result;
    }
    if (walk->folder >= 0)
        close(walk->folder);
    walk->folder = folder;
    walk->shared = writable;
    return 0;
}

/* Takes the next name from what is left; returns its size, 0 at the end. */
static size_t next_name(struct walk *walk, char name[NAME_MAX + 1])
{
    const char *begin = walk->rest + strspn(walk->rest, "/");
    size_t size = strcspn(begin, "/");
    if (size > NAME_MAX)
        return size;
    memcpy(name, begin, size);
    name[size] = '\0';
    begin += size;
    memmove(walk->rest, begin, strlen(begin) + 1);
    return size;
}

static int follow_link(struct walk *walk, int link)
{
    char target[PATH_MAX];
    char path[2 * PATH_MAX];
    ssize_t size = readlinkat(link, "", target, sizeof(target) - 1);
    if (size < 0)
        return -errno;
    target[size] = '\0';
    snprintf(path, sizeof(path), "%s/%s", target, walk->rest);
    if (++walk->links > LINKS_MAX)
        return -ELOOP;
    if (strlen(path) >= sizeof(walk->rest))
        return -ENAMETOOLONG;
    memcpy(walk->rest, path, strlen(path) + 1);
    return target[0] == '/' ? enter(walk, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)) : 0;
}

static int open_file(const struct walk *walk, const char *name, int flags)
{
    if (walk->shared)
        return -EPERM;
    int descriptor = openat(walk->folder, name,
                            flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, FILE_MODE);
    struct stat status;
    if (descriptor < 0)
        return -errno;
    if (fstat(descriptor, &status) < 0 || !S_ISREG(status.st_mode)) {
        close(descriptor);
        return -EINVAL;
    }
    return descriptor;
}

/* One name. Returns the opened file, 0 to go on, or -errno. */
static int step(struct walk *walk, const char *name, int flags)
{
    bool last = walk->rest[strspn(walk->rest, "/")] == '\0';
    int entry = openat(walk->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (entry < 0)
        return errno == ENOENT && last && (flags & O_CREAT) ? open_file(walk, name, flags) : -errno;
    struct stat status;
    int result = fstat(entry, &status) < 0 ? -errno : 0;
    if (result == 0 && S_ISDIR(status.st_mode))
        return enter(walk, entry);
    if (result == 0 && S_ISLNK(status.st_mode))
        result = walk->shared || status.st_uid != 0 ? -EPERM : follow_link(walk, entry);
    else if (result == 0)
        result = last ? open_file(walk, name, flags) : -ENOTDIR;
    close(entry);
    return result;
}

int trusted_open(const char *path, int flags)
{
    struct walk walk = {.folder = -1};
    char name[NAME_MAX + 1];
    if (path[0] != '/' || strlen(path) >= sizeof(walk.rest))
        return -EINVAL;
    memcpy(walk.rest, path, strlen(path) + 1);
    int result = enter(&walk, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    while (result == 0) {
        size_t size = next_name(&walk, name);
        if (size == 0)
            result = -EISDIR;
        else if (size > NAME_MAX)
            result = -ENAMETOOLONG;
        else
            result = step(&walk, name, flags);
    }
    if (walk.folder >= 0)
        close(walk.folder);
    return result;
}
