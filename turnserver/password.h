/* SPDX-License-Identifier: BSD-3-Clause */
/* A password from a terminal, without echo, or from a line of a file. */
#ifndef TURNSERVER_PASSWORD_H
#define TURNSERVER_PASSWORD_H

#include <stdbool.h>
#include <stdio.h>

#define PASSWORD_SIZE_MAX 512

/* Reads a line into `password`, zero-terminated. Returns false at the end of input, and for a line
 * that is empty or too long. Cleanse it after use. */
bool password_read(char password[PASSWORD_SIZE_MAX + 2], FILE *input);

#endif
