/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/home.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool home_path(char path[HOME_PATH_SIZE], const char *name)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int size = -1;
    if (config != NULL && config[0] == '/') {
        size = snprintf(path, HOME_PATH_SIZE, "%s/postern/%s", config, name);
    } else if (home != NULL && home[0] == '/') {
        size = snprintf(path, HOME_PATH_SIZE, "%s/.config/postern/%s", home, name);
    }
    return size > 0 && size < HOME_PATH_SIZE;
}

int home_make_folder(const char *path)
{
    char folder[HOME_PATH_SIZE];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, S_IRWXU) != 0 && errno != EEXIST) {
            return -errno;
        }
        *slash = '/';
    }
    return 0;
}

FILE *home_open_secret(const char *path, char *problem, size_t problem_size)
{
    struct stat status;
    FILE *file = fopen(path, "re");
    problem[0] = '\0';
    if (file == NULL) {
        if (errno != ENOENT && errno != ENOTDIR) {
            snprintf(problem, problem_size, "cannot be read: %s", strerror(errno));
        }
        return NULL;
    }
    if (fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode)) {
        snprintf(problem, problem_size, "is no ordinary file");
    } else if (status.st_uid != geteuid() || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        snprintf(problem, problem_size, "can be read by others: chmod 600 it, as its owner");
    }
    if (problem[0] != '\0') {
        fclose(file);
        return NULL;
    }
    return file;
}
