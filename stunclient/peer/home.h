/* SPDX-License-Identifier: BSD-3-Clause */
/* The files that stunclient keeps for its user: $XDG_CONFIG_HOME/postern/, or ~/.config/postern/.
 */
#ifndef STUNCLIENT_PEER_HOME_H
#define STUNCLIENT_PEER_HOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define HOME_PATH_SIZE 4096

/* The path of `name` there. False when the environment does not tell where that is. */
bool home_path(char path[HOME_PATH_SIZE], const char *name);
/* Makes the folder of `path`, for its user only, and those above it. Returns 0 or -errno. */
int home_make_folder(const char *path);
/*
 * Opens a file to read whose content is a secret: it must be this user's and closed to others.
 * Returns NULL and fills `problem` (the end of a sentence), or leaves it empty when there is no
 * such file.
 */
FILE *home_open_secret(const char *path, char *problem, size_t problem_size);

#endif
